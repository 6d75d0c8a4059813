//! The plain definition of the linear fit clip, in f64.
//!
//! Samples without outliers, sorted, rise nearly along a straight line over their rank; an outlier leaves it. Each round
//! fits y = mean + slope x (rank - middle rank) to the survivors by least squares; sigma is the mean absolute residual (not
//! a standard deviation: of normal noise the ends of 30 samples lie about 3 such sigma off). From the lowest upwards
//! samples are rejected as long as they lie more than `kappa_low` x sigma below the line, from the highest downwards as
//! long as they lie more than `kappa_high` x sigma above it. Only the ends, because what lies between survivors is no
//! outlier; so what survives is an interval, and equal samples share their fate (of equal ones the outermost is nearest to
//! the line).
//!
//! Fewer than [`FEWEST_OF_LINE`] survivors are left alone. The limits are widened by [`TIE`] of themselves and of the
//! line's size: samples on the line stay, however they were rounded.

use super::TIE;
use crate::options::RejectOptions;

/// Survivors below which nothing is fitted: the residuals of three samples are always as 1 : -2 : 1.
pub const FEWEST_OF_LINE: usize = 4;

/// The survivors of `sorted` as `start .. end`.
pub fn linear_fit(sorted: &[f64], reject: &RejectOptions) -> (usize, usize) {
    let (mut start, mut end) = (0, sorted.len());
    for _ in 0..reject.max_iterations {
        let survivors = &sorted[start..end];
        if survivors.len() < FEWEST_OF_LINE {
            break;
        }
        let n = survivors.len() as f64;
        // Differences from one of them, so that a large common value does not drown theirs.
        let d: Vec<f64> = survivors.iter().map(|value| value - survivors[survivors.len() / 2]).collect();
        let rank = |k: usize| k as f64 - 0.5 * (n - 1.0);
        let mean = d.iter().sum::<f64>() / n;
        let squares: f64 = (0..d.len()).map(|k| rank(k) * rank(k)).sum();
        let slope = d.iter().enumerate().map(|(k, d)| rank(k) * d).sum::<f64>() / squares;
        let residual = |k: usize| d[k] - mean - slope * rank(k);
        let sigma = (0..d.len()).map(|k| residual(k).abs()).sum::<f64>() / n;
        let limit = |kappa: f64| limit(kappa, sigma, mean.abs() + slope.abs() * n);
        let (low, high) = (limit(reject.kappa_low), limit(reject.kappa_high));
        let below = (0..d.len()).take_while(|k| residual(*k) < -low).count();
        let above = (below..d.len()).rev().take_while(|k| residual(*k) > high).count();
        if below + above == 0 {
            break;
        }
        (start, end) = (start + below, end - above);
    }
    (start, end)
}

/// How far from the line, of values up to `size`, survivors may lie.
#[inline(always)]
pub fn limit(kappa: f64, sigma: f64, size: f64) -> f64 {
    kappa.max(0.0) * sigma * (1.0 + TIE) + TIE * size
}
