//! Weighted sums over the survivors, in frame order and f64.
//!
//! Two forms of the same sums, equal to the bit: without selection where all lanes keep all samples, and
//! with masks (a dropped sample adds +0, which changes nothing). What is summed is said by [`Terms`].

use crate::block::StackBlock;
use crate::lanes::{Counts, LANES, Range, lanes_at};
use crate::terms::{FrameWeight, Terms};

/// Lanes summed at a time: three sums of eight doubles fit the registers.
const PART: usize = 8;

/// Sums over the survivors of each lane.
pub struct Sums {
    /// w.
    pub w: [f64; LANES],
    /// w x, or x.
    pub wx: [f64; LANES],
    /// w^2 v, or v.
    pub w2v: [f64; LANES],
}

/// The same of [`PART`] lanes.
struct PartSums {
    w: [f64; PART],
    wx: [f64; PART],
    w2v: [f64; PART],
}

impl PartSums {
    const ZERO: Self = Self { w: [0.0; PART], wx: [0.0; PART], w2v: [0.0; PART] };
}

impl Sums {
    const ZERO: Self = Self { w: [0.0; LANES], wx: [0.0; LANES], w2v: [0.0; LANES] };

    #[inline(always)]
    fn put(&mut self, part: usize, sums: &PartSums) {
        self.w[part..part + PART].copy_from_slice(&sums.w);
        self.wx[part..part + PART].copy_from_slice(&sums.wx);
        self.w2v[part..part + PART].copy_from_slice(&sums.w2v);
    }

    /// Over all samples of the pixels from `start` on, with their number.
    #[inline(always)]
    pub fn all<T: Terms>(block: &StackBlock<'_>, weights: &[FrameWeight], start: usize) -> (Self, Counts) {
        let (mut sums, mut depth) = (Self::ZERO, [0; LANES]);
        for part in (0..LANES).step_by(PART) {
            let (mut found, complete) = unselected::<T>(block, weights, start + part);
            let mut count = [block.frames as i32; PART];
            // A NaN sample makes its lane's sum NaN; so may overflow, then the masked form says so too.
            if !complete || found.wx.iter().any(|wx| wx.is_nan()) {
                (found, count) = masked::<T, false>(block, weights, start + part, &EVERYTHING);
            }
            sums.put(part, &found);
            depth[part..part + PART].copy_from_slice(&count);
        }
        (sums, depth)
    }

    /// Over the survivors `range` of the pixels from `start` on.
    #[inline(always)]
    pub fn survivors<T: Terms>(
        block: &StackBlock<'_>,
        weights: &[FrameWeight],
        start: usize,
        range: &Range,
    ) -> Self {
        let mut sums = Self::ZERO;
        for part in (0..LANES).step_by(PART) {
            let (mut complete, mut cut) = (true, 0);
            for lane in part..part + PART {
                complete &= range.low[lane] == 0 && range.high[lane] == block.frames as i32;
                cut |= range.cut_low[lane] | range.cut_high[lane];
            }
            let bounds = Bounds::of(range, part);
            let found = if complete {
                unselected::<T>(block, weights, start + part).0
            } else if cut == 0 {
                masked::<T, false>(block, weights, start + part, &bounds).0
            } else {
                masked::<T, true>(block, weights, start + part, &bounds).0
            };
            sums.put(part, &found);
        }
        sums
    }
}

/// Least and greatest survivor per lane, and how many samples equal to them are none.
struct Bounds {
    low: [f32; PART],
    high: [f32; PART],
    cut_low: [i32; PART],
    cut_high: [i32; PART],
}

const EVERYTHING: Bounds = Bounds {
    low: [f32::NEG_INFINITY; PART],
    high: [f32::INFINITY; PART],
    cut_low: [0; PART],
    cut_high: [0; PART],
};

impl Bounds {
    /// Of the lanes from `part` on.
    #[inline(always)]
    fn of(range: &Range, part: usize) -> Self {
        let (mut cut_low, mut cut_high) = ([0; PART], [0; PART]);
        cut_low.copy_from_slice(&range.cut_low[part..part + PART]);
        cut_high.copy_from_slice(&range.cut_high[part..part + PART]);
        Self { low: lanes_at(&range.least, part), high: lanes_at(&range.most, part), cut_low, cut_high }
    }
}

/// What a frame has at [`PART`] pixels.
struct Row {
    values: [f32; PART],
    factors: [f32; PART],
    /// All 1 where samples have no weights of their own.
    relative: [f32; PART],
}

