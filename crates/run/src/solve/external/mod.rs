//! Plate solving by another program on the user's machine: ASTAP or astrometry.net's `solve-field`.
//!
//! The program sees a copy of the pixels in a folder of its own, without any card of the original, and is told the centre,
//! radius and scale by arguments (those of ASTAP's and astrometry.net's public documentation). What it writes is read back
//! as a WCS of the whole frame.

mod copy;
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use thiserror::Error;
use zemosaic_fits::{FilePool, FitsError, Header};
use zemosaic_frames::Frame;
use zemosaic_sky::Wcs;

use self::copy::Copied;
use self::process::Ended;

/// Name of the copy, without its suffix.
const NAME: &str = "frame";
/// Order of the distortion that `solve-field` fits.
const TWEAK_ORDER: &str = "2";
/// A blind search looks everywhere.
const WHOLE_SKY_DEG: f64 = 180.0;
/// A side-car longer than this is none.
const MAX_RESULT_BYTES: u64 = 1 << 20;

/// A program that solves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalSolver {
    /// ASTAP: `astap_cli` or `astap`.
    Astap,
    /// `solve-field` of astrometry.net.
    SolveField,
}

impl ExternalSolver {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Astap => "astap",
            Self::SolveField => "solve-field",
        }
    }

    /// Names of the program's file, the preferred one first.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Astap => &["astap_cli", "astap"],
            Self::SolveField => &["solve-field"],
        }
    }

    /// How to get it.
    fn how_to_get(self) -> &'static str {
        match self {
            Self::Astap => {
                "install ASTAP and one of its star databases (D05 or D20) from www.hnsky.org; astap_cli must be on the PATH"
            }
            Self::SolveField => {
                "install astrometry.net and index files (Debian, Ubuntu: apt install astrometry.net \
                 astrometry-data-tycho2); solve-field must be on the PATH"
            }
        }
    }
}

/// What is known before solving.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExternalHint {
    /// ICRS right ascension and declination of the middle, degrees; without it the whole sky is searched.
    pub centre_deg: Option<(f64, f64)>,
    /// How far from there the middle may be, degrees.
    pub radius_deg: f64,
    /// Pixel scale of the frame, arcsec.
    pub scale_arcsec: Option<f64>,
    /// Share by which the scale may be off.
    pub scale_tolerance: f64,
}

/// A program and the means it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalProgram {
    /// Which one.
    pub solver: ExternalSolver,
    /// Its file, as [`find_program`] finds it.
    pub program: PathBuf,
    /// The folder in which a folder for the copy is made; that one is removed at the end.
    pub scratch: PathBuf,
    /// Time after which it is killed.
    pub timeout: Duration,
}

