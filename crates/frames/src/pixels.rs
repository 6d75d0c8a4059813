//! Windows of a frame as float planes: decoded rows, calibrated, bad pixels of its maps NaN, a Bayer frame demosaiced. Scratch
//! memory is reused; nothing larger than the window is ever held.

use zemosaic_fits::{FilePool, FitsError, ReadScratch, Window, read_window};
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, CfaWindow, Demosaic, Region, demosaic};

use crate::calibration::apply::{CalibrationBuffers, PlanePlace, calibrate_plane};
use crate::calibration::files::pattern_of;
use crate::frame::{Frame, FrameKind};
use crate::maps::{MapBuffers, apply_maps};

/// Buffers of one thread.
#[derive(Default)]
pub struct PixelScratch {
    read: ReadScratch,
    raw: Vec<f32>,
    planes: [Vec<f32>; 3],
    maps: MapBuffers,
    calibration: CalibrationBuffers,
    /// The highest of the stored planes before they were calibrated, NaN where they have no data after it.
    uncalibrated: Vec<f32>,
    /// Variance of raw pixels while it is binned.
    raw_variance: Vec<f32>,
}

impl PixelScratch {
    /// Bytes a window of `pixels` of `frame` takes, all buffers together, where `rows` rows are read.
    pub fn bytes_for(frame: &Frame, pixels: usize, rows: usize) -> usize {
        let planes = match frame.kind {
            FrameKind::Mono => 1,
            FrameKind::Rgb => 3,
            // One serves the subtraction of the background.
            FrameKind::Cfa(_) if frame.raw_cfa().is_some() => 2,
            FrameKind::Cfa(_) => 4,
        };
        // Stored pixels of a pixel of the planes.
        let stored = frame.binning() * frame.binning();
        let rows = rows * frame.binning();
        let planes = planes + stored - 1;
        let maps = if stored > 1 && frame.variance_planes() > 0 { (3 + stored) * pixels * 4 } else { 0 };
        let masters = frame.calibration.iter().flat_map(|own| own.masters().map(|used| &used.master.layout));
        let layouts = frame.maps.iter().map(|map| &map.layout).chain([&frame.layout]).chain(masters);
        let row_bytes = layouts.map(|layout| layout.row_bytes() as usize).max().unwrap_or(0);
        let pixels_stored = pixels * stored;
        let kept = if keeps_uncalibrated(frame) { pixels_stored * 4 } else { 0 };
        let masters =
            frame.calibration.as_ref().map_or(0, |own| CalibrationBuffers::bytes_for(own, pixels_stored));
        let maps = maps + MapBuffers::bytes_for(frame, pixels_stored);
        planes * pixels * 4 + maps + kept + masters + row_bytes * rows
    }
}

/// A window's pixels.
pub struct FramePixels<'a> {
    /// One plane per channel, each `region.area()` long, row-major.
    pub planes: [&'a mut [f32]; 3],
    /// Channels: 1 or 3, and as many planes; with `cfa` all three in the first plane.
    pub channels: usize,
    /// Of a frame that is not to be demosaiced its pattern, the first plane being the raw pixels.
    pub cfa: Option<CfaPattern>,
    /// The window, in pixels of the planes ([`Frame::plane_size`]).
    pub region: Region,
    /// What saturation is tested on: the stored values before calibration of a calibrated frame whose saturation is known
    /// (the highest of the planes), else the raw CFA plane, else nothing (test the planes themselves).
    pub raw: Option<(&'a [f32], Region)>,
    /// `None` for a frame without a weight map and a flat, whose pixels all have the reference variance.
    pub relative_variance: Option<RelativeVariance<'a>>,
}

/// Variance of the pixels of a window over the frame's reference variance, laid out as its planes and NaN only where they
/// are.
#[derive(Debug, Clone, Copy)]
pub enum RelativeVariance<'a> {
    /// One for all channels.
    Shared(&'a [f32]),
    /// One per channel.
    PerPlane([&'a [f32]; 3]),
}

impl<'a> RelativeVariance<'a> {
    /// That of `channel`, below 3.
    pub fn of(self, channel: usize) -> &'a [f32] {
        match self {
            Self::Shared(plane) => plane,
            Self::PerPlane(planes) => planes[channel],
        }
    }
}

/// Read `region` (of its planes) of `frame`; [`read_planes_scaled`] with a scale of 1.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn read_planes<'a>(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    scratch: &'a mut PixelScratch,
) -> Result<FramePixels<'a>, FitsError> {
    read_planes_scaled(pool, frame, region, [1.0; 3], scratch)
}