impl Row {
    /// At the pixels from `start` on.
    #[inline(always)]
    fn at<T: Terms>(((values, factors), relative): ((&[f32], &[f32]), &[f32]), start: usize) -> Self {
        Self {
            values: lanes_at(values, start),
            factors: lanes_at(factors, start),
            relative: if T::RELATIVE { lanes_at(relative, start) } else { [1.0; PART] },
        }
    }
}

/// Values, variance factors and relative weights of frame after frame; what [`Row::at`] takes. Where samples have
/// no weights of their own the third plane is only walked, not read.
#[inline(always)]
fn frames<'a>(block: &StackBlock<'a>) -> impl Iterator<Item = ((&'a [f32], &'a [f32]), &'a [f32])> {
    let relative = block.relative_weight.unwrap_or(block.value);
    let planes = block.value.chunks_exact(block.stride).zip(block.variance_factor.chunks_exact(block.stride));
    planes.zip(relative.chunks_exact(block.stride))
}

/// Over all samples; whether all relative weights are above 0.
#[inline(always)]
fn unselected<T: Terms>(block: &StackBlock<'_>, weights: &[FrameWeight], start: usize) -> (PartSums, bool) {
    let PartSums { mut w, mut wx, mut w2v } = PartSums::ZERO;
    let (mut common_w, mut least) = (0.0, [1.0_f32; PART]);
    for (weight, planes) in weights.iter().zip(frames(block)) {
        let row = Row::at::<T>(planes, start);
        common_w += weight.w;
        for lane in 0..PART {
            let term = T::of(weight, row.values[lane], row.factors[lane], row.relative[lane]);
            wx[lane] += term.wx;
            w2v[lane] += term.w2v;
            if T::RELATIVE {
                w[lane] += term.w;
                least[lane] = if row.relative[lane] < least[lane] { row.relative[lane] } else { least[lane] };
            }
        }
    }
    let mut complete = true;
    if T::RELATIVE {
        for lane in 0..PART {
            // A NaN among the relative weights is not less than anything, but makes the sum of weights NaN.
            complete &= least[lane] > 0.0 && !w[lane].is_nan();
        }
    } else {
        w = [common_w; PART];
    }
    (PartSums { w, wx, w2v }, complete)
}

/// Over the samples within `bounds`; with `TIES` the cuts count.
#[inline(always)]
fn masked<T: Terms, const TIES: bool>(
    block: &StackBlock<'_>,
    weights: &[FrameWeight],
    start: usize,
    bounds: &Bounds,
) -> (PartSums, [i32; PART]) {
    let PartSums { mut w, mut wx, mut w2v } = PartSums::ZERO;
    let mut count = [0_i64; PART];
    let (mut cut_low, mut cut_high) = (bounds.cut_low, bounds.cut_high);
    for (weight, planes) in weights.iter().zip(frames(block)) {
        let row = Row::at::<T>(planes, start);
        let mut terms = PartSums::ZERO;
        for lane in 0..PART {
            let term = T::of(weight, row.values[lane], row.factors[lane], row.relative[lane]);
            (terms.w[lane], terms.wx[lane], terms.w2v[lane]) = (term.w, term.wx, term.w2v);
        }
        for lane in 0..PART {
            // Comparisons with NaN are false, so missing samples drop out here.
            let inside = row.values[lane] >= bounds.low[lane] && row.values[lane] <= bounds.high[lane];
            let mut keep = inside && row.relative[lane] > 0.0;
            if TIES {
                let is_low = keep && row.values[lane] == bounds.low[lane] && cut_low[lane] > 0;
                cut_low[lane] -= i32::from(is_low);
                let is_high = keep && !is_low && row.values[lane] == bounds.high[lane] && cut_high[lane] > 0;
                cut_high[lane] -= i32::from(is_high);
                keep = keep && !is_low && !is_high;
            }
            // A mask, not a branch: terms of dropped samples may be NaN.
            let mask = u64::from(keep).wrapping_neg();
            w[lane] += f64::from_bits(terms.w[lane].to_bits() & mask);
            wx[lane] += f64::from_bits(terms.wx[lane].to_bits() & mask);
            w2v[lane] += f64::from_bits(terms.w2v[lane].to_bits() & mask);
            count[lane] -= mask as i64;
        }
    }
    (PartSums { w, wx, w2v }, count.map(|count| count as i32))
}
