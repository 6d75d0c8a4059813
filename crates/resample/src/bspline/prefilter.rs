//! Coefficients of the cubic B-spline through the pixels of a window.
//!
//! c_i = f_i + sum_{j = 1..R} h_j ((f_{i-j} + f_{i+j}) - 2 f_i), rows, then columns: a constant comes out as it
//! is. Plain sums in one fixed order, smallest terms first; a coefficient depends on the pixels of its
//! neighbourhood alone.

use zemosaic_image::simd::SimdLevel;

use crate::bspline::{FILTER_RADIUS_PX, fill, impulse, reflect};
use crate::warp::SourceWindow;

/// Pixels filtered at a time.
const LANES: usize = 32;
const R: usize = FILTER_RADIUS_PX;
/// Columns whose rows stay in the fastest cache during the pass over columns.
const STRIPE: usize = 4 * LANES;

/// Buffers of [`bspline_prefilter`], kept between calls.
#[derive(Debug, Default)]
pub struct PrefilterScratch {
    /// A row with its continuation on both sides.
    row: Vec<f32>,
    /// Rows filtered along x, padded to whole lanes.
    rows: Vec<f32>,
    /// For every row with its continuation: where it begins in `rows`.
    starts: Vec<usize>,
    distances: Vec<u8>,
}

/// Coefficients of the cubic B-spline through the pixels of a window, row-major in its region; made by
/// [`bspline_prefilter`].
#[derive(Debug, Clone, Default)]
pub struct SplineCoefficients {
    /// Of all pixels, filled holes too; finite unless pixels near the largest f32 overflow.
    all: Vec<f32>,
    /// The same with NaN where the pixel is NaN, so that a sum over taps tells; empty where no pixel is.
    marked: Vec<f32>,
}

impl SplineCoefficients {
    /// Coefficients of all pixels, filled holes too.
    pub fn all(&self) -> &[f32] {
        &self.all
    }

    /// Coefficients with NaN where the pixel is NaN.
    pub(crate) fn marked(&self) -> &[f32] {
        if self.marked.is_empty() { &self.all } else { &self.marked }
    }
}

/// The coefficients of the cubic B-spline through the pixels of `window` into `out`, whose buffers are kept.
/// They are finite wherever pixels are of a sane size: holes are filled first from up to
/// [`FILL_RADIUS_PX`](crate::FILL_RADIUS_PX) pixels around.
///
/// A coefficient depends on the pixels up to
/// [`FILTER_RADIUS_PX`](crate::FILTER_RADIUS_PX) + [`FILL_RADIUS_PX`](crate::FILL_RADIUS_PX)
/// away, so near those borders of the window that are not borders of the frame it is finite but means
/// nothing. A window that holds [`KernelTable::margin_px`](crate::KernelTable::margin_px) pixels around all
/// positions has every coefficient that they need, equal bit by bit to those of any other such window.
///
/// # Panics
/// When the window's data are shorter than its region.
pub fn bspline_prefilter(
    level: SimdLevel,
    window: &SourceWindow<'_>,
    scratch: &mut PrefilterScratch,
    out: &mut SplineCoefficients,
) {
    let area = window.region.area();
    assert!(window.data.len() >= area, "data of the window");
    let pixels = &window.data[..area];
    out.marked.clear();
    out.all.clear();
    out.all.extend_from_slice(pixels);
    if area == 0 {
        return;
    }
    fill::fill_holes(window, &mut scratch.distances, &mut out.all);
    match level {
        SimdLevel::Portable => filter(window, scratch, &mut out.all),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { filter_avx2(window, scratch, &mut out.all) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => filter(window, scratch, &mut out.all),
    }
    if pixels.iter().map(|pixel| u32::from(pixel.is_nan())).sum::<u32>() > 0 {
        let mark = |(pixel, c): (&f32, &f32)| if pixel.is_nan() { f32::NAN } else { *c };
        out.marked.extend(pixels.iter().zip(&out.all).map(mark));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn filter_avx2(window: &SourceWindow<'_>, scratch: &mut PrefilterScratch, out: &mut [f32]) {
    filter(window, scratch, out);
}

/// Where the pixel at `index` along an axis is read in a window that begins at `start` and is `length` long:
/// reflected at the frame's borders, the last pixel repeated at the window's own.
fn source(index: i64, start: i64, length: usize, frame_size: usize) -> usize {
    (reflect(index, frame_size) - start).clamp(0, length as i64 - 1) as usize
}

/// Filter `pixels` in place.
#[inline(always)]
fn filter(window: &SourceWindow<'_>, scratch: &mut PrefilterScratch, pixels: &mut [f32]) {
    let region = window.region;
    let (width, height) = (region.width, region.height);
    let stride = width.next_multiple_of(LANES);
    let mut taps = [0.0_f32; R];
    for (tap, j) in taps.iter_mut().zip(1..) {
        *tap = impulse(j) as f32;
    }

    let row = &mut scratch.row;
    row.clear();
    row.resize(stride + 2 * R, 0.0);
    scratch.rows.resize(stride * height, 0.0);
    for (pixels, filtered) in pixels.chunks_exact(width).zip(scratch.rows.chunks_exact_mut(stride)) {
        row[R..R + width].copy_from_slice(pixels);
        for i in (0..R).chain(R + width..2 * R + width) {
            let index = region.x0 + i as i64 - R as i64;
            row[i] = pixels[source(index, region.x0, width, window.frame_width)];
        }
        for (x, filtered) in filtered.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let centre = x * LANES + R;
            *filtered =
                filter_lanes(&taps, lanes(row, centre), |j| (lanes(row, centre - j), lanes(row, centre + j)));
        }
    }

    scratch.starts.clear();
    scratch.starts.extend((0..height + 2 * R).map(|i| {
        let index = region.y0 + i as i64 - R as i64;
        source(index, region.y0, height, window.frame_height) * stride
    }));
    let (rows, starts) = (&scratch.rows, &scratch.starts);
    for stripe in (0..width).step_by(STRIPE) {
        for y in 0..height {
            for x in (stripe..width.min(stripe + STRIPE)).step_by(LANES) {
                let at = |i: usize| lanes(rows, starts[i] + x);
                let filtered = filter_lanes(&taps, at(y + R), |j| (at(y + R - j), at(y + R + j)));
                let n = LANES.min(width - x);
                pixels[y * width + x..][..n].copy_from_slice(&filtered[..n]);
            }
        }
    }
}

#[inline(always)]
fn lanes(values: &[f32], at: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&values[at..at + LANES]);
    lanes
}

/// `pair(j)` are the pixels j before and j after those of `centre`.
#[inline(always)]
fn filter_lanes(
    taps: &[f32; R],
    centre: [f32; LANES],
    pair: impl Fn(usize) -> ([f32; LANES], [f32; LANES]),
) -> [f32; LANES] {
    let mut sums = [0.0_f32; LANES];
    for j in (1..=R).rev() {
        let (before, after) = pair(j);
        for lane in 0..LANES {
            sums[lane] += taps[j - 1] * ((before[lane] + after[lane]) - 2.0 * centre[lane]);
        }
    }
    for lane in 0..LANES {
        sums[lane] += centre[lane];
    }
    sums
}
