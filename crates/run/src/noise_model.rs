//! Photon transfer over the frames of a run, for cameras whose gain neither an option nor a header nor a profile tells.
//!
//! Frames of one camera, size and gain setting share a line: variance of a raw pixel = (level - zero) / gain. Its points are
//! the frames' own levels and variances per colour and those of blocks within frames. They are gathered by level into
//! medians, the line is Theil and Sen's with pairs weighted by their distance (Sen 1968, J. Am. Stat. Assoc. 63, 1379; Jaeckel
//! 1972, Ann. Math. Stat. 43, 1449). It counts only where its slope is known to 10 % at two standard deviations.

use std::collections::BTreeMap;

use rayon::prelude::*;
use zemosaic_coadd::Measured;
use zemosaic_fits::FilePool;
use zemosaic_frames::transfer::{TransferPoint, is_raw, may_be_cut, transfer_points};
use zemosaic_frames::{Frame, NoiseModel, NoiseOrigin, gain_of};
use zemosaic_image::stats::weighted_median;

/// Frames of a camera whose blocks are looked at.
const MOST_FRAMES: usize = 48;
/// Groups of points by level.
const MOST_GROUPS: usize = 160;
/// Points that a line must have.
const LEAST_POINTS: usize = 24;
/// Standard deviation of the slope over the slope.
const LARGEST_ERROR: f64 = 0.05;

/// A line of photon transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhotonTransfer {
    /// Electrons per unit of the frames.
    pub gain_e_per_adu: f64,
    /// Level at which the line comes to 0, units of the frames.
    pub zero_variance_adu: f64,
    /// Standard deviation of the gain over the gain.
    pub gain_error: f64,
}

/// What frames must share to share a line.
type Camera = (Option<String>, Option<u64>, (usize, usize), usize);

fn camera_of(frame: &Frame) -> Camera {
    let setting = frame.meta.gain_setting.map(f64::to_bits);
    (frame.meta.instrument.clone(), setting, (frame.width, frame.height), frame.kind.channels())
}

/// Give the frames whose gain is unknown the one that photon transfer finds. What cannot be found stays unknown, and so do
/// frames that are not a camera's own or have weight maps.
pub fn find_gains(frames: &mut [(Frame, Measured)], pool: &FilePool) {
    let mut cameras: BTreeMap<Camera, Vec<usize>> = BTreeMap::new();
    for (index, (frame, _)) in frames.iter().enumerate() {
        let is_unknown = frame.noise_model.origin == NoiseOrigin::Unknown;
        if is_unknown && is_raw(frame) && frame.maps.weight.is_none() {
            cameras.entry(camera_of(frame)).or_default().push(index);
        }
    }
    for members in cameras.values() {
        let step = members.len().div_ceil(MOST_FRAMES);
        let sampled: Vec<usize> = members.iter().copied().step_by(step).collect();
        // A frame that cannot be read has no points; the coadd will say so.
        let blocks: Vec<Vec<TransferPoint>> = sampled
            .par_iter()
            .map(|&index| transfer_points(pool, &frames[index].0).unwrap_or_default())
            .collect();
        let mut points: Vec<TransferPoint> = blocks.into_iter().flatten().collect();
        points.extend(members.iter().flat_map(|&index| whole_frame(&frames[index])));
        let Some(found) = photon_transfer(&points) else { continue };
        for &index in members {
            let model = &mut frames[index].0.noise_model;
            *model = NoiseModel {
                gain_e_per_adu: Some(found.gain_e_per_adu),
                zero_variance_adu: Some(found.zero_variance_adu),
                origin: NoiseOrigin::PhotonTransfer,
                ..*model
            };
        }
    }
}

/// Level and raw variance of a frame per channel, as they were measured.
fn whole_frame((frame, measured): &(Frame, Measured)) -> Vec<TransferPoint> {
    let noise = &measured.noise;
    let pairs = noise.level_adu.iter().zip(&noise.sigma_adu).enumerate();
    pairs
        .map(|(channel, (level, sigma))| TransferPoint {
            level_adu: *level,
            variance_adu2: sigma * sigma / gain_of(frame, channel),
        })
        .filter(|point| point.variance_adu2 > 0.0 && point.level_adu.is_finite() && !may_be_cut(frame, point))
        .collect()
}

