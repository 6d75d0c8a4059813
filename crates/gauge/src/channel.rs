//! One channel of a match: log gains first, then offsets of the levels with these gains, then surfaces.

use rayon::prelude::*;

use crate::blocks::BlockGrid;
use crate::channel_gains::{ChannelDifference, solve_together};
use crate::gauge::{Gauge, Untold};
use crate::location::{Differences, Location, block_differences};
use crate::matching::Measured;
use crate::network::linked;
use crate::observer::{MatchObserver, small_piece_done};
use crate::options::{MatchMethod, MatchOptions};
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::report::ChannelReport;
use crate::shared_noise::{PairPlaces, frame_variances, sources_of};
use crate::solve::{Difference, Noise, OffsetSolution, solve_with_noise};
use crate::statistics::{median, scatter_of};
use crate::surface::{SURFACE_TERMS, Surface};
use crate::surfaces::{BlockDifference, SurfacePair, SurfaceSolution, Undetermined, observed_surfaces};

/// Pairs of fewer common blocks cannot tell their own scatter: they have at least that of a typical pair.
const ENOUGH_BLOCKS: usize = 8;
/// Standard errors above nothing at which a pair's own scatter counts. What scatter comes by chance has a part in the error of a
/// difference that does not fall with the number of blocks as that of the noise does.
const SURE_SCATTER: f64 = 2.5;
/// Standard error of a median over that of a mean.
const MEDIAN_ERROR: f64 = 1.2533;
/// Variance of a difference that is not known: its weight is a number, yet far below any other.
const NOTHING: f64 = 1e100;
/// Blocks of a pair that scatter more than this times the typical, as variances, are not those of a sky with gradients.
const ODD_SCATTER: f64 = 100.0;

/// What all channels are solved from.
pub(crate) struct ChannelJob<'a> {
    pub(crate) previews: &'a [Preview],
    pub(crate) blocks: BlockGrid,
    pub(crate) pairs: &'a [Pair],
    /// Per pair and channel.
    pub(crate) measured: &'a [Vec<Measured>],
    /// Per pair.
    pub(crate) places: &'a [PairPlaces],
    pub(crate) options: &'a MatchOptions,
    pub(crate) observer: &'a dyn MatchObserver,
}

/// The solution of a channel, by frame or by pair.
pub(crate) struct ChannelGauge {
    gains: Vec<f64>,
    /// NaN where nothing tells the gain, or none was asked for.
    gain_errors: Vec<f64>,
    without_gain: Vec<usize>,
    gains_of_pairs: Vec<PairOfGains>,
    /// `None` where only gains are asked for.
    offsets: Option<(Vec<f64>, Vec<f64>)>,
    /// With the standard errors of their coefficients.
    surfaces: Option<(Vec<Surface>, Vec<[f64; SURFACE_TERMS]>)>,
    differences: Vec<Difference>,
    weights: Vec<f64>,
    part: Vec<usize>,
    /// Connected part of each frame in the network of gains.
    gain_part: Vec<usize>,
    report: ChannelReport,
    undetermined: Vec<Untold>,
}

/// A pair with a gain.
struct PairOfGains {
    /// Its index.
    pair: usize,
    difference: Difference,
    /// In the last round, over 1 / (variance + excess).
    weight: f64,
    /// The log gain without what the other channels say; 0 where the channel has none.
    own_value: f64,
    /// weight / (variance + excess) of that; 0 where the channel has none.
    own_precision: f64,
    /// What remains.
    left: f64,
}

