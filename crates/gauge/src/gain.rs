//! By how much two frames differ in strength: the ratio of the fluxes of common stars, and where there are too few that of
//! the structure in common blocks; never one from sky alone. `docs/methods/star-gains.md` has formulas and figures.

use std::ops::RangeInclusive;

use rayon::prelude::*;
use serde::Serialize;
use zemosaic_image::stats::weighted_median;

use crate::deming::{Structure, structure_gain};
use crate::log_ratio::{ANY_FLOOR, LogRatio, log_ratio};
use crate::observer::{MatchObserver, small_piece_done};
use crate::options::MatchOptions;
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::star_list::GridStar;
use crate::statistics::median;

/// Farthest that a star may be from itself, pixels of the grid.
const MATCH_PX: f64 = 1.5;

/// Variance of the ratio of the widths of a star that has no noise.
const WIDTH_FLOOR: f64 = 1e-4;

/// Least signal to noise in a channel over that in the best of the star, or over what is asked for where that has more: what
/// is chosen by the noise of its own channel is brighter there by chance.
const OWN_SNR: f64 = 0.25;
/// Least signal to noise in the best channel, where those above `star_snr` are too few.
const LEAST_SNR: f64 = 7.0;
/// Error of a gain per ln of the ratio of the widths: images of other widths are not quite of one shape, because pixels
/// sample them (measured: 0.1 to 1.2 %, rms 0.6 %, for FWHM of 1 to 5 pixels and Moffat's beta of 2 to 5).
const SHAPE_ERROR: f64 = 6e-3;
/// ln of the ratio of two widths up to which two frames have the same seeing.
const ALIKE: f64 = 0.05;
/// Neighbours that a star may have, as a share of its height, where the seeing differs.
const ISOLATED: f32 = 0.2;
/// Stars that may support a gain from structure.
const FEW_STARS: usize = 6;
/// Squared distance of stars and structure, in variances, up to which they agree.
const AGREEMENT: f64 = 9.0;

/// What a gain was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GainOrigin {
    /// Fluxes of common stars.
    Stars,
    /// Levels of common blocks.
    Structure,
    /// The other channels of the pair.
    Channels,
}

/// The gain of a pair in a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairGain {
    /// ln(level of a over that of b for the same light).
    pub value: f64,
    /// Its variance.
    pub variance: f64,
    /// What it was measured on.
    pub origin: GainOrigin,
    /// Stars or blocks that count.
    pub samples: usize,
}

/// Gains of `pairs` in a channel, in their order; `None` where neither stars nor structure tell.
pub fn pair_gains(
    previews: &[Preview],
    pairs: &[Pair],
    channel: usize,
    options: &MatchOptions,
) -> Vec<Option<PairGain>> {
    observed_pair_gains((previews, pairs), channel, options, &())
}

/// [`pair_gains`] of which `observer` is told.
pub(crate) fn observed_pair_gains(
    (previews, pairs): (&[Preview], &[Pair]),
    channel: usize,
    options: &MatchOptions,
    observer: &dyn MatchObserver,
) -> Vec<Option<PairGain>> {
    let enough = options.min_stars.max(2);
    let least_stars = enough.min(FEW_STARS);
    let usable: Vec<Vec<&GridStar>> =
        previews.par_iter().map(|preview| usable_stars(preview, channel, options.star_snr)).collect();
    let of_stars = |scratch: &mut Scratch, pair: &Pair, floors: RangeInclusive<f64>| {
        scratch.find_common(&usable[pair.a], &usable[pair.b]);
        scratch.fill(channel, |stars| chosen(stars, options.star_snr, enough));
        scratch.ratio(least_stars, floors)
    };
    let first: Vec<Option<LogRatio>> = pairs
        .par_iter()
        .enumerate()
        .map_init(Scratch::default, |scratch, (index, pair)| {
            small_piece_done(observer, index);
            of_stars(scratch, pair, ANY_FLOOR)
        })
        .collect();
    // A few dozen stars hardly tell their floor: it is at least that of a typical pair.
    let tells = |found: &&LogRatio| found.used >= enough && !found.is_same_noise;
    let mut floors: Vec<f64> = first.iter().flatten().filter(tells).map(|found| found.floor).collect();
    let typical = median(&mut floors).unwrap_or(0.0);
    let one = |scratch: &mut Scratch, (index, (pair, first)): (usize, (&Pair, &Option<LogRatio>))| {
        small_piece_done(observer, index);
        let found = match first {
            Some(found) if found.floor < typical && !found.is_same_noise => {
                of_stars(scratch, pair, typical..=f64::MAX)
            }
            found => *found,
        };
        if let Some(found) = found.filter(|found| found.used >= enough || found.is_same_noise) {
            let (value, variance, samples) = (found.mean, found.variance, found.used);
            return Some(PairGain { value, variance, origin: GainOrigin::Stars, samples });
        }
        let (a, b) = (&previews[pair.a], &previews[pair.b]);
        if channel >= a.channels() || channel >= b.channels() {
            return None;
        }
        match structure_gain(a, b, channel) {
            Some(structure) => Some(with_few_stars(structure, found)),
            // Without structure few stars are what there is: they count for what their error says.
            None => found.map(|found| {
                let (value, variance, samples) = (found.mean, found.variance, found.used);
                PairGain { value, variance, origin: GainOrigin::Stars, samples }
            }),
        }
    };
    pairs.par_iter().zip(&first).enumerate().map_init(Scratch::default, one).collect()
}

