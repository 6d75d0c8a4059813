//! Options of ZeMosaic's match of tiles, under its names.

use clap::Args;
use zemosaic_gauge::compat::intertile_options::{IntertileOptions, IntertileSolver};

use crate::args::refuse_idle;
use crate::named::named;
use crate::parse;

/// Where `--help` lists them.
pub const HEADING: &str =
    "ZeMosaic's match of tiles (--match-tiles or --match zemosaic), for comparison only";

/// Options of the method zemosaic of --match-tiles and --match; what is not given is as ZeMosaic has it.
#[derive(Debug, Args)]
pub struct IntertileArgs {
    /// Its solver; default: legacy
    #[arg(id = "intertile_solver", long = "intertile-solver", value_name = "SOLVER", help_heading = HEADING, hide_short_help = true, value_parser = named::<IntertileSolver>())]
    solver: Option<IntertileSolver>,
    /// Share of the smaller tile that a pair must have in common; default: 0.05, and less where no pair has it
    #[arg(
        id = "intertile_overlap_min",
        long = "intertile-overlap-min",
        value_name = "SHARE",
        help_heading = HEADING, hide_short_help = true
    )]
    overlap_min: Option<f64>,
    /// Percentiles of the sky band; default: 30,70
    #[arg(id = "intertile_sky_percentile", long = "intertile-sky-percentile", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range)]
    sky_percentile: Option<(f64, f64)>,
    /// Clip of a pair's line, standard deviations; default: 2.5
    #[arg(
        id = "intertile_robust_clip_sigma",
        long = "intertile-robust-clip-sigma",
        value_name = "SIGMA",
        help_heading = HEADING, hide_short_help = true
    )]
    robust_clip_sigma: Option<f64>,
    /// irls: strength of the prior of the gains towards 1; default: 0.02
    #[arg(
        id = "intertile_gain_prior_lambda",
        long = "intertile-gain-prior-lambda",
        value_name = "LAMBDA",
        help_heading = HEADING, hide_short_help = true
    )]
    gain_prior_lambda: Option<f64>,
    /// irls: range of the gains; default: 0.9,1.1
    #[arg(id = "intertile_gain_clip", long = "intertile-gain-clip", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range)]
    gain_clip: Option<(f64, f64)>,
    /// irls: range of the offsets; default: -2000,2000
    #[arg(id = "intertile_offset_clip", long = "intertile-offset-clip", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range, allow_hyphen_values = true)]
    offset_clip: Option<(f64, f64)>,
    /// irls: range of the slopes of pairs that count; default: 0.5,2
    #[arg(id = "intertile_pair_gain_clip", long = "intertile-pair-gain-clip", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range)]
    pair_gain_clip: Option<(f64, f64)>,
    /// irls: largest intercept of pairs that count; default: 5000
    #[arg(
        id = "intertile_pair_offset_abs_max",
        long = "intertile-pair-offset-abs-max",
        value_name = "ADU",
        help_heading = HEADING, hide_short_help = true
    )]
    pair_offset_abs_max: Option<f64>,
    /// irls: rounds; default: 3
    #[arg(
        id = "intertile_max_irls_iters",
        long = "intertile-max-irls-iters",
        value_name = "N",
        help_heading = HEADING, hide_short_help = true
    )]
    max_irls_iters: Option<usize>,
    /// Whether the medians of the tiles are brought towards that of all; default: true
    #[arg(id = "intertile_global_recenter", long = "intertile-global-recenter", value_name = "true|false", help_heading = HEADING, hide_short_help = true, action = clap::ArgAction::Set)]
    global_recenter: Option<bool>,
    /// Range of the factor that does it; default: 0.85,1.18
    #[arg(id = "intertile_recenter_clip", long = "intertile-recenter-clip", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range)]
    recenter_clip: Option<(f64, f64)>,
    /// Share of the correction that is applied; default: 0.3
    #[arg(
        id = "intertile_affine_blend",
        long = "intertile-affine-blend",
        value_name = "SHARE",
        help_heading = HEADING, hide_short_help = true
    )]
    affine_blend: Option<f64>,
    /// Pairs up to which only offsets are applied; default: 1
    #[arg(
        id = "intertile_underconstrained_max_pairs",
        long = "intertile-underconstrained-max-pairs",
        value_name = "N",
        help_heading = HEADING, hide_short_help = true
    )]
    underconstrained_max_pairs: Option<usize>,
    /// Tiles in pairs up to which only offsets are applied; default: 2
    #[arg(
        id = "intertile_underconstrained_max_active_tiles",
        long = "intertile-underconstrained-max-active-tiles",
        value_name = "N",
        help_heading = HEADING, hide_short_help = true
    )]
    underconstrained_max_active_tiles: Option<usize>,
    /// Range of the gains that are applied; default: 0.75,1.25
    #[arg(id = "intertile_gain_limits", long = "intertile-gain-limits", value_name = "LOW,HIGH", help_heading = HEADING, hide_short_help = true, value_parser = parse::range)]
    gain_limits: Option<(f64, f64)>,
    /// Largest offset that is applied; default: 50
    #[arg(
        id = "intertile_offset_limit_adu",
        long = "intertile-offset-limit-adu",
        value_name = "ADU",
        help_heading = HEADING, hide_short_help = true
    )]
    offset_limit_adu: Option<f64>,
}

/// Options of the iterated solver alone begin so.
const OF_IRLS: [&str; 6] = [
    "intertile-gain-prior-lambda",
    "intertile-gain-clip",
    "intertile-offset-clip",
    "intertile-pair-gain-clip",
    "intertile-pair-offset-abs-max",
    "intertile-max-irls-iters",
];
/// The pairs that are chosen, for every method.
const OF_ALL: &str = "intertile-prune-k";

