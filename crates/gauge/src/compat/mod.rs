//! What ZeMosaic does to bring tiles to one level, by name and never by default: for comparison with its mosaics.
//! `docs/methods/compatibility.md` says where its mathematics fails and what is done instead.
//!
//! - [`two_pass`]: gains from the coverage of the mosaic
//! - [`coverage_scale`]: the plane those gains are medians of
//! - [`counted_median`]: exact medians without a copy of the values
//! - [`intertile`]: gains and offsets from overlaps
//! - [`intertile_options`]: its options
//! - `intertile_solve`: its least squares
//! - [`tile_scaling`]: gains from one healthy tile

pub mod counted_median;
pub mod coverage_scale;
pub mod intertile;
pub mod intertile_options;
mod intertile_solve;
pub mod tile_scaling;
pub mod two_pass;
