//! The job of a stack.

use crate::lanes::LANES;

/// Samples of `frames` frames at `pixels` pixels.
#[derive(Debug, Clone, Copy)]
pub struct StackBlock<'a> {
    /// Frames.
    pub frames: usize,
    /// Pixels that count.
    pub pixels: usize,
    /// Distance between frames in the planes: a multiple of 16, at least `pixels`. Not a multiple of 1024: the
    /// samples of a pixel then share one cache set, which makes a stack up to three times slower.
    pub stride: usize,
    /// Sample of frame f at pixel p: `value[f * stride + p]`, NaN for none.
    pub value: &'a [f32],
    /// Variance of the sample over that of a pixel of its frame, laid out as `value`.
    pub variance_factor: &'a [f32],
    /// Share of the frame's weight that the sample has, at least 0, laid out as `value`; `None`: 1 everywhere.
    /// A sample whose share is 0 or NaN is no sample.
    pub relative_weight: Option<&'a [f32]>,
    /// Weight per frame.
    pub weight: &'a [f64],
    /// Variance of a pixel per frame; NaN if unknown.
    pub noise_variance: &'a [f64],
    /// Level of the sky per frame, in units of the samples; NaN if unknown.
    pub level: &'a [f64],
}

impl StackBlock<'_> {
    /// That the planes hold what the layout says.
    pub(crate) fn check(&self) {
        assert!(self.stride >= self.pixels && self.stride.is_multiple_of(LANES), "stride of the block");
        let samples = self.frames * self.stride;
        assert!(self.value.len() >= samples && self.variance_factor.len() >= samples, "samples of the block");
        assert!(
            self.relative_weight.is_none_or(|plane| plane.len() >= samples),
            "relative weights of the block"
        );
        assert!(
            [self.weight.len(), self.noise_variance.len(), self.level.len()] == [self.frames; 3],
            "a weight per frame"
        );
    }
}

/// Where a stack goes; every slice is at least `pixels` long, and no more is written.
#[derive(Debug)]
pub struct StackOutput<'a> {
    /// Value, NaN where there is no sample.
    pub value: &'a mut [f32],
    /// Sum of weights of the survivors, 0 where there is no sample.
    pub weight: &'a mut [f32],
    /// Variance of the value, NaN where there is no sample, a variance is unknown, or the way of combining has
    /// none.
    pub variance: &'a mut [f32],
    /// Valid samples before rejection.
    pub depth: &'a mut [i32],
    /// Samples rejected as too low.
    pub rejected_low: &'a mut [i32],
    /// Samples rejected as too high.
    pub rejected_high: &'a mut [i32],
}
