//! The pairs that fit worst and the largest steps, which the report names.

use serde::Serialize;
use zemosaic_gauge::{JoinElement, PairReport, SeamCertificate};

use crate::products::gauge::MatchSources;

/// Pairs and joins that the report names.
const WORST: usize = 10;
/// A piece of a join with a large step.
#[derive(Debug, Clone, Serialize)]
pub struct WorstJoin {
    /// The source that ends there; of several that which has most of the step.
    pub source: String,
    /// How many end there.
    pub sources: usize,
    /// Place, pixels of the grid from 0.
    pub x_px: f64,
    /// Place, pixels of the grid from 0.
    pub y_px: f64,
    /// Step over the noise of a pixel, before.
    pub sigmas_before: f64,
    /// After.
    pub sigmas_after: f64,
}

/// A pair that fits badly.
#[derive(Debug, Clone, Serialize)]
pub struct WorstPair {
    /// One frame.
    pub a: String,
    /// The other.
    pub b: String,
    /// Channel, from 0.
    pub channel: usize,
    /// Common blocks.
    pub blocks: usize,
    /// Those of them that the difference was made of.
    pub blocks_used: usize,
    /// Difference as measured.
    pub before: f64,
    /// What remains.
    pub after: f64,
    /// Its standard error.
    pub error: f64,
}

/// The pairs that fit worst, in their error.
pub(crate) fn worst_pairs(pairs: &[PairReport], name: impl Fn(usize) -> String) -> Vec<WorstPair> {
    let sigmas = |pair: &PairReport, channel: usize| (pair.after[channel] / pair.error[channel]).abs();
    let mut all: Vec<(f64, usize, usize)> = pairs
        .iter()
        .enumerate()
        .flat_map(|(index, pair)| (0..pair.after.len()).map(move |c| (sigmas(pair, c), index, c)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let worst = |(_, index, channel): (f64, usize, usize)| {
        let pair = &pairs[index];
        WorstPair {
            a: name(pair.a),
            b: name(pair.b),
            channel,
            blocks: pair.blocks,
            blocks_used: pair.blocks_used,
            before: pair.before[channel],
            after: pair.after[channel],
            error: pair.error[channel],
        }
    };
    all.into_iter().take(WORST).map(worst).collect()
}

/// The pieces of joins with the largest steps.
pub(crate) fn worst_joins(seams: &SeamCertificate, sources: &MatchSources) -> Vec<WorstJoin> {
    let mut joins: Vec<(&JoinElement, [f64; 2])> =
        seams.joins.iter().map(|join| (join, join.sigmas())).collect();
    joins.retain(|(_, [_, after])| after.is_finite());
    joins.sort_by(|a, b| b.1[1].total_cmp(&a.1[1]));
    let worst = |(join, [before, after]): (&JoinElement, [f64; 2])| WorstJoin {
        source: sources.ids.get(join.source).cloned().unwrap_or_default(),
        sources: join.sources,
        x_px: join.x_px,
        y_px: join.y_px,
        sigmas_before: before,
        sigmas_after: after,
    };
    joins.into_iter().take(WORST).map(worst).collect()
}
