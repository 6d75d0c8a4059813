//! The kernels as functions of the distance in source pixels.
//!
//! Lanczos: Duchon, C. E. 1979, J. Appl. Meteor. 18, 1016.

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
    /// sinc(x) sinc(x/2), |x| < 2.
    Lanczos2,
    /// sinc(x) sinc(x/3), |x| < 3.
    #[default]
    Lanczos3,
    /// sinc(x) sinc(x/4), |x| < 4.
    Lanczos4,
}

impl Kernel {
    /// Distance beyond which the unstretched kernel is zero, pixels.
    pub fn radius_px(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Lanczos2 => 2.0,
            Self::Lanczos3 => 3.0,
            Self::Lanczos4 => 4.0,
        }
    }

    /// Taps per axis of the unstretched kernel.
    pub fn taps(self) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Bilinear => 2,
            Self::Lanczos2 => 4,
            Self::Lanczos3 => 6,
            Self::Lanczos4 => 8,
        }
    }

    /// Value at distance `x`, zero beyond the radius, not normalised over taps.
    pub fn value(self, x: f64) -> f64 {
        match self {
            // Half open, so that a position between two pixels belongs to one of them: the upper one.
            Self::Nearest => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            _ if x.abs() >= self.radius_px() => 0.0,
            _ => self.smooth(x),
        }
    }

    /// Value at distance `x` by the formula alone: smooth over the edge of the support, for tables.
    pub(crate) fn smooth(self, x: f64) -> f64 {
        match self {
            Self::Nearest => 1.0,
            Self::Bilinear => 1.0 - x.abs(),
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
        for kernel in [Kernel::Bilinear, Kernel::Lanczos2, Kernel::Lanczos3, Kernel::Lanczos4] {
            assert_eq!(kernel.value(0.0), 1.0);
            for x in 1..6 {
                assert_eq!(kernel.value(f64::from(x)), 0.0);
                assert_eq!(kernel.value(f64::from(-x)), 0.0);
            }
        }
        let reference = (PI * 0.5).sin() / (PI * 0.5) * (PI * 0.5 / 3.0).sin() / (PI * 0.5 / 3.0);
        assert!((Kernel::Lanczos3.value(0.5) - reference).abs() < 1e-15);
    }
}
