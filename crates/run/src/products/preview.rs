//! `mosaic_preview.png`: the science plane shrunk and stretched, top row first.
//!
//! Shrunk by a whole factor with the mean of the pixels that have data. Stretched per channel with the
//! midtones transfer function m(x) = (b - 1) x / ((2 b - 1) x - b): black at median - 2.8 sigma (sigma
//! from the MAD), white at the 99.95th percentile, the median at a quarter of full scale.

use zemosaic_fits::{FitsError, ProductWriter};
use zemosaic_image::stats::{mad_sigma, median, percentile};

/// Longest side, pixels.
const MAX_SIDE: usize = 2048;
const TARGET_BACKGROUND: f64 = 0.25;
const SHADOW_SIGMAS: f64 = 2.8;

/// The preview as PNG bytes, read back from what the run wrote into HDU 0.
///
/// # Errors
/// When the rows cannot be read back.
pub fn preview_png(
    writer: &ProductWriter,
    width: usize,
    height: usize,
    channels: usize,
) -> Result<Result<Vec<u8>, png::EncodingError>, FitsError> {
    let factor = width.max(height).div_ceil(MAX_SIDE).max(1);
    let (small_width, small_height) = (width.div_ceil(factor), height.div_ceil(factor));
    let mut pixels = vec![0; small_width * small_height * channels];
    // One plane at a time: the memory budget is small where mosaics are large.
    for channel in 0..channels {
        let stretched = stretch(&shrink(writer, channel, (width, height), factor)?);
        let top_first = stretched.chunks(small_width).rev().flatten();
        for (pixel, value) in pixels.chunks_mut(channels).zip(top_first) {
            pixel[channel] = *value;
        }
    }
    Ok(encode(small_width, small_height, channels, &pixels))
}

fn encode(
    width: usize,
    height: usize,
    channels: usize,
    pixels: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// A plane shrunk by a whole factor, NaN where no data, first row at the bottom.
fn shrink(
    writer: &ProductWriter,
    channel: usize,
    (width, height): (usize, usize),
    factor: usize,
) -> Result<Vec<f32>, FitsError> {
    let small_width = width.div_ceil(factor);
    let mut row = vec![0.0_f32; width];
    let mut plane = Vec::with_capacity(small_width * height.div_ceil(factor));
    for y0 in (0..height).step_by(factor) {
        let mut sums = vec![(0.0_f64, 0_u32); small_width];
        for y in y0..(y0 + factor).min(height) {
            writer.read_row_f32(0, channel, y, &mut row)?;
            for (values, (sum, count)) in row.chunks(factor).zip(&mut sums) {
                for value in values.iter().filter(|value| value.is_finite()) {
                    *sum += f64::from(*value);
                    *count += 1;
                }
            }
        }
        let mean = |(sum, count): &(f64, u32)| {
            if *count > 0 { (sum / f64::from(*count)) as f32 } else { f32::NAN }
        };
        plane.extend(sums.iter().map(mean));
    }
    Ok(plane)
}

fn stretch(plane: &[f32]) -> Vec<u8> {
    let mut values: Vec<f32> = plane.iter().copied().filter(|value| value.is_finite()).collect();
    let Some(middle) = median(&mut values) else { return vec![0; plane.len()] };
    let lowest = values.iter().copied().fold(f32::INFINITY, f32::min);
    let white = f64::from(percentile(&mut values, 0.9995).unwrap_or(middle));
    // Last, because it overwrites the values.
    let sigma = f64::from(mad_sigma(&mut values, middle));
    let black = (f64::from(middle) - SHADOW_SIGMAS * sigma).max(f64::from(lowest));
    let range = (white - black).max(f64::MIN_POSITIVE);
    let scaled_middle = ((f64::from(middle) - black) / range).clamp(0.0, 1.0);
    let balance = midtones(TARGET_BACKGROUND, scaled_middle);
    plane
        .iter()
        .map(|value| {
            let x = ((f64::from(*value) - black) / range).clamp(0.0, 1.0);
            // NaN saturates to 0: black where there is no data.
            (midtones(balance, x) * 255.0).round() as u8
        })
        .collect()
}

/// Midtones transfer function with balance `b`; `midtones(target, x)` is also the balance that takes `x`
/// to `target`.
fn midtones(b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x >= 1.0 {
        1.0
    } else {
        (b - 1.0) * x / ((2.0 * b - 1.0) * x - b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_takes_the_median_to_the_target() {
        for median in [0.001, 0.02, 0.3, 0.6] {
            let balance = midtones(TARGET_BACKGROUND, median);
            assert!((midtones(balance, median) - TARGET_BACKGROUND).abs() < 1e-12);
        }
    }

    #[test]
    fn no_data_is_black_and_a_flat_plane_does_not_fail() {
        let plane = stretch(&[1.0, 1.0, f32::NAN, 1.0]);
        assert_eq!(plane[2], 0);
        assert_eq!(stretch(&[f32::NAN; 3]), [0, 0, 0]);
    }
}
