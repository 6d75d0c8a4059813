//! Variances of the unknowns, with the first unknowns at mean zero in each part. With an exact factor: the entries of
//! the inverse on the factor's pattern by the equations of Takahashi, Fagan & Chen (1973), whose diagonal is corrected for the held
//! constant. Otherwise probed: the diagonal of the inverse is estimated from solutions with random signs (Hutchinson
//! 1990; Bekas, Kokiopoulou & Saad 2007) as what it has beyond the inverse of the diagonal blocks.

use super::block::{self, Block, Unknowns};
use super::conjugate::{self, Goal};
use super::factor::Factor;
use super::pattern::Pattern;
use super::system::System;

/// Solutions that single variances are probed with.
pub(crate) const PROBES: usize = 32;
/// The same where only their sum matters.
pub(crate) const ROUGH_PROBES: usize = 4;
/// How exact they are.
const PROBE_GOAL: Goal = Goal { tolerance: 1e-4, iterations: 300 };
/// No node.
const NONE: usize = usize::MAX;

/// Variance of every unknown, by place; with `probes` solutions where the factor is not exact.
pub(crate) fn variances<const K: usize>(
    (pattern, system, factor): (&Pattern, &System<K>, &Factor<K>),
    probes: usize,
) -> Vec<Unknowns<K>> {
    if pattern.is_exact { exact(pattern, factor) } else { probed((pattern, system, factor), probes) }
}

fn exact<const K: usize>(pattern: &Pattern, factor: &Factor<K>) -> Vec<Unknowns<K>> {
    let inverse = selected_inverse(pattern, factor);
    // Of o - mean(o): G_ii - 2 (G 1)_i / n + 1' G 1 / n^2, G being the inverse with one unknown held.
    let mut ones = vec![[0.0; K]; pattern.nodes()];
    ones.iter_mut().for_each(|one| one[0] = 1.0);
    factor.solve(pattern, &mut ones);
    let mut sum = vec![0.0; pattern.size.len()];
    for (one, part) in ones.iter().zip(&pattern.part_of_place) {
        sum[*part] += one[0];
    }
    let corrected = |place: usize| {
        let mut own: Unknowns<K> = std::array::from_fn(|k| inverse[place][k][k]);
        let part = pattern.part_of_place[place];
        let size = pattern.size[part] as f64;
        let held = if pattern.held[place] { 0.0 } else { own[0] };
        own[0] = (held - 2.0 * ones[place][0] / size + sum[part] / (size * size)).max(0.0);
        own
    };
    (0..pattern.nodes()).map(corrected).collect()
}

/// Diagonal blocks of the inverse. With L^ = L diag(L)^-1: Z_ij = -sum_k Z_ik L^_kj for i > j, Z_jj = D_j^-1 - sum_k
/// L^_kj' Z_kj, k over the column of j, from the last column to the first.
fn selected_inverse<const K: usize>(pattern: &Pattern, factor: &Factor<K>) -> Vec<Block<K>> {
    let nodes = pattern.nodes();
    let mut below = vec![block::zero::<K>(); pattern.rows.len()];
    let mut diagonal = vec![block::zero::<K>(); nodes];
    let mut entry = vec![0; nodes];
    let mut owner = vec![NONE; nodes];
    let (mut scaled, mut sum) = (Vec::new(), Vec::new());
    for place in (0..nodes).rev() {
        let column = pattern.column(place);
        let rows = &pattern.rows[column.clone()];
        scaled.clear();
        scaled.extend(column.clone().map(|at| block::product(&factor.below[at], &factor.inverse[place])));
        sum.clear();
        sum.resize(rows.len(), block::zero::<K>());
        for (index, row) in rows.iter().enumerate() {
            entry[*row] = index;
            owner[*row] = place;
        }
        for (index, row) in rows.iter().enumerate() {
            block::add_product(&mut sum[index], &diagonal[*row], &scaled[index]);
            for at in pattern.column(*row) {
                let later = pattern.rows[at];
                if owner[later] == place {
                    let other = entry[later];
                    block::add_product(&mut sum[other], &below[at], &scaled[index]);
                    let turned = scaled[other];
                    block::add_transposed(&mut sum[index], &below[at], &turned);
                }
            }
        }
        let mut own = block::zero();
        block::add_transposed(&mut own, &factor.inverse[place], &factor.inverse[place]);
        for (at, (scaled, sum)) in column.zip(scaled.iter().zip(&sum)) {
            block::add_transposed(&mut own, scaled, sum);
            below[at] = sum.map(|row| row.map(|value| -value));
        }
        diagonal[place] = own;
    }
    diagonal
}

fn probed<const K: usize>(
    (pattern, system, factor): (&Pattern, &System<K>, &Factor<K>),
    probes: usize,
) -> Vec<Unknowns<K>> {
    let nodes = pattern.nodes();
    let near = |place: usize| {
        let whole = &system.diagonal[place];
        let root = block::inverse_cholesky(whole, whole).unwrap_or(block::zero());
        let mut inverse = block::zero();
        block::add_transposed(&mut inverse, &root, &root);
        inverse
    };
    let near: Vec<Block<K>> = (0..nodes).map(near).collect();
    let mut beyond = vec![[0.0; K]; nodes];
    let mut state = 0x5eed_u64;
    for _ in 0..probes {
        let mut signs = vec![[0.0; K]; nodes];
        for sign in signs.iter_mut().flatten() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *sign = if state >> 63 == 0 { 1.0 } else { -1.0 };
        }
        let mut x = vec![[0.0; K]; nodes];
        conjugate::solve((pattern, system, factor), &signs, &mut x, PROBE_GOAL);
        for place in 0..nodes {
            let mut own = [0.0; K];
            block::add_image(&mut own, &near[place], &signs[place]);
            for k in 0..K {
                beyond[place][k] += signs[place][k] * (x[place][k] - own[k]);
            }
        }
    }
    let corrected = |place: usize| {
        // The inverse of the diagonal block is what it would be if all others were known; the mean takes 1 / n of it.
        let size = pattern.size[pattern.part_of_place[place]] as f64;
        std::array::from_fn(|k| {
            let least = near[place][k][k] * if k == 0 { (1.0 - 1.0 / size).powi(2) } else { 1.0 };
            (near[place][k][k] + beyond[place][k] / probes as f64).max(least)
        })
    };
    (0..nodes).map(corrected).collect()
}
