//! What a run will take: frames, grid, patches, memory, disk, time. `zemosaic plan` stops here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::options::LEAST_PIXFRAC;
use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{
    BackgroundMethod, DepthPlanes, Measured, MemoryBudget, PatchPlan, PlaceError, ProductPlane, SharedGrid,
    Source, Weights, available_memory_bytes, plan_merge, plan_patches,
};
use zemosaic_frames::{DemosaicMethod, Frame, FrameNoise, LeftOut, Reason};
use zemosaic_image::Region;
use zemosaic_stack::RejectMethod;

use crate::calibrate::{CalibrationPlan, plan_calibration};
use crate::error::RunError;
use crate::events::{Reporter, Stage, Warning};
use crate::layout::{Layout, plan_layout};
use crate::options::{MosaicOptions, MosaicRequest, RunCommand};
use crate::products::gauge::GaugeFacts;
use crate::scan::{Scan, no_usable, scan_request, tell_left_out};
use crate::solve::{Means, SolveReport, solve_scan};
use crate::tiles::{TilesPlan, plan_tiles};
use crate::units::show_size;

/// Share of the free memory a run takes when no budget is given.
const DEFAULT_MEMORY_SHARE: f64 = 0.6;
/// Budget where the system does not tell what is free.
const FALLBACK_MEMORY_BYTES: u64 = 2 << 30;
/// Time per warped sample on one thread, for the forecast: warp, stack and write together.
const FORECAST_WARP_NS: f64 = 20.0;
/// Time per frame pixel read, decode and demosaic together.
const FORECAST_READ_NS: f64 = 3.0;
/// Time per pixel of a master tile, write and merge together.
const FORECAST_MERGE_NS: f64 = 30.0;

/// A planned run, before any pixel is read.
#[derive(Debug)]
pub struct PlannedRun {
    /// Frames, grid, groups.
    pub layout: Layout,
    /// Memory and threads.
    pub budget: MemoryBudget,
    /// Bytes of `mosaic.fits`.
    pub mosaic_bytes: u64,
    /// Bytes of unpacked copies and masters.
    pub spill_bytes: u64,
    /// Master tiles, where there are such.
    pub tiles: TilesPlan,
    /// Masters that are to be made.
    pub calibration: CalibrationPlan,
    /// What plate solving did, where it was asked to.
    pub solve: Option<Arc<SolveReport>>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// The cost of a run as far as patches tell.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// Patches.
    pub patches: usize,
    /// Expected peak memory, bytes.
    pub memory_bytes: u64,
    /// Frame pixels read over frame pixels there are.
    pub read_amplification: f64,
    /// Expected wall time, seconds; good to a factor of two.
    pub seconds: f64,
}

