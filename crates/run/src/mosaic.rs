//! The whole run: scan, plan, prepare, coadd, finish. Nothing appears under a final name before it is
//! complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zemosaic_coadd::{
    CoaddJob, CoaddObserver, CoaddSummary, Patch, PatchPlan, ProductPlane, ProductSink, Source, coadd,
    plan_patches,
};
use zemosaic_fits::{DataSpec, FilePool, HduSpec, Header, ProductWriter};
use zemosaic_frames::{LeftOut, Reason};
use zemosaic_sky::Footprint;

use crate::calibrate::build_masters;
use crate::error::{ExitCode, RunError};
use crate::events::{Event, Reporter, Stage, Warning};
use crate::options::{GroupChoice, MosaicRequest};
use crate::output::{overwrite, publish_mosaic, refuse_existing, refuse_inputs_as_products};
use crate::plan::{Placed, PlannedRun, place_sources, plan_run, rejecting};
use crate::prepare::prepare;
use crate::products::facts::{Facts, input_hash, noise_correlation, parameter_hash, time_facts, used_frame};
use crate::products::header::plane_header;
use crate::products::inputs_table::inputs_table;
use crate::products::report::{Costs, report_json};
use crate::products::staged::StagedFiles;
use crate::products::{PRODUCT_NAMES, frames_csv::frames_csv, preview::preview_png, run_toml::run_toml};
use crate::scan::tell_left_out;
use crate::time;

/// How the folders of unpacked copies begin.
const SPILL_PREFIX: &str = ".spill-";
/// Files kept open at once.
const MAX_OPEN_FILES: usize = 200;

/// What a finished run made.
#[derive(Debug)]
pub struct RunOutcome {
    /// 0, or 9 when something could not be read.
    pub exit_code: ExitCode,
    /// The main product of each group.
    pub mosaics: Vec<PathBuf>,
    /// Frames used.
    pub used: usize,
    /// Files not used, with reasons.
    pub left_out: Vec<LeftOut>,
    /// What else the user should know.
    pub warnings: Vec<Warning>,
}

/// Make the mosaic that `request` asks for.
///
/// # Errors
/// See [`RunError`]; whatever was begun is removed.
pub fn mosaic(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.worker_threads())
        .build()
        .map_err(|error| RunError::Coadd(zemosaic_coadd::CoaddError::Threads(error.to_string())))?;
    pool.install(|| match request.options.group {
        GroupChoice::All => all_groups(request, reporter, cancel),
        GroupChoice::Largest | GroupChoice::Number(_) => {
            one_group(request, reporter, cancel).map(|(outcome, _)| outcome)
        }
    })
}

/// Every group of connected frames into a folder of its own.
fn all_groups(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    let folder_of = |number: usize| request.out.join(format!("group_{number}"));
    for folder in (1..).map(folder_of).take_while(|folder| folder.exists()) {
        refuse_existing(request, &folder)?;
    }
    let mut total: Option<RunOutcome> = None;
    let mut number = 1;
    loop {
        let mut one = request.clone();
        one.options.group = GroupChoice::Number(number);
        one.out = folder_of(number);
        // The mosaics of the other groups are no input either.
        one.excluded.push(request.out.clone());
        let (mut outcome, groups) = one_group(&one, reporter, cancel)?;
        // Frames of the other groups have their own mosaics.
        outcome.left_out.retain(|item| !matches!(item.reason, Reason::OtherGroup(_)));
        let merged = match total.take() {
            None => outcome,
            Some(mut so_far) => {
                so_far.mosaics.extend(outcome.mosaics);
                so_far.used += outcome.used;
                let new = outcome.warnings.into_iter().filter(|new| !so_far.warnings.contains(new));
                let new: Vec<Warning> = new.collect();
                so_far.warnings.extend(new);
                let known: BTreeSet<PathBuf> = so_far.left_out.iter().map(|item| item.path.clone()).collect();
                so_far
                    .left_out
                    .extend(outcome.left_out.into_iter().filter(|item| !known.contains(&item.path)));
                if outcome.exit_code == ExitCode::Partial {
                    so_far.exit_code = ExitCode::Partial;
                }
                so_far
            }
        };
        if number >= groups {
            return Ok(merged);
        }
        total = Some(merged);
        number += 1;
    }
}

