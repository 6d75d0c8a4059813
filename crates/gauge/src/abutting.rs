//! The step where sources end and others begin that share no whole block with them: two parallel planes through the levels on
//! either side, by reweighted least squares; their distance at the join is the step. The sky's own change across the join
//! is in the planes' common slopes, and curvature, the same on either side, cancels; what else the sky does there scatters
//! about the planes and is in the error.

use crate::normal::block::{add_image, inverse_cholesky, zero};
use crate::rim_steps::sums_of;
use crate::rims::{Sources, View};
use crate::robust_weight::RobustWeight;
use crate::statistics::{MAD_TO_SIGMA, median};

/// Blocks inwards on either side.
const DEEP: i64 = 4;
/// Lines on either side of that of the join.
const ALONG: i64 = 2;
/// Blocks that either side needs.
const LEAST_BLOCKS: usize = 4;
/// Rounds of weights.
const ROUNDS: usize = 4;
/// Of them with Huber's weight.
const HUBER_ROUNDS: usize = 2;

/// One side of a join in a line: the sources that end there.
#[derive(Clone, Copy)]
pub(crate) struct Abutting<'a> {
    pub(crate) view: View,
    pub(crate) place: i64,
    pub(crate) ending: &'a [u32],
}

/// A block on either side.
struct Sample {
    /// 1/2 on the first side, -1/2 on the other; places in blocks from the join across and along it.
    row: [f64; 4],
    /// Per channel, before and after.
    levels: [[f64; 2]; 3],
    variance: [f64; 3],
}

/// Steps of the first side over the other per channel, before and after, and the variance of that after; NaN where they cannot be told.
pub(crate) fn step_across(
    of: &Sources<'_>,
    line: i64,
    sides: [Abutting<'_>; 2],
) -> ([[f64; 2]; 3], [f64; 3]) {
    let (mut steps, mut variances) = ([[f64::NAN; 2]; 3], [f64::NAN; 3]);
    // The middle between the last block of the one and the first of the other; places of the other count the other way.
    let middle = 0.5 * (sides[0].place - sides[1].place) as f64;
    let mut samples: Vec<Sample> = Vec::new();
    for (side, half) in sides.iter().zip([0.5, -0.5]) {
        let before = samples.len();
        for along in -ALONG..=ALONG {
            for place in side.place - DEEP + 1..=side.place {
                let sums = sums_of(of, side.ending, side.view.block(line + along, place));
                if sums[0].weight > 0.0 {
                    let across = if half > 0.0 { place as f64 } else { -place as f64 } - middle;
                    samples.push(Sample {
                        row: [1.0, half, across, along as f64],
                        levels: sums.map(|own| own.means()),
                        variance: sums.map(|own| own.variance()),
                    });
                }
            }
        }
        if samples.len() - before < LEAST_BLOCKS {
            return (steps, variances);
        }
    }
    for channel in 0..of.sums.channels() {
        for (when, step) in steps[channel].iter_mut().enumerate() {
            let levels: Vec<f64> = samples.iter().map(|sample| sample.levels[channel][when]).collect();
            let mut noise: Vec<f64> = samples.iter().map(|sample| sample.variance[channel]).collect();
            let least = median(&mut noise).unwrap_or(0.0).sqrt();
            if let Some((found, variance)) = fitted(&samples, &levels, least) {
                *step = found;
                variances[channel] = variance;
            }
        }
    }
    (steps, variances)
}

/// The distance of the two planes and its variance; residuals scatter by `least` at least.
fn fitted(samples: &[Sample], levels: &[f64], least: f64) -> Option<(f64, f64)> {
    let mut weights = vec![1.0; samples.len()];
    let mut found = None;
    // About the mean, so that the digits of a large level are not lost.
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    for round in 0..ROUNDS {
        let (mut square, mut right) = (zero::<4>(), [0.0; 4]);
        for ((sample, level), weight) in samples.iter().zip(levels).zip(&weights) {
            for (i, a) in sample.row.iter().enumerate() {
                right[i] += weight * a * (level - mean);
                for (j, b) in sample.row.iter().enumerate() {
                    square[i][j] += weight * a * b;
                }
            }
        }
        let factor = inverse_cholesky(&square, &square)?;
        let mut turned = [0.0; 4];
        add_image(&mut turned, &factor, &right);
        let unknown = |j: usize| (0..4).map(|i| factor[i][j] * turned[i]).sum::<f64>();
        let plane: [f64; 4] = std::array::from_fn(unknown);
        let residual = |(sample, level): (&Sample, &f64)| {
            let value: f64 = sample.row.iter().zip(&plane).map(|(a, b)| a * b).sum();
            (level - mean - value).abs()
        };
        let residuals: Vec<f64> = samples.iter().zip(levels).map(residual).collect();
        // Of the freedom that four unknowns take away.
        let lost = (samples.len() as f64 / (samples.len() as f64 - 4.0)).sqrt();
        let scatter = (lost * MAD_TO_SIGMA * median(&mut residuals.clone())?).max(least);
        let inverse: f64 = (0..4).map(|i| factor[i][1] * factor[i][1]).sum();
        found = Some((plane[1], scatter * scatter * inverse));
        let robust = RobustWeight::of_round(round, HUBER_ROUNDS);
        for (weight, residual) in weights.iter_mut().zip(&residuals) {
            *weight = if scatter > 0.0 { robust.at(residual / scatter) } else { 1.0 };
        }
    }
    found
}
