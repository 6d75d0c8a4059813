//! The exact median of values that come in two passes and are not kept: a radix selection over the bits of positive f32,
//! whose order is that of their bits. The first pass counts values by their upper 16 bits, the second those near the middle
//! by their lower 16.

/// Values told apart by half of the bits.
const BINS: usize = 1 << 16;

/// Counts of the first pass.
#[derive(Debug)]
pub struct MedianCounts {
    bins: Vec<u32>,
    total: u64,
}

impl Default for MedianCounts {
    fn default() -> Self {
        Self { bins: vec![0; BINS], total: 0 }
    }
}

impl MedianCounts {
    /// Count a value; it must not be negative or NaN.
    pub fn add(&mut self, value: f32) {
        self.bins[(value.to_bits() >> 16) as usize] += 1;
        self.total += 1;
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What the second pass looks for; `None` without values.
    pub fn middle(self) -> Option<MedianMiddle> {
        let ranks = [self.total.checked_sub(1)? / 2, self.total / 2];
        let find = |rank: u64| {
            let mut before = 0;
            for (bin, count) in self.bins.iter().enumerate() {
                if before + u64::from(*count) > rank {
                    return (bin as u32, rank - before);
                }
                before += u64::from(*count);
            }
            (0, 0)
        };
        let targets = ranks.map(find);
        Some(MedianMiddle { targets, lower: vec![0; BINS], upper: vec![0; BINS] })
    }
}

/// Counts of the second pass.
#[derive(Debug)]
pub struct MedianMiddle {
    /// Upper bits of the two middle values, and their ranks among values of the same.
    targets: [(u32, u64); 2],
    lower: Vec<u32>,
    upper: Vec<u32>,
}

impl MedianMiddle {
    /// Count a value of the first pass again.
    pub fn add(&mut self, value: f32) {
        let (bits, low) = (value.to_bits() >> 16, (value.to_bits() & 0xffff) as usize);
        if bits == self.targets[0].0 {
            self.lower[low] += 1;
        }
        if bits == self.targets[1].0 {
            self.upper[low] += 1;
        }
    }

    /// The median: of an even number the mean of the middle two.
    pub fn median(&self) -> f64 {
        let value = |(bits, rank): (u32, u64), counts: &[u32]| {
            let mut before = 0;
            for (low, count) in counts.iter().enumerate() {
                before += u64::from(*count);
                if before > rank {
                    return f64::from(f32::from_bits(bits << 16 | low as u32));
                }
            }
            f64::NAN
        };
        0.5 * (value(self.targets[0], &self.lower) + value(self.targets[1], &self.upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median_of(values: &[f32]) -> Option<f64> {
        let mut counts = MedianCounts::default();
        for value in values {
            counts.add(*value);
        }
        let mut middle = counts.middle()?;
        for value in values {
            middle.add(*value);
        }
        Some(middle.median())
    }

    #[test]
    fn medians_are_those_of_sorted_values() {
        let noise = zemosaic_testkit::noise_image(1001, 1, 1.0, 0.2, 7);
        for count in [1, 2, 3, 10, 1000, 1001] {
            let values: Vec<f32> = noise[..count].iter().map(|value| value.clamp(0.5, 2.0)).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let expected = 0.5 * (f64::from(sorted[(count - 1) / 2]) + f64::from(sorted[count / 2]));
            assert_eq!(median_of(&values), Some(expected));
        }
        assert_eq!(median_of(&[]), None);
        assert_eq!(median_of(&[0.5, 2.0]), Some(1.25));
    }
}
