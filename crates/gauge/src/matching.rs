//! Gain, offset and surface of all frames at once: pairs are chosen and measured, and one system per channel is solved on
//! the same network: log gains first, then offsets of the levels with these gains, then surfaces.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::blocks::BlockGrid;
use crate::compat::intertile::{IntertileOptions, intertile};
use crate::gain::{PairGain, pair_gains};
use crate::gauge::{FrameError, Gauge};
use crate::gauge_solution::refer_to;
use crate::location::{Differences, Location, block_differences, median};
use crate::network::parts;
use crate::options::{MatchMethod, MatchOptions};
use crate::pair_report::{ChannelReport, GainReport, PairReport};
use crate::pairs::{Pair, choose_pairs};
use crate::preview::Preview;
use crate::solve::{Difference, OffsetSolution, solve_offsets};
use crate::surface::Surface;
use crate::surfaces::{BlockDifference, SurfacePair, SurfaceSolution, solve_surfaces};

/// Pairs of fewer common blocks cannot tell their own scatter: they have at least that of a typical pair.
const ENOUGH_BLOCKS: usize = 8;
/// Variance of a difference that is not known: its weight is a number, yet far below any other.
const NOTHING: f64 = 1e100;
/// Variance of the difference of two frames of zeros without noise, at most.
const BLANK: f64 = 1e-59;
/// A pair whose variance is more times the median tells nothing.
const MOST_VARIANCE: f64 = 1e10;
/// Blocks of a pair that scatter more than this times the typical, as variances, are not those of a sky with gradients.
const ODD_SCATTER: f64 = 100.0;
/// With fewer pairs threads are not worth it.
const FEW_PAIRS: usize = 4;

/// Is told about the work as it goes on; called from many threads.
pub trait MatchObserver: Sync {
    /// So many pairs will be measured, by so many threads.
    fn pairs_chosen(&self, _pairs: usize, _threads: usize) {}
    /// A pair is measured; so many of all are done.
    fn pair_done(&self, _done: usize, _pairs: usize) {}
}

/// Nobody is told.
impl MatchObserver for () {}

/// What was measured of a pair, per channel.
struct Measured {
    gain: Option<PairGain>,
    /// Difference of the levels as they are.
    raw: Option<Location>,
}

/// The gauge of `previews`, which are on `blocks`. `reference`: index of the frame that keeps its values, if one does.
pub fn match_frames(
    previews: &[Preview],
    blocks: BlockGrid,
    reference: Option<usize>,
    options: &MatchOptions,
    observer: &dyn MatchObserver,
) -> Gauge {
    let mut gauge = Gauge::identity(previews.len());
    if options.method == MatchMethod::None {
        return gauge;
    }
    let pairs = choose_pairs(previews, options);
    let threads = if pairs.len() < FEW_PAIRS { 1 } else { rayon::current_num_threads() };
    observer.pairs_chosen(pairs.len(), threads);
    let channels = previews.first().map_or(0, Preview::channels);
    gauge.error = vec![FrameError::default(); previews.len()];
    let measured = measure_pairs(previews, &pairs, channels, options, observer);
    let (pairs, measured) = with_meaning((pairs, measured), channels);
    gauge.pairs = pairs.iter().zip(&measured).map(|(pair, measured)| report_of(pair, measured)).collect();
    if options.method == MatchMethod::Zemosaic {
        gauge.frames = intertile(previews, &pairs, &IntertileOptions::default());
        gauge.part = parts(previews.len(), pairs.iter().map(|pair| (pair.a, pair.b)));
        gauge.channels = vec![ChannelReport::default(); channels];
    } else {
        for channel in 0..channels {
            let own: Vec<&Measured> = measured.iter().map(|channels| &channels[channel]).collect();
            solve_channel(previews, blocks, (&pairs, &own), channel, options, &mut gauge);
        }
    }
    finish(previews, blocks, &pairs, channels, &mut gauge);
    if let Some(reference) = reference {
        refer_to(&mut gauge.frames, &gauge.part, reference);
        gauge.reference = Some(reference);
    }
    gauge
}

