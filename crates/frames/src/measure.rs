//! Noise of a frame from its own pixels, measured before any resampling.
//!
//! sigma = 1.4826 MAD(I(x+s, y) - I(x, y)) / sqrt 2 over neighbours of the same colour (s = 1, on a
//! CFA s = 2), on bands of rows spread evenly over the frame: robust against stars and gradients.
//! The bands depend on the frame alone, so the figure is the same in every run. Pixels that the frame's maps call
//! bad do not count.

use zemosaic_fits::{FilePool, FitsError};
use zemosaic_image::stats::{difference_noise, mad_sigma, median};
use zemosaic_image::{CfaPattern, Region};

use crate::cfa::gain_of;
use crate::frame::{Frame, FrameKind};
use crate::map_source::WeightRescale;
use crate::pixels::{PixelScratch, read_stored};

/// Rows that are looked at in each of the bands.
pub(crate) const BAND_ROWS: usize = 4;
/// Bands over the height of the frame.
const BANDS: usize = 32;

/// What a frame's own pixels say.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameNoise {
    /// Standard deviation of one pixel per output channel, in the frame's units; NaN where it cannot
    /// be measured. For a CFA frame: of the demosaiced planes, averaged over the pattern.
    pub sigma_adu: Vec<f64>,
    /// Level of the background per output channel, in the frame's units: the median of the pixels that were looked
    /// at; NaN where there are none.
    pub level_adu: Vec<f64>,
    /// How far the sky of a place may be from that level, by gradients and nebulae: root mean square of the medians of parts
    /// of the bands about it, per output channel, in the frame's units; NaN where there are none.
    pub level_scatter_adu: Vec<f64>,
    /// Median variance of the weight map, or of what the flat does to noise, over the same pixels, in the map's units, per
    /// plane of the map; NaN where there are none. Empty without either.
    pub map_variance: Vec<f64>,
    /// Measured variance over that of the weight map per output channel, from the differences of neighbours in units
    /// of what the map says of them: 1 for a map that tells the truth in units of the frame. NaN where it cannot be
    /// measured, empty without a weight map.
    pub map_factor: Vec<f64>,
    /// Whether any pixel of the frame is finite and good.
    pub has_data: bool,
}

/// The variance of a frame's pixels: `variance[channel] * r`, with r = the map's variance `* map_scale[channel]`
/// (what [`crate::pixels::read_planes_scaled`] states), 1 without a weight map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceReference {
    /// Variance of a pixel with r = 1 per channel, in squared units of the frame; NaN where it is unknown.
    pub variance: [f64; 3],
    /// Scale of the map.
    pub map_scale: [f64; 3],
}

impl FrameNoise {
    /// Noise that was not measured, of a frame with data.
    pub fn unknown() -> Self {
        Self {
            sigma_adu: vec![f64::NAN; 3],
            level_adu: vec![f64::NAN; 3],
            level_scatter_adu: vec![f64::NAN; 3],
            map_variance: Vec::new(),
            map_factor: Vec::new(),
            has_data: true,
        }
    }

    /// What the variance of `frame` is measured in. The map's scale is 1 / its median variance, so that
    /// r is 1 where the map is at its median (where that is unknown: 1). Such a pixel has the variance that the map
    /// says, with `Auto` times the measured factor; for a CFA frame times the gain of the demosaic. Without a map it
    /// is the measured variance.
    pub fn reference(&self, frame: &Frame, rescale: WeightRescale) -> VarianceReference {
        let mut reference = VarianceReference { variance: [f64::NAN; 3], map_scale: [1.0; 3] };
        let positive = |value: f64| if value > 0.0 { value } else { f64::NAN };
        for channel in 0..frame.kind.channels() {
            let of = |values: &[f64]| values.get(channel).copied().unwrap_or(f64::NAN);
            let Some(map) = self.map_variance.get(channel).or(self.map_variance.first()) else {
                let sigma = positive(of(&self.sigma_adu));
                reference.variance[channel] = sigma * sigma;
                continue;
            };
            let median = if *map > 0.0 { *map } else { 1.0 };
            let factor = match rescale {
                WeightRescale::Auto => positive(of(&self.map_factor)),
                WeightRescale::Off => 1.0,
            };
            reference.map_scale[channel] = 1.0 / median;
            reference.variance[channel] = factor * median * gain_of(frame, channel);
        }
        reference
    }
}

