//! Plate solving: from stars of a frame and a catalogue to a rough WCS.
//!
//! - [`embedded`]: the solver that is built in, with and without a hint
//! - [`pairs`]: a rough WCS where scale and parity are known
//! - [`blind_index`]: the index that solving without a hint needs
//! - [`error`]: why a frame has no solution

pub mod blind_index;
pub mod embedded;
pub mod error;
pub mod pairs;

pub use blind_index::BlindIndex;
pub use embedded::{Hint, Limits, RoughWcs, ScaleRange, solve_blind, solve_hinted};
pub use error::SolveError;
pub use pairs::{PoseHint, solve_by_pairs};
