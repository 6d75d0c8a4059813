//! The pixels of a source that a part of a patch needs, ready for its kernel: read, bad pixels NaN, demosaiced, background
//! subtracted, filtered.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::pixels::read_planes_scaled;
use zemosaic_frames::{PixelScratch, RelativeVariance};
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
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
}

/// A window ready for the kernel.
pub(crate) struct FrameWindow<'a> {
    /// One per channel.
    pub(crate) planes: [SourceWindow<'a>; 3],
    /// How many of `planes` hold data.
    pub(crate) channels: usize,
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
        saturation.note(&pixels, frame.meta.saturation_adu);
        let mut planes = pixels.planes;
        for (plane, background) in planes.iter_mut().zip(source.background.iter()) {
            background.subtract_at(level, region, plane);
        }
        let windows = planes.map(|data| SourceWindow {
            data,
            region,
            frame_width: frame.width,
            frame_height: frame.height,
        });
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
            coefficients: self.coefficients.each_ref(),
            relative_variance: pixels.relative_variance,
        })
    }
}