/// The report of a pair before anything is solved.
fn report_of(pair: &Pair, measured: &[Measured]) -> PairReport {
    let gain = |own: &Measured| {
        own.gain.map(|gain| GainReport {
            log_gain: gain.value,
            error: gain.variance.sqrt(),
            origin: gain.origin,
            samples: gain.samples,
            remaining: gain.value,
            weight: 1.0,
        })
    };
    let channels = measured.len();
    PairReport {
        a: pair.a,
        b: pair.b,
        blocks: pair.blocks,
        before: measured.iter().map(|own| own.raw.map_or(f64::NAN, |raw| raw.mean)).collect(),
        after: vec![f64::NAN; channels],
        error: measured.iter().map(|own| own.raw.map_or(f64::NAN, |raw| raw.variance.sqrt())).collect(),
        weight: vec![1.0; channels],
        gain: measured.iter().map(gain).collect(),
    }
}

/// All pairs, in all channels.
fn measure_pairs(
    previews: &[Preview],
    pairs: &[Pair],
    channels: usize,
    options: &MatchOptions,
    observer: &dyn MatchObserver,
) -> Vec<Vec<Measured>> {
    let done = AtomicUsize::new(0);
    let gains: Vec<Vec<Option<PairGain>>> = (0..channels)
        .map(|channel| {
            if options.method.has_gain() {
                pair_gains(previews, pairs, channel, options)
            } else {
                vec![None; pairs.len()]
            }
        })
        .collect();
    let one = |scratch: &mut Differences, (index, pair): (usize, &Pair)| -> Vec<Measured> {
        let of = |channel: usize, scratch: &mut Differences| {
            scratch.fill(&previews[pair.a], &previews[pair.b], channel);
            Measured { gain: gains[channel][index], raw: scratch.location(0.0) }
        };
        let measured = (0..channels).map(|channel| of(channel, scratch)).collect();
        observer.pair_done(done.fetch_add(1, Ordering::Relaxed) + 1, pairs.len());
        measured
    };
    if pairs.len() < FEW_PAIRS {
        let mut scratch = Differences::default();
        return pairs.iter().enumerate().map(|pair| one(&mut scratch, pair)).collect();
    }
    pairs.par_iter().enumerate().map_init(Differences::default, one).collect()
}

/// The pairs whose differences are numbers of the size of the others: levels of junk (1e20, say) beside those of a sky tell nothing
/// of either, and weights that are 1e-20 of others are lost in the digits of a sum.
fn with_meaning(
    (pairs, measured): (Vec<Pair>, Vec<Vec<Measured>>),
    channels: usize,
) -> (Vec<Pair>, Vec<Vec<Measured>>) {
    let variance = |own: &[Measured], channel: usize| own[channel].raw.map(|raw| raw.variance);
    let most: Vec<f64> = (0..channels)
        .map(|channel| {
            let known = measured.iter().filter_map(|own| variance(own, channel));
            // Blank frames have no noise to compare with.
            let mut known: Vec<f64> = known.filter(|variance| *variance > BLANK).collect();
            MOST_VARIANCE * median(&mut known).unwrap_or(1.0)
        })
        .collect();
    let has_meaning = |(_, own): &(Pair, Vec<Measured>)| {
        (0..channels).all(|channel| variance(own, channel).is_some_and(|variance| variance <= most[channel]))
    };
    pairs.into_iter().zip(measured).filter(has_meaning).unzip()
}

