//! How much more variance a sum over an aperture has than its pixels' variances say.
//!
//! For samples weighted by their relative weights, as a mean over frames does, with white noise in the frame: the
//! covariance of two output pixels is the sum over frame pixels of the products of their weights. Averaged over random
//! phases (and rotations) it depends on their distance only: C(d). An aperture of n x n pixels then has
//! sum over d of (n - |dx|) (n - |dy|) C(d), and its pixels n^2 C(0). For drizzle the limit of large apertures is the
//! square of R of Fruchter & Hook 2002 (PASP 114, 144), equations 9 and 10.

use super::block::{Block, LANES};
use super::kernel::AreaKernel;
use super::quads::Quads;
use super::row::{CornerRows, weigh};

/// Phases per axis over a frame pixel, for output pixels of at least a quarter of one and for smaller ones.
const PHASES: [usize; 2] = [8, 4];
/// Rotations over a quarter turn, at the middles of equal parts.
const ROTATIONS: usize = 5;

/// Rotations of the frame against the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rotations {
    /// Mean over all.
    Mean,
    /// One, in degrees.
    Fixed(f64),
}

/// Variance of the sum over an aperture of `aperture_px` x `aperture_px` output pixels over the sum of the pixels'
/// variances, for one frame at random phase with white noise (or many, all at random phases). Computed by a fixed
/// quadrature over 8 x 8 phases (4 x 4 where output pixels are smaller than a quarter of a frame pixel) and 5 rotations:
/// milliseconds, so compute it once per frame scale.
pub fn area_noise_correlation(kernel: &AreaKernel, rotations: Rotations, aperture_px: usize) -> f64 {
    let angles_deg: Vec<f64> = match rotations {
        Rotations::Mean => (0..ROTATIONS).map(|i| (i as f64 + 0.5) * 90.0 / ROTATIONS as f64).collect(),
        Rotations::Fixed(angle_deg) => vec![angle_deg],
    };
    // Output pixels farther apart than this share no frame pixel: diagonals of both.
    let lags = (1.42 + 1.42 / kernel.scale_ratio()).ceil() as usize;
    let side = 2 * lags + 1;
    let phases = PHASES[usize::from(kernel.scale_ratio() < 0.25)];
    // Rows of lags from the middle one on; C(d) = C(-d).
    let mut covariance = vec![0.0; (lags + 1) * side];
    let mut lattice = Lattice::new(kernel, lags);
    for angle_deg in angles_deg {
        for phase in 0..phases * phases {
            let [px, py] = [phase % phases, phase / phases].map(|p| (p as f64 + 0.5) / phases as f64);
            lattice.add(kernel, angle_deg.to_radians().sin_cos(), [px, py], &mut covariance);
        }
    }
    let n = aperture_px.max(1) as f64;
    let overlap = |lag: usize| (n - lag as f64).max(0.0);
    let total: f64 = covariance
        .iter()
        .enumerate()
        .map(|(k, c)| {
            let (x, y) = ((k % side).abs_diff(lags), k / side);
            let sides = if y == 0 { 1.0 } else { 2.0 };
            sides * overlap(x) * overlap(y) * c
        })
        .sum();
    total / (n * n * covariance[lags])
}

/// Output pixels around one, with their weights on a patch of the frame.
struct Lattice {
    lags: usize,
    quads: Quads,
    block: Block,
    /// Weights of the middle output pixel on the patch.
    patch: Vec<f64>,
    /// Side of the patch in frame pixels; frame pixel (0, 0) is its middle.
    patch_side: usize,
    rows: [Vec<f64>; 4],
}

impl Lattice {
    fn new(kernel: &AreaKernel, lags: usize) -> Self {
        let patch_side = 2 * (kernel.margin_px() + 2) + 1;
        Self {
            lags,
            quads: Quads::new(),
            block: Block::new(),
            patch: vec![0.0; patch_side * patch_side],
            patch_side,
            rows: std::array::from_fn(|_| vec![0.0; 2 * lags + 2]),
        }
    }

    /// Add the covariances for the middle output pixel centred at the frame position `phase`.
    fn add(&mut self, kernel: &AreaKernel, (sin, cos): (f64, f64), phase: [f64; 2], covariance: &mut [f64]) {
        let (lags, side, s) = (self.lags, 2 * self.lags + 1, kernel.scale_ratio());
        self.patch.fill(0.0);
        // The middle row first: its middle pixel is what the others are compared with.
        for row in std::iter::once(0).chain(0..=lags) {
            for i in 0..=side {
                let corner = |up: f64| {
                    let (u, v) = ((i as f64 - lags as f64 - 0.5) * s, (row as f64 - 0.5 + up) * s);
                    (phase[0] + cos * u - sin * v, phase[1] + sin * u + cos * v)
                };
                (self.rows[0][i], self.rows[1][i]) = corner(0.0);
                (self.rows[2][i], self.rows[3][i]) = corner(1.0);
            }
            let is_first = self.patch.iter().all(|a| *a == 0.0);
            for start in (0..side).step_by(LANES) {
                let count = LANES.min(side - start);
                let [lower_x, lower_y, upper_x, upper_y] = &self.rows;
                let corners = CornerRows { lower_x, lower_y, upper_x, upper_y };
                weigh(kernel, corners, start, count, &mut self.quads, &mut self.block);
                for k in 0..count {
                    if is_first && start + k == lags {
                        self.keep(k);
                    } else if !is_first {
                        covariance[row * side + start + k] += self.product(k);
                    }
                }
            }
            if is_first && self.patch.iter().all(|a| *a == 0.0) {
                return;
            }
        }
    }

    /// Frame pixels of lane `k`: places on the patch, where they are on it, and weights.
    fn cells(&self, k: usize) -> impl Iterator<Item = (usize, f64)> {
        let half = (self.patch_side / 2) as i64;
        let (column, row) = (self.quads.column[k] as i64, self.quads.row[k] as i64);
        self.block.cells().iter().enumerate().filter_map(move |(c, weights)| {
            let x = column + (c % self.block.wide) as i64 + half;
            let y = row + (c / self.block.wide) as i64 + half;
            let side = self.patch_side as i64;
            let is_on = x >= 0 && y >= 0 && x < side && y < side && weights[k] > 0.0;
            is_on.then(|| ((y * side + x) as usize, weights[k]))
        })
    }

    fn keep(&mut self, k: usize) {
        let cells: Vec<(usize, f64)> = self.cells(k).collect();
        for (at, a) in cells {
            self.patch[at] = a;
        }
    }

    fn product(&self, k: usize) -> f64 {
        self.cells(k).map(|(at, a)| a * self.patch[at]).sum()
    }
}
