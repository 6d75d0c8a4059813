//! A low-order surface over the grid: what a frame's level has on top of its offset. Polynomials of first or second order in
//! coordinates of the grid, scaled to -1 .. 1 over the frame, so that the surfaces of two frames can be subtracted exactly
//! and a surface that all frames share is one of each.

use serde::Serialize;

/// Coefficients of a surface without its constant, which is the offset.
pub const SURFACE_TERMS: usize = 5;

/// `sum of coefficient x term` with the terms u, v, u^2 - 1/3, u v, v^2 - 1/3; u = (x - centre) / half size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Surface {
    /// Middle of the frame, pixels of the grid.
    pub centre_px: [f64; 2],
    /// Half of the frame's extent along both axes, pixels of the grid.
    pub half_size_px: [f64; 2],
    /// In units of the mosaic.
    pub coefficients: [f64; SURFACE_TERMS],
}

impl Default for Surface {
    fn default() -> Self {
        Self { centre_px: [0.0; 2], half_size_px: [1.0; 2], coefficients: [0.0; SURFACE_TERMS] }
    }
}

/// A row of a surface: a parabola in x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfaceRow {
    centre_px: f64,
    scale: f64,
    parabola: [f64; 3],
}

impl SurfaceRow {
    /// Value at `x` of the grid.
    pub fn at(&self, x: f64) -> f64 {
        let u = (x - self.centre_px) * self.scale;
        self.parabola[0] + u * (self.parabola[1] + u * self.parabola[2])
    }
}

impl Surface {
    /// Nothing, over the grid pixels `x0 .. x1`, `y0 .. y1` of a frame.
    pub fn over(x: [f64; 2], y: [f64; 2]) -> Self {
        let middle = |[low, high]: [f64; 2]| 0.5 * (low + high);
        let half = |[low, high]: [f64; 2]| (0.5 * (high - low)).max(0.5);
        Self {
            centre_px: [middle(x), middle(y)],
            half_size_px: [half(x), half(y)],
            coefficients: [0.0; SURFACE_TERMS],
        }
    }

    /// Whether it is 0 everywhere.
    pub fn is_zero(&self) -> bool {
        self.coefficients == [0.0; SURFACE_TERMS]
    }

    /// The terms at a place of the grid.
    pub fn terms(&self, x: f64, y: f64) -> [f64; SURFACE_TERMS] {
        let u = (x - self.centre_px[0]) / self.half_size_px[0];
        let v = (y - self.centre_px[1]) / self.half_size_px[1];
        [u, v, u * u - 1.0 / 3.0, u * v, v * v - 1.0 / 3.0]
    }

    /// Value at a place of the grid.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        self.terms(x, y).iter().zip(&self.coefficients).fold(0.0, |sum, (term, own)| sum + term * own)
    }

    /// Row `y` of the grid.
    pub fn row(&self, y: f64) -> SurfaceRow {
        let [u, v, uu, uv, vv] = self.coefficients;
        let at = (y - self.centre_px[1]) / self.half_size_px[1];
        SurfaceRow {
            centre_px: self.centre_px[0],
            scale: 1.0 / self.half_size_px[0],
            parabola: [v * at - uu / 3.0 + vv * (at * at - 1.0 / 3.0), u + uv * at, uu],
        }
    }

    /// This surface multiplied with `factor`.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.coefficients = self.coefficients.map(|own| own * factor);
        self
    }

    /// This surface less another, in this one's coordinates: the constant and the rest.
    pub fn less(&self, other: &Self) -> (f64, Self) {
        // u of the other is a + b u of this one, likewise v.
        let b: [f64; 2] = std::array::from_fn(|axis| self.half_size_px[axis] / other.half_size_px[axis]);
        let a: [f64; 2] = std::array::from_fn(|axis| {
            (self.centre_px[axis] - other.centre_px[axis]) / other.half_size_px[axis]
        });
        let [u, v, uu, uv, vv] = other.coefficients;
        let constant = u * a[0] + v * a[1] + uu * (a[0] * a[0] - 1.0 / 3.0) + uv * a[0] * a[1]
            + vv * (a[1] * a[1] - 1.0 / 3.0)
            // u^2 of this one is its own term and a third.
            + (uu * b[0] * b[0] + vv * b[1] * b[1]) / 3.0;
        let there = [
            b[0] * (u + 2.0 * uu * a[0] + uv * a[1]),
            b[1] * (v + 2.0 * vv * a[1] + uv * a[0]),
            uu * b[0] * b[0],
            uv * b[0] * b[1],
            vv * b[1] * b[1],
        ];
        let mut rest = *self;
        for (own, there) in rest.coefficients.iter_mut().zip(there) {
            *own -= there;
        }
        (-constant, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tilted() -> Surface {
        Surface { coefficients: [3.0, -2.0, 0.7, 1.3, -0.4], ..Surface::over([100.0, 420.0], [-30.0, 210.0]) }
    }

    #[test]
    fn rows_are_the_surface() {
        let surface = tilted();
        for (x, y) in [(100.0, -30.0), (260.0, 90.0), (7.0, 1000.0)] {
            assert!((surface.row(y).at(x) - surface.at(x, y)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_difference_is_that_of_the_values() {
        let other = Surface {
            coefficients: [1.0, 5.0, -0.3, 0.2, 2.5],
            ..Surface::over([900.0, 1000.0], [0.0, 640.0])
        };
        let (constant, rest) = tilted().less(&other);
        for (x, y) in [(100.0, -30.0), (260.0, 90.0), (950.0, 320.0)] {
            let expected = tilted().at(x, y) - other.at(x, y);
            assert!((constant + rest.at(x, y) - expected).abs() < 1e-9);
        }
        assert!(tilted().less(&tilted()).1.coefficients.iter().all(|own| own.abs() < 1e-12));
    }
}
