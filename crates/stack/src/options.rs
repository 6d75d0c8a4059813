//! How samples are combined and which are outliers.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// How the surviving samples become a value.
///
/// In files and JSON: `"mean"`, `"median"`, ..., `{percentile: 25.0}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// Weighted mean.
    #[default]
    Mean,
    /// Median; of an even number the mean of the middle two. Weights do not count.
    Median,
    /// Least sample. Weights do not count; no variance is known.
    Min,
    /// Greatest sample. Weights do not count; no variance is known.
    Max,
    /// Sum of the samples. Weights do not count; the variances add up.
    Sum,
    /// Percentile, 0 to 100, linear between the two nearest samples (as numpy's default; method 7 of Hyndman
    /// and Fan 1996). Weights do not count; no variance is known.
    Percentile(
        #[serde(deserialize_with = "percent")]
        #[schemars(range(min = 0.0, max = 100.0))]
        f64,
    ),
}

/// A finite number, not below 0.
fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!("a limit of the noise clip is not below 0, as {value} is")))
    }
}

/// A number from 0 to 100.
fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!("a percentile lies between 0 and 100, not at {value}")))
    }
}

/// A number above 0, at most 1.
fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (1e-100..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!(
            "the level of the test lies above 0 and up to 1, not at {value}"
        )))
    }
}

/// A number from 0 to 0.5.
fn up_to_half<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=0.5).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!("outliers are from 0 to 0.5 of the samples, not {value}")))
    }
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
    /// Iterated clip: centre = median of the survivors, spread = 1.4826 x the median of their absolute
    /// deviations from it; where that is 0 (more than half of them equal) nothing more is rejected.
    Mad,
    /// Iterated clip about the straight line through the sorted survivors over their rank, spread = their mean absolute
    /// deviation from it ([`crate::definition::linear_fit`]). That is far less than a standard deviation: limits of 5 below
    /// and 3.5 above suit it better than 3.
    #[serde(alias = "linear_fit_clip", alias = "linear-fit-clip", alias = "linear_fit")]
    LinearFit,
    /// Generalised extreme Studentised deviate test (Rosner 1983), at the level `esd_alpha` for up to a share `esd_outliers`
    /// of the samples ([`crate::definition::esd`]).
    #[serde(alias = "gesd", alias = "generalized_esd")]
    Esd,
}

/// How outliers are found among 2 to 5 samples, where the samples themselves cannot tell ([`crate::clip_by_noise`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LowDepth {
    /// By the known noise and levels of the frames, before the method.
    #[default]
    Noise,
    /// By the method alone: all are kept where it cannot tell (clauses C-61 and C-63 of SCI-05 as they stand).
    Keep,
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
    /// What is done among 2 to 5 samples; without a method nothing is.
    pub low_depth: LowDepth,
    /// Noise clip: standard deviations that a sample may lie from the centre.
    #[serde(deserialize_with = "not_negative")]
    #[schemars(range(min = 0.0))]
    pub noise_kappa: f64,
    /// Noise clip: share of the brightness above the sky that is allowed on top; seeing and sampling change the cores of
    /// stars from frame to frame.
    #[serde(deserialize_with = "not_negative")]
    #[schemars(range(min = 0.0))]
    pub noise_amplitude: f64,
    /// ESD: chance that a pixel of normal noise without outliers loses a sample.
    #[serde(deserialize_with = "chance")]
    #[schemars(range(min = 1e-100, max = 1.0))]
    pub esd_alpha: f64,
    /// ESD: largest share of the samples that may be outliers.
    #[serde(deserialize_with = "up_to_half")]
    #[schemars(range(min = 0.0, max = 0.5))]
    pub esd_outliers: f64,
}

impl Default for RejectOptions {
    fn default() -> Self {
        Self {
            method: RejectMethod::default(),
            kappa_low: 3.0,
            kappa_high: 3.0,
            max_iterations: 5,
            low_depth: LowDepth::default(),
            noise_kappa: 4.0,
            noise_amplitude: 0.5,
            esd_alpha: 0.05,
            esd_outliers: 0.3,
        }
    }
}

impl RejectOptions {
    /// Whether pixels of 2 to 5 samples are clipped by the noise of the frames.
    pub fn clips_by_noise(&self) -> bool {
        self.method != RejectMethod::None && self.low_depth == LowDepth::Noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct File {
        combine: Combine,
        reject: RejectOptions,
    }

    #[test]
    fn names_in_toml_and_json() {
        let combines = [
            (Combine::Mean, "\"mean\""),
            (Combine::Median, "\"median\""),
            (Combine::Min, "\"min\""),
            (Combine::Max, "\"max\""),
            (Combine::Sum, "\"sum\""),
            (Combine::Percentile(25.0), "{\"percentile\":25.0}"),
        ];
        for (combine, json) in combines {
            assert_eq!(serde_json::to_string(&combine).unwrap(), json);
            assert_eq!(serde_json::from_str::<Combine>(json).unwrap(), combine);
            let reject = RejectOptions { method: RejectMethod::Mad, ..RejectOptions::default() };
            let file = File { combine, reject };
            let text = toml::to_string(&file).unwrap();
            assert!(text.contains("method = \"mad\""), "{text}");
            assert_eq!(toml::from_str::<File>(&text).unwrap(), file);
        }
        assert_eq!(serde_json::to_string(&LowDepth::Keep).unwrap(), "\"keep\"");
        let by_hand = "combine = \"mean\"\n[reject]\nlow-depth = \"keep\"\nnoise-kappa = 5\n";
        let reject = toml::from_str::<File>(by_hand).unwrap().reject;
        assert_eq!(
            (reject.low_depth, reject.noise_kappa, reject.noise_amplitude),
            (LowDepth::Keep, 5.0, 0.5)
        );
        assert!(!reject.clips_by_noise() && RejectOptions::default().clips_by_noise());
        for wrong in ["noise-kappa = -1", "noise-amplitude = nan", "noise-kappa = inf"] {
            let error = toml::from_str::<RejectOptions>(wrong).unwrap_err().to_string();
            assert!(error.contains("not below 0"), "{error}");
        }
        let by_hand = "method = \"linear_fit_clip\"\nesd-alpha = 0.01\nesd-outliers = 0.1\n";
        let reject = toml::from_str::<RejectOptions>(by_hand).unwrap();
        assert_eq!(
            (reject.method, reject.esd_alpha, reject.esd_outliers),
            (RejectMethod::LinearFit, 0.01, 0.1)
        );
        for wrong in ["esd-alpha = 0", "esd-alpha = 1.5", "esd-outliers = 0.6", "esd-outliers = -0.1"] {
            assert!(toml::from_str::<RejectOptions>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&RejectMethod::LinearFit).unwrap(), "\"linear-fit\"");
        let by_hand = "combine = { percentile = 25 }\n[reject]\n";
        assert_eq!(toml::from_str::<File>(by_hand).unwrap().combine, Combine::Percentile(25.0));
        for wrong in ["{\"percentile\":-1.0}", "{\"percentile\":100.5}"] {
            let error = serde_json::from_str::<Combine>(wrong).unwrap_err().to_string();
            assert!(error.contains("between 0 and 100"), "{error}");
        }
        let schema = serde_json::to_string(&schemars::schema_for!(Combine)).unwrap();
        assert!(schema.contains("\"percentile\"") && schema.contains("\"maximum\":100"), "{schema}");
    }
}
