//! By how much two frames differ: robust mean of the differences of their common blocks. What is in the sky is in both and
//! cancels.
//!
//! The variance of a difference is v + t, with v what the pixels say and t what the differences scatter on top (gradients
//! that the frames do not share, stars at the border of a block): t = max(0, (1.4826 MAD)^2 - median v). The mean is
//! weighted with 1 / (v + t) and, in rounds, 3 times with Huber's weight (k = 1.345), then with Tukey's (c = 4.685;
//! Holland & Welsch 1977). Its variance: of v that of a weighted mean; of t the same, yet as of 16 independent places at
//! most, because gradients are smooth.

use crate::blocks::BlockGrid;
use crate::common_blocks::{common_area, for_common};
use crate::gauge::FrameGauge;
use crate::preview::Preview;
use crate::robust_weight::{HUBER_ROUNDS, RobustWeight};
use crate::statistics::{MAD_TO_SIGMA, median};

/// Standard error of (1.4826 MAD)^2 of n normal values times the root of n, over their variance.
const MAD_SQUARED_ERROR: f64 = 2.33;
/// Rounds in all.
const ROUNDS: usize = 10;
/// Scatter on top counts as of so many places at most.
pub(crate) const PLACES: f64 = 16.0;
/// Least relative error of a level: a block of a frame without noise has no variance.
const LEAST_ERROR: f64 = 1e-7;

/// And least error at all, of levels of 0 without noise: so small that weights and their squares are still numbers.
const LEAST_LEVEL: f64 = 1e-30;

/// Differences of the common blocks of two frames in one channel.
#[derive(Debug, Clone, Default)]
pub struct Differences {
    /// Level of the first less that of the second.
    pub value: Vec<f64>,
    /// Variance of that.
    pub variance: Vec<f64>,
    scratch: Vec<f64>,
}

/// A robust mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// The mean.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
    /// Scatter on top of the pixels' noise, as a variance.
    pub excess: f64,
    /// The part of the variance that the pixels say.
    pub noise: f64,
    /// What the scatter on top counts in the variance: 1 over the places that it is of.
    pub share: f64,
    /// Scatter less the pixels' noise, as a variance: below 0 as often as above where there is nothing on top.
    pub signed_excess: f64,
    /// Standard error of that where there is nothing on top.
    pub excess_error: f64,
    /// Differences that it was made of.
    pub samples: usize,
}

impl Location {
    /// Its variance with another scatter on top.
    pub(crate) fn variance_with(&self, excess: f64) -> f64 {
        self.noise + excess * self.share
    }
}

impl Differences {
    /// Of the blocks that `a` and `b` have in common.
    pub fn fill(&mut self, a: &Preview, b: &Preview, channel: usize) {
        self.value.clear();
        self.variance.clear();
        for_common(a, b, |i, j| {
            let (first, second) = (f64::from(a.level[channel][i]), f64::from(b.level[channel][j]));
            let noise = f64::from(a.variance[channel][i]) + f64::from(b.variance[channel][j]);
            self.push(first, second, noise);
        });
    }

    /// Of the common area ([`common_area`]) of `a` and `b`, the levels of each multiplied with a gain: gain_a x level of a less
    /// gain_b x level of b.
    pub fn fill_scaled(&mut self, a: &Preview, b: &Preview, channel: usize, gain_a: f64, gain_b: f64) {
        self.value.clear();
        self.variance.clear();
        for common in common_area(a, b) {
            let (value, variance) = scaled((a, common.a, gain_a), (b, common.b, gain_b), channel);
            self.value.push(value);
            self.variance.push(variance);
        }
    }

    /// Of the common area of two frames with their gauges, surfaces taken at the centres of the blocks.
    pub(crate) fn fill_corrected(
        &mut self,
        (a, gauge_a): (&Preview, &FrameGauge),
        (b, gauge_b): (&Preview, &FrameGauge),
        channel: usize,
        blocks: BlockGrid,
    ) {
        self.value.clear();
        self.variance.clear();
        let (gain_a, gain_b) = (gauge_a.gain[channel], gauge_b.gain[channel]);
        let added =
            |gauge: &FrameGauge, x: f64, y: f64| gauge.offset[channel] + gauge.surface[channel].at(x, y);
        for (x, y, value, variance) in block_differences(a, b, channel, (gain_a, gain_b), blocks) {
            self.value.push(value + added(gauge_a, x, y) - added(gauge_b, x, y));
            self.variance.push(variance);
        }
    }

    /// Add the levels of a block in two frames, and the variance of their difference.
    pub(crate) fn push(&mut self, first: f64, second: f64, noise: f64) {
        let (value, variance) = difference_of(first, second, noise);
        self.value.push(value);
        self.variance.push(variance);
    }

