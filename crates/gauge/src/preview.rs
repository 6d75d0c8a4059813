//! The preview of a frame: the level of every block of sky that lies wholly inside it, from its own pixels (of a CFA frame
//! from the raw pixels of each colour), read once from bottom to top.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::pixels::read_stored;
use zemosaic_frames::{Frame, FrameKind, PixelScratch};
use zemosaic_image::{Background, Region};
use zemosaic_sky::{PixelMap, Wcs};

use crate::block_runs::{Nodes, Run};
use crate::blocks::BlockGrid;
use crate::candidates::{Candidate, Peak, choose};
use crate::clip::clipped_mean;
use crate::photometry::{KEPT_ROWS, StarScratch, leading_channel, measure_stars};
use crate::star_list::GridStar;

/// Rows read at a time.
const BAND_ROWS: usize = 64;
/// A block's corners must be so far inside the frame, pixels: the outermost pixels of a sensor are often odd.
const EDGE_PX: f64 = 0.5;
/// Rows that are waited for beyond the corners of a block, against curvature of the map.
const LATE_ROWS: f64 = 2.0;
/// Share of a block's pixels that must be good.
const GOOD_SHARE: f64 = 0.95;
/// Good pixels that a block needs per channel.
const LEAST_PIXELS: usize = 16;
/// Rows of a block whose pixels make its level, at most about twice this: of larger ones every second or n-th. A block of 64 pixels
/// on a side of an image that is not a CFA has 1,344 of them; its error is then 1/37 of that of a pixel, far below what
/// gradients do to it.
const ENOUGH_ROWS: f64 = 21.0;
/// Where stars are looked for at least every third row (of a CFA every second pair), so that none is more than a pixel and a half
/// from the middle of a star.
const STAR_ROWS: usize = 3;
const STAR_ROW_PAIRS: usize = 2;

/// Levels of the blocks of a frame, in units of the mosaic at its brightness convention.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The blocks, as a region of block indices.
    pub region: Region,
    /// Level per channel, row-major over the region; NaN in all channels where a block is not wholly inside or not good.
    pub level: Vec<Vec<f32>>,
    /// Variance of that level.
    pub variance: Vec<Vec<f32>>,
    /// Its stars by y, then x; empty unless they were asked for.
    pub stars: Vec<GridStar>,
}

impl Preview {
    /// Blocks that have a level.
    pub fn valid(&self) -> usize {
        self.level.first().map_or(0, |level| level.iter().filter(|value| !value.is_nan()).count())
    }

    /// 1 or 3.
    pub fn channels(&self) -> usize {
        self.level.len()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        2 * size_of::<f32>() * self.region.area() * self.channels() + size_of_val(self.stars.as_slice())
    }
}

/// What a preview is made of.
#[derive(Debug, Clone, Copy)]
pub struct PreviewJob<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// From the grid to the frame.
    pub map: &'a PixelMap,
    /// The grid's WCS.
    pub grid: &'a Wcs,
    /// Where on the grid the frame lies.
    pub bounds: Region,
    /// Its background per channel, where that is to be subtracted.
    pub background: &'a [Background],
    /// Whether its stars are measured too.
    pub with_stars: bool,
}

/// Buffers of one thread.
#[derive(Default)]
pub struct PreviewScratch {
    pixels: PixelScratch,
    runs: Vec<Run>,
    blocks: BlockScratch,
    stars: StarScratch,
}

#[derive(Default)]
struct BlockScratch {
    sample: Vec<f32>,
    good: Vec<f32>,
    /// Buffers of blocks that are done.
    spare: Vec<[Vec<f32>; 3]>,
}

