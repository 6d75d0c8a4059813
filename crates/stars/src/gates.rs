//! Which frames of a night are too bad: robust limits on FWHM, roundness, background and star count, one-sided, per night
//! and kind of exposure; and limits that the user gives.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quality::{FrameQuality, median};

/// Whether frames are compared with their night.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateMode {
    /// They are not.
    #[default]
    Off,
    /// What is far from the median of its night is left out.
    Auto,
}

/// Options of the gates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateOptions {
    /// Limits from the night.
    pub mode: GateMode,
    /// Limits are the median and this many standard deviations (1.4826 MAD).
    pub kappa: f64,
    /// A FWHM is never too large within this share of the median.
    pub least_fwhm: f64,
    /// A roundness is never too large within this of the median.
    pub least_roundness: f64,
    /// A background is never too bright within this share of the median.
    pub least_background: f64,
    /// There are never too few stars within this share of the median.
    pub least_stars: f64,
    /// Limits from the night leave at least this share of its frames: the worst go first.
    pub keep_share: f64,
    /// Nights of fewer frames have no limits of their own.
    pub min_frames: usize,
    /// Largest FWHM, raw pixels.
    pub max_fwhm_px: Option<f64>,
    /// Largest roundness (1 - minor / major axis).
    pub max_roundness: Option<f64>,
    /// Largest background, ADU.
    pub max_background_adu: Option<f64>,
    /// Fewest stars.
    pub min_stars: Option<usize>,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            mode: GateMode::default(),
            kappa: 3.0,
            least_fwhm: 0.15,
            least_roundness: 0.1,
            least_background: 0.2,
            least_stars: 0.3,
            keep_share: 0.8,
            min_frames: 5,
            max_fwhm_px: None,
            max_roundness: None,
            max_background_adu: None,
            min_stars: None,
        }
    }
}

impl GateOptions {
    /// Whether any frame may be left out.
    pub fn acts(&self) -> bool {
        self.mode == GateMode::Auto
            || self.max_fwhm_px.is_some()
            || self.max_roundness.is_some()
            || self.max_background_adu.is_some()
            || self.min_stars.is_some()
    }

    /// Whether the figures can be used.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.keep_share) {
            return Err(format!("--keep-share {}: from 0 to 1", self.keep_share));
        }
        if self.kappa.is_nan() || self.kappa <= 0.0 {
            return Err(format!("--gate-kappa {}: above 0", self.kappa));
        }
        Ok(())
    }
}

/// A frame before the gates.
#[derive(Debug, Clone, Copy)]
pub struct GateFrame<'a> {
    /// Its night, for people.
    pub night: &'a str,
    /// What makes it comparable besides the night: instrument, filter, exposure.
    pub setup: &'a str,
    /// Its figures; `None` where nothing can be measured.
    pub quality: Option<&'a FrameQuality>,
}

/// A figure that is gated.
struct Figure {
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    of: fn(&FrameQuality) -> f64,
    /// 1 where large is bad, -1 where small is.
    bad: f64,
    /// The least distance of the limit from this median.
    slack: fn(&GateOptions, f64) -> f64,
    given: fn(&GateOptions) -> Option<f64>,
    flag: &'static str,
}

const FIGURES: [Figure; 4] = [
    Figure {
        name: "fwhm",
        unit: " px",
        decimals: 2,
        of: |quality| quality.fwhm_px,
        bad: 1.0,
        slack: |options, median| options.least_fwhm * median,
        given: |options| options.max_fwhm_px,
        flag: "--max-fwhm",
    },
    Figure {
        name: "roundness",
        unit: "",
        decimals: 2,
        of: |quality| quality.roundness,
        bad: 1.0,
        slack: |options, _| options.least_roundness,
        given: |options| options.max_roundness,
        flag: "--max-roundness",
    },
    Figure {
        name: "background",
        unit: " ADU",
        decimals: 1,
        of: |quality| quality.background_adu,
        bad: 1.0,
        slack: |options, median| options.least_background * median.abs(),
        given: |options| options.max_background_adu,
        flag: "--max-background",
    },
    Figure {
        name: "stars",
        unit: "",
        decimals: 0,
        of: |quality| quality.stars as f64,
        bad: -1.0,
        slack: |options, median| options.least_stars * median,
        given: |options| options.min_stars.map(|stars| stars as f64),
        flag: "--min-stars",
    },
];

/// Standard deviations of a MAD.
const SIGMA_OF_MAD: f64 = 1.4826;

