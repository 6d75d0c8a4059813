//! Options of the adjustment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the normal equations are solved. Both give the same to 1e-6 px.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Cholesky for few unknowns, conjugate gradients for many.
    #[default]
    Auto,
    /// Cholesky, memory grows with the square of the number of frames.
    Cholesky,
    /// Conjugate gradients.
    ConjugateGradients,
}

/// Options of [`crate::adjust::adjust`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdjustOptions {
    /// Brightest stars of a frame that are used, besides those with a catalogue match.
    pub max_stars: usize,
    /// Detections of two frames are one star within this at first, pixels.
    pub match_px: f64,
    /// The same in the last round, pixels.
    pub rematch_px: f64,
    /// Highest order of distortion that is tried, from 0 or 1 (none) to 5.
    pub max_sip_order: usize,
    /// Error of positions that is assumed besides their own before the data tell, pixels.
    pub floor_px: f64,
    /// Standard deviation of the shear of frames (differential refraction, tilt).
    pub shear_sigma: f64,
    /// Standard deviation of the scale of frames about that of their instrument.
    pub scale_sigma: f64,
    /// Most rounds after the last matching of stars.
    pub max_rounds: usize,
    /// How the equations are solved.
    pub solver: Solver,
}

impl Default for AdjustOptions {
    fn default() -> Self {
        Self {
            max_stars: 200,
            match_px: 3.0,
            rematch_px: 1.0,
            max_sip_order: 3,
            floor_px: 0.05,
            shear_sigma: 3e-4,
            scale_sigma: 3e-4,
            max_rounds: 12,
            solver: Solver::default(),
        }
    }
}

impl AdjustOptions {
    /// Whether the figures can be used.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("match-px", self.match_px),
            ("rematch-px", self.rematch_px),
            ("floor-px", self.floor_px),
            ("shear-sigma", self.shear_sigma),
            ("scale-sigma", self.scale_sigma),
        ];
        if let Some((name, value)) = positive.iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
            return Err(format!("{name} {value}: above 0"));
        }
        if self.rematch_px > self.match_px {
            return Err(format!("rematch-px {}: not above match-px {}", self.rematch_px, self.match_px));
        }
        if self.max_sip_order > super::distortion::MAX_ORDER {
            return Err(format!("max-sip-order {}: from 0 to 5", self.max_sip_order));
        }
        if self.max_rounds == 0 {
            return Err("max-rounds 0: at least 1".into());
        }
        Ok(())
    }
}
