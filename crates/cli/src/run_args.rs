//! Arguments of `run`: those of `mosaic`, and those of master tiles.

use clap::Args;
use zemosaic_run::{InputKind, MosaicRequest, RunCommand, RunMode, TileKeeping};
use zemosaic_sky::ClusterOptions;
use zemosaic_stars::GateMode;

use crate::args::{MosaicArgs, refuse_idle};
use crate::named::{name_of, named};
use crate::parse;
use crate::solve_args::{SOLVE_OPTIONS, SolveArgs};

/// Options that act on raw frames, which master tiles never are.
const ONLY_RAW: [&str; 12] = [
    "bias",
    "dark",
    "flat",
    "bad-pixels",
    "dark-scaling",
    "overscan",
    "pedestal",
    "demosaic",
    "cfa",
    "hot-pixels",
    "gain",
    "read-noise",
];

/// Arguments of `run` and `plan`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Those of `mosaic`.
    #[command(flatten)]
    pub mosaic: MosaicArgs,
    /// Those of plate solving.
    #[command(flatten)]
    pub solve: SolveArgs,
    /// Those of master tiles.
    #[command(flatten)]
    pub tiles: TileArgs,
}

/// Arguments of master tiles.
#[derive(Debug, Args)]
#[command(next_help_heading = "Master tiles")]
pub struct TileArgs {
    /// The way from frames to the mosaic
    #[arg(long, value_parser = named::<RunMode>(), default_value = name_of(RunMode::default()))]
    pub mode: RunMode,
    /// Frames whose centres are closer than this make one tile, degrees; default: from the frames
    #[arg(long, value_name = "DEG", alias = "cluster-panel-threshold", value_parser = parse::angle_deg)]
    pub cluster_threshold: Option<f64>,
    /// Choose the threshold such that about this many tiles come out
    #[arg(long, value_name = "N", alias = "cluster-target-groups", conflicts_with = "cluster_threshold", value_parser = parse::at_least_one)]
    pub cluster_groups: Option<usize>,
    /// Frames that are turned by more than this against each other do not make one tile, degrees
    #[arg(long, value_name = "DEG", alias = "cluster-orientation-split-deg", value_parser = parse::angle_deg)]
    pub orientation_split: Option<f64>,
    /// Split groups whose centres are spread wider than this many fields of view; 0: never
    #[arg(long, value_name = "FIELDS", default_value_t = ClusterOptions::default().max_width_fields, value_parser = parse::limit)]
    pub max_tile_width: f64,
    /// Most frames of a tile; 0: any number
    #[arg(long, value_name = "N", alias = "max-raw-per-master-tile", default_value_t = ClusterOptions::default().max_frames)]
    pub max_frames_per_tile: usize,
    /// Groups of fewer frames join the nearest group that overlaps them
    #[arg(long, value_name = "N", default_value_t = ClusterOptions::default().min_group_size)]
    pub min_group_size: usize,
    /// What becomes of the tiles
    #[arg(long, value_parser = named::<TileKeeping>(), default_value = name_of(TileKeeping::default()))]
    pub tiles: TileKeeping,
    /// The inputs are master tiles, of this program or of ZeMosaic
    #[arg(long, alias = "use-existing-master-tiles")]
    pub existing_tiles: bool,
}

impl RunArgs {
    /// As [`MosaicArgs::check`].
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String]) -> Result<(), String> {
        self.mosaic.check(given, RunCommand::Run)?;
        let tiles = &self.tiles;
        let classic = tiles.mode == RunMode::Classic;
        let makes_tiles = classic && !tiles.existing_tiles;
        let splits = makes_tiles && tiles.cluster_groups.is_none();
        let needed = "--mode classic, on frames";
        let rules = [
            ("existing-tiles", classic, "--mode classic"),
            ("cluster-threshold", makes_tiles, needed),
            ("cluster-groups", makes_tiles, needed),
            ("orientation-split", makes_tiles, needed),
            ("max-tile-width", splits, "--mode classic, on frames, and without --cluster-groups"),
            ("max-frames-per-tile", makes_tiles, needed),
            ("min-group-size", makes_tiles, needed),
            ("tiles", makes_tiles, needed),
            ("match-tiles", makes_tiles, needed),
            ("rgb-equalize", classic || self.mosaic.rgb_equalize.of_mosaic(), "--mode classic, or final"),
        ];
        refuse_idle(&rules, given)?;
        let is_given = |name: &&&str| tiles.existing_tiles && given.iter().any(|own| own == **name);
        if tiles.existing_tiles && self.mosaic.rgb_equalize.of_tiles() {
            let what = name_of(self.mosaic.rgb_equalize);
            return Err(format!("--rgb-equalize {what} has no effect on --existing-tiles; final has"));
        }
        if self.mosaic.two_pass.enabled && self.mosaic.matching.tiles_method().is_some() {
            return Err(
                "--match-tiles takes the gains of --two-pass-coverage-renorm away again; give one of them"
                    .into(),
            );
        }
        self.solve.check(given)?;
        let idle = ONLY_RAW.iter().chain(&SOLVE_OPTIONS).find(is_given);
        idle.map_or(Ok(()), |name| Err(format!("--{name} has no effect with --existing-tiles")))
    }

    /// The request these arguments make.
    pub fn request(&self, given: &[String]) -> MosaicRequest {
        let mut request = self.mosaic.request(given, RunCommand::Run);
        let tiles = &self.tiles;
        request.options.mode = tiles.mode;
        request.options.solve = self.solve.options();
        request.options.cluster = ClusterOptions {
            threshold_deg: tiles.cluster_threshold,
            target_groups: tiles.cluster_groups,
            orientation_split_deg: tiles.orientation_split,
            max_width_fields: tiles.max_tile_width,
            max_frames: tiles.max_frames_per_tile,
            min_group_size: tiles.min_group_size,
        };
        // Master tiles are no frames of one night.
        if tiles.existing_tiles && self.mosaic.gate.gate_mode.is_none() {
            request.options.quality.gates.mode = GateMode::Off;
        }
        request.tile_keeping = tiles.tiles;
        request.input_kind = if tiles.existing_tiles { InputKind::MasterTiles } else { InputKind::Frames };
        request
    }
}
