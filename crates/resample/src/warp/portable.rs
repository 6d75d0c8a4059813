//! The fast path in plain arrays: what every instruction set must equal bit for bit.

use crate::flags;
use crate::kernel::Kernel;
use crate::table::{KernelTable, Lanes};
use crate::warp::general::General;
use crate::warp::split::{CHUNK, Split};
use crate::warp::{SourceWindow, WarpRow};

/// All pixels of a row; the kernel is not stretched and not nearest.
pub(super) fn warp(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    match table.kernel() {
        Kernel::Nearest | Kernel::Bilinear => bilinear(table, windows, xs, ys, outs),
        Kernel::Lanczos2 => lanczos::<4>(table, windows, xs, ys, outs),
        Kernel::Lanczos3 => lanczos::<6>(table, windows, xs, ys, outs),
        Kernel::Lanczos4 => lanczos::<8>(table, windows, xs, ys, outs),
    }
}

/// Bilinear, on any instruction set: the compiler does well enough by itself.
#[inline(always)]
pub(super) fn bilinear(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let mut general = General::default();
    let Some(first) = windows.first() else { return };
    let stride = first.region.width;
    for from in (0..xs.len()).step_by(CHUNK) {
        let to = (from + CHUNK).min(xs.len());
        let split = Split::of::<2, 2>(first, 0.0, &xs[from..to], &ys[from..to]);
        for i in from..to {
            let (start, fx, fy) = (split.start[i - from], split.fx[i - from], split.fy[i - from]);
            if start < 0 {
                general.sample(table, windows, xs[i], ys[i], i, outs);
                continue;
            }
            let start = start as usize;
            for (window, out) in windows.iter().zip(outs.iter_mut()) {
                let lower = &window.data[start..start + 2];
                let upper = &window.data[start + stride..start + stride + 2];
                let (value, factor) = bilinear_value([lower[0], lower[1], upper[0], upper[1]], fx, fy);
                if value.is_nan() {
                    general.sample_plane(table, window, xs[i], ys[i], i, out);
                } else {
                    out.value[i] = value;
                    out.variance_factor[i] = factor;
                    out.flags[i] = flags::INSIDE;
                }
            }
        }
    }
}

/// Value and variance factor from the four pixels (lower left, lower right, upper left, upper right).
#[inline(always)]
pub(super) fn bilinear_value(taps: [f32; 4], fx: f32, fy: f32) -> (f32, f32) {
    let (gx, gy) = (1.0 - fx, 1.0 - fy);
    let value = gy * (gx * taps[0] + fx * taps[1]) + fy * (gx * taps[2] + fx * taps[3]);
    (value, (gx * gx + fx * fx) * (gy * gy + fy * fy))
}

fn lanczos<const TAPS: usize>(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let mut general = General::default();
    let Some(first) = windows.first() else { return };
    let stride = first.region.width;
    for from in (0..xs.len()).step_by(CHUNK) {
        let to = (from + CHUNK).min(xs.len());
        let split = Split::of::<8, TAPS>(first, TAPS as f64 / 2.0 - 1.0, &xs[from..to], &ys[from..to]);
        for i in from..to {
            let start = split.start[i - from];
            if start < 0 {
                general.sample(table, windows, xs[i], ys[i], i, outs);
                continue;
            }
            let (wx, squares_x) = table.weights(split.fx[i - from]);
            let (wy, squares_y) = table.weights(split.fy[i - from]);
            for (window, out) in windows.iter().zip(outs.iter_mut()) {
                let value = sum_block::<TAPS>(&wx, &wy, |j| {
                    let at = start as usize + j * stride;
                    let mut lanes = [0.0; 8];
                    lanes.copy_from_slice(&window.data[at..at + 8]);
                    lanes
                });
                if value.is_nan() {
                    general.sample_plane(table, window, xs[i], ys[i], i, out);
                } else {
                    out.value[i] = value;
                    out.variance_factor[i] = squares_x * squares_y;
                    out.flags[i] = flags::INSIDE;
                }
            }
        }
    }
}

/// Sum over rows, then over columns, in the one fixed order.
#[inline(always)]
pub(super) fn sum_block<const TAPS: usize>(wx: &Lanes, wy: &Lanes, row: impl Fn(usize) -> Lanes) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (j, weight) in wy.iter().enumerate().take(TAPS) {
        let values = row(j);
        for lane in 0..8 {
            sums[lane] += weight * values[lane];
        }
    }
    for lane in 0..8 {
        sums[lane] *= wx[lane];
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}
