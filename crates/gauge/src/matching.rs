//! Gain, offset and surface of all frames at once: pairs are measured, and one system per channel is solved on
//! the same network (`channel.rs`).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::blocks::BlockGrid;
use crate::channel::{ChannelGauge, ChannelJob, hold_gains_together};
use crate::colour::together;
use crate::compat::intertile::intertile;
use crate::gain::{PairGain, observed_pair_gains};
use crate::gauge::{FrameError, Gauge, Untold};
use crate::location::{Differences, Location};
use crate::network::{linked, parts};
use crate::observer::MatchObserver;
use crate::options::{MatchMethod, MatchOptions};
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::reference_gauge::refer_to;
use crate::report::{ChannelReport, GainReport, PairReport};
use crate::shared_noise::places_of;
use crate::surface::SURFACE_TERMS;

/// Variance of the difference of two frames of zeros without noise, at most.
const BLANK: f64 = 1e-59;
/// A pair whose variance is more times the median tells nothing.
const MOST_VARIANCE: f64 = 1e10;
/// With fewer pairs threads are not worth it.
pub const FEW_PAIRS: usize = 4;

/// What was measured of a pair in a channel.
pub(crate) struct Measured {
    /// With what the other channels say.
    pub(crate) gain: Option<PairGain>,
    /// Without.
    pub(crate) own_gain: Option<PairGain>,
    /// Difference of the levels as they are.
    pub(crate) raw: Option<Location>,
}

/// How many channels are solved at once; decides memory ([`crate::MatchBytes`]) and time, never a bit of the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelsAtOnce {
    /// All.
    #[default]
    All,
    /// One after another: threads share the pairs and blocks of each.
    One,
}

/// What is matched.
#[derive(Debug, Clone, Copy)]
pub struct MatchJob<'a> {
    /// The blocks of every frame.
    pub previews: &'a [Preview],
    /// The blocks they are on.
    pub blocks: BlockGrid,
    /// The pairs to compare ([`crate::choose_pairs`]), sorted.
    pub pairs: &'a [Pair],
    /// Index of the frame that keeps its values, if one does.
    pub reference: Option<usize>,
    /// Channels that are solved at once.
    pub channels_at_once: ChannelsAtOnce,
}

/// The gauge of all frames of `job`. Runs on the current pool.
pub fn match_frames(job: &MatchJob<'_>, options: &MatchOptions, observer: &dyn MatchObserver) -> Gauge {
    let MatchJob { previews, blocks, pairs: chosen, reference, channels_at_once } = *job;
    let mut gauge = Gauge::identity(previews.len());
    if options.method == MatchMethod::None {
        return gauge;
    }
    let threads = if chosen.len() < FEW_PAIRS { 1 } else { rayon::current_num_threads() };
    observer.pairs_chosen(chosen.len(), threads);
    let channels = previews.first().map_or(0, Preview::channels);
    gauge.error = vec![FrameError::default(); previews.len()];
    let measured = measure_pairs(previews, chosen, channels, options, observer);
    let is_dead = dead_frames(previews);
    let (pairs, measured) = with_meaning((chosen, measured), channels, &is_dead);
    if pairs.len() < chosen.len() {
        gauge.undetermined.push(untold_of_dropped(chosen, &pairs));
    }
    gauge.pairs = pairs.iter().zip(&measured).map(|(pair, measured)| report_of(pair, measured)).collect();
    if options.method == MatchMethod::Zemosaic {
        gauge.frames = intertile(previews, blocks.block_px, &pairs, &options.intertile, observer);
        gauge.part = parts(previews.len(), pairs.iter().map(|pair| (pair.a, pair.b)));
        gauge.channels = vec![ChannelReport::default(); channels];
    } else {
        let places = places_of(previews, &pairs);
        let (pairs, measured, places) = (&pairs, &measured, &places);
        let job = ChannelJob { previews, blocks, pairs, measured, places, options, observer };
        let all: Vec<usize> = (0..channels).collect();
        let told = |solved: ChannelGauge| {
            observer.piece_done();
            solved
        };
        let mut with_gains = in_channels(all, channels_at_once, |channel, _| told(job.gains(channel)));
        hold_gains_together(&mut with_gains, observer);
        let solved =
            in_channels(with_gains, channels_at_once, |channel, gains| told(job.solve(channel, gains)));
        for (channel, solved) in solved.into_iter().enumerate() {
            solved.put_into(&mut gauge, channel);
        }
        gauge.without_gain.sort_unstable();
        gauge.without_gain.dedup();
    }
    if let Some(reference) = reference {
        refer_errors_to(&mut gauge, reference);
        refer_pairs_to(&mut gauge, reference);
        refer_to(&mut gauge.frames, &gauge.part, reference);
        gauge.reference = Some(reference);
    }
    finish(previews, blocks, &pairs, &mut gauge, observer);
    gauge
}

