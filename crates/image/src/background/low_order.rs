//! A low-order surface instead of the mesh: a polynomial through the cells of sky, objects masked. It takes gradients of
//! moonlight and twilight and leaves nebulae, as long as enough sky is seen around them.
//!
//! Terms are products of Legendre polynomials P_i(u) P_j(v), i + j <= order, u and v from -1 to 1 over the frame. Two steps:
//!
//! 1. Weighted least squares in rounds with one-sided weights: 1 below the surface, Tukey's (c = 3) above it, in units of
//!    the scatter below, so that the surface sinks to the sky whatever stands on it.
//! 2. Cells more than `clip_sigma` above it are objects, with the `dilate_cells` around them; cells more than 4 sigma below
//!    are left out alone. Plain least squares through the rest, and again, until the mask stays.
//!
//! The polynomial is stored as the nodes of a spline with its own exact second derivatives, from edge to edge of the frame:
//! up to third order the spline is the polynomial, of fourth order within h^4 / 384 of its fourth derivative.

use super::mesh::{Mesh, median};
use super::surface::{Background, Node};

/// Highest order.
pub const MOST_ORDER: usize = 4;
/// Rounds of both steps.
const SINK_ROUNDS: usize = 30;
const MASK_ROUNDS: usize = 20;
/// Tukey's limit of the first step, sigma.
const SINK_SIGMA: f64 = 3.0;
/// Cells so far below the surface are no sky either.
const LOW_SIGMA: f64 = 4.0;
/// Cells that must remain, as a share, and for each term.
const LEAST_SHARE: f64 = 0.15;
const LEAST_PER_TERM: usize = 2;
/// Standard error of a cell's mode over sigma / root of its pixels.
const MODE_ERROR: f64 = 2.14;
/// MAD to standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Options of a low-order surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowOrderOptions {
    /// 1 (plane) to 4; less where the mesh has too few cells.
    pub order: usize,
    /// Cells so far above the surface are objects, in standard deviations of the cells below it.
    pub clip_sigma: f64,
    /// Cells around an object that are masked too.
    pub dilate_cells: usize,
}

impl Default for LowOrderOptions {
    fn default() -> Self {
        Self { order: 1, clip_sigma: 2.5, dilate_cells: 1 }
    }
}

/// A surface, and what it is made of.
#[derive(Debug, Clone)]
pub struct LowOrder {
    /// To be subtracted as the mesh is.
    pub background: Background,
    /// Cells with data, and those of them that were masked.
    pub cells: usize,
    /// Masked.
    pub masked: usize,
}

/// The surface of `options.order` through the mesh of `background`, of a frame of `width` x `height` pixels; `None` where the
/// mesh has too few cells of sky for it.
pub fn low_order(
    background: &Background,
    (width, height): (usize, usize),
    options: &LowOrderOptions,
) -> Option<LowOrder> {
    let mesh = background.mesh();
    let frame = Frame { size: [width as f64, height as f64] };
    let cells = mesh.good.iter().filter(|good| **good).count();
    let order = options.order.clamp(1, MOST_ORDER);
    let fit = Fit::new(mesh, &frame, order);
    if fit.terms.len() < (order + 1) * (order + 2) / 2 {
        return None;
    }
    let (coefficients, kept) = fit.run(options)?;
    let kept_cells = kept.iter().filter(|kept| **kept).count();
    let scatter = fit.scatter(&coefficients);
    let polynomial = Polynomial { frame, terms: fit.terms, coefficients };
    let made = polynomial.background(mesh, scatter);
    Some(LowOrder { background: made, cells, masked: cells - kept_cells })
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    size: [f64; 2],
}

impl Frame {
    /// -1 to 1 from edge to edge along `axis`.
    fn unit(&self, axis: usize, at: f64) -> f64 {
        2.0 * (at + 0.5) / self.size[axis] - 1.0
    }
}

/// Legendre polynomials P_0 to P_4 and their second derivatives.
fn legendre(u: f64) -> [[f64; 2]; MOST_ORDER + 1] {
    let uu = u * u;
    [
        [1.0, 0.0],
        [u, 0.0],
        [1.5 * uu - 0.5, 3.0],
        [(2.5 * uu - 1.5) * u, 15.0 * u],
        [(4.375 * uu - 3.75) * uu + 0.375, 52.5 * uu - 7.5],
    ]
}

