//! Options of calibration.

use std::path::PathBuf;

use clap::Args;
use zemosaic_frames::{CalibrationOptions, DarkScaling, OverscanMode};

use crate::args::refuse_idle;
use crate::named::{name_of, named};

/// Calibration of raw frames.
#[derive(Debug, Args)]
pub struct CalibrationArgs {
    /// Bias frames or a master: files, folders, @lists; may be given several times
    #[arg(long, value_name = "PATH")]
    pub bias: Vec<PathBuf>,
    /// Dark frames or masters, those of flats too
    #[arg(long, value_name = "PATH")]
    pub dark: Vec<PathBuf>,
    /// Flat frames or masters
    #[arg(long, value_name = "PATH")]
    pub flat: Vec<PathBuf>,
    /// Images of the camera's size that are not 0 where a pixel is bad
    #[arg(long, value_name = "PATH")]
    pub bad_pixels: Vec<PathBuf>,
    /// Darks of another exposure
    #[arg(long, value_parser = named::<DarkScaling>(), default_value = name_of(DarkScaling::default()))]
    pub dark_scaling: DarkScaling,
    /// Overscan
    #[arg(long, value_parser = named::<OverscanMode>(), default_value = name_of(OverscanMode::default()))]
    pub overscan: OverscanMode,
    /// Level of a pixel without light, on which a flat does not act, of frames without bias and dark; default: PEDESTAL
    /// of the header, else 0
    #[arg(long, value_name = "ADU", allow_hyphen_values = true)]
    pub pedestal: Option<f64>,
}

impl CalibrationArgs {
    /// That every option that was given has an effect.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String]) -> Result<(), String> {
        let rules = [
            ("dark-scaling", !self.dark.is_empty(), "--dark"),
            ("pedestal", !self.flat.is_empty(), "--flat"),
        ];
        refuse_idle(&rules, given)
    }

    /// The options.
    pub fn options(&self) -> CalibrationOptions {
        CalibrationOptions {
            bias: self.bias.clone(),
            dark: self.dark.clone(),
            flat: self.flat.clone(),
            bad_pixels: self.bad_pixels.clone(),
            dark_scaling: self.dark_scaling,
            overscan: self.overscan,
            pedestal_adu: self.pedestal,
            ..CalibrationOptions::default()
        }
    }
}
