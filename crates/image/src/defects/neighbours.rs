//! The eight pixels of the same colour two pixels away, which are so on Bayer and on mono sensors.

use crate::region::Region;

/// They, rows first.
pub(super) const SAME: [(i64, i64); 8] =
    [(-2, -2), (0, -2), (2, -2), (-2, 0), (2, 0), (-2, 2), (0, 2), (2, 2)];

/// The eight around a pixel, the four at its sides first.
pub(super) const AROUND: [(i64, i64); 8] =
    [(0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)];

/// Fewest good neighbours that say something.
const FEWEST: usize = 4;

/// Spread of the neighbours over which a deviation must stand out.
const CALM: f32 = 1.5;

/// A raw window, NaN outside.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub(super) raw: &'a [f32],
    pub(super) region: Region,
}

impl Pixels<'_> {
    pub(super) fn at(&self, x: i64, y: i64) -> f32 {
        let region = self.region;
        if x < region.x0 || y < region.y0 || x >= region.x1() || y >= region.y1() {
            return f32::NAN;
        }
        self.raw[(y - region.y0) as usize * region.width + (x - region.x0) as usize]
    }

    /// What the good neighbours of the same colour have.
    pub(super) fn surroundings(&self, x: i64, y: i64) -> Option<Surroundings> {
        Surroundings::of(SAME.map(|(dx, dy)| self.at(x + dx, y + dy)))
    }
}

/// The neighbours of a pixel.
#[derive(Clone, Copy)]
pub(super) struct Surroundings {
    pub(super) median: f32,
    /// Range of all but the lowest and the highest.
    pub(super) spread: f32,
}

impl Surroundings {
    /// Of eight values, some of them NaN; `None` with too few good ones.
    pub(super) fn of(values: [f32; 8]) -> Option<Self> {
        let mut good = [0.0_f32; 8];
        let mut count = 0;
        for value in values.into_iter().filter(|value| !value.is_nan()) {
            good[count] = value;
            count += 1;
        }
        let good = &mut good[..count];
        good.sort_unstable_by(f32::total_cmp);
        (count >= FEWEST).then(|| Self {
            median: 0.5 * (good[(count - 1) / 2] + good[count / 2]),
            spread: good[count - 2] - good[1],
        })
    }

    /// Whether they are so alike that a pixel off by `deviation` stands out: between two stars they are not.
    pub(super) fn are_calm(self, deviation: f32) -> bool {
        deviation.abs() > CALM * self.spread
    }
}

/// Median of eight numbers: the mean of the fourth and the fifth. Batcher's odd-even merge sort, whose unused outputs the
/// compiler drops.
#[inline(always)]
pub(super) fn median_of_eight([a, b, c, d, e, f, g, h]: [f32; 8]) -> f32 {
    let ((a, b), (c, d), (e, f), (g, h)) = (order(a, b), order(c, d), order(e, f), order(g, h));
    // Four and four sorted.
    let ((a, c), (b, d), (e, g), (f, h)) = (order(a, c), order(b, d), order(e, g), order(f, h));
    let ((b, c), (f, g)) = (order(b, c), order(f, g));
    // Merged.
    let ((_, e), (_, f), (c, _), (d, _)) = (order(a, e), order(b, f), order(c, g), order(d, h));
    let ((_, e), (d, _)) = (order(c, e), order(d, f));
    let (d, e) = order(d, e);
    0.5 * (d + e)
}

/// Smaller and larger; two selections, which vectorise, and no branch.
#[inline(always)]
fn order(a: f32, b: f32) -> (f32, f32) {
    (if b < a { b } else { a }, if b < a { a } else { b })
}
