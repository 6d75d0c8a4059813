//! The plain definition of a stacked pixel, in f64. The fast code is tested against it.
//!
//! Clips (clauses C-61 and C-63 of SCI-05): centre = median of the survivors, spread = for a sigma clip their
//! population standard deviation about their mean, for a MAD clip [`MAD_TO_SIGMA`] x the median of their
//! absolute deviations from the centre. Survivors lie in the closed interval [centre - low x spread,
//! centre + high x spread]; the set only shrinks, for at most `max_iterations` rounds or until nothing
//! changes. Fewer than [`FEWEST`] survivors are left alone, and so are survivors whose MAD is 0: it only says
//! that more than half of them are equal. The Winsorised clips are the same with other intervals.

mod esd;
mod linear_fit;
mod noise;
mod ranks;
mod student;
mod winsor;

pub use esd::{esd, esd_most_outliers};
pub use linear_fit::{FEWEST_OF_LINE, limit, linear_fit};
pub use noise::{DEEPEST, NoiseClipped, clip_by_noise, of_median};
pub(crate) use ranks::middle;
pub use ranks::{min_max, percentile_limits, percentile_survivors};
pub use student::esd_critical_values;
pub(crate) use winsor::quantile_ranks;
pub use winsor::{HELD_ROUNDS, HELD_TO_SIGMA, HELD_WITHIN, SETTLED};

use crate::options::{Combine, RejectMethod, RejectOptions};

/// One frame's sample at a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Value, NaN for none.
    pub value: f32,
    /// Variance factor of the resampling.
    pub variance_factor: f32,
    /// Share of the frame's weight that this sample has; not above 0: no sample.
    pub relative_weight: f32,
    /// Weight of the frame.
    pub weight: f64,
    /// Variance of a pixel of the frame; NaN if unknown.
    pub noise_variance: f64,
    /// Level of the frame's sky in the unit of the values, 0 where it was subtracted; NaN if unknown. For
    /// [`clip_by_noise`] and [`spare`].
    pub level: f64,
    /// Variance of that level over the frame. Only for [`clip_by_noise`].
    pub level_variance: f64,
}

