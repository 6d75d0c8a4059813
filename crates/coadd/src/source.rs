//! A frame placed on the grid.

use zemosaic_fits::FitsError;
use zemosaic_frames::{Frame, FrameNoise};
use zemosaic_image::Region;
use zemosaic_resample::KernelTable;
use zemosaic_sky::{Grid, PixelMap, WcsError, grid_bounds};

use crate::options::{CoaddOptions, Weights};

/// A frame with everything the engine needs to coadd it; immutable and shared by all threads.
pub struct Source {
    /// The frame.
    pub frame: Frame,
    /// Grid pixel to frame pixel.
    pub map: PixelMap,
    /// Where on the grid it lies (conservative).
    pub bounds: Region,
    /// The interpolation kernel with this source's stretch.
    pub kernel: KernelTable,
    /// Weight per channel.
    pub weight: [f64; 3],
    /// Variance of one pixel per channel, in squared units of the frame; NaN if unknown.
    pub noise_variance: [f64; 3],
    /// Output scale over input scale.
    pub scale_ratio: f64,
}

impl Source {
    /// Place `frame` on `grid`; `None` when it does not touch it.
    ///
    /// # Errors
    /// A WCS that cannot be mapped to the grid.
    pub fn place(
        frame: Frame,
        noise: &FrameNoise,
        grid: &Grid,
        options: &CoaddOptions,
    ) -> Result<Option<Self>, WcsError> {
        let Some(bounds) = grid_bounds(grid, &frame.wcs, frame.width, frame.height) else { return Ok(None) };
        let map = PixelMap::new(grid, &frame.wcs, frame.width, frame.height, options.map)?;
        let scale_ratio = grid.wcs.scale_deg() / frame.wcs.scale_deg();
        let kernel = KernelTable::new(options.kernel, options.stretch(scale_ratio));
        let mut noise_variance = [f64::NAN; 3];
        for (variance, sigma) in noise_variance.iter_mut().zip(&noise.sigma_adu) {
            *variance = if *sigma > 0.0 { sigma * sigma } else { f64::NAN };
        }
        Ok(Some(Self { frame, map, bounds, kernel, weight: [1.0; 3], noise_variance, scale_ratio }))
    }
}

/// Give every source its weight. A source whose noise cannot be measured gets the median weight of the
/// others (1 where there is none), and its index is returned so that the run can say so.
pub fn set_weights(sources: &mut [Source], weights: Weights) -> Vec<usize> {
    let mut unknown = Vec::new();
    for channel in 0..3 {
        let weight_of = |source: &Source| 1.0 / source.noise_variance[channel];
        let mut known: Vec<f64> = sources.iter().map(weight_of).filter(|weight| weight.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let median = known.get(known.len() / 2).copied().unwrap_or(1.0);
        for (index, source) in sources.iter_mut().enumerate() {
            source.weight[channel] = match weights {
                Weights::None => 1.0,
                Weights::Ivar => {
                    let own = weight_of(source);
                    if own.is_finite() {
                        own
                    } else {
                        if channel < source.frame.kind.channels() && !unknown.contains(&index) {
                            unknown.push(index);
                        }
                        median
                    }
                }
            };
        }
    }
    unknown
}

/// A read of a source that failed while coadding: its samples are missing from one patch.
#[derive(Debug)]
pub struct ReadFailure {
    /// Index of the source.
    pub source: usize,
    /// Patch that misses it.
    pub patch: usize,
    /// Why.
    pub error: FitsError,
}
