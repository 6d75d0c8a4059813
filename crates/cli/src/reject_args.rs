//! Options of outlier rejection.

use clap::Args;
use zemosaic_stack::{LowDepth, RejectMethod, RejectOptions};

use crate::args::refuse_idle;
use crate::named::{name_of, named};
use crate::parse;

/// Outlier rejection.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// Outlier rejection
    #[arg(id = "reject", long, value_name = "METHOD", value_parser = named::<RejectMethod>(), default_value = name_of(RejectMethod::default()))]
    pub method: RejectMethod,
    /// Rejection thresholds in standard deviations; default: 3, of linear-fit 5,3.5
    #[arg(long, value_name = "LOW[,HIGH]", value_parser = parse::kappa)]
    pub kappa: Option<(f64, f64)>,
    /// Rounds of a clip at most
    #[arg(long, value_name = "N", default_value_t = RejectOptions::default().max_iterations, value_parser = clap::value_parser!(u32).range(1..))]
    pub clip_rounds: u32,
    /// winsorized-quantile: shares of the samples that are held at the quantiles
    #[arg(long, value_name = "LOW[,HIGH]", alias = "winsor-limits", default_value = "0.05", value_parser = parse::pair)]
    pub winsor: (f64, f64),
    /// min-max: how many of the least and the greatest samples go
    #[arg(long, value_name = "LOW[,HIGH]", default_value = "1", value_parser = parse::pair_of_counts)]
    pub min_max: (u32, u32),
    /// percentile: shares of the median by which a sample may differ
    #[arg(long, value_name = "LOW[,HIGH]", default_value = "0.2,0.1", value_parser = parse::pair)]
    pub percentile: (f64, f64),
    /// esd: chance that a pixel without outliers loses a sample
    #[arg(long, value_name = "ALPHA", default_value_t = RejectOptions::default().esd_alpha, value_parser = parse::limit)]
    pub esd_alpha: f64,
    /// esd: largest share of the samples that may be outliers
    #[arg(long, value_name = "0..0.5", default_value_t = RejectOptions::default().esd_outliers, value_parser = parse::limit)]
    pub esd_outliers: f64,
    /// Outliers among 2 to 5 samples, which cannot tell by themselves
    #[arg(long, value_parser = named::<LowDepth>(), default_value = name_of(LowDepth::default()))]
    pub low_depth: LowDepth,
    /// Threshold among 2 to 5 samples in standard deviations of the frames' noise
    #[arg(long, value_name = "KAPPA", default_value_t = RejectOptions::default().noise_kappa, value_parser = parse::limit)]
    pub noise_kappa: f64,
    /// Share of the brightness above the sky that is allowed on top, for the cores of stars
    #[arg(long, value_name = "SHARE", default_value_t = RejectOptions::default().noise_amplitude, value_parser = parse::limit)]
    pub noise_amplitude: f64,
}

/// Thresholds of a linear fit, whose spread is a mean absolute deviation.
const LINEAR_FIT_KAPPA: (f64, f64) = (5.0, 3.5);

impl RejectArgs {
    /// That every option that was given has an effect.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String]) -> Result<(), String> {
        let is = |method| self.method == method;
        let clips = !is(RejectMethod::None);
        let by_noise = clips && self.low_depth == LowDepth::Noise;
        let by_spread = clips
            && ![RejectMethod::MinMax, RejectMethod::Percentile, RejectMethod::Esd].contains(&self.method);
        let spread = "a --reject that measures a spread (auto, sigma, mad, winsorized, winsorized-quantile, linear-fit)";
        let any = "a --reject other than none";
        let noise = "a --reject other than none and --low-depth noise";
        let rules = [
            ("kappa", by_spread, spread),
            ("clip-rounds", by_spread, spread),
            ("winsor", is(RejectMethod::WinsorizedQuantile), "--reject winsorized-quantile"),
            ("min-max", is(RejectMethod::MinMax), "--reject min-max"),
            ("percentile", is(RejectMethod::Percentile), "--reject percentile"),
            ("esd-alpha", is(RejectMethod::Esd), "--reject esd"),
            ("esd-outliers", is(RejectMethod::Esd), "--reject esd"),
            ("low-depth", clips, any),
            ("noise-kappa", by_noise, noise),
            ("noise-amplitude", by_noise, noise),
        ];
        refuse_idle(&rules, given)
    }

    /// The options.
    pub fn options(&self) -> RejectOptions {
        let (usual, default) = (RejectOptions::default(), self.kappa);
        let (kappa_low, kappa_high) = default.unwrap_or(match self.method {
            RejectMethod::LinearFit => LINEAR_FIT_KAPPA,
            _ => (usual.kappa_low, usual.kappa_high),
        });
        RejectOptions {
            method: self.method,
            kappa_low,
            kappa_high,
            max_iterations: self.clip_rounds,
            winsor_low: self.winsor.0,
            winsor_high: self.winsor.1,
            reject_lowest: self.min_max.0,
            reject_highest: self.min_max.1,
            percentile_low: self.percentile.0,
            percentile_high: self.percentile.1,
            low_depth: self.low_depth,
            noise_kappa: self.noise_kappa,
            noise_amplitude: self.noise_amplitude,
            esd_alpha: self.esd_alpha,
            esd_outliers: self.esd_outliers,
        }
    }
}
