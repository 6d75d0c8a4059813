//! The distortion of an instrument: products of Legendre polynomials over the frame, which are orthogonal to shift and linear
//! terms there, so that those stay with the frames; and the same as SIP about any reference pixel, exactly.

use zemosaic_sky::SipCoefficients;

/// Highest order.
pub(super) const MAX_ORDER: usize = 5;
/// Terms of it per axis.
pub(super) const MAX_TERMS: usize = 18;
const SIZE: usize = MAX_ORDER + 1;

/// A polynomial of two variables: coefficient of x^p y^q at `[p][q]`.
pub(super) type Poly = [[f64; SIZE]; SIZE];

/// Coefficients of the Legendre polynomials, lowest power first.
const LEGENDRE: [[f64; SIZE]; SIZE] = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    [-0.5, 0.0, 1.5, 0.0, 0.0, 0.0],
    [0.0, -1.5, 0.0, 2.5, 0.0, 0.0],
    [0.375, 0.0, -3.75, 0.0, 4.375, 0.0],
    [0.0, 1.875, 0.0, -8.75, 0.0, 7.875],
];

/// Number of terms per axis of an order.
pub(super) const fn terms(order: usize) -> usize {
    if order < 2 { 0 } else { (order + 1) * (order + 2) / 2 - 3 }
}

/// Degrees (i, j) of the terms, by order, so that an order is a prefix of the next.
const DEGREES: [(usize, usize); MAX_TERMS] = [
    (2, 0),
    (1, 1),
    (0, 2),
    (3, 0),
    (2, 1),
    (1, 2),
    (0, 3),
    (4, 0),
    (3, 1),
    (2, 2),
    (1, 3),
    (0, 4),
    (5, 0),
    (4, 1),
    (3, 2),
    (2, 3),
    (1, 4),
    (0, 5),
];

/// P_0 to P_5 at `t`.
fn legendre(t: f64) -> [f64; SIZE] {
    let mut p = [1.0, t, 0.0, 0.0, 0.0, 0.0];
    for n in 1..MAX_ORDER {
        let k = n as f64;
        p[n + 1] = ((2.0 * k + 1.0) * t * p[n] - k * p[n - 1]) / (k + 1.0);
    }
    p
}

/// The terms at `q`, offsets from the centre in half widths and half heights.
pub(super) fn basis(q: [f64; 2]) -> [f64; MAX_TERMS] {
    let (x, y) = (legendre(q[0]), legendre(q[1]));
    DEGREES.map(|(i, j)| x[i] * y[j])
}

/// A distortion: pixels to be added to an offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Distortion {
    /// Order of the terms that act, 0 for none.
    pub order: usize,
    /// Coefficients along x and y, pixels.
    pub coefficients: [[f64; MAX_TERMS]; 2],
}

impl Distortion {
    pub(super) const NONE: Self = Self { order: 0, coefficients: [[0.0; MAX_TERMS]; 2] };

    /// Its value where the terms are `basis`.
    pub(super) fn value(&self, basis: &[f64; MAX_TERMS]) -> [f64; 2] {
        let count = terms(self.order);
        self.coefficients.map(|axis| axis.iter().zip(basis).take(count).map(|(c, b)| c * b).sum())
    }

    /// The same with the terms of `order`.
    pub(super) fn of_order(mut self, order: usize) -> Self {
        self.order = order;
        for axis in &mut self.coefficients {
            axis[terms(order)..].fill(0.0);
        }
        self
    }

    /// The largest distortion on a grid over the frame, pixels.
    pub(super) fn largest_px(&self) -> f64 {
        let at = |i: i32| f64::from(i) / 10.0;
        let lengths = (-10..=10).flat_map(|i| (-10..=10).map(move |j| [at(i), at(j)])).map(|q| {
            let [x, y] = self.value(&basis(q));
            x.hypot(y)
        });
        lengths.fold(0.0, f64::max)
    }

    /// As polynomials of pixel offsets from the centre.
    pub(super) fn polynomials(&self, half_px: [f64; 2]) -> [Poly; 2] {
        self.coefficients.map(|axis| {
            let mut poly = [[0.0; SIZE]; SIZE];
            for (c, (i, j)) in axis.iter().zip(DEGREES).take(terms(self.order)) {
                for (p, row) in poly.iter_mut().enumerate().take(i + 1) {
                    for (q, cell) in row.iter_mut().enumerate().take(j + 1) {
                        let powers = half_px[0].powi(p as i32) * half_px[1].powi(q as i32);
                        *cell += c * LEGENDRE[i][p] * LEGENDRE[j][q] / powers;
                    }
                }
            }
            poly
        })
    }
}

/// Value of a polynomial.
pub(super) fn value(poly: &Poly, x: f64, y: f64) -> f64 {
    poly.iter().rev().fold(0.0, |sum, row| sum * x + row.iter().rev().fold(0.0, |s, c| s * y + c))
}

/// The polynomial of offsets from `(x, y)`.
pub(super) fn moved(poly: &Poly, x: f64, y: f64) -> Poly {
    let mut out = [[0.0; SIZE]; SIZE];
    for (p, row) in poly.iter().enumerate() {
        for (q, c) in row.iter().enumerate() {
            for (i, out_row) in out.iter_mut().enumerate().take(p + 1) {
                for (j, cell) in out_row.iter_mut().enumerate().take(q + 1) {
                    let share =
                        binomial(p, i) * x.powi((p - i) as i32) * binomial(q, j) * y.powi((q - j) as i32);
                    *cell += c * share;
                }
            }
        }
    }
    out
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |b, i| b * (n - i) as f64 / (i + 1) as f64)
}

/// SIP of order `order` of polynomials whose linear terms are the matrix that `inverse` inverts.
pub(super) fn sip(order: usize, polys: &[Poly; 2], inverse: &[[f64; 2]; 2]) -> SipCoefficients {
    let mut sip = SipCoefficients::zero(order);
    for (p, (x_row, y_row)) in polys[0].iter().zip(&polys[1]).enumerate().take(order + 1) {
        for (q, (x, y)) in x_row.iter().zip(y_row).enumerate().take(order + 1 - p) {
            if p + q >= 2 {
                sip.a[p * (order + 1) + q] = inverse[0][0] * x + inverse[0][1] * y;
                sip.b[p * (order + 1) + q] = inverse[1][0] * x + inverse[1][1] * y;
            }
        }
    }
    sip
}