/// Measure `frame`.
///
/// # Errors
/// As `zemosaic_fits::read_window`.
pub fn measure_noise(pool: &FilePool, frame: &Frame) -> Result<FrameNoise, FitsError> {
    let mut scratch = PixelScratch::default();
    let bands = read_bands(pool, frame, &mut scratch)?;
    let mut noise = FrameNoise {
        sigma_adu: Vec::new(),
        level_adu: Vec::new(),
        level_scatter_adu: Vec::new(),
        map_variance: Vec::new(),
        map_factor: Vec::new(),
        has_data: bands.planes.iter().flatten().any(|value| value.is_finite()),
    };
    for channel in 0..frame.kind.channels() {
        let rows_of = |planes: &[Vec<f32>]| -> Option<Vec<Vec<f32>>> {
            let plane = planes.get(channel).or(planes.first())?;
            Some(match frame.kind {
                FrameKind::Cfa(pattern) => colour_rows(plane, frame.width, pattern, channel),
                FrameKind::Mono | FrameKind::Rgb => plane.chunks(frame.width).map(<[f32]>::to_vec).collect(),
            })
        };
        let Some(rows) = rows_of(&bands.planes) else { continue };
        noise.sigma_adu.push(noise_of(&rows, 1) * gain_of(frame, channel).sqrt());
        if let Some(variance) = rows_of(&bands.variance) {
            noise.map_factor.push(factor_of(&rows, &variance));
        }
        let level = median_of(&mut rows.concat());
        noise.level_adu.push(level);
        noise.level_scatter_adu.push(scatter_of(&rows, rows_per_band(frame.kind, channel), level));
    }
    for (variance, data) in bands.variance.iter().zip(&bands.planes) {
        let good = variance.iter().zip(data).filter(|(_, data)| data.is_finite());
        noise.map_variance.push(median_of(&mut good.map(|(variance, _)| *variance).collect::<Vec<f32>>()));
    }
    if !noise.has_data {
        noise.has_data = any_finite(pool, frame, &mut scratch)?;
    }
    Ok(noise)
}

pub(crate) fn noise_of(rows: &[Vec<f32>], step: usize) -> f64 {
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    difference_noise(&rows, step).map_or(f64::NAN, f64::from)
}

/// The square of 1.4826 MAD of (b - a) / sqrt(v_a + v_b) over neighbours a, b of the variances v_a, v_b.
fn factor_of(rows: &[Vec<f32>], variance: &[Vec<f32>]) -> f64 {
    let pairs = |row: &[f32]| row.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
    let mut differences: Vec<f32> = Vec::new();
    for (row, variance) in rows.iter().zip(variance) {
        for ((a, b), (va, vb)) in pairs(row).into_iter().zip(pairs(variance)) {
            let sigma = (f64::from(va) + f64::from(vb)).sqrt();
            differences.push(((f64::from(b) - f64::from(a)) / sigma) as f32);
        }
    }
    let Some(centre) = median(&mut differences) else { return f64::NAN };
    f64::from(mad_sigma(&mut differences, centre)).powi(2)
}

/// Parts of a band whose medians are compared with the level.
const BAND_PARTS: usize = 8;

/// Rows of a band that hold a channel.
fn rows_per_band(kind: FrameKind, channel: usize) -> usize {
    match kind {
        FrameKind::Cfa(_) if channel != 1 => BAND_ROWS / 2,
        FrameKind::Cfa(_) | FrameKind::Mono | FrameKind::Rgb => BAND_ROWS,
    }
}

/// Root mean square of the medians of parts of the bands about `level`.
fn scatter_of(rows: &[Vec<f32>], rows_per_band: usize, level: f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for band in rows.chunks(rows_per_band) {
        let width = band.first().map_or(0, Vec::len);
        let part_width = width.div_ceil(BAND_PARTS).max(1);
        for x0 in (0..width).step_by(part_width) {
            let part = x0..(x0 + part_width).min(width);
            let mut values: Vec<f32> =
                band.iter().filter_map(|row| row.get(part.clone())).flatten().copied().collect();
            let distance = median_of(&mut values) - level;
            if distance.is_finite() {
                sum += distance * distance;
                count += 1;
            }
        }
    }
    if count > 0 { (sum / f64::from(count)).sqrt() } else { f64::NAN }
}

