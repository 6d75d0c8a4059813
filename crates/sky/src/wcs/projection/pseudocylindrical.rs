//! Mollweide (MOL) and Hammer-Aitoff (AIT).

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

use super::super::root;
use super::sphere::{EDGE, clamped, direction_q, longitude, one_minus_sine};
use crate::vector::Vec3;

/// u - sin(u) without cancellation.
fn u_minus_sine(u: f64) -> f64 {
    if u.abs() > 0.5 {
        return u - u.sin();
    }
    let u2 = u * u;
    let series = [6.0, 20.0, 42.0, 72.0, 110.0, 156.0, 210.0];
    u * u2 / 6.0 * series[1..].iter().rev().fold(1.0, |sum, c| 1.0 - u2 / c * sum)
}

/// Mollweide; u = pi - 2 gamma, counted from the pole, solves u - sin(u) = pi (1 - |sin(theta)|).
pub(super) fn mol(n: &Vec3) -> (f64, f64) {
    let q = PI * one_minus_sine(n);
    let u = root::increasing(0.0, PI, (6.0 * q).cbrt(), |u| {
        let half = (u / 2.0).sin();
        (u_minus_sine(u) - q, 2.0 * half * half)
    });
    let (s, c) = (u / 2.0).sin_cos();
    (2.0 * SQRT_2 / PI * longitude(n) * s, SQRT_2 * c.copysign(n[2]))
}

pub(super) fn mol_inverse(x: f64, y: f64) -> Option<Vec3> {
    let sin_gamma = clamped(y * FRAC_1_SQRT_2, 1.0)?;
    let cos_gamma = ((1.0 - sin_gamma) * (1.0 + sin_gamma)).sqrt();
    let u = 2.0 * cos_gamma.atan2(sin_gamma.abs());
    let x = clamped(x, 2.0 * SQRT_2 * cos_gamma)?;
    let phi = if cos_gamma == 0.0 { 0.0 } else { x * PI / (2.0 * SQRT_2 * cos_gamma) };
    direction_q(phi, u_minus_sine(u) / PI, y)
}

/// Hammer-Aitoff: the zenithal equal-area map of half the longitude, stretched.
pub(super) fn ait(n: &Vec3) -> (f64, f64) {
    let h = n[0].hypot(n[1]);
    let (s, c) = (longitude(n) / 2.0).sin_cos();
    let gamma = (2.0 / (1.0 + h * c)).sqrt();
    (2.0 * gamma * h * s, gamma * n[2])
}

pub(super) fn ait_inverse(x: f64, y: f64) -> Option<Vec3> {
    let z2 = 1.0 - x * x / 16.0 - y * y / 4.0;
    if z2.is_nan() || z2 < 0.5 - EDGE {
        return None;
    }
    let z = z2.sqrt();
    // cos(theta) times cosine and sine of half the longitude.
    let (c, s) = ((2.0 * z2 - 1.0).max(0.0), z * x / 2.0);
    let h = c.hypot(s);
    if h == 0.0 {
        return Some([0.0, 0.0, (y * z).clamp(-1.0, 1.0)]);
    }
    Some([(c - s) * (c + s) / h, 2.0 * c * s / h, y * z])
}
