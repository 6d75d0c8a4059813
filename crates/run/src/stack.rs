//! `zemosaic stack`: all frames into one master tile. The output is the tile's file, or a folder for it, the tables and the
//! log.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::CoaddSummary;
use zemosaic_fits::FilePool;
use zemosaic_frames::LeftOut;

use crate::assemble::{exit_code_of, peak_memory_bytes};
use crate::classic::{TileMaker, add_figures, record_of};
use crate::error::RunError;
use crate::events::{Reporter, Stage, Warning};
use crate::matching::PlaceOfFigures;
use crate::mosaic::{MAX_OPEN_FILES, Observer, RunOutcome, gather_facts, prepare_sources};
use crate::options::{Existing, MosaicRequest, RunCommand};
use crate::output::refuse_inputs;
use crate::plan::{look_at_inputs, plan_inputs};
use crate::products::facts::Facts;
use crate::products::report::{Costs, report_json};
use crate::products::report_html::report_html;
use crate::products::staged::StagedFiles;
use crate::products::{frames_csv::frames_csv, run_toml::run_toml, tile_name};
use crate::run_folder::{RunFolder, spill_in};
use crate::scan::no_usable;
use crate::tiles::tile_jobs;

/// Tables beside the tile in a folder.
const TABLES: [&str; 4] = ["frames.csv", "run.toml", "report.json", "report.html"];

/// Endings of the file of a stack.
const ENDINGS: [&str; 3] = ["fits", "fit", "fts"];

/// Endings of files that a stack is not written as; who gives one does not mean a folder.
const FOREIGN_ENDINGS: [&str; 24] = [
    "fz", "gz", "bz2", "z", "xz", "zst", "zip", "xisf", "tif", "tiff", "png", "jpg", "jpeg", "jp2", "bmp",
    "webp", "exr", "ser", "raw", "asdf", "csv", "json", "toml", "txt",
];

/// Where a stack goes.
enum Target {
    /// A file of this name and nothing else.
    File(PathBuf),
    /// A folder.
    Folder(PathBuf),
}

impl Target {
    fn of(out: &Path) -> Result<Self, RunError> {
        let ending = out.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let has = |endings: &[&str]| !out.is_dir() && endings.contains(&ending.as_str());
        if has(&FOREIGN_ENDINGS) {
            return Err(RunError::Usage(format!(
                "{}: a stack is written as .fits, .fit or .fts, or into a folder; it is not written as .{ending}",
                out.display()
            )));
        }
        Ok(if has(&ENDINGS) { Self::File(out.into()) } else { Self::Folder(out.into()) })
    }

    fn tables(&self) -> Vec<PathBuf> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Folder(folder) => TABLES.map(|name| folder.join(name)).to_vec(),
        }
    }

    fn tile(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Folder(folder) => folder.join(tile_name(1)),
        }
    }
}

/// Where the figures of the gauge of `request` are: a stack into a file has no page, but its file has the tables.
pub(crate) fn place_of_figures(request: &MosaicRequest) -> PlaceOfFigures {
    let is_file = || matches!(Target::of(&request.out), Ok(Target::File(_)));
    if request.run_command == RunCommand::Stack && is_file() {
        PlaceOfFigures::Tables
    } else {
        PlaceOfFigures::Page
    }
}

