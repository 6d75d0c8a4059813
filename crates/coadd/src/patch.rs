//! The grid cut into patches.
//!
//! A patch is as wide as the budget allows, because short rows leave half-filled pages behind that the
//! system must zero; it is computed in columns (see `worker`), because a wide window of a rotated frame
//! takes many rows. A patch that does not fit the budget is split (see `halve`). Patches are
//! visited along a Z-order curve, so that neighbours in time are neighbours on the sky and find their
//! frames' rows still in the page cache. The cut never changes a byte of the product: every decision of
//! the engine is tied to the grid.

use zemosaic_image::Region;

use crate::budget::{COLUMN_WIDTH, MemoryBudget, patch_cost};
use crate::error::CoaddError;
use crate::options::CoaddOptions;
use crate::source::Source;

/// Base shapes, largest first; 4096 pixels are 16 KiB of a float plane.
const BASE_SHAPES: [(usize, usize); 5] = [(4096, 256), (2048, 256), (1024, 256), (1024, 128), (1024, 64)];
/// A shape must give each worker this many patches, so that all end at about the same time.
const PATCHES_PER_WORKER: usize = 4;
/// Narrowest patch worth the overhead.
const MIN_WIDTH: usize = 64;

/// A task of the engine, addressable by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Index in the plan.
    pub id: usize,
    /// Where on the grid.
    pub region: Region,
    /// Indices of the sources whose bounds touch it, in frame order.
    pub sources: Vec<usize>,
}

/// All patches of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchPlan {
    /// In the order they are visited.
    pub patches: Vec<Patch>,
    /// The largest memory any one patch is expected to take, bytes.
    pub peak_patch_bytes: u64,
    /// Frame pixels that all patches together read, overlaps of windows counted each time.
    pub read_pixels: u64,
    /// Grid pixels onto which sources are warped, each source counted, from bounding boxes.
    pub warped_pixels: u64,
}

/// Cut the grid of `width` x `height` pixels so that every patch fits a worker's share of the budget.
///
/// # Errors
/// [`CoaddError::Memory`] if even the smallest patch does not fit.
pub fn plan_patches(
    width: usize,
    height: usize,
    sources: &[Source],
    channels: usize,
    options: &CoaddOptions,
    budget: MemoryBudget,
) -> Result<PatchPlan, CoaddError> {
    let all: Vec<usize> = (0..sources.len()).collect();
    plan_region(Region { x0: 0, y0: 0, width, height }, &all, sources, channels, options, budget)
}

/// As [`plan_patches`], for a part of the grid and the sources `members` (indices into `sources`, in frame order): a
/// master tile. Patches are placed on the whole grid.
///
/// # Errors
/// [`CoaddError::Memory`] if even the smallest patch does not fit.
pub fn plan_region(
    region: Region,
    members: &[usize],
    sources: &[Source],
    channels: usize,
    options: &CoaddOptions,
    budget: MemoryBudget,
) -> Result<PatchPlan, CoaddError> {
    let mut planner = Planner {
        sources,
        channels,
        options,
        budget,
        patches: Vec::new(),
        peak: 0,
        read_pixels: 0,
        warped_pixels: 0,
    };
    for patch in base_patches(region, budget.workers) {
        planner.split(patch, members)?;
    }
    Ok(PatchPlan {
        patches: planner.patches,
        peak_patch_bytes: planner.peak,
        read_pixels: planner.read_pixels,
        warped_pixels: planner.warped_pixels,
    })
}

