//! Cylindrical projections: CYP, CEA and MER.

use std::f64::consts::PI;

use super::sphere::{clamped, direction, direction_sc, longitude};
use crate::vector::Vec3;

pub(super) fn cyp(n: &Vec3, mu: f64, lambda: f64) -> Option<(f64, f64)> {
    let depth = mu + n[0].hypot(n[1]);
    (depth != 0.0).then(|| (lambda * longitude(n), (mu + lambda) * n[2] / depth))
}

pub(super) fn cyp_inverse(x: f64, y: f64, mu: f64, lambda: f64) -> Option<Vec3> {
    let eta = y / (mu + lambda);
    let sine = clamped(eta * mu / eta.hypot(1.0), 1.0)?;
    direction(x / lambda, eta.atan() + sine.asin())
}

pub(super) fn cea(n: &Vec3, lambda: f64) -> (f64, f64) {
    (longitude(n), n[2] / lambda)
}

pub(super) fn cea_inverse(x: f64, y: f64, lambda: f64) -> Option<Vec3> {
    let s = clamped(lambda * y, 1.0)?;
    direction_sc(x, s, ((1.0 - s) * (1.0 + s)).sqrt())
}

pub(super) fn mer(n: &Vec3) -> Option<(f64, f64)> {
    let h = n[0].hypot(n[1]);
    (h > 0.0).then(|| (longitude(n), (n[2] / h).asinh()))
}

pub(super) fn mer_inverse(x: f64, y: f64) -> Option<Vec3> {
    direction(clamped(x, PI)?, y.sinh().atan())
}