fn one_group(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(RunOutcome, usize), RunError> {
    refuse_existing(request, &request.out)?;
    let mut planned = plan_run(request, reporter)?;
    refuse_inputs_as_products(request, &planned.layout)?;
    // Too little memory must show before anything is written.
    planned.forecast(&request.options)?;
    let spill = open_run_folder(request, reporter)?;
    let pool = FilePool::new(MAX_OPEN_FILES);
    let placed = prepare_sources(request, &mut planned, spill.path(), &pool, reporter, cancel)?;
    let plan = plan_patches(
        planned.layout.grid.width,
        planned.layout.grid.height,
        &placed.sources,
        planned.layout.channels,
        &request.options.coadd,
        planned.budget,
    )?;
    announce(&planned, &plan, &placed.sources, reporter);
    let groups = planned.layout.group_sizes.len();
    let product = Product::begin(request, planned, placed, plan, spill.path())?;
    let outcome = product.run(request, &pool, reporter, cancel)?;
    Ok((outcome, groups))
}

/// Make the run folder, its log and the folder of unpacked copies (removed when it goes out of scope).
fn open_run_folder(request: &MosaicRequest, reporter: &Reporter) -> Result<tempfile::TempDir, RunError> {
    std::fs::create_dir_all(&request.out).map_err(RunError::output(&request.out))?;
    let log = request.out.join("events.jsonl");
    reporter.open_log(&log).map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => RunError::Busy { path: request.out.clone() },
        _ => RunError::output(&log)(source),
    })?;
    remove_stale_spill(&request.out).map_err(RunError::output(&request.out))?;
    let root = request.spill.as_ref().unwrap_or(&request.out);
    std::fs::create_dir_all(root).map_err(RunError::output(root))?;
    tempfile::Builder::new().prefix(SPILL_PREFIX).tempdir_in(root).map_err(RunError::output(root))
}

