//! What can go wrong before a frame exists.

use std::path::PathBuf;

use thiserror::Error;
use zemosaic_fits::FitsError;

/// Errors that end the work on the inputs as a whole; a single bad file is a [`crate::LeftOut`] instead.
#[derive(Debug, Error)]
pub enum FramesError {
    /// An input path does not exist.
    #[error("input {} does not exist; check the path", path.display())]
    NoSuchInput {
        /// The path as given.
        path: PathBuf,
    },
    /// A folder or file cannot be listed.
    #[error("cannot read {}: {source}; check its permissions", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A list of inputs has a mistake.
    #[error("{}, line {line}: {what}", list.display())]
    List {
        /// The list.
        list: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what would be right.
        what: String,
    },
    /// Lists contradict each other.
    #[error(
        "{} and {} say different things of {}; name it in one of them, or with the same values",
        first.display(), second.display(), path.display()
    )]
    Lists {
        /// A list.
        first: PathBuf,
        /// Another.
        second: PathBuf,
        /// The file that both name.
        path: PathBuf,
    },
    /// A frame's background cannot be measured.
    #[error("{0}")]
    Background(String),
    /// A file of pixels cannot be read.
    #[error(transparent)]
    Fits(#[from] FitsError),
}
