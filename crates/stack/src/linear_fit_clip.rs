//! Linear fit clip of 16 sorted pixels, eight at a time: [`crate::definition::linear_fit`] says what is done.
//!
//! The survivors are a range of the sorted samples. Sum and sum over rank give the line; they lose what is cut, so each
//! round only sums the residuals anew, over all eight lanes at once with masks at the ends. Where what was cut dwarfs what
//! is left the sums of that lane are made anew, about a survivor.

use std::ops::Range as Ranks;

use crate::centred::{PART, Part, centre};
use crate::definition::{FEWEST_OF_LINE, TIE};
use crate::doubles::{Doubles, WIDTH};
use crate::lanes::{Counts, LANES, Lane, Range};
use crate::options::RejectOptions;

/// Residuals below this share of what the sums held: sum anew.
const CANCELLED: f64 = 1e-5;

/// Registers of a part.
const HALVES: usize = PART / WIDTH;

/// Survivors; `depth` valid samples come first in each lane of `sorted`.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub unsafe fn linear_fit_clip<R: Doubles>(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    rows: &mut Vec<Part>,
) -> Range {
    let mut range = Range::all(depth);
    for part in (0..LANES).step_by(PART) {
        // SAFETY: as promised by the caller.
        let (low, high) = unsafe {
            let mut fit = Survivors::<R>::all(sorted, depth, part, rows);
            fit.clip(sorted, part, rows, reject);
            (lanes(fit.low), lanes(fit.high))
        };
        for lane in 0..PART {
            let (low, high) = (low[lane] as i32, high[lane] as i32);
            if high > low {
                range.narrow(sorted, part + lane, low, high);
            }
        }
    }
    range
}

/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn halves<R: Doubles>(lanes: &Part) -> [R; HALVES] {
    let chunks = lanes.as_chunks::<WIDTH>().0;
    // SAFETY: as promised by the caller.
    unsafe { [R::load(&chunks[0]), R::load(&chunks[1])] }
}

/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn lanes<R: Doubles>(halves: [R; HALVES]) -> Part {
    let mut lanes = [0.0; PART];
    for (to, half) in lanes.as_chunks_mut::<WIDTH>().0.iter_mut().zip(halves) {
        // SAFETY: as promised by the caller.
        *to = unsafe { half.store() };
    }
    lanes
}

/// Survivors `low .. high` of each lane, whole numbers, and sums over them.
struct Survivors<R> {
    low: [R; HALVES],
    high: [R; HALVES],
    /// Sum of d.
    first: [R; HALVES],
    /// Sum of rank x d; ranks count all samples, from 0.
    ranked: [R; HALVES],
    /// Greatest |d| in the sums when they were made.
    reach: [R; HALVES],
    /// Mask: samples left the sums since.
    shrunk: [R; HALVES],
}

/// A line per lane: intercept + slope x rank.
struct Line<R> {
    intercept: [R; HALVES],
    slope: [R; HALVES],
    /// Mean d, survivors, 1 over them.
    mean: [R; HALVES],
    n: [R; HALVES],
    share: [R; HALVES],
}

impl<R: Doubles> Line<R> {
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn residual(&self, half: usize, rank: R, d: R) -> R {
        // SAFETY: as promised by the caller.
        unsafe { d.sub(self.slope[half].mul(rank)).sub(self.intercept[half]) }
    }
}

/// A whole number from 0 on, below 2^32, without the checks of a cast.
#[inline(always)]
fn whole(number: f64) -> usize {
    const UNITS: f64 = (1_u64 << 52) as f64;
    (number + UNITS).to_bits() as u32 as usize
}

/// Rows that survive in any active lane, and between them those that survive in all, which may be none.
struct Bounds {
    outer: Ranks<usize>,
    inner: Ranks<usize>,
}

impl<R: Doubles> Survivors<R> {
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn all(sorted: &[Lane], depth: &Counts, part: usize, rows: &mut Vec<Part>) -> Self {
        let (mut first, mut ranked, mut high) = ([0.0; PART], [0.0; PART], [0.0; PART]);
        let mut reach = [0.0_f64; PART];
        centre(sorted, depth, part, rows, |rank, d| {
            for lane in 0..PART {
                first[lane] += d[lane];
                ranked[lane] += rank * d[lane];
            }
        });
        for lane in 0..PART {
            let n = depth[part + lane];
            high[lane] = f64::from(n);
            if n > 0 {
                reach[lane] = rows[n as usize - 1][lane].max(-rows[0][lane]);
            }
        }
        // SAFETY: as promised by the caller.
        unsafe {
            let zero = [R::splat(0.0); HALVES];
            Self {
                low: zero,
                high: halves(&high),
                first: halves(&first),
                ranked: halves(&ranked),
                reach: halves(&reach),
                shrunk: zero,
            }
        }
    }

