//! A kernel's one-dimensional weights by phase.
//!
//! Unstretched kernels: for each of 256 phases the normalised weights with slope and half curvature, so
//! that w(f) = w + d (w' + d w''/2) with |d| <= 1/512 is good to 1e-7 in f32; likewise the sum of their
//! squares. Stretched kernels (anti-aliasing): the kernel itself, finely sampled.

use crate::bspline;
use crate::definition;
use crate::kernel::Kernel;

/// Weights of up to 8 taps, and what the last lane carries where it is free.
type Lanes = [f32; 8];

const PHASES: usize = 256;
/// Step of the numerical derivatives; their error is far below f32.
const STEP: f64 = 1e-3;
/// Samples per pixel of a stretched kernel's table.
const FINE: f64 = 4096.0;

/// Lane that carries the sum of squares along with the weights of kernels of up to that many taps.
const SQUARES: usize = 7;

/// One phase of an unstretched kernel.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Phase {
    /// Weights at the phase.
    value: Lanes,
    /// Their slope.
    slope: Lanes,
    /// Half of their curvature.
    bend: Lanes,
    /// Sum of squares: value, slope, half curvature.
    squares: [f32; 3],
}

/// A kernel ready for use; immutable and shared by threads.
#[derive(Debug, Clone)]
pub struct KernelTable {
    kernel: Kernel,
    stretch: f64,
    phases: Vec<Phase>,
    fine: Vec<f32>,
    /// What weighs an input's noise where the kernel's own weights reach too far.
    noise: Option<Box<Self>>,
}

impl KernelTable {
    /// `stretch` above 1 widens the kernel by that factor (output scale over input scale).
    pub fn new(kernel: Kernel, stretch: f64) -> Self {
        let kernel = kernel.at_stretch(stretch);
        let stretched = stretch > 1.0 && kernel != Kernel::Nearest;
        let has_phases = !matches!(kernel, Kernel::Nearest | Kernel::Bilinear);
        let phases = if has_phases && !stretched {
            (0..=PHASES).map(|phase| Phase::new(kernel, phase as f64 / PHASES as f64)).collect()
        } else {
            Vec::new()
        };
        let fine = if stretched {
            let last = (kernel.radius_px() * FINE) as usize + 2;
            (0..=last).map(|i| kernel.value(i as f64 / FINE) as f32).collect()
        } else {
            Vec::new()
        };
        let noise = (kernel == Kernel::BsplineCubic).then(|| Box::new(Self::new(Kernel::Keys, 1.0)));
        Self { kernel, stretch: if stretched { stretch } else { 1.0 }, phases, fine, noise }
    }

    /// The kernel; for a stretched bicubic [`Kernel::Keys`].
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Its stretch, at least 1.
    pub fn stretch(&self) -> f64 {
        self.stretch
    }

    /// Whether samples are made from the coefficients of [`bspline_prefilter`](crate::bspline_prefilter), by
    /// [`warp_row_coefficients`](crate::warp_row_coefficients).
    pub fn needs_prefilter(&self) -> bool {
        self.kernel == Kernel::BsplineCubic
    }

    /// Pixels beyond a position's own pixel that a sample depends on: how far taps reach, for prefiltered kernels
    /// with the reach of the filter and of the filling of holes.
    pub fn margin_px(&self) -> usize {
        if self.needs_prefilter() {
            return self.kernel.taps() / 2 + bspline::FILTER_RADIUS_PX + bspline::FILL_RADIUS_PX;
        }
        (self.kernel.radius_px() * self.stretch).ceil() as usize
    }

    /// Taps per axis, an even number except for the nearest pixel.
    pub(crate) fn taps(&self) -> usize {
        definition::taps(self.kernel, self.stretch, 0.0).1 as usize
    }

    /// The table whose squared weights average the noise of the input.
    pub(crate) fn noise_table(&self) -> &Self {
        self.noise.as_deref().unwrap_or(self)
    }

    /// Weights at a phase (unstretched kernels of four taps and more).
    #[inline(always)]
    pub(crate) fn weights(&self, Near { index, d }: Near, weights: &mut Lanes) {
        let phase = &self.phases[index as usize];
        for (lane, weight) in weights.iter_mut().enumerate() {
            *weight = phase.value[lane] + d * (phase.slope[lane] + d * phase.bend[lane]);
        }
    }

