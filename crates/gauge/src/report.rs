//! What is told of channels and pairs.

use serde::Serialize;

use crate::gain::GainOrigin;

/// How well the offsets of a channel fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
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

/// The gain of a pair in one channel: natural logarithm of the level of the first over that of the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GainReport {
    /// As measured.
    pub log_gain: f64,
    /// Standard error of that.
    pub error: f64,
    /// What it was measured on.
    pub origin: GainOrigin,
    /// Stars, or blocks with structure, that it is of.
    pub samples: usize,
    /// What remains of it with the gains of the frames.
    pub remaining: f64,
    /// Weight in the last round.
    pub weight: f64,
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
    /// Gains, where they were measured.
    pub gain: Vec<Option<GainReport>>,
}
