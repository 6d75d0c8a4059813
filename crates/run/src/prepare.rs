//! Packed files are unpacked once into the spill folder, then every frame's noise is measured. Frames
//! without a single finite pixel, and files that turn out damaged, are left out with their reason.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::CoaddError;
use zemosaic_fits::{FilePool, FitsError, unpack_gzip};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{Frame, FrameNoise, LeftOut, Packing, Reason, measure_noise};

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};

/// Frames ready for the engine, with their noise.
#[derive(Debug)]
pub struct Prepared {
    /// Frames in frame order.
    pub frames: Vec<(Frame, FrameNoise)>,
    /// Frames that turned out unusable.
    pub left_out: Vec<LeftOut>,
}

/// Why a frame is not ready.
enum Failure {
    /// The frame is at fault; the others go on.
    Frame(Reason),
    /// The spill folder is at fault; no frame is.
    Spill(FitsError),
    /// The user asked to stop.
    Cancelled,
}

/// Prepare `frames`; unpacked copies go to `spill`.
///
/// # Errors
/// When cancelled, or when the copies cannot be written; single bad frames are left out.
pub fn prepare(
    frames: Vec<Frame>,
    spill: &Path,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Prepared, RunError> {
    let total = frames.len() as u64;
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let verdicts: Vec<(Frame, Result<FrameNoise, Failure>)> = frames
        .into_par_iter()
        .enumerate()
        .map(|(index, mut frame)| {
            if cancel.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                return (frame, Err(Failure::Cancelled));
            }
            let verdict = prepare_one(&mut frame, &spill.join(format!("{index}.fits")), pool);
            if matches!(verdict, Err(Failure::Spill(_))) {
                stop.store(true, Ordering::Relaxed);
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            reporter.send(Event::Progress { stage: Stage::Prepare, done, total });
            (frame, verdict)
        })
        .collect();
    let mut prepared = Prepared { frames: Vec::new(), left_out: Vec::new() };
    let mut cancelled = false;
    for (frame, verdict) in verdicts {
        match verdict {
            Ok(noise) => prepared.frames.push((frame, noise)),
            Err(Failure::Frame(reason)) => {
                prepared.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
            Err(Failure::Spill(error)) => return Err(error.into()),
            Err(Failure::Cancelled) => cancelled = true,
        }
    }
    if cancelled { Err(CoaddError::Cancelled.into()) } else { Ok(prepared) }
}

fn prepare_one(frame: &mut Frame, copy: &Path, pool: &FilePool) -> Result<FrameNoise, Failure> {
    let at_fault = |error: &FitsError| Failure::Frame(reason_of(error));
    if frame.packing == Packing::Gzip {
        let unpacked = unpack_gzip(&frame.path, copy).map_err(|error| match error {
            FitsError::DiskFull { .. } => Failure::Spill(error),
            FitsError::Io { ref path, .. } if *path != frame.path => Failure::Spill(error),
            other => at_fault(&other),
        })?;
        let needed = frame.layout.data_offset + frame.layout.data_bytes();
        if unpacked < needed {
            return Err(Failure::Frame(Reason::Truncated(format!(
                "the unpacked file has {unpacked} bytes, its header asks for {needed}; copy the file again"
            ))));
        }
        frame.pixels_path = copy.to_path_buf();
    }
    let noise = measure_noise(pool, frame).map_err(|error| at_fault(&error))?;
    if noise.has_data {
        Ok(noise)
    } else {
        Err(Failure::Frame(Reason::Empty("no finite pixel in the whole frame".into())))
    }
}
