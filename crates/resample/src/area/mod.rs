//! Area kernels: every output pixel is the quadrilateral of its four corners in the frame's pixel plane.
//!
//! | item | what it does |
//! |---|---|
//! | [`area_row`] with [`AreaMethod::Exact`] | mean over the overlaps with the frame's pixels |
//! | [`area_row`] with [`AreaMethod::Drizzle`] | drops of shrunken pixels (Fruchter & Hook 2002, PASP 114, 144) |
//! | [`area_row_cfa`] | drizzle of a raw CFA plane, each colour from its own pixels |
//! | [`SphereArea`] | the exact overlap on the sphere, for pixels above some 20 arcsec |
//! | [`Adaptive`] | anti-aliased smooth kernels (DeForest 2004, Solar Physics 219, 3) |
//! | [`area_ratio_row`] | area of output pixels in frame pixels, for flux conservation |
//! | [`area_noise_correlation`] | how much more noise an aperture has than its pixels say |
//! | [`PixelLags`] | what correlated noise of frame pixels does to a sample |
//! | [`definition`] | the overlaps as plain polygon clipping in f64 |
//!
//! Rules, formulas and proofs: docs/methods/area-resampling.md.

mod adaptive;
mod apply;
mod block;
mod cfa;
mod correlation;
mod curve;
pub mod definition;
mod drop;
mod error;
mod kernel;
mod overlap;
mod pixel_correlation;
mod quads;
mod ratio;
mod row;
mod sphere;
mod sphere_polygon;

pub use adaptive::{Adaptive, AdaptiveOptions, AdaptiveShape};
pub use cfa::area_row_cfa;
pub use correlation::{Rotations, area_noise_correlation};
pub use error::AreaError;
pub use kernel::{AreaKernel, AreaMethod, DrizzleOptions, DropShape, MIN_PIXFRAC};
pub use pixel_correlation::{PixelLags, area_pixel_lags};
pub use ratio::area_ratio_row;
pub use row::{AreaRow, CornerRows, area_row};
pub use sphere::{SphereArea, SphereRows};
