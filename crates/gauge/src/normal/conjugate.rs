//! Preconditioned conjugate gradients (Hestenes & Stiefel 1952) for the matrix of a network, whose constant of each connected
//! part is taken out exactly: every residual and every search direction has mean zero in each part. With an exact factor
//! the first step ends it and the second is iterative refinement.

use super::block::{self, Unknowns};
use super::factor::Factor;
use super::pattern::Pattern;
use super::system::System;

fn dot<const K: usize>(a: &[Unknowns<K>], b: &[Unknowns<K>]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + block::dot(a, b))
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Residual over the right-hand side, in the norm of the preconditioner.
    pub tolerance: f64,
    /// Iterations at most.
    pub iterations: usize,
}

/// How far it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    pub iterations: usize,
    pub is_solved: bool,
}

/// Solve for `x`, which holds a first guess, by place, with the right-hand side `right`.
pub(crate) fn solve<const K: usize>(
    (pattern, system, factor): (&Pattern, &System<K>, &Factor<K>),
    right: &[Unknowns<K>],
    x: &mut [Unknowns<K>],
    goal: Goal,
) -> Reached {
    let nodes = pattern.nodes();
    let precondition = |residual: &[Unknowns<K>], z: &mut Vec<Unknowns<K>>| {
        z.clear();
        z.extend_from_slice(residual);
        factor.solve(pattern, z);
        pattern.centre(z);
    };
    let (mut residual, mut z) = (right.to_vec(), Vec::with_capacity(nodes));
    let mut image = vec![[0.0; K]; nodes];
    pattern.centre(&mut residual);
    precondition(&residual, &mut z);
    let enough = dot(&residual, &z) * goal.tolerance * goal.tolerance;
    system.multiply(pattern, x, &mut image);
    for (residual, image) in residual.iter_mut().zip(&image) {
        *residual = std::array::from_fn(|k| residual[k] - image[k]);
    }
    pattern.centre(&mut residual);
    precondition(&residual, &mut z);
    let mut direction = z.clone();
    let mut along = dot(&residual, &z);
    let mut iterations = 0;
    while along > enough && iterations < goal.iterations {
        iterations += 1;
        system.multiply(pattern, &direction, &mut image);
        let curvature = dot(&direction, &image);
        if curvature <= 0.0 {
            break;
        }
        let step = along / curvature;
        for index in 0..nodes {
            for k in 0..K {
                x[index][k] += step * direction[index][k];
                residual[index][k] -= step * image[index][k];
            }
        }
        precondition(&residual, &mut z);
        let next = dot(&residual, &z);
        let turn = next / along;
        for (direction, z) in direction.iter_mut().zip(&z) {
            *direction = std::array::from_fn(|k| z[k] + turn * direction[k]);
        }
        along = next;
    }
    pattern.centre(x);
    // What is no number, or beyond all numbers, is no solution.
    let is_number = along.is_finite() && enough.is_finite() && x.iter().flatten().all(|own| own.is_finite());
    Reached { iterations, is_solved: is_number && along <= enough }
}
