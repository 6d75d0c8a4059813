//! The plain definition of a sample, in f64. The fast code is tested against it.

use crate::bspline;
use crate::bspline::effective::effective_sum;
use crate::flags;
use crate::kernel::Kernel;
use crate::warp::{NoiseWindow, SourceWindow};

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Value sum k w x / sum k w and variance factor sum (k w)^2 / (sum k w)^2, `None` when not valid.
    pub valid: Option<(f64, f64)>,
    /// See [`flags`].
    pub flags: u8,
}

/// Share of |k| over the taps inside the frame that good taps must exceed.
pub const MIN_GOOD_SHARE: f64 = 0.5;

/// Share of the sum of k over the taps inside the frame that good taps must exceed. Where the centre of a
/// kernel with negative lobes is masked, the lobes left over nearly cancel: dividing by their sum would
/// multiply the noise.
pub const MIN_GOOD_SIGNED_SHARE: f64 = 0.25;

/// Above rounding and below meaning: exactly half (a masked half-plane seen from its border) is too little,
/// whichever way the weights were rounded.
const TIE: f64 = 1e-6;

/// Sums of k over taps inside the frame, that decide whether a sample is valid.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    good: f64,
    good_absolute: f64,
    all: f64,
    all_absolute: f64,
}

impl Share {
    /// A good tap of weight `k`.
    #[inline(always)]
    pub(crate) fn good(&mut self, k: f64) {
        self.good += k;
        self.good_absolute += k.abs();
        self.bad(k);
    }

    /// A NaN tap of weight `k`.
    #[inline(always)]
    pub(crate) fn bad(&mut self, k: f64) {
        self.all += k;
        self.all_absolute += k.abs();
    }

    /// Sum of k over the good taps, if they hold enough.
    pub(crate) fn sum_if_valid(&self) -> Option<f64> {
        let valid = self.good_absolute > (MIN_GOOD_SHARE + TIE) * self.all_absolute
            && self.good > (MIN_GOOD_SIGNED_SHARE + TIE) * self.all;
        valid.then_some(self.good)
    }
}

/// Pixels on each side of which [`sample`] takes the interpolating spline: what is left out is below 1e-11.
const SPLINE_REACH_PX: i64 = 20;

/// Sample `window` at the frame position (`x`, `y`) with `kernel` stretched by `stretch`.
///
/// For [`Kernel::BsplineCubic`] the window must hold 28 pixels around the position. Its share and flags are those
/// of the basis function's taps; the value is that of the spline through the pixels with their holes filled,
/// not divided by anything; the variance factor is that of a good neighbourhood where no flag is set, else it
/// follows the frame's borders and holes.
pub fn sample(kernel: Kernel, stretch: f64, window: &SourceWindow<'_>, x: f64, y: f64) -> Sample {
    let (width, height) = (window.frame_width as f64, window.frame_height as f64);
    let inside = x >= -0.5 && y >= -0.5 && x < width - 0.5 && y < height - 0.5;
    if !inside {
        return Sample { valid: None, flags: 0 };
    }
    let kernel = kernel.at_stretch(stretch);
    let is_spline = kernel == Kernel::BsplineCubic;
    let (x, y) = if is_spline {
        (bspline::clamp(x, window.frame_width), bspline::clamp(y, window.frame_height))
    } else {
        (x, y)
    };
    let mut found = flags::INSIDE;
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    // The spline's basis is too flat to judge by: its middle holds 4/9 only, and a sample on a lone hole would pass.
    let judge = if is_spline { Kernel::Keys } else { kernel };
    let (column0, row0) = (weights(judge, stretch, x, &mut columns), weights(judge, stretch, y, &mut rows));
    let mut share = Share::default();
    let (mut sum_kx, mut sum_k2) = (0.0, 0.0);
    for (row, ky) in (row0..).zip(&rows) {
        for (column, kx) in (column0..).zip(&columns) {
            let k = kx * ky;
            if !window.in_frame(column, row) {
                found |= flags::EDGE;
                continue;
            }
            let value = window.at(column, row);
            if value.is_nan() {
                found |= flags::MASKED;
                share.bad(k);
                continue;
            }
            share.good(k);
            sum_kx += k * f64::from(value);
            sum_k2 += k * k;
        }
    }
    let valid = share.sum_if_valid().map(|sum_k| {
        if is_spline {
            let (value, factor) = effective_sum(window, x, y, SPLINE_REACH_PX);
            return (value, if found == flags::INSIDE { spline_factor(x, y) } else { factor });
        }
        (sum_kx / sum_k, sum_k2 / (sum_k * sum_k))
    });
    Sample { valid, flags: found }
}

