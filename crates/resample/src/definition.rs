//! The plain definition of a sample, in f64. The fast code is tested against it.

use crate::flags;
use crate::kernel::Kernel;
use crate::warp::SourceWindow;

/// A sample: value and variance factor sum (k w)^2 / (sum k w)^2 are `None` when it is not valid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Value and variance factor.
    pub valid: Option<(f64, f64)>,
    /// See [`flags`].
    pub flags: u8,
}

/// Share of |k| inside the frame that good taps must exceed.
pub const MIN_GOOD_SHARE: f64 = 0.5;

/// Sample `window` at the frame position (`x`, `y`) with `kernel` stretched by `stretch`.
pub fn sample(kernel: Kernel, stretch: f64, window: &SourceWindow<'_>, x: f64, y: f64) -> Sample {
    let (width, height) = (window.frame_width as f64, window.frame_height as f64);
    let inside = x >= -0.5 && y >= -0.5 && x < width - 0.5 && y < height - 0.5;
    if !inside {
        return Sample { valid: None, flags: 0 };
    }
    let mut found = flags::INSIDE;
    let weights = |position: f64| -> Vec<(i64, f64)> {
        let (first, count) = taps(kernel, stretch, position);
        if kernel == Kernel::Nearest {
            return vec![(first, 1.0)];
        }
        let mut list: Vec<(i64, f64)> =
            (first..first + count).map(|i| (i, kernel.value((i as f64 - position) / stretch))).collect();
        let sum: f64 = list.iter().map(|(_, k)| k).sum();
        list.iter_mut().for_each(|(_, k)| *k /= sum);
        list
    };
    let (columns, rows) = (weights(x), weights(y));
    let (mut sum_k, mut sum_kx, mut sum_k2) = (0.0, 0.0, 0.0);
    let (mut good, mut all) = (0.0, 0.0);
    for (row, ky) in &rows {
        for (column, kx) in &columns {
            let k = kx * ky;
            if *column < 0 || *row < 0 || *column >= width as i64 || *row >= height as i64 {
                found |= flags::EDGE;
                continue;
            }
            all += k.abs();
            let value = window.at(*column, *row);
            if value.is_nan() {
                found |= flags::MASKED;
                continue;
            }
            good += k.abs();
            sum_k += k;
            sum_kx += k * f64::from(value);
            sum_k2 += k * k;
        }
    }
    let valid = (good > MIN_GOOD_SHARE * all).then(|| (sum_kx / sum_k, sum_k2 / (sum_k * sum_k)));
    Sample { valid, flags: found }
}

/// First tap and number of taps of `kernel` at `position` along one axis. Fixed by position and kernel
/// alone; taps at the very edge of the support may have weight 0.
pub fn taps(kernel: Kernel, stretch: f64, position: f64) -> (i64, i64) {
    if kernel == Kernel::Nearest {
        return ((position + 0.5).floor() as i64, 1);
    }
    let half = if stretch > 1.0 { (kernel.radius_px() * stretch).ceil() as i64 } else { kernel.taps() as i64 / 2 };
    (position.floor() as i64 - half + 1, 2 * half)
}
