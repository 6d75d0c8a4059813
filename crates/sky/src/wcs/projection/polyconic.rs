//! Bonne (BON) and polyconic (PCO).

use std::f64::consts::{FRAC_PI_2, PI};

use super::super::root;
use super::sphere::{angles, clamped, direction};
use crate::vector::Vec3;

/// Bonne's equal-area projection with the standard parallel `theta1`, not 0.
pub(super) fn bon(n: &Vec3, theta1: f64) -> (f64, f64) {
    let (phi, theta) = angles(n);
    let y0 = theta1 + 1.0 / theta1.tan();
    let r = y0 - theta;
    if r == 0.0 {
        return (0.0, y0);
    }
    let (s, c) = (phi * theta.cos() / r).sin_cos();
    (r * s, y0 - r * c)
}

pub(super) fn bon_inverse(x: f64, y: f64, theta1: f64) -> Option<Vec3> {
    let y0 = theta1 + 1.0 / theta1.tan();
    let dy = y0 - y;
    let r = x.hypot(dy).copysign(theta1);
    let theta = clamped(y0 - r, FRAC_PI_2)?;
    let width = theta.cos();
    let arc = if r == 0.0 { 0.0 } else { (x / r).atan2(dy / r) * r };
    let arc = clamped(arc, PI * width)?;
    direction(if width < 1e-15 { 0.0 } else { arc / width }, theta)
}

/// sin(x) / x.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

pub(super) fn pco(n: &Vec3) -> (f64, f64) {
    let (phi, theta) = angles(n);
    let (s, c) = theta.sin_cos();
    let arc = phi * s;
    let half = sinc(arc / 2.0);
    (phi * c * sinc(arc), theta + c * phi * arc * half * half / 2.0)
}

/// The latitude solves (x^2 + (y - theta)^2) sin(theta) = 2 (y - theta) cos(theta), between the equator and y.
pub(super) fn pco_inverse(x: f64, y: f64) -> Option<Vec3> {
    let high = y.abs().min(FRAC_PI_2);
    let theta = root::increasing(0.0, high, 2.0 * y.abs() / (x * x + 2.0), |theta| {
        let d = y.abs() - theta;
        let (s, c) = theta.sin_cos();
        let r2 = x * x + d * d;
        (r2 * s - 2.0 * d * c, r2 * c - 2.0 * d * s + 2.0 * c + 2.0 * d * s)
    });
    let d = y.abs() - theta;
    let (s, c) = theta.sin_cos();
    let phi = if s == 0.0 { x } else { (x * s).atan2(c - d * s) / s };
    // Positions beyond the outline lead to no point on the parallel that was found.
    let theta = theta.copysign(y);
    let n = direction(clamped(phi, PI)?, theta)?;
    let (px, py) = pco(&n);
    ((px - x).hypot(py - y) <= 1e-9).then_some(n)
}
