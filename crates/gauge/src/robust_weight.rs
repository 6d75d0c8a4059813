//! Weights of residuals by their size in sigma (Holland & Welsch 1977, Commun. Stat. A6, 813): Huber's bounds the pull of
//! an outlier, Tukey's has none left for it, but must start from near the solution. So iterations begin with Huber's.

/// Huber's limit in sigma.
const HUBER: f64 = 1.345;
/// Tukey's limit in sigma.
pub(crate) const TUKEY: f64 = 4.685;
/// Rounds that iterations usually begin with, of Huber's weight.
pub(crate) const HUBER_ROUNDS: usize = 3;

/// Which weight a residual gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RobustWeight {
    /// Huber's.
    Huber,
    /// Tukey's.
    Tukey,
}

impl RobustWeight {
    /// Huber's in the first `huber_rounds`, then Tukey's.
    pub(crate) fn of_round(round: usize, huber_rounds: usize) -> Self {
        if round < huber_rounds { Self::Huber } else { Self::Tukey }
    }

    /// The weight, 0 to 1, of a residual of `sigmas`, 0 and above.
    pub(crate) fn at(self, sigmas: f64) -> f64 {
        match self {
            Self::Huber if sigmas <= HUBER => 1.0,
            Self::Huber => HUBER / sigmas,
            Self::Tukey => bisquare(sigmas / TUKEY),
        }
    }
}

/// Tukey's weight of a residual that is this share of the limit.
pub(crate) fn bisquare(share: f64) -> f64 {
    if share.abs() < 1.0 { (1.0 - share * share).powi(2) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_from_one() {
        assert_eq!([0.0, HUBER, 2.0 * HUBER].map(|own| RobustWeight::Huber.at(own)), [1.0, 1.0, 0.5]);
        assert_eq!([0.0, TUKEY, 99.0].map(|own| RobustWeight::Tukey.at(own)), [1.0, 0.0, 0.0]);
        assert_eq!([-0.5, 0.5, f64::NAN].map(bisquare), [0.5625, 0.5625, 0.0]);
        let kinds = [2, 3].map(|round| RobustWeight::of_round(round, HUBER_ROUNDS));
        assert_eq!(kinds, [RobustWeight::Huber, RobustWeight::Tukey]);
    }
}
