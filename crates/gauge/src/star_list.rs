//! The stars of a frame as the gauge compares them: places on the grid, widths, and fluxes per channel in two apertures, measured once
//! per frame.

/// ln of the ratio of two radii of apertures that follow each other. All frames take theirs from one ladder, so that those of equal
/// seeing have equal ones.
pub const APERTURE_STEP: f64 = 0.04;

/// Stars of a frame at most.
pub const MOST_STARS: usize = 256;
/// The growth from the inner to the outer aperture is believed to go on so far, in steps.
const MOST_STEPS: f64 = 5.0;

/// A star of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridStar {
    /// Place on the grid, pixels.
    pub x_px: f64,
    /// Place on the grid, pixels.
    pub y_px: f64,
    /// ln of the sigma of its image in pixels of the grid, of the channel that stars are found in; NaN where it is not known.
    pub ln_sigma_px: f32,
    /// Height of the highest neighbour in the apertures over its own.
    pub neighbour: f32,
    /// ln of the radius of the inner aperture in pixels of the grid; the outer one is [`APERTURE_STEP`] larger.
    pub ln_radius_px: f32,
    /// Flux above the local sky per channel in the inner aperture, in units of the mosaic times pixels of the grid; NaN where it is not
    /// known.
    pub flux: [f32; 3],
    /// The same in the outer aperture.
    pub outer_flux: [f32; 3],
    /// Variance of that flux from the noise of the sky and of the light itself, where that is known.
    pub variance: [f32; 3],
}

impl GridStar {
    /// ln of the flux of a channel in an aperture of this radius (ln, pixels of the grid), from the two that were measured; NaN
    /// without light.
    pub(crate) fn ln_flux(&self, channel: usize, ln_radius_px: f64) -> f64 {
        let inner = f64::from(self.flux[channel]).ln();
        let growth = f64::from(self.outer_flux[channel]).ln() - inner;
        let steps = ((ln_radius_px - f64::from(self.ln_radius_px)) / APERTURE_STEP).clamp(0.0, MOST_STEPS);
        // Without light in the outer aperture the inner one is all there is.
        if growth.is_finite() { inner + steps * growth } else { inner }
    }
}
