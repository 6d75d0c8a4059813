//! The path for frame edges and NaN: taps one by one. Where all of them turn out good (they were not in the
//! window in one piece) it makes the sums of the fast path in the same order.

use crate::bspline::{clamp, effective::effective_sum, reflect};
use crate::definition::{Share, SquaredMean, taps};
use crate::flags;
use crate::kernel::Kernel;
use crate::table::{KernelTable, Near};
use crate::warp::fast::One;
use crate::warp::sums::{
    Lanes, bilinear, bilinear_factor, square_fraction, square_lanes, square_weights, sum_lanes, sum_many,
    sum_rows,
};
use crate::warp::{SourceWindow, WarpRow};

/// Pixels on each side from which the variance factor of the interpolating spline is made at borders and
/// holes: what is left out is below 1e-4 of it.
const SPLINE_REACH_PX: i64 = 8;

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
    /// Sample one plane into its place of `out`.
    #[inline(never)]
    pub(super) fn sample(&mut self, one: One<'_>, out: &mut WarpRow<'_>) {
        let One { table, window, at: (x, y), i } = one;
        (out.value[i], out.variance_factor[i], out.flags[i]) = (f32::NAN, f32::NAN, 0);
        if !is_inside(window, x, y) {
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

    /// The same of the interpolating B-spline: the sum runs over coefficients, the pixels say what is good.
    #[inline(never)]
    pub(super) fn sample_spline(&mut self, one: One<'_>, coefficients: &[f32], out: &mut WarpRow<'_>) {
        let One { table, window, at: (x, y), i } = one;
        (out.value[i], out.variance_factor[i], out.flags[i]) = (f32::NAN, f32::NAN, 0);
        if !is_inside(window, x, y) {
            return;
        }
        let (x, y) = (clamp(x, window.frame_width), clamp(y, window.frame_height));
        let ((column, count), (row, _)) = (taps(table.kernel(), 1.0, x), taps(table.kernel(), 1.0, y));
        let found = self.collect(window, column, row, count as usize);
        out.flags[i] = flags::INSIDE | found;
        if found != 0 {
            // Judged by the weights of Keys, see `definition::sample`.
            table.noise_table().exact_weights(x, &mut self.kx);
            table.noise_table().exact_weights(y, &mut self.ky);
            if self.some_missing(window, column, row).is_none() {
                return;
            }
        }
        let coefficients = SourceWindow { data: coefficients, ..*window };
        for (y, lanes) in (row..).zip(&mut self.taps) {
            for (x, tap) in (column..).zip(&mut lanes[..count as usize]) {
                *tap = coefficients.at(reflect(x, window.frame_width), reflect(y, window.frame_height));
            }
        }
        let (value, factor) = self.all_good(table, x, y);
        let holes = || effective_sum(window, x, y, SPLINE_REACH_PX).1 as f32;
        (out.value[i], out.variance_factor[i]) = (value, if found == 0 { factor } else { holes() });
    }

    /// Mean of `noise` as the valid sample at `one` weighs it.
    #[inline(never)]
    pub(super) fn noise(&mut self, one: One<'_>, noise: &[f32]) -> f32 {
        let One { table, window, at: (mut x, mut y), .. } = one;
        if table.needs_prefilter() {
            (x, y) = (clamp(x, window.frame_width), clamp(y, window.frame_height));
        }
        let table = table.noise_table();
        let noise = SourceWindow { data: noise, ..*window };
        let (column, count) = taps(table.kernel(), table.stretch(), x);
        let (row, _) = taps(table.kernel(), table.stretch(), y);
        if self.collect(window, column, row, count as usize) == 0 {
            self.collect(&noise, column, row, count as usize);
            return self.all_good_noise(table, x, y);
        }
        table.exact_weights(x, &mut self.kx);
        table.exact_weights(y, &mut self.ky);
        let parts = self.kx.len().div_ceil(8);
        let mut mean = SquaredMean::default();
        for ((y, ky), lanes) in (row..).zip(&self.ky).zip(self.taps.chunks_exact(parts)) {
            for ((x, kx), value) in (column..).zip(&self.kx).zip(lanes.as_flattened()) {
                if !value.is_nan() {
                    mean.add(kx * ky, f64::from(noise.at(x, y)));
                }
            }
        }
        mean.get().map_or(f32::NAN, |mean| mean as f32)
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
        let factor = self.weigh_stretched(table, fx, fy);
        (self.sum_stretched(), factor)
    }

    /// Weights of a stretched kernel; returns the variance factor.
    fn weigh_stretched(&mut self, table: &KernelTable, fx: f32, fy: f32) -> f32 {
        let (count, parts) = (table.taps(), table.taps().div_ceil(8));
        self.wx.clear();
        self.wx.resize(parts, [0.0; 8]);
        self.wy.clear();
        self.wy.resize(count, 0.0);
        let squares_x = table.stretched_weights(fx, &mut self.wx.as_flattened_mut()[..count]);
        squares_x * table.stretched_weights(fy, &mut self.wy)
    }

    fn sum_stretched(&self) -> f32 {
        let parts = self.wx.len();
        sum_many(&self.wx, &self.wy, |c, j| self.taps[j * parts + c])
    }

    /// The sums of the fast path with squared weights.
    fn all_good_noise(&mut self, table: &KernelTable, x: f64, y: f64) -> f32 {
        let (fx, fy) = ((x - x.floor()) as f32, (y - y.floor()) as f32);
        match table.kernel() {
            Kernel::Nearest => self.taps[0][0],
            _ if table.stretch() > 1.0 => {
                self.weigh_stretched(table, fx, fy);
                square_weights(&mut self.wx.as_flattened_mut()[..table.taps()]);
                square_weights(&mut self.wy);
                self.sum_stretched()
            }
            Kernel::Bilinear => {
                let four = [self.taps[0][0], self.taps[0][1], self.taps[1][0], self.taps[1][1]];
                bilinear(four, square_fraction(fx), square_fraction(fy))
            }
            kernel => {
                let (mut wx, mut wy) = ([0.0; 8], [0.0; 8]);
                table.weights(Near::to(fx), &mut wx);
                table.weights(Near::to(fy), &mut wy);
                match kernel.taps() {
                    4 => self.sum_squared::<4>(&mut wx, &mut wy),
                    6 => self.sum_squared::<6>(&mut wx, &mut wy),
                    _ => self.sum_squared::<8>(&mut wx, &mut wy),
                }
            }
        }
    }

    fn sum_squared<const TAPS: usize>(&self, wx: &mut Lanes, wy: &mut Lanes) -> f32 {
        square_lanes::<TAPS>(wx);
        square_lanes::<TAPS>(wy);
        sum_lanes::<TAPS>(&sum_rows::<TAPS>(wx, wy, |j| self.taps[j]))
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

/// Whether a position is inside the frame; false for NaN.
fn is_inside(window: &SourceWindow<'_>, x: f64, y: f64) -> bool {
    x >= -0.5 && y >= -0.5 && x < window.frame_width as f64 - 0.5 && y < window.frame_height as f64 - 0.5
}
