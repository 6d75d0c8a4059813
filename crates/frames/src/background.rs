//! The sky background of a frame, from all of its good pixels, read in bands of rows.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_image::Region;
use zemosaic_image::background::{Background, BackgroundError, BackgroundOptions, MeshBuilder, Sites};

use crate::error::FramesError;
use crate::frame::{Frame, FrameKind};
use crate::pixels::{PixelScratch, read_stored};

/// Background per output channel of `frame`: of a CFA frame each colour from its own raw pixels, of an RGB frame from each
/// plane. Pixels that the frame's maps call bad do not count.
///
/// # Errors
/// As `zemosaic_fits::read_window`; the inner error says why there is none, as when there is too little data.
pub fn measure_background(
    pool: &FilePool,
    frame: &Frame,
    options: BackgroundOptions,
) -> Result<Result<Vec<Background>, FramesError>, FitsError> {
    let (sites, planes) = match frame.kind {
        FrameKind::Mono => (Sites::All, 1),
        FrameKind::Rgb => (Sites::All, 3),
        FrameKind::Cfa(pattern) => (Sites::Cfa(pattern), 1),
    };
    let builders: Result<Vec<MeshBuilder>, BackgroundError> =
        (0..planes).map(|_| MeshBuilder::new(frame.width, frame.height, options, sites)).collect();
    let mut builders = match builders {
        Ok(builders) => builders,
        Err(error) => return Ok(Err(FramesError::Background(error.to_string()))),
    };
    let mut scratch = PixelScratch::default();
    for y0 in (0..frame.height).step_by(BAND_ROWS) {
        let height = BAND_ROWS.min(frame.height - y0);
        let band = Region { x0: 0, y0: y0 as i64, width: frame.width, height };
        read_stored(pool, frame, band, [1.0; 3], &mut scratch)?;
        for (builder, rows) in builders.iter_mut().zip(scratch.stored(frame)) {
            builder.add_rows(rows);
        }
    }
    let found: Result<Vec<Vec<Background>>, FramesError> = builders
        .into_iter()
        .enumerate()
        .map(|(plane, builder)| builder.finish().map_err(|error| explain(error, frame.kind, plane)))
        .collect();
    Ok(found.map(|planes| planes.into_iter().flatten().collect()))
}

/// The error of a plane's builder, which does not know the colours of the planes.
fn explain(error: BackgroundError, kind: FrameKind, plane: usize) -> FramesError {
    let BackgroundError::NoData { colour } = error else { return FramesError::Background(error.to_string()) };
    let channel = match kind {
        FrameKind::Mono => None,
        FrameKind::Rgb => Some(plane),
        FrameKind::Cfa(_) => Some(colour),
    };
    let name = channel.and_then(|channel| ["red", "green", "blue"].get(channel));
    let of = name.map_or(String::new(), |name| format!("{name} "));
    FramesError::Background(format!("no cell of the background mesh has data in half of its {of}pixels"))
}

/// Rows read at a time.
const BAND_ROWS: usize = 64;
