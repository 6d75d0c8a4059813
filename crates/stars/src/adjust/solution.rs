//! What the adjustment takes and gives.

use thiserror::Error;
use zemosaic_sky::{Wcs, WcsError};

use crate::detection::Detection;
use crate::reference::ReferenceStar;

/// One frame before the adjustment.
#[derive(Debug, Clone, Copy)]
pub struct AdjustFrame<'a> {
    /// Where it starts, good to a few pixels; anything that maps pixels to ICRS.
    pub wcs: &'a Wcs,
    /// Width and height.
    pub size_px: [usize; 2],
    /// Its stars, brightest first.
    pub stars: &'a [Detection],
    /// Index of a star and its catalogue star; ids are of one source over all frames. May be empty.
    pub matches: &'a [(usize, ReferenceStar)],
    /// Frames of one instrument (camera, telescope, filter) share a distortion and about a scale, and have one size.
    pub instrument: usize,
}

/// All frames after it.
#[derive(Debug, Clone)]
pub struct Adjusted {
    /// In the order of the input.
    pub frames: Vec<AdjustedFrame>,
    /// By instrument number; numbers that no frame has are there with 0 frames.
    pub instruments: Vec<InstrumentSolution>,
    /// Residuals of detections about the positions of their stars, per axis, pixels, corrected for the degrees of freedom; of
    /// stars in at least two frames. NaN where there are none.
    pub internal_rms_px: f64,
    /// The same, arcsec.
    pub internal_rms_arcsec: f64,
    /// Positions of stars minus the catalogue's, per axis, arcsec. NaN without catalogue stars.
    pub external_rms_arcsec: f64,
    /// Stars used: in two frames or in the catalogue.
    pub objects: usize,
    /// Rounds of the solution, all stages together.
    pub rounds: usize,
}

/// One frame after it.
#[derive(Debug, Clone)]
pub struct AdjustedFrame {
    /// TAN or TAN-SIP, ICRS; the start where `placed_by` says so.
    pub wcs: Wcs,
    /// Detections that count, outliers left out.
    pub stars_used: usize,
    /// Those among them that the frame itself has matched with the catalogue.
    pub catalogue_stars: usize,
    /// As [`Adjusted::internal_rms_px`].
    pub internal_rms_px: f64,
    /// As [`Adjusted::external_rms_arcsec`].
    pub external_rms_arcsec: f64,
    /// What holds it.
    pub placed_by: PlacedBy,
    /// The largest move of a corner from the start, pixels.
    pub max_shift_px: f64,
}

/// What holds a frame on the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedBy {
    /// Four catalogue stars or more of its own.
    Catalogue,
    /// Stars in common with other frames (six stars at least, its own catalogue stars among them).
    Neighbours,
    /// Nothing: too few stars; its start is kept and others do not use it.
    Start,
}

/// An instrument after the adjustment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstrumentSolution {
    /// Order of its distortion, 0 without any.
    pub sip_order: usize,
    /// Median scale of its frames, arcsec per pixel.
    pub scale_arcsec: f64,
    /// Frames of it.
    pub frames: usize,
    /// The largest distortion within a frame, terms of second and higher order (Legendre), pixels.
    pub distortion_max_px: f64,
    /// Error of positions besides their own, per axis, pixels.
    pub floor_px: f64,
}

/// Why there is no adjustment.
#[derive(Debug, Error)]
pub enum AdjustError {
    /// The options cannot be used.
    #[error("{0}")]
    Options(String),
    /// A frame starts nowhere.
    #[error("frame {frame}: its WCS does not map the frame to the sky, or the frame has no size")]
    Start {
        /// Index of it.
        frame: usize,
    },
    /// Frames of one instrument differ in size.
    #[error("frame {frame}: its size is not that of instrument {instrument}")]
    Size {
        /// Index of it.
        frame: usize,
        /// Its instrument.
        instrument: usize,
    },
    /// A match points to no star.
    #[error("frame {frame}: a match with star {star}, of which there is none")]
    Match {
        /// Index of the frame.
        frame: usize,
        /// Index of the star.
        star: usize,
    },
    /// The equations cannot be solved.
    #[error("the equations of the adjustment are singular")]
    Singular,
    /// A solution is no WCS.
    #[error("frame {frame}: {source}")]
    Wcs {
        /// Index of the frame.
        frame: usize,
        /// What is wrong.
        source: WcsError,
    },
}
