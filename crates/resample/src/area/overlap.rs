//! Overlap areas of quadrilaterals with frame pixels, or with their shrunken middles, by edges.
//!
//! Green's theorem: the area of a polygon to the right of x = X within a row of pixels is the sum over its edges, cut to
//! the row, of the height times the mean of max(x - X, 0) along the edge, counted with the sign of dy. An overlap is the
//! difference of two such areas. The idea of adding signed areas under edges is drizzle's "boxer" and that of exact
//! coverage rasterisers. No clipping, no branch per edge: eight output pixels go through the same sums together.

use super::block::{Block, LANES, Lane};
use super::quads::{Quads, high, low};

/// Edges narrower than this in x are widened to it, so that the division below is safe. A power of two, above the last
/// bit of any local coordinate.
const MIN_WIDTH: f64 = 1.0 / (1_u64 << 34) as f64;

/// An edge cut to a row.
#[derive(Clone, Copy)]
struct Edge {
    left: Lane,
    right: Lane,
    /// Signed height over width.
    rate: Lane,
}

impl Edge {
    /// Edge `e` of all quadrilaterals between the heights `bottom` and `top`.
    #[inline(always)]
    fn cut(quads: &Quads, e: usize, bottom: f64, top: f64) -> Self {
        let mut edge = Self { left: [0.0; LANES], right: [0.0; LANES], rate: [0.0; LANES] };
        let next = (e + 1) % 4;
        let (x, y, x_end, y_end) = (&quads.x[e], &quads.y[e], &quads.x[next], &quads.y[next]);
        let slope = &quads.slope[e];
        for k in 0..LANES {
            let (ya, yb) = (low(high(y[k], bottom), top), low(high(y_end[k], bottom), top));
            let (xa, xb) = (x[k] + (ya - y[k]) * slope[k], x[k] + (yb - y[k]) * slope[k]);
            // Ends beyond the row lie on the line far off the edge; all but level edges end a little off.
            let (x_low, x_high) = (low(x[k], x_end[k]), high(x[k], x_end[k]));
            let (xa, xb) = (low(high(xa, x_low), x_high), low(high(xb, x_low), x_high));
            let left = low(xa, xb);
            let right = high(high(xa, xb), left + MIN_WIDTH);
            edge.left[k] = left;
            edge.right[k] = right;
            edge.rate[k] = quads.sign[k] * (yb - ya) / (right - left);
        }
        edge
    }
}

/// Area to the right of `x`. Exactly 0 where no edge is to the right.
#[inline(always)]
fn right_of(edges: &[Edge; 4], x: f64) -> Lane {
    let mut sum = [0.0; LANES];
    for edge in edges {
        for (k, sum) in sum.iter_mut().enumerate() {
            // The part of the edge to the right of x: its width over the edge's is the share that counts.
            let start = high(edge.left[k], x);
            let width = high(edge.right[k] - start, 0.0);
            *sum += ((start - x) + 0.5 * width) * width * edge.rate[k];
        }
    }
    sum
}

#[inline(always)]
fn edges(quads: &Quads, bottom: f64, top: f64) -> [Edge; 4] {
    // Written out: a closure would not be compiled for the instruction set of its caller.
    [
        Edge::cut(quads, 0, bottom, top),
        Edge::cut(quads, 1, bottom, top),
        Edge::cut(quads, 2, bottom, top),
        Edge::cut(quads, 3, bottom, top),
    ]
}

/// Overlaps with whole frame pixels.
#[inline(always)]
pub(super) fn whole(quads: &Quads, block: &mut Block) {
    for j in 0..block.high {
        let edges = edges(quads, j as f64, (j + 1) as f64);
        // Nothing is to the right of the last pixel.
        let mut beyond = [0.0; LANES];
        for i in (0..block.wide).rev() {
            let area = right_of(&edges, i as f64);
            let overlap = &mut block.weights[j * block.wide + i];
            for k in 0..LANES {
                overlap[k] = area[k] - beyond[k];
            }
            beyond = area;
        }
    }
}

/// Overlaps with the frame's pixels shrunk by `pixfrac` about their centres, over the area of one.
#[inline(always)]
pub(super) fn drops(quads: &Quads, pixfrac: f64, block: &mut Block) {
    let (inset, per_area) = (0.5 * (1.0 - pixfrac), 1.0 / (pixfrac * pixfrac));
    for j in 0..block.high {
        let edges = edges(quads, j as f64 + inset, (j + 1) as f64 - inset);
        for i in 0..block.wide {
            let (from, to) = (right_of(&edges, i as f64 + inset), right_of(&edges, (i + 1) as f64 - inset));
            let overlap = &mut block.weights[j * block.wide + i];
            for k in 0..LANES {
                overlap[k] = (from[k] - to[k]) * per_area;
            }
        }
    }
}
