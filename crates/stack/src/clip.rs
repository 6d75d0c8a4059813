//! Sigma clip of 16 sorted pixels. The survivors are an interval in value, hence a contiguous range of the
//! sorted samples: a clip moves two indices.
//!
//! One pass over all lanes gives the moments of the first round, about the median and in f64. Only the few
//! pixels that lose a sample go on, one by one: their next moments are the old ones less what was cut,
//! summed anew where that would cancel.

use crate::definition::{FEWEST, TIE, interval};
use crate::lanes::{Counts, LANES, Lane, Range, median_of};
use crate::options::RejectOptions;

/// Sums of d and d^2 over the survivors, d = sample - pivot.
#[derive(Clone, Copy)]
struct Moments {
    pivot: f64,
    first: f64,
    second: f64,
}

/// Less of the second moment than this left after a cut: sum anew.
const CANCELLED: f64 = 1e-6;

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn sigma_clip(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let mut pivot = [0.0_f32; LANES];
    for lane in 0..LANES {
        if depth[lane] > 0 {
            pivot[lane] = sorted[depth[lane] as usize / 2].0[lane];
        }
    }
    let (first, second) = sum_moments(sorted, depth, &pivot);
    let (mut centre, mut low, mut high) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        if depth[lane] > 0 {
            centre[lane] = median_of(sorted, 0, depth[lane], lane);
        }
    }
    for lane in 0..LANES {
        let n = f64::from(depth[lane].max(1));
        let mean = first[lane] / n;
        let spread = (second[lane] / n - mean * mean).max(0.0).sqrt() * (1.0 + TIE);
        low[lane] = centre[lane] - reject.kappa_low * spread;
        high[lane] = centre[lane] + reject.kappa_high * spread;
    }
    for lane in 0..LANES {
        let n = depth[lane];
        if n < FEWEST as i32 {
            continue;
        }
        let (least, most) = (sorted[0].0[lane], sorted[n as usize - 1].0[lane]);
        if f64::from(least) < low[lane] || f64::from(most) > high[lane] {
            let moments = Moments { pivot: f64::from(pivot[lane]), first: first[lane], second: second[lane] };
            let (low, high) = refine(sorted, lane, n, moments, reject);
            range.narrow(sorted, lane, low, high);
        }
    }
    range
}

/// Sums of d and d^2 over the valid samples of each lane.
#[inline(always)]
fn sum_moments(sorted: &[Lane], depth: &Counts, pivot: &[f32; LANES]) -> ([f64; LANES], [f64; LANES]) {
    let all = depth.iter().copied().min().unwrap_or(0) as usize;
    let some = depth.iter().copied().max().unwrap_or(0) as usize;
    let (mut first, mut second) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    for samples in &sorted[..all] {
        for lane in 0..LANES {
            let d = f64::from(samples.0[lane]) - f64::from(pivot[lane]);
            first[lane] += d;
            second[lane] += d * d;
        }
    }
    for samples in &sorted[all..some] {
        for lane in 0..LANES {
            let sample = if samples.0[lane] < f32::INFINITY { samples.0[lane] } else { pivot[lane] };
            let d = f64::from(sample) - f64::from(pivot[lane]);
            first[lane] += d;
            second[lane] += d * d;
        }
    }
    (first, second)
}

/// All rounds of one lane, from the moments of its `n` samples.
#[inline(never)]
fn refine(sorted: &[Lane], lane: usize, n: i32, mut moments: Moments, reject: &RejectOptions) -> (i32, i32) {
    let sample = |k: i32| f64::from(sorted[k as usize].0[lane]);
    let (mut low, mut high) = (0, n);
    for _ in 0..reject.max_iterations {
        let n = f64::from(high - low);
        let mean = moments.first / n;
        let variance = (moments.second / n - mean * mean).max(0.0);
        // Survivors far from the pivot: their spread drowns in the distance.
        let variance = if variance < CANCELLED * mean * mean {
            moments = about_their_mean(sorted, lane, low, high);
            moments.second / n - (moments.first / n) * (moments.first / n)
        } else {
            variance
        };
        let centre = median_of(sorted, low, high, lane);
        let (least, most) = interval(centre, variance.max(0.0).sqrt(), reject);
        let (old, before) = ((low, high), moments.second);
        let mut cut = |value: f64| {
            let d = value - moments.pivot;
            moments.first -= d;
            moments.second -= d * d;
        };
        while low < high && sample(low) < least {
            cut(sample(low));
            low += 1;
        }
        while high > low && sample(high - 1) > most {
            high -= 1;
            cut(sample(high));
        }
        if (low, high) == old || high - low < FEWEST as i32 {
            break;
        }
        if moments.second <= CANCELLED * before {
            moments = about_their_mean(sorted, lane, low, high);
        }
    }
    (low, high)
}

/// Moments summed anew, about the survivors' own mean.
fn about_their_mean(sorted: &[Lane], lane: usize, low: i32, high: i32) -> Moments {
    let samples = sorted[low as usize..high as usize].iter().map(|row| f64::from(row.0[lane]));
    let pivot = samples.clone().sum::<f64>() / f64::from(high - low);
    let first = samples.clone().map(|value| value - pivot).sum();
    let second = samples.map(|value| (value - pivot) * (value - pivot)).sum();
    Moments { pivot, first, second }
}