    /// Their robust mean, with at least `least_excess` of scatter on top; `None` without differences.
    pub fn location(&mut self, least_excess: f64) -> Option<Location> {
        let mut mean = self.median_of(|value, _| value)?;
        let mad = self.median_of(|value, _| (value - mean).abs())?;
        let noise = self.median_of(|_, variance| variance)?;
        let signed_excess = (MAD_TO_SIGMA * mad).powi(2) - noise;
        let excess = signed_excess.max(least_excess).max(0.0);
        let excess_error = MAD_SQUARED_ERROR * noise / (self.value.len() as f64).sqrt();
        let (mut own, mut share, mut variance) = (f64::NAN, f64::NAN, f64::NAN);
        for round in 0..ROUNDS {
            let robust = RobustWeight::of_round(round, HUBER_ROUNDS);
            let (mut weights, mut sum, mut squares, mut squares_noise) = (0.0, 0.0, 0.0, 0.0);
            for (value, noise) in self.value.iter().zip(&self.variance) {
                let total = noise + excess;
                let weight = robust.at((value - mean).abs() / total.sqrt()) / total;
                weights += weight;
                sum += weight * (value - mean);
                squares += weight * weight;
                squares_noise += weight * weight * noise;
            }
            if weights <= 0.0 {
                break;
            }
            let step = sum / weights;
            mean += step;
            own = squares_noise / (weights * weights);
            share = (squares / (weights * weights)).max(1.0 / PLACES);
            variance = own + excess * share;
            if round >= HUBER_ROUNDS && step.abs() <= 1e-6 * variance.sqrt() {
                break;
            }
        }
        let samples = self.value.len();
        let found =
            Location { mean, variance, excess, noise: own, share, signed_excess, excess_error, samples };
        variance.is_finite().then_some(found)
    }

    fn median_of(&mut self, of: impl Fn(f64, f64) -> f64) -> Option<f64> {
        self.scratch.clear();
        self.scratch.extend(self.value.iter().zip(&self.variance).map(|(value, noise)| of(*value, *noise)));
        median(&mut self.scratch)
    }
}

/// Difference of two blocks with gains, and its variance.
fn scaled(a: (&Preview, usize, f64), b: (&Preview, usize, f64), channel: usize) -> (f64, f64) {
    let of = |(preview, index, gain): (&Preview, usize, f64)| {
        let variance = gain * gain * f64::from(preview.variance[channel][index]);
        (gain * f64::from(preview.level[channel][index]), variance)
    };
    let (first, second) = (of(a), of(b));
    difference_of(first.0, second.0, first.1 + second.1)
}

/// First less second, and the variance of that: `noise`, or what the levels allow at least.
fn difference_of(first: f64, second: f64, noise: f64) -> (f64, f64) {
    let least = LEAST_ERROR * (first.abs() + second.abs()) + LEAST_LEVEL;
    (first - second, noise.max(least * least))
}

/// Differences of the blocks of the common area with gains, as (x, y of the block's centre on the grid in pixels, gain of
/// a x level of a less gain of b x level of b, its variance), row by row.
pub fn block_differences(
    a: &Preview,
    b: &Preview,
    channel: usize,
    (gain_a, gain_b): (f64, f64),
    blocks: BlockGrid,
) -> Vec<(f64, f64, f64, f64)> {
    common_area(a, b)
        .into_iter()
        .map(|common| {
            let (value, variance) = scaled((a, common.a, gain_a), (b, common.b, gain_b), channel);
            (blocks.centre_px(common.x), blocks.centre_px(common.y), value, variance)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_and_scatter() {
        let noise = zemosaic_testkit::noise_image(400, 1, 25.0, 0.5, 9);
        let mut differences = Differences {
            value: noise.iter().map(|value| f64::from(*value)).collect(),
            variance: vec![0.25; 400],
            ..Differences::default()
        };
        for value in differences.value.iter_mut().step_by(9) {
            *value += 300.0;
        }
        let found = differences.location(0.0).unwrap();
        assert!((found.mean - 25.0).abs() < 0.1, "{found:?}");
        assert!((0.4..12.0).contains(&(found.variance / (0.25 / 356.0))), "{found:?}");
        differences.variance.fill(0.01);
        let found = differences.location(0.0).unwrap();
        assert!((found.excess / 0.24 - 1.0).abs() < 0.5, "{found:?}");
        assert!(found.variance >= found.excess / PLACES);
    }

    #[test]
    fn few_differences() {
        let mut one = Differences { value: vec![3.0], variance: vec![1.0], ..Differences::default() };
        let found = one.location(0.0).unwrap();
        assert_eq!((found.mean, found.variance, found.excess), (3.0, 1.0, 0.0));
        assert_eq!(one.location(4.0).unwrap().variance, 5.0);
        assert_eq!(Differences::default().location(0.0), None);
    }
}
