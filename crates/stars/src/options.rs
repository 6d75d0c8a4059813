//! What counts as a star, and how many are looked at closely.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of detection and measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StarOptions {
    /// Pixels of the detection plane above this many standard deviations belong to something.
    pub threshold_sigma: f64,
    /// Its brightest pixel must be above this many.
    pub peak_sigma: f64,
    /// Side of a cell of the background mesh in raw pixels, 32 at least.
    pub mesh_px: usize,
    /// Stars whose shape is fitted, brightest first.
    pub max_fitted: usize,
}

impl Default for StarOptions {
    fn default() -> Self {
        Self { threshold_sigma: 3.0, peak_sigma: 5.0, mesh_px: 128, max_fitted: 120 }
    }
}