/// Read `region`, in pixels of its planes and inside them, of `frame`. Pixels that its maps call bad are NaN (of a CFA frame the raw
/// pixel, before it is demosaiced). The variance of a weight map is stated times `map_scale`, see
/// [`crate::measure::VarianceReference`]; that of a CFA frame is the raw pixel's, for all channels.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn read_planes_scaled<'a>(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    map_scale: [f64; 3],
    scratch: &'a mut PixelScratch,
) -> Result<FramePixels<'a>, FitsError> {
    let stored = read_stored(pool, frame, stored_region(frame, region), map_scale, scratch)?;
    let PixelScratch { raw, planes, maps, raw_variance, uncalibrated, .. } = scratch;
    let cfa = frame.raw_cfa();
    let variance_planes = frame.variance_planes();
    if let (FrameKind::Cfa(pattern), Some(method)) = (frame.kind, frame.interpolation()) {
        let size = (frame.width, frame.height);
        let make = |raw: &[f32], planes: &mut [Vec<f32>; 3]| {
            for plane in planes.iter_mut() {
                fit(plane, region.area());
            }
            let window = CfaWindow { raw, region: stored, pattern };
            let [r, g, b] = planes;
            demosaic(method, SimdLevel::detect(), &window, size, region, [r, g, b]);
        };
        make(raw, planes);
        match (variance_planes, method) {
            (0, _) => {}
            // Of two greens the mean: half the mean of their variances, and the half is in the reference.
            (_, Demosaic::SuperPixel) => {
                std::mem::swap(raw_variance, &mut maps.variance[0]);
                make(raw_variance, &mut maps.variance);
            }
            _ => crop(&mut maps.variance[0], stored, region),
        }
    }
    let [first, second, third] = &maps.variance;
    let relative_variance = match variance_planes {
        0 => None,
        1 if frame.binning() == 1 => Some(RelativeVariance::Shared(first)),
        _ => Some(RelativeVariance::PerPlane([first, second, third])),
    };
    let channels = frame.kind.channels();
    let [first, second, third] = planes;
    let mut raw_window: Option<(&[f32], Region)> = None;
    let planes: [&mut [f32]; 3] = match (cfa, frame.kind) {
        (Some(_), _) => [raw, &mut [], &mut []],
        (None, FrameKind::Mono) => [first, &mut [], &mut []],
        (None, FrameKind::Rgb) => [first, second, third],
        (None, FrameKind::Cfa(_)) => {
            raw_window = Some((raw, stored));
            [first, second, third]
        }
    };
    if keeps_uncalibrated(frame) {
        raw_window = Some((uncalibrated.as_slice(), stored));
    }
    Ok(FramePixels { planes, channels, cfa, region, raw: raw_window, relative_variance })
}

/// What must be read for `region` of the planes: of a CFA frame what its demosaic needs.
fn stored_region(frame: &Frame, region: Region) -> Region {
    let needed =
        frame.interpolation().and_then(|method| method.raw_region(region, (frame.width, frame.height)));
    needed.unwrap_or(region)
}

/// The stored planes of a window, calibrated and with the bad pixels of the maps and of the camera NaN, in
/// [`PixelScratch::stored`]; returns `region`.
pub fn read_stored(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    map_scale: [f64; 3],
    scratch: &mut PixelScratch,
) -> Result<Region, FitsError> {
    let PixelScratch { read, raw, planes, maps, calibration, uncalibrated, .. } = scratch;
    let window = frame.defect_region(region);
    let mut stored: Vec<&mut Vec<f32>> = match frame.kind {
        FrameKind::Cfa(_) => vec![raw],
        FrameKind::Mono | FrameKind::Rgb => planes.iter_mut().take(frame.kind.channels()).collect(),
    };
    for (index, plane) in stored.iter_mut().enumerate() {
        fit(plane, window.area());
        read_window(
            pool,
            &frame.pixels_path,
            &frame.layout,
            index,
            frame.stored_window(window),
            read,
            plane,
        )?;
        if keeps_uncalibrated(frame) {
            keep_highest(index, plane, uncalibrated);
        }
        if let Some(own) = &frame.calibration {
            let place = PlanePlace { plane: index, region: window, pattern: pattern_of(frame.kind) };
            let spread = frame.has_flat_variance().then(|| (&mut maps.variance[index], map_scale[index]));
            calibrate_plane(pool, own, place, read, calibration, plane, spread)?;
        }
    }
    if !frame.maps.is_empty() {
        let mut stored: Vec<&mut [f32]> = stored.iter_mut().map(|plane| plane.as_mut_slice()).collect();
        apply_maps(pool, frame, window, map_scale, read, maps, &mut stored)?;
    }
    for plane in stored {
        frame.mask_defects(region, window, plane);
        crop(plane, window, region);
    }
    for variance in maps.variance.iter_mut().take(frame.variance_planes()) {
        crop(variance, window, region);
    }
    if keeps_uncalibrated(frame) {
        crop(uncalibrated, window, region);
        let stored = if matches!(frame.kind, FrameKind::Cfa(_)) { &*raw } else { &planes[0] };
        for (kept, value) in uncalibrated.iter_mut().zip(stored) {
            *kept = if value.is_nan() { f32::NAN } else { *kept };
        }
    }
    Ok(region)
}

