//! Exact positions on nodes of a cell, cubic in between, with a measured error.
//!
//! Between nodes both coordinates follow the tensor product of 4-point Lagrange cubics (two nodes on either side), so the
//! node lattice has one ring outside the cell. The leading error term is largest at the mid-points of a node cell and of
//! its edges; it is measured there, and the pitch is halved for the whole 256 px cell while it is too large. A third of
//! the measured error is added for what terms of higher order do between these points. Cubics instead of straight lines
//! let usual optics pass at 32 px, where bilinear interpolation needs nodes every 4 px and 20 times the time.

use super::{CELL_PX, Core};

/// Node distance to start with.
const FIRST_PITCH_PX: usize = 32;
/// Below this pitch computing every pixel is cheaper than the checks.
const LAST_PITCH_PX: usize = 2;
/// Stated error = measured error times this.
const SAFETY: f64 = 4.0 / 3.0;
/// Rounding of the interpolation itself, in px.
const ROUNDING_PX: f64 = 1e-10;
/// Kernels reach no farther than this beyond the frame.
const REACH_PX: f64 = 16.0;

/// A position; NaN where undefined.
type Point = [f64; 2];
const UNDEFINED: Point = [f64::NAN; 2];

/// Nodes of one cell.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    pitch: usize,
    /// Node cells per side.
    cells: usize,
    /// Positions of the `(cells + 3)^2` nodes, row by row, the outer ring included: x, then y.
    xs: Vec<f64>,
    ys: Vec<f64>,
    /// Node cells that may touch the frame; the others yield NaN.
    near: Vec<bool>,
    error_px: f64,
}

/// Where a run of positions along a row begins and ends, and its place between node rows.
#[derive(Clone, Copy)]
struct Run {
    /// First, counted from the origin of the cell.
    x: usize,
    /// Last.
    last: usize,
    /// Added to all x.
    shift: f64,
    /// Row of node cells.
    j: usize,
    /// Weights of the four node rows.
    wy: [f64; 4],
}

/// Exact positions every half pitch over the closed cell.
struct Lattice {
    step: usize,
    side: usize,
    points: Vec<Point>,
}

fn exact_point(core: &Core, x: f64, y: f64) -> Point {
    core.exact(x, y).map_or(UNDEFINED, |(x, y)| [x, y])
}

impl Lattice {
    /// Positions known from the lattice of twice the step are copied.
    fn new(core: &Core, origin: [usize; 2], step: usize, coarse: Option<&Self>) -> Self {
        let side = CELL_PX / step + 1;
        let mut points = Vec::with_capacity(side * side);
        for j in 0..side {
            for i in 0..side {
                points.push(match coarse {
                    Some(c) if i % 2 == 0 && j % 2 == 0 => c.at(i / 2, j / 2),
                    _ => exact_point(core, (origin[0] + i * step) as f64, (origin[1] + j * step) as f64),
                });
            }
        }
        Self { step, side, points }
    }

    fn at(&self, i: usize, j: usize) -> Point {
        self.points[j * self.side + i]
    }

    /// The 3 x 3 positions of node cell (i, j).
    fn nine(&self, i: usize, j: usize) -> [Point; 9] {
        std::array::from_fn(|k| self.at(2 * i + k % 3, 2 * j + k / 3))
    }

    /// Every second point, and a ring of nodes outside the cell.
    fn nodes(&self, core: &Core, origin: [usize; 2]) -> Nodes {
        let pitch = 2 * self.step;
        let cells = CELL_PX / pitch;
        let side = cells + 3;
        let inside = 1..=cells + 1;
        let mut nodes = Nodes {
            pitch,
            cells,
            xs: Vec::with_capacity(side * side),
            ys: Vec::with_capacity(side * side),
            near: vec![false; cells * cells],
            error_px: 0.0,
        };
        for j in 0..side {
            for i in 0..side {
                let [x, y] = if inside.contains(&i) && inside.contains(&j) {
                    self.at(2 * (i - 1), 2 * (j - 1))
                } else {
                    let at = |origin: usize, k: usize| (origin + k * pitch) as f64 - pitch as f64;
                    exact_point(core, at(origin[0], i), at(origin[1], j))
                };
                nodes.xs.push(x);
                nodes.ys.push(y);
            }
        }
        nodes
    }
}

