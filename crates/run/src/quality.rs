//! Stars are measured and gates applied, between preparing the frames and placing them. Only where a gate or the weights
//! need it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_coadd::{CoaddError, Measured, MemoryBudget};
use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::pixels::read_raw_planes;
use zemosaic_frames::{Defects, Frame, FrameKind, LeftOut, PixelScratch, Reason, time};
use zemosaic_image::{Region, Sites};
use zemosaic_stars::{
    Field, FrameInfo, FrameQuality, GateFrame, GateOptions, Pixels, StarOptions, StarsError, find_stars, gate,
};

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::options::MosaicOptions;
use crate::prepare::Prepared;

/// Stars and gates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QualityOptions {
    /// What counts as a star.
    pub stars: StarOptions,
    /// Which frames are too bad.
    pub gates: GateOptions,
}

/// Whether a run with these options measures stars.
pub fn needs_quality(options: &MosaicOptions) -> bool {
    options.quality.gates.acts() || options.coadd.weights.needs_quality()
}

/// Take over what plate solving saw of frames whose pixels are still what it saw: not calibrated, nothing masked, the same
/// pattern. `known` are the figures and the kind of a frame by its id.
pub(crate) fn reuse_quality(
    prepared: &mut Prepared,
    known: &BTreeMap<String, (FrameKind, Arc<FrameQuality>)>,
) {
    for (frame, measured) in &mut prepared.frames {
        let unmasked = match &frame.defects {
            Defects::Unknown => true,
            Defects::InWindows(_) => false,
            Defects::Listed(bad) => bad.is_empty(),
        };
        let as_stored = frame.calibration.is_none() && frame.overscan.is_none() && frame.maps.is_empty();
        if let Some((kind, quality)) = known.get(&frame.id)
            && *kind == frame.kind
            && unmasked
            && as_stored
        {
            measured.quality = Some(Arc::clone(quality));
        }
    }
}

/// Measure the frames of a run where its options need it, and take out what the gates refuse.
///
/// # Errors
/// When cancelled, or without threads.
pub fn judge_quality(
    prepared: &mut Prepared,
    options: &MosaicOptions,
    budget: MemoryBudget,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    if !needs_quality(options) {
        return Ok(());
    }
    measure_all(prepared, &options.quality.stars, budget, pool, reporter, cancel)?;
    apply_gates(prepared, &options.quality.gates);
    Ok(())
}

/// Measure the stars of all frames that are not measured yet; those that cannot be read are left out.
///
/// # Errors
/// As [`judge_quality`].
pub fn measure_all(
    prepared: &mut Prepared,
    options: &StarOptions,
    budget: MemoryBudget,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let frames = std::mem::take(&mut prepared.frames);
    let total = frames.len() as u64;
    let done = AtomicU64::new(0);
    let threads = threads_within(budget, frames.iter().map(|(frame, _)| frame), options);
    let measurers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    let measure = |(frame, mut measured): (Frame, Measured)| {
        if cancel.load(Ordering::Relaxed) {
            return Err(RunError::Coadd(CoaddError::Cancelled));
        }
        let _working = reporter.working(format!("quality: {}", frame.id));
        let verdict = match measured.quality {
            Some(_) => Ok(()),
            None => {
                measure_frame(&frame, options, pool).map(|quality| measured.quality = quality.map(Arc::new))
            }
        };
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        reporter.send(Event::Progress { stage: Stage::Quality, done, total });
        Ok((frame, measured, verdict))
    };
    let verdicts: Vec<_> = reporter.stage(Stage::Quality, total, || {
        measurers.install(|| frames.into_par_iter().map(measure).collect::<Result<Vec<_>, RunError>>())
    })?;
    for (frame, measured, verdict) in verdicts {
        match verdict {
            Ok(()) => prepared.frames.push((frame, measured)),
            Err(error) => {
                prepared.left_out.push(LeftOut { id: frame.id, path: frame.path, reason: reason_of(&error) });
            }
        }
    }
    Ok(())
}

/// The stars' figures of one frame; `None` where it has no background or is too small.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn measure_frame(
    frame: &Frame,
    options: &StarOptions,
    pool: &FilePool,
) -> Result<Option<FrameQuality>, FitsError> {
    Ok(field_of(frame, options, pool)?.map(|field| FrameQuality::of(&field)))
}

