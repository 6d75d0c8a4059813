//! The part of the grid that a frame can touch.

use zemosaic_image::Region;

use crate::footprint::boundary;
use crate::grid::Grid;
use crate::wcs::Wcs;

/// Sampling step along the frame's edges.
const STEP_PX: f64 = 64.0;
/// Added on every side: covers the curvature between samples.
const PAD_PX: f64 = 2.0;

/// Bounding box of a frame on the grid, clipped to the grid; conservative. `None` where they share nothing.
///
/// Where a part of the frame's outline cannot be shown on the grid (behind the tangent plane), the box is the whole grid
/// unless no grid position falls on the frame at all.
pub fn grid_bounds(grid: &Grid, source: &Wcs, width: usize, height: usize) -> Option<Region> {
    let to_grid = source.link_to(&grid.wcs).ok()?;
    let (w, h) = (width as f64, height as f64);
    let steps = |length: f64| ((length / STEP_PX).ceil() as usize).max(1);
    let mut bounds = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY];
    let mut missing = false;
    let mut found = false;
    if grid.wcs.has_seam() && pole_seen(grid, source, w, h) {
        return Some(whole(grid));
    }
    let jump_px = 90.0 / grid.wcs.scale_deg();
    let mut last: Option<(f64, f64)> = None;
    for (x, y) in boundary(w, h, steps(w), steps(h)) {
        let on_grid = source.pixel_to_native(x, y).and_then(|n| source.carry(&to_grid, &grid.wcs, &n));
        match on_grid {
            Some((gx, gy)) => {
                found = true;
                // Across the seam of a map the box says nothing.
                let far = last.is_some_and(|(lx, ly): (f64, f64)| (lx - gx).hypot(ly - gy) > jump_px);
                missing |= grid.wcs.has_seam() && far;
                last = Some((gx, gy));
                bounds = [bounds[0].min(gx), bounds[1].max(gx), bounds[2].min(gy), bounds[3].max(gy)];
            }
            None => missing = true,
        }
    }
    if missing {
        return (found || frame_seen(grid, source, w, h)).then(|| whole(grid));
    }
    let region = Region {
        x0: (bounds[0] - PAD_PX).floor().max(-1e15) as i64,
        y0: (bounds[2] - PAD_PX).floor().max(-1e15) as i64,
        width: side(bounds[0], bounds[1]),
        height: side(bounds[2], bounds[3]),
    };
    region.intersect(&whole(grid)).filter(|r| !r.is_empty())
}

fn side(low: f64, high: f64) -> usize {
    ((high + PAD_PX).ceil() - (low - PAD_PX).floor() + 1.0).min(1e15) as usize
}

fn whole(grid: &Grid) -> Region {
    Region { x0: 0, y0: 0, width: grid.width, height: grid.height }
}

/// True when the frame holds a native pole of the grid, round which the outline runs without showing it.
fn pole_seen(grid: &Grid, source: &Wcs, w: f64, h: f64) -> bool {
    let Ok(link) = grid.wcs.link_to(source) else { return false };
    [1.0, -1.0].into_iter().any(|z| {
        grid.wcs
            .carry(&link, source, &[0.0, 0.0, z])
            .is_some_and(|(x, y)| x >= -0.5 && y >= -0.5 && x < w && y < h)
    })
}

/// True when a sample position of the grid falls on the frame.
fn frame_seen(grid: &Grid, source: &Wcs, w: f64, h: f64) -> bool {
    const SAMPLES: usize = 16;
    let Ok(to_source) = grid.wcs.link_to(source) else { return false };
    let along = |i: usize, n: usize| (n as f64) * i as f64 / SAMPLES as f64 - 0.5;
    (0..=SAMPLES).any(|j| {
        (0..=SAMPLES).any(|i| {
            grid.wcs
                .pixel_to_native(along(i, grid.width), along(j, grid.height))
                .and_then(|n| grid.wcs.carry(&to_source, source, &n))
                .is_some_and(|(x, y)| x >= -0.5 && y >= -0.5 && x < w && y < h)
        })
    })
}