impl IntertileArgs {
    /// That every option that was given has an effect, and is in its range. `is_used`: whether tiles are matched so.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, is_used: Used, given: &[String]) -> Result<(), String> {
        let own = given.iter().filter(|name| name.starts_with("intertile-") && *name != OF_ALL);
        let rules: Vec<(&str, bool, &str)> = own
            .map(|name| (name.as_str(), is_used == Used::Yes, "--match or --match-tiles zemosaic"))
            .collect();
        refuse_idle(&rules, given)?;
        let options = self.options();
        let iterates = options.solver == IntertileSolver::Irls;
        refuse_idle(&OF_IRLS.map(|name| (name, iterates, "--intertile-solver irls")), given)?;
        options.check().map_err(|error| format!("--intertile-{error}"))
    }

    /// What they ask for.
    pub fn options(&self) -> IntertileOptions {
        let default = IntertileOptions::default();
        let range = |given: Option<(f64, f64)>, default: [f64; 2]| given.map_or(default, <[f64; 2]>::from);
        IntertileOptions {
            solver: self.solver.unwrap_or(default.solver),
            overlap_min: self.overlap_min.unwrap_or(default.overlap_min),
            sky_percentile: range(self.sky_percentile, default.sky_percentile),
            robust_clip_sigma: self.robust_clip_sigma.unwrap_or(default.robust_clip_sigma),
            gain_prior_lambda: self.gain_prior_lambda.unwrap_or(default.gain_prior_lambda),
            gain_clip: range(self.gain_clip, default.gain_clip),
            offset_clip: range(self.offset_clip, default.offset_clip),
            pair_gain_clip: range(self.pair_gain_clip, default.pair_gain_clip),
            pair_offset_abs_max: self.pair_offset_abs_max.unwrap_or(default.pair_offset_abs_max),
            max_irls_iters: self.max_irls_iters.unwrap_or(default.max_irls_iters),
            global_recenter: self.global_recenter.unwrap_or(default.global_recenter),
            recenter_clip: range(self.recenter_clip, default.recenter_clip),
            affine_blend: self.affine_blend.unwrap_or(default.affine_blend),
            underconstrained_max_pairs: self
                .underconstrained_max_pairs
                .unwrap_or(default.underconstrained_max_pairs),
            underconstrained_max_active_tiles: self
                .underconstrained_max_active_tiles
                .unwrap_or(default.underconstrained_max_active_tiles),
            gain_limits: range(self.gain_limits, default.gain_limits),
            offset_limit_adu: self.offset_limit_adu.unwrap_or(default.offset_limit_adu),
        }
    }
}

/// Whether tiles are matched as ZeMosaic does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// They are.
    Yes,
    /// They are not.
    No,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        own: IntertileArgs,
    }

    fn parsed(words: &[&str]) -> IntertileArgs {
        Line::try_parse_from([&["zemosaic"], words].concat()).unwrap().own
    }

    fn names(words: &[&str]) -> Vec<String> {
        words.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_not_given_is_as_zemosaic_has_it() {
        assert_eq!(parsed(&[]).options(), IntertileOptions::default());
        let options = parsed(&[
            "--intertile-solver",
            "irls",
            "--intertile-offset-clip",
            "-100,200",
            "--intertile-global-recenter",
            "false",
        ])
        .options();
        assert_eq!(options.solver, IntertileSolver::Irls);
        assert_eq!(options.offset_clip, [-100.0, 200.0]);
        assert!(!options.global_recenter);
    }

    /// Options that come after these on a command must not stand under their heading.
    #[test]
    fn no_other_option_stands_under_their_heading() {
        let cli = crate::args::Cli::command();
        for command in cli.get_subcommands() {
            let under = command.get_arguments().filter(|own| own.get_help_heading() == Some(HEADING));
            let names: Vec<&str> = under.filter_map(clap::Arg::get_long).collect();
            assert!(names.iter().all(|name| name.starts_with("intertile-")), "{names:?}");
            assert!(matches!(names.len(), 0 | 17), "{names:?}");
        }
    }

    #[test]
    fn idle_options_and_impossible_values_are_refused() {
        let blend = parsed(&["--intertile-affine-blend", "1"]);
        let given = names(&["intertile-affine-blend"]);
        assert_eq!(blend.check(Used::Yes, &given), Ok(()));
        assert!(blend.check(Used::No, &given).unwrap_err().ends_with("--match-tiles zemosaic"));
        let rounds = parsed(&["--intertile-max-irls-iters", "5"]);
        let given = names(&["intertile-max-irls-iters"]);
        assert!(rounds.check(Used::Yes, &given).unwrap_err().contains("--intertile-solver irls"));
        let blend = parsed(&["--intertile-affine-blend", "1.5"]);
        let error = blend.check(Used::Yes, &names(&["intertile-affine-blend"])).unwrap_err();
        assert_eq!(error, "--intertile-affine-blend lies between 0 and 1, not at 1.5");
        let turned = parsed(&["--intertile-sky-percentile", "70,30"]);
        assert!(turned.check(Used::Yes, &names(&["intertile-sky-percentile"])).is_err());
        // A gain of 0 leaves nothing of a tile.
        let nothing = parsed(&["--intertile-gain-limits", "0,1"]);
        let error = nothing.check(Used::Yes, &names(&["intertile-gain-limits"])).unwrap_err();
        assert!(error.contains("above 0"), "{error}");
        assert!(Line::try_parse_from(["zemosaic", "--intertile-gain-limits", "0.9"]).is_err());
        // The pairs of every method.
        assert_eq!(parsed(&[]).check(Used::No, &names(&["intertile-prune-k"])), Ok(()));
    }
}
