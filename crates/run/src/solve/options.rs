//! What plate solving is asked to do.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_stars::StarOptions;
use zemosaic_stars::adjust::AdjustOptions;
use zemosaic_stars::astrometry::{FitOptions, VerifyOptions};

/// Which frames are solved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SolveMode {
    /// None: every frame needs a WCS that can be used, and it is believed.
    #[default]
    Off,
    /// Those without a WCS; a WCS that is there is believed.
    Missing,
    /// Those without a WCS, and those whose WCS the stars contradict.
    Auto,
}

/// Who solves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SolverChoice {
    /// The program itself, then astap and solve-field where they are installed.
    #[default]
    Auto,
    /// The program itself.
    Embedded,
    /// ASTAP (astap_cli), with its own star database.
    Astap,
    /// solve-field of Astrometry.net, with its own index files.
    SolveField,
}

/// Whether the whole sky is searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlindSearch {
    /// For frames that no hint and no neighbour helps.
    #[default]
    Auto,
    /// Never.
    Off,
    /// At once: hints of headers are not looked at.
    Only,
}

/// Whether all solved frames are adjusted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdjustChoice {
    /// Yes.
    #[default]
    On,
    /// Each frame keeps its own fit.
    Off,
}

/// Options of plate solving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SolveOptions {
    /// Which frames.
    pub mode: SolveMode,
    /// Who.
    pub solver: SolverChoice,
    /// The whole sky.
    pub blind: BlindSearch,
    /// Catalogue instead of the one inside the program.
    pub catalog: Option<PathBuf>,
    /// Julian year that catalogue stars are moved to; `None`: the date of each frame.
    pub catalog_epoch: Option<f64>,
    /// Where frames point, ICRS degrees, instead of what their headers say.
    pub centre_deg: Option<(f64, f64)>,
    /// Their scale, arcsec per pixel, instead of what their headers say.
    pub scale_arcsec: Option<f64>,
    /// Radius around a hint, degrees; a second try takes [`SolveOptions::wide_radius_deg`].
    pub radius_deg: f64,
    /// Radius of the second try, degrees.
    pub wide_radius_deg: f64,
    /// Time limit of one try of an external program, seconds.
    pub external_timeout_s: f64,
    /// Stars of a frame that are looked at, brightest first.
    pub max_stars: usize,
    /// The fit of one frame.
    pub fit: FitOptions,
    /// When a WCS is believed.
    pub verify: VerifyOptions,
    /// All frames together.
    pub adjust: AdjustChoice,
    /// How.
    pub adjustment: AdjustOptions,
}

impl Default for SolveOptions {
    fn default() -> Self {
        Self {
            mode: SolveMode::default(),
            solver: SolverChoice::default(),
            blind: BlindSearch::default(),
            catalog: None,
            catalog_epoch: None,
            centre_deg: None,
            scale_arcsec: None,
            radius_deg: 1.0,
            wide_radius_deg: 2.1,
            external_timeout_s: 60.0,
            max_stars: 200,
            fit: FitOptions::default(),
            verify: VerifyOptions::default(),
            adjust: AdjustChoice::default(),
            adjustment: AdjustOptions::default(),
        }
    }
}

impl SolveOptions {
    /// Whether stars are to be found at all.
    pub fn acts(&self) -> bool {
        self.mode != SolveMode::Off
    }

    /// What counts as a star.
    pub fn stars(&self) -> StarOptions {
        StarOptions::default()
    }

    /// Whether the program's own solver is used.
    pub fn embedded(&self) -> bool {
        matches!(self.solver, SolverChoice::Auto | SolverChoice::Embedded)
    }

    /// That numbers are in their range.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        if let Some((ra, dec)) = self.centre_deg
            && !((0.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec))
        {
            return Err(format!(
                "--solve-center {ra},{dec}: right ascension from 0 to 360, declination from -90 to 90"
            ));
        }
        if let Some(scale) = self.scale_arcsec.filter(|scale| !(0.01..=400.0).contains(scale)) {
            return Err(format!("--solve-scale {scale}: from 0.01 to 400 arcsec per pixel"));
        }
        if let Some(year) = self.catalog_epoch.filter(|year| !(1800.0..=2200.0).contains(year)) {
            return Err(format!("--catalog-epoch {year}: a year from 1800 to 2200"));
        }
        for (name, value) in [("--solve-radius", self.radius_deg), ("wide radius", self.wide_radius_deg)] {
            if !(0.05..=5.0).contains(&value) {
                return Err(format!("{name} {value}: from 0.05 to 5 degrees"));
            }
        }
        if !(1.0..=86_400.0).contains(&self.external_timeout_s) {
            return Err(format!("--solve-timeout {}: from 1 to 86400 seconds", self.external_timeout_s));
        }
        Ok(())
    }
}
