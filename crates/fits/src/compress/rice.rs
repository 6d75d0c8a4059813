//! The RICE_1 encoder (FITS Standard 4.0 §10.4.1; Rice, Yeh & Miller 1993; White 1998): differences of neighbours, folded
//! to non-negative numbers, in blocks that share the number of low bits written plainly.

/// Samples that share one code; the value every FITS program writes.
pub(super) const BLOCK: usize = 32;

/// Width of the samples and the codes that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Two,
    Four,
}

impl Width {
    /// BYTEPIX.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    fn bits(self) -> u32 {
        8 * self.bytes() as u32
    }

    /// Bits of a block's code, and the first number of low bits for which whole differences are written instead.
    fn code(self) -> (u32, u32) {
        match self {
            Self::One => (3, 6),
            Self::Two => (4, 14),
            Self::Four => (5, 25),
        }
    }

    /// A difference in this width, folded: 0, -1, 1, -2, 2, ... become 0, 1, 2, 3, 4, ...
    fn fold(self, difference: i32) -> u32 {
        let fold = |d: i32| ((d << 1) ^ (d >> 31)) as u32;
        match self {
            Self::One => fold(i32::from(difference as i8)),
            Self::Two => fold(i32::from(difference as i16)),
            Self::Four => fold(difference),
        }
    }
}

/// Encodes samples; narrow ones are taken modulo their width. An empty tile gives an empty stream.
pub(super) fn encode(samples: &[i32], width: Width) -> Vec<u8> {
    let mut bits =
        BitWriter { bytes: Vec::with_capacity(samples.len() * width.bytes() / 2 + 16), held: 0, count: 0 };
    let Some(&first) = samples.first() else { return Vec::new() };
    bits.put(u64::from(first as u32) & ((1 << width.bits()) - 1), width.bits());
    let (code_bits, most) = width.code();
    let mut last = first;
    let mut folded = [0_u32; BLOCK];
    for block in samples.chunks(BLOCK) {
        let folded = &mut folded[..block.len()];
        let mut sum = 0_u64;
        for (out, &sample) in folded.iter_mut().zip(block) {
            *out = width.fold(sample.wrapping_sub(last));
            sum += u64::from(*out);
            last = sample;
        }
        let low = low_bits(sum, block.len() as u64);
        if low >= most {
            bits.put(u64::from(most + 1), code_bits);
            for &v in &*folded {
                bits.put(u64::from(v), width.bits());
            }
        } else if sum == 0 {
            bits.put(0, code_bits);
        } else {
            bits.put(u64::from(low + 1), code_bits);
            for &v in &*folded {
                bits.put_zeros(v >> low);
                // The 1 that ends the zeros, and the low bits behind it.
                bits.put((1 << low) | (u64::from(v) & ((1 << low) - 1)), low + 1);
            }
        }
    }
    bits.finish()
}

/// The number of low bits that is best for the mean of the block, as every FITS program chooses it.
fn low_bits(sum: u64, count: u64) -> u32 {
    let mean = sum.saturating_sub(count / 2 + 1) / count;
    // Bits of half the mean.
    u64::BITS - (mean >> 1).leading_zeros()
}

/// Bits, the highest of a byte first.
struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    /// Bits in `held`, fewer than 8 between calls.
    count: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `value` (at most 32); the bits above them are 0.
    fn put(&mut self, value: u64, count: u32) {
        self.held = (self.held << count) | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.held >> self.count) as u8);
        }
    }

    fn put_zeros(&mut self, mut count: u32) {
        while count > 32 {
            self.put(0, 32);
            count -= 32;
        }
        self.put(0, count);
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, spread: i64) -> Vec<i32> {
        let mut state = 12_345_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i64
        };
        (0..n).map(|_| (next() % (2 * spread + 1) - spread) as i32).collect()
    }

    /// The independent encoder writes the same bytes.
    #[test]
    fn the_bytes_are_those_of_ricecomp() {
        let mut cases = vec![vec![7], vec![0; 100], vec![i32::MIN, i32::MAX, 0, -1, i32::MAX, i32::MIN]];
        for spread in [0, 1, 3, 100, 40_000, 1 << 24, 1 << 30] {
            cases.extend([1, 31, 32, 33, 1_000].map(|n| noise(n, spread)));
        }
        for values in cases {
            let mut expected = Vec::new();
            ricecomp::write::RCEncoder::new(&mut expected).encode(&values, values.len(), BLOCK).unwrap();
            assert_eq!(encode(&values, Width::Four), expected, "{} values", values.len());
        }
    }
}
