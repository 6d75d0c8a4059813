//! Calibration of a run: calibration files are found and sorted into sets, frames get the masters that fit them, masters are
//! made (docs/methods/calibration.md).
//!
//! - `find`: files of the options, by kind; none of them is a frame
//! - `plan`: sets of files that make one master, what fits which frame; from headers alone
//! - `build`: masters, into the spill folder

mod build;
mod find;
mod plan;

pub use build::build_masters;
pub use find::{FoundCalibration, find_calibration};
pub use plan::{CalibrationPlan, MasterSet, plan_calibration};
