//! What is asked of the gauge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compat::intertile_options::IntertileOptions;

/// What is solved for all frames at once from their overlaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatchMethod {
    /// Values stay as they are.
    None,
    /// An offset per frame and channel.
    Offset,
    /// A gain per frame and channel, from stars or structure.
    Gain,
    /// Gain and offset.
    #[default]
    Full,
    /// Gain, offset and a low-order surface.
    Surface,
    /// As ZeMosaic's intertile match does it, with its clamps: for comparison only.
    Zemosaic,
}

impl MatchMethod {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Offset => "offset",
            Self::Gain => "gain",
            Self::Full => "full",
            Self::Surface => "surface",
            Self::Zemosaic => "zemosaic",
        }
    }

    /// Whether gains are measured, from stars or structure.
    pub fn has_gain(self) -> bool {
        matches!(self, Self::Gain | Self::Full | Self::Surface)
    }

    /// Whether offsets are solved.
    pub fn has_offset(self) -> bool {
        matches!(self, Self::Offset | Self::Full | Self::Surface)
    }
}

/// Order of the surfaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurfaceOrder {
    /// Planes.
    Plane,
    /// Second order.
    #[default]
    Quadratic,
}

/// Options of the match; all change pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MatchOptions {
    /// What is solved.
    pub method: MatchMethod,
    /// Order of the surfaces, of `surface`.
    pub surface_order: SurfaceOrder,
    /// The frame that keeps its values: its id, its file name, or its number from 0 in the order of the frames; `None`: the
    /// mean of all frames of a connected part stays.
    pub reference: Option<String>,
    /// Side of a block in pixels of the grid; `None`: 64, halved or doubled so that frames have some hundred blocks.
    pub block_px: Option<usize>,
    /// Common blocks that a pair of frames needs to be compared.
    pub min_blocks: usize,
    /// Pairs that are chosen for each frame.
    pub pairs_per_frame: usize,
    /// Common stars that a gain from stars alone needs where structure tells one too; of pairs without structure 6 count.
    pub min_stars: usize,
    /// Signal to noise that a star needs; where a pair has fewer than `min_stars` of them, the next best down to 7.
    pub star_snr: f64,
    /// Of `zemosaic`.
    pub intertile: IntertileOptions,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            method: MatchMethod::default(),
            surface_order: SurfaceOrder::default(),
            reference: None,
            block_px: None,
            min_blocks: 4,
            pairs_per_frame: 16,
            min_stars: 20,
            star_snr: 20.0,
            intertile: IntertileOptions::default(),
        }
    }
}

/// How frames are brought to one level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizeMethod {
    /// Values stay as they are.
    #[default]
    None,
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
    /// A factor: median of a healthy frame over the frame's own, where they overlap; for comparison with ZeMosaic's grid mode.
    TileScaling,
}

impl NormalizeMethod {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Multiplicative => "multiplicative",
            Self::AdditiveScaling => "additive-scaling",
            Self::LinearFit => "linear-fit",
            Self::LinearFitRobust => "linear-fit-robust",
            Self::SkyMean => "sky-mean",
            Self::TileScaling => "tile-scaling",
        }
    }
}

/// Options of the forms with a reference frame; all change pixels.
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
    /// Common blocks that a frame needs with the reference.
    pub min_blocks: usize,
}

impl Default for NormalizeOptions {
    fn default() -> Self {
        Self { method: NormalizeMethod::default(), reference: None, block_px: None, min_blocks: 4 }
    }
}
