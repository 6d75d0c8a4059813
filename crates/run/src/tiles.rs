//! Which frames make which master tile, and where it lies on the mosaic grid: planned from headers alone, so that
//! `zemosaic plan` prints what the run makes.

use std::collections::HashMap;
use std::path::PathBuf;

use zemosaic_coadd::Source;
use zemosaic_frames::{Frame, time};
use zemosaic_image::Region;
use zemosaic_sky::{ClusterFrame, Grid, cluster_frames, grid_bounds};

use crate::error::RunError;
use crate::layout::Layout;
use crate::options::{MosaicRequest, RunCommand};

/// A frame by file and id, which preparing does not change.
type FrameKey = (PathBuf, String);

fn key_of(frame: &Frame) -> FrameKey {
    (frame.path.clone(), frame.id.clone())
}

/// A planned master tile.
#[derive(Debug, Clone)]
pub struct TilePlan {
    /// Its number, from 1; the name of its file.
    pub number: usize,
    /// Its frames, in frame order.
    frames: Vec<FrameKey>,
    /// Its cut-out of the mosaic grid as far as headers tell.
    pub region: Region,
}

impl TilePlan {
    /// Frames of its group.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Whether the frame of this file and id is one of them.
    pub fn holds(&self, path: &std::path::Path, id: &str) -> bool {
        self.frames.iter().any(|(own, own_id)| own == path && own_id == id)
    }
}

/// The planned tiles of a run; none for a run without.
#[derive(Debug, Clone, Default)]
pub struct TilesPlan {
    /// By number.
    pub tiles: Vec<TilePlan>,
    /// Below this angle frames belong together, degrees.
    pub threshold_deg: Option<f64>,
    /// Bytes of all tiles on disk.
    pub bytes: u64,
}

impl TilesPlan {
    /// Pixels of all tiles.
    pub fn pixels(&self) -> u64 {
        self.tiles.iter().map(|tile| tile.region.area() as u64).sum()
    }
}

/// The tiles of `layout` as `request` wants them; `plane_bytes` are the bytes of a pixel of all planes.
///
/// # Errors
/// A frame without an outline on the sky, which the layout would have left out.
pub fn plan_tiles(layout: &Layout, request: &MosaicRequest, plane_bytes: u64) -> Result<TilesPlan, RunError> {
    if !request.makes_tiles() {
        return Ok(TilesPlan::default());
    }
    let (groups, threshold_deg) = if request.run_command == RunCommand::Stack {
        (vec![(0..layout.frames.len()).collect()], None)
    } else {
        let frames: Result<Vec<ClusterFrame>, RunError> = layout.frames.iter().map(cluster_frame).collect();
        let clusters = cluster_frames(&frames?, &request.options.cluster);
        (clusters.groups, Some(clusters.threshold_deg))
    };
    let tiles: Vec<TilePlan> = groups
        .into_iter()
        .enumerate()
        .map(|(index, group)| {
            let group: Vec<&Frame> = group.into_iter().map(|at: usize| &layout.frames[at]).collect();
            let bounds = group.iter().filter_map(|frame| bounds_of(frame, &layout.grid));
            TilePlan {
                number: index + 1,
                region: bounds.reduce(around).unwrap_or_default(),
                frames: group.iter().map(|frame| key_of(frame)).collect(),
            }
        })
        .collect();
    let frames = layout.frames.len() as u64;
    let mut plan = TilesPlan { tiles, threshold_deg, bytes: 0 };
    plan.bytes = plan.pixels() * plane_bytes + (frames << 10) + ((plan.tiles.len() as u64) << 17);
    Ok(plan)
}

fn cluster_frame(frame: &Frame) -> Result<ClusterFrame, RunError> {
    let taken = frame.meta.date_obs.as_deref().and_then(time::parse).map(time::mjd);
    ClusterFrame::of(&frame.wcs, frame.width, frame.height, taken)
        .map_err(|error| RunError::Grid(format!("{}: {error}", frame.id)))
}

fn bounds_of(frame: &Frame, grid: &Grid) -> Option<Region> {
    grid_bounds(grid, &frame.wcs, frame.width, frame.height)
}

/// The least rectangle round both.
fn around(a: Region, b: Region) -> Region {
    let (x0, y0) = (a.x0.min(b.x0), a.y0.min(b.y0));
    let (x1, y1) = (a.x1().max(b.x1()), a.y1().max(b.y1()));
    Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize }
}

/// A tile whose frames are placed on the grid.
#[derive(Debug, Clone)]
pub struct TileJob {
    /// Its number.
    pub number: usize,
    /// Frames of its group.
    pub frames: usize,
    /// Indices of its sources, in frame order; none when all of its frames were left out.
    pub members: Vec<usize>,
    /// Its cut-out of the mosaic grid: what its sources touch.
    pub region: Region,
}

/// The tiles of `plan` with the sources that are left of them.
pub fn tile_jobs(plan: &TilesPlan, sources: &[Source]) -> Vec<TileJob> {
    let index_of: HashMap<FrameKey, usize> =
        sources.iter().enumerate().map(|(index, source)| (key_of(&source.frame), index)).collect();
    let job = |tile: &TilePlan| {
        let mut members: Vec<usize> =
            tile.frames.iter().filter_map(|key| index_of.get(key)).copied().collect();
        members.sort_unstable();
        let region = members.iter().map(|index| sources[*index].bounds).reduce(around).unwrap_or_default();
        TileJob { number: tile.number, frames: tile.frames(), members, region }
    };
    plan.tiles.iter().map(job).collect()
}
