//! A run: from a list of inputs to a folder of products.
//!
//! Contents, in the order of the data:
//! - [`options`]: what a run is asked to do
//! - [`solve`]: frames without a WCS are solved
//! - [`scan`]: inputs become frames, each with a verdict
//! - [`layout`]: frames become groups of sky, an output grid, a cost
//! - [`plan`]: what the run will take
//! - [`tiles`]: which frames make which master tile
//! - [`calibrate`]: calibration files, masters, what fits which frame
//! - [`prepare`]: packed files are unpacked, noise is measured
//! - `matching`: frames are brought to one photometry; `match_room`: whether there is room for that
//! - [`camera`]: what frames say of their cameras together (`cfa_check`, `noise_model`, `defects`)
//! - [`noise_model`]: gains by photon transfer over the run
//! - [`rgb_equalize`]: channels of a written product brought together
//! - `classic`: groups of frames to master tiles; `stack`: all frames to one
//! - `existing`: a mosaic of tiles that are there; `tile_weights`: which have weights; `tile_figures`: their samples and noise
//! - [`quality`]: stars are measured, gates applied
//! - [`mod@mosaic`]: the whole run
//! - [`quality_report`]: the quality of frames alone
//! - [`overlaps`]: which frames share sky
//! - `assemble`: a mosaic is filled and finished
//! - `output`: the files of a run folder
//! - [`products`]: header, tables, preview, report
//! - [`check`]: a product is verified
//! - [`events`]: what happened, as it happens; `event_log`, `log_files`: who writes it, and where
//! - `desk`: who works on what; [`watchdog`]: when nothing finishes

mod assemble;
pub mod calibrate;
pub mod camera;
mod cfa_check;
pub mod check;
mod classic;
mod defects;
mod desk;
mod error;
mod event_log;
pub mod events;
mod existing;
pub mod layout;
mod log_files;
mod match_room;
mod matching;
pub mod mosaic;
pub mod noise_model;
pub mod options;
mod output;
pub mod overlaps;
pub mod plan;
pub mod prepare;
pub mod products;
pub mod quality;
pub mod quality_report;
pub mod rgb_equalize;
mod run_folder;
pub mod scan;
pub mod solve;
mod stack;
mod stats;
mod tile_figures;
mod tile_weights;
pub mod tiles;
mod two_pass;
pub mod units;
pub mod watchdog;

pub use error::{ExitCode, RunError};
pub use events::{Event, Reporter, Stage, Warning};
pub use layout::{Layout, plan_layout};
pub use mosaic::{RunOutcome, mosaic};
pub use options::{
    GridSource, GroupChoice, InputKind, MosaicOptions, MosaicRequest, RunCommand, RunMode, TileKeeping,
};
pub use overlaps::{OverlapsReport, OverlapsRequest, overlaps_of};
pub use plan::{Forecast, PlannedRun, plan_run};
pub use quality::QualityOptions;
pub use quality_report::{QualityReport, QualityRequest, QualityRow, quality_of};
pub use rgb_equalize::RgbEqualizeChoice;
pub use scan::{Scan, scan_inputs};
pub use solve::{SolveMode, SolveOptions, SolveReport, SolveRequest, solve_inputs};
