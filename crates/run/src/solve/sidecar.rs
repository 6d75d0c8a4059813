//! The side-car of a solved frame: NAME.wcs, which [`zemosaic_frames::wcs_source`] and other programs read.
//!
//! A file with one image has a FITS file that is a header alone, as astrometry.net writes it (NAXIS = 0; the image size in
//! IMAGEW and IMAGEH). One with several images has a text with a header for each, every one ended by END, as SCAMP writes.

use std::path::{Path, PathBuf};

use thiserror::Error;
use zemosaic_fits::{HduRole, Header, SampleType};
use zemosaic_frames::wcs_source::bare_name;
use zemosaic_sky::Wcs;

use crate::error::RunError;
use crate::options::Existing;
use crate::products::header::PROGRAM;
use crate::products::staged::StagedFiles;

/// Marks a side-car as one of this program, which may be replaced.
const KIND: (&str, &str) = ("ZMT_KIND", "wcs-sidecar");

/// One image of a file.
#[derive(Debug, Clone, Copy)]
pub struct SolvedImage<'a> {
    /// Its WCS; `None` for an image that was not solved, whose header then says nothing of the sky.
    pub wcs: Option<&'a Wcs>,
    /// Columns and rows.
    pub size_px: [usize; 2],
    /// What was found out, as name and text: solver, matches, rms. Written as HISTORY.
    pub facts: &'a [(&'a str, String)],
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sidecar {
    /// Largest error of the inverse polynomials AP and BP over the images, pixels; `None` where none was written.
    pub inverse_error_px: Option<f64>,
}

/// Why there is no side-car.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// A file of another program has the name.
    #[error("{} was not written by zemosaic and is kept; replace it with --force", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Two frames whose names differ by their folders or endings alone.
    #[error(
        "{} would be of both {} and {}; solve them apart, with a --sidecar-dir for each",
        path.display(), frames[0].display(), frames[1].display()
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The frames.
        frames: [PathBuf; 2],
    },
    /// No image at all, which no reader would understand.
    #[error("{} would have no header", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] RunError),
}

/// The side-car of the frame at `frame`: NAME.wcs beside it, or in `folder` where one is given.
pub fn sidecar_path(frame: &Path, folder: Option<&Path>) -> PathBuf {
    let folder = folder.or(frame.parent()).unwrap_or(Path::new(""));
    folder.join(format!("{}.wcs", bare_name(frame)))
}

/// Writes the side-car at `path` of a file with one image of `size_px` (columns, rows); see [`write_sidecars`].
///
/// # Errors
/// As [`write_sidecars`].
pub fn write_sidecar(
    path: &Path,
    wcs: &Wcs,
    size_px: [usize; 2],
    facts: &[(&str, String)],
    existing: Existing,
) -> Result<Sidecar, SidecarError> {
    write_sidecars(path, &[SolvedImage { wcs: Some(wcs), size_px, facts }], existing)
}

/// Writes the side-car at `path` of a file with `images`, all at once or not at all. One of this program is replaced; one
/// of another only with [`Existing::Replace`].
///
/// # Errors
/// [`SidecarError::Foreign`], [`SidecarError::Empty`], [`SidecarError::Write`].
pub fn write_sidecars(
    path: &Path,
    images: &[SolvedImage<'_>],
    existing: Existing,
) -> Result<Sidecar, SidecarError> {
    if existing == Existing::Refuse && path.symlink_metadata().is_ok() && !is_own(path) {
        return Err(SidecarError::Foreign { path: path.to_path_buf() });
    }
    let mut error_px: Option<f64> = None;
    let mut header_of = |image: &SolvedImage<'_>, start: Header| {
        let (header, own_px) = header_of(image, start);
        error_px = own_px.map_or(error_px, |own| Some(error_px.map_or(own, |other| own.max(other))));
        header
    };
    let bytes = match images {
        [] => return Err(SidecarError::Empty { path: path.to_path_buf() }),
        [image] => header_of(image, Header::for_image(HduRole::Primary, SampleType::U8, &[])).to_bytes(),
        _ => images.iter().flat_map(|image| text_of(&header_of(image, Header::new()))).collect(),
    };
    let mut staged = StagedFiles::default();
    staged.add(path, &bytes)?;
    staged.publish()?;
    Ok(Sidecar { inverse_error_px: error_px })
}

/// Whether the file is a side-car of this program.
fn is_own(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    // Of a binary header the cards run together, which the reader of texts takes as well.
    Header::parse_text(&String::from_utf8_lossy(&bytes))
        .is_ok_and(|header| header.get_str(KIND.0).is_some_and(|kind| kind == KIND.1))
}

/// The header of one image, and the error of its AP and BP.
fn header_of(image: &SolvedImage<'_>, start: Header) -> (Header, Option<f64>) {
    let mut header = start;
    let [width, height] = image.size_px;
    header.set_i64("IMAGEW", width as i64, "[px] image width");
    header.set_i64("IMAGEH", height as i64, "[px] image height");
    let error_px = image.wcs.and_then(|wcs| wcs.write_with_inverse(&mut header, image.size_px));
    header.set_str("SWCREATE", PROGRAM, "program that made this file");
    header.set_str(KIND.0, KIND.1, "what this file is");
    for (name, text) in image.facts {
        header.push_history(&format!("zemosaic {name}: {text}"));
    }
    if let Some(error_px) = error_px {
        header.push_comment(&format!(
            "AP and BP are a fit: at most {error_px:.1e} px off the inverse of A and B over the image"
        ));
    }
    (header, error_px)
}

/// Cards as lines, ended by END.
fn text_of(header: &Header) -> Vec<u8> {
    let mut text = Vec::new();
    for card in header.cards() {
        text.extend(card.trim_ascii_end());
        text.push(b'\n');
    }
    text.extend(b"END\n");
    text
}
