//! What becomes of the raw pixels behind a colour filter array, and what follows for the planes of such a frame.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_image::CfaPattern;

use crate::frame::{Frame, FrameKind};

/// How the raw pixels of a CFA frame become three planes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DemosaicMethod {
    /// Means of the neighbours of a colour: linear, of known noise.
    #[default]
    Bilinear,
    /// No interpolation: each channel is drizzled from the raw pixels of its colour (CFA drizzle); for many dithered frames.
    None,
}

/// Which Bayer pattern counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CfaChoice {
    /// That of the header; what the pixels say against it is told.
    #[default]
    Header,
    /// That of the pixels where they are clear, else that of the header.
    Auto,
    /// R G / G B in the first two rows as stored, of all frames of one plane.
    Rggb,
    /// B G / G R.
    Bggr,
    /// G R / B G.
    Grbg,
    /// G B / R G.
    Gbrg,
}

impl CfaChoice {
    /// The pattern that it gives to every frame of one plane.
    pub fn pattern(self) -> Option<CfaPattern> {
        match self {
            Self::Header | Self::Auto => None,
            Self::Rggb => Some(CfaPattern::Rggb),
            Self::Bggr => Some(CfaPattern::Bggr),
            Self::Grbg => Some(CfaPattern::Grbg),
            Self::Gbrg => Some(CfaPattern::Gbrg),
        }
    }

    /// The layout of a frame whose header says `kind`.
    pub fn apply(self, kind: FrameKind) -> FrameKind {
        match (self.pattern(), kind) {
            (None, _) | (_, FrameKind::Rgb) => kind,
            (Some(pattern), FrameKind::Mono | FrameKind::Cfa(_)) => FrameKind::Cfa(pattern),
        }
    }
}

/// Mean variance of a bilinearly demosaiced plane over that of a raw pixel: for red and blue one
/// measured site, two means of two and one mean of four (1 + 1/2 + 1/2 + 1/4) / 4, for green one
/// measured and one mean of four (1 + 1/4) / 2.
const BILINEAR_GAIN: [f64; 3] = [0.5625, 0.625, 0.5625];

impl DemosaicMethod {
    /// Mean variance of a plane over that of a raw pixel.
    pub fn noise_gain(self, channel: usize) -> f64 {
        match self {
            Self::Bilinear => BILINEAR_GAIN.get(channel).copied().unwrap_or(1.0),
            Self::None => 1.0,
        }
    }

    /// Raw pixels around a window that its planes depend on.
    pub fn halo_px(self) -> usize {
        match self {
            Self::Bilinear => 1,
            Self::None => 0,
        }
    }

    /// Side of a pixel of the planes in raw pixels.
    pub fn binning(self) -> usize {
        1
    }
}

/// Variance of a plane of `frame` over that of a stored pixel.
pub fn gain_of(frame: &Frame, channel: usize) -> f64 {
    match frame.kind {
        FrameKind::Cfa(_) => frame.demosaic.noise_gain(channel),
        FrameKind::Mono | FrameKind::Rgb => 1.0,
    }
}

impl Frame {
    /// The pattern of a frame whose channels are sampled from its raw plane, each from the pixels of its colour (CFA drizzle).
    pub fn raw_cfa(&self) -> Option<CfaPattern> {
        match (self.kind, self.demosaic) {
            (FrameKind::Cfa(pattern), DemosaicMethod::None) => Some(pattern),
            _ => None,
        }
    }

    /// Whether the noise of neighbouring pixels of its planes is correlated by demosaicing.
    pub fn is_interpolated(&self) -> bool {
        matches!((self.kind, self.demosaic), (FrameKind::Cfa(_), DemosaicMethod::Bilinear))
    }

    /// Side of a pixel of its planes in stored pixels.
    pub fn binning(&self) -> usize {
        match self.kind {
            FrameKind::Cfa(_) => self.demosaic.binning(),
            FrameKind::Mono | FrameKind::Rgb => 1,
        }
    }

    /// Columns and rows of its planes.
    pub fn plane_size(&self) -> (usize, usize) {
        (self.width / self.binning(), self.height / self.binning())
    }
}
