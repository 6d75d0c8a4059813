//! HEALPix (HPX, with any H and K) and its polar layout (XPH).
//!
//! Source: Calabretta & Roukema 2007, MNRAS 381, 865; Calabretta & Lowe 2013, PASA 30, e050.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::sphere::{EDGE, clamped, direction_q, direction_sc, longitude, one_minus_sine};
use crate::vector::Vec3;

/// HEALPix with H facets round the equator and K rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hpx {
    pub h: f64,
    pub k: f64,
}

impl Hpx {
    /// `None` unless H and K are positive integers.
    pub(super) fn new(h: f64, k: f64) -> Option<Self> {
        let whole = |v: f64| (1.0..=1e6).contains(&v) && v.fract() == 0.0;
        (whole(h) && whole(k)).then_some(Self { h, k })
    }

    /// Centre of the polar facet at longitude (or x) `phi`.
    fn facet(&self, phi: f64, north: bool) -> f64 {
        let omega = if north || self.k % 2.0 == 1.0 { 1.0 } else { 0.0 };
        let index = ((phi + PI) * self.h / (2.0 * PI) + (1.0 - omega) / 2.0).floor();
        // The meridian of 180 deg belongs to the last facet.
        let index = if omega == 1.0 { index.min(self.h - 1.0) } else { index };
        (2.0 * index + omega) * PI / self.h - PI
    }

    pub(super) fn project(&self, n: &Vec3) -> (f64, f64) {
        let phi = longitude(n);
        let q = one_minus_sine(n);
        if q * self.k >= 1.0 {
            return (phi, FRAC_PI_2 * self.k / self.h * n[2]);
        }
        let sigma = (self.k * q).sqrt();
        let centre = self.facet(phi, n[2] > 0.0);
        let y = PI / self.h * (self.k.midpoint(1.0) - sigma);
        (centre + (phi - centre) * sigma, y.copysign(n[2]))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let rows = y.abs() * self.h / PI;
        if rows <= (self.k - 1.0) / 2.0 {
            let s = 2.0 * self.h * y / (PI * self.k);
            return direction_sc(x, s, (1.0 - s * s).max(0.0).sqrt());
        }
        let sigma = self.k.midpoint(1.0) - rows;
        if sigma < -EDGE {
            return None;
        }
        let sigma = sigma.max(0.0);
        let x = clamped(x, PI)?;
        let centre = self.facet(x, y > 0.0);
        let offset = clamped(x - centre, sigma * PI / self.h)?;
        let phi = if sigma == 0.0 { 0.0 } else { centre + offset / sigma };
        // A southern facet of even K reaches across the meridian of 180 deg.
        let phi = if phi > PI {
            phi - 2.0 * PI
        } else if phi < -PI {
            phi + 2.0 * PI
        } else {
            phi
        };
        direction_q(phi, sigma * sigma / self.k, y)
    }
}

/// Longitude of the middle of the quadrant of a longitude.
fn quadrant(phi: f64) -> f64 {
    ((phi + PI) / FRAC_PI_2).floor().min(3.0) * FRAC_PI_2 + FRAC_PI_4 - PI
}

/// HPX with H = 4, K = 3, its four quadrants turned round the north pole.
pub(super) fn xph(n: &Vec3) -> (f64, f64) {
    let phi = longitude(n);
    let centre = quadrant(phi);
    let q = one_minus_sine(n);
    let (across, rho) = if q >= 1.0 / 3.0 {
        (phi - centre, FRAC_PI_2 - 1.5 * FRAC_PI_4 * n[2])
    } else {
        let sigma = (3.0 * q).sqrt();
        let rho = FRAC_PI_4 * sigma;
        ((phi - centre) * sigma, if n[2] > 0.0 { rho } else { PI - rho })
    };
    let (s, c) = centre.sin_cos();
    (rho * s + across * c, across * s - rho * c)
}

pub(super) fn xph_inverse(x: f64, y: f64) -> Option<Vec3> {
    let centre = match (x >= 0.0, y >= 0.0) {
        (true, false) => FRAC_PI_4,
        (true, true) => 3.0 * FRAC_PI_4,
        (false, true) => -3.0 * FRAC_PI_4,
        (false, false) => -FRAC_PI_4,
    };
    let (s, c) = centre.sin_cos();
    let (rho, across) = (x * s - y * c, x * c + y * s);
    let eta = (FRAC_PI_2 - rho) / FRAC_PI_4;
    if eta.abs() <= 1.0 {
        let sine = eta / 1.5;
        return direction_sc(centre + clamped(across, FRAC_PI_4)?, sine, (1.0 - sine * sine).sqrt());
    }
    let sigma = 2.0 - eta.abs();
    if sigma < -EDGE {
        return None;
    }
    let sigma = sigma.max(0.0);
    let offset = clamped(across, FRAC_PI_4 * sigma)?;
    let phi = if sigma == 0.0 { 0.0 } else { centre + offset / sigma };
    direction_q(phi, sigma * sigma / 3.0, eta)
}
