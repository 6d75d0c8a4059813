//! Clipped statistics and mode of one mesh cell; [`crate::definition::cell_statistics`] says it plainly.
//!
//! The definition sorts the survivors of every round. Here a cell is split once into a core that every clip
//! keeps, of which only sums are needed, a narrow middle that is sorted for the medians, and tails that the
//! rounds look through; see [`super::split`]. Both are exact.

use super::split::{Split, SplitScratch};
use super::sums::{Span, Sums, sums};
use crate::simd::SimdLevel;

/// Half width of the pre-cut, in sigma.
pub(crate) const PRE_CUT_SIGMA: f64 = 2.0;
/// Half width of what the rounds may choose from, in sigma after the pre-cut.
pub(crate) const RANGE_SIGMA: f64 = 5.0;
/// Half width of a clip, in sigma.
pub(crate) const CLIP_SIGMA: f64 = 3.0;
/// Relative change of sigma at which the rounds end.
pub(crate) const CONVERGED: f64 = 1e-4;
/// Rounds at most.
pub(crate) const MAX_ROUNDS: usize = 100;
/// Mean and median further apart, in sigma: crowded, and the mode estimate does not hold.
const CROWDED: f64 = 0.3;
/// First guess of the part that every clip keeps, in sigma after the pre-cut (3.4 of these are left for a sky
/// of normal noise).
const CORE_SIGMA: f64 = 2.5;
/// The next guesses, as a share of the clip that cut into the core.
const CORE_SHARE: f64 = 0.8;
/// Half widths of the sorted middle to try, in sigma: for fine data, and for data of few and of very few grey
/// levels. None is wider than the core.
const MIDDLE_SIGMA: [f64; 4] = [0.05, 0.15, 0.5, f64::INFINITY];

/// Statistics of a mesh cell after the clip, in the unit of the pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellStatistics {
    /// Mean.
    pub mean: f64,
    /// Median; among equal values the place of the middle is interpolated, see `docs/methods/background.md`.
    pub median: f64,
    /// Population standard deviation.
    pub sigma: f64,
}

impl CellStatistics {
    /// Mode: 2.5 median - 1.5 mean, in crowded cells the median (Bertin & Arnouts 1996, §4.1, eq. 1).
    pub fn mode(&self) -> f64 {
        if (self.mean - self.median).abs() < CROWDED * self.sigma {
            2.5 * self.median - 1.5 * self.mean
        } else {
            self.median
        }
    }
}

/// Room for one cell at a time.
#[derive(Debug, Default)]
pub(super) struct CellScratch {
    split: SplitScratch,
    /// Which of `MIDDLE_SIGMA` did for the cell before. Decides the time taken, never a bit of the result.
    middle: usize,
}

impl CellScratch {
    /// Begin with the narrowest middle again, so that one odd cell does not slow the rest of the frame.
    pub fn forget(&mut self) {
        self.middle = 0;
    }
}

/// Statistics of `values`, all finite; `None` without values.
pub(super) fn cell_statistics(
    level: SimdLevel,
    values: &[f32],
    scratch: &mut CellScratch,
) -> Option<CellStatistics> {
    let anchor = *values.first()?;
    let whole = sums(level, values, anchor, Span::ALL);
    let centre = f64::from(anchor) + whole.mean();
    // A pivot that is an f32 keeps the deviations exact.
    let pivot = centre as f32;
    let near = sums(level, values, pivot, Span::about(centre, PRE_CUT_SIGMA * whole.sigma()));
    let (centre, sigma) = (f64::from(pivot) + near.mean(), near.sigma());
    if sigma == 0.0 || near.count == 0.0 {
        let level = if near.count > 0.0 { centre } else { f64::from(pivot) };
        return Some(CellStatistics { mean: level, median: level, sigma: 0.0 });
    }
    Some(Clip { level, values, pivot: centre as f32, scratch }.run(centre, sigma))
}

/// The rounds on one cell.
struct Clip<'a> {
    level: SimdLevel,
    values: &'a [f32],
    pivot: f32,
    scratch: &'a mut CellScratch,
}

