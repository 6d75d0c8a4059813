//! Robust mean of log ratios whose errors are known but for a floor that all share.
//!
//! The variance of a ratio is v + t, with v what the noise says and t the systematic floor (sampling, flat field, neighbours): the
//! one at which min(r^2 / (v + t), 4), r the residual, is on average, weighted with 1 / (v + t), what it is for normal deviates
//! (chi2 per degree of freedom of 1, bounded; without the bound the equation of maximum likelihood); 0 where it is less
//! without a floor. The weights let bright stars say what the floor is: faint ones do not know. The mean is weighted with
//! 1 / (v + t) and, in rounds, 3 times with Huber's weight (k = 1.345), then with Tukey's (c = 4.685; Holland & Welsch 1977); t is
//! renewed in each of the first.
//!
//! Images that were made from the same exposures (neighbouring coadds of a survey, stacks that share frames) have the same noise:
//! their ratios scatter far less than v. Where chi2 is less than a hundredth of the degrees of freedom the variance of the mean is that
//! of the scatter.

use std::ops::RangeInclusive;

use crate::robust_weight::{HUBER_ROUNDS, RobustWeight};
use crate::statistics::median;

/// Bound of a squared residual, in variances.
const BOUND: f64 = 4.0;
/// Squared residual, in variances, beyond which a ratio is an outlier.
const FAR: f64 = 20.0;
/// Mean of the square of a normal deviate with this bound.
const BOUNDED_MEAN: f64 = 0.920_5;
/// Rounds in which the floor is renewed.
const FLOOR_ROUNDS: usize = 6;
/// Halvings of the range of the floor, which begins as a factor of 2^40.
const HALVINGS: usize = 14;
/// Efficiency of Tukey's mean.
const EFFICIENCY: f64 = 0.95;
/// Rounds in all.
const ROUNDS: usize = 16;
/// chi2 per degree of freedom below which the noise of two images is the same, and ratios that it takes to tell: of independent noise
/// less than 1 of 10^5 pairs have so little.
pub(crate) const SAME_NOISE: f64 = 0.01;
const LEAST_SAME: usize = 6;
/// Least variance of a ratio: fluxes are kept in f32.
const LEAST_VARIANCE: f64 = 1e-14;

/// Where nothing is known of a floor.
pub(crate) const ANY_FLOOR: RangeInclusive<f64> = 0.0..=f64::MAX;

/// A mean of log ratios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogRatio {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    /// The floor, as a variance.
    pub(crate) floor: f64,
    /// Ratios that count.
    pub(crate) used: usize,
    /// Whether the noise is the same in both, so that the ratios scatter less than it.
    pub(crate) is_same_noise: bool,
}

/// Of `(ratio, variance)` with a floor within `floors`; `None` with less than two or where nothing finite comes out.
pub(crate) fn log_ratio(
    ratios: &[(f64, f64)],
    floors: RangeInclusive<f64>,
    scratch: &mut Vec<f64>,
) -> Option<LogRatio> {
    let n = ratios.len();
    if n < 2 {
        return None;
    }
    scratch.clear();
    scratch.extend(ratios.iter().map(|(ratio, _)| *ratio));
    let mut mean = median(scratch)?;
    let mut floor = 0.0;
    let mut found = None;
    let mut good = Vec::with_capacity(n);
    for round in 0..ROUNDS {
        if round < FLOOR_ROUNDS {
            // What is far off with the floor so far is no part of it.
            let before = if round == 0 { f64::INFINITY } else { floor };
            good.clear();
            good.extend(ratios.iter().copied().filter(|(ratio, variance)| {
                (ratio - mean).powi(2) <= FAR * (variance.max(LEAST_VARIANCE) + before)
            }));
            floor = floor_of(&good, mean).clamp(*floors.start(), *floors.end());
        }
        let kind = RobustWeight::of_round(round, HUBER_ROUNDS);
        let (mut weights, mut sum, mut inverse, mut squares, mut used) = (0.0, 0.0, 0.0, 0.0, 0);
        for (ratio, variance) in ratios {
            let total = variance.max(LEAST_VARIANCE) + floor;
            let residual = ratio - mean;
            let robust = kind.at(residual.abs() / total.sqrt());
            if robust > 0.0 {
                used += 1;
                inverse += 1.0 / total;
                squares += residual * residual / total;
            }
            weights += robust / total;
            sum += robust / total * residual;
        }
        if weights <= 0.0 {
            break;
        }
        let step = sum / weights;
        mean += step;
        let chi2 = squares / used.max(2) as f64;
        let is_same_noise = used >= LEAST_SAME && chi2 < SAME_NOISE;
        let of_noise = 1.0 / (EFFICIENCY * inverse);
        let variance = if is_same_noise { chi2 * of_noise + LEAST_VARIANCE } else { of_noise };
        found = Some(LogRatio { mean, variance, floor, used, is_same_noise });
        if round >= FLOOR_ROUNDS && step.abs() <= 1e-4 * variance.sqrt() {
            break;
        }
    }
    found.filter(|found| found.mean.is_finite() && found.variance.is_finite())
}

