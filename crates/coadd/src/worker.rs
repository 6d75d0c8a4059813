//! One patch: every source is read, warped onto the patch once, and the samples are stacked.
//!
//! All buffers live as long as the thread. Sources come in frame order and sums run in frame order, so
//! the bytes depend on nothing but grid, sources and options.

use std::sync::atomic::{AtomicBool, Ordering};

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::FrameKind;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::flags as warp_flags;
use zemosaic_stack::{
    Accumulator, Clipped, FrameSamples, NoiseBlock, NoiseScratch, RejectMethod, RejectOptions, StackBlock,
    StackOutput, StackScratch, clip_by_noise, stack,
};

use crate::budget::{block_stride, columns_of, needs_block};
use crate::options::CoaddOptions;
use crate::patch::Patch;
use crate::plane_map::PlaneCell;
use crate::resampler::Positions;
use crate::result::{PatchResult, dq, resize_exact};
use crate::samples::SampleRow;
use crate::saturation::Saturation;
use crate::source::{Source, depth_planes};
use crate::window::WindowScratch;

/// Cells of the warp map, in grid pixels (DESIGN: every decision is tied to the output grid).
const CELL: i64 = 256;

/// Samples below which they alone cannot tell an outlier.
const LOW_DEPTH_BELOW: i32 = 3;
/// Samples below which nothing can.
const LONE_BELOW: i32 = 2;

/// What all workers share.
pub struct Shared<'a> {
    /// Sources in frame order.
    pub sources: &'a [Source],
    /// Output planes: 1 or 3.
    pub channels: usize,
    /// Options of the coadd.
    pub options: &'a CoaddOptions,
    /// The rejection, as these sources need it ([`rejection_of`]).
    pub reject: RejectOptions,
    /// Open files.
    pub pool: &'a FilePool,
    /// Instruction set of the kernels.
    pub level: SimdLevel,
    /// Set when the user asks to stop.
    pub cancel: &'a AtomicBool,
}

/// The rejection for a run over `sources`: what stars may differ from frame to frame grows with the coarseness of their
/// sampling. A demosaiced pixel of red or blue is made of pixels 2 apart, a drizzled one may come from a pixel 1 away and from
/// none nearer. The factors keep the flux of stars of FWHM 1.8 px (docs/methods/stacking.md); of all sources the largest
/// counts, so that no cut of the grid changes anything.
pub fn rejection_of(sources: &[Source], options: &RejectOptions) -> RejectOptions {
    let coarseness = |source: &Source| match source.frame.kind {
        FrameKind::Mono | FrameKind::Rgb => 1.0,
        FrameKind::Cfa(_) if source.frame.raw_cfa().is_some() => 20.0,
        FrameKind::Cfa(_) => 4.0,
    };
    let coarsest = sources.iter().map(coarseness).fold(1.0, f64::max);
    RejectOptions { noise_amplitude: options.noise_amplitude * coarsest, ..*options }
}

/// Buffers of one thread.
#[derive(Default)]
pub struct Worker {
    window: WindowScratch,
    saturation: Saturation,
    row: SampleRow,
    block: SampleBlock,
    sums: Vec<Accumulator>,
    depth: Vec<i32>,
    stack: StackScratch,
    noise: NoiseScratch,
    /// What the noise clip did, per channel; empty where there is none.
    clipped: Vec<Vec<Clipped>>,
    /// The last patch.
    pub result: PatchResult,
    /// Buffers for the columns of a patch.
    columns: PatchResult,
}

/// Samples of all sources at the pixels of a column, by channel; as a `StackBlock` has them.
#[derive(Default)]
struct SampleBlock {
    value: Vec<Vec<f32>>,
    factor: Vec<Vec<f32>>,
    /// Empty where samples have no weights of their own.
    weight: Vec<Vec<f32>>,
}

