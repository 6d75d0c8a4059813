//! One patch: every source is read, warped onto the patch once, and the samples are stacked.
//!
//! All buffers live as long as the thread. Sources come in frame order and sums run in frame order, so
//! the bytes depend on nothing but grid, sources and options.

use std::sync::atomic::{AtomicBool, Ordering};

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::PixelScratch;
use zemosaic_frames::pixels::{FramePixels, read_planes};
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{SourceWindow, WarpRow, flags as warp_flags, warp_row_planes};
use zemosaic_sky::CellMap;
use zemosaic_stack::{Accumulator, Combine, RejectMethod, StackBlock, StackOutput, StackScratch, stack};

use crate::budget::{block_stride, columns_of, needs_block};
use crate::options::CoaddOptions;
use crate::patch::Patch;
use crate::result::{PatchResult, dq, resize_exact};
use crate::source::Source;

/// Cells of the warp map, in grid pixels (DESIGN: every decision is tied to the output grid).
const CELL: i64 = 256;

/// Samples below which rejection cannot tell an outlier.
const LOW_DEPTH_BELOW: i32 = 3;

/// What all workers share.
pub struct Shared<'a> {
    /// Sources in frame order.
    pub sources: &'a [Source],
    /// Output planes: 1 or 3.
    pub channels: usize,
    /// Options of the coadd.
    pub options: &'a CoaddOptions,
    /// Open files.
    pub pool: &'a FilePool,
    /// Instruction set of the kernels.
    pub level: SimdLevel,
    /// Set when the user asks to stop.
    pub cancel: &'a AtomicBool,
}

/// Buffers of one thread.
#[derive(Default)]
pub struct Worker {
    pixels: PixelScratch,
    value: Vec<Vec<f32>>,
    factor: Vec<Vec<f32>>,
    means: Vec<Accumulator>,
    row: RowBuffers,
    depth: Vec<i32>,
    stack: StackScratch,
    /// The last patch.
    pub result: PatchResult,
    /// Buffers for the columns of a patch.
    columns: PatchResult,
}

/// One row of positions and samples.
#[derive(Default)]
struct RowBuffers {
    xs: Vec<f64>,
    ys: Vec<f64>,
    value: [Vec<f32>; 3],
    factor: [Vec<f32>; 3],
    flags: [Vec<u8>; 3],
}

impl RowBuffers {
    fn resize(&mut self, n: usize) {
        self.xs.resize(n, 0.0);
        self.ys.resize(n, 0.0);
        for plane in self.value.iter_mut().chain(&mut self.factor) {
            plane.resize(n, 0.0);
        }
        for plane in &mut self.flags {
            plane.resize(n, 0);
        }
    }
}

impl Worker {
    /// Compute `patch` into `self.result`, column by column. Returns the sources whose pixels could not be
    /// read; `None` when the run was cancelled.
    pub fn process(&mut self, patch: &Patch, shared: &Shared<'_>) -> Option<Vec<(usize, FitsError)>> {
        let mut failures = Vec::new();
        let columns = columns_of(patch.region);
        if let [column] = columns[..] {
            return self.process_column(column, &patch.sources, shared, &mut failures).then_some(failures);
        }
        // The buffers of the last whole patch serve the whole patch again, those of columns the columns.
        let mut whole = std::mem::replace(&mut self.result, std::mem::take(&mut self.columns));
        whole.reset(patch.region, shared.channels, patch.region.area());
        let finished = columns.into_iter().all(|column| {
            let finished = self.process_column(column, &patch.sources, shared, &mut failures);
            whole.place(&self.result);
            finished
        });
        self.columns = std::mem::replace(&mut self.result, whole);
        finished.then_some(failures)
    }