/// The cells of sky to be fitted.
struct Fit {
    size: [usize; 2],
    terms: Vec<[usize; 2]>,
    /// Of every cell the value of each term.
    basis: Vec<f64>,
    values: Vec<f64>,
    good: Vec<bool>,
    /// Standard error of a typical cell.
    least_sigma: f64,
}

impl Fit {
    fn new(mesh: &Mesh, frame: &Frame, order: usize) -> Self {
        let [columns, rows] = mesh.size;
        // A mesh of n cells along an axis says nothing of higher orders along it.
        let pairs = (0..=order).flat_map(|total| (0..=total).map(move |j| [total - j, j]));
        let terms: Vec<[usize; 2]> = pairs.filter(|[i, j]| *i < columns && *j < rows).collect();
        let at = |axis: usize| -> Vec<[[f64; 2]; MOST_ORDER + 1]> {
            mesh.centres[axis].iter().map(|centre| legendre(frame.unit(axis, *centre))).collect()
        };
        let (along_x, along_y) = (at(0), at(1));
        let mut basis = Vec::with_capacity(columns * rows * terms.len());
        for y in &along_y {
            for x in &along_x {
                basis.extend(terms.iter().map(|[i, j]| x[*i][0] * y[*j][0]));
            }
        }
        let pixels = frame.size[0] * frame.size[1] / (columns * rows) as f64;
        let least_sigma = MODE_ERROR * median(&mut mesh.sigmas.clone()) / pixels.sqrt();
        Self {
            size: mesh.size,
            terms,
            basis,
            values: mesh.values.clone(),
            good: mesh.good.clone(),
            least_sigma,
        }
    }

    fn run(&self, options: &LowOrderOptions) -> Option<(Vec<f64>, Vec<bool>)> {
        let mut coefficients = self.sink()?;
        let mut kept = self.good.clone();
        for _ in 0..MASK_ROUNDS {
            let residuals = self.residuals(&coefficients);
            let next = self.sky(&residuals, options);
            let count = next.iter().filter(|kept| **kept).count();
            let least =
                (LEAST_SHARE * self.values.len() as f64).max((LEAST_PER_TERM * self.terms.len()) as f64);
            if next == kept || (count as f64) < least {
                break;
            }
            kept = next;
            let weights: Vec<f64> = kept.iter().map(|kept| if *kept { 1.0 } else { 0.0 }).collect();
            coefficients = self.solve(&weights)?;
        }
        Some((coefficients, kept))
    }

    /// The first step.
    fn sink(&self) -> Option<Vec<f64>> {
        let mut weights: Vec<f64> = self.good.iter().map(|good| if *good { 1.0 } else { 0.0 }).collect();
        let mut coefficients = self.solve(&weights)?;
        for _ in 0..SINK_ROUNDS {
            let residuals = self.residuals(&coefficients);
            let sigma = self.sigma_below(&residuals, &self.good);
            for ((weight, residual), good) in weights.iter_mut().zip(&residuals).zip(&self.good) {
                let share = (residual / (SINK_SIGMA * sigma)).max(0.0);
                *weight = if !*good || share >= 1.0 { 0.0 } else { (1.0 - share * share).powi(2) };
            }
            let Some(next) = self.solve(&weights) else { break };
            let settled = next.iter().zip(&coefficients).all(|(a, b)| (a - b).abs() < 1e-3 * sigma);
            coefficients = next;
            if settled {
                break;
            }
        }
        Some(coefficients)
    }

    /// Scatter of the cells below the surface, about it.
    fn sigma_below(&self, residuals: &[f64], of: &[bool]) -> f64 {
        let below = residuals.iter().zip(of).filter(|(own, of)| **of && **own <= 0.0);
        let mut amounts: Vec<f64> = below.map(|(own, _)| own.abs()).collect();
        let sigma = if amounts.is_empty() { 0.0 } else { MAD_TO_SIGMA * median(&mut amounts) };
        sigma.max(self.least_sigma).max(f64::MIN_POSITIVE)
    }

    /// Cells that are neither objects nor near one.
    fn sky(&self, residuals: &[f64], options: &LowOrderOptions) -> Vec<bool> {
        let sigma = self.sigma_below(residuals, &self.good);
        let [columns, rows] = self.size;
        let mut sky: Vec<bool> =
            self.good.iter().zip(residuals).map(|(good, own)| *good && *own >= -LOW_SIGMA * sigma).collect();
        let reach = options.dilate_cells;
        for (index, own) in residuals.iter().enumerate() {
            if !self.good[index] || *own <= options.clip_sigma * sigma {
                continue;
            }
            let (x, y) = (index % columns, index / columns);
            for j in y.saturating_sub(reach)..(y + reach + 1).min(rows) {
                sky[j * columns + x.saturating_sub(reach)..j * columns + (x + reach + 1).min(columns)]
                    .fill(false);
            }
        }
        sky
    }

