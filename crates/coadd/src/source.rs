//! A frame placed on the grid.

use std::sync::Arc;

use thiserror::Error;
use zemosaic_fits::FitsError;
use zemosaic_frames::{Frame, FrameNoise, WeightRescale, gain_of};
use zemosaic_gauge::{FrameGauge, Surface};
use zemosaic_image::Region;
use zemosaic_image::background::Background;
use zemosaic_resample::area::AreaError;
use zemosaic_sky::{Grid, PixelMap, Wcs, WcsError, grid_bounds};
use zemosaic_stars::FrameQuality;

use crate::noise::{demosaic_correlation, largest_ratio};
use crate::options::{BackgroundMethod, CoaddOptions, FluxConvention, PhotonNoise, Weights};
use crate::plane_map::PlaneMap;
use crate::resampler::Resampler;
use crate::result::DepthPlanes;
use crate::spatial::SpatialWeight;

/// What a frame's own pixels say, measured before anything is resampled.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Noise and level.
    pub noise: FrameNoise,
    /// Background per channel; empty when none is to be subtracted.
    pub background: Arc<Vec<Background>>,
    /// Its stars' figures, where they were measured.
    pub quality: Option<Arc<FrameQuality>>,
}

/// Photon noise of what is brighter or darker than the sky: the variance grows by
/// (value - level) x `growth_per_unit` of itself, and does not fall below `least` of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Photons {
    /// Level of the sky in units of the frame (ADU or whatever its pixels are stored in), as it is resampled.
    pub level: f32,
    /// Growth of the variance over itself per unit of the frame: 1 / (gain x noise variance) of a pixel.
    pub growth_per_unit: f32,
    /// Least variance over itself; 1 where the noise without light is not known.
    pub least: f32,
}

/// A frame with everything the engine needs to coadd it; immutable and shared by all threads.
pub struct Source {
    /// The frame.
    pub frame: Frame,
    /// Grid pixel to pixel of its planes.
    pub map: PlaneMap,
    /// Where on the grid it lies (conservative).
    pub bounds: Region,
    /// The kernel at this source's scale.
    pub resampler: Resampler,
    /// Brightness or flux.
    pub flux: FluxConvention,
    /// Weight per channel.
    pub weight: [f64; 3],
    /// Variance of one pixel per channel, in squared units of the mosaic; NaN if unknown. For demosaiced frames with what
    /// the correlation of neighbours adds in the kernel; for flux without the area of output pixels.
    pub noise_variance: [f64; 3],
    /// Level of the sky per channel in units of the mosaic, 0 where the background is subtracted; NaN if unknown. For flux
    /// with the mean area of output pixels.
    pub level: [f64; 3],
    /// Variance of that level over the frame.
    pub level_variance: [f64; 3],
    /// What the variance of a weight map is multiplied with to be relative to the frame's, per channel.
    pub map_scale: [f64; 3],
    /// Whether its samples are given with weights of their own: where it, or since
    /// [`crate::weights::set_weights`] any source of the run,
    /// has such weights. A stack has them for all its samples or for none; those of a source without are 1.
    pub weighs_samples: bool,
    /// Whether a weight map goes into its own samples' weights; of this source alone.
    pub weighs_by_map: bool,
    /// Weight by place; `None`: 1 everywhere.
    pub spatial: Option<SpatialWeight>,
    /// Photon noise per channel.
    pub photons: [Option<Photons>; 3],
    /// Background per channel, subtracted from pixels.
    pub background: Arc<Vec<Background>>,
    /// What values are multiplied with per channel, after the flux scale; see [`Source::set_gauge`].
    pub gain: [f64; 3],
    /// What is added to them after that, in units of the mosaic at its brightness convention.
    pub offset: [f64; 3],
    /// Low-order surfaces that are added too.
    pub surface: [Surface; 3],
    /// Its stars' figures, where they were measured.
    pub quality: Option<Arc<FrameQuality>>,
    /// Output scale over the scale of its planes.
    pub scale_ratio: f64,
    /// Bytes that are kept of it through a run.
    pub kept_bytes: u64,
}

