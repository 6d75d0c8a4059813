//! The quadrilaterals of a few neighbouring output pixels, relative to the first frame pixel that each may touch.

use super::block::{LANES, Lane};
use super::kernel::AreaKernel;
use super::row::CornerRows;

/// Corner products may be this share of the area on the wrong side: three corners on a line are no fold.
const STRAIGHT: f64 = 1e-9;
/// Less area than this (frame pixels) is none.
const MIN_AREA: f64 = 1e-12;

/// Eight quadrilaterals. Without meaning where `area` is 0.
pub(super) struct Quads {
    /// Corners in local coordinates, in which frame pixel (`column`, `row`) covers 0 .. 1.
    pub(super) x: [Lane; 4],
    pub(super) y: [Lane; 4],
    /// dx/dy of the edge from each corner to the next; 0 where that has no height.
    pub(super) slope: [Lane; 4],
    /// +1 or -1 for mirrored maps.
    pub(super) sign: Lane,
    /// Area in frame pixels, positive; 0: no sample.
    pub(super) area: Lane,
    /// First frame pixel.
    pub(super) column: Lane,
    pub(super) row: Lane,
    /// Box in frame positions: x min, y min, x max, y max.
    pub(super) bounds: [Lane; 4],
    /// Middle of the corners, frame positions.
    pub(super) middle: [Lane; 2],
    /// Frame pixels that the largest of them may touch.
    pub(super) wide: usize,
    pub(super) high: usize,
}

