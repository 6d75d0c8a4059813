//! Packed files, maps included, are unpacked once into the spill folder, then every frame's noise is measured.
//! Frames without a single good pixel, and files that turn out damaged, are left out with their reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{BackgroundMethod, CoaddError, CoaddOptions, Measured, MemoryBudget};
use zemosaic_fits::{FilePool, FitsError, ImageLayout, unpack_image, unpack_packed};
use zemosaic_frames::calibration::{measure_overscan, settle_photon_share};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{Frame, FrameMaps, LeftOut, Packing, Reason, measure_background, measure_noise};
use zemosaic_image::background::{Background, LowOrderOptions, low_order};

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::units::show_size;

/// Frames ready for the engine, with what their own pixels say.
#[derive(Debug)]
pub struct Prepared {
    /// Frames in frame order.
    pub frames: Vec<(Frame, Measured)>,
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
    options: &CoaddOptions,
    budget: MemoryBudget,
    spill: &Path,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Prepared, RunError> {
    let copies = unpack_files(&frames, spill, cancel)?;
    let total = frames.len() as u64;
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let threads = threads_within(budget, &frames, options)?;
    let measurers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    let prepare_frame = |(index, mut frame): (usize, Frame)| {
        if cancel.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
            return (frame, Err(Failure::Cancelled));
        }
        let working = reporter.working(format!("prepare: {}", frame.id));
        let verdict = unpack_one(&mut frame, &copies, &copy_name(spill, index))
            .and_then(|()| measure(&mut frame, options, pool));
        drop(working);
        if matches!(verdict, Err(Failure::Spill(_))) {
            stop.store(true, Ordering::Relaxed);
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        reporter.send(Event::Progress { stage: Stage::Prepare, done, total });
        (frame, verdict)
    };
    let verdicts: Vec<(Frame, Result<Measured, Failure>)> =
        measurers.install(|| frames.into_par_iter().enumerate().map(prepare_frame).collect());
    let mut prepared = Prepared { frames: Vec::new(), left_out: Vec::new() };
    let mut cancelled = false;
    for (frame, verdict) in verdicts {
        match verdict {
            Ok(measured) => prepared.frames.push((frame, measured)),
            Err(Failure::Frame(reason)) => {
                prepared.left_out.push(LeftOut { id: frame.id, path: frame.path, reason });
            }
            Err(Failure::Spill(error)) => return Err(error.into()),
            Err(Failure::Cancelled) => cancelled = true,
        }
    }
    if cancelled { Err(CoaddError::Cancelled.into()) } else { Ok(prepared) }
}

/// Bytes that measuring a frame takes: rows that are looked at and copies of them, and a row of cells of the background.
fn measuring_bytes(frame: &Frame, options: &CoaddOptions) -> u64 {
    const LOOKED_AT: usize = 128;
    const COPIES: usize = 4;
    // A calibrated window has the master, the variance and the stored values beside it.
    let calibration = if frame.calibration.is_some() { 3 } else { 0 };
    let planes = frame.kind.channels() + frame.maps.iter().count() + calibration;
    let looked_at = COPIES * LOOKED_AT.min(frame.height);
    let of_mesh = 2 * options.mesh.mesh_px.min(frame.height);
    let rows = looked_at + if options.background == BackgroundMethod::None { 0 } else { of_mesh };
    (frame.width * planes * rows * size_of::<f32>()) as u64
}

/// What the program takes before patches are planned.
const PROGRAM_BYTES: u64 = 24 << 20;

/// How many frames can be measured at once.
fn threads_within(budget: MemoryBudget, frames: &[Frame], options: &CoaddOptions) -> Result<usize, RunError> {
    let needed = frames.iter().map(|frame| measuring_bytes(frame, options)).max().unwrap_or(0);
    let free = budget.total_bytes.saturating_sub(PROGRAM_BYTES);
    if needed > free {
        return Err(RunError::Resource(format!(
            "measuring the largest frame takes {}, of the memory budget of {} there are {}; raise --memory{}",
            show_size(needed),
            show_size(budget.total_bytes),
            show_size(free),
            if options.background == BackgroundMethod::None { "" } else { " or lower --back-size" }
        )));
    }
    Ok(budget.workers.clamp(1, (free / needed.max(1)).max(1) as usize))
}

/// Name of the unpacked copy for a frame.
fn copy_name(spill: &Path, index: usize) -> PathBuf {
    spill.join(format!("{index}.fits"))
}

/// An unpacked copy: where it is, its length in bytes, and where the pixels lie in it when only they were unpacked.
struct Copied {
    path: PathBuf,
    bytes: u64,
    layout: Option<ImageLayout>,
}

/// What is unpacked before any frame is prepared, because several may need it: whole packed files, and the images of
/// tile-compressed maps by HDU.
type Packed = (PathBuf, Option<usize>);

/// Unpacked copies, or why there is none.
type Copies = BTreeMap<Packed, Result<Copied, Reason>>;

/// What must be unpacked of the image at `path`.
fn packed(path: &Path, packing: Packing, hdu: usize) -> Option<Packed> {
    match packing {
        Packing::Plain => None,
        Packing::WholeFile => Some((path.to_path_buf(), None)),
        Packing::Compressed => Some((path.to_path_buf(), Some(hdu))),
    }
}

/// Unpacks every packed file once, however many frames and maps it holds, and every packed map once.
fn unpack_files(frames: &[Frame], spill: &Path, cancel: &AtomicBool) -> Result<Copies, RunError> {
    let mut files = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        if frame.packing == Packing::WholeFile {
            files.entry((frame.path.clone(), None)).or_insert_with(|| copy_name(spill, index));
        }
        for (number, map) in frame.maps.iter().enumerate() {
            if let Some(packed) = packed(&map.path, map.packing, map.hdu) {
                files.entry(packed).or_insert_with(|| spill.join(format!("{index}.map{number}.fits")));
            }
        }
    }
    let unpack = |(packed, copy): (Packed, PathBuf)| {
        if cancel.load(Ordering::Relaxed) {
            return Err(CoaddError::Cancelled.into());
        }
        let copied = match packed.1 {
            None => unpack_packed(&packed.0, &copy)
                .map(|bytes| Copied { path: copy.clone(), bytes, layout: None })
                .map_err(|error| unpack_failure(error, &packed.0)),
            Some(hdu) => unpack_hdu(&packed.0, hdu, &copy).map(|layout| {
                let bytes = layout.data_offset + layout.data_bytes();
                Copied { path: copy.clone(), bytes, layout: Some(layout) }
            }),
        };
        match copied {
            Ok(copied) => Ok((packed, Ok(copied))),
            Err(Failure::Frame(reason)) => Ok((packed, Err(reason))),
            Err(Failure::Spill(error)) => Err(error.into()),
            Err(Failure::Cancelled) => Err(CoaddError::Cancelled.into()),
        }
    };
    files.into_par_iter().map(unpack).collect()
}

