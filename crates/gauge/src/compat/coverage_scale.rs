//! The scale plane of the two-pass coverage renormalisation: how much less a pixel is covered than its surroundings.
//!
//! With c the coverage, v = c > 0 and G a Gaussian cut at 4 sigma, borders reflected (d c b a | a b c d | d c b a):
//!
//! ```text
//! B = G(c v) / G(v)    scale = clip(B / c, low, high) where v and B >= min_blur, else NaN
//! ```
//!
//! The scale takes the place of the coverage, in bands of rows from the bottom up: of what is overwritten only the last
//! 4 sigma rows are kept. Every sum runs over the taps in one order, in f32, so that neither the height of the bands nor the
//! number of threads changes a bit. [`coverage_scale_definition`] is the plain form in two dimensions.

use rayon::prelude::*;

use super::two_pass::{MOST_SIGMA_PX, TwoPassError, TwoPassOptions};

/// Where the Gaussian ends, in sigma.
const TRUNCATE_SIGMA: f64 = 4.0;
/// Columns that are summed together.
const LANES: usize = 16;
/// Rows of a band.
const BAND_ROWS: usize = 64;

/// How a canvas is worked through; decides memory and time, never a bit of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bands {
    /// Rows at a time.
    pub rows: usize,
}

impl Default for Bands {
    fn default() -> Self {
        Self { rows: BAND_ROWS }
    }
}

/// Pixels from the middle of the Gaussian to its end; of the widest there is for what is wider.
fn radius_px(sigma_px: f64) -> usize {
    (TRUNCATE_SIGMA * sigma_px.min(MOST_SIGMA_PX) + 0.5) as usize
}

/// Taps of the Gaussian, which sum to 1; the middle one has the index (taps - 1) / 2.
fn gaussian_taps(sigma_px: f64) -> Vec<f32> {
    let radius = radius_px(sigma_px) as i64;
    let tap = |k: i64| (-0.5 * (k as f64 / sigma_px).powi(2)).exp();
    let taps: Vec<f64> = (-radius..=radius).map(tap).collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / sum) as f32).collect()
}

/// Index inside `0 .. n` of what `at` reflects to; `n` above 0.
fn reflect(at: i64, n: usize) -> usize {
    let n = n as i64;
    let at = at.rem_euclid(2 * n);
    (if at < n { at } else { 2 * n - 1 - at }) as usize
}

/// What is not positive is no coverage.
fn covered(value: f32) -> f32 {
    if value > 0.0 { value } else { 0.0 }
}

/// The scale of a pixel of coverage `c`, from the two sums.
fn scale_of(c: f32, sum: f32, valid: f32, options: &TwoPassOptions) -> f32 {
    let blur = sum / valid;
    // An undefined blur is below any threshold.
    if c > 0.0 && f64::from(blur) >= options.min_blur {
        (blur / c).clamp(options.scale_clip[0] as f32, options.scale_clip[1] as f32)
    } else {
        f32::NAN
    }
}

/// Bytes that [`coverage_scale`] takes besides the canvas, with `threads` threads.
pub fn scratch_bytes(
    (width, height): (usize, usize),
    options: &TwoPassOptions,
    bands: Bands,
    threads: usize,
) -> usize {
    let radius = radius_px(options.sigma_px);
    let rows = bands.rows.clamp(1, height.max(1));
    let (kept, sums) = (radius.min(height) * width, width.next_multiple_of(LANES) * rows * 2);
    let own = (rows + 2 * radius) * LANES + 2 * (width.next_multiple_of(LANES) + 2 * radius);
    (kept + sums + threads * own) * size_of::<f32>()
}

/// How far the scale of a canvas is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleProgress {
    /// So many rows are done.
    Rows(usize),
    /// A piece of a band is: the sums of some columns, or one row. A band of a wide Gaussian takes long.
    Piece,
}

/// Replace `plane`, the coverage of a canvas of `size` (width, height), by its scale. Runs on the current pool, whose threads
/// call `progress`.
///
/// # Errors
/// [`TwoPassError`]: options out of range, a plane of another size than the canvas.
pub fn coverage_scale(
    plane: &mut [f32],
    size: (usize, usize),
    options: &TwoPassOptions,
    bands: Bands,
    progress: &(dyn Fn(ScaleProgress) + Sync),
) -> Result<(), TwoPassError> {
    let (width, height) = size;
    options.check()?;
    if width.checked_mul(height) != Some(plane.len()) {
        return Err(TwoPassError::Canvas { pixels: plane.len(), width, height });
    }
    if plane.is_empty() {
        return Ok(());
    }
    let taps = gaussian_taps(options.sigma_px);
    let radius = taps.len() / 2;
    let rows = bands.rows.clamp(1, height);
    let mut kept = vec![0.0_f32; radius.min(height) * width];
    let strips = width.div_ceil(LANES);
    let mut sums = vec![0.0_f32; strips * rows * 2 * LANES];
    for y0 in (0..height).step_by(rows) {
        let count = rows.min(height - y0);
        let canvas = Canvas { plane, kept: &kept, width, height, y0 };
        sums.par_chunks_mut(rows * 2 * LANES).enumerate().for_each_init(Vec::new, |column, (strip, sums)| {
            canvas.strip(strip * LANES, count, radius, column);
            down(column, &taps, &mut sums[..count * 2 * LANES]);
            progress(ScaleProgress::Piece);
        });
        keep_rows(&mut kept, plane, width, y0, count);
        let band = &mut plane[y0 * width..][..count * width];
        band.par_chunks_mut(width).enumerate().for_each_init(
            <[Vec<f32>; 2]>::default,
            |lines, (row, pixels)| {
                for (field, line) in lines.iter_mut().enumerate() {
                    let from = |strip: usize| &sums[((strip * rows + row) * 2 + field) * LANES..][..LANES];
                    pad_row(from, width, radius, line);
                }
                across(lines, &taps, pixels, options);
                progress(ScaleProgress::Piece);
            },
        );
        progress(ScaleProgress::Rows(y0 + count));
    }
    Ok(())
}

