//! Row-window reads: only the rows (and, for narrow windows, only the columns) that a patch needs, by position, from
//! any number of threads.

use crate::decode::decode;
use crate::error::FitsError;
use crate::file_io;
use crate::kept_rows::{KeptRows, PlaneRows};
use crate::layout::ImageLayout;
use crate::pool::FilePool;
use std::fs::File;
use std::path::Path;

/// Bytes read and decoded at a time: large enough for one system call per many rows, small enough to stay in the
/// second-level cache between the read and the decode.
const CHUNK_BYTES: usize = 256 << 10;
/// Windows at least this share of a row wide are read as whole spans of the file, narrower ones row by row.
const SPAN_SHARE: usize = 4;
/// Gaps between the rows up to this size are read too: copying them costs less than another system call.
const SPAN_GAP_BYTES: usize = 8 << 10;

/// A rectangle of pixels of one plane, 0-based, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x0: usize,
    /// First row.
    pub y0: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Window {
    /// The whole plane of a layout.
    pub fn full(layout: &ImageLayout) -> Self {
        Self { x0: 0, y0: 0, width: layout.width(), height: layout.height() }
    }

    /// Number of pixels.
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// Refuses a window outside the plane and a buffer of another size.
    pub(crate) fn check(
        &self,
        path: &Path,
        layout: &ImageLayout,
        plane: usize,
        values: usize,
    ) -> Result<(), FitsError> {
        if plane >= layout.planes() || !self.fits(layout.width(), layout.height()) {
            let (w, h, n) = (layout.width(), layout.height(), layout.planes());
            let what =
                format!("{self:?} of plane {plane} is outside an image of {w} x {h} pixels and {n} planes");
            return Err(FitsError::bad_request(path, what));
        }
        if values != self.area() {
            let what = format!("the buffer holds {values} values, the window {}", self.area());
            return Err(FitsError::bad_request(path, what));
        }
        Ok(())
    }

    /// Whether the window lies inside a plane of this size.
    pub(crate) fn fits(&self, width: usize, height: usize) -> bool {
        self.x0.checked_add(self.width).is_some_and(|x1| x1 <= width)
            && self.y0.checked_add(self.height).is_some_and(|y1| y1 <= height)
    }
}

/// Byte buffer of one reading thread, reused between calls.
#[derive(Debug, Default)]
pub struct ReadScratch {
    bytes: Vec<u8>,
    values: Vec<f32>,
    kept: KeptRows,
}

impl ReadScratch {
    /// Says that many small windows follow, from bottom to top: of each plane bands of `rows` whole rows are read and kept, and
    /// windows of no more rows served from them. 0 ends it and frees the memory. Files must not change meanwhile.
    pub fn keep_rows(&mut self, rows: usize) {
        self.kept.keep(rows);
    }
}

/// Reads a window of one plane as physical values into `out` (row-major, `window.area()` values). BLANK and
/// non-finite samples become NaN; unsigned 16-bit samples never pass through f64.
///
/// # Errors
/// [`FitsError::BadRequest`] for a window, plane or buffer that does not fit, [`FitsError::Truncated`] when the file
/// ends before the window does, [`FitsError::Io`].
pub fn read_window(
    pool: &FilePool,
    path: &Path,
    layout: &ImageLayout,
    plane: usize,
    window: Window,
    scratch: &mut ReadScratch,
    out: &mut [f32],
) -> Result<(), FitsError> {
    window.check(path, layout, plane, out.len())?;
    if out.is_empty() {
        return Ok(());
    }
    if layout.interleave > 1 {
        return read_interleaved(pool, path, layout, plane, window, scratch, out);
    }
    let file = pool.get(path)?;
    let reader = Reader { file: &file, path, layout };
    let first = layout.data_offset
        + plane as u64 * layout.plane_bytes()
        + window.y0 as u64 * layout.row_bytes()
        + (window.x0 * layout.sample.bytes()) as u64;
    if window.width < layout.width() && scratch.kept.serves(window.height) {
        match reader.kept(plane, window, scratch, out) {
            // Of a file that ends early what the window needs may be there, though not all rows that would be kept.
            Err(FitsError::Truncated { .. }) => {}
            done => return done,
        }
    }
    reader.window(first, window.width, scratch, out)
}

/// One colour of a window whose colours vary fastest: all are read, some rows at a time.
fn read_interleaved(
    pool: &FilePool,
    path: &Path,
    layout: &ImageLayout,
    plane: usize,
    window: Window,
    scratch: &mut ReadScratch,
    out: &mut [f32],
) -> Result<(), FitsError> {
    let colours = layout.interleave;
    let dims = vec![layout.width() * colours, layout.height()];
    let stored = ImageLayout { dims, interleave: 1, ..layout.clone() };
    let rows = (CHUNK_BYTES / (window.width * colours * layout.sample.bytes())).max(1);
    let mut values = std::mem::take(&mut scratch.values);
    let mut y0 = window.y0;
    let result = out.chunks_mut(rows * window.width).try_for_each(|part| {
        let height = part.len() / window.width;
        values.resize(part.len() * colours, 0.0);
        let all = Window { x0: window.x0 * colours, y0, width: window.width * colours, height };
        read_window(pool, path, &stored, 0, all, scratch, &mut values)?;
        for (value, pixel) in part.iter_mut().zip(values.chunks_exact(colours)) {
            *value = pixel[plane];
        }
        y0 += height;
        Ok(())
    });
    scratch.values = values;
    result
}