/// `solve` of the number and the part of each channel.
fn in_channels<T: Send, R: Send>(
    parts: Vec<T>,
    at_once: ChannelsAtOnce,
    solve: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    match at_once {
        ChannelsAtOnce::All => {
            parts.into_par_iter().enumerate().map(|(channel, own)| solve(channel, own)).collect()
        }
        ChannelsAtOnce::One => {
            parts.into_iter().enumerate().map(|(channel, own)| solve(channel, own)).collect()
        }
    }
}

/// The pairs of `chosen` that are not among `kept`, by their frames: those of most such pairs first.
fn untold_of_dropped(chosen: &[Pair], kept: &[Pair]) -> Untold {
    let dropped: Vec<&Pair> = chosen.iter().filter(|pair| kept.binary_search(pair).is_err()).collect();
    let mut count: BTreeMap<usize, usize> = BTreeMap::new();
    for frame in dropped.iter().flat_map(|pair| [pair.a, pair.b]) {
        *count.entry(frame).or_default() += 1;
    }
    let mut frames: Vec<usize> = count.keys().copied().collect();
    frames.sort_by_key(|frame| Reverse(count[frame]));
    let what = format!(
        "{} pairs of frames whose levels scatter beyond those of any sky, or that show nothing, are not used",
        dropped.len()
    );
    Untold { what, frames }
}

/// Errors of the pairs of the reference's part in its unit, before the gauge is made so. What remains of pairs is measured after.
fn refer_pairs_to(gauge: &mut Gauge, reference: usize) {
    let Some(own) = gauge.frames.get(reference).map(|frame| frame.gain) else { return };
    let part = &gauge.part;
    let is_of_part = |pair: &PairReport| part[pair.a] == part[reference];
    for pair in gauge.pairs.iter_mut().filter(|pair| is_of_part(pair)) {
        for (error, own) in pair.error.iter_mut().zip(&own) {
            *error /= own;
        }
    }
    // One figure for all pairs: in the unit of the reference where that is the unit of all.
    if gauge.pairs.iter().all(is_of_part) {
        for (report, own) in gauge.channels.iter_mut().zip(&own) {
            report.systematic /= own;
        }
    }
}