impl Clip<'_> {
    /// From the mean and sigma after the pre-cut.
    fn run(mut self, centre: f64, sigma: f64) -> CellStatistics {
        let range = Span::about(centre, RANGE_SIGMA * sigma);
        let mut about = (centre, sigma);
        let mut split = self.split(Span::about(centre, CORE_SIGMA * sigma), about);
        let mut clip = range;
        let mut found = CellStatistics { mean: centre, median: centre, sigma: f64::INFINITY };
        for _ in 0..MAX_ROUNDS {
            if !clip.covers(split.core) {
                about = (found.median, found.sigma);
                let core = Span::about(found.median, CORE_SHARE * CLIP_SIGMA * found.sigma);
                split = self.split(core.and(clip), about);
            }
            let kept = split.sums(&self.scratch.split, self.pivot, clip);
            if kept.sums.count == 0.0 {
                break;
            }
            let before = found.sigma;
            let median = loop {
                if let Some(median) = split.median(&self.scratch.split, &kept) {
                    break median;
                }
                if self.scratch.middle + 1 == MIDDLE_SIGMA.len() {
                    break self.plain_median(clip);
                }
                self.scratch.middle += 1;
                split = self.split(split.core, about);
            };
            found = self.statistics(&kept.sums, median);
            if found.sigma == 0.0 || (found.sigma / before - 1.0).abs() < CONVERGED {
                break;
            }
            clip = Span::about(median, CLIP_SIGMA * found.sigma).and(range);
        }
        found
    }

    fn statistics(&self, sums: &Sums, median: f64) -> CellStatistics {
        CellStatistics { mean: f64::from(self.pivot) + sums.mean(), median, sigma: sums.sigma() }
    }

    fn split(&mut self, core: Span, (centre, sigma): (f64, f64)) -> Split {
        let middle = Span::about(centre, MIDDLE_SIGMA[self.scratch.middle] * sigma).and(core);
        Split::new(self.level, self.values, self.pivot, [core, middle], &mut self.scratch.split)
    }

    /// Median of the survivors without a split, where values are too few or too lumpy for one.
    fn plain_median(&self, clip: Span) -> f64 {
        let mut survivors: Vec<f32> =
            self.values.iter().copied().filter(|value| clip.holds(*value)).collect();
        survivors.sort_unstable_by(f32::total_cmp);
        grouped_median(&survivors)
    }
}

/// Median of sorted values; NaN without values.
///
/// Of an even number whose middle two differ it is their mean. Else, with v the middle value, `below`, `equal`
/// and `above` the numbers of values below, equal and above: v + step (above - below) / (2 equal), where
/// `step` is the distance from v to the nearer of its two neighbours in value, 0 where one is missing. That is
/// the median of a histogram whose bins are `step` wide; a single v is left as it is.
pub(crate) fn grouped_median(sorted: &[f32]) -> f64 {
    let Some(upper) = sorted.get(sorted.len() / 2).copied() else { return f64::NAN };
    let at = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) && sorted[at - 1] != upper {
        return 0.5 * (f64::from(sorted[at - 1]) + f64::from(upper));
    }
    let below = sorted.partition_point(|value| *value < upper);
    let not_above = sorted.partition_point(|value| *value <= upper);
    let neighbours = (below > 0 && not_above < sorted.len())
        .then(|| [f64::from(sorted[below - 1]), f64::from(sorted[not_above])]);
    grouped(f64::from(upper), [below, not_above - below, sorted.len() - not_above], neighbours)
}

/// The rule of [`grouped_median`] from the numbers below, equal and above and the neighbours in value.
pub(super) fn grouped(middle: f64, counts: [usize; 3], neighbours: Option<[f64; 2]>) -> f64 {
    let [below, equal, above] = counts.map(|count| count as f64);
    let Some([lower, upper]) = neighbours else { return middle };
    let step = (middle - lower).min(upper - middle);
    middle + step * (above - below) / (2.0 * equal)
}