/// Variance factor of the interpolating spline far from borders and holes.
fn spline_factor(x: f64, y: f64) -> f64 {
    let mut weights = Vec::new();
    [x, y].iter().fold(1.0, |product, position| {
        bspline::cardinal_weights(*position, SPLINE_REACH_PX, &mut weights);
        product * weights.iter().map(|k| k * k).sum::<f64>()
    })
}

/// Mean of the relative variances of the pixels as the sample at (`x`, `y`) weighs them: sum k^2 r / sum k^2 over the good taps inside the frame; for [`Kernel::BsplineCubic`] with the k of
/// [`Kernel::Keys`] at its position, an approximation. `None` where there is no such tap.
///
/// The variance of a valid sample is that of the frame x its variance factor x this.
pub fn noise(kernel: Kernel, stretch: f64, window: &NoiseWindow<'_>, x: f64, y: f64) -> Option<f64> {
    let NoiseWindow { pixels, variances } = *window;
    let mut kernel = kernel.at_stretch(stretch);
    let (mut x, mut y) = (x, y);
    if kernel == Kernel::BsplineCubic {
        (x, y) = (bspline::clamp(x, pixels.frame_width), bspline::clamp(y, pixels.frame_height));
        kernel = Kernel::Keys;
    }
    let variances = SourceWindow { data: variances, ..pixels };
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    let (column0, row0) = (weights(kernel, stretch, x, &mut columns), weights(kernel, stretch, y, &mut rows));
    let mut mean = SquaredMean::default();
    for (row, ky) in (row0..).zip(&rows) {
        for (column, kx) in (column0..).zip(&columns) {
            if pixels.in_frame(column, row) && !pixels.at(column, row).is_nan() {
                mean.add(kx * ky, f64::from(variances.at(column, row)));
            }
        }
    }
    mean.get()
}

/// Mean with squared weights; where all weights are zero (Keys on a bad pixel), the plain mean.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SquaredMean {
    sum: f64,
    weight: f64,
    plain_sum: f64,
    count: f64,
}

impl SquaredMean {
    pub(crate) fn add(&mut self, k: f64, value: f64) {
        self.sum += k * k * value;
        self.weight += k * k;
        self.plain_sum += value;
        self.count += 1.0;
    }

    pub(crate) fn get(self) -> Option<f64> {
        let weighted = (self.weight > 0.0).then(|| self.sum / self.weight);
        weighted.or((self.count > 0.0).then(|| self.plain_sum / self.count))
    }
}

/// First tap and number of taps of `kernel` (of the B-spline: its basis function) at `position` along one
/// axis. Fixed by position and kernel
/// alone; taps at the very edge of the support may have weight 0.
pub fn taps(kernel: Kernel, stretch: f64, position: f64) -> (i64, i64) {
    if kernel == Kernel::Nearest {
        return ((position + 0.5).floor() as i64, 1);
    }
    let half =
        if stretch > 1.0 { (kernel.radius_px() * stretch).ceil() as i64 } else { kernel.taps() as i64 / 2 };
    (position.floor() as i64 - half + 1, 2 * half)
}

/// First tap and weights along one axis, normalised to sum 1.
pub fn weights(kernel: Kernel, stretch: f64, position: f64, weights: &mut Vec<f64>) -> i64 {
    let (first, count) = taps(kernel, stretch, position);
    weights.clear();
    if kernel == Kernel::Nearest {
        weights.push(1.0);
        return first;
    }
    weights.extend((first..first + count).map(|i| kernel.value((i as f64 - position) / stretch)));
    let sum: f64 = weights.iter().sum();
    for weight in weights {
        *weight /= sum;
    }
    first
}
