//! The stars of a frame as positions with an uncertainty: what plate solving and the adjustment of frames work on.

use crate::field::Field;
use crate::star::{Star, StarFlags};

/// A star. Pixel (0, 0) is the centre of the first pixel of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Position along x.
    pub x_px: f64,
    /// Position along y.
    pub y_px: f64,
    /// Flux, ADU.
    pub flux_adu: f64,
    /// Standard deviation of the position on each axis, from photon noise and from what is special about the star.
    pub sigma_px: f64,
}

/// No position is better: pixels are not that equal.
const LEAST_SIGMA_PX: f64 = 0.02;
/// Positions of stars that were not fitted, and of such as are saturated, blended or at the edge.
const CENTROID_SIGMA_PX: f64 = 0.3;
/// Standard deviation of a fitted position in units of FWHM / SNR (King 1983, PASP 95, 163: 1 / 2.355 for a Gaussian in
/// photon noise; the wings of real profiles cost some).
const FIT_SIGMA: f64 = 0.6;

impl Detection {
    /// The stars of `field`, brightest first, at most `limit`; without those whose shape is that of no star.
    pub fn of(field: &Field, limit: usize) -> Vec<Self> {
        let stars = field.stars.iter().filter(|star| !star.flags.has(StarFlags::ODD));
        stars.take(limit).map(Self::of_star).collect()
    }

    fn of_star(star: &Star) -> Self {
        let fitted = FIT_SIGMA * star.fwhm_px / star.snr.max(1.0);
        let sigma_px = match (fitted.is_finite(), star.flags.is_clean()) {
            (true, true) => fitted.max(LEAST_SIGMA_PX),
            (true, false) => fitted.max(CENTROID_SIGMA_PX),
            (false, _) => CENTROID_SIGMA_PX,
        };
        Self { x_px: star.x_px, y_px: star.y_px, flux_adu: star.flux_adu, sigma_px }
    }
}
