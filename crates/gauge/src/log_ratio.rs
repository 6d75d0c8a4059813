//! Robust mean of log ratios whose errors are known but for a floor that all share.
//!
//! The variance of a ratio is v + t, with v what the noise says and t the systematic floor (sampling, flat field, neighbours). At
//! first t = max(0, median of r^2 / 0.6745^2 - v), r the residual: half of the residuals are then below 0.6745 of their own sigma.
//! Three rounds with Huber's weight (k = 1.345), then Tukey's (c = 4.685; Holland & Welsch 1977), in which t is what makes the
//! weighted sum of r^2 / (v + t) that of a normal distribution (chi2 per degree of freedom of 1; Paule & Mandel 1982).

use crate::location::{HUBER_ROUNDS, median, robust_weight};

/// Median of the absolute value of a normal deviate.
const NORMAL_MEDIAN: f64 = 0.674_490;
/// Mean of Tukey's weight times the square of a normal deviate.
const TUKEY_SHARE: f64 = 0.757_7;
/// Efficiency of Tukey's mean.
const EFFICIENCY: f64 = 0.95;
/// Rounds in all.
const ROUNDS: usize = 16;
/// Least variance of a ratio: fluxes are kept in f32.
const LEAST_VARIANCE: f64 = 1e-14;

/// A mean of log ratios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogRatio {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    /// Ratios that count.
    pub(crate) used: usize,
}

/// Of `(ratio, variance)`; `None` with less than two or where nothing finite comes out.
pub(crate) fn log_ratio(ratios: &[(f64, f64)], scratch: &mut Vec<f64>) -> Option<LogRatio> {
    let n = ratios.len();
    if n < 2 {
        return None;
    }
    let mut median_of = |of: &dyn Fn(f64, f64) -> f64| {
        scratch.clear();
        scratch.extend(ratios.iter().map(|(ratio, variance)| of(*ratio, variance.max(LEAST_VARIANCE))));
        median(scratch)
    };
    let mut mean = median_of(&|ratio, _| ratio)?;
    let mut floor = median_of(&|ratio, variance| {
        ((ratio - mean) / NORMAL_MEDIAN).powi(2) * n as f64 / (n as f64 - 1.0) - variance
    })?
    .max(0.0);
    let mut found = None;
    for round in 0..ROUNDS {
        let (mut weights, mut sum, mut inverse, mut used) = (0.0, 0.0, 0.0, 0);
        let (mut squares, mut slope) = (0.0, 0.0);
        for (ratio, variance) in ratios {
            let total = variance.max(LEAST_VARIANCE) + floor;
            let residual = ratio - mean;
            let robust = robust_weight(residual.abs() / total.sqrt(), round);
            if robust > 0.0 {
                used += 1;
                inverse += 1.0 / total;
            }
            weights += robust / total;
            sum += robust / total * residual;
            squares += robust * residual * residual / total;
            slope += robust * residual * residual / (total * total);
        }
        if weights <= 0.0 {
            break;
        }
        let step = sum / weights;
        mean += step;
        let variance = 1.0 / (EFFICIENCY * inverse);
        found = Some(LogRatio { mean, variance, used });
        let before = floor;
        if round >= HUBER_ROUNDS && slope > 0.0 {
            let wanted = TUKEY_SHARE * (used as f64 - 1.0);
            // Half as much and twice as much at most: a floor that falls too far makes outliers of good ratios.
            floor = (floor + (squares - wanted) / slope).clamp(0.5 * floor, 2.0 * floor);
        }
        let is_settled = step.abs() <= 1e-4 * variance.sqrt() && (floor - before).abs() <= 1e-3 * floor;
        if round > HUBER_ROUNDS && is_settled {
            break;
        }
    }
    found.filter(|found| found.mean.is_finite() && found.variance.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_stated() {
        let (sets, n) = (400, 40);
        let normal = zemosaic_testkit::noise_image(n, 2 * sets, 0.0, 1.0, 5);
        for floor in [0.0, 0.01] {
            let mut chi2 = 0.0;
            for set in normal.chunks(2 * n) {
                let mut ratios: Vec<(f64, f64)> = (0..n)
                    .map(|i| {
                        let sigma = 0.002 * (1.0 + i as f64);
                        (0.3 + sigma * f64::from(set[i]) + floor * f64::from(set[n + i]), sigma * sigma)
                    })
                    .collect();
                // A variable star and a wrong match.
                ratios[3].0 += 0.4;
                ratios[20].0 -= 2.0;
                let found = log_ratio(&ratios, &mut Vec::new()).unwrap();
                chi2 += (found.mean - 0.3).powi(2) / found.variance / f64::from(sets as u32);
            }
            assert!((0.7..1.2).contains(&chi2), "{floor}: {chi2}");
        }
    }

    #[test]
    fn equal_ratios_are_exact() {
        let found = log_ratio(&[(0.25, 0.0); 30], &mut Vec::new()).unwrap();
        assert!((found.mean - 0.25).abs() < 1e-15 && found.variance < 1e-14 && found.used == 30);
        assert_eq!(log_ratio(&[(0.25, 0.0)], &mut Vec::new()), None);
        assert_eq!(log_ratio(&[(f64::NAN, 1.0); 3], &mut Vec::new()), None);
    }
}
