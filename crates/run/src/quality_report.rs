//! `zemosaic quality`: the figures of frames, with or without a WCS, and what the gates would say.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use zemosaic_coadd::{CoaddError, CoaddOptions, Measured, MemoryBudget, available_memory_bytes};
use zemosaic_fits::FilePool;
use zemosaic_frames::{Frame, IngestOptions, LeftOut, WcsNeed};
use zemosaic_stars::FrameQuality;

use crate::error::RunError;
use crate::events::{Reporter, Stage};
use crate::output::refuse_input_files;
use crate::prepare::prepare;
use crate::products::frames_csv::{quality_fields, quote};
use crate::products::staged::StagedFiles;
use crate::quality::{QualityOptions, gate_frames, measure_all, night_of};
use crate::scan::scan_frames;

/// What is asked.
#[derive(Debug, Clone)]
pub struct QualityRequest {
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// Reading of the inputs; a WCS is not needed whatever it says.
    pub ingest: IngestOptions,
    /// Stars and gates.
    pub options: QualityOptions,
    /// Worker threads; `None`: all cores.
    pub threads: Option<usize>,
    /// Folder for unpacked copies; `None`: the system's.
    pub spill: Option<PathBuf>,
}

impl QualityRequest {
    /// The table must not take the place of an input, whatever that is.
    ///
    /// # Errors
    /// [`RunError::Usage`]; inputs that cannot be listed.
    pub fn refuse_output(&self, path: &Path) -> Result<(), RunError> {
        refuse_input_files(&self.inputs, path)
    }
}

/// A frame and its figures.
#[derive(Debug, Clone, Serialize)]
pub struct QualityRow {
    /// Its name, as in `frames.csv`.
    pub frame: String,
    /// The night it was taken in (noon to noon UTC, the date it begins on).
    pub night: String,
    /// FILTER.
    pub filter: Option<String>,
    /// Exposure, seconds.
    pub exptime_s: Option<f64>,
    /// Its figures; `None` where nothing can be measured.
    pub quality: Option<FrameQuality>,
    /// Why the gates would leave it out.
    pub dropped: Option<String>,
}

/// The figures of all frames.
#[derive(Debug)]
pub struct QualityReport {
    /// In frame order.
    pub rows: Vec<QualityRow>,
    /// What is no frame, or cannot be read.
    pub left_out: Vec<LeftOut>,
}

/// Memory where the system does not tell what is free.
const FALLBACK_MEMORY_BYTES: u64 = 2 << 30;
/// Files kept open at once.
const MAX_OPEN_FILES: usize = 200;

/// Measure the frames of `request`.
///
/// # Errors
/// As [`scan_frames`]; when copies cannot be unpacked, or when cancelled.
pub fn quality_of(
    request: &QualityRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<QualityReport, RunError> {
    request.options.gates.check().map_err(RunError::Usage)?;
    let workers =
        request.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let budget = MemoryBudget {
        total_bytes: available_memory_bytes().map_or(FALLBACK_MEMORY_BYTES, |bytes| bytes / 2),
        workers: workers.max(1),
    };
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(budget.workers)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    threads.install(|| measured(request, budget, reporter, cancel))
}

fn measured(
    request: &QualityRequest,
    budget: MemoryBudget,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<QualityReport, RunError> {
    let ingest = IngestOptions { wcs_need: WcsNeed::Optional, ..request.ingest.clone() };
    let excluded: Vec<PathBuf> = request.spill.iter().cloned().collect();
    let scan = scan_frames(&request.inputs, &excluded, &ingest, reporter)?;
    let root = request.spill.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&root).map_err(RunError::output(&root))?;
    let spill =
        tempfile::Builder::new().prefix(".spill-").tempdir_in(&root).map_err(RunError::output(&root))?;
    let pool = FilePool::new(MAX_OPEN_FILES);
    let mut prepared = reporter.stage(Stage::Prepare, scan.frames.len() as u64, || {
        prepare(scan.frames, &CoaddOptions::default(), budget, spill.path(), &pool, reporter, cancel)
    })?;
    measure_all(&mut prepared, &request.options.stars, budget, &pool, reporter, cancel)?;
    let verdicts = gate_frames(&prepared.frames, &request.options.gates);
    let row = |((frame, measured), dropped): (&(Frame, Measured), Option<String>)| QualityRow {
        frame: frame.id.clone(),
        night: night_of(frame),
        filter: frame.meta.filter.clone(),
        exptime_s: frame.meta.exposure_s,
        quality: measured.quality.as_deref().cloned(),
        dropped,
    };
    let rows = prepared.frames.iter().zip(verdicts).map(row).collect();
    let mut left_out = scan.left_out;
    left_out.extend(prepared.left_out);
    left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    Ok(QualityReport { rows, left_out })
}

impl QualityReport {
    /// As CSV: the columns of `frames.csv` that are about quality, and more.
    pub fn csv(&self) -> String {
        let mut csv =
            "frame,status,code,reason,night,filter,exptime_s,background,noise,stars,fwhm_px,hfr_px,\
                       roundness,trails,gradient,snr,star_flux,drawn_out_deg\n"
                .to_owned();
        let mut lines: Vec<(&str, String)> = Vec::new();
        for row in &self.rows {
            let (status, code) = match &row.dropped {
                None => ("good", ""),
                Some(_) => ("dropped", "W-FRAME-QUALITY"),
            };
            let mut line = format!(
                "{},{status},{code},{},{},{},{}",
                quote(&row.frame),
                quote(row.dropped.as_deref().unwrap_or("")),
                row.night,
                quote(row.filter.as_deref().unwrap_or("")),
                row.exptime_s.map_or(String::new(), |seconds| seconds.to_string()),
            );
            line.push(',');
            line.push_str(&quality_fields(row.quality.as_ref()));
            line.push_str(&more_fields(row.quality.as_ref()));
            lines.push((&row.frame, line));
        }
        for item in &self.left_out {
            let (code, reason) = (item.reason.code(), quote(item.reason.message()));
            lines.push((&item.id, format!("{},left-out,{code},{reason}{}", quote(&item.id), ",".repeat(14))));
        }
        lines.sort();
        for (_, line) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(csv, "{line}");
        }
        csv
    }

    /// Write [`Self::csv`] to `path`, which gets its name when it is complete.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), RunError> {
        let mut staged = StagedFiles::default();
        staged.add(path, self.csv().as_bytes())?;
        staged.publish()
    }

    /// How many frames the gates would leave out.
    pub fn dropped(&self) -> usize {
        self.rows.iter().filter(|row| row.dropped.is_some()).count()
    }
}

fn more_fields(quality: Option<&FrameQuality>) -> String {
    let Some(quality) = quality else { return ",".repeat(4) };
    let figure = |value: f64| if value.is_nan() { String::new() } else { format!("{value:.4}") };
    let turned = quality.drawn_out_deg.map_or(String::new(), figure);
    format!(
        ",{},{},{},{turned}",
        figure(quality.gradient_adu),
        figure(quality.snr),
        figure(quality.star_flux_adu)
    )
}
