//! Cholesky factor by columns (left-looking; George & Liu 1981, "Computer solution of large sparse positive definite
//! systems", ch. 5), on a pattern that holds all fill or none of it (IC(0); Meijerink & van der Vorst 1977). The first
//! unknown of the last node of each part is held at 0, which takes the constant out of the matrix.

use super::block::{self, Block, Unknowns};
use super::pattern::Pattern;
use super::system::System;

/// No column.
const NONE: usize = usize::MAX;

/// A factor.
#[derive(Debug)]
pub(crate) struct Factor<const K: usize> {
    /// Below the diagonal, on the pattern.
    pub below: Vec<Block<K>>,
    /// Inverse of the lower triangle on the diagonal.
    pub inverse: Vec<Block<K>>,
    /// Pivots that were not positive beside rounding and were replaced by what the matrix has there before elimination.
    pub replaced_pivots: usize,
}

impl<const K: usize> Factor<K> {
    /// Of the matrix of `system`.
    pub(crate) fn new(pattern: &Pattern, system: &System<K>) -> Self {
        let nodes = pattern.nodes();
        let mut below = entries(pattern, system);
        let mut inverse = Vec::with_capacity(nodes);
        // Columns whose next row is a place, as lists.
        let (mut head, mut next) = (vec![NONE; nodes], vec![NONE; nodes]);
        let mut at_row = pattern.starts.clone();
        let mut entry = vec![0; nodes];
        let mut owner = vec![NONE; nodes];
        let mut replaced_pivots = 0;
        let advance = |column: usize, to: usize, head: &mut [usize], next: &mut [usize]| {
            if to < pattern.starts[column + 1] {
                let row = pattern.rows[to];
                next[column] = head[row];
                head[row] = column;
            }
        };
        for place in 0..nodes {
            let own = pattern.column(place);
            for at in own.clone() {
                entry[pattern.rows[at]] = at - own.start;
                owner[pattern.rows[at]] = place;
            }
            let whole = diagonal_of(pattern, system, place);
            let mut pivot = whole;
            let (done, column) = below.split_at_mut(own.start);
            let mut other = head[place];
            while other != NONE {
                let following = next[other];
                let at = at_row[other];
                let turned = block::transpose(&done[at]);
                block::take_product(&mut pivot, &done[at], &turned);
                let end = pattern.starts[other + 1];
                let (rows, values) = (&pattern.rows[at + 1..end], &done[at + 1..end]);
                if let Some(first) = run_in(rows, &owner, &entry, place) {
                    for (target, value) in column[first..first + rows.len()].iter_mut().zip(values) {
                        block::take_product(target, value, &turned);
                    }
                } else {
                    for (row, value) in rows.iter().zip(values) {
                        if owner[*row] == place {
                            block::take_product(&mut column[entry[*row]], value, &turned);
                        }
                    }
                }
                at_row[other] = at + 1;
                advance(other, at + 1, &mut head, &mut next);
                other = following;
            }
            let root = block::inverse_cholesky(&pivot, &whole).unwrap_or_else(|| {
                replaced_pivots += 1;
                block::inverse_cholesky(&whole, &whole).unwrap_or_else(|| inverse_of_diagonal(&whole))
            });
            let turned = block::transpose(&root);
            for value in &mut column[..own.len()] {
                *value = block::product(value, &turned);
            }
            inverse.push(root);
            advance(place, own.start, &mut head, &mut next);
        }
        Self { below, inverse, replaced_pivots }
    }

    /// Whether it is the factor of the matrix, and no mere approximation.
    pub(crate) fn is_exact(&self, pattern: &Pattern) -> bool {
        pattern.is_exact && self.replaced_pivots == 0
    }

    /// Solve in place, by place.
    pub(crate) fn solve(&self, pattern: &Pattern, x: &mut [Unknowns<K>]) {
        for (held, x) in pattern.held.iter().zip(&mut *x) {
            x[0] = if *held { 0.0 } else { x[0] };
        }
        for place in 0..pattern.nodes() {
            let mut own = [0.0; K];
            block::add_image(&mut own, &self.inverse[place], &x[place]);
            x[place] = own;
            let minus = own.map(|value| -value);
            for at in pattern.column(place) {
                block::add_image(&mut x[pattern.rows[at]], &self.below[at], &minus);
            }
        }
        for place in (0..pattern.nodes()).rev() {
            let mut known = [0.0; K];
            for at in pattern.column(place) {
                block::add_transposed_image(&mut known, &self.below[at], &x[pattern.rows[at]]);
            }
            let left = std::array::from_fn(|k| x[place][k] - known[k]);
            x[place] = [0.0; K];
            block::add_transposed_image(&mut x[place], &self.inverse[place], &left);
        }
    }
}

impl Factor<1> {
    /// [`Self::solve`] of several right-hand sides at once.
    pub(crate) fn solve_lanes<const LANES: usize>(&self, pattern: &Pattern, x: &mut [[f64; LANES]]) {
        for (held, x) in pattern.held.iter().zip(&mut *x) {
            if *held {
                *x = [0.0; LANES];
            }
        }
        for place in 0..pattern.nodes() {
            let own = x[place].map(|value| value * self.inverse[place][0][0]);
            x[place] = own;
            for at in pattern.column(place) {
                let below = self.below[at][0][0];
                for (x, own) in x[pattern.rows[at]].iter_mut().zip(&own) {
                    *x -= below * own;
                }
            }
        }
        for place in (0..pattern.nodes()).rev() {
            let mut left = x[place];
            for at in pattern.column(place) {
                let below = self.below[at][0][0];
                for (left, x) in left.iter_mut().zip(&x[pattern.rows[at]]) {
                    *left -= below * x;
                }
            }
            x[place] = left.map(|value| value * self.inverse[place][0][0]);
        }
    }
}

/// Where `rows` are one run of entries in the column of `place`, as in what is left at the end: the first of them.
pub(crate) fn run_in(rows: &[usize], owner: &[usize], entry: &[usize], place: usize) -> Option<usize> {
    let (first, last) = (*rows.first()?, *rows.last()?);
    let is_own = owner[first] == place && owner[last] == place;
    (is_own && entry[last] - entry[first] + 1 == rows.len() && last - first + 1 == rows.len())
        .then(|| entry[first])
}

/// The matrix below the diagonal on the factor's pattern.
fn entries<const K: usize>(pattern: &Pattern, system: &System<K>) -> Vec<Block<K>> {
    let mut below = vec![block::zero(); pattern.rows.len()];
    for ((at, (later, earlier, _)), off) in pattern.entry.iter().zip(&pattern.ends).zip(&system.off) {
        let mut off = *off;
        if pattern.held[*later] {
            off[0] = [0.0; K];
        }
        if pattern.held[*earlier] {
            for row in &mut off {
                row[0] = 0.0;
            }
        }
        block::add(&mut below[*at], &off);
    }
    below
}

fn diagonal_of<const K: usize>(pattern: &Pattern, system: &System<K>, place: usize) -> Block<K> {
    let mut diagonal = system.diagonal[place];
    if pattern.held[place] {
        for row in &mut diagonal {
            row[0] = 0.0;
        }
        diagonal[0] = [0.0; K];
        diagonal[0][0] = 1.0;
    }
    diagonal
}

/// For a block that is not positive definite itself: its diagonal alone.
fn inverse_of_diagonal<const K: usize>(whole: &Block<K>) -> Block<K> {
    let mut inverse = block::zero();
    for k in 0..K {
        inverse[k][k] = if whole[k][k] > 0.0 { 1.0 / whole[k][k].sqrt() } else { 1.0 };
    }
    inverse
}
