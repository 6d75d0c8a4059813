//! Groups of frames to master tiles: each by the same engine on its cut-out of the mosaic grid, with the frames as they
//! were prepared, weighed and placed once for the whole mosaic. Tiles are made in a folder of their own and get their names
//! when the mosaic is complete.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::{
    CoaddJob, CoaddSummary, MergeRule, ProductPlane, ProductSink, Tile, coadd, plan_region,
};
use zemosaic_fits::{FilePool, Header, ProductWriter};
use zemosaic_gauge::FrameGauge;
use zemosaic_image::rgb_equalize::{RgbDecision, RgbEqualize};
use zemosaic_sky::Grid;

use crate::assemble::{product_hdus, tables_of};
use crate::error::RunError;
use crate::events::{Reporter, Stage, Warning};
use crate::mosaic::Observer;
use crate::options::{Existing, MosaicRequest, RunCommand, TileKeeping};
use crate::output::is_own;
use crate::plan::{Placed, PlannedRun, rejecting};
use crate::products::facts::{Facts, TileRecord, input_hash, time_facts};
use crate::products::inputs_table::inputs_table;
use crate::products::tile_file::tile_planes;
use crate::products::tile_header::{TileCards, tile_header};
use crate::products::{TILES_FOLDER, tile_name};
use crate::rgb_equalize::{asked, equalize_product, line_of};
use crate::run_folder::SPILL_PREFIX;
use crate::tiles::{TileJob, tile_jobs};

/// Master tiles, ready to be merged.
pub(crate) struct MadeTiles {
    /// In the order of their numbers.
    pub tiles: Vec<Tile>,
    /// How they are merged.
    pub rule: MergeRule,
    /// Whether any has rejection planes.
    pub rejecting: Rejecting,
    /// Patches they took.
    pub patches: usize,
    /// Time they took.
    pub seconds: f64,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// Where they are until they get their names; `None` for tiles that were there before.
    pub staging: Option<tempfile::TempDir>,
}

impl MadeTiles {
    /// Give the tiles their names; returns these. A file that is not ours is not replaced.
    ///
    /// # Errors
    /// When a file cannot be renamed, or is in the way.
    pub(crate) fn publish(self, request: &MosaicRequest) -> Result<Vec<PathBuf>, RunError> {
        if self.staging.is_none() || request.tile_keeping == TileKeeping::Remove {
            return Ok(Vec::new());
        }
        let folder = request.out.join(TILES_FOLDER);
        std::fs::create_dir_all(&folder).map_err(RunError::output(&folder))?;
        let named = |tile: &Tile| folder.join(tile.path.file_name().unwrap_or_default());
        let new: Vec<PathBuf> = self.tiles.iter().map(named).collect();
        let may_replace = |path: &Path| request.existing == Existing::Replace && is_own(path);
        if let Some(path) = new.iter().find(|path| path.exists() && !may_replace(path)) {
            return Err(RunError::Exists { path: path.clone() });
        }
        for (tile, path) in self.tiles.iter().zip(&new) {
            std::fs::rename(&tile.path, path).map_err(RunError::output(path))?;
        }
        Ok(new)
    }
}

/// What all tiles of a run share.
pub(crate) struct TileMaker<'a> {
    pub request: &'a MosaicRequest,
    pub planned: &'a PlannedRun,
    pub placed: &'a Placed,
    /// Of the whole run.
    pub facts: &'a Facts,
    pub pool: &'a FilePool,
    pub cancel: &'a AtomicBool,
}

/// A tile on disk.
pub(crate) struct MadeTile {
    pub tile: Tile,
    pub facts: Facts,
    pub patches: usize,
}

impl MadeTile {
    /// What RGB equalisation did to it, where it was asked for.
    pub(crate) fn rgb_equalize(&self) -> Option<RgbEqualize> {
        Some(self.facts.rgb_equalize).filter(|found| found.decision != RgbDecision::Disabled)
    }
}

