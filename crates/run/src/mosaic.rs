//! The whole run: scan, plan, prepare, coadd, finish. Nothing appears under a final name before it is
//! complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zemosaic_coadd::source::depth_planes;
use zemosaic_coadd::{CoaddObserver, CoaddSummary, Patch, PatchPlan, Source, plan_patches};
use zemosaic_fits::{FilePool, Header};
use zemosaic_frames::{LeftOut, Reason, time};
use zemosaic_sky::Footprint;

use crate::assemble::{Product, Work, merge_work};
use crate::calibrate::build_masters;
use crate::camera::know_cameras;
use crate::classic::make_tiles;
use crate::desk::Working;
use crate::error::{ExitCode, RunError};
use crate::events::{Event, Reporter, Stage, Warning};
use crate::existing::from_tiles;
use crate::matching::{gauge_frames, match_made_tiles};
use crate::options::{GroupChoice, InputKind, MosaicRequest, RunCommand};
use crate::output::{refuse_existing, refuse_inputs_as_products};
use crate::plan::{Placed, PlannedRun, look_at_inputs, place_sources, plan_inputs};
use crate::prepare::prepare;
use crate::products::facts::{Facts, input_hash, noise_correlation, parameter_hash, time_facts, used_frame};
use crate::products::gauge::GaugeFacts;
use crate::quality::{judge_quality, reuse_quality};
use crate::rgb_equalize::asked;
use crate::run_folder::RunFolder;
use crate::scan::tell_left_out;
use crate::stack::stack_all;
use crate::two_pass::two_pass;

/// Files kept open at once.
pub(crate) const MAX_OPEN_FILES: usize = 200;

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