#[inline(always)]
pub(super) fn low(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
pub(super) fn high(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl Quads {
    pub(super) fn new() -> Self {
        let (one, four) = ([0.0; LANES], [[0.0; LANES]; 4]);
        Self {
            x: four,
            y: four,
            slope: four,
            sign: one,
            area: one,
            column: one,
            row: one,
            bounds: four,
            middle: [one; 2],
            wide: 0,
            high: 0,
        }
    }

    /// The quadrilaterals of `count` output pixels from `start` on; the other lanes are empty.
    #[inline(always)]
    pub(super) fn load(&mut self, kernel: &AreaKernel, corners: CornerRows<'_>, start: usize, count: usize) {
        self.corners(corners, start, count);
        self.measure();
        self.judge(kernel.reach_px());
        self.place(0.5 * kernel.pad());
        self.localise();
    }

    /// Boxes, middles and areas.
    #[inline(always)]
    fn measure(&mut self) {
        let (x, y) = (&self.x, &self.y);
        for k in 0..LANES {
            self.bounds[0][k] = low(low(x[0][k], x[1][k]), low(x[2][k], x[3][k]));
            self.bounds[1][k] = low(low(y[0][k], y[1][k]), low(y[2][k], y[3][k]));
            self.bounds[2][k] = high(high(x[0][k], x[1][k]), high(x[2][k], x[3][k]));
            self.bounds[3][k] = high(high(y[0][k], y[1][k]), high(y[2][k], y[3][k]));
        }
        for k in 0..LANES {
            self.middle[0][k] = 0.25 * ((x[0][k] + x[2][k]) + (x[1][k] + x[3][k]));
            self.middle[1][k] = 0.25 * ((y[0][k] + y[2][k]) + (y[1][k] + y[3][k]));
        }
        for k in 0..LANES {
            let area =
                0.5 * ((x[2][k] - x[0][k]) * (y[3][k] - y[1][k]) - (x[3][k] - x[1][k]) * (y[2][k] - y[0][k]));
            self.sign[k] = if area < 0.0 { -1.0 } else { 1.0 };
            self.area[k] = if area < 0.0 { -area } else { area };
        }
    }

    /// Area 0 for what gives no sample.
    #[inline(always)]
    fn judge(&mut self, reach: f64) {
        // Each corner turns the same way, or (almost) not at all.
        let mut least = [f64::INFINITY; LANES];
        for b in 0..4 {
            let (a, c) = ((b + 3) % 4, (b + 1) % 4);
            let (x, y) = (&self.x, &self.y);
            for (k, least) in least.iter_mut().enumerate() {
                let turn =
                    (x[b][k] - x[a][k]) * (y[c][k] - y[b][k]) - (x[c][k] - x[b][k]) * (y[b][k] - y[a][k]);
                *least = low(turn * self.sign[k], *least);
            }
        }
        for (k, least) in least.into_iter().enumerate() {
            let (area, mx, my) = (self.area[k], self.middle[0][k], self.middle[1][k]);
            // Every comparison is false for NaN, and every corner is part of the area and of the middle.
            #[expect(clippy::needless_bitwise_bool, reason = "no branch per pixel")]
            let good = (area > MIN_AREA)
                & (least >= -STRAIGHT * area)
                & (self.bounds[2][k] - mx <= reach)
                & (mx - self.bounds[0][k] <= reach)
                & (self.bounds[3][k] - my <= reach)
                & (my - self.bounds[1][k] <= reach);
            self.area[k] = if good { area } else { 0.0 };
        }
    }

    /// First frame pixels, and how many the largest may touch; `pad` widens the boxes by that part of their sides.
    #[inline(always)]
    fn place(&mut self, pad: f64) {
        let (mut wide, mut tall) = ([0.0; LANES], [0.0; LANES]);
        for k in 0..LANES {
            let good = self.area[k] > 0.0;
            let [x0, y0, x1, y1] =
                [self.bounds[0][k], self.bounds[1][k], self.bounds[2][k], self.bounds[3][k]];
            let (pad_x, pad_y) = (pad * (x1 - x0), pad * (y1 - y0));
            let (column, row) = ((x0 - pad_x + 0.5).floor(), (y0 - pad_y + 0.5).floor());
            let (last_column, last_row) = ((x1 + pad_x + 0.5).floor(), (y1 + pad_y + 0.5).floor());
            self.column[k] = if good { column } else { 0.0 };
            self.row[k] = if good { row } else { 0.0 };
            wide[k] = if good { last_column - column + 1.0 } else { 0.0 };
            tall[k] = if good { last_row - row + 1.0 } else { 0.0 };
        }
        let (mut widest, mut tallest) = (0.0, 0.0);
        for k in 0..LANES {
            (widest, tallest) = (high(widest, wide[k]), high(tallest, tall[k]));
        }
        (self.wide, self.high) = (widest as usize, tallest as usize);
    }

    /// Corners as frame positions.
    #[inline(always)]
    fn corners(&mut self, corners: CornerRows<'_>, start: usize, count: usize) {
        let parts = [(corners.lower_x, corners.lower_y), (corners.upper_x, corners.upper_y)];
        for (part, (xs, ys)) in parts.into_iter().enumerate() {
            // Around the pixel: lower left, lower right, upper right, upper left.
            let (left, right) = if part == 0 { (0, 1) } else { (3, 2) };
            if count == LANES {
                let (xs, ys) = (&xs[start..=start + LANES], &ys[start..=start + LANES]);
                for k in 0..LANES {
                    (self.x[left][k], self.y[left][k]) = (xs[k], ys[k]);
                    (self.x[right][k], self.y[right][k]) = (xs[k + 1], ys[k + 1]);
                }
            } else {
                for k in 0..LANES {
                    let at = |i: usize| {
                        if k < count { (xs[start + i], ys[start + i]) } else { (f64::NAN, f64::NAN) }
                    };
                    (self.x[left][k], self.y[left][k]) = at(k);
                    (self.x[right][k], self.y[right][k]) = at(k + 1);
                }
            }
        }
    }

    /// Frame positions to local coordinates, and slopes.
    #[inline(always)]
    fn localise(&mut self) {
        for e in 0..4 {
            for k in 0..LANES {
                let good = self.area[k] > 0.0;
                let (x, y) = (self.x[e][k] - self.column[k] + 0.5, self.y[e][k] - self.row[k] + 0.5);
                self.x[e][k] = if good { x } else { 0.0 };
                self.y[e][k] = if good { y } else { 0.0 };
            }
        }
        for e in 0..4 {
            let next = (e + 1) % 4;
            for k in 0..LANES {
                let (dx, dy) = (self.x[next][k] - self.x[e][k], self.y[next][k] - self.y[e][k]);
                let slope = dx / dy;
                self.slope[e][k] = if dy.abs() > MIN_AREA { slope } else { 0.0 };
            }
        }
    }
}
