//! Errors of the simulator and the comparisons.

use std::path::{Path, PathBuf};

/// What can go wrong while simulating or while reading a truth folder.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// The embedded star catalogue cannot be decoded (a broken build).
    #[error(transparent)]
    Catalogue(#[from] zemosaic_stars::CatalogueError),
    /// An option has a value that makes no sense.
    #[error("option {name} is {value}: {reason}")]
    Option {
        /// Field of [`crate::SimulateOptions`].
        name: &'static str,
        /// The value as given.
        value: String,
        /// What would be accepted.
        reason: &'static str,
    },
    /// A folder or file could not be made or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's own message.
        source: std::io::Error,
    },
    /// The folder for the frames holds files of another set.
    #[error("{}: this file does not belong to the set; choose an empty folder or remove it", path.display())]
    Occupied {
        /// The foreign file.
        path: PathBuf,
    },
    /// A frame or mask could not be written.
    #[error(transparent)]
    Fits(#[from] zemosaic_fits::FitsError),
    /// A truth file does not have the expected content.
    #[error("{}: {message}", path.display())]
    Truth {
        /// The truth file.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// A header has no tangent projection that this crate reads.
    #[error("no plain TAN projection in this header: {0}")]
    Header(String),
}

impl TestkitError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn truth(path: &Path, message: impl Into<String>) -> Self {
        Self::Truth { path: path.to_path_buf(), message: message.into() }
    }
}
