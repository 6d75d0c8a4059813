//! Weighted sums over the survivors, in frame order and f64.
//!
//! Two forms of the same sums, equal to the bit: without selection where all lanes keep all samples, and
//! with masks (a dropped sample adds +0, which changes nothing).

use crate::block::StackBlock;
use crate::lanes::{Counts, LANES, Range, lanes_at};

/// Lanes summed at a time: three sums of eight doubles fit the registers.
const PART: usize = 8;

/// What a frame brings to the sums.
#[derive(Debug, Clone, Copy)]
pub struct FrameWeight {
    /// w.
    w: f64,
    /// w^2 x noise variance.
    w2v: f64,
}

impl FrameWeight {
    /// Of a frame with `weight` and `noise_variance`.
    pub fn new(weight: f64, noise_variance: f64) -> Self {
        Self { w: weight, w2v: weight * weight * noise_variance }
    }
}

/// Sums over the survivors of each lane.
pub struct Sums {
    /// w.
    pub w: [f64; LANES],
    /// w x.
    pub wx: [f64; LANES],
    /// w^2 v.
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
    pub fn all(block: &StackBlock<'_>, weights: &[FrameWeight], start: usize) -> (Self, Counts) {
        let (mut sums, mut depth) = (Self::ZERO, [0; LANES]);
        for part in (0..LANES).step_by(PART) {
            let mut found = unselected(block, weights, start + part);
            let mut count = [block.frames as i32; PART];
            // A NaN sample makes its lane's sum NaN; so may overflow, then the masked form says so too.
            if found.wx.iter().any(|wx| wx.is_nan()) {
                (found, count) = masked(block, weights, start + part, &EVERYTHING);
            }
            sums.put(part, &found);
            depth[part..part + PART].copy_from_slice(&count);
        }
        (sums, depth)
    }

    /// Over the survivors `range` of the pixels from `start` on.
    #[inline(always)]
    pub fn survivors(block: &StackBlock<'_>, weights: &[FrameWeight], start: usize, range: &Range) -> Self {
        let mut sums = Self::ZERO;
        for part in (0..LANES).step_by(PART) {
            let mut complete = true;
            for lane in part..part + PART {
                complete &= range.low[lane] == 0 && range.high[lane] == block.frames as i32;
            }
            if complete {
                sums.put(part, &unselected(block, weights, start + part));
            } else {
                let bounds = Bounds { low: lanes_at(&range.least, part), high: lanes_at(&range.most, part) };
                sums.put(part, &masked(block, weights, start + part, &bounds).0);
            }
        }
        sums
    }
}

/// Least and greatest survivor per lane.
struct Bounds {
    low: [f32; PART],
    high: [f32; PART],
}

const EVERYTHING: Bounds = Bounds { low: [f32::NEG_INFINITY; PART], high: [f32::INFINITY; PART] };

/// Samples and variance factors of the pixels from `start` on, frame by frame.
#[inline(always)]
fn rows<'a>(
    block: &'a StackBlock<'_>,
    start: usize,
) -> impl Iterator<Item = ([f32; PART], [f32; PART])> + 'a {
    let planes = block.value.chunks_exact(block.stride).zip(block.variance_factor.chunks_exact(block.stride));
    planes.map(move |(values, factors)| (lanes_at(values, start), lanes_at(factors, start)))
}

#[inline(always)]
fn unselected(block: &StackBlock<'_>, weights: &[FrameWeight], start: usize) -> PartSums {
    let (mut w, mut wx, mut w2v) = (0.0, [0.0; PART], [0.0; PART]);
    for (weight, (values, factors)) in weights.iter().zip(rows(block, start)) {
        w += weight.w;
        for lane in 0..PART {
            wx[lane] += weight.w * f64::from(values[lane]);
            w2v[lane] += weight.w2v * f64::from(factors[lane]);
        }
    }
    PartSums { w: [w; PART], wx, w2v }
}

#[inline(always)]
fn masked(
    block: &StackBlock<'_>,
    weights: &[FrameWeight],
    start: usize,
    bounds: &Bounds,
) -> (PartSums, [i32; PART]) {
    let PartSums { mut w, mut wx, mut w2v } = PartSums::ZERO;
    let mut count = [0_i64; PART];
    for (weight, (values, factors)) in weights.iter().zip(rows(block, start)) {
        let mut terms = PartSums::ZERO;
        for lane in 0..PART {
            terms.w[lane] = weight.w;
            terms.wx[lane] = weight.w * f64::from(values[lane]);
            terms.w2v[lane] = weight.w2v * f64::from(factors[lane]);
        }
        for lane in 0..PART {
            // Comparisons with NaN are false, so missing samples drop out here.
            let keep = values[lane] >= bounds.low[lane] && values[lane] <= bounds.high[lane];
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
