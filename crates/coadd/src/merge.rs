//! Master tiles added up to a mosaic. Each tile is a cut-out of the mosaic grid by whole pixels, so placing it is a copy:
//! nothing is resampled, and nothing is rejected.
//!
//! Where two or more tiles have data, per channel, in f64 and in the order of the tiles:
//!
//! ```text
//! SCI = sum w x / sum w    WHT = sum w    VAR = sum w^2 v / (sum w)^2
//! ```
//!
//! with w and v the tile's WHT and VAR: what the frames themselves would give where nothing is rejected, as the weight of
//! a tile is the sum of theirs. Tiles of sums, minima or maxima are combined likewise ([`MergeRule`]). DEPTH, REJLO and
//! REJHI add up, DQ bits are or-ed; no-data stays only where no tile has a sample. A pixel with data of a single tile is
//! that tile's, bit for bit, so that one tile alone gives back itself.
//!
//! A tile may have a gauge. Its values are read as gain x value + offset + surface at their place on the mosaic grid, its WHT
//! over gain^2, its VAR times gain^2, each in f64 and then rounded to the 32 bits that a tile stores.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use zemosaic_fits::{FilePool, FitsError, ImageLayout, ReadScratch, Window, read_window};
use zemosaic_gauge::FrameGauge;
use zemosaic_image::Region;
use zemosaic_stack::Combine;

use crate::budget::MemoryBudget;
use crate::engine::{CoaddObserver, CoaddSummary, PatchWorker, run_patches};
use crate::error::CoaddError;
use crate::patch::{Patch, PatchPlan, base_patches, halve};
use crate::result::{DepthPlanes, PatchResult, dq, resize_exact};
use crate::sink::{PatchSink, ProductPlane};

/// A plane of a tile: what it is, and where its pixels lie.
#[derive(Debug, Clone)]
pub struct TilePlane {
    /// What it is.
    pub plane: ProductPlane,
    /// Where and how the pixels lie in the file.
    pub layout: ImageLayout,
}

/// A master tile.
#[derive(Debug, Clone)]
pub struct Tile {
    /// Its file.
    pub path: PathBuf,
    /// Where it lies on the mosaic grid, which it need not be inside of.
    pub region: Region,
    /// Its planes; SCI, WHT, VAR, DEPTH and DQ are needed.
    pub planes: Vec<TilePlane>,
    /// What becomes of its values on the way into the mosaic, in the unit they are stored in; the file stays as it is.
    pub gauge: FrameGauge,
}

/// Whether the depth of a mosaic of `tiles` differs from channel to channel: where one of theirs does.
pub fn merged_depth<'a>(tiles: impl IntoIterator<Item = &'a Tile>) -> DepthPlanes {
    let differs = |own: &TilePlane| own.plane == ProductPlane::Depth && own.layout.planes() > 1;
    if tiles.into_iter().any(|tile| tile.planes.iter().any(differs)) {
        DepthPlanes::PerChannel
    } else {
        DepthPlanes::Shared
    }
}

/// How the values of tiles become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRule {
    /// Mean by weight; also of medians and percentiles, which frames together would not quite give.
    Mean,
    /// Sum; variances add up.
    Sum,
    /// Least value; no variance is known.
    Min,
    /// Greatest value; no variance is known.
    Max,
}

impl From<Combine> for MergeRule {
    fn from(combine: Combine) -> Self {
        match combine {
            Combine::Mean | Combine::Median | Combine::Percentile(_) => Self::Mean,
            Combine::Sum => Self::Sum,
            Combine::Min => Self::Min,
            Combine::Max => Self::Max,
        }
    }
}

