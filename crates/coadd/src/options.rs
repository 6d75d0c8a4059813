//! What the engine is asked to do with the frames.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_image::background::BackgroundOptions;
use zemosaic_sky::MapOptions;
use zemosaic_stack::{Combine, RejectOptions};

use crate::spatial::SpatialOptions;

/// How frames are resampled: point kernels, then kernels that work with the area of the output pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelName {
    /// Value of the nearest pixel.
    Nearest,
    /// Linear in x and y.
    Bilinear,
    /// Cubic B-spline through the pixels, as reproject's bicubic.
    Bicubic,
    /// Cubic convolution (Keys, a = -0.5), 4 x 4 taps.
    Keys,
    /// 4 x 4 taps.
    Lanczos2,
    /// 6 x 6 taps.
    #[default]
    Lanczos3,
    /// 8 x 8 taps.
    Lanczos4,
    /// Overlap of the output pixel with the frame's pixels, on the sphere where pixels are large.
    Exact,
    /// Gaussian that follows the local shape of the map (DeForest 2004).
    Gaussian,
    /// Hann window that follows the local shape of the map (DeForest 2004).
    Hann,
    /// Frame pixels shrunk by --pixfrac and dropped onto the grid; for many dithered frames.
    Drizzle,
    /// Drizzle with drops along the axes of the grid: faster.
    DrizzleTurbo,
    /// Drizzle of the centres of pixels.
    DrizzlePoint,
}

/// Weights of frames in a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Every sample counts the same.
    None,
    /// Exposure time.
    Exposure,
    /// 1 / noise², one for all channels.
    #[serde(alias = "noise_variance")]
    NoiseVariance,
    /// 1 / FWHM².
    Fwhm,
    /// 1 / (noise² FWHM²), one for all channels.
    #[serde(alias = "noise_fwhm")]
    NoiseFwhm,
    /// Number of stars.
    Stars,
    /// Square of the stars' median signal to noise.
    Snr,
    /// 1 / variance: of the frame and channel, measured before resampling, and of the pixel where there is a weight map.
    #[default]
    Ivar,
}

impl Weights {
    /// Whether they need the frames' quality measured.
    pub fn needs_quality(self) -> bool {
        match self {
            Self::Fwhm | Self::NoiseFwhm | Self::Stars | Self::Snr => true,
            Self::None | Self::Exposure | Self::NoiseVariance | Self::Ivar => false,
        }
    }
}

/// Whether the kernel stretches where output pixels are larger than input pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Antialias {
    /// Stretch when output scale / input scale exceeds 1.1.
    #[default]
    Auto,
    /// Never stretch.
    Off,
}

/// What is kept where output pixels are not as large as input pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FluxConvention {
    /// Surface brightness: a constant sky keeps its value.
    #[default]
    Brightness,
    /// Flux: values are multiplied by the area of the output pixel in input pixels, so that sums over stars are kept.
    Flux,
}

/// Whether the photon noise of what is brighter than the sky is part of the variance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhotonNoise {
    /// Where the gain in electrons per ADU is known and no weight map says better.
    #[default]
    Auto,
    /// The variance is that of the background alone.
    Off,
}

/// What is subtracted from each frame before it is resampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackgroundMethod {
    /// Nothing.
    #[default]
    None,
    /// A mesh of clipped modes, median-filtered, as a bicubic spline (as SExtractor and SWarp). Takes extended objects away too.
    Mesh,
    /// A plane through the cells of sky of the mesh, objects masked: takes gradients, and of nebulae what looks like one: those
    /// with sky around them stay within some per cent, of those that fill most of a frame a part goes.
    Plane,
    /// The same of second order.
    Quadratic,
    /// The same of third order.
    Cubic,
    /// The same of fourth order.
    Quartic,
}

impl BackgroundMethod {
    /// Order of the surface through the mesh; `None` where there is none or the mesh itself is subtracted.
    pub fn surface_order(self) -> Option<usize> {
        match self {
            Self::None | Self::Mesh => None,
            Self::Plane => Some(1),
            Self::Quadratic => Some(2),
            Self::Cubic => Some(3),
            Self::Quartic => Some(4),
        }
    }
}

/// Options of the engine; all change pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoaddOptions {
    /// Resampling kernel.
    pub kernel: KernelName,
    /// Side of a drop of drizzle in input pixels, from 0.001 to 1.
    pub pixfrac: f64,
    /// Kernel stretch when shrinking; of point kernels.
    pub antialias: Antialias,
    /// Brightness or flux.
    pub flux: FluxConvention,
    /// Coordinate maps.
    pub map: MapOptions,
    /// Subtracted from frames.
    pub background: BackgroundMethod,
    /// The mesh of the background.
    pub mesh: BackgroundOptions,
    /// Frame weights.
    pub weights: Weights,
    /// Weights by place.
    pub spatial: SpatialOptions,
    /// Photon noise in the variance.
    pub photon_noise: PhotonNoise,
    /// How samples become a pixel.
    pub combine: Combine,
    /// Which samples are outliers.
    pub reject: RejectOptions,
}

impl Default for CoaddOptions {
    fn default() -> Self {
        Self {
            kernel: KernelName::default(),
            pixfrac: 1.0,
            antialias: Antialias::default(),
            flux: FluxConvention::default(),
            map: MapOptions::default(),
            background: BackgroundMethod::default(),
            mesh: BackgroundOptions::default(),
            weights: Weights::default(),
            spatial: SpatialOptions::default(),
            photon_noise: PhotonNoise::default(),
            combine: Combine::default(),
            reject: RejectOptions::default(),
        }
    }
}

/// Smallest side of a drop of drizzle, input pixels.
pub const LEAST_PIXFRAC: f64 = zemosaic_resample::area::MIN_PIXFRAC;

/// Output scale over input scale above which the kernel stretches.
const ANTIALIAS_ABOVE: f64 = 1.1;

impl CoaddOptions {
    /// Kernel stretch for a source, from the ratio output scale / input scale.
    pub fn stretch(&self, scale_ratio: f64) -> f64 {
        match self.antialias {
            Antialias::Auto if scale_ratio > ANTIALIAS_ABOVE => scale_ratio,
            Antialias::Auto | Antialias::Off => 1.0,
        }
    }
}

impl KernelName {
    /// Whether it is a form of drizzle.
    pub fn is_drizzle(self) -> bool {
        matches!(self, Self::Drizzle | Self::DrizzleTurbo | Self::DrizzlePoint)
    }
}
