//! Samples of a row of positions.
//!
//! Positions are split into a whole pixel and an f32 fraction once for all planes. Where all taps lie in
//! the window and none is NaN, the sum runs over 8 lanes in a fixed order; everything else (frame edges,
//! NaN, stretched kernels) takes the general path, which for good taps makes the same sums in the same
//! order, so that the result never depends on the window or the instruction set.

use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;

use crate::definition::MIN_GOOD_SHARE;
use crate::flags;
use crate::kernel::Kernel;
use crate::table::{KernelTable, Lanes};

/// A part of a frame's plane. It must hold all taps inside the frame of the positions asked for.
#[derive(Debug, Clone, Copy)]
pub struct SourceWindow<'a> {
    /// Row-major pixels of `region`.
    pub data: &'a [f32],
    /// Where the window lies in the frame.
    pub region: Region,
    /// Columns of the frame.
    pub frame_width: usize,
    /// Rows of the frame.
    pub frame_height: usize,
}

impl SourceWindow<'_> {
    /// A pixel by its frame position; NaN outside the window.
    pub fn at(&self, column: i64, row: i64) -> f32 {
        let (x, y) = (column - self.region.x0, row - self.region.y0);
        if x < 0 || y < 0 || x >= self.region.width as i64 || y >= self.region.height as i64 {
            debug_assert!(
                column < 0 || row < 0 || column >= self.frame_width as i64 || row >= self.frame_height as i64,
                "the window lacks pixel {column}, {row} of the frame"
            );
            return f32::NAN;
        }
        self.data[y as usize * self.region.width + x as usize]
    }
}

/// Where a row of samples goes; all slices are as long as the positions.
#[derive(Debug)]
pub struct WarpRow<'a> {
    /// Value, NaN where not valid.
    pub value: &'a mut [f32],
    /// Variance of the value over that of a source pixel, NaN where not valid.
    pub variance_factor: &'a mut [f32],
    /// See [`flags`].
    pub flags: &'a mut [u8],
}

/// Sample one plane at the frame positions (`xs`, `ys`).
pub fn warp_row(
    table: &KernelTable,
    level: SimdLevel,
    window: &SourceWindow<'_>,
    xs: &[f64],
    ys: &[f64],
    out: WarpRow<'_>,
) {
    warp_row_planes(table, level, std::slice::from_ref(window), xs, ys, &mut [out]);
}

/// Sample planes of one frame (equal regions) at the frame positions (`xs`, `ys`). A NaN position gives no
/// data and no flags.
pub fn warp_row_planes(
    table: &KernelTable,
    level: SimdLevel,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    match level {
        SimdLevel::Portable => warp_body(table, windows, xs, ys, outs),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { warp_avx2(table, windows, xs, ys, outs) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => warp_body(table, windows, xs, ys, outs),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn warp_avx2(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    warp_body(table, windows, xs, ys, outs);
}

#[inline(always)]
fn warp_body(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    if table.stretch() > 1.0 {
        return each_general(table, windows, xs, ys, outs);
    }
    match table.kernel() {
        Kernel::Nearest => each_general(table, windows, xs, ys, outs),
        Kernel::Bilinear => each_bilinear(table, windows, xs, ys, outs),
        Kernel::Lanczos2 => each_lanczos::<4>(table, windows, xs, ys, outs),
        Kernel::Lanczos3 => each_lanczos::<6>(table, windows, xs, ys, outs),
        Kernel::Lanczos4 => each_lanczos::<8>(table, windows, xs, ys, outs),
    }
}

fn each_general(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let mut general = General::default();
    for (i, (x, y)) in xs.iter().zip(ys).enumerate() {
        general.sample(table, windows, *x, *y, i, outs);
    }
}

/// Offset of the tap (`column`, `row`) in the window if a block of `wide` x `high` taps from there lies
/// inside it (`high` of them inside the frame follows, as the window is part of the frame).
#[inline(always)]
fn block_at(window: &SourceWindow<'_>, column: i64, row: i64, wide: usize, high: usize) -> Option<usize> {
    let (x, y) = (column - window.region.x0, row - window.region.y0);
    let fits = x >= 0
        && y >= 0
        && x + wide as i64 <= window.region.width as i64
        && y + high as i64 <= window.region.height as i64;
    fits.then(|| y as usize * window.region.width + x as usize)
}

#[inline(always)]
fn each_bilinear(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let mut general = General::default();
    let Some(first) = windows.first() else { return };
    let stride = first.region.width;
    for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
        let (column, row) = (x.floor(), y.floor());
        let block = block_at(first, column as i64, row as i64, 2, 2).filter(|_| !(x.is_nan() || y.is_nan()));
        let Some(start) = block else {
            general.sample(table, windows, x, y, i, outs);
            continue;
        };
        let (fx, fy) = ((x - column) as f32, (y - row) as f32);
        let (gx, gy) = (1.0 - fx, 1.0 - fy);
        let factor = (gx * gx + fx * fx) * (gy * gy + fy * fy);
        for (window, out) in windows.iter().zip(outs.iter_mut()) {
            let upper = &window.data[start + stride..start + stride + 2];
            let lower = &window.data[start..start + 2];
            let value = gy * (gx * lower[0] + fx * lower[1]) + fy * (gx * upper[0] + fx * upper[1]);
            if value.is_nan() {
                general.sample_plane(table, window, x, y, i, out);
            } else {
                out.value[i] = value;
                out.variance_factor[i] = factor;
                out.flags[i] = flags::INSIDE;
            }
        }
    }
}

#[inline(always)]
fn each_lanczos<const TAPS: usize>(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let mut general = General::default();
    let Some(first) = windows.first() else { return };
    let stride = first.region.width;
    let before = TAPS as f64 / 2.0 - 1.0;
    for (i, (&x, &y)) in xs.iter().zip(ys).enumerate() {
        let (column, row) = (x.floor(), y.floor());
        let block = block_at(first, (column - before) as i64, (row - before) as i64, 8, TAPS)
            .filter(|_| !(x.is_nan() || y.is_nan()));
        let Some(start) = block else {
            general.sample(table, windows, x, y, i, outs);
            continue;
        };
        let (wx, squares_x) = table.weights((x - column) as f32);
        let (wy, squares_y) = table.weights((y - row) as f32);
        for (window, out) in windows.iter().zip(outs.iter_mut()) {
            let value = sum_block::<TAPS>(&wx, &wy, |j| {
                let at = start + j * stride;
                let mut lanes = [0.0; 8];
                lanes.copy_from_slice(&window.data[at..at + 8]);
                lanes
            });
            if value.is_nan() {
                general.sample_plane(table, window, x, y, i, out);
            } else {
                out.value[i] = value;
                out.variance_factor[i] = squares_x * squares_y;
                out.flags[i] = flags::INSIDE;
            }
        }
    }
}

/// sum over rows, then over columns, in the one fixed order.
#[inline(always)]
fn sum_block<const TAPS: usize>(wx: &Lanes, wy: &Lanes, row: impl Fn(usize) -> Lanes) -> f32 {
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

/// The path for frame edges, NaN and stretched kernels, with its buffers.
#[derive(Default)]
struct General {
    wx: Vec<f32>,
    wy: Vec<f32>,
}

impl General {
    fn sample(
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

    fn sample_plane(
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
