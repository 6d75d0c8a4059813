//! A cell split for the rounds of its clip: sums of the core, the middle sorted, the tails as they are.

use super::cell::grouped;
use super::sums::{Span, Sums, sums};
use crate::simd::SimdLevel;

/// Values that do not stay in the core's sums.
#[derive(Debug, Default)]
pub(super) struct SplitScratch {
    /// In the middle, sorted.
    middle: Vec<f32>,
    /// Outside the core, in the order of the cell.
    tails: Vec<f32>,
    /// Both.
    gathered: Vec<f32>,
}

/// Values looked at together.
const BLOCK: usize = 64;

impl SplitScratch {
    /// Take what is in the middle or outside the core; the number of values below the middle.
    fn gather(&mut self, level: SimdLevel, values: &[f32], core: Span, middle: Span) -> usize {
        let below = match level {
            SimdLevel::Portable => gather_body(values, core, middle, &mut self.gathered),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => {
                // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
                unsafe { gather_avx2(values, core, middle, &mut self.gathered) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 => gather_body(values, core, middle, &mut self.gathered),
        };
        self.middle.clear();
        self.middle.extend(self.gathered.iter().filter(|value| middle.holds(**value)));
        self.tails.clear();
        self.tails.extend(self.gathered.iter().filter(|value| !core.holds(**value)));
        below
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn gather_avx2(values: &[f32], core: Span, middle: Span, gathered: &mut Vec<f32>) -> usize {
    gather_body(values, core, middle, gathered)
}

#[inline(always)]
fn gather_body(values: &[f32], core: Span, middle: Span, gathered: &mut Vec<f32>) -> usize {
    // Every value is written, and the place moves on only past those that are wanted: no branch to guess.
    gathered.resize(values.len() + 1, 0.0);
    let (mut place, mut below) = (0, 0_u32);
    for block in values.chunks(BLOCK) {
        let mut wanted = [0_u8; BLOCK];
        for (mark, value) in wanted.iter_mut().zip(block) {
            *mark = u8::from(middle.holds(*value) | !core.holds(*value));
        }
        below += block.iter().map(|value| u32::from(*value < middle.low)).sum::<u32>();
        for (value, mark) in block.iter().zip(wanted) {
            gathered[place] = *value;
            place += usize::from(mark);
        }
    }
    gathered.truncate(place);
    below as usize
}

/// A split cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    /// What every clip keeps while the split holds.
    pub core: Span,
    core_sums: Sums,
    /// Values of the core below the middle.
    core_below: usize,
}

/// What a clip keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub sums: Sums,
    /// Kept values of the tail below the core.
    tail_below: usize,
}

impl Split {
    /// Split `values` at a core and a middle inside it.
    pub fn new(
        level: SimdLevel,
        values: &[f32],
        pivot: f32,
        [core, middle]: [Span; 2],
        scratch: &mut SplitScratch,
    ) -> Self {
        let below = scratch.gather(level, values, core, middle);
        let tails_below = scratch.tails.iter().filter(|value| **value < core.low).count();
        scratch.middle.sort_unstable_by(f32::total_cmp);
        Self { core, core_sums: sums(level, values, pivot, core), core_below: below - tails_below }
    }

    /// Sums over what lies in `span`, which covers the core.
    pub fn sums(&self, scratch: &SplitScratch, pivot: f32, span: Span) -> Kept {
        let (mut sums, mut tail_below) = (Sums::default(), 0);
        for value in scratch.tails.iter().filter(|value| span.holds(**value)) {
            sums.add(f64::from(*value) - f64::from(pivot));
            tail_below += usize::from(*value < self.core.low);
        }
        sums.count += self.core_sums.count;
        sums.first += self.core_sums.first;
        sums.second += self.core_sums.second;
        Kept { sums, tail_below }
    }

    /// Median of what was kept; `None` when it, or a neighbour it needs, lies outside the middle.
    pub fn median(&self, scratch: &SplitScratch, kept: &Kept) -> Option<f64> {
        let count = kept.sums.count as usize;
        let below = self.core_below + kept.tail_below;
        let at = (count / 2).checked_sub(below)?;
        let middle = &scratch.middle;
        let upper = *middle.get(at)?;
        let lower = *middle.get(at.checked_sub(1)?)?;
        if count.is_multiple_of(2) && lower != upper {
            return Some(0.5 * (f64::from(lower) + f64::from(upper)));
        }
        let start = middle.partition_point(|value| *value < upper);
        let end = middle.partition_point(|value| *value <= upper);
        let neighbours = [*middle.get(start.checked_sub(1)?)?, *middle.get(end)?].map(f64::from);
        let counts = [below + start, end - start, count - below - end];
        Some(grouped(f64::from(upper), counts, Some(neighbours)))
    }
}
