//! A mosaic in the making: laid out on disk, filled by the engine or from master tiles, finished with its tables, preview and
//! report under its final name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::{
    CoaddJob, DepthPlanes, MergeJob, PatchPlan, ProductPlane, ProductSink, Tile, coadd, merge, plan_merge,
};
use zemosaic_fits::{DataSpec, FilePool, HduSpec, Header, Overwrite, ProductWriter, TableSpec};
use zemosaic_image::Region;

use crate::classic::MadeTiles;
use crate::error::{ExitCode, RunError};
use crate::events::{Reporter, Stage, Warning};
use crate::log_files::forget_earlier;
use crate::mosaic::{Observer, RunOutcome};
use crate::options::MosaicRequest;
use crate::output::{publish_mosaic, stage_mosaic};
use crate::plan::{Placed, PlannedRun, rejecting};
use crate::products::facts::Facts;
use crate::products::gauge_tables::{gauge_table, seams_table};
use crate::products::header::plane_header;
use crate::products::inputs_table::inputs_table;
use crate::products::report::{Costs, report_json};
use crate::products::report_html::report_html;
use crate::products::staged::StagedFiles;
use crate::products::tiles_table::tiles_table;
use crate::products::{PRODUCT_NAMES, frames_csv::frames_csv, preview::preview_png, run_toml::run_toml};
use crate::rgb_equalize::{equalize_product, line_of};
use crate::run_folder::SPILL_PREFIX;

/// The merge of the tiles that were made.
pub(crate) fn merge_work(tiles: MadeTiles, planned: &PlannedRun) -> Result<Work, RunError> {
    let regions: Vec<Region> = tiles.tiles.iter().map(|tile| tile.region).collect();
    let grid = &planned.layout.grid;
    let plan = plan_merge(grid.width, grid.height, &regions, planned.layout.channels, planned.budget)?;
    Ok(Work::Merge { plan, tiles: Box::new(tiles) })
}

/// What fills a mosaic with pixels.
pub(crate) enum Work {
    /// Frames.
    Coadd(PatchPlan),
    /// Master tiles.
    Merge {
        /// The patches.
        plan: PatchPlan,
        /// The tiles.
        tiles: Box<MadeTiles>,
    },
}

impl Work {
    fn patches(&self) -> usize {
        match self {
            Self::Coadd(plan) | Self::Merge { plan, .. } => plan.patches.len(),
        }
    }

    fn rejecting(&self, request: &MosaicRequest) -> Rejecting {
        match self {
            Self::Coadd(_) => rejecting(&request.options),
            Self::Merge { tiles, .. } => tiles.rejecting,
        }
    }
}

/// HDUs of a product of `planes` on a grid of this size.
pub(crate) fn product_hdus(
    planes: &[ProductPlane],
    (width, height, channels): (usize, usize, usize),
    depth: DepthPlanes,
    header: &dyn Fn(ProductPlane, usize) -> Header,
) -> Vec<HduSpec> {
    let hdu = |(index, plane): (usize, &ProductPlane)| {
        let mut dims = vec![width, height];
        let images = plane.images(channels, depth);
        if images > 1 {
            dims.push(images);
        }
        let data = if plane.is_integer() { DataSpec::I32 { dims } } else { DataSpec::F32 { dims } };
        HduSpec { header: header(*plane, index), data }
    };
    planes.iter().enumerate().map(hdu).collect()
}

/// The tables of a product whose rows of INPUTS are those that were matched.
pub(crate) fn tables_of(facts: &Facts) -> Vec<TableSpec> {
    let mut tables = vec![inputs_table(facts)];
    let with_pairs = facts.gauge.as_ref().filter(|gauge| gauge.pairs > 0);
    tables.extend(with_pairs.map(|gauge| gauge_table(gauge, facts.unit().as_deref())));
    tables.extend(tiles_table(facts));
    tables.extend(facts.gauge.as_ref().and_then(|gauge| seams_table(gauge, facts.unit().as_deref())));
    tables
}

/// A product in the making.
pub(crate) struct Product {
    planned: PlannedRun,
    placed: Placed,
    work: Work,
    planes: Vec<ProductPlane>,
    facts: Facts,
    writer: ProductWriter,
    /// Where the mosaic is until it gets its name: only a rename away from it.
    staging: tempfile::TempDir,
}

impl Product {
    /// Lay the file out on disk.
    pub(crate) fn begin(
        request: &MosaicRequest,
        planned: PlannedRun,
        placed: Placed,
        facts: Facts,
        work: Work,
        spill: &Path,
    ) -> Result<Self, RunError> {
        let planes = ProductPlane::of_product(work.rejecting(request));
        let size = (facts.grid.width, facts.grid.height, facts.channels);
        let header = |plane, index| plane_header(plane, index, &facts, &request.options);
        let hdus = product_hdus(&planes, size, facts.depth, &header);
        let staging = tempfile::Builder::new()
            .prefix(SPILL_PREFIX)
            .tempdir_in(&request.out)
            .map_err(RunError::output(&request.out))?;
        // What is compressed in the end is written beside the unpacked copies first.
        let folder = if request.compress.is_some() { spill } else { staging.path() };
        let writer = ProductWriter::create(&folder.join(PRODUCT_NAMES[0]), hdus, Overwrite::Replace)?;
        Ok(Self { planned, placed, work, planes, facts, writer, staging })
    }

