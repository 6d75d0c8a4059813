//! What a run will take: frames, grid, patches, memory, disk, time. `zemosaic plan` stops here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zemosaic_coadd::options::LEAST_PIXFRAC;
use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::source::set_weights;
use zemosaic_coadd::{
    BackgroundMethod, CoaddOptions, Measured, MemoryBudget, PatchPlan, PlaceError, ProductPlane, SharedGrid,
    Source, available_memory_bytes, plan_patches,
};
use zemosaic_frames::{Frame, FrameNoise, LeftOut, Reason};
use zemosaic_stack::RejectMethod;

use crate::error::RunError;
use crate::events::{Reporter, Stage, Warning};
use crate::layout::{Layout, plan_layout};
use crate::options::{MosaicOptions, MosaicRequest};
use crate::scan::{scan_inputs, tell_left_out};
use crate::units::show_size;

/// Share of the free memory a run takes when no budget is given.
const DEFAULT_MEMORY_SHARE: f64 = 0.6;
/// Budget where the system does not tell what is free.
const FALLBACK_MEMORY_BYTES: u64 = 2 << 30;
/// Time per warped sample on one thread, for the forecast: warp, stack and write together.
const FORECAST_WARP_NS: f64 = 20.0;
/// Time per frame pixel read, decode and demosaic together.
const FORECAST_READ_NS: f64 = 3.0;

/// A planned run, before any pixel is read.
#[derive(Debug)]
pub struct PlannedRun {
    /// Frames, grid, groups.
    pub layout: Layout,
    /// Memory and threads.
    pub budget: MemoryBudget,
    /// Bytes of `mosaic.fits`.
    pub mosaic_bytes: u64,
    /// Bytes of unpacked copies.
    pub spill_bytes: u64,
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
/// As [`scan_inputs`] and [`plan_layout`]; a resource that would be exceeded.
pub fn plan_run(request: &MosaicRequest, reporter: &Reporter) -> Result<PlannedRun, RunError> {
    check_options(&request.options.coadd)?;
    request.options.quality.gates.check().map_err(RunError::Usage)?;
    let mut excluded = vec![request.out.clone()];
    excluded.extend(request.spill.clone());
    excluded.extend(request.excluded.iter().cloned());
    let scan = scan_inputs(&request.inputs, &excluded, &request.options.ingest, reporter)?;
    let known: Vec<PathBuf> = scan.left_out.iter().map(|item| item.path.clone()).collect();
    let layout = reporter.stage(Stage::Plan, 1, || plan_layout(scan, &request.options))?;
    for item in layout.left_out.iter().filter(|item| !known.contains(&item.path)) {
        tell_left_out(reporter, item);
    }
    let mut warnings = Vec::new();
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
    let budget = MemoryBudget { total_bytes, workers: request.worker_threads() };
    let mosaic_bytes = product_bytes(&layout, &request.options);
    let planned = PlannedRun { spill_bytes: layout.spill_bytes(), layout, budget, mosaic_bytes, warnings };
    check_disk(request, &planned)?;
    Ok(planned)
}

/// Options of algorithms that are out of range, before any file is looked at.
fn check_options(options: &CoaddOptions) -> Result<(), RunError> {
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
                + plan.read_pixels as f64 * FORECAST_READ_NS)
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
    /// Ids of sources without the figure that weights are made of.
    pub weight_unknown: Vec<String>,
}

impl Placed {
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
    let unknown = set_weights(&mut placed.sources, options.coadd.weights);
    let ids =
        |list: Vec<usize>| list.into_iter().map(|index| placed.sources[index].frame.id.clone()).collect();
    (placed.noise_unknown, placed.weight_unknown) = (ids(unknown.noise), ids(unknown.weight));
    Ok(placed)
}

/// Whether the options reject outliers.
pub fn rejecting(options: &MosaicOptions) -> Rejecting {
    if options.coadd.reject.method == RejectMethod::None { Rejecting::No } else { Rejecting::Yes }
}

fn product_bytes(layout: &Layout, options: &MosaicOptions) -> u64 {
    let pixels = layout.grid.width as u64 * layout.grid.height as u64;
    let planes: u64 = ProductPlane::of_product(rejecting(options))
        .iter()
        .map(|plane| if plane.per_channel() { layout.channels as u64 } else { 1 })
        .sum();
    pixels * 4 * planes + layout.frames.len() as u64 * 1024 + (1 << 20)
}

/// A compressed mosaic is taken to be smaller by this at least.
const LEAST_COMPRESSION: u64 = 2;

fn check_disk(request: &MosaicRequest, planned: &PlannedRun) -> Result<(), RunError> {
    // A compressed mosaic is written plain beside the unpacked copies first.
    let (plain_bytes, final_bytes) = match request.compress {
        None => (0, planned.mosaic_bytes),
        Some(_) => (planned.mosaic_bytes, planned.mosaic_bytes / LEAST_COMPRESSION),
    };
    let work_bytes = planned.spill_bytes + plain_bytes;
    let needs = match &request.spill {
        None => vec![(&request.out, final_bytes + work_bytes)],
        Some(spill) => vec![(&request.out, final_bytes), (spill, work_bytes)],
    };
    for (folder, needed) in needs {
        if let Some(free) = free_disk_bytes(folder)
            && free < needed
        {
            return Err(RunError::Resource(format!(
                "the run needs {} of disk in {} (mosaic {}, unpacked copies {}), {} are free; \
                 choose a coarser --scale, another folder, or --tmp for the copies",
                show_size(needed),
                folder.display(),
                show_size(planned.mosaic_bytes),
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
