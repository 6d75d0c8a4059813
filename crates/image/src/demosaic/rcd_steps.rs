//! The steps of RCD on one row. Sums run in one order; [`super::rcd`] has the plan.

use super::rcd::Planes;
use super::ring::{Ring, tap};

/// Keeps a weight of two nothings at one half; large enough that no weight is subnormal, which would be slow.
const TINY: f32 = 1e-20;

/// `a`'s share of `a + b`, one half when both are 0.
#[inline(always)]
fn share(a: f32, b: f32) -> f32 {
    (a + TINY) / ((a + b) + 2.0 * TINY)
}

/// From `from` towards `to`; exactly both when they are equal.
#[inline(always)]
fn between(from: f32, to: f32, weight: f32) -> f32 {
    from + weight * (to - from)
}

#[inline(always)]
fn gap(a: f32, b: f32) -> f32 {
    (a - b).abs()
}

/// Square of (1, 2, 1), which is blind to colours that alternate, times the fourth difference (1, -4, 6, -4, 1),
/// which is blind to slopes and bends: 1, -2, -1, 4, -1, -2, 1 from the ends `a` to the centre `d`.
#[inline(always)]
fn high_pass([a0, b0, c0, d, c1, b1, a1]: [f32; 7]) -> f32 {
    let value = ((a0 + a1) - 2.0 * (b0 + b1)) - ((c0 + c1) - 4.0 * d);
    value * value
}

/// Seven half rows, `at(-3)` to `at(3)`.
#[inline(always)]
fn line<'a>(at: impl Fn(i64) -> &'a [f32]) -> [&'a [f32]; 7] {
    std::array::from_fn(|i| at(i as i64 - 3))
}

#[inline(always)]
fn high_pass_row(taps: &[&[f32]; 7], out: &mut [f32]) {
    let len = out.len();
    let [a0, b0, c0, d, c1, b1, a1] = taps;
    let (a0, b0, c0, d) = (&a0[..len], &b0[..len], &c0[..len], &d[..len]);
    let (a1, b1, c1) = (&a1[..len], &b1[..len], &c1[..len]);
    for (i, out) in out.iter_mut().enumerate() {
        *out = high_pass([a0[i], b0[i], c0[i], d[i], c1[i], b1[i], a1[i]]);
    }
}

/// `row` without `margin` sites at each end.
#[inline(always)]
fn inner(row: &mut [f32], margin: usize) -> &mut [f32] {
    let end = row.len() - margin;
    &mut row[margin..end]
}

/// A raw pixel seen from a site of `parity` in row `y`.
#[inline(always)]
fn raw_tap(raw: &[Ring; 2], y: i64, parity: usize, (dx, dy): (i64, i64), margin: usize) -> &[f32] {
    tap(raw[(parity as i64 + dx).rem_euclid(2) as usize].row(y + dy), parity, dx, margin)
}

/// High-passes, and the low-pass at red and blue sites: 4 to the site, 2 to its sides, 1 to its corners, by 16.
#[inline(always)]
pub(super) fn high_passes(planes: &mut Planes, y: i64, site: usize) {
    const MARGIN: usize = 2;
    let raw = &planes.raw;
    for (parity, ring) in planes.vertical.iter_mut().enumerate() {
        let taps = line(|k| raw_tap(raw, y, parity, (0, k), MARGIN));
        high_pass_row(&taps, inner(ring.row_mut(y), MARGIN));
    }
    for (slope, ring) in [(1, &mut planes.falling), (-1, &mut planes.rising)] {
        let taps = line(|k| raw_tap(raw, y, site, (slope * k, k), MARGIN));
        high_pass_row(&taps, inner(ring.row_mut(y), MARGIN));
    }
    let out = inner(planes.low.row_mut(y), MARGIN);
    let at = |dx, dy| &raw_tap(raw, y, site, (dx, dy), MARGIN)[..out.len()];
    let (n, s, w, e, c) = (at(0, -1), at(0, 1), at(-1, 0), at(1, 0), at(0, 0));
    let (nw, ne, sw, se) = (at(-1, -1), at(1, -1), at(-1, 1), at(1, 1));
    for (i, out) in out.iter_mut().enumerate() {
        let (sides, corners) = ((n[i] + s[i]) + (w[i] + e[i]), (nw[i] + ne[i]) + (sw[i] + se[i]));
        *out = 0.25 * c[i] + (0.125 * sides + 0.0625 * corners);
    }
}