/// Scan the inputs and plan their mosaic; checks memory and disk.
///
/// # Errors
/// As [`crate::scan_inputs`] and [`plan_layout`]; frames that cannot be solved; a resource that would be exceeded.
pub fn plan_run(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<PlannedRun, RunError> {
    plan_inputs(request, look_at_inputs(request, reporter)?, reporter, cancel)
}

/// Inputs that were looked at.
pub(crate) struct LookedAt {
    /// What they are.
    pub scan: Scan,
    budget: MemoryBudget,
    warnings: Vec<Warning>,
}

/// The first part of [`plan_run`], which reads headers.
///
/// # Errors
/// As [`crate::scan_inputs`]; options out of range.
pub(crate) fn look_at_inputs(request: &MosaicRequest, reporter: &Reporter) -> Result<LookedAt, RunError> {
    check_options(&request.options)?;
    request.options.cluster.check().map_err(RunError::Usage)?;
    request.options.quality.gates.check().map_err(RunError::Usage)?;
    let _working = reporter.working("ingest: headers of the inputs");
    let scan = scan_request(request, reporter)?;
    let mut warnings = Vec::new();
    let budget = memory_budget(request, reporter, &mut warnings);
    Ok(LookedAt { scan, budget, warnings })
}

/// The other part of [`plan_run`].
///
/// # Errors
/// As [`plan_layout`]; frames that cannot be solved; a resource that would be exceeded.
pub(crate) fn plan_inputs(
    request: &MosaicRequest,
    looked: LookedAt,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<PlannedRun, RunError> {
    let LookedAt { mut scan, budget, mut warnings } = looked;
    let solve = solve_frames(request, &mut scan, budget, reporter, cancel)?.map(Arc::new);
    warnings.extend(solve.iter().flat_map(|report| report.warnings.iter().cloned()));
    let _working = reporter.working("plan: grid, groups of frames, memory and disk");
    let known: Vec<PathBuf> = scan.left_out.iter().map(|item| item.path.clone()).collect();
    let found = std::mem::take(&mut scan.calibration);
    let mut layout = reporter.stage(Stage::Plan, 1, || plan_layout(scan, &request.options))?;
    for item in layout.left_out.iter().filter(|item| !known.contains(&item.path)) {
        tell_left_out(reporter, item);
    }
    let (calibration, told) =
        plan_calibration(found, &mut layout.frames, &request.options.ingest.calibration);
    for warning in &told {
        reporter.warn(warning);
    }
    warnings.extend(told);
    let tiles = plan_tiles(
        &layout,
        request,
        pixel_bytes(layout.channels, depth_of(&layout), rejecting(&request.options)),
    )?;
    // A stack is its tile and nothing else.
    let mosaic_bytes = match request.run_command {
        RunCommand::Stack => 0,
        RunCommand::Mosaic | RunCommand::Run => {
            product_bytes_of(&layout, layout.frames.len(), rejecting(&request.options))
        }
    };
    let spill_bytes = layout.spill_bytes() + calibration.spill_bytes();
    let planned =
        PlannedRun { layout, budget, mosaic_bytes, spill_bytes, tiles, calibration, solve, warnings };
    check_disk(request, &planned)?;
    Ok(planned)
}

/// Plate solving, as far as it is asked for; copies go to the folder for unpacked copies, or to the system's.
fn solve_frames(
    request: &MosaicRequest,
    scan: &mut Scan,
    budget: MemoryBudget,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<Option<SolveReport>, RunError> {
    if !request.solves_frames() {
        return Ok(None);
    }
    let root = request.spill.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&root).map_err(RunError::output(&root))?;
    let solved =
        solve_scan(scan, &request.options.solve, &Means { budget, scratch: &root, reporter, cancel })?;
    if scan.frames.is_empty() {
        return Err(no_usable(scan.files, &scan.left_out));
    }
    Ok(solved)
}

/// The memory and threads of a run.
pub(crate) fn memory_budget(
    request: &MosaicRequest,
    reporter: &Reporter,
    warnings: &mut Vec<Warning>,
) -> MemoryBudget {
    let available = available_memory_bytes();
    let default_bytes =
        available.map_or(FALLBACK_MEMORY_BYTES, |bytes| (bytes as f64 * DEFAULT_MEMORY_SHARE) as u64);
    let total_bytes = request.memory_bytes.unwrap_or(default_bytes);
    if available.is_some_and(|bytes| total_bytes > bytes) {
        let message = format!(
            "the memory budget of {} is more than the {} that are free; the system may swap",
            show_size(total_bytes),
            show_size(available.unwrap_or(0))
        );
        let warning = Warning { code: "W-MEMORY", message };
        reporter.warn(&warning);
        warnings.push(warning);
    }
    MemoryBudget { total_bytes, workers: request.worker_threads() }
}

/// Options of algorithms that are out of range, before any file is looked at.
fn check_options(options: &MosaicOptions) -> Result<(), RunError> {
    let (ingest, options) = (&options.ingest, &options.coadd);
    ingest.noise.check().map_err(|message| RunError::Usage(format!("--{message}")))?;
    options.spatial.check().map_err(RunError::Usage)?;
    options.reject.check().map_err(|error| RunError::Usage(format!("rejection: {error}")))?;
    if ingest.demosaic == DemosaicMethod::None && !options.kernel.is_drizzle() {
        return Err(RunError::Usage(
            "--demosaic none leaves gaps between the pixels of a colour, which only --kernel drizzle, drizzle-turbo and \
             drizzle-point can fill"
                .into(),
        ));
    }
    if options.background != BackgroundMethod::None {
        options.mesh.check().map_err(|error| RunError::Usage(error.to_string()))?;
    }
    if !(LEAST_PIXFRAC..=1.0).contains(&options.pixfrac) {
        return Err(RunError::Usage(format!("--pixfrac {}: from {LEAST_PIXFRAC} to 1", options.pixfrac)));
    }
    Ok(())
}

impl PlannedRun {
    /// Sources without measured noise, for a forecast.
    ///
    /// # Errors
    /// A WCS that cannot be mapped, too little memory.
    pub fn forecast(&self, options: &MosaicOptions) -> Result<Forecast, RunError> {
        let unknown = Measured { noise: FrameNoise::unknown(), background: Arc::default(), quality: None };
        let frames = self.layout.frames.iter().map(|frame| (frame.clone(), unknown.clone())).collect();
        let placed = place_sources(frames, &self.layout, options)?;
        let plan = plan_patches(
            self.layout.grid.width,
            self.layout.grid.height,
            &placed.sources,
            self.layout.channels,
            &options.coadd,
            self.budget,
        )?;
        let regions: Vec<Region> = self.tiles.tiles.iter().map(|tile| tile.region).collect();
        plan_merge(
            self.layout.grid.width,
            self.layout.grid.height,
            &regions,
            self.layout.channels,
            self.budget,
        )?;
        Ok(self.forecast_of(&plan, &placed.sources))
    }

    /// The forecast of a patch plan.
    pub fn forecast_of(&self, plan: &PatchPlan, sources: &[Source]) -> Forecast {
        let workers = self.budget.workers as u64;
        let fixed = self.budget.total_bytes
            - (self.budget.per_worker_bytes(sources) * workers).min(self.budget.total_bytes);
        let channels = self.layout.channels as f64;
        Forecast {
            patches: plan.patches.len(),
            memory_bytes: (plan.peak_patch_bytes * workers + fixed.min(64 << 20))
                .min(self.budget.total_bytes),
            read_amplification: plan.read_pixels as f64 / self.layout.input_pixels().max(1) as f64,
            seconds: (plan.warped_pixels as f64 * channels * FORECAST_WARP_NS
                + plan.read_pixels as f64 * FORECAST_READ_NS
                + self.tiles.pixels() as f64 * channels * FORECAST_MERGE_NS)
                * 1e-9
                / workers as f64,
        }
    }
}

/// Frames on the grid, and those that turned out not to be.
#[derive(Default)]
pub struct Placed {
    /// Sources in frame order, weights set.
    pub sources: Vec<Source>,
    /// What their pixels say, in the same order.
    pub measured: Vec<Measured>,
    /// Frames that do not touch the grid or cannot be mapped to it.
    pub left_out: Vec<LeftOut>,
    /// Ids of sources whose noise cannot be measured.
    pub noise_unknown: Vec<String>,
    /// How they were brought to one level; gain and offset are set in the sources.
    pub gauge: Option<GaugeFacts>,
    /// Ids of sources without the figure that weights are made of.
    pub weight_unknown: Vec<String>,
}

impl Placed {
    /// Give every source its weight, and note of which it is not known.
    pub fn set_weights(&mut self, weights: Weights) {
        let unknown = set_weights(&mut self.sources, weights);
        let ids =
            |list: Vec<usize>| list.into_iter().map(|index| self.sources[index].frame.id.clone()).collect();
        (self.noise_unknown, self.weight_unknown) = (ids(unknown.noise), ids(unknown.weight));
    }

    /// What the user should know of the sources of a mosaic of `channels` planes.
    pub fn warnings(&self, channels: usize) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let alone = self.weight_unknown.len() == self.sources.len();
        let weight = if alone { "1" } else { "the median of the others" };
        for id in &self.noise_unknown {
            let weight = if self.weight_unknown.contains(id) { weight } else { "what --weights says" };
            let message =
                format!("{id}: noise cannot be measured; its weight is {weight}, VAR is unknown there");
            warnings.push(Warning { code: "W-NOISE", message });
        }
        for id in self.weight_unknown.iter().filter(|id| !self.noise_unknown.contains(id)) {
            let message = format!("{id}: what --weights asks for is not known of it; its weight is {weight}");
            warnings.push(Warning { code: "W-WEIGHT", message });
        }
        // WHT and VAR are 32-bit floats.
        let is_stored = |value: f64| value.is_nan() || (value as f32).is_normal();
        let is_lost = |source: &Source| {
            let figures = source.weight.iter().chain(&source.noise_variance).enumerate();
            figures.into_iter().any(|(index, value)| index % 3 < channels && !is_stored(*value))
        };
        if let Some(source) = self.sources.iter().find(|source| is_lost(source)) {
            let message = format!(
                "{}: weights or variances are beyond the range of 32-bit floats, WHT and VAR are of no use; bring the \
                 frames to another unit with a flux_scale (in a .csv list, or FLXSCALE)",
                source.frame.id
            );
            warnings.push(Warning { code: "W-RANGE", message });
        }
        warnings
    }
}

/// Place `frames` on the grid of `layout`.
///
/// # Errors
/// An option of the kernel that is out of range.
pub fn place_sources(
    frames: Vec<(Frame, Measured)>,
    layout: &Layout,
    options: &MosaicOptions,
) -> Result<Placed, RunError> {
    let mut placed = Placed::default();
    let grid = SharedGrid::new(&layout.grid);
    for (frame, measured) in frames {
        let (id, path) = (frame.id.clone(), frame.path.clone());
        match Source::place(frame, &measured, &grid, &options.coadd, options.ingest.maps.rescale) {
            Ok(Some(source)) => {
                placed.sources.push(source);
                placed.measured.push(measured);
            }
            Ok(None) => {
                let reason = Reason::OffGrid("outside the grid".into());
                placed.left_out.push(LeftOut { id, path, reason });
            }
            Err(PlaceError::Wcs(error)) => {
                let reason = Reason::BadWcs(error.code(), error.to_string());
                placed.left_out.push(LeftOut { id, path, reason });
            }
            Err(PlaceError::Kernel(error)) => return Err(RunError::Usage(error.to_string())),
        }
    }
    placed.set_weights(options.coadd.weights);
    Ok(placed)
}

/// Whether the options reject outliers.
pub fn rejecting(options: &MosaicOptions) -> Rejecting {
    if options.coadd.reject.method == RejectMethod::None { Rejecting::No } else { Rejecting::Yes }
}

/// Whether a product of the frames of `layout` has a depth for each channel.
pub(crate) fn depth_of(layout: &Layout) -> DepthPlanes {
    let is_raw = layout.frames.iter().any(|frame| frame.raw_cfa().is_some());
    if is_raw { DepthPlanes::PerChannel } else { DepthPlanes::Shared }
}

/// Bytes of a pixel of all planes of a product.
fn pixel_bytes(channels: usize, depth: DepthPlanes, rejecting: Rejecting) -> u64 {
    let planes = ProductPlane::of_product(rejecting);
    planes.iter().map(|plane| 4 * plane.images(channels, depth) as u64).sum()
}

/// Bytes of a mosaic of `frames` frames.
pub(crate) fn product_bytes_of(layout: &Layout, frames: usize, rejecting: Rejecting) -> u64 {
    let pixels = layout.grid.width as u64 * layout.grid.height as u64;
    pixels * pixel_bytes(layout.channels, depth_of(layout), rejecting) + frames as u64 * 1024 + (1 << 20)
}

/// A compressed mosaic is taken to be smaller by this at least.
const LEAST_COMPRESSION: u64 = 2;

/// Refuse what does not fit on the disk.
///
/// # Errors
/// [`RunError::Resource`].
pub(crate) fn check_disk(request: &MosaicRequest, planned: &PlannedRun) -> Result<(), RunError> {
    // A compressed mosaic is written plain beside the unpacked copies first.
    let (plain_bytes, final_bytes) = match request.compress {
        None => (0, planned.mosaic_bytes),
        Some(_) => (planned.mosaic_bytes, planned.mosaic_bytes / LEAST_COMPRESSION),
    };
    let work_bytes = planned.spill_bytes + plain_bytes;
    let tiles_bytes = planned.tiles.bytes;
    let needs = match &request.spill {
        None => vec![(&request.out, final_bytes + tiles_bytes + work_bytes)],
        Some(spill) => vec![(&request.out, final_bytes + tiles_bytes), (spill, work_bytes)],
    };
    for (folder, needed) in needs {
        if let Some(free) = free_disk_bytes(folder)
            && free < needed
        {
            return Err(RunError::Resource(format!(
                "the run needs {} of disk in {} (mosaic {}, master tiles {}, unpacked copies {}), {} are free; \
                 choose a coarser --scale, another folder, or --tmp for the copies",
                show_size(needed),
                folder.display(),
                show_size(planned.mosaic_bytes),
                show_size(tiles_bytes),
                show_size(planned.spill_bytes),
                show_size(free)
            )));
        }
    }
    Ok(())
}

/// Free bytes where `folder` is or will be.
#[cfg(unix)]
fn free_disk_bytes(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let there = absolute.ancestors().find(|ancestor| ancestor.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// Free bytes where `folder` is or will be: not asked on this system.
#[cfg(not(unix))]
fn free_disk_bytes(_folder: &Path) -> Option<u64> {
    None
}
