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

/// Residuals below this share of what was cut: sum anew.
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
    /// Greatest |d| that left the sums since they were made, above 0 if any did.
    cut: [R; HALVES],
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

/// Rows that survive in any lane, and between them those that survive in all, which may be none.
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
        centre(sorted, depth, part, rows, |rank, d| {
            for lane in 0..PART {
                first[lane] += d[lane];
                ranked[lane] += rank * d[lane];
            }
        });
        for lane in 0..PART {
            high[lane] = f64::from(depth[part + lane]);
        }
        // SAFETY: as promised by the caller.
        unsafe {
            let zero = [R::splat(0.0); HALVES];
            Self { low: zero, high: halves(&high), first: halves(&first), ranked: halves(&ranked), cut: zero }
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
                let (line, bounds) = (self.line(), self.bounds());
                let sum = self.sum_residuals(rows, &line, &bounds);
                let (mut below, mut above, mut stale) = (sum, sum, sum);
                for half in 0..HALVES {
                    let (sigma, mean) = (sum[half].mul(line.share[half]), line.mean[half].abs());
                    let size = mean.add(line.slope[half].abs().mul(line.n[half])).mul(R::splat(TIE));
                    let widened = sigma.mul(R::splat(1.0 + TIE));
                    below[half] = R::splat(0.0).sub(kappa_low.mul(widened).add(size));
                    above[half] = kappa_high.mul(widened).add(size);
                    let cut = self.cut[half];
                    let dwarfed = sigma.less(R::splat(CANCELLED).mul(cut.max(mean)));
                    stale[half] = active[half].and(R::splat(0.0).less(cut)).and(dwarfed);
                }
                if stale[0].or(stale[1]).any() {
                    self.sum_anew(sorted, part, &lanes(stale), rows);
                    continue;
                }
                let low = self.cut::<true>(rows, &line, &below, &active, &bounds);
                let high = self.cut::<false>(rows, &line, &above, &active, &bounds);
                for half in 0..HALVES {
                    let enough = few.at_most(self.high[half].sub(self.low[half]));
                    active[half] = active[half].and(enough).and(low[half].or(high[half]));
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

    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn bounds(&self) -> Bounds {
        // SAFETY: as promised by the caller.
        let (least_low, most_low, least_high, most_high) = unsafe {
            let least = |halves: [R; HALVES]| halves[0].min(halves[1]).store();
            let most = |halves: [R; HALVES]| halves[0].max(halves[1]).store();
            (least(self.low), most(self.low), least(self.high), most(self.high))
        };
        let least = |four: [f64; WIDTH]| four.into_iter().fold(f64::INFINITY, |a, b| if a < b { a } else { b });
        let most = |four: [f64; WIDTH]| four.into_iter().fold(0.0, |a, b| if a > b { a } else { b });
        let (start, end) = (most(most_low) as usize, least(least_high) as usize);
        Bounds { outer: least(least_low) as usize..most(most_high) as usize, inner: start..end.max(start) }
    }

    /// Sum of the absolute residuals.
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
            let (mut rank, one) = (R::splat(inner.start as f64), R::splat(1.0));
            for d in &rows[inner.clone()] {
                let d = halves::<R>(d);
                for half in 0..HALVES {
                    sum[half] = sum[half].add(line.residual(half, rank, d[half]).abs());
                }
                rank = rank.add(one);
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
            for step in 0..outer.len() {
                let row = if LOW { outer.start + step } else { outer.end - 1 - step };
                let (rank, d) = (R::splat(row as f64), halves::<R>(&rows[row]));
                for half in 0..HALVES {
                    let inside = self.low[half].at_most(rank).and(rank.less(self.high[half]));
                    let residual = line.residual(half, rank, d[half]);
                    let beyond =
                        if LOW { residual.less(limit[half]) } else { limit[half].less(residual) };
                    cutting[half] = beyond.not_and(inside).not_and(cutting[half]);
                    let gone = cutting[half].and(inside);
                    let value = gone.and(d[half]);
                    self.first[half] = self.first[half].sub(value);
                    self.ranked[half] = self.ranked[half].sub(rank.mul(value));
                    let size = gone.and(value.abs().add(R::splat(f64::MIN_POSITIVE)));
                    self.cut[half] = size.max(self.cut[half]);
                    count[half] = count[half].add(gone.and(one));
                }
                if !cutting[0].or(cutting[1]).any() {
                    break;
                }
            }
            for half in 0..HALVES {
                if LOW {
                    self.low[half] = self.low[half].add(count[half]);
                } else {
                    self.high[half] = self.high[half].sub(count[half]);
                }
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
            let mut sums = [lanes(self.first), lanes(self.ranked), lanes(self.cut)];
            for lane in (0..PART).filter(|lane| which[*lane].to_bits() != 0) {
                let ranks = low[lane] as usize..high[lane] as usize;
                let (first, ranked) = centre_anew(sorted, part, lane, ranks, rows);
                for (sums, value) in sums.iter_mut().zip([first, ranked, 0.0]) {
                    sums[lane] = value;
                }
            }
            (self.first, self.ranked, self.cut) = (halves(&sums[0]), halves(&sums[1]), halves(&sums[2]));
        }
    }
}

/// The survivors `ranks` of one lane less their middle one to `rows`; their sum and sum over rank.
#[inline(never)]
fn centre_anew(
    sorted: &[Lane],
    part: usize,
    lane: usize,
    ranks: Ranks<usize>,
    rows: &mut [Part],
) -> (f64, f64) {
    let sample = |rank: usize| f64::from(sorted[rank].0[part + lane]);
    let pivot = sample(ranks.start + ranks.len() / 2);
    let (mut first, mut ranked) = (0.0, 0.0);
    for rank in ranks {
        let d = sample(rank) - pivot;
        rows[rank][lane] = d;
        first += d;
        ranked += rank as f64 * d;
    }
    (first, ranked)
}
