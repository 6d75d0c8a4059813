//! Rows of a frame for the methods that look far: continued beyond the edges, bad pixels filled, even and odd
//! columns apart.
//!
//! - Beyond the frame's edge a row or column is the mirror image about the edge pixel, which keeps its colours.
//! - A bad (NaN) pixel is, for its neighbours' sake, the mean of the nearest good pixels of its colour: green of
//!   the four diagonal ones, else of the four two pixels along the axes; red and blue of the four along the axes,
//!   else of the four (2, 2) diagonal ones. Without any it is a hole.
//! - Bilinear takes over at and next to a bad pixel, and wherever the method would see a hole.

use super::bilinear::{CfaWindow, demosaic_window};
use crate::region::Region;
use crate::simd::SimdLevel;

/// How far the fill of a bad pixel looks.
pub(super) const FILL_PX: usize = 2;

/// One half row of columns of each parity.
pub(super) type Halves<'a> = [&'a mut [f32]; 2];

/// Source of rows.
pub(super) struct HalfRows<'a> {
    window: &'a CfaWindow<'a>,
    frame: (i64, i64),
    /// Frame column of the first even site: even.
    pub(super) x0: i64,
    /// Sites per half row.
    pub(super) len: usize,
    /// By row of the window: whether it has bad pixels, and what they spoil.
    spoilt: Vec<Option<Vec<u8>>>,
    reach: i64,
}

/// Next to a bad pixel, along the row.
const NEAR_BAD: u8 = 1;
/// Within the method's reach of a hole, along the row.
const NEAR_HOLE: u8 = 2;

impl<'a> HalfRows<'a> {
    /// `margin` sites at each end beyond the columns of `out`, for a method that reaches `reach_px` far.
    pub(super) fn new(
        window: &'a CfaWindow<'a>,
        frame: (usize, usize),
        out: Region,
        reach_px: usize,
        margin: usize,
    ) -> Self {
        let x0 = 2 * (out.x0.div_euclid(2) - margin as i64);
        let len = (out.x1() - x0 + 1) as usize / 2 + margin;
        let reach = reach_px as i64;
        let mut rows =
            Self { window, frame: (frame.0 as i64, frame.1 as i64), x0, len, spoilt: Vec::new(), reach };
        let region = window.region;
        rows.spoilt = (region.y0..region.y1()).map(|y| rows.spoilt_row(y)).collect();
        rows
    }

    fn raw_row(&self, y: i64) -> &'a [f32] {
        let region = self.window.region;
        let start = (y - region.y0) as usize * region.width;
        &self.window.raw[start..start + region.width]
    }

    /// Value of a pixel of the frame; NaN outside the window.
    fn raw(&self, x: i64, y: i64) -> f32 {
        let region = self.window.region;
        if x < region.x0 || x >= region.x1() || y < region.y0 || y >= region.y1() {
            return f32::NAN;
        }
        self.raw_row(y)[(x - region.x0) as usize]
    }

    /// Value of a pixel of the frame, filled when it is bad.
    fn filled(&self, x: i64, y: i64) -> f32 {
        let own = self.raw(x, y);
        if own.is_nan() {
            fill(self.window.pattern.colour_at(x, y), |dx, dy| self.raw(x + dx, y + dy))
        } else {
            own
        }
    }

    /// What bad pixels of row `y` spoil along it; `None` without bad pixels.
    fn spoilt_row(&self, y: i64) -> Option<Vec<u8>> {
        let row = self.raw_row(y);
        if !any_nan(row) {
            return None;
        }
        let region = self.window.region;
        let mut marks = vec![0_u8; row.len()];
        let mut painted = 0;
        for (i, _) in row.iter().enumerate().filter(|(_, value)| value.is_nan()) {
            for mark in &mut marks[i.saturating_sub(1)..(i + 2).min(row.len())] {
                *mark |= NEAR_BAD;
            }
            if self.filled(region.x0 + i as i64, y).is_nan() {
                let end = (i + self.reach as usize + 1).min(row.len());
                let start = i.saturating_sub(self.reach as usize).max(painted).min(end);
                for mark in &mut marks[start..end] {
                    *mark |= NEAR_HOLE;
                }
                painted = end;
            }
        }
        Some(marks)
    }

    /// Row `y`, which may lie beyond an edge, as even and odd columns from `x0` on. Columns out of the method's
    /// reach are 0.
    #[inline(always)]
    pub(super) fn load(&self, y: i64, [even, odd]: Halves<'_>) {
        let y = mirror(y, self.frame.1);
        let region = self.window.region;
        let row = self.raw_row(y);
        // Whole pairs of columns inside the window.
        let first = (region.x0.max(self.x0) - self.x0 + 1) as usize / 2;
        let last = ((region.x1() - self.x0) as usize / 2).min(self.len).max(first);
        let start = (self.x0 + 2 * first as i64 - region.x0) as usize;
        let pairs = row[start.min(row.len())..].chunks_exact(2);
        for ((even, odd), pair) in even[first..last].iter_mut().zip(&mut odd[first..last]).zip(pairs) {
            (*even, *odd) = (pair[0], pair[1]);
        }
        for i in (0..first).chain(last..self.len) {
            even[i] = self.beyond(self.x0 + 2 * i as i64, y);
            odd[i] = self.beyond(self.x0 + 2 * i as i64 + 1, y);
        }
        if self.spoilt[(y - region.y0) as usize].is_some() {
            for i in first..last {
                let x = self.x0 + 2 * i as i64;
                for (dx, half) in [&mut *even, &mut *odd].into_iter().enumerate() {
                    if half[i].is_nan() {
                        half[i] = self.filled(x + dx as i64, y);
                    }
                }
            }
        }
    }

    /// A pixel of a column that may lie beyond an edge or outside the window.
    #[inline(never)]
    fn beyond(&self, x: i64, y: i64) -> f32 {
        let x = mirror(x, self.frame.0);
        if x < self.window.region.x0 || x >= self.window.region.x1() { 0.0 } else { self.filled(x, y) }
    }

    /// Make the spoilt pixels of row `y` of `out_region` bilinear; `planes` are its rows.
    #[inline(never)]
    pub(super) fn mend(&self, level: SimdLevel, y: i64, out_region: Region, planes: &mut [&mut [f32]; 3]) {
        let region = self.window.region;
        let (first, last) = ((y - self.reach).max(region.y0), (y + self.reach + 1).min(region.y1()));
        let offset = (out_region.x0 - region.x0) as usize;
        let mut marks: Option<Vec<u8>> = None;
        for row in first..last {
            let Some(spoilt) = &self.spoilt[(row - region.y0) as usize] else { continue };
            let mask = if (row - y).abs() <= 1 { NEAR_BAD | NEAR_HOLE } else { NEAR_HOLE };
            let marks = marks.get_or_insert_with(|| vec![0; out_region.width]);
            for (mark, spoilt) in marks.iter_mut().zip(&spoilt[offset..]) {
                *mark |= spoilt & mask;
            }
        }
        let Some(marks) = marks else { return };
        let mut i = 0;
        while let Some(start) = marks[i..].iter().position(|mark| *mark != 0).map(|skip| i + skip) {
            let end =
                marks[start..].iter().position(|mark| *mark == 0).map_or(marks.len(), |skip| start + skip);
            let run = Region { x0: out_region.x0 + start as i64, y0: y, width: end - start, height: 1 };
            let [red, green, blue] = planes;
            let parts = [&mut red[start..end], &mut green[start..end], &mut blue[start..end]];
            demosaic_window(self.window, level, run, parts);
            i = end;
        }
    }
}

