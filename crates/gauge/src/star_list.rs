//! The stars of a frame as the gauge compares them: places on the grid and fluxes per channel, measured once per frame.

/// A star of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridStar {
    /// Place on the grid, pixels.
    pub x_px: f64,
    /// Place on the grid, pixels.
    pub y_px: f64,
    /// Flux above the local sky per channel, in units of the mosaic times pixels of the grid; NaN where it is not known.
    pub flux: [f32; 3],
    /// Variance of that flux from the noise of the sky and of the light itself, where that is known.
    pub variance: [f32; 3],
}
