//! Natural cubic splines through knots at any distances (Press et al., Numerical Recipes, §3.3, for the
//! formula). Beyond the outer knots a natural spline goes on as a straight line; one knot is a constant.

/// Second derivatives at the knots, 0 at the ends. `values` are `stride` apart.
pub(super) fn second_derivatives(knots: &[f64], values: &[f64], stride: usize) -> Vec<f64> {
    let n = knots.len();
    let mut second = vec![0.0; n];
    if n < 3 {
        return second;
    }
    // Thomas' algorithm on h0/6 m0 + (h0 + h1)/3 m1 + h1/6 m2 = d1 - d0, d the slopes of the chords.
    let mut above = vec![0.0; n];
    for k in 1..n - 1 {
        let (h0, h1) = (knots[k] - knots[k - 1], knots[k + 1] - knots[k]);
        let [before, here, after] = [k - 1, k, k + 1].map(|k| values[k * stride]);
        let bend = (after - here) / h1 - (here - before) / h0;
        let pivot = (h0 + h1) / 3.0 - h0 / 6.0 * above[k - 1];
        above[k] = h1 / 6.0 / pivot;
        second[k] = (bend - h0 / 6.0 * second[k - 1]) / pivot;
    }
    for k in (1..n - 1).rev() {
        second[k] -= above[k] * second[k + 1];
    }
    second
}

/// What the spline at `at` is made of: the first of two neighbouring knots, and the factors of the two values
/// and the two second derivatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub knot: usize,
    pub factors: [f64; 4],
}

impl Place {
    /// Where `at` is among two or more knots.
    pub fn new(knots: &[f64], at: f64) -> Self {
        let last = knots.len() - 1;
        let knot = knots.partition_point(|knot| *knot <= at).clamp(1, last) - 1;
        let h = knots[knot + 1] - knots[knot];
        let (left, right) = ((knots[knot + 1] - at) / h, (at - knots[knot]) / h);
        let sixth = h * h / 6.0;
        let bends = if right < 0.0 {
            [-2.0 * sixth * right, -sixth * right]
        } else if left < 0.0 {
            [-sixth * left, -2.0 * sixth * left]
        } else {
            [(left * left * left - left) * sixth, (right * right * right - right) * sixth]
        };
        Self { knot, factors: [left, right, bends[0], bends[1]] }
    }
}

/// A polynomial in the distance from its base, as coefficients from the constant up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub base: f64,
    pub terms: [f64; 4],
}

impl Piece {
    /// Between two knots, given as place, value and second derivative.
    pub fn between([x0, y0, m0]: [f64; 3], [x1, y1, m1]: [f64; 3]) -> Self {
        let h = x1 - x0;
        let slope = (y1 - y0) / h - h * (2.0 * m0 + m1) / 6.0;
        Self { base: x0, terms: [y0, slope, 0.5 * m0, (m1 - m0) / (6.0 * h)] }
    }

    /// Before the first of two knots.
    pub fn before(first: [f64; 3], next: [f64; 3]) -> Self {
        let [value, slope, ..] = Self::between(first, next).terms;
        Self { base: first[0], terms: [value, slope, 0.0, 0.0] }
    }

    /// Beyond the last of two knots.
    pub fn beyond([x0, y0, m0]: [f64; 3], [x1, y1, m1]: [f64; 3]) -> Self {
        let h = x1 - x0;
        let slope = (y1 - y0) / h + h * (m0 + 2.0 * m1) / 6.0;
        Self { base: x1, terms: [y1, slope, 0.0, 0.0] }
    }

    #[inline(always)]
    pub fn at(&self, x: f64) -> f64 {
        let t = x - self.base;
        let [p0, p1, p2, p3] = self.terms;
        ((p3 * t + p2) * t + p1) * t + p0
    }
}
