//! Options of plate solving, which `run`, `plan` and `solve` share, and the arguments of `solve`.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use zemosaic_frames::{IngestOptions, WcsPolicy};
use zemosaic_run::solve::{AdjustChoice, BlindSearch, SolverChoice};
use zemosaic_run::units::parse_size;
use zemosaic_run::{SolveMode, SolveOptions, SolveRequest};
use zemosaic_stars::{FitOptions, SipOrder};

use crate::args::refuse_idle;
use crate::named::{name_of, named};
use crate::parse;
use crate::watchdog_args::WatchdogArgs;

/// Options of plate solving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Plate solving")]
pub struct SolveArgs {
    /// Which frames are solved; default of plan: missing
    #[arg(long = "solve", id = "solve", value_name = "FRAMES", value_parser = named::<SolveMode>(), default_value = name_of(SolveMode::Auto))]
    pub mode: SolveMode,
    /// Who solves
    #[arg(long, value_parser = named::<SolverChoice>(), default_value = name_of(SolverChoice::default()))]
    pub solver: SolverChoice,
    /// Search of the whole sky
    #[arg(long, value_parser = named::<BlindSearch>(), default_value = name_of(BlindSearch::default()))]
    pub blind: BlindSearch,
    /// Where the frames point, instead of what their headers say, for example "192.72,41.12" (degrees, ICRS) or
    /// "12h50m53s +41d07m14s"
    #[arg(long, value_name = "RA,DEC", value_parser = parse::centre_deg, allow_hyphen_values = true)]
    pub solve_center: Option<(f64, f64)>,
    /// Their scale, instead of what their headers say
    #[arg(long, value_name = "ARCSEC", value_parser = parse::scale_arcsec)]
    pub solve_scale: Option<f64>,
    /// Radius of the first search around where frames point; the second is wider
    #[arg(long, value_name = "DEG", default_value_t = SolveOptions::default().radius_deg)]
    pub solve_radius: f64,
    /// Star catalogue instead of the Tycho-2 inside the program: a Gaia extract (.csv, .csv.gz) or a tile file of seiza
    #[arg(long, alias = "catalogue", value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Julian year that catalogue stars are moved to; default: the date of each frame
    #[arg(long, value_name = "YEAR")]
    pub catalog_epoch: Option<f64>,
    /// Order of the distortion of a frame: auto, or from 1 (none) to 4
    #[arg(long, value_name = "auto|N", value_parser = parse::sip_order, default_value = "auto")]
    pub sip_order: SipOrder,
    /// All solved frames are adjusted together
    #[arg(long, value_parser = named::<AdjustChoice>(), default_value = name_of(AdjustChoice::default()))]
    pub adjust: AdjustChoice,
    /// Time limit for one frame of astap or solve-field, seconds
    #[arg(long, value_name = "S", default_value_t = SolveOptions::default().external_timeout_s)]
    pub solve_timeout: f64,
}

/// The names of these options.
pub const SOLVE_OPTIONS: [&str; 11] = [
    "solver",
    "blind",
    "solve-center",
    "solve-scale",
    "solve-radius",
    "catalog",
    "catalog-epoch",
    "sip-order",
    "adjust",
    "solve-timeout",
    "solve",
];

impl SolveArgs {
    /// That every option that was given has an effect and is in its range.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, given: &[String]) -> Result<(), String> {
        let acts = self.mode != SolveMode::Off;
        let rules: Vec<(&str, bool, &str)> = SOLVE_OPTIONS
            .into_iter()
            .filter(|name| *name != "solve")
            .map(|name| (name, acts, "--solve auto or missing"))
            .collect();
        refuse_idle(&rules, given)?;
        let has_program = self.solver != SolverChoice::Embedded;
        refuse_idle(
            &[("solve-timeout", has_program, "a --solver that is a program of its own, or auto")],
            given,
        )?;
        self.options().check()
    }

    /// The options.
    pub fn options(&self) -> SolveOptions {
        SolveOptions {
            mode: self.mode,
            solver: self.solver,
            blind: self.blind,
            catalog: self.catalog.clone(),
            catalog_epoch: self.catalog_epoch,
            centre_deg: self.solve_center,
            scale_arcsec: self.solve_scale,
            radius_deg: self.solve_radius,
            external_timeout_s: self.solve_timeout,
            fit: FitOptions { order: self.sip_order, ..FitOptions::default() },
            adjust: self.adjust,
            ..SolveOptions::default()
        }
    }
}

/// Arguments of `solve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  zemosaic solve frames/\n  zemosaic solve frames/ --ignore-wcs --write-sidecar --sidecar-dir \
                        wcs\n  zemosaic solve a.fits --solve-center 192.72,41.12 --solve-scale 2.37"
)]
pub struct SolveCommandArgs {
    /// FITS files, folders (walked to the bottom), and lists, as for mosaic
    #[arg(required = true)]
    pub input: Vec<PathBuf>,
    /// Plate solving
    #[command(flatten)]
    pub solve: SolveArgs,
    /// Side-car folder (NAME.head, NAME.wcs), or one file for all frames; looked at before anything else
    #[arg(long, value_name = "PATH")]
    pub wcs_from: Option<PathBuf>,
    /// Drop every WCS there is, so that every frame is solved anew
    #[arg(long)]
    pub ignore_wcs: bool,
    /// Write NAME.wcs for every frame whose WCS was found, beside it
    #[arg(long)]
    pub write_sidecar: bool,
    /// ... into this folder
    #[arg(long, value_name = "DIR", requires = "write_sidecar")]
    pub sidecar_dir: Option<PathBuf>,
    /// Replace side-cars of other programs
    #[arg(long, requires = "write_sidecar")]
    pub force: bool,
    /// What is done when nothing finishes
    #[command(flatten)]
    pub watchdog: WatchdogArgs,
    /// Memory for the whole process; default: half of what is free
    #[arg(short, long, value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Worker threads; default: all cores
    #[arg(short = 'j', long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Folder for unpacked copies; default: the system's
    #[arg(long, value_name = "DIR")]
    pub tmp: Option<PathBuf>,
    /// A JSON line for each frame and one for all on stdout, instead of the table
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub quiet: bool,
}

impl SolveCommandArgs {
    /// The request these arguments make.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn request(&self, given: &[String]) -> Result<SolveRequest, String> {
        self.solve.check(given)?;
        if self.solve.mode == SolveMode::Off {
            return Err("--solve off: nothing would be done".into());
        }
        Ok(SolveRequest {
            inputs: self.input.clone(),
            ingest: IngestOptions {
                wcs: WcsPolicy { wcs_from: self.wcs_from.clone(), ignore_wcs: self.ignore_wcs },
                ..IngestOptions::default()
            },
            options: self.solve.options(),
            threads: self.threads.map(usize::from),
            memory_bytes: self.memory,
            spill: self.tmp.clone(),
        })
    }
}
