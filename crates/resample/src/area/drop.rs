//! Drops whose shape does not follow the map: turbo and point.

use super::block::Block;
use super::quads::Quads;
use super::row::CornerRows;

/// Turbo: squares of `side` output pixels, along the output grid's axes, about the mapped centres. The map back to the
/// output grid is the inverse of the mean differences of the output pixel's corners.
#[inline(always)]
pub(super) fn turbo(quads: &Quads, side: f64, count: usize, block: &mut Block) {
    let (wide, high) = (block.wide, block.high);
    let per_area = 1.0 / (side * side);
    for k in 0..count {
        if quads.area[k] == 0.0 {
            clear(block, k);
            continue;
        }
        let (x, y) = (quads.x.map(|x| x[k]), quads.y.map(|y| y[k]));
        let inverse = inverse(&x, &y);
        let (mx, my) = (0.25 * ((x[0] + x[2]) + (x[1] + x[3])), 0.25 * ((y[0] + y[2]) + (y[1] + y[3])));
        for j in 0..high {
            for i in 0..wide {
                let (dx, dy) = (i as f64 + 0.5 - mx, j as f64 + 0.5 - my);
                let u = inverse[0][0] * dx + inverse[0][1] * dy;
                let v = inverse[1][0] * dx + inverse[1][1] * dy;
                block.weights[j * wide + i][k] = shared(u, side) * shared(v, side) * per_area;
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
    let (from, to) = ((u - 0.5 * side).max(-0.5), (u + 0.5 * side).min(0.5));
    (to - from).max(0.0)
}

/// Point: weight 1 for the frame pixels whose centres lie in the output pixel.
#[inline(always)]
pub(super) fn point(quads: &Quads, corners: CornerRows<'_>, start: usize, count: usize, block: &mut Block) {
    let (wide, high) = (block.wide, block.high);
    for k in 0..count {
        if quads.area[k] == 0.0 {
            clear(block, k);
            continue;
        }
        let quad = corners.quad(start + k);
        for j in 0..high {
            for i in 0..wide {
                let centre = [quads.column[k] + i as f64, quads.row[k] + j as f64];
                block.weights[j * wide + i][k] = f64::from(u8::from(holds(&quad, centre)));
            }
        }
    }
}

fn clear(block: &mut Block, k: usize) {
    for weights in &mut block.weights[..block.wide * block.high] {
        weights[k] = 0.0;
    }
}

/// Whether a convex quadrilateral of frame positions holds the point. Neighbours that share an edge see the same two
/// numbers, so they get them in one order: a point on an edge then belongs to exactly one of them.
pub(super) fn holds(quad: &[[f64; 2]; 4], p: [f64; 2]) -> bool {
    let left_of = |a: [f64; 2], b: [f64; 2]| -> bool {
        let swap = (b[0], b[1]) < (a[0], a[1]);
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let left = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) >= 0.0;
        left != swap
    };
    let mut sides = (0..4).map(|e| (quad[e], quad[(e + 1) % 4])).filter(|(a, b)| a != b);
    let Some((a, b)) = sides.next() else { return false };
    let first = left_of(a, b);
    sides.all(|(a, b)| left_of(a, b) == first)
}
