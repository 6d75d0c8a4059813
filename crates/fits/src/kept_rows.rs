//! Rows of planes kept in memory for small windows that follow each other from bottom to top, as those of stars: a plane is then read
//! once in large pieces instead of row by row for each window.

use std::path::{Path, PathBuf};

use crate::error::FitsError;

/// Planes (of the image, its maps and its calibration masters) whose rows are kept at once: more than any frame has. With one more than
/// are kept every window would read whole rows anew.
const MOST_BANDS: usize = 48;

/// Whole rows of one plane as they are in the file.
#[derive(Debug)]
struct Band {
    path: PathBuf,
    offset: u64,
    first_row: usize,
    rows: usize,
    bytes: Vec<u8>,
}

/// A plane of a file that begins at a byte, and its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlaneRows<'a> {
    pub(crate) path: &'a Path,
    pub(crate) offset: u64,
    pub(crate) height: usize,
    pub(crate) row_bytes: usize,
}

/// The rows that are kept; none until [`KeptRows::keep`] says how many.
#[derive(Debug, Default)]
pub(crate) struct KeptRows {
    rows: usize,
    bands: Vec<Band>,
}

impl KeptRows {
    /// Keep bands of so many rows from now on; 0 keeps none and forgets what there is.
    pub(crate) fn keep(&mut self, rows: usize) {
        self.rows = rows;
        self.bands.clear();
    }

    /// Whether a window of so many rows is served from rows that are kept.
    pub(crate) fn serves(&self, window_rows: usize) -> bool {
        self.rows > 0 && window_rows <= self.rows
    }

    /// The bytes of rows `from..from + count` of a plane. What is not there is read with `fill`, which fills a buffer from a row on.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn rows(
        &mut self,
        of: PlaneRows<'_>,
        from: usize,
        count: usize,
        fill: impl FnOnce(usize, &mut [u8]) -> Result<(), FitsError>,
    ) -> Result<&[u8], FitsError> {
        let index = self.band_of(of);
        let wanted = self.rows;
        let band = &mut self.bands[index];
        if from < band.first_row || from + count > band.first_row + band.rows {
            let rows = wanted.min(of.height - from);
            // Rows that were read already move to the front.
            let kept = if from >= band.first_row {
                (band.first_row + band.rows).saturating_sub(from).min(rows)
            } else {
                0
            };
            let start = (from.saturating_sub(band.first_row)) * of.row_bytes;
            if kept > 0 {
                band.bytes.copy_within(start..start + kept * of.row_bytes, 0);
            }
            band.bytes.resize(rows * of.row_bytes, 0);
            // If this fails nothing is kept.
            (band.first_row, band.rows) = (from, 0);
            fill(from + kept, &mut band.bytes[kept * of.row_bytes..])?;
            band.rows = rows;
        }
        let start = (from - band.first_row) * of.row_bytes;
        Ok(&band.bytes[start..start + count * of.row_bytes])
    }

    fn band_of(&mut self, of: PlaneRows<'_>) -> usize {
        let is_own = |band: &Band| band.offset == of.offset && band.path == of.path;
        if let Some(index) = self.bands.iter().position(is_own) {
            return index;
        }
        if self.bands.len() == MOST_BANDS {
            self.bands.remove(0);
        }
        let path = of.path.to_path_buf();
        self.bands.push(Band { path, offset: of.offset, first_row: 0, rows: 0, bytes: Vec::new() });
        self.bands.len() - 1
    }
}
