//! Exact overlaps on the sphere, for pixels so large that straight lines in the frame's plane are not great circles and
//! the areas of the frame's pixels differ: above some 20 arcsec, as in reproject_exact (and Montage's mProject).

use zemosaic_image::Region;

use super::apply::{Sums, found};
use super::kernel::reach_px;
use super::row::{AreaRow, CornerRows, check};
use super::sphere_polygon::{Side, Vector, area, clip};
use crate::warp::SourceWindow;

/// Overlaps below this share of the output pixel count as none.
const MIN_SHARE: f64 = 1e-10;
/// Corners may be this far (in units of the output pixel's area) on the wrong side of an edge.
const STRAIGHT: f64 = 1e-9;
/// Smallest area of an output pixel, steradian.
const MIN_AREA_SR: f64 = 1e-24;

/// Unit vectors of the corners of a row of output pixels, in the order of [`CornerRows`]; NaN off the sky.
#[derive(Debug, Clone, Copy)]
pub struct SphereRows<'a> {
    /// Lower corners.
    pub lower: &'a [[f64; 3]],
    /// Upper corners.
    pub upper: &'a [[f64; 3]],
}

/// Exact area kernel on the sphere for a window of one frame; keeps the corners of frame pixels that it has asked for.
#[derive(Debug, Clone)]
pub struct SphereArea {
    reach_px: f64,
    region: Region,
    /// Unit vectors of the lower left corners of the region's pixels, one row and column more than those.
    vectors: Vec<Vector>,
    is_known: Vec<bool>,
}

impl SphereArea {
    /// For windows of `region`. `scale_ratio`: side of an output pixel in frame pixels, the largest in the frame;
    /// output pixels much larger than that give no data.
    pub fn new(scale_ratio: f64, region: Region) -> Self {
        let corners = (region.width + 1) * (region.height + 1);
        Self {
            reach_px: reach_px(scale_ratio),
            region,
            vectors: vec![[f64::NAN; 3]; corners],
            is_known: vec![false; corners],
        }
    }

    /// Pixels beyond the pixel of an output pixel's centre that its sample can touch, along each axis.
    pub fn margin_px(&self) -> usize {
        self.reach_px.ceil() as usize + 2
    }

    /// Sample planes of one frame over a row of output pixels; arguments, rules and panics as for
    /// [`super::area_row`]. `corners` tell which frame pixels come into question; `sky` are the same corners on the
    /// sphere; `pixel_corner(x, y)` is the unit vector of a frame position (whole numbers less a half), in the same
    /// frame of reference.
    pub fn row(
        &mut self,
        windows: &[SourceWindow<'_>],
        noise: Option<&[f32]>,
        corners: CornerRows<'_>,
        sky: SphereRows<'_>,
        pixel_corner: &mut dyn FnMut(f64, f64) -> Option<[f64; 3]>,
        outs: &mut [AreaRow<'_>],
    ) {
        let n = corners.pixels().min(sky.lower.len().min(sky.upper.len()).saturating_sub(1));
        check(windows, noise, n, outs);
        let Some(first) = windows.first() else { return };
        assert!(first.region == self.region, "the region that this was made for");
        let mut overlaps = Vec::new();
        for i in 0..n {
            let quad = corners.quad(i);
            let sky = [sky.lower[i], sky.lower[i + 1], sky.upper[i + 1], sky.upper[i]];
            if !self.overlaps(&quad, sky, pixel_corner, &mut overlaps) {
                for out in outs.iter_mut() {
                    out.none(i, 0);
                }
                continue;
            }
            let bound = |axis: usize, far: f64, pick: fn(f64, f64) -> f64| {
                quad.iter().map(|p| p[axis]).fold(far, pick)
            };
            let bounds = [
                bound(0, f64::INFINITY, f64::min),
                bound(1, f64::INFINITY, f64::min),
                bound(0, f64::NEG_INFINITY, f64::max),
                bound(1, f64::NEG_INFINITY, f64::max),
            ];
            let middle = middle(&quad);
            for (window, out) in windows.iter().zip(outs.iter_mut()) {
                let mut sums = Sums::default();
                for &(column, row, share) in &overlaps {
                    sums.add(window, noise, (column, row), share);
                }
                sums.write(i, 1.0, found(bounds, middle, window, &sums), noise, out);
            }
        }
    }

    /// Frame pixels of the region with the shares of the output pixel that they cover; false where no sample is
    /// possible.
    fn overlaps(
        &mut self,
        quad: &[[f64; 2]; 4],
        mut sky: [Vector; 4],
        pixel_corner: &mut dyn FnMut(f64, f64) -> Option<[f64; 3]>,
        out: &mut Vec<(i64, i64, f64)>,
    ) -> bool {
        out.clear();
        let m = middle(quad);
        let far = |p: &[f64; 2]| (p[0] - m[0]).abs().max((p[1] - m[1]).abs());
        // Not `far > reach`: NaN must end here.
        if !quad.iter().all(|p| far(p) <= self.reach_px) {
            return false;
        }
        let own = area(&sky);
        if own < 0.0 {
            sky.reverse();
        }
        let own = own.abs();
        let sides = [0, 1, 2, 3].map(|e| Side::left_of(&sky[e], &sky[(e + 1) % 4]));
        let is_convex = sides.iter().all(|side| sky.iter().all(|p| side.height(p) >= -STRAIGHT * own));
        if !(own > MIN_AREA_SR && is_convex) {
            return false;
        }
        // One pixel more on each side: great circles bulge.
        let range = |axis: usize, first: i64, end: i64| {
            let (low, high) = quad
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
            ((low + 0.5).floor() as i64 - 1).max(first)..((high + 0.5).floor() as i64 + 2).min(end)
        };
        let (mut polygon, mut next) = (Vec::with_capacity(8), Vec::with_capacity(8));
        for row in range(1, self.region.y0, self.region.y1()) {
            for column in range(0, self.region.x0, self.region.x1()) {
                let around = [(0, 0), (1, 0), (1, 1), (0, 1)];
                polygon.clear();
                polygon.extend(around.map(|(i, j)| self.corner(column + i, row + j, pixel_corner)));
                for side in &sides {
                    clip(&polygon, side, &mut next);
                    std::mem::swap(&mut polygon, &mut next);
                    if polygon.is_empty() {
                        break;
                    }
                }
                let share = area(&polygon).abs() / own;
                // False for NaN: a frame pixel off the sky is not met.
                if share > MIN_SHARE {
                    out.push((column, row, share));
                }
            }
        }
        true
    }

    /// The lower left corner of a frame pixel.
    fn corner(
        &mut self,
        column: i64,
        row: i64,
        pixel_corner: &mut dyn FnMut(f64, f64) -> Option<[f64; 3]>,
    ) -> Vector {
        let (x, y) = ((column - self.region.x0) as usize, (row - self.region.y0) as usize);
        let k = y * (self.region.width + 1) + x;
        if !self.is_known[k] {
            self.vectors[k] = pixel_corner(column as f64 - 0.5, row as f64 - 0.5).unwrap_or([f64::NAN; 3]);
            self.is_known[k] = true;
        }
        self.vectors[k]
    }
}

fn middle(quad: &[[f64; 2]; 4]) -> [f64; 2] {
    [0, 1].map(|k| 0.25 * ((quad[0][k] + quad[2][k]) + (quad[1][k] + quad[3][k])))
}
