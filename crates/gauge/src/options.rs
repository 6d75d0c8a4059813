//! What is asked of the gauge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How frames are brought to one level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizeMethod {
    /// Values stay as they are.
    #[default]
    None,
    /// An offset per frame and channel, from the differences of all overlapping pairs at once.
    Additive,
    /// A factor: sky of the reference frame over the frame's own, where they overlap.
    Multiplicative,
    /// A factor from the ratio of the sky noise, then an offset to the level of the reference frame.
    AdditiveScaling,
    /// Line through the 25th and 90th percentile of what is common with the reference frame.
    #[serde(alias = "linear_fit")]
    LinearFit,
    /// Least-squares line through what is common with the reference frame, outliers clipped.
    LinearFitRobust,
    /// Offset to the clipped mean of what is common with the reference frame.
    #[serde(alias = "sky_mean")]
    SkyMean,
}

impl NormalizeMethod {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Additive => "additive",
            Self::Multiplicative => "multiplicative",
            Self::AdditiveScaling => "additive-scaling",
            Self::LinearFit => "linear-fit",
            Self::LinearFitRobust => "linear-fit-robust",
            Self::SkyMean => "sky-mean",
        }
    }

    /// Whether frames are compared with one reference frame.
    pub fn has_reference(self) -> bool {
        !matches!(self, Self::None | Self::Additive)
    }
}

/// Options of the gauge; all change pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NormalizeOptions {
    /// How.
    pub method: NormalizeMethod,
    /// The reference frame: its id, its file name, or its number from 0 in the order of the frames; `None`: the frame
    /// with most blocks, of equals the first.
    pub reference: Option<String>,
    /// Side of a block in pixels of the grid; `None`: 64, halved or doubled so that frames have some hundred blocks.
    pub block_px: Option<usize>,
    /// Common blocks that a pair of frames needs to be compared.
    pub min_blocks: usize,
    /// Pairs that are chosen for each frame.
    pub pairs_per_frame: usize,
}

impl Default for NormalizeOptions {
    fn default() -> Self {
        Self {
            method: NormalizeMethod::default(),
            reference: None,
            block_px: None,
            min_blocks: 4,
            pairs_per_frame: 16,
        }
    }
}