impl ChannelJob<'_> {
    /// Solve a channel whose gains are known.
    pub(crate) fn solve(&self, channel: usize, mut gauge: ChannelGauge) -> ChannelGauge {
        gauge.differences = self.sky_differences(channel, &gauge.gains);
        let method = self.options.method;
        // Surfaces have errors of their own, and offsets that are not asked for have none.
        let has_errors = method.has_offset() && method != MatchMethod::Surface;
        let sources = has_errors.then(|| {
            let variances = frame_variances(self.previews, channel, &gauge.gains);
            sources_of(&variances, self.pairs.iter().zip(self.places))
        });
        let noise = sources.as_ref().map_or(Noise::NotAsked, Noise::Shared);
        let solution = solve_with_noise(self.previews.len(), &gauge.differences, noise, self.observer);
        gauge.report = report_of(&solution, &gauge.report);
        if method == MatchMethod::Surface {
            let found = self.surfaces(channel, &gauge.gains, &solution);
            gauge.take_surfaces(found, channel);
        }
        if method.has_offset() && gauge.offsets.is_none() {
            gauge.offsets = Some((solution.offsets, solution.error));
        }
        gauge.weights = solution.weight;
        gauge.part = solution.part;
        gauge.note_gain_parts(channel);
        gauge
    }

    /// Log gains, from the pairs that tell one.
    pub(crate) fn gains(&self, channel: usize) -> ChannelGauge {
        let frames = self.previews.len();
        let mut gauge = ChannelGauge {
            gains: vec![1.0; frames],
            gain_errors: vec![f64::NAN; frames],
            without_gain: Vec::new(),
            gains_of_pairs: Vec::new(),
            offsets: None,
            surfaces: None,
            differences: Vec::new(),
            weights: Vec::new(),
            part: Vec::new(),
            gain_part: Vec::new(),
            report: ChannelReport::default(),
            undetermined: Vec::new(),
        };
        if !self.options.method.has_gain() {
            return gauge;
        }
        let told = self.pairs.iter().zip(self.measured).enumerate().filter_map(|(index, (pair, own))| {
            let gain = own[channel].gain?;
            Some((index, Difference { a: pair.a, b: pair.b, value: gain.value, variance: gain.variance }))
        });
        let (pairs, differences): (Vec<usize>, Vec<Difference>) = told.unzip();
        // Sky makes the noise of a star's flux as of levels: frames have the same parts of the noise of a pair.
        let variances = frame_variances(self.previews, channel, &gauge.gains);
        let of_pairs = pairs.iter().map(|pair| (&self.pairs[*pair], &self.places[*pair]));
        let sources = sources_of(&variances, of_pairs);
        let solution = solve_with_noise(frames, &differences, Noise::Shared(&sources), self.observer);
        gauge.report.health = solution.health;
        let is_linked = linked(frames, differences.iter().map(|own| (own.a, own.b)));
        gauge.gain_part.clone_from(&solution.part);
        gauge.gains = solution.offsets.iter().map(|log_gain| log_gain.exp()).collect();
        for (frame, is_linked) in is_linked.into_iter().enumerate() {
            if is_linked {
                gauge.gain_errors[frame] = gauge.gains[frame] * solution.error[frame];
            } else if frames > 1 {
                gauge.without_gain.push(frame);
            }
        }
        let of_pair = |((pair, difference), weight): ((usize, Difference), &f64)| {
            let own = self.measured[pair][channel].own_gain;
            let own = own.map(|gain| Difference { value: gain.value, variance: gain.variance, ..difference });
            PairOfGains {
                pair,
                difference,
                own_value: own.map_or(0.0, |own| own.value),
                own_precision: own.map_or(0.0, |own| solution.precision(&own, *weight)),
                weight: *weight,
                left: solution.residual(&difference),
            }
        };
        let of_pairs = pairs.into_iter().zip(differences).zip(&solution.weight);
        gauge.gains_of_pairs = of_pairs.map(of_pair).collect();
        gauge
    }

    /// Differences of the levels with `gains`.
    fn sky_differences(&self, channel: usize, gains: &[f64]) -> Vec<Difference> {
        let located = |pair: &Pair, least_excess: f64, scratch: &mut Differences| {
            let (a, b) = (&self.previews[pair.a], &self.previews[pair.b]);
            scratch.fill_scaled(a, b, channel, gains[pair.a], gains[pair.b]);
            scratch.location(least_excess)
        };
        let found: Vec<Option<Location>> = self
            .pairs
            .par_iter()
            .enumerate()
            .map_init(Differences::default, |scratch, (index, pair)| {
                small_piece_done(self.observer, index);
                located(pair, 0.0, scratch)
            })
            .collect();
        let known = found.iter().zip(self.pairs).filter(|(_, pair)| pair.blocks >= ENOUGH_BLOCKS);
        let excess: Vec<f64> =
            known.filter_map(|(found, _)| found.map(|found| found.signed_excess)).collect();
        let typical = typical_excess(excess, self.previews.len());
        let mut scratch = Differences::default();
        let with_typical = |(pair, found): (&Pair, Option<Location>)| {
            let variance_of = |found: Location| {
                let is_sure = found.signed_excess > SURE_SCATTER * found.excess_error;
                found.variance_with(if is_sure { found.signed_excess } else { typical })
            };
            let found = if pair.blocks < ENOUGH_BLOCKS {
                located(pair, typical, &mut scratch).map(|found| (found.mean, found.variance))
            } else {
                found.map(|found| (found.mean, variance_of(found)))
            };
            // Pairs have common blocks by construction; one without would count for nothing.
            let (value, variance) = found.unwrap_or((0.0, NOTHING));
            Difference { a: pair.a, b: pair.b, value, variance }
        };
        self.pairs.iter().zip(found).map(with_typical).collect()
    }

    fn surfaces(&self, channel: usize, gains: &[f64], start: &OffsetSolution) -> SurfaceSolution {
        let over = |preview: &Preview| {
            let region = preview.region;
            let span = |first: i64, end: i64| [first, end].map(|block| self.blocks.start_px(block));
            Surface::over(span(region.x0, region.x1()), span(region.y0, region.y1()))
        };
        let frames: Vec<Surface> = self.previews.iter().map(over).collect();
        let scatter = |own: &Vec<Measured>| own[channel].raw.map_or(0.0, |raw| raw.excess);
        let mut all: Vec<f64> = self.measured.iter().map(scatter).collect();
        let most = ODD_SCATTER * median(&mut all).unwrap_or(0.0);
        let with_blocks = |(pair, own): (&Pair, &Vec<Measured>)| {
            // What scatters far more than others do is no sky: it counts for what it says.
            let odd = if scatter(own) > most { scatter(own) } else { 0.0 };
            let (a, b) = (&self.previews[pair.a], &self.previews[pair.b]);
            let gains = (gains[pair.a], gains[pair.b]);
            let found = block_differences(a, b, channel, gains, self.blocks).into_iter();
            let of_block = |(x_px, y_px, value, variance)| {
                let variance = variance + odd;
                BlockDifference { x_px, y_px, value, variance }
            };
            SurfacePair { a: pair.a, b: pair.b, blocks: found.map(of_block).collect() }
        };
        let pairs: Vec<SurfacePair> = self.pairs.par_iter().zip(self.measured).map(with_blocks).collect();
        let order = self.options.surface_order;
        observed_surfaces((&frames, &pairs), order, &start.offsets, self.observer)
    }
}

