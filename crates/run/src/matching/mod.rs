//! Frames, or master tiles, are brought to one photometry: previews of all sources, the gauge, what it says set in the
//! sources, and the certificate of the seams.
//!
//! - `previews`: the previews of all sources
//! - `log`: lines and heartbeats while pairs are measured
//! - `tell`: what the user should know
//! - `stage`: the stage
//! - `made_tiles`: master tiles matched to one another before they are added up

mod log;
mod made_tiles;
mod previews;
mod stage;
mod tell;

pub(crate) use made_tiles::match_made_tiles;
pub(crate) use stage::{gauge_frames, match_tiles};
pub(crate) use tell::PlaceOfFigures;
