//! Steps and gradients between the two sources of a pair, before and after.

use rayon::prelude::*;
use serde::Serialize;

use crate::block_sums::{BlockSums, centre_px};
use crate::blocks::place_in;
use crate::certificate::CertificateJob;
use crate::common_blocks::for_common;
use crate::gauge::FrameGauge;
use crate::level_spread::{LevelSpread, observed_spread};
use crate::location::Differences;
use crate::observer::{MatchObserver, small_piece_done};
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::robust_weight::RobustWeight;
use crate::solve::Difference;
use crate::statistics::{MAD_TO_SIGMA, median};

/// Rounds of a plane's weights.
const PLANE_ROUNDS: usize = 4;
/// Of them with Huber's weight.
const PLANE_HUBER_ROUNDS: usize = 2;
/// Blocks that a plane needs.
const PLANE_BLOCKS: usize = 6;
/// Determinant over its largest value at which two directions cannot be told apart.
const LEAST_DETERMINANT: f64 = 1e-6;
/// Pixels that gradients are given for.
const GRADIENT_PX: f64 = 100.0;

/// By how much the first of two sources lies above the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Seam {
    /// Over the common blocks, units of the mosaic.
    pub step: f64,
    /// Change of it per 100 pixels of the grid along the line from the first source's middle to the second's; NaN where the
    /// overlap does not tell.
    pub along: f64,
    /// The same across that line, to its left.
    pub across: f64,
}

/// A pair in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChannelSeam {
    /// Before.
    pub before: Seam,
    /// After.
    pub after: Seam,
    /// Standard errors of what is after.
    pub error: Seam,
    /// Noise of a pixel of the mosaic, mean over the common blocks.
    pub noise: f64,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairSeam {
    /// Index of the first source.
    pub a: usize,
    /// Index of the second.
    pub b: usize,
    /// Common blocks.
    pub blocks: usize,
    /// Per channel; `None` where both have no block in common.
    pub channels: Vec<Option<ChannelSeam>>,
}

/// A block that both have.
struct Common {
    /// Of either.
    levels: [f64; 2],
    /// Of either.
    variances: [f64; 2],
    /// Its middle, pixels of the grid.
    at_px: (f64, f64),
}

/// What one thread needs.
#[derive(Default)]
struct Scratch {
    differences: Differences,
    blocks: Vec<Common>,
    /// Place along and across the line of the two middles, in units of 100 pixels.
    places: Vec<[f64; 2]>,
    sorted: Vec<f64>,
}

/// The three stages of a pair in one channel, as differences for the spread.
type Stages = Option<[Difference; 3]>;

/// The pairs of `job`, and the spread of levels per channel.
pub(crate) fn seams_of_pairs(
    job: &CertificateJob<'_>,
    sums: &BlockSums,
    observer: &dyn MatchObserver,
) -> (Vec<PairSeam>, Vec<LevelSpread>) {
    let channels = job.previews.first().map_or(0, Preview::channels);
    let measured: Vec<(PairSeam, Vec<Stages>)> = job
        .pairs
        .par_iter()
        .enumerate()
        .map_init(Scratch::default, |scratch, (index, pair)| {
            small_piece_done(observer, index);
            scratch.pair(job, sums, pair, channels)
        })
        .collect();
    let spread = |channel: usize| {
        let stage = |stage: usize| {
            let of_pair = |(_, stages): &(PairSeam, Vec<Stages>)| stages[channel].map(|all| all[stage]);
            let differences: Vec<Difference> = measured.iter().filter_map(of_pair).collect();
            observed_spread(job.previews.len(), &differences, observer)
        };
        LevelSpread { raw: stage(0), after_gain: stage(1), after_offset: stage(2) }
    };
    let inter_tile = (0..channels).map(spread).collect();
    (measured.into_iter().map(|(seam, _)| seam).collect(), inter_tile)
}

