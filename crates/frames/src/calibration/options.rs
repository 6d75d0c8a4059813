//! What calibration is asked for.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Darks of another exposure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DarkScaling {
    /// A dark fits only frames of its exposure.
    #[default]
    Off,
    /// The dark current above the bias is scaled with the exposure; needs a bias.
    Exposure,
}

/// Overscan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverscanMode {
    /// Subtracted and trimmed where BIASSEC, TRIMSEC and DATASEC declare it.
    #[default]
    Auto,
    /// Frames are used as they are stored.
    Off,
}

/// Calibration of frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CalibrationOptions {
    /// Bias frames or masters: files, folders, lists.
    pub bias: Vec<PathBuf>,
    /// Dark frames or masters, those for flats too.
    pub dark: Vec<PathBuf>,
    /// Flat frames or masters.
    pub flat: Vec<PathBuf>,
    /// Images that are not 0 where a pixel of the sensor is bad.
    pub bad_pixels: Vec<PathBuf>,
    /// Darks of another exposure.
    pub dark_scaling: DarkScaling,
    /// Overscan.
    pub overscan: OverscanMode,
    /// Level of a pixel without light in frames that neither a bias nor a dark is subtracted from; a flat acts on what is
    /// above it. `None`: what PEDESTAL says, else 0.
    pub pedestal_adu: Option<f64>,
    /// How far the exposure of a dark may be from that of a frame, as a share of it.
    pub exposure_tolerance: f64,
    /// How far the sensor of a dark may be from the frame's temperature, degrees.
    pub temperature_tolerance_deg: f64,
}

impl Default for CalibrationOptions {
    fn default() -> Self {
        Self {
            bias: Vec::new(),
            dark: Vec::new(),
            flat: Vec::new(),
            bad_pixels: Vec::new(),
            dark_scaling: DarkScaling::default(),
            overscan: OverscanMode::default(),
            pedestal_adu: None,
            exposure_tolerance: 0.05,
            temperature_tolerance_deg: 5.0,
        }
    }
}

impl CalibrationOptions {
    /// Whether any calibration frames are given.
    pub fn has_files(&self) -> bool {
        [&self.bias, &self.dark, &self.flat, &self.bad_pixels].into_iter().any(|paths| !paths.is_empty())
    }

    /// What changes pixels besides the files, whose content counts.
    #[must_use]
    pub fn without_paths(&self) -> Self {
        let none = Vec::new;
        Self { bias: none(), dark: none(), flat: none(), bad_pixels: none(), ..self.clone() }
    }

    /// Whether the values can be used.
    ///
    /// # Errors
    /// What is wrong with one, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let tolerance = |value: f64| value.is_finite() && value >= 0.0;
        if !tolerance(self.exposure_tolerance) || !tolerance(self.temperature_tolerance_deg) {
            return Err("the tolerances of calibration are finite numbers, 0 or more".into());
        }
        if self.pedestal_adu.is_some_and(|level| !level.is_finite()) {
            return Err("the pedestal is a finite number, for example 433".into());
        }
        if self.dark_scaling == DarkScaling::Exposure && (self.dark.is_empty() || self.bias.is_empty()) {
            return Err(
                "dark-scaling exposure scales what darks have above the bias: give --dark and --bias".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_json_and_their_limits() {
        let options: CalibrationOptions =
            serde_json::from_str(r#"{"dark": ["d"], "bias": ["b"], "dark-scaling": "exposure"}"#).unwrap();
        assert!(options.check().is_ok() && options.has_files());
        assert_eq!(options.without_paths().dark_scaling, DarkScaling::Exposure);
        assert!(!options.without_paths().has_files());
        let alone = CalibrationOptions { bias: Vec::new(), ..options };
        assert!(alone.check().unwrap_err().contains("--bias"));
        let bad = CalibrationOptions { temperature_tolerance_deg: f64::NAN, ..CalibrationOptions::default() };
        assert!(bad.check().is_err());
    }
}