impl SampleBlock {
    fn prepare(&mut self, channels: usize, samples: usize, weighs_samples: bool) {
        let weights = if weighs_samples { samples } else { 0 };
        for (planes, samples) in
            [(&mut self.value, samples), (&mut self.factor, samples), (&mut self.weight, weights)]
        {
            planes.resize_with(channels, Vec::new);
            for plane in planes.iter_mut() {
                resize_exact(plane, samples, f32::NAN);
            }
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
        whole.reset(patch.region, shared.channels, patch.region.area(), depth_planes(shared.sources));
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
        self.result.reset(column, shared.channels, stride, depth_planes(shared.sources));
        let block = needs_block(shared.options);
        let weighs_samples = over.first().is_some_and(|&index| shared.sources[index].weighs_samples);
        self.block.prepare(shared.channels, if block { over.len() * stride } else { 0 }, weighs_samples);
        self.prepare_sums(shared, if block { 0 } else { stride });
        self.depth.resize(stride, 0);
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

    fn prepare_sums(&mut self, shared: &Shared<'_>, pixels: usize) {
        self.sums.resize_with(shared.channels, Accumulator::default);
        if pixels > 0 {
            for sums in &mut self.sums {
                sums.reset(shared.options.combine, pixels);
            }
        }
    }

    /// Warp one source onto the patch, into slot `slot` of the block or straight into the sums.
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
        let Some(region) = window_of(source, &cells) else { return Ok(false) };
        self.row.begin_window();
        let window = self.window.read(shared.pool, source, region, shared.level, &mut self.saturation)?;
        let block = needs_block(shared.options);
        if block {
            for plane in &mut self.block.value {
                plane[slot * stride..(slot + 1) * stride].fill(f32::NAN);
            }
        }
        let mut any = false;
        for (cell_part, cell) in &cells {
            self.row.begin_part();
            for y in cell_part.y0..cell_part.y1() {
                self.row.fill(source, &window, cell, *cell_part, y, shared.level);
                let offset = ((y - patch.y0) * patch.width as i64 + cell_part.x0 - patch.x0) as usize;
                let n = cell_part.width;
                let quality = &mut self.result.quality[offset..offset + n];
                any |= note_flags(&self.row, shared.channels, &self.saturation, quality);
                for channel in 0..shared.channels {
                    let (value, factor) = (&self.row.value[channel][..n], &self.row.factor[channel][..n]);
                    let own_weight = source.weighs_samples.then(|| &self.row.weight[channel][..n]);
                    if block {
                        let span = slot * stride + offset..slot * stride + offset + n;
                        self.block.value[channel][span.clone()].copy_from_slice(value);
                        self.block.factor[channel][span.clone()].copy_from_slice(factor);
                        if let Some(weight) = own_weight {
                            self.block.weight[channel][span].copy_from_slice(weight);
                        }
                    } else {
                        let samples = FrameSamples {
                            value,
                            variance_factor: factor,
                            relative_weight: own_weight,
                            weight: source.weight[channel],
                            noise_variance: source.noise_variance[channel],
                        };
                        self.sums[channel].add(shared.level, offset, &samples);
                    }
                }
            }
        }
        Ok(any)
    }

    fn combine(&mut self, slots: &[usize], pixels: usize, stride: usize, shared: &Shared<'_>) {
        let clips = shared.options.reject.clips_by_noise();
        self.clipped.resize_with(if clips { shared.channels } else { 0 }, Vec::new);
        for plane in &mut self.clipped {
            resize_exact(plane, stride, Clipped::default());
        }
        for channel in 0..shared.channels {
            if needs_block(shared.options) {
                self.stack_block(channel, slots, pixels, stride, shared);
            } else {
                let out = output_of(&mut self.result, &mut self.depth, channel, stride);
                self.sums[channel].finish(shared.level, pixels, out);
            }
            let result = &mut self.result;
            for (total, depth) in result.depth[..pixels].iter_mut().zip(&self.depth[..pixels]) {
                *total = (*total).max(*depth);
                result.samples += *depth as u64;
            }
            if let Some(own) = result.depth_by_channel.get_mut(channel) {
                own[..pixels].copy_from_slice(&self.depth[..pixels]);
            }
        }
    }

    /// Reject and combine the samples of a channel; counts are of all that was rejected, depth of what was there before.
    fn stack_block(
        &mut self,
        channel: usize,
        slots: &[usize],
        pixels: usize,
        stride: usize,
        shared: &Shared<'_>,
    ) {
        let pick = |of: fn(&Source) -> [f64; 3]| -> Vec<f64> {
            slots.iter().map(|&index| of(&shared.sources[index])[channel]).collect()
        };
        let (weight, noise_variance) = (pick(|s| s.weight), pick(|s| s.noise_variance));
        let samples = slots.len() * stride;
        let value = &mut self.block.value[channel][..samples];
        let variance_factor = &self.block.factor[channel][..samples];
        let relative_weight = Some(&self.block.weight[channel]).filter(|plane| !plane.is_empty());
        let relative_weight = relative_weight.map(|plane| &plane[..samples]);
        let (frames, combine, reject) = (slots.len(), shared.options.combine, &shared.reject);
        let clipped = self.clipped.get_mut(channel);
        let clipped = clipped.map(|clipped| {
            let mut block = NoiseBlock {
                frames,
                pixels,
                stride,
                value,
                variance_factor,
                relative_weight,
                noise_variance: &noise_variance,
                level: &pick(|s| s.level),
                level_variance: &pick(|s| s.level_variance),
            };
            clip_by_noise(&mut block, reject, shared.level, &mut self.noise, clipped);
            &*clipped
        });
        let block = StackBlock {
            frames,
            pixels,
            stride,
            value: &self.block.value[channel][..samples],
            variance_factor,
            relative_weight,
            weight: &weight,
            noise_variance: &noise_variance,
            level: &pick(|s| s.level),
        };
        let out = output_of(&mut self.result, &mut self.depth, channel, stride);
        stack(&block, combine, reject, shared.level, &mut self.stack, out);
        let Some(clipped) = clipped else { return };
        let out = output_of(&mut self.result, &mut self.depth, channel, stride);
        let counts = out.depth.iter_mut().zip(out.rejected_low).zip(out.rejected_high);
        for (((depth, low), high), clipped) in counts.zip(&clipped[..pixels]) {
            *depth += clipped.low() + clipped.high();
            *low += clipped.low();
            *high += clipped.high();
        }
    }

    fn finish_quality(&mut self, pixels: usize, shared: &Shared<'_>) {
        let result = &mut self.result;
        let rejecting = shared.options.reject.method != RejectMethod::None;
        let clipped = &self.clipped;
        let quality = &mut result.quality[..pixels];
        for (bits, depth) in quality.iter_mut().zip(&result.depth[..pixels]) {
            *bits |= if *depth == 0 { dq::NO_DATA } else { 0 };
        }
        if !rejecting {
            return;
        }
        let is_judged =
            |pixel: usize| !clipped.is_empty() && clipped.iter().all(|plane| plane[pixel].is_judged());
        for (pixel, (bits, &depth)) in quality.iter_mut().zip(&result.depth[..pixels]).enumerate() {
            // Of channels that differ the one that has least.
            let own = result.depth_by_channel.iter().map(|plane| plane[pixel]).filter(|own| *own > 0);
            let least = own.min().unwrap_or(depth);
            if depth > 0 && (least < LONE_BELOW || least < LOW_DEPTH_BELOW && !is_judged(pixel)) {
                *bits |= dq::LOW_DEPTH;
            }
        }
        for plane in result.rejected_low.iter().chain(&result.rejected_high) {
            for (bits, rejected) in quality.iter_mut().zip(&plane[..pixels]) {
                *bits |= if *rejected > 0 { dq::REJECTED } else { 0 };
            }
        }
    }
}

/// Where a channel of a stack goes.
fn output_of<'a>(
    result: &'a mut PatchResult,
    depth: &'a mut [i32],
    channel: usize,
    stride: usize,
) -> StackOutput<'a> {
    StackOutput {
        value: &mut result.value[channel][..stride],
        weight: &mut result.weight[channel][..stride],
        variance: &mut result.variance[channel][..stride],
        depth: &mut depth[..stride],
        rejected_low: &mut result.rejected_low[channel][..stride],
        rejected_high: &mut result.rejected_high[channel][..stride],
    }
}