/// Unpacks one tile-compressed image.
fn unpack_hdu(path: &Path, hdu: usize, copy: &Path) -> Result<ImageLayout, Failure> {
    let layout = unpack_image(path, hdu, copy).map_err(|error| unpack_failure(error, path))?;
    Ok(layout.as_planes())
}

/// Points an image at its unpacked copy.
fn use_copy(
    copies: &Copies,
    packed: &Packed,
    pixels_path: &mut PathBuf,
    layout: &mut ImageLayout,
) -> Result<(), Reason> {
    let copied = match copies.get(packed) {
        Some(Ok(copied)) => copied,
        Some(Err(reason)) => return Err(reason.clone()),
        None => return Err(Reason::Unreadable("the file was not unpacked".into())),
    };
    if let Some(unpacked) = &copied.layout {
        layout.clone_from(unpacked);
    }
    let needed = layout.data_offset + layout.data_bytes();
    if copied.bytes < needed {
        return Err(Reason::Truncated(format!(
            "the unpacked file has {} bytes, its header asks for {needed}; copy the file again",
            copied.bytes
        )));
    }
    pixels_path.clone_from(&copied.path);
    Ok(())
}

/// Whether the packed file `source` or the spill folder is at fault.
fn unpack_failure(error: FitsError, source: &Path) -> Failure {
    match error {
        FitsError::DiskFull { .. } => Failure::Spill(error),
        FitsError::Io { ref path, .. } if path != source => Failure::Spill(error),
        other => Failure::Frame(reason_of(&other)),
    }
}