/// Weights of the horizontal estimate and of the rising diagonal: the less a direction changes, the more weight.
#[inline(always)]
pub(super) fn directions(planes: &mut Planes, y: i64, site: usize, scratch: &mut [Vec<f32>; 2]) {
    const MARGIN: usize = 3;
    for (parity, row) in scratch.iter_mut().enumerate() {
        let taps = line(|k| raw_tap(&planes.raw, y, parity, (k, 0), MARGIN - 1));
        high_pass_row(&taps, inner(row, MARGIN - 1));
    }
    for (parity, ring) in planes.across.iter_mut().enumerate() {
        let out = inner(ring.row_mut(y), MARGIN);
        let [above, here, below] =
            [-1, 0, 1].map(|dy| &tap(planes.vertical[parity].row(y + dy), parity, 0, MARGIN)[..out.len()]);
        let [left, middle, right] = [-1, 0, 1].map(|dx: i64| {
            let half = &scratch[(parity as i64 + dx).rem_euclid(2) as usize];
            &tap(half, parity, dx, MARGIN)[..out.len()]
        });
        for (i, out) in out.iter_mut().enumerate() {
            *out = share((above[i] + below[i]) + here[i], (left[i] + right[i]) + middle[i]);
        }
    }
    let out = inner(planes.slant.row_mut(y), MARGIN);
    let [f0, f1, f2] = [-1, 0, 1].map(|k| &tap(planes.falling.row(y + k), site, k, MARGIN)[..out.len()]);
    let [r0, r1, r2] = [-1, 0, 1].map(|k| &tap(planes.rising.row(y + k), site, -k, MARGIN)[..out.len()]);
    for (i, out) in out.iter_mut().enumerate() {
        *out = share((f0[i] + f2[i]) + f1[i], (r0[i] + r2[i]) + r1[i]);
    }
}

/// A weight or the mean of the four around it, whichever is further from undecided.
#[inline(always)]
fn decided(own: f32, around: f32) -> f32 {
    if gap(own, 0.5) < gap(around, 0.5) { around } else { own }
}

/// A green neighbour `green` brought to the site by the low-pass of the site `low` and of the site beyond the
/// neighbour `beyond`: `green (1 + (low - beyond) / (low + beyond))`, the slope `green / (low + beyond)` kept in
/// 0 to 1, where it lies for light that is not negative; one half, a plain difference, where `low + beyond` is not
/// positive.
#[inline(always)]
fn corrected(green: f32, low: f32, beyond: f32) -> f32 {
    let sum = low + beyond;
    let slope = if sum > 0.0 { (green / sum).clamp(0.0, 1.0) } else { 0.5 };
    green + slope * (low - beyond)
}

/// Green at red and blue sites.
#[inline(always)]
pub(super) fn green(planes: &mut Planes, y: i64, site: usize) {
    const MARGIN: usize = 4;
    let Planes { raw, across, low, green, .. } = planes;
    let out = inner(green.row_mut(y), MARGIN);
    let len = out.len();
    let at = |dx, dy| &raw_tap(raw, y, site, (dx, dy), MARGIN)[..len];
    let lows = |dx, dy| &tap(low.row(y + dy), site, dx, MARGIN)[..len];
    let weights = |dx: i64, dy: i64| {
        &tap(across[(site as i64 + dx).rem_euclid(2) as usize].row(y + dy), site, dx, MARGIN)[..len]
    };
    let c = at(0, 0);
    let [n1, n2, n3] = [-1, -2, -3].map(|k| at(0, k));
    let [s1, s2, s3] = [1, 2, 3].map(|k| at(0, k));
    let [w1, w2, w3] = [-1, -2, -3].map(|k| at(k, 0));
    let [e1, e2, e3] = [1, 2, 3].map(|k| at(k, 0));
    let (l, ln, ls, lw, le) = (lows(0, 0), lows(0, -2), lows(0, 2), lows(-2, 0), lows(2, 0));
    let (d, d0, d1, d2, d3) = (weights(0, 0), weights(-1, -1), weights(1, -1), weights(-1, 1), weights(1, 1));
    for (i, out) in out.iter_mut().enumerate() {
        let (across_ns, across_we) = (gap(n1[i], s1[i]), gap(w1[i], e1[i]));
        let north = (across_ns + gap(c[i], n2[i])) + gap(n1[i], n3[i]);
        let south = (across_ns + gap(c[i], s2[i])) + gap(s1[i], s3[i]);
        let west = (across_we + gap(c[i], w2[i])) + gap(w1[i], w3[i]);
        let east = (across_we + gap(c[i], e2[i])) + gap(e1[i], e3[i]);
        let (up, down) = (corrected(n1[i], l[i], ln[i]), corrected(s1[i], l[i], ls[i]));
        let (left, right) = (corrected(w1[i], l[i], lw[i]), corrected(e1[i], l[i], le[i]));
        let vertical = between(down, up, share(south, north));
        let horizontal = between(right, left, share(east, west));
        let around = 0.25 * ((d0[i] + d1[i]) + (d2[i] + d3[i]));
        *out = between(vertical, horizontal, decided(d[i], around));
    }
}