/// The parts of `part` in each cell of the warp map, with the cell's map.
fn cells_of(source: &Source, part: Region) -> Vec<(Region, PlaneCell)> {
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
fn window_of(source: &Source, cells: &[(Region, PlaneCell)]) -> Option<Region> {
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
    let (width, height) = source.frame.plane_size();
    let (width, height) = (width as f64, height as f64);
    let margin = source.resampler.margin_px() as f64 + 1.0;
    let reach = if source.resampler.positions() == Positions::Corners { margin } else { 1.0 };
    if !(low[0] <= width + reach && low[1] <= height + reach && high[0] >= -reach && high[1] >= -reach) {
        return None;
    }
    let first = |value: f64| (value.floor() - margin).max(0.0) as i64;
    let last = |value: f64, limit: f64| (value.ceil() + margin + 1.0).min(limit) as i64;
    let (x0, y0) = (first(low[0]), first(low[1]));
    let (x1, y1) = (last(high[0], width), last(high[1], height));
    (x1 > x0 && y1 > y0).then(|| Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize })
}

/// Turn the flags of a row of samples into quality bits; returns whether any sample is valid.
fn note_flags(row: &SampleRow, channels: usize, saturation: &Saturation, quality: &mut [i32]) -> bool {
    let mut any = false;
    let n = quality.len();
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
    if saturation.is_present() {
        const PART: usize = 32;
        for (part, bits) in quality[..n].chunks_mut(PART).enumerate() {
            let first = part * PART;
            let span = first..first + bits.len();
            if !saturation.may_touch(&row.xs[span.clone()], &row.ys[span]) {
                continue;
            }
            for (pixel, bits) in (first..).zip(bits) {
                let valid = row.value[..channels].iter().any(|plane| !plane[pixel].is_nan());
                if valid && saturation.at(row.xs[pixel], row.ys[pixel]) {
                    *bits |= dq::SATURATED;
                }
            }
        }
    }
    any
}