/// Points `frame` and its maps at their unpacked copies; of a tile-compressed frame `copy` is made.
fn unpack_one(frame: &mut Frame, copies: &Copies, copy: &Path) -> Result<(), Failure> {
    match frame.packing {
        Packing::Plain => {}
        Packing::WholeFile => {
            let packed = (frame.path.clone(), None);
            use_copy(copies, &packed, &mut frame.pixels_path, &mut frame.layout).map_err(Failure::Frame)?;
        }
        Packing::Compressed => {
            frame.layout = unpack_hdu(&frame.path, frame.hdu, copy)?;
            frame.pixels_path = copy.to_path_buf();
        }
    }
    for map in frame.maps.iter_mut() {
        if let Some(packed) = packed(&map.path, map.packing, map.hdu) {
            use_copy(copies, &packed, &mut map.pixels_path, &mut map.layout).map_err(|reason| {
                let (path, message) = (map.path.display().to_string(), reason.message());
                let known = message.contains(&path);
                let message = if known { message.to_owned() } else { format!("{path}: {message}") };
                Failure::Frame(Reason::Map(message))
            })?;
        }
    }
    Ok(())
}

/// Points `frame`, without its maps from now on, at an unpacked copy in `folder`, if it needs one.
///
/// # Errors
/// The reason to leave the frame out; also where the copy cannot be written.
pub(crate) fn unpack_alone(frame: &mut Frame, folder: &Path) -> Result<(), Reason> {
    frame.maps = FrameMaps::default();
    let never = AtomicBool::new(false);
    let copies = unpack_files(std::slice::from_ref(frame), folder, &never)
        .map_err(|error| Reason::Unreadable(error.to_string()))?;
    unpack_one(frame, &copies, &copy_name(folder, 0)).map_err(|failure| match failure {
        Failure::Frame(reason) => reason,
        Failure::Spill(error) => Reason::Unreadable(error.to_string()),
        Failure::Cancelled => Reason::Unreadable("interrupted".into()),
    })
}

/// Measure a frame again whose pattern is another now; `None` where that fails.
pub(crate) fn remeasure(frame: &mut Frame, options: &CoaddOptions, pool: &FilePool) -> Option<Measured> {
    measure(frame, options, pool).ok()
}

/// Overscan, noise and, where it is to be subtracted, background of a frame.
fn measure(frame: &mut Frame, options: &CoaddOptions, pool: &FilePool) -> Result<Measured, Failure> {
    let unreadable = |error: FitsError| Failure::Frame(reason_of(&error));
    measure_overscan(pool, frame).map_err(unreadable)?;
    let mut noise = measure_noise(pool, frame).map_err(unreadable)?;
    if settle_photon_share(frame, &noise) {
        noise = measure_noise(pool, frame).map_err(unreadable)?;
    }
    if !noise.has_data {
        let what = if frame.maps.is_empty() {
            "no finite pixel in the whole frame (values beyond the range of 32-bit floats count as none)"
        } else {
            "no pixel in the whole frame is finite and good by its weight map and mask"
        };
        return Err(Failure::Frame(Reason::Empty(what.into())));
    }
    let mut background = Vec::new();
    if options.background != BackgroundMethod::None {
        background = measure_background(pool, frame, options.mesh)
            .map_err(unreadable)?
            .map_err(|error| Failure::Frame(Reason::Background(error.to_string())))?;
    }
    if let Some(order) = options.background.surface_order() {
        let options = LowOrderOptions { order, ..LowOrderOptions::default() };
        let size = (frame.width, frame.height);
        let surface = |mesh: &Background| low_order(mesh, size, &options).map(|found| found.background);
        background = background.iter().map(surface).collect::<Option<_>>().ok_or_else(|| {
            let what = "its mesh has too few cells of sky for a surface of this order; lower the order or --back-size";
            Failure::Frame(Reason::Background(what.to_owned()))
        })?;
    }
    Ok(Measured { noise, background: background.into(), quality: None })
}
