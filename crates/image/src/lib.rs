//! Planes, regions, robust statistics, demosaic: pixels without files and without sky.
//!
//! - [`Region`]: a rectangle of pixels
//! - [`Image`]: an owned plane
//! - [`CfaPattern`]: Bayer patterns
//! - [`demosaic`], [`Demosaic`]: a window of a Bayer frame as three planes, by one of four methods
//! - [`defects`]: hot and cold pixels of a raw frame, and by persistence over many
//! - [`phase`]: what the data say about the phase of their Bayer pattern
//! - [`background`]: the sky background of a frame as a mesh and a smooth surface
//! - [`definition`]: demosaic and background as plain scalar functions in f64
//! - [`mod@rgb_equalize`]: gains that bring the channels' backgrounds together
//! - [`stats`]: median, MAD, percentile, noise from differences
//! - [`simd`]: instruction sets of the kernels

pub mod background;
mod cfa;
pub mod defects;
pub mod definition;
mod demosaic;
mod image;
pub mod phase;
mod region;
pub mod rgb_equalize;
pub mod simd;
pub mod stats;

pub use background::{Background, BackgroundError, BackgroundOptions, MeshBuilder, Sites};
pub use cfa::CfaPattern;
pub use demosaic::{CfaWindow, Demosaic, demosaic, demosaic_bilinear, demosaic_window};
pub use image::Image;
pub use region::Region;
