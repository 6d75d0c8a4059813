//! Packed files are unpacked once into the spill folder, then every frame's noise is measured. Frames
//! without a single finite pixel, and files that turn out damaged, are left out with their reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::CoaddError;
use zemosaic_fits::{FilePool, FitsError, unpack_image, unpack_packed};
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
#[derive(Debug)]
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
    let copies = unpack_files(&frames, spill, cancel)?;
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
            let verdict = prepare_one(&mut frame, &copies, &copy_name(spill, index), pool);
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

/// Name of the unpacked copy for a frame.
fn copy_name(spill: &Path, index: usize) -> PathBuf {
    spill.join(format!("{index}.fits"))
}

/// An unpacked copy and its length in bytes, or why there is none.
type Copied = Result<(PathBuf, u64), Reason>;

/// Unpacks every packed file once, however many frames it holds.
fn unpack_files(
    frames: &[Frame],
    spill: &Path,
    cancel: &AtomicBool,
) -> Result<BTreeMap<PathBuf, Copied>, RunError> {
    let mut files = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate().filter(|(_, frame)| frame.packing == Packing::Gzip) {
        files.entry(frame.path.clone()).or_insert(index);
    }
    let unpack = |(path, index): (PathBuf, usize)| {
        if cancel.load(Ordering::Relaxed) {
            return Err(CoaddError::Cancelled.into());
        }
        let copy = copy_name(spill, index);
        match unpack_packed(&path, &copy) {
            Ok(bytes) => Ok((path, Ok((copy, bytes)))),
            Err(error) => match unpack_failure(error, &path) {
                Failure::Frame(reason) => Ok((path, Err(reason))),
                Failure::Spill(error) => Err(error.into()),
                Failure::Cancelled => Err(CoaddError::Cancelled.into()),
            },
        }
    };
    files.into_par_iter().map(unpack).collect()
}

/// Whether the packed file `source` or the spill folder is at fault.
fn unpack_failure(error: FitsError, source: &Path) -> Failure {
    match error {
        FitsError::DiskFull { .. } => Failure::Spill(error),
        FitsError::Io { ref path, .. } if path != source => Failure::Spill(error),
        other => Failure::Frame(reason_of(&other)),
    }
}

fn prepare_one(
    frame: &mut Frame,
    copies: &BTreeMap<PathBuf, Copied>,
    copy: &Path,
    pool: &FilePool,
) -> Result<FrameNoise, Failure> {
    let at_fault = |error: &FitsError| Failure::Frame(reason_of(error));
    match frame.packing {
        Packing::Plain => {}
        Packing::Gzip => {
            let (copy, unpacked) = match copies.get(&frame.path) {
                Some(Ok(copy)) => copy,
                Some(Err(reason)) => return Err(Failure::Frame(reason.clone())),
                None => return Err(Failure::Frame(Reason::Unreadable("the file was not unpacked".into()))),
            };
            let needed = frame.layout.data_offset + frame.layout.data_bytes();
            if *unpacked < needed {
                return Err(Failure::Frame(Reason::Truncated(format!(
                    "the unpacked file has {unpacked} bytes, its header asks for {needed}; copy the file again"
                ))));
            }
            frame.pixels_path.clone_from(copy);
        }
        Packing::Compressed => {
            frame.layout = unpack_image(&frame.path, frame.hdu, copy)
                .map_err(|error| unpack_failure(error, &frame.path))?
                .as_planes();
            frame.pixels_path = copy.to_path_buf();
        }
    }
    let noise = measure_noise(pool, frame).map_err(|error| at_fault(&error))?;
    if noise.has_data {
        Ok(noise)
    } else {
        Err(Failure::Frame(Reason::Empty("no finite pixel in the whole frame".into())))
    }
}