/// Make the master tile that `request` asks for.
///
/// # Errors
/// See [`RunError`].
pub(crate) fn stack_all(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    let target = Target::of(&request.out)?;
    let (path, tables) = (target.tile(), target.tables());
    if let Some(path) = [&path].into_iter().chain(&tables).find(|path| path.exists())
        && request.existing == Existing::Refuse
    {
        return Err(RunError::Exists { path: path.clone() });
    }
    let mut folder = match &target {
        Target::Folder(_) => RunFolder::watched(request, reporter),
        Target::File(path) => RunFolder::of_file(path, request, reporter),
    };
    let looked = look_at_inputs(request, reporter)?;
    let products: Vec<PathBuf> = [&path].into_iter().chain(&tables).cloned().collect();
    refuse_inputs(request, &looked.scan.frames, &looked.scan.left_out, &products)?;
    if request.solves_frames() {
        folder.open_logs()?;
    }
    let mut planned = plan_inputs(request, looked, reporter, cancel)?;
    planned.forecast(&request.options)?;
    let spill = match &target {
        Target::Folder(_) => folder.open()?,
        Target::File(path) => spill_beside(request, path)?,
    };
    let pool = FilePool::new(MAX_OPEN_FILES);
    let placed = prepare_sources(request, &mut planned, spill.path(), &pool, reporter, cancel)?;
    let mut facts = gather_facts(request, &planned, &placed)?;
    facts.used.iter_mut().for_each(|frame| frame.tile = Some(1));
    let jobs = tile_jobs(&planned.tiles, &placed.sources);
    let Some(job) = jobs.first() else { return Err(RunError::Usage("nothing to stack".into())) };
    let names = placed.sources.iter().map(|source| source.frame.id.clone()).collect();
    let total = job.region.area() as u64;
    let observer = Observer::new(reporter, Stage::Coadd, names, total);
    let start = reporter.elapsed_s();
    let maker = TileMaker { request, planned: &planned, placed: &placed, facts: &facts, pool: &pool, cancel };
    let (made, summary) = reporter.stage(Stage::Coadd, total, || maker.make(job, path.clone(), &observer))?;
    let Some(made) = made else {
        return Err(nothing_on_grid(&planned.layout.left_out, facts.used.len(), &summary));
    };
    let mut record = record_of(job, request);
    record.file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    add_figures(&mut record, &summary);
    record.rgb_equalize = made.rgb_equalize();
    let mut warnings = std::mem::take(&mut planned.warnings);
    warnings.extend(observer.into_warnings());
    for warning in placed.warnings(facts.channels) {
        reporter.warn(&warning);
        warnings.push(warning);
    }
    facts.grid = made.facts.grid;
    facts.gauge = made.facts.gauge;
    facts.rgb_equalize = made.facts.rgb_equalize;
    facts.summary = summary;
    facts.tiles = vec![record];
    if !tables.is_empty() {
        let costs = Costs {
            threads: request.worker_threads(),
            memory_budget_bytes: planned.budget.total_bytes,
            peak_memory_bytes: peak_memory_bytes(),
            patches: made.patches,
            mosaic_bytes: planned.tiles.bytes,
            stage_seconds: [("coadd".to_owned(), reporter.elapsed_s() - start)].into(),
            seconds: reporter.elapsed_s(),
        };
        write_tables(request, &tables, &facts, &costs, &warnings)?;
    }
    Ok(RunOutcome {
        exit_code: exit_code_of(&facts),
        mosaics: vec![path],
        used: facts.used.len(),
        left_out: facts.left_out,
        warnings,
    })
}

/// The error of a stack without a pixel: `used` frames were looked at besides those left out.
fn nothing_on_grid(left_out: &[LeftOut], used: usize, summary: &CoaddSummary) -> RunError {
    let mut error = no_usable(used + left_out.len(), left_out);
    if let RunError::NoUsableInput { summary: told, unsolved, .. } = &mut error {
        let why = if summary.read_failures.is_empty() {
            "no frame has data on the grid"
        } else {
            "no frame has data on the grid, or could be read"
        };
        *told = if told.is_empty() { why.to_owned() } else { format!("{why}; {told}") };
        *unsolved = false;
    }
    error
}

fn write_tables(
    request: &MosaicRequest,
    tables: &[PathBuf],
    facts: &Facts,
    costs: &Costs,
    warnings: &[Warning],
) -> Result<(), RunError> {
    let csv = frames_csv(facts);
    let toml = run_toml(request, costs.memory_budget_bytes)?;
    let report = report_json(facts, costs, warnings)?;
    let mut staged = StagedFiles::default();
    let page = report_html(facts, warnings);
    for (path, text) in tables.iter().zip([csv, toml, report, page]) {
        staged.add(path, text.as_bytes())?;
    }
    staged.publish()
}

/// A folder for unpacked copies beside a file that is the only product.
fn spill_beside(request: &MosaicRequest, path: &Path) -> Result<tempfile::TempDir, RunError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(RunError::output(parent))?;
    spill_in(request.spill.as_deref().unwrap_or(parent))
}
