//! Dense least squares, row by row: an upper triangle that is kept up to date with Givens rotations (Golub & Van Loan, Matrix
//! Computations, §5.1), so that the weights of rows may differ by many orders. Unknowns that no row decides are 0.

use crate::observer::MatchObserver;

/// A pivot below this share of the largest decides nothing.
const NO_PIVOT: f64 = 1e-13;

/// Rows seen so far as a triangle.
pub(super) struct LeastSquares<'a> {
    unknowns: usize,
    /// Row-major with the right-hand side as the last column.
    triangle: Vec<f64>,
    row: Vec<f64>,
    observer: &'a dyn MatchObserver,
}

impl<'a> LeastSquares<'a> {
    /// `observer` is told of every row: with many unknowns each takes long.
    pub(super) fn new(unknowns: usize, observer: &'a dyn MatchObserver) -> Self {
        let width = unknowns + 1;
        Self { unknowns, triangle: vec![0.0; unknowns * width], row: vec![0.0; width], observer }
    }

    /// Add the equation `weight x (sum of coefficient x unknown) = weight x right`; what is not finite is left out.
    pub(super) fn add(&mut self, weight: f64, terms: &[(usize, f64)], right: f64) {
        if !(weight * right).is_finite() || terms.iter().any(|(_, own)| !(weight * own).is_finite()) {
            return;
        }
        let (n, width) = (self.unknowns, self.unknowns + 1);
        self.row.fill(0.0);
        for (unknown, coefficient) in terms {
            self.row[*unknown] += weight * coefficient;
        }
        self.row[n] = weight * right;
        for column in 0..n {
            let own = self.row[column];
            if own == 0.0 {
                continue;
            }
            let kept = &mut self.triangle[column * width..][..width];
            let length = kept[column].hypot(own);
            let (cosine, sine) = (kept[column] / length, own / length);
            for (kept, new) in kept[column..].iter_mut().zip(&mut self.row[column..]) {
                let (old, own) = (*kept, *new);
                *kept = cosine * old + sine * own;
                *new = cosine * own - sine * old;
            }
            self.row[column] = 0.0;
        }
        self.observer.piece_done();
    }

    /// The unknowns.
    pub(super) fn solve(&self) -> Vec<f64> {
        let (n, width) = (self.unknowns, self.unknowns + 1);
        let pivot = |row: usize| self.triangle[row * width + row];
        let largest = (0..n).fold(0.0_f64, |most, row| most.max(pivot(row).abs()));
        let mut x = vec![0.0; n];
        for row in (0..n).rev() {
            if pivot(row).abs() <= NO_PIVOT * largest {
                continue;
            }
            let line = &self.triangle[row * width..][..width];
            let known: f64 = line[row + 1..n].iter().zip(&x[row + 1..]).map(|(own, x)| own * x).sum();
            x[row] = (line[n] - known) / line[row];
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_unknowns_without_rows() {
        let mut system = LeastSquares::new(3, &());
        for (x, y) in [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)] {
            system.add(1e4, &[(0, x), (2, 1.0)], y);
        }
        system.add(1.0, &[(0, f64::NAN)], 1.0);
        let x = system.solve();
        assert!((x[0] - 2.0).abs() < 1e-12 && x[1] == 0.0 && (x[2] - 1.0).abs() < 1e-12, "{x:?}");
    }
}
