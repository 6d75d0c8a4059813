//! The kernels as functions of the distance in source pixels.
//!
//! Lanczos: Duchon, C. E. 1979, J. Appl. Meteor. 18, 1016.
//! Keys: Keys, R. G. 1981, IEEE Trans. ASSP 29, 1153. B-splines: Unser, M. 1999, IEEE Signal Proc. Mag. 16, 22.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Interpolation kernel; two-dimensional kernels are products of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Value of the nearest pixel.
    Nearest,
    /// Linear in x and y.
    Bilinear,
    /// Cubic convolution with a = -0.5, |x| < 2 (Catmull-Rom): the cheap bicubic.
    Keys,
    /// Interpolating cubic B-spline, the bicubic of reproject and of scipy's `map_coordinates` at order 3. Its
    /// samples are sums over coefficients, see [`bspline_prefilter`](crate::bspline_prefilter). Stretched it is
    /// the stretched [`Kernel::Keys`], which needs no filter.
    #[serde(rename = "bicubic")]
    BsplineCubic,
    /// sinc(x) sinc(x/2), |x| < 2.
    Lanczos2,
    /// sinc(x) sinc(x/3), |x| < 3.
    #[default]
    Lanczos3,
    /// sinc(x) sinc(x/4), |x| < 4.
    Lanczos4,
}

impl Kernel {
    /// The kernel that is meant when `stretch` is asked of this one: the stretched form of both bicubics is
    /// that of [`Kernel::Keys`].
    #[must_use]
    pub fn at_stretch(self, stretch: f64) -> Self {
        if self == Self::BsplineCubic && stretch > 1.0 { Self::Keys } else { self }
    }

    /// Distance beyond which the unstretched kernel is zero, pixels; of the B-spline: its basis function.
    pub fn radius_px(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Keys | Self::BsplineCubic | Self::Lanczos2 => 2.0,
            Self::Lanczos3 => 3.0,
            Self::Lanczos4 => 4.0,
        }
    }

    /// Taps per axis of the unstretched kernel.
    pub fn taps(self) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Bilinear => 2,
            Self::Keys | Self::BsplineCubic | Self::Lanczos2 => 4,
            Self::Lanczos3 => 6,
            Self::Lanczos4 => 8,
        }
    }

    /// Value at distance `x`, zero beyond the radius, not normalised over taps; of the B-spline: its basis
    /// function.
    pub fn value(self, x: f64) -> f64 {
        match self {
            // Half open, so that a position between two pixels belongs to one of them: the upper one.
            Self::Nearest => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            _ if x.abs() >= self.radius_px() => 0.0,
            _ => self.smooth(x, x.abs() as i64),
        }
    }

    /// Value at distance `x` by the formula of the `piece` from `piece` to `piece` + 1 pixels: smooth over the
    /// ends of the piece, for tables.
    pub(crate) fn smooth(self, x: f64, piece: i64) -> f64 {
        let d = x.abs();
        match self {
            Self::Nearest => 1.0,
            Self::Bilinear => 1.0 - d,
            Self::Keys if piece == 0 => (1.5 * d - 2.5) * d * d + 1.0,
            Self::Keys => ((2.5 - 0.5 * d) * d - 4.0) * d + 2.0,
            Self::BsplineCubic if piece == 0 => (0.5 * d - 1.0) * d * d + 2.0 / 3.0,
            Self::BsplineCubic => (2.0 - d).powi(3) / 6.0,
            Self::Lanczos2 | Self::Lanczos3 | Self::Lanczos4 => sinc(x) * sinc(x / self.radius_px()),
        }
    }
}

/// sin(pi x) / (pi x), accurate at whole numbers too.
fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-8 {
        return 1.0;
    }
    // sin(pi x) from the distance to the nearest whole number keeps the zeros exact.
    let whole = x.round();
    let sign = if (whole as i64).rem_euclid(2) == 0 { 1.0 } else { -1.0 };
    sign * (PI * (x - whole)).sin() / (PI * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolating_kernels_are_one_at_zero_and_zero_at_other_pixels() {
        for kernel in [Kernel::Bilinear, Kernel::Keys, Kernel::Lanczos2, Kernel::Lanczos3, Kernel::Lanczos4] {
            assert_eq!(kernel.value(0.0), 1.0);
            for x in 1..6 {
                assert_eq!(kernel.value(f64::from(x)), 0.0);
                assert_eq!(kernel.value(f64::from(-x)), 0.0);
            }
        }
        assert_eq!([0.0, 1.0, 2.0].map(|x| Kernel::BsplineCubic.value(x)), [2.0 / 3.0, 1.0 / 6.0, 0.0]);
        assert_eq!([0.5, 1.5].map(|x| Kernel::Keys.value(x)), [0.5625, -0.0625]);
        let reference = (PI * 0.5).sin() / (PI * 0.5) * (PI * 0.5 / 3.0).sin() / (PI * 0.5 / 3.0);
        assert!((Kernel::Lanczos3.value(0.5) - reference).abs() < 1e-15);
    }
}
