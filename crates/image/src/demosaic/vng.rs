//! VNG: variable number of gradients (Chang, Cheung & Pang 1999, "Color filter array recovery using a
//! threshold-based variable number of gradients", Proc. SPIE 3650, 36).
//!
//! Of eight directions in the 5 x 5 around a pixel those count whose gradient is small; the other colours are the
//! pixel's own plus the mean colour difference on their side. [`crate::definition::vng_pixel`] says it plainly.

use super::bilinear::CfaWindow;
use super::halves::{HalfRows, join};
use super::ring::{Ring, tap};
use crate::region::Region;
use crate::simd::SimdLevel;

/// Half a side of the neighbourhood.
pub(super) const REACH_PX: usize = 2;
/// It in sites of half a row.
const MARGIN: usize = 1;
/// Threshold: `NEAR` times the smallest gradient and `RANGE` times the range of all.
const NEAR: f32 = 1.5;
const RANGE: f32 = 0.5;

pub(super) fn demosaic_vng(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    frame: (usize, usize),
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    let rows = HalfRows::new(window, frame, out_region, REACH_PX, MARGIN);
    match level {
        SimdLevel::Portable => body(window, level, &rows, out_region, out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { avx2(window, level, &rows, out_region, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => body(window, level, &rows, out_region, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    rows: &HalfRows<'_>,
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    body(window, level, rows, out_region, out);
}

#[inline(always)]
fn body(
    window: &CfaWindow<'_>,
    level: SimdLevel,
    rows: &HalfRows<'_>,
    out_region: Region,
    out: [&mut [f32]; 3],
) {
    let len = rows.len;
    let mut raw = [Ring::new(len, 8), Ring::new(len, 8)];
    // Green and the third colour at red and blue sites; the row's colour and the third one at green sites.
    let mut found = [(); 4].map(|()| vec![0.0_f32; len]);
    let [red, green, blue] = out;
    let (width, reach) = (out_region.width, REACH_PX as i64);
    let skip = (out_region.x0 - rows.x0) as usize;
    for ahead in out_region.y0 - reach..out_region.y1() + reach {
        let [even, odd] = &mut raw;
        rows.load(ahead, [even.row_mut(ahead), odd.row_mut(ahead)]);
        let y = ahead - reach;
        if y < out_region.y0 {
            continue;
        }
        let green_parity = usize::from(window.pattern.colour_at(0, y) != 1);
        let row_colour = window.pattern.colour_at(1 - green_parity as i64, y);
        let [green_at_colour, other_at_colour, colour_at_green, other_at_green] = &mut found;
        colour_sites(&taps(&raw, y, 1 - green_parity), green_at_colour, other_at_colour);
        green_sites(&taps(&raw, y, green_parity), colour_at_green, other_at_green);
        let start = (y - out_region.y0) as usize * width;
        let span = start..start + width;
        let mut planes = [&mut red[span.clone()], &mut green[span.clone()], &mut blue[span]];
        join(green_parity, colour_at_green, raw[1 - green_parity].row(y), skip, planes[row_colour]);
        join(green_parity, raw[green_parity].row(y), green_at_colour, skip, planes[1]);
        join(green_parity, other_at_green, other_at_colour, skip, planes[2 - row_colour]);
        rows.mend(level, y, out_region, &mut planes);
    }
}

/// The 5 x 5 around the sites of one parity, `[dy + 2][dx + 2]`.
type Taps<'a> = [[&'a [f32]; 5]; 5];

#[inline(always)]
fn taps(raw: &[Ring; 2], y: i64, parity: usize) -> Taps<'_> {
    std::array::from_fn(|j| {
        std::array::from_fn(|i| {
            let dx = i as i64 - 2;
            let half = (parity as i64 + dx).rem_euclid(2) as usize;
            tap(raw[half].row(y + j as i64 - 2), parity, dx, MARGIN)
        })
    })
}

/// The values of a neighbourhood.
type Values = [[f32; 5]; 5];

#[inline(always)]
fn gather(taps: &Taps<'_>, i: usize) -> Values {
    std::array::from_fn(|row| std::array::from_fn(|column| taps[row][column][i]))
}

/// Turn a neighbourhood by a quarter, so that what lies in direction `turns` comes to the north.
#[inline(always)]
fn turned(v: &Values, turns: usize) -> Values {
    std::array::from_fn(|j| {
        std::array::from_fn(|i| match turns {
            0 => v[j][i],
            1 => v[i][4 - j],
            2 => v[4 - j][4 - i],
            _ => v[4 - i][j],
        })
    })
}

/// Gradient towards the north (the smaller rows).
#[inline(always)]
fn north(v: &Values) -> f32 {
    let d = |a: f32, b: f32| (a - b).abs();
    (d(v[1][2], v[3][2]) + d(v[0][2], v[2][2]))
        + 0.5 * ((d(v[1][1], v[3][1]) + d(v[1][3], v[3][3])) + (d(v[0][1], v[2][1]) + d(v[0][3], v[2][3])))
}

/// Gradient towards the north-east of a red or blue site.
#[inline(always)]
fn north_east_of_colour(v: &Values) -> f32 {
    let d = |a: f32, b: f32| (a - b).abs();
    (d(v[1][3], v[3][1]) + d(v[0][4], v[2][2]))
        + 0.5 * ((d(v[1][2], v[2][1]) + d(v[2][3], v[3][2])) + (d(v[0][3], v[1][2]) + d(v[1][4], v[2][3])))
}

/// Gradient towards the north-east of a green site.
#[inline(always)]
fn north_east_of_green(v: &Values) -> f32 {
    let d = |a: f32, b: f32| (a - b).abs();
    (d(v[1][3], v[3][1]) + d(v[0][4], v[2][2])) + (d(v[0][3], v[2][1]) + d(v[1][4], v[3][2]))
}

/// Gradients north, east, south, west, north-east, south-east, south-west, north-west.
#[inline(always)]
fn gradients(v: &Values, north_east: impl Fn(&Values) -> f32) -> [f32; 8] {
    let sides = [v, &turned(v, 1), &turned(v, 2), &turned(v, 3)];
    std::array::from_fn(|k| if k < 4 { north(sides[k]) } else { north_east(sides[k - 4]) })
}

/// Sums of two differences over the directions with small gradients, and how many these are.
#[inline(always)]
fn chosen(gradients: &[f32; 8], first: &[f32; 8], second: &[f32; 8]) -> (f32, f32, f32) {
    let (mut least, mut most) = (gradients[0], gradients[0]);
    for gradient in &gradients[1..] {
        least = if *gradient < least { *gradient } else { least };
        most = if *gradient > most { *gradient } else { most };
    }
    let threshold = NEAR * least + RANGE * (most - least);
    let (mut a, mut b, mut count) = (0.0_f32, 0.0_f32, 0.0_f32);
    for ((gradient, first), second) in gradients.iter().zip(first).zip(second) {
        let take = *gradient <= threshold;
        a += if take { *first } else { 0.0 };
        b += if take { *second } else { 0.0 };
        count += if take { 1.0 } else { 0.0 };
    }
    (a, b, count)
}

/// Green and opposite colour minus own colour towards north and north-east of a red or blue site, `[n, ne]`.
#[inline(always)]
fn differences_of_colour(v: &Values) -> ([f32; 2], [f32; 2]) {
    let own_north = 0.5 * (v[0][2] + v[2][2]);
    let own_east = 0.5 * (v[0][4] + v[2][2]);
    let greens = 0.25 * ((v[0][3] + v[1][2]) + (v[1][4] + v[2][3]));
    let opposite_north = 0.5 * (v[1][1] + v[1][3]);
    ([v[1][2] - own_north, greens - own_east], [opposite_north - own_north, v[1][3] - own_east])
}

/// Colour of the sites left and right, and of those above and below, minus green: towards north and north-east of a
/// green site, `[n, ne]`.
#[inline(always)]
fn differences_of_green(v: &Values) -> ([f32; 2], [f32; 2]) {
    let green_north = 0.5 * (v[0][2] + v[2][2]);
    let beside = 0.25 * ((v[0][1] + v[0][3]) + (v[2][1] + v[2][3]));
    let beside_east = 0.5 * (v[0][3] + v[2][3]);
    let above_east = 0.5 * (v[1][2] + v[1][4]);
    ([beside - green_north, beside_east - v[1][3]], [v[1][2] - green_north, above_east - v[1][3]])
}

#[inline(always)]
fn colour_sites(taps: &Taps<'_>, green: &mut [f32], other: &mut [f32]) {
    let inner = MARGIN..green.len() - MARGIN;
    let (green, other) = (&mut green[inner.clone()], &mut other[inner]);
    let taps = exact(taps, green.len());
    for (i, (green, other)) in green.iter_mut().zip(other).enumerate() {
        let v = gather(&taps, i);
        let gradients = gradients(&v, north_east_of_colour);
        let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
        for turns in 0..4 {
            let ([g_n, g_ne], [o_n, o_ne]) = differences_of_colour(&turned(&v, turns));
            (first[turns], first[turns + 4]) = (g_n, g_ne);
            (second[turns], second[turns + 4]) = (o_n, o_ne);
        }
        let (g, o, count) = chosen(&gradients, &first, &second);
        (*green, *other) = (v[2][2] + g / count, v[2][2] + o / count);
    }
}

#[inline(always)]
fn green_sites(taps: &Taps<'_>, row_colour: &mut [f32], other: &mut [f32]) {
    let inner = MARGIN..row_colour.len() - MARGIN;
    let (row_colour, other) = (&mut row_colour[inner.clone()], &mut other[inner]);
    let taps = exact(taps, row_colour.len());
    for (i, (row_colour, other)) in row_colour.iter_mut().zip(other).enumerate() {
        let v = gather(&taps, i);
        let gradients = gradients(&v, north_east_of_green);
        let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
        for turns in 0..4 {
            let ([a_n, a_ne], [b_n, b_ne]) = differences_of_green(&turned(&v, turns));
            // A quarter turn brings the colour of the columns to the rows.
            let (a, b) = if turns % 2 == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
            (a[turns], a[turns + 4]) = (a_n, a_ne);
            (b[turns], b[turns + 4]) = (b_n, b_ne);
        }
        let (a, b, count) = chosen(&gradients, &first, &second);
        (*row_colour, *other) = (v[2][2] + a / count, v[2][2] + b / count);
    }
}

/// All taps `len` long.
#[inline(always)]
fn exact<'a>(taps: &Taps<'a>, len: usize) -> Taps<'a> {
    std::array::from_fn(|j| std::array::from_fn(|i| &taps[j][i][..len]))
}
