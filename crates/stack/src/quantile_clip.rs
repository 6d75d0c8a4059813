//! Winsorised clip of SCI-05 (clause C-62) of 16 sorted pixels: mean +- kappa x standard deviation of the survivors held
//! within two of their quantiles.
//!
//! One pass over all lanes gives the moments of the first round; the few pixels that lose a sample go on one by one.

use crate::definition::{FEWEST, at_rank, interval, median, quantile_ranks};
use crate::lanes::{self, Counts, LANES, Lane, Range, median_of};
use crate::options::RejectOptions;
use crate::winsor::{Limits, gather, held_sums, sums, variance};

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn quantile_clip(
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    samples: &mut Vec<f64>,
) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let mut limits = Limits { pivot: [0.0; LANES], low: [0.0; LANES], high: [0.0; LANES] };
    for lane in 0..LANES {
        let n = depth[lane] as usize;
        if n > 0 {
            let pivot = median_of(sorted, 0, depth[lane], lane);
            let (low, high) = quantile_ranks(n, reject);
            limits.pivot[lane] = pivot;
            limits.low[lane] = lanes::at_rank(sorted, 0, n - 1, lane, low) - pivot;
            limits.high[lane] = lanes::at_rank(sorted, 0, n - 1, lane, high) - pivot;
        }
    }
    let sums = sums(sorted, depth, &limits);
    for lane in 0..LANES {
        let n = depth[lane];
        if n < FEWEST as i32 {
            continue;
        }
        let of_all = f64::from(n);
        let spread = variance(of_all, sums.held_first[lane], sums.held_second[lane]).sqrt();
        let (low, high) = interval(limits.pivot[lane] + sums.held_first[lane] / of_all, spread, reject);
        let (least, most) = (sorted[0].0[lane], sorted[n as usize - 1].0[lane]);
        if f64::from(least) < low || f64::from(most) > high {
            gather(sorted, lane, n, samples);
            let (low, high) = refine(samples, (low, high), reject);
            range.narrow(sorted, lane, low as i32, high as i32);
        }
    }
    range
}

/// All rounds of the sorted samples of one lane, from the limits of the first.
#[inline(never)]
fn refine(samples: &[f64], (mut least, mut most): (f64, f64), reject: &RejectOptions) -> (usize, usize) {
    let (mut low, mut high) = (0, samples.len());
    for round in 1.. {
        let old = (low, high);
        while low < high && samples[low] < least {
            low += 1;
        }
        while high > low && samples[high - 1] > most {
            high -= 1;
        }
        if (low, high) == old || high - low < FEWEST || round >= reject.max_iterations {
            break;
        }
        (least, most) = limits(&samples[low..high], reject);
    }
    (low, high)
}

/// Where the survivors of these lie.
#[inline(always)]
fn limits(survivors: &[f64], reject: &RejectOptions) -> (f64, f64) {
    let (pivot, n) = (median(survivors), survivors.len() as f64);
    let (low, high) = quantile_ranks(survivors.len(), reject);
    let (low, high) = (at_rank(survivors, low) - pivot, at_rank(survivors, high) - pivot);
    let (first, second) = held_sums(survivors, pivot, low, high);
    interval(pivot + first / n, variance(n, first, second).sqrt(), reject)
}