/// Lagrange weights for a point half way between the middle two of four nodes.
const HALF: [f64; 4] = [-0.0625, 0.5625, 0.5625, -0.0625];

/// Lagrange weights at `t` between the middle two of four nodes at -1, 0, 1, 2.
fn weights(t: f64) -> [f64; 4] {
    let (a, b, c, d) = (t + 1.0, t, t - 1.0, t - 2.0);
    [-b * c * d / 6.0, a * c * d / 2.0, -a * b * d / 2.0, a * b * c / 6.0]
}

/// Box that grows; NaN does not count.
#[derive(Clone, Copy)]
struct Bounds([f64; 4]);

impl Bounds {
    const EMPTY: Self = Self([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]);

    fn with(self, [x, y]: Point) -> Self {
        let b = self.0;
        Self([b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)])
    }

    fn padded(self, by: Point) -> Self {
        let b = self.0;
        Self([b[0] - by[0], b[1] - by[1], b[2] + by[0], b[3] + by[1]])
    }

    fn found(self) -> Option<[f64; 4]> {
        (self.0[0] <= self.0[2]).then_some(self.0)
    }
}

/// Whether a node cell with these nine positions may reach the frame: their box, grown by its own size and the reach of a
/// kernel, meets the frame.
fn may_touch(nine: &[Point; 9], size_px: [f64; 2]) -> bool {
    let Some(b) = nine.iter().fold(Bounds::EMPTY, |b, p| b.with(*p)).found() else { return false };
    let grow = (b[2] - b[0]).max(b[3] - b[1]) + REACH_PX;
    b[2] + grow >= 0.0 && b[3] + grow >= 0.0 && b[0] - grow <= size_px[0] && b[1] - grow <= size_px[1]
}

impl Nodes {
    /// Nodes of the cell at `origin`, or `None` where only exact positions keep the error.
    pub(super) fn build(core: &Core, origin: [usize; 2], max_error_px: f64) -> Option<Self> {
        let mut lattice = Lattice::new(core, origin, FIRST_PITCH_PX / 2, None);
        loop {
            let mut nodes = lattice.nodes(core, origin);
            nodes.error_px = nodes.measure(&lattice, core.size_px) * SAFETY + ROUNDING_PX;
            if nodes.error_px <= max_error_px {
                return Some(nodes);
            }
            if lattice.step <= LAST_PITCH_PX / 2 {
                return None;
            }
            lattice = Lattice::new(core, origin, lattice.step / 2, Some(&lattice));
        }
    }

    /// Marks the node cells near the frame and returns their largest error; infinite when a position there is undefined.
    fn measure(&mut self, lattice: &Lattice, size_px: [f64; 2]) -> f64 {
        let mut worst: f64 = 0.0;
        for j in 0..self.cells {
            for i in 0..self.cells {
                let nine = lattice.nine(i, j);
                if may_touch(&nine, size_px) {
                    self.near[j * self.cells + i] = true;
                    worst = worst.max(self.cell_error(i, j, &nine));
                }
            }
        }
        worst
    }

