//! The distortions: SIP on pixel offsets, TPV, TNX and ZPX on the projection plane.

use std::sync::Arc;

use super::root::{self, Jet};
use super::sip::Sip;
use super::tnx::Tnx;
use super::tpv::Tpv;
use crate::error::WcsError;

/// Newton's method ends after a step below this (degrees); the error left is of the order of its square.
const LAST_STEP_DEG: f64 = 1e-8;

/// A distortion.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Distortion {
    None,
    Sip(Arc<Sip>),
    Plane(Arc<PlaneDistortion>),
}

/// A distortion of the projection plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlaneDistortion {
    pub kind: PlaneKind,
    /// Sign of the Jacobian at the reference point: roots with another sign lie beyond a fold.
    orientation: f64,
}

/// Which distortion of the projection plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PlaneKind {
    Tpv(Tpv),
    Tnx(Tnx),
    /// TNX before ZPN.
    Zpx(Tnx),
}

impl PlaneDistortion {
    pub(super) fn new(kind: PlaneKind) -> Result<Self, WcsError> {
        let mut new = Self { kind, orientation: 1.0 };
        let (_, _, f_x, f_y, g_x, g_y) = new.jet(0.0, 0.0);
        let det = f_x * g_y - f_y * g_x;
        if det.is_nan() || det.abs() < 1e-6 {
            return Err(WcsError::Distortion {
                reason: format!("{} is singular at the reference point", new.code()),
            });
        }
        new.orientation = det.signum();
        Ok(new)
    }

    /// The code in CTYPE.
    pub(super) fn code(&self) -> &'static str {
        match self.kind {
            PlaneKind::Tpv(_) => "TPV",
            PlaneKind::Tnx(_) => "TNX",
            PlaneKind::Zpx(_) => "ZPX",
        }
    }

    #[inline]
    fn jet(&self, x: f64, y: f64) -> Jet {
        match &self.kind {
            PlaneKind::Tpv(d) => d.jet(x, y),
            PlaneKind::Tnx(d) | PlaneKind::Zpx(d) => d.jet(x, y),
        }
    }

    /// Linear plane position to the distorted one, radians.
    #[inline]
    pub(super) fn forward(&self, x: f64, y: f64) -> (f64, f64) {
        let (f, g, ..) = self.jet(x.to_degrees(), y.to_degrees());
        (f.to_radians(), g.to_radians())
    }

    /// Distorted plane position to the linear one, radians; `None` where there is none on the unfolded sheet.
    pub(super) fn inverse(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let target = (x.to_degrees(), y.to_degrees());
        // First guess: the inverse of the linear map at the reference point.
        let (f0, g0, f_x, f_y, g_x, g_y) = self.jet(0.0, 0.0);
        let det = f_x * g_y - f_y * g_x;
        let (r, s) = (target.0 - f0, target.1 - g0);
        let guess = ((g_y * r - f_y * s) / det, (f_x * s - g_x * r) / det);
        let jet = |x, y| self.jet(x, y);
        let (u, v) = root::plane(target, guess, LAST_STEP_DEG, self.orientation, jet)?;
        Some((u.to_radians(), v.to_radians()))
    }
}
