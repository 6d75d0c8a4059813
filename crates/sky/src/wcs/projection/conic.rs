//! Conic projections: COP, COE, COD and COO.

use std::f64::consts::{FRAC_PI_2, PI};

use super::sphere::{angles, clamped, direction};
use crate::vector::Vec3;

/// Which conic projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConicKind {
    /// Perspective.
    Cop,
    /// Equal area.
    Coe,
    /// Equidistant.
    Cod,
    /// Orthomorphic.
    Coo,
}

/// A conic projection: x = R sin(C phi), y = Y0 - R cos(C phi), with R a function of the latitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conic {
    pub kind: ConicKind,
    pub theta_a: f64,
    pub eta: f64,
    /// The constant of the cone.
    c: f64,
    y0: f64,
    /// Constants of R: (factor, offset), see `radius`.
    k: (f64, f64),
}

impl Conic {
    /// `None` where the cone degenerates (`theta_a` = 0 and others).
    pub(super) fn new(kind: ConicKind, theta_a: f64, eta: f64) -> Option<Self> {
        let (theta1, theta2) = (theta_a - eta, theta_a + eta);
        let (c, k) = match kind {
            ConicKind::Cop => (theta_a.sin(), (eta.cos(), 1.0 / theta_a.tan())),
            ConicKind::Coe => {
                let (s1, s2) = (theta1.sin(), theta2.sin());
                (s1.midpoint(s2), (s1 + s2, 1.0 + s1 * s2))
            }
            ConicKind::Cod if eta == 0.0 => (theta_a.sin(), (1.0, theta_a + 1.0 / theta_a.tan())),
            ConicKind::Cod => {
                (theta_a.sin() * eta.sin() / eta, (1.0, theta_a + eta / eta.tan() / theta_a.tan()))
            }
            ConicKind::Coo => {
                let half = |theta: f64| ((FRAC_PI_2 - theta) / 2.0).tan();
                let c = if eta == 0.0 {
                    theta_a.sin()
                } else {
                    (theta2.cos() / theta1.cos()).ln() / (half(theta2) / half(theta1)).ln()
                };
                (c, (theta1.cos() / (c * half(theta1).powf(c)), 0.0))
            }
        };
        let mut conic = Self { kind, theta_a, eta, c, y0: 0.0, k };
        conic.y0 = conic.radius(theta_a)?;
        (c.abs() > 1e-12 && c.is_finite() && conic.y0.is_finite()).then_some(conic)
    }

    /// Signed distance from the apex of the cone.
    fn radius(&self, theta: f64) -> Option<f64> {
        let (factor, offset) = self.k;
        match self.kind {
            ConicKind::Cop => {
                let t = theta - self.theta_a;
                (t.abs() < FRAC_PI_2).then(|| factor * (offset - t.tan()))
            }
            ConicKind::Coe => Some(2.0 / factor * (offset - factor * theta.sin()).max(0.0).sqrt()),
            ConicKind::Cod => Some(offset - theta),
            ConicKind::Coo => {
                let r = factor * ((FRAC_PI_2 - theta) / 2.0).tan().max(0.0).powf(self.c);
                r.is_finite().then_some(r)
            }
        }
    }

    fn latitude(&self, r: f64) -> Option<f64> {
        let (factor, offset) = self.k;
        match self.kind {
            ConicKind::Cop => Some(self.theta_a + (offset - r / factor).atan()),
            ConicKind::Coe => clamped((offset - self.c * self.c * r * r) / factor, 1.0).map(f64::asin),
            ConicKind::Cod => Some(offset - r),
            ConicKind::Coo => {
                let ratio = r / factor;
                (ratio >= 0.0).then(|| FRAC_PI_2 - 2.0 * ratio.powf(1.0 / self.c).atan())
            }
        }
    }

    pub(super) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        let (phi, theta) = angles(n);
        let r = self.radius(theta)?;
        let (s, c) = (self.c * phi).sin_cos();
        Some((r * s, self.y0 - r * c))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let dy = self.y0 - y;
        let r = x.hypot(dy).copysign(self.theta_a);
        let phi = if r == 0.0 { 0.0 } else { (x / r).atan2(dy / r) / self.c };
        direction(clamped(phi, PI)?, self.latitude(r)?)
    }
}
