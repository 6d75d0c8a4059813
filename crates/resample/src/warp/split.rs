//! Positions of a chunk of pixels, split once for all planes.

use crate::warp::SourceWindow;

/// Pixels per chunk.
pub(super) const CHUNK: usize = 64;

/// Where the taps of each pixel of a chunk begin, and the fractions that choose their weights.
pub(super) struct Split {
    /// Offset of the first tap in the window; negative where not all taps are in it.
    pub(super) start: [i64; CHUNK],
    /// Fraction of x in [0, 1].
    pub(super) fx: [f32; CHUNK],
    /// Fraction of y in [0, 1].
    pub(super) fy: [f32; CHUNK],
}

impl Split {
    /// Split `xs`, `ys` (at most [`CHUNK`] of them). A pixel's taps are a block of `WIDE` columns and `HIGH`
    /// rows that begins `before` pixels before its whole position.
    #[inline(always)]
    pub(super) fn of<const WIDE: usize, const HIGH: usize>(
        window: &SourceWindow<'_>,
        before: f64,
        xs: &[f64],
        ys: &[f64],
    ) -> Self {
        let region = window.region;
        let mut split = Self { start: [-1; CHUNK], fx: [0.0; CHUNK], fy: [0.0; CHUNK] };
        // Positions relative to the window, so that one comparison on each side decides.
        let (x0, y0) = (region.x0 as f64 + before, region.y0 as f64 + before);
        let (x_end, y_end) = (region.width as f64 - WIDE as f64, region.height as f64 - HIGH as f64);
        for i in 0..xs.len().min(CHUNK) {
            let (column, row) = (floor(xs[i]), floor(ys[i]));
            let (x, y) = (column - x0, row - y0);
            // False for NaN.
            let fits = (x >= 0.0) & (y >= 0.0) & (x <= x_end) & (y <= y_end);
            split.fx[i] = (xs[i] - column) as f32;
            split.fy[i] = (ys[i] - row) as f32;
            split.start[i] = if fits { y as i64 * region.width as i64 + x as i64 } else { -1 };
        }
        split
    }
}

/// Greatest whole number not above `x`.
#[inline(always)]
fn floor(x: f64) -> f64 {
    x.floor()
}
