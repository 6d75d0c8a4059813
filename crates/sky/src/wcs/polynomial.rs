//! Bivariate polynomials with their derivatives.

/// A bivariate polynomial with all terms u^p v^q, p + q <= order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Polynomial {
    pub order: usize,
    /// Coefficient of u^p v^q at `p * (order + 1) + q`.
    pub coefficients: Vec<f64>,
}

impl Polynomial {
    /// All coefficients 0.
    pub fn zero(order: usize) -> Self {
        Self { order, coefficients: vec![0.0; (order + 1) * (order + 1)] }
    }

    /// Adds to the coefficient of u^p v^q.
    pub fn add(&mut self, p: usize, q: usize, value: f64) {
        self.coefficients[p * (self.order + 1) + q] += value;
    }

    /// The polynomial of arguments and a value that are both `factor` times as large.
    pub fn unbinned(&self, factor: f64) -> Self {
        let mut new = Self::zero(self.order);
        for p in 0..=self.order {
            for q in 0..=self.order - p {
                let scale = factor.powi(1 - (p + q) as i32);
                new.add(p, q, scale * self.coefficients[p * (self.order + 1) + q]);
            }
        }
        new
    }

    #[inline]
    pub fn value(&self, u: f64, v: f64) -> f64 {
        let n = self.order;
        let mut value = 0.0;
        for p in (0..=n).rev() {
            let row = &self.coefficients[p * (n + 1)..=p * (n + 1) + (n - p)];
            value = value * u + row.iter().rev().fold(0.0, |g, c| g * v + c);
        }
        value
    }

    /// Value and the derivatives with respect to u and v.
    #[inline]
    pub fn value_and_slopes(&self, u: f64, v: f64) -> (f64, f64, f64) {
        let n = self.order;
        let (mut value, mut du, mut dv) = (0.0, 0.0, 0.0);
        for p in (0..=n).rev() {
            let row = &self.coefficients[p * (n + 1)..=p * (n + 1) + (n - p)];
            let (mut g, mut slope) = (0.0, 0.0);
            for c in row.iter().rev() {
                slope = slope * v + g;
                g = g * v + c;
            }
            du = du * u + value;
            dv = dv * u + slope;
            value = value * u + g;
        }
        (value, du, dv)
    }
}
