//! Drops whose shape does not follow the map: turbo and point.

use super::block::{Block, LANES};
use super::quads::{Quads, high, low};
use super::row::CornerRows;

/// Turbo: squares of `side` output pixels, along the output grid's axes, about the mapped centres. The map back to the
/// output grid is the inverse of the mean differences of the output pixel's corners.
#[inline(always)]
pub(super) fn turbo(quads: &Quads, side: f64, block: &mut Block) {
    let (wide, tall) = (block.wide, block.high);
    let per_area = 1.0 / (side * side);
    let mut inverses = [[[0.0; LANES]; 2]; 2];
    let mut middle = [[0.0; LANES]; 2];
    for k in 0..LANES {
        let x = [quads.x[0][k], quads.x[1][k], quads.x[2][k], quads.x[3][k]];
        let y = [quads.y[0][k], quads.y[1][k], quads.y[2][k], quads.y[3][k]];
        let m = inverse(&x, &y);
        (inverses[0][0][k], inverses[0][1][k]) = (m[0][0], m[0][1]);
        (inverses[1][0][k], inverses[1][1][k]) = (m[1][0], m[1][1]);
        middle[0][k] = 0.25 * ((x[0] + x[2]) + (x[1] + x[3]));
        middle[1][k] = 0.25 * ((y[0] + y[2]) + (y[1] + y[3]));
    }
    for j in 0..tall {
        for i in 0..wide {
            let weights = &mut block.weights[j * wide + i];
            for k in 0..LANES {
                let (dx, dy) = (i as f64 + 0.5 - middle[0][k], j as f64 + 0.5 - middle[1][k]);
                let u = inverses[0][0][k] * dx + inverses[0][1][k] * dy;
                let v = inverses[1][0][k] * dx + inverses[1][1][k] * dy;
                weights[k] = shared(u, side) * shared(v, side) * per_area;
            }
        }
    }
}

/// Output pixels per frame pixel: the inverse of the mean differences of the corners.
#[inline(always)]
pub(super) fn inverse(x: &[f64; 4], y: &[f64; 4]) -> [[f64; 2]; 2] {
    let along_x = [0.5 * ((x[1] - x[0]) + (x[2] - x[3])), 0.5 * ((y[1] - y[0]) + (y[2] - y[3]))];
    let along_y = [0.5 * ((x[3] - x[0]) + (x[2] - x[1])), 0.5 * ((y[3] - y[0]) + (y[2] - y[1]))];
    let per = 1.0 / (along_x[0] * along_y[1] - along_y[0] * along_x[1]);
    [[along_y[1] * per, -along_y[0] * per], [-along_x[1] * per, along_x[0] * per]]
}

/// Length that -1/2 .. 1/2 shares with an interval of length `side` about `u`.
#[inline(always)]
pub(super) fn shared(u: f64, side: f64) -> f64 {
    let (from, to) = (high(u - 0.5 * side, -0.5), low(u + 0.5 * side, 0.5));
    high(to - from, 0.0)
}

/// Point: weight 1 for the frame pixels whose centres lie in the output pixel, by the rule of [`holds`].
#[inline(always)]
pub(super) fn point(quads: &Quads, corners: CornerRows<'_>, start: usize, count: usize, block: &mut Block) {
    let (wide, tall) = (block.wide, block.high);
    // From the corner that comes first: place, way to the other one, and which side is inside (+1 left, -1 right).
    let (mut at, mut way, mut side) = ([[[0.0; LANES]; 2]; 4], [[[0.0; LANES]; 2]; 4], [[0.0; LANES]; 4]);
    for k in 0..count {
        let quad = corners.quad(start + k);
        for e in 0..4 {
            let (a, b, turn) = ordered(quad[e], quad[(e + 1) % 4]);
            (at[e][0][k], at[e][1][k]) = (a[0], a[1]);
            (way[e][0][k], way[e][1][k]) = (b[0] - a[0], b[1] - a[1]);
            side[e][k] = turn * quads.sign[k];
        }
    }
    for j in 0..tall {
        for i in 0..wide {
            let mut inside = [1.0; LANES];
            for e in 0..4 {
                for (k, inside) in inside.iter_mut().enumerate() {
                    let (x, y) = (quads.column[k] + i as f64, quads.row[k] + j as f64);
                    let turn = way[e][0][k] * (y - at[e][1][k]) - way[e][1][k] * (x - at[e][0][k]);
                    let left = if turn >= 0.0 { 1.0 } else { -1.0 };
                    // A corner twice (side 0) is no edge.
                    *inside = if left * side[e][k] < 0.0 { 0.0 } else { *inside };
                }
            }
            for (k, inside) in inside.into_iter().enumerate() {
                block.weights[j * wide + i][k] = if quads.area[k] > 0.0 { inside } else { 0.0 };
            }
        }
    }
}

/// The ends of an edge in an order that does not depend on its direction, with +1 when that was its direction, -1 when
/// not, and 0 for no edge.
#[inline(always)]
fn ordered(a: [f64; 2], b: [f64; 2]) -> ([f64; 2], [f64; 2], f64) {
    if a == b {
        (a, b, 0.0)
    } else if b[0] < a[0] || (b[0] == a[0] && b[1] < a[1]) {
        (b, a, -1.0)
    } else {
        (a, b, 1.0)
    }
}

/// Whether a convex quadrilateral of frame positions of this orientation (+1 counter-clockwise) holds the point.
/// Neighbours that share an edge compute the same number for it, so that a point on an edge belongs to exactly one.
pub(super) fn holds(quad: &[[f64; 2]; 4], orientation: f64, p: [f64; 2]) -> bool {
    (0..4).all(|e| {
        let (a, b, turn) = ordered(quad[e], quad[(e + 1) % 4]);
        let left = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) >= 0.0;
        turn == 0.0 || left == (turn * orientation > 0.0)
    })
}
