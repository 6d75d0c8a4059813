//! Planes, regions, robust statistics, demosaic: pixels without files and without sky.
//!
//! - [`Region`]: a rectangle of pixels
//! - [`Image`]: an owned plane
//! - [`CfaPattern`]: Bayer patterns
//! - [`demosaic_bilinear`]: a window of a Bayer frame as three planes
//! - [`stats`]: median, MAD, percentile, noise from differences
//! - [`simd`]: instruction sets of the kernels

mod cfa;
mod demosaic;
mod image;
mod region;
pub mod simd;
pub mod stats;

pub use cfa::CfaPattern;
pub use demosaic::demosaic_bilinear;
pub use image::Image;
pub use region::Region;
