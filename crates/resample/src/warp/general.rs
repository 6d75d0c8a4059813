//! The path for frame edges and NaN: taps one by one. Where all of them turn out good (they were not in the
//! window in one piece) it makes the sums of the fast path in the same order.

use crate::definition::{Share, taps};
use crate::flags;
use crate::kernel::Kernel;
use crate::table::{KernelTable, Near};
use crate::warp::sums::{Lanes, bilinear, bilinear_factor, sum_lanes, sum_many, sum_rows};
use crate::warp::{SourceWindow, WarpRow};

/// The path and its buffers.
#[derive(Default)]
pub(super) struct General {
    kx: Vec<f64>,
    ky: Vec<f64>,
    /// Rows of taps, padded with zeros to whole lanes.
    taps: Vec<Lanes>,
    wx: Vec<Lanes>,
    wy: Vec<f32>,
}

impl General {
    /// Sample one plane at the position (`x`, `y`) into place `i` of `out`.
    #[inline(never)]
    pub(super) fn sample(
        &mut self,
        table: &KernelTable,
        window: &SourceWindow<'_>,
        (x, y): (f64, f64),
        i: usize,
        out: &mut WarpRow<'_>,
    ) {
        (out.value[i], out.variance_factor[i], out.flags[i]) = (f32::NAN, f32::NAN, 0);
        let (width, height) = (window.frame_width as f64, window.frame_height as f64);
        if !(x >= -0.5 && y >= -0.5 && x < width - 0.5 && y < height - 0.5) {
            return;
        }
        let (column, count) = taps(table.kernel(), table.stretch(), x);
        let (row, _) = taps(table.kernel(), table.stretch(), y);
        let found = self.collect(window, column, row, count as usize);
        out.flags[i] = flags::INSIDE | found;
        let sample = if found == 0 {
            Some(self.all_good(table, x, y))
        } else {
            table.exact_weights(x, &mut self.kx);
            table.exact_weights(y, &mut self.ky);
            self.some_missing(window, column, row)
        };
        if let Some((value, factor)) = sample {
            (out.value[i], out.variance_factor[i]) = (value, factor);
        }
    }

    /// Copy the `count` x `count` taps from (`column`, `row`) on; returns the flags that they raise.
    fn collect(&mut self, window: &SourceWindow<'_>, column: i64, row: i64, count: usize) -> u8 {
        let parts = count.div_ceil(8);
        self.taps.clear();
        self.taps.resize(count * parts, [0.0; 8]);
        let mut found = 0;
        for (y, lanes) in (row..).zip(self.taps.chunks_exact_mut(parts)) {
            for (x, tap) in (column..).zip(&mut lanes.as_flattened_mut()[..count]) {
                if window.in_frame(x, y) {
                    *tap = window.at(x, y);
                    found |= if tap.is_nan() { flags::MASKED } else { 0 };
                } else {
                    *tap = f32::NAN;
                    found |= flags::EDGE;
                }
            }
        }
        found
    }

    /// The sums of the fast path.
    fn all_good(&mut self, table: &KernelTable, x: f64, y: f64) -> (f32, f32) {
        let (fx, fy) = ((x - x.floor()) as f32, (y - y.floor()) as f32);
        match table.kernel() {
            Kernel::Nearest => (self.taps[0][0], 1.0),
            _ if table.stretch() > 1.0 => self.all_good_stretched(table, fx, fy),
            Kernel::Bilinear => {
                let four = [self.taps[0][0], self.taps[0][1], self.taps[1][0], self.taps[1][1]];
                (bilinear(four, fx, fy), bilinear_factor(fx, fy))
            }
            kernel => {
                let (mut wx, mut wy) = ([0.0; 8], [0.0; 8]);
                let (x, y) = (Near::to(fx), Near::to(fy));
                table.weights(x, &mut wx);
                table.weights(y, &mut wy);
                let factor = table.squares(x, &wx) * table.squares(y, &wy);
                let value = match kernel.taps() {
                    4 => sum_lanes::<4>(&sum_rows::<4>(&wx, &wy, |j| self.taps[j])),
                    6 => sum_lanes::<6>(&sum_rows::<6>(&wx, &wy, |j| self.taps[j])),
                    _ => sum_lanes::<8>(&sum_rows::<8>(&wx, &wy, |j| self.taps[j])),
                };
                (value, factor)
            }
        }
    }

    fn all_good_stretched(&mut self, table: &KernelTable, fx: f32, fy: f32) -> (f32, f32) {
        let (count, parts) = (table.taps(), table.taps().div_ceil(8));
        self.wx.clear();
        self.wx.resize(parts, [0.0; 8]);
        self.wy.clear();
        self.wy.resize(count, 0.0);
        let squares_x = table.stretched_weights(fx, &mut self.wx.as_flattened_mut()[..count]);
        let squares_y = table.stretched_weights(fy, &mut self.wy);
        (sum_many(&self.wx, &self.wy, |c, j| self.taps[j * parts + c]), squares_x * squares_y)
    }

    /// Weighted and normalised over the good taps, in f64.
    fn some_missing(&self, window: &SourceWindow<'_>, column: i64, row: i64) -> Option<(f32, f32)> {
        let parts = self.kx.len().div_ceil(8);
        let mut share = Share::default();
        let (mut sum_kx, mut sum_k2) = (0.0, 0.0);
        for ((y, ky), lanes) in (row..).zip(&self.ky).zip(self.taps.chunks_exact(parts)) {
            for ((x, kx), value) in (column..).zip(&self.kx).zip(lanes.as_flattened()) {
                let k = kx * ky;
                if !value.is_nan() {
                    share.good(k);
                    sum_kx += k * f64::from(*value);
                    sum_k2 += k * k;
                } else if window.in_frame(x, y) {
                    share.bad(k);
                }
            }
        }
        let sum_k = share.sum_if_valid()?;
        Some(((sum_kx / sum_k) as f32, (sum_k2 / (sum_k * sum_k)) as f32))
    }
}
