//! The six faces of the quad-cube projections, and the tangential one (TSC).
//!
//! A face mapping works on one face: towards the plane it takes the direction cosines (xi, eta, zeta) of the face, zeta
//! the largest, and gives plane positions in -1 .. 1; the way back gives a vector (xi, eta, zeta) of any length.

use std::f64::consts::FRAC_PI_4;

use super::sphere::EDGE;
use crate::vector::{Vec3, normalised};

/// Plane position of a direction, through the mapping of one face.
pub(super) fn project(n: &Vec3, face: fn(f64, f64, f64) -> (f64, f64)) -> (f64, f64) {
    let [l, m, z] = *n;
    let largest = l.abs().max(m.abs()).max(z.abs());
    let (x0, y0, local) = if z == largest {
        (0.0, 2.0, [m, -l, z])
    } else if l == largest {
        (0.0, 0.0, [m, z, l])
    } else if m == largest {
        (2.0, 0.0, [-l, z, m])
    } else if -l == largest {
        (4.0, 0.0, [-m, z, -l])
    } else if -m == largest {
        (6.0, 0.0, [l, z, -m])
    } else {
        (0.0, -2.0, [m, l, -z])
    };
    let (x, y) = face(local[0], local[1], local[2]);
    ((x0 + x) * FRAC_PI_4, (y0 + y) * FRAC_PI_4)
}

/// Direction of a plane position; `None` beside the faces.
pub(super) fn unproject(x: f64, y: f64, face: fn(f64, f64) -> Option<Vec3>) -> Option<Vec3> {
    let (mut x, y) = (x / FRAC_PI_4, y / FRAC_PI_4);
    let limit = 1.0 + EDGE;
    if x.abs() <= limit {
        if y.abs() > 3.0 + EDGE {
            return None;
        }
    } else if x.abs() > 7.0 + EDGE || y.abs() > limit {
        return None;
    }
    if x < -1.0 - EDGE {
        x += 8.0;
    }
    let local = |x: f64, y: f64| face(x.clamp(-1.0, 1.0), y.clamp(-1.0, 1.0));
    let v = if x > 5.0 {
        local(x - 6.0, y).map(|[a, b, c]| [a, -c, b])
    } else if x > 3.0 {
        local(x - 4.0, y).map(|[a, b, c]| [-c, -a, b])
    } else if x > limit {
        local(x - 2.0, y).map(|[a, b, c]| [-a, c, b])
    } else if y > 1.0 {
        local(x, y - 2.0).map(|[a, b, c]| [-b, a, c])
    } else if y < -1.0 {
        local(x, y + 2.0).map(|[a, b, c]| [b, a, -c])
    } else {
        local(x, y).map(|[a, b, c]| [c, a, b])
    }?;
    normalised(&v)
}

pub(super) fn tsc(xi: f64, eta: f64, zeta: f64) -> (f64, f64) {
    (xi / zeta, eta / zeta)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a face mapping")]
pub(super) fn tsc_inverse(x: f64, y: f64) -> Option<Vec3> {
    Some([x, y, 1.0])
}
