//! Options of ZeMosaic's two-pass coverage renormalisation.

use clap::Args;
use zemosaic_gauge::compat::two_pass::TwoPassOptions;

use crate::args::refuse_idle;
use crate::parse;

/// Two-pass coverage renormalisation, for comparison with ZeMosaic.
#[derive(Debug, Args)]
pub struct TwoPassArgs {
    /// Multiply each tile with a gain from how deep it is covered, as ZeMosaic does: wrong photometry, for comparison only
    #[arg(id = "two_pass_coverage_renorm", long = "two-pass-coverage-renorm")]
    pub enabled: bool,
    /// Standard deviation of its Gaussian in pixels of the mosaic
    #[arg(id = "two_pass_sigma", long = "two-pass-sigma", value_name = "PX", alias = "two-pass-cov-sigma-px", default_value_t = TwoPassOptions::default().sigma_px, value_parser = parse::limit)]
    pub sigma_px: f64,
    /// Range of its gains
    #[arg(id = "two_pass_gain_clip", long = "two-pass-gain-clip", value_name = "LOW,HIGH", alias = "two-pass-cov-gain-clip", default_value = "0.85,1.18", value_parser = parse::pair)]
    pub gain_clip: (f64, f64),
}

impl TwoPassArgs {
    /// That every option that was given has an effect.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String]) -> Result<(), String> {
        let acts = self.enabled;
        let needed = "--two-pass-coverage-renorm";
        refuse_idle(&[("two-pass-sigma", acts, needed), ("two-pass-gain-clip", acts, needed)], given)?;
        let checked = self.options().map_or(Ok(()), |options| options.check());
        checked.map_err(|error| format!("{needed}: {error}"))
    }

    /// What they ask for.
    pub fn options(&self) -> Option<TwoPassOptions> {
        let (low, high) = self.gain_clip;
        self.enabled.then(|| TwoPassOptions {
            sigma_px: self.sigma_px,
            gain_clip: [low, high],
            ..TwoPassOptions::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_shown_is_that_of_the_options() {
        let [low, high] = TwoPassOptions::default().gain_clip;
        assert_eq!(parse::pair("0.85,1.18"), Ok((low, high)));
    }
}