impl TileMaker<'_> {
    /// Coadd the frames of `job` into the file `path`; `None`, and no file, when none of them has any data there.
    ///
    /// # Errors
    /// As [`coadd`], or when the file cannot be written.
    pub(crate) fn make(
        &self,
        job: &TileJob,
        path: PathBuf,
        observer: &Observer<'_>,
    ) -> Result<(Option<MadeTile>, CoaddSummary), RunError> {
        let (request, options) = (self.request, &self.request.options);
        let mut facts = self.facts_of(job);
        let planes = ProductPlane::of_product(rejecting(options));
        let run_id = self.facts.run_id();
        let cards = TileCards {
            number: job.number,
            frames: job.frames,
            region: job.region,
            mosaic: &self.planned.layout.grid,
            run_id: &run_id,
        };
        let channels = facts.channels;
        let size = (job.region.width, job.region.height, channels);
        let header = |plane, index| tile_header(plane, index, &facts, options, &cards);
        let policy = crate::output::overwrite(request);
        let writer = ProductWriter::create(&path, product_hdus(&planes, size, facts.depth, &header), policy)?;
        let sources = &self.placed.sources;
        let plan =
            plan_region(job.region, &job.members, sources, channels, &options.coadd, self.planned.budget)?;
        let (threads, pool) = (request.worker_threads(), self.pool);
        let work = CoaddJob { sources, channels, options: &options.coadd, plan: &plan, threads, pool };
        let origin_px = (job.region.x0, job.region.y0);
        let sink = ProductSink { writer: &writer, planes: &planes, channels, depth: facts.depth, origin_px };
        let summary = coadd(&work, &sink, observer, self.cancel)?;
        if summary.samples == 0 {
            return Ok((None, summary));
        }
        if options.rgb_equalize.of_tiles() {
            let size = (job.region.width, job.region.height);
            facts.rgb_equalize = equalize_product(&writer, &planes, size, channels)?;
            observer.log(line_of(&format!("tile {}", job.number), &facts.rgb_equalize));
        }
        facts.summary.merge(CoaddSummary {
            depth_histogram: summary.depth_histogram.clone(),
            samples: summary.samples,
            rejected_low: summary.rejected_low,
            rejected_high: summary.rejected_high,
            failed_patches: summary.failed_patches.clone(),
            ..CoaddSummary::default()
        });
        let headers: Vec<(usize, Header)> = planes
            .iter()
            .enumerate()
            .map(|(index, plane)| (index, tile_header(*plane, index, &facts, options, &cards)))
            .collect();
        // Of several tiles none has all the frames that rows of the other tables count.
        let tables = match request.run_command {
            RunCommand::Stack => tables_of(&facts),
            RunCommand::Mosaic | RunCommand::Run => vec![inputs_table(&facts)],
        };
        writer.finish_with_tables(headers, tables)?;
        let tile =
            Tile { region: job.region, planes: tile_planes(&path)?, path, gauge: FrameGauge::default() };
        Ok((Some(MadeTile { tile, facts, patches: plan.patches.len() }), summary))
    }

    /// As [`Self::make`], with the record of what became of the tile.
    fn make_or_tell(
        &self,
        job: &TileJob,
        path: PathBuf,
        observer: &Observer<'_>,
    ) -> Result<(TileRecord, Option<MadeTile>, CoaddSummary), RunError> {
        let mut record = record_of(job, self.request);
        let (tile, summary) = if job.members.is_empty() {
            record.missing = Some(why_lost(self.planned, job));
            (None, CoaddSummary::default())
        } else {
            let (tile, summary) = self.make(job, path, observer)?;
            if tile.is_none() {
                record.missing = Some("none of its frames has data on the grid, or could be read".into());
            }
            (tile, summary)
        };
        add_figures(&mut record, &summary);
        record.rgb_equalize = tile.as_ref().and_then(MadeTile::rgb_equalize);
        if tile.is_none() {
            record.file = None;
        }
        Ok((record, tile, summary))
    }

    /// What the products of a tile state.
    fn facts_of(&self, job: &TileJob) -> Facts {
        let run = self.facts;
        let used: Vec<_> = job.members.iter().map(|index| run.used[*index].clone()).collect();
        let (x0, y0) = (job.region.x0 as f64, job.region.y0 as f64);
        let wcs = run.grid.wcs.shifted(x0, y0);
        Facts {
            time: time_facts(&used),
            input_hash: input_hash(&used),
            offered: job.frames,
            used,
            left_out: Vec::new(),
            grid: Grid { wcs, width: job.region.width, height: job.region.height },
            gauge: run.gauge.as_ref().map(|gauge| gauge.seen_from(x0, y0)),
            frame_gauge: None,
            solve: run.solve.clone(),
            depth: run.depth,
            rgb_equalize: asked(self.request.options.rgb_equalize.of_tiles()),
            channels: run.channels,
            noise_correlation: run.noise_correlation.clone(),
            summary: CoaddSummary::default(),
            date: run.date,
            parameter_hash: run.parameter_hash.clone(),
            tiles: Vec::new(),
            from_existing_tiles: false,
        }
    }
}

