//! Super-pixel: each 2 x 2 cell of the frame is one pixel of three colours.
//!
//! Cells start at even columns and rows of the frame as stored, whatever the pattern: pixel (i, j) is made of the
//! raw pixels 2i, 2i + 1 and 2j, 2j + 1. Red and blue are raw values; green is the mean of the two greens, or the
//! good one of them; a colour without a good pixel is NaN.

use super::bilinear::CfaWindow;
use crate::region::Region;
use crate::simd::SimdLevel;

/// `out_region` is in cells.
pub(super) fn demosaic_super_pixel(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    match level {
        SimdLevel::Portable => body(window, out_region, out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { avx2(window, out_region, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => body(window, out_region, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(window: &CfaWindow<'_>, out_region: Region, out: [&mut [f32]; 3]) {
    body(window, out_region, out);
}

#[inline(always)]
fn body(window: &CfaWindow<'_>, out_region: Region, [red, green, blue]: [&mut [f32]; 3]) {
    let pattern = window.pattern;
    // The column of green in the upper row; the lower row has it in the other column.
    let green_first = pattern.colour_at(0, 0) == 1;
    let upper_is_red = pattern.colour_at(i64::from(green_first), 0) == 0;
    let width = out_region.width;
    for j in 0..out_region.height {
        let y = 2 * (out_region.y0 + j as i64);
        let [upper, lower] = [y, y + 1].map(|row| {
            let start = (row - window.region.y0) as usize * window.region.width;
            let start = start + (2 * out_region.x0 - window.region.x0) as usize;
            &window.raw[start..start + 2 * width]
        });
        let span = j * width..(j + 1) * width;
        let (upper_out, lower_out) = if upper_is_red {
            (&mut red[span.clone()], &mut blue[span.clone()])
        } else {
            (&mut blue[span.clone()], &mut red[span.clone()])
        };
        let cells = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        let outs = upper_out.iter_mut().zip(lower_out).zip(&mut green[span]);
        for ((upper, lower), ((upper_out, lower_out), green)) in cells.zip(outs) {
            let (upper_green, lower_green);
            (upper_green, *upper_out) = if green_first { (upper[0], upper[1]) } else { (upper[1], upper[0]) };
            (*lower_out, lower_green) = if green_first { (lower[0], lower[1]) } else { (lower[1], lower[0]) };
            *green = mean_of_good(upper_green, lower_green);
        }
    }
}

/// Mean of two values, of which NaN do not count.
#[inline(always)]
fn mean_of_good(a: f32, b: f32) -> f32 {
    let a_or_b = if a.is_nan() { b } else { a };
    let b_or_a = if b.is_nan() { a } else { b };
    0.5 * (a_or_b + b_or_a)
}