/// Why a frame cannot be placed.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// Its WCS cannot be mapped to the grid.
    #[error(transparent)]
    Wcs(#[from] WcsError),
    /// Its scale, or an option of the kernel, is out of range.
    #[error(transparent)]
    Kernel(#[from] AreaError),
}

/// The output grid as sources share it.
#[derive(Debug, Clone)]
pub struct SharedGrid {
    /// The grid.
    pub grid: Grid,
    wcs: Arc<Wcs>,
}

impl SharedGrid {
    /// Of `grid`.
    pub fn new(grid: &Grid) -> Self {
        Self { grid: grid.clone(), wcs: Arc::new(grid.wcs.clone()) }
    }
}

/// Kept per source all through a run: frame record, maps, tables.
const RECORD_BYTES: u64 = 48 << 10;
/// Kept per cell and channel of a background mesh.
const MESH_CELL_BYTES: u64 = 64;

impl Source {
    /// Place `frame` on `grid`; `None` when it does not touch it. `rescale` is the level of its weight map.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn place(
        frame: Frame,
        measured: &Measured,
        grid: &SharedGrid,
        options: &CoaddOptions,
        rescale: WeightRescale,
    ) -> Result<Option<Self>, PlaceError> {
        let Some(bounds) = grid_bounds(&grid.grid, &frame.wcs, frame.width, frame.height) else {
            return Ok(None);
        };
        let map = PixelMap::new(&grid.grid, &frame.wcs, frame.width, frame.height, options.map)?;
        let map = PlaneMap::new(map, frame.binning());
        let scale_ratio = grid.wcs.scale_deg() / frame.wcs.scale_deg() / frame.binning() as f64;
        let largest = largest_ratio(&map, bounds, scale_ratio);
        let resampler = Resampler::new(options, &grid.wcs, &frame.wcs, scale_ratio, largest)?;
        // What a flat does to noise has no level of its own.
        let rescale = if frame.has_flat_variance() { WeightRescale::Auto } else { rescale };
        let reference = measured.noise.reference(&frame, rescale);
        let weighs_by_map = frame.variance_planes() > 0 && options.weights == Weights::Ivar;
        let photons = photons_of(&frame, measured, reference.variance, options);
        let mut noise_variance = reference.variance;
        let correlation = demosaic_correlation(&resampler, &frame, scale_ratio);
        for (variance, correlation) in noise_variance.iter_mut().zip(correlation) {
            *variance *= frame.flux_scale * frame.flux_scale * correlation;
        }
        let to_mosaic = frame.flux_scale * pixel_area(options.flux, scale_ratio * frame.binning() as f64);
        let spatial = SpatialWeight::new(options.spatial, frame.plane_size(), scale_ratio);
        let (level, level_variance) = levels_of(measured, to_mosaic);
        let kept_bytes = kept_bytes(&frame, options);
        Ok(Some(Self {
            weighs_samples: weighs_by_map || resampler.weighs_samples() || spatial.is_some(),
            frame,
            map,
            bounds,
            resampler,
            flux: options.flux,
            weight: [1.0; 3],
            noise_variance,
            level,
            level_variance,
            map_scale: reference.map_scale,
            weighs_by_map,
            spatial,
            photons,
            background: Arc::clone(&measured.background),
            gain: [1.0; 3],
            offset: [0.0; 3],
            surface: [Surface::default(); 3],
            quality: measured.quality.clone(),
            scale_ratio,
            kept_bytes,
        }))
    }

    /// Photometric solution of a source that has none yet: values become gain x value + offset + surface per channel, and
    /// with them noise and level. Weights must be set anew ([`crate::weights::set_weights`]).
    pub fn set_gauge(&mut self, gauge: &FrameGauge) {
        let FrameGauge { gain, offset, surface } = *gauge;
        let area = pixel_area(self.flux, self.scale_ratio * self.frame.binning() as f64);
        for channel in 0..3 {
            let squared = gain[channel] * gain[channel];
            self.noise_variance[channel] *= squared;
            self.level_variance[channel] *= squared;
            self.level[channel] = gain[channel] * self.level[channel] + offset[channel] * area;
        }
        (self.gain, self.offset, self.surface) = (gain, offset, surface);
    }

    /// Multiply what this source's values become with `factor`, and with them noise and level. Weights must be set anew.
    pub fn multiply(&mut self, factor: f64) {
        for channel in 0..3 {
            self.noise_variance[channel] *= factor * factor;
            self.level_variance[channel] *= factor * factor;
            self.level[channel] *= factor;
            self.gain[channel] *= factor;
            self.offset[channel] *= factor;
            self.surface[channel] = self.surface[channel].times(factor);
        }
    }

    /// Its photometric solution.
    pub fn gauge(&self) -> FrameGauge {
        FrameGauge { gain: self.gain, offset: self.offset, surface: self.surface }
    }

    /// 1 / variance of a pixel of this source in a channel; not finite where its noise is unknown.
    pub(crate) fn own_weight(&self, channel: usize) -> f64 {
        let area = pixel_area(self.flux, self.scale_ratio * self.frame.binning() as f64);
        1.0 / (self.noise_variance[channel] * area * area)
    }
}

