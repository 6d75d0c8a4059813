//! Projections taken from the `mapproj` crate (TAN, SIN, STG, CAR, SFL, PAR), and the slanted SIN.
//!
//! For zenithal projections its axes are (n_z, n_y, -n_x), for the others those of FITS. The slanted SIN is ours: the
//! inverse of `mapproj` 0.4.0 uses the wrong component in its validity test.

use std::f64::consts::{FRAC_PI_2, PI};

use mapproj::cylindrical::car::Car;
use mapproj::pseudocyl::{par::Par, sfl::Sfl};
use mapproj::zenithal::{sin::Sin, stg::Stg, tan::Tan};
use mapproj::{CanonicalProjection, ProjXY, XYZ};

use super::sphere::{clamped, longitude};
use crate::vector::Vec3;

#[inline]
fn zenithal(projection: &impl CanonicalProjection, n: &Vec3) -> Option<(f64, f64)> {
    let v = XYZ::new_renorming_if_necessary(n[2], n[1], -n[0]);
    projection.proj(&v).map(|p| (p.x(), p.y()))
}

#[inline]
fn zenithal_inverse(projection: &impl CanonicalProjection, x: f64, y: f64) -> Option<Vec3> {
    projection.unproj(&ProjXY::new(x, y)).map(|v| [-v.z(), v.y(), v.x()])
}

#[inline]
fn equatorial(projection: &impl CanonicalProjection, n: &Vec3) -> Option<(f64, f64)> {
    // A longitude of -180 deg is shown at +180 deg, also where rounding left -0.0.
    let y = if longitude(n) >= PI { 0.0 } else { n[1] };
    let v = XYZ::new_renorming_if_necessary(n[0], y, n[2]);
    projection.proj(&v).map(|p| (p.x(), p.y()))
}

#[inline]
fn equatorial_inverse(projection: &impl CanonicalProjection, x: f64, y: f64) -> Option<Vec3> {
    projection.unproj(&ProjXY::new(x, y)).map(|v| [v.x(), v.y(), v.z()])
}

#[inline]
pub(super) fn tan(n: &Vec3) -> Option<(f64, f64)> {
    zenithal(&Tan, n)
}

#[inline]
pub(super) fn tan_inverse(x: f64, y: f64) -> Option<Vec3> {
    zenithal_inverse(&Tan, x, y)
}

pub(super) fn sin(n: &Vec3, xi: f64, eta: f64) -> Option<(f64, f64)> {
    if xi == 0.0 && eta == 0.0 {
        return zenithal(&Sin, n);
    }
    let w = 1.0 - n[2];
    (n[2] + xi * n[1] - eta * n[0] >= 0.0).then_some((n[1] + xi * w, eta * w - n[0]))
}

pub(super) fn sin_inverse(x: f64, y: f64, xi: f64, eta: f64) -> Option<Vec3> {
    if xi == 0.0 && eta == 0.0 {
        return zenithal_inverse(&Sin, x, y);
    }
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

pub(super) fn stg(n: &Vec3) -> Option<(f64, f64)> {
    zenithal(&Stg, n)
}

pub(super) fn stg_inverse(x: f64, y: f64) -> Option<Vec3> {
    zenithal_inverse(&Stg, x, y)
}

pub(super) fn car(n: &Vec3) -> Option<(f64, f64)> {
    equatorial(&Car, n)
}

pub(super) fn car_inverse(x: f64, y: f64) -> Option<Vec3> {
    equatorial_inverse(&Car, clamped(x, PI)?, clamped(y, FRAC_PI_2)?)
}

pub(super) fn sfl(n: &Vec3) -> Option<(f64, f64)> {
    equatorial(&Sfl, n)
}

pub(super) fn sfl_inverse(x: f64, y: f64) -> Option<Vec3> {
    let y = clamped(y, FRAC_PI_2)?;
    equatorial_inverse(&Sfl, clamped(x, PI * y.cos())?, y)
}

pub(super) fn par(n: &Vec3) -> Option<(f64, f64)> {
    // The plane of FITS is pi times that of `mapproj` in y.
    equatorial(&Par, n).map(|(x, y)| (x, y * PI))
}

pub(super) fn par_inverse(x: f64, y: f64) -> Option<Vec3> {
    let y = clamped(y / PI, 0.5)?;
    equatorial_inverse(&Par, clamped(x, PI * (1.0 - 4.0 * y * y))?, y)
}