/// Make the planned tiles. `facts` gets their records, and the counts of their samples.
///
/// # Errors
/// As [`TileMaker::make`]; or when no tile has any data.
pub(crate) fn make_tiles(
    request: &MosaicRequest,
    planned: &PlannedRun,
    placed: &Placed,
    facts: &mut Facts,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<MadeTiles, RunError> {
    let start = reporter.elapsed_s();
    // Beside their final place, so that they need only be renamed.
    let staging = tempfile::Builder::new()
        .prefix(SPILL_PREFIX)
        .tempdir_in(&request.out)
        .map_err(RunError::output(&request.out))?;
    let jobs = tile_jobs(&planned.tiles, &placed.sources);
    for job in &jobs {
        for &index in &job.members {
            facts.used[index].tile = Some(job.number);
        }
    }
    let names = placed.sources.iter().map(|source| source.frame.id.clone()).collect();
    let total = jobs.iter().map(|job| job.region.area() as u64).sum();
    let observer = Observer::new(reporter, Stage::Coadd, names, total);
    let mut made = MadeTiles {
        tiles: Vec::with_capacity(jobs.len()),
        rule: request.options.coadd.combine.into(),
        rejecting: rejecting(&request.options),
        patches: 0,
        seconds: 0.0,
        warnings: Vec::new(),
        staging: None,
    };
    let mut records = Vec::with_capacity(jobs.len());
    let mut all = CoaddSummary::default();
    reporter.stage(Stage::Coadd, total, || {
        let maker = TileMaker { request, planned, placed, facts, pool, cancel };
        for job in &jobs {
            let path = staging.path().join(tile_name(job.number));
            let (record, tile, summary) = maker.make_or_tell(job, path, &observer)?;
            // What comes after the last patch of a tile is no patch.
            reporter.beat();
            if let Some(tile) = tile {
                made.patches += tile.patches;
                made.tiles.push(tile.tile);
            }
            if let Some(why) = &record.missing {
                let message = format!("tile {}: {why}", job.number);
                let warning = Warning { code: "E-TILE-EMPTY", message };
                reporter.warn(&warning);
                made.warnings.push(warning);
            }
            all.merge(summary);
            records.push(record);
            reporter.log(format!("MASTER_TILE_COUNT_UPDATE:{}/{}", records.len(), jobs.len()));
        }
        Ok::<(), RunError>(())
    })?;
    made.warnings.extend(observer.into_warnings());
    made.seconds = reporter.elapsed_s() - start;
    made.staging = Some(staging);
    facts.tiles = records;
    facts.summary = all;
    Ok(made)
}

/// The record of a tile before it is made.
pub(crate) fn record_of(job: &TileJob, request: &MosaicRequest) -> TileRecord {
    TileRecord {
        number: job.number,
        file: (request.tile_keeping == TileKeeping::Keep)
            .then(|| format!("{TILES_FOLDER}/{}", tile_name(job.number))),
        frames: job.frames,
        used: job.members.len(),
        x0: job.region.x0,
        y0: job.region.y0,
        width_px: job.region.width,
        height_px: job.region.height,
        ..TileRecord::default()
    }
}

/// The figures of a tile's coadd.
pub(crate) fn add_figures(record: &mut TileRecord, summary: &CoaddSummary) {
    record.samples = summary.samples;
    record.rejected_low = summary.rejected_low;
    record.rejected_high = summary.rejected_high;
    record.read_failures = summary.read_failures.len();
    record.failed_patches.clone_from(&summary.failed_patches);
}

/// Why no frame of a group is left.
fn why_lost(planned: &PlannedRun, job: &TileJob) -> String {
    let plan = planned.tiles.tiles.iter().find(|tile| tile.number == job.number);
    let lost =
        planned.layout.left_out.iter().find(|item| plan.is_some_and(|plan| plan.holds(&item.path, &item.id)));
    let example = lost.map_or(String::new(), |item| {
        format!("; {} {}: {}", item.reason.code(), item.id, item.reason.message())
    });
    format!("none of its {} frames can be used{example}", job.frames)
}
