//! The previews of all sources, measured in parallel within the memory budget.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{CoaddError, MemoryBudget, Source};
use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{LeftOut, Reason};
use zemosaic_gauge::{BlockGrid, GridStar, MOST_STARS, Preview, PreviewJob, PreviewScratch, measure_preview};
use zemosaic_image::Region;
use zemosaic_sky::Wcs;

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::options::MosaicOptions;
use crate::plan::Placed;
use crate::units::show_size;

/// Share of the memory budget that previews may take.
const PREVIEW_SHARE: u64 = 2;
/// Of a block in the sums of the certificate.
const CERTIFICATE_BYTES: usize = 128;
/// What the program takes besides.
const PROGRAM_BYTES: u64 = 24 << 20;

/// The blocks that frames are compared by.
pub(super) fn blocks_of(sources: &[Source], options: &MosaicOptions) -> BlockGrid {
    let bounds: Vec<Region> = sources.iter().map(|source| source.bounds).collect();
    let least_ratio = sources.iter().map(|source| source.scale_ratio).fold(f64::INFINITY, f64::min);
    match options.matching.block_px.or(options.normalize.block_px) {
        Some(block_px) => BlockGrid { block_px: block_px.max(1) },
        None => BlockGrid::for_frames(&bounds, least_ratio),
    }
}

/// How many previews can be measured at once.
pub(super) fn threads_within(
    budget: MemoryBudget,
    sources: &[Source],
    blocks: BlockGrid,
) -> Result<usize, RunError> {
    let held = |source: &Source| {
        blocks.covering(source.bounds).area() * source.frame.kind.channels() * 2 * size_of::<f32>()
    };
    // The certificate has sums of all blocks of the rectangle about all sources.
    let whole = sources.iter().map(|source| source.bounds).reduce(about);
    let certificate = whole.map_or(0, |whole| blocks.covering(whole).area() * CERTIFICATE_BYTES);
    let stars = sources.len() * MOST_STARS * size_of::<GridStar>();
    let previews = (sources.iter().map(held).sum::<usize>() + stars + certificate) as u64;
    let each =
        sources.iter().map(|source| PreviewScratch::bytes_for(&source.frame)).max().unwrap_or(1) as u64;
    let free = budget.total_bytes.saturating_sub(PROGRAM_BYTES);
    if previews > budget.total_bytes / PREVIEW_SHARE || previews + each > free {
        return Err(RunError::Resource(format!(
            "comparing the levels takes {} for all frames and {} for each thread, the memory budget is {}; raise \
             --memory or give --match none",
            show_size(previews),
            show_size(each),
            show_size(budget.total_bytes)
        )));
    }
    Ok(budget.workers.clamp(1, ((free - previews) / each.max(1)).max(1) as usize))
}

/// The rectangle about two.
fn about(a: Region, b: Region) -> Region {
    let (x0, y0) = (a.x0.min(b.x0), a.y0.min(b.y0));
    let (x1, y1) = (a.x1().max(b.x1()), a.y1().max(b.y1()));
    Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize }
}

/// What all previews share.
pub(super) struct Measuring<'a> {
    pub grid: &'a Wcs,
    pub blocks: BlockGrid,
    pub with_stars: bool,
    pub pool: &'a FilePool,
    pub reporter: &'a Reporter,
    pub cancel: &'a AtomicBool,
}

impl Measuring<'_> {
    /// Previews in the order of `sources`.
    pub(super) fn all(&self, sources: &[Source]) -> Result<Vec<Result<Preview, FitsError>>, RunError> {
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
                with_stars: self.with_stars,
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
pub(super) fn keep_sources(placed: &mut Placed, reasons: Vec<Option<Reason>>, left_out: &mut Vec<LeftOut>) {
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
pub(super) fn keep_good(
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
