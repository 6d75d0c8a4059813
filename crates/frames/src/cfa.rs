//! What becomes of the raw pixels behind a colour filter array, and what follows for the planes of such a frame.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_image::defects::HALO_PX;
use zemosaic_image::{CfaPattern, Demosaic};

use crate::bad_pixels::Defects;
use crate::frame::{Frame, FrameKind};

/// How the raw pixels of a CFA frame become three planes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DemosaicMethod {
    /// Means of the neighbours of a colour: linear, of known noise.
    #[default]
    Bilinear,
    /// Variable number of gradients: sharper where the image has edges.
    Vng,
    /// Ratio corrected, direction by direction: sharpest, for data whose zero is near no light.
    Rcd,
    /// One pixel of three colours per 2 x 2 cell, at half the resolution.
    SuperPixel,
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

impl DemosaicMethod {
    /// Mean variance of a plane over that of a raw pixel.
    pub fn noise_gain(self, channel: usize) -> f64 {
        match self.interpolation() {
            Some(method) => method.variance_gain(channel),
            None => 1.0,
        }
    }

    /// The method of interpolation; `None` for drizzle, which has none.
    pub fn interpolation(self) -> Option<Demosaic> {
        match self {
            Self::Bilinear => Some(Demosaic::Bilinear),
            Self::Vng => Some(Demosaic::Vng),
            Self::Rcd => Some(Demosaic::Rcd),
            Self::SuperPixel => Some(Demosaic::SuperPixel),
            Self::None => None,
        }
    }

    /// Side of a pixel of the planes in raw pixels.
    pub fn binning(self) -> usize {
        self.interpolation().map_or(1, Demosaic::step_px)
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

    /// How its planes are made of its raw plane.
    pub fn interpolation(&self) -> Option<Demosaic> {
        match self.kind {
            FrameKind::Cfa(_) => self.demosaic.interpolation(),
            FrameKind::Mono | FrameKind::Rgb => None,
        }
    }

    /// Whether demosaicing correlates the noise of neighbouring pixels of its planes.
    pub fn is_interpolated(&self) -> bool {
        self.interpolation().is_some_and(|method| method != Demosaic::SuperPixel)
    }

    /// Stored pixels around a window of its planes that are read with it.
    pub fn halo_px(&self) -> usize {
        let defects = if let Defects::InWindows(_) = self.defects { HALO_PX } else { 0 };
        self.interpolation().map_or(0, Demosaic::halo_px) + defects
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
