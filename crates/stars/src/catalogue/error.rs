//! What can be wrong with a catalogue.

use std::path::{Path, PathBuf};

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The embedded catalogue cannot be decoded (a broken build).
    #[error("the embedded Tycho-2 catalogue is damaged: {0}; rebuild from a clean checkout")]
    Embedded(String),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's own message.
        source: std::io::Error,
    },
    /// A value of an extract is missing or no number.
    #[error("{}: line {line}, column {column}: {message}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What is wrong.
        message: String,
    },
    /// The file is no catalogue that is read.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what is read.
        message: String,
    },
}

impl CatalogueError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(super) fn format(path: &Path, message: impl Into<String>) -> Self {
        Self::Format { path: path.to_path_buf(), message: message.into() }
    }
}
