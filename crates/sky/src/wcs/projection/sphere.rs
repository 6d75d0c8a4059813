//! Native angles and vectors, and the edges of the sky.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::vector::Vec3;

/// Rounding that a position on the very edge of the sky may carry (radians, or relative).
pub(super) const EDGE: f64 = 1e-13;

/// Native longitude and latitude in radians.
#[inline]
pub(super) fn angles(n: &Vec3) -> (f64, f64) {
    (longitude(n), n[2].atan2(n[0].hypot(n[1])))
}

/// Native longitude in radians, in (-pi, pi].
#[inline]
pub(super) fn longitude(n: &Vec3) -> f64 {
    // -0.0 would turn the meridian 180 deg into -180 deg.
    let y = if n[1] == 0.0 { 0.0 } else { n[1] };
    y.atan2(n[0])
}

/// Direction of native angles; `None` beyond 180 deg of longitude or 90 deg of latitude.
#[inline]
pub(super) fn direction(phi: f64, theta: f64) -> Option<Vec3> {
    let theta = clamped(theta, FRAC_PI_2)?;
    let (s, c) = theta.sin_cos();
    direction_sc(phi, s, c)
}

/// Direction of a native longitude and the sine and cosine of the latitude.
#[inline]
pub(super) fn direction_sc(phi: f64, sin_theta: f64, cos_theta: f64) -> Option<Vec3> {
    let (s, c) = clamped(phi, PI)?.sin_cos();
    Some([cos_theta * c, cos_theta * s, sin_theta])
}

/// The value, limited to `+-limit`; `None` where it is farther out than rounding explains.
#[inline]
pub(super) fn clamped(value: f64, limit: f64) -> Option<f64> {
    (value.abs() <= limit + EDGE * limit.max(1.0)).then(|| value.clamp(-limit, limit))
}

/// 1 - |sin theta| without cancellation.
#[inline]
pub(super) fn one_minus_sine(n: &Vec3) -> f64 {
    (n[0] * n[0] + n[1] * n[1]) / (1.0 + n[2].abs())
}

/// Direction of a native longitude at latitude +-asin(1 - q) with the sign of `side`.
#[inline]
pub(super) fn direction_q(phi: f64, q: f64, side: f64) -> Option<Vec3> {
    direction_sc(phi, (1.0 - q).copysign(side), (q * (2.0 - q)).max(0.0).sqrt())
}
