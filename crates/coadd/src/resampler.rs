//! How the samples of a source are made: the kernel of its choice, ready for its scale.

use std::sync::Arc;

use zemosaic_image::Region;
use zemosaic_resample::area::{
    Adaptive, AdaptiveOptions, AdaptiveShape, AreaError, AreaKernel, AreaMethod, DrizzleOptions, DropShape,
    SphereArea,
};
use zemosaic_resample::{Kernel, KernelTable};
use zemosaic_sky::Wcs;

use crate::options::{CoaddOptions, KernelName};

/// Pixels larger than this have edges and areas that the plane of the frame does not show (reproject_exact's limit).
const SPHERE_ABOVE_DEG: f64 = 20.0 / 3600.0;

/// A kernel ready for one source; immutable and shared by threads.
#[derive(Debug, Clone)]
pub enum Resampler {
    /// Taps about a position.
    Point(KernelTable),
    /// Overlaps in the plane of the frame.
    Area(AreaKernel),
    /// Overlaps on the sphere.
    Sphere(SphereJob),
    /// A kernel that follows the map.
    Adaptive(Adaptive),
}

/// What overlaps on the sphere need to know.
#[derive(Debug, Clone)]
pub struct SphereJob {
    /// The output grid.
    pub grid: Arc<Wcs>,
    /// The frame.
    pub frame: Arc<Wcs>,
    /// Side of an output pixel in frame pixels, the largest of the frame.
    pub scale_ratio: f64,
}

/// What the engine must bring along for a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Centres of output pixels.
    Centres,
    /// Their corners too.
    Corners,
}

impl Resampler {
    /// The kernel that `options` name. `scale_ratio` is output scale / input scale, `largest_ratio` the largest in the
    /// frame.
    ///
    /// # Errors
    /// A pixfrac or a scale ratio that is out of range.
    pub fn new(
        options: &CoaddOptions,
        grid: &Arc<Wcs>,
        frame: &Arc<Wcs>,
        scale_ratio: f64,
        largest_ratio: f64,
    ) -> Result<Self, AreaError> {
        let point = |kernel| Ok(Self::Point(KernelTable::new(kernel, options.stretch(scale_ratio))));
        let drizzle = |shape| {
            let method = AreaMethod::Drizzle(DrizzleOptions { pixfrac: options.pixfrac, shape });
            AreaKernel::new(method, largest_ratio).map(Self::Area)
        };
        let adaptive = |shape| {
            Adaptive::new(AdaptiveOptions { shape, ..AdaptiveOptions::default() }, largest_ratio)
                .map(Self::Adaptive)
        };
        match options.kernel {
            KernelName::Nearest => point(Kernel::Nearest),
            KernelName::Bilinear => point(Kernel::Bilinear),
            KernelName::Bicubic => point(Kernel::BsplineCubic),
            KernelName::Keys => point(Kernel::Keys),
            KernelName::Lanczos2 => point(Kernel::Lanczos2),
            KernelName::Lanczos3 => point(Kernel::Lanczos3),
            KernelName::Lanczos4 => point(Kernel::Lanczos4),
            KernelName::Gaussian => adaptive(AdaptiveShape::Gaussian),
            KernelName::Hann => adaptive(AdaptiveShape::Hann),
            KernelName::Drizzle => drizzle(DropShape::Square),
            KernelName::DrizzleTurbo => drizzle(DropShape::Turbo),
            KernelName::DrizzlePoint => drizzle(DropShape::Point),
            KernelName::Exact if grid.scale_deg().max(frame.scale_deg()) > SPHERE_ABOVE_DEG => {
                let (grid, frame) = (Arc::clone(grid), Arc::clone(frame));
                Ok(Self::Sphere(SphereJob { grid, frame, scale_ratio: largest_ratio }))
            }
            KernelName::Exact => AreaKernel::new(AreaMethod::Exact, largest_ratio).map(Self::Area),
        }
    }

    /// Frame pixels beyond the pixel of a position that its sample depends on.
    pub fn margin_px(&self) -> usize {
        match self {
            Self::Point(table) => table.margin_px(),
            Self::Area(kernel) => kernel.margin_px(),
            Self::Sphere(job) => SphereArea::new(job.scale_ratio, Region::default()).margin_px(),
            Self::Adaptive(kernel) => kernel.margin_px(),
        }
    }

    /// What positions its samples are made from.
    pub fn positions(&self) -> Positions {
        match self {
            Self::Point(_) => Positions::Centres,
            Self::Area(_) | Self::Sphere(_) | Self::Adaptive(_) => Positions::Corners,
        }
    }

    /// Whether samples of one frame differ in weight: they cover more or less of the output pixel.
    pub fn weighs_samples(&self) -> bool {
        matches!(self, Self::Area(_) | Self::Sphere(_))
    }

    /// Bytes that a window of `pixels` pixels and `channels` planes takes besides the pixels.
    pub fn extra_bytes(&self, pixels: usize, channels: usize) -> usize {
        match self {
            // Coefficients of each plane, once more with their holes, a plane in between, and distances to holes.
            Self::Point(table) if table.needs_prefilter() => {
                (2 * channels + 1) * pixels * size_of::<f32>() + pixels
            }
            // The corners of pixels as vectors.
            Self::Sphere(_) => pixels * (size_of::<[f64; 3]>() + 1),
            _ => 0,
        }
    }
}
