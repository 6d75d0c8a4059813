//! The area kernels as plain polygon clipping, in f64. The fast code is tested against it.
//!
//! Clipping: Sutherland, I. E. & Hodgman, G. W. 1974, Communications of the ACM 17, 32.

use super::block::MIN_OVERLAP;
use super::drop::{holds, inverse, shared};
use super::kernel::{AreaKernel, AreaMethod, DrizzleOptions, DropShape};
use super::ratio::signed_area;
use crate::flags;
use crate::warp::SourceWindow;

/// A sample over an output pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AreaSample {
    /// Value sum a x / sum a and variance factor sum a^2 / (sum a)^2; `None` when no good pixel is met.
    pub valid: Option<(f64, f64)>,
    /// Relative weight.
    pub weight: f64,
    /// See [`flags`].
    pub flags: u8,
}

/// Weights of the frame's pixels (column, row, a) for the output pixel with these corners (lower left, lower right,
/// upper right, upper left, as frame positions), as if the frame had no end; empty where no sample is possible.
pub fn weights(kernel: &AreaKernel, quad: &[[f64; 2]; 4]) -> Vec<(i64, i64, f64)> {
    let area = signed_area(quad);
    if !is_possible(kernel, quad, area) {
        return Vec::new();
    }
    let bound =
        |axis: usize, far: f64, pick: fn(f64, f64) -> f64| quad.iter().map(|p| p[axis]).fold(far, pick);
    let low = [0, 1].map(|axis| bound(axis, f64::INFINITY, f64::min));
    let high = [0, 1].map(|axis| bound(axis, f64::NEG_INFINITY, f64::max));
    let first = [0, 1].map(|k| (low[k] - 0.5 * kernel.pad() * (high[k] - low[k]) + 0.5).floor() as i64);
    let last = [0, 1].map(|k| (high[k] + 0.5 * kernel.pad() * (high[k] - low[k]) + 0.5).floor() as i64);
    let mut found = Vec::new();
    for row in first[1]..=last[1] {
        for column in first[0]..=last[0] {
            let a = weight(kernel, quad, [column as f64, row as f64]);
            if a > MIN_OVERLAP {
                found.push((column, row, a));
            }
        }
    }
    found
}

/// Weight of the frame's pixel with this centre.
fn weight(kernel: &AreaKernel, quad: &[[f64; 2]; 4], centre: [f64; 2]) -> f64 {
    match kernel.method() {
        AreaMethod::Exact => overlap(quad, centre, 1.0),
        AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape }) => match shape {
            DropShape::Square => overlap(quad, centre, pixfrac) / (pixfrac * pixfrac),
            DropShape::Turbo => {
                let side = pixfrac / kernel.scale_ratio();
                let m = inverse(&quad.map(|p| p[0]), &quad.map(|p| p[1]));
                let [dx, dy] = [0, 1].map(|k| centre[k] - 0.25 * quad.iter().map(|p| p[k]).sum::<f64>());
                let (u, v) = (m[0][0] * dx + m[0][1] * dy, m[1][0] * dx + m[1][1] * dy);
                shared(u, side) * shared(v, side) / (side * side)
            }
            DropShape::Point => f64::from(u8::from(holds(quad, signed_area(quad).signum(), centre))),
        },
    }
}

/// Whether the corners make a convex quadrilateral of some area within reach.
fn is_possible(kernel: &AreaKernel, quad: &[[f64; 2]; 4], area: f64) -> bool {
    let turns = (0..4).map(|k| {
        let (a, b, c) = (quad[k], quad[(k + 1) % 4], quad[(k + 2) % 4]);
        area.signum() * ((b[0] - a[0]) * (c[1] - b[1]) - (c[0] - b[0]) * (b[1] - a[1]))
    });
    let middle = [0, 1].map(|k| 0.25 * quad.iter().map(|p| p[k]).sum::<f64>());
    let far = |p: &[f64; 2]| (p[0] - middle[0]).abs().max((p[1] - middle[1]).abs());
    area.abs() > 1e-12
        && turns.into_iter().all(|turn| turn >= -1e-9 * area.abs())
        && quad.iter().all(|p| far(p) <= kernel.reach_px())
}

/// Area that a quadrilateral shares with the square of side `side` about `centre`.
pub fn overlap(quad: &[[f64; 2]; 4], centre: [f64; 2], side: f64) -> f64 {
    let mut polygon = quad.to_vec();
    for axis in 0..2 {
        polygon = clip(&polygon, |p| p[axis] - (centre[axis] - 0.5 * side));
        polygon = clip(&polygon, |p| (centre[axis] + 0.5 * side) - p[axis]);
    }
    let Some(first) = polygon.first() else { return 0.0 };
    let twice: f64 = polygon
        .windows(2)
        .map(|p| {
            let ([ax, ay], [bx, by]) = (p[0], p[1]);
            (ax - first[0]) * (by - first[1]) - (bx - first[0]) * (ay - first[1])
        })
        .sum();
    0.5 * twice.abs()
}

/// The part of a polygon where `inside`, which is linear, is not negative.
fn clip(polygon: &[[f64; 2]], inside: impl Fn(&[f64; 2]) -> f64) -> Vec<[f64; 2]> {
    let mut out = Vec::new();
    for (i, end) in polygon.iter().enumerate() {
        let start = &polygon[(i + polygon.len() - 1) % polygon.len()];
        let (from, to) = (inside(start), inside(end));
        if (from < 0.0) != (to < 0.0) {
            let t = from / (from - to);
            out.push([start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])]);
        }
        if to >= 0.0 {
            out.push(*end);
        }
    }
    out
}

/// Sample `window` over the output pixel with these corners.
pub fn sample(kernel: &AreaKernel, window: &SourceWindow<'_>, quad: &[[f64; 2]; 4]) -> AreaSample {
    let (mut x, mut sum, mut squares, mut found) = (0.0, 0.0, 0.0, 0);
    let is_possible = is_possible(kernel, quad, signed_area(quad));
    for (column, row, a) in weights(kernel, quad) {
        if !window.in_frame(column, row) {
            continue;
        }
        found |= flags::INSIDE;
        let value = window.at(column, row);
        if value.is_nan() {
            found |= flags::MASKED;
            continue;
        }
        x += a * f64::from(value);
        sum += a;
        squares += a * a;
    }
    let (right, top) = (window.frame_width as f64 - 0.5, window.frame_height as f64 - 0.5);
    let middle = [0, 1].map(|k| 0.25 * quad.iter().map(|p| p[k]).sum::<f64>());
    if is_possible && middle.iter().all(|m| *m >= -0.5) && middle[0] < right && middle[1] < top {
        found |= flags::INSIDE;
    }
    let outside =
        |p: &[f64; 2]| p.iter().any(|v| *v < -0.5 - 1e-9) || p[0] > right + 1e-9 || p[1] > top + 1e-9;
    if found != 0 && quad.iter().any(outside) {
        found |= flags::EDGE;
    }
    let share = if kernel.method() == AreaMethod::Exact { 1.0 / signed_area(quad).abs() } else { 1.0 };
    let valid = (sum > 0.0).then(|| (x / sum, squares / (sum * sum)));
    AreaSample { valid, weight: if sum > 0.0 { sum * share } else { 0.0 }, flags: found }
}
