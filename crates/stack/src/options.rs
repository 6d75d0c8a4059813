//! How samples are combined and which are outliers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the surviving samples become a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// Weighted mean.
    #[default]
    Mean,
    /// Median; of an even number the mean of the middle two. Weights do not count.
    Median,
}

/// Which samples are outliers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectMethod {
    /// None.
    None,
    /// Iterated clip: centre = median of the survivors, spread = their population standard deviation.
    #[default]
    Sigma,
}

/// Options of the rejection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RejectOptions {
    /// Method.
    pub method: RejectMethod,
    /// Samples below centre - `kappa_low` x spread are rejected.
    pub kappa_low: f64,
    /// Samples above centre + `kappa_high` x spread are rejected.
    pub kappa_high: f64,
    /// Rounds at most; the clip ends earlier when nothing changes.
    pub max_iterations: u32,
}

impl Default for RejectOptions {
    fn default() -> Self {
        Self { method: RejectMethod::default(), kappa_low: 3.0, kappa_high: 3.0, max_iterations: 5 }
    }
}
