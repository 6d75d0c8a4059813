//! ZeMosaic's two-pass coverage renormalisation: a gain per tile from how the coverage of the mosaic changes around it.
//!
//! A tile's gain is the median of the scale ([`super::coverage_scale`]) over the pixels where its mask is above 0.001,
//! clipped; 1 where less than max(64, 0.001 x pixels of the tile) of them count. It multiplies *brightness* by a ratio of
//! *exposure*, which has no photometric meaning: identical tiles get different gains. Never a default.
//!
//! Nothing is gathered: the scale takes the place of the coverage, and medians are selected by counting ([`super::counted_median`]).

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zemosaic_image::Region;

use super::counted_median::{MedianCounts, MedianMiddle};
use super::coverage_scale::{Bands, ScaleProgress, coverage_scale};

/// A mask above this is the tile.
const LEAST_MASK: f32 = 1e-3;
/// Pixels that count, at least; and as a share of the tile's.
const LEAST_PIXELS: usize = 64;
const LEAST_SHARE: f64 = 1e-3;
/// Sigma in pixels, at most: the window must fit a reflected canvas in reasonable time.
pub(super) const MOST_SIGMA_PX: f64 = 1000.0;
/// Rows of coverage that are added up together.
const COVER_ROWS: usize = 16;

/// Options of the renormalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TwoPassOptions {
    /// Standard deviation of the Gaussian, pixels of the grid.
    pub sigma_px: f64,
    /// Range of a tile's gain.
    pub gain_clip: [f64; 2],
    /// Range of the scale of a pixel, above 0.
    pub scale_clip: [f64; 2],
    /// Pixels count where the blurred coverage is at least this.
    pub min_blur: f64,
}

impl Default for TwoPassOptions {
    fn default() -> Self {
        Self { sigma_px: 50.0, gain_clip: [0.85, 1.18], scale_clip: [0.5, 2.0], min_blur: 2.0 }
    }
}

/// Why nothing is renormalised.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum TwoPassError {
    /// The Gaussian has no width, or one that no canvas needs.
    #[error("a sigma of {sigma_px} px is not between 0 and {MOST_SIGMA_PX}")]
    Sigma {
        /// What was asked for.
        sigma_px: f64,
    },
    /// A range is none.
    #[error("a clip is two numbers above 0, the lower first")]
    Clip,
    /// The threshold is NaN.
    #[error("the least blurred coverage is no number")]
    MinBlur,
    /// A plane is not that of the canvas.
    #[error("{pixels} pixels are not those of a canvas of {width} x {height}")]
    Canvas {
        /// Pixels of the plane.
        pixels: usize,
        /// Of the canvas.
        width: usize,
        /// Of the canvas.
        height: usize,
    },
}

impl TwoPassOptions {
    /// That the figures are in range.
    ///
    /// # Errors
    /// [`TwoPassError`], never of a canvas.
    pub fn check(&self) -> Result<(), TwoPassError> {
        let is_range = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if !(self.sigma_px > 0.0 && self.sigma_px <= MOST_SIGMA_PX) {
            return Err(TwoPassError::Sigma { sigma_px: self.sigma_px });
        }
        if !is_range(self.gain_clip) || !is_range(self.scale_clip) {
            return Err(TwoPassError::Clip);
        }
        if self.min_blur.is_nan() { Err(TwoPassError::MinBlur) } else { Ok(()) }
    }
}

/// A tile on the canvas.
pub trait TileMask: Sync {
    /// Pixels of the canvas that it may touch.
    fn region(&self) -> Region;
    /// Pixels that it has itself.
    fn pixels(&self) -> usize;
    /// What it adds to the coverage where its mask is 1.
    fn weight(&self) -> f32;
    /// Its mask, 0 to 1, in row `y` of the canvas at the columns `x0 ..` of it, as many as `mask` holds; all inside its region.
    fn row(&self, y: i64, x0: i64, mask: &mut [f32]);
}

/// Gain of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TwoPassGain {
    /// What its values are multiplied with.
    pub gain: f64,
    /// Pixels that counted.
    pub pixels: u64,
    /// Whether these were too few: then the gain is 1.
    pub fell_back: bool,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwoPassProgress {
    /// Rows whose coverage is known, of all.
    Coverage(usize, usize),
    /// Rows that are blurred, of all.
    Blur(usize, usize),
    /// A piece of the blur is done that is less than a band of rows.
    BlurPiece,
    /// Tiles whose gain is known, of all.
    Gains(usize, usize),
}

