//! What can be wrong with an area kernel.

use thiserror::Error;

/// A parameter out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum AreaError {
    /// The drop must be a part of the pixel.
    #[error("pixfrac is {0}, but it must be above 0 and at most 1")]
    Pixfrac(f64),
    /// Output scale over input scale.
    #[error("the ratio of output scale to input scale is {0}, but it must be a positive number")]
    ScaleRatio(f64),
    /// Widths of the adaptive kernel.
    #[error("the adaptive kernel's width {kernel_width} and region {region_width} must be positive numbers")]
    Width {
        /// Width of the Gaussian.
        kernel_width: f64,
        /// Width of the region that is sampled.
        region_width: f64,
    },
}