/// Red at blue sites, blue at red ones: green plus the differences along the diagonals.
#[inline(always)]
pub(super) fn opposite_colour(planes: &mut Planes, y: i64, site: usize) {
    const MARGIN: usize = 5;
    let Planes { raw, slant, green, other, .. } = planes;
    let out = inner(other.row_mut(y), MARGIN);
    let len = out.len();
    let at = |dx, dy| &raw_tap(raw, y, site, (dx, dy), MARGIN)[..len];
    let greens = |dx, dy| &tap(green.row(y + dy), site, dx, MARGIN)[..len];
    let weights = |dx, dy| &tap(slant.row(y + dy), site, dx, MARGIN)[..len];
    let corners = [(-1, -1), (1, 1), (1, -1), (-1, 1)];
    let [nw, se, ne, sw] = corners.map(|(dx, dy)| at(dx, dy));
    let [nw3, se3, ne3, sw3] = corners.map(|(dx, dy)| at(3 * dx, 3 * dy));
    let [g_nw, g_se, g_ne, g_sw] = corners.map(|(dx, dy)| greens(dx, dy));
    let [g_nw2, g_se2, g_ne2, g_sw2] = corners.map(|(dx, dy)| greens(2 * dx, 2 * dy));
    let [d_nw, d_se, d_ne, d_sw] = corners.map(|(dx, dy)| weights(dx, dy));
    let (g, d) = (greens(0, 0), weights(0, 0));
    for (i, out) in out.iter_mut().enumerate() {
        let (along_fall, along_rise) = (gap(nw[i], se[i]), gap(ne[i], sw[i]));
        let to_nw = (along_fall + gap(nw[i], nw3[i])) + gap(g[i], g_nw2[i]);
        let to_se = (along_fall + gap(se[i], se3[i])) + gap(g[i], g_se2[i]);
        let to_ne = (along_rise + gap(ne[i], ne3[i])) + gap(g[i], g_ne2[i]);
        let to_sw = (along_rise + gap(sw[i], sw3[i])) + gap(g[i], g_sw2[i]);
        let falling = between(se[i] - g_se[i], nw[i] - g_nw[i], share(to_se, to_nw));
        let rising = between(sw[i] - g_sw[i], ne[i] - g_ne[i], share(to_sw, to_ne));
        let around = 0.25 * ((d_nw[i] + d_ne[i]) + (d_sw[i] + d_se[i]));
        *out = g[i] + between(falling, rising, decided(d[i], around));
    }
}

/// Red and blue at green sites, the colour of the row first: green plus the differences along the axes.
#[inline(always)]
pub(super) fn colours_at_green(planes: &Planes, y: i64, site: usize, out: &mut [Vec<f32>; 2]) {
    const MARGIN: usize = 6;
    let Planes { raw, across, green, other, .. } = planes;
    let parity = 1 - site;
    let [beside_out, above_out] = out;
    let (beside_out, above_out) = (inner(beside_out, MARGIN), inner(above_out, MARGIN));
    let len = beside_out.len();
    let at = |dx, dy| &raw_tap(raw, y, parity, (dx, dy), MARGIN)[..len];
    let sides = [(0, -1), (0, 1), (-1, 0), (1, 0)];
    let [n, s, w, e] = sides.map(|(dx, dy)| at(dx, dy));
    let [n2, s2, w2, e2] = sides.map(|(dx, dy)| at(2 * dx, 2 * dy));
    let [n3, s3, w3, e3] = sides.map(|(dx, dy)| at(3 * dx, 3 * dy));
    let [g_n, g_s, g_w, g_e] = sides.map(|(dx, dy)| &tap(green.row(y + dy), parity, dx, MARGIN)[..len]);
    let [o_n, o_s, o_w, o_e] = sides.map(|(dx, dy)| &tap(other.row(y + dy), parity, dx, MARGIN)[..len]);
    let weights = |dx: i64, dy: i64| {
        &tap(across[(parity as i64 + dx).rem_euclid(2) as usize].row(y + dy), parity, dx, MARGIN)[..len]
    };
    let (d, d0, d1, d2, d3) = (weights(0, 0), weights(-1, -1), weights(1, -1), weights(-1, 1), weights(1, 1));
    let g = at(0, 0);
    for (i, (beside, above)) in beside_out.iter_mut().zip(above_out).enumerate() {
        let (along_ns, along_we) = (gap(n[i], s[i]), gap(w[i], e[i]));
        let north = (along_ns + gap(g[i], n2[i])) + gap(n[i], n3[i]);
        let south = (along_ns + gap(g[i], s2[i])) + gap(s[i], s3[i]);
        let west = (along_we + gap(g[i], w2[i])) + gap(w[i], w3[i]);
        let east = (along_we + gap(g[i], e2[i])) + gap(e[i], e3[i]);
        let (up, left) = (share(south, north), share(east, west));
        let around = 0.25 * ((d0[i] + d1[i]) + (d2[i] + d3[i]));
        let horizontal = decided(d[i], around);
        // The colour beside is measured left and right and made above and below; the other the other way.
        let beside_ns = between(o_s[i] - g_s[i], o_n[i] - g_n[i], up);
        let beside_we = between(e[i] - g_e[i], w[i] - g_w[i], left);
        let above_ns = between(s[i] - g_s[i], n[i] - g_n[i], up);
        let above_we = between(o_e[i] - g_e[i], o_w[i] - g_w[i], left);
        *beside = g[i] + between(beside_ns, beside_we, horizontal);
        *above = g[i] + between(above_ns, above_we, horizontal);
    }
}
