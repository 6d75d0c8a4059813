//! What the engine is asked to do with the frames.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_resample::Kernel;
use zemosaic_sky::MapOptions;
use zemosaic_stack::{Combine, RejectOptions};

/// Weights of frames in a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Every sample counts the same.
    None,
    /// 1 / variance, measured on each frame and channel before resampling.
    #[default]
    Ivar,
}

/// Whether the kernel stretches where output pixels are larger than input pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Antialias {
    /// Stretch when output scale / input scale exceeds 1.1.
    #[default]
    Auto,
    /// Never stretch.
    Off,
}

/// Options of the engine; all change pixels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoaddOptions {
    /// Interpolation kernel.
    pub kernel: Kernel,
    /// Kernel stretch when shrinking.
    pub antialias: Antialias,
    /// Coordinate maps.
    pub map: MapOptions,
    /// Frame weights.
    pub weights: Weights,
    /// How samples become a pixel.
    pub combine: Combine,
    /// Which samples are outliers.
    pub reject: RejectOptions,
}

/// Output scale over input scale above which the kernel stretches.
const ANTIALIAS_ABOVE: f64 = 1.1;

impl CoaddOptions {
    /// Kernel stretch for a source, from the ratio output scale / input scale.
    pub fn stretch(&self, scale_ratio: f64) -> f64 {
        match self.antialias {
            Antialias::Auto if scale_ratio > ANTIALIAS_ABOVE => scale_ratio,
            Antialias::Auto | Antialias::Off => 1.0,
        }
    }
}
