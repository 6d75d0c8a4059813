//! What kernels and demosaicing do to noise: figures of a source that do not depend on its pixels.

use zemosaic_frames::Frame;
use zemosaic_image::Region;
use zemosaic_resample::area::{
    AreaKernel, AreaMethod, PixelLags, Rotations, area_noise_correlation, area_pixel_lags,
};
use zemosaic_resample::{noise_correlation, whole_pixel_autocorrelation};

use crate::plane_map::PlaneMap;
use crate::resampler::Resampler;
use crate::source::Source;

/// Points per axis at which the scale of a map is looked at.
const SCALE_POINTS: i64 = 5;

/// Largest side of an output pixel in frame pixels, over a few points of `bounds`; at least `scale_ratio`.
pub(crate) fn largest_ratio(map: &PlaneMap, bounds: Region, scale_ratio: f64) -> f64 {
    let along = |start: i64, length: usize, i: i64| {
        start as f64 + length as f64 * i as f64 / (SCALE_POINTS - 1) as f64
    };
    let mut largest = scale_ratio;
    for j in 0..SCALE_POINTS {
        for i in 0..SCALE_POINTS {
            let (x, y) = (along(bounds.x0, bounds.width, i), along(bounds.y0, bounds.height, j));
            let Some((u, v)) = map.exact(x, y) else { continue };
            for (dx, dy) in [(1.0, 0.0), (0.0, 1.0)] {
                if let Some((u1, v1)) = map.exact(x + dx, y + dy) {
                    largest = largest.max((u1 - u).hypot(v1 - v));
                }
            }
        }
    }
    largest
}

/// True over stated variance per channel of the samples of a demosaiced frame: noise of its neighbouring pixels is
/// correlated, and a kernel's variance factor takes it as independent. Averaged over phases and rotations of the kernel
/// and the phases of the pattern, each sample with its relative weight (docs/methods/noise.md). 1 for other frames.
/// `scale_ratio`: output scale / input scale.
pub(crate) fn demosaic_correlation(resampler: &Resampler, frame: &Frame, scale_ratio: f64) -> [f64; 3] {
    let Some(method) = frame.interpolation().filter(|_| frame.is_interpolated()) else { return [1.0; 3] };
    let Some(kernel) = pixel_lags(resampler, scale_ratio) else { return [f64::NAN; 3] };
    std::array::from_fn(|channel| {
        kernel.variance_ratio(&PixelLags::new(|dx, dy| method.autocovariance(channel, dx, dy)))
    })
}

/// Mean autocorrelation of a kernel's weights in the frame's pixels. `None` for a scale ratio that no kernel takes.
fn pixel_lags(resampler: &Resampler, scale_ratio: f64) -> Option<PixelLags> {
    match resampler {
        Resampler::Point(table) => {
            let farthest = PixelLags::FARTHEST_PX.unsigned_abs() as usize;
            let kernel = whole_pixel_autocorrelation(table.kernel(), table.stretch(), farthest);
            let along = |lag: i64| kernel[lag.unsigned_abs() as usize];
            Some(PixelLags::new(|dx, dy| along(dx) * along(dy)))
        }
        Resampler::Area(kernel) => Some(area_pixel_lags(kernel, scale_ratio)),
        Resampler::Sphere(_) => {
            let kernel = AreaKernel::new(AreaMethod::Exact, scale_ratio).ok()?;
            Some(area_pixel_lags(&kernel, scale_ratio))
        }
        Resampler::Adaptive(kernel) => Some(kernel.pixel_lags(scale_ratio)),
    }
}

/// Scale ratio from which on neighbouring output pixels share so little that a larger one would only take longer.
const COARSEST_RATIO: f64 = 8.0;

/// Variance of the sum over an aperture of `aperture_px` x `aperture_px` output pixels over the sum of their variances,
/// for the noise that one source brings, at random phase and rotation. `None` where it is not known: demosaiced frames,
/// whose noise is correlated before, and CFA drizzle, whose pixels lie apart.
pub fn aperture_correlation(source: &Source, aperture_px: usize) -> Option<f64> {
    if source.frame.is_interpolated() || source.frame.raw_cfa().is_some() {
        return None;
    }
    match &source.resampler {
        Resampler::Point(table) => {
            Some(noise_correlation(table.kernel(), table.stretch(), source.scale_ratio, None, aperture_px))
        }
        Resampler::Area(kernel) => {
            let kernel = AreaKernel::new(kernel.method(), kernel.scale_ratio().min(COARSEST_RATIO)).ok()?;
            Some(area_noise_correlation(&kernel, Rotations::Mean, aperture_px))
        }
        Resampler::Sphere(_) => {
            let kernel = AreaKernel::new(AreaMethod::Exact, source.scale_ratio.min(COARSEST_RATIO)).ok()?;
            Some(area_noise_correlation(&kernel, Rotations::Mean, aperture_px))
        }
        Resampler::Adaptive(kernel) => Some(kernel.noise_correlation(source.scale_ratio, aperture_px)),
    }
}