/// Stars, trails and background of one frame; `None` where it has no background or is too small. The frame must be
/// unpacked ([`crate::prepare::prepare`]).
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn field_of(frame: &Frame, options: &StarOptions, pool: &FilePool) -> Result<Option<Field>, FitsError> {
    let sites = match frame.kind {
        FrameKind::Mono | FrameKind::Rgb => Sites::All,
        FrameKind::Cfa(pattern) => Sites::Cfa(pattern),
    };
    let info = FrameInfo {
        width: frame.width,
        height: frame.height,
        sites,
        saturation_adu: frame.meta.saturation_adu,
    };
    let mut source = StoredPixels { frame, pool, scratch: PixelScratch::default() };
    match find_stars(&mut source, &info, options) {
        Ok(field) => Ok(Some(field)),
        Err(StarsError::Read(error)) => Err(error),
        Err(StarsError::Background(_) | StarsError::Small { .. }) => Ok(None),
    }
}

/// A frame's pixels as they are stored; of an RGB frame the mean of its planes.
struct StoredPixels<'a> {
    frame: &'a Frame,
    pool: &'a FilePool,
    scratch: PixelScratch,
}

impl Pixels for StoredPixels<'_> {
    type Error = FitsError;

    fn read(&mut self, region: Region, pixels: &mut [f32]) -> Result<(), FitsError> {
        match read_raw_planes(self.pool, self.frame, region, &mut self.scratch)? {
            [red, green, blue] => {
                for (pixel, ((r, g), b)) in pixels.iter_mut().zip(red.iter().zip(green).zip(blue)) {
                    *pixel = (r + g + b) / 3.0;
                }
            }
            planes => pixels.copy_from_slice(&planes[0]),
        }
        Ok(())
    }
}

/// How many frames can be measured at once.
pub(crate) fn threads_within<'a>(
    budget: MemoryBudget,
    frames: impl Iterator<Item = &'a Frame>,
    options: &StarOptions,
) -> usize {
    let needed = frames.map(|frame| measuring_bytes(frame, options)).max().unwrap_or(1);
    budget.workers.clamp(1, (budget.total_bytes / needed.max(1)).max(1) as usize)
}

/// Bytes that measuring a frame takes: bands of rows, the rows that noise is measured on, a row of cells of the mesh.
fn measuring_bytes(frame: &Frame, options: &StarOptions) -> u64 {
    const BANDS: usize = 3 * 88;
    const NOISE: usize = 3 * 128;
    let rows = BANDS + NOISE + options.mesh_px.min(frame.height);
    (frame.width * rows * size_of::<f32>()) as u64 + (4 << 20)
}

/// Take out what `gates` refuse.
pub fn apply_gates(prepared: &mut Prepared, gates: &GateOptions) {
    let verdicts = gate_frames(&prepared.frames, gates);
    let frames = std::mem::take(&mut prepared.frames);
    for ((frame, measured), verdict) in frames.into_iter().zip(verdicts) {
        match verdict {
            None => prepared.frames.push((frame, measured)),
            Some(why) => {
                let reason = Reason::Quality(why);
                prepared.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
        }
    }
}

/// Why each frame is refused, if it is.
pub fn gate_frames(frames: &[(Frame, Measured)], gates: &GateOptions) -> Vec<Option<String>> {
    let labels: Vec<(String, String)> =
        frames.iter().map(|(frame, _)| (night_of(frame), setup_of(frame))).collect();
    let before: Vec<GateFrame<'_>> = frames
        .iter()
        .zip(&labels)
        .map(|((_, measured), (night, setup))| GateFrame {
            night,
            setup,
            quality: measured.quality.as_deref(),
        })
        .collect();
    gate(&before, gates)
}

/// The night a frame was taken in, from noon to noon UTC: the date it begins on, or `unknown`.
pub fn night_of(frame: &Frame) -> String {
    let start = frame.meta.date_obs.as_deref().and_then(time::parse);
    start.map_or_else(|| "unknown".into(), |start| time::night_date(time::night(start)))
}

/// What frames of a night must share to be compared: camera, telescope, filter, exposure, size and colours.
fn setup_of(frame: &Frame) -> String {
    let meta = &frame.meta;
    format!(
        "{:?} {:?} {:?} {:?} {}x{} {}",
        meta.instrument,
        meta.telescope,
        meta.filter,
        meta.exposure_s,
        frame.width,
        frame.height,
        frame.kind.label()
    )
}
