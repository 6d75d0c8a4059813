//! The plain definition of the noise clip, in f64.
//!
//! Among few samples their own spread cannot tell an outlier, but the noise of the frames is known: clause C-J6 of the
//! reference sheet of ZeMosaic, after Gruen, Seitz & Bernstein 2014 (PASP 126, 158) and SWarp's CLIPPED. Of two samples
//! that contradict each other the one nearer to the sky stays; theirs drops both.

use std::f64::consts::FRAC_PI_2;

use super::{Sample, TIE, median};
use crate::options::RejectOptions;

/// Most samples that are clipped by their noise; more are left to the statistical methods.
pub const DEEPEST: usize = 5;

/// What the noise clip did to a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoiseClipped {
    /// Samples rejected as too low.
    pub low: i32,
    /// Samples rejected as too high.
    pub high: i32,
    /// Whether the samples were judged: 2 to 5, all of known noise and level.
    pub judged: bool,
}

/// Residual and variance of a sample.
#[derive(Debug, Clone, Copy)]
struct Residual {
    r: f64,
    v: f64,
}

/// Mark the samples of one pixel, in frame order, that their noise does not explain: their values become NaN.
///
/// With r = value - level and v = noise variance x variance factor + level variance a sample is rejected when |r - mu| > kappa sqrt(v + v_c) +
/// amplitude |mu|. Of two samples mu is the r nearer to 0 (of equal ones the earlier) and `v_c` its v; of more mu is their
/// median and `v_c` the variance of the median of normal noise, pi/2 x mean v / N. The root is widened by [`TIE`]. One
/// round; should all be rejected (four can be) those nearest to mu stay.
pub fn clip_by_noise(samples: &mut [Sample], reject: &RejectOptions) -> NoiseClipped {
    let indices: Vec<usize> = (0..samples.len()).filter(|&index| samples[index].is_valid()).collect();
    let residuals: Vec<Residual> = indices
        .iter()
        .map(|&index| {
            let sample = &samples[index];
            let v = sample.noise_variance * f64::from(sample.variance_factor) + sample.level_variance;
            Residual { r: f64::from(sample.value) - sample.level, v }
        })
        .collect();
    let known = indices
        .iter()
        .zip(&residuals)
        .all(|(&index, of)| of.v.is_finite() && samples[index].level.is_finite());
    if !reject.clips_by_noise() || !known || !(2..=DEEPEST).contains(&indices.len()) {
        return NoiseClipped::default();
    }
    let (mu, v_c) = centre(&residuals);
    let is_outlier = |of: &Residual| {
        let excess = (of.r - mu).abs() - reject.noise_amplitude * mu.abs();
        excess > 0.0 && excess * excess > reject.noise_kappa * reject.noise_kappa * (1.0 + TIE) * (of.v + v_c)
    };
    let nearest = residuals.iter().map(|of| (of.r - mu).abs()).fold(f64::INFINITY, f64::min);
    let all = residuals.iter().all(is_outlier);
    let mut clipped = NoiseClipped { judged: true, ..NoiseClipped::default() };
    for (&index, of) in indices.iter().zip(&residuals) {
        let spared = all && (of.r - mu).abs() <= nearest * (1.0 + TIE);
        if is_outlier(of) && !spared {
            samples[index].value = f32::NAN;
            clipped.low += i32::from(of.r < mu);
            clipped.high += i32::from(of.r > mu);
        }
    }
    clipped
}

/// What samples should agree with, and its variance.
fn centre(residuals: &[Residual]) -> (f64, f64) {
    if let [first, second] = residuals {
        let nearer = if first.r.abs() <= second.r.abs() { first } else { second };
        return (nearer.r, nearer.v);
    }
    let mut sorted: Vec<f64> = residuals.iter().map(|of| of.r).collect();
    sorted.sort_by(f64::total_cmp);
    let sum_v = residuals.iter().map(|of| of.v).sum::<f64>();
    (median(&sorted), of_median(residuals.len()) * sum_v)
}

/// Variance of the median of `n` samples over the sum of theirs: pi/2 x mean / n.
pub const fn of_median(n: usize) -> f64 {
    FRAC_PI_2 / (n * n) as f64
}
