//! Exact positions on nodes of a cell, bilinear in between, with a measured error.
//!
//! The error of bilinear interpolation of a quadratic function is largest at the mid-points of a node cell or of its
//! edges, so it is measured there; the pitch is halved for the whole 256 px cell while it is too large. A third of the
//! measured error is added for what terms of higher order do between these points.

use super::{CELL_PX, Core};

/// Node distance to start with.
const FIRST_PITCH_PX: usize = 32;
/// Below this pitch computing every pixel is cheaper than the checks.
const LAST_PITCH_PX: usize = 2;
/// Stated error = measured error times this.
const SAFETY: f64 = 4.0 / 3.0;
/// Kernels reach no farther than this beyond the frame.
const REACH_PX: f64 = 16.0;

/// Nodes of one cell.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    pitch: usize,
    /// Nodes per side.
    side: usize,
    xs: Vec<f64>,
    ys: Vec<f64>,
    error_px: f64,
}

/// Positions on a square lattice; NaN where undefined.
struct Lattice {
    step: usize,
    side: usize,
    xs: Vec<f64>,
    ys: Vec<f64>,
}

impl Lattice {
    /// Exact positions every `step` px over the cell; positions known from the lattice of twice the step are copied.
    fn new(core: &Core, origin: [usize; 2], step: usize, coarse: Option<&Self>) -> Self {
        let side = CELL_PX / step + 1;
        let mut lattice = Self { step, side, xs: vec![f64::NAN; side * side], ys: vec![f64::NAN; side * side] };
        for j in 0..side {
            for i in 0..side {
                let k = j * side + i;
                if let Some(c) = coarse
                    && i % 2 == 0
                    && j % 2 == 0
                {
                    let kc = (j / 2) * c.side + i / 2;
                    (lattice.xs[k], lattice.ys[k]) = (c.xs[kc], c.ys[kc]);
                    continue;
                }
                let (x, y) = ((origin[0] + i * step) as f64, (origin[1] + j * step) as f64);
                if let Some((sx, sy)) = core.exact(x, y) {
                    (lattice.xs[k], lattice.ys[k]) = (sx, sy);
                }
            }
        }
        lattice
    }

    /// Largest deviation from bilinear interpolation between every second point, over the node cells that matter;
    /// infinite when a position that matters is undefined.
    fn deviation_px(&self, size_px: [f64; 2]) -> f64 {
        let mut worst: f64 = 0.0;
        for j in (0..self.side - 1).step_by(2) {
            for i in (0..self.side - 1).step_by(2) {
                if let Some(d) = self.cell_deviation_px(i, j, size_px) {
                    worst = worst.max(d);
                }
            }
        }
        worst
    }

    /// Deviation in the node cell whose lower left node is lattice point (i, j); `None` where it is far from the frame.
    fn cell_deviation_px(&self, i: usize, j: usize, size_px: [f64; 2]) -> Option<f64> {
        let at = |di: usize, dj: usize| {
            let k = (j + dj) * self.side + i + di;
            (self.xs[k], self.ys[k])
        };
        let nine: [(f64, f64); 9] = std::array::from_fn(|k| at(k % 3, k / 3));
        if !may_touch(&nine, size_px) {
            return None;
        }
        let mid = |a: (f64, f64), b: (f64, f64)| (a.0.midpoint(b.0), a.1.midpoint(b.1));
        let miss = |a: (f64, f64), b: (f64, f64)| {
            let d = (a.0 - b.0).abs().max((a.1 - b.1).abs());
            if d.is_nan() || (a.0 + a.1 + b.0 + b.1).is_nan() { f64::INFINITY } else { d }
        };
        let (bottom, top) = (mid(nine[0], nine[2]), mid(nine[6], nine[8]));
        let checks = [
            miss(nine[1], bottom),
            miss(nine[7], top),
            miss(nine[3], mid(nine[0], nine[6])),
            miss(nine[5], mid(nine[2], nine[8])),
            miss(nine[4], mid(bottom, top)),
        ];
        Some(checks.into_iter().fold(0.0, f64::max))
    }

