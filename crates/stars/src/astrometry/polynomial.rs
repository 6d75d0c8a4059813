//! Weighted least squares of positions on the tangent plane as polynomials of pixel offsets.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// A star for the fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// Detected offset from the centre of the frame.
    pub at_px: [f64; 2],
    /// Its reference star on the tangent plane.
    pub plane_deg: [f64; 2],
    /// Variance of the pair on each axis that detection and reference star state, with the floor.
    pub variance_px2: f64,
}

/// Plane position as polynomials of the pixel offset over `unit_px`.
#[derive(Debug, Clone)]
pub(super) struct Plate {
    /// Total degree.
    pub order: usize,
    /// Offsets are divided by this, so that all terms are of order 1.
    unit_px: f64,
    /// Coefficients of both plane axes in the order of [`powers`].
    coefficients_deg: [DVector<f64>; 2],
    /// Factorised normal matrix of weights in 1 / px^2.
    normal: Cholesky<f64, Dyn>,
}

/// Squares of the diagonal of the Cholesky factor below this share of the largest: stars on a line, or too few places.
const SINGULAR: f64 = 1e-11;

/// Powers of x and y of the terms up to total degree `order`.
pub(super) fn powers(order: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..=order).flat_map(|degree| (0..=degree).map(move |q| (degree - q, q)))
}

/// Number of terms, per axis, of an order.
pub(super) fn term_count(order: usize) -> usize {
    (order + 1) * (order + 2) / 2
}

impl Plate {
    /// Fit of the points whose weight (1 / px^2) is not 0; `None` where they do not determine the terms.
    pub fn fit(points: &[Point], weights: &[f64], order: usize, unit_px: f64) -> Option<Self> {
        let count = term_count(order);
        let mut normal = DMatrix::<f64>::zeros(count, count);
        let mut right = [DVector::<f64>::zeros(count), DVector::<f64>::zeros(count)];
        for (point, weight) in points.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            let terms = terms(point.at_px, order, unit_px);
            normal.ger(*weight, &terms, &terms, 1.0);
            for (right, plane) in right.iter_mut().zip(point.plane_deg) {
                right.axpy(weight * plane, &terms, 1.0);
            }
        }
        let normal = Cholesky::new(normal)?;
        let diagonal = normal.l_dirty().diagonal().map(|value| value * value);
        if diagonal.min().partial_cmp(&(SINGULAR * diagonal.max())) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        let coefficients_deg = right.map(|right| normal.solve(&right));
        Some(Self { order, unit_px, coefficients_deg, normal })
    }

    /// Plane position of a pixel offset.
    pub fn plane_deg(&self, at_px: [f64; 2]) -> [f64; 2] {
        let terms = terms(at_px, self.order, self.unit_px);
        [self.coefficients_deg[0].dot(&terms), self.coefficients_deg[1].dot(&terms)]
    }

    /// Variance of the fitted position at a pixel offset on each axis, for weights that are inverse variances.
    pub fn variance_px2(&self, at_px: [f64; 2]) -> f64 {
        let terms = terms(at_px, self.order, self.unit_px);
        // N = L L^T, so t^T N^-1 t = |L^-1 t|^2.
        self.normal.l_dirty().solve_lower_triangular(&terms).map_or(f64::NAN, |solved| solved.norm_squared())
    }

    /// Detected less predicted position of a point, by the linear terms.
    pub fn residual_px(&self, point: &Point) -> Option<[f64; 2]> {
        let [x, y] = self.plane_deg(point.at_px);
        self.to_px([x - point.plane_deg[0], y - point.plane_deg[1]])
    }

    /// Plane position of the centre.
    pub fn centre_deg(&self) -> [f64; 2] {
        [self.coefficients_deg[0][0], self.coefficients_deg[1][0]]
    }

    /// The linear terms, degrees per pixel.
    pub fn cd_deg(&self) -> [[f64; 2]; 2] {
        let row = |axis: usize| {
            let c = &self.coefficients_deg[axis];
            [c[1] / self.unit_px, c[2] / self.unit_px]
        };
        [row(0), row(1)]
    }

    /// The terms of degree 2 and more as SIP has them: powers of x and y, coefficients of A and B.
    pub fn sip(&self) -> Option<Vec<(usize, usize, [f64; 2])>> {
        let higher = powers(self.order).enumerate().skip(3);
        higher
            .map(|(index, (p, q))| {
                let unit = self.unit_px.powi((p + q) as i32);
                let plane = [0, 1].map(|axis| self.coefficients_deg[axis][index] / unit);
                Some((p, q, self.to_px(plane)?))
            })
            .collect()
    }

    fn to_px(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [[a, b], [c, d]] = self.cd_deg();
        let determinant = a * d - b * c;
        (determinant != 0.0).then(|| [(d * x - b * y) / determinant, (a * y - c * x) / determinant])
    }
}

fn terms([x, y]: [f64; 2], order: usize, unit_px: f64) -> DVector<f64> {
    let (u, v) = (x / unit_px, y / unit_px);
    DVector::from_iterator(term_count(order), powers(order).map(|(p, q)| u.powi(p as i32) * v.powi(q as i32)))
}
