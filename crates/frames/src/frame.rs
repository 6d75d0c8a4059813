//! The frame: everything the engine must know of one input image, except its pixels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use zemosaic_fits::ImageLayout;
use zemosaic_image::{CfaPattern, Region};
use zemosaic_sky::Wcs;

use crate::bad_pixels::Defects;
use crate::calibration::{AppliedSteps, CameraSetup, FrameCalibration, ImageFacts, files::pattern_of};
use crate::cfa::DemosaicMethod;
use crate::noise_model::NoiseModel;
use crate::pointing::SkyHints;

/// Colour layout of a frame's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// One plane.
    Mono,
    /// Three planes, red first (NAXIS3 = 3).
    Rgb,
    /// One plane behind a colour filter array, pattern as stored (first row first).
    Cfa(CfaPattern),
}

impl FrameKind {
    /// Output planes: 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Rgb | Self::Cfa(_) => 3,
        }
    }

    /// Short name for tables: `mono`, `rgb`, `cfa GRBG`.
    pub fn label(self) -> String {
        match self {
            Self::Mono => "mono".into(),
            Self::Rgb => "rgb".into(),
            Self::Cfa(pattern) => format!("cfa {}", pattern.name()),
        }
    }
}

/// How the file is packed on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Rows can be read by position.
    Plain,
    /// The whole file is packed by gzip or bzip2: unpacked once before pixels are read.
    WholeFile,
    /// The image is tile-compressed inside its file: unpacked once before pixels are read.
    Compressed,
}

/// Where a frame's WCS came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WcsOrigin {
    /// `--wcs-from`.
    Given(PathBuf),
    /// A `.head` file beside the frame.
    HeadSidecar(PathBuf),
    /// A `.wcs` file beside the frame.
    WcsSidecar(PathBuf),
    /// The frame's own header.
    Header,
    /// Plate solving.
    Solved,
    /// The stars of another frame, whose place is known.
    Registered,
    /// There is none; the frame's own is a placeholder that says nothing of the sky.
    Absent,
}

impl WcsOrigin {
    /// Short name for tables.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::HeadSidecar(_) => "head",
            Self::WcsSidecar(_) => "wcs",
            Self::Header => "header",
            Self::Solved => "solved",
            Self::Registered => "registered",
            Self::Absent => "none",
        }
    }

    /// The file, if it is not the frame's own.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Given(path) | Self::HeadSidecar(path) | Self::WcsSidecar(path) => Some(path),
            Self::Header | Self::Solved | Self::Registered | Self::Absent => None,
        }
    }
}

/// Header facts that products and reports repeat.
#[derive(Debug, Clone, Default)]
pub struct FrameMeta {
    /// Exposure time of the frame, seconds.
    pub exposure_s: Option<f64>,
    /// Start of the exposure, UTC, as the header gives it (ISO 8601).
    pub date_obs: Option<String>,
    /// OBJECT.
    pub object: Option<String>,
    /// TELESCOP.
    pub telescope: Option<String>,
    /// INSTRUME.
    pub instrument: Option<String>,
    /// FILTER.
    pub filter: Option<String>,
    /// Program that wrote the frame (CREATOR, SWCREATE or PROGRAM).
    pub creator: Option<String>,
    /// FOCALLEN, mm.
    pub focal_length_mm: Option<f64>,
    /// XPIXSZ, micrometres.
    pub pixel_size_um: Option<f64>,
    /// BUNIT.
    pub unit: Option<String>,
    /// Level at and above which a pixel is saturated, in the physical units of the frame.
    pub saturation_adu: Option<f64>,
    /// Electrons of one unit of the frame, where the header says so beyond doubt ([`crate::dialect::gain_e_per_adu`]).
    pub gain_e_per_adu: Option<f64>,
    /// Read noise of one raw pixel, electrons (RDNOISE, READNOIS or RON).
    pub read_noise_e: Option<f64>,
    /// Camera and setting, which calibration frames are matched by.
    pub setup: CameraSetup,
    /// Steps of the calibration that were done before.
    pub applied: AppliedSteps,
    /// Level of a pixel without light, where the header says it (PEDESTAL).
    pub pedestal_adu: Option<f64>,
    /// Where it points, at what scale and when, for a plate solver.
    pub hints: SkyHints,
    /// GAIN as the camera's own setting, where it is no number of electrons.
    pub gain_setting: Option<f64>,
}

/// What a frame's stars say of its WCS.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Astrometry {
    /// How the WCS was found; of one that was there its origin.
    pub how: String,
    /// Stars found.
    pub stars: usize,
    /// Of these, stars of the catalogue where the WCS has them.
    pub matches: usize,
    /// Root mean square of their distances, pixels; NaN unknown.
    pub rms_px: f64,
}