/// Frames that show nothing, one value all over, among others that have noise.
fn dead_frames(previews: &[Preview]) -> Vec<bool> {
    let is_flat = |preview: &Preview| {
        let variances = preview.variance.iter().flatten().filter(|variance| !variance.is_nan());
        let mut count = 0;
        let noisy = variances.inspect(|_| count += 1).filter(|variance| **variance > 0.0).count();
        count > 0 && noisy == 0
    };
    let flat: Vec<bool> = previews.iter().map(is_flat).collect();
    if flat.iter().all(|flat| *flat) { vec![false; previews.len()] } else { flat }
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
        // The same blocks in every channel.
        blocks_used: measured.iter().find_map(|own| own.raw).map_or(0, |raw| raw.samples),
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
            let found = if options.method.has_gain() {
                observed_pair_gains((previews, pairs), channel, options, observer)
            } else {
                vec![None; pairs.len()]
            };
            observer.piece_done();
            found
        })
        .collect();
    let one = |scratch: &mut Differences, (index, pair): (usize, &Pair)| -> Vec<Measured> {
        let own: Vec<Option<PairGain>> = gains.iter().map(|channel| channel[index]).collect();
        let own = together(&own);
        let of = |channel: usize, scratch: &mut Differences| {
            scratch.fill_scaled(&previews[pair.a], &previews[pair.b], channel, 1.0, 1.0);
            Measured { gain: own[channel], own_gain: gains[channel][index], raw: scratch.location(0.0) }
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
    (pairs, measured): (&[Pair], Vec<Vec<Measured>>),
    channels: usize,
    is_dead: &[bool],
) -> (Vec<Pair>, Vec<Vec<Measured>>) {
    let variance = |own: &[Measured], channel: usize| own[channel].raw.map(|raw| raw.variance);
    let most: Vec<f64> = (0..channels)
        .map(|channel| {
            let known = measured.iter().filter_map(|own| variance(own, channel));
            // Blank frames have no noise to compare with.
            let mut known: Vec<f64> = known.filter(|variance| *variance > BLANK).collect();
            known.sort_unstable_by(f64::total_cmp);
            // One odd frame of few is in most pairs.
            MOST_VARIANCE * known.get(known.len() / 10).copied().unwrap_or(1.0)
        })
        .collect();
    let has_meaning = |(pair, own): &(Pair, Vec<Measured>)| {
        if is_dead[pair.a] || is_dead[pair.b] {
            return false;
        }
        (0..channels).all(|channel| variance(own, channel).is_some_and(|variance| variance <= most[channel]))
    };
    pairs.iter().copied().zip(measured).filter(has_meaning).unzip()
}

/// What remains of every pair, and frames that nothing links.
fn finish(
    previews: &[Preview],
    blocks: BlockGrid,
    pairs: &[Pair],
    gauge: &mut Gauge,
    observer: &dyn MatchObserver,
) {
    let channels = previews.first().map_or(0, Preview::channels);
    let frames = &gauge.frames;
    let remaining = |scratch: &mut Differences, pair: &Pair| -> Vec<f64> {
        let of = |channel: usize, scratch: &mut Differences| {
            let (a, b) = ((&previews[pair.a], &frames[pair.a]), (&previews[pair.b], &frames[pair.b]));
            scratch.fill_corrected(a, b, channel, blocks);
            scratch.location(0.0).map_or(f64::NAN, |found| found.mean)
        };
        let found = (0..channels).map(|channel| of(channel, scratch)).collect();
        observer.piece_done();
        found
    };
    let after: Vec<Vec<f64>> = pairs.par_iter().map_init(Differences::default, remaining).collect();
    for (report, after) in gauge.pairs.iter_mut().zip(after) {
        report.after = after;
    }
    for (channel, report) in gauge.channels.iter_mut().enumerate() {
        report.rms_after = rms(gauge.pairs.iter().map(|pair| pair.after[channel]));
        report.rms_before = rms(gauge.pairs.iter().map(|pair| pair.before[channel]));
    }
    let is_linked = linked(gauge.frames.len(), pairs.iter().map(|pair| (pair.a, pair.b)));
    if is_linked.len() > 1 {
        gauge.unlinked = (0..is_linked.len()).filter(|frame| !is_linked[*frame]).collect();
    }
}

/// Errors relative to those of the reference, before the gauge is made so: errors of two frames are taken as independent, which
/// they are not quite; those of the reference itself are 0.
fn refer_errors_to(gauge: &mut Gauge, reference: usize) {
    let (Some(origin), Some(part)) =
        (gauge.error.get(reference).copied(), gauge.part.get(reference).copied())
    else {
        return;
    };
    let own = gauge.frames[reference].gain;
    for (index, error) in gauge.error.iter_mut().enumerate().filter(|(index, _)| gauge.part[*index] == part) {
        for (channel, own) in own.iter().enumerate() {
            let gain = gauge.frames[index].gain[channel];
            let relative = (error.gain[channel] / gain).hypot(origin.gain[channel] / own);
            error.gain[channel] = gain / own * relative;
            error.offset[channel] = error.offset[channel].hypot(origin.offset[channel]) / own;
            // The surface of the reference is taken off all others, in terms of their own places.
            error.surface[channel] = [f64::NAN; SURFACE_TERMS];
        }
    }
    // It has none against itself; what was not solved stays unknown.
    let none = |error: f64| if error.is_nan() { error } else { 0.0 };
    gauge.error[reference] = FrameError {
        gain: origin.gain.map(none),
        offset: origin.offset.map(none),
        surface: origin.surface.map(|terms| terms.map(none)),
    };
}

/// Root mean square of what is a number; 0 of nothing.
fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values
        .filter(|value| value.is_finite())
        .fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value * value));
    if count == 0 { 0.0 } else { (sum / count as f64).sqrt() }
}
