//! Gain and offset of each frame relative to one reference frame, from the blocks both have. A frame that has too few
//! of them, or whose fit fails, is left out with a reason code of the stacking contract (C-15): it is never replaced by
//! another method or by no correction.

use rayon::prelude::*;

use crate::common_blocks::for_common;
use crate::gauge::{FrameGauge, Gauge, GaugeError, LeftOutFrame, Note};
use crate::options::{NormalizeMethod, NormalizeOptions};
use crate::preview::Preview;
use crate::statistics::{MAD_TO_SIGMA, median, percentiles};

/// Common blocks over the blocks of the smaller of the two frames, at least (C-21).
const LEAST_SHARE: f64 = 0.01;
/// Common blocks that a line needs.
const LEAST_FOR_LINE: usize = 8;
/// Range of a gain (C-23).
const GAINS: std::ops::RangeInclusive<f64> = 0.25..=4.0;
/// Clip of residuals and of means in sigma (C-22, C-24).
const CLIP_SIGMA: f64 = 3.0;
/// Rounds of a clip.
const ROUNDS: usize = 5;
/// Percentiles of the two-point line.
const PERCENTILES: [f64; 2] = [0.25, 0.90];
/// Largest factor of the two-point line.
const LARGEST_FACTOR: f64 = 20.0;
/// A level below this many sigma of the pixels' noise is near 0 for a factor.
const NEAR_ZERO_SIGMA: f64 = 3.0;

/// Levels of common blocks of a frame and of the reference.
struct Common {
    own: Vec<f64>,
    reference: Vec<f64>,
}

