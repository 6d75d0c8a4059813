//! Why there are no figures.

use thiserror::Error;
use zemosaic_image::BackgroundError;

/// Why a frame has no stars and no quality.
#[derive(Debug, Error)]
pub enum StarsError<E: std::error::Error + 'static> {
    /// Its pixels cannot be read.
    #[error(transparent)]
    Read(E),
    /// It has no background.
    #[error("no background: {0}")]
    Background(#[from] BackgroundError),
    /// It is too small.
    #[error("a frame of {width} x {height} px is too small to look for stars: 32 x 32 px at least")]
    Small {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
}
