//! Packed files are unpacked once into the spill folder, then every frame's noise is measured. Frames
//! without a single finite pixel, and files that turn out damaged, are left out with their reason.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::CoaddError;
use zemosaic_fits::{FilePool, unpack_gzip};
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

/// Prepare `frames`; unpacked copies go to `spill`.
///
/// # Errors
/// When cancelled; single bad frames are left out.
pub fn prepare(
    frames: Vec<Frame>,
    spill: &Path,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Prepared, RunError> {
    let total = frames.len() as u64;
    let done = AtomicU64::new(0);
    let verdicts: Vec<(Frame, Result<FrameNoise, Reason>)> = frames
        .into_par_iter()
        .enumerate()
        .map(|(index, mut frame)| {
            if cancel.load(Ordering::Relaxed) {
                return (frame, Err(Reason::Unreadable("interrupted".into())));
            }
            let verdict = prepare_one(&mut frame, &spill.join(format!("{index}.fits")), pool);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            reporter.send(Event::Progress { stage: Stage::Prepare, done, total });
            (frame, verdict)
        })
        .collect();
    if cancel.load(Ordering::Relaxed) {
        return Err(CoaddError::Cancelled.into());
    }
    let mut prepared = Prepared { frames: Vec::new(), left_out: Vec::new() };
    for (frame, verdict) in verdicts {
        match verdict {
            Ok(noise) => prepared.frames.push((frame, noise)),
            Err(reason) => prepared.left_out.push(LeftOut { id: frame.id, path: frame.path, reason }),
        }
    }
    Ok(prepared)
}

fn prepare_one(frame: &mut Frame, copy: &Path, pool: &FilePool) -> Result<FrameNoise, Reason> {
    if frame.packing == Packing::Gzip {
        unpack_gzip(&frame.path, copy).map_err(|error| reason_of(&error))?;
        frame.pixels_path = copy.to_path_buf();
    }
    let noise = measure_noise(pool, frame).map_err(|error| reason_of(&error))?;
    if noise.has_data { Ok(noise) } else { Err(Reason::Empty("no finite pixel in the whole frame".into())) }
}
