//! The COBE quadrilateralised spherical cube (CSC) and the exact equal-area one (QSC), on one face.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::vector::Vec3;

/// Constants of the forward CSC mapping (paper II, equation 174 and following).
const GAMMA_STAR: f64 = 1.37484847732;
const M: f64 = 0.004869491981;
const GAMMA: f64 = -0.13161671474;
const OMEGA1: f64 = -0.159596235474;
const D: [f64; 2] = [0.0759196200467, -0.0217762490699];
const C00: f64 = 0.141189631152;
const C10: f64 = 0.0809701286525;
const C01: f64 = -0.281528535557;
const C11: f64 = 0.15384112876;
const C20: f64 = -0.178251207466;
const C02: f64 = 0.106959469314;

fn csc_axis(a: f64, b: f64) -> f64 {
    let (a2, b2) = (a * a, b * b);
    let (a3, ca, cb) = (a2 * a, 1.0 - a2, 1.0 - b2);
    let sum = C00 + C10 * a2 + C01 * b2 + C11 * a2 * b2 + C20 * a2 * a2 + C02 * b2 * b2;
    a * GAMMA_STAR
        + a3 * (1.0 - GAMMA_STAR)
        + a * b2 * ca * (GAMMA + (M - GAMMA) * a2 + cb * sum)
        + a3 * ca * (OMEGA1 - ca * (D[0] + D[1] * a2))
}

pub(super) fn csc(xi: f64, eta: f64, zeta: f64) -> (f64, f64) {
    let (a, b) = (xi / zeta, eta / zeta);
    (csc_axis(a, b), csc_axis(b, a))
}

/// Coefficients of X^(2i) Y^(2j) of the inverse CSC mapping, at `[j][i]`.
const P: [&[f64]; 7] = [
    &[-0.272_926_96, -0.076_299_69, -0.227_970_56, 0.548_523_84, -0.629_300_65, 0.257_957_94, 0.025_843_75],
    &[-0.028_194_52, -0.014_715_65, 0.480_515_09, -1.741_144_54, 1.715_475_08, -0.530_223_37],
    &[0.270_581_60, -0.568_009_38, 0.308_033_17, 0.989_381_02, -0.831_804_69],
    &[-0.604_415_60, 1.508_802, -0.936_787_76, 0.086_938_41],
    &[0.934_120_77, -1.416_019_20, 0.338_874_46],
    &[-0.639_153_06, 0.520_322_38],
    &[0.143_815_85],
];

fn csc_axis_inverse(x: f64, y: f64) -> f64 {
    let (x2, y2) = (x * x, y * y);
    let row = |c: &[f64]| c.iter().rev().fold(0.0, |sum, p| sum * x2 + p);
    let sum = P.iter().rev().fold(0.0, |sum, c| sum * y2 + row(c));
    x + x * (1.0 - x2) * sum
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a face mapping")]
pub(super) fn csc_inverse(x: f64, y: f64) -> Option<Vec3> {
    Some([csc_axis_inverse(x, y), csc_axis_inverse(y, x), 1.0])
}

pub(super) fn qsc(xi: f64, eta: f64, zeta: f64) -> (f64, f64) {
    let (main, side) = if xi.abs() > eta.abs() { (xi, eta) } else { (eta, xi) };
    if main == 0.0 {
        return (0.0, 0.0);
    }
    let omega = side / main;
    let o2 = omega * omega;
    // 1 - zeta without cancellation.
    let depth = (xi * xi + eta * eta) / (1.0 + zeta);
    let u = (depth / (1.0 - 1.0 / (2.0 + o2).sqrt())).sqrt().copysign(main);
    let v = u * (12.0 / PI) * (omega.atan() - (omega / (2.0 * (1.0 + o2)).sqrt()).asin());
    if xi.abs() > eta.abs() { (u, v) } else { (v, u) }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a face mapping")]
pub(super) fn qsc_inverse(x: f64, y: f64) -> Option<Vec3> {
    let (u, v) = if x.abs() > y.abs() { (x, y) } else { (y, x) };
    if u == 0.0 {
        return Some([0.0, 0.0, 1.0]);
    }
    let (s, c) = (PI / 12.0 * v / u).sin_cos();
    let omega = s / (c - FRAC_1_SQRT_2);
    let depth = u * u * (1.0 - 1.0 / (2.0 + omega * omega).sqrt());
    let main = (depth * (2.0 - depth) / (1.0 + omega * omega)).sqrt().copysign(u);
    let side = omega * main;
    let (xi, eta) = if x.abs() > y.abs() { (main, side) } else { (side, main) };
    Some([xi, eta, 1.0 - depth])
}