impl Scratch {
    fn pair(
        &mut self,
        job: &CertificateJob<'_>,
        sums: &BlockSums,
        pair: &Pair,
        channels: usize,
    ) -> (PairSeam, Vec<Stages>) {
        let mut seam = PairSeam { a: pair.a, b: pair.b, blocks: 0, channels: Vec::new() };
        let mut stages = Vec::new();
        for channel in 0..channels {
            let noise = self.collect(job, sums, pair, channel);
            seam.blocks = self.blocks.len();
            let (found, differences) = self.channel(job, pair, channel, noise).unzip();
            seam.channels.push(found);
            stages.push(differences);
        }
        (seam, stages)
    }

    /// The common blocks; returns the mean noise of the mosaic there.
    fn collect(&mut self, job: &CertificateJob<'_>, sums: &BlockSums, pair: &Pair, channel: usize) -> f64 {
        let (a, b) = (&job.previews[pair.a], &job.previews[pair.b]);
        let (blocks, mut noise) = (&mut self.blocks, 0.0);
        blocks.clear();
        for_common(a, b, |i, j| {
            let (x, y) = place_in(&a.region, i);
            let levels = [f64::from(a.level[channel][i]), f64::from(b.level[channel][j])];
            let variances = [f64::from(a.variance[channel][i]), f64::from(b.variance[channel][j])];
            blocks.push(Common { levels, variances, at_px: centre_px(job, x, y) });
            noise += sums.noise_at(channel, x, y);
        });
        noise / blocks.len().max(1) as f64
    }

    fn channel(
        &mut self,
        job: &CertificateJob<'_>,
        pair: &Pair,
        channel: usize,
        noise: f64,
    ) -> Option<(ChannelSeam, [Difference; 3])> {
        self.turn_places(job, pair);
        let (before, before_variance) = {
            self.fill([&job.before[pair.a], &job.before[pair.b]], channel);
            let found = self.differences.location(0.0)?;
            (self.seam(found.mean), found.variance)
        };
        let gains =
            [pair.a, pair.b].map(|source| FrameGauge { gain: job.after[source].gain, ..job.before[source] });
        self.fill([&gains[0], &gains[1]], channel);
        let scaled = self.differences.location(0.0)?;
        self.fill([&job.after[pair.a], &job.after[pair.b]], channel);
        let found = self.differences.location(0.0)?;
        let (after, after_error) = self.seam(found.mean);
        let difference = |value: f64, variance: f64| Difference { a: pair.a, b: pair.b, value, variance };
        let stages = [
            difference(before.0.step, before_variance),
            difference(scaled.mean, scaled.variance),
            difference(found.mean, found.variance),
        ];
        let error = Seam { step: found.variance.sqrt(), ..after_error };
        Some((ChannelSeam { before: before.0, after, error, noise }, stages))
    }

    /// Corrected differences of the common blocks.
    fn fill(&mut self, [first, second]: [&FrameGauge; 2], channel: usize) {
        self.differences.value.clear();
        self.differences.variance.clear();
        for Common { levels, variances, at_px } in &self.blocks {
            let a = first.apply(channel, levels[0], *at_px);
            let b = second.apply(channel, levels[1], *at_px);
            let noise =
                first.gain[channel].powi(2) * variances[0] + second.gain[channel].powi(2) * variances[1];
            self.differences.push(a, b, noise);
        }
    }

