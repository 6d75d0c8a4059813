//! What a run is asked to do. The parts that belong to an algorithm are that algorithm's own options.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_coadd::CoaddOptions;
use zemosaic_fits::CompressOptions;
use zemosaic_frames::{HotPixels, IngestOptions};
use zemosaic_gauge::compat::two_pass::TwoPassOptions;
use zemosaic_gauge::{MatchMethod, MatchOptions, NormalizeOptions};
use zemosaic_sky::{ClusterOptions, GridOptions};

use crate::quality::QualityOptions;

use crate::rgb_equalize::RgbEqualizeChoice;
use crate::solve::SolveOptions;
use crate::watchdog::WatchdogOptions;

/// Where the output grid comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GridSource {
    /// Made to fit the frames.
    #[default]
    Automatic,
    /// The WCS and size of a FITS file or a text header.
    File(PathBuf),
}

/// Which group of connected frames is mosaicked when they do not all touch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupChoice {
    /// The group of most frames.
    #[default]
    Largest,
    /// The group of this number, from 1, by number of frames.
    Number(usize),
    /// Each group its own mosaic, in a folder of its own.
    All,
    /// All frames in one mosaic, whether they touch or not.
    Together,
}

/// The way from frames to the mosaic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// All frames straight onto the mosaic: rejection sees every frame of a pixel.
    #[default]
    Direct,
    /// Groups of frames become master tiles on cut-outs of the mosaic grid, which are then added up.
    Classic,
}

/// Options that change pixels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MosaicOptions {
    /// Reading of the inputs.
    pub ingest: IngestOptions,
    /// Plate solving.
    pub solve: SolveOptions,
    /// Group of sky.
    pub group: GroupChoice,
    /// Straight or by master tiles.
    pub mode: RunMode,
    /// Groups of frames for master tiles.
    pub cluster: ClusterOptions,
    /// Given or automatic grid.
    pub grid_from: GridSource,
    /// The automatic grid.
    pub grid: GridOptions,
    /// What is solved for all frames at once.
    #[serde(rename = "match")]
    pub matching: MatchOptions,
    /// How the master tiles that are made of matched frames are matched to one another, after `rgb_equalize`, where that is
    /// wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_tiles: Option<MatchMethod>,
    /// How frames are brought to the level of one.
    pub normalize: NormalizeOptions,
    /// The engine.
    pub coadd: CoaddOptions,
    /// Stars and gates.
    pub quality: QualityOptions,
    /// Hot and cold pixels of raw frames.
    pub hot_pixels: HotPixels,
    /// RGB equalisation.
    pub rgb_equalize: RgbEqualizeChoice,
    /// ZeMosaic's two-pass coverage renormalisation, where it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_pass: Option<TwoPassOptions>,
}

/// The command that makes the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunCommand {
    /// `mosaic`: one mosaic from frames that have a WCS.
    #[default]
    Mosaic,
    /// `run`: everything.
    Run,
    /// `stack`: all frames into one master tile; `out` is its file (.fits, .fit, .fts) or a folder.
    Stack,
}

/// What becomes of master tiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TileKeeping {
    /// They stay in the folder tiles of the output.
    #[default]
    Keep,
    /// They are removed when the mosaic is done.
    Remove,
}

/// What the inputs are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InputKind {
    /// Frames.
    #[default]
    Frames,
    /// Master tiles, of this program or of ZeMosaic.
    MasterTiles,
}

/// A run: options, and what does not change pixels.
#[derive(Debug, Clone)]
pub struct MosaicRequest {
    /// The command.
    pub run_command: RunCommand,
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// What they are.
    pub input_kind: InputKind,
    /// What becomes of master tiles.
    pub tile_keeping: TileKeeping,
    /// Folder of the products.
    pub out: PathBuf,
    /// What changes pixels.
    pub options: MosaicOptions,
    /// Memory for the whole process, bytes; `None`: 60 % of what is free.
    pub memory_bytes: Option<u64>,
    /// Worker threads; `None`: all cores.
    pub threads: Option<usize>,
    /// Folder for unpacked copies; `None`: inside `out`.
    pub spill: Option<PathBuf>,
    /// Folders that are not walked for frames, besides `out` and `spill`.
    pub excluded: Vec<PathBuf>,
    /// How the mosaic is compressed, if it is: `mosaic.fits.fz` then stands for `mosaic.fits`.
    pub compress: Option<CompressOptions>,
    /// What to do with products that exist.
    pub existing: Existing,
    /// What is done when nothing finishes.
    pub watchdog: WatchdogOptions,
    /// The command line, for the record.
    pub command: String,
    /// Names of the options that were given, as opposed to defaults.
    pub given: Vec<String>,
}

/// What to do with products that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse to run.
    #[default]
    Refuse,
    /// Replace them when the new ones are complete.
    Replace,
}

impl MosaicRequest {
    /// Whether frames become master tiles on the way.
    pub fn makes_tiles(&self) -> bool {
        let is_classic = self.options.mode == RunMode::Classic && self.input_kind == InputKind::Frames;
        is_classic || self.run_command == RunCommand::Stack
    }

    /// Whether frames are solved before the grid is planned, which reads pixels and takes long.
    pub fn solves_frames(&self) -> bool {
        self.options.solve.acts() && self.input_kind == InputKind::Frames
    }

    /// Folders that are not walked for inputs.
    pub fn all_excluded(&self) -> Vec<PathBuf> {
        let own = [&self.out].into_iter().chain(&self.spill).chain(&self.excluded);
        own.cloned().collect()
    }

    /// Threads to use.
    pub fn worker_threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
    }
}
