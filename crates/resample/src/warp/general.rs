//! The path for frame edges, NaN and stretched kernels. For good taps of an unstretched kernel it makes the
//! sums of the fast path in the same order.

use crate::definition::MIN_GOOD_SHARE;
use crate::flags;
use crate::kernel::Kernel;
use crate::table::KernelTable;
use crate::warp::portable::sum_block;
use crate::warp::{SourceWindow, WarpRow};

/// The path and its buffers.
#[derive(Default)]
pub(super) struct General {
    wx: Vec<f32>,
    wy: Vec<f32>,
}

impl General {
    /// Sample all planes at one position.
    pub(super) fn sample(
        &mut self,
        table: &KernelTable,
        windows: &[SourceWindow<'_>],
        x: f64,
        y: f64,
        i: usize,
        outs: &mut [WarpRow<'_>],
    ) {
        for (window, out) in windows.iter().zip(outs.iter_mut()) {
            self.sample_plane(table, window, x, y, i, out);
        }
    }

    /// Sample one plane at one position.
    pub(super) fn sample_plane(
        &mut self,
        table: &KernelTable,
        window: &SourceWindow<'_>,
        x: f64,
        y: f64,
        i: usize,
        out: &mut WarpRow<'_>,
    ) {
        out.value[i] = f32::NAN;
        out.variance_factor[i] = f32::NAN;
        out.flags[i] = 0;
        let (width, height) = (window.frame_width as f64, window.frame_height as f64);
        let inside = x >= -0.5 && y >= -0.5 && x < width - 0.5 && y < height - 0.5;
        if !inside {
            return;
        }
        out.flags[i] = flags::INSIDE;
        let column = table.weights_at(x, &mut self.wx);
        let row = table.weights_at(y, &mut self.wy);
        let (found, good_share) = self.survey(window, column, row);
        out.flags[i] |= found;
        if found == 0
            && let Some((value, factor)) = self.fixed_order(table, window, column, row, (x, y))
        {
            out.value[i] = value;
            out.variance_factor[i] = factor;
        } else if good_share > MIN_GOOD_SHARE {
            let (value, factor) = self.renormalised(window, column, row);
            out.value[i] = value;
            out.variance_factor[i] = factor;
        }
    }

    /// Which flags the taps raise, and the good share of |k| inside the frame.
    fn survey(&self, window: &SourceWindow<'_>, column: i64, row: i64) -> (u8, f64) {
        let mut found = 0;
        let (mut good, mut all) = (0.0, 0.0);
        for (y, ky) in (row..).zip(&self.wy) {
            for (x, kx) in (column..).zip(&self.wx) {
                let k = f64::from(kx * ky).abs();
                if x < 0 || y < 0 || x >= window.frame_width as i64 || y >= window.frame_height as i64 {
                    found |= flags::EDGE;
                } else if window.at(x, y).is_nan() {
                    found |= flags::MASKED;
                    all += k;
                } else {
                    good += k;
                    all += k;
                }
            }
        }
        (found, if all > 0.0 { good / all } else { 0.0 })
    }

    /// All taps good, kernel unstretched: the sums of the fast path.
    fn fixed_order(
        &self,
        table: &KernelTable,
        window: &SourceWindow<'_>,
        column: i64,
        row: i64,
        (x, y): (f64, f64),
    ) -> Option<(f32, f32)> {
        if table.stretch() > 1.0 {
            return None;
        }
        let at = |i: usize, j: usize| window.at(column + i as i64, row + j as i64);
        match table.kernel() {
            Kernel::Nearest => Some((at(0, 0), 1.0)),
            Kernel::Bilinear => {
                let (fx, fy) = ((x - x.floor()) as f32, (y - y.floor()) as f32);
                let (gx, gy) = (1.0 - fx, 1.0 - fy);
                let value = gy * (gx * at(0, 0) + fx * at(1, 0)) + fy * (gx * at(0, 1) + fx * at(1, 1));
                Some((value, (gx * gx + fx * fx) * (gy * gy + fy * fy)))
            }
            kernel => {
                let (wx, squares_x) = table.weights((x - x.floor()) as f32);
                let (wy, squares_y) = table.weights((y - y.floor()) as f32);
                let taps = kernel.taps();
                let lanes = |j: usize| {
                    let mut lanes = [0.0; 8];
                    lanes.iter_mut().enumerate().take(taps).for_each(|(i, lane)| *lane = at(i, j));
                    lanes
                };
                let value = match taps {
                    4 => sum_block::<4>(&wx, &wy, lanes),
                    6 => sum_block::<6>(&wx, &wy, lanes),
                    _ => sum_block::<8>(&wx, &wy, lanes),
                };
                Some((value, squares_x * squares_y))
            }
        }
    }

    /// Some taps missing, or a stretched kernel: weighted and normalised in f64.
    fn renormalised(&self, window: &SourceWindow<'_>, column: i64, row: i64) -> (f32, f32) {
        let (mut sum_k, mut sum_kx, mut sum_k2) = (0.0, 0.0, 0.0);
        for (y, ky) in (row..).zip(&self.wy) {
            for (x, kx) in (column..).zip(&self.wx) {
                if x < 0 || y < 0 || x >= window.frame_width as i64 || y >= window.frame_height as i64 {
                    continue;
                }
                let value = window.at(x, y);
                if !value.is_nan() {
                    let k = f64::from(*kx) * f64::from(*ky);
                    sum_k += k;
                    sum_kx += k * f64::from(value);
                    sum_k2 += k * k;
                }
            }
        }
        ((sum_kx / sum_k) as f32, (sum_k2 / (sum_k * sum_k)) as f32)
    }
}