/// Unpacked copies that a killed run left in `folder`; the lock on its log says that no run is alive there.
fn remove_stale_spill(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SPILL_PREFIX) && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Unpack, measure, place; frames that fail on the way are left out and the grid is fitted to the rest.
fn prepare_sources(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    spill: &Path,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Placed, RunError> {
    let (mut frames, budget) = (planned.layout.frames.clone(), planned.budget);
    let told = build_masters(&planned.calibration, &mut frames, (spill, pool), budget, reporter, cancel)?;
    for warning in &told {
        reporter.warn(warning);
    }
    planned.warnings.extend(told);
    let prepared = reporter.stage(Stage::Prepare, frames.len() as u64, || {
        prepare(frames, &request.options.coadd, budget, spill, pool, reporter, cancel)
    })?;
    for item in &prepared.left_out {
        tell_left_out(reporter, item);
    }
    planned.layout.drop_unusable(prepared.left_out, &request.options)?;
    let placed = place_sources(prepared.frames, &planned.layout, &request.options)?;
    for item in &placed.left_out {
        tell_left_out(reporter, item);
    }
    planned.layout.left_out.extend(placed.left_out.iter().cloned());
    planned.layout.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    if placed.sources.is_empty() {
        return Err(crate::scan::no_usable(planned.layout.left_out.len(), &planned.layout.left_out));
    }
    Ok(placed)
}

fn announce(planned: &PlannedRun, plan: &PatchPlan, sources: &[Source], reporter: &Reporter) {
    let forecast = planned.forecast_of(plan, sources);
    reporter.send(Event::Planned {
        frames: sources.len(),
        width: planned.layout.grid.width,
        height: planned.layout.grid.height,
        channels: planned.layout.channels,
        patches: forecast.patches,
        memory_bytes: forecast.memory_bytes,
        disk_bytes: planned.mosaic_bytes,
        spill_bytes: planned.spill_bytes,
    });
}

/// A product in the making.
struct Product {
    planned: PlannedRun,
    placed: Placed,
    plan: PatchPlan,
    planes: Vec<ProductPlane>,
    facts: Facts,
    writer: ProductWriter,
}

impl Product {
    /// Lay the file out on disk.
    fn begin(
        request: &MosaicRequest,
        planned: PlannedRun,
        placed: Placed,
        plan: PatchPlan,
        spill: &Path,
    ) -> Result<Self, RunError> {
        let facts = gather_facts(request, &planned, &placed)?;
        let planes = ProductPlane::of_product(rejecting(&request.options));
        let (width, height) = (facts.grid.width, facts.grid.height);
        let hdus = planes
            .iter()
            .enumerate()
            .map(|(index, plane)| {
                let mut dims = vec![width, height];
                if plane.per_channel() && facts.channels > 1 {
                    dims.push(facts.channels);
                }
                let data = if plane.is_integer() { DataSpec::I32 { dims } } else { DataSpec::F32 { dims } };
                HduSpec { header: plane_header(*plane, index, &facts, &request.options), data }
            })
            .collect();
        let policy = overwrite(request);
        // What is compressed in the end is written beside the unpacked copies first.
        let folder = if request.compress.is_some() { spill } else { &request.out };
        let writer = ProductWriter::create(&folder.join(PRODUCT_NAMES[0]), hdus, policy)?;
        Ok(Self { planned, placed, plan, planes, facts, writer })
    }

    fn run(
        mut self,
        request: &MosaicRequest,
        pool: &FilePool,
        reporter: &Reporter,
        cancel: &AtomicBool,
    ) -> Result<RunOutcome, RunError> {
        let start = reporter.elapsed_s();
        let observer = Observer::new(reporter, &self.placed, &self.facts);
        let channels = self.facts.channels;
        self.facts.summary = reporter.stage(Stage::Coadd, observer.total, || {
            let job = CoaddJob {
                sources: &self.placed.sources,
                channels,
                options: &request.options.coadd,
                plan: &self.plan,
                threads: request.worker_threads(),
                pool,
            };
            let sink = ProductSink { writer: &self.writer, planes: &self.planes, channels };
            coadd(&job, &sink, &observer, cancel)
        })?;
        let mut warnings = std::mem::take(&mut self.planned.warnings);
        warnings.extend(observer.warnings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
        let mut late = self.placed.warnings(channels);
        if self.facts.summary.samples == 0 {
            let message = "no frame has data on the grid: every pixel is empty".to_owned();
            late.push(Warning { code: "W-EMPTY", message });
        }
        for warning in late {
            reporter.warn(&warning);
            warnings.push(warning);
        }
        let coadd_seconds = reporter.elapsed_s() - start;
        let stage_seconds = BTreeMap::from([("coadd".to_owned(), coadd_seconds)]);
        let costs = Costs {
            threads: request.worker_threads(),
            memory_budget_bytes: self.planned.budget.total_bytes,
            peak_memory_bytes: None,
            patches: self.plan.patches.len(),
            mosaic_bytes: self.planned.mosaic_bytes,
            stage_seconds,
            seconds: reporter.elapsed_s(),
        };
        reporter.stage(Stage::Finish, 1, || self.finish(request, costs, warnings))
    }

    /// Tables, preview and report, then the mosaic itself under its final name.
    fn finish(
        self,
        request: &MosaicRequest,
        mut costs: Costs,
        warnings: Vec<Warning>,
    ) -> Result<RunOutcome, RunError> {
        let Self { planned, planes, facts, writer, .. } = self;
        let png = preview_png(&writer, facts.grid.width, facts.grid.height, facts.channels)?
            .map_err(|error| RunError::Encode { what: "the preview", message: error.to_string() })?;
        let headers: Vec<(usize, Header)> = planes
            .iter()
            .enumerate()
            .map(|(index, plane)| (index, plane_header(*plane, index, &facts, &request.options)))
            .collect();
        // The last of what takes memory is done.
        costs.peak_memory_bytes = peak_memory_bytes();
        let csv = frames_csv(&facts);
        let toml = run_toml(request, planned.budget.total_bytes)?;
        let report = report_json(&facts, &costs, &warnings)?;
        let contents = [png.as_slice(), csv.as_bytes(), toml.as_bytes(), report.as_bytes()];
        let mut staged = StagedFiles::default();
        for (name, bytes) in PRODUCT_NAMES[1..].iter().zip(contents) {
            staged.add(&request.out.join(name), bytes)?;
        }
        let written = writer.path().to_path_buf();
        writer.finish_with_table(headers, inputs_table(&facts))?;
        let mosaic = publish_mosaic(request, written)?;
        staged.publish()?;
        let failed = facts.left_out.iter().any(|item| item.reason.is_failure())
            || !facts.summary.read_failures.is_empty()
            || !facts.summary.failed_patches.is_empty();
        Ok(RunOutcome {
            exit_code: if failed { ExitCode::Partial } else { ExitCode::Ok },
            mosaics: vec![mosaic],
            used: facts.used.len(),
            left_out: facts.left_out,
            warnings,
        })
    }
}

fn gather_facts(request: &MosaicRequest, planned: &PlannedRun, placed: &Placed) -> Result<Facts, RunError> {
    let channels = planned.layout.channels;
    let used: Vec<_> = placed
        .sources
        .iter()
        .zip(&placed.measured)
        .map(|(source, measured)| {
            let frame = &source.frame;
            let footprint = Footprint::of(&frame.wcs, frame.width, frame.height);
            let vertices = footprint.as_ref().map(Footprint::vertices).unwrap_or_default();
            used_frame(frame, measured, &source.weight[..channels], vertices)
        })
        .collect();
    let mut grid_header = Header::new();
    planned.layout.grid.wcs.write_to(&mut grid_header);
    grid_header.set_i64("NAXIS1", planned.layout.grid.width as i64, "");
    grid_header.set_i64("NAXIS2", planned.layout.grid.height as i64, "");
    let parameter_hash = parameter_hash(&request.options, &grid_header.to_bytes())
        .map_err(|error| RunError::Encode { what: "the parameter hash", message: error.to_string() })?;
    Ok(Facts {
        time: time_facts(&used),
        noise_correlation: noise_correlation(&placed.sources),
        input_hash: input_hash(&used),
        offered: used.len() + planned.layout.left_out.len(),
        left_out: planned.layout.left_out.clone(),
        used,
        grid: planned.layout.grid.clone(),
        channels,
        summary: CoaddSummary::default(),
        date: time::now(),
        parameter_hash,
    })
}

/// Turns the engine's reports into events and warnings.
struct Observer<'a> {
    reporter: &'a Reporter,
    frame_ids: Vec<String>,
    done: AtomicU64,
    total: u64,
    warnings: Mutex<Vec<Warning>>,
}

impl<'a> Observer<'a> {
    fn new(reporter: &'a Reporter, placed: &Placed, facts: &Facts) -> Self {
        Self {
            reporter,
            frame_ids: placed.sources.iter().map(|source| source.frame.id.clone()).collect(),
            done: AtomicU64::new(0),
            total: facts.grid.width as u64 * facts.grid.height as u64,
            warnings: Mutex::new(Vec::new()),
        }
    }

    fn warn(&self, code: &'static str, message: String) {
        let warning = Warning { code, message };
        self.reporter.warn(&warning);
        if let Ok(mut warnings) = self.warnings.lock() {
            warnings.push(warning);
        }
    }
}

impl CoaddObserver for Observer<'_> {
    fn patch_done(&self, patch: &Patch) {
        let area = patch.region.area() as u64;
        let done = self.done.fetch_add(area, Ordering::Relaxed) + area;
        self.reporter.send(Event::Progress { stage: Stage::Coadd, done, total: self.total });
    }

    fn patch_failed(&self, patch: &Patch, message: &str) {
        let at = patch.region;
        self.warn(
            "E-PATCH-FAILED",
            format!(
                "patch {} at {},{} failed ({message}); its pixels have no data and DQ bit 64",
                patch.id, at.x0, at.y0
            ),
        );
    }

    fn read_failed(&self, source: usize, patch: &Patch, message: &str) {
        let id = &self.frame_ids[source];
        self.warn("E-FRAME-READ", format!("{id} is missing from patch {}: {message}", patch.id));
    }
}

/// Highest resident memory of this process so far.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
}
