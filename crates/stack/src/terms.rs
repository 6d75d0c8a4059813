//! What one sample adds to the sums of its pixel.

/// What a frame brings to the sums.
#[derive(Debug, Clone, Copy)]
pub struct FrameWeight {
    /// w.
    pub w: f64,
    /// w^2 x noise variance.
    w2v: f64,
    /// Noise variance.
    v: f64,
}

impl FrameWeight {
    /// Of a frame with `weight` and `noise_variance`.
    pub fn new(weight: f64, noise_variance: f64) -> Self {
        Self { w: weight, w2v: weight * weight * noise_variance, v: noise_variance }
    }
}

/// What is added to each sum.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// To the sum of weights.
    pub w: f64,
    /// To the sum the value is made of.
    pub wx: f64,
    /// To the sum the variance is made of.
    pub w2v: f64,
}

/// How a sample becomes a term. Types, not values: the loops over samples are compiled for each.
pub trait Terms {
    /// Whether samples have weights of their own. They are 1 otherwise, and need not be read.
    const RELATIVE: bool;
    /// Whether the sums are the result; else they are divided by the sum of weights and its square.
    const TOTAL: bool;

    /// The term of a sample `x` with variance factor and relative weight `q`.
    fn of(frame: &FrameWeight, x: f32, factor: f32, q: f32) -> Term;
}

/// Of a mean: w, w x, w^2 v with the weights of the frames.
pub struct Mean;

impl Terms for Mean {
    const RELATIVE: bool = false;
    const TOTAL: bool = false;

    #[inline(always)]
    fn of(frame: &FrameWeight, x: f32, factor: f32, _: f32) -> Term {
        Term { w: frame.w, wx: frame.w * f64::from(x), w2v: frame.w2v * f64::from(factor) }
    }
}

/// The same with w q in place of w: equal bits where q is 1.
pub struct RelativeMean;

impl Terms for RelativeMean {
    const RELATIVE: bool = true;
    const TOTAL: bool = false;

    #[inline(always)]
    fn of(frame: &FrameWeight, x: f32, factor: f32, q: f32) -> Term {
        let w = frame.w * f64::from(q);
        Term { w, wx: w * f64::from(x), w2v: w * w * frame.v * f64::from(factor) }
    }
}

/// Of a sum: w, x, v.
pub struct Sum;

impl Terms for Sum {
    const RELATIVE: bool = false;
    const TOTAL: bool = true;

    #[inline(always)]
    fn of(frame: &FrameWeight, x: f32, factor: f32, _: f32) -> Term {
        Term { w: frame.w, wx: f64::from(x), w2v: frame.v * f64::from(factor) }
    }
}

/// The same with w q in place of w.
pub struct RelativeSum;

impl Terms for RelativeSum {
    const RELATIVE: bool = true;
    const TOTAL: bool = true;

    #[inline(always)]
    fn of(frame: &FrameWeight, x: f32, factor: f32, q: f32) -> Term {
        Term { w: frame.w * f64::from(q), ..Sum::of(frame, x, factor, 1.0) }
    }
}
