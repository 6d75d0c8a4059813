//! Winsorised clip of SCI-05 (clause C-62) of 16 sorted pixels: mean +- kappa x standard deviation of the survivors held
//! within two of their quantiles.
//!
//! One pass over all lanes says, in f32, which of them certainly keep all of their samples; the others go on one by one.

use crate::definition::{FEWEST, at_rank, interval, median, quantile_ranks};
use crate::lanes::{self, Counts, LANES, Lane, Range};
use crate::options::RejectOptions;
use crate::winsor::{HeldAt, OneLane, about_mean, clear_of_roughness, rough_moments};

/// Survivors; `depth` valid samples come first in each lane of `sorted`, then infinities.
#[inline(always)]
pub fn quantile_clip(sorted: &[Lane], depth: &Counts, reject: &RejectOptions, one: &mut OneLane) -> Range {
    let mut range = Range::all(depth);
    if reject.max_iterations == 0 {
        return range;
    }
    let keeps_all = keep_all(sorted, depth, reject);
    for lane in 0..LANES {
        let n = depth[lane];
        if n >= FEWEST as i32 && !keeps_all[lane] {
            one.gather(sorted, lane, n);
            let (low, high) = refine(one, reject);
            if high - low < n as usize {
                range.narrow(sorted, lane, low as i32, high as i32);
            }
        }
    }
    range
}

/// Lanes that certainly keep all of their samples.
#[inline(always)]
fn keep_all(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> [bool; LANES] {
    let mut held_at = HeldAt { low: [0.0; LANES], high: [0.0; LANES] };
    for (lane, &n) in depth.iter().enumerate() {
        if n > 0 {
            let last = n as usize - 1;
            let (low, high) = quantile_ranks(last + 1, reject);
            held_at.low[lane] = lanes::at_rank(sorted, 0, last, lane, low);
            held_at.high[lane] = lanes::at_rank(sorted, 0, last, lane, high);
        }
    }
    let moments = rough_moments(sorted, depth, &held_at);
    let slack = clear_of_roughness(sorted.len()) - 1.0;
    let mut keeps_all = [false; LANES];
    for lane in 0..LANES {
        if depth[lane] == 0 {
            continue;
        }
        let last = depth[lane] as usize - 1;
        let (least, most) = (f64::from(sorted[0].0[lane]), f64::from(sorted[last].0[lane]));
        let (mean, spread) = (moments.held_mean[lane], moments.held_variance[lane].max(0.0).sqrt());
        let reach_low = spread * (reject.kappa_low - slack * (1.0 + reject.kappa_low));
        let reach_high = spread * (reject.kappa_high - slack * (1.0 + reject.kappa_high));
        let is_sound = most - least < 1e16 && spread > 1e-14;
        let holds = least >= mean - reach_low && most <= mean + reach_high;
        keeps_all[lane] = is_sound && holds || least == most;
    }
    keeps_all
}

/// All rounds of the samples of one lane.
#[inline(always)]
fn refine(one: &mut OneLane, reject: &RejectOptions) -> (usize, usize) {
    let (mut low, mut high) = (0, one.samples().len());
    for _ in 0..reject.max_iterations {
        let old = (low, high);
        if high - low < FEWEST {
            break;
        }
        let (least, most) = limits(one, low, high, reject);
        while low < high && one.samples()[low] < least {
            low += 1;
        }
        while high > low && one.samples()[high - 1] > most {
            high -= 1;
        }
        if (low, high) == old {
            break;
        }
    }
    (low, high)
}

/// Where the survivors of `low .. high` lie.
#[inline(always)]
fn limits(one: &mut OneLane, low: usize, high: usize, reject: &RejectOptions) -> (f64, f64) {
    let survivors = &one.samples()[low..high];
    let (pivot, per_n) = (median(survivors), (survivors.len() as f64).recip());
    let (least, most) = quantile_ranks(survivors.len(), reject);
    let (least, most) = (at_rank(survivors, least) - pivot, at_rank(survivors, most) - pivot);
    one.centre(low, high, pivot);
    let held = one.held(least, most);
    interval(pivot + held.0 * per_n, (about_mean(per_n, held) * per_n).sqrt(), reject)
}