/// Why a frame has no gauge.
type Refusal = (&'static str, String);
/// Gain, offset, and what should be known of them.
type Found = (f64, f64, Option<String>);

/// Gauge of `previews` relative to frame `reference`; `sigma` is the noise of a pixel per frame and channel.
pub(crate) fn relative(
    previews: &[Preview],
    sigma: &[Vec<f64>],
    reference: Option<usize>,
    options: &NormalizeOptions,
) -> Result<Gauge, GaugeError> {
    let valid: Vec<usize> = previews.iter().map(Preview::valid).collect();
    let most = || {
        let best = valid.iter().enumerate().max_by_key(|(index, count)| (**count, std::cmp::Reverse(*index)));
        best.map_or(0, |(index, _)| index)
    };
    let reference = reference.unwrap_or_else(most);
    if previews.len() > 1 && valid.get(reference).copied().unwrap_or(0) == 0 {
        return Err(GaugeError::Reference(reference));
    }
    let mut gauge = Gauge::identity(previews.len());
    gauge.reference = Some(reference);
    let one = |index: usize| -> Result<(FrameGauge, Vec<String>), Refusal> {
        let mut frame = FrameGauge::default();
        let mut notes = Vec::new();
        if index == reference {
            return Ok((frame, notes));
        }
        if valid[index] == 0 {
            return Err(("zero_valid_support", "no block of sky lies wholly inside it".to_owned()));
        }
        let least = (LEAST_SHARE * valid[index].min(valid[reference]) as f64).ceil() as usize;
        let least =
            least.max(options.min_blocks).max(if has_line(options.method) { LEAST_FOR_LINE } else { 1 });
        for channel in 0..previews[index].channels() {
            let common = common(&previews[index], &previews[reference], channel);
            if common.own.len() < least {
                let count = common.own.len();
                return Err((
                    "insufficient_common",
                    format!("{count} blocks of sky in common with the reference frame, {least} needed"),
                ));
            }
            let noise = |frame: usize| sigma[frame].get(channel).copied().unwrap_or(f64::NAN);
            let (gain, offset, note) = fit(&common, [noise(index), noise(reference)], least, options.method)?;
            if !(gain.is_finite() && offset.is_finite()) {
                return Err(("nonfinite_fit", "gain or offset is no number".to_owned()));
            }
            (frame.gain[channel], frame.offset[channel]) = (gain, offset);
            notes.extend(note);
        }
        Ok((frame, notes))
    };
    let found: Vec<_> = (0..previews.len()).into_par_iter().map(one).collect();
    for (index, found) in found.into_iter().enumerate() {
        match found {
            Ok((frame, notes)) => {
                gauge.frames[index] = frame;
                gauge.notes.extend(notes.into_iter().map(|text| Note { frame: index, text }));
            }
            Err((code, message)) => gauge.left_out.push(LeftOutFrame { frame: index, code, message }),
        }
    }
    Ok(gauge)
}

fn has_line(method: NormalizeMethod) -> bool {
    matches!(method, NormalizeMethod::LinearFit | NormalizeMethod::LinearFitRobust)
}

fn common(own: &Preview, reference: &Preview, channel: usize) -> Common {
    let mut common = Common { own: Vec::new(), reference: Vec::new() };
    for_common(own, reference, |i, j| {
        common.own.push(f64::from(own.level[channel][i]));
        common.reference.push(f64::from(reference.level[channel][j]));
    });
    common
}

fn fit(common: &Common, sigma: [f64; 2], least: usize, method: NormalizeMethod) -> Result<Found, Refusal> {
    let middle = |values: &[f64]| median(&mut values.to_vec()).unwrap_or(f64::NAN);
    match method {
        NormalizeMethod::None | NormalizeMethod::TileScaling => Ok((1.0, 0.0, None)),
        NormalizeMethod::Multiplicative => ratio(middle(&common.own), middle(&common.reference), sigma),
        NormalizeMethod::AdditiveScaling => {
            let gain = sigma[1] / sigma[0];
            if !(gain.is_finite() && gain > 0.0) {
                return Err((
                    "noise_sigma_failed",
                    "the noise of the frame or of the reference is not known".to_owned(),
                ));
            }
            Ok((gain, middle(&common.reference) - gain * middle(&common.own), None))
        }
        NormalizeMethod::LinearFit => Ok(two_points(common)),
        NormalizeMethod::LinearFitRobust => robust_line(common, least),
        NormalizeMethod::SkyMean => {
            let mean = |values: &[f64]| {
                clipped_mean(values)
                    .ok_or(("sky_mean_failed", "nothing is left of the common sky".to_owned()))
            };
            Ok((1.0, mean(&common.reference)? - mean(&common.own)?, None))
        }
    }
}

/// Factor from levels; both must be above 0.
fn ratio(own: f64, reference: f64, sigma: [f64; 2]) -> Result<Found, Refusal> {
    if !(own > 0.0 && reference > 0.0) {
        let message = format!(
            "the common sky has level {own:.3}, in the reference frame {reference:.3}: a factor needs both above 0"
        );
        return Err(("level_not_positive", message));
    }
    let gain = reference / own;
    if !GAINS.contains(&gain) {
        return Err(("slope_out_of_range", format!("a factor of {gain:.4} is not between 0.25 and 4")));
    }
    let is_near = own < NEAR_ZERO_SIGMA * sigma[0] || reference < NEAR_ZERO_SIGMA * sigma[1];
    let note = is_near.then(|| {
        format!("its sky level {own:.3} or that of the reference frame {reference:.3} is near 0 for a factor")
    });
    Ok((gain, 0.0, note))
}

/// Line through two percentiles: gain = difference of the reference's over difference of the frame's own. Where the
/// frame's own do not differ, or the gain would be beyond all bounds, nothing can be said and the frame stays as it is,
/// which is told; a flat reference gives an offset alone.
fn two_points(common: &Common) -> Found {
    let [own_low, own_high] = percentiles(&mut common.own.clone(), PERCENTILES);
    let [low, high] = percentiles(&mut common.reference.clone(), PERCENTILES);
    let (own_span, span) = (own_high - own_low, high - low);
    let least = |a: f64, b: f64| 0.001_f64.max(0.001 * a.abs().max(b.abs()));
    let gain = span / own_span;
    if own_span.abs() < least(own_low, own_high) || !gain.is_finite() || gain.abs() > LARGEST_FACTOR {
        let text = "its common blocks with the reference frame are too even for a line: gain 1 and offset 0";
        return (1.0, 0.0, Some(text.to_owned()));
    }
    if span.abs() < least(low, high) {
        let text = "the reference frame's common blocks are too even for a line: an offset alone";
        return (1.0, low - own_low, Some(text.to_owned()));
    }
    (gain, low - gain * own_low, None)
}

/// C-21 to C-23 on blocks: least squares, then at most 5 clips at 3 x 1.4826 MAD of the residuals about their median.
fn robust_line(common: &Common, least: usize) -> Result<Found, Refusal> {
    let mut keep = vec![true; common.own.len()];
    let mut line = ordinary(common, &keep)?;
    for _ in 0..ROUNDS {
        let residual = |index: usize| common.reference[index] - line.0 * common.own[index] - line.1;
        let kept = || (0..keep.len()).filter(|index| keep[*index]);
        let centre = median(&mut kept().map(residual).collect::<Vec<_>>()).unwrap_or(f64::NAN);
        let mad = median(&mut kept().map(|index| (residual(index) - centre).abs()).collect::<Vec<_>>());
        let limit = CLIP_SIGMA * MAD_TO_SIGMA * mad.unwrap_or(0.0);
        let next: Vec<bool> =
            (0..keep.len()).map(|index| keep[index] && (residual(index) - centre).abs() <= limit).collect();
        if next == keep {
            break;
        }
        keep = next;
        let left = keep.iter().filter(|keep| **keep).count();
        if left < least {
            return Err((
                "insufficient_common",
                format!("{left} common blocks are left by the clip, {least} needed"),
            ));
        }
        line = ordinary(common, &keep)?;
    }
    if !GAINS.contains(&line.0) {
        return Err(("slope_out_of_range", format!("a gain of {:.4} is not between 0.25 and 4", line.0)));
    }
    Ok((line.0, line.1, None))
}

/// Least squares of reference = gain x own + offset.
fn ordinary(common: &Common, keep: &[bool]) -> Result<(f64, f64), Refusal> {
    let kept = || {
        common.own.iter().zip(&common.reference).zip(keep).filter(|(_, keep)| **keep).map(|(pair, _)| pair)
    };
    let n = kept().count() as f64;
    let (mean_x, mean_y) = kept().fold((0.0, 0.0), |(x, y), (own, reference)| (x + own, y + reference));
    let (mean_x, mean_y) = (mean_x / n, mean_y / n);
    let (xx, xy) = kept().fold((0.0, 0.0), |(xx, xy), (own, reference)| {
        let dx = own - mean_x;
        (xx + dx * dx, xy + dx * (reference - mean_y))
    });
    if !(xx > 0.0 && xx.is_finite()) {
        return Err((
            "degenerate_ols",
            "the common blocks have one level: no line goes through them".to_owned(),
        ));
    }
    let gain = xy / xx;
    Ok((gain, mean_y - gain * mean_x))
}

/// Mean after at most 5 clips at 3 standard deviations about the median (C-24).
fn clipped_mean(values: &[f64]) -> Option<f64> {
    let mut kept = values.to_vec();
    for _ in 0..ROUNDS {
        let centre = median(&mut kept.clone())?;
        let n = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / n;
        let sigma = (kept.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let before = kept.len();
        kept.retain(|value| (value - centre).abs() <= CLIP_SIGMA * sigma);
        if kept.len() == before {
            break;
        }
    }
    (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
}