impl ChannelGauge {
    /// Offsets and surfaces. Where they are no numbers, as with levels beyond those of any sky, offsets alone stay.
    fn take_surfaces(&mut self, found: SurfaceSolution, channel: usize) {
        let mut coefficients = found.surfaces.iter().flat_map(|surface| surface.coefficients);
        if !(coefficients.all(f64::is_finite) && found.offsets.iter().all(|offset| offset.is_finite())) {
            let what = format!("channel {channel}: no surfaces, the levels are beyond those of a sky");
            self.undetermined.push(Untold { what, frames: Vec::new() });
            return;
        }
        self.report.chi2 = found.chi2;
        self.report.degrees_of_freedom = found.degrees_of_freedom;
        self.report.systematic = found.excess.sqrt();
        self.report.rounds = found.rounds;
        self.report.health = self.report.health.with(found.health);
        self.undetermined.extend(untold_of(&found, channel));
        self.offsets = Some((found.offsets, found.offset_error));
        self.surfaces = Some((found.surfaces, found.error));
    }

    /// Frames whose levels hang together and whose gains do not: each of these groups has mean log gain 0.
    fn note_gain_parts(&mut self, channel: usize) {
        let mut groups: Vec<(usize, usize)> = (0..self.gain_part.len())
            .filter(|frame| !self.gain_errors[*frame].is_nan())
            .map(|frame| (self.part[frame], self.gain_part[frame]))
            .collect();
        groups.sort_unstable();
        groups.dedup();
        for own in groups.chunk_by(|a, b| a.0 == b.0).filter(|own| own.len() > 1) {
            let what = format!(
                "channel {channel}: the gains of {} groups of frames against each other, which no stars nor structure \
                 connect; their first frames",
                own.len()
            );
            let first = |(_, group): &(usize, usize)| self.gain_part.iter().position(|part| part == group);
            self.undetermined.push(Untold { what, frames: own.iter().filter_map(first).collect() });
        }
    }

    /// Put this channel into the gauge of all.
    pub(crate) fn put_into(self, gauge: &mut Gauge, channel: usize) {
        for (index, frame) in gauge.frames.iter_mut().enumerate() {
            frame.gain[channel] = self.gains[index];
            gauge.error[index].gain[channel] = self.gain_errors[index];
            if let Some((offsets, errors)) = &self.offsets {
                frame.offset[channel] = offsets[index];
                gauge.error[index].offset[channel] = errors[index];
            }
            if let Some((surfaces, errors)) = &self.surfaces {
                frame.surface[channel] = surfaces[index];
                gauge.error[index].surface[channel] = errors[index];
            }
        }
        for own in self.gains_of_pairs {
            if let Some(report) = &mut gauge.pairs[own.pair].gain[channel] {
                (report.remaining, report.weight) = (own.left, own.weight);
            }
        }
        for (own, (difference, weight)) in
            gauge.pairs.iter_mut().zip(self.differences.iter().zip(self.weights))
        {
            own.error[channel] = difference.variance.sqrt();
            own.weight[channel] = weight;
        }
        gauge.without_gain.extend(self.without_gain);
        gauge.undetermined.extend(self.undetermined);
        gauge.channels.push(self.report);
        gauge.part = self.part;
    }
}

