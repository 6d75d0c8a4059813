//! The interpolating cubic B-spline: coefficients, holes, effective weights.
//!
//! s(x) = sum_j c_j beta(x - j) passes through the pixels when c = h * f with h_j = sqrt(3) z^|j|,
//! z = sqrt(3) - 2 (Unser 1999, table 1 and box 2: -6 z / (1 - z^2) is sqrt(3)). As a kernel of the pixels it is
//! the cardinal spline eta(x) = sum_j h_j beta(x - j), which has no end; so that samples do not depend on
//! the window, h is cut at [`FILTER_RADIUS_PX`] (what is left out sums to 5e-8). Frames continue by reflection
//! about their outermost pixels' centres (pixel -1 is pixel 1), as in scipy.

pub(crate) mod effective;
pub(crate) mod fill;
mod prefilter;

pub use prefilter::{PrefilterScratch, SplineCoefficients, bspline_prefilter};

use crate::kernel::Kernel;

/// Taps of the prefilter on each side.
pub const FILTER_RADIUS_PX: usize = 13;

/// How far a hole looks for good pixels to be filled from.
pub const FILL_RADIUS_PX: usize = 8;

/// z.
const POLE: f64 = -0.267_949_192_431_122_7;

/// h at the distance `j`, not cut.
fn impulse(j: i64) -> f64 {
    3.0_f64.sqrt() * POLE.powi(j.abs() as i32)
}

/// The pixel of a frame of `size` pixels that stands at `index` when the frame is reflected about the centres
/// of its outermost pixels.
pub(crate) fn reflect(index: i64, size: usize) -> i64 {
    let last = size as i64 - 1;
    if last <= 0 {
        return 0;
    }
    let folded = index.rem_euclid(2 * last);
    if folded > last { 2 * last - folded } else { folded }
}

/// Where `position`, which is inside a frame of `size` pixels, is sampled: the outer half pixel repeats the
/// outermost pixel's centre, as in reproject.
pub(crate) fn clamp(position: f64, size: usize) -> f64 {
    position.clamp(0.0, size as f64 - 1.0)
}

/// Sum over i of eta(f - i)^2 from the four weights of the basis at the fraction f: a quadratic form with the
/// autocorrelation of h, r_k = 3 z^k (k + (1 + z^2) / (1 - z^2)).
pub(crate) fn squares_sum(basis: [f64; 4]) -> f64 {
    let constant = (1.0 + POLE * POLE) / (1.0 - POLE * POLE);
    let mut sum = 0.0;
    for (a, left) in basis.iter().enumerate() {
        for (b, right) in basis.iter().enumerate() {
            let k = a.abs_diff(b);
            sum += left * right * 3.0 * POLE.powi(k as i32) * (k as f64 + constant);
        }
    }
    sum
}

/// eta at the distances of the 2 `reach` pixels around `position`, from pixel floor(position) - reach + 1 on.
pub(crate) fn cardinal_weights(position: f64, reach: i64, weights: &mut Vec<f64>) -> i64 {
    let first = position.floor() as i64 - reach + 1;
    let nearest = position.floor() as i64 - 1;
    let basis = [0, 1, 2, 3].map(|j| Kernel::BsplineCubic.value((nearest + j) as f64 - position));
    weights.clear();
    weights.extend(
        (first..first + 2 * reach)
            .map(|i| (nearest..).zip(basis).map(|(j, beta)| beta * impulse(i - j)).sum::<f64>()),
    );
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cardinal_spline_interpolates() {
        let mut weights = Vec::new();
        let first = cardinal_weights(7.0, 20, &mut weights);
        for (i, weight) in (first..).zip(&weights) {
            let expected = if i == 7 { 1.0 } else { 0.0 };
            assert!((weight - expected).abs() < 1e-12, "{i}: {weight}");
        }
        cardinal_weights(7.5, 30, &mut weights);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_sum_of_squares_is_that_of_the_cardinal_spline() {
        let mut weights = Vec::new();
        for i in 0..=16 {
            let f = f64::from(i) / 16.0;
            cardinal_weights(f, 30, &mut weights);
            let direct: f64 = weights.iter().map(|w| w * w).sum();
            let basis = [-1.0, 0.0, 1.0, 2.0].map(|j| Kernel::BsplineCubic.value(j - f));
            assert!((squares_sum(basis) - direct).abs() < 1e-12, "{f}");
        }
    }

    #[test]
    fn reflection_is_about_pixel_centres() {
        assert_eq!((-4..8).map(|i| reflect(i, 3)).collect::<Vec<_>>(), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!((-2..3).map(|i| reflect(i, 1)).collect::<Vec<_>>(), [0; 5]);
    }
}