impl PreviewScratch {
    /// About how many bytes a preview of `frame` takes: a band of rows, the blocks that a row touches, and the rows that are kept for
    /// stars, of calibration masters too.
    pub fn bytes_for(frame: &Frame) -> usize {
        let planes = frame.kind.channels() + frame.maps.iter().count();
        let block_rows = (4.0 * ENOUGH_ROWS) as usize;
        let of_planes = planes * (2 * BAND_ROWS + block_rows.min(2 * frame.height));
        // Whole rows as they are in the files, of every plane.
        let masters = frame.calibration.iter().flat_map(|own| own.masters().map(|used| &used.master.layout));
        let layouts = frame.maps.iter().map(|map| &map.layout).chain([&frame.layout]).chain(masters);
        let kept = layouts.map(|own| own.planes() * own.row_bytes() as usize * KEPT_ROWS.min(own.height()));
        frame.width * size_of::<f32>() * of_planes + kept.sum::<usize>()
    }
}

/// A block inside the frame.
struct Inside {
    slot: usize,
    /// Row after which it is complete.
    last_row: f64,
    centre: (f64, f64),
}

/// Measure the preview of a frame.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn measure_preview(
    pool: &FilePool,
    job: &PreviewJob<'_>,
    blocks: BlockGrid,
    scratch: &mut PreviewScratch,
) -> Result<Preview, FitsError> {
    let frame = job.frame;
    let region = blocks.covering(job.bounds);
    let mut builder = Builder::new(job, blocks, region);
    let nodes = Nodes::new(&frame.wcs, job.grid, (frame.width, frame.height), blocks.block_px);
    let band_rows = builder.band_rows();
    for y0 in (0..frame.height).step_by(band_rows) {
        let height = band_rows.min(frame.height - y0);
        if (y0..y0 + height).any(|y| builder.sees_row(y)) {
            let band = Region { x0: 0, y0: y0 as i64, width: frame.width, height };
            read_stored(pool, frame, band, [1.0; 3], &mut scratch.pixels)?;
        }
        let PreviewScratch { pixels, runs, blocks, .. } = &mut *scratch;
        for y in y0..y0 + height {
            if !builder.sees_row(y) {
                continue;
            }
            let start = (y - y0) * frame.width;
            let rows = pixels.stored(frame).iter().map(|plane| &plane[start..][..frame.width]);
            nodes.runs(y, region, runs);
            if builder.takes_row(y) {
                builder.add_row(y, rows.clone(), runs, blocks);
            }
            if job.with_stars {
                builder.look_for_peaks(y, rows, runs);
            }
            builder.finish_blocks(y as f64, blocks);
        }
    }
    builder.finish_blocks(f64::INFINITY, &mut scratch.blocks);
    let Builder { mut preview, candidates, .. } = builder;
    if job.with_stars {
        let chosen = choose(region, &candidates);
        preview.stars = measure_stars(pool, job, &chosen, &mut scratch.pixels, &mut scratch.stars)?;
    }
    Ok(preview)
}

struct Builder<'a> {
    job: &'a PreviewJob<'a>,
    preview: Preview,
    /// Blocks inside the frame by the row at which they are complete.
    inside: Vec<Inside>,
    done: usize,
    /// Values so far, per slot; `None` where a block is not inside, or done.
    open: Vec<Option<[Vec<f32>; 3]>>,
    /// Every n-th row counts for levels, and every n-th is read, also for peaks; of a CFA pairs of rows.
    row_step: usize,
    seen_step: usize,
    /// The brightest pixel of each block, of the leading channel; empty where no stars are wanted.
    peaks: Vec<Peak>,
    candidates: Vec<Candidate>,
}

impl<'a> Builder<'a> {
    fn new(job: &'a PreviewJob<'a>, blocks: BlockGrid, region: Region) -> Self {
        let channels = job.frame.kind.channels();
        let inside = blocks_inside(job, blocks, region);
        let mut open = vec![None; region.area()];
        for block in &inside {
            open[block.slot] = Some(Default::default());
        }
        let nothing = vec![vec![f32::NAN; region.area()]; channels];
        let ratio = job.grid.scale_deg() / job.frame.wcs.scale_deg();
        let rows = blocks.block_px as f64 * ratio / ENOUGH_ROWS;
        let row_step = if rows >= 1.0 { rows as usize } else { 1 };
        let is_cfa = matches!(job.frame.kind, FrameKind::Cfa(_));
        let star_step = row_step.min(if is_cfa { STAR_ROW_PAIRS } else { STAR_ROWS });
        let row_step = row_step - row_step % star_step;
        Self {
            job,
            preview: Preview { region, level: nothing.clone(), variance: nothing, stars: Vec::new() },
            inside,
            done: 0,
            open,
            row_step,
            seen_step: if job.with_stars { star_step } else { row_step },
            peaks: vec![Peak::default(); if job.with_stars { region.area() } else { 0 }],
            candidates: Vec::new(),
        }
    }

