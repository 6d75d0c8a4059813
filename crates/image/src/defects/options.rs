//! Thresholds of the search for bad pixels. Their derivation: `docs/methods/defects.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a pixel of one frame, or of the mean of many, is a defect and no star.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CfaDefectOptions {
    /// Least deviation from the neighbours of its colour, in standard deviations of a pixel.
    pub kappa: f32,
    /// What the sharpest star gives, of its peak pixel, to the pixel beside it, in light of equal strength in all
    /// colours: 0.36 for FWHM 1.5 px.
    pub share: f32,
    /// The other colours of an ordinary star are at least the peak pixel's over this: kept from any brightness on.
    pub common_ratio: f32,
    /// The same of an extreme star: kept where its neighbours rise clearly out of the noise. Not for mono sensors.
    pub extreme_ratio: f32,
    /// A star must be excluded by this many standard deviations.
    pub guard_sigma: f32,
}

impl Default for CfaDefectOptions {
    fn default() -> Self {
        Self { kappa: 5.0, share: 0.36, common_ratio: 2.5, extreme_ratio: 10.0, guard_sigma: 3.0 }
    }
}

/// When a pixel is bad for a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PersistenceOptions {
    /// It is found in at least this share of the frames.
    pub share: f64,
    /// And in at least so many of them; with fewer frames nothing is persistent.
    pub min_frames: u32,
    /// A defect of the mean of many frames is at least this large, in standard deviations of one frame: smaller ones
    /// do less harm than a hole.
    pub least_sigma: f32,
}

impl Default for PersistenceOptions {
    fn default() -> Self {
        Self { share: 0.5, min_frames: 3, least_sigma: 1.0 }
    }
}
