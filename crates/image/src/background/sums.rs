//! Number, sum and sum of squares of the values in a window about a centre.
//!
//! Sums are f64, about a pivot near the values so that nothing cancels, in eight lanes that are added in one
//! order; so they depend on the values and their order alone.

use crate::simd::SimdLevel;

/// Lanes of a sum.
const LANES: usize = 8;
/// Values looked at together.
const BLOCK: usize = 64;

/// An interval of values, both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub low: f32,
    pub high: f32,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// What is at most `reach` from `centre`, the ends rounded to the precision of the pixels.
    pub fn about(centre: f64, reach: f64) -> Self {
        Self { low: (centre - reach) as f32, high: (centre + reach) as f32 }
    }

    #[inline(always)]
    #[expect(clippy::needless_bitwise_bool, reason = "both sides, so that the loops over it have no branch")]
    pub fn holds(self, value: f32) -> bool {
        (value >= self.low) & (value <= self.high)
    }

    /// Whether all of `inner` is inside.
    pub fn covers(self, inner: Self) -> bool {
        self.low <= inner.low && inner.high <= self.high
    }

    /// What both hold.
    pub fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

/// Moments of some deviations from the pivot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub count: f64,
    pub first: f64,
    pub second: f64,
}

impl Sums {
    #[inline(always)]
    pub fn add(&mut self, deviation: f64) {
        self.count += 1.0;
        self.first += deviation;
        self.second += deviation * deviation;
    }

    /// Mean deviation.
    pub fn mean(&self) -> f64 {
        self.first / self.count
    }

    /// Population standard deviation.
    pub fn sigma(&self) -> f64 {
        let mean = self.mean();
        (self.second / self.count - mean * mean).max(0.0).sqrt()
    }
}

/// Sums over the values in `span`; deviations are from `pivot`.
pub(super) fn sums(level: SimdLevel, values: &[f32], pivot: f32, span: Span) -> Sums {
    match level {
        SimdLevel::Portable => sums_body(values, pivot, span),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { sums_avx2(values, pivot, span) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => sums_body(values, pivot, span),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2(values: &[f32], pivot: f32, span: Span) -> Sums {
    sums_body(values, pivot, span)
}

#[inline(always)]
fn sums_body(values: &[f32], pivot: f32, span: Span) -> Sums {
    let (mut count, mut first, mut second) = (0_u32, [0.0; LANES], [0.0; LANES]);
    let base = f64::from(pivot);
    for block in values.chunks(BLOCK) {
        // Whole arrays step by step, so that each step becomes vector instructions. What is not held, or not
        // there, has deviation 0.
        let mut kept = [pivot; BLOCK];
        for (kept, value) in kept.iter_mut().zip(block) {
            let held = span.holds(*value);
            *kept = if held { *value } else { pivot };
            count += u32::from(held);
        }
        let deviations = kept.map(|value| f64::from(value) - base);
        add_lanes(&mut first, &deviations);
        add_lanes(&mut second, &deviations.map(|deviation| deviation * deviation));
    }
    let total = |lanes: [f64; LANES]| lanes.iter().sum::<f64>();
    Sums { count: f64::from(count), first: total(first), second: total(second) }
}

#[inline(always)]
fn add_lanes(lanes: &mut [f64; LANES], terms: &[f64; BLOCK]) {
    for terms in terms.chunks_exact(LANES) {
        for (lane, term) in lanes.iter_mut().zip(terms) {
            *lane += term;
        }
    }
}
