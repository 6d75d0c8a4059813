//! Offsets of all frames at once: pairs are chosen and measured, and one system per channel is solved on the same network.

use rayon::prelude::*;
use serde::Serialize;

use crate::gauge::Gauge;
use crate::location::{Differences, Location, median};
use crate::options::NormalizeOptions;
use crate::pairs::{Pair, choose_pairs};
use crate::preview::Preview;
use crate::solve::{Difference, OffsetSolution, solve_offsets};

/// Pairs of fewer common blocks cannot tell their own scatter: they have at least that of a typical pair.
const ENOUGH_BLOCKS: usize = 8;

/// How well the offsets of a channel fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelReport {
    /// Sum of (residual / error)^2 over pairs.
    pub chi2: f64,
    /// Pairs less the offsets that are not free.
    pub degrees_of_freedom: usize,
    /// Root mean square of the differences of pairs as measured.
    pub rms_before: f64,
    /// The same with the offsets.
    pub rms_after: f64,
    /// Standard deviation of what offsets alone cannot explain, the same for all pairs (gradients of frames).
    pub systematic: f64,
    /// Rounds of reweighting.
    pub rounds: usize,
    /// Iterations of conjugate gradients in all rounds.
    pub iterations: usize,
}

/// The gain of a pair in one channel: natural logarithm of the factor that brings the first to the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairGain {
    /// As measured.
    pub log_gain: f64,
    /// Standard error of that.
    pub error: f64,
    /// Stars, or blocks with structure, that it is of.
    pub samples: usize,
    /// What remains of it with the gains of the frames.
    pub remaining: f64,
}

/// A pair of frames, per channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairReport {
    /// Index of the first frame.
    pub a: usize,
    /// Index of the second.
    pub b: usize,
    /// Common blocks.
    pub blocks: usize,
    /// Level of the first less that of the second.
    pub before: Vec<f64>,
    /// What remains of it with the offsets.
    pub after: Vec<f64>,
    /// Standard error of the difference.
    pub error: Vec<f64>,
    /// Weight in the last round over 1 / (error^2 + systematic^2): near 0 for a pair that contradicts the others.
    pub weight: Vec<f64>,
    /// Gains, where they were measured; empty where none was.
    pub gain: Vec<PairGain>,
}

/// Offsets of `previews`.
pub(crate) fn additive(previews: &[Preview], options: &NormalizeOptions) -> Gauge {
    let pairs = choose_pairs(previews, options);
    let channels = previews.first().map_or(0, Preview::channels);
    let mut gauge = Gauge::identity(previews.len());
    gauge.pairs = pairs.iter().map(report_of).collect();
    for channel in 0..channels {
        let differences = measure(previews, &pairs, channel);
        let solution = solve_offsets(previews.len(), &differences);
        for (frame, offset) in gauge.frames.iter_mut().zip(&solution.offsets) {
            frame.offset[channel] = *offset;
        }
        for (report, (difference, weight)) in
            gauge.pairs.iter_mut().zip(differences.iter().zip(&solution.weight))
        {
            report.before.push(difference.value);
            report.after.push(solution.residual(difference));
            report.error.push(difference.variance.sqrt());
            report.weight.push(*weight);
        }
        gauge.channels.push(channel_report(&solution, &differences));
        gauge.part = solution.part;
    }
    let mut is_linked = vec![false; previews.len()];
    for pair in &pairs {
        is_linked[pair.a] = true;
        is_linked[pair.b] = true;
    }
    if previews.len() > 1 {
        gauge.unlinked = (0..previews.len()).filter(|frame| !is_linked[*frame]).collect();
    }
    gauge
}

fn report_of(pair: &Pair) -> PairReport {
    PairReport { a: pair.a, b: pair.b, blocks: pair.blocks, ..PairReport::default() }
}

/// The differences of all pairs in a channel.
fn measure(previews: &[Preview], pairs: &[Pair], channel: usize) -> Vec<Difference> {
    let located = |pair: &Pair, least_excess: f64, scratch: &mut Differences| {
        scratch.fill(&previews[pair.a], &previews[pair.b], channel);
        scratch.location(least_excess)
    };
    let found: Vec<Option<Location>> = pairs
        .par_iter()
        .map_init(Differences::default, |scratch, pair| located(pair, 0.0, scratch))
        .collect();
    let known = found.iter().zip(pairs).filter(|(_, pair)| pair.blocks >= ENOUGH_BLOCKS);
    let mut excess: Vec<f64> = known.filter_map(|(found, _)| found.map(|found| found.excess)).collect();
    let typical = median(&mut excess).unwrap_or(0.0);
    let mut scratch = Differences::default();
    let with_typical = |(pair, found): (&Pair, Option<Location>)| {
        let found = if pair.blocks < ENOUGH_BLOCKS { located(pair, typical, &mut scratch) } else { found };
        // Pairs have common blocks by construction; one without would count for nothing.
        let (value, variance) = found.map_or((0.0, f64::MAX), |found| (found.mean, found.variance));
        Difference { a: pair.a, b: pair.b, value, variance }
    };
    pairs.iter().zip(found).map(with_typical).collect()
}

fn channel_report(solution: &OffsetSolution, differences: &[Difference]) -> ChannelReport {
    let rms = |of: &dyn Fn(&Difference) -> f64| {
        let sum: f64 = differences.iter().map(|difference| of(difference).powi(2)).sum();
        if differences.is_empty() { 0.0 } else { (sum / differences.len() as f64).sqrt() }
    };
    ChannelReport {
        chi2: solution.chi2,
        degrees_of_freedom: solution.degrees_of_freedom,
        rms_before: rms(&|difference| difference.value),
        rms_after: rms(&|difference| solution.residual(difference)),
        systematic: solution.excess.sqrt(),
        rounds: solution.rounds,
        iterations: solution.iterations,
    }
}