/// The stored planes of `region` (inside the frame) as they are, before anything is demosaiced: one, or three of an RGB
/// frame, each `region.area()` long. Bad pixels are NaN.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn read_raw_planes<'a>(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    scratch: &'a mut PixelScratch,
) -> Result<&'a [Vec<f32>], FitsError> {
    read_stored(pool, frame, region, [1.0; 3], scratch)?;
    Ok(scratch.stored(frame))
}

/// The raw plane of a window of a CFA or mono frame, with bad pixels NaN.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn read_raw<'a>(
    pool: &FilePool,
    frame: &Frame,
    region: Region,
    scratch: &'a mut PixelScratch,
) -> Result<&'a [f32], FitsError> {
    read_stored(pool, frame, region, [1.0; 3], scratch)?;
    Ok(scratch.stored(frame).first().map_or(&[], Vec::as_slice))
}

/// Rows of the first plane spread over the frame (those that noise is measured on), as rows of a region at its origin: a Bayer
/// pattern goes on from band to band.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn sample_raw(pool: &FilePool, frame: &Frame) -> Result<(Vec<f32>, Region), FitsError> {
    crate::measure::sampled_rows(pool, frame)
}

/// Whether the values before calibration are needed: saturation is a matter of what the camera read.
fn keeps_uncalibrated(frame: &Frame) -> bool {
    frame.calibration.is_some() && frame.meta.saturation_adu.is_some()
}

/// The highest of the planes so far, of which `plane` is number `index`.
fn keep_highest(index: usize, plane: &[f32], kept: &mut Vec<f32>) {
    if index == 0 {
        fit(kept, plane.len());
        kept.copy_from_slice(plane);
    } else {
        kept.iter_mut().zip(plane).for_each(|(kept, value)| *kept = kept.max(*value));
    }
}

impl PixelScratch {
    /// As [`ReadScratch::keep_rows`], for windows of [`read_stored`] that follow each other from bottom to top.
    pub fn keep_rows(&mut self, rows: usize) {
        self.read.keep_rows(rows);
    }

    /// The planes that [`read_stored`] left.
    pub fn stored(&self, frame: &Frame) -> &[Vec<f32>] {
        match frame.kind {
            FrameKind::Cfa(_) => std::slice::from_ref(&self.raw),
            FrameKind::Mono | FrameKind::Rgb => &self.planes[..frame.kind.channels()],
        }
    }

    /// Of a calibrated frame whose saturation is known what [`read_stored`] found before calibration: the highest of its
    /// planes.
    pub fn stored_uncalibrated(&self, frame: &Frame) -> Option<&[f32]> {
        keeps_uncalibrated(frame).then_some(self.uncalibrated.as_slice())
    }

    /// The variance planes that [`read_stored`] left.
    pub(crate) fn stored_variance(&self, frame: &Frame) -> &[Vec<f32>] {
        &self.maps.variance[..frame.variance_planes()]
    }
}

/// `values` of `from` become those of its part `to`.
fn crop(values: &mut Vec<f32>, from: Region, to: Region) {
    if from == to {
        return;
    }
    let (dx, dy) = ((to.x0 - from.x0) as usize, (to.y0 - from.y0) as usize);
    for y in 0..to.height {
        let start = (y + dy) * from.width + dx;
        values.copy_within(start..start + to.width, y * to.width);
    }
    values.truncate(to.area());
}

/// Makes a buffer as long as a window, of memory at most twice that.
pub(crate) fn fit(buffer: &mut Vec<f32>, pixels: usize) {
    if buffer.capacity() > 2 * pixels {
        *buffer = Vec::new();
    }
    buffer.clear();
    buffer.reserve_exact(pixels);
    buffer.resize(pixels, 0.0);
}

impl Frame {
    /// A region inside the frame as a window of the stored image.
    pub fn stored_window(&self, region: Region) -> Window {
        let (x0, y0) = self.stored_origin;
        Window {
            x0: region.x0 as usize + x0,
            y0: region.y0 as usize + y0,
            width: region.width,
            height: region.height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_lets_go_of_what_it_does_not_need() {
        let mut buffer = Vec::new();
        for (pixels, capacity) in [(1000, 1000), (500, 1000), (499, 499), (3000, 3000), (0, 0)] {
            fit(&mut buffer, pixels);
            assert_eq!((buffer.len(), buffer.capacity()), (pixels, capacity));
        }
    }
}