    /// Every second point as nodes.
    fn into_nodes(self, deviation_px: f64) -> Nodes {
        let side = self.side / 2 + 1;
        let thin = |v: &[f64]| {
            (0..side * side).map(|k| v[(2 * (k / side)) * self.side + 2 * (k % side)]).collect::<Vec<_>>()
        };
        Nodes {
            pitch: 2 * self.step,
            side,
            xs: thin(&self.xs),
            ys: thin(&self.ys),
            error_px: deviation_px * SAFETY,
        }
    }
}

/// Whether a node cell with these nine positions may reach the frame: their box, grown by its own size and the reach of a
/// kernel, meets the frame. Undefined positions count as touching when others are near.
fn may_touch(nine: &[(f64, f64); 9], size_px: [f64; 2]) -> bool {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    // f64::min and max skip NaN.
    let b = nine.iter().fold(start, |b, p| [b[0].min(p.0), b[1].min(p.1), b[2].max(p.0), b[3].max(p.1)]);
    if b[0] > b[2] {
        return false;
    }
    let grow = (b[2] - b[0]).max(b[3] - b[1]) + REACH_PX;
    b[2] + grow >= -0.5 && b[3] + grow >= -0.5 && b[0] - grow <= size_px[0] && b[1] - grow <= size_px[1]
}

impl Nodes {
    /// Nodes of the cell at `origin`, or `None` where only exact positions keep the error.
    pub(super) fn build(core: &Core, origin: [usize; 2], max_error_px: f64) -> Option<Self> {
        let mut lattice = Lattice::new(core, origin, FIRST_PITCH_PX / 2, None);
        loop {
            let deviation = lattice.deviation_px(core.size_px);
            if deviation * SAFETY <= max_error_px {
                return Some(lattice.into_nodes(deviation));
            }
            if lattice.step < LAST_PITCH_PX {
                return None;
            }
            lattice = Lattice::new(core, origin, lattice.step / 2, Some(&lattice));
        }
    }

    /// Stated error.
    pub(super) fn error_px(&self) -> f64 {
        self.error_px
    }

    /// Node distance in grid pixels.
    pub(super) fn pitch_px(&self) -> usize {
        self.pitch
    }

    /// Positions of the pixels `(first[0] + i, first[1])`.
    pub(super) fn row(&self, first: [usize; 2], origin: [usize; 2], xs: &mut [f64], ys: &mut [f64]) {
        let Some((mut x, y)) = first[0].checked_sub(origin[0]).zip(first[1].checked_sub(origin[1])) else {
            xs.fill(f64::NAN);
            ys.fill(f64::NAN);
            return;
        };
        let per_px = 1.0 / self.pitch as f64;
        let j = (y / self.pitch).min(self.side - 2);
        let t = (y - j * self.pitch) as f64 * per_px;
        let (lower, upper) = (j * self.side, (j + 1) * self.side);
        let (mut rest_x, mut rest_y) = (xs, ys);
        while !rest_x.is_empty() {
            let i = (x / self.pitch).min(self.side - 2);
            let start = x - i * self.pitch;
            let count = if i + 2 == self.side { rest_x.len() } else { rest_x.len().min(self.pitch - start) };
            let (head_x, tail_x) = rest_x.split_at_mut(count);
            let (head_y, tail_y) = rest_y.split_at_mut(count);
            for (nodes, head) in [(&self.xs, head_x), (&self.ys, head_y)] {
                let lerp = |k: usize| nodes[lower + k] + (nodes[upper + k] - nodes[lower + k]) * t;
                let left = lerp(i);
                let slope = (lerp(i + 1) - left) * per_px;
                let start = start as f64;
                for (k, value) in (0_i32..).zip(head.iter_mut()) {
                    *value = left + slope * (start + f64::from(k));
                }
            }
            x += count;
            (rest_x, rest_y) = (tail_x, tail_y);
        }
    }