/// A part of the grid in patches of one shape, along the Z-order curve: the largest that gives `workers` enough of them.
pub(crate) fn base_patches(region: Region, workers: usize) -> Vec<Region> {
    let Region { width, height, .. } = region;
    let wanted = PATCHES_PER_WORKER * workers;
    let [.., smallest] = BASE_SHAPES;
    let shape = BASE_SHAPES
        .into_iter()
        .find(|(w, h)| width.div_ceil(*w) * height.div_ceil(*h) >= wanted)
        .unwrap_or(smallest);
    let mut bases = Vec::new();
    for y in (0..height).step_by(shape.1) {
        for x in (0..width).step_by(shape.0) {
            let patch = Region {
                x0: region.x0 + x as i64,
                y0: region.y0 + y as i64,
                width: shape.0.min(width - x),
                height: shape.1.min(height - y),
            };
            bases.push((z_order(x / shape.0, y / shape.1), patch));
        }
    }
    bases.sort_by_key(|(order, _)| *order);
    bases.into_iter().map(|(_, patch)| patch).collect()
}

struct Planner<'a> {
    sources: &'a [Source],
    channels: usize,
    options: &'a CoaddOptions,
    budget: MemoryBudget,
    patches: Vec<Patch>,
    peak: u64,
    read_pixels: u64,
    warped_pixels: u64,
}

impl Planner<'_> {
    fn split(&mut self, region: Region, candidates: &[usize]) -> Result<(), CoaddError> {
        let touching: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|&index| self.sources[index].bounds.intersect(&region).is_some())
            .collect();
        let contributors: Vec<&Source> = touching.iter().map(|&index| &self.sources[index]).collect();
        let cost = patch_cost(region, &contributors, self.channels, self.options);
        let needed = cost.bytes;
        let share = self.budget.per_worker_bytes(self.sources);
        if needed <= share {
            self.peak = self.peak.max(needed);
            self.read_pixels += cost.read_pixels;
            self.warped_pixels += cost.warped_pixels;
            self.patches.push(Patch { id: self.patches.len(), region, sources: touching });
            return Ok(());
        }
        let Some(halves) = halve(region) else {
            let fixed = self.budget.total_bytes - share.min(self.budget.total_bytes);
            return Err(CoaddError::Memory {
                budget_bytes: self.budget.total_bytes,
                needed_bytes: needed * self.budget.workers as u64 + fixed,
                threads: self.budget.workers,
                contributors: touching.len(),
            });
        };
        for half in halves {
            self.split(half, &touching)?;
        }
        Ok(())
    }
}

/// Two halves of a patch: across its width down to one column, then across its longer side, because the
/// window of a rotated frame is least for a square.
pub(crate) fn halve(region: Region) -> Option<[Region; 2]> {
    let Region { x0, y0, width, height } = region;
    if width > COLUMN_WIDTH || (width > MIN_WIDTH && width >= height) {
        let first = (width / 2).next_multiple_of(16);
        Some([
            Region { width: first, ..region },
            Region { x0: x0 + first as i64, width: width - first, ..region },
        ])
    } else if height > 1 {
        let first = height / 2;
        Some([
            Region { height: first, ..region },
            Region { y0: y0 + first as i64, height: height - first, ..region },
        ])
    } else {
        None
    }
}

/// Position along the Z-order (Morton) curve.
fn z_order(column: usize, row: usize) -> u64 {
    let spread = |value: usize| (0..32).fold(0_u64, |bits, i| bits | (((value as u64 >> i) & 1) << (2 * i)));
    spread(column) | (spread(row) << 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_ends_and_covers() {
        let mut work = vec![Region { x0: 0, y0: 0, width: 1000, height: 300 }];
        let mut area = 0;
        while let Some(region) = work.pop() {
            match halve(region) {
                Some(halves) => work.extend(halves),
                None => area += region.area(),
            }
        }
        assert_eq!(area, 300_000);
    }

    #[test]
    fn z_order_visits_each_quarter_before_the_next() {
        let mut cells: Vec<(usize, usize)> = (0..16).map(|i| (i % 4, i / 4)).collect();
        cells.sort_by_key(|(x, y)| z_order(*x, *y));
        assert_eq!(&cells[..4], &[(0, 0), (1, 0), (0, 1), (1, 1)]);
    }
}
