//! Quantised floats: value = ZSCALE * (stored - r + 1/2) + ZZERO with a fixed sequence of random numbers r, or
//! ZSCALE * stored + ZZERO without dithering (FITS Standard 4.0 §10.2; the sequence: its appendix I).

use std::sync::OnceLock;

/// Length of the sequence.
const SEQUENCE: usize = 10_000;
/// Stored value that means exactly 0 with SUBTRACTIVE_DITHER_2.
pub(crate) const ZERO_VALUE: i32 = -2_147_483_646;

/// ZQUANTIZ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dither {
    None,
    Subtractive,
    SubtractiveKeepingZero,
}

/// How the floats of an image were made integers; the numbers hold where the table has no column for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantization {
    pub(super) dither: Dither,
    /// ZDITHER0, at least 1.
    pub(super) seed: usize,
    pub(super) scale: f64,
    pub(super) zero: f64,
    pub(super) blank: Option<i64>,
}

/// The numbers of one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TileScale {
    pub(super) scale: f64,
    pub(super) zero: f64,
    pub(super) blank: Option<i64>,
}

/// Passes the values of tile `row` (0-based table row) to `put`, in order; blank ones are NaN.
pub(super) fn restore(
    quantization: &Quantization,
    tile: TileScale,
    row: usize,
    stored: &[i32],
    mut put: impl FnMut(f64),
) {
    let TileScale { scale, zero, blank } = tile;
    let blank = blank.and_then(|v| i32::try_from(v).ok());
    if quantization.dither == Dither::None {
        for &q in stored {
            put(if Some(q) == blank { f64::NAN } else { f64::from(q) * scale + zero });
        }
        return;
    }
    let keeps_zero = quantization.dither == Dither::SubtractiveKeepingZero;
    for (&q, random) in stored.iter().zip(dither_of_tile(quantization.seed, row)) {
        put(if Some(q) == blank {
            f64::NAN
        } else if keeps_zero && q == ZERO_VALUE {
            0.0
        } else {
            (f64::from(q) - random + 0.5) * scale + zero
        });
    }
}

/// The endless random numbers for the samples of tile `row` (0-based table row); `seed` is ZDITHER0, at least 1.
pub(crate) fn dither_of_tile(seed: usize, row: usize) -> impl Iterator<Item = f64> {
    let sequence = sequence();
    let start = |seed: usize| (sequence[seed] * 500.0) as usize;
    let mut seed = (row % SEQUENCE + (seed - 1) % SEQUENCE) % SEQUENCE;
    let mut next = start(seed);
    std::iter::from_fn(move || {
        let random = f64::from(sequence[next]);
        next += 1;
        if next == SEQUENCE {
            seed = (seed + 1) % SEQUENCE;
            next = start(seed);
        }
        Some(random)
    })
}

/// The Park-Miller sequence of the standard, in (0, 1).
fn sequence() -> &'static [f32] {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut seed = 1_u64;
        let mut numbers = Vec::with_capacity(SEQUENCE);
        for _ in 0..SEQUENCE {
            seed = seed * 16_807 % 2_147_483_647;
            numbers.push((seed as f64 / 2_147_483_647.0) as f32);
        }
        numbers
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_ends_where_the_standard_says() {
        // Appendix I: the last seed must be 1043618065.
        let last = f64::from(sequence()[SEQUENCE - 1]) * 2_147_483_647.0;
        assert!((last - 1_043_618_065.0).abs() < 64.0, "{last}");
        assert!(sequence().iter().all(|r| *r > 0.0 && *r < 1.0));
    }

    #[test]
    fn blanks_and_exact_zeros() {
        let how = Quantization {
            dither: Dither::SubtractiveKeepingZero,
            seed: 10_000,
            scale: 1.0,
            zero: 0.0,
            blank: None,
        };
        let tile = TileScale { scale: 0.5, zero: 7.0, blank: Some(-9) };
        let mut values = Vec::new();
        restore(&how, tile, usize::MAX - 1, &[-9, ZERO_VALUE, 4], |v| values.push(v));
        assert!(values[0].is_nan() && values[1] == 0.0 && (values[2] - 9.0).abs() <= 0.25);
    }
}
