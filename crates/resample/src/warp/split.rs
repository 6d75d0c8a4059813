//! Positions of a chunk of pixels, split once for all planes into whole pixels and fractions.

use crate::warp::SourceWindow;

/// Pixels per chunk.
pub(super) const CHUNK: usize = 64;

/// Which taps a kernel reads in one piece: `wide` columns and `high` rows that begin `before` pixels before the
/// whole part of the position plus `shift`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) wide: usize,
    pub(super) high: usize,
    pub(super) before: usize,
    /// 0.5 for the nearest pixel, else 0.
    pub(super) shift: f64,
}

/// A chunk of split positions.
pub(super) struct Split {
    /// First column of the block in the window; 0 where the block is not in the window.
    pub(super) column: [i32; CHUNK],
    /// First row, likewise.
    pub(super) row: [i32; CHUNK],
    /// Fraction of x in [0, 1].
    pub(super) fx: [f32; CHUNK],
    /// Fraction of y in [0, 1].
    pub(super) fy: [f32; CHUNK],
    /// 1 where the whole block is in the window, else 0.
    pub(super) fits: [u32; CHUNK],
}

impl Split {
    pub(super) const EMPTY: Self =
        Self { column: [0; CHUNK], row: [0; CHUNK], fx: [0.0; CHUNK], fy: [0.0; CHUNK], fits: [0; CHUNK] };

    /// Whether a window holds a block at all; otherwise nothing may be read at row 0, column 0.
    pub(super) fn possible(window: &SourceWindow<'_>, block: Block) -> bool {
        let limit = i32::MAX as usize;
        let (width, height) = (window.region.width, window.region.height);
        block.wide <= width && block.high <= height && width <= limit && height <= limit
    }

    /// Split `xs`, `ys` (as many, at most [`CHUNK`]). Only for windows where a block is [`Self::possible`].
    #[inline(always)]
    pub(super) fn fill(&mut self, window: &SourceWindow<'_>, block: Block, xs: &[f64], ys: &[f64]) {
        let region = window.region;
        let x0 = region.x0 as f64 + block.before as f64;
        let y0 = region.y0 as f64 + block.before as f64;
        let x_end = (region.width + 1 - block.wide) as f64;
        let y_end = (region.height + 1 - block.high) as f64;
        let n = xs.len().min(ys.len()).min(CHUNK);
        for i in 0..n {
            // Both differences are exact where they matter: 0 <= x0 <= x.
            let (x, y) = ((xs[i] + block.shift) - x0, (ys[i] + block.shift) - y0);
            // False for NaN. Not `&&`: no branch per pixel.
            #[expect(clippy::needless_bitwise_bool, reason = "no branch per pixel")]
            let fits = (x >= 0.0) & (y >= 0.0) & (x < x_end) & (y < y_end);
            let (x, y) = if fits { (x, y) } else { (0.0, 0.0) };
            // SAFETY: 0 <= x < x_end and likewise y, which are at most i32::MAX as `possible` says.
            let (column, row) = unsafe { (x.to_int_unchecked::<i32>(), y.to_int_unchecked::<i32>()) };
            self.column[i] = column;
            self.row[i] = row;
            self.fx[i] = (x - f64::from(column)) as f32;
            self.fy[i] = (y - f64::from(row)) as f32;
            self.fits[i] = u32::from(fits);
        }
    }

    /// Offset of pixel `i`'s block in a window of rows `stride` long.
    #[inline(always)]
    pub(super) fn offset(&self, i: usize, stride: usize) -> usize {
        self.row[i] as usize * stride + self.column[i] as usize
    }
}
