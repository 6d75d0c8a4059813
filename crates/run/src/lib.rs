//! A run: from a list of inputs to a folder of products.
//!
//! Contents, in the order of the data:
//! - [`options`]: what a run is asked to do
//! - [`scan`]: inputs become frames, each with a verdict
//! - [`layout`]: frames become groups of sky, an output grid, a cost
//! - [`plan`]: what the run will take
//! - [`prepare`]: packed files are unpacked, noise is measured
//! - [`camera`]: what frames say of their cameras together (`cfa_check`, `noise_model`, `defects`)
//! - [`noise_model`]: gains by photon transfer over the run
//! - [`rgb_equalize`]: channels of a written product brought together
//! - [`mod@mosaic`]: the whole run
//! - `output`: the files of a run folder
//! - [`products`]: header, tables, preview, report
//! - [`check`]: a product is verified
//! - [`events`]: what happened, as it happens

pub mod camera;
mod cfa_check;
pub mod check;
mod defects;
mod error;
pub mod events;
pub mod layout;
pub mod mosaic;
pub mod noise_model;
pub mod options;
mod output;
pub mod plan;
pub mod prepare;
pub mod products;
pub mod rgb_equalize;
pub mod scan;
pub mod time;
pub mod units;

pub use error::{ExitCode, RunError};
pub use events::{Event, Reporter, Stage, Warning};
pub use layout::{Layout, plan_layout};
pub use mosaic::{RunOutcome, mosaic};
pub use options::{GridSource, GroupChoice, MosaicOptions, MosaicRequest};
pub use plan::{Forecast, PlannedRun, plan_run};
pub use rgb_equalize::RgbEqualizeChoice;
pub use scan::{Scan, scan_inputs};
