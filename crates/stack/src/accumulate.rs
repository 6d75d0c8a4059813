//! What needs no samples of other frames, one frame after the other: memory does not grow with the number of
//! frames. Equal to [`crate::stack`] bit for bit, because both make the same f64 sums in frame order.

use crate::block::StackOutput;
use crate::options::{Combine, RejectMethod, RejectOptions};
use crate::terms::{FrameWeight, Mean, RelativeMean, RelativeSum, Sum, Term, Terms};

/// Whether an [`Accumulator`] can make this stack; else the samples of all frames must be held in a block.
pub fn streams(combine: Combine, reject: &RejectOptions) -> bool {
    is_one_by_one(combine) && reject.method == RejectMethod::None
}

fn is_one_by_one(combine: Combine) -> bool {
    match combine {
        Combine::Mean | Combine::Sum | Combine::Min | Combine::Max => true,
        Combine::Median | Combine::Percentile(_) => false,
    }
}

/// Running mean, sum, least or greatest sample of a patch, without rejection.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    combine: Combine,
    sum_w: Vec<f64>,
    /// Sum of w x or x, or the extreme so far.
    sum_wx: Vec<f64>,
    sum_w2v: Vec<f64>,
    depth: Vec<i32>,
}

impl Accumulator {
    /// Start over with `pixels` pixels.
    ///
    /// # Panics
    /// When `combine` does not [stream](streams).
    pub fn reset(&mut self, combine: Combine, pixels: usize) {
        assert!(is_one_by_one(combine), "{combine:?} needs the samples of all frames at once");
        let start = match combine {
            Combine::Min => f64::INFINITY,
            Combine::Max => f64::NEG_INFINITY,
            _ => 0.0,
        };
        self.combine = combine;
        for (sums, start) in [(&mut self.sum_w, 0.0), (&mut self.sum_wx, start), (&mut self.sum_w2v, 0.0)] {
            sums.clear();
            sums.resize(pixels, start);
        }
        self.depth.clear();
        self.depth.resize(pixels, 0);
    }

    /// Add samples of one frame (NaN: none) to the pixels from `offset` on. Frames come in frame order. The
    /// planes are those of [`crate::StackBlock`], and equally long.
    pub fn add(
        &mut self,
        offset: usize,
        value: &[f32],
        factor: &[f32],
        relative: Option<&[f32]>,
        weight: f64,
        noise_variance: f64,
    ) {
        let frame = FrameWeight::new(weight, noise_variance);
        let run = match (self.combine == Combine::Mean, relative.is_some()) {
            (true, false) => Self::add_terms::<Mean>,
            (true, true) => Self::add_terms::<RelativeMean>,
            (false, false) => Self::add_terms::<Sum>,
            (false, true) => Self::add_terms::<RelativeSum>,
        };
        // Where samples have no weights of their own the last plane is only walked, not read.
        run(self, offset, value, factor, relative.unwrap_or(value), frame);
    }

    fn add_terms<T: Terms>(
        &mut self,
        offset: usize,
        value: &[f32],
        factor: &[f32],
        relative: &[f32],
        frame: FrameWeight,
    ) {
        let lesser = |least: f64, x: f64| if x < least { x } else { least };
        let greater = |most: f64, x: f64| if x > most { x } else { most };
        match self.combine {
            Combine::Min => self.add_with::<T>(offset, value, factor, relative, frame, lesser),
            Combine::Max => self.add_with::<T>(offset, value, factor, relative, frame, greater),
            _ => self.add_with::<T>(offset, value, factor, relative, frame, |sum, x| sum + x),
        }
    }

    #[inline(always)]
    fn add_with<T: Terms>(
        &mut self,
        offset: usize,
        value: &[f32],
        factor: &[f32],
        relative: &[f32],
        frame: FrameWeight,
        join: impl Fn(f64, f64) -> f64,
    ) {
        let span = offset..offset + value.len();
        let sums = self.sum_w[span.clone()].iter_mut().zip(&mut self.sum_wx[span.clone()]);
        let sums = sums.zip(&mut self.sum_w2v[span.clone()]).zip(&mut self.depth[span]);
        let samples = value.iter().zip(factor).zip(relative);
        for (((value, factor), relative), (((sum_w, sum_wx), sum_w2v), depth)) in samples.zip(sums) {
            let q = if T::RELATIVE { *relative } else { 1.0 };
            let valid = !value.is_nan() && q > 0.0;
            let Term { w, wx, w2v } = T::of(&frame, *value, *factor, q);
            *sum_w += if valid { w } else { 0.0 };
            *sum_wx = if valid { join(*sum_wx, wx) } else { *sum_wx };
            *sum_w2v += if valid { w2v } else { 0.0 };
            *depth += i32::from(valid);
        }
    }

    /// The result of the first `pixels` pixels.
    #[expect(clippy::needless_pass_by_value, reason = "the same call as `stack`, which takes its output")]
    pub fn finish(&self, pixels: usize, out: StackOutput<'_>) {
        for pixel in 0..pixels {
            let (w, wx, w2v) = (self.sum_w[pixel], self.sum_wx[pixel], self.sum_w2v[pixel]);
            let depth = self.depth[pixel];
            let (value, variance) = match self.combine {
                _ if depth == 0 => (f64::NAN, f64::NAN),
                Combine::Mean => (wx / w, w2v / (w * w)),
                Combine::Sum => (wx, w2v),
                // + 0.0 makes -0 a 0, as sorting does.
                _ => (wx + 0.0, f64::NAN),
            };
            out.value[pixel] = value as f32;
            out.weight[pixel] = w as f32;
            out.variance[pixel] = variance as f32;
            out.depth[pixel] = depth;
            out.rejected_low[pixel] = 0;
            out.rejected_high[pixel] = 0;
        }
    }
}