/// What the pixels of a map say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// 0 is good, anything else is bad.
    Mask,
    /// 1 / variance.
    Weight,
    /// Standard deviation.
    Rms,
    /// Variance.
    Variance,
}

/// A map of a frame: an image of its size, of one plane or of one for each channel of an RGB frame.
#[derive(Debug, Clone)]
pub struct FrameMap {
    /// The file as given.
    pub path: PathBuf,
    /// The file whose rows are read: `path`, or its unpacked copy in the spill folder.
    pub pixels_path: PathBuf,
    /// Packing of `path`.
    pub packing: Packing,
    /// Index of the HDU with the map.
    pub hdu: usize,
    /// Where and how the pixels lie in the (unpacked) file.
    pub layout: ImageLayout,
    /// What they say.
    pub kind: MapKind,
    /// Length of the unpacked file in bytes.
    pub unpacked_bytes: u64,
}

impl FrameMap {
    /// Planes: 1 for all channels, or 3.
    pub fn planes(&self) -> usize {
        self.layout.planes()
    }
}

/// The maps of a frame.
#[derive(Debug, Clone, Default)]
pub struct FrameMaps {
    /// Noise of each pixel.
    pub weight: Option<FrameMap>,
    /// Bad pixels.
    pub mask: Option<FrameMap>,
}

impl FrameMaps {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.weight.is_none() && self.mask.is_none()
    }

    /// Those there are.
    pub fn iter(&self) -> impl Iterator<Item = &FrameMap> {
        self.weight.iter().chain(&self.mask)
    }

    /// Those there are, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut FrameMap> {
        self.weight.iter_mut().chain(&mut self.mask)
    }
}

/// One usable input image.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Path below its input root, `/`-separated, NFC; with `[n]` behind it when the image is in a later HDU.
    pub id: String,
    /// The file as given; opened read-only, never changed.
    pub path: PathBuf,
    /// The file whose rows are read: `path`, or its unpacked copy in the spill folder.
    pub pixels_path: PathBuf,
    /// Packing of `path`.
    pub packing: Packing,
    /// Index of the HDU with the image.
    pub hdu: usize,
    /// Where and how the pixels lie in the (unpacked) file.
    pub layout: ImageLayout,
    /// Colour layout.
    pub kind: FrameKind,
    /// What is known of its bad pixels.
    pub defects: Defects,
    /// What becomes of its raw pixels, if it is a CFA frame.
    pub demosaic: DemosaicMethod,
    /// Columns, without overscan.
    pub width: usize,
    /// Rows, without overscan.
    pub height: usize,
    /// Column and row of the stored image under pixel (0, 0): not 0 where overscan is trimmed.
    pub stored_origin: (usize, usize),
    /// The overscan whose level is subtracted, in stored pixels.
    pub overscan: Option<Region>,
    /// How its pixels are calibrated.
    pub calibration: Option<Arc<FrameCalibration>>,
    /// The WCS that counts, of the frame without overscan.
    pub wcs: Arc<Wcs>,
    /// Where that WCS came from.
    pub wcs_origin: WcsOrigin,
    /// Why the WCS that it came with cannot be used, where it goes on without one.
    pub wcs_fault: Option<Reason>,
    /// What the frame's stars say of it; `None` where nobody asked.
    pub astrometry: Option<Astrometry>,
    /// Header facts.
    pub meta: FrameMeta,
    /// Gain and what else is known of its noise.
    pub noise_model: NoiseModel,
    /// Its weight map and its mask.
    pub maps: FrameMaps,
    /// What the pixels are to be multiplied with (FLXSCALE); 1e-15 to 1e15, 1 when nothing says it.
    pub flux_scale: f64,
    /// Length of the file in bytes, as on disk.
    pub file_bytes: u64,
    /// Length of the unpacked file in bytes (equal to `file_bytes` when plain).
    pub unpacked_bytes: u64,
    /// blake3 of the header cards: tells frames apart without reading pixels.
    pub header_hash: [u8; 32],
}

impl Frame {
    /// The files it is made of: its own, its maps, the one with its WCS, its masters.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let maps = self.maps.iter().map(|map| map.path.as_path());
        let masters = self.calibration.iter().flat_map(|calibration| calibration.files());
        [self.path.as_path()].into_iter().chain(maps).chain(self.wcs_origin.file()).chain(masters)
    }

    /// What calibration frames are matched by.
    pub fn facts(&self) -> ImageFacts {
        let (x0, y0) = self.stored_origin;
        ImageFacts {
            stored_px: (self.layout.width(), self.layout.height()),
            trimmed_px: (self.stored_origin, (self.width, self.height)),
            planes: self.layout.planes(),
            pattern: pattern_of(self.kind).map(|pattern| pattern.shifted(-(x0 as i64), -(y0 as i64))),
            setup: self.meta.setup.clone(),
            exposure_s: self.meta.exposure_s,
            filter: self.meta.filter.clone(),
            applied: self.meta.applied,
        }
    }

    /// Whether its noise is spread by its flat: it has one, and no weight map, which would win.
    pub fn has_flat_variance(&self) -> bool {
        self.maps.weight.is_none() && self.calibration.as_ref().is_some_and(|own| own.flat.is_some())
    }

    /// Planes of relative variance: those of the weight map, else with a flat one for each stored plane; 0 for a frame
    /// whose pixels all have the reference variance.
    pub fn variance_planes(&self) -> usize {
        match &self.maps.weight {
            Some(map) => map.planes(),
            None if self.has_flat_variance() => self.layout.planes(),
            None => 0,
        }
    }
}

