//! The plain definition of a stacked pixel, in f64. The fast code is tested against it.
//!
//! Sigma clip (clauses C-61 and C-63 of SCI-05): centre = median of the survivors, spread = population
//! standard deviation about their mean, survivors lie in the closed interval [centre - low x spread,
//! centre + high x spread]; the set only shrinks, for at most `max_iterations` rounds or until nothing
//! changes. Fewer than [`FEWEST`] survivors are left alone.

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
    let (start, end) = match reject.method {
        RejectMethod::None => (0, sorted.len()),
        RejectMethod::Sigma => sigma_clip(&sorted, reject),
    };
    let (depth, rejected_low, rejected_high) =
        (sorted.len() as i32, start as i32, (sorted.len() - end) as i32);
    let survivors = &sorted[start..end];
    let (Some(&lowest), Some(&highest)) = (survivors.first(), survivors.last()) else {
        let (value, weight, variance) = (f64::NAN, 0.0, f64::NAN);
        return Pixel { value, weight, variance, depth, rejected_low, rejected_high };
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
        Combine::Median if survivors.len() > 2 => {
            (median(survivors), mean_variance * std::f64::consts::FRAC_PI_2)
        }
        Combine::Median => (median(survivors), mean_variance),
    };
    Pixel { value, weight: sum_w, variance, depth, rejected_low, rejected_high }
}

/// Survivors below which a clip stops.
pub const FEWEST: usize = 3;

/// Relative widening of the spread, far above rounding and far below meaning: a sample exactly on a limit is
/// inside, however the moments were summed.
pub const TIE: f64 = 1e-12;

/// The closed interval that survivors of a round lie in.
pub fn interval(centre: f64, spread: f64, reject: &RejectOptions) -> (f64, f64) {
    let spread = spread * (1.0 + TIE);
    (centre - reject.kappa_low * spread, centre + reject.kappa_high * spread)
}

/// The survivors of `sorted` as `start .. end`.
fn sigma_clip(sorted: &[f64], reject: &RejectOptions) -> (usize, usize) {
    let (mut start, mut end) = (0, sorted.len());
    for _ in 0..reject.max_iterations {
        let survivors = &sorted[start..end];
        if survivors.len() < FEWEST {
            break;
        }
        let n = survivors.len() as f64;
        let mean = survivors.iter().sum::<f64>() / n;
        let spread = (survivors.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let (low, high) = interval(median(survivors), spread, reject);
        let below = survivors.partition_point(|value| *value < low);
        let inside = survivors.partition_point(|value| *value <= high);
        if below == 0 && inside == survivors.len() {
            break;
        }
        (start, end) = (start + below, start + inside.max(below));
    }
    (start, end)
}

fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) }
}
