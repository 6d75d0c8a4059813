//! MAD clip of 16 sorted pixels: median of the survivors +- kappa x 1.4826 x the median of their absolute
//! deviations.
//!
//! The k samples nearest to a centre are neighbours in the sorted samples, so the k-th least deviation is
//! found by halving the range where such a window may begin: no deviation is stored or sorted. It is the
//! very deviation that sorting would give.

use crate::definition::{FEWEST, MAD_TO_SIGMA, interval};
use crate::lanes::{Counts, LANES, Lane, Range, median_of};
use crate::options::RejectOptions;

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn mad_clip(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let (mut low, mut high) = ([f64::NEG_INFINITY; LANES], [f64::INFINITY; LANES]);
    for lane in 0..LANES {
        if depth[lane] >= FEWEST as i32 {
            (low[lane], high[lane]) = limits(sorted, lane, 0, depth[lane], reject);
        }
    }
    for lane in 0..LANES {
        let n = depth[lane];
        if n < FEWEST as i32 {
            continue;
        }
        let (least, most) = (sorted[0].0[lane], sorted[n as usize - 1].0[lane]);
        if f64::from(least) < low[lane] || f64::from(most) > high[lane] {
            let (low, high) = refine(sorted, lane, n, (low[lane], high[lane]), reject);
            range.narrow(sorted, lane, low, high);
        }
    }
    range
}

/// All rounds of one lane of `n` samples, from the limits of the first.
#[inline(never)]
fn refine(
    sorted: &[Lane],
    lane: usize,
    n: i32,
    (mut least, mut most): (f64, f64),
    reject: &RejectOptions,
) -> (i32, i32) {
    let sample = |k: i32| f64::from(sorted[k as usize].0[lane]);
    let (mut low, mut high) = (0, n);
    for round in 1.. {
        let old = (low, high);
        while low < high && sample(low) < least {
            low += 1;
        }
        while high > low && sample(high - 1) > most {
            high -= 1;
        }
        if (low, high) == old || high - low < FEWEST as i32 || round >= reject.max_iterations {
            break;
        }
        (least, most) = limits(sorted, lane, low, high, reject);
    }
    (low, high)
}

/// Where the survivors of `low .. high` (at least one) lie; everywhere if the spread is 0.
#[inline(always)]
fn limits(sorted: &[Lane], lane: usize, low: i32, high: i32, reject: &RejectOptions) -> (f64, f64) {
    let centre = median_of(sorted, low, high, lane);
    let spread = MAD_TO_SIGMA * median_deviation(sorted, lane, low as usize, high as usize, centre);
    if spread == 0.0 { (f64::NEG_INFINITY, f64::INFINITY) } else { interval(centre, spread, reject) }
}

/// Median of |sample - centre| over `low .. high` (at least one) of one lane, whose median is `centre`.
#[inline(always)]
fn median_deviation(sorted: &[Lane], lane: usize, low: usize, high: usize, centre: f64) -> f64 {
    let n = high - low;
    let below = |k: usize| centre - f64::from(sorted[k].0[lane]);
    let above = |k: usize| f64::from(sorted[k].0[lane]) - centre;
    // A window of this many samples holds the lower middle deviation as its greatest.
    let nearest = n.div_ceil(2);
    // The first window that reaches at least as far above the centre as below it. One does: the last.
    let (mut first, mut windows) = (low, n - nearest);
    while windows > 0 {
        let half = windows / 2;
        let middle = first + half;
        let short = above(middle + nearest - 1) < below(middle);
        first = if short { middle + 1 } else { first };
        windows = if short { windows - half - 1 } else { half };
    }
    // The nearest samples lie in this window or in the one before it, whichever reaches less far.
    let reach = above(first + nearest - 1);
    let reach_before = if first > low { below(first - 1) } else { f64::INFINITY };
    let lower = reach.min(reach_before);
    if n % 2 == 1 {
        return lower;
    }
    // Of an even number also the next deviation: the nearer of the samples beside the window.
    let start = if reach_before < reach { first - 1 } else { first };
    let next_below = if start > low { below(start - 1) } else { f64::INFINITY };
    let next_above = if start + nearest < high { above(start + nearest) } else { f64::INFINITY };
    0.5 * (lower + next_below.min(next_above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_median_of_sorted_deviations() {
        let mut state = 1_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for n in 1..90_usize {
            for spread in [1, 3, 10, 1000, 1_000_000] {
                // A few values below and above what counts, which must not be looked at.
                let mut values: Vec<f32> = (0..n)
                    .map(|_| below(spread) as f32 * 0.37 - if below(4) == 0 { 900.0 } else { 0.0 })
                    .collect();
                values.sort_by(f32::total_cmp);
                let mut rows = vec![Lane([-1e9; LANES]); 2];
                rows.extend(values.iter().map(|value| Lane([*value; LANES])));
                rows.push(Lane([f32::INFINITY; LANES]));
                let centre = median_of(&rows, 2, n as i32 + 2, 5);
                let mut sorted: Vec<f64> =
                    values.iter().map(|value| (f64::from(*value) - centre).abs()).collect();
                sorted.sort_by(f64::total_cmp);
                let expected = 0.5 * (sorted[n / 2] + sorted[(n - 1) / 2]);
                let found = median_deviation(&rows, 5, 2, n + 2, centre);
                assert_eq!(found.to_bits(), expected.to_bits(), "{n} values up to {spread}");
            }
        }
    }
}
