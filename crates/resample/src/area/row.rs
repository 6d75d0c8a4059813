//! Samples of a row of output pixels.

use zemosaic_image::simd::SimdLevel;

use super::apply;
use super::block::{Block, LANES};
use super::drop;
use super::kernel::{AreaKernel, AreaMethod, DrizzleOptions, DropShape};
use super::overlap;
use super::quads::Quads;
use crate::warp::SourceWindow;

/// Corners of a row of n output pixels as frame positions, n + 1 in each slice: pixel i has its lower corners at
/// i and i + 1 of `lower_*` and its upper ones at i and i + 1 of `upper_*`.
#[derive(Debug, Clone, Copy)]
pub struct CornerRows<'a> {
    /// x of the lower corners.
    pub lower_x: &'a [f64],
    /// y of the lower corners.
    pub lower_y: &'a [f64],
    /// x of the upper corners.
    pub upper_x: &'a [f64],
    /// y of the upper corners.
    pub upper_y: &'a [f64],
}

impl CornerRows<'_> {
    /// Number of output pixels.
    pub fn pixels(&self) -> usize {
        let n = self.lower_x.len().min(self.lower_y.len()).min(self.upper_x.len()).min(self.upper_y.len());
        n.saturating_sub(1)
    }

    /// Corners of pixel `i` in their order around it: lower left, lower right, upper right, upper left.
    pub(super) fn quad(&self, i: usize) -> [[f64; 2]; 4] {
        [
            [self.lower_x[i], self.lower_y[i]],
            [self.lower_x[i + 1], self.lower_y[i + 1]],
            [self.upper_x[i + 1], self.upper_y[i + 1]],
            [self.upper_x[i], self.upper_y[i]],
        ]
    }
}

/// Where a row of samples goes; all slices are as long as there are output pixels.
#[derive(Debug)]
pub struct AreaRow<'a> {
    /// sum a x / sum a, NaN where no good pixel is met.
    pub value: &'a mut [f32],
    /// sum a^2 / (sum a)^2, NaN likewise.
    pub variance_factor: &'a mut [f32],
    /// Relative weight q, 0 where there is no sample.
    pub weight: &'a mut [f32],
    /// See [`crate::flags`]. INSIDE: the output pixel's middle or a part of it that counts is in the frame; EDGE: a part
    /// of the output pixel is outside the frame; MASKED: it met NaN.
    pub flags: &'a mut [u8],
    /// Where relative variances r of the frame's pixels are given: sum a^2 r / sum a^2, NaN where no sample is.
    pub noise: Option<&'a mut [f32]>,
}

impl AreaRow<'_> {
    /// Leave pixel `i` without data.
    pub(super) fn none(&mut self, i: usize, flags: u8) {
        (self.value[i], self.variance_factor[i], self.weight[i], self.flags[i]) =
            (f32::NAN, f32::NAN, 0.0, flags);
        if let Some(noise) = &mut self.noise {
            noise[i] = f32::NAN;
        }
    }
}

/// Refuse what cannot be meant.
pub(super) fn check(windows: &[SourceWindow<'_>], noise: Option<&[f32]>, n: usize, outs: &[AreaRow<'_>]) {
    for window in windows {
        assert!(window.region == windows[0].region, "planes of one frame have one region");
        assert!(window.data.len() >= window.region.area(), "data of the window");
        assert!(noise.is_none_or(|noise| noise.len() >= window.region.area()), "noise of the window");
    }
    for out in outs {
        let shortest =
            out.value.len().min(out.variance_factor.len()).min(out.weight.len()).min(out.flags.len());
        assert!(shortest >= n, "slices as long as the row");
        assert!(out.noise.as_ref().is_none_or(|noise| noise.len() >= n), "noise as long as the row");
    }
}

/// Sample planes of one frame (equal regions) over the output pixels with the `corners`; the overlaps are computed once.
/// `noise`: relative variances of the frame's pixels, as long as the windows' data. The windows must hold
/// [`AreaKernel::margin_px`] pixels around the pixels of the centres, as far as the frame goes. Quadrilaterals that are
/// folded, have no area or NaN corners, or are far larger than the kernel's scale ratio says, give no data.
///
/// # Panics
/// When a slice is too short or the regions of the windows differ.
pub fn area_row(
    kernel: &AreaKernel,
    level: SimdLevel,
    windows: &[SourceWindow<'_>],
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>],
) {
    check(windows, noise, corners.pixels(), outs);
    if windows.is_empty() {
        return;
    }
    match level {
        SimdLevel::Portable => run(kernel, windows, noise, corners, outs),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { run_avx2(kernel, windows, noise, corners, outs) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => run(kernel, windows, noise, corners, outs),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(
    kernel: &AreaKernel,
    windows: &[SourceWindow<'_>],
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>],
) {
    run(kernel, windows, noise, corners, outs);
}

#[inline(always)]
fn run(
    kernel: &AreaKernel,
    windows: &[SourceWindow<'_>],
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>],
) {
    let mut quads = Quads::new();
    let mut block = Block::new();
    let n = corners.pixels();
    for start in (0..n).step_by(LANES) {
        let count = LANES.min(n - start);
        weigh(kernel, corners, start, count, &mut quads, &mut block);
        apply::apply(&quads, &block, start, count, windows, noise, outs);
    }
}

/// Weights of the `count` output pixels from `start` on.
#[inline(always)]
pub(super) fn weigh(
    kernel: &AreaKernel,
    corners: CornerRows<'_>,
    start: usize,
    count: usize,
    quads: &mut Quads,
    block: &mut Block,
) {
    quads.load(kernel, corners, start, count);
    block.reset(quads.wide, quads.high);
    match kernel.method() {
        AreaMethod::Exact => {
            for k in 0..LANES {
                block.share[k] = 1.0 / quads.area[k];
            }
            overlap::whole(quads, block);
        }
        AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape }) => {
            block.share = [1.0; LANES];
            match shape {
                DropShape::Square if pixfrac == 1.0 => overlap::whole(quads, block),
                DropShape::Square => overlap::drops(quads, pixfrac, block),
                DropShape::Turbo => drop::turbo(quads, pixfrac / kernel.scale_ratio(), block),
                DropShape::Point => drop::point(quads, corners, start, count, block),
            }
        }
    }
    block.sum();
}