    /// Rows that are read at a time: where rows are passed over only those that count (of a CFA pairs), unless the pixels
    /// around are needed to find bad ones.
    fn band_rows(&self) -> usize {
        let frame = self.job.frame;
        let rows = if matches!(frame.kind, FrameKind::Cfa(_)) { 2 } else { 1 };
        let row = Region { x0: 0, y0: 0, width: frame.width, height: rows.min(frame.height) };
        if self.seen_step > 1 && frame.defect_region(row) == row { rows } else { BAND_ROWS }
    }

    /// Of large blocks some rows are enough; of a CFA both rows of the pattern.
    fn takes_row(&self, y: usize) -> bool {
        self.row_or_pair(y).is_multiple_of(self.row_step)
    }

    /// Whether a row counts at all.
    fn sees_row(&self, y: usize) -> bool {
        self.row_or_pair(y).is_multiple_of(self.seen_step)
    }

    fn row_or_pair(&self, y: usize) -> usize {
        if matches!(self.job.frame.kind, FrameKind::Cfa(_)) { y / 2 } else { y }
    }

    fn add_row<'r>(
        &mut self,
        y: usize,
        rows: impl Iterator<Item = &'r [f32]>,
        runs: &[Run],
        scratch: &mut BlockScratch,
    ) {
        let pattern = match self.job.frame.kind {
            FrameKind::Cfa(pattern) => Some(pattern),
            FrameKind::Mono | FrameKind::Rgb => None,
        };
        for (plane, row) in rows.enumerate() {
            for run in runs {
                let Some(values) = &mut self.open[run.slot] else { continue };
                // A first row of a CFA frame may have no red.
                if values.iter().all(|own| own.capacity() == 0)
                    && let Some(used) = scratch.spare.pop()
                {
                    *values = used;
                }
                let pixels = &row[run.x0..run.x1];
                let Some(pattern) = pattern else {
                    values[plane].extend_from_slice(pixels);
                    continue;
                };
                for offset in 0..pixels.len().min(2) {
                    let colour = pattern.colour_at((run.x0 + offset) as i64, y as i64);
                    values[colour].extend(pixels[offset..].iter().step_by(2));
                }
            }
        }
    }

    /// The brightest pixels of the blocks, of the rows that are read.
    fn look_for_peaks<'r>(&mut self, y: usize, mut rows: impl Iterator<Item = &'r [f32]>, runs: &[Run]) {
        let kind = self.job.frame.kind;
        let leading = leading_channel(kind);
        let (plane, step) = if matches!(kind, FrameKind::Cfa(_)) { (0, 2) } else { (leading, 1) };
        let Some(row) = rows.nth(plane) else { return };
        for run in runs.iter().filter(|run| self.open[run.slot].is_some()) {
            let x0 = match kind {
                FrameKind::Cfa(pattern) => {
                    let first =
                        (0..2).find(|dx| pattern.colour_at((run.x0 + dx) as i64, y as i64) == leading);
                    run.x0 + first.unwrap_or(0)
                }
                FrameKind::Mono | FrameKind::Rgb => run.x0,
            };
            if x0 < run.x1 {
                self.peaks[run.slot].look(&row[x0..run.x1], (x0, y), step);
            }
        }
    }

    /// Blocks that row `y` completes.
    fn finish_blocks(&mut self, y: f64, scratch: &mut BlockScratch) {
        let BlockScratch { sample, good, spare } = scratch;
        while let Some(block) = self.inside.get(self.done).filter(|block| block.last_row <= y) {
            self.done += 1;
            let Some(mut values) = self.open[block.slot].take() else { continue };
            let channels = self.preview.channels();
            let mut levels = [(f32::NAN, f32::NAN); 3];
            for (channel, level) in levels.iter_mut().enumerate().take(channels) {
                let all = &values[channel];
                let Some(good) = finite_of(all, good) else { continue };
                let Some(found) = clipped_mean(good, sample) else { continue };
                if channel == leading_channel(self.job.frame.kind)
                    && let Some(peak) = self.peaks.get(block.slot)
                {
                    let sigma = (found.variance * found.kept as f64).sqrt();
                    let candidate = Candidate::of(block.slot, *peak, found.mean as f32, sigma as f32);
                    self.candidates.extend(candidate);
                }
                let (x, y) = block.centre;
                let background = self.job.background.get(channel);
                let background = background.map_or(0.0, |b| b.value_at(x.round() as i64, y.round() as i64));
                let scale = self.job.frame.flux_scale;
                *level =
                    (((found.mean - background) * scale) as f32, (found.variance * scale * scale) as f32);
            }
            // Of pixels beyond 1e19 the variance is too much for f32.
            if levels[..channels].iter().all(|(level, variance)| level.is_finite() && variance.is_finite()) {
                for (channel, (level, variance)) in levels.into_iter().enumerate().take(channels) {
                    self.preview.level[channel][block.slot] = level;
                    self.preview.variance[channel][block.slot] = variance;
                }
            }
            for values in &mut values {
                values.clear();
            }
            spare.push(values);
        }
    }
}

