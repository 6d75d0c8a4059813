//! The pixels of a window, calibrated: value = (stored - overscan - masters - level - pedestal) / flat + pedestal, and NaN
//! where the flat is NaN or below [`LEAST_FLAT`], or a map calls the pixel bad.
//!
//! Sums run in this order in f32, pixel by pixel: how windows are cut changes no bit.

use zemosaic_fits::{FilePool, FitsError, ImageLayout, ReadScratch, Window, read_window};
use zemosaic_image::{CfaPattern, Region};

use crate::calibration::master::{FrameCalibration, MasterUse};
use crate::pixels::fit;

/// A pixel that gets less than this share of the light is bad.
pub const LEAST_FLAT: f32 = 0.05;

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct CalibrationBuffers {
    master: Vec<f32>,
}

impl CalibrationBuffers {
    /// Bytes for a window of `pixels`.
    pub fn bytes_for(calibration: &FrameCalibration, pixels: usize) -> usize {
        if calibration.masters().next().is_some() { pixels * size_of::<f32>() } else { 0 }
    }
}

/// A plane that is calibrated.
#[derive(Debug, Clone, Copy)]
pub struct PlanePlace {
    /// Which plane of its image.
    pub plane: usize,
    /// The window, in frame pixels.
    pub region: Region,
    /// Pattern of the frame's pixels, of a CFA frame.
    pub pattern: Option<CfaPattern>,
}

/// Calibrates the stored `values` of a window in place. Where the calibration has a flat, `variance` gets the relative
/// variance it brings ([`crate::calibration::noise`]) times its `scale`, NaN where a pixel is bad by the flat.
///
/// # Errors
/// As `zemosaic_fits::read_window`, of a master.
pub fn calibrate_plane(
    pool: &FilePool,
    calibration: &FrameCalibration,
    place: PlanePlace,
    read: &mut ReadScratch,
    buffers: &mut CalibrationBuffers,
    values: &mut [f32],
    mut variance: Option<(&mut Vec<f32>, f64)>,
) -> Result<(), FitsError> {
    let PlanePlace { plane, region, pattern } = place;
    let width = region.width.max(1);
    if let Some(levels) = &calibration.overscan_adu {
        for (row, level) in values.chunks_exact_mut(width).zip(&levels[region.y0 as usize..]) {
            for value in row.iter_mut() {
                *value -= level;
            }
        }
    }
    for subtracted in &calibration.subtract {
        read_master(pool, &subtracted.of, plane, region, read, &mut buffers.master)?;
        let factor = subtracted.factor;
        for (value, master) in values.iter_mut().zip(&buffers.master) {
            *value -= factor * master;
        }
    }
    if let Some(used) = &calibration.level {
        let level = used.master.statistics.as_ref().map_or(0.0, super::master::MasterStatistics::mean) as f32;
        for value in values.iter_mut() {
            *value -= level;
        }
    }
    if let Some(used) = &calibration.flat {
        read_master(pool, used, plane, region, read, &mut buffers.master)?;
        if let Some((plane, _)) = &mut variance {
            fit(plane, region.area());
        }
        let terms = FlatTerms::of(
            calibration,
            used,
            plane,
            pattern,
            variance.as_ref().map_or(1.0, |(_, scale)| *scale),
        );
        for (index, row) in values.chunks_exact_mut(width).enumerate() {
            let flat = &buffers.master[index * width..][..width];
            let terms = terms.of_row(region, index, pattern, used.offset_px);
            match &mut variance {
                Some((plane, _)) => {
                    flatten_row(row, flat, &terms, Some(&mut plane[index * width..][..width]));
                }
                None => flatten_row(row, flat, &terms, None),
            }
        }
    }
    for used in &calibration.bad_pixels {
        read_master(pool, used, plane, region, read, &mut buffers.master)?;
        for (value, bad) in values.iter_mut().zip(&buffers.master) {
            // NaN is not 0 either.
            *value = if *bad == 0.0 { *value } else { f32::NAN };
        }
    }
    Ok(())
}

fn read_master(
    pool: &FilePool,
    used: &MasterUse,
    plane: usize,
    region: Region,
    read: &mut ReadScratch,
    out: &mut Vec<f32>,
) -> Result<(), FitsError> {
    fit(out, region.area());
    let master = &used.master;
    let plane = if master.layout.planes() == 1 { 0 } else { plane };
    let window = Window {
        x0: region.x0 as usize + used.offset_px.0,
        y0: region.y0 as usize + used.offset_px.1,
        width: region.width,
        height: region.height,
    };
    read_window(pool, &master.pixels_path, &master.layout, plane, window, read, out)
}

/// What a flat's pixels are taken with.
struct FlatTerms {
    /// 1 / level by phase of the master.
    inverse: [f32; 4],
    pedestal: f32,
    /// Of the plane, or by colour.
    share: [f32; 3],
    scale: f32,
}

impl FlatTerms {
    fn of(
        calibration: &FrameCalibration,
        used: &MasterUse,
        plane: usize,
        pattern: Option<CfaPattern>,
        scale: f64,
    ) -> Self {
        let plane_of_master = if used.master.layout.planes() == 1 { 0 } else { plane };
        let own =
            pattern.map(|pattern| pattern.shifted(-(used.offset_px.0 as i64), -(used.offset_px.1 as i64)));
        let levels = used.master.statistics.as_ref().map(|stats| stats.flat_levels(plane_of_master, own));
        let share = match pattern {
            Some(_) => calibration.photon_share,
            None => [calibration.photon_share[plane.min(2)]; 3],
        };
        Self {
            inverse: levels.map_or([1.0; 4], |levels| levels.map(|level| (1.0 / level) as f32)),
            pedestal: calibration.pedestal_adu,
            share,
            scale: scale as f32,
        }
    }