/// Judge `frames`: for each why it is left out, or `None`. The order of the frames decides only between frames that are
/// equally bad: the later one goes first.
pub fn gate(frames: &[GateFrame<'_>], options: &GateOptions) -> Vec<Option<String>> {
    let mut verdicts: Vec<Option<String>> = frames.iter().map(|frame| beyond_given(frame, options)).collect();
    if options.mode == GateMode::Off {
        return verdicts;
    }
    let mut nights: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate().filter(|(index, _)| verdicts[*index].is_none()) {
        nights.entry((frame.night, frame.setup)).or_default().push(index);
    }
    for members in nights.into_values().filter(|members| members.len() >= options.min_frames.max(1)) {
        let limits = limits_of(frames, &members, options);
        let mut bad: Vec<(f64, usize, String)> = members
            .iter()
            .filter_map(|index| {
                worst(&frames[*index], &limits).map(|(severity, reason)| (severity, *index, reason))
            })
            .collect();
        bad.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        // What the share leaves over is rounded down; 1e-9 lets 0.2 of 5 be 1.
        let most = ((1.0 - options.keep_share) * members.len() as f64 + 1e-9).floor() as usize;
        for (_, index, reason) in bad.into_iter().take(most) {
            verdicts[index] = Some(reason);
        }
    }
    verdicts
}

/// Beyond a limit that the user gave. A figure that cannot be measured is beyond any.
fn beyond_given(frame: &GateFrame<'_>, options: &GateOptions) -> Option<String> {
    FIGURES.iter().find_map(|figure| {
        let limit = (figure.given)(options)?;
        let value = frame.quality.map_or(f64::NAN, figure.of);
        let is_good = figure.bad * (value - limit) <= 0.0;
        (!is_good).then(|| {
            let limit = figure.show(limit);
            if value.is_nan() {
                format!("{} cannot be measured, {} is {limit}", figure.name, figure.flag)
            } else {
                format!(
                    "{} {} {} {limit} ({})",
                    figure.name,
                    figure.show(value),
                    figure.beyond(),
                    figure.flag
                )
            }
        })
    })
}

/// A night's limit on a figure.
struct Limit<'a> {
    figure: &'a Figure,
    night: &'a str,
    median: f64,
    at: f64,
}

fn limits_of<'a>(frames: &[GateFrame<'a>], members: &[usize], options: &GateOptions) -> Vec<Limit<'a>> {
    let limit = |figure: &'static Figure| {
        let values = || members.iter().filter_map(|index| frames[*index].quality).map(figure.of);
        let centre = median(values());
        let sigma = SIGMA_OF_MAD * median(values().map(|value| (value - centre).abs()));
        let reach = (options.kappa * sigma).max((figure.slack)(options, centre));
        let limit = centre + figure.bad * reach;
        limit.is_finite().then(|| Limit {
            figure,
            night: frames[members[0]].night,
            median: centre,
            at: limit,
        })
    };
    FIGURES.iter().filter_map(limit).collect()
}

/// How bad a frame is by the figure that is worst, 1 at the limit; `None` when it is within all.
fn worst(frame: &GateFrame<'_>, limits: &[Limit<'_>]) -> Option<(f64, String)> {
    let mut worst: Option<(f64, String)> = None;
    for limit in limits {
        let Limit { figure, night, median, at: limit } = limit;
        let value = frame.quality.map_or(f64::NAN, figure.of);
        let (severity, reason) = if value.is_nan() {
            let reason = format!(
                "{} cannot be measured (night {night}, median {})",
                figure.name,
                figure.show(*median)
            );
            (f64::INFINITY, reason)
        } else {
            let reason = format!(
                "{} {} {} {} (night {night}, median {})",
                figure.name,
                figure.show(value),
                figure.beyond(),
                figure.show(*limit),
                figure.show(*median)
            );
            ((value - median) / (limit - median), reason)
        };
        if severity > 1.0 && worst.as_ref().is_none_or(|(most, _)| severity > *most) {
            worst = Some((severity, reason));
        }
    }
    worst
}

impl Figure {
    fn show(&self, value: f64) -> String {
        format!("{value:.*}{}", self.decimals, self.unit)
    }

