//! The normal equations of one round after the objects are eliminated (the Schur complement of bundle adjustment; Triggs et al.
//! 2000, LNCS 1883, 298, section 6): S x = b with x the six corrections of every frame and the terms of every instrument.

use rayon::prelude::*;

use super::distortion::{MAX_TERMS, terms};
use super::options::AdjustOptions;
use super::problem::{Linear, Problem};
use super::robust::Weights;

/// Unknowns of a frame.
pub(super) const POSE: usize = 6;
/// How well starts are known, pixels: of frames that hang on catalogue stars (which hold them far better), and of others, whose mean
/// pose nothing else holds.
const START_SIGMA_PX: f64 = 50.0;
const FREE_START_SIGMA_PX: f64 = 3.0;
/// Distortions are not larger than some of these, pixels.
const DISTORTION_SIGMA_PX: f64 = 20.0;
/// Weight that keeps objects without any other finite.
const LEAST_WEIGHT: f64 = 1e-6;
/// Unknowns of an instrument at most.
const MOST: usize = 2 * MAX_TERMS;

/// The system of a round.
pub(super) struct System<'a> {
    problem: &'a Problem,
    linear: &'a [Linear],
    weights: &'a Weights,
    /// Inverse 2 x 2 blocks of objects (xx, xy, yy).
    inverse: Vec<[f64; 3]>,
    /// Gradient of objects.
    gradient: Vec<[f64; 2]>,
    /// Weight and present value of what the priors hold, by unknown.
    prior: Vec<(f64, f64)>,
    /// First unknown of each instrument, and the number of all.
    pub(super) start: Vec<usize>,
}

/// Columns of a sight: derivative of (x, y) with the six unknowns of its frame.
pub(super) fn pose_columns(d: [f64; 2], radius_px: f64) -> [[f64; 2]; POSE] {
    let [px, py] = d.map(|k| k / radius_px);
    [[1.0, 0.0], [0.0, 1.0], [px, py], [-py, px], [px, -py], [py, px]]
}

