//! Projections an output grid can have.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::GridError;

/// Projection of the output grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GridProjection {
    /// TAN where the frames span up to 10 deg, else ZEA.
    #[default]
    Auto,
    /// Gnomonic.
    Tan,
    /// Stereographic: keeps shapes.
    Stg,
    /// Orthographic.
    Sin,
    /// Zenithal equal area.
    Zea,
    /// Plate carree about the equator.
    Car,
    /// Hammer-Aitoff about the equator.
    Ait,
}

/// Frames that span more than this (deg) are no longer put on a tangent plane by [`GridProjection::Auto`].
const WIDEST_TAN_DEG: f64 = 10.0;

impl GridProjection {
    /// The projection itself, for frames that reach `farthest_deg` from the reference point.
    pub(crate) fn chosen(self, farthest_deg: f64) -> Self {
        match self {
            Self::Auto if 2.0 * farthest_deg <= WIDEST_TAN_DEG => Self::Tan,
            Self::Auto => Self::Zea,
            other => other,
        }
    }

    /// The FITS code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Auto | Self::Tan => "TAN",
            Self::Stg => "STG",
            Self::Sin => "SIN",
            Self::Zea => "ZEA",
            Self::Car => "CAR",
            Self::Ait => "AIT",
        }
    }

    /// No part of a frame may be farther than this from the reference point.
    pub(crate) fn limit_deg(self) -> f64 {
        match self {
            Self::Auto | Self::Tan => 75.0,
            Self::Sin => 85.0,
            Self::Stg => 150.0,
            Self::Zea => 170.0,
            Self::Car | Self::Ait => 180.0,
        }
    }

    /// True for maps about the equator, which have a seam.
    pub(crate) fn is_equatorial(self) -> bool {
        matches!(self, Self::Car | Self::Ait)
    }
}

impl FromStr for GridProjection {
    type Err = GridError;

    /// `auto` or a FITS code in either case.
    fn from_str(text: &str) -> Result<Self, GridError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "tan" => Ok(Self::Tan),
            "stg" => Ok(Self::Stg),
            "sin" => Ok(Self::Sin),
            "zea" => Ok(Self::Zea),
            "car" => Ok(Self::Car),
            "ait" => Ok(Self::Ait),
            _ => Err(GridError::Option { name: "projection", value: text.to_string() }),
        }
    }
}