/// Why there is no solution.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// The program is not there.
    #[error("{name} is not installed: {how}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// How to get it.
        how: &'static str,
    },
    /// It ended without a solution.
    #[error("{name} found no solution ({status}); it said: {said}")]
    NotSolved {
        /// Its name.
        name: &'static str,
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// It took too long.
    #[error("{name} was stopped after {seconds} s; it said: {said}")]
    TimedOut {
        /// Its name.
        name: &'static str,
        /// The limit.
        seconds: f64,
        /// Its last lines.
        said: String,
    },
    /// The user stopped the run.
    #[error("interrupted")]
    Cancelled,
    /// What it wrote is no WCS.
    #[error("{name} wrote a solution that cannot be used: {reason}")]
    BadResult {
        /// Its name.
        name: &'static str,
        /// Why not.
        reason: String,
    },
    /// The frame has nothing to solve.
    #[error("the frame has no usable pixels")]
    Empty,
    /// The frame cannot be read, or its copy not be written.
    #[error(transparent)]
    Fits(#[from] FitsError),
    /// A file or the program cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl ExternalError {
    /// That `solver` is not there, and how to get it.
    pub fn missing(solver: ExternalSolver) -> Self {
        Self::Missing { name: solver.name(), how: solver.how_to_get() }
    }

    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// The program's file: `given`, else the first on the PATH; `None` where there is none.
pub fn find_program(solver: ExternalSolver, given: Option<&Path>) -> Option<PathBuf> {
    if let Some(given) = given {
        return process::is_program(given).then(|| given.to_path_buf());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = solver.programs().iter().flat_map(|name| folders.iter().map(move |at| at.join(name)));
    candidates.into_iter().find(|file| process::is_program(file))
}

/// Solves `frame`, whose pixels lie unpacked at its `pixels_path`, by `program`. The frame's file is only read.
///
/// The copy is one plane of 16 bits: of a CFA frame the means of 2 x 2 pixels, of an RGB frame the mean of its planes. The
/// result holds for the whole frame ([`Wcs::unbinned`]).
///
/// # Errors
/// See [`ExternalError`].
pub fn solve_external(
    program: &ExternalProgram,
    frame: &Frame,
    pool: &FilePool,
    hint: &ExternalHint,
    cancel: &AtomicBool,
) -> Result<Wcs, ExternalError> {
    let solver = program.solver;
    if !process::is_program(&program.program) {
        return Err(ExternalError::missing(solver));
    }
    let scratch = std::path::absolute(&program.scratch).map_err(ExternalError::io(&program.scratch))?;
    let folder = tempfile::Builder::new()
        .prefix(".zemosaic-solve-")
        .tempdir_in(&scratch)
        .map_err(ExternalError::io(&scratch))?;
    let file = folder.path().join(format!("{NAME}.fits"));
    let copied = copy::write_copy(pool, frame, &file)?;
    // The program runs in the folder: a relative path would mean another file there.
    let path = std::path::absolute(&program.program).map_err(ExternalError::io(&program.program))?;
    let mut command = Command::new(path);
    command.args(match solver {
        ExternalSolver::Astap => astap_arguments(folder.path(), &copied, hint),
        ExternalSolver::SolveField => solve_field_arguments(folder.path(), &copied, hint, program.timeout),
    });
    let ended = process::run(&mut command, folder.path(), program.timeout, cancel)?;
    let said = || said(folder.path());
    let status = match ended {
        Ended::Cancelled => return Err(ExternalError::Cancelled),
        Ended::TimedOut => {
            let seconds = program.timeout.as_secs_f64();
            return Err(ExternalError::TimedOut { name: solver.name(), seconds, said: said() });
        }
        Ended::Exited(status) => status,
    };
    let found = if status.success() { read_solution(solver, folder.path())? } else { None };
    let Some(wcs) = found else {
        let status = status.to_string();
        return Err(ExternalError::NotSolved { name: solver.name(), status, said: said() });
    };
    Ok(wcs.unbinned(copied.binning))
}

fn astap_arguments(folder: &Path, copied: &Copied, hint: &ExternalHint) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let height_deg =
        hint.scale_arcsec.map_or(0.0, |scale| scale * (copied.binning * copied.height_px) as f64 / 3600.0);
    let mut arguments = vec!["-f".into(), path(&format!("{NAME}.fits")), "-o".into(), path(NAME)];
    let mut add = |name: &str, value: f64| arguments.extend([name.to_string(), value.to_string()]);
    match hint.centre_deg {
        Some((ra_deg, dec_deg)) => {
            add("-ra", ra_deg / 15.0);
            add("-spd", dec_deg + 90.0);
            add("-r", hint.radius_deg);
        }
        None => add("-r", WHOLE_SKY_DEG),
    }
    // 0 lets the program look for it.
    add("-fov", height_deg);
    arguments.extend(["-wcs", "-sip"].map(String::from));
    arguments
}

fn solve_field_arguments(
    folder: &Path,
    copied: &Copied,
    hint: &ExternalHint,
    timeout: Duration,
) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut arguments: Vec<String> =
        ["--no-plots", "--overwrite", "--fits-image", "--no-verify", "--crpix-center", "--temp-axy"]
            .map(String::from)
            .to_vec();
    let mut add = |name: &str, value: String| arguments.extend([name.to_string(), value]);
    for unwanted in ["new-fits", "solved", "match", "rdls", "corr", "index-xyls"] {
        add(&format!("--{unwanted}"), "none".into());
    }
    add("--tweak-order", TWEAK_ORDER.into());
    add("--cpulimit", (timeout.as_secs_f64().ceil().max(1.0)).to_string());
    if let Some((ra_deg, dec_deg)) = hint.centre_deg {
        add("--ra", ra_deg.to_string());
        add("--dec", dec_deg.to_string());
        add("--radius", hint.radius_deg.to_string());
    }
    if let Some(scale) = hint.scale_arcsec {
        let scale = scale * copied.binning as f64;
        add("--scale-units", "arcsecperpix".into());
        add("--scale-low", (scale * (1.0 - hint.scale_tolerance).max(0.0)).to_string());
        add("--scale-high", (scale * (1.0 + hint.scale_tolerance)).to_string());
    }
    add("--dir", path(""));
    add("--temp-dir", path(""));
    add("--wcs", path(&format!("{NAME}.wcs")));
    arguments.push(path(&format!("{NAME}.fits")));
    arguments
}

/// The WCS of the copy: NAME.wcs, of ASTAP also NAME.ini; `None` where the program says that there is none, or says nothing.
fn read_solution(solver: ExternalSolver, folder: &Path) -> Result<Option<Wcs>, ExternalError> {
    let bad = |reason: String| ExternalError::BadResult { name: solver.name(), reason };
    let mut header = read_header(&folder.join(format!("{NAME}.wcs"))).map_err(bad)?;
    if solver == ExternalSolver::Astap {
        let ini = read_header(&folder.join(format!("{NAME}.ini"))).map_err(bad)?;
        let solved = |own: &Header| own.get_bool("PLTSOLVD");
        if [&header, &ini].into_iter().flatten().find_map(solved) == Some(false) {
            return Ok(None);
        }
        // The summary has the numbers alone.
        header = header.or_else(|| ini.filter(|own| solved(own) == Some(true)).map(with_types));
    }
    let wcs = header.as_ref().map(Wcs::from_header).transpose();
    wcs.map_err(|error| bad(error.to_string()))
}

fn with_types(mut header: Header) -> Header {
    for (axis, name) in [(1, "RA---TAN"), (2, "DEC--TAN")] {
        header.set_str(&format!("CTYPE{axis}"), name, "");
    }
    header
}

/// A header in binary form or as a text; `None` where the file is not there.
fn read_header(file: &Path) -> Result<Option<Header>, String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Ok(facts) = file.metadata() else { return Ok(None) };
    if facts.len() > MAX_RESULT_BYTES {
        return Err(format!("{name} has {} bytes", facts.len()));
    }
    let bytes = std::fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    let header = if bytes.starts_with(b"SIMPLE  =") && !bytes.contains(&b'\n') {
        Header::parse(&bytes).map(|(header, _)| header)
    } else {
        Header::parse_text(&String::from_utf8_lossy(&bytes))
    };
    header.map(Some).map_err(|error| format!("{name}: {error}"))
}

/// The program's last words: of ASTAP also what its summary gives as error.
fn said(folder: &Path) -> String {
    let mut lines = Vec::new();
    if let Ok(text) = std::fs::read(folder.join(format!("{NAME}.ini"))) {
        let text = String::from_utf8_lossy(&text).into_owned();
        let told = text.lines().filter(|line| line.starts_with("ERROR=") || line.starts_with("WARNING="));
        lines.extend(told.map(|line| line.trim().to_string()));
    }
    lines.extend(process::last_lines(folder));
    if lines.is_empty() { "nothing".into() } else { lines.join(" | ") }
}
