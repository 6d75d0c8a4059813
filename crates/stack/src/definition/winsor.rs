//! The plain definition of the two Winsorised clips: what interval the survivors of a round give.

use super::{at_rank, interval, median};
use crate::options::RejectOptions;

/// Samples are held within so many spreads of the centre.
pub const HELD_WITHIN: f64 = 1.5;

/// Standard deviation of normal noise over that of its samples when held within [`HELD_WITHIN`].
pub const HELD_TO_SIGMA: f64 = 1.134;

/// The spread is settled when it changes by no more than this share of itself.
pub const SETTLED: f64 = 0.0005;

/// Rounds of holding at most. Where more than half of the samples are equal the spread shrinks towards 0 and never
/// settles; it shrinks to 0.85 of itself or less in each of them (0.98 among three samples).
pub const HELD_ROUNDS: u32 = 50;

/// Huber's, as `PixInsight` describes it (Huber & Ronchetti 2009, Robust Statistics, ch. 6 and 8): start with the median
/// and the standard deviation (n - 1); hold the samples within 1.5 spreads of the centre; then the centre is the median
/// and the spread 1.134 x the standard deviation of the held ones, and so on until the spread is settled.
pub fn settled(sorted: &[f64], reject: &RejectOptions) -> (f64, f64) {
    let (mut centre, mut spread) = (median(sorted), sample_deviation(sorted));
    for _ in 0..HELD_ROUNDS {
        let held = hold(sorted, centre - HELD_WITHIN * spread, centre + HELD_WITHIN * spread);
        centre = median(&held);
        let next = HELD_TO_SIGMA * sample_deviation(&held);
        let change = (next - spread).abs();
        let is_settled = change <= SETTLED * spread;
        spread = next;
        if is_settled {
            break;
        }
    }
    interval(centre, spread, reject)
}

/// Clause C-62 of SCI-05: hold the samples within two of their quantiles (linear between neighbours); centre and spread
/// are the mean and the population standard deviation of the held ones.
pub fn by_quantiles(sorted: &[f64], reject: &RejectOptions) -> (f64, f64) {
    let (low, high) = quantile_ranks(sorted.len(), reject);
    let held = hold(sorted, at_rank(sorted, low), at_rank(sorted, high));
    // About the median: the mean of equal samples is then the very same number.
    let (pivot, n) = (median(&held), held.len() as f64);
    let mean = pivot + held.iter().map(|value| value - pivot).sum::<f64>() / n;
    let spread = (held.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    interval(mean, spread, reject)
}

/// Ranks of the two quantiles of `n` samples (at least one), which count from 0.
pub fn quantile_ranks(n: usize, reject: &RejectOptions) -> (f64, f64) {
    let last = (n - 1) as f64;
    (reject.winsor_low * last, (1.0 - reject.winsor_high) * last)
}

/// Samples beyond `low` and `high` become these.
fn hold(sorted: &[f64], low: f64, high: f64) -> Vec<f64> {
    sorted
        .iter()
        .map(|&value| {
            if value < low {
                low
            } else if value > high {
                high
            } else {
                value
            }
        })
        .collect()
}

/// Standard deviation with n - 1.
fn sample_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}
