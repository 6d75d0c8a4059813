//! Preconditioned conjugate gradients (Hestenes & Stiefel 1952) for the matrix of a network, whose free offset of each
//! connected part is taken out exactly: every residual and every search direction has mean zero in each part.

use crate::laplacian::Network;

/// A network's parts by place, to take means out.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Part of each place.
    of: Vec<usize>,
    size: Vec<f64>,
}

impl Parts {
    /// `of`: part of each place.
    pub(crate) fn new(of: Vec<usize>) -> Self {
        let mut size = vec![0.0; of.iter().max().map_or(0, |last| last + 1)];
        for part in &of {
            size[*part] += 1.0;
        }
        Self { of, size }
    }

    /// Make the mean of each part 0.
    pub(crate) fn centre(&self, x: &mut [f64]) {
        let mut sum = vec![0.0; self.size.len()];
        for (part, value) in self.of.iter().zip(&*x) {
            sum[*part] += value;
        }
        for (sum, size) in sum.iter_mut().zip(&self.size) {
            *sum /= size;
        }
        for (part, value) in self.of.iter().zip(x) {
            *value -= sum[*part];
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// Solve for `x`, which holds a first guess, all by place; returns the iterations it took. Done when the residual in the
/// norm of the preconditioner is `tolerance` of that of the right-hand side.
pub(crate) fn solve(
    network: &Network,
    parts: &Parts,
    (weights, right): (&[f64], &[f64]),
    x: &mut [f64],
    tolerance: f64,
) -> usize {
    let n = network.nodes();
    let factor = network.factor(weights);
    let precondition = |residual: &[f64], z: &mut Vec<f64>| {
        z.clear();
        z.extend_from_slice(residual);
        network.solve(&factor, z);
        parts.centre(z);
    };
    let (mut residual, mut z, mut image) = (right.to_vec(), Vec::with_capacity(n), vec![0.0; n]);
    parts.centre(&mut residual);
    precondition(&residual, &mut z);
    let goal = dot(&residual, &z) * tolerance * tolerance;
    network.multiply(weights, x, &mut image);
    for (residual, image) in residual.iter_mut().zip(&image) {
        *residual -= image;
    }
    parts.centre(&mut residual);
    precondition(&residual, &mut z);
    let mut direction = z.clone();
    let mut along = dot(&residual, &z);
    let mut iterations = 0;
    while along > goal && iterations < 10 * n + 100 {
        iterations += 1;
        network.multiply(weights, &direction, &mut image);
        let curvature = dot(&direction, &image);
        if curvature <= 0.0 {
            break;
        }
        let step = along / curvature;
        for index in 0..n {
            x[index] += step * direction[index];
            residual[index] -= step * image[index];
        }
        precondition(&residual, &mut z);
        let next = dot(&residual, &z);
        let turn = next / along;
        for (direction, z) in direction.iter_mut().zip(&z) {
            *direction = z + turn * *direction;
        }
        along = next;
    }
    parts.centre(x);
    iterations
}
