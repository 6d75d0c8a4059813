//! How far the levels of sources are spread: one figure before and after the parts of the gauge.

use serde::Serialize;

use crate::network::linked;
use crate::observer::MatchObserver;
use crate::solve::{Difference, Noise, solve_with_noise};

/// Spread of the levels of sources in a channel, in units of the mosaic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LevelSpread {
    /// As they were.
    pub raw: f64,
    /// With their gains.
    pub after_gain: f64,
    /// With gains, offsets and surfaces.
    pub after_offset: f64,
}

/// Standard deviation over sources of their level without stars. The sky and what is in it differs from place to place, so
/// levels are not those of whole sources: they are the solution of all `differences` of overlaps (mean 0 in each connected
/// part), and what pairs say besides adds half the mean square of their residuals. Sources without a pair do not count; 0
/// without pairs.
pub fn level_spread(sources: usize, differences: &[Difference]) -> f64 {
    observed_spread(sources, differences, &())
}

/// [`level_spread`]; `observer` is told of every round of the solution.
pub(crate) fn observed_spread(
    sources: usize,
    differences: &[Difference],
    observer: &dyn MatchObserver,
) -> f64 {
    if differences.is_empty() {
        return 0.0;
    }
    let solution = solve_with_noise(sources, differences, Noise::NotAsked, observer);
    let is_linked = linked(sources, differences.iter().map(|own| (own.a, own.b)));
    let count = is_linked.iter().filter(|is_linked| **is_linked).count();
    let levels: f64 = solution.offsets.iter().map(|offset| offset * offset).sum();
    let residuals: f64 = differences.iter().map(|own| solution.residual(own).powi(2)).sum();
    (levels / count as f64 + 0.5 * residuals / differences.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_the_levels() {
        let levels = [3.0, -1.0, 4.0, -6.0];
        let pair = |a: usize, b: usize| Difference { a, b, value: levels[a] - levels[b], variance: 0.01 };
        let found = level_spread(5, &[pair(0, 1), pair(1, 2), pair(2, 3), pair(0, 3)]);
        let expected = (levels.iter().map(|level| level * level).sum::<f64>() / 4.0).sqrt();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        assert_eq!(level_spread(3, &[]), 0.0);
        // A ring that contradicts itself by 1 in each pair has no levels, but a spread.
        let odd = |a: usize, b: usize| Difference { a, b, value: 1.0, variance: 0.01 };
        let found = level_spread(3, &[odd(0, 1), odd(1, 2), odd(2, 0)]);
        assert!((found - 0.5f64.sqrt()).abs() < 1e-6, "{found}");
    }
}