    /// Places of the common blocks along and across the line between the two middles.
    fn turn_places(&mut self, job: &CertificateJob<'_>, pair: &Pair) {
        let middle = |source: usize| {
            let region = job.previews[source].region;
            (0.5 * (region.x0 + region.x1()) as f64, 0.5 * (region.y0 + region.y1()) as f64)
        };
        let (a, b) = (middle(pair.a), middle(pair.b));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy);
        // Sources on one place have no such line: that is x then.
        let (dx, dy) = if length > 0.0 { (dx / length, dy / length) } else { (1.0, 0.0) };
        self.places.clear();
        self.places.extend(self.blocks.iter().map(|Common { at_px: (x, y), .. }| {
            [(x * dx + y * dy) / GRADIENT_PX, (y * dx - x * dy) / GRADIENT_PX]
        }));
    }

    /// The seam of the differences as they are, and the errors of its gradients: a plane by reweighted least squares.
    fn seam(&mut self, step: f64) -> (Seam, Seam) {
        let nothing = Seam { step, along: f64::NAN, across: f64::NAN };
        let (values, variances) = (&self.differences.value, &self.differences.variance);
        if values.len() < PLANE_BLOCKS {
            return (nothing, nothing);
        }
        let mut plane = Plane { middle: [step, 0.0, 0.0], slopes: [0.0; 2], errors: [f64::NAN; 2] };
        self.sorted.clear();
        self.sorted.extend(variances);
        let noise = median(&mut self.sorted).unwrap_or(0.0);
        for round in 0..PLANE_ROUNDS {
            let residual = |(value, place): (&f64, &[f64; 2])| value - plane.at(place);
            let residuals: Vec<f64> = values.iter().zip(&self.places).map(residual).collect();
            self.sorted.clear();
            self.sorted.extend(residuals.iter().map(|value| value.abs()));
            let mad = MAD_TO_SIGMA * median(&mut self.sorted).unwrap_or(0.0);
            let excess = (mad * mad - noise).max(0.0);
            let robust = RobustWeight::of_round(round, PLANE_HUBER_ROUNDS);
            let weight = |(residual, variance): (&f64, &f64)| {
                let total = variance + excess;
                robust.at(residual.abs() / total.sqrt()) / total
            };
            let weights: Vec<f64> = residuals.iter().zip(variances).map(weight).collect();
            let Some(found) = Plane::fit(values, &weights, &self.places) else { return (nothing, nothing) };
            plane = found;
        }
        let seam = |[along, across]: [f64; 2]| Seam { step, along, across };
        (seam(plane.slopes), seam(plane.errors))
    }
}

/// A plane over the overlap of a pair.
struct Plane {
    /// Value and place in the middle.
    middle: [f64; 3],
    /// NaN where it is not known.
    slopes: [f64; 2],
    errors: [f64; 2],
}

impl Plane {
    fn at(&self, place: &[f64; 2]) -> f64 {
        let [value, along, across] = self.middle;
        let part = |slope: f64, by: f64| if slope.is_nan() { 0.0 } else { slope * by };
        value + part(self.slopes[0], place[0] - along) + part(self.slopes[1], place[1] - across)
    }

    /// Weighted least squares; weights are over the variances.
    fn fit(values: &[f64], weights: &[f64], places: &[[f64; 2]]) -> Option<Self> {
        let all = || values.iter().zip(weights).zip(places);
        let (mut sum, mut middle) = (0.0, [0.0; 3]);
        for ((value, weight), place) in all() {
            sum += weight;
            middle[0] += weight * value;
            middle[1] += weight * place[0];
            middle[2] += weight * place[1];
        }
        if sum <= 0.0 {
            return None;
        }
        let middle = middle.map(|own| own / sum);
        let (mut square, mut right) = ([0.0; 3], [0.0; 2]);
        for ((value, weight), place) in all() {
            let (p, q, d) = (place[0] - middle[1], place[1] - middle[2], value - middle[0]);
            square[0] += weight * p * p;
            square[1] += weight * p * q;
            square[2] += weight * q * q;
            right[0] += weight * p * d;
            right[1] += weight * q * d;
        }
        let [pp, pq, qq] = square;
        let determinant = pp * qq - pq * pq;
        let unknown = [f64::NAN; 2];
        let (slopes, errors) = if determinant > LEAST_DETERMINANT * (pp + qq) * (pp + qq) / 4.0 {
            let slopes = [
                (qq * right[0] - pq * right[1]) / determinant,
                (pp * right[1] - pq * right[0]) / determinant,
            ];
            (slopes, [(qq / determinant).sqrt(), (pp / determinant).sqrt()])
        } else if pp > 0.0 && qq <= LEAST_DETERMINANT * pp {
            ([right[0] / pp, f64::NAN], [(1.0 / pp).sqrt(), f64::NAN])
        } else if qq > 0.0 && pp <= LEAST_DETERMINANT * qq {
            ([f64::NAN, right[1] / qq], [f64::NAN, (1.0 / qq).sqrt()])
        } else {
            (unknown, unknown)
        };
        Some(Self { middle, slopes, errors })
    }
}