impl<'a> System<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        linear: &'a [Linear],
        weights: &'a Weights,
        options: &AdjustOptions,
    ) -> Self {
        let blocks: Vec<([f64; 3], [f64; 2])> = (0..problem.objects.len())
            .into_par_iter()
            .map(|o| object_block(problem, linear, weights, o))
            .collect();
        let (inverse, gradient) = blocks.into_iter().unzip();
        let mut start = vec![POSE * problem.frames.len()];
        for instrument in &problem.instruments {
            start.push(start[start.len() - 1] + 2 * terms(instrument.solved_order));
        }
        let mut system = Self { problem, linear, weights, inverse, gradient, prior: Vec::new(), start };
        system.prior = system.priors(options);
        system
    }

    /// Number of unknowns.
    pub(super) fn len(&self) -> usize {
        self.start[self.start.len() - 1]
    }

    fn priors(&self, options: &AdjustOptions) -> Vec<(f64, f64)> {
        let mut prior = Vec::with_capacity(self.len());
        for (frame, anchored) in self.problem.frames.iter().zip(&self.problem.anchored) {
            let start_px = if *anchored { START_SIGMA_PX } else { FREE_START_SIGMA_PX };
            let start = 1.0 / (start_px * start_px);
            let instrument = &self.problem.instruments[frame.instrument];
            let (pose, r) = (&frame.pose, instrument.shape.radius_px);
            let held = |sigma: f64| 1.0 / (sigma * r * sigma * r);
            let scale = r * (pose.scale_rad / instrument.scale_rad).ln() + pose.small[2];
            prior.extend([
                (start, pose.small[0] - pose.start_shift_px[0]),
                (start, pose.small[1] - pose.start_shift_px[1]),
                (held(options.scale_sigma), scale),
                (start, pose.turned_px),
                (held(options.shear_sigma), pose.small[4]),
                (held(options.shear_sigma), pose.small[5]),
            ]);
        }
        let weight = 1.0 / (DISTORTION_SIGMA_PX * DISTORTION_SIGMA_PX);
        for instrument in &self.problem.instruments {
            for axis in &instrument.distortion.coefficients {
                prior.extend(axis.iter().take(terms(instrument.solved_order)).map(|c| (weight, *c)));
            }
        }
        prior
    }

    /// V^-1 v of an object.
    fn object_solve(&self, object: usize, v: [f64; 2]) -> [f64; 2] {
        let [xx, xy, yy] = self.inverse[object];
        [xx * v[0] + xy * v[1], xy * v[0] + yy * v[1]]
    }

    /// J^T w v of a sight.
    fn to_object(&self, s: usize, v: [f64; 2]) -> [f64; 2] {
        let (slope, w) = (&self.linear[s].slope, self.weights.sights[s]);
        [0, 1].map(|k| w * (slope[0][k] * v[0] + slope[1][k] * v[1]))
    }

    /// J y of a sight.
    fn of_object(&self, s: usize, y: [f64; 2]) -> [f64; 2] {
        self.linear[s].slope.map(|row| row[0] * y[0] + row[1] * y[1])
    }

    /// What unknowns do to every sight, pixels.
    pub(super) fn forward(&self, x: &[f64]) -> Vec<[f64; 2]> {
        let problem = self.problem;
        problem
            .sights
            .par_iter()
            .map(|sight| {
                let frame = sight.frame as usize;
                let index = problem.frames[frame].instrument;
                let instrument = &problem.instruments[index];
                let columns = pose_columns(sight.d, instrument.shape.radius_px);
                let mut out = [0.0; 2];
                for (column, x) in columns.iter().zip(&x[POSE * frame..POSE * (frame + 1)]) {
                    out[0] += column[0] * x;
                    out[1] += column[1] * x;
                }
                let count = terms(instrument.solved_order);
                if count > 0 {
                    let basis = instrument.shape.basis(sight.d);
                    let own = &x[self.start[index]..self.start[index + 1]];
                    for k in 0..2 {
                        out[k] += basis
                            .iter()
                            .zip(&own[k * count..(k + 1) * count])
                            .map(|(b, c)| b * c)
                            .sum::<f64>();
                    }
                }
                out
            })
            .collect()
    }

    /// G^T w (v - J y) of all unknowns, `v` by sight, `y` by object.
    fn gather(&self, v: impl Fn(usize) -> [f64; 2] + Sync, y: &[[f64; 2]]) -> Vec<f64> {
        let problem = self.problem;
        let parts: Vec<([f64; POSE], [f64; MOST])> = (0..problem.frames.len())
            .into_par_iter()
            .map(|frame| {
                let instrument = problem.instrument_of(frame);
                let count = terms(instrument.solved_order);
                let (mut pose, mut shared) = ([0.0; POSE], [0.0; MOST]);
                for s in problem.of_frame(frame) {
                    let sight = &problem.sights[s];
                    let (v, of) = (v(s), self.of_object(s, y[sight.object as usize]));
                    let w = self.weights.sights[s];
                    let r = [w * (v[0] - of[0]), w * (v[1] - of[1])];
                    let columns = pose_columns(sight.d, instrument.shape.radius_px);
                    for (sum, column) in pose.iter_mut().zip(columns) {
                        *sum += column[0] * r[0] + column[1] * r[1];
                    }
                    if count > 0 {
                        let basis = instrument.shape.basis(sight.d);
                        for (k, b) in basis.iter().take(count).enumerate() {
                            shared[k] += b * r[0];
                            shared[count + k] += b * r[1];
                        }
                    }
                }
                (pose, shared)
            })
            .collect();
        let mut out = vec![0.0; self.len()];
        for (frame, (pose, shared)) in parts.iter().enumerate() {
            out[POSE * frame..POSE * (frame + 1)].copy_from_slice(pose);
            let index = problem.frames[frame].instrument;
            let own = &mut out[self.start[index]..self.start[index + 1]];
            own.iter_mut().zip(shared).for_each(|(sum, part)| *sum += part);
        }
        out
    }

    /// S x.
    pub(super) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let moved = self.forward(x);
        let y = self.objects_after(|o| {
            self.problem.of_object(o).iter().fold([0.0; 2], |sum, &s| {
                let part = self.to_object(s as usize, moved[s as usize]);
                [sum[0] + part[0], sum[1] + part[1]]
            })
        });
        let mut out = self.gather(|s| moved[s], &y);
        for ((out, x), (weight, _)) in out.iter_mut().zip(x).zip(&self.prior) {
            *out += weight * x;
        }
        out
    }

    fn objects_after(&self, sum: impl Fn(usize) -> [f64; 2] + Sync) -> Vec<[f64; 2]> {
        (0..self.problem.objects.len()).into_par_iter().map(|o| self.object_solve(o, sum(o))).collect()
    }

    /// b.
    pub(super) fn right(&self) -> Vec<f64> {
        let y = self.objects_after(|o| self.gradient[o]);
        let mut out = self.gather(|s| self.linear[s].residual, &y);
        for (out, (weight, value)) in out.iter_mut().zip(&self.prior) {
            *out -= weight * value;
        }
        out
    }

    /// Steps of the objects that go with x.
    pub(super) fn object_steps(&self, x: &[f64]) -> Vec<[f64; 2]> {
        let moved = self.forward(x);
        self.objects_after(|o| {
            let g = self.gradient[o];
            self.problem.of_object(o).iter().fold([-g[0], -g[1]], |sum, &s| {
                let part = self.to_object(s as usize, moved[s as usize]);
                [sum[0] + part[0], sum[1] + part[1]]
            })
        })
    }

    /// The entries of one object in the normal equations: unknown, its column J^T w G, sorted by unknown; `only` unknowns from
    /// this one on.
    pub(super) fn coupling(&self, object: usize, from: usize) -> Vec<(usize, [f64; 2])> {
        let mut out: Vec<(usize, [f64; 2])> = Vec::new();
        let shared_from = self.start[0];
        let mut shared = vec![[0.0; 2]; self.len() - shared_from];
        for &s in self.problem.of_object(object) {
            let s = s as usize;
            if self.weights.sights[s] == 0.0 {
                continue;
            }
            let sight = &self.problem.sights[s];
            let frame = sight.frame as usize;
            let index = self.problem.frames[frame].instrument;
            let instrument = &self.problem.instruments[index];
            if from == 0 {
                let columns = pose_columns(sight.d, instrument.shape.radius_px);
                out.extend(
                    columns.iter().enumerate().map(|(k, c)| (POSE * frame + k, self.to_object(s, *c))),
                );
            }
            let count = terms(instrument.solved_order);
            if count > 0 {
                let basis = instrument.shape.basis(sight.d);
                for (k, b) in basis.iter().take(count).enumerate() {
                    for (axis, v) in [[*b, 0.0], [0.0, *b]].into_iter().enumerate() {
                        let part = self.to_object(s, v);
                        let sum = &mut shared[self.start[index] - shared_from + axis * count + k];
                        *sum = [sum[0] + part[0], sum[1] + part[1]];
                    }
                }
            }
        }
        let acts = |(_, v): &(usize, [f64; 2])| *v != [0.0; 2];
        out.extend(shared.into_iter().enumerate().map(|(k, v)| (shared_from + k, v)).filter(acts));
        out
    }

    /// The part of S of one frame (exact: an object is seen once in a frame).
    pub(super) fn frame_block(&self, frame: usize) -> nalgebra::SMatrix<f64, POSE, POSE> {
        let mut block = nalgebra::SMatrix::<f64, POSE, POSE>::zeros();
        let radius_px = self.problem.instrument_of(frame).shape.radius_px;
        for s in self.problem.of_frame(frame) {
            let w = self.weights.sights[s];
            let sight = &self.problem.sights[s];
            let columns = pose_columns(sight.d, radius_px);
            let to = columns.map(|c| self.to_object(s, c));
            let solved = to.map(|v| self.object_solve(sight.object as usize, v));
            for i in 0..POSE {
                for j in 0..POSE {
                    let direct = w * (columns[i][0] * columns[j][0] + columns[i][1] * columns[j][1]);
                    block[(i, j)] += direct - (to[i][0] * solved[j][0] + to[i][1] * solved[j][1]);
                }
            }
        }
        for i in 0..POSE {
            block[(i, i)] += self.prior[POSE * frame + i].0;
        }
        block
    }

    /// Adds the parts of S that come from unknowns `from` on, without the objects' (the weights of the sights and priors).
    pub(super) fn add_direct(&self, matrix: &mut nalgebra::DMatrix<f64>, from: usize) {
        for (s, sight) in self.problem.sights.iter().enumerate() {
            let w = self.weights.sights[s];
            if w == 0.0 {
                continue;
            }
            let frame = sight.frame as usize;
            let index = self.problem.frames[frame].instrument;
            let instrument = &self.problem.instruments[index];
            let count = terms(instrument.solved_order);
            let mut columns: Vec<(usize, [f64; 2])> = Vec::with_capacity(POSE + 2 * count);
            if from == 0 {
                let pose = pose_columns(sight.d, instrument.shape.radius_px);
                columns.extend(pose.iter().enumerate().map(|(k, c)| (POSE * frame + k, *c)));
            }
            if count > 0 {
                let basis = instrument.shape.basis(sight.d);
                let at = self.start[index];
                columns.extend(basis.iter().take(count).enumerate().map(|(k, b)| (at + k, [*b, 0.0])));
                columns
                    .extend(basis.iter().take(count).enumerate().map(|(k, b)| (at + count + k, [0.0, *b])));
            }
            for (i, a) in &columns {
                for (j, b) in &columns {
                    if j <= i {
                        matrix[(i - from, j - from)] += w * (a[0] * b[0] + a[1] * b[1]);
                    }
                }
            }
        }
        for i in from..self.len() {
            matrix[(i - from, i - from)] += self.prior[i].0;
        }
    }

    /// Takes the objects' part off the lower triangle.
    pub(super) fn take_objects(&self, matrix: &mut nalgebra::DMatrix<f64>, from: usize) {
        for object in 0..self.problem.objects.len() {
            let columns = self.coupling(object, from);
            let solved: Vec<[f64; 2]> = columns.iter().map(|(_, v)| self.object_solve(object, *v)).collect();
            for ((j, _), solved) in columns.iter().zip(&solved) {
                for (i, v) in columns.iter().rev().take_while(|(i, _)| i >= j) {
                    matrix[(i - from, j - from)] -= v[0] * solved[0] + v[1] * solved[1];
                }
            }
        }
    }
}

