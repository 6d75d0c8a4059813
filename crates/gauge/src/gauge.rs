//! What becomes of the values of every frame and channel, corrected = gain x value + offset + surface, and what is known of
//! it; and the gauge relative to one frame by the method of the options.

use crate::certificate::SeamCertificate;
use crate::compat::tile_scaling::{self, ScalingRecord};
use crate::options::{NormalizeMethod, NormalizeOptions};
use crate::preview::Preview;
use crate::relative;
use crate::report::{ChannelReport, PairReport};
use crate::surface::{SURFACE_TERMS, Surface};

/// What becomes of a frame's values, per channel: gain x value + offset + surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameGauge {
    /// Factors.
    pub gain: [f64; 3],
    /// Offsets in units of the mosaic.
    pub offset: [f64; 3],
    /// Surfaces over the grid, added too.
    pub surface: [Surface; 3],
}

impl Default for FrameGauge {
    fn default() -> Self {
        Self { gain: [1.0; 3], offset: [0.0; 3], surface: [Surface::default(); 3] }
    }
}

impl FrameGauge {
    /// A value of a channel at (x, y) of the grid with this gauge.
    pub fn apply(&self, channel: usize, value: f64, (x, y): (f64, f64)) -> f64 {
        self.gain[channel] * value + (self.offset[channel] + self.surface[channel].at(x, y))
    }
}

/// A frame that cannot be brought to the level of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOutFrame {
    /// Its index.
    pub frame: usize,
    /// Reason code of the stacking contract (C-15), or `level_not_positive`.
    pub code: &'static str,
    /// Why.
    pub message: String,
}

/// Something that should be known of a frame's gauge.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its index.
    pub frame: usize,
    /// What.
    pub text: String,
}

/// Something that the overlaps do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// What, in words.
    pub what: String,
    /// Indices of the frames that it is about, the most affected first; empty: all.
    pub frames: Vec<usize>,
}

/// Standard errors of a frame's gauge per channel; NaN where they are not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameError {
    /// Of the gains.
    pub gain: [f64; 3],
    /// Of the offsets, units of the mosaic.
    pub offset: [f64; 3],
    /// Of the coefficients of the surfaces, units of the mosaic; 0 of terms that are not fitted.
    pub surface: [[f64; SURFACE_TERMS]; 3],
}

impl Default for FrameError {
    fn default() -> Self {
        Self { gain: [f64::NAN; 3], offset: [f64::NAN; 3], surface: [[f64::NAN; SURFACE_TERMS]; 3] }
    }
}

/// The gauge of all frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// Gain and offset of each frame; identity for those left out.
    pub frames: Vec<FrameGauge>,
    /// Frames that must not be used.
    pub left_out: Vec<LeftOutFrame>,
    /// What should be known of some.
    pub notes: Vec<Note>,
    /// The reference frame, of methods that have one.
    pub reference: Option<usize>,
    /// Frames that share no block with another and so keep their level, of a match.
    pub unlinked: Vec<usize>,
    /// Connected part of each frame, from 0, of a match.
    pub part: Vec<usize>,
    /// The fit, per channel, of a match.
    pub channels: Vec<ChannelReport>,
    /// The pairs, of a match.
    pub pairs: Vec<PairReport>,
    /// Standard errors of each frame's gauge; empty where they are not known.
    pub error: Vec<FrameError>,
    /// Frames whose gain nothing tells: it is 1.
    pub without_gain: Vec<usize>,
    /// What the overlaps do not tell: one thing each.
    pub undetermined: Vec<Untold>,
    /// What was found for each tile and channel, of tile scaling.
    pub scaling: Vec<ScalingRecord>,
    /// The steps that remain, where they were looked at.
    pub certificate: Option<SeamCertificate>,
}

impl Gauge {
    /// Nothing changes.
    pub fn identity(frames: usize) -> Self {
        Self {
            frames: vec![FrameGauge::default(); frames],
            left_out: Vec::new(),
            notes: Vec::new(),
            reference: None,
            unlinked: Vec::new(),
            part: vec![0; frames],
            channels: Vec::new(),
            pairs: Vec::new(),
            error: Vec::new(),
            without_gain: Vec::new(),
            undetermined: Vec::new(),
            scaling: Vec::new(),
            certificate: None,
        }
    }
}

/// Why there is no gauge at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GaugeError {
    /// The reference frame of this index has no valid block of sky (`zero_valid_support`).
    Reference(usize),
    /// No frame could be scaled to that of this index (tile scaling).
    NothingScaled(usize),
}

/// The gauge of frames with `previews` relative to one of them, in frame order. `sigma`: noise of a pixel per frame and channel in the
/// previews' unit, NaN where unknown; `reference`: index of the reference frame, `None` for the one of most blocks.
///
/// # Errors
/// [`GaugeError`].
pub fn normalize(
    previews: &[Preview],
    sigma: &[Vec<f64>],
    reference: Option<usize>,
    options: &NormalizeOptions,
) -> Result<Gauge, GaugeError> {
    match options.method {
        NormalizeMethod::None => Ok(Gauge::identity(previews.len())),
        NormalizeMethod::Multiplicative
        | NormalizeMethod::AdditiveScaling
        | NormalizeMethod::LinearFit
        | NormalizeMethod::LinearFitRobust
        | NormalizeMethod::SkyMean => relative::relative(previews, sigma, reference, options),
        NormalizeMethod::TileScaling => tile_scaling::as_gauge(previews, reference),
    }
}
