//! The command line, and how it becomes a request. Defaults are those of the algorithms' own options.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Parser, Subcommand, ValueEnum};
use zemosaic_coadd::{Antialias, CoaddOptions, Weights};
use zemosaic_frames::{IngestOptions, WcsPolicy};
use zemosaic_resample::Kernel;
use zemosaic_run::options::Existing;
use zemosaic_run::units::parse_size;
use zemosaic_run::{GridSource, GroupChoice, MosaicOptions, MosaicRequest};
use zemosaic_sky::{GridOptions, GridProjection, MapOptions, Rotation};
use zemosaic_stack::{Combine, RejectMethod, RejectOptions};

use crate::named::{name_of, named};
use crate::parse;

/// Large astronomical mosaics from FITS frames: one resampling, honest variance, bounded memory.
#[derive(Debug, Parser)]
#[command(name = "zemosaic", version, about, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make one mosaic from frames that have a WCS
    Mosaic(Box<MosaicArgs>),
    /// Say what a mosaic would take: grid, tasks, memory, disk, time; writes nothing
    Plan(Box<MosaicArgs>),
    /// Print the header cards of a FITS file
    Header(HeaderArgs),
    /// Verify a mosaic: checksums, WCS, planes, depth against footprints
    Check(CheckArgs),
    /// Make raw frames of the real sky (Tycho-2) with known truth
    Simulate(SimulateArgs),
    /// Simulate, mosaic, and compare with the truth
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Arguments of `mosaic` and `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  zemosaic mosaic frames/ -o out\n  zemosaic mosaic a.fits b.fits -o out --grid \
                        ref.hdr --kernel bilinear --reject none\n  zemosaic plan frames/ --memory 4GiB"
)]
pub struct MosaicArgs {
    /// FITS files and folders (walked to the bottom)
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Folder for the products
    #[arg(short, long, default_value = "mosaic")]
    pub output: PathBuf,
    /// Interpolation kernel
    #[arg(long, value_parser = named::<Kernel>(), default_value = name_of(Kernel::default()))]
    pub kernel: Kernel,
    /// How samples become a pixel
    #[arg(long, value_parser = named::<Combine>(), default_value = name_of(Combine::default()))]
    pub combine: Combine,
    /// Outlier rejection
    #[arg(long, value_parser = named::<RejectMethod>(), default_value = name_of(RejectMethod::default()))]
    pub reject: RejectMethod,
    /// Rejection thresholds in standard deviations
    #[arg(long, value_name = "LOW[,HIGH]", default_value = "3,3", value_parser = parse::kappa)]
    pub kappa: (f64, f64),
    /// Weights of frames in a mean
    #[arg(long, value_parser = named::<Weights>(), default_value = name_of(Weights::default()))]
    pub weights: Weights,
    /// Take the output grid from a FITS file or a text header
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scale", "center", "size", "rotation"])]
    pub grid: Option<PathBuf>,
    /// Output scale, for example 1.5 or 1.5arcsec (per pixel); default: the frames' median
    #[arg(long, value_name = "ARCSEC", value_parser = parse::scale_arcsec)]
    pub scale: Option<f64>,
    /// Centre of the grid, for example "10.68,41.27" (degrees) or "00h42m44s +41d16m09s"
    #[arg(long, value_name = "RA,DEC", value_parser = parse::centre_deg, allow_hyphen_values = true)]
    pub center: Option<(f64, f64)>,
    /// Size of the grid in pixels
    #[arg(long, value_name = "WxH", value_parser = parse::size_px)]
    pub size: Option<(usize, usize)>,
    /// Rotation of the grid: auto (least area), or the position angle of +y in degrees (0: north up)
    #[arg(long, value_name = "auto|DEG", default_value = "0", value_parser = parse::rotation, allow_hyphen_values = true)]
    pub rotation: Rotation,
    /// Projection of the output
    #[arg(long, value_parser = named::<GridProjection>(), default_value = name_of(GridProjection::default()))]
    pub projection: GridProjection,
    /// Largest error of interpolated coordinates in input pixels; 0: exact at every pixel
    #[arg(long, value_name = "PX", default_value_t = MapOptions::default().max_error_px, value_parser = parse::map_error_px)]
    pub map_error: f64,
    /// Kernel stretch when shrinking
    #[arg(long, value_parser = named::<Antialias>(), default_value = name_of(Antialias::default()))]
    pub antialias: Antialias,
    /// Side-car folder (NAME.head, NAME.wcs), or one file for all frames; looked at before anything else
    #[arg(long, value_name = "PATH")]
    pub wcs_from: Option<PathBuf>,
    /// Drop every WCS there is
    #[arg(long)]
    pub ignore_wcs: bool,
    /// Which group of connected frames, when they do not all touch; default: the largest
    #[arg(long, value_name = "N|all", value_parser = parse::group)]
    pub group: Option<GroupChoice>,
    /// Memory for the whole process, for example 512MiB; default: 60 % of what is free
    #[arg(short, long, value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Worker threads; default: all cores
    #[arg(short = 'j', long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Folder for unpacked copies; default: inside the output folder
    #[arg(long, value_name = "DIR")]
    pub tmp: Option<PathBuf>,
    /// Events as JSON lines on stdout
    #[arg(long)]
    pub json: bool,
    /// Stop after planning
    #[arg(long)]
    pub dry_run: bool,
    /// Replace products that exist
    #[arg(long)]
    pub force: bool,
    /// No progress display
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub quiet: bool,
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

/// The command line as text, for the record; a name that is no Unicode is shown as well as can be.
fn command_line() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

/// Names of the options that were given on the command line.
pub fn given_options(matches: &ArgMatches) -> Vec<String> {
    let Some((_, sub)) = matches.subcommand() else { return Vec::new() };
    let mut names: Vec<String> = sub
        .ids()
        .filter(|id| sub.value_source(id.as_str()) == Some(ValueSource::CommandLine))
        .map(|id| id.as_str().replace('_', "-"))
        .collect();
    names.sort();
    names
}

impl MosaicArgs {
    /// The request these arguments make.
    pub fn request(&self, given: &[String]) -> MosaicRequest {
        let grid = GridOptions {
            projection: self.projection,
            scale_arcsec: self.scale,
            centre_deg: self.center,
            size_px: self.size,
            rotation: self.rotation,
        };
        let options = MosaicOptions {
            ingest: IngestOptions {
                wcs: WcsPolicy { wcs_from: self.wcs_from.clone(), ignore_wcs: self.ignore_wcs },
                ..IngestOptions::default()
            },
            group: self.group.unwrap_or_default(),
            grid_from: self.grid.clone().map_or(GridSource::Automatic, GridSource::File),
            grid,
            coadd: self.coadd_options(),
        };
        MosaicRequest {
            inputs: self.input.clone(),
            out: self.output.clone(),
            options,
            memory_bytes: self.memory,
            threads: self.threads.map(usize::from),
            spill: self.tmp.clone(),
            excluded: Vec::new(),
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
            command: command_line(),
            given: given.to_vec(),
        }
    }

    fn coadd_options(&self) -> CoaddOptions {
        CoaddOptions {
            kernel: self.kernel,
            antialias: self.antialias,
            map: MapOptions { max_error_px: self.map_error },
            weights: self.weights,
            combine: self.combine,
            reject: RejectOptions {
                method: self.reject,
                kappa_low: self.kappa.0,
                kappa_high: self.kappa.1,
                ..RejectOptions::default()
            },
        }
    }
}