    fn residuals(&self, coefficients: &[f64]) -> Vec<f64> {
        let rows = self.basis.chunks_exact(self.terms.len());
        rows.zip(&self.values).map(|(row, value)| value - dot(row, coefficients)).collect()
    }

    /// Root mean square of what the surface leaves of the cells.
    fn scatter(&self, coefficients: &[f64]) -> f64 {
        let residuals = self.residuals(coefficients);
        let (mut sum, mut count) = (0.0, 0.0);
        for (own, _) in residuals.iter().zip(&self.good).filter(|(_, good)| **good) {
            sum += own * own;
            count += 1.0;
        }
        if count > 0.0 { f64::sqrt(sum / count) } else { 0.0 }
    }

    /// Weighted least squares by Cholesky's factor of the normal equations, which these terms make well conditioned; `None`
    /// when the cells do not decide all terms.
    fn solve(&self, weights: &[f64]) -> Option<Vec<f64>> {
        let n = self.terms.len();
        let (mut matrix, mut right) = (vec![0.0; n * n], vec![0.0; n]);
        for ((row, value), weight) in self.basis.chunks_exact(n).zip(&self.values).zip(weights) {
            if *weight == 0.0 {
                continue;
            }
            for i in 0..n {
                right[i] += weight * row[i] * value;
                for j in 0..=i {
                    matrix[i * n + j] += weight * row[i] * row[j];
                }
            }
        }
        let total: f64 = weights.iter().sum();
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
                let rest = matrix[i * n + j] - sum;
                if i > j {
                    matrix[i * n + j] = rest / matrix[j * n + j];
                } else if rest > 1e-6 * total && rest.is_finite() {
                    matrix[i * n + i] = rest.sqrt();
                } else {
                    return None;
                }
            }
        }
        for i in 0..n {
            let sum: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
            right[i] = (right[i] - sum) / matrix[i * n + i];
        }
        for i in (0..n).rev() {
            let sum: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
            right[i] = (right[i] - sum) / matrix[i * n + i];
        }
        Some(right)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

struct Polynomial {
    frame: Frame,
    terms: Vec<[usize; 2]>,
    coefficients: Vec<f64>,
}

impl Polynomial {
    /// Value and second derivatives along x, along y and along both, per pixel.
    fn node(&self, x: f64, y: f64) -> Node {
        let [along_x, along_y] = [(0, x), (1, y)].map(|(axis, at)| legendre(self.frame.unit(axis, at)));
        let scale = self.frame.size.map(|pixels| (2.0 / pixels) * (2.0 / pixels));
        let mut node = [0.0; 4];
        for ([i, j], own) in self.terms.iter().zip(&self.coefficients) {
            let ([p, pp], [q, qq]) = (along_x[*i], along_y[*j]);
            node[0] += own * p * q;
            node[1] += own * pp * q * scale[0];
            node[2] += own * p * qq * scale[1];
            node[3] += own * pp * qq * scale[0] * scale[1];
        }
        node
    }

    /// As a background whose nodes reach from edge to edge, as many as `mesh` has cells and one more.
    fn background(&self, mesh: &Mesh, scatter: f64) -> Background {
        let places = |axis: usize| -> Vec<f64> {
            let (pixels, cells) = (self.frame.size[axis], mesh.size[axis]);
            (0..=cells).map(|k| pixels * k as f64 / cells as f64 - 0.5).collect()
        };
        let centres = [places(0), places(1)];
        let nodes: Vec<Node> =
            centres[1].iter().flat_map(|y| centres[0].iter().map(|x| self.node(*x, *y))).collect();
        let mesh = Mesh {
            size: [centres[0].len(), centres[1].len()],
            values: nodes.iter().map(|node| node[0]).collect(),
            sigmas: vec![median(&mut mesh.sigmas.clone()); nodes.len()],
            bad_cells: mesh.bad_cells,
            good: vec![true; nodes.len()],
            centres,
        };
        Background::with_nodes(mesh, nodes, scatter)
    }
}