    /// Fill it with pixels; what the user should know goes to the result.
    fn fill(
        &mut self,
        request: &MosaicRequest,
        pool: &FilePool,
        reporter: &Reporter,
        cancel: &AtomicBool,
    ) -> Result<Vec<Warning>, RunError> {
        let channels = self.facts.channels;
        let total = self.facts.grid.width as u64 * self.facts.grid.height as u64;
        let sink = ProductSink {
            writer: &self.writer,
            planes: &self.planes,
            channels,
            depth: self.facts.depth,
            origin_px: (0, 0),
        };
        let threads = request.worker_threads();
        match &self.work {
            Work::Coadd(plan) => {
                let names = self.placed.sources.iter().map(|source| source.frame.id.clone()).collect();
                let observer = Observer::new(reporter, Stage::Coadd, names, total);
                let sources = &self.placed.sources;
                let options = &request.options.coadd;
                let job = CoaddJob { sources, channels, options, plan, threads, pool };
                self.facts.summary =
                    reporter.stage(Stage::Coadd, total, || coadd(&job, &sink, &observer, cancel))?;
                Ok(observer.into_warnings())
            }
            Work::Merge { plan, tiles } => {
                let name =
                    |tile: &Tile| tile.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let names = tiles.tiles.iter().map(name).collect();
                let observer = Observer::new(reporter, Stage::Merge, names, total);
                let job = MergeJob {
                    tiles: &tiles.tiles,
                    channels,
                    depth: self.facts.depth,
                    rule: tiles.rule,
                    plan,
                    threads,
                    pool,
                };
                let merged = reporter.stage(Stage::Merge, total, || merge(&job, &sink, &observer, cancel))?;
                let summary = &mut self.facts.summary;
                if self.facts.from_existing_tiles {
                    // Only their planes tell.
                    summary.rejected_low = merged.rejected_low;
                    summary.rejected_high = merged.rejected_high;
                }
                summary.depth_histogram = merged.depth_histogram;
                summary.read_failures.extend(merged.read_failures);
                summary.failed_patches.extend(merged.failed_patches);
                Ok(observer.into_warnings())
            }
        }
    }

    pub(crate) fn run(
        mut self,
        request: &MosaicRequest,
        pool: &FilePool,
        reporter: &Reporter,
        cancel: &AtomicBool,
    ) -> Result<RunOutcome, RunError> {
        let start = reporter.elapsed_s();
        let channels = self.facts.channels;
        let mut warnings = std::mem::take(&mut self.planned.warnings);
        warnings.extend(self.fill(request, pool, reporter, cancel)?);
        let mut late = self.placed.warnings(channels);
        if self.facts.summary.depth_histogram.keys().all(|depth| *depth <= 0) {
            let message = "no frame has data on the grid: every pixel is empty".to_owned();
            late.push(Warning { code: "W-EMPTY", message });
        }
        for warning in late {
            reporter.warn(&warning);
            warnings.push(warning);
        }
        let coadd_seconds = reporter.elapsed_s() - start;
        let mut stage_seconds = BTreeMap::from([("coadd".to_owned(), coadd_seconds)]);
        let mut patches = self.work.patches();
        if let Work::Merge { tiles, .. } = &self.work {
            stage_seconds.insert("coadd".into(), tiles.seconds);
            stage_seconds.insert("merge".into(), coadd_seconds);
            patches += tiles.patches;
        }
        let costs = Costs {
            threads: request.worker_threads(),
            memory_budget_bytes: self.planned.budget.total_bytes,
            peak_memory_bytes: None,
            patches,
            mosaic_bytes: self.planned.mosaic_bytes,
            stage_seconds,
            seconds: reporter.elapsed_s(),
        };
        reporter.stage(Stage::Finish, 1, || self.finish(request, costs, warnings, reporter))
    }

    /// Everything complete, then names: first the tiles, then preview, tables and report, last the mosaic itself.
    fn finish(
        self,
        request: &MosaicRequest,
        mut costs: Costs,
        warnings: Vec<Warning>,
        reporter: &Reporter,
    ) -> Result<RunOutcome, RunError> {
        let Self { planned, planes, mut facts, writer, work, staging, .. } = self;
        if request.options.rgb_equalize.of_mosaic() {
            let size = (facts.grid.width, facts.grid.height);
            facts.rgb_equalize = equalize_product(&writer, &planes, size, facts.channels)?;
            reporter.log(line_of("mosaic", &facts.rgb_equalize));
        }
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
        let page = report_html(&facts, &warnings);
        let texts = [&csv, &toml, &page, &report].map(String::as_bytes);
        let contents = std::iter::once(png.as_slice()).chain(texts);
        let mut staged = StagedFiles::default();
        for (name, bytes) in PRODUCT_NAMES[1..].iter().zip(contents) {
            staged.add(&request.out.join(name), bytes)?;
        }
        let written = writer.path().to_path_buf();
        writer.finish_with_tables(headers, tables_of(&facts))?;
        let complete = stage_mosaic(request, written, staging.path())?;
        let tiles = match work {
            Work::Merge { tiles, .. } => tiles.publish(request)?,
            Work::Coadd(_) => Vec::new(),
        };
        staged.publish()?;
        let mosaic = publish_mosaic(request, &complete, &tiles)?;
        // It told of products that are gone now.
        forget_earlier(&request.out).map_err(RunError::output(&request.out))?;
        Ok(RunOutcome {
            exit_code: exit_code_of(&facts),
            mosaics: vec![mosaic],
            used: facts.used.len(),
            left_out: facts.left_out,
            warnings,
        })
    }
}

/// 0, or 9 when something could not be read.
pub(crate) fn exit_code_of(facts: &Facts) -> ExitCode {
    let failed = facts.left_out.iter().any(|item| item.reason.is_failure())
        || !facts.summary.read_failures.is_empty()
        || !facts.summary.failed_patches.is_empty();
    if failed { ExitCode::Partial } else { ExitCode::Ok }
}

/// Highest resident memory of this process so far.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
}