/// The gains of `channels` held together ([`crate::channel_gains`]), and their errors: the error that all channels together
/// leave, and of what a channel has beyond it the share that the data determine. Where that cannot be solved each keeps its
/// own, and its health says so.
pub(crate) fn hold_gains_together(channels: &mut [ChannelGauge], observer: &dyn MatchObserver) {
    let [first, second, third] = channels else { return };
    let frames = first.gains.len();
    // A pair that tells a gain in one channel has one in all.
    let own = first.gains_of_pairs.iter().zip(&second.gains_of_pairs).zip(&third.gains_of_pairs);
    let of_pair = |((first, second), third): ((&PairOfGains, &PairOfGains), &PairOfGains)| {
        let all = [first, second, third];
        ChannelDifference {
            a: first.difference.a,
            b: first.difference.b,
            value: all.map(|own| own.own_value),
            weight: all.map(|own| own.own_precision),
        }
    };
    let differences: Vec<ChannelDifference> = own.map(of_pair).collect();
    if differences.is_empty() {
        return;
    }
    let alone: Vec<[f64; 3]> =
        (0..frames).map(|frame| [&*first, &*second, &*third].map(|own| own.gains[frame].ln())).collect();
    let found = solve_together(frames, &differences, &alone, observer);
    for own in channels.iter_mut() {
        own.report.health = own.report.health.with(found.health);
    }
    if !found.log_gain.iter().flatten().all(|gain| gain.is_finite()) {
        return;
    }
    for (frame, log_gains) in found.log_gain.iter().enumerate() {
        let variance_of = |own: &ChannelGauge| (own.gain_errors[frame] / own.gains[frame]).powi(2);
        let together = channels.iter().map(|own| variance_of(own).recip()).sum::<f64>().recip();
        for (own, log_gain) in channels.iter_mut().zip(log_gains) {
            let variance = together + found.determined * (variance_of(own) - together);
            own.gains[frame] = log_gain.exp();
            own.gain_errors[frame] = own.gains[frame] * variance.sqrt();
        }
    }
    for (channel, own) in channels.iter_mut().enumerate() {
        for pair in &mut own.gains_of_pairs {
            let log_gain = |frame: usize| found.log_gain[frame][channel];
            pair.left = pair.difference.value + log_gain(pair.difference.a) - log_gain(pair.difference.b);
        }
        own.report.colour_width = Some(found.width);
    }
}

/// What the overlaps do not tell of surfaces; terms of single frames by their order.
fn untold_of(found: &SurfaceSolution, channel: usize) -> Vec<Untold> {
    let mut all: Vec<Untold> = Vec::new();
    for mode in &found.undetermined {
        let what = format!("channel {channel}: {mode}");
        let frames = match mode {
            Undetermined::Common { part, .. } => {
                (0..found.part.len()).filter(|frame| found.part[*frame] == *part).collect()
            }
            Undetermined::Frame { frame, order } => {
                let what = format!("channel {channel}: terms of order {order}");
                if let Some(same) = all.iter_mut().find(|own| own.what == what) {
                    same.frames.push(*frame);
                } else {
                    all.push(Untold { what, frames: vec![*frame] });
                }
                continue;
            }
            Undetermined::Order { .. } => Vec::new(),
        };
        all.push(Untold { what, frames });
    }
    all
}

/// Scatter beyond the noise that is common to the pairs of `frames` frames, as a variance, from that of each; what could be chance is
/// taken off.
fn typical_excess(mut signed: Vec<f64>, frames: usize) -> f64 {
    let Some(middle) = median(&mut signed) else { return 0.0 };
    let amounts: Vec<f64> = signed.iter().map(|own| (own - middle).abs()).collect();
    // Pairs share frames: no more of them are independent.
    let independent = signed.len().min(frames) as f64;
    (middle - MEDIAN_ERROR * scatter_of(&amounts) / independent.sqrt()).max(0.0)
}

fn report_of(solution: &OffsetSolution, gains: &ChannelReport) -> ChannelReport {
    ChannelReport {
        chi2: solution.chi2,
        degrees_of_freedom: solution.degrees_of_freedom,
        systematic: solution.excess.sqrt(),
        rounds: solution.rounds,
        iterations: solution.iterations,
        health: gains.health.with(solution.health),
        colour_width: gains.colour_width,
        // Of all pairs when all channels are done.
        ..ChannelReport::default()
    }
}
