//! The memory governor: how much there is, and what a patch needs of it.

use zemosaic_image::Region;
use zemosaic_stack::streams;

use crate::options::CoaddOptions;
use crate::source::Source;
use crate::window::WindowScratch;

/// A fixed budget shared by all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes the whole process may take.
    pub total_bytes: u64,
    /// Worker threads.
    pub workers: usize,
}

/// What the program itself takes before any pixel is read: code, tables, thread stacks, write buffers.
const BASE_BYTES: u64 = 40 << 20;
/// Share of the rest that patches may plan with; allocator slack takes its part.
const PLANNED_SHARE: f64 = 0.85;

impl MemoryBudget {
    /// Bytes one worker may plan with when `sources` take part.
    pub fn per_worker_bytes(&self, sources: &[Source]) -> u64 {
        let fixed = BASE_BYTES + sources.iter().map(|source| source.kept_bytes).sum::<u64>();
        let rest = self.total_bytes.saturating_sub(fixed);
        (rest as f64 * PLANNED_SHARE) as u64 / self.workers.max(1) as u64
    }
}

/// Memory that can be taken now without swapping: what the system calls available, or less when a
/// control group allows less. `None` where neither can be read.
pub fn available_memory_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = meminfo.lines().find_map(|line| {
        let rest = line.strip_prefix("MemAvailable:")?;
        rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
    })?;
    Some(available.min(cgroup_free_bytes().unwrap_or(u64::MAX)))
}

fn cgroup_free_bytes() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let pairs = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    pairs.iter().find_map(|(limit, used)| Some(read(limit)?.saturating_sub(read(used)?)))
}

/// Distance between the frames of a block, in pixels: a multiple of 16, and not a multiple of a page,
/// so that the same pixel of all frames does not fall into one cache set.
pub fn block_stride(pixels: usize) -> usize {
    let padded = pixels.next_multiple_of(16);
    if padded.is_multiple_of(1024) { padded + 16 } else { padded }
}

/// Whether samples of all frames must be held until the last one is in.
pub fn needs_block(options: &CoaddOptions) -> bool {
    !streams(options.combine, &options.reject)
}

/// Bytes of a sample in a block: value, variance factor, and a weight where samples have their own.
fn sample_bytes(contributors: &[&Source]) -> usize {
    if contributors.iter().any(|source| source.weighs_samples) { 12 } else { 8 }
}

/// What a patch takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PatchCost {
    /// Bytes of one worker, all buffers together.
    pub bytes: u64,
    /// Frame pixels that are read, from all contributors together.
    pub read_pixels: u64,
    /// Grid pixels in the bounds of each contributor, summed.
    pub warped_pixels: u64,
}

/// Cost of the patch `region` with these contributors.
pub fn patch_cost(
    region: Region,
    contributors: &[&Source],
    channels: usize,
    options: &CoaddOptions,
) -> PatchCost {
    // value, weight, variance, two rejection counts, a byte of the noise clip per channel (with its depth in CFA drizzle);
    // depth, quality, and depth of a channel
    let is_raw = contributors.iter().any(|source| source.frame.raw_cfa().is_some());
    let per_channel = if is_raw { 25 } else { 21 };
    let outputs = |region: Region| (block_stride(region.area()) * (channels * per_channel + 12)) as u64;
    let columns = columns_of(region);
    let mut total = PatchCost::default();
    for column in &columns {
        let over: Vec<&Source> =
            contributors.iter().copied().filter(|source| source.bounds.intersect(column).is_some()).collect();
        let stride = block_stride(column.area());
        let samples =
            if needs_block(options) { over.len() * stride * sample_bytes(&over) } else { stride * 32 };
        let windows: Vec<(usize, usize)> = over.iter().map(|source| window_size(source, *column)).collect();
        let largest = over.iter().zip(&windows).map(|(source, size)| window_bytes(source, *size)).max();
        let bytes = (channels * samples) as u64 + outputs(*column) + largest.unwrap_or(0);
        total.bytes = total.bytes.max(bytes);
        let parts = over.iter().filter_map(|source| source.bounds.intersect(column));
        total.warped_pixels += parts.map(|part| part.area() as u64).sum::<u64>();
        total.read_pixels += windows.iter().map(|(width, height)| (width * height) as u64).sum::<u64>();
    }
    if columns.len() > 1 {
        total.bytes += outputs(region);
    }
    total
}

/// Width of the columns in which a patch is computed, pixels.
pub(crate) const COLUMN_WIDTH: usize = 1024;

/// A patch in columns, left to right.
pub fn columns_of(region: Region) -> Vec<Region> {
    (0..region.width)
        .step_by(COLUMN_WIDTH)
        .map(|x| Region { x0: region.x0 + x as i64, width: COLUMN_WIDTH.min(region.width - x), ..region })
        .collect()
}

/// Bytes for reading a window of `source`.
fn window_bytes(source: &Source, (width, height): (usize, usize)) -> u64 {
    let around = 2 * source.frame.halo_px().max(1);
    WindowScratch::bytes_for(source, (width + around) * (height + around), height + around) as u64
}

/// Width and height of the frame window that `region` needs, from its mapped corners and a margin.
fn window_size(source: &Source, region: Region) -> (usize, usize) {
    let (frame_width, frame_height) = source.frame.plane_size();
    let Some(part) = region.intersect(&source.bounds) else { return (0, 0) };
    let (x0, y0) = (part.x0 as f64, part.y0 as f64);
    let (x1, y1) = (x0 + part.width as f64, y0 + part.height as f64);
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for (x, y) in [(x0, y0), (x1, y0), (x0, y1), (x1, y1)] {
        let Some((u, v)) = source.map.exact(x, y) else { return (frame_width, frame_height) };
        low = [low[0].min(u), low[1].min(v)];
        high = [high[0].max(u), high[1].max(v)];
    }
    let margin = 2.0 * source.resampler.margin_px() as f64 + 4.0;
    let extent = |axis: usize, limit: usize| {
        let inside = high[axis].min(limit as f64) - low[axis].max(0.0);
        ((inside.max(0.0) * 1.02 + margin).ceil() as usize).min(limit)
    };
    (extent(0, frame_width), extent(1, frame_height))
}
