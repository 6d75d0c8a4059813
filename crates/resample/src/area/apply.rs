//! From weights to samples: the sums over the frame's pixels, for each plane.
//!
//! All sums run over the block row by row in f64. Where the block lies in the window and no pixel is NaN, the sums of
//! the weights serve all planes; everything else takes the careful path, which leaves out pixels but keeps the order, so
//! that zero weights of a larger block change nothing.

use super::block::Block;
use super::quads::Quads;
use super::row::AreaRow;
use crate::flags;
use crate::warp::SourceWindow;

/// Corners this far outside the frame are rounding, not an edge.
const EDGE_PX: f64 = 1e-9;

/// Samples of the `count` output pixels from `start` on.
#[inline(always)]
pub(super) fn apply(
    quads: &Quads,
    block: &Block,
    start: usize,
    count: usize,
    windows: &[SourceWindow<'_>],
    noise: Option<&[f32]>,
    outs: &mut [AreaRow<'_>],
) {
    for k in 0..count {
        let i = start + k;
        if quads.area[k] == 0.0 {
            for out in outs.iter_mut() {
                out.none(i, 0);
            }
            continue;
        }
        let region = windows[0].region;
        let (column, row) = (quads.column[k] as i64, quads.row[k] as i64);
        let (x, y) = (column - region.x0, row - region.y0);
        let fits = x >= 0
            && y >= 0
            && x + block.wide as i64 <= region.width as i64
            && y + block.high as i64 <= region.height as i64;
        let (factor, weight, per_sum) = (block.factor[k], block.weight[k], block.per_sum[k]);
        for (window, out) in windows.iter().zip(outs.iter_mut()) {
            if fits {
                let first = y as usize * region.width + x as usize;
                let value = (sum(block, k, window.data, first, region.width) * per_sum) as f32;
                if !value.is_nan() {
                    (out.value[i], out.variance_factor[i], out.weight[i]) = (value, factor, weight);
                    out.flags[i] = flags::INSIDE;
                    if let Some(plane) = &mut out.noise {
                        plane[i] = noise.map_or(f32::NAN, |noise| {
                            (squares(block, k, noise, first, region.width) / block.squares[k]) as f32
                        });
                    }
                    continue;
                }
            }
            careful(quads, block, k, i, window, noise, out);
        }
    }
}

/// Sum of a x.
#[inline(always)]
fn sum(block: &Block, k: usize, data: &[f32], first: usize, stride: usize) -> f64 {
    match block.wide {
        2 => sum_of::<2>(block, k, data, first, stride),
        3 => sum_of::<3>(block, k, data, first, stride),
        4 => sum_of::<4>(block, k, data, first, stride),
        _ => {
            let (cells, wide) = (block.cells(), block.wide);
            let mut sum = 0.0;
            for j in 0..block.high {
                let (weights, pixels) = (&cells[j * wide..][..wide], &data[first + j * stride..][..wide]);
                for (a, pixel) in weights.iter().zip(pixels) {
                    sum += a[k] * f64::from(*pixel);
                }
            }
            sum
        }
    }
}

/// The same, in the same order, for blocks of a fixed width.
#[inline(always)]
fn sum_of<const WIDE: usize>(block: &Block, k: usize, data: &[f32], first: usize, stride: usize) -> f64 {
    let (rows, _) = block.cells().as_chunks::<WIDE>();
    let mut sum = 0.0;
    for (j, weights) in rows.iter().enumerate() {
        let Some(pixels) = data[first + j * stride..].first_chunk::<WIDE>() else { return f64::NAN };
        for i in 0..WIDE {
            sum += weights[i][k] * f64::from(pixels[i]);
        }
    }
    sum
}

/// Sum of a^2 r.
#[inline(always)]
fn squares(block: &Block, k: usize, noise: &[f32], first: usize, stride: usize) -> f64 {
    let mut sum = 0.0;
    let (cells, wide) = (block.cells(), block.wide);
    for j in 0..block.high {
        let (weights, pixels) = (&cells[j * wide..][..wide], &noise[first + j * stride..][..wide]);
        for (a, r) in weights.iter().zip(pixels) {
            sum += a[k] * a[k] * f64::from(*r);
        }
    }
    sum
}

/// Sums over the good pixels of a list of weights.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) value: f64,
    pub(super) weight: f64,
    pub(super) squares: f64,
    pub(super) noise: f64,
    /// Some weight lies in the frame.
    pub(super) met: bool,
    /// Some pixel in the frame that has weight is NaN.
    pub(super) masked: bool,
}

impl Sums {
    /// Add frame pixel (`column`, `row`) with a weight above 0; whether it is good.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        window: &SourceWindow<'_>,
        noise: Option<&[f32]>,
        (column, row): (i64, i64),
        a: f64,
    ) -> bool {
        if !window.in_frame(column, row) {
            return false;
        }
        self.met = true;
        let pixel = window.at(column, row);
        if pixel.is_nan() {
            self.masked = true;
            return false;
        }
        self.value += a * f64::from(pixel);
        self.weight += a;
        self.squares += a * a;
        if let Some(noise) = noise {
            let (x, y) = ((column - window.region.x0) as usize, (row - window.region.y0) as usize);
            self.noise += a * a * f64::from(noise[y * window.region.width + x]);
        }
        true
    }

    /// Write the sample into place `i`; `share` as in [`Block`], `found` are the flags.
    pub(super) fn write(
        &self,
        i: usize,
        share: f64,
        found: u8,
        has_noise: Option<&[f32]>,
        out: &mut AreaRow<'_>,
    ) {
        if self.weight <= 0.0 {
            out.none(i, found);
            return;
        }
        // As in the fast path: times the inverse.
        let per_sum = 1.0 / self.weight;
        out.value[i] = (self.value * per_sum) as f32;
        out.variance_factor[i] = (self.squares * (per_sum * per_sum)) as f32;
        out.weight[i] = (self.weight * share) as f32;
        out.flags[i] = found;
        if let Some(plane) = &mut out.noise {
            plane[i] = has_noise.map_or(f32::NAN, |_| (self.noise / self.squares) as f32);
        }
    }
}