/// What values are multiplied with for the area of output pixels, on average.
fn pixel_area(flux: FluxConvention, scale_ratio: f64) -> f64 {
    match flux {
        FluxConvention::Brightness => 1.0,
        FluxConvention::Flux => scale_ratio * scale_ratio,
    }
}

/// Level of the sky per channel that samples still have, and its variance over the frame, in units of the mosaic.
fn levels_of(measured: &Measured, to_mosaic: f64) -> ([f64; 3], [f64; 3]) {
    let (mut level, mut variance) = ([f64::NAN; 3], [f64::NAN; 3]);
    let noise = &measured.noise;
    if measured.background.is_empty() {
        let known = noise.level_adu.iter().zip(&noise.level_scatter_adu);
        for ((level, variance), (own, scatter)) in level.iter_mut().zip(&mut variance).zip(known) {
            (*level, *variance) = (own * to_mosaic, (scatter * to_mosaic).powi(2));
        }
    } else {
        let known = measured.background.iter().map(Background::roughness);
        for ((level, variance), roughness) in level.iter_mut().zip(&mut variance).zip(known) {
            (*level, *variance) = (0.0, (roughness * to_mosaic).powi(2));
        }
    }
    (level, variance)
}

fn kept_bytes(frame: &Frame, options: &CoaddOptions) -> u64 {
    let mesh = options.mesh.mesh_px.max(1);
    let cells = if options.background == BackgroundMethod::None {
        0
    } else {
        (frame.width.div_ceil(mesh) + 1) * (frame.height.div_ceil(mesh) + 1) * frame.kind.channels()
    };
    RECORD_BYTES + cells as u64 * MESH_CELL_BYTES
}

fn photons_of(
    frame: &Frame,
    measured: &Measured,
    variance: [f64; 3],
    options: &CoaddOptions,
) -> [Option<Photons>; 3] {
    let Some(gain) = frame
        .noise_model
        .gain_e_per_adu
        .filter(|_| options.photon_noise == PhotonNoise::Auto && frame.maps.weight.is_none())
    else {
        return [None; 3];
    };
    std::array::from_fn(|channel| {
        let own_level = measured.noise.level_adu.get(channel).copied()?;
        // What is subtracted is gone from the values.
        let level = if measured.background.is_empty() { own_level } else { 0.0 };
        // A demosaiced pixel is a mean of several: so is its photon noise.
        let of_stored = gain_of(frame, channel);
        let growth_per_unit = of_stored / (gain * variance[channel]);
        let least = frame.noise_model.least_share(own_level, variance[channel] / of_stored);
        (level.is_finite() && growth_per_unit.is_finite()).then_some(Photons {
            level: level as f32,
            growth_per_unit: growth_per_unit as f32,
            least: least as f32,
        })
    })
}

/// Whether the depth of a mosaic of `sources` differs from channel to channel: where one is drizzled from its raw pixels.
pub fn depth_planes(sources: &[Source]) -> DepthPlanes {
    if sources.iter().any(|source| source.frame.raw_cfa().is_some()) {
        DepthPlanes::PerChannel
    } else {
        DepthPlanes::Shared
    }
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
