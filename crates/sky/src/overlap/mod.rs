//! Which frames share sky, and how much of it.

pub(crate) mod area;
mod hull;
mod index;

pub use hull::FootprintHull;
pub use index::{Ball, PlaceIndex, pair_hash};
