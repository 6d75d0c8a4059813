//! Options of the match of all frames: gains, offsets and surfaces from their overlaps.

use clap::Args;
use zemosaic_gauge::{MatchMethod, MatchOptions, NormalizeMethod, NormalizeOptions, SurfaceOrder};
use zemosaic_run::RunCommand;

use crate::args::refuse_idle;
use crate::intertile_args::{IntertileArgs, Used};
use crate::named::{name_of, named};
use crate::parse;

/// How frames, or master tiles, are brought to one photometry.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// What is solved for all frames at once from their overlaps; default: full for run and stack, none for mosaic and
    /// with a --normalize other than none
    #[arg(id = "match", long = "match", value_name = "METHOD", value_parser = named::<MatchMethod>())]
    pub method: Option<MatchMethod>,
    /// run --mode classic: match the finished master tiles to one another too, after --rgb-equalize; default: none
    #[arg(long, value_name = "METHOD", value_parser = named::<MatchMethod>())]
    pub match_tiles: Option<MatchMethod>,
    /// Order of the surfaces of --match surface
    #[arg(long, value_parser = named::<SurfaceOrder>(), default_value = name_of(SurfaceOrder::default()))]
    pub match_order: SurfaceOrder,
    /// The frame that keeps its values in --match: its name in frames.csv, or its number from 0; default: the mean of all stays
    #[arg(long, value_name = "FRAME")]
    pub match_reference: Option<String>,
    /// Side of the blocks of sky that are compared, pixels of the mosaic; default: 64, fitted to the frames
    #[arg(long, value_name = "PX", value_parser = parse::at_least_one)]
    pub match_block: Option<usize>,
    /// Pairs that are chosen for each frame
    #[arg(long, value_name = "K", alias = "intertile-prune-k", default_value_t = MatchOptions::default().pairs_per_frame, value_parser = parse::at_least_one)]
    pub match_pairs: usize,
    /// Bring frames to the level of one reference frame instead, which all must overlap; none leaves it to --match
    #[arg(long, value_name = "METHOD", value_parser = named::<NormalizeMethod>(), default_value = name_of(NormalizeMethod::default()))]
    pub normalize: NormalizeMethod,
    /// The frame that --normalize refers to: its name in frames.csv, or its number from 0; default: the one that covers most
    #[arg(long, value_name = "FRAME")]
    pub normalize_reference: Option<String>,
    /// For comparison with ZeMosaic
    #[command(flatten)]
    pub intertile: IntertileArgs,
}

impl MatchArgs {
    /// That every option that was given has an effect.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, run_command: RunCommand, given: &[String]) -> Result<(), String> {
        let method = self.match_method(run_command);
        let either = |is: fn(MatchMethod) -> bool| is(method) || self.tiles_method().is_some_and(is);
        let is_some: fn(MatchMethod) -> bool = |own| own != MatchMethod::None;
        let matches = is_some(method);
        let normalizes = self.normalize != NormalizeMethod::None;
        if matches && normalizes {
            return Err("--match and --normalize both bring frames to one level; give one of them".into());
        }
        let rules = [
            ("match-tiles", run_command == RunCommand::Run, "run --mode classic"),
            ("match-order", either(|own| own == MatchMethod::Surface), "--match surface"),
            (
                "match-reference",
                matches && method != MatchMethod::Zemosaic,
                "a --match other than none and zemosaic",
            ),
            ("match-block", either(is_some) || normalizes, "--match or --normalize"),
            ("match-pairs", either(is_some), "--match"),
            ("normalize-reference", normalizes, "--normalize"),
        ];
        refuse_idle(&rules, given)?;
        let is_used = if either(|own| own == MatchMethod::Zemosaic) { Used::Yes } else { Used::No };
        self.intertile.check(is_used, given)
    }

    fn match_method(&self, run_command: RunCommand) -> MatchMethod {
        self.method.unwrap_or(match run_command {
            _ if self.normalize != NormalizeMethod::None => MatchMethod::None,
            RunCommand::Mosaic => MatchMethod::None,
            RunCommand::Run | RunCommand::Stack => MatchMethod::default(),
        })
    }

    /// How finished master tiles are matched, if they are.
    pub fn tiles_method(&self) -> Option<MatchMethod> {
        self.match_tiles.filter(|method| *method != MatchMethod::None)
    }

    /// What is solved together.
    pub fn match_options(&self, run_command: RunCommand) -> MatchOptions {
        MatchOptions {
            method: self.match_method(run_command),
            surface_order: self.match_order,
            reference: self.match_reference.clone(),
            block_px: self.match_block,
            pairs_per_frame: self.match_pairs,
            intertile: self.intertile.options(),
            ..MatchOptions::default()
        }
    }

    /// What is done frame by frame.
    pub fn normalize_options(&self) -> NormalizeOptions {
        NormalizeOptions {
            method: self.normalize,
            reference: self.normalize_reference.clone(),
            block_px: self.match_block,
            ..NormalizeOptions::default()
        }
    }
}