/// The floor at which the bounded squares are as they should be.
fn floor_of(ratios: &[(f64, f64)], mean: f64) -> f64 {
    let is_too_low = |floor: f64| {
        let total = |variance: f64| variance.max(LEAST_VARIANCE) + floor;
        let weights: f64 = ratios.iter().map(|(_, variance)| 1.0 / total(*variance)).sum();
        let score = |(ratio, variance): &(f64, f64)| {
            let total = total(*variance);
            // The mean follows a ratio by its share of the weights.
            let expected = BOUNDED_MEAN * (1.0 - 1.0 / (total * weights));
            (((ratio - mean).powi(2) / total).min(BOUND) - expected) / total
        };
        ratios.iter().map(score).sum::<f64>() > 0.0
    };
    if !is_too_low(0.0) {
        return 0.0;
    }
    let most = ratios.iter().fold(0.0_f64, |most, (ratio, _)| most.max((ratio - mean).powi(2)));
    let (mut low, mut high) = (most.log2() - 40.0, most.log2() + 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if is_too_low(middle.exp2()) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (0.5 * (low + high)).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_stated() {
        let (sets, n) = (1500, 40);
        let normal = zemosaic_testkit::noise_image(n, 2 * sets, 0.0, 1.0, 5);
        for floor in [0.0, 0.01] {
            let make = |set: &[f32]| -> Vec<(f64, f64)> {
                let one = |i: usize| {
                    let sigma = 0.002 * (1.0 + 0.2 * i as f64);
                    (0.3 + sigma * f64::from(set[i]) + floor * f64::from(set[n + i]), sigma * sigma)
                };
                let mut ratios: Vec<(f64, f64)> = (0..n).map(one).collect();
                // A variable star and a wrong match.
                ratios[3].0 += 0.4;
                ratios[20].0 -= 2.0;
                ratios
            };
            let all: Vec<_> = normal.chunks(2 * n).map(make).collect();
            let found = |ratios: &Vec<_>, floors: RangeInclusive<f64>| {
                log_ratio(ratios, floors, &mut Vec::new()).unwrap()
            };
            let mut floors: Vec<f64> = all.iter().map(|ratios| found(ratios, ANY_FLOOR).floor).collect();
            let typical = median(&mut floors).unwrap();
            assert!((typical - floor * floor).abs() < 0.25 * floor * floor + 1e-6, "{floor}: {typical}");
            let chi2 = |ratios: &Vec<_>| {
                let found = found(ratios, typical..=typical);
                (found.mean - 0.3).powi(2) / found.variance
            };
            let mean = all.iter().map(chi2).sum::<f64>() / f64::from(sets as u32);
            assert!((0.9..1.12).contains(&mean), "{floor}: {mean}");
        }
    }

    #[test]
    fn the_same_noise_does_not_count() {
        let random = zemosaic_testkit::noise_image(40, 1, 0.0, 1.0, 8);
        let of = |scatter: f64| {
            let ratios: Vec<_> = random.iter().map(|r| (0.3 + scatter * f64::from(*r), 1e-4)).collect();
            log_ratio(&ratios, ANY_FLOOR, &mut Vec::new()).unwrap()
        };
        let (same, other) = (of(1e-5), of(1e-2));
        assert!(same.is_same_noise && !other.is_same_noise);
        let of_same = 1e-5 / 40.0_f64.sqrt();
        assert!((0.7..1.4).contains(&(same.variance.sqrt() / of_same)), "{same:?}");
        assert!((same.mean - 0.3).abs() < 4.0 * of_same);
        assert!((0.8..1.3).contains(&(other.variance.sqrt() / (1e3 * of_same))), "{other:?}");
    }

    #[test]
    fn equal_ratios_are_exact() {
        let found = log_ratio(&[(0.25, 0.0); 30], ANY_FLOOR, &mut Vec::new()).unwrap();
        assert!((found.mean - 0.25).abs() < 1e-15 && found.variance < 2e-14 && found.used == 30);
        assert_eq!(log_ratio(&[(0.25, 0.0)], ANY_FLOOR, &mut Vec::new()), None);
        assert_eq!(log_ratio(&[(f64::NAN, 1.0); 3], ANY_FLOOR, &mut Vec::new()), None);
    }
}