    /// All rounds.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn clip(&mut self, sorted: &[Lane], part: usize, rows: &mut [Part], reject: &RejectOptions) {
        // SAFETY: as promised by the caller.
        unsafe {
            let few = R::splat(FEWEST_OF_LINE as f64);
            let kappa = |kappa: f64| R::splat(kappa.max(0.0));
            let (kappa_low, kappa_high) = (kappa(reject.kappa_low), kappa(reject.kappa_high));
            let mut active = self.high.map(|high| few.at_most(high));
            let mut round = 0;
            while round < reject.max_iterations && active[0].or(active[1]).any() {
                let (line, bounds) = (self.line(), self.bounds(&active));
                let sum = self.sum_residuals(rows, &line, &bounds);
                let (mut below, mut above, mut stale) = (sum, sum, sum);
                for half in 0..HALVES {
                    let (sigma, mean) = (sum[half].mul(line.share[half]), line.mean[half].abs());
                    let size = mean.add(line.slope[half].abs().mul(line.n[half])).mul(R::splat(TIE));
                    let widened = sigma.mul(R::splat(1.0 + TIE));
                    below[half] = R::splat(0.0).sub(kappa_low.mul(widened).add(size));
                    above[half] = kappa_high.mul(widened).add(size);
                    let dwarfed = sigma.less(R::splat(CANCELLED).mul(self.reach[half]));
                    stale[half] = active[half].and(self.shrunk[half]).and(dwarfed);
                }
                if stale[0].or(stale[1]).any() {
                    self.sum_anew(sorted, part, &lanes(stale), rows);
                    continue;
                }
                let low = self.cut::<true>(rows, &line, &below, &active, &bounds);
                let high = self.cut::<false>(rows, &line, &above, &active, &bounds);
                for half in 0..HALVES {
                    let enough = few.at_most(self.high[half].sub(self.low[half]));
                    let changed = low[half].or(high[half]);
                    self.shrunk[half] = self.shrunk[half].or(changed);
                    active[half] = active[half].and(enough).and(changed);
                }
                round += 1;
            }
        }
    }

    /// The least squares line of each lane.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn line(&self) -> Line<R> {
        // SAFETY: as promised by the caller.
        unsafe {
            let zero = [R::splat(0.0); HALVES];
            let mut line = Line { intercept: zero, slope: zero, mean: zero, n: zero, share: zero };
            let one = R::splat(1.0);
            for half in 0..HALVES {
                let n = self.high[half].sub(self.low[half]);
                let twice_middle = self.high[half].add(self.low[half]).sub(one);
                // Of ranks 0 .. n the squared distances from the middle sum up to n (n^2 - 1) / 12. One division for all.
                let squares = n.mul(n).sub(one);
                let inverse = one.div(n.mul(squares));
                let ranked = self.ranked[half].add(self.ranked[half]).sub(twice_middle.mul(self.first[half]));
                line.n[half] = n;
                line.share[half] = squares.mul(inverse);
                line.mean[half] = self.first[half].mul(line.share[half]);
                line.slope[half] = R::splat(6.0).mul(ranked).mul(inverse);
                let middle = R::splat(0.5).mul(twice_middle);
                line.intercept[half] = line.mean[half].sub(line.slope[half].mul(middle));
            }
            line
        }
    }

    /// Where the active lanes (there is one) have survivors.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn bounds(&self, active: &[R; HALVES]) -> Bounds {
        // SAFETY: as promised by the caller.
        let (least_low, most_low, least_high, most_high) = unsafe {
            let [a, b] = *active;
            let infinity = R::splat(f64::INFINITY);
            let (beside_a, beside_b) = (a.not_and(infinity), b.not_and(infinity));
            let least = |of: [R; HALVES]| a.and(of[0]).or(beside_a).min(b.and(of[1]).or(beside_b)).store();
            let most = |of: [R; HALVES]| a.and(of[0]).max(b.and(of[1])).store();
            (least(self.low), most(self.low), least(self.high), most(self.high))
        };
        let least =
            |four: [f64; WIDTH]| four.into_iter().fold(f64::INFINITY, |a, b| if a < b { a } else { b });
        let most = |four: [f64; WIDTH]| four.into_iter().fold(0.0, |a, b| if a > b { a } else { b });
        let (start, end) = (whole(most(most_low)), whole(least(least_high)));
        Bounds { outer: whole(least(least_low))..whole(most(most_high)), inner: start..end.max(start) }
    }

    /// Sum of the absolute residuals of the active lanes; of others anything.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn sum_residuals(&self, rows: &[Part], line: &Line<R>, bounds: &Bounds) -> [R; HALVES] {
        let Bounds { outer, inner } = bounds;
        // SAFETY: as promised by the caller.
        unsafe {
            let mut sum = [R::splat(0.0); HALVES];
            self.add_masked(rows, outer.start..inner.start, line, &mut sum);
            // The line from row to row: one addition.
            let rank = R::splat(inner.start as f64);
            let mut y = [0, 1].map(|half| line.slope[half].mul(rank).add(line.intercept[half]));
            for d in &rows[inner.clone()] {
                let d = halves::<R>(d);
                for half in 0..HALVES {
                    sum[half] = sum[half].add(d[half].sub(y[half]).abs());
                    y[half] = y[half].add(line.slope[half]);
                }
            }
            self.add_masked(rows, inner.end..outer.end, line, &mut sum);
            sum
        }
    }

    /// Where not all lanes survive.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn add_masked(&self, rows: &[Part], ranks: Ranks<usize>, line: &Line<R>, sum: &mut [R; HALVES]) {
        // SAFETY: as promised by the caller.
        unsafe {
            let mut rank = R::splat(ranks.start as f64);
            for d in &rows[ranks] {
                let d = halves::<R>(d);
                for half in 0..HALVES {
                    let inside = self.low[half].at_most(rank).and(rank.less(self.high[half]));
                    let residual = line.residual(half, rank, d[half]).abs();
                    sum[half] = sum[half].add(inside.and(residual));
                }
                rank = rank.add(R::splat(1.0));
            }
        }
    }

    /// Take samples of the active lanes, from the lowest upwards or the highest downwards, while they are beyond the limit;
    /// which lanes lost any.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn cut<const LOW: bool>(
        &mut self,
        rows: &[Part],
        line: &Line<R>,
        limit: &[R; HALVES],
        active: &[R; HALVES],
        Bounds { outer, .. }: &Bounds,
    ) -> [R; HALVES] {
        // SAFETY: as promised by the caller.
        unsafe {
            let (zero, one) = (R::splat(0.0), R::splat(1.0));
            let (mut cutting, mut count) = (*active, [zero; HALVES]);
            let rows = &rows[outer.clone()];
            let mut rank = R::splat(if LOW { outer.start } else { outer.end } as f64);
            for step in 0..rows.len() {
                let row = if LOW { step } else { rows.len() - 1 - step };
                let d = halves::<R>(&rows[row]);
                if !LOW {
                    rank = rank.sub(one);
                }
                for half in 0..HALVES {
                    // The far end needs no look: residuals add up to 0, so not all are beyond a limit.
                    let inside = if LOW { self.low[half].at_most(rank) } else { rank.less(self.high[half]) };
                    let residual = line.residual(half, rank, d[half]);
                    let beyond = if LOW { residual.less(limit[half]) } else { limit[half].less(residual) };
                    cutting[half] = beyond.not_and(inside).not_and(cutting[half]);
                    let gone = cutting[half].and(inside);
                    let value = gone.and(d[half]);
                    self.first[half] = self.first[half].sub(value);
                    self.ranked[half] = self.ranked[half].sub(rank.mul(value));
                    count[half] = count[half].add(gone.and(one));
                }
                if LOW {
                    rank = rank.add(one);
                }
                if !cutting[0].or(cutting[1]).any() {
                    break;
                }
            }
            if LOW {
                self.low = [self.low[0].add(count[0]), self.low[1].add(count[1])];
            } else {
                self.high = [self.high[0].sub(count[0]), self.high[1].sub(count[1])];
            }
            count.map(|count| zero.less(count))
        }
    }

    /// Differences and sums of the lanes whose mask is set anew, about their middle survivors.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn sum_anew(&mut self, sorted: &[Lane], part: usize, which: &Part, rows: &mut [Part]) {
        // SAFETY: as promised by the caller.
        unsafe {
            let (low, high) = (lanes(self.low), lanes(self.high));
            let mut sums = [lanes(self.first), lanes(self.ranked), lanes(self.reach), lanes(self.shrunk)];
            for lane in (0..PART).filter(|lane| which[*lane].to_bits() != 0) {
                let ranks = low[lane] as usize..high[lane] as usize;
                let (first, ranked, reach) = centre_anew(sorted, part, lane, ranks, rows);
                for (sums, value) in sums.iter_mut().zip([first, ranked, reach, 0.0]) {
                    sums[lane] = value;
                }
            }
            (self.first, self.ranked) = (halves(&sums[0]), halves(&sums[1]));
            (self.reach, self.shrunk) = (halves(&sums[2]), halves(&sums[3]));
        }
    }
}

/// The survivors `ranks` of one lane less their middle one to `rows`; their sum, sum over rank, and greatest size.
#[inline(never)]
fn centre_anew(
    sorted: &[Lane],
    part: usize,
    lane: usize,
    ranks: Ranks<usize>,
    rows: &mut [Part],
) -> (f64, f64, f64) {
    let sample = |rank: usize| f64::from(sorted[rank].0[part + lane]);
    let pivot = sample(ranks.start + ranks.len() / 2);
    let (mut first, mut ranked, mut reach) = (0.0, 0.0, 0.0_f64);
    for rank in ranks {
        let d = sample(rank) - pivot;
        rows[rank][lane] = d;
        first += d;
        ranked += rank as f64 * d;
        reach = reach.max(d.abs());
    }
    (first, ranked, reach)
}
