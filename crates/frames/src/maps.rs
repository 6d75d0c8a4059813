//! What the maps of a frame say of a window: which pixels are bad, and how the variance is spread.
//!
//! Bad is: mask not 0 or NaN; weight, standard deviation or variance not above 0 or NaN; standard deviation or
//! variance of 1e30 and more, which SExtractor and SWarp write for "no data". Bad pixels become NaN in the data,
//! the variance of a bad pixel is NaN.

use zemosaic_fits::{FilePool, FitsError, ReadScratch, read_window};
use zemosaic_image::Region;

use crate::frame::{Frame, FrameMap, MapKind};
use crate::pixels::fit;

/// A standard deviation or variance that stands for "no data".
const NO_DATA: f32 = 1e30;

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct MapBuffers {
    mask: Vec<f32>,
    /// Variance times scale of the window, [`Frame::variance_planes`].
    pub variance: [Vec<f32>; 3],
}

impl MapBuffers {
    /// Bytes for a window of `pixels` of `frame`.
    pub fn bytes_for(frame: &Frame, pixels: usize) -> usize {
        let mask = usize::from(frame.maps.mask.is_some());
        (mask + frame.variance_planes()) * pixels * 4
    }
}

/// Puts NaN into the `planes` of the window `region` where a map says bad, and leaves the variance, times `scale`
/// by plane, in `buffers`. Does nothing for a frame without maps.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub(crate) fn apply_maps(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    scale: [f64; 3],
    read: &mut ReadScratch,
    buffers: &mut MapBuffers,
    planes: &mut [&mut [f32]],
) -> Result<(), FitsError> {
    let MapBuffers { mask, variance } = buffers;
    let mut load = |map: &FrameMap, plane: usize, out: &mut Vec<f32>| {
        fit(out, region.area());
        read_window(pool, &map.pixels_path, &map.layout, plane, frame.stored_window(region), read, out)
    };
    if let Some(map) = &frame.maps.mask {
        for plane in 0..map.planes() {
            load(map, plane, mask)?;
            // NaN is not 0 either.
            let bad = |mask: &f32| *mask != 0.0;
            mark(map, plane, planes, mask, bad);
        }
    }
    if let Some(map) = &frame.maps.weight {
        for (plane, (values, scale)) in variance.iter_mut().zip(scale).take(map.planes()).enumerate() {
            load(map, plane, values)?;
            to_variance(map.kind, values, scale);
            let bad = |variance: &f32| variance.is_nan();
            mark(map, plane, planes, values, bad);
        }
    }
    Ok(())
}

/// Puts NaN where `bad` says so into the data planes that this plane of the map is for: all of them, or its own.
fn mark(map: &FrameMap, plane: usize, planes: &mut [&mut [f32]], values: &[f32], bad: impl Fn(&f32) -> bool) {
    for (index, data) in planes.iter_mut().enumerate() {
        if map.planes() == 1 || index == plane {
            for (data, value) in data.iter_mut().zip(values) {
                *data = if bad(value) { f32::NAN } else { *data };
            }
        }
    }
}

/// Stored values of a map become variance times `scale`, NaN where bad.
fn to_variance(kind: MapKind, values: &mut [f32], scale: f64) {
    match kind {
        MapKind::Weight => convert(values, scale, |weight| 1.0 / weight, f32::INFINITY),
        MapKind::Rms => convert(values, scale, |rms| rms * rms, NO_DATA),
        MapKind::Variance => convert(values, scale, |variance| variance, NO_DATA),
        // A mask knows nothing of noise; no frame has one for a weight map.
        MapKind::Mask => values.fill(f32::NAN),
    }
}

fn convert(values: &mut [f32], scale: f64, variance: impl Fn(f64) -> f64, limit: f32) {
    for value in values {
        let good = *value > 0.0 && *value < limit;
        // A good pixel stays good, however far its variance is from the others'.
        let scaled = ((variance(f64::from(*value)) * scale) as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
        *value = if good { scaled } else { f32::NAN };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_become_relative_variance_and_bad_ones_nan() {
        let variance = |kind, value: f32| {
            let mut values = [value];
            to_variance(kind, &mut values, 2.0);
            values[0]
        };
        assert_eq!(variance(MapKind::Weight, 4.0), 0.5);
        assert_eq!(variance(MapKind::Rms, 3.0), 18.0);
        assert_eq!(variance(MapKind::Variance, 3.0), 6.0);
        for kind in [MapKind::Weight, MapKind::Rms, MapKind::Variance] {
            for bad in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(variance(kind, bad).is_nan(), "{kind:?} {bad}");
            }
        }
        assert!(variance(MapKind::Rms, 1e30).is_nan() && variance(MapKind::Variance, 2e30).is_nan());
        assert_eq!(variance(MapKind::Weight, 1e30), 2e-30);
        assert_eq!(variance(MapKind::Weight, 1e-42), f32::MAX, "tiny, and good");
        assert_eq!(variance(MapKind::Rms, 1e-30), f32::MIN_POSITIVE);
    }
}
