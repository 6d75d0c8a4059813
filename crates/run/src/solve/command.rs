//! Plate solving alone: frames in, a report out, side-cars where they are asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::{CoaddError, MemoryBudget, available_memory_bytes};
use zemosaic_frames::{IngestOptions, LeftOut, Reason, WcsNeed};
use zemosaic_sky::Wcs;

use crate::error::RunError;
use crate::events::Reporter;
use crate::options::Existing;
use crate::scan::{no_usable, scan_frames};
use crate::solve::options::{SolveMode, SolveOptions};
use crate::solve::report::{SolveOutcome, SolveReport, SolvedFrame};
use crate::solve::sidecar::{SidecarError, SolvedImage, sidecar_path, write_sidecar, write_sidecars};
use crate::solve::stage::{Means, solve_scan};

/// What is asked.
#[derive(Debug, Clone)]
pub struct SolveRequest {
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// Reading of the inputs; a WCS is not needed whatever it says.
    pub ingest: IngestOptions,
    /// How; a mode of off is taken for auto.
    pub options: SolveOptions,
    /// Worker threads; `None`: all cores.
    pub threads: Option<usize>,
    /// Memory, bytes; `None`: half of what is free.
    pub memory_bytes: Option<u64>,
    /// Folder for unpacked copies; `None`: the system's.
    pub spill: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub struct SolvedInputs {
    /// Frames, solved or not.
    pub report: SolveReport,
    /// Files that are no frames, or cannot be read.
    pub left_out: Vec<LeftOut>,
}

/// Memory where the system does not tell what is free.
const FALLBACK_MEMORY_BYTES: u64 = 2 << 30;

/// Solve the frames of `request`. No input is written to.
///
/// # Errors
/// Inputs that cannot be listed or hold no frame; options out of range; a catalogue that cannot be read; when cancelled.
pub fn solve_inputs(
    request: &SolveRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<SolvedInputs, RunError> {
    let workers =
        request.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let free = available_memory_bytes().map_or(FALLBACK_MEMORY_BYTES, |bytes| bytes / 2);
    let budget = MemoryBudget { total_bytes: request.memory_bytes.unwrap_or(free), workers: workers.max(1) };
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(budget.workers)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    threads.install(|| solved(request, budget, reporter, cancel))
}

fn solved(
    request: &SolveRequest,
    budget: MemoryBudget,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<SolvedInputs, RunError> {
    let ingest = IngestOptions { wcs_need: WcsNeed::Optional, ..request.ingest.clone() };
    let mut options = request.options.clone();
    if options.mode == SolveMode::Off {
        options.mode = SolveMode::Auto;
    }
    let excluded: Vec<PathBuf> = request.spill.iter().cloned().collect();
    let mut scan = scan_frames(&request.inputs, &excluded, &ingest, reporter)?;
    let root = request.spill.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&root).map_err(RunError::output(&root))?;
    let means = Means { budget, scratch: &root, reporter, cancel };
    let report = solve_scan(&mut scan, &options, &means)?.unwrap_or_default();
    if scan.frames.is_empty() && report.frames.is_empty() {
        return Err(no_usable(scan.files, &scan.left_out));
    }
    let is_row = |item: &LeftOut| matches!(item.reason, Reason::Unsolved(_));
    scan.left_out.retain(|item| !is_row(item));
    Ok(SolvedInputs { report, left_out: scan.left_out })
}

impl SolvedInputs {
    /// How many frames are still without a WCS.
    pub fn unsolved(&self) -> usize {
        self.report.frames.iter().filter(|row| row.outcome == SolveOutcome::Unsolved).count()
    }

    /// Write NAME.wcs for every file with a frame whose WCS was found: beside it, or into `folder`.
    ///
    /// # Errors
    /// A side-car of another program that is not to be replaced; one that cannot be written.
    pub fn write_sidecars(
        &self,
        folder: Option<&Path>,
        existing: Existing,
    ) -> Result<Vec<PathBuf>, SidecarError> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(RunError::output(folder))?;
        }
        let mut files: BTreeMap<&Path, Vec<&SolvedFrame>> = BTreeMap::new();
        for row in &self.report.frames {
            files.entry(&row.path).or_default().push(row);
        }
        files.retain(|_, rows| rows.iter().any(|row| row.outcome.is_new()));
        let mut targets: BTreeMap<PathBuf, &Path> = BTreeMap::new();
        for path in files.keys().copied() {
            let target = sidecar_path(path, folder);
            if let Some(other) = targets.insert(target.clone(), path) {
                let frames = [other.to_path_buf(), path.to_path_buf()];
                return Err(SidecarError::Ambiguous { path: target, frames });
            }
        }
        let mut written = Vec::new();
        for (path, rows) in files {
            let target = sidecar_path(path, folder);
            write_one(&target, &rows, existing)?;
            written.push(target);
        }
        Ok(written)
    }
}

fn write_one(target: &Path, rows: &[&SolvedFrame], existing: Existing) -> Result<(), SidecarError> {
    let facts: Vec<Vec<(&str, String)>> = rows.iter().map(|row| facts_of(row)).collect();
    let wcs: Vec<Option<Wcs>> = rows.iter().map(|row| row.stored_wcs()).collect();
    if let ([row], [Some(wcs)], [facts]) = (rows, wcs.as_slice(), facts.as_slice()) {
        write_sidecar(target, wcs, row.stored_px, facts, existing)?;
        return Ok(());
    }
    let images: Vec<SolvedImage<'_>> = rows
        .iter()
        .zip(&wcs)
        .zip(&facts)
        .map(|((row, wcs), facts)| SolvedImage { wcs: wcs.as_ref(), size_px: row.stored_px, facts })
        .collect();
    write_sidecars(target, &images, existing)?;
    Ok(())
}

fn facts_of(row: &SolvedFrame) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("frame", row.frame.clone()),
        ("found by", row.how.clone()),
        ("stars", row.stars.to_string()),
        ("catalogue stars", row.matches.to_string()),
    ];
    facts.extend(row.rms_px.map(|rms| ("rms px", format!("{rms:.3}"))));
    facts
}