    /// Box of the positions of the pixels from `first` to `last` (both included): in every node cell the interpolated
    /// positions lie between those at the corners of the covered rectangle.
    pub(super) fn bounds(&self, first: [usize; 2], last: [usize; 2], origin: [usize; 2]) -> Option<[f64; 4]> {
        let mut found = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let rows = knots(first[1], last[1], origin[1], self.pitch);
        let columns = knots(first[0], last[0], origin[0], self.pitch);
        let (mut px, mut py) = ([0.0], [0.0]);
        for &y in &rows {
            for &x in &columns {
                self.row([x, y], origin, &mut px, &mut py);
                found = [found[0].min(px[0]), found[1].min(py[0]), found[2].max(px[0]), found[3].max(py[0])];
            }
        }
        (found[0] <= found[2]).then_some(found)
    }
}

/// First and last pixel, and the pixels on either side of every node line in between (the function is bilinear up to and
/// including a node line).
fn knots(first: usize, last: usize, origin: usize, pitch: usize) -> Vec<usize> {
    let mut all = vec![first];
    let mut line = origin + (first.saturating_sub(origin) / pitch + 1) * pitch;
    while line <= last {
        all.push(line);
        line += pitch;
    }
    all.push(last);
    all
}

/// Box of exact positions from `first` to `last`: samples on a lattice that is refined until bilinear interpolation is
/// good to a quarter pixel, padded by what that leaves; every pixel where that fails.
pub(super) fn exact_bounds(core: &Core, first: [usize; 2], last: [usize; 2]) -> Option<[f64; 4]> {
    let mut step = FIRST_PITCH_PX;
    loop {
        let (found, deviation) = sampled_bounds(core, first, last, step);
        let pad = 2.0 * deviation;
        if deviation <= 0.25 || step == 1 {
            let pad = if step == 1 { 0.0 } else { pad };
            return found.map(|b| [b[0] - pad, b[1] - pad, b[2] + pad, b[3] + pad]);
        }
        step /= 2;
    }
}

/// Box of the positions every `step` px (first and last included) and the largest deviation of a sample from the mean of
/// its two neighbours along its row or column; infinite where some samples are undefined.
fn sampled_bounds(core: &Core, first: [usize; 2], last: [usize; 2], step: usize) -> (Option<[f64; 4]>, f64) {
    let axis = |k: usize| -> Vec<usize> {
        let mut v: Vec<usize> = (first[k]..last[k]).step_by(step).collect();
        v.push(last[k]);
        v
    };
    let (columns, rows) = (axis(0), axis(1));
    let points: Vec<Option<(f64, f64)>> = rows
        .iter()
        .flat_map(|&y| columns.iter().map(move |&x| (x, y)))
        .map(|(x, y)| core.exact(x as f64, y as f64))
        .collect();
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let found = points
        .iter()
        .flatten()
        .fold(start, |b, p| [b[0].min(p.0), b[1].min(p.1), b[2].max(p.0), b[3].max(p.1)]);
    let mut deviation: f64 = if points.iter().all(Option::is_some) { 0.0 } else { f64::INFINITY };
    let n = columns.len();
    for (j, &y) in rows.iter().enumerate() {
        for (i, &x) in columns.iter().enumerate() {
            let mut check = |k: Option<usize>, mx: f64, my: f64| {
                let Some(Some(b)) = k.map(|k| points[k]) else { return };
                let (Some(a), Some(m)) = (points[j * n + i], core.exact(mx, my)) else {
                    deviation = f64::INFINITY;
                    return;
                };
                deviation = deviation.max((a.0.midpoint(b.0) - m.0).abs()).max((a.1.midpoint(b.1) - m.1).abs());
            };
            let (x_mid, y_mid) = (
                columns.get(i + 1).map_or(0.0, |&b| (x as f64).midpoint(b as f64)),
                rows.get(j + 1).map_or(0.0, |&b| (y as f64).midpoint(b as f64)),
            );
            check((i + 1 < n).then_some(j * n + i + 1), x_mid, y as f64);
            check((j + 1 < rows.len()).then_some((j + 1) * n + i), x as f64, y_mid);
        }
    }
    ((found[0] <= found[2]).then_some(found), deviation)
}