pub(crate) fn median_of(values: &mut [f32]) -> f64 {
    median(values).map_or(f64::NAN, f64::from)
}

/// Rows of the bands, one after the other.
pub(crate) struct Bands {
    /// Stored planes.
    pub(crate) planes: Vec<Vec<f32>>,
    /// Variance by the weight map or the flat, per plane of it.
    variance: Vec<Vec<f32>>,
}

/// First rows of the bands of a frame: spread from its bottom to its top without overlap, and even so that a CFA keeps
/// its phase.
fn band_starts(height: usize) -> impl Iterator<Item = usize> {
    let bands = BANDS.min(height / BAND_ROWS).max(1);
    let last = height.saturating_sub(BAND_ROWS);
    (0..bands).map(move |band| (band * last / (bands - 1).max(1)) & !1)
}

pub(crate) fn read_bands(
    pool: &FilePool,
    frame: &Frame,
    scratch: &mut PixelScratch,
) -> Result<Bands, FitsError> {
    let mut all = Bands { planes: Vec::new(), variance: Vec::new() };
    let band_rows = BAND_ROWS.min(frame.height);
    for y0 in band_starts(frame.height) {
        let region = Region { x0: 0, y0: y0 as i64, width: frame.width, height: band_rows };
        read_stored(pool, frame, region, [1.0; 3], scratch)?;
        let (planes, variance) = (scratch.stored(frame), scratch.stored_variance(frame));
        all.planes.resize(planes.len(), Vec::new());
        all.variance.resize(variance.len(), Vec::new());
        let both = all.planes.iter_mut().zip(planes).chain(all.variance.iter_mut().zip(variance));
        for (all, values) in both {
            all.extend_from_slice(values);
        }
    }
    Ok(all)
}

/// The pixels of one colour, row by row, side by side: neighbours at step 1 are neighbours of one colour.
pub(crate) fn colour_rows(bands: &[f32], width: usize, pattern: CfaPattern, channel: usize) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    for (y, row) in bands.chunks(width).enumerate() {
        // Green sits in every row, red and blue in every second one.
        let phase = y % BAND_ROWS % 2;
        let start = (0..2).find(|x| pattern.colour_at(*x, phase as i64) == channel);
        if let Some(start) = start {
            rows.push(row.iter().skip(start as usize).step_by(2).copied().collect());
        }
    }
    rows
}

/// The rows that noise is measured on, of the first plane: one after the other, as rows of a region that begins at the frame's
/// origin; bands begin at even rows, so a Bayer pattern goes on from one to the next.
pub(crate) fn sampled_rows(pool: &FilePool, frame: &Frame) -> Result<(Vec<f32>, Region), FitsError> {
    let bands = read_bands(pool, frame, &mut PixelScratch::default())?;
    let plane = bands.planes.into_iter().next().unwrap_or_default();
    let height = plane.len() / frame.width.max(1);
    Ok((plane, Region { x0: 0, y0: 0, width: frame.width, height }))
}

fn any_finite(pool: &FilePool, frame: &Frame, scratch: &mut PixelScratch) -> Result<bool, FitsError> {
    const ROWS: usize = 64;
    for y0 in (0..frame.height).step_by(ROWS) {
        let height = ROWS.min(frame.height - y0);
        let region = Region { x0: 0, y0: y0 as i64, width: frame.width, height };
        read_stored(pool, frame, region, [1.0; 3], scratch)?;
        if scratch.stored(frame).iter().flatten().any(|value| value.is_finite()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_reach_from_bottom_to_top_and_do_not_overlap() {
        for height in 1..3000 {
            let starts: Vec<usize> = band_starts(height).collect();
            assert_eq!(starts.len(), (height / BAND_ROWS).clamp(1, BANDS), "{height}");
            assert!(starts.iter().all(|start| start % 2 == 0) && starts[0] == 0);
            assert!(starts.windows(2).all(|pair| pair[1] >= pair[0] + BAND_ROWS), "{height}: {starts:?}");
            let end = starts[starts.len() - 1] + BAND_ROWS.min(height);
            assert!(end <= height, "{height}: {starts:?}");
            assert!(height < 2 * BAND_ROWS || end + 1 >= height, "{height}: {starts:?}");
        }
    }
}
