//! Options of the quality gates, which several commands share.

use clap::Args;
use zemosaic_stars::{GateMode, GateOptions};

use crate::named::named;
use crate::parse;

/// Quality gates.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Leave out frames that are far worse than their night; default: auto for run and quality, off for
    /// mosaic and stack
    #[arg(id = "gate", long, value_name = "MODE", value_parser = named::<GateMode>())]
    pub gate_mode: Option<GateMode>,
    /// Limits of a night: its median and this many standard deviations
    #[arg(long, value_name = "K", default_value_t = GateOptions::default().kappa, value_parser = parse::limit)]
    pub gate_kappa: f64,
    /// Share of a night's frames that its limits leave at least
    #[arg(long, value_name = "0..1", default_value_t = GateOptions::default().keep_share, value_parser = parse::limit)]
    pub keep_share: f64,
    /// Leave out frames with a larger FWHM
    #[arg(long, value_name = "PX", value_parser = parse::limit)]
    pub max_fwhm: Option<f64>,
    /// Leave out frames with longer stars (1 - minor / major axis)
    #[arg(long, value_name = "0..1", value_parser = parse::limit)]
    pub max_roundness: Option<f64>,
    /// Leave out frames with a brighter sky
    #[arg(long, value_name = "ADU", allow_hyphen_values = true)]
    pub max_background: Option<f64>,
    /// Leave out frames with fewer stars
    #[arg(long, value_name = "N")]
    pub min_stars: Option<usize>,
}

impl GateArgs {
    /// The gates' options, where `default` is the mode of the command.
    pub fn options(&self, default: GateMode) -> GateOptions {
        GateOptions {
            mode: self.gate_mode.unwrap_or(default),
            kappa: self.gate_kappa,
            keep_share: self.keep_share,
            max_fwhm_px: self.max_fwhm,
            max_roundness: self.max_roundness,
            max_background_adu: self.max_background,
            min_stars: self.min_stars,
            ..GateOptions::default()
        }
    }

    /// That every option that was given has an effect.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, default: GateMode, given: &[String]) -> Result<(), String> {
        if self.gate_mode.unwrap_or(default) == GateMode::Auto {
            return Ok(());
        }
        let idle = ["gate-kappa", "keep-share"].into_iter().find(|name| given.iter().any(|own| own == name));
        idle.map_or(Ok(()), |name| Err(format!("--{name} has an effect only with --gate auto")))
    }
}
