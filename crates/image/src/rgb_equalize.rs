//! RGB median equalisation (ZeMosaic's `equalize_rgb_medians`; clause C-81 of the grid contract, numbers of its §2.7).
//!
//! Of the pixels whose three channels are finite and above 0, those with a luminance L (median of the three) between its 5th
//! and 85th percentile count. Each channel is multiplied so that its median over them comes to the median of the three
//! medians, by no less than 0.95 and no more than 1.05. A decision that changes nothing is reported as such.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::{median, percentile};

/// Numbers of the equalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RgbEqualizeOptions {
    /// Luminances that count, as shares from darkest (0) to brightest (1).
    pub background_share: (f64, f64),
    /// Least and largest gain.
    pub gain_clip: (f64, f64),
    /// Least number of pixels that count.
    pub min_samples: u64,
    /// Least share of all pixels that must count.
    pub min_coverage: f64,
}

impl Default for RgbEqualizeOptions {
    fn default() -> Self {
        Self {
            background_share: (0.05, 0.85),
            gain_clip: (0.95, 1.05),
            min_samples: 5000,
            min_coverage: 0.01,
        }
    }
}

/// What was decided; the strings are ZeMosaic's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RgbDecision {
    /// The gains are to be applied.
    Applied,
    /// Not asked for.
    Disabled,
    /// Not three channels.
    InvalidInput,
    /// No pixel is finite and above 0 in all channels, as when the sky was subtracted.
    NoValidPixels,
    /// Too few pixels count.
    InsufficientSamples,
    /// Too small a share of the pixels counts.
    InsufficientCoverage,
}

impl RgbDecision {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Disabled => "disabled",
            Self::InvalidInput => "invalid_input",
            Self::NoValidPixels => "no_valid_pixels",
            Self::InsufficientSamples => "insufficient_samples",
            Self::InsufficientCoverage => "insufficient_coverage",
        }
    }
}

/// The decision on an image and its figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RgbEqualize {
    /// What was decided.
    pub decision: RgbDecision,
    /// What red, green and blue are to be multiplied with; 1 unless applied.
    pub gains: [f64; 3],
    /// Medians of the channels over the pixels that count; 0 where there are none.
    pub medians: [f64; 3],
    /// The median of the medians.
    pub target: f64,
    /// Pixels that count.
    pub samples: u64,
}

impl RgbEqualize {
    /// A decision that changes nothing.
    pub fn idle(decision: RgbDecision) -> Self {
        Self { decision, gains: [1.0; 3], medians: [0.0; 3], target: 0.0, samples: 0 }
    }
}

/// Pixels kept at most, so that the memory for an image of any size is known.
const MOST_KEPT: usize = 1 << 20;

/// Takes the rows of an image one after the other.
#[derive(Debug)]
pub struct RgbSamples {
    step: usize,
    pixels: usize,
    looked_at: u64,
    valid: Vec<[f32; 3]>,
}

impl RgbSamples {
    /// For an image of `pixels` pixels: every one is looked at up to a million, of larger ones every second, third, ... in row
    /// order.
    pub fn new(pixels: usize) -> Self {
        Self { step: pixels.div_ceil(MOST_KEPT).max(1), pixels: 0, looked_at: 0, valid: Vec::new() }
    }

    /// The next row: red, green, blue, of equal length.
    pub fn add_row(&mut self, rows: [&[f32]; 3]) {
        let [red, green, blue] = rows;
        let width = red.len().min(green.len()).min(blue.len());
        let first = self.pixels.next_multiple_of(self.step) - self.pixels;
        for x in (first..width).step_by(self.step) {
            self.looked_at += 1;
            let pixel = [red[x], green[x], blue[x]];
            if pixel.iter().all(|value| value.is_finite() && *value > 0.0) {
                self.valid.push(pixel);
            }
        }
        self.pixels += width;
    }

    /// The decision.
    pub fn decide(mut self, options: &RgbEqualizeOptions) -> RgbEqualize {
        let mut luminance: Vec<f32> = self.valid.iter().map(|pixel| middle_of(*pixel)).collect();
        let (dark, bright) = options.background_share;
        let (Some(low), Some(high)) = (percentile(&mut luminance, dark), percentile(&mut luminance, bright))
        else {
            return RgbEqualize::idle(RgbDecision::NoValidPixels);
        };
        self.valid.retain(|pixel| (low..=high).contains(&middle_of(*pixel)));
        let samples = (self.valid.len() * self.step) as u64;
        let idle = |decision| RgbEqualize { samples, ..RgbEqualize::idle(decision) };
        if samples < options.min_samples {
            return idle(RgbDecision::InsufficientSamples);
        }
        if (self.valid.len() as f64) < options.min_coverage * self.looked_at as f64 {
            return idle(RgbDecision::InsufficientCoverage);
        }
        let mut medians = [0.0; 3];
        for (channel, own) in medians.iter_mut().enumerate() {
            let mut values: Vec<f32> = self.valid.iter().map(|pixel| pixel[channel]).collect();
            *own = median(&mut values).map_or(0.0, f64::from);
        }
        let mut sorted = medians;
        sorted.sort_by(f64::total_cmp);
        let target = sorted[1];
        let (least, largest) = options.gain_clip;
        let gains = medians.map(|own| (target / own).clamp(least, largest));
        RgbEqualize { decision: RgbDecision::Applied, gains, medians, target, samples }
    }
}

/// The median of three.
fn middle_of([a, b, c]: [f32; 3]) -> f32 {
    a.max(b).min(a.min(b).max(c))
}

/// The decision on three planes of equal length.
pub fn rgb_equalize(planes: [&[f32]; 3], options: &RgbEqualizeOptions) -> RgbEqualize {
    let mut samples = RgbSamples::new(planes[0].len());
    samples.add_row(planes);
    samples.decide(options)
}
