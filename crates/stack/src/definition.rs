//! The plain definition of a stacked pixel, in f64. The fast code is tested against it.
//!
//! Sigma clip: centre = median of the survivors, spread = population standard deviation about their mean,
//! survivors lie in the closed interval [centre - low x spread, centre + high x spread]; the set only
//! shrinks, for at most `max_iterations` rounds or until nothing changes.

use crate::options::{Combine, RejectMethod, RejectOptions};

/// One frame's sample at a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Value, NaN for none.
    pub value: f32,
    /// Variance factor of the resampling.
    pub variance_factor: f32,
    /// Weight of the frame.
    pub weight: f64,
    /// Variance of a pixel of the frame.
    pub noise_variance: f64,
}

/// A stacked pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixel {
    /// Value, NaN without samples.
    pub value: f64,
    /// Sum of weights of the survivors.
    pub weight: f64,
    /// Variance of the value.
    pub variance: f64,
    /// Valid samples before rejection.
    pub depth: i32,
    /// Rejected as too low.
    pub rejected_low: i32,
    /// Rejected as too high.
    pub rejected_high: i32,
}

/// Stack the samples of one pixel, in frame order.
pub fn stack_pixel(samples: &[Sample], combine: Combine, reject: &RejectOptions) -> Pixel {
    let valid: Vec<&Sample> = samples.iter().filter(|sample| !sample.value.is_nan()).collect();
    let mut sorted: Vec<f64> = valid.iter().map(|sample| f64::from(sample.value)).collect();
    sorted.sort_by(f64::total_cmp);
    let survivors = match reject.method {
        RejectMethod::None => &sorted[..],
        RejectMethod::Sigma => sigma_clip(&sorted, reject),
    };
    let (Some(&lowest), Some(&highest)) = (survivors.first(), survivors.last()) else {
        return Pixel { value: f64::NAN, weight: 0.0, variance: f64::NAN, depth: 0, rejected_low: 0, rejected_high: 0 };
    };
    let (mut sum_w, mut sum_wx, mut sum_w2v) = (0.0, 0.0, 0.0);
    for sample in valid.iter().filter(|sample| (lowest..=highest).contains(&f64::from(sample.value))) {
        sum_w += sample.weight;
        sum_wx += sample.weight * f64::from(sample.value);
        sum_w2v += sample.weight * sample.weight * sample.noise_variance * f64::from(sample.variance_factor);
    }
    let mean_variance = sum_w2v / (sum_w * sum_w);
    let (value, variance) = match combine {
        Combine::Mean => (sum_wx / sum_w, mean_variance),
        Combine::Median if survivors.len() > 2 => (median(survivors), mean_variance * std::f64::consts::FRAC_PI_2),
        Combine::Median => (median(survivors), mean_variance),
    };
    let count = |keep: &dyn Fn(f64) -> bool| sorted.iter().filter(|value| keep(**value)).count() as i32;
    Pixel {
        value,
        weight: sum_w,
        variance,
        depth: sorted.len() as i32,
        rejected_low: count(&|value| value < lowest),
        rejected_high: count(&|value| value > highest),
    }
}

fn sigma_clip<'a>(sorted: &'a [f64], reject: &RejectOptions) -> &'a [f64] {
    let mut survivors = sorted;
    for _ in 0..reject.max_iterations {
        if survivors.is_empty() {
            break;
        }
        let n = survivors.len() as f64;
        let mean = survivors.iter().sum::<f64>() / n;
        let spread = (survivors.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let centre = median(survivors);
        let (low, high) = (centre - reject.kappa_low * spread, centre + reject.kappa_high * spread);
        let start = survivors.partition_point(|value| *value < low);
        let end = survivors.partition_point(|value| *value <= high);
        if start == 0 && end == survivors.len() {
            break;
        }
        survivors = &survivors[start..end];
    }
    survivors
}

fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) }
}
