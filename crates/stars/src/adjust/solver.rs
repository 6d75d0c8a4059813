//! S x = b: Cholesky on the whole matrix, or conjugate gradients with the blocks of frames and of instruments as
//! preconditioner (Hestenes and Stiefel 1952), where S is only ever applied.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SMatrix, SVector};
use rayon::prelude::*;

use super::options::Solver;
use super::solution::AdjustError;
use super::system::{POSE, System};

/// Above this number of unknowns conjugate gradients are faster.
const MOST_FOR_CHOLESKY: usize = 400;
/// Length of the residual at the end, as a share of the first, in the norm of the preconditioner: what is left the next round
/// takes up, whose first residual it is.
const LAST_SHARE: f64 = 1e-5;
const MOST_STEPS: usize = 3000;

/// The solution.
pub(super) fn solve(system: &System<'_>, solver: Solver) -> Result<Vec<f64>, AdjustError> {
    match solver {
        Solver::Auto if system.len() <= MOST_FOR_CHOLESKY => dense(system),
        Solver::Cholesky => dense(system),
        Solver::Auto | Solver::ConjugateGradients => conjugate_gradients(system),
    }
}

fn part(system: &System<'_>, from: usize) -> Result<Cholesky<f64, Dyn>, AdjustError> {
    let count = system.len() - from;
    let mut matrix = DMatrix::zeros(count, count);
    system.add_direct(&mut matrix, from);
    system.take_objects(&mut matrix, from);
    matrix.cholesky().ok_or(AdjustError::Singular)
}

fn dense(system: &System<'_>) -> Result<Vec<f64>, AdjustError> {
    let solved = part(system, 0)?.solve(&DVector::from_vec(system.right()));
    Ok(solved.as_slice().to_vec())
}

/// Inverse blocks.
struct Preconditioner {
    frames: Vec<SMatrix<f64, POSE, POSE>>,
    instruments: Option<Cholesky<f64, Dyn>>,
}

impl Preconditioner {
    fn new(system: &System<'_>) -> Result<Self, AdjustError> {
        let shared = system.start[0];
        let frames: Option<Vec<_>> = (0..shared / POSE)
            .into_par_iter()
            .map(|frame| system.frame_block(frame).cholesky().map(|c| c.inverse()))
            .collect();
        let instruments = if system.len() > shared { Some(part(system, shared)?) } else { None };
        Ok(Self { frames: frames.ok_or(AdjustError::Singular)?, instruments })
    }

    fn apply(&self, r: &[f64]) -> Vec<f64> {
        let mut out = Vec::with_capacity(r.len());
        for (block, r) in self.frames.iter().zip(r.chunks_exact(POSE)) {
            out.extend_from_slice((block * SVector::<f64, POSE>::from_column_slice(r)).as_slice());
        }
        if let Some(cholesky) = &self.instruments {
            let rest = DVector::from_column_slice(&r[out.len()..]);
            out.extend_from_slice(cholesky.solve(&rest).as_slice());
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn conjugate_gradients(system: &System<'_>) -> Result<Vec<f64>, AdjustError> {
    let preconditioner = Preconditioner::new(system)?;
    let mut x = vec![0.0; system.len()];
    let mut r = system.right();
    let mut z = preconditioner.apply(&r);
    let mut p = z.clone();
    let mut rz = dot(&r, &z);
    let last = rz * LAST_SHARE * LAST_SHARE;
    for _ in 0..MOST_STEPS {
        if rz.is_nan() || rz <= last.max(f64::MIN_POSITIVE) {
            break;
        }
        let applied = system.apply(&p);
        let step = rz / dot(&p, &applied);
        x.iter_mut().zip(&p).for_each(|(x, p)| *x += step * p);
        r.iter_mut().zip(&applied).for_each(|(r, a)| *r -= step * a);
        z = preconditioner.apply(&r);
        let next = dot(&r, &z);
        let share = next / rz;
        p.iter_mut().zip(&z).for_each(|(p, z)| *p = z + share * *p);
        rz = next;
    }
    if x.iter().all(|x| x.is_finite()) { Ok(x) } else { Err(AdjustError::Singular) }
}
