//! The adjustment of all frames of a run at once: one set of star positions, a pose for every frame, a distortion for every
//! instrument, by least squares over every detection (`docs/methods/adjustment.md`).
//!
//! Contents, in the order of the data:
//! - [`options`], [`solution`]: what goes in and what comes out
//! - `pose`: the tangent plane of a frame
//! - `distortion`: the polynomials of an instrument, and as SIP
//! - `objects`: which detections are one star
//! - `problem`: all observations and the state of all unknowns
//! - `robust`: error floors and weights from the residuals
//! - `system`: the normal equations without the objects
//! - `solver`: conjugate gradients, Cholesky
//! - `order`: which order of distortion the data support
//! - `driver`: the rounds
//! - `report`: figures of the solution
//! - [`mount`]: equatorial or alt-azimuth, from the turn of the frames

mod distortion;
mod driver;
pub mod mount;
mod objects;
pub mod options;
mod order;
mod pose;
mod problem;
mod report;
mod robust;
pub mod solution;
mod solver;
mod system;

pub use driver::adjust;
pub use mount::{Mount, MountPose, mount_type};
pub use options::{AdjustOptions, Solver};
pub use solution::{AdjustError, AdjustFrame, Adjusted, AdjustedFrame, InstrumentSolution, PlacedBy};
