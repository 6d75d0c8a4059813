//! The seam certificate: how large the steps are that remain in a mosaic where its sources end, in units of the noise that
//! one sees there. It is made of the previews alone and does not ask how the gauge was found.
//!
//! A **join** is a side between two blocks of the grid at which sources end, while others go on there. The mosaic with all sources that
//! end at the same place on the same side, less that without them, is the step
//!
//! ```text
//! sum of w_i (L_i - mean of the L that stay) / sum of all w
//! ```
//!
//! w being the weights of the sources and L their corrected levels (`rim_steps.rs`); that of sources that end on the other side of
//! the join is taken away, and the steps of joins a block apart add up where that is more (`joins.rs`). Where
//! sources end and others begin that share no whole block, the step is that between planes (`abutting.rs`).
//! It is set against the noise of a pixel of the mosaic there, sqrt(sum w^2 sigma^2) / sum w (1 / sqrt(sum w) for weights of inverse
//! variance). A mosaic passes where in every channel 95 % of the length of all joins was measured and has a step below 0.3 of that
//! noise.

use serde::Serialize;

use crate::block_sums::BlockSums;
use crate::blocks::BlockGrid;
use crate::gauge::FrameGauge;
use crate::joins::for_joins;
use crate::level_spread::LevelSpread;
use crate::observer::MatchObserver;
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::rims::Sources;
use crate::seam_pairs::{PairSeam, seams_of_pairs};

/// Step over the local noise of a pixel that is not seen.
pub const STEP_LIMIT: f64 = 0.3;
/// Share of the length of all joins that must be below it.
pub const SHARE_LIMIT: f64 = 0.95;
/// Joins that are kept one by one: the largest of them.
const MOST_JOINS: usize = 100_000;

/// What a source puts into a pixel of the mosaic, per channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelNoise {
    /// Noise of a pixel in units of the mosaic, with its gauge; NaN where it is not known.
    pub sigma: [f64; 3],
    /// Weight in the mosaic.
    pub weight: [f64; 3],
}

/// What a certificate is made of; all slices in the order of the sources.
#[derive(Debug, Clone, Copy)]
pub struct CertificateJob<'a> {
    /// Levels of the blocks of every source, before any gauge.
    pub previews: &'a [Preview],
    /// The blocks.
    pub blocks: BlockGrid,
    /// What was done to the sources before.
    pub before: &'a [FrameGauge],
    /// What is done to them now, in place of that.
    pub after: &'a [FrameGauge],
    /// Pairs to be told one by one.
    pub pairs: &'a [Pair],
    /// Noise and weight.
    pub noise: &'a [PixelNoise],
}

/// On which side of its block a source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// At lower x.
    Left,
    /// At higher x.
    Right,
    /// At lower y.
    Below,
    /// At higher y.
    Above,
}

/// A piece of a join as long as a side of a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct JoinElement {
    /// Index of the source that ends here; of several that which has most of the step.
    pub source: usize,
    /// How many sources end here, on either side.
    pub sources: usize,
    /// Middle of the side, pixels of the grid.
    pub x_px: f64,
    /// Middle of the side, pixels of the grid.
    pub y_px: f64,
    /// On which side of its block the source ends.
    pub side: Side,
    /// Step of the mosaic per channel before, in its unit: level on the source's side less that beyond; NaN in channels there
    /// are not, and where it was not measured.
    pub step_before: [f64; 3],
    /// Step after.
    pub step_after: [f64; 3],
    /// Standard error of the step after.
    pub error: [f64; 3],
    /// Noise of a pixel of the mosaic.
    pub noise: [f64; 3],
}

impl JoinElement {
    /// Largest step over the noise of all channels, before and after; NaN where none was measured.
    pub fn sigmas(&self) -> [f64; 2] {
        [&self.step_before, &self.step_after].map(|steps| {
            let of_channel = |(step, noise): (&f64, &f64)| (step / noise).abs();
            // NaN, of channels there are not, is passed over.
            steps.iter().zip(&self.noise).map(of_channel).fold(f64::NAN, f64::max)
        })
    }
}

/// What is said of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// [`SHARE_LIMIT`] of the length was measured and is below the limit.
    Pass,
    /// More than the rest of it was measured and is not.
    Fail,
    /// What could not be measured decides.
    Unknown,
}

impl Verdict {
    /// As products have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// All joins of a channel, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeamSummary {
    /// Length of the joins that were measured, pixels of the grid.
    pub join_px: f64,
    /// Length of those that were not: sources that end there have no block in common with those that go on and the levels on either
    /// side do not tell, or no noise is known.
    pub unmeasured_px: f64,
    /// Share of the measured length with a step below [`STEP_LIMIT`] of the noise, before.
    pub share_below_before: f64,
    /// The same after.
    pub share_below_after: f64,
    /// Largest step over the noise before.
    pub largest_before: f64,
    /// The same after.
    pub largest_after: f64,
    /// Root mean square of the steps over the noise before.
    pub rms_before: f64,
    /// The same after.
    pub rms_after: f64,
    /// Whether all is well after.
    pub verdict: Verdict,
}

/// What is said of the joins of a mosaic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeamCertificate {
    /// Side of a block, pixels of the grid.
    pub block_px: usize,
    /// Per channel.
    pub channels: Vec<SeamSummary>,
    /// All channels together; its verdict is the worst of theirs.
    pub overall: SeamSummary,
    /// Spread of the levels of the sources, per channel.
    pub inter_tile: Vec<LevelSpread>,
    /// Pieces of joins: those that stand by row, then those that lie by column; of more than 100,000 those with the largest steps
    /// after.
    #[serde(skip)]
    pub joins: Vec<JoinElement>,
    /// All pieces, also those that are not kept.
    pub join_elements: usize,
    /// The pairs that were asked for.
    #[serde(skip)]
    pub pairs: Vec<PairSeam>,
}