/// Everything a merge works on.
pub struct MergeJob<'a> {
    /// The tiles, in their order.
    pub tiles: &'a [Tile],
    /// Output planes: 1 or 3.
    pub channels: usize,
    /// Whether DEPTH has an image per channel ([`merged_depth`]).
    pub depth: DepthPlanes,
    /// How values become one.
    pub rule: MergeRule,
    /// The patches, from [`plan_merge`].
    pub plan: &'a PatchPlan,
    /// Worker threads.
    pub threads: usize,
    /// Open files.
    pub pool: &'a FilePool,
}

/// What a merge takes besides its patches, once and per thread: code, tables, write buffers, chunks of files.
const BASE_BYTES: u64 = 24 << 20;
const THREAD_BYTES: u64 = 1 << 20;
/// Share of the rest that patches may plan with.
const PLANNED_SHARE: f64 = 0.85;
/// Larger patches gain nothing.
const MAX_PATCH_BYTES: u64 = 64 << 20;

/// Bytes of one pixel of a patch, all buffers of a worker together.
fn pixel_bytes(channels: usize) -> u64 {
    // A result of three floats and two counts per channel, a depth and bits; a window of the same planes.
    (channels * (size_of::<Sums>() + 2 * 20) + 2 * 8) as u64
}

/// Patches over a grid of `width` x `height` pixels that fit the budget whatever the number of tiles.
///
/// # Errors
/// [`CoaddError::Memory`] if even the smallest patch does not fit.
pub fn plan_merge(
    width: usize,
    height: usize,
    tiles: &[Region],
    channels: usize,
    budget: MemoryBudget,
) -> Result<PatchPlan, CoaddError> {
    let workers = budget.workers.max(1) as u64;
    let fixed = BASE_BYTES + workers * THREAD_BYTES;
    let share = (budget.total_bytes.saturating_sub(fixed) as f64 * PLANNED_SHARE) as u64 / workers;
    let share = share.min(MAX_PATCH_BYTES);
    let bytes = |region: Region| region.area() as u64 * pixel_bytes(channels);
    let mut plan = PatchPlan { patches: Vec::new(), peak_patch_bytes: 0, read_pixels: 0, warped_pixels: 0 };
    let mut open = base_patches(Region { x0: 0, y0: 0, width, height }, budget.workers);
    open.reverse();
    while let Some(region) = open.pop() {
        if bytes(region) > share {
            let Some([first, second]) = halve(region) else {
                return Err(CoaddError::Memory {
                    budget_bytes: budget.total_bytes,
                    needed_bytes: bytes(region) * workers + fixed,
                    threads: budget.workers,
                    contributors: tiles.len(),
                });
            };
            open.extend([second, first]);
            continue;
        }
        let parts = tiles
            .iter()
            .enumerate()
            .filter_map(|(index, tile)| tile.intersect(&region).map(|part| (index, part.area() as u64)));
        let (sources, areas): (Vec<usize>, Vec<u64>) = parts.unzip();
        plan.read_pixels += areas.iter().sum::<u64>();
        plan.peak_patch_bytes = plan.peak_patch_bytes.max(bytes(region));
        plan.patches.push(Patch { id: plan.patches.len(), region, sources });
    }
    Ok(plan)
}

/// Merge the tiles of `job`, write every patch to `sink`. Tiles that cannot be read are missing from those patches and in
/// the summary; of its counts `samples` stays 0, as tiles do not tell it by channel.
///
/// # Errors
/// When the sink cannot write, threads cannot start, or `cancel` is set.
pub fn merge(
    job: &MergeJob<'_>,
    sink: &dyn PatchSink,
    observer: &dyn CoaddObserver,
    cancel: &AtomicBool,
) -> Result<CoaddSummary, CoaddError> {
    let worker = || Merger::new(job, cancel);
    run_patches(job.plan, job.channels, job.threads, &worker, sink, observer)
}

/// What the tiles so far give at a pixel of a channel.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    /// Of weight times value; of values for a sum; the value for an extremum.
    value: f64,
    /// Of weight squared times variance; of variances for a sum.
    variance: f64,
    /// The first tile with data as it is stored.
    first: [f32; 3],
    state: State,
}

