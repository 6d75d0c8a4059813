//! Drizzle of a raw CFA plane: each colour is a plane of its own, made of the raw pixels of that colour alone.
//!
//! A sample of a colour is what [`super::area_row`] gives for the raw plane with the pixels of the other colours NaN, to the
//! bit, but in one pass over the pixels, and MASKED only where a pixel of that colour is NaN in the raw plane itself. The
//! pixels of other colours are not missing: they never were there.

use zemosaic_image::CfaPattern;
use zemosaic_image::simd::SimdLevel;

use super::apply::{Sums, found};
use super::block::{Block, LANES};
use super::kernel::AreaKernel;
use super::quads::Quads;
use super::row::{AreaRow, CornerRows, check, weigh};
use crate::warp::SourceWindow;

/// Sample the three colours of a raw frame over the output pixels with the `corners`, as [`super::area_row`] does with planes.
/// `window` holds the raw pixels, `pattern` is that of the frame's pixel (0, 0), `outs` are red, green and blue.
///
/// # Panics
/// When a slice is too short.
pub fn area_row_cfa(
    kernel: &AreaKernel,
    level: SimdLevel,
    window: &SourceWindow<'_>,
    pattern: CfaPattern,
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>; 3],
) {
    check(std::slice::from_ref(window), noise, corners.pixels(), outs);
    match level {
        SimdLevel::Portable => run(kernel, window, pattern, noise, corners, outs),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { run_avx2(kernel, window, pattern, noise, corners, outs) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => run(kernel, window, pattern, noise, corners, outs),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(
    kernel: &AreaKernel,
    window: &SourceWindow<'_>,
    pattern: CfaPattern,
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>; 3],
) {
    run(kernel, window, pattern, noise, corners, outs);
}

#[inline(always)]
fn run(
    kernel: &AreaKernel,
    window: &SourceWindow<'_>,
    pattern: CfaPattern,
    noise: Option<&[f32]>,
    corners: CornerRows<'_>,
    outs: &mut [AreaRow<'_>; 3],
) {
    let mut quads = Quads::new();
    let mut block = Block::new();
    let n = corners.pixels();
    for start in (0..n).step_by(LANES) {
        let count = LANES.min(n - start);
        weigh(kernel, corners, start, count, &mut quads, &mut block);
        for k in 0..count {
            if quads.area[k] == 0.0 {
                for out in outs.iter_mut() {
                    out.none(start + k, 0);
                }
                continue;
            }
            let sums = colour_sums(&quads, &block, k, window, pattern, noise);
            // A pixel of another colour is in the frame all the same.
            let met = sums.iter().any(|sums| sums.met);
            let (bounds, middle) = (quads.bounds.map(|b| b[k]), quads.middle.map(|m| m[k]));
            for (sums, out) in sums.iter().zip(outs.iter_mut()) {
                let flags = found(bounds, middle, window, &Sums { met, ..*sums });
                sums.write(start + k, block.share[k], flags, noise, out);
            }
        }
    }
}

/// Sums of the output pixel in lane `k` by colour, over the block row by row.
#[inline(always)]
fn colour_sums(
    quads: &Quads,
    block: &Block,
    k: usize,
    window: &SourceWindow<'_>,
    pattern: CfaPattern,
    noise: Option<&[f32]>,
) -> [Sums; 3] {
    let (column, row) = (quads.column[k] as i64, quads.row[k] as i64);
    let mut sums = [Sums::default(); 3];
    for (j, weights) in block.cells().chunks_exact(block.wide.max(1)).enumerate() {
        let y = row + j as i64;
        let colours = [pattern.colour_at(column, y), pattern.colour_at(column + 1, y)];
        for (c, a) in weights.iter().enumerate() {
            if a[k] > 0.0 {
                sums[colours[c % 2]].add(window, noise, (column + c as i64, y), a[k]);
            }
        }
    }
    sums
}
