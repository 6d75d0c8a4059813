//! Noise of a frame from its own pixels, measured before any resampling.
//!
//! sigma = 1.4826 MAD(I(x+s, y) - I(x, y)) / sqrt 2 over neighbours of the same colour (s = 1, on a
//! CFA s = 2), on bands of rows spread evenly over the frame: robust against stars and gradients.
//! The bands depend on the frame alone, so the figure is the same in every run.

use zemosaic_fits::{FilePool, FitsError, ReadScratch, Window, read_window};
use zemosaic_image::CfaPattern;
use zemosaic_image::stats::difference_noise;

use crate::frame::{Frame, FrameKind};

/// Rows that are looked at in each of the bands.
const BAND_ROWS: usize = 4;
/// Bands over the height of the frame.
const BANDS: usize = 32;

/// What a frame's own pixels say.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameNoise {
    /// Standard deviation of one pixel per output channel, in the frame's units; NaN where it cannot
    /// be measured. For a CFA frame: of the demosaiced planes, averaged over the pattern.
    pub sigma_adu: Vec<f64>,
    /// Whether any pixel of the frame is finite.
    pub has_data: bool,
}

/// Mean variance of a bilinearly demosaiced plane over that of a raw pixel: for red and blue one
/// measured site, two means of two and one mean of four (1 + 1/2 + 1/2 + 1/4) / 4, for green one
/// measured and one mean of four (1 + 1/4) / 2.
const DEMOSAIC_GAIN: [f64; 3] = [0.5625, 0.625, 0.5625];

/// Measure `frame`.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn measure_noise(pool: &FilePool, frame: &Frame) -> Result<FrameNoise, FitsError> {
    let mut scratch = ReadScratch::default();
    let mut sigma_adu = Vec::new();
    let mut has_data = false;
    for plane in 0..if frame.kind == FrameKind::Rgb { 3 } else { 1 } {
        let bands = read_bands(pool, frame, plane, &mut scratch)?;
        has_data |= bands.iter().any(|value| value.is_finite());
        match frame.kind {
            FrameKind::Cfa(pattern) => {
                for (channel, gain) in DEMOSAIC_GAIN.iter().enumerate() {
                    let rows = colour_rows(&bands, frame.width, pattern, channel);
                    sigma_adu.push(noise_of(&rows, 1) * gain.sqrt());
                }
            }
            FrameKind::Mono | FrameKind::Rgb => {
                let rows: Vec<Vec<f32>> = bands.chunks(frame.width).map(<[f32]>::to_vec).collect();
                sigma_adu.push(noise_of(&rows, 1));
            }
        }
    }
    if !has_data {
        has_data = any_finite(pool, frame, &mut scratch)?;
    }
    Ok(FrameNoise { sigma_adu, has_data })
}

fn noise_of(rows: &[Vec<f32>], step: usize) -> f64 {
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    difference_noise(&rows, step).map_or(f64::NAN, f64::from)
}

/// Rows of the bands, one after the other; each band starts at an even row so that a CFA keeps its phase.
fn read_bands(
    pool: &FilePool,
    frame: &Frame,
    plane: usize,
    scratch: &mut ReadScratch,
) -> Result<Vec<f32>, FitsError> {
    let mut all = Vec::new();
    let band_rows = BAND_ROWS.min(frame.height);
    let bands = BANDS.min(frame.height / band_rows).max(1);
    for band in 0..bands {
        let y0 = (band * (frame.height - band_rows) / bands) & !1;
        let start = all.len();
        all.resize(start + band_rows * frame.width, 0.0);
        let window = Window { x0: 0, y0, width: frame.width, height: band_rows };
        read_window(pool, &frame.pixels_path, &frame.layout, plane, window, scratch, &mut all[start..])?;
    }
    Ok(all)
}

/// The pixels of one colour, row by row, side by side: neighbours at step 1 are neighbours of one colour.
fn colour_rows(bands: &[f32], width: usize, pattern: CfaPattern, channel: usize) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    for (y, row) in bands.chunks(width).enumerate() {
        // Green sits in every row, red and blue in every second one.
        let phase = y % BAND_ROWS % 2;
        let start = (0..2).find(|x| pattern.colour_at(*x, phase as i64) == channel);
        if let Some(start) = start {
            rows.push(row.iter().skip(start as usize).step_by(2).copied().collect());
        }
    }
    rows
}

fn any_finite(pool: &FilePool, frame: &Frame, scratch: &mut ReadScratch) -> Result<bool, FitsError> {
    const ROWS: usize = 64;
    let mut out = vec![0.0; ROWS.min(frame.height) * frame.width];
    for plane in 0..if frame.kind == FrameKind::Rgb { 3 } else { 1 } {
        for y0 in (0..frame.height).step_by(ROWS) {
            let height = ROWS.min(frame.height - y0);
            let part = &mut out[..height * frame.width];
            let window = Window { x0: 0, y0, width: frame.width, height };
            read_window(pool, &frame.pixels_path, &frame.layout, plane, window, scratch, part)?;
            if part.iter().any(|value| value.is_finite()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
