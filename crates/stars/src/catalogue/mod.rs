//! Star catalogues for plate solving.
//!
//! - [`any`]: one of the catalogues below, chosen by path
//! - [`dated`]: a catalogue at an epoch, as reference stars
//! - [`tycho`]: Tycho-2, embedded
//! - [`extract`]: an extract of Gaia, as CSV
//! - [`tiles`]: tile files of the crate `seiza`
//! - [`motion`]: proper motion
//! - `cone`: which rows of a zoned catalogue a circle on the sky can hold
//! - [`error`]: what can be wrong with a catalogue

pub mod any;
mod cone;
pub mod dated;
pub mod error;
pub mod extract;
pub mod motion;
pub mod tiles;
pub mod tycho;

pub use any::Catalogue;
pub use dated::Dated;
pub use error::CatalogueError;
pub use extract::Extract;
pub use tiles::Tiles;
pub use tycho::{CatalogueStar, Tycho2};
