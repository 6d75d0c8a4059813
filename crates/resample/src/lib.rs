//! Resampling kernels: normalised, weighted, with the variance they leave.
//!
//! - [`Kernel`]: nearest, bilinear, both bicubics, Lanczos 2/3/4
//! - [`KernelTable`]: a kernel's weights by phase, with its stretch
//! - [`warp_row`], [`warp_row_planes`]: samples of a row of positions
//! - [`bspline_prefilter`], [`warp_row_coefficients`]: the same of the B-spline, which needs coefficients
//! - [`warp_noise_row`]: the input's noise as the samples weigh it
//! - [`noise_correlation`]: what sums over several output pixels have more of variance
//! - [`definition`]: the same as a plain scalar function in f64
//! - [`flags`]: what a sample's taps met
//! - [`area`]: exact overlaps, drizzle, adaptive kernels
//!
//! The rules (docs/methods/resampling.md): y = sum k w x / sum k w with w = 1 for good taps inside the
//! frame, else 0. A sample is valid when its position is inside the frame (-0.5 <= p < N - 0.5) and, of what
//! lies inside the frame, good taps hold more than half of the sum of |k| and more than a quarter of the sum
//! of k; the second caps the noise where a masked centre leaves negative lobes to cancel the rest.

pub mod area;
mod bspline;
mod correlation;
pub mod definition;
pub mod flags;
mod kernel;
mod table;
mod warp;

pub use bspline::{
    FILL_RADIUS_PX, FILTER_RADIUS_PX, PrefilterScratch, SplineCoefficients, bspline_prefilter,
};
pub use correlation::{noise_correlation, whole_pixel_autocorrelation};
pub use kernel::Kernel;
pub use table::KernelTable;
pub use warp::{
    NoiseWindow, SourceWindow, WarpRow, warp_noise_row, warp_row, warp_row_coefficients, warp_row_planes,
};
