//! The pixels of a source that a part of a patch needs, ready for its kernel: read, bad pixels NaN, demosaiced, background
//! subtracted, filtered.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::pixels::read_planes_scaled;
use zemosaic_frames::{PixelScratch, RelativeVariance};
use zemosaic_image::background::Background;
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, Region};
use zemosaic_resample::{PrefilterScratch, SourceWindow, SplineCoefficients, bspline_prefilter};

use crate::resampler::Resampler;
use crate::saturation::Saturation;
use crate::source::Source;

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct WindowScratch {
    pixels: PixelScratch,
    prefilter: PrefilterScratch,
    coefficients: [SplineCoefficients; 3],
    surface: Vec<f32>,
}

/// A window ready for the kernel.
pub(crate) struct FrameWindow<'a> {
    /// One per channel.
    pub(crate) planes: [SourceWindow<'a>; 3],
    /// Channels; with `cfa` all three in the first plane.
    pub(crate) channels: usize,
    /// The pattern of the first plane, if the frame is drizzled from its raw pixels.
    pub(crate) cfa: Option<CfaPattern>,
    /// Coefficients of each plane; only of kernels that need them.
    pub(crate) coefficients: [&'a SplineCoefficients; 3],
    /// Variance of each pixel over the frame's, of frames with a weight map.
    pub(crate) relative_variance: Option<RelativeVariance<'a>>,
}

impl WindowScratch {
    /// Bytes for a window of `pixels` pixels in `rows` rows of `source`, all buffers together.
    pub(crate) fn bytes_for(source: &Source, pixels: usize, rows: usize) -> usize {
        let channels = source.frame.kind.channels();
        let saturation = if source.frame.meta.saturation_adu.is_some() { pixels } else { 0 };
        PixelScratch::bytes_for(&source.frame, pixels, rows)
            + source.resampler.extra_bytes(pixels, channels)
            + saturation
    }

    /// Read `region` of `source`; what is saturated goes to `saturation`.
    pub(crate) fn read<'a>(
        &'a mut self,
        pool: &FilePool,
        source: &Source,
        region: Region,
        level: SimdLevel,
        saturation: &mut Saturation,
    ) -> Result<FrameWindow<'a>, FitsError> {
        let frame = &source.frame;
        let pixels = read_planes_scaled(pool, frame, region, source.map_scale, &mut self.pixels)?;
        saturation.note(&pixels, frame.meta.saturation_adu, frame.binning());
        let mut planes = pixels.planes;
        if let Some(pattern) = pixels.cfa {
            subtract_by_colour(level, &source.background, pattern, region, planes[0], &mut self.surface);
        } else {
            for (plane, background) in planes.iter_mut().zip(source.background.iter()) {
                subtract(level, background, frame.binning(), region, plane, &mut self.surface);
            }
        }
        let (frame_width, frame_height) = frame.plane_size();
        let windows = planes.map(|data| SourceWindow { data, region, frame_width, frame_height });
        if let Resampler::Point(table) = &source.resampler
            && table.needs_prefilter()
        {
            for (window, out) in windows.iter().zip(&mut self.coefficients).take(pixels.channels) {
                bspline_prefilter(level, window, &mut self.prefilter, out);
            }
        }
        Ok(FrameWindow {
            planes: windows,
            channels: pixels.channels,
            cfa: pixels.cfa,
            coefficients: self.coefficients.each_ref(),
            relative_variance: pixels.relative_variance,
        })
    }
}

/// Subtract the surface of each colour from the raw pixels of that colour.
fn subtract_by_colour(
    level: SimdLevel,
    background: &[Background],
    pattern: CfaPattern,
    region: Region,
    raw: &mut [f32],
    surface: &mut Vec<f32>,
) {
    for (colour, background) in background.iter().enumerate() {
        surface.clear();
        surface.resize(region.area(), 0.0);
        background.subtract_at(level, region, surface);
        for (row, y) in (region.y0..region.y1()).enumerate() {
            for x in (region.x0..region.x1()).filter(|x| pattern.colour_at(*x, y) == colour) {
                let index = row * region.width + (x - region.x0) as usize;
                raw[index] += surface[index];
            }
        }
    }
}

/// Subtract the surface from a plane whose pixels are means of `binning` x `binning` stored ones.
fn subtract(
    level: SimdLevel,
    background: &Background,
    binning: usize,
    region: Region,
    plane: &mut [f32],
    surface: &mut Vec<f32>,
) {
    if binning == 1 {
        background.subtract_at(level, region, plane);
        return;
    }
    let b = binning as i64;
    let stored = Region {
        x0: region.x0 * b,
        y0: region.y0 * b,
        width: region.width * binning,
        height: region.height * binning,
    };
    surface.clear();
    surface.resize(stored.area(), 0.0);
    background.subtract_at(level, stored, surface);
    let share = 1.0 / (binning * binning) as f32;
    for (y, row) in plane.chunks_exact_mut(region.width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let mut sum = 0.0;
            for line in surface[y * binning * stored.width..].chunks(stored.width).take(binning) {
                sum += line[x * binning..(x + 1) * binning].iter().sum::<f32>();
            }
            *pixel += sum * share;
        }
    }
}
