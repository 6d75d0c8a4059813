//! Why a frame has no solution.

use std::path::PathBuf;
use std::time::Duration;

/// Why a solver gave no solution.
#[derive(Debug, thiserror::Error)]
pub enum SolveError {
    /// Too few stars for any pattern.
    #[error("{found} stars, at least {needed} are needed")]
    TooFewStars {
        /// Stars with a position.
        found: usize,
        /// As many would do.
        needed: usize,
    },
    /// No place on the sky fits.
    #[error("no match: {0}")]
    NoMatch(String),
    /// The time given was not enough.
    #[error("no solution within {} s", within.as_secs_f64())]
    TimedOut {
        /// The time given.
        within: Duration,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The hint makes no sense.
    #[error("the hint cannot be used: {0}")]
    Hint(String),
    /// The blind index cannot be built or written.
    #[error("the index for blind solving, {}: {message}", path.display())]
    Index {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Building the blind index needs more memory than is allowed.
    #[error("building the index for blind solving needs {needed} bytes of memory, allowed are {allowed}")]
    IndexMemory {
        /// Needed, bytes.
        needed: u64,
        /// Allowed, bytes.
        allowed: u64,
    },
}
