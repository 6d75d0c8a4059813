//! A frame as plate solving sees it: its stars, and what its header says of where it points.

use std::path::Path;

use zemosaic_fits::FilePool;
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{Frame, FrameMaps, Packing, Pointing, Reason, SkyHints, WcsOrigin};
use zemosaic_stars::{Detection, FrameQuality};

use crate::prepare::unpack_alone;
use crate::quality::field_of;
use crate::run_folder::SPILL_PREFIX;
use crate::solve::options::SolveOptions;

/// The year of a frame without a date: near enough for stars that are not among the fastest.
const YEAR_WITHOUT_DATE: f64 = 2020.0;

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its name.
    pub id: String,
    /// Columns and rows.
    pub size_px: [usize; 2],
    /// Its stars, brightest first.
    pub stars: Vec<Detection>,
    /// What else its pixels say; `None` where they have no background or are too few.
    pub quality: Option<FrameQuality>,
    /// What its header says of the sky.
    pub hints: SkyHints,
    /// Date for proper motions, Julian year.
    pub year: f64,
    /// Middle of the exposure, seconds since 1970; NaN unknown.
    pub time_s: f64,
    /// Frames with the same number share camera, telescope, filter and size.
    pub instrument: usize,
    /// Whether it came with a WCS.
    pub has_wcs: bool,
}

impl Subject {
    /// Find the stars of `frame`; packed files are unpacked into `scratch` for as long as that takes.
    ///
    /// # Errors
    /// The reason to leave the frame out.
    pub(crate) fn of(
        frame: &Frame,
        instrument: usize,
        options: &SolveOptions,
        scratch: &Path,
    ) -> Result<Self, Reason> {
        let copy = unpacked(frame, scratch)?;
        // A pool of its own: an open file would keep the space of a copy that is removed.
        let field =
            field_of(&copy.frame, &options.stars(), &FilePool::new(2)).map_err(|error| reason_of(&error))?;
        let hints = given_hints(&frame.meta.hints, options);
        Ok(Self {
            id: frame.id.clone(),
            size_px: [frame.width, frame.height],
            stars: field.as_ref().map(|field| Detection::of(field, options.max_stars)).unwrap_or_default(),
            quality: field.as_ref().map(FrameQuality::of),
            year: options.catalog_epoch.or(hints.year).unwrap_or(YEAR_WITHOUT_DATE),
            time_s: hints.mid_exposure_unix_s.unwrap_or(f64::NAN),
            hints,
            instrument,
            has_wcs: frame.wcs_origin != WcsOrigin::Absent,
        })
    }

    /// Half of the diagonal at a scale, degrees.
    pub(crate) fn half_diagonal_deg(&self, scale_arcsec: f64) -> f64 {
        0.5 * (self.size_px[0] as f64).hypot(self.size_px[1] as f64) * scale_arcsec / 3600.0
    }
}

/// A frame whose pixels can be read by position; its unpacked copy, if it needs one, goes with it.
pub(crate) struct Unpacked {
    /// It.
    pub frame: Frame,
    _folder: Option<tempfile::TempDir>,
}

/// Unpack a frame, where it is packed, into a folder of its own below `scratch`; without its maps.
///
/// # Errors
/// The reason to leave it out.
pub(crate) fn unpacked(frame: &Frame, scratch: &Path) -> Result<Unpacked, Reason> {
    let mut frame = frame.clone();
    if frame.packing == Packing::Plain {
        frame.maps = FrameMaps::default();
        return Ok(Unpacked { frame, _folder: None });
    }
    let folder = tempfile::Builder::new().prefix(SPILL_PREFIX).tempdir_in(scratch);
    let folder = folder.map_err(|error| {
        let place = scratch.display();
        Reason::Unreadable(format!("no room to unpack it in {place}: {error}; --tmp DIR unpacks elsewhere"))
    })?;
    unpack_alone(&mut frame, folder.path())?;
    Ok(Unpacked { frame, _folder: Some(folder) })
}

/// The header's hints, or what the user says instead.
fn given_hints(hints: &SkyHints, options: &SolveOptions) -> SkyHints {
    let mut hints = hints.clone();
    if let Some(centre_deg) = options.centre_deg {
        hints.pointings = vec![Pointing { centre_deg, source: "--solve-center", slack_deg: 0.0 }];
    }
    if let Some(scale) = options.scale_arcsec {
        hints.scale_arcsec = Some((scale, "--solve-scale"));
    }
    hints
}
