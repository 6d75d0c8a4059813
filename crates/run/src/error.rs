//! Errors that end a run. Each has a stable code, an exit code and a sentence that says what to do.

use std::path::PathBuf;

use thiserror::Error;
use zemosaic_coadd::CoaddError;
use zemosaic_fits::FitsError;
use zemosaic_frames::FramesError;

/// Exit codes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Ok = 0,
    /// A bug.
    Internal = 1,
    /// Bad usage or configuration.
    Usage = 2,
    /// No usable input.
    NoInput = 3,
    /// Frames lack a usable WCS.
    Unsolved = 5,
    /// A resource limit would be exceeded; no product was written.
    Resource = 6,
    /// Input or output error, damaged file.
    InputOutput = 7,
    /// State incompatible with the request.
    State = 8,
    /// Finished, but files could not be read or cells failed.
    Partial = 9,
    /// Interrupted.
    Interrupted = 130,
}

/// Why a run ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// Nothing to work on.
    #[error("no FITS files in {inputs}; frames are .fit, .fits or .fts files, also with .gz")]
    NoInput {
        /// The inputs as given.
        inputs: String,
    },
    /// Files, but none usable.
    #[error("none of {total} files can be used: {summary}")]
    NoUsableInput {
        /// Files looked at.
        total: usize,
        /// Counts by reason, with an example of each.
        summary: String,
        /// Whether what is missing is a WCS.
        unsolved: bool,
    },
    /// Mono and colour frames together.
    #[error(
        "the inputs mix {mono} mono and {colour} colour frames (for example {mono_example} and {colour_example}); \
         one mosaic is either: give them apart"
    )]
    MixedColour {
        /// Mono frames.
        mono: usize,
        /// Colour frames.
        colour: usize,
        /// One of them.
        mono_example: String,
        /// One of them.
        colour_example: String,
    },
    /// The inputs themselves cannot be listed.
    #[error(transparent)]
    Frames(#[from] FramesError),
    /// A choice on the command line does not fit the inputs.
    #[error("{0}")]
    Usage(String),
    /// The star catalogue cannot be used.
    #[error("{0}")]
    Catalogue(String),
    /// No output grid can be made.
    #[error("no output grid: {0}")]
    Grid(String),
    /// Memory, disk or canvas size.
    #[error("{0}; no product was written")]
    Resource(String),
    /// Products exist.
    #[error("{} exists; give another folder or replace it with --force", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Another run writes into the same folder.
    #[error("another run is writing into {}; wait for it, or give another folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder of the output cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Output {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The product or an unpacked copy cannot be written.
    #[error(transparent)]
    Fits(#[from] FitsError),
    /// The engine stopped.
    #[error(transparent)]
    Coadd(#[from] CoaddError),
    /// A product that should hold together does not encode.
    #[error("cannot encode {what}: {message}")]
    Encode {
        /// Which product.
        what: &'static str,
        /// The library's reason.
        message: String,
    },
}

impl RunError {
    /// An output error at `path`, as a `map_err` argument.
    pub fn output(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Output { path, source }
    }

    /// The stable code of the message.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoInput { .. } => "E-INPUT-NONE",
            Self::NoUsableInput { .. } => "E-INPUT-UNUSABLE",
            Self::MixedColour { .. } => "E-INPUT-MIXED",
            Self::Frames(FramesError::NoSuchInput { .. }) => "E-INPUT-MISSING",
            Self::Frames(_) => "E-INPUT-READ",
            Self::Usage(_) => "E-USAGE",
            Self::Catalogue(_) => "E-CATALOGUE",
            Self::Grid(_) => "E-GRID",
            Self::Resource(_) | Self::Coadd(CoaddError::Memory { .. }) => "E-RESOURCE",
            Self::Busy { .. } => "E-OUTPUT-BUSY",
            Self::Exists { .. } | Self::Fits(FitsError::Exists { .. }) => "E-OUTPUT-EXISTS",
            Self::Output { source, .. } if is_full(source) => "E-OUTPUT-FULL",
            Self::Fits(FitsError::DiskFull { .. })
            | Self::Coadd(CoaddError::Write(FitsError::DiskFull { .. })) => "E-OUTPUT-FULL",
            Self::Output { .. } | Self::Fits(_) | Self::Coadd(CoaddError::Write(_)) => "E-OUTPUT-WRITE",
            Self::Coadd(CoaddError::Cancelled) => "E-INTERRUPTED",
            Self::Coadd(CoaddError::Threads(_)) | Self::Encode { .. } => "E-INTERNAL",
        }
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoUsableInput { unsolved: true, .. } => ExitCode::Unsolved,
            Self::NoInput { .. } | Self::NoUsableInput { .. } => ExitCode::NoInput,
            Self::MixedColour { .. } | Self::Usage(_) | Self::Grid(_) => ExitCode::Usage,
            Self::Busy { .. } | Self::Exists { .. } | Self::Fits(FitsError::Exists { .. }) => ExitCode::State,
            Self::Catalogue(_)
            | Self::Frames(_)
            | Self::Output { .. }
            | Self::Fits(_)
            | Self::Coadd(CoaddError::Write(_)) => ExitCode::InputOutput,
            Self::Resource(_) | Self::Coadd(CoaddError::Memory { .. }) => ExitCode::Resource,
            Self::Coadd(CoaddError::Cancelled) => ExitCode::Interrupted,
            Self::Coadd(CoaddError::Threads(_)) | Self::Encode { .. } => ExitCode::Internal,
        }
    }
}

/// Whether the system says that the volume is full.
fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