/// What structure and stars that are too few to be believed alone say together: their mean where they agree, else the structure's
/// with their distance as an error.
fn with_few_stars(structure: Structure, stars: Option<LogRatio>) -> PairGain {
    let Structure { mut value, mut variance, used: mut samples } = structure;
    let mut origin = GainOrigin::Structure;
    if let Some(stars) = stars {
        let distance = (stars.mean - value).powi(2);
        if distance <= AGREEMENT * (stars.variance + variance) {
            let (own, other) = (1.0 / variance, 1.0 / stars.variance);
            value = (own * value + other * stars.mean) / (own + other);
            if other > own {
                (origin, samples) = (GainOrigin::Stars, stars.used);
            }
            variance = 1.0 / (own + other);
        } else {
            variance += distance;
        }
    }
    PairGain { value, variance, origin, samples }
}

/// Stars of a frame that are bright enough in any channel, by y. `snr`: what is asked for where there are enough.
fn usable_stars(preview: &Preview, channel: usize, snr: f64) -> Vec<&GridStar> {
    let is_usable = |star: &&GridStar| {
        let (flux, best) = (star.flux[channel], best_snr(star));
        let is_bright = best >= snr.min(LEAST_SNR) && snr_of(star, channel) >= OWN_SNR * best.min(snr);
        is_bright && flux.is_finite() && flux > 0.0 && star.y_px.is_finite()
    };
    let mut stars: Vec<&GridStar> = preview.stars.iter().filter(is_usable).collect();
    stars.sort_by(|a, b| a.y_px.total_cmp(&b.y_px).then(a.x_px.total_cmp(&b.x_px)));
    stars
}

/// Signal to noise of a star in a channel; infinite without noise.
fn snr_of(star: &GridStar, channel: usize) -> f64 {
    f64::from(star.flux[channel]) / f64::from(star.variance[channel]).sqrt()
}

/// That of the best channel.
fn best_snr(star: &GridStar) -> f64 {
    (0..star.flux.len()).map(|channel| snr_of(star, channel)).fold(0.0, f64::max)
}

/// The lower of those in both frames.
fn snr_in_both(stars: &[GridStar; 2]) -> f64 {
    best_snr(&stars[0]).min(best_snr(&stars[1]))
}

/// How many of common stars, best first, count: those of this signal to noise in the best channel of both frames and, where they
/// are less than `enough`, the next best.
fn chosen(stars: &[[GridStar; 2]], snr: f64, enough: usize) -> usize {
    stars.partition_point(|stars| snr_in_both(stars) >= snr).max(enough).min(stars.len())
}

#[derive(Default)]
struct Scratch {
    /// The common stars as both frames have them.
    common: Vec<[GridStar; 2]>,
    /// ln of the width of the images of the first over that of the second.
    width: f64,
    widths: Vec<(f64, f64)>,
    ratios: Vec<(f64, f64)>,
    values: Vec<f64>,
}

