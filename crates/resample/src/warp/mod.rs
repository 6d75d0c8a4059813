//! Samples of a row of positions.
//!
//! Positions are split into a whole pixel and an f32 fraction once for all planes. Where all taps lie in
//! the window and none is NaN, the sum runs over 8 lanes in a fixed order; everything else (frame edges,
//! NaN) takes the general path, which for good taps makes the same sums in the same order, so that the
//! result never depends on the window or the instruction set.

mod coefficients;
mod fast;
mod general;
mod noise;
mod split;
mod sums;

use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;

use crate::bspline::SplineCoefficients;
use crate::table::KernelTable;

pub use noise::{NoiseWindow, warp_noise_row};

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
            debug_assert!(!self.in_frame(column, row), "the window lacks pixel {column}, {row} of the frame");
            return f32::NAN;
        }
        self.data[y as usize * self.region.width + x as usize]
    }

    /// Whether a pixel lies inside the frame.
    pub(crate) fn in_frame(&self, column: i64, row: i64) -> bool {
        column >= 0 && row >= 0 && column < self.frame_width as i64 && row < self.frame_height as i64
    }
}

/// Where a row of samples goes; all slices are as long as the positions.
#[derive(Debug)]
pub struct WarpRow<'a> {
    /// Value, NaN where not valid.
    pub value: &'a mut [f32],
    /// Variance of the value over that of a source pixel, NaN where not valid.
    pub variance_factor: &'a mut [f32],
    /// See [`crate::flags`].
    pub flags: &'a mut [u8],
}

/// Sample one plane at the frame positions (`xs`, `ys`).
///
/// # Panics
/// As [`warp_row_planes`].
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
///
/// # Panics
/// When the slices of an output or `ys` are shorter than `xs`, a window's data than its region, or the regions
/// of the windows differ; when the kernel [needs coefficients](KernelTable::needs_prefilter).
pub fn warp_row_planes(
    table: &KernelTable,
    level: SimdLevel,
    windows: &[SourceWindow<'_>],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    warp_row_coefficients(table, level, windows, &[], xs, ys, outs);
}

/// The same for kernels that need [`bspline_prefilter`](crate::bspline_prefilter): `coefficients` are those of
/// each window, which says where pixels are NaN. Other kernels do not look at them.
///
/// # Panics
/// As [`warp_row_planes`], and when a kernel that needs coefficients has less of them than pixels.
pub fn warp_row_coefficients(
    table: &KernelTable,
    level: SimdLevel,
    windows: &[SourceWindow<'_>],
    coefficients: &[&SplineCoefficients],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    let Some(first) = windows.first() else { return };
    for window in windows {
        assert!(window.region == first.region, "planes of one frame have one region");
        assert!(window.data.len() >= window.region.area(), "data of the window");
    }
    if table.needs_prefilter() {
        let enough = coefficients.iter().all(|own| own.all().len() >= first.region.area());
        assert!(coefficients.len() >= windows.len() && enough, "coefficients of every window");
    }
    for out in outs.iter() {
        let shortest = out.value.len().min(out.variance_factor.len()).min(out.flags.len());
        assert!(shortest >= xs.len() && ys.len() >= xs.len(), "slices as long as the positions");
    }
    match level {
        SimdLevel::Portable => fast::warp(table, windows, coefficients, xs, ys, outs),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { warp_avx2(table, windows, coefficients, xs, ys, outs) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => fast::warp(table, windows, coefficients, xs, ys, outs),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn warp_avx2(
    table: &KernelTable,
    windows: &[SourceWindow<'_>],
    coefficients: &[&SplineCoefficients],
    xs: &[f64],
    ys: &[f64],
    outs: &mut [WarpRow<'_>],
) {
    fast::warp(table, windows, coefficients, xs, ys, outs);
}
