//! Points of a photon transfer curve within a frame: level and variance of raw pixels in small blocks, over which
//! vignetting, gradients and the colours of the filter array spread the level.
//!
//! The blocks are quarters of the bands that noise is measured on; the variance is that of differences of neighbours of one
//! colour (`measure.rs`), so stars and slopes hardly count.

use zemosaic_fits::{FilePool, FitsError};

use crate::frame::{Frame, FrameKind};
use crate::measure::{BAND_ROWS, colour_rows, median_of, noise_of, read_bands};
use crate::pixels::PixelScratch;

/// Level and variance of raw pixels of one place and colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferPoint {
    /// Median, units of the frame.
    pub level_adu: f64,
    /// Variance, squared units of the frame.
    pub variance_adu2: f64,
}

/// Whether so low a level may have lost what was below 0: of unsigned integers as they were read. Where a bias or an overscan
/// was subtracted, 0 is no limit.
pub fn may_be_cut(frame: &Frame, point: &TransferPoint) -> bool {
    let subtracts =
        frame.calibration.as_ref().is_some_and(|own| !own.subtract.is_empty() || own.level.is_some());
    let as_read = frame.layout.is_unsigned16() && !subtracts && frame.overscan.is_none();
    as_read && point.level_adu < 4.0 * point.variance_adu2.sqrt()
}

/// Blocks of a band.
const BAND_PARTS: usize = 4;

/// Whether the pixels of a frame are a camera's own: CFA, or one plane of unsigned 16-bit integers.
pub fn is_raw(frame: &Frame) -> bool {
    match frame.kind {
        FrameKind::Cfa(_) => true,
        FrameKind::Mono => frame.layout.is_unsigned16(),
        FrameKind::Rgb => false,
    }
}

/// The points of a raw frame, by place and colour; none of a frame that is not raw. Blocks whose values may be cut off at 0
/// (level below four times the noise, in unsigned integers) are left out.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn transfer_points(pool: &FilePool, frame: &Frame) -> Result<Vec<TransferPoint>, FitsError> {
    let mut points = Vec::new();
    if !is_raw(frame) {
        return Ok(points);
    }
    let mut scratch = PixelScratch::default();
    let bands = read_bands(pool, frame, &mut scratch)?;
    let Some(plane) = bands.planes.first() else { return Ok(points) };
    for band in plane.chunks(BAND_ROWS * frame.width) {
        for channel in 0..frame.kind.channels() {
            let rows: Vec<Vec<f32>> = match frame.kind {
                FrameKind::Cfa(pattern) => colour_rows(band, frame.width, pattern, channel),
                FrameKind::Mono | FrameKind::Rgb => band.chunks(frame.width).map(<[f32]>::to_vec).collect(),
            };
            let width = rows.first().map_or(0, Vec::len).div_ceil(BAND_PARTS).max(1);
            for part in 0..BAND_PARTS {
                let block: Vec<Vec<f32>> = rows
                    .iter()
                    .filter_map(|row| {
                        Some(row.get(part * width..row.len().min((part + 1) * width))?.to_vec())
                    })
                    .collect();
                let sigma = noise_of(&block, 1);
                let point =
                    TransferPoint { level_adu: median_of(&mut block.concat()), variance_adu2: sigma * sigma };
                let is_cut = may_be_cut(frame, &point);
                if sigma > 0.0 && point.level_adu.is_finite() && !is_cut {
                    points.push(point);
                }
            }
        }
    }
    Ok(points)
}
