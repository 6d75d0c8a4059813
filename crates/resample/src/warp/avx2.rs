//! The fast path with 256-bit vectors, one pixel's 8 columns per vector; the operations and their order
//! are those of `portable`.

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_movehdup_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_storeu_ps,
};

use crate::flags;
use crate::kernel::Kernel;
use crate::table::KernelTable;
use crate::warp::general::General;
use crate::warp::portable;
use crate::warp::split::{CHUNK, Split};
use crate::warp::{SourceWindow, WarpRow};

/// All pixels of a row; the kernel is not stretched and not nearest.
#[target_feature(enable = "avx2")]
pub(super) fn warp(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    match table.kernel() {
        Kernel::Nearest | Kernel::Bilinear => portable::bilinear(table, windows, xs, ys, outs),
        Kernel::Lanczos2 => lanczos::<4>(table, windows, xs, ys, outs),
        Kernel::Lanczos3 => lanczos::<6>(table, windows, xs, ys, outs),
        Kernel::Lanczos4 => lanczos::<8>(table, windows, xs, ys, outs),
    }
}

#[target_feature(enable = "avx2")]
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
            let (wx, squares_x) = weights(table, split.fx[i - from]);
            let (wy, squares_y) = weights(table, split.fy[i - from]);
            let mut rows = [0.0_f32; 8];
            // SAFETY: `rows` holds eight floats.
            unsafe { _mm256_storeu_ps(rows.as_mut_ptr(), wy) };
            for (window, out) in windows.iter().zip(outs.iter_mut()) {
                let mut sums = _mm256_setzero_ps();
                for (j, weight) in rows.iter().enumerate().take(TAPS) {
                    // SAFETY: `Split` gives a start only where TAPS rows of 8 columns from there lie in the
                    // window, and `warp_row_planes` has checked that the data covers the window.
                    let values = unsafe {
                        debug_assert!(start as usize + j * stride + 8 <= window.data.len());
                        _mm256_loadu_ps(window.data.as_ptr().add(start as usize + j * stride))
                    };
                    sums = _mm256_add_ps(sums, _mm256_mul_ps(_mm256_set1_ps(*weight), values));
                }
                let value = sum_lanes(_mm256_mul_ps(sums, wx));
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

/// As `KernelTable::weights`.
#[target_feature(enable = "avx2")]
#[inline]
fn weights(table: &KernelTable, f: f32) -> (__m256, f32) {
    let (phase, d) = table.phase(f);
    let step = _mm256_set1_ps(d);
    // SAFETY: each part of a phase holds eight floats.
    let (value, slope, bend) = unsafe {
        (
            _mm256_loadu_ps(phase.value.as_ptr()),
            _mm256_loadu_ps(phase.slope.as_ptr()),
            _mm256_loadu_ps(phase.bend.as_ptr()),
        )
    };
    let inner = _mm256_add_ps(slope, _mm256_mul_ps(step, bend));
    let [square, square_slope, square_bend] = phase.squares;
    (
        _mm256_add_ps(value, _mm256_mul_ps(step, inner)),
        square + d * (square_slope + d * square_bend),
    )
}

/// Lanes in the order of `portable::sum_block`: ((0+4)+(2+6)) + ((1+5)+(3+7)).
#[target_feature(enable = "avx2")]
#[inline]
fn sum_lanes(lanes: __m256) -> f32 {
    let pairs = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let fours = _mm_add_ps(pairs, _mm_movehl_ps(pairs, pairs));
    _mm_cvtss_f32(_mm_add_ss(fours, _mm_movehdup_ps(fours)))
}