struct Reader<'a> {
    file: &'a File,
    path: &'a Path,
    layout: &'a ImageLayout,
}

impl Reader<'_> {
    /// A window that begins at `offset`, read for itself.
    fn window(
        &self,
        offset: u64,
        width: usize,
        scratch: &mut ReadScratch,
        out: &mut [f32],
    ) -> Result<(), FitsError> {
        let layout = self.layout;
        let gap_bytes = (layout.width() - width) * layout.sample.bytes();
        if width == layout.width() {
            self.run(offset, scratch, out)
        } else if width * SPAN_SHARE >= layout.width() || gap_bytes <= SPAN_GAP_BYTES {
            self.span(offset, width, scratch, out)
        } else {
            out.chunks_exact_mut(width)
                .enumerate()
                .try_for_each(|(y, row)| self.run(offset + y as u64 * layout.row_bytes(), scratch, row))
        }
    }

    /// Consecutive samples.
    fn run(&self, offset: u64, scratch: &mut ReadScratch, out: &mut [f32]) -> Result<(), FitsError> {
        let size = self.layout.sample.bytes();
        let mut at = offset;
        for part in out.chunks_mut(CHUNK_BYTES / size) {
            let bytes = self.fill(at, part.len() * size, scratch)?;
            decode(self.layout, bytes, part);
            at += (part.len() * size) as u64;
        }
        Ok(())
    }

    /// Rows of a window that is nearly as wide as the image: the bytes between the rows are read and skipped.
    fn span(
        &self,
        offset: u64,
        width: usize,
        scratch: &mut ReadScratch,
        out: &mut [f32],
    ) -> Result<(), FitsError> {
        let row_bytes = self.layout.row_bytes() as usize;
        let window_bytes = width * self.layout.sample.bytes();
        let rows = (CHUNK_BYTES / row_bytes).max(1);
        let mut at = offset;
        for block in out.chunks_mut(rows * width) {
            let count = block.len() / width;
            let bytes = self.fill(at, (count - 1) * row_bytes + window_bytes, scratch)?;
            self.decode_rows(bytes, 0, width, block);
            at += (count * row_bytes) as u64;
        }
        Ok(())
    }

    /// Samples of rows whose first is `from` bytes into each row of `bytes`.
    fn decode_rows(&self, bytes: &[u8], from: usize, width: usize, out: &mut [f32]) {
        let row_bytes = self.layout.row_bytes() as usize;
        let window_bytes = width * self.layout.sample.bytes();
        for (row, values) in out.chunks_exact_mut(width).enumerate() {
            let start = from + row * row_bytes;
            decode(self.layout, &bytes[start..start + window_bytes], values);
        }
    }

    /// A window out of rows that are kept.
    fn kept(
        &self,
        plane: usize,
        window: Window,
        scratch: &mut ReadScratch,
        out: &mut [f32],
    ) -> Result<(), FitsError> {
        let layout = self.layout;
        let row_bytes = layout.row_bytes() as usize;
        let offset = layout.data_offset + plane as u64 * layout.plane_bytes();
        let of = PlaneRows { path: self.path, offset, height: layout.height(), row_bytes };
        let bytes = scratch.kept.rows(of, window.y0, window.height, |row, bytes| {
            self.read_into(offset + row as u64 * layout.row_bytes(), bytes)
        })?;
        self.decode_rows(bytes, window.x0 * layout.sample.bytes(), window.width, out);
        Ok(())
    }

    fn fill<'s>(
        &self,
        offset: u64,
        count: usize,
        scratch: &'s mut ReadScratch,
    ) -> Result<&'s [u8], FitsError> {
        if scratch.bytes.len() < count {
            scratch.bytes.resize(count, 0);
        }
        let bytes = &mut scratch.bytes[..count];
        self.read_into(offset, bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<(), FitsError> {
        let got =
            file_io::read_at(self.file, bytes, offset).map_err(|e| FitsError::io(self.path, "read", 0, e))?;
        if got < bytes.len() {
            return Err(FitsError::Truncated {
                path: self.path.to_path_buf(),
                hdu: self.layout.hdu,
                expected: self.layout.data_offset + self.layout.data_bytes(),
                found: self.file.metadata().map_or(offset + got as u64, |m| m.len()),
            });
        }
        Ok(())
    }
}
