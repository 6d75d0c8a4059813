//! A calibration file, from its header.

use std::path::{Path, PathBuf};

use zemosaic_fits::{Header, ImageLayout};
use zemosaic_image::{CfaPattern, Region};

use crate::calibration::facts::{ImageFacts, ImageType, applied_steps, camera_setup, image_type, is_master};
use crate::calibration::options::OverscanMode;
use crate::calibration::overscan::declared;
use crate::dialect::{frame_kind, frame_meta};
use crate::frame::{FrameKind, Packing, Reason};
use crate::images::{ImagePart, images_of};

/// What a calibration file is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalibrationKind {
    /// Level of an exposure of no length.
    Bias,
    /// Level of an exposure without light, the bias in it.
    Dark,
    /// Response to even light.
    Flat,
    /// Not 0: bad.
    BadPixels,
}

impl CalibrationKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bias => "bias",
            Self::Dark => "dark",
            Self::Flat => "flat",
            Self::BadPixels => "bad-pixel map",
        }
    }

    /// Whether a file whose header says `said` may be used as this.
    pub fn takes(self, said: Option<ImageType>) -> bool {
        match self {
            Self::Bias => matches!(said, None | Some(ImageType::Bias)),
            Self::Dark => matches!(said, None | Some(ImageType::Dark | ImageType::DarkFlat)),
            Self::Flat => matches!(said, None | Some(ImageType::Flat)),
            Self::BadPixels => true,
        }
    }
}

/// A calibration image that was found.
#[derive(Debug, Clone)]
pub struct CalibrationFile {
    /// The file as given.
    pub path: PathBuf,
    /// Packing of `path`.
    pub packing: Packing,
    /// Index of the HDU with the image.
    pub hdu: usize,
    /// Where and how the pixels lie in the (unpacked) file.
    pub layout: ImageLayout,
    /// Length of the unpacked file in bytes.
    pub unpacked_bytes: u64,
    /// What it says it is.
    pub said: Option<ImageType>,
    /// Whether it is made of several frames.
    pub is_master: bool,
    /// What it is matched by.
    pub facts: ImageFacts,
    /// The section whose level is subtracted, in stored pixels.
    pub overscan: Option<Region>,
}

/// The first image of `path` as a calibration image.
///
/// # Errors
/// Why it is none.
pub fn read_calibration_file(path: &Path, overscan: OverscanMode) -> Result<CalibrationFile, Reason> {
    let (_, part) = images_of(path)?
        .into_iter()
        .next()
        .ok_or_else(|| Reason::NotAnImage("no image in the file".into()))?;
    let part = part?;
    let kind = frame_kind(&part.header, &part.layout).map_err(Reason::NotAnImage)?;
    let (facts, section) = image_facts(&part.header, &part.layout, kind, overscan);
    let ImagePart { hdu, header, layout, packing, unpacked_bytes } = part;
    Ok(CalibrationFile {
        path: path.to_path_buf(),
        packing,
        hdu,
        layout,
        unpacked_bytes,
        said: image_type(&header),
        is_master: is_master(&header, path),
        facts,
        overscan: section,
    })
}

/// What an image is matched by, and its overscan.
pub(crate) fn image_facts(
    header: &Header,
    layout: &ImageLayout,
    kind: FrameKind,
    mode: OverscanMode,
) -> (ImageFacts, Option<Region>) {
    let whole = (layout.width(), layout.height());
    let found = match mode {
        OverscanMode::Auto if layout.planes() == 1 => declared(header, whole),
        OverscanMode::Auto | OverscanMode::Off => None,
    };
    let data = found.as_ref().map_or(((0, 0), whole), |found| {
        ((found.data.x0 as usize, found.data.y0 as usize), (found.data.width, found.data.height))
    });
    let meta = frame_meta(header, layout);
    let facts = ImageFacts {
        stored_px: whole,
        trimmed_px: data,
        planes: layout.planes(),
        pattern: pattern_of(kind),
        setup: camera_setup(header),
        exposure_s: meta.exposure_s,
        filter: meta.filter,
        applied: applied_steps(header),
    };
    (facts, found.and_then(|found| found.section))
}

/// The pattern of a CFA frame.
pub(crate) fn pattern_of(kind: FrameKind) -> Option<CfaPattern> {
    match kind {
        FrameKind::Cfa(pattern) => Some(pattern),
        FrameKind::Mono | FrameKind::Rgb => None,
    }
}
