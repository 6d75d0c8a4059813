//! Zenithal projections between the native sphere and the plane (FITS paper II, sections 5.1.3 and 5.1.5).
//!
//! The native unit vector is n = (cos theta cos phi, cos theta sin phi, sin theta); plane coordinates are in radians.
//! TAN and orthographic SIN come from the `mapproj` crate, whose axes are (n_z, n_y, -n_x). The slanted SIN is ours:
//! the inverse of `mapproj` 0.4.0 uses the wrong component in its validity test.

use mapproj::zenithal::{sin::Sin, tan::Tan};
use mapproj::{CanonicalProjection, ProjXY, XYZ};

use crate::vector::Vec3;

/// A supported projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Projection {
    /// Gnomonic.
    Tan,
    /// Orthographic / synthesis with the two slant parameters (PV2_1, PV2_2); (0, 0) is plain orthographic.
    Sin {
        /// PV2_1.
        xi: f64,
        /// PV2_2.
        eta: f64,
    },
}

impl Projection {
    /// The FITS code.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tan => "TAN",
            Self::Sin { .. } => "SIN",
        }
    }

    /// Native direction (of length 1) to the plane; `None` on the far side.
    #[inline]
    pub(crate) fn project(self, n: &Vec3) -> Option<(f64, f64)> {
        match self {
            Self::Tan => Tan.proj(&to_mapproj(n)).map(|p| (p.x(), p.y())),
            Self::Sin { xi, eta } if xi == 0.0 && eta == 0.0 => {
                Sin.proj(&to_mapproj(n)).map(|p| (p.x(), p.y()))
            }
            Self::Sin { xi, eta } => {
                let w = 1.0 - n[2];
                (n[2] + xi * n[1] - eta * n[0] >= 0.0).then_some((n[1] + xi * w, eta * w - n[0]))
            }
        }
    }

    /// Plane to the native direction of length 1; `None` outside the sky.
    #[inline]
    pub(crate) fn unproject(self, x: f64, y: f64) -> Option<Vec3> {
        match self {
            Self::Tan => Tan.unproj(&ProjXY::new(x, y)).map(|v| from_mapproj(&v)),
            Self::Sin { xi, eta } if xi == 0.0 && eta == 0.0 => {
                Sin.unproj(&ProjXY::new(x, y)).map(|v| from_mapproj(&v))
            }
            Self::Sin { xi, eta } => {
                // w = 1 - sin(theta) solves (1 + xi^2 + eta^2) w^2 - 2 b w + r^2 = 0; the smaller root is the near side.
                let b = 1.0 + xi * x + eta * y;
                let r2 = x * x + y * y;
                let discriminant = b * b - (1.0 + xi * xi + eta * eta) * r2;
                if !(discriminant >= 0.0 && b > 0.0) {
                    return None;
                }
                let w = r2 / (b + discriminant.sqrt());
                Some([eta * w - y, x - xi * w, 1.0 - w])
            }
        }
    }
}

#[inline]
fn to_mapproj(n: &Vec3) -> XYZ {
    XYZ::new_renorming_if_necessary(n[2], n[1], -n[0])
}

#[inline]
fn from_mapproj(v: &XYZ) -> Vec3 {
    [-v.z(), v.y(), v.x()]
}
