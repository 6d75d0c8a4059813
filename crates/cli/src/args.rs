//! The command line, and how it becomes a request. Defaults are those of the algorithms' own options.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Parser, Subcommand, ValueEnum};
use zemosaic_coadd::{
    Antialias, BackgroundMethod, CoaddOptions, FluxConvention, KernelName, PhotonNoise, RadialWeight,
    SpatialOptions, Weights,
};
use zemosaic_fits::{CompressOptions, ProductCodec};
use zemosaic_frames::{
    CfaChoice, DemosaicMethod, HotPixels, IngestOptions, MapOptions, NoiseOptions, WcsPolicy, WeightRescale,
    WeightType,
};
use zemosaic_image::background::BackgroundOptions;
use zemosaic_run::options::Existing;
use zemosaic_run::units::parse_size;
use zemosaic_run::{
    GridSource, GroupChoice, InputKind, MosaicOptions, MosaicRequest, QualityOptions, RgbEqualizeChoice,
    RunCommand, RunMode, SolveOptions, TileKeeping,
};
use zemosaic_sky::{ClusterOptions, GridOptions, GridProjection, Rotation};
use zemosaic_stack::Combine;
use zemosaic_stars::GateMode;

use crate::calibration_args::CalibrationArgs;
use crate::command_args::{CheckArgs, DemoArgs, HeaderArgs, OverlapsArgs, QualityArgs, SimulateArgs};
use crate::gate_args::GateArgs;
use crate::match_args::MatchArgs;
use crate::named::{name_of, named};
use crate::parse;
use crate::reject_args::RejectArgs;
use crate::run_args::RunArgs;
use crate::solve_args::SolveCommandArgs;
use crate::two_pass_args::TwoPassArgs;
use crate::watchdog_args::WatchdogArgs;

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
    /// Make one mosaic, straight or by master tiles
    Run(Box<RunArgs>),
    /// Make one mosaic from frames that have a WCS
    Mosaic(Box<MosaicArgs>),
    /// Make one master tile of all frames; the output is its file (.fits) or a folder
    Stack(Box<MosaicArgs>),
    /// Say what a run would take: grid, tiles, tasks, memory, disk, time; writes nothing
    Plan(Box<RunArgs>),
    /// Measure sky, stars and trails of frames, with or without a WCS, and say which are too bad
    Quality(Box<QualityArgs>),
    /// Find where frames point, check the WCS they have, and write side-cars
    Solve(Box<SolveCommandArgs>),
    /// Say which frames share sky, how much, and what is connected; frames need a WCS
    Overlaps(OverlapsArgs),
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

/// Compressions by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CompressName {
    /// Not compressed
    None,
    /// Rice; floats lose what is far below their noise (see --quantize)
    Rice,
    /// Shuffled bytes and gzip, without loss
    Gzip,
}

