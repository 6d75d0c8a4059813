//! One channel of a match: log gains first, then offsets of the levels with these gains, then surfaces.

use rayon::prelude::*;

use crate::blocks::BlockGrid;
use crate::gauge::Gauge;
use crate::location::{Differences, Location, block_differences, median};
use crate::matching::{Measured, rms};
use crate::options::{MatchMethod, MatchOptions};
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::report::ChannelReport;
use crate::solve::{Difference, OffsetSolution, solve_offsets};
use crate::surface::Surface;
use crate::surfaces::{BlockDifference, SurfacePair, SurfaceSolution, solve_surfaces};

/// Pairs of fewer common blocks cannot tell their own scatter: they have at least that of a typical pair.
const ENOUGH_BLOCKS: usize = 8;
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
    pub(crate) options: &'a MatchOptions,
}

/// The solution of a channel, by frame or by pair.
pub(crate) struct ChannelGauge {
    gains: Vec<f64>,
    /// NaN where nothing tells the gain, or none was asked for.
    gain_errors: Vec<f64>,
    without_gain: Vec<usize>,
    /// Of the pairs with a gain: index, what remains, weight.
    gains_of_pairs: Vec<(usize, f64, f64)>,
    /// `None` where only gains are asked for.
    offsets: Option<(Vec<f64>, Vec<f64>)>,
    surfaces: Option<Vec<Surface>>,
    differences: Vec<Difference>,
    weights: Vec<f64>,
    part: Vec<usize>,
    /// Connected part of each frame in the network of gains.
    gain_part: Vec<usize>,
    report: ChannelReport,
    undetermined: Vec<String>,
}

impl ChannelJob<'_> {
    /// Solve a channel.
    pub(crate) fn solve(&self, channel: usize) -> ChannelGauge {
        let mut gauge = self.gains(channel);
        gauge.differences = self.sky_differences(channel, &gauge.gains);
        let solution = solve_offsets(self.previews.len(), &gauge.differences);
        gauge.report = report_of(&solution, &gauge.differences);
        if self.options.method == MatchMethod::Surface {
            let found = self.surfaces(channel, &gauge.gains, &solution);
            gauge.take_surfaces(found, channel);
        }
        if self.options.method.has_offset() && gauge.offsets.is_none() {
            gauge.offsets = Some((solution.offsets, solution.error));
        }
        gauge.weights = solution.weight;
        gauge.part = solution.part;
        gauge.note_gain_parts(channel);
        gauge
    }

    /// Log gains, from the pairs that tell one.
    fn gains(&self, channel: usize) -> ChannelGauge {
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
        let solution = solve_offsets(frames, &differences);
        let mut is_linked = vec![false; frames];
        for difference in &differences {
            is_linked[difference.a] = true;
            is_linked[difference.b] = true;
        }
        gauge.gain_part.clone_from(&solution.part);
        gauge.gains = solution.offsets.iter().map(|log_gain| log_gain.exp()).collect();
        for (frame, is_linked) in is_linked.into_iter().enumerate() {
            if is_linked {
                gauge.gain_errors[frame] = gauge.gains[frame] * solution.error[frame];
            } else if frames > 1 {
                gauge.without_gain.push(frame);
            }
        }
        let left = differences.iter().map(|difference| solution.residual(difference));
        let of_pairs = pairs.into_iter().zip(left).zip(&solution.weight);
        gauge.gains_of_pairs = of_pairs.map(|((pair, left), weight)| (pair, left, *weight)).collect();
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
            .map_init(Differences::default, |scratch, pair| located(pair, 0.0, scratch))
            .collect();
        let known = found.iter().zip(self.pairs).filter(|(_, pair)| pair.blocks >= ENOUGH_BLOCKS);
        let mut excess: Vec<f64> = known.filter_map(|(found, _)| found.map(|found| found.excess)).collect();
        let typical = median(&mut excess).unwrap_or(0.0);
        let mut scratch = Differences::default();
        let with_typical = |(pair, found): (&Pair, Option<Location>)| {
            let found =
                if pair.blocks < ENOUGH_BLOCKS { located(pair, typical, &mut scratch) } else { found };
            // Pairs have common blocks by construction; one without would count for nothing.
            let (value, variance) = found.map_or((0.0, NOTHING), |found| (found.mean, found.variance));
            Difference { a: pair.a, b: pair.b, value, variance }
        };
        self.pairs.iter().zip(found).map(with_typical).collect()
    }

    fn surfaces(&self, channel: usize, gains: &[f64], start: &OffsetSolution) -> SurfaceSolution {
        let side = self.blocks.block_px as f64;
        let over = |preview: &Preview| {
            let region = preview.region;
            let span = |first: i64, end: i64| [first as f64 * side - 0.5, end as f64 * side - 0.5];
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
        solve_surfaces(&frames, &pairs, self.options.surface_order, &start.offsets)
    }
}

impl ChannelGauge {
    /// Offsets and surfaces. Where they are no numbers, as with levels beyond those of any sky, offsets alone stay.
    fn take_surfaces(&mut self, found: SurfaceSolution, channel: usize) {
        let mut coefficients = found.surfaces.iter().flat_map(|surface| surface.coefficients);
        if !(coefficients.all(f64::is_finite) && found.offsets.iter().all(|offset| offset.is_finite())) {
            let text = format!("channel {channel}: no surfaces, the levels are beyond those of a sky");
            self.undetermined.push(text);
            return;
        }
        self.report.chi2 = found.chi2;
        self.report.degrees_of_freedom = found.degrees_of_freedom;
        self.report.systematic = found.excess.sqrt();
        self.report.rounds = found.rounds;
        self.undetermined.extend(found.undetermined.iter().map(|mode| format!("channel {channel}: {mode}")));
        self.offsets = Some((found.offsets, found.offset_error));
        self.surfaces = Some(found.surfaces);
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
            self.undetermined.push(format!(
                "channel {channel}: the gains of {} groups of frames against each other, which no stars nor structure connect",
                own.len()
            ));
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
            if let Some(surfaces) = &self.surfaces {
                frame.surface[channel] = surfaces[index];
            }
        }
        for (pair, left, weight) in self.gains_of_pairs {
            if let Some(report) = &mut gauge.pairs[pair].gain[channel] {
                (report.remaining, report.weight) = (left, weight);
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

fn report_of(solution: &OffsetSolution, differences: &[Difference]) -> ChannelReport {
    ChannelReport {
        chi2: solution.chi2,
        degrees_of_freedom: solution.degrees_of_freedom,
        rms_before: rms(differences.iter().map(|difference| difference.value)),
        rms_after: 0.0,
        systematic: solution.excess.sqrt(),
        rounds: solution.rounds,
        iterations: solution.iterations,
    }
}