/// Keep the last rows of the band that is about to be overwritten: row y has the place y modulo the rows kept.
fn keep_rows(kept: &mut [f32], plane: &[f32], width: usize, y0: usize, count: usize) {
    let places = kept.len() / width;
    for y in y0 + count - count.min(places)..y0 + count {
        kept[y % places * width..][..width].copy_from_slice(&plane[y * width..][..width]);
    }
}

/// The coverage while it is overwritten from the bottom up to row `y0`.
struct Canvas<'a> {
    plane: &'a [f32],
    kept: &'a [f32],
    width: usize,
    height: usize,
    y0: usize,
}

impl Canvas<'_> {
    /// Columns `x0 ..` of the `count` rows from `y0`, and of `radius` rows on both sides, row by row.
    fn strip(&self, x0: usize, count: usize, radius: usize, column: &mut Vec<f32>) {
        let lanes = LANES.min(self.width - x0);
        column.clear();
        column.resize((count + 2 * radius) * LANES, 0.0);
        for (index, row) in column.chunks_exact_mut(LANES).enumerate() {
            let y = reflect((self.y0 + index) as i64 - radius as i64, self.height);
            let from = if y < self.y0 {
                &self.kept[y % (self.kept.len() / self.width) * self.width..]
            } else {
                &self.plane[y * self.width..]
            };
            for (value, from) in row.iter_mut().zip(&from[x0..x0 + lanes]) {
                *value = covered(*from);
            }
        }
    }
}

/// Sums along y: of every row the coverage, then what is covered at all.
fn down(column: &[f32], taps: &[f32], sums: &mut [f32]) {
    for (row, sums) in sums.chunks_exact_mut(2 * LANES).enumerate() {
        let (mut cover, mut valid) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (values, tap) in column[row * LANES..].chunks_exact(LANES).zip(taps) {
            for lane in 0..LANES {
                cover[lane] += tap * values[lane];
                valid[lane] += if values[lane] > 0.0 { *tap } else { 0.0 };
            }
        }
        sums[..LANES].copy_from_slice(&cover);
        sums[LANES..].copy_from_slice(&valid);
    }
}

/// A row of sums from its strips, reflected beyond its ends and filled up to whole lanes.
fn pad_row<'a>(from: impl Fn(usize) -> &'a [f32], width: usize, radius: usize, line: &mut Vec<f32>) {
    line.clear();
    line.resize(width.next_multiple_of(LANES) + 2 * radius, 0.0);
    for (strip, values) in line[radius..radius + width].chunks_mut(LANES).enumerate() {
        values.copy_from_slice(&from(strip)[..values.len()]);
    }
    for index in 0..radius {
        line[index] = line[radius + reflect(index as i64 - radius as i64, width)];
        line[radius + width + index] = line[radius + reflect((width + index) as i64, width)];
    }
}

/// Sums along x, and the scale in place of the coverage.
fn across(lines: &[Vec<f32>; 2], taps: &[f32], pixels: &mut [f32], options: &TwoPassOptions) {
    for (strip, pixels) in pixels.chunks_mut(LANES).enumerate() {
        let mut sums = [[0.0_f32; LANES]; 2];
        for (line, sums) in lines.iter().zip(&mut sums) {
            let windows = line[strip * LANES..].windows(LANES);
            for (values, tap) in windows.zip(taps) {
                for lane in 0..LANES {
                    sums[lane] += tap * values[lane];
                }
            }
        }
        for (lane, pixel) in pixels.iter_mut().enumerate() {
            *pixel = scale_of(*pixel, sums[0][lane], sums[1][lane], options);
        }
    }
}

/// As [`coverage_scale`], by one sum in two dimensions per pixel, in f64; for tests.
pub fn coverage_scale_definition(
    plane: &[f32],
    (width, height): (usize, usize),
    options: &TwoPassOptions,
) -> Vec<f64> {
    let radius = radius_px(options.sigma_px) as i64;
    let tap = |k: i64| (-0.5 * (k as f64 / options.sigma_px).powi(2)).exp();
    let norm: f64 = (-radius..=radius).map(tap).sum();
    let pixel = |x: i64, y: i64| {
        let (mut cover, mut valid) = (0.0, 0.0);
        for dy in -radius..=radius {
            let row = reflect(y + dy, height) * width;
            for dx in -radius..=radius {
                let c = f64::from(plane[row + reflect(x + dx, width)]);
                if c > 0.0 {
                    let weight = tap(dx) * tap(dy) / (norm * norm);
                    cover += weight * c;
                    valid += weight;
                }
            }
        }
        let (c, blur) = (f64::from(plane[y as usize * width + x as usize]), cover / valid);
        if c > 0.0 && blur >= options.min_blur {
            (blur / c).clamp(options.scale_clip[0], options.scale_clip[1])
        } else {
            f64::NAN
        }
    };
    (0..height as i64)
        .flat_map(|y| (0..width as i64).map(move |x| (x, y)))
        .map(|(x, y)| pixel(x, y))
        .collect()
}
