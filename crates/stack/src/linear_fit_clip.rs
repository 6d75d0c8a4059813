//! Linear fit clip of 16 sorted pixels, eight at a time: [`crate::definition::linear_fit`] says what is done.
//!
//! The survivors are a range of the sorted samples. Sum and sum over rank give the line; they lose what is cut, so each
//! round only sums the residuals anew, over all eight lanes at once with masks at the ends. Where what was cut dwarfs what
//! is left the sums of that lane are made anew, about a survivor.

use crate::centred::{PART, Part, any, centre, mask, only, select};
use crate::definition::{FEWEST_OF_LINE, limit};
use crate::lanes::{Counts, LANES, Lane, Range};
use crate::options::RejectOptions;

/// Residuals below this share of what was cut: sum anew.
const CANCELLED: f64 = 1e-5;

/// Survivors; `depth` valid samples come first in each lane of `sorted`.
#[inline(always)]
pub fn linear_fit_clip(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    rows: &mut Vec<Part>,
) -> Range {
    let mut range = Range::all(depth);
    for part in (0..LANES).step_by(PART) {
        let mut fit = Survivors::all(sorted, depth, part, rows);
        fit.clip(sorted, depth, part, rows, reject);
        for lane in 0..PART {
            let (low, high) = (fit.low[lane] as i32, fit.high[lane] as i32);
            if high > low {
                range.narrow(sorted, part + lane, low, high);
            }
        }
    }
    range
}

/// Survivors `low .. high` of each lane and sums over them.
struct Survivors {
    low: Part,
    high: Part,
    /// Sum of d.
    first: Part,
    /// Sum of rank x d; ranks count all samples, from 0.
    ranked: Part,
    /// Greatest |d| that left the sums since they were made, above 0 if any did.
    cut: Part,
}

/// A line per lane: intercept + slope x rank.
struct Line {
    intercept: Part,
    slope: Part,
    mean: Part,
}

impl Line {
    #[inline(always)]
    fn residual(&self, lane: usize, rank: f64, d: f64) -> f64 {
        d - self.slope[lane] * rank - self.intercept[lane]
    }
}

impl Survivors {
    #[inline(always)]
    fn all(sorted: &[Lane], depth: &Counts, part: usize, rows: &mut Vec<Part>) -> Self {
        let (mut first, mut ranked, mut high) = ([0.0; PART], [0.0; PART], [0.0; PART]);
        centre(sorted, depth, part, rows, |rank, d| {
            for lane in 0..PART {
                first[lane] += d[lane];
                ranked[lane] += rank * d[lane];
            }
        });
        for lane in 0..PART {
            high[lane] = f64::from(depth[part + lane]);
        }
        Self { low: [0.0; PART], high, first, ranked, cut: [0.0; PART] }
    }

    /// All rounds.
    #[inline(always)]
    fn clip(
        &mut self,
        sorted: &[Lane],
        depth: &Counts,
        part: usize,
        rows: &mut [Part],
        reject: &RejectOptions,
    ) {
        let few = FEWEST_OF_LINE as f64;
        let mut active = [0; PART];
        for lane in 0..PART {
            active[lane] = mask(self.high[lane] >= few);
        }
        let mut round = 0;
        while round < reject.max_iterations && any(&active) {
            let line = self.line();
            let sum = self.sum_residuals(rows, &line);
            let (mut below, mut above, mut stale) = ([0.0; PART], [0.0; PART], [0; PART]);
            for lane in 0..PART {
                let n = self.high[lane] - self.low[lane];
                let (sigma, mean) = (sum[lane] / n, line.mean[lane].abs());
                let size = mean + line.slope[lane].abs() * n;
                below[lane] = -limit(reject.kappa_low, sigma, size);
                above[lane] = limit(reject.kappa_high, sigma, size);
                let cut = self.cut[lane];
                let dwarfed = (sigma < CANCELLED * cut) | (sigma < CANCELLED * mean);
                stale[lane] = active[lane] & mask(cut > 0.0) & mask(dwarfed);
            }
            if any(&stale) {
                for lane in (0..PART).filter(|lane| stale[*lane] != 0) {
                    self.sum_anew(sorted, depth[part + lane], part, lane, rows);
                }
                continue;
            }
            let cut_low = self.cut(rows, Side::Low, &active, |lane, rank, d| {
                line.residual(lane, rank, d) < below[lane]
            });
            let cut_high = self.cut(rows, Side::High, &active, |lane, rank, d| {
                line.residual(lane, rank, d) > above[lane]
            });
            for lane in 0..PART {
                let enough = mask(self.high[lane] - self.low[lane] >= few);
                active[lane] &= enough & mask(cut_low[lane] + cut_high[lane] > 0.0);
            }
            round += 1;
        }
    }