/// The finite ones of `all`, in `buffer` where some are not; `None` where they are too few.
fn finite_of<'v>(all: &'v [f32], buffer: &'v mut Vec<f32>) -> Option<&'v [f32]> {
    // Counted in 32 bits side by side, which the compiler turns into vectors.
    let bad: u32 = all.iter().map(|value| u32::from(!value.is_finite())).sum();
    let good = if bad == 0 {
        all
    } else {
        buffer.clear();
        buffer.extend(all.iter().copied().filter(|value| value.is_finite()));
        buffer.as_slice()
    };
    (good.len() >= LEAST_PIXELS && good.len() as f64 >= GOOD_SHARE * all.len() as f64).then_some(good)
}

/// Blocks whose four corners are inside the frame, by the row that completes them.
fn blocks_inside(job: &PreviewJob<'_>, blocks: BlockGrid, region: Region) -> Vec<Inside> {
    let (right, top) = (job.frame.width as f64 - 1.0 - EDGE_PX, job.frame.height as f64 - 1.0 - EDGE_PX);
    let corner = |i: usize, j: usize| {
        let (i, j) = (region.x0 + i as i64, region.y0 + j as i64);
        let at = job.map.exact(blocks.start_px(i), blocks.start_px(j))?;
        (at.0 >= EDGE_PX && at.1 >= EDGE_PX && at.0 <= right && at.1 <= top).then_some(at)
    };
    let row_of = |j: usize| -> Vec<Option<(f64, f64)>> { (0..=region.width).map(|i| corner(i, j)).collect() };
    let mut inside = Vec::new();
    let mut lower = row_of(0);
    for j in 0..region.height {
        let upper = row_of(j + 1);
        for i in 0..region.width {
            let (Some(a), Some(b), Some(c), Some(d)) = (lower[i], lower[i + 1], upper[i], upper[i + 1])
            else {
                continue;
            };
            inside.push(Inside {
                slot: j * region.width + i,
                last_row: (a.1.max(b.1).max(c.1).max(d.1) + LATE_ROWS).ceil(),
                centre: ((a.0 + b.0 + c.0 + d.0) / 4.0, (a.1 + b.1 + c.1 + d.1) / 4.0),
            });
        }
        lower = upper;
    }
    inside.sort_by(|a, b| a.last_row.total_cmp(&b.last_row).then(a.slot.cmp(&b.slot)));
    inside
}