/// Inverse of V = sum w J^T J + ties, and the gradient, of an object.
fn object_block(
    problem: &Problem,
    linear: &[Linear],
    weights: &Weights,
    object: usize,
) -> ([f64; 3], [f64; 2]) {
    let seen = problem.of_object(object).iter().map(|&s| (&linear[s as usize], weights.sights[s as usize]));
    block(seen, problem.tie(object).map(|(apart, _)| (apart, weights.ties[object])))
}

fn block<'a>(
    sights: impl Iterator<Item = (&'a Linear, f64)>,
    tie: Option<([f64; 2], f64)>,
) -> ([f64; 3], [f64; 2]) {
    let (mut v, mut h) = ([LEAST_WEIGHT, 0.0, LEAST_WEIGHT], [0.0; 2]);
    for (Linear { residual: r, slope: j }, w) in sights {
        v[0] += w * (j[0][0] * j[0][0] + j[1][0] * j[1][0]);
        v[1] += w * (j[0][0] * j[0][1] + j[1][0] * j[1][1]);
        v[2] += w * (j[0][1] * j[0][1] + j[1][1] * j[1][1]);
        h = [0, 1].map(|k| h[k] + w * (j[0][k] * r[0] + j[1][k] * r[1]));
    }
    if let Some((apart, w)) = tie {
        v = [v[0] + w, v[1], v[2] + w];
        h = [0, 1].map(|k| h[k] + w * apart[k]);
    }
    let det = v[0] * v[2] - v[1] * v[1];
    ([v[2] / det, -v[1] / det, v[0] / det], h)
}

/// The step of an object to its best position for fixed frames; `tie` is its distance from the catalogue and that weight.
pub(super) fn best_step(sights: &[Linear], weights: &[f64], tie: Option<([f64; 2], f64)>) -> [f64; 2] {
    let ([xx, xy, yy], h) = block(sights.iter().zip(weights.iter().copied()), tie);
    [-(xx * h[0] + xy * h[1]), -(xy * h[0] + yy * h[1])]
}