/// The line through `points`; `None` where it is not known well enough.
pub fn photon_transfer(points: &[TransferPoint]) -> Option<PhotonTransfer> {
    if points.len() < LEAST_POINTS {
        return None;
    }
    let groups = gather(points);
    let mut slopes = Vec::new();
    for (index, a) in groups.iter().enumerate() {
        for b in &groups[index + 1..] {
            let distance = b.level_adu - a.level_adu;
            if distance > 0.0 {
                slopes.push(((b.variance_adu2 - a.variance_adu2) / distance, distance));
            }
        }
    }
    let slope = weighted_median(&mut slopes)?;
    if slope <= 0.0 {
        return None;
    }
    let mut zeros: Vec<f64> =
        groups.iter().map(|point| point.level_adu - point.variance_adu2 / slope).collect();
    let zero = middle(&mut zeros)?;
    let mut distances: Vec<f64> =
        groups.iter().map(|point| (point.variance_adu2 - slope * (point.level_adu - zero)).abs()).collect();
    let scatter = 1.4826 * middle(&mut distances)?;
    let mean = groups.iter().map(|point| point.level_adu).sum::<f64>() / groups.len() as f64;
    let spread: f64 = groups.iter().map(|point| (point.level_adu - mean).powi(2)).sum();
    let gain_error = scatter / spread.sqrt() / slope;
    (gain_error <= LARGEST_ERROR).then_some(PhotonTransfer {
        gain_e_per_adu: 1.0 / slope,
        zero_variance_adu: zero,
        gain_error,
    })
}

/// Medians of groups of neighbouring levels.
fn gather(points: &[TransferPoint]) -> Vec<TransferPoint> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| {
        a.level_adu.total_cmp(&b.level_adu).then(a.variance_adu2.total_cmp(&b.variance_adu2))
    });
    let size = sorted.len().div_ceil(MOST_GROUPS);
    sorted
        .chunks(size)
        .filter_map(|group| {
            let of =
                |pick: fn(&TransferPoint) -> f64| middle(&mut group.iter().map(pick).collect::<Vec<f64>>());
            Some(TransferPoint {
                level_adu: of(|point| point.level_adu)?,
                variance_adu2: of(|point| point.variance_adu2)?,
            })
        })
        .collect()
}

fn middle(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let upper = *values.get(half)?;
    Some(if values.len().is_multiple_of(2) { 0.5 * (values[half - 1] + upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something like normal noise.
    fn noise(i: u64) -> f64 {
        let uniform = |salt: u64| {
            let mixed = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (salt << 7)).rotate_left(31);
            (mixed.wrapping_mul(0xD134_2543_DE82_EF95) >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(uniform).sum::<f64>() - 6.0
    }

    fn points(count: u64, low: f64, high: f64, scatter: f64) -> Vec<TransferPoint> {
        (0..count)
            .map(|i| {
                let level_adu = low + (high - low) * (i as f64 + 0.5) / count as f64;
                let variance = 14.1 * (level_adu - 433.0) * (1.0 + scatter * noise(i));
                // A star in every ninth block.
                TransferPoint { level_adu, variance_adu2: if i % 9 == 4 { 1.6 * variance } else { variance } }
            })
            .collect()
    }

    #[test]
    fn the_line_of_a_camera_is_found() {
        let found = photon_transfer(&points(2000, 700.0, 1300.0, 0.1)).unwrap();
        assert!((found.gain_e_per_adu * 14.1 - 1.0).abs() < 0.03, "{found:?}");
        assert!((found.zero_variance_adu - 433.0).abs() < 15.0, "{found:?}");
        assert!(found.gain_error < 0.02);
    }

    #[test]
    fn a_narrow_range_of_levels_tells_nothing() {
        assert_eq!(photon_transfer(&points(2000, 700.0, 708.0, 0.2)), None);
        assert_eq!(photon_transfer(&points(20, 700.0, 1300.0, 0.0)), None);
        // Noise that does not grow with the level is no photon noise.
        let flat: Vec<TransferPoint> = (0..500)
            .map(|i| TransferPoint {
                level_adu: 500.0 + i as f64,
                variance_adu2: 100.0 * (1.0 + 0.1 * noise(i)),
            })
            .collect();
        assert_eq!(photon_transfer(&flat), None);
    }
}
