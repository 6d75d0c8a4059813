//! The memory governor: how much there is, and what a patch needs of it.

use zemosaic_frames::PixelScratch;
use zemosaic_image::Region;
use zemosaic_stack::{Combine, RejectMethod};

use crate::options::CoaddOptions;
use crate::source::Source;

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
/// Kept per source all through a run: frame record, maps, tables.
const BYTES_PER_SOURCE: u64 = 48 << 10;
/// Share of the rest that patches may plan with; allocator slack takes its part.
const PLANNED_SHARE: f64 = 0.85;

impl MemoryBudget {
    /// Bytes one worker may plan with when `sources` frames take part.
    pub fn per_worker_bytes(&self, sources: usize) -> u64 {
        let fixed = BASE_BYTES + BYTES_PER_SOURCE * sources as u64;
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
    options.combine != Combine::Mean || options.reject.method != RejectMethod::None
}

/// Bytes one worker takes for `region` with these contributors, all buffers together.
pub fn patch_bytes(region: Region, contributors: &[&Source], channels: usize, options: &CoaddOptions) -> u64 {
    let pixels = region.area();
    let stride = block_stride(pixels);
    let samples = if needs_block(options) { contributors.len() * stride * 8 } else { stride * 32 };
    // value, weight, variance, two rejection counts per channel; depth, quality, flags
    let outputs = stride * (channels * 20 + 9);
    let window = contributors.iter().map(|source| window_bytes(source, region)).max().unwrap_or(0);
    (channels * samples + outputs) as u64 + window
}

/// Frame pixels that are read for `region` from all contributors together.
pub fn window_pixels(region: Region, contributors: &[&Source]) -> u64 {
    contributors
        .iter()
        .map(|source| {
            let (width, height) = window_size(source, region);
            (width * height) as u64
        })
        .sum()
}

/// Bytes for reading the window of `source` that `region` needs.
fn window_bytes(source: &Source, region: Region) -> u64 {
    let frame = &source.frame;
    let (width, height) = window_size(source, region);
    let pixels = (width + 2) * (height + 2);
    let row_bytes = frame.layout.row_bytes() as usize;
    PixelScratch::bytes_for(frame.kind, pixels, row_bytes, height + 2) as u64
}

/// Width and height of the frame window that `region` needs, from its mapped corners and a margin.
fn window_size(source: &Source, region: Region) -> (usize, usize) {
    let frame = &source.frame;
    let Some(part) = region.intersect(&source.bounds) else { return (0, 0) };
    let (x0, y0) = (part.x0 as f64, part.y0 as f64);
    let (x1, y1) = (x0 + part.width as f64, y0 + part.height as f64);
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for (x, y) in [(x0, y0), (x1, y0), (x0, y1), (x1, y1)] {
        let Some((u, v)) = source.map.exact(x, y) else { return (frame.width, frame.height) };
        low = [low[0].min(u), low[1].min(v)];
        high = [high[0].max(u), high[1].max(v)];
    }
    let margin = 2.0 * source.kernel.margin_px() as f64 + 4.0;
    let extent = |axis: usize, limit: usize| {
        let inside = high[axis].min(limit as f64) - low[axis].max(0.0);
        ((inside.max(0.0) * 1.02 + margin).ceil() as usize).min(limit)
    };
    (extent(0, frame.width), extent(1, frame.height))
}