impl RunOutcome {
    /// The last event of the run, which took `seconds`.
    pub fn last_event(&self, seconds: f64) -> Event {
        let mosaic = self.mosaics.first().map(|path| path.display().to_string()).unwrap_or_default();
        Event::Finished { exit_code: self.exit_code as u8, mosaic, seconds }
    }
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
    pool.install(|| match (request.run_command, request.input_kind, request.options.group) {
        (RunCommand::Stack, ..) => stack_all(request, reporter, cancel),
        (_, InputKind::MasterTiles, _) => from_tiles(request, reporter, cancel),
        (.., GroupChoice::All) => all_groups(request, reporter, cancel),
        (.., GroupChoice::Largest | GroupChoice::Number(_) | GroupChoice::Together) => {
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
        reporter.close_log(outcome.last_event(reporter.elapsed_s()));
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

/// The mosaic of one group of connected frames, and how many groups there are.
pub(crate) fn one_group(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(RunOutcome, usize), RunError> {
    refuse_existing(request, &request.out)?;
    one_group_in(RunFolder::watched(request, reporter), request, reporter, cancel)
}

/// As [`one_group`], in a folder that is watched already.
pub(crate) fn one_group_in(
    mut folder: RunFolder<'_>,
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(RunOutcome, usize), RunError> {
    let looked = look_at_inputs(request, reporter)?;
    refuse_inputs_as_products(request, &looked.scan.frames, &looked.scan.left_out)?;
    if request.solves_frames() {
        folder.open_logs()?;
    }
    let mut planned = plan_inputs(request, looked, reporter, cancel)?;
    // Too little memory must show before anything is written.
    planned.forecast(&request.options)?;
    let spill = folder.open()?;
    let pool = FilePool::new(MAX_OPEN_FILES);
    let placed = prepare_sources(request, &mut planned, spill.path(), &pool, reporter, cancel)?;
    let groups = planned.layout.group_sizes.len();
    let mut facts = gather_facts(request, &planned, &placed)?;
    // Of tiles too it says how many patches the mosaic is, and what the frames under one of them take.
    let plan = patches_of(request, &planned, &placed)?;
    announce(&planned, &plan, &placed.sources, reporter);
    let made = if request.makes_tiles() {
        let mut made = make_tiles(request, &planned, &placed, &mut facts, &pool, reporter, cancel)?;
        planned.warnings.extend(made.warnings.iter().cloned());
        let place = (spill.path(), &pool);
        match_made_tiles(request, &mut planned, (&mut made, &mut facts), place, reporter, cancel)?;
        Some(made)
    } else {
        None
    };
    let work = match made {
        Some(made) => merge_work(made, &planned)?,
        None => Work::Coadd(plan),
    };
    let product = Product::begin(request, planned, placed, facts, work, spill.path())?;
    let outcome = product.run(request, &pool, reporter, cancel)?;
    Ok((outcome, groups))
}

/// The patches of the whole mosaic.
fn patches_of(request: &MosaicRequest, planned: &PlannedRun, placed: &Placed) -> Result<PatchPlan, RunError> {
    let (grid, channels) = (&planned.layout.grid, planned.layout.channels);
    let options = &request.options.coadd;
    Ok(plan_patches(grid.width, grid.height, &placed.sources, channels, options, planned.budget)?)
}

/// Unpack, calibrate, measure, judge, place, bring to one level; frames that fail on the way are left out and the grid is
/// fitted to the rest.
pub(crate) fn prepare_sources(
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
    let mut prepared = reporter.stage(Stage::Prepare, frames.len() as u64, || {
        prepare(frames, &request.options.coadd, budget, spill, pool, reporter, cancel)
    })?;
    for warning in know_cameras(&mut prepared.frames, &request.options, pool, budget) {
        reporter.warn(&warning);
        planned.warnings.push(warning);
    }
    if let Some(solved) = &planned.solve {
        reuse_quality(&mut prepared, &solved.qualities);
    }
    judge_quality(&mut prepared, &request.options, budget, pool, reporter, cancel)?;
    for item in &prepared.left_out {
        tell_left_out(reporter, item);
    }
    planned.layout.drop_unusable(prepared.left_out, &request.options)?;
    let mut placed = place_sources(prepared.frames, &planned.layout, &request.options)?;
    for item in &placed.left_out {
        tell_left_out(reporter, item);
    }
    planned.layout.left_out.extend(placed.left_out.iter().cloned());
    planned.layout.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    if placed.sources.is_empty() {
        return Err(crate::scan::no_usable(planned.layout.left_out.len(), &planned.layout.left_out));
    }
    gauge_frames(request, planned, &mut placed, pool, reporter, cancel)?;
    two_pass(request, planned, &mut placed, reporter, cancel)?;
    forget_what_changes(request, planned, &mut placed, reporter);
    Ok(placed)
}

/// What comes after the match and changes frames by different factors leaves nothing of what was certified of their joins.
fn forget_what_changes(
    request: &MosaicRequest,
    planned: &PlannedRun,
    placed: &mut Placed,
    reporter: &Reporter,
) {
    let Some(gauge) = &mut placed.gauge else { return };
    if request.options.two_pass.is_some() {
        gauge.forget_seams();
        gauge.forget_errors();
    }
    // A single tile has one factor per channel, which no ratio of a step to its noise shows.
    let tiles_differ = planned.tiles.tiles.len() > 1 && planned.layout.channels == 3;
    if request.options.rgb_equalize.of_tiles() && tiles_differ && gauge.seams().is_some() {
        gauge.forget_seams();
        reporter.log(match request.options.match_tiles {
            None => "seams: not certified: --rgb-equalize gives every master tile factors of its own after the match",
            Some(_) => "seams: to be certified after the match of the master tiles, which --rgb-equalize changes before",
        });
    }
}

pub(crate) fn announce(planned: &PlannedRun, plan: &PatchPlan, sources: &[Source], reporter: &Reporter) {
    let forecast = planned.forecast_of(plan, sources);
    reporter.send(Event::Planned {
        frames: sources.len(),
        width: planned.layout.grid.width,
        height: planned.layout.grid.height,
        channels: planned.layout.channels,
        patches: forecast.patches,
        memory_bytes: forecast.memory_bytes,
        disk_bytes: planned.mosaic_bytes + planned.tiles.bytes,
        spill_bytes: planned.spill_bytes,
    });
}

pub(crate) fn gather_facts(
    request: &MosaicRequest,
    planned: &PlannedRun,
    placed: &Placed,
) -> Result<Facts, RunError> {
    let channels = planned.layout.channels;
    let mut used: Vec<_> = placed
        .sources
        .iter()
        .zip(&placed.measured)
        .map(|(source, measured)| {
            let frame = &source.frame;
            let footprint = Footprint::of(&frame.wcs, frame.width, frame.height);
            let vertices = footprint.as_ref().map(Footprint::vertices).unwrap_or_default();
            used_frame(source, measured, &source.weight[..channels], vertices)
        })
        .collect();
    let errors = placed.gauge.as_ref().and_then(GaugeFacts::frame_errors);
    for (frame, error) in used.iter_mut().zip(errors.unwrap_or_default()) {
        frame.gauge.set_errors(error);
    }
    let mut grid_header = Header::new();
    planned.layout.grid.wcs.write_to(&mut grid_header);
    grid_header.set_i64("NAXIS1", planned.layout.grid.width as i64, "");
    grid_header.set_i64("NAXIS2", planned.layout.grid.height as i64, "");
    let parameter_hash = parameter_hash(&request.options, &grid_header.to_bytes())
        .map_err(|error| RunError::Encode { what: "the parameter hash", message: error.to_string() })?;
    Ok(Facts {
        time: time_facts(&used),
        noise_correlation: noise_correlation(&placed.sources),
        depth: depth_planes(&placed.sources),
        rgb_equalize: asked(request.options.rgb_equalize.of_mosaic()),
        input_hash: input_hash(&used),
        offered: used.len() + planned.layout.left_out.len(),
        left_out: planned.layout.left_out.clone(),
        used,
        grid: planned.layout.grid.clone(),
        gauge: placed.gauge.clone(),
        frame_gauge: None,
        solve: planned.solve.clone(),
        channels,
        summary: CoaddSummary::default(),
        date: time::now(),
        parameter_hash,
        tiles: Vec::new(),
        from_existing_tiles: false,
    })
}

/// Turns the engine's reports into events and warnings.
pub(crate) struct Observer<'a> {
    reporter: &'a Reporter,
    /// The patches under way, by their number.
    working: Mutex<BTreeMap<usize, Working<'a>>>,
    stage: Stage,
    /// Of the sources: frames, or master tiles.
    names: Vec<String>,
    done: AtomicU64,
    total: u64,
    warnings: Mutex<Vec<Warning>>,
}

impl<'a> Observer<'a> {
    /// For `total` pixels of a stage.
    pub(crate) fn new(reporter: &'a Reporter, stage: Stage, names: Vec<String>, total: u64) -> Self {
        Self {
            reporter,
            working: Mutex::default(),
            stage,
            names,
            done: AtomicU64::new(0),
            total,
            warnings: Mutex::default(),
        }
    }

    /// A line of the log.
    pub(crate) fn log(&self, line: String) {
        self.reporter.log(line);
    }

    /// What was worth a warning.
    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
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
    fn patch_started(&self, patch: &Patch) {
        let at = patch.region;
        let what = format!(
            "{}: patch {} of {} x {} pixels at {},{} from {} sources",
            self.stage.label(),
            patch.id,
            at.width,
            at.height,
            at.x0,
            at.y0,
            patch.sources.len()
        );
        let working = self.reporter.working(what);
        if let Ok(mut open) = self.working.lock() {
            open.insert(patch.id, working);
        }
    }

    fn patch_done(&self, patch: &Patch) {
        if let Ok(mut open) = self.working.lock() {
            open.remove(&patch.id);
        }
        let area = patch.region.area() as u64;
        let done = self.done.fetch_add(area, Ordering::Relaxed) + area;
        self.reporter.send(Event::Progress { stage: self.stage, done, total: self.total });
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
        let id = &self.names[source];
        let code = if self.stage == Stage::Merge { "E-TILE-READ" } else { "E-FRAME-READ" };
        self.warn(code, format!("{id} is missing from patch {}: {message}", patch.id));
    }
}