/// What was met at a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// No tile, or tiles without data.
    #[default]
    Nothing,
    /// One tile with data.
    One,
    /// Several tiles with data.
    Several,
}

impl Sums {
    /// Add a tile's value, weight and variance; without a value, or a weight above 0, it has no data here.
    fn add(&mut self, rule: MergeRule, stored: [f32; 3]) {
        let [x, w, v] = stored.map(f64::from);
        if x.is_nan() || w.is_nan() || w <= 0.0 {
            return;
        }
        let is_first = self.state == State::Nothing;
        if is_first {
            self.first = stored;
        }
        self.state = if is_first { State::One } else { State::Several };
        self.weight += w;
        match rule {
            MergeRule::Mean => {
                self.value += w * x;
                self.variance += w * w * v;
            }
            MergeRule::Sum => {
                self.value += x;
                self.variance += v;
            }
            MergeRule::Min | MergeRule::Max => {
                let less = x < self.value;
                if is_first || less == (rule == MergeRule::Min) {
                    self.value = x;
                }
                self.variance = f64::NAN;
            }
        }
    }

    /// Value, weight and variance of all tiles.
    fn finish(&self, rule: MergeRule) -> [f32; 3] {
        match (self.state, rule) {
            (State::Nothing, _) => [f32::NAN, 0.0, f32::NAN],
            (State::One, _) => self.first,
            (State::Several, MergeRule::Mean) => {
                let value = self.value / self.weight;
                [value as f32, self.weight as f32, (self.variance / (self.weight * self.weight)) as f32]
            }
            (State::Several, _) => [self.value as f32, self.weight as f32, self.variance as f32],
        }
    }
}

/// Merges patches on one thread.
struct Merger<'a> {
    job: &'a MergeJob<'a>,
    cancel: &'a AtomicBool,
    read: ReadScratch,
    /// Per channel.
    sums: Vec<Vec<Sums>>,
    /// The planes of a tile over a window, as [`wanted`] orders them.
    windows: Vec<Vec<f32>>,
    result: PatchResult,
}

/// Planes that are read of a tile, with their channels: SCI, WHT and VAR of each channel first.
fn wanted(channels: usize, depth: DepthPlanes) -> Vec<(ProductPlane, usize)> {
    let floats = [ProductPlane::Sci, ProductPlane::Wht, ProductPlane::Var];
    let rejected = [ProductPlane::RejLo, ProductPlane::RejHi];
    let of_channels = |planes: &[ProductPlane]| -> Vec<(ProductPlane, usize)> {
        (0..channels).flat_map(|channel| planes.iter().map(move |plane| (*plane, channel))).collect()
    };
    let depths =
        (0..ProductPlane::Depth.images(channels, depth)).map(|channel| (ProductPlane::Depth, channel));
    let single = vec![(ProductPlane::Dq, 0)];
    [of_channels(&floats), depths.collect(), single, of_channels(&rejected)].concat()
}

/// Values, weights and variances of a tile's channel over `part` of the mosaic grid as its gauge has them.
fn apply_gauge(
    gauge: &FrameGauge,
    channel: usize,
    part: Region,
    [values, weights, variances]: [&mut [f32]; 3],
) {
    let (gain, offset, surface) = (gauge.gain[channel], gauge.offset[channel], &gauge.surface[channel]);
    if gain != 1.0 {
        let squared = gain * gain;
        for (weight, variance) in weights.iter_mut().zip(variances) {
            *weight = (f64::from(*weight) / squared) as f32;
            *variance = (f64::from(*variance) * squared) as f32;
        }
    }
    if gain == 1.0 && offset == 0.0 && surface.is_zero() {
        // Not even a -0 changes.
        return;
    }
    for (y, row) in (part.y0..).zip(values.chunks_exact_mut(part.width)) {
        let surface = surface.row(y as f64);
        for (x, value) in (part.x0..).zip(row) {
            *value = (gain * f64::from(*value) + (offset + surface.at(x as f64))) as f32;
        }
    }
}

