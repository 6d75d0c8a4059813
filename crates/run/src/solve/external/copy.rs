//! The copy of a frame that another program solves: one plane of 16 bits and no card of the original.

use std::path::Path;

use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::pixels::{PixelScratch, read_raw_planes};
use zemosaic_frames::{Frame, FrameKind};
use zemosaic_image::{Region, stats};

use super::ExternalError;

/// Noise of a rescaled copy, which 16 bits hold well.
const NOISE: f32 = 20.0;
/// Background of a rescaled copy: a hundred times the noise.
const LEVEL: f32 = 2000.0;
/// Pixels that level and noise are measured on.
const SAMPLED: usize = 1 << 18;

/// What was written.
pub(super) struct Copied {
    /// Pixels of the frame along a side of a pixel of the copy.
    pub binning: usize,
    /// Rows of the copy.
    pub height_px: usize,
}

/// Writes the copy of `frame` to `file`.
pub(super) fn write_copy(pool: &FilePool, frame: &Frame, file: &Path) -> Result<Copied, ExternalError> {
    let mut scratch = PixelScratch::default();
    let whole = Region { x0: 0, y0: 0, width: frame.width, height: frame.height };
    let planes = read_raw_planes(pool, frame, whole, &mut scratch)?;
    let binning = if matches!(frame.kind, FrameKind::Cfa(_)) { 2 } else { 1 };
    let (width, height) = (frame.width / binning, frame.height / binning);
    let mut plane = vec![f32::NAN; width * height];
    for (n, value) in plane.iter_mut().enumerate() {
        let (x0, y0) = (binning * (n % width), binning * (n / width));
        let samples = planes.iter().flat_map(|plane| {
            (0..binning * binning).map(move |k| plane[(y0 + k / binning) * frame.width + x0 + k % binning])
        });
        *value = finite_mean(samples);
    }
    let pixels = to_16_bits(&plane).ok_or(ExternalError::Empty)?;
    write_image(file, &Header::new(), ImageData::U16(&pixels), &[width, height])?;
    Ok(Copied { binning, height_px: height })
}

/// Mean of the finite values, NaN without one.
fn finite_mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    sum / count
}

/// Values as they are where 16 bits hold them and their noise, else with a level and noise that 16 bits hold; the median
/// where there is no data. `None` without any.
fn to_16_bits(plane: &[f32]) -> Option<Vec<u16>> {
    let step = (plane.len() / SAMPLED).max(1);
    let mut sample: Vec<f32> = plane.iter().step_by(step).copied().filter(|v| v.is_finite()).collect();
    let level = stats::median(&mut sample)?;
    let noise = stats::mad_sigma(&mut sample, level);
    let finite = plane.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let fits = low >= 0.0 && high <= f32::from(u16::MAX) && noise >= 1.0;
    let (scale, shift) = match fits {
        true => (1.0, 0.0),
        // Without noise the brightest pixel is the top.
        false if noise > 0.0 => (NOISE / noise, LEVEL),
        false => ((f32::from(u16::MAX) - LEVEL) / (high - level).max(f32::MIN_POSITIVE), LEVEL),
    };
    let origin = if fits { 0.0 } else { level };
    let stored = |v: f32| {
        let value = if v.is_finite() { v } else { level };
        ((value - origin) * scale + shift).round().clamp(0.0, f32::from(u16::MAX)) as u16
    };
    Some(plane.iter().map(|v| stored(*v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_fit_stay() {
        let plane: Vec<f32> = (0..1000).map(|n| 1000.0 + (n % 7) as f32).chain([f32::NAN]).collect();
        let stored = to_16_bits(&plane).unwrap();
        assert_eq!((stored[0], stored[6], stored[1000]), (1000, 1006, 1003));
    }

    #[test]
    fn small_numbers_keep_their_noise() {
        let plane: Vec<f32> = (0..1000).map(|n| 0.01 + 1e-4 * (n % 7) as f32).chain([0.9]).collect();
        let stored = to_16_bits(&plane).unwrap();
        let (low, high) = (stored[..1000].iter().min().unwrap(), stored[..1000].iter().max().unwrap());
        assert!(high - low > 20 && *low > 1000, "{low} to {high}");
        // What is bright stays far above, within the range.
        assert!(stored[1000] > 30 * (high - low), "{}", stored[1000]);
    }

    #[test]
    fn no_data_is_nothing_to_solve() {
        assert!(to_16_bits(&[f32::NAN; 4]).is_none());
    }
}