/// Why an input is not in the mosaic. The code is stable: scripts may match on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The file cannot be opened or read.
    Unreadable(String),
    /// The file is shorter than its header says.
    Truncated(String),
    /// The contents contradict their own format, as in a cut or broken gzip stream.
    Damaged(String),
    /// The file is no FITS file, or a FITS file without a usable image.
    NotAnImage(String),
    /// No WCS was found.
    NoWcs(String),
    /// It has no WCS, and its stars were not found on the sky.
    Unsolved(String),
    /// A WCS was found and refused; the code is the refusal's own.
    BadWcs(&'static str, String),
    /// The frame has no finite pixel.
    Empty(String),
    /// The background cannot be measured.
    Background(String),
    /// Equal content to another frame.
    Duplicate(String),
    /// Not connected on the sky to the group that is mosaicked.
    OtherGroup(String),
    /// Its centre or scale is far from all others.
    Outlier(String),
    /// Outside the given grid.
    OffGrid(String),
    /// No frame but the mask, weight or error map of one: by its name, or as an image without a WCS in a file that
    /// has another image with one.
    Auxiliary(String),
    /// Its weight map or mask is missing or does not fit.
    Map(String),
    /// Its flux scale is no factor.
    FluxScale(String),
    /// It cannot be brought to the level of the others; the code is that of the stacking contract.
    Normalize(&'static str, String),
    /// A product of this program, met while walking a folder.
    OwnProduct(String),
    /// Beyond a limit on its quality.
    Quality(String),
    /// By its header a bias, dark or flat.
    Calibration(String),
}

impl Reason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "E-FRAME-READ",
            Self::Truncated(_) => "E-FRAME-TRUNCATED",
            Self::Damaged(_) => "E-FRAME-DAMAGED",
            Self::NotAnImage(_) => "E-FRAME-FORMAT",
            Self::NoWcs(_) => "E-WCS-NONE",
            Self::Unsolved(_) => "E-WCS-UNSOLVED",
            Self::BadWcs(code, _) | Self::Normalize(code, _) => code,
            Self::Empty(_) => "E-FRAME-EMPTY",
            Self::Background(_) => "E-FRAME-BACKGROUND",
            Self::Duplicate(_) => "W-FRAME-DUPLICATE",
            Self::OtherGroup(_) => "W-FRAME-GROUP",
            Self::Outlier(_) => "W-FRAME-OUTLIER",
            Self::OffGrid(_) => "W-FRAME-OFFGRID",
            Self::Auxiliary(_) => "W-FRAME-AUXILIARY",
            Self::Map(_) => "E-FRAME-MAP",
            Self::FluxScale(_) => "E-FRAME-FLUXSCALE",
            Self::OwnProduct(_) => "W-FRAME-PRODUCT",
            Self::Quality(_) => "W-FRAME-QUALITY",
            Self::Calibration(_) => "W-FRAME-CALIBRATION",
        }
    }

    /// The sentence behind the code.
    pub fn message(&self) -> &str {
        match self {
            Self::Unreadable(m)
            | Self::Truncated(m)
            | Self::Damaged(m)
            | Self::NotAnImage(m)
            | Self::NoWcs(m)
            | Self::Unsolved(m)
            | Self::BadWcs(_, m)
            | Self::Normalize(_, m)
            | Self::Empty(m)
            | Self::Background(m)
            | Self::Duplicate(m)
            | Self::OtherGroup(m)
            | Self::Outlier(m)
            | Self::OffGrid(m)
            | Self::Auxiliary(m)
            | Self::Map(m)
            | Self::FluxScale(m)
            | Self::OwnProduct(m)
            | Self::Quality(m)
            | Self::Calibration(m) => m,
        }
    }

    /// Whether the input could not be used at all (the run then ends with code 9), as opposed to
    /// frames that a choice leaves out.
    pub fn is_failure(&self) -> bool {
        self.code().starts_with("E-")
    }
}

/// An input that is not in the mosaic, and why.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// As [`Frame::id`].
    pub id: String,
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}
