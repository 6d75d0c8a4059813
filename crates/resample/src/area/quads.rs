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
        let (reach, pad) = (kernel.reach_px(), 0.5 * kernel.pad());
        let (mut wide, mut tall) = (0.0, 0.0);
        for k in 0..LANES {
            let x: [f64; 4] = [self.x[0][k], self.x[1][k], self.x[2][k], self.x[3][k]];
            let y: [f64; 4] = [self.y[0][k], self.y[1][k], self.y[2][k], self.y[3][k]];
            let (x_min, x_max) =
                (low(low(x[0], x[1]), low(x[2], x[3])), high(high(x[0], x[1]), high(x[2], x[3])));
            let (y_min, y_max) =
                (low(low(y[0], y[1]), low(y[2], y[3])), high(high(y[0], y[1]), high(y[2], y[3])));
            let (mx, my) = (0.25 * ((x[0] + x[2]) + (x[1] + x[3])), 0.25 * ((y[0] + y[2]) + (y[1] + y[3])));
            let area = 0.5 * ((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0]));
            let sign = if area < 0.0 { -1.0 } else { 1.0 };
            // Each corner turns the same way, or (almost) not at all.
            let turn = |a: usize, b: usize, c: usize| {
                sign * ((x[b] - x[a]) * (y[c] - y[b]) - (x[c] - x[b]) * (y[b] - y[a]))
            };
            let least = low(low(turn(3, 0, 1), turn(0, 1, 2)), low(turn(1, 2, 3), turn(2, 3, 0)));
            let near = |v: f64| v <= reach;
            // Every comparison is false for NaN, and some corner's NaN always gets into `area`.
            #[expect(clippy::needless_bitwise_bool, reason = "no branch per pixel")]
            let good = (sign * area > MIN_AREA)
                & (least >= -STRAIGHT * sign * area)
                & near(x_max - mx)
                & near(mx - x_min)
                & near(y_max - my)
                & near(my - y_min);
            let (pad_x, pad_y) = (pad * (x_max - x_min), pad * (y_max - y_min));
            let (column, row) = ((x_min - pad_x + 0.5).floor(), (y_min - pad_y + 0.5).floor());
            self.sign[k] = sign;
            self.area[k] = if good { sign * area } else { 0.0 };
            self.column[k] = if good { column } else { 0.0 };
            self.row[k] = if good { row } else { 0.0 };
            self.bounds[0][k] = x_min;
            self.bounds[1][k] = y_min;
            self.bounds[2][k] = x_max;
            self.bounds[3][k] = y_max;
            self.middle[0][k] = mx;
            self.middle[1][k] = my;
            wide = high(wide, if good { (x_max + pad_x + 0.5).floor() - column + 1.0 } else { 0.0 });
            tall = high(tall, if good { (y_max + pad_y + 0.5).floor() - row + 1.0 } else { 0.0 });
        }
        (self.wide, self.high) = (wide as usize, tall as usize);
        self.localise();
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
