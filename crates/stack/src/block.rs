//! The job of a stack.

/// Samples of `frames` frames at `pixels` pixels.
#[derive(Debug, Clone, Copy)]
pub struct StackBlock<'a> {
    /// Frames.
    pub frames: usize,
    /// Pixels that count.
    pub pixels: usize,
    /// Distance between frames in the planes: a multiple of 16, at least `pixels`.
    pub stride: usize,
    /// Sample of frame f at pixel p: `value[f * stride + p]`, NaN for none.
    pub value: &'a [f32],
    /// Variance of the sample over that of a pixel of its frame, laid out as `value`.
    pub variance_factor: &'a [f32],
    /// Weight per frame.
    pub weight: &'a [f64],
    /// Variance of a pixel per frame; NaN if unknown.
    pub noise_variance: &'a [f64],
}

/// Where a stack goes; every slice is `stride` long, the part beyond `pixels` is scratch.
#[derive(Debug)]
pub struct StackOutput<'a> {
    /// Value, NaN where there is no sample.
    pub value: &'a mut [f32],
    /// Sum of weights of the survivors, 0 where there is no sample.
    pub weight: &'a mut [f32],
    /// Variance of the value, NaN where there is no sample or a variance is unknown.
    pub variance: &'a mut [f32],
    /// Valid samples before rejection.
    pub depth: &'a mut [i32],
    /// Samples rejected as too low.
    pub rejected_low: &'a mut [i32],
    /// Samples rejected as too high.
    pub rejected_high: &'a mut [i32],
}