impl Sample {
    /// Whether it is a sample at all.
    pub fn is_valid(&self) -> bool {
        !self.value.is_nan() && self.relative_weight > 0.0
    }
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

/// Clip the samples of one pixel by their noise where the options say so, then stack the survivors. Counts are of both.
pub fn clip_and_stack_pixel(samples: &[Sample], combine: Combine, reject: &RejectOptions) -> Pixel {
    let mut samples = samples.to_vec();
    let clipped = clip_by_noise(&mut samples, reject);
    let pixel = stack_pixel(&samples, combine, reject);
    Pixel {
        depth: pixel.depth + clipped.low + clipped.high,
        rejected_low: pixel.rejected_low + clipped.low,
        rejected_high: pixel.rejected_high + clipped.high,
        ..pixel
    }
}

/// Stack the samples of one pixel, in frame order.
pub fn stack_pixel(samples: &[Sample], combine: Combine, reject: &RejectOptions) -> Pixel {
    let valid: Vec<&Sample> = samples.iter().filter(|sample| sample.is_valid()).collect();
    // + 0.0 makes -0 a 0.
    let mut sorted: Vec<f64> = valid.iter().map(|sample| f64::from(sample.value) + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut survivors = survivors_of(&sorted, reject);
    if reject.method == RejectMethod::Auto && sorted.len() > DEEPEST {
        let n = sorted.len() as f64;
        let variances = valid.iter().map(|sample| sample.noise_variance * f64::from(sample.variance_factor));
        let variance = variances.sum::<f64>() / n;
        let level = valid.iter().map(|sample| sample.level).sum::<f64>() / n;
        survivors = spare(&sorted, survivors, Expected { variance, level }, reject);
    }
    let (start, end) = survivors;
    let (depth, rejected_low, rejected_high) =
        (sorted.len() as i32, start as i32, (sorted.len() - end) as i32);
    let survivors = &sorted[start..end];
    let (Some(&lowest), Some(&highest)) = (survivors.first(), survivors.last()) else {
        let (value, weight, variance) = (f64::NAN, 0.0, f64::NAN);
        return Pixel { value, weight, variance, depth, rejected_low, rejected_high };
    };
    let (mut sum_w, mut sum_wx, mut sum_w2v, mut sum_x, mut sum_v) = (0.0, 0.0, 0.0, 0.0, 0.0);
    // A method that counts may part equal samples: of those the earliest frames are rejected, the low ones first.
    let mut cut_low = start - sorted.partition_point(|value| *value < lowest);
    let mut cut_high = sorted.partition_point(|value| *value <= highest) - end;
    for sample in valid.iter().filter(|sample| (lowest..=highest).contains(&f64::from(sample.value))) {
        if f64::from(sample.value) == lowest && cut_low > 0 {
            cut_low -= 1;
            continue;
        }
        if f64::from(sample.value) == highest && cut_high > 0 {
            cut_high -= 1;
            continue;
        }
        let w = sample.weight * f64::from(sample.relative_weight);
        let x = f64::from(sample.value);
        let v = sample.noise_variance * f64::from(sample.variance_factor);
        sum_w += w;
        sum_wx += w * x;
        sum_w2v += w * w * v;
        sum_x += x;
        sum_v += v;
    }
    let mean_variance = sum_w2v / (sum_w * sum_w);
    let (value, variance) = match combine {
        Combine::Mean => (sum_wx / sum_w, mean_variance),
        Combine::Median if survivors.len() > 2 => {
            (median(survivors), mean_variance * std::f64::consts::FRAC_PI_2)
        }
        Combine::Median => (median(survivors), mean_variance),
        Combine::Min => (lowest, f64::NAN),
        Combine::Max => (highest, f64::NAN),
        Combine::Sum => (sum_x, sum_v),
        Combine::Percentile(percent) => (percentile(survivors, percent), f64::NAN),
    };
    Pixel { value, weight: sum_w, variance, depth, rejected_low, rejected_high }
}

/// Survivors below which a clip stops.
pub const FEWEST: usize = 3;

/// Relative widening of the spread, far above rounding and far below meaning: a sample exactly on a limit is
/// inside, however the moments were summed.
pub const TIE: f64 = 1e-12;

/// Most samples that [`RejectMethod::Auto`] gives to [`RejectMethod::Winsorized`]; more are left to
/// [`RejectMethod::Sigma`].
pub const WINSORIZED_TO: usize = 20;

/// Standard deviation of normal noise over its median absolute deviation.
pub const MAD_TO_SIGMA: f64 = 1.4826;

/// The closed interval that survivors of a round lie in.
pub fn interval(centre: f64, spread: f64, reject: &RejectOptions) -> (f64, f64) {
    let spread = spread * (1.0 + TIE);
    (centre - reject.kappa_low * spread, centre + reject.kappa_high * spread)
}

/// The survivors of the sorted samples as `start .. end`.
fn survivors_of(sorted: &[f64], reject: &RejectOptions) -> (usize, usize) {
    match reject.method.at_depth(sorted.len()) {
        RejectMethod::None | RejectMethod::Auto => (0, sorted.len()),
        RejectMethod::Sigma => {
            clip(sorted, reject, |survivors| Some(interval(median(survivors), deviation(survivors), reject)))
        }
        RejectMethod::Mad => clip(sorted, reject, |survivors| {
            let spread = absolute_deviation(survivors);
            (spread > 0.0).then(|| interval(median(survivors), spread, reject))
        }),
        RejectMethod::Winsorized => {
            clip(sorted, reject, |survivors| Some(winsor::settled(survivors, reject)))
        }
        RejectMethod::WinsorizedQuantile => {
            clip(sorted, reject, |survivors| Some(winsor::by_quantiles(survivors, reject)))
        }
        RejectMethod::LinearFit => linear_fit(sorted, reject),
        RejectMethod::Esd => {
            let critical = esd_critical_values(reject.esd_alpha, sorted.len());
            esd(sorted, &critical, reject.esd_outliers)
        }
        RejectMethod::MinMax => min_max(sorted.len(), reject),
        RejectMethod::Percentile => percentile_survivors(sorted, reject),
    }
}

/// What the frames let expect of the samples of a pixel; NaN where it is not known.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Mean variance.
    pub variance: f64,
    /// Mean level of the sky.
    pub level: f64,
}

/// The closed interval of what is no outlier for [`spare`]: kappa x the noise about `centre`, and on top `noise_amplitude` x
/// what `centre` is above the sky, as seeing and sampling change stars from frame to frame.
pub fn spared(centre: f64, expected: Expected, reject: &RejectOptions) -> (f64, f64) {
    let brightness = centre - expected.level;
    let allowed = if brightness > 0.0 { reject.noise_amplitude * brightness } else { 0.0 };
    let (low, high) = interval(centre, expected.variance.sqrt(), reject);
    (low - allowed, high + allowed)
}

/// `auto`: what the noise of the frames and the sampling of stars explain is no outlier. Of the rejected samples those
/// [`spared`] about the median of the survivors `start .. end` are given back: among few samples the spread often comes out
/// too small, and a faint sky has a tail upwards. Nothing where the noise is not known.
pub fn spare(
    sorted: &[f64],
    (start, end): (usize, usize),
    expected: Expected,
    reject: &RejectOptions,
) -> (usize, usize) {
    if start == end || expected.variance.is_nan() {
        return (start, end);
    }
    let (low, high) = spared(median(&sorted[start..end]), expected, reject);
    let below = sorted.partition_point(|value| *value < low);
    let inside = sorted.partition_point(|value| *value <= high);
    (start.min(below), end.max(inside))
}

/// What remains of `sorted`, as `start .. end`, when round after round only samples in the interval of the survivors
/// survive.
fn clip(
    sorted: &[f64],
    reject: &RejectOptions,
    interval_of: impl Fn(&[f64]) -> Option<(f64, f64)>,
) -> (usize, usize) {
    let (mut start, mut end) = (0, sorted.len());
    for _ in 0..reject.max_iterations {
        let survivors = &sorted[start..end];
        if survivors.len() < FEWEST {
            break;
        }
        let Some((low, high)) = interval_of(survivors) else { break };
        let below = survivors.partition_point(|value| *value < low);
        let inside = survivors.partition_point(|value| *value <= high);
        if below == 0 && inside == survivors.len() {
            break;
        }
        (start, end) = (start + below, start + inside.max(below));
    }
    (start, end)
}

/// Population standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Standard deviation from the median absolute deviation.
fn absolute_deviation(sorted: &[f64]) -> f64 {
    let centre = median(sorted);
    let mut deviations: Vec<f64> = sorted.iter().map(|value| (value - centre).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    MAD_TO_SIGMA * median(&deviations)
}

pub(crate) fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) }
}

/// Linear between the two samples about rank percent / 100 x (n - 1), which counts from 0.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    at_rank(sorted, percent.clamp(0.0, 100.0) / 100.0 * (sorted.len() - 1) as f64)
}

/// What lies at `rank`, which counts from 0, linear between neighbours.
pub(crate) fn at_rank(sorted: &[f64], rank: f64) -> f64 {
    let last = sorted.len() - 1;
    let below = rank as usize;
    let share = rank - below as f64;
    let (lower, upper) = (sorted[below], sorted[(below + 1).min(last)]);
    lower + (upper - lower) * share
}
