//! The gains of a pair in its channels hold together: haze, exposure and aperture dim all colours alike, within some per cent.
//! Without that a channel with too few stars would keep gain 1 while the others are scaled, and change the colours.
//!
//! In each channel the logarithm of the gain is what the other channels say, give or take [`COLOUR`]: their mean weighted with
//! 1 / (variance + COLOUR^2), whose variance grows by COLOUR^2. Where the channel has a gain of its own both are averaged by
//! their variances: of a gain known to 0.5 % the others change 1 % of its error.

use crate::gain::{GainOrigin, PairGain};

/// Standard deviation of a channel's log gain about those of the others.
const COLOUR: f64 = 0.05;

/// The gains of a pair, per channel, with what the other channels say.
pub(crate) fn together(own: &[Option<PairGain>]) -> Vec<Option<PairGain>> {
    (0..own.len()).map(|channel| with_others(own, channel)).collect()
}

fn with_others(own: &[Option<PairGain>], channel: usize) -> Option<PairGain> {
    let (mut weights, mut sum, mut samples) = (0.0, 0.0, 0);
    for other in own.iter().enumerate().filter(|(index, _)| *index != channel).filter_map(|(_, gain)| *gain) {
        let weight = 1.0 / (other.variance + COLOUR * COLOUR);
        weights += weight;
        sum += weight * other.value;
        samples = samples.max(other.samples);
    }
    if weights == 0.0 {
        return own[channel];
    }
    let others = PairGain {
        value: sum / weights,
        variance: 1.0 / weights + COLOUR * COLOUR,
        origin: GainOrigin::Channels,
        samples,
    };
    let Some(gain) = own[channel] else { return Some(others) };
    let (a, b) = (1.0 / gain.variance, 1.0 / others.variance);
    if !a.is_finite() {
        return Some(gain);
    }
    let value = (a * gain.value + b * others.value) / (a + b);
    Some(PairGain { value, variance: 1.0 / (a + b), ..gain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(value: f64, error: f64) -> PairGain {
        PairGain { value, variance: error * error, origin: GainOrigin::Stars, samples: 30 }
    }

    #[test]
    fn a_channel_without_a_gain_has_that_of_the_others() {
        let found = together(&[Some(gain(0.7, 0.01)), Some(gain(0.7, 0.01)), None]);
        let blue = found[2].unwrap();
        assert!((blue.value - 0.7).abs() < 1e-12 && blue.origin == GainOrigin::Channels);
        assert!(blue.variance.sqrt() > COLOUR && blue.variance.sqrt() < 1.3 * COLOUR);
        assert!(together(&[None, None, None]).iter().all(Option::is_none));
        assert_eq!(together(&[Some(gain(0.2, 0.1))]), [Some(gain(0.2, 0.1))]);
    }

    #[test]
    fn what_is_known_well_stays() {
        let found = together(
            &[(0.05, 0.001), (0.06, 0.001), (0.04, 0.3)].map(|(value, error)| Some(gain(value, error))),
        );
        assert!((found[0].unwrap().value - 0.05).abs() < 1e-5);
        assert!((found[1].unwrap().value - 0.06).abs() < 1e-5);
        // One that is hardly known follows.
        assert!((found[2].unwrap().value - 0.055).abs() < 1e-3);
    }
}
