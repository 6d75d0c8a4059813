//! What needs no samples of other frames, one frame after the other: memory does not grow with the number of
//! frames. Equal to [`crate::stack`] bit for bit, because both make the same f64 sums in frame order.

use zemosaic_image::simd::SimdLevel;

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

/// Samples of one frame at neighbouring pixels; planes as those of [`crate::StackBlock`], equally long.
#[derive(Debug, Clone, Copy)]
pub struct FrameSamples<'a> {
    /// Values, NaN for none.
    pub value: &'a [f32],
    /// Variance of each sample over that of a pixel of the frame.
    pub variance_factor: &'a [f32],
    /// Share of the frame's weight that each sample has; `None`: 1.
    pub relative_weight: Option<&'a [f32]>,
    /// Weight of the frame.
    pub weight: f64,
    /// Variance of a pixel of the frame; NaN if unknown.
    pub noise_variance: f64,
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

    /// Add samples of one frame to the pixels from `offset` on. Frames come in frame order.
    ///
    /// # Panics
    /// When the planes of `samples` are not equally long, or reach beyond the pixels.
    pub fn add(&mut self, level: SimdLevel, offset: usize, samples: &FrameSamples<'_>) {
        match level {
            SimdLevel::Portable => self.add_body(offset, samples),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => {
                // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
                unsafe { self.add_avx2(offset, samples) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 => self.add_body(offset, samples),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_avx2(&mut self, offset: usize, samples: &FrameSamples<'_>) {
        self.add_body(offset, samples);
    }

    #[inline(always)]
    fn add_body(&mut self, offset: usize, samples: &FrameSamples<'_>) {
        match (self.combine == Combine::Mean, samples.relative_weight.is_some()) {
            (true, false) => self.add_terms::<Mean>(offset, samples),
            (true, true) => self.add_terms::<RelativeMean>(offset, samples),
            (false, false) => self.add_terms::<Sum>(offset, samples),
            (false, true) => self.add_terms::<RelativeSum>(offset, samples),
        }
    }

    #[inline(always)]
    fn add_terms<T: Terms>(&mut self, offset: usize, samples: &FrameSamples<'_>) {
        let lesser = |least: f64, x: f64| if x < least { x } else { least };
        let greater = |most: f64, x: f64| if x > most { x } else { most };
        match self.combine {
            Combine::Min => self.add_with::<T>(offset, samples, lesser),
            Combine::Max => self.add_with::<T>(offset, samples, greater),
            _ => self.add_with::<T>(offset, samples, |sum, x| sum + x),
        }
    }

    #[inline(always)]
    fn add_with<T: Terms>(
        &mut self,
        offset: usize,
        samples: &FrameSamples<'_>,
        join: impl Fn(f64, f64) -> f64,
    ) {
        let frame = FrameWeight::new(samples.weight, samples.noise_variance);
        let n = samples.value.len();
        let (value, factor) = (samples.value, &samples.variance_factor[..n]);
        // Where samples have no weights of their own the last plane is only walked, not read.
        let relative = &samples.relative_weight.unwrap_or(value)[..n];
        let sum_w = &mut self.sum_w[offset..offset + n];
        let sum_wx = &mut self.sum_wx[offset..offset + n];
        let sum_w2v = &mut self.sum_w2v[offset..offset + n];
        let depth = &mut self.depth[offset..offset + n];
        for i in 0..n {
            let q = if T::RELATIVE { relative[i] } else { 1.0 };
            let valid = !value[i].is_nan() && q > 0.0;
            let Term { w, wx, w2v } = T::of(&frame, value[i], factor[i], q);
            sum_w[i] += if valid { w } else { 0.0 };
            sum_wx[i] = if valid { join(sum_wx[i], wx) } else { sum_wx[i] };
            sum_w2v[i] += if valid { w2v } else { 0.0 };
            depth[i] += i32::from(valid);
        }
    }

    /// The result of the first `pixels` pixels.
    ///
    /// # Panics
    /// When a plane of `out` is shorter.
    pub fn finish(&self, level: SimdLevel, pixels: usize, mut out: StackOutput<'_>) {
        match level {
            SimdLevel::Portable => self.finish_body(pixels, &mut out),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => {
                // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
                unsafe { self.finish_avx2(pixels, &mut out) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 => self.finish_body(pixels, &mut out),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn finish_avx2(&self, pixels: usize, out: &mut StackOutput<'_>) {
        self.finish_body(pixels, out);
    }

    #[inline(always)]
    fn finish_body(&self, pixels: usize, out: &mut StackOutput<'_>) {
        match self.combine {
            Combine::Mean => self.finish_with(pixels, out, |w, wx, w2v| (wx / w, w2v / (w * w))),
            Combine::Sum => self.finish_with(pixels, out, |_, wx, w2v| (wx, w2v)),
            // + 0.0 makes -0 a 0, as sorting does.
            _ => self.finish_with(pixels, out, |_, wx, _| (wx + 0.0, f64::NAN)),
        }
        out.depth[..pixels].copy_from_slice(&self.depth[..pixels]);
        out.rejected_low[..pixels].fill(0);
        out.rejected_high[..pixels].fill(0);
    }

    #[inline(always)]
    fn finish_with(
        &self,
        pixels: usize,
        out: &mut StackOutput<'_>,
        result: impl Fn(f64, f64, f64) -> (f64, f64),
    ) {
        let (sum_w, sum_wx, sum_w2v) =
            (&self.sum_w[..pixels], &self.sum_wx[..pixels], &self.sum_w2v[..pixels]);
        let depth = &self.depth[..pixels];
        let (out_value, out_weight) = (&mut out.value[..pixels], &mut out.weight[..pixels]);
        let out_variance = &mut out.variance[..pixels];
        for i in 0..pixels {
            let (value, variance) = result(sum_w[i], sum_wx[i], sum_w2v[i]);
            let any = depth[i] > 0;
            out_value[i] = if any { value as f32 } else { f32::NAN };
            out_weight[i] = sum_w[i] as f32;
            out_variance[i] = if any { variance as f32 } else { f32::NAN };
        }
    }
}
