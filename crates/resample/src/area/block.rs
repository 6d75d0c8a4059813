//! Weights of the frame's pixels for a few neighbouring output pixels.

/// Output pixels that are worked on together.
pub(super) const LANES: usize = 8;
/// A number for each of them.
pub(super) type Lane = [f64; LANES];

/// Overlaps below this are rounding (or far below the error of any position) and count as none.
pub(super) const MIN_OVERLAP: f64 = 1e-10;

/// Weights on a block of `wide` x `high` frame pixels that begins, for each output pixel, at its own pixel.
pub(super) struct Block {
    pub(super) wide: usize,
    pub(super) high: usize,
    /// Row by row.
    pub(super) weights: Vec<Lane>,
    /// Relative weight per unit of the sum of the weights.
    pub(super) share: Lane,
    /// One over the sum of the weights.
    pub(super) per_sum: Lane,
    /// Sum of their squares.
    pub(super) squares: Lane,
    /// Variance factor and relative weight where all pixels are good.
    pub(super) factor: [f32; LANES],
    pub(super) weight: [f32; LANES],
}

impl Block {
    pub(super) fn new() -> Self {
        let none = [0.0; LANES];
        Self {
            wide: 0,
            high: 0,
            weights: Vec::new(),
            share: none,
            per_sum: none,
            squares: none,
            factor: [0.0; LANES],
            weight: [0.0; LANES],
        }
    }

    /// Another size; the weights are left to be overwritten.
    #[inline(always)]
    pub(super) fn reset(&mut self, wide: usize, high: usize) {
        (self.wide, self.high) = (wide, high);
        if self.weights.len() < wide * high {
            self.weights.resize(wide * high, [0.0; LANES]);
        }
    }

    /// The weights in use.
    #[inline(always)]
    pub(super) fn cells(&self) -> &[Lane] {
        &self.weights[..self.wide * self.high]
    }

    /// Drop what is rounding and add up the rest, row by row.
    #[inline(always)]
    pub(super) fn sum(&mut self) {
        let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for weights in &mut self.weights[..self.wide * self.high] {
            for k in 0..LANES {
                let a = if weights[k] > MIN_OVERLAP { weights[k] } else { 0.0 };
                weights[k] = a;
                sum[k] += a;
                squares[k] += a * a;
            }
        }
        self.squares = squares;
        for k in 0..LANES {
            let per_sum = 1.0 / sum[k];
            self.per_sum[k] = per_sum;
            self.factor[k] = (squares[k] * (per_sum * per_sum)) as f32;
            self.weight[k] = (sum[k] * self.share[k]) as f32;
        }
    }
}
