//! How samples are combined and which are outliers.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::definition::{DEEPEST, WINSORIZED_TO};

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

/// What an option may be.
struct Allowed {
    words: &'static str,
    holds: fn(f64) -> bool,
}

const POSITIVE: Allowed = Allowed { words: "finite and above 0", holds: |x| x.is_finite() && x > 0.0 };
const NOT_NEGATIVE: Allowed =
    Allowed { words: "finite and not below 0", holds: |x| x.is_finite() && x >= 0.0 };
/// Of both tails together less than 1 is then taken.
const TAIL: Allowed = Allowed { words: "from 0 to below 0.5", holds: |x| (0.0..0.5).contains(&x) };
const CHANCE: Allowed = Allowed { words: "above 0 and up to 1", holds: |x| (1e-100..=1.0).contains(&x) };
const UP_TO_HALF: Allowed = Allowed { words: "from 0 to 0.5", holds: |x| (0.0..=0.5).contains(&x) };
const ROUNDS: Allowed = Allowed { words: "at least 1", holds: |x| x >= 1.0 };

impl Allowed {
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<f64, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (self.holds)(value) {
            return Ok(value);
        }
        Err(serde::de::Error::custom(format!("a number {}, not {value}", self.words)))
    }
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    POSITIVE.read(deserializer)
}

fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    NOT_NEGATIVE.read(deserializer)
}

fn tail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    TAIL.read(deserializer)
}

fn rounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = u32::deserialize(deserializer)?;
    if (ROUNDS.holds)(f64::from(value)) {
        return Ok(value);
    }
    Err(serde::de::Error::custom(format!("a number {}, not {value}", ROUNDS.words)))
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

/// A chance.
fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    CHANCE.read(deserializer)
}

/// A share up to a half.
fn up_to_half<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    UP_TO_HALF.read(deserializer)
}

/// Which samples are outliers.
///
/// `kappa_sigma` and `winsorized_sigma_clip` are names of `ZeMosaic`, with hyphens too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectMethod {
    /// None.
    None,
    /// Iterated clip: centre = median of the survivors, spread = their population standard deviation.
    #[serde(alias = "kappa-sigma", alias = "kappa_sigma", alias = "sci05-kappa-sigma")]
    Sigma,
    /// Iterated clip: centre = median of the survivors, spread = 1.4826 x the median of their absolute
    /// deviations from it; where that is 0 (more than half of them equal) nothing more is rejected.
    Mad,
    /// Iterated Winsorised clip: centre = median of the survivors, spread = 1.134 x standard deviation of the
    /// survivors held within 1.5 spreads of the centre, until it settles (Huber's, as `PixInsight` does it). Finds a
    /// lone outlier among 4 samples.
    #[serde(alias = "winsor", alias = "winsorized-sigma-clip", alias = "winsorized_sigma_clip")]
    Winsorized,
    /// Iterated Winsorised clip of SCI-05: centre and spread = mean and population standard deviation of the
    /// survivors held within two of their quantiles, those at `winsor_low` and 1 - `winsor_high`.
    #[serde(alias = "sci05-winsorized-sigma-clip", alias = "sci05-winsorized")]
    WinsorizedQuantile,
    /// The `reject_lowest` least and the `reject_highest` greatest samples; the median always stays.
    #[serde(alias = "minmax")]
    MinMax,
    /// Samples further from the median than a share of it, `percentile_low` or `percentile_high`.
    #[serde(alias = "percentile-clip")]
    Percentile,
    /// Iterated clip about the straight line through the sorted survivors over their rank, spread = their mean absolute
    /// deviation from it ([`crate::definition::linear_fit`]). That is far less than a standard deviation: limits of 5 below
    /// and 3.5 above suit it better than 3.
    #[serde(alias = "linear_fit_clip", alias = "linear-fit-clip", alias = "linear_fit")]
    LinearFit,
    /// Generalised extreme Studentised deviate test (Rosner 1983), at the level `esd_alpha` for up to a share `esd_outliers`
    /// of the samples ([`crate::definition::esd`]).
    #[serde(alias = "gesd", alias = "generalized_esd")]
    Esd,
    /// By the depth of the pixel: below 6 only the noise of the frames, up to 20 `winsorized`, above `sigma`; what lies
    /// within kappa times the noise of the frames of the survivors' median is no outlier.
    #[default]
    Auto,
}