/// The part of a tile on a canvas.
fn on_canvas(tile: &dyn TileMask, (width, height): (usize, usize)) -> Option<Region> {
    tile.region().intersect(&Region { x0: 0, y0: 0, width, height })
}

/// Coverage of a canvas of `size` (width, height): weight x mask of the tiles in their order, in f32.
pub fn coverage_of<T: TileMask>(
    tiles: &[T],
    size: (usize, usize),
    progress: &(dyn Fn(TwoPassProgress) + Sync),
) -> Vec<f32> {
    let (width, height) = size;
    let mut plane = vec![0.0_f32; width * height];
    let regions: Vec<Option<Region>> = tiles.iter().map(|tile| on_canvas(tile, size)).collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    plane.par_chunks_mut((COVER_ROWS * width).max(1)).enumerate().for_each_init(
        Vec::new,
        |mask, (band, rows)| {
            let y0 = band * COVER_ROWS;
            for (tile, region) in tiles.iter().zip(&regions) {
                let Some(region) = region else { continue };
                for (y, row) in (y0 as i64..).zip(rows.chunks_mut(width)) {
                    if y < region.y0 || y >= region.y1() {
                        continue;
                    }
                    mask.clear();
                    mask.resize(region.width, 0.0_f32);
                    tile.row(y, region.x0, mask);
                    for (sum, mask) in row[region.x0 as usize..].iter_mut().zip(&*mask) {
                        *sum += tile.weight() * mask;
                    }
                }
            }
            let count = rows.len() / width.max(1);
            let before = done.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
            progress(TwoPassProgress::Coverage(before + count, height));
        },
    );
    plane
}

/// Gains of `tiles` in their order, from the coverage of the canvas of `size` (width, height), which is overwritten. Runs on
/// the current pool.
///
/// # Errors
/// [`TwoPassError`]: options out of range, a plane of another size than the canvas.
pub fn coverage_gains<T: TileMask>(
    coverage: &mut [f32],
    size: (usize, usize),
    tiles: &[T],
    options: &TwoPassOptions,
    bands: Bands,
    progress: &(dyn Fn(TwoPassProgress) + Sync),
) -> Result<Vec<TwoPassGain>, TwoPassError> {
    coverage_scale(coverage, size, options, bands, &|done| {
        progress(match done {
            ScaleProgress::Rows(rows) => TwoPassProgress::Blur(rows, size.1),
            ScaleProgress::Piece => TwoPassProgress::BlurPiece,
        });
    })?;
    let done = std::sync::atomic::AtomicUsize::new(0);
    let scale: &[f32] = coverage;
    let gain = |tile: &T| {
        let found = gain_of(scale, size, tile, options);
        let before = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        progress(TwoPassProgress::Gains(before + 1, tiles.len()));
        found
    };
    Ok(tiles.par_iter().map(gain).collect())
}

fn gain_of(
    scale: &[f32],
    size: (usize, usize),
    tile: &dyn TileMask,
    options: &TwoPassOptions,
) -> TwoPassGain {
    let mut counts = MedianCounts::default();
    for_values(scale, size, tile, |value| counts.add(value));
    let pixels = counts.total();
    let least = (LEAST_SHARE * tile.pixels() as f64).max(LEAST_PIXELS as f64);
    let middle = if pixels as f64 >= least { counts.middle() } else { None };
    let Some(mut middle): Option<MedianMiddle> = middle else {
        return TwoPassGain { gain: 1.0, pixels, fell_back: true };
    };
    for_values(scale, size, tile, |value| middle.add(value));
    let [low, high] = options.gain_clip;
    TwoPassGain { gain: middle.median().clamp(low, high), pixels, fell_back: false }
}

/// The scales of the tile's pixels that count.
fn for_values(scale: &[f32], size: (usize, usize), tile: &dyn TileMask, mut take: impl FnMut(f32)) {
    let Some(region) = on_canvas(tile, size) else { return };
    let mut mask = vec![0.0_f32; region.width];
    for y in region.y0..region.y1() {
        tile.row(y, region.x0, &mut mask);
        let row = &scale[y as usize * size.0 + region.x0 as usize..][..region.width];
        for (value, mask) in row.iter().zip(&mask) {
            if *mask > LEAST_MASK && !value.is_nan() {
                take(*value);
            }
        }
    }
}
