//! Sixteen pixels side by side.

/// Pixels side by side.
pub const LANES: usize = 16;

/// One sample of each pixel; aligned so that no vector straddles a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Lane(pub [f32; LANES]);

/// Counts per pixel.
pub type Counts = [i32; LANES];

/// Neighbouring samples of `plane` from `at` on.
#[inline(always)]
pub fn lanes_at<const N: usize>(plane: &[f32], at: usize) -> [f32; N] {
    let mut lanes = [0.0; N];
    lanes.copy_from_slice(&plane[at..at + N]);
    lanes
}

/// Survivors per lane: the sorted samples `low .. high`, which are those in a closed interval of values, but for a few
/// that equal its ends where a method counts instead of comparing.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First survivor.
    pub low: Counts,
    /// One past the last survivor.
    pub high: Counts,
    /// Nothing below survives.
    pub least: [f32; LANES],
    /// Nothing above survives.
    pub most: [f32; LANES],
    /// Samples equal to `least` that are rejected all the same: those of the earliest frames.
    pub cut_low: Counts,
    /// Then so many equal to `most`.
    pub cut_high: Counts,
}

impl Range {
    /// All of the `depth` valid samples.
    #[inline(always)]
    pub fn all(depth: &Counts) -> Self {
        Self {
            low: [0; LANES],
            high: *depth,
            least: [f32::NEG_INFINITY; LANES],
            most: [f32::INFINITY; LANES],
            cut_low: [0; LANES],
            cut_high: [0; LANES],
        }
    }

    /// Only `low .. high` (at least one) of the `n` samples of `lane` survive, though others may equal them.
    #[inline(always)]
    pub fn narrow_by_number(&mut self, sorted: &[Lane], lane: usize, n: usize, (low, high): (usize, usize)) {
        self.narrow(sorted, lane, low as i32, high as i32);
        let (least, most) = (self.least[lane], self.most[lane]);
        let (mut first, mut last) = (low, high);
        while first > 0 && sorted[first - 1].0[lane] == least {
            first -= 1;
        }
        while last < n && sorted[last].0[lane] == most {
            last += 1;
        }
        (self.cut_low[lane], self.cut_high[lane]) = ((low - first) as i32, (last - high) as i32);
    }

    /// The survivors of `other` in the lanes where `own` is not 0.
    #[inline(always)]
    pub fn take(&mut self, own: &Counts, other: &Self) {
        for (lane, own) in own.iter().enumerate() {
            let is_own = *own != 0;
            self.low[lane] = if is_own { other.low[lane] } else { self.low[lane] };
            self.high[lane] = if is_own { other.high[lane] } else { self.high[lane] };
            self.least[lane] = if is_own { other.least[lane] } else { self.least[lane] };
            self.most[lane] = if is_own { other.most[lane] } else { self.most[lane] };
        }
    }

    /// Only `low .. high` survive in `lane`.
    #[inline(always)]
    pub fn narrow(&mut self, sorted: &[Lane], lane: usize, low: i32, high: i32) {
        (self.low[lane], self.high[lane]) = (low, high);
        // No survivors: an empty interval.
        (self.least[lane], self.most[lane]) = if high > low {
            (sorted[low as usize].0[lane], sorted[high as usize - 1].0[lane])
        } else {
            (f32::INFINITY, f32::NEG_INFINITY)
        };
    }
}

/// Median of the samples `low .. high` (at least one) of one lane; exact in f64.
#[inline(always)]
pub fn median_of(sorted: &[Lane], low: i32, high: i32, lane: usize) -> f64 {
    let middle = i32::midpoint(low, high);
    let upper = f64::from(sorted[middle as usize].0[lane]);
    // An odd number has one middle: then both are the same element.
    let lower = f64::from(sorted[(low + high - 1) as usize / 2].0[lane]);
    0.5 * (lower + upper)
}

/// Percentile of the samples `low ..= last` of one lane, linear between neighbours.
#[inline(always)]
pub fn percentile_of(sorted: &[Lane], low: usize, last: usize, lane: usize, percent: f64) -> f64 {
    let rank = percent.clamp(0.0, 100.0) / 100.0 * (last - low) as f64;
    at_rank(sorted, low, last, lane, rank)
}

/// What lies at `rank` among the samples `low ..= last` of one lane, linear between neighbours.
#[inline(always)]
pub fn at_rank(sorted: &[Lane], low: usize, last: usize, lane: usize, rank: f64) -> f64 {
    let below = rank as usize;
    let share = rank - below as f64;
    let lower = f64::from(sorted[low + below].0[lane]);
    let upper = f64::from(sorted[(low + below + 1).min(last)].0[lane]);
    lower + (upper - lower) * share
}