/// Arguments of `mosaic` and `stack`, and a part of those of `run` and `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  zemosaic mosaic frames/ -o out\n  zemosaic mosaic a.fits b.fits -o out --grid \
                        ref.hdr --kernel bilinear --reject none\n  zemosaic plan frames/ --memory 4GiB"
)]
pub struct MosaicArgs {
    /// FITS files, folders (walked to the bottom), and lists: @FILE of paths, or a .csv file with the columns path, and
    /// weight, mask, wcs, flux_scale or hdu where wanted
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Folder for the products
    #[arg(short, long, default_value = "mosaic")]
    pub output: PathBuf,
    /// Resampling kernel
    #[arg(long, value_parser = named::<KernelName>(), default_value = name_of(KernelName::default()))]
    pub kernel: KernelName,
    /// Side of a drop of drizzle in input pixels
    #[arg(long, value_name = "0..1", default_value_t = CoaddOptions::default().pixfrac)]
    pub pixfrac: f64,
    /// What is kept where output pixels are larger or smaller than input pixels
    #[arg(long, value_parser = named::<FluxConvention>(), default_value = name_of(FluxConvention::default()))]
    pub flux: FluxConvention,
    /// How samples become a pixel: mean (weighted), median, min, max, sum, or percentile:Q with Q from 0 to 100
    #[arg(long, value_parser = parse::combine, default_value = name_of(Combine::default()))]
    pub combine: Combine,
    /// Outliers
    #[command(flatten)]
    pub reject: RejectArgs,
    /// Weights of frames in a mean
    #[arg(long, value_parser = named::<Weights>(), default_value = name_of(Weights::default()))]
    pub weights: Weights,
    /// Frames that are too bad
    #[command(flatten)]
    pub gate: GateArgs,
    /// Weight map of NAME.fits: what follows NAME in its name, for example .weight.fits, or the EXTNAME of
    /// an extension in square brackets
    #[arg(long, value_name = "SUFFIX")]
    pub weight_suffix: Option<String>,
    /// What weight maps hold
    #[arg(long, value_parser = named::<WeightType>(), default_value = name_of(WeightType::default()))]
    pub weight_type: WeightType,
    /// The level of weight maps
    #[arg(long, value_parser = named::<WeightRescale>(), default_value = name_of(WeightRescale::default()))]
    pub weight_rescale: WeightRescale,
    /// Mask of NAME.fits (not 0: bad): what follows NAME in its name, for example .mask.fits, or an EXTNAME in
    /// square brackets
    #[arg(long, value_name = "SUFFIX")]
    pub mask_suffix: Option<String>,
    /// Keyword of the factor that a frame's pixels are multiplied with; none: no factor
    #[arg(long, value_name = "KEY", default_value = IngestOptions::default().flux_scale_key)]
    pub flux_scale_key: String,
    /// Calibration of raw frames
    #[command(flatten)]
    pub calibration: CalibrationArgs,
    /// How raw Bayer pixels become three planes
    #[arg(long, value_parser = named::<DemosaicMethod>(), default_value = name_of(DemosaicMethod::default()))]
    pub demosaic: DemosaicMethod,
    /// Which Bayer pattern counts
    #[arg(long, value_parser = named::<CfaChoice>(), default_value = name_of(CfaChoice::default()))]
    pub cfa: CfaChoice,
    /// Hot and cold pixels of raw frames: looked for, or not; default: off for mosaic, auto for run and stack
    #[arg(long, value_parser = named::<HotPixels>())]
    pub hot_pixels: Option<HotPixels>,
    /// Gain of the camera; default: header, profile of the camera, or photon transfer over the frames
    #[arg(long, value_name = "E_PER_ADU", allow_hyphen_values = true)]
    pub gain: Option<f64>,
    /// Read noise of a raw pixel; default: the header's
    #[arg(long, value_name = "E", allow_hyphen_values = true)]
    pub read_noise: Option<f64>,
    /// Level at and above which a pixel is saturated; default: the header's, or the end of the range
    #[arg(long, value_name = "ADU")]
    pub saturation: Option<f64>,
    /// Weight that grows from 0 at the edge of a frame to 1 at this distance in output pixels; 0: none
    #[arg(long, value_name = "PX", default_value_t = SpatialOptions::default().taper_px)]
    pub taper: f64,
    /// Weight that falls from the middle of a frame outwards: FEATHER in half diagonals, POWER (2), FLOOR (0.05)
    #[arg(long, value_name = "FEATHER[,POWER[,FLOOR]]", value_parser = parse::radial_weight)]
    pub radial_weight: Option<RadialWeight>,
    /// Bring the backgrounds of the channels together (within 5 %)
    #[arg(long, value_parser = named::<RgbEqualizeChoice>(), default_value = name_of(RgbEqualizeChoice::default()))]
    pub rgb_equalize: RgbEqualizeChoice,
    /// For comparison with ZeMosaic
    #[command(flatten)]
    pub two_pass: TwoPassArgs,
    /// Photon noise of what is brighter or darker than the sky in the variance
    #[arg(long, value_parser = named::<PhotonNoise>(), default_value = name_of(PhotonNoise::default()))]
    pub photon_noise: PhotonNoise,
    /// What is subtracted from each frame
    #[arg(long, value_parser = named::<BackgroundMethod>(), default_value = name_of(BackgroundMethod::default()))]
    pub background: BackgroundMethod,
    /// Side of a cell of the background mesh in pixels
    #[arg(long, value_name = "PX", default_value_t = BackgroundOptions::default().mesh_px)]
    pub back_size: usize,
    /// Side of the median filter over the background mesh in cells, odd
    #[arg(long, value_name = "CELLS", default_value_t = BackgroundOptions::default().filter_meshes)]
    pub back_filter_size: usize,
    /// One photometry
    #[command(flatten)]
    pub matching: MatchArgs,
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
    #[arg(long, value_name = "PX", default_value_t = zemosaic_sky::MapOptions::default().max_error_px, value_parser = parse::map_error_px)]
    pub map_error: f64,
    /// Kernel stretch when shrinking
    #[arg(long, value_parser = named::<Antialias>(), default_value = name_of(Antialias::default()))]
    pub antialias: Antialias,
    /// Side-car folder (NAME.head, NAME.wcs), or one file for all frames; looked at before anything else
    #[arg(long, value_name = "PATH")]
    pub wcs_from: Option<PathBuf>,
    /// Drop every WCS there is, so that all frames need solving: `zemosaic run` does it, or `zemosaic solve` before
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
    /// What is done when nothing finishes
    #[command(flatten)]
    pub watchdog: WatchdogArgs,
    /// Folder for unpacked copies; default: inside the output folder
    #[arg(long, value_name = "DIR")]
    pub tmp: Option<PathBuf>,
    /// Write mosaic.fits.fz, tile-compressed
    #[arg(long, value_enum, default_value = "none")]
    pub compress: CompressName,
    /// With --compress rice: floats in steps of their noise over this number; 0: without loss
    #[arg(long, value_name = "Q", default_value_t = CompressOptions::default().quantize.unwrap_or(0.0), value_parser = parse::quantize)]
    pub quantize: f64,
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

/// Whether frames are gated when nothing says so.
fn default_gates(run_command: RunCommand) -> GateMode {
    match run_command {
        RunCommand::Run => GateMode::Auto,
        RunCommand::Mosaic | RunCommand::Stack => GateMode::Off,
    }
}

/// Refuse the first option that was given although it does not act: name, whether it acts, what it needs.
///
/// # Errors
/// The sentence for the user.
pub fn refuse_idle(rules: &[(&str, bool, &str)], given: &[String]) -> Result<(), String> {
    let idle = rules.iter().find(|(name, acts, _)| !acts && given.iter().any(|own| own == name));
    idle.map_or(Ok(()), |(name, _, needed)| Err(format!("--{name} has an effect only with {needed}")))
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
        // Ids of whole groups of arguments are names of types.
        .filter(|id| !id.as_str().starts_with(char::is_uppercase))
        .filter(|id| sub.value_source(id.as_str()) == Some(ValueSource::CommandLine))
        .map(|id| id.as_str().replace('_', "-"))
        .collect();
    names.sort();
    names
}

impl MosaicArgs {
    /// That every option that was given has an effect: one that has none is a mistake.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String], run_command: RunCommand) -> Result<(), String> {
        let drizzles = matches!(self.kernel, KernelName::Drizzle | KernelName::DrizzleTurbo);
        let meshes = self.background != BackgroundMethod::None;
        let rices = matches!(self.compress, CompressName::Rice);
        let equalizes = match run_command {
            RunCommand::Stack => self.rgb_equalize != RgbEqualizeChoice::Final,
            RunCommand::Mosaic => self.rgb_equalize != RgbEqualizeChoice::Tile,
            RunCommand::Run => true,
        };
        let rules = [
            ("pixfrac", drizzles, "--kernel drizzle or drizzle-turbo"),
            ("back-size", meshes, "--background other than none"),
            ("back-filter-size", meshes, "--background other than none"),
            ("quantize", rices, "--compress rice"),
            ("rgb-equalize", equalizes, "--mode classic (tile), stack (tile), or a mosaic (final)"),
        ];
        refuse_idle(&rules, given)?;
        self.two_pass.check(given)?;
        self.reject.check(given)?;
        self.calibration.check(given)?;
        self.matching.check(run_command, given)?;
        self.gate.check(default_gates(run_command), given)
    }

