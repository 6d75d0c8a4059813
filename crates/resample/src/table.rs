//! A kernel's one-dimensional weights by phase.
//!
//! Unstretched kernels: for each of 256 phases the normalised weights with slope and half curvature, so
//! that w(f) = w + d (w' + d w''/2) with |d| <= 1/512 is good to 1e-7 in f32; likewise the sum of their
//! squares. Stretched kernels (anti-aliasing): the kernel itself, finely sampled.

use crate::definition::taps;
use crate::kernel::Kernel;

/// Weights of up to 8 taps.
pub(crate) type Lanes = [f32; 8];

const PHASES: usize = 256;
/// Step of the numerical derivatives; their error is far below f32.
const STEP: f64 = 1e-3;
/// Samples per pixel of a stretched kernel's table.
const FINE: f64 = 4096.0;

/// One phase of an unstretched kernel.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Phase {
    /// Weights at the phase.
    pub(crate) value: Lanes,
    /// Their slope.
    pub(crate) slope: Lanes,
    /// Half of their curvature.
    pub(crate) bend: Lanes,
    /// Sum of squares: value, slope, half curvature.
    pub(crate) squares: [f32; 3],
}

/// A kernel ready for use; immutable and shared by threads.
#[derive(Debug, Clone)]
pub struct KernelTable {
    kernel: Kernel,
    stretch: f64,
    phases: Vec<Phase>,
    fine: Vec<f32>,
}

impl KernelTable {
    /// `stretch` above 1 widens the kernel by that factor (output scale over input scale).
    pub fn new(kernel: Kernel, stretch: f64) -> Self {
        let stretched = stretch > 1.0 && kernel != Kernel::Nearest;
        let is_lanczos = matches!(kernel, Kernel::Lanczos2 | Kernel::Lanczos3 | Kernel::Lanczos4);
        let phases = if is_lanczos && !stretched {
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
        Self { kernel, stretch: if stretched { stretch } else { 1.0 }, phases, fine }
    }

    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Its stretch, at least 1.
    pub fn stretch(&self) -> f64 {
        self.stretch
    }

    /// Pixels beyond a position's own pixel that taps can reach.
    pub fn margin_px(&self) -> usize {
        (self.kernel.radius_px() * self.stretch).ceil() as usize
    }

    /// Weights at the fraction `f` in [0, 1] and the sum of their squares (unstretched Lanczos only).
    #[inline(always)]
    pub(crate) fn weights(&self, f: f32) -> (Lanes, f32) {
        let (phase, d) = self.phase(f);
        let mut weights = [0.0; 8];
        for lane in 0..8 {
            weights[lane] = phase.value[lane] + d * (phase.slope[lane] + d * phase.bend[lane]);
        }
        let [value, slope, bend] = phase.squares;
        (weights, value + d * (slope + d * bend))
    }

    /// The phase nearest to the fraction `f` in [0, 1], and the distance from it.
    #[inline(always)]
    pub(crate) fn phase(&self, f: f32) -> (&Phase, f32) {
        let index = (f * PHASES as f32 + 0.5) as usize;
        (&self.phases[index.min(PHASES)], f - index as f32 / PHASES as f32)
    }

    /// First tap and normalised weights at `position`, for any kernel and stretch.
    pub(crate) fn weights_at(&self, position: f64, weights: &mut Vec<f32>) -> i64 {
        let (first, count) = taps(self.kernel, self.stretch, position);
        weights.clear();
        match self.kernel {
            Kernel::Nearest => weights.push(1.0),
            _ if !self.fine.is_empty() => {
                weights.extend((0..count).map(|i| self.stretched(((first + i) as f64 - position) / self.stretch)));
                let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
                for weight in weights.iter_mut() {
                    *weight = (f64::from(*weight) / sum) as f32;
                }
            }
            Kernel::Bilinear => {
                let f = (position - position.floor()) as f32;
                weights.extend([1.0 - f, f]);
            }
            Kernel::Lanczos2 | Kernel::Lanczos3 | Kernel::Lanczos4 => {
                let f = (position - position.floor()) as f32;
                weights.extend(&self.weights(f).0[..self.kernel.taps()]);
            }
        }
        first
    }

    fn stretched(&self, x: f64) -> f32 {
        let at = x.abs() * FINE;
        let index = at as usize;
        match (self.fine.get(index), self.fine.get(index + 1)) {
            (Some(a), Some(b)) => a + (at - index as f64) as f32 * (b - a),
            _ => 0.0,
        }
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
        let squares = [before, at, after].map(|weights| weights.iter().map(|w| w * w).sum::<f64>());
        let (slope, bend) = derivatives(squares[0], squares[1], squares[2]);
        phase.squares = [squares[1] as f32, slope, bend];
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
        *weight = kernel.smooth((first + lane as i64) as f64 - f);
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}
