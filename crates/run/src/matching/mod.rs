//! Frames, or master tiles, are brought to one photometry: previews of all sources, the gauge, what it says set in the
//! sources, and the certificate of the seams.
//!
//! - `previews`: the previews of all sources
//! - `log`: lines and heartbeats while pairs are measured
//! - `tell`: what the user should know
//! - `stage`: the stage

mod log;
mod previews;
mod stage;
mod tell;

pub(crate) use stage::{gauge_frames, match_tiles};
pub(crate) use tell::PlaceOfFigures;
