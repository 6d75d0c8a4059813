//! Offsets from differences: minimise the sum of w (o_a - o_b + d_ab)^2 over all pairs, w = 1 / (variance + s^2), with
//! Huber's and then Tukey's weights in at most 10 rounds, so that pairs that contradict all others do not count. s is what
//! offsets alone cannot explain (gradients of frames): the residuals' scatter beyond the variances, the same for all
//! pairs, so that large overlaps with small statistical errors do not outvote the others. In each connected
//! part the offsets have mean zero: the mean level of its frames stays what it was. A frame without a pair is a part of
//! its own with offset 0.

use crate::conjugate::{self, Parts};
use crate::laplacian::Network;
use crate::location::{HUBER_ROUNDS, median, robust_weight};
use crate::network::parts;

/// Rounds at most.
const ROUNDS: usize = 10;
/// A change of the offsets over the error of a typical pair at which the rounds end.
const SETTLED: f64 = 1e-4;
/// No pair's weight falls below this share, so that parts stay connected.
const LEAST_WEIGHT: f64 = 1e-4;
/// Residual of the solution over the right-hand side.
const TOLERANCE: f64 = 1e-12;
/// The same in rounds before the last.
const ROUGH_TOLERANCE: f64 = 1e-7;
/// MAD about 0 to standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// What was measured for a pair, in one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Index of a frame.
    pub a: usize,
    /// Index of another.
    pub b: usize,
    /// Level of `a` less that of `b`.
    pub value: f64,
    /// Its variance, above 0.
    pub variance: f64,
}

/// Offsets and how well they fit.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetSolution {
    /// To be added to the values of each frame.
    pub offsets: Vec<f64>,
    /// Connected part of each frame, from 0 in the order of their first frames.
    pub part: Vec<usize>,
    /// Weight of each pair in the last round, over 1 / (variance + excess).
    pub weight: Vec<f64>,
    /// Scatter of the residuals beyond the variances, as a variance.
    pub excess: f64,
    /// Sum of residual^2 / variance, without the excess.
    pub chi2: f64,
    /// Pairs less what is free of the offsets.
    pub degrees_of_freedom: usize,
    /// Rounds.
    pub rounds: usize,
    /// Iterations of conjugate gradients in all rounds.
    pub iterations: usize,
}

impl OffsetSolution {
    /// What remains of a pair's difference.
    pub fn residual(&self, difference: &Difference) -> f64 {
        difference.value + self.offsets[difference.a] - self.offsets[difference.b]
    }
}

/// Offsets of `frames` frames. Pairs must be given once each.
pub fn solve_offsets(frames: usize, differences: &[Difference]) -> OffsetSolution {
    let links: Vec<(usize, usize)> = differences.iter().map(|d| (d.a, d.b)).collect();
    let part = parts(frames, links.iter().copied());
    let network = Network::new(frames, &links);
    let placed_parts: Vec<f64> = network.to_places(&part.iter().map(|part| *part as f64).collect::<Vec<_>>());
    let by_place = Parts::new(placed_parts.iter().map(|part| *part as usize).collect());
    let count = part.iter().max().map_or(0, |last| last + 1);
    let mut solution = OffsetSolution {
        offsets: vec![0.0; frames],
        weight: vec![1.0; links.len()],
        excess: 0.0,
        chi2: 0.0,
        degrees_of_freedom: links.len() + count - frames,
        rounds: 0,
        iterations: 0,
        part,
    };
    let mut x = vec![0.0; frames];
    let typical = median(&mut differences.iter().map(|d| d.variance).collect::<Vec<_>>()).unwrap_or(1.0);
    for round in 0..ROUNDS {
        let weighed = |(weight, d): (&f64, &Difference)| weight / (d.variance + solution.excess);
        let weights: Vec<f64> = solution.weight.iter().zip(differences).map(weighed).collect();
        let mut right = vec![0.0; frames];
        for (d, weight) in differences.iter().zip(&weights) {
            right[d.a] -= weight * d.value;
            right[d.b] += weight * d.value;
        }
        let right = network.to_places(&right);
        solution.iterations +=
            conjugate::solve(&network, &by_place, (&weights, &right), &mut x, ROUGH_TOLERANCE);
        let offsets = network.to_nodes(&x);
        let change = offsets
            .iter()
            .zip(&solution.offsets)
            .fold(0.0_f64, |most, (new, old)| most.max((new - old).abs()));
        solution.offsets = offsets;
        solution.rounds = round + 1;
        // Outliers that Huber's weight shows are left to Tukey's. What has no loop fits exactly: nothing to judge by.
        let is_last_weight = round > HUBER_ROUNDS || solution.weight.iter().all(|weight| *weight == 1.0);
        let settled = round > 0 && is_last_weight && change <= SETTLED * (typical + solution.excess).sqrt();
        if settled || solution.degrees_of_freedom == 0 || round + 1 == ROUNDS {
            solution.iterations +=
                conjugate::solve(&network, &by_place, (&weights, &right), &mut x, TOLERANCE);
            solution.offsets = network.to_nodes(&x);
            break;
        }
        let fitted = links.len() as f64 / solution.degrees_of_freedom as f64;
        let residuals: Vec<f64> = differences.iter().map(|d| solution.residual(d).abs()).collect();
        solution.excess = (scatter_of(&residuals).powi(2) * fitted - typical).max(0.0);
        let sigma_of = |(residual, d): (&f64, &Difference)| residual / (d.variance + solution.excess).sqrt();
        let sigmas: Vec<f64> = residuals.iter().zip(differences).map(sigma_of).collect();
        // In units of their own scatter where that is more than what the variances say.
        let scale = (scatter_of(&sigmas) * fitted.sqrt()).max(1.0);
        for (weight, sigma) in solution.weight.iter_mut().zip(&sigmas) {
            *weight = robust_weight(sigma / scale, round).max(LEAST_WEIGHT);
        }
    }
    solution.chi2 = differences.iter().fold(0.0, |sum, d| sum + solution.residual(d).powi(2) / d.variance);
    solution
}

/// Standard deviation of values about 0 from the median of their amounts.
fn scatter_of(amounts: &[f64]) -> f64 {
    MAD_TO_SIGMA * median(&mut amounts.to_vec()).unwrap_or(0.0)
}
