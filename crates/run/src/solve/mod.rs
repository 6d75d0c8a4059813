//! Plate solving: every frame finds its place.
//!
//! Contents, in the order of the data:
//! - [`options`]: what is asked
//! - `subject`: the stars of a frame, the hints of its header
//! - `attempt`: the ways to a WCS of one frame
//! - `rounds`: the order in which frames are tried
//! - `blind_search`: the index of the whole sky
//! - [`external`], `others`: programs of others
//! - `adjusting`: all frames together
//! - `instruments`: frames of one camera
//! - [`report`]: what became of the frames
//! - `stage`: all of that as a stage of a run
//! - [`command`]: all of that as a command
//! - [`sidecar`]: a solution is written beside the frame

mod adjusting;
mod attempt;
mod blind_search;
pub mod command;
pub mod external;
mod instruments;
pub mod options;
mod others;
pub mod report;
mod rounds;
pub mod sidecar;
mod stage;
mod subject;

pub use command::{SolveRequest, SolvedInputs, solve_inputs};
pub use options::{AdjustChoice, BlindSearch, SolveMode, SolveOptions, SolverChoice};
pub use report::{SolveOutcome, SolveReport, SolvedFrame, SolvedInstrument};
pub(crate) use stage::{Means, solve_scan};