impl<'a> Merger<'a> {
    fn new(job: &'a MergeJob<'a>, cancel: &'a AtomicBool) -> Self {
        Self {
            job,
            cancel,
            read: ReadScratch::default(),
            sums: vec![Vec::new(); job.channels],
            windows: vec![Vec::new(); wanted(job.channels, job.depth).len()],
            result: PatchResult::default(),
        }
    }

    /// Add one tile to the patch; nothing is added where a plane cannot be read.
    fn add(&mut self, tile: &Tile) -> Result<(), FitsError> {
        let patch = self.result.region;
        let Some(part) = tile.region.intersect(&patch) else { return Ok(()) };
        let window = Window {
            x0: (part.x0 - tile.region.x0) as usize,
            y0: (part.y0 - tile.region.y0) as usize,
            width: part.width,
            height: part.height,
        };
        let wanted = wanted(self.job.channels, self.job.depth);
        for ((plane, channel), values) in wanted.iter().zip(&mut self.windows) {
            resize_exact(values, part.area(), 0.0);
            match tile.planes.iter().find(|own| own.plane == *plane) {
                Some(own) => {
                    let (pool, read) = (self.job.pool, &mut self.read);
                    // A depth of all channels is that of each.
                    let image = (*channel).min(own.layout.planes() - 1);
                    read_window(pool, &tile.path, &own.layout, image, window, read, values)?;
                }
                None => values.fill(0.0),
            }
        }
        let planes = self.windows.chunks_exact_mut(3).take(self.job.channels);
        for (channel, planes) in planes.enumerate() {
            if let [values, weights, variances] = planes {
                apply_gauge(&tile.gauge, channel, part, [values, weights, variances]);
            }
        }
        for row in 0..part.height {
            let from = row * part.width..(row + 1) * part.width;
            let to = ((part.y0 - patch.y0) as usize + row) * patch.width + (part.x0 - patch.x0) as usize;
            let to = to..to + part.width;
            for (sums, planes) in self.sums.iter_mut().zip(self.windows.chunks_exact(3)) {
                let [values, weights, variances] = [0, 1, 2].map(|plane| &planes[plane][from.clone()]);
                let stored = values.iter().zip(weights).zip(variances);
                for (sums, ((value, weight), variance)) in sums[to.clone()].iter_mut().zip(stored) {
                    sums.add(self.job.rule, [*value, *weight, *variance]);
                }
            }
            let counts = wanted.iter().zip(&self.windows).skip(3 * self.job.channels);
            for ((plane, channel), values) in counts {
                let target = match plane {
                    ProductPlane::Dq => &mut self.result.quality,
                    ProductPlane::RejLo => &mut self.result.rejected_low[*channel],
                    ProductPlane::RejHi => &mut self.result.rejected_high[*channel],
                    _ => self.result.depth_by_channel.get_mut(*channel).unwrap_or(&mut self.result.depth),
                };
                for (total, own) in target[to.clone()].iter_mut().zip(&values[from.clone()]) {
                    // Counts and bits are whole numbers below 2^24, which a float holds.
                    let own = *own as i32;
                    *total = if *plane == ProductPlane::Dq { *total | own } else { *total + own };
                }
            }
        }
        Ok(())
    }
}