/// Gains, offsets and surfaces of one channel.
fn solve_channel(
    previews: &[Preview],
    blocks: BlockGrid,
    (pairs, measured): (&[Pair], &[&Measured]),
    channel: usize,
    options: &MatchOptions,
    gauge: &mut Gauge,
) {
    if options.method.has_gain() {
        solve_gains((pairs, measured), channel, gauge);
    }
    let gains: Vec<f64> = gauge.frames.iter().map(|frame| frame.gain[channel]).collect();
    let differences = sky_differences(previews, pairs, channel, &gains);
    let solution = solve_offsets(previews.len(), &differences);
    let mut report = channel_report(&solution, &differences);
    for (own, (difference, weight)) in gauge.pairs.iter_mut().zip(differences.iter().zip(&solution.weight)) {
        own.error[channel] = difference.variance.sqrt();
        own.weight[channel] = *weight;
    }
    if options.method.has_offset() {
        for (index, frame) in gauge.frames.iter_mut().enumerate() {
            frame.offset[channel] = solution.offsets[index];
            gauge.error[index].offset[channel] = solution.error[index];
        }
    }
    if options.method == MatchMethod::Surface {
        let found = surfaces(previews, blocks, (pairs, measured, &gains), channel, options, &solution);
        take_surfaces(&found, channel, gauge, &mut report);
    }
    gauge.channels.push(report);
    gauge.part = solution.part;
}

/// Offsets and surfaces of one channel. Where they are no numbers, as with levels beyond those of any sky, offsets alone stay.
fn take_surfaces(found: &SurfaceSolution, channel: usize, gauge: &mut Gauge, report: &mut ChannelReport) {
    let mut coefficients = found.surfaces.iter().flat_map(|surface| surface.coefficients);
    if !(coefficients.all(f64::is_finite) && found.offsets.iter().all(|offset| offset.is_finite())) {
        gauge
            .undetermined
            .push(format!("channel {channel}: no surfaces, the levels are beyond those of a sky"));
        return;
    }
    for (index, frame) in gauge.frames.iter_mut().enumerate() {
        frame.offset[channel] = found.offsets[index];
        frame.surface[channel] = found.surfaces[index];
        gauge.error[index].offset[channel] = found.offset_error[index];
    }
    report.chi2 = found.chi2;
    report.degrees_of_freedom = found.degrees_of_freedom;
    report.systematic = found.excess.sqrt();
    report.rounds = found.rounds;
    gauge.undetermined.extend(found.undetermined.iter().map(|mode| format!("channel {channel}: {mode}")));
}

/// Log gains of one channel, from the pairs that tell one.
fn solve_gains((pairs, measured): (&[Pair], &[&Measured]), channel: usize, gauge: &mut Gauge) {
    let links: Vec<(usize, Difference)> = pairs
        .iter()
        .zip(measured)
        .enumerate()
        .filter_map(|(index, (pair, own))| {
            let gain = own.gain?;
            Some((index, Difference { a: pair.a, b: pair.b, value: gain.value, variance: gain.variance }))
        })
        .collect();
    let differences: Vec<Difference> = links.iter().map(|(_, difference)| *difference).collect();
    let frames = gauge.frames.len();
    let solution = solve_offsets(frames, &differences);
    let mut is_linked = vec![false; frames];
    for difference in &differences {
        is_linked[difference.a] = true;
        is_linked[difference.b] = true;
    }
    for (index, frame) in gauge.frames.iter_mut().enumerate() {
        frame.gain[channel] = solution.offsets[index].exp();
        // Of a frame whose gain nothing tells no error is known either.
        gauge.error[index].gain[channel] =
            if is_linked[index] { frame.gain[channel] * solution.error[index] } else { f64::NAN };
    }
    if frames > 1 {
        let untold = (0..frames).filter(|frame| !is_linked[*frame]);
        gauge.without_gain.extend(untold);
        gauge.without_gain.sort_unstable();
        gauge.without_gain.dedup();
    }
    for ((index, difference), weight) in links.iter().zip(&solution.weight) {
        if let Some(report) = &mut gauge.pairs[*index].gain[channel] {
            report.remaining = solution.residual(difference);
            report.weight = *weight;
        }
    }
}

