//! Variances of the unknowns, with the first unknowns at mean zero in each part. With an exact factor: the entries of
//! the inverse on the factor's pattern by the equations of Takahashi, Fagan & Chen (1973), whose diagonal is corrected for the held
//! constant. Otherwise probed: the diagonal of the inverse is estimated from solutions with random signs (Hutchinson
//! 1990; Bekas, Kokiopoulou & Saad 2007) as what it has beyond the inverse of the diagonal blocks.

use super::block::{self, Block, Unknowns};
use super::conjugate::{self, Goal};
use super::factor::{Factor, run_in};
use super::pattern::Pattern;
use super::system::System;

/// Solutions that single variances are probed with.
pub(crate) const PROBES: usize = 16;
/// The same where only their sum matters.
pub(crate) const ROUGH_PROBES: usize = 4;
/// How exact they are.
const PROBE_GOAL: Goal = Goal { tolerance: 1e-3, iterations: 300 };
/// No node.
const NONE: usize = usize::MAX;

/// Variance of every unknown, by place; with `probes` solutions where the factor is not exact.
pub(crate) fn variances<const K: usize>(
    (pattern, system, factor): (&Pattern, &System<K>, &Factor<K>),
    probes: usize,
) -> Vec<Unknowns<K>> {
    if factor.is_exact(pattern) { exact(pattern, factor) } else { probed((pattern, system, factor), probes) }
}

fn exact<const K: usize>(pattern: &Pattern, factor: &Factor<K>) -> Vec<Unknowns<K>> {
    let inverse = selected_inverse(pattern, factor);
    // Of o - mean(o): G_ii - 2 (G 1)_i / n + 1' G 1 / n^2, G being the inverse with one unknown held.
    let one: Unknowns<K> = std::array::from_fn(|k| if k == 0 { 1.0 } else { 0.0 });
    let mut ones = vec![one; pattern.nodes()];
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
            let column = pattern.column(*row);
            if let Some(first) = run_in(&pattern.rows[column.clone()], &owner, &entry, place) {
                let (before, after) = sum.split_at_mut(first);
                for ((value, target), own) in below[column].iter().zip(after).zip(&scaled[first..]) {
                    block::add_product(target, value, &scaled[index]);
                    block::add_transposed(&mut before[index], value, own);
                }
                continue;
            }
            for at in column {
                let later = pattern.rows[at];
                if owner[later] == place {
                    let other = entry[later];
                    block::add_product(&mut sum[other], &below[at], &scaled[index]);
                    block::add_transposed(&mut sum[index], &below[at], &scaled[other]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::system::LinkBlocks;

    const K: usize = 3;

    /// A network of two parts and what three measurements of each link say, with priors.
    fn system(most: usize) -> (Pattern, System<K>) {
        let nodes = 40;
        let next = |a: usize, step: usize| (a * step + 3 * step + 1) % (nodes - 3);
        let mut links: Vec<(usize, usize)> =
            (0..nodes - 3).flat_map(|a| [1, 5, 11].map(|step| (a, next(a, step)))).collect();
        links.retain(|(a, b)| a != b);
        links.sort_unstable_by_key(|(a, b)| (a.min(b).to_owned(), a.max(b).to_owned()));
        links.dedup_by_key(|(a, b)| (*a.min(b), *a.max(b)));
        links.extend([(nodes - 1, nodes - 2), (nodes - 3, nodes - 1)]);
        let pattern = Pattern::new(nodes, &links, most);
        let mut system = System::new(&pattern);
        let mut state = 7_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        for link in 0..links.len() {
            let mut blocks = LinkBlocks::NOTHING;
            for _ in 0..3 {
                let (a, b) = ([1.0, uniform(), uniform()], [1.0, uniform(), uniform()]);
                let value = uniform();
                for i in 0..K {
                    for j in 0..K {
                        blocks.aa[i][j] += a[i] * a[j];
                        blocks.ab[i][j] -= a[i] * b[j];
                        blocks.bb[i][j] += b[i] * b[j];
                    }
                    blocks.a[i] -= a[i] * value;
                    blocks.b[i] += b[i] * value;
                }
            }
            system.add(&pattern, link, &blocks);
        }
        system.add_prior(&[0.0, 0.4, 2.0]);
        (pattern, system)
    }

    /// Pseudo-inverse by the product with unit vectors and Gauss-Jordan elimination.
    fn dense(pattern: &Pattern, system: &System<K>) -> Vec<Vec<f64>> {
        let n = K * pattern.nodes();
        let same = |a: usize, b: usize| {
            let part = |unknown: usize| pattern.part_of_place[unknown / K];
            let is_constant = a.is_multiple_of(K) && b.is_multiple_of(K) && part(a) == part(b);
            if is_constant { 1.0 / pattern.size[part(a)] as f64 } else { 0.0 }
        };
        let mut rows: Vec<Vec<f64>> = vec![vec![0.0; 2 * n]; n];
        for unit in 0..n {
            let mut x = vec![[0.0; K]; pattern.nodes()];
            let mut image = x.clone();
            x[unit / K][unit % K] = 1.0;
            system.multiply(pattern, &x, &mut image);
            for (row, value) in image.iter().flatten().enumerate() {
                rows[row][unit] = value + same(row, unit);
            }
            rows[unit][n + unit] = 1.0;
        }
        for k in 0..n {
            let scale = rows[k][k];
            for value in &mut rows[k] {
                *value /= scale;
            }
            let top = rows[k].clone();
            for (index, row) in rows.iter_mut().enumerate() {
                let factor = if index == k { 0.0 } else { row[k] };
                for (value, top) in row.iter_mut().zip(&top) {
                    *value -= factor * top;
                }
            }
        }
        (0..n).map(|row| (0..n).map(|column| rows[row][n + column] - same(row, column)).collect()).collect()
    }

    #[test]
    fn both_factors_solve_and_tell_variances() {
        for (most, is_exact) in [(usize::MAX, true), (0, false)] {
            let (pattern, system) = system(most);
            assert_eq!((pattern.is_exact, pattern.size.as_slice()), (is_exact, [37, 3].as_slice()));
            let inverse = dense(&pattern, &system);
            let factor = Factor::new(&pattern, &system);
            let mut x = vec![[0.0; K]; pattern.nodes()];
            let goal = Goal { tolerance: 1e-13, iterations: 500 };
            let reached = conjugate::solve((&pattern, &system, &factor), &system.right, &mut x, goal);
            assert!(reached.is_solved && (reached.iterations <= 2) == is_exact, "{reached:?}");
            let right: Vec<f64> = system.right.iter().flatten().copied().collect();
            for (row, found) in inverse.iter().zip(x.iter().flatten()) {
                let expected: f64 = row.iter().zip(&right).map(|(a, b)| a * b).sum();
                assert!((found - expected).abs() < 1e-10, "{found} {expected}");
            }
            let found = variances((&pattern, &system, &factor), if is_exact { 0 } else { 400 });
            for (unknown, found) in found.iter().flatten().enumerate() {
                let expected = inverse[unknown][unknown];
                let limit = if is_exact { 1e-11 } else { 0.25 * expected };
                assert!((found - expected).abs() < limit, "{unknown}: {found} {expected}");
            }
        }
    }
}
