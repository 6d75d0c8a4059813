//! Floats as integers (FITS Standard 4.0 §10.2): steps of the tile's noise over q, SUBTRACTIVE_DITHER_2, so that the
//! error of a sample does not depend on its value and exact zeros stay zeros. Pence, White & Seaman 2010, PASP 122, 1065.

use crate::tiles::quantize::{ZERO_VALUE, dither_of_tile};

/// Stored value of NaN, the one every FITS program uses.
pub(super) const BLANK: i32 = -2_147_483_647;
/// Stored values at the lower end that are kept free for meanings.
const RESERVED: f64 = 10.0;
/// Differences needed for a noise that is worth its name.
const LEAST_DIFFERENCES: usize = 9;
/// sigma of Gaussian noise over the median of |2 f(i) - f(i-2) - f(i+2)|: 1.482602 / sqrt(6)
/// (Stoehr et al. 2008, ADASS XVII, 505).
const NOISE_OF_MEDIAN: f64 = 0.605_269_7;

/// A quantised tile: value = scale * (stored - r + 1/2) + zero.
#[derive(Debug, PartialEq)]
pub(super) struct Quantized {
    pub(super) stored: Vec<i32>,
    pub(super) scale: f64,
    pub(super) zero: f64,
}

/// Quantises a tile of rows of `width` samples; `None` when it must be kept as it is: no noise can be measured (a
/// constant tile, rows of fewer than five samples), infinities, or a range of more than 2^32 steps.
pub(super) fn quantize(values: &[f64], width: usize, q: f64, seed: usize, row: usize) -> Option<Quantized> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in values.iter().filter(|&&v| counts(v)) {
        least = least.min(v);
        most = most.max(v);
    }
    let (scale, zero) = if least > most {
        // Only NaN and 0, which have stored values of their own.
        (1.0, 0.0)
    } else {
        let scale = noise(values, width)? / q;
        let steps = (most - least) / scale;
        // The least value lies just above the reserved ones, so that the step to NaN and 0 is a short one for RICE_1.
        let zero = least - scale * (f64::from(BLANK) + RESERVED);
        let usable =
            scale.is_normal() && zero.is_finite() && steps < 2.0 * f64::from(i32::MAX) - 2.0 * RESERVED;
        if !usable {
            return None;
        }
        (scale, zero)
    };
    let dithered = values.iter().zip(dither_of_tile(seed, row));
    let stored = dithered
        .map(|(&v, random)| {
            if v.is_nan() {
                BLANK
            } else if v == 0.0 {
                ZERO_VALUE
            } else {
                ((v - zero) / scale + random - 0.5).round() as i32
            }
        })
        .collect();
    Some(Quantized { stored, scale, zero })
}

/// Whether a value is stored by its size; infinities are, and make the range too large.
fn counts(v: f64) -> bool {
    !v.is_nan() && v != 0.0
}

/// Standard deviation of the pixel noise from the third-order differences along the rows, in the unit of the values;
/// NaN and exact zeros are left out. `None` when there are too few.
fn noise(values: &[f64], width: usize) -> Option<f64> {
    let mut differences = Vec::with_capacity(values.len());
    let mut line = Vec::with_capacity(width);
    for row in values.chunks(width.max(1)) {
        line.clear();
        line.extend(row.iter().copied().filter(|&v| counts(v)));
        differences.extend(line.windows(5).map(|w| (2.0 * w[2] - w[0] - w[4]).abs()));
    }
    if differences.len() < LEAST_DIFFERENCES {
        return None;
    }
    let middle = differences.len() / 2;
    let (_, median, _) = differences.select_nth_unstable_by(middle, f64::total_cmp);
    Some(NOISE_OF_MEDIAN * *median)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of 12 uniform numbers: nearly Gaussian, sigma 1.
    fn gaussian(n: usize) -> Vec<f64> {
        let mut random = dither_of_tile(77, 3);
        (0..n).map(|_| random.by_ref().take(12).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn the_noise_is_measured_under_a_slope_and_through_gaps() {
        let mut values: Vec<f64> =
            gaussian(40_000).iter().enumerate().map(|(i, g)| 3.0 * g + 1_000.0 + (i % 200) as f64).collect();
        for v in values.iter_mut().step_by(7) {
            *v = f64::NAN;
        }
        let sigma = noise(&values, 200).unwrap();
        assert!((sigma - 3.0).abs() < 0.15, "{sigma}");
    }

    #[test]
    fn what_cannot_be_quantised_is_kept() {
        assert_eq!(quantize(&[1.0; 100], 100, 16.0, 1, 0), None);
        assert_eq!(quantize(&gaussian(64), 4, 16.0, 1, 0), None);
        let mut wild = gaussian(100);
        wild[50] = f64::INFINITY;
        assert_eq!(quantize(&wild, 100, 16.0, 1, 0), None);
        wild[50] = 1.0e9;
        assert_eq!(quantize(&wild, 100, 16.0, 1, 0), None);
        wild[50] = 1.0e8;
        assert!(quantize(&wild, 100, 16.0, 1, 0).is_some());
        let empty = quantize(&[f64::NAN, 0.0], 2, 16.0, 1, 0).unwrap();
        assert_eq!(empty.stored, [BLANK, ZERO_VALUE]);
    }
}