    /// Those of row `index` of the window, for its pixels of even and odd number.
    fn of_row(
        &self,
        region: Region,
        index: usize,
        pattern: Option<CfaPattern>,
        offset_px: (usize, usize),
    ) -> RowTerms {
        let y = region.y0 + index as i64;
        let phase = |i: i64| {
            let (x, y) = (region.x0 + i + offset_px.0 as i64, y + offset_px.1 as i64);
            (y.rem_euclid(2) * 2 + x.rem_euclid(2)) as usize
        };
        let colour = |i: i64| pattern.map_or(0, |pattern| pattern.colour_at(region.x0 + i, y));
        RowTerms {
            inverse: [self.inverse[phase(0)], self.inverse[phase(1)]],
            photons: [self.share[colour(0)] * self.scale, self.share[colour(1)] * self.scale],
            electrons: [
                (1.0 - self.share[colour(0)]) * self.scale,
                (1.0 - self.share[colour(1)]) * self.scale,
            ],
            pedestal: self.pedestal,
        }
    }
}

/// The same for one row: of pixels of even number, of pixels of odd number.
struct RowTerms {
    inverse: [f32; 2],
    /// Variance goes with 1 / f.
    photons: [f32; 2],
    /// Variance goes with 1 / f^2.
    electrons: [f32; 2],
    pedestal: f32,
}

fn flatten_row(row: &mut [f32], flat: &[f32], terms: &RowTerms, variance: Option<&mut [f32]>) {
    let pedestal = terms.pedestal;
    // 1 / f, NaN where the pixel is bad.
    let gain = |flat: f32, inverse: f32| {
        let flat = flat * inverse;
        1.0 / if (LEAST_FLAT..f32::INFINITY).contains(&flat) { flat } else { f32::NAN }
    };
    let value_of = |value: f32, gain: f32| (value - pedestal) * gain + pedestal;
    let at = |pair: [f32; 2], i: usize| pair[i & 1];
    match variance {
        None => {
            for (i, (value, flat)) in row.iter_mut().zip(flat).enumerate() {
                *value = value_of(*value, gain(*flat, at(terms.inverse, i)));
            }
        }
        Some(variance) => {
            for (i, ((value, flat), variance)) in row.iter_mut().zip(flat).zip(variance).enumerate() {
                let gain = gain(*flat, at(terms.inverse, i));
                *value = value_of(*value, gain);
                *variance = gain * (at(terms.photons, i) + at(terms.electrons, i) * gain);
            }
        }
    }
}

/// An image that is read with its calibration: a raw calibration frame on the way to a master.
#[derive(Debug)]
pub struct CalibratedImage<'a> {
    /// The file whose rows are read.
    pub pixels_path: &'a std::path::Path,
    /// Where and how the pixels lie in it.
    pub layout: &'a ImageLayout,
    /// Stored pixel under pixel (0, 0) of what is read.
    pub origin_px: (usize, usize),
    /// Pattern of the pixels that are read.
    pub pattern: Option<CfaPattern>,
    /// Its calibration.
    pub calibration: &'a FrameCalibration,
}

impl CalibratedImage<'_> {
    /// Reads `region` (of the trimmed image) of `plane` into `out`.
    ///
    /// # Errors
    /// As `zemosaic_fits::read_window`.
    pub fn read(
        &self,
        pool: &FilePool,
        plane: usize,
        region: Region,
        (read, buffers): (&mut ReadScratch, &mut CalibrationBuffers),
        out: &mut [f32],
    ) -> Result<(), FitsError> {
        let window = Window {
            x0: region.x0 as usize + self.origin_px.0,
            y0: region.y0 as usize + self.origin_px.1,
            width: region.width,
            height: region.height,
        };
        read_window(pool, self.pixels_path, self.layout, plane, window, read, out)?;
        let place = PlanePlace { plane, region, pattern: self.pattern };
        calibrate_plane(pool, self.calibration, place, read, buffers, out, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_flattened_as_defined() {
        let flat = [1.0_f32, 0.5, 0.04, f32::NAN, 2.0, 0.0, f32::INFINITY];
        let terms = RowTerms {
            inverse: [1.0, 0.5],
            photons: [0.75 * 2.0, 0.25 * 2.0],
            electrons: [0.25 * 2.0, 0.75 * 2.0],
            pedestal: 100.0,
        };
        let raw = [1100.0_f32; 7];
        let (mut row, mut variance) = (raw, [0.0; 7]);
        flatten_row(&mut row, &flat, &terms, Some(&mut variance));
        for i in 0..7 {
            let f = f64::from(flat[i]) * if i % 2 == 0 { 1.0 } else { 0.5 };
            let share = if i % 2 == 0 { 0.75 } else { 0.25 };
            let good = (0.05..f64::INFINITY).contains(&f);
            let (value, r) = ((1100.0 - 100.0) / f + 100.0, 2.0 * (share / f + (1.0 - share) / (f * f)));
            if good {
                assert!(
                    (f64::from(row[i]) - value).abs() < 1e-3
                        && (f64::from(variance[i]) / r - 1.0).abs() < 1e-6
                );
            } else {
                assert!(row[i].is_nan() && variance[i].is_nan(), "{i}");
            }
        }
        let mut alone = raw;
        flatten_row(&mut alone, &flat, &terms, None);
        assert!(
            alone.iter().zip(&row).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        );
    }
}
