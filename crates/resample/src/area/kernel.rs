//! The area kernels and their parameters.
//!
//! Drizzle: Fruchter, A. S. & Hook, R. N. 2002, PASP 114, 144; shapes and conventions of STScI's drizzle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::AreaError;

/// Quadrilaterals with a corner farther than this many output pixels (and half a frame pixel) from their middle
/// along an axis are folds or seams of the map and give no data. A square pixel needs 0.71.
const REACH: f64 = 1.25;

/// Smallest side of a drop, frame pixels: overlaps of smaller ones drown in rounding.
pub const MIN_PIXFRAC: f64 = 1e-3;

/// Shape of a drop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropShape {
    /// The frame's pixel shrunk about its centre and mapped: exact quadrilateral overlap.
    #[default]
    Square,
    /// A square along the axes of the output grid about the mapped centre, as large as the shrunken pixel.
    Turbo,
    /// Everything into the output pixel that holds the mapped centre.
    Point,
}

/// Options of drizzle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DrizzleOptions {
    /// Side of a drop in frame pixels, from [`MIN_PIXFRAC`] to 1. Without meaning for `point`.
    pub pixfrac: f64,
    /// Shape of the drop.
    pub shape: DropShape,
}

impl Default for DrizzleOptions {
    fn default() -> Self {
        Self { pixfrac: 1.0, shape: DropShape::Square }
    }
}

/// How overlaps become weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AreaMethod {
    /// Overlap of the output pixel with whole frame pixels; relative weight = covered share of the output pixel.
    #[default]
    Exact,
    /// Overlap of the output pixel with drops, over the drop's area; relative weight = their sum.
    Drizzle(DrizzleOptions),
}

/// An area kernel ready for use on one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AreaKernel {
    method: AreaMethod,
    scale_ratio: f64,
}

impl AreaKernel {
    /// `scale_ratio`: side of an output pixel in frame pixels (the largest in the frame). It sets how far an output
    /// pixel may reach in the frame, and the size of turbo's drops.
    ///
    /// # Errors
    /// [`AreaError`] when pixfrac or scale ratio is out of range.
    pub fn new(method: AreaMethod, scale_ratio: f64) -> Result<Self, AreaError> {
        if !(scale_ratio.is_finite() && scale_ratio > 0.0) {
            return Err(AreaError::ScaleRatio(scale_ratio));
        }
        if let AreaMethod::Drizzle(DrizzleOptions { pixfrac, .. }) = method
            && !(MIN_PIXFRAC..=1.0).contains(&pixfrac)
        {
            return Err(AreaError::Pixfrac(pixfrac));
        }
        Ok(Self { method, scale_ratio })
    }

    /// The method.
    pub fn method(&self) -> AreaMethod {
        self.method
    }

    /// Side of an output pixel in frame pixels.
    pub fn scale_ratio(&self) -> f64 {
        self.scale_ratio
    }

    /// Pixels beyond the pixel of an output pixel's centre that its sample can touch, along each axis.
    pub fn margin_px(&self) -> usize {
        (self.reach_px() * (1.0 + self.pad())).ceil() as usize + 1
    }

    /// Largest distance of a corner from the middle of an output pixel, frame pixels along an axis.
    pub(super) fn reach_px(&self) -> f64 {
        reach_px(self.scale_ratio)
    }

    /// How far centres of drops that touch an output pixel can lie outside it, in half output pixels.
    pub(super) fn pad(&self) -> f64 {
        match self.method {
            AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape: DropShape::Turbo }) => {
                pixfrac / self.scale_ratio
            }
            _ => 0.0,
        }
    }
}

/// Reach of output pixels of a side of `scale_ratio` frame pixels.
pub(super) fn reach_px(scale_ratio: f64) -> f64 {
    REACH * scale_ratio + 0.5
}
