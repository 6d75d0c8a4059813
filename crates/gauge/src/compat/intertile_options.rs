//! What is asked of ZeMosaic's match of tiles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which unknowns are solved, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IntertileSolver {
    /// Gains and offsets by plain least squares.
    #[default]
    Legacy,
    /// Offsets from the intercepts.
    OffsetOnly,
    /// Gains and offsets with Tukey's weights and a prior of the gains towards 1.
    Irls,
}

/// What gains may be.
const ABOVE_0: [f64; 2] = [f64::MIN_POSITIVE, f64::MAX];

/// Options of the match; names, without `intertile_`, and defaults are `ZeMosaic`'s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IntertileOptions {
    /// The solver.
    pub solver: IntertileSolver,
    /// Share of the smaller of two boxes that both must have in common; where no pair has it 0.03, 0.02 and 0.01 are tried.
    pub overlap_min: f64,
    /// Percentiles of the mean of both between which samples count, the sky band.
    pub sky_percentile: [f64; 2],
    /// Clip of the residuals of a line, standard deviations.
    pub robust_clip_sigma: f64,
    /// IRLS: strength of the prior of the gains towards 1.
    pub gain_prior_lambda: f64,
    /// IRLS: range of the gains.
    pub gain_clip: [f64; 2],
    /// IRLS: range of the offsets.
    pub offset_clip: [f64; 2],
    /// IRLS: range of the slopes of pairs that count.
    pub pair_gain_clip: [f64; 2],
    /// IRLS: largest intercept of pairs that count.
    pub pair_offset_abs_max: f64,
    /// IRLS: rounds.
    pub max_irls_iters: usize,
    /// Whether the medians of the tiles are brought towards that of all.
    pub global_recenter: bool,
    /// Range of the factor that does it.
    pub recenter_clip: [f64; 2],
    /// Share of the correction that is applied.
    pub affine_blend: f64,
    /// With so many pairs or less only offsets are applied.
    pub underconstrained_max_pairs: usize,
    /// With so many tiles in pairs or less only offsets are applied.
    pub underconstrained_max_active_tiles: usize,
    /// Range of the gains that are applied.
    pub gain_limits: [f64; 2],
    /// Largest offset that is applied.
    pub offset_limit_adu: f64,
}

impl Default for IntertileOptions {
    fn default() -> Self {
        Self {
            solver: IntertileSolver::default(),
            overlap_min: 0.05,
            sky_percentile: [30.0, 70.0],
            robust_clip_sigma: 2.5,
            gain_prior_lambda: 0.02,
            gain_clip: [0.90, 1.10],
            offset_clip: [-2000.0, 2000.0],
            pair_gain_clip: [0.5, 2.0],
            pair_offset_abs_max: 5000.0,
            max_irls_iters: 3,
            global_recenter: true,
            recenter_clip: [0.85, 1.18],
            affine_blend: 0.30,
            underconstrained_max_pairs: 1,
            underconstrained_max_active_tiles: 2,
            gain_limits: [0.75, 1.25],
            offset_limit_adu: 50.0,
        }
    }
}

impl IntertileOptions {
    /// That every option is in its range.
    ///
    /// # Errors
    /// A sentence about the first that is not.
    pub fn check(&self) -> Result<(), String> {
        let shares = [("overlap-min", self.overlap_min), ("affine-blend", self.affine_blend)];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} lies between 0 and 1, not at {value}"));
            }
        }
        let amounts = [
            ("robust-clip-sigma", self.robust_clip_sigma),
            ("gain-prior-lambda", self.gain_prior_lambda),
            ("pair-offset-abs-max", self.pair_offset_abs_max),
            ("offset-limit-adu", self.offset_limit_adu),
        ];
        for (name, value) in amounts {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{name} is a number of 0 or more, not {value}"));
            }
        }
        let ranges = [
            ("sky-percentile", self.sky_percentile, [0.0, 100.0]),
            ("gain-clip", self.gain_clip, ABOVE_0),
            ("offset-clip", self.offset_clip, [f64::MIN, f64::MAX]),
            ("pair-gain-clip", self.pair_gain_clip, ABOVE_0),
            ("recenter-clip", self.recenter_clip, ABOVE_0),
            ("gain-limits", self.gain_limits, ABOVE_0),
        ];
        for (name, [low, high], [least, most]) in ranges {
            if !(least <= low && low <= high && high <= most) {
                let of = if least > 0.0 { " of numbers above 0" } else { "" };
                return Err(format!(
                    "{name} is a range{of} from the lower end to the upper, not {low},{high}"
                ));
            }
        }
        Ok(())
    }
}