impl Scratch {
    /// The stars that are each other's nearest.
    fn find_common(&mut self, a: &[&GridStar], b: &[&GridStar]) {
        self.common.clear();
        let Some(shared) = shared_band(a, b) else { return };
        for star in a.iter().filter(|star| star.y_px >= shared.0 && star.y_px <= shared.1) {
            let Some(other) = nearest(b, star) else { continue };
            if nearest(a, other).is_some_and(|back| std::ptr::eq(back, *star)) {
                self.common.push([**star, *other]);
            }
        }
    }

    /// Log ratios of those of the common stars that `chosen` counts, best first.
    fn fill(&mut self, channel: usize, chosen: impl Fn(&[[GridStar; 2]]) -> usize) {
        self.ratios.clear();
        self.common.sort_by(|a, b| snr_in_both(b).total_cmp(&snr_in_both(a)));
        let radii = self.apertures(channel, chosen(&self.common));
        self.width = radii[0] - radii[1];
        // What frames of equal seeing have of a neighbour is the same in both.
        if self.width.abs() > ALIKE {
            self.common.retain(|stars| stars.iter().all(|star| star.neighbour <= ISOLATED));
        }
        for stars in &self.common[..chosen(&self.common)] {
            let [first, second] = [0, 1].map(|side| stars[side].ln_flux(channel, radii[side]));
            let [va, vb] = stars.map(|star| relative_variance(&star, channel));
            // The mean of a logarithm is half its variance too low.
            self.ratios.push((first - second + 0.5 * (va - vb), va + vb));
        }
    }

    /// Their mean; `None` of less than `least` stars, or where half of them do not agree.
    fn ratio(&mut self, least: usize, floors: RangeInclusive<f64>) -> Option<LogRatio> {
        if self.ratios.len() < least {
            return None;
        }
        let found = log_ratio(&self.ratios, floors, &mut self.values);
        let shape = (SHAPE_ERROR * self.width).powi(2);
        let found = found.filter(|found| 2 * found.used >= self.ratios.len());
        found.map(|found| LogRatio { variance: found.variance + shape, ..found })
    }

    /// ln of the radii in which the stars of both are compared, from the first `chosen`: the smallest that are measured in
    /// both and differ as the widths
    /// of the images of the common stars do, so that both hold the same share of the light.
    fn apertures(&mut self, channel: usize, chosen: usize) -> [f64; 2] {
        let Some(first) = self.common.first() else { return [0.0; 2] };
        let [a, b] = first.map(|star| f64::from(star.ln_radius_px));
        self.widths.clear();
        let width = |[a, b]: &[GridStar; 2]| {
            let ratio = f64::from(a.ln_sigma_px) - f64::from(b.ln_sigma_px);
            let variance = relative_variance(a, channel) + relative_variance(b, channel);
            ratio.is_finite().then_some((ratio, 1.0 / (variance + WIDTH_FLOOR)))
        };
        self.widths.extend(self.common[..chosen].iter().filter_map(width));
        let half = 0.5 * weighted_median(&mut self.widths).unwrap_or(a - b);
        let middle = (a - half).max(b + half);
        [middle + half, middle - half]
    }
}

/// Variance of the flux over its square.
fn relative_variance(star: &GridStar, channel: usize) -> f64 {
    f64::from(star.variance[channel]) / f64::from(star.flux[channel]).powi(2)
}

/// Range of y in which both have stars.
fn shared_band(a: &[&GridStar], b: &[&GridStar]) -> Option<(f64, f64)> {
    let low = a.first()?.y_px.max(b.first()?.y_px) - MATCH_PX;
    Some((low, a.last()?.y_px.min(b.last()?.y_px) + MATCH_PX))
}

/// The star nearest to `star` within [`MATCH_PX`].
fn nearest<'s>(stars: &[&'s GridStar], star: &GridStar) -> Option<&'s GridStar> {
    let first = stars.partition_point(|own| own.y_px < star.y_px - MATCH_PX);
    let mut best: Option<(f64, &GridStar)> = None;
    for own in stars[first..].iter().take_while(|own| own.y_px <= star.y_px + MATCH_PX) {
        let distance = (own.x_px - star.x_px).hypot(own.y_px - star.y_px);
        if distance <= MATCH_PX && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, own));
        }
    }
    best.map(|(_, own)| own)
}