/// Differences of the levels with `gains`.
fn sky_differences(previews: &[Preview], pairs: &[Pair], channel: usize, gains: &[f64]) -> Vec<Difference> {
    let located = |pair: &Pair, least_excess: f64, scratch: &mut Differences| {
        let (a, b) = (&previews[pair.a], &previews[pair.b]);
        scratch.fill_scaled(a, b, channel, gains[pair.a], gains[pair.b]);
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
        let (value, variance) = found.map_or((0.0, NOTHING), |found| (found.mean, found.variance));
        Difference { a: pair.a, b: pair.b, value, variance }
    };
    pairs.iter().zip(found).map(with_typical).collect()
}

fn surfaces(
    previews: &[Preview],
    blocks: BlockGrid,
    (pairs, measured, gains): (&[Pair], &[&Measured], &[f64]),
    channel: usize,
    options: &MatchOptions,
    start: &OffsetSolution,
) -> SurfaceSolution {
    let side = blocks.block_px as f64;
    let over = |preview: &Preview| {
        let region = preview.region;
        let span = |first: i64, end: i64| [first as f64 * side - 0.5, end as f64 * side - 0.5];
        Surface::over(span(region.x0, region.x1()), span(region.y0, region.y1()))
    };
    let frames: Vec<Surface> = previews.iter().map(over).collect();
    let scatter = |own: &Measured| own.raw.map_or(0.0, |raw| raw.excess);
    let most =
        ODD_SCATTER * median(&mut measured.iter().map(|own| scatter(own)).collect::<Vec<_>>()).unwrap_or(0.0);
    let with_blocks = |(pair, own): (&Pair, &&Measured)| {
        // What scatters far more than others do is no sky: it counts for what it says.
        let odd = if scatter(own) > most { scatter(own) } else { 0.0 };
        let (a, b, gains) = (&previews[pair.a], &previews[pair.b], (gains[pair.a], gains[pair.b]));
        let found = block_differences(a, b, channel, gains, blocks).into_iter();
        let of_block = |(x_px, y_px, value, variance)| {
            let variance = variance + odd;
            BlockDifference { x_px, y_px, value, variance }
        };
        SurfacePair { a: pair.a, b: pair.b, blocks: found.map(of_block).collect() }
    };
    let pairs: Vec<SurfacePair> = pairs.par_iter().zip(measured).map(with_blocks).collect();
    solve_surfaces(&frames, &pairs, options.surface_order, &start.offsets)
}

/// What remains of every pair, and frames that nothing links.
fn finish(previews: &[Preview], blocks: BlockGrid, pairs: &[Pair], channels: usize, gauge: &mut Gauge) {
    let frames = &gauge.frames;
    let remaining = |scratch: &mut Differences, pair: &Pair| -> Vec<f64> {
        let of = |channel: usize, scratch: &mut Differences| {
            let (a, b) = ((&previews[pair.a], &frames[pair.a]), (&previews[pair.b], &frames[pair.b]));
            scratch.fill_corrected(a, b, channel, blocks);
            scratch.location(0.0).map_or(f64::NAN, |found| found.mean)
        };
        (0..channels).map(|channel| of(channel, scratch)).collect()
    };
    let after: Vec<Vec<f64>> = pairs.par_iter().map_init(Differences::default, remaining).collect();
    for (report, after) in gauge.pairs.iter_mut().zip(after) {
        report.after = after;
    }
    for (channel, report) in gauge.channels.iter_mut().enumerate() {
        report.rms_after = rms(gauge.pairs.iter().map(|pair| pair.after[channel]));
        report.rms_before = rms(gauge.pairs.iter().map(|pair| pair.before[channel]));
    }
    let mut is_linked = vec![false; gauge.frames.len()];
    for pair in pairs {
        is_linked[pair.a] = true;
        is_linked[pair.b] = true;
    }
    if is_linked.len() > 1 {
        gauge.unlinked = (0..is_linked.len()).filter(|frame| !is_linked[*frame]).collect();
    }
}

/// Root mean square of what is a number; 0 of nothing.
fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values
        .filter(|value| value.is_finite())
        .fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value * value));
    if count == 0 { 0.0 } else { (sum / count as f64).sqrt() }
}

fn channel_report(solution: &OffsetSolution, differences: &[Difference]) -> ChannelReport {
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