    /// Compute one column of a patch into `self.result`; false when the run was cancelled.
    fn process_column(
        &mut self,
        column: Region,
        sources: &[usize],
        shared: &Shared<'_>,
        failures: &mut Vec<(usize, FitsError)>,
    ) -> bool {
        let over: Vec<usize> = sources
            .iter()
            .copied()
            .filter(|&index| shared.sources[index].bounds.intersect(&column).is_some())
            .collect();
        let pixels = column.area();
        let stride = block_stride(pixels);
        self.result.reset(column, shared.channels, stride);
        let block = needs_block(shared.options);
        let streamed = (!block).then_some(shared.options.combine);
        self.prepare(shared.channels, stride, if block { over.len() } else { 0 }, streamed);
        let mut slots = Vec::with_capacity(over.len());
        for index in over {
            if shared.cancel.load(Ordering::Relaxed) {
                return false;
            }
            match self.add_source(column, index, slots.len(), stride, shared) {
                Ok(true) => slots.push(index),
                Ok(false) => {}
                Err(error) => {
                    // Once per patch, however many columns miss it.
                    if failures.iter().all(|(failed, _)| *failed != index) {
                        failures.push((index, error));
                    }
                }
            }
        }
        self.combine(&slots, pixels, stride, shared);
        self.finish_quality(pixels, shared);
        true
    }

    fn prepare(&mut self, channels: usize, stride: usize, slots: usize, streamed: Option<Combine>) {
        for planes in [&mut self.value, &mut self.factor] {
            planes.resize_with(channels, Vec::new);
            for plane in planes.iter_mut() {
                resize_exact(plane, slots * stride, f32::NAN);
            }
        }
        self.means.resize_with(channels, Accumulator::default);
        if let Some(combine) = streamed {
            for mean in &mut self.means {
                mean.reset(combine, stride);
            }
        }
        self.depth.resize(stride, 0);
    }

    /// Warp one source onto the patch, into slot `slot` of the block or straight into the means.
    /// Returns whether it has any valid sample there.
    fn add_source(
        &mut self,
        patch: Region,
        index: usize,
        slot: usize,
        stride: usize,
        shared: &Shared<'_>,
    ) -> Result<bool, FitsError> {
        let source = &shared.sources[index];
        let Some(part) = patch.intersect(&source.bounds) else { return Ok(false) };
        let cells = cells_of(source, part);
        let Some(window) = window_of(source, &cells) else { return Ok(false) };
        let planes = read_planes(shared.pool, &source.frame, window, &mut self.pixels)?;
        let saturated = Saturation::new(source, &planes);
        let block = needs_block(shared.options);
        if block {
            for plane in &mut self.value {
                plane[slot * stride..(slot + 1) * stride].fill(f32::NAN);
            }
        }
        let mut any = false;
        for (cell_part, cell) in &cells {
            self.row.resize(cell_part.width);
            for y in cell_part.y0..cell_part.y1() {
                warp_cell_row(&mut self.row, source, &planes, cell, *cell_part, y, shared.level);
                let offset = ((y - patch.y0) * patch.width as i64 + cell_part.x0 - patch.x0) as usize;
                any |= note_flags(&self.row, shared.channels, &saturated, &mut self.result.quality[offset..]);
                for channel in 0..shared.channels {
                    let (value, factor) = (&self.row.value[channel], &self.row.factor[channel]);
                    let n = cell_part.width;
                    if block {
                        let start = slot * stride + offset;
                        self.value[channel][start..start + n].copy_from_slice(&value[..n]);
                        self.factor[channel][start..start + n].copy_from_slice(&factor[..n]);
                    } else {
                        let (weight, variance) = (source.weight[channel], source.noise_variance[channel]);
                        self.means[channel].add(offset, &value[..n], &factor[..n], None, weight, variance);
                    }
                }
            }
        }
        Ok(any)
    }

