//! Arguments of the commands that make no mosaic: `quality`, `overlaps`, `header`, `check`, `simulate`, `demo`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use zemosaic_gauge::GraphOptions;
use zemosaic_run::RunError;

use crate::gate_args::GateArgs;
use crate::parse;
use crate::watchdog_args::WatchdogArgs;

/// Arguments of the commands that make a table of frames or of pairs.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// FITS files, folders (walked to the bottom), and lists, as for mosaic
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Write the whole table to this CSV file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Worker threads; default: all cores
    #[arg(short = 'j', long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// JSON on stdout instead of the table: of frames a line each, of pairs one document
    #[arg(long)]
    pub json: bool,
    /// Replace a CSV file that exists
    #[arg(long)]
    pub force: bool,
    /// No progress display
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub quiet: bool,
}

impl TableArgs {
    /// That the CSV file, if there is to be one, does not exist or may be replaced.
    ///
    /// # Errors
    /// [`RunError::Exists`].
    pub fn refuse_existing(&self) -> Result<(), RunError> {
        match self.output.as_ref().filter(|path| path.exists() && !self.force) {
            Some(path) => Err(RunError::Exists { path: path.clone() }),
            None => Ok(()),
        }
    }
}

/// Arguments of `quality`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  zemosaic quality frames/\n  zemosaic quality frames/ -o quality.csv --max-fwhm 4"
)]
pub struct QualityArgs {
    /// Those of all tables
    #[command(flatten)]
    pub table: TableArgs,
    /// What is too bad
    #[command(flatten)]
    pub gate: GateArgs,
    /// What is done when nothing finishes
    #[command(flatten)]
    pub watchdog: WatchdogArgs,
    /// Folder for unpacked copies; default: the system's
    #[arg(long, value_name = "DIR")]
    pub tmp: Option<PathBuf>,
}

/// Arguments of `overlaps`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  zemosaic overlaps frames/\n  zemosaic overlaps frames/ -o overlaps.csv --pairs-per-frame 4"
)]
pub struct OverlapsArgs {
    /// Those of all tables
    #[command(flatten)]
    pub table: TableArgs,
    /// Pairs that are kept for each frame; those that connect what else would be apart are kept as well
    #[arg(long, value_name = "K", default_value_t = GraphOptions::default().pairs_per_frame)]
    pub pairs_per_frame: usize,
    /// Common area, as a share of the smaller frame, that a pair needs; 0: any
    #[arg(long, value_name = "0..1", default_value_t = GraphOptions::default().min_share)]
    pub min_share: f64,
    /// Side-car folder (NAME.head, NAME.wcs), or one file for all frames; looked at before anything else
    #[arg(long, value_name = "PATH")]
    pub wcs_from: Option<PathBuf>,
}

/// Arguments of `header`.
#[derive(Debug, Args)]
pub struct HeaderArgs {
    /// FITS files, also .gz
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Only this HDU, from 0
    #[arg(long)]
    pub hdu: Option<usize>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Mosaics, or folders with a mosaic.fits
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Findings as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

/// Presets of the simulator.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PresetName {
    /// Raw Seestar-like Bayer frames with all defects
    Seestar,
    /// Mono CCD frames
    Ccd,
    /// Raw Seestar-like frames without gain, offset or vignetting: what `demo` uses
    Demo,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Kind of frames
    #[arg(long, value_enum, default_value = "seestar")]
    pub preset: PresetName,
    /// Folder for frames and truth
    #[arg(short, long)]
    pub output: PathBuf,
    /// Options as JSON, on top of the preset (see --print-options)
    #[arg(long, value_name = "FILE")]
    pub options: Option<PathBuf>,
    /// Frames to make
    #[arg(long)]
    pub frames: Option<usize>,
    /// Frame size in pixels
    #[arg(long, value_name = "WxH", value_parser = parse::size_px)]
    pub size: Option<(usize, usize)>,
    /// Seed of everything random
    #[arg(long)]
    pub seed: Option<u64>,
    /// Print the options as JSON and stop
    #[arg(long)]
    pub print_options: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for everything
    #[arg(short, long, default_value = "demo")]
    pub output: PathBuf,
}