    fn beyond(&self) -> &'static str {
        if self.bad > 0.0 { "above" } else { "below" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(fwhm_px: f64, stars: usize) -> FrameQuality {
        FrameQuality {
            background_adu: 1000.0,
            noise_adu: 20.0,
            gradient_adu: 5.0,
            stars,
            shapes: stars,
            fwhm_px: if stars == 0 { f64::NAN } else { fwhm_px },
            hfr_px: 0.6 * fwhm_px,
            roundness: if stars == 0 { f64::NAN } else { 0.1 },
            snr: 50.0,
            star_flux_adu: 1000.0,
            drawn_out_deg: None,
            trails: Vec::new(),
        }
    }

    fn dropped(qualities: &[FrameQuality], options: &GateOptions) -> Vec<(usize, String)> {
        let frames: Vec<GateFrame<'_>> = qualities
            .iter()
            .map(|quality| GateFrame { night: "2025-06-01", setup: "", quality: Some(quality) })
            .collect();
        gate(&frames, options)
            .into_iter()
            .enumerate()
            .filter_map(|(index, why)| why.map(|why| (index, why)))
            .collect()
    }

    fn auto() -> GateOptions {
        GateOptions { mode: GateMode::Auto, ..GateOptions::default() }
    }

    #[test]
    fn a_bad_frame_goes_with_its_reason() {
        let mut night: Vec<FrameQuality> = (0..10).map(|i| quality(3.0 + 0.02 * f64::from(i), 100)).collect();
        assert_eq!(dropped(&night, &auto()), []);
        night[4] = quality(6.1, 100);
        let why = "fwhm 6.10 px above 3.58 px (night 2025-06-01, median 3.11 px)";
        assert_eq!(dropped(&night, &auto()), [(4, why.to_owned())]);
        assert_eq!(dropped(&night, &GateOptions::default()), []);
        assert_eq!(dropped(&night[..4], &auto()), [], "a night of four has no limits");
    }

    #[test]
    fn at_least_four_fifths_are_kept_and_the_worst_go_first() {
        let fwhm = [2.5, 2.6, 2.5, 2.6, 2.5, 2.6, 5.0, 6.0, 7.0, 4.0];
        let night: Vec<FrameQuality> = fwhm.iter().map(|fwhm| quality(*fwhm, 100)).collect();
        let gone =
            |options: &GateOptions| dropped(&night, options).into_iter().map(|(i, _)| i).collect::<Vec<_>>();
        assert_eq!(gone(&auto()), [7, 8]);
        assert_eq!(gone(&GateOptions { keep_share: 0.5, ..auto() }), [6, 7, 8, 9]);
        assert_eq!(gone(&GateOptions { keep_share: 1.0, ..auto() }), Vec::<usize>::new());
        // Told otherwise.
        assert_eq!(
            gone(&GateOptions { max_fwhm_px: Some(2.55), ..GateOptions::default() }),
            [1, 3, 5, 6, 7, 8, 9]
        );
        assert_eq!(gone(&GateOptions { max_fwhm_px: Some(4.5), ..auto() }), [6, 7, 8, 9]);
    }

    #[test]
    fn equally_bad_frames_go_from_the_end_and_empty_ones_first() {
        let mut night: Vec<FrameQuality> = (0..10).map(|_| quality(2.5, 100)).collect();
        for index in [1, 5, 8] {
            night[index] = quality(9.0, 100);
        }
        assert_eq!(dropped(&night, &auto()).iter().map(|(i, _)| *i).collect::<Vec<_>>(), [5, 8]);
        night[0] = quality(0.0, 0);
        let gone = dropped(&night, &auto());
        assert_eq!(gone.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [0, 8]);
        assert_eq!(gone[0].1, "fwhm cannot be measured (night 2025-06-01, median 2.50 px)");
        let few = GateOptions { min_stars: Some(1), ..GateOptions::default() };
        assert_eq!(dropped(&night, &few), [(0, "stars 0 below 1 (--min-stars)".to_owned())]);
    }

    #[test]
    fn nights_and_setups_are_judged_apart() {
        let (sharp, soft) = (quality(2.0, 100), quality(4.0, 100));
        let frame = |night, setup, quality| GateFrame { night, setup, quality: Some(quality) };
        let mut frames: Vec<GateFrame<'_>> = (0..8).map(|_| frame("2025-06-01", "L", &sharp)).collect();
        frames.extend((0..2).map(|_| frame("2025-06-02", "L", &soft)));
        frames.extend((0..2).map(|_| frame("2025-06-01", "Ha", &soft)));
        assert!(gate(&frames, &auto()).iter().all(Option::is_none));
        frames.push(frame("2025-06-01", "L", &soft));
        let gone = gate(&frames, &auto());
        assert!(gone[12].is_some() && gone[..12].iter().all(Option::is_none));
    }
}
