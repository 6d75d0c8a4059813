//! Mean without rejection, one frame after the other: memory does not grow with the number of frames.
//! Equal to [`crate::stack`] bit for bit, because both make the same f64 sums in frame order.

use crate::block::StackOutput;

/// Running sums of a patch.
#[derive(Debug, Clone, Default)]
pub struct MeanAccumulator {
    sum_w: Vec<f64>,
    sum_wx: Vec<f64>,
    sum_w2v: Vec<f64>,
    depth: Vec<i32>,
}

impl MeanAccumulator {
    /// Start over with `pixels` pixels.
    pub fn reset(&mut self, pixels: usize) {
        for sums in [&mut self.sum_w, &mut self.sum_wx, &mut self.sum_w2v] {
            sums.clear();
            sums.resize(pixels, 0.0);
        }
        self.depth.clear();
        self.depth.resize(pixels, 0);
    }

    /// Add samples of one frame (NaN: none) to the pixels from `offset` on. Frames come in frame order.
    pub fn add(&mut self, offset: usize, value: &[f32], factor: &[f32], weight: f64, noise_variance: f64) {
        let span = offset..offset + value.len();
        let sums = self.sum_w[span.clone()].iter_mut().zip(&mut self.sum_wx[span.clone()]);
        let sums = sums.zip(&mut self.sum_w2v[span.clone()]).zip(&mut self.depth[span]);
        let w2v = weight * weight * noise_variance;
        for ((value, factor), (((sum_w, sum_wx), sum_w2v), depth)) in value.iter().zip(factor).zip(sums) {
            let valid = !value.is_nan();
            *sum_w += if valid { weight } else { 0.0 };
            *sum_wx += if valid { weight * f64::from(*value) } else { 0.0 };
            *sum_w2v += if valid { w2v * f64::from(*factor) } else { 0.0 };
            *depth += i32::from(valid);
        }
    }

    /// The result of the first `pixels` pixels.
    #[expect(clippy::needless_pass_by_value, reason = "the same call as `stack`, which takes its output")]
    pub fn finish(&self, pixels: usize, out: StackOutput<'_>) {
        for pixel in 0..pixels {
            let (sum_w, depth) = (self.sum_w[pixel], self.depth[pixel]);
            let any = depth > 0;
            out.value[pixel] = if any { (self.sum_wx[pixel] / sum_w) as f32 } else { f32::NAN };
            out.weight[pixel] = sum_w as f32;
            out.variance[pixel] = if any { (self.sum_w2v[pixel] / (sum_w * sum_w)) as f32 } else { f32::NAN };
            out.depth[pixel] = depth;
            out.rejected_low[pixel] = 0;
            out.rejected_high[pixel] = 0;
        }
    }
}