impl SeamSummary {
    /// Share of the length of all joins that was not measured; 0 of no joins.
    pub fn unmeasured_share(&self) -> f64 {
        let all = self.join_px + self.unmeasured_px;
        if all > 0.0 { self.unmeasured_px / all } else { 0.0 }
    }
}

impl SeamCertificate {
    /// Whether all is well.
    pub fn verdict(&self) -> Verdict {
        self.overall.verdict
    }
}

/// The certificate of a mosaic. Time goes with the blocks of all sources and with the pairs given, memory with the blocks
/// that the mosaic has and the lines of blocks that sources have. `observer` is told of every piece of it.
pub fn seam_certificate(job: &CertificateJob<'_>, observer: &dyn MatchObserver) -> SeamCertificate {
    let channels = job.previews.first().map_or(0, Preview::channels);
    let sums = BlockSums::new(job, observer);
    let mut tallies = vec![Tally::default(); channels];
    let (mut joins, mut join_elements) = (Vec::new(), 0);
    for_joins(&Sources { job, sums: &sums }, observer, |element| {
        join_elements += 1;
        for (channel, tally) in tallies.iter_mut().enumerate() {
            tally.add(&element, channel);
        }
        joins.push(element);
        if joins.len() > 2 * MOST_JOINS {
            keep_largest(&mut joins);
        }
    });
    keep_largest(&mut joins);
    let (pairs, inter_tile) = seams_of_pairs(job, &sums, observer);
    let block_px = job.blocks.block_px as f64;
    let channels: Vec<SeamSummary> = tallies.iter().map(|tally| tally.summary(block_px)).collect();
    let all = tallies.iter().fold(Tally::default(), Tally::with);
    let in_mosaic = job.noise.iter().filter(|own| own.weight.iter().any(|weight| *weight > 0.0)).count();
    let any = |verdict: Verdict| channels.iter().any(|summary| summary.verdict == verdict);
    let verdict = match (any(Verdict::Fail), any(Verdict::Unknown)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Unknown,
        // Several sources and no join: none has a whole block beside another's.
        (false, false) if join_elements == 0 && in_mosaic > 1 => Verdict::Unknown,
        (false, false) => Verdict::Pass,
    };
    SeamCertificate {
        block_px: job.blocks.block_px,
        overall: SeamSummary { verdict, ..all.summary(block_px) },
        channels,
        inter_tile,
        joins,
        join_elements,
        pairs,
    }
}

/// Keep the elements of the largest steps, in their order.
fn keep_largest(joins: &mut Vec<JoinElement>) {
    if joins.len() <= MOST_JOINS {
        return;
    }
    let mut order: Vec<usize> = (0..joins.len()).collect();
    // NaN is less than all others.
    let size = |index: &usize| joins[*index].sigmas()[1].max(-1.0);
    order.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
    order.truncate(MOST_JOINS);
    order.sort_unstable();
    *joins = order.into_iter().map(|index| joins[index]).collect();
}

/// Counts over elements.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    measured: usize,
    unmeasured: usize,
    /// Before, after.
    below: [usize; 2],
    largest: [f64; 2],
    squares: [f64; 2],
}

impl Tally {
    fn add(&mut self, element: &JoinElement, channel: usize) {
        let noise = element.noise[channel];
        let sigmas = [element.step_before[channel] / noise, element.step_after[channel] / noise];
        if sigmas.iter().any(|value| !value.is_finite()) {
            self.unmeasured += 1;
            return;
        }
        self.measured += 1;
        for (which, sigmas) in sigmas.into_iter().enumerate() {
            self.below[which] += usize::from(sigmas.abs() < STEP_LIMIT);
            self.largest[which] = self.largest[which].max(sigmas.abs());
            self.squares[which] += sigmas * sigmas;
        }
    }

    fn with(mut self, other: &Self) -> Self {
        self.measured += other.measured;
        self.unmeasured += other.unmeasured;
        for which in 0..2 {
            self.below[which] += other.below[which];
            self.largest[which] = self.largest[which].max(other.largest[which]);
            self.squares[which] += other.squares[which];
        }
        self
    }

    fn summary(&self, block_px: f64) -> SeamSummary {
        let count = self.measured.max(1) as f64;
        let share = |which: usize| if self.measured == 0 { 1.0 } else { self.below[which] as f64 / count };
        let rms = |which: usize| (self.squares[which] / count).sqrt();
        let all = (self.measured + self.unmeasured) as f64;
        let verdict = if self.below[1] as f64 >= SHARE_LIMIT * all {
            Verdict::Pass
        } else if ((self.below[1] + self.unmeasured) as f64) < SHARE_LIMIT * all {
            // Even were all steps that could not be measured small.
            Verdict::Fail
        } else {
            Verdict::Unknown
        };
        SeamSummary {
            join_px: self.measured as f64 * block_px,
            unmeasured_px: self.unmeasured as f64 * block_px,
            share_below_before: share(0),
            share_below_after: share(1),
            largest_before: self.largest[0],
            largest_after: self.largest[1],
            rms_before: rms(0),
            rms_after: rms(1),
            verdict,
        }
    }
}
