//! Weights of sources in a mean. They say how much a frame counts; which samples are outliers does not depend on them
//! (C-36 of the stacking contract), and VAR is that of the weighted mean whatever they are.

use crate::options::Weights;
use crate::source::Source;

/// Sources whose figures are unknown, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Noise: VAR is unknown there.
    pub noise: Vec<usize>,
    /// What the weight is made of: they have the median weight of the others.
    pub weight: Vec<usize>,
}

impl Unknown {
    /// Whether all is known.
    pub fn is_empty(&self) -> bool {
        self.noise.is_empty() && self.weight.is_empty()
    }
}

/// Luminance of linear RGB (C-32; ITU-R BT.709).
const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// Give every source its weight. A source without the figures for it gets the median weight of the others (1 where there
/// is none), and is named so that the run can say so. Where one source weighs its samples all do
/// ([`Source::weighs_samples`] of all is set). Weights of one figure per frame are over the largest of them (C-33), so
/// that the best frame has 1.
pub fn set_weights(sources: &mut [Source], weights: Weights) -> Unknown {
    let mut unknown = Unknown::default();
    let weighs_samples = sources.iter().any(|source| source.weighs_samples);
    for source in sources.iter_mut() {
        source.weighs_samples = weighs_samples;
    }
    for channel in 0..3 {
        let is_known = |weight: f64| weight.is_finite() && weight > 0.0;
        let figures: Vec<f64> = sources.iter().map(|source| figure(source, weights, channel)).collect();
        let mut known: Vec<f64> = figures.iter().copied().filter(|weight| is_known(*weight)).collect();
        known.sort_by(f64::total_cmp);
        let median = known.get(known.len() / 2).copied().unwrap_or(1.0);
        let unit = match weights {
            Weights::None | Weights::Ivar => 1.0,
            _ => known.last().copied().unwrap_or(1.0),
        };
        for ((index, source), figure) in sources.iter_mut().enumerate().zip(figures) {
            let is_used = channel < source.frame.kind.channels();
            let note = |list: &mut Vec<usize>, known: bool| {
                if is_used && !known && !list.contains(&index) {
                    list.push(index);
                }
            };
            note(&mut unknown.noise, source.own_weight(channel).is_finite());
            note(&mut unknown.weight, is_known(figure));
            source.weight[channel] = if is_known(figure) { figure } else { median } / unit;
        }
    }
    unknown
}

/// What a source's weight is made of; not finite where it is unknown.
fn figure(source: &Source, weights: Weights, channel: usize) -> f64 {
    let of_quality =
        |figure: fn(&zemosaic_stars::FrameQuality) -> f64| source.quality.as_deref().map_or(f64::NAN, figure);
    let sharpness = || of_quality(|quality| 1.0 / (quality.fwhm_px * quality.fwhm_px));
    match weights {
        Weights::None => 1.0,
        Weights::Ivar => source.own_weight(channel),
        Weights::Exposure => source.frame.meta.exposure_s.unwrap_or(f64::NAN),
        Weights::NoiseVariance => luminance_weight(source),
        Weights::Fwhm => sharpness(),
        Weights::NoiseFwhm => luminance_weight(source) * sharpness(),
        // A frame without stars still counts for something: a pixel of its own must not be without weight.
        Weights::Stars => of_quality(|quality| (quality.stars as f64).max(1.0)),
        Weights::Snr => of_quality(|quality| quality.snr * quality.snr),
    }
}

/// 1 / variance of the luminance of a pixel.
fn luminance_weight(source: &Source) -> f64 {
    if source.frame.kind.channels() == 1 {
        return source.own_weight(0);
    }
    let variance = |channel: usize| LUMINANCE[channel] * LUMINANCE[channel] / source.own_weight(channel);
    1.0 / (variance(0) + variance(1) + variance(2))
}