    fn combine(&mut self, slots: &[usize], pixels: usize, stride: usize, shared: &Shared<'_>) {
        let result = &mut self.result;
        for channel in 0..shared.channels {
            let out = StackOutput {
                value: &mut result.value[channel][..stride],
                weight: &mut result.weight[channel][..stride],
                variance: &mut result.variance[channel][..stride],
                depth: &mut self.depth[..stride],
                rejected_low: &mut result.rejected_low[channel][..stride],
                rejected_high: &mut result.rejected_high[channel][..stride],
            };
            if needs_block(shared.options) {
                let pick = |of: fn(&Source) -> [f64; 3]| -> Vec<f64> {
                    slots.iter().map(|&index| of(&shared.sources[index])[channel]).collect()
                };
                let (weight, noise_variance) = (pick(|s| s.weight), pick(|s| s.noise_variance));
                let block = StackBlock {
                    frames: slots.len(),
                    pixels,
                    stride,
                    value: &self.value[channel][..slots.len() * stride],
                    variance_factor: &self.factor[channel][..slots.len() * stride],
                    relative_weight: None,
                    weight: &weight,
                    noise_variance: &noise_variance,
                };
                stack(
                    &block,
                    shared.options.combine,
                    &shared.options.reject,
                    shared.level,
                    &mut self.stack,
                    out,
                );
            } else {
                self.means[channel].finish(pixels, out);
            }
            for (total, depth) in result.depth[..pixels].iter_mut().zip(&self.depth[..pixels]) {
                *total = (*total).max(*depth);
                result.samples += *depth as u64;
            }
        }
    }

    fn finish_quality(&mut self, pixels: usize, shared: &Shared<'_>) {
        let result = &mut self.result;
        let rejecting = shared.options.reject.method != RejectMethod::None;
        for pixel in 0..pixels {
            let depth = result.depth[pixel];
            let bits = &mut result.quality[pixel];
            if depth == 0 {
                *bits |= dq::NO_DATA;
            } else if rejecting && depth < LOW_DEPTH_BELOW {
                *bits |= dq::LOW_DEPTH;
            }
            let rejected =
                result.rejected_low.iter().chain(&result.rejected_high).any(|plane| plane[pixel] > 0);
            if rejected {
                *bits |= dq::REJECTED;
            }
        }
    }
}

/// The parts of `part` in each cell of the warp map, with the cell's map.
fn cells_of(source: &Source, part: Region) -> Vec<(Region, CellMap)> {
    let mut cells = Vec::new();
    for cell_y in part.y0 / CELL..=(part.y1() - 1) / CELL {
        for cell_x in part.x0 / CELL..=(part.x1() - 1) / CELL {
            let cell =
                Region { x0: cell_x * CELL, y0: cell_y * CELL, width: CELL as usize, height: CELL as usize };
            if let Some(inside) = part.intersect(&cell) {
                cells.push((inside, source.map.cell(cell_x as usize, cell_y as usize)));
            }
        }
    }
    cells
}

/// The window of the frame that these cells need, kernel margin included; `None` if they miss it.
fn window_of(source: &Source, cells: &[(Region, CellMap)]) -> Option<Region> {
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for (part, cell) in cells {
        let (x0, y0) = (part.x0 as usize, part.y0 as usize);
        let Some((xmin, ymin, xmax, ymax)) = cell.bounds(x0, y0, x0 + part.width, y0 + part.height) else {
            continue;
        };
        low = [low[0].min(xmin), low[1].min(ymin)];
        high = [high[0].max(xmax), high[1].max(ymax)];
    }
    let (width, height) = (source.frame.width as f64, source.frame.height as f64);
    if !(low[0] <= width && low[1] <= height && high[0] >= -1.0 && high[1] >= -1.0) {
        return None;
    }
    let margin = source.kernel.margin_px() as f64 + 1.0;
    let first = |value: f64| (value.floor() - margin).max(0.0) as i64;
    let last = |value: f64, limit: f64| (value.ceil() + margin + 1.0).min(limit) as i64;
    let (x0, y0) = (first(low[0]), first(low[1]));
    let (x1, y1) = (last(high[0], width), last(high[1], height));
    (x1 > x0 && y1 > y0).then(|| Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize })
}