impl PatchWorker for Merger<'_> {
    fn process(&mut self, patch: &Patch) -> Option<Vec<(usize, FitsError)>> {
        let pixels = patch.region.area();
        self.result.reset(patch.region, self.job.channels, pixels, self.job.depth);
        for sums in &mut self.sums {
            sums.clear();
            sums.resize(pixels, Sums::default());
        }
        let mut failures = Vec::new();
        for &index in &patch.sources {
            if self.cancel.load(Ordering::Relaxed) {
                return None;
            }
            if let Err(error) = self.add(&self.job.tiles[index]) {
                failures.push((index, error));
            }
        }
        let result = &mut self.result;
        for (channel, sums) in self.sums.iter().enumerate() {
            for (at, sums) in sums.iter().enumerate() {
                let [value, weight, variance] = sums.finish(self.job.rule);
                result.value[channel][at] = value;
                result.weight[channel][at] = weight;
                result.variance[channel][at] = variance;
            }
        }
        for depths in &result.depth_by_channel {
            for (most, depth) in result.depth.iter_mut().zip(depths) {
                *most = (*most).max(*depth);
            }
        }
        for (bits, depth) in result.quality.iter_mut().zip(&result.depth) {
            *bits = if *depth > 0 { *bits & !dq::NO_DATA } else { *bits | dq::NO_DATA };
        }
        Some(failures)
    }

    fn result(&self) -> &PatchResult {
        &self.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(rule: MergeRule, tiles: &[[f32; 3]]) -> [f32; 3] {
        let mut sums = Sums::default();
        for tile in tiles {
            sums.add(rule, *tile);
        }
        sums.finish(rule)
    }

    const NONE: [f32; 3] = [f32::NAN, 0.0, f32::NAN];

    #[test]
    fn means_are_weighted_and_variances_carried() {
        // By hand: (1*10 + 3*14) / 4, and (1*4 + 9*2) / 16.
        let both = merged(MergeRule::Mean, &[[10.0, 1.0, 4.0], NONE, [14.0, 3.0, 2.0]]);
        assert_eq!(both, [13.0, 4.0, 1.375]);
        assert_eq!(merged(MergeRule::Sum, &[[10.0, 1.0, 4.0], [14.0, 3.0, 2.0]]), [24.0, 4.0, 6.0]);
        let [least, weight, variance] = merged(MergeRule::Min, &[[-3.0, 1.0, 4.0], [-4.0, 3.0, 2.0]]);
        assert!((least, weight) == (-4.0, 4.0) && variance.is_nan());
        assert_eq!(merged(MergeRule::Max, &[[-5.0, 1.0, 4.0], [-4.0, 3.0, 2.0], [-6.0, 1.0, 1.0]])[0], -4.0);
        let [value, _, variance] = merged(MergeRule::Mean, &[[1.0, 1.0, f32::NAN], [2.0, 1.0, 2.0]]);
        assert!(value == 1.5 && variance.is_nan(), "what is not known of one is not known of both");
    }

    #[test]
    fn what_a_single_tile_says_is_kept_to_the_bit() {
        let bits = |values: [f32; 3]| values.map(f32::to_bits);
        // Sums in between would lose these.
        for tile in [[0.1, 3e-39, 7.7e37], [-0.0, f32::MAX, f32::NAN], [1e-45, 1.0, 0.0]] {
            for rule in [MergeRule::Mean, MergeRule::Sum, MergeRule::Min, MergeRule::Max] {
                assert_eq!(bits(merged(rule, &[NONE, tile, NONE])), bits(tile));
            }
        }
        assert_eq!(bits(merged(MergeRule::Mean, &[])), bits(NONE));
    }

    #[test]
    fn a_weight_not_above_zero_is_no_data_and_is_not_carried() {
        let bits = |values: [f32; 3]| values.map(f32::to_bits);
        let sound = [10.0, 2.0, 4.0];
        for weight in [f32::NAN, -1.0, 0.0, -0.0, f32::NEG_INFINITY] {
            for odd in [[7.0, weight, 5.0], [f32::NAN, weight, 5.0]] {
                for rule in [MergeRule::Mean, MergeRule::Sum, MergeRule::Min, MergeRule::Max] {
                    assert_eq!(bits(merged(rule, &[odd])), bits(NONE), "{odd:?}");
                    assert_eq!(bits(merged(rule, &[odd, sound, odd])), bits(sound), "{odd:?}");
                }
            }
        }
    }
}
