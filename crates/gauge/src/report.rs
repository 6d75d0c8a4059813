//! What is told of channels and pairs.

use serde::Serialize;

use crate::gain::GainOrigin;
use crate::normal::Factor;

/// Whether systems of equations were solved as they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SolveHealth {
    /// Systems whose iterations ended before the solution was exact to 12 digits.
    pub not_converged: usize,
    /// Pivots of factors that were lost in rounding: what hangs on them by weights that differ too much is not exact. Errors are probed
    /// then.
    pub lost_pivots: usize,
}

impl SolveHealth {
    /// Of one system; an incomplete factor is an approximation anyway, of which the iterations tell.
    pub(crate) fn of<const K: usize>(is_solved: bool, is_complete: bool, factor: Option<&Factor<K>>) -> Self {
        let lost = factor.filter(|_| is_complete).map_or(0, |factor| factor.replaced_pivots);
        Self { not_converged: usize::from(!is_solved), lost_pivots: lost }
    }

    /// Of several.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            not_converged: self.not_converged + other.not_converged,
            lost_pivots: self.lost_pivots + other.lost_pivots,
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_well(self) -> bool {
        self == Self::default()
    }
}

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
    /// By how much the logs of a frame's gains differ from channel to channel, as a standard deviation from the data; `None` of gains that
    /// are not held together.
    pub colour_width: Option<f64>,
    /// Rounds of reweighting.
    pub rounds: usize,
    /// Iterations of conjugate gradients in all rounds.
    pub iterations: usize,
    /// Whether all systems of the channel, of gains too, were solved as they should be.
    pub health: SolveHealth,
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
    /// Those of them that the difference was made of ([`crate::common_area`]); 0 where there is none.
    pub blocks_used: usize,
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