    /// The sum of the squares of `weights`, which are those of the phase.
    #[inline(always)]
    pub(crate) fn squares(&self, Near { index, d }: Near, weights: &Lanes) -> f32 {
        if self.kernel.taps() <= SQUARES {
            return weights[SQUARES];
        }
        let [value, slope, bend] = self.phases[index as usize].squares;
        value + d * (slope + d * bend)
    }

    /// Weights of a stretched kernel at the fraction `f`, as many as taps; returns the sum of their squares.
    #[inline(always)]
    pub(crate) fn stretched_weights(&self, f: f32, weights: &mut [f32]) -> f32 {
        let first = 1.0 - (weights.len() / 2) as f32;
        let step = (FINE / self.stretch) as f32;
        let last = self.fine.len() - 2;
        for (i, weight) in weights.iter_mut().enumerate() {
            let at = (first + i as f32 - f).abs() * step;
            // SAFETY: at most half the taps times the step, a small number.
            let index = (unsafe { at.to_int_unchecked::<i32>() } as usize).min(last);
            let (a, b) = (self.fine[index], self.fine[index + 1]);
            *weight = a + (at - index as f32).min(1.0) * (b - a);
        }
        let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
        for weight in weights.iter() {
            sum += f64::from(*weight);
            squares += f64::from(*weight) * f64::from(*weight);
        }
        let scale = (1.0 / sum) as f32;
        for weight in weights {
            *weight *= scale;
        }
        (squares / (sum * sum)) as f32
    }

    /// Weights along one axis at `position`, exact.
    pub(crate) fn exact_weights(&self, position: f64, weights: &mut Vec<f64>) {
        definition::weights(self.kernel, self.stretch, position, weights);
    }
}

/// The phase nearest to a fraction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    /// Its number.
    pub(crate) index: i32,
    /// Distance of the fraction from it.
    pub(crate) d: f32,
}

impl Near {
    /// Of the fraction `f` in [0, 1].
    #[inline(always)]
    pub(crate) fn to(f: f32) -> Self {
        // SAFETY: f is a fraction: the number fits.
        let index = unsafe { (f * PHASES as f32 + 0.5).to_int_unchecked::<i32>() };
        Self { index, d: f - index as f32 * (1.0 / PHASES as f32) }
    }
}

impl Phase {
    fn new(kernel: Kernel, f: f64) -> Self {
        let [before, at, after] = [f - STEP, f, f + STEP].map(|f| normalised(kernel, f));
        let mut phase = Self { value: [0.0; 8], slope: [0.0; 8], bend: [0.0; 8], squares: [0.0; 3] };
        for lane in 0..kernel.taps() {
            phase.value[lane] = at[lane] as f32;
            (phase.slope[lane], phase.bend[lane]) = derivatives(before[lane], at[lane], after[lane]);
        }
        let squares = [before, at, after].map(|weights| match kernel {
            Kernel::BsplineCubic => bspline::squares_sum([weights[0], weights[1], weights[2], weights[3]]),
            _ => weights.iter().map(|w| w * w).sum::<f64>(),
        });
        let (slope, bend) = derivatives(squares[0], squares[1], squares[2]);
        phase.squares = [squares[1] as f32, slope, bend];
        if kernel.taps() <= SQUARES {
            [phase.value[SQUARES], phase.slope[SQUARES], phase.bend[SQUARES]] = phase.squares;
        }
        phase
    }
}

/// First derivative and half of the second from three values [`STEP`] apart.
fn derivatives(before: f64, at: f64, after: f64) -> (f32, f32) {
    (((after - before) / (2.0 * STEP)) as f32, ((after - 2.0 * at + before) / (2.0 * STEP * STEP)) as f32)
}

fn normalised(kernel: Kernel, f: f64) -> [f64; 8] {
    let taps = kernel.taps();
    let first = 1 - taps as i64 / 2;
    let mut weights = [0.0; 8];
    for (lane, weight) in weights.iter_mut().enumerate().take(taps) {
        let whole = first + lane as i64;
        *weight = kernel.smooth(whole as f64 - f, if whole > 0 { whole - 1 } else { -whole });
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}