fn warp_cell_row(
    row: &mut RowBuffers,
    source: &Source,
    planes: &FramePixels<'_>,
    cell: &CellMap,
    part: Region,
    y: i64,
    level: SimdLevel,
) {
    let n = part.width;
    cell.row(y as usize, part.x0 as usize, n, &mut row.xs[..n], &mut row.ys[..n]);
    let windows: [SourceWindow<'_>; 3] = planes.planes.map(|data| SourceWindow {
        data,
        region: planes.region,
        frame_width: source.frame.width,
        frame_height: source.frame.height,
    });
    let mut outs: Vec<WarpRow<'_>> = row
        .value
        .iter_mut()
        .zip(&mut row.factor)
        .zip(&mut row.flags)
        .take(planes.channels)
        .map(|((value, factor), flags)| WarpRow {
            value: &mut value[..n],
            variance_factor: &mut factor[..n],
            flags: &mut flags[..n],
        })
        .collect();
    let channels = planes.channels;
    warp_row_planes(&source.kernel, level, &windows[..channels], &row.xs[..n], &row.ys[..n], &mut outs);
}

/// Turn the flags of a row of samples into quality bits; returns whether any sample is valid.
fn note_flags(row: &RowBuffers, channels: usize, saturated: &Saturation<'_>, quality: &mut [i32]) -> bool {
    let mut any = false;
    let n = row.xs.len();
    for channel in 0..channels {
        let flags = &row.flags[channel][..n];
        // Inside a frame, away from its edges and from masked pixels, there is nothing to note.
        if flags.iter().fold(0, |all, flag| all | (flag ^ warp_flags::INSIDE)) == 0 {
            any = true;
            continue;
        }
        let samples = row.value[channel][..n].iter().zip(flags);
        for ((value, flags), bits) in samples.zip(quality.iter_mut()) {
            let valid = !value.is_nan();
            any |= valid;
            let masked = if flags & warp_flags::MASKED != 0 { dq::MASKED } else { 0 };
            let edge = if valid && flags & warp_flags::EDGE != 0 { dq::EDGE } else { 0 };
            *bits |= masked | edge;
        }
    }
    if saturated.present {
        for (pixel, bits) in quality.iter_mut().enumerate().take(n) {
            let valid = row.value[..channels].iter().any(|plane| !plane[pixel].is_nan());
            if valid && saturated.at(row.xs[pixel], row.ys[pixel]) {
                *bits |= dq::SATURATED;
            }
        }
    }
    any
}

/// Where a window is saturated: tested only when any of its pixels is.
struct Saturation<'a> {
    planes: Vec<&'a [f32]>,
    region: Region,
    level_adu: f32,
    present: bool,
}

impl<'a> Saturation<'a> {
    fn new(source: &Source, pixels: &FramePixels<'a>) -> Self {
        let (planes, region) = match pixels.raw {
            Some((raw, region)) => (vec![raw], region),
            None => (pixels.planes[..pixels.channels].to_vec(), pixels.region),
        };
        let level_adu = source.frame.meta.saturation_adu.map_or(f32::INFINITY, |level| level as f32);
        let present = level_adu.is_finite()
            && planes.iter().any(|plane| plane.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b)) >= level_adu);
        Self { planes, region, level_adu, present }
    }

    /// Whether the frame pixel nearest to the position is saturated.
    fn at(&self, x: f64, y: f64) -> bool {
        let column = (x + 0.5).floor() as i64 - self.region.x0;
        let row = (y + 0.5).floor() as i64 - self.region.y0;
        let inside =
            column >= 0 && row >= 0 && column < self.region.width as i64 && row < self.region.height as i64;
        inside
            && self
                .planes
                .iter()
                .any(|plane| plane[row as usize * self.region.width + column as usize] >= self.level_adu)
    }
}