/// One plane of one output pixel, pixel by pixel.
#[inline(never)]
fn careful(
    quads: &Quads,
    block: &Block,
    k: usize,
    i: usize,
    window: &SourceWindow<'_>,
    noise: Option<&[f32]>,
    out: &mut AreaRow<'_>,
) {
    let (column, row) = (quads.column[k] as i64, quads.row[k] as i64);
    let mut sums = Sums::default();
    for (j, weights) in block.cells().chunks_exact(block.wide).enumerate() {
        for (c, a) in weights.iter().enumerate() {
            if a[k] > 0.0 {
                sums.add(window, noise, (column + c as i64, row + j as i64), a[k]);
            }
        }
    }
    let found = found(quads.bounds.map(|b| b[k]), quads.middle.map(|m| m[k]), window, &sums);
    sums.write(i, block.share[k], found, noise, out);
}

/// Flags of an output pixel with this box and middle.
pub(super) fn found(bounds: [f64; 4], middle: [f64; 2], window: &SourceWindow<'_>, sums: &Sums) -> u8 {
    let (right, top) = (window.frame_width as f64 - 0.5, window.frame_height as f64 - 0.5);
    let is_centred = middle[0] >= -0.5 && middle[1] >= -0.5 && middle[0] < right && middle[1] < top;
    if !(is_centred || sums.met) {
        return 0;
    }
    let outside = bounds[0] < -0.5 - EDGE_PX
        || bounds[1] < -0.5 - EDGE_PX
        || bounds[2] > right + EDGE_PX
        || bounds[3] > top + EDGE_PX;
    let edge = if outside { flags::EDGE } else { 0 };
    let masked = if sums.masked { flags::MASKED } else { 0 };
    flags::INSIDE | edge | masked
}
