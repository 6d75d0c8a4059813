//! Which order of distortion the stars support: the order under which stars are predicted clearly better by the others.

use super::clip::{Clipped, fit_clipped};
use super::polynomial::{Point, term_count};

/// Stars per coefficient and axis that an order needs before it is tried.
const STARS_PER_TERM: usize = 4;
/// The gain must be above so many of its standard errors.
const GAIN_SIGMA: f64 = 2.5;
/// The loss grows as a logarithm beyond about so many standard deviations, so that no single star decides.
const LOSS_SIGMA: f64 = 2.0;
/// Standard deviation of the fit, on each axis, at the corners of what it will be used for: above, an order is not taken.
const MAX_CORNER_SIGMA_PX: f64 = 0.5;

/// The best fit of orders 1 to `highest`; `None` where not even the linear one is determined.
///
/// Orders are compared by leave-one-out prediction: e_i, the residual of a star against the fit without it (by its
/// leverage, exact for a linear fit: Allen 1974, Technometrics 16, 125), of stars that either order keeps. Loss:
/// ln(1 + (e_i / 2 sigma_i)^2) with the sigma of the higher order. A higher order is taken if the mean of the differences of
/// losses is above 2.5 times its standard error. Without distortion the
/// mean is negative, so chance seldom gets there.
pub(super) fn best_order(
    points: &[Point],
    highest: usize,
    unit_px: f64,
    corners_px: &[[f64; 2]],
) -> Option<Clipped> {
    let mut best = fit_clipped(points, 1, unit_px)?;
    for order in 2..=highest {
        if points.len() < STARS_PER_TERM * term_count(order) {
            break;
        }
        let Some(higher) = fit_clipped(points, order, unit_px) else { break };
        if higher.count() < STARS_PER_TERM * term_count(order) {
            continue;
        }
        let corner_px2 = corners_px.iter().map(|at| higher.plate.variance_px2(*at)).fold(0.0, f64::max);
        if corner_px2 <= MAX_CORNER_SIGMA_PX * MAX_CORNER_SIGMA_PX
            && gain_sigma(points, &best, &higher) > GAIN_SIGMA
        {
            best = higher;
        }
    }
    Some(best)
}

/// Mean gain of `higher` in predicting stars over its standard error.
fn gain_sigma(points: &[Point], lower: &Clipped, higher: &Clipped) -> f64 {
    let loss = |error_px: f64, sigma_px: f64| (1.0 + (error_px / (LOSS_SIGMA * sigma_px)).powi(2)).ln();
    let kept = (0..points.len()).filter(|index| lower.kept[*index] || higher.kept[*index]);
    let gains: Vec<f64> = kept
        .map(|index| {
            let sigma_px = higher.sigma_px(&points[index]);
            loss(lower.without_px[index], sigma_px) - loss(higher.without_px[index], sigma_px)
        })
        .collect();
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    mean / (variance / count).sqrt().max(1e-12)
}