    /// Largest error at the five check points of node cell (i, j).
    fn cell_error(&self, i: usize, j: usize, nine: &[Point; 9]) -> f64 {
        let checks = [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)];
        checks.into_iter().fold(0.0, |worst: f64, (a, b)| {
            let exact = nine[b * 3 + a];
            let made = self.at_half(2 * i + a, 2 * j + b);
            let error = (exact[0] - made[0]).abs().max((exact[1] - made[1]).abs());
            // An undefined coordinate of either must not pass: max() would skip it.
            let defined = exact.iter().chain(&made).chain(nine.as_flattened()).all(|v| !v.is_nan());
            if defined { worst.max(error) } else { f64::INFINITY }
        })
    }

    /// Interpolated position at half-pitch point (i, j), counted from the origin of the cell.
    fn at_half(&self, i: usize, j: usize) -> Point {
        let axis = |k: usize| -> (usize, [f64; 4]) {
            if k.is_multiple_of(2) { (k / 2, [0.0, 1.0, 0.0, 0.0]) } else { (k / 2, HALF) }
        };
        let ((i0, wx), (j0, wy)) = (axis(i), axis(j));
        let side = self.cells + 3;
        let sum = |v: &[f64]| -> f64 {
            let mut total = 0.0;
            for (b, wb) in wy.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                for (a, wa) in wx.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    total += wb * wa * v[(j0 + b) * side + i0 + a];
                }
            }
            total
        };
        [sum(&self.xs), sum(&self.ys)]
    }

    /// Stated error.
    pub(super) fn error_px(&self) -> f64 {
        self.error_px
    }

    /// Node distance in grid pixels.
    pub(super) fn pitch_px(&self) -> usize {
        self.pitch
    }

    /// Positions of the pixels `(first[0] + i, first[1])`; NaN outside the cell.
    pub(super) fn row(&self, first: [usize; 2], origin: [usize; 2], xs: &mut [f64], ys: &mut [f64]) {
        let inside = |k: usize| first[k].checked_sub(origin[k]).filter(|v| *v < CELL_PX);
        let (Some(x), Some(y)) = (inside(0), inside(1)) else {
            xs.fill(f64::NAN);
            ys.fill(f64::NAN);
            return;
        };
        let j = y / self.pitch;
        let wy = weights((y - j * self.pitch) as f64 * (1.0 / self.pitch as f64));
        let end = |i: usize| (i + 1) * self.pitch;
        self.run(Run { x, last: CELL_PX - 1, shift: 0.0, j, wy }, |x| x / self.pitch, end, xs, ys);
    }

    /// Positions of the corners `(first[0] + i - 0.5, first[1] - 0.5)` of pixels; NaN beyond the corners of the cell's
    /// pixels. The corners half a pixel outside the cell belong to its first node cells, whose stencil reaches a whole
    /// node farther.
    pub(super) fn corner_row(&self, first: [usize; 2], origin: [usize; 2], xs: &mut [f64], ys: &mut [f64]) {
        let inside = |k: usize| first[k].checked_sub(origin[k]).filter(|v| *v <= CELL_PX);
        let (Some(x), Some(y)) = (inside(0), inside(1)) else {
            xs.fill(f64::NAN);
            ys.fill(f64::NAN);
            return;
        };
        // Corner k lies between pixels k - 1 and k.
        let cell = |k: usize| k.saturating_sub(1) / self.pitch;
        let j = cell(y);
        let wy = weights((y as f64 - 0.5 - (j * self.pitch) as f64) * (1.0 / self.pitch as f64));
        let end = |i: usize| (i + 1) * self.pitch + 1;
        self.run(Run { x, last: CELL_PX, shift: -0.5, j, wy }, cell, end, xs, ys);
    }

    /// Positions at `x + shift`, `x + 1 + shift` ... up to `last`, NaN beyond; position x belongs to node cell
    /// `cell(x)`, and `end(i)` is the first that does not belong to node cell i any more.
    #[inline(always)]
    fn run(
        &self,
        run: Run,
        cell: impl Fn(usize) -> usize,
        end: impl Fn(usize) -> usize,
        xs: &mut [f64],
        ys: &mut [f64],
    ) {
        let Run { mut x, last, shift, j, wy } = run;
        let per_px = 1.0 / self.pitch as f64;
        let (mut rest_x, mut rest_y) = (xs, ys);
        while !rest_x.is_empty() && x <= last {
            let i = cell(x);
            let count = rest_x.len().min(end(i) - x);
            let (head_x, tail_x) = rest_x.split_at_mut(count);
            let (head_y, tail_y) = rest_y.split_at_mut(count);
            if self.near[j * self.cells + i] {
                let (px, py) = (self.cubic(&self.xs, i, j, &wy), self.cubic(&self.ys, i, j, &wy));
                let start = x as f64 + shift - (i * self.pitch) as f64;
                for (k, (vx, vy)) in (0_i32..).zip(head_x.iter_mut().zip(head_y.iter_mut())) {
                    let s = (start + f64::from(k)) * per_px;
                    *vx = ((px[3] * s + px[2]) * s + px[1]) * s + px[0];
                    *vy = ((py[3] * s + py[2]) * s + py[1]) * s + py[0];
                }
            } else {
                head_x.fill(f64::NAN);
                head_y.fill(f64::NAN);
            }
            x += count;
            (rest_x, rest_y) = (tail_x, tail_y);
        }
        rest_x.fill(f64::NAN);
        rest_y.fill(f64::NAN);
    }

    /// Coefficients, lowest power first, of the cubic along x through node cell (i, j) at the height of the weights `wy`.
    fn cubic(&self, v: &[f64], i: usize, j: usize, wy: &[f64; 4]) -> [f64; 4] {
        let side = self.cells + 3;
        let f: [f64; 4] = std::array::from_fn(|a| {
            let at = |b: usize| wy[b] * v[(j + b) * side + i + a];
            (at(0) + at(1)) + (at(2) + at(3))
        });
        [
            f[1],
            f[2] - f[1] / 2.0 - f[0] / 3.0 - f[3] / 6.0,
            0.5 * (f[0] + f[2]) - f[1],
            (f[3] - f[0]) / 6.0 + (f[1] - f[2]) / 2.0,
        ]
    }

    /// Box of the positions of the pixels from `first` to `last` (both included).
    ///
    /// In every node cell the bilinear function through its nodes lies between the values at the corners of the covered
    /// rectangle, and the cubic differs from it by at most an eighth of the largest second difference of the stencil along
    /// x plus 5/4 of that along y (5/4 is the Lebesgue constant of the 4-point cubic).
    pub(super) fn bounds(&self, first: [usize; 2], last: [usize; 2], origin: [usize; 2]) -> Option<[f64; 4]> {
        let (low, high) = (
            [0, 1].map(|k| first[k].saturating_sub(origin[k])),
            [0, 1].map(|k| last[k].saturating_sub(origin[k])),
        );
        let cell = |v: usize| (v / self.pitch).min(self.cells - 1);
        let mut found = Bounds::EMPTY;
        for j in cell(low[1])..=cell(high[1]) {
            for i in cell(low[0])..=cell(high[0]) {
                if self.near[j * self.cells + i] {
                    let part = self.cell_bounds([i, j], low, high);
                    if let Some([x0, y0, x1, y1]) = part.found() {
                        found = found.with([x0, y0]).with([x1, y1]);
                    }
                }
            }
        }
        found.found()
    }

    /// Box of node cell `cell`, cut to the pixels from `low` to `high` counted from the origin.
    fn cell_bounds(&self, cell: [usize; 2], low: [usize; 2], high: [usize; 2]) -> Bounds {
        let side = self.cells + 3;
        let node = |i: usize, j: usize| {
            let k = (cell[1] + j) * side + cell[0] + i;
            [self.xs[k], self.ys[k]]
        };
        // Ends of the covered rectangle as fractions of the node cell.
        let ends = [0, 1].map(|k| {
            let start = cell[k] * self.pitch;
            [low[k].max(start), high[k].min(start + self.pitch)]
                .map(|v| (v - start) as f64 / self.pitch as f64)
        });
        let mut found = Bounds::EMPTY;
        for t in ends[1] {
            for s in ends[0] {
                found = found.with([0, 1].map(|k| {
                    let row = |j: usize| node(1, j)[k] + (node(2, j)[k] - node(1, j)[k]) * s;
                    row(1) + (row(2) - row(1)) * t
                }));
            }
        }
        let second = |a: f64, b: f64, c: f64| (a - 2.0 * b + c).abs();
        let pad = [0, 1].map(|k| {
            let (mut along_x, mut along_y) = (0.0_f64, 0.0_f64);
            for a in 0..4 {
                for b in 1..3 {
                    along_x = along_x.max(second(node(b - 1, a)[k], node(b, a)[k], node(b + 1, a)[k]));
                    along_y = along_y.max(second(node(a, b - 1)[k], node(a, b)[k], node(a, b + 1)[k]));
                }
            }
            (along_x + 1.25 * along_y) / 8.0
        });
        found.padded(pad)
    }
}