    /// The least squares line of each lane.
    #[inline(always)]
    fn line(&self) -> Line {
        let mut line = Line { intercept: [0.0; PART], slope: [0.0; PART], mean: [0.0; PART] };
        for lane in 0..PART {
            let n = self.high[lane] - self.low[lane];
            let twice_middle = self.high[lane] + self.low[lane] - 1.0;
            // Of ranks 0 .. n the squared distances from the middle sum up to n (n^2 - 1) / 12.
            let slope = 6.0 * (2.0 * self.ranked[lane] - twice_middle * self.first[lane])
                / (n * (n * n - 1.0));
            line.mean[lane] = self.first[lane] / n;
            line.slope[lane] = slope;
            line.intercept[lane] = line.mean[lane] - slope * (0.5 * twice_middle);
        }
        line
    }

    /// Sum of the absolute residuals.
    #[inline(always)]
    fn sum_residuals(&self, rows: &[Part], line: &Line) -> Part {
        let (outer, inner) = self.bounds();
        let mut sum = [0.0; PART];
        self.add_masked(rows, outer.start..inner.start, line, &mut sum);
        let mut rank = inner.start as f64;
        for d in &rows[inner.clone()] {
            for lane in 0..PART {
                sum[lane] += line.residual(lane, rank, d[lane]).abs();
            }
            rank += 1.0;
        }
        self.add_masked(rows, inner.end..outer.end, line, &mut sum);
        sum
    }

    /// Where not all lanes survive.
    #[inline(always)]
    fn add_masked(&self, rows: &[Part], ranks: std::ops::Range<usize>, line: &Line, sum: &mut Part) {
        let mut rank = ranks.start as f64;
        for d in &rows[ranks] {
            for lane in 0..PART {
                let inside = mask((rank >= self.low[lane]) & (rank < self.high[lane]));
                sum[lane] += only(inside, line.residual(lane, rank, d[lane]).abs());
            }
            rank += 1.0;
        }
    }

    /// Rows that survive in any lane, and in all (between the first, which may be none).
    #[inline(always)]
    fn bounds(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (mut least_low, mut most_low) = (f64::INFINITY, 0.0_f64);
        let (mut least_high, mut most_high) = (f64::INFINITY, 0.0_f64);
        for lane in 0..PART {
            (least_low, most_low) = (least_low.min(self.low[lane]), most_low.max(self.low[lane]));
            (least_high, most_high) = (least_high.min(self.high[lane]), most_high.max(self.high[lane]));
        }
        let start = most_low as usize;
        (least_low as usize..most_high as usize, start..(least_high as usize).max(start))
    }

    /// Take samples from one side of the active lanes while they are `beyond` their limit; how many it were.
    #[inline(always)]
    fn cut(
        &mut self,
        rows: &[Part],
        side: Side,
        active: &[u64; PART],
        beyond: impl Fn(usize, f64, f64) -> bool,
    ) -> Part {
        let (outer, _) = self.bounds();
        let (mut cutting, mut count) = (*active, [0.0; PART]);
        for step in 0..outer.len() {
            let row = match side {
                Side::Low => outer.start + step,
                Side::High => outer.end - 1 - step,
            };
            let (rank, d) = (row as f64, &rows[row]);
            for lane in 0..PART {
                let inside = mask((rank >= self.low[lane]) & (rank < self.high[lane]));
                cutting[lane] &= !inside | mask(beyond(lane, rank, d[lane]));
                let gone = cutting[lane] & inside;
                let value = only(gone, d[lane]);
                self.first[lane] -= value;
                self.ranked[lane] -= rank * value;
                let size = only(gone, value.abs() + f64::MIN_POSITIVE);
                self.cut[lane] = select(mask(size > self.cut[lane]), size, self.cut[lane]);
                count[lane] += only(gone, 1.0);
            }
            if !any(&cutting) {
                break;
            }
        }
        let end = match side {
            Side::Low => &mut self.low,
            Side::High => &mut self.high,
        };
        for lane in 0..PART {
            end[lane] += match side {
                Side::Low => count[lane],
                Side::High => -count[lane],
            };
        }
        count
    }

    /// Differences and sums of one lane anew, about the middle survivor.
    #[inline(never)]
    fn sum_anew(&mut self, sorted: &[Lane], depth: i32, part: usize, lane: usize, rows: &mut [Part]) {
        let (low, high) = (self.low[lane] as usize, self.high[lane] as usize);
        let sample = |rank: usize| f64::from(sorted[rank].0[part + lane]);
        let pivot = sample(low + (high - low) / 2);
        (self.first[lane], self.ranked[lane], self.cut[lane]) = (0.0, 0.0, 0.0);
        for rank in 0..depth as usize {
            rows[rank][lane] = sample(rank) - pivot;
        }
        for (rank, d) in rows.iter().enumerate().take(high).skip(low) {
            self.first[lane] += d[lane];
            self.ranked[lane] += rank as f64 * d[lane];
        }
    }
}

/// An end of the sorted samples.
#[derive(Debug, Clone, Copy)]
enum Side {
    Low,
    High,
}
