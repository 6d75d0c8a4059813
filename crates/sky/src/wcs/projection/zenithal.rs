//! Zenithal projections with a radius that depends on the zenith distance alone: ARC, ZEA, AIR and ZPN.

use std::f64::consts::PI;

use super::super::root;
use super::sphere::EDGE;
use crate::vector::Vec3;

/// The plane position at radius `r` in the direction of the native longitude of `n`.
#[inline]
fn at_radius(n: &Vec3, r: f64) -> (f64, f64) {
    let h = n[0].hypot(n[1]);
    if h == 0.0 { (0.0, -r) } else { (r * n[1] / h, -r * n[0] / h) }
}

/// Direction at zenith distance `zeta` in the direction of the plane position (x, y) of radius r.
#[inline]
fn at_zenith_distance(x: f64, y: f64, r: f64, zeta: f64) -> Vec3 {
    let (s, c) = zeta.sin_cos();
    if r == 0.0 { [s, 0.0, c] } else { [-y / r * s, x / r * s, c] }
}

#[inline]
fn zenith_distance(n: &Vec3) -> f64 {
    n[0].hypot(n[1]).atan2(n[2])
}

pub(super) fn arc(n: &Vec3) -> (f64, f64) {
    at_radius(n, zenith_distance(n))
}

pub(super) fn arc_inverse(x: f64, y: f64) -> Option<Vec3> {
    let r = x.hypot(y);
    (r <= PI + EDGE).then(|| at_zenith_distance(x, y, r, r.min(PI)))
}

pub(super) fn zea(n: &Vec3) -> (f64, f64) {
    let h2 = n[0] * n[0] + n[1] * n[1];
    // cos^2(zeta / 2) without cancellation on the far side.
    let w2 = if n[2] < 0.0 { h2 / (2.0 * (1.0 - n[2])) } else { f64::midpoint(1.0, n[2]) };
    if w2 > 0.0 { (n[1] / w2.sqrt(), -n[0] / w2.sqrt()) } else { (0.0, -2.0) }
}

pub(super) fn zea_inverse(x: f64, y: f64) -> Option<Vec3> {
    let r = x.hypot(y);
    let w2 = (1.0 - r / 2.0) * (1.0 + r / 2.0);
    if w2.is_nan() || w2 < -EDGE {
        return None;
    }
    let w = w2.max(0.0).sqrt();
    Some([-y * w, x * w, 1.0 - r * r / 2.0])
}

/// Airy's minimum-error projection; in t = tan(zeta / 2): R = ln(1 + t^2) / t + k t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Air {
    pub theta_b: f64,
    k: f64,
}

impl Air {
    /// `None` for a latitude outside (-90, 90] deg.
    pub(super) fn new(theta_b: f64) -> Option<Self> {
        let zeta = PI / 2.0 - theta_b;
        if !(zeta > -EDGE && zeta < PI) {
            return None;
        }
        let t2 = (zeta / 2.0).tan().powi(2);
        let k = if t2 < 1e-16 { 1.0 } else { t2.ln_1p() / t2 };
        Some(Self { theta_b, k })
    }

    fn radius_and_slope(&self, t: f64) -> (f64, f64) {
        if t == 0.0 {
            return (0.0, 1.0 + self.k);
        }
        let t2 = t * t;
        let l = t2.ln_1p();
        (l / t + self.k * t, 2.0 / (1.0 + t2) - l / t2 + self.k)
    }

    pub(super) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        let depth = if n[2] < 0.0 { (n[0] * n[0] + n[1] * n[1]) / (1.0 - n[2]) } else { 1.0 + n[2] };
        if depth <= 0.0 {
            return None;
        }
        Some(at_radius(n, self.radius_and_slope(n[0].hypot(n[1]) / depth).0))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let r = x.hypot(y);
        // The radius rises at least as k t, so the root lies below r / k.
        let t = root::increasing(0.0, r / self.k, r / (1.0 + self.k), |t| {
            let (value, slope) = self.radius_and_slope(t);
            (value - r, slope)
        });
        t.is_finite().then(|| at_zenith_distance(x, y, r, 2.0 * t.atan()))
    }
}

/// Zenithal polynomial R = sum of p_m zeta^m, on the rising part next to the pole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zpn {
    pub coefficients: Vec<f64>,
    /// Zenith distance at which the radius stops to rise.
    zeta_max: f64,
    r_max: f64,
}

impl Zpn {
    /// `None` where the radius does not rise from the pole.
    pub(super) fn new(coefficients: Vec<f64>) -> Option<Self> {
        let mut zpn = Self { coefficients, zeta_max: PI, r_max: f64::INFINITY };
        zpn.zeta_max = zpn.first_turn()?;
        zpn.r_max = zpn.radius_and_slope(zpn.zeta_max).0;
        Some(zpn)
    }

    fn first_turn(&self) -> Option<f64> {
        const SAMPLES: u32 = 4096;
        let slope = |zeta: f64| self.radius_and_slope(zeta).1;
        let at = |i: u32| PI * f64::from(i) / f64::from(SAMPLES);
        if !(slope(at(1)) > 0.0 && slope(0.0) >= 0.0) {
            return None;
        }
        let Some(turn) = (1..=SAMPLES).find(|&i| slope(at(i)) <= 0.0) else { return Some(PI) };
        let (mut low, mut high) = (at(turn - 1), at(turn));
        while high - low > 4.0 * f64::EPSILON {
            let middle = low.midpoint(high);
            if slope(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    fn radius_and_slope(&self, zeta: f64) -> (f64, f64) {
        self.coefficients.iter().rev().fold((0.0, 0.0), |(r, d), c| (r * zeta + c, d * zeta + r))
    }

    pub(super) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        let zeta = zenith_distance(n);
        (zeta <= self.zeta_max + EDGE).then(|| at_radius(n, self.radius_and_slope(zeta).0))
    }

    pub(super) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        let r = x.hypot(y);
        let r0 = self.coefficients.first().copied().unwrap_or(0.0);
        if !(r >= r0 - EDGE && r <= self.r_max + EDGE) {
            return None;
        }
        let linear = self.coefficients.get(1).copied().unwrap_or(1.0);
        let guess = if linear > 0.0 { (r - r0) / linear } else { self.zeta_max / 2.0 };
        let zeta = root::increasing(0.0, self.zeta_max, guess, |zeta| {
            let (value, slope) = self.radius_and_slope(zeta);
            (value - r, slope)
        });
        Some(at_zenith_distance(x, y, r, zeta))
    }
}
