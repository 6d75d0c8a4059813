//! The list of stars of a frame.

use serde::Serialize;

/// What is special about a star; a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct StarFlags(pub u8);

impl StarFlags {
    /// A pixel at or above saturation, or a flat top.
    pub const SATURATED: Self = Self(1);
    /// Another star in its light.
    pub const BLENDED: Self = Self(2);
    /// At the edge of the frame.
    pub const EDGE: Self = Self(4);
    /// Its shape was fitted and makes no sense for a star.
    pub const ODD: Self = Self(8);

    /// With the bits of `other` too.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has a bit of `other`.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is special.
    pub fn is_clean(self) -> bool {
        self.0 == 0
    }
}

/// A star. Pixel (0, 0) is the centre of the first pixel; lengths are raw pixels, of a CFA frame too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Star {
    /// Position along x: of the fitted profile, else the centroid of the pixels above the threshold.
    pub x_px: f64,
    /// Position along y.
    pub y_px: f64,
    /// Flux above the local sky, ADU, of a CFA frame summed over its pixels as they are (R + 2 G + B, each for a quarter
    /// of the light): in an aperture with its correction where the shape was fitted, else of the pixels above the
    /// threshold.
    pub flux_adu: f64,
    /// Largest 2 x 2 mean above the sky, ADU.
    pub peak_adu: f64,
    /// Flux of the pixels above the threshold over its noise from the sky.
    pub snr: f64,
    /// Geometric mean of the full widths at half maximum of both axes, without what the pixels add; NaN where not fitted.
    pub fwhm_px: f64,
    /// Radius of half of the flux, without what the pixels add; NaN where not fitted.
    pub hfr_px: f64,
    /// 1 - minor / major axis; of the second moments of the pixels above the threshold where not fitted.
    pub ellipticity: f64,
    /// Direction of the major axis, degrees from +x towards +y, in [0, 180); likewise.
    pub angle_deg: f64,
    /// What is special.
    pub flags: StarFlags,
}

impl Star {
    /// Whether its shape tells of the frame.
    pub fn has_shape(&self) -> bool {
        self.flags.is_clean() && self.fwhm_px.is_finite()
    }
}

/// Brightest first; equal ones by row, then column.
pub(crate) fn by_brightness(a: (f64, f64, f64), b: (f64, f64, f64)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.2.total_cmp(&b.2)).then(a.1.total_cmp(&b.1))
}
