//! Hot and cold pixels of the cameras of a run, by persistence: a pixel that is off in many frames is bad, a star that moves
//! over the sensor is not (`docs/methods/defects.md` has the detectors).
//!
//! Frames of one camera and size are sampled evenly, up to thirty. Those pixels are bad that deviate in half of them, or in their
//! mean. With fewer than five frames persistence says nothing; bad pixels are then looked for in every window of a frame that
//! is read, and cosmic rays are found along the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use zemosaic_coadd::{Measured, MemoryBudget};
use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::bad_pixels::{BadPixels, Defects};
use zemosaic_frames::pixels::read_raw;
use zemosaic_frames::transfer::is_raw;
use zemosaic_frames::{Frame, FrameKind, PixelScratch, gain_of};
use zemosaic_image::defects::{
    CfaDefectOptions, DefectCounter, HALO_PX, PersistenceOptions, ResidualMean, Sensor, SensorNoise,
    cfa_defects, mono_defects,
};
use zemosaic_image::{CfaWindow, Region};

/// Frames of a camera that are looked at.
const MOST_FRAMES: usize = 30;
/// Frames below which persistence says nothing.
const LEAST_FRAMES: usize = 5;
/// Rows that are read at a time.
const BAND_ROWS: usize = 128;
/// Bytes of the sums over frames per pixel.
const BYTES_PER_PIXEL: u64 = 6;

/// What frames must share to share bad pixels.
type Camera = (Option<String>, (usize, usize), String);

/// Give every raw frame what is known of its bad pixels.
pub fn find_defects(frames: &mut [(Frame, Measured)], pool: &FilePool, budget: MemoryBudget) {
    let mut cameras: BTreeMap<Camera, Vec<usize>> = BTreeMap::new();
    for (index, (frame, _)) in frames.iter().enumerate().filter(|(_, (frame, _))| is_raw(frame)) {
        let camera = (frame.meta.instrument.clone(), (frame.width, frame.height), frame.kind.label());
        cameras.entry(camera).or_default().push(index);
    }
    for members in cameras.values() {
        if members.len() < LEAST_FRAMES {
            for &index in members {
                let (frame, measured) = &mut frames[index];
                frame.defects = Defects::InWindows(sensor_noise(frame, measured));
            }
            continue;
        }
        let sampled: Vec<&(Frame, Measured)> = members
            .iter()
            .step_by(members.len().div_ceil(MOST_FRAMES))
            .map(|&index| &frames[index])
            .collect();
        let bad = Arc::new(persistent(&sampled, pool, budget));
        for &index in members {
            frames[index].0.defects = Defects::Listed(Arc::clone(&bad));
        }
    }
}

/// Noise of raw pixels by colour, from what was measured.
fn sensor_noise(frame: &Frame, measured: &Measured) -> SensorNoise {
    let noise = &measured.noise;
    let channels = frame.kind.channels();
    let of = |values: &[f64], colour: usize| {
        values.get(if channels == 1 { 0 } else { colour }).copied().unwrap_or(f64::NAN)
    };
    SensorNoise {
        level_adu: std::array::from_fn(|colour| of(&noise.level_adu, colour) as f32),
        sigma_adu: std::array::from_fn(|colour| {
            (of(&noise.sigma_adu, colour) / gain_of(frame, colour).sqrt()) as f32
        }),
        variance_per_adu: frame.noise_model.gain_e_per_adu.map_or(0.0, |gain| (1.0 / gain) as f32),
    }
}

/// What frames of a sensor show together.
struct Found {
    counter: DefectCounter,
    mean: ResidualMean,
}

/// Pixels that are off in many of the frames, which share a sensor.
fn persistent(frames: &[&(Frame, Measured)], pool: &FilePool, budget: MemoryBudget) -> BadPixels {
    let Some((first, _)) = frames.first() else { return BadPixels::default() };
    let sensor = match first.kind {
        FrameKind::Cfa(pattern) => Sensor::Bayer(pattern),
        FrameKind::Mono | FrameKind::Rgb => Sensor::Mono,
    };
    let size = (first.width, first.height);
    // Sums of several parts of the list side by side, as far as half of the memory goes; whole numbers, so that the parts do
    // not matter.
    let sums = (size.0 * size.1) as u64 * BYTES_PER_PIXEL;
    let parts = (budget.total_bytes / 2 / sums.max(1)).clamp(1, budget.workers.max(1) as u64) as usize;
    let found: Vec<Found> = frames
        .par_chunks(frames.len().div_ceil(parts))
        .map(|part| {
            let mut found =
                Found { counter: DefectCounter::new(), mean: ResidualMean::new(size.0, size.1, sensor) };
            for (frame, measured) in part {
                // A frame that cannot be read shows nothing; the coadd will say so.
                let _ = add_frame(frame, &sensor_noise(frame, measured), pool, &mut found);
            }
            found
        })
        .collect();
    let mut all = found.into_iter();
    let Some(mut total) = all.next() else { return BadPixels::default() };
    for part in all {
        total.counter.merge(&part.counter);
        total.mean.merge(&part.mean);
    }
    let persistence = PersistenceOptions::default();
    let often = total.counter.bad_pixels(&persistence);
    let faint = total.mean.bad_pixels(&CfaDefectOptions::default(), &persistence);
    BadPixels::new(often.iter().chain(&faint).map(|defect| (defect.x, defect.y)))
}

fn add_frame(
    frame: &Frame,
    noise: &SensorNoise,
    pool: &FilePool,
    found: &mut Found,
) -> Result<(), FitsError> {
    let mut scratch = PixelScratch::default();
    let mut defects = Vec::new();
    for y0 in (0..frame.height).step_by(BAND_ROWS) {
        let height = BAND_ROWS.min(frame.height - y0);
        let own = Region { x0: 0, y0: y0 as i64, width: frame.width, height };
        let first = y0.saturating_sub(HALO_PX);
        let last = (y0 + height + HALO_PX).min(frame.height);
        let read = Region { y0: first as i64, height: last - first, ..own };
        let raw = read_raw(pool, frame, read, &mut scratch)?;
        let options = CfaDefectOptions::default();
        defects.extend(match frame.kind {
            FrameKind::Cfa(pattern) => {
                cfa_defects(&CfaWindow { raw, region: read, pattern }, own, noise, &options)
            }
            FrameKind::Mono | FrameKind::Rgb => mono_defects(raw, read, own, noise, &options),
        });
        found.mean.add(raw, read, own, noise);
    }
    found.counter.add_frame(&defects);
    Ok(())
}
