//! Frames are brought to one level: previews of all sources, the gauge, and what it says set in the sources.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{CoaddError, MemoryBudget, Source};
use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{LeftOut, Reason};
use zemosaic_gauge::{
    BlockGrid, GaugeError, NormalizeMethod, NormalizeOptions, Preview, PreviewJob, PreviewScratch, gauge,
    measure_preview,
};
use zemosaic_image::Region;
use zemosaic_sky::Wcs;

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage, Warning};
use crate::options::MosaicRequest;
use crate::plan::{Placed, PlannedRun};
use crate::products::gauge::GaugeFacts;
use crate::scan::{no_usable, tell_left_out};
use crate::units::show_size;

/// Share of the memory budget that previews may take.
const PREVIEW_SHARE: u64 = 2;
/// What the program takes besides.
const PROGRAM_BYTES: u64 = 24 << 20;
/// Frames that a warning names.
const NAMED_FRAMES: usize = 10;

/// Set gain and offset of `placed` as the options say; frames that cannot be used go to those left out.
///
/// # Errors
/// Too little memory, a reference frame that is none, no frame left, cancelled.
pub(crate) fn normalize(
    request: &MosaicRequest,
    planned: &mut PlannedRun,
    placed: &mut Placed,
    pool: &FilePool,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let options = &request.options.normalize;
    if options.method == NormalizeMethod::None {
        return Ok(());
    }
    let total = placed.sources.len() as u64;
    let mut left_out = Vec::new();
    let told = planned.warnings.len();
    let facts = reporter.stage(Stage::Gauge, total, || {
        let blocks = blocks_of(&placed.sources, options);
        let threads = threads_within(planned.budget, &placed.sources, blocks)?;
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| CoaddError::Threads(error.to_string()))?;
        let measuring = Measuring { grid: &planned.layout.grid.wcs, blocks, pool, reporter, cancel };
        let found = workers.install(|| measuring.all(&placed.sources))?;
        let previews = keep_good(placed, found, &mut left_out);
        let reference = reference_of(options, &placed.sources)?;
        workers.install(|| apply(placed, &previews, reference, blocks, options, &mut left_out, planned))
    });
    for item in &left_out {
        tell_left_out(reporter, item);
    }
    for warning in &planned.warnings[told..] {
        reporter.warn(warning);
    }
    let facts = facts?;
    planned.layout.left_out.extend(left_out);
    planned.layout.left_out.sort_by(|a, b| (&a.id, &a.path).cmp(&(&b.id, &b.path)));
    if placed.sources.is_empty() {
        return Err(no_usable(planned.layout.left_out.len(), &planned.layout.left_out));
    }
    placed.set_weights(request.options.coadd.weights);
    placed.gauge = Some(facts);
    Ok(())
}

fn blocks_of(sources: &[Source], options: &NormalizeOptions) -> BlockGrid {
    let bounds: Vec<Region> = sources.iter().map(|source| source.bounds).collect();
    let least_ratio = sources.iter().map(|source| source.scale_ratio).fold(f64::INFINITY, f64::min);
    match options.block_px {
        Some(block_px) => BlockGrid { block_px: block_px.max(1) },
        None => BlockGrid::for_frames(&bounds, least_ratio),
    }
}

/// How many previews can be measured at once.
fn threads_within(budget: MemoryBudget, sources: &[Source], blocks: BlockGrid) -> Result<usize, RunError> {
    let held = |source: &Source| {
        blocks.covering(source.bounds).area() * source.frame.kind.channels() * 2 * size_of::<f32>()
    };
    let previews = sources.iter().map(held).sum::<usize>() as u64;
    let each =
        sources.iter().map(|source| PreviewScratch::bytes_for(&source.frame)).max().unwrap_or(1) as u64;
    let free = budget.total_bytes.saturating_sub(PROGRAM_BYTES);
    if previews > budget.total_bytes / PREVIEW_SHARE || previews + each > free {
        return Err(RunError::Resource(format!(
            "normalising takes {} for all frames and {} for each thread, the memory budget is {}; raise --memory or \
             give --normalize none",
            show_size(previews),
            show_size(each),
            show_size(budget.total_bytes)
        )));
    }
    Ok(budget.workers.clamp(1, ((free - previews) / each.max(1)).max(1) as usize))
}

struct Measuring<'a> {
    grid: &'a Wcs,
    blocks: BlockGrid,
    pool: &'a FilePool,
    reporter: &'a Reporter,
    cancel: &'a AtomicBool,
}

impl Measuring<'_> {
    /// Previews in the order of `sources`.
    fn all(&self, sources: &[Source]) -> Result<Vec<Result<Preview, FitsError>>, RunError> {
        let (done, total) = (AtomicU64::new(0), sources.len() as u64);
        let one = |scratch: &mut PreviewScratch, source: &Source| {
            if self.cancel.load(Ordering::Relaxed) {
                return None;
            }
            let job = PreviewJob {
                frame: &source.frame,
                map: source.map.to_frame(),
                grid: self.grid,
                bounds: source.bounds,
                background: &source.background,
                with_stars: false,
            };
            let working = self.reporter.working(format!("gauge: preview of {}", source.frame.id));
            let preview = measure_preview(self.pool, &job, self.blocks, scratch);
            drop(working);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            self.reporter.send(Event::Progress { stage: Stage::Gauge, done, total });
            Some(preview)
        };
        let found: Option<Vec<_>> = sources.par_iter().map_init(PreviewScratch::default, one).collect();
        found.ok_or_else(|| CoaddError::Cancelled.into())
    }
}