impl RejectMethod {
    /// What is done to a pixel of `depth` valid samples: for [`Auto`](Self::Auto) one of the others.
    #[must_use]
    pub fn at_depth(self, depth: usize) -> Self {
        match self {
            Self::Auto if depth <= DEEPEST => Self::None,
            Self::Auto if depth <= WINSORIZED_TO => Self::Winsorized,
            Self::Auto => Self::Sigma,
            method => method,
        }
    }
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
    #[serde(deserialize_with = "positive")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub kappa_low: f64,
    /// Samples above centre + `kappa_high` x spread are rejected.
    #[serde(deserialize_with = "positive")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub kappa_high: f64,
    /// Rounds at most; a clip ends earlier when nothing changes.
    #[serde(deserialize_with = "rounds")]
    #[schemars(range(min = 1))]
    pub max_iterations: u32,
    /// Winsorized-quantile: share of the survivors that is held at the lower quantile.
    #[serde(deserialize_with = "tail")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 0.5))]
    pub winsor_low: f64,
    /// Winsorized-quantile: share of the survivors that is held at the upper quantile.
    #[serde(deserialize_with = "tail")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 0.5))]
    pub winsor_high: f64,
    /// Min-max: least samples that are rejected.
    pub reject_lowest: u32,
    /// Min-max: greatest samples that are rejected.
    pub reject_highest: u32,
    /// Percentile: share of the median by which a sample may lie below it.
    #[serde(deserialize_with = "not_negative")]
    #[schemars(range(min = 0.0))]
    pub percentile_low: f64,
    /// Percentile: share of the median by which a sample may lie above it.
    #[serde(deserialize_with = "not_negative")]
    #[schemars(range(min = 0.0))]
    pub percentile_high: f64,
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
            winsor_low: 0.05,
            winsor_high: 0.05,
            reject_lowest: 1,
            reject_highest: 1,
            percentile_low: 0.2,
            percentile_high: 0.1,
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

    /// That every option is in its range, as reading them from a file makes sure.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), RejectError> {
        let rules = [
            ("kappa-low", self.kappa_low, POSITIVE),
            ("kappa-high", self.kappa_high, POSITIVE),
            ("max-iterations", f64::from(self.max_iterations), ROUNDS),
            ("winsor-low", self.winsor_low, TAIL),
            ("winsor-high", self.winsor_high, TAIL),
            ("percentile-low", self.percentile_low, NOT_NEGATIVE),
            ("percentile-high", self.percentile_high, NOT_NEGATIVE),
            ("noise-kappa", self.noise_kappa, NOT_NEGATIVE),
            ("noise-amplitude", self.noise_amplitude, NOT_NEGATIVE),
            ("esd-alpha", self.esd_alpha, CHANCE),
            ("esd-outliers", self.esd_outliers, UP_TO_HALF),
        ];
        match rules.into_iter().find(|(_, value, allowed)| !(allowed.holds)(*value)) {
            Some((name, value, Allowed { words, .. })) => Err(RejectError { name, allowed: words, value }),
            None => Ok(()),
        }
    }
}

/// An option of the rejection out of its range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{name} is {allowed}, not {value}")]
pub struct RejectError {
    /// Its name in files.
    pub name: &'static str,
    /// What it may be.
    pub allowed: &'static str,
    /// What it is.
    pub value: f64,
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
        for wrong in [
            "kappa-low = 0",
            "kappa-high = inf",
            "max-iterations = 0",
            "winsor-low = 0.5",
            "winsor-high = -0.1",
        ] {
            assert!(toml::from_str::<RejectOptions>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["percentile-low = -0.1", "reject-lowest = -1", "kappa = 3"] {
            assert!(toml::from_str::<RejectOptions>(wrong).is_err(), "{wrong}");
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

    #[test]
    fn every_method_has_its_names() {
        use RejectMethod::{Auto, Mad, MinMax, None, Percentile, Sigma, Winsorized, WinsorizedQuantile};
        let names: [(RejectMethod, &[&str]); 8] = [
            (None, &["none"]),
            (Sigma, &["sigma", "kappa-sigma", "kappa_sigma"]),
            (Mad, &["mad"]),
            (Winsorized, &["winsorized", "winsor", "winsorized_sigma_clip", "winsorized-sigma-clip"]),
            (WinsorizedQuantile, &["winsorized-quantile", "sci05-winsorized-sigma-clip"]),
            (MinMax, &["min-max", "minmax"]),
            (Percentile, &["percentile"]),
            (Auto, &["auto"]),
        ];
        let schema = serde_json::to_string(&schemars::schema_for!(RejectMethod)).unwrap();
        for (method, names) in names {
            assert_eq!(serde_json::to_value(method).unwrap(), names[0]);
            assert!(schema.contains(&format!("\"{}\"", names[0])), "{schema}");
            for name in names {
                assert_eq!(serde_json::from_value::<RejectMethod>((*name).into()).unwrap(), method);
            }
        }
    }

    #[test]
    fn options_out_of_range_are_named() {
        assert_eq!(RejectOptions::default().check(), Ok(()));
        let default = RejectOptions::default();
        let wrong = [
            ("kappa-low", RejectOptions { kappa_low: 0.0, ..default }),
            ("kappa-high", RejectOptions { kappa_high: f64::NAN, ..default }),
            ("max-iterations", RejectOptions { max_iterations: 0, ..default }),
            ("winsor-low", RejectOptions { winsor_low: 0.5, ..default }),
            ("winsor-high", RejectOptions { winsor_high: -0.01, ..default }),
            ("percentile-low", RejectOptions { percentile_low: f64::INFINITY, ..default }),
            ("percentile-high", RejectOptions { percentile_high: -1.0, ..default }),
            ("noise-kappa", RejectOptions { noise_kappa: -1.0, ..default }),
            ("noise-amplitude", RejectOptions { noise_amplitude: f64::NAN, ..default }),
        ];
        for (name, options) in wrong {
            assert_eq!(options.check().unwrap_err().name, name);
        }
        let error = RejectOptions { winsor_low: 0.7, ..default }.check().unwrap_err();
        assert_eq!(error.to_string(), "winsor-low is from 0 to below 0.5, not 0.7");
    }
}
