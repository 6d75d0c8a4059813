//! What plate solving says of each frame, and of all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use zemosaic_frames::{Frame, FrameKind};
use zemosaic_sky::{Wcs, lonlat_deg};
use zemosaic_stars::FrameQuality;

use crate::events::Warning;
use crate::solve::subject::Subject;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SolveOutcome {
    /// Its own WCS is right.
    Confirmed,
    /// Its own WCS is believed: too few stars to say.
    Unverified,
    /// Its own WCS is believed: nobody looked.
    Believed,
    /// Its stars contradict its own WCS, which is kept as no other was found.
    Doubted,
    /// Its own WCS was wrong; another was found.
    Replaced,
    /// It had none; one was found.
    Solved,
    /// It was placed by the stars of another frame.
    Registered,
    /// None was found.
    Unsolved,
}

/// A frame.
#[derive(Debug, Clone, Serialize)]
pub struct SolvedFrame {
    /// Its name, as in `frames.csv`.
    pub frame: String,
    /// What became of it.
    pub outcome: SolveOutcome,
    /// How its WCS was found: hint, neighbour, blind, registered, a program; its own: as the WCS's origin is called.
    pub how: String,
    /// Centre, ICRS degrees.
    pub centre_deg: Option<(f64, f64)>,
    /// Scale, arcsec per pixel.
    pub scale_arcsec: Option<f64>,
    /// Position angle of +y, degrees east of north.
    pub rotation_deg: Option<f64>,
    /// Whether it is mirrored against the sky.
    pub mirrored: Option<bool>,
    /// Stars found.
    pub stars: usize,
    /// Of these, catalogue stars that the WCS was fitted to or is confirmed by.
    pub matches: usize,
    /// Root mean square of their distances, pixels.
    pub rms_px: Option<f64>,
    /// The same after all frames were adjusted, about the mean places of the stars, pixels.
    pub internal_rms_px: Option<f64>,
    /// Order of the distortion; 0: none.
    pub sip_order: usize,
    /// What else is to be said: how wrong its own WCS was, why it is not solved.
    pub note: String,
    /// The WCS.
    #[serde(skip)]
    pub wcs: Option<Arc<Wcs>>,
    /// Columns and rows.
    #[serde(skip)]
    pub size_px: [usize; 2],
    /// The file.
    #[serde(skip)]
    pub path: PathBuf,
    /// Index of the HDU with the image.
    #[serde(skip)]
    pub hdu: usize,
    /// Column and row of the stored image under pixel (0, 0) of the frame.
    #[serde(skip)]
    pub stored_origin: (usize, usize),
    /// Columns and rows of the stored image.
    #[serde(skip)]
    pub stored_px: [usize; 2],
}

/// A camera.
#[derive(Debug, Clone, Serialize)]
pub struct SolvedInstrument {
    /// Camera, telescope, filter, size.
    pub name: String,
    /// Frames that were solved.
    pub frames: usize,
    /// Median scale, arcsec per pixel.
    pub scale_arcsec: f64,
    /// Order of the distortion its frames share; 0: none.
    pub sip_order: usize,
    /// Its largest shift inside a frame, pixels.
    pub distortion_max_px: f64,
    /// Kind of mount, by how the field turned.
    pub mount: String,
}

/// All of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SolveReport {
    /// Name of the catalogue.
    pub catalogue: String,
    /// Frames by outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// Cameras.
    pub instruments: Vec<SolvedInstrument>,
    /// Scatter of the same star over frames after the adjustment, pixels on each axis.
    pub internal_rms_px: Option<f64>,
    /// The same, arcsec.
    pub internal_rms_arcsec: Option<f64>,
    /// Distance of stars from their catalogue places, arcsec on each axis.
    pub external_rms_arcsec: Option<f64>,
    /// Stars that the adjustment had.
    pub objects: usize,
    /// Frames, in frame order.
    #[serde(skip)]
    pub frames: Vec<SolvedFrame>,
    /// What the pixels of frames said on the way, by frame.
    #[serde(skip)]
    pub qualities: BTreeMap<String, (FrameKind, Arc<FrameQuality>)>,
    /// What the user should know.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

impl SolveOutcome {
    /// Whether the WCS is another than the one the frame came with.
    pub fn is_new(self) -> bool {
        matches!(self, Self::Replaced | Self::Solved | Self::Registered)
    }

    /// Its name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unverified => "unverified",
            Self::Believed => "believed",
            Self::Doubted => "doubted",
            Self::Replaced => "replaced",
            Self::Solved => "solved",
            Self::Registered => "registered",
            Self::Unsolved => "unsolved",
        }
    }
}

impl SolvedFrame {
    /// A frame of which nothing is known yet.
    pub(crate) fn new(frame: &Frame, subject: &Subject) -> Self {
        Self {
            frame: frame.id.clone(),
            outcome: SolveOutcome::Unsolved,
            how: String::new(),
            centre_deg: None,
            scale_arcsec: None,
            rotation_deg: None,
            mirrored: None,
            stars: subject.stars.len(),
            matches: 0,
            rms_px: None,
            internal_rms_px: None,
            sip_order: 0,
            note: String::new(),
            wcs: None,
            size_px: subject.size_px,
            path: frame.path.clone(),
            hdu: frame.hdu,
            stored_origin: frame.stored_origin,
            stored_px: [frame.layout.width(), frame.layout.height()],
        }
    }

    /// The WCS of the stored image, which has the overscan too.
    pub fn stored_wcs(&self) -> Option<Wcs> {
        let (x0, y0) = self.stored_origin;
        self.wcs.as_ref().map(|wcs| wcs.shifted(-(x0 as f64), -(y0 as f64)))
    }

    /// With a WCS and what follows from it.
    pub(crate) fn set_wcs(&mut self, wcs: Arc<Wcs>) {
        let [x, y] = self.size_px.map(|side| 0.5 * (side as f64 - 1.0));
        self.centre_deg = wcs.pixel_to_icrs(x, y).map(|icrs| lonlat_deg(&icrs));
        self.scale_arcsec = Some(wcs.scale_deg() * 3600.0);
        self.rotation_deg = Some(wcs.position_angle_deg());
        self.mirrored = Some(wcs.parity() > 0.0);
        self.wcs = Some(wcs);
    }
}