    /// As [`Self::check`], for `stack`.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check_stack(&self, given: &[String]) -> Result<(), String> {
        self.check(given, RunCommand::Stack)?;
        let idle = ["group", "compress"].into_iter().find(|name| given.iter().any(|own| own == name));
        idle.map_or(Ok(()), |name| Err(format!("--{name} has no effect on a stack")))
    }

    /// The request these arguments make for a command.
    pub fn request(&self, given: &[String], run_command: RunCommand) -> MosaicRequest {
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
                maps: MapOptions {
                    weight_suffix: self.weight_suffix.clone(),
                    weight_type: self.weight_type,
                    mask_suffix: self.mask_suffix.clone(),
                    rescale: self.weight_rescale,
                },
                flux_scale_key: self.flux_scale_key.clone(),
                calibration: self.calibration.options(),
                demosaic: self.demosaic,
                cfa: self.cfa,
                noise: NoiseOptions {
                    gain_e_per_adu: self.gain,
                    read_noise_e: self.read_noise,
                    saturation_adu: self.saturation,
                },
                ..IngestOptions::default()
            },
            // `run` solves; its own arguments say how.
            solve: SolveOptions::default(),
            group: match run_command {
                RunCommand::Stack => GroupChoice::Together,
                RunCommand::Mosaic | RunCommand::Run => self.group.unwrap_or_default(),
            },
            mode: RunMode::Direct,
            cluster: ClusterOptions::default(),
            grid_from: self.grid.clone().map_or(GridSource::Automatic, GridSource::File),
            grid,
            matching: self.matching.match_options(run_command),
            normalize: self.matching.normalize_options(),
            coadd: self.coadd_options(),
            quality: QualityOptions {
                gates: self.gate.options(default_gates(run_command)),
                ..QualityOptions::default()
            },
            hot_pixels: self.hot_pixels.unwrap_or(match run_command {
                RunCommand::Mosaic => HotPixels::Off,
                RunCommand::Run | RunCommand::Stack => HotPixels::Auto,
            }),
            rgb_equalize: self.rgb_equalize,
            match_tiles: self.matching.tiles_method(),
            two_pass: self.two_pass.options(),
        };
        MosaicRequest {
            run_command,
            input_kind: InputKind::Frames,
            tile_keeping: TileKeeping::Keep,
            inputs: self.input.clone(),
            out: self.output.clone(),
            options,
            memory_bytes: self.memory,
            threads: self.threads.map(usize::from),
            spill: self.tmp.clone(),
            excluded: Vec::new(),
            compress: self.compress_options(),
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
            watchdog: self.watchdog.options(),
            command: command_line(),
            given: given.to_vec(),
        }
    }

    fn compress_options(&self) -> Option<CompressOptions> {
        let quantize = Some(self.quantize).filter(|q| *q > 0.0);
        let codec = match self.compress {
            CompressName::None => return None,
            CompressName::Rice => ProductCodec::Rice,
            CompressName::Gzip => ProductCodec::Gzip,
        };
        Some(CompressOptions { codec, quantize })
    }

    fn coadd_options(&self) -> CoaddOptions {
        CoaddOptions {
            kernel: self.kernel,
            pixfrac: self.pixfrac,
            antialias: self.antialias,
            flux: self.flux,
            map: zemosaic_sky::MapOptions { max_error_px: self.map_error },
            background: self.background,
            mesh: BackgroundOptions {
                mesh_px: self.back_size,
                filter_meshes: self.back_filter_size,
                ..BackgroundOptions::default()
            },
            weights: self.weights,
            spatial: SpatialOptions { taper_px: self.taper, radial: self.radial_weight },
            photon_noise: self.photon_noise,
            combine: self.combine,
            reject: self.reject.options(),
        }
    }
}