/// Keep the sources of which `keep` says so; the others go to `left_out`.
fn keep_sources(placed: &mut Placed, reasons: Vec<Option<Reason>>, left_out: &mut Vec<LeftOut>) {
    let mut keep = Vec::with_capacity(reasons.len());
    for (source, reason) in placed.sources.iter().zip(reasons) {
        keep.push(reason.is_none());
        let (id, path) = (&source.frame.id, &source.frame.path);
        left_out.extend(reason.map(|reason| LeftOut { id: id.clone(), path: path.clone(), reason }));
    }
    let mut flags = keep.iter();
    placed.sources.retain(|_| flags.next().is_some_and(|keep| *keep));
    let mut flags = keep.iter();
    placed.measured.retain(|_| flags.next().is_some_and(|keep| *keep));
}

/// The previews there are; frames that could not be read are left out.
fn keep_good(
    placed: &mut Placed,
    found: Vec<Result<Preview, FitsError>>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Preview> {
    let mut previews = Vec::with_capacity(found.len());
    let mut reasons = Vec::with_capacity(found.len());
    for found in found {
        match found {
            Ok(preview) => {
                previews.push(preview);
                reasons.push(None);
            }
            Err(error) => reasons.push(Some(reason_of(&error))),
        }
    }
    keep_sources(placed, reasons, left_out);
    previews
}

/// Index of the frame that the options name: by id, by file name, or by number.
fn reference_of(options: &NormalizeOptions, sources: &[Source]) -> Result<Option<usize>, RunError> {
    let Some(name) = options.reference.as_deref().filter(|_| options.method.has_reference()) else {
        return Ok(None);
    };
    let position = |is: &dyn Fn(&str) -> bool| sources.iter().position(|source| is(&source.frame.id));
    position(&|id| id == name)
        .or_else(|| position(&|id| id.rsplit('/').next() == Some(name)))
        .or_else(|| name.parse().ok().filter(|number| *number < sources.len()))
        .map(Some)
        .ok_or_else(|| {
            let count = sources.len();
            RunError::Usage(format!(
                "--normalize-reference {name}: no used frame has this name, nor this number from 0 to {}",
                count.saturating_sub(1)
            ))
        })
}

/// Solve, tell, and set gain and offset.
fn apply(
    placed: &mut Placed,
    previews: &[Preview],
    reference: Option<usize>,
    blocks: BlockGrid,
    options: &NormalizeOptions,
    left_out: &mut Vec<LeftOut>,
    planned: &mut PlannedRun,
) -> Result<GaugeFacts, RunError> {
    let noise = |index: usize| -> Vec<f64> {
        let scale = placed.sources[index].frame.flux_scale;
        placed.measured[index].noise.sigma_adu.iter().map(|sigma| sigma * scale).collect()
    };
    let sigma: Vec<Vec<f64>> = (0..previews.len()).map(noise).collect();
    let ids: Vec<String> = placed.sources.iter().map(|source| source.frame.id.clone()).collect();
    let found = gauge(previews, &sigma, reference, options).map_err(|error| match error {
        GaugeError::Reference(index) => RunError::Usage(format!(
            "the reference frame {} has no block of sky that lies wholly inside it (zero_valid_support); name another \
             with --normalize-reference",
            ids[index]
        )),
        GaugeError::NothingScaled(index) => RunError::Usage(format!(
            "no frame could be scaled to {}: none has valid pixels in common with it; name another with \
             --normalize-reference",
            ids[index]
        )),
    })?;
    for (source, frame) in placed.sources.iter_mut().zip(&found.frames) {
        source.set_gauge(frame);
    }
    let facts = GaugeFacts::new(&found, options.method, blocks.block_px, &ids);
    planned.warnings.extend(warnings_of(&facts));
    planned.warnings.extend(
        found
            .notes
            .iter()
            .map(|note| Warning { code: "W-GAUGE", message: format!("{}: {}", ids[note.frame], note.text) }),
    );
    let mut reasons = vec![None; previews.len()];
    for item in found.left_out {
        reasons[item.frame] = Some(Reason::Normalize(item.code, item.message));
    }
    keep_sources(placed, reasons, left_out);
    Ok(facts)
}

fn warnings_of(facts: &GaugeFacts) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !facts.unlinked.is_empty() {
        let mut names = facts.unlinked.iter().take(NAMED_FRAMES).cloned().collect::<Vec<_>>().join(", ");
        if facts.unlinked.len() > NAMED_FRAMES {
            names += ", ...";
        }
        let count = facts.unlinked.len();
        let message = format!(
            "{count} frames share no whole block of sky with another and keep their level (offset 0): {names}"
        );
        warnings.push(Warning { code: "W-GAUGE", message });
    }
    let parts = facts.components.iter().filter(|size| **size > 1).count();
    if parts > 1 {
        let message = format!(
            "the frames form {parts} parts that share no block of sky; each keeps its own mean level, and a step may \
             be seen between them"
        );
        warnings.push(Warning { code: "W-GAUGE", message });
    }
    warnings
}