/// Mirror about the first and last of `size` pixels, as often as it takes.
fn mirror(at: i64, size: i64) -> i64 {
    let period = 2 * (size - 1);
    let at = at.rem_euclid(period);
    at.min(period - at)
}

/// A stand-in for a bad pixel of `colour` from its neighbours `at(dx, dy)`, NaN when none of them is good.
fn fill(colour: usize, at: impl Fn(i64, i64) -> f32) -> f32 {
    const DIAGONAL: [(i64, i64); 4] = [(-1, -1), (1, -1), (-1, 1), (1, 1)];
    const AXES: [(i64, i64); 4] = [(0, -2), (-2, 0), (2, 0), (0, 2)];
    let far_diagonal = DIAGONAL.map(|(dx, dy)| (2 * dx, 2 * dy));
    let rings = if colour == 1 { [DIAGONAL, AXES] } else { [AXES, far_diagonal] };
    for ring in rings {
        let (mut sum, mut count) = (0.0_f32, 0.0_f32);
        for value in ring.map(|(dx, dy)| at(dx, dy)).into_iter().filter(|value| !value.is_nan()) {
            sum += value;
            count += 1.0;
        }
        if count > 0.0 {
            return sum / count;
        }
    }
    f32::NAN
}

/// Even and odd columns together again: `row` starts at the frame column `skip` after that of the first even site.
#[inline(always)]
fn interleave([even, odd]: [&[f32]; 2], skip: usize, row: &mut [f32]) {
    let mut row = row;
    let mut first = skip / 2;
    if skip % 2 == 1 {
        let Some((head, rest)) = row.split_first_mut() else { return };
        *head = odd[first];
        row = rest;
        first += 1;
    }
    let whole = row.len() / 2;
    let pairs = even[first..first + whole].iter().zip(&odd[first..first + whole]);
    for (out, (even, odd)) in row.chunks_exact_mut(2).zip(pairs) {
        (out[0], out[1]) = (*even, *odd);
    }
    if row.len() % 2 == 1 {
        row[2 * whole] = even[first + whole];
    }
}

/// [`interleave`] of a half row of sites of parity `first_parity` and one of the others.
#[inline(always)]
pub(super) fn join(first_parity: usize, first: &[f32], second: &[f32], skip: usize, row: &mut [f32]) {
    interleave(if first_parity == 0 { [first, second] } else { [second, first] }, skip, row);
}

#[inline(always)]
fn any_nan(row: &[f32]) -> bool {
    row.iter().fold(false, |any, value| any | value.is_nan())
}
