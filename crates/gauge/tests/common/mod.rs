//! What the tests of solvers share: measurements with noise, and dense elimination as the definition.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use zemosaic_gauge::solve::Difference;
use zemosaic_testkit::rng::Rng;

/// What a pair of frames is measured to differ by, with normal noise of a variance from 0.01 to 0.04. `truth`: offsets.
pub fn measured(truth: &[f64], (a, b): (usize, usize), rng: &mut Rng) -> Difference {
    let variance = rng.range(0.01, 0.04);
    Difference { a, b, value: truth[b] - truth[a] + variance.sqrt() * rng.normal(), variance }
}

/// The right-hand columns of `rows`, n rows of n columns and those, after Gauss-Jordan elimination with pivots: solutions.
pub fn eliminated(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs())).unwrap();
        rows.swap(k, pivot);
        let scale = rows[k][k];
        for value in &mut rows[k] {
            *value /= scale;
        }
        let top = rows[k].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = row[k];
            if index != k && factor != 0.0 {
                for (value, top) in row[k..].iter_mut().zip(&top[k..]) {
                    *value -= factor * top;
                }
            }
        }
    }
    rows.into_iter().map(|row| row[n..].to_vec()).collect()
}
