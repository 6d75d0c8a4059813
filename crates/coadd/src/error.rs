//! Errors that end a coadd.

use thiserror::Error;
use zemosaic_fits::FitsError;

/// Why a coadd stopped. A single bad source or patch does not stop it: see [`crate::CoaddSummary`].
#[derive(Debug, Error)]
pub enum CoaddError {
    /// Even the smallest patch does not fit.
    #[error(
        "the memory budget of {} MiB is too small: one strip of the mosaic needs {} MiB \
         with {threads} threads and {contributors} overlapping frames; raise --memory or lower --threads",
        budget_bytes >> 20, (needed_bytes >> 20) + 1
    )]
    Memory {
        /// What is allowed.
        budget_bytes: u64,
        /// What the smallest patch needs on all threads together.
        needed_bytes: u64,
        /// Worker threads.
        threads: usize,
        /// Frames over that patch.
        contributors: usize,
    },
    /// The product cannot be written.
    #[error(transparent)]
    Write(#[from] FitsError),
    /// Worker threads cannot be started.
    #[error("cannot start worker threads: {0}")]
    Threads(String),
    /// The user asked to stop.
    #[error("interrupted; nothing was left under a final name")]
    Cancelled,
}
