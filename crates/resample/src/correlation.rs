//! What resampled noise, which neighbouring output pixels share, does to sums over apertures.
//!
//! For white noise of variance 1 the covariance of two samples d apart, averaged over the sub-pixel phase, is
//! A(dx) A(dy) with A(d) = integral over p in [0, 1) of sum_i k(p, i) k(p + d, i), k being the kernel's
//! normalised weights. The sum over n x n output pixels has the variance sum over pairs of A at their
//! distance in input pixels; Fruchter & Hook 2002, PASP 114, 144, section 7, do the same for drizzle.

use crate::bspline;
use crate::definition;
use crate::kernel::Kernel;

/// Phases per pixel of the table of A, and steps of d.
const PHASES: usize = 128;
/// Rotations over which the mean is taken, in the middle of as many parts of [0, 45) degrees; all others are
/// the same by symmetry.
const ROTATIONS: u32 = 8;
/// Stretch from which on A only grows in length.
const WIDEST_STRETCH: f64 = 4.0;
/// Reach of the interpolating spline's weights, pixels.
const SPLINE_REACH_PX: i64 = 12;

/// Variance of the sum over an aperture of `aperture_px` x `aperture_px` output pixels, over the sum of the
/// variances of these pixels (n^2 x the mean variance factor), for noise that is white in the frame. 1 says
/// that output pixels are independent.
///
/// `scale_ratio` is the output pixel over the frame's pixel; `rotation_deg` that of the output's axes against the
/// frame's, `None` for the mean over all rotations. Averaged over the sub-pixel phases of both axes. In units of
/// the frame's own noise, an aperture's sum over many pixels tends to (1 / mean factor) / `scale_ratio`^2.
pub fn noise_correlation(
    kernel: Kernel,
    stretch: f64,
    scale_ratio: f64,
    rotation_deg: Option<f64>,
    aperture_px: usize,
) -> f64 {
    if aperture_px == 0 {
        return 1.0;
    }
    // A wide kernel is a narrower one with all lengths grown: no table needs to be larger than this.
    let shrink = (WIDEST_STRETCH / stretch).min(1.0);
    let table = Autocorrelation::new(kernel, stretch * shrink);
    let sum = |deg: f64| aperture_variance(&table, scale_ratio * shrink, deg, aperture_px as i64);
    let variance = match rotation_deg {
        Some(deg) => sum(deg),
        None => {
            (0..ROTATIONS).map(|i| sum(45.0 * (f64::from(i) + 0.5) / f64::from(ROTATIONS))).sum::<f64>()
                / f64::from(ROTATIONS)
        }
    };
    variance / ((aperture_px * aperture_px) as f64 * table.at(0.0).powi(2))
}

/// Sum of the covariances of all pairs of the pixels of an aperture.
fn aperture_variance(table: &Autocorrelation, scale_ratio: f64, rotation_deg: f64, n: i64) -> f64 {
    let (sin, cos) = rotation_deg.to_radians().sin_cos();
    let mut sum = 0.0;
    for dy in 1 - n..n {
        for dx in 1 - n..n {
            let pairs = ((n - dx.abs()) * (n - dy.abs())) as f64;
            let (x, y) = (scale_ratio * dx as f64, scale_ratio * dy as f64);
            sum += pairs * table.at(x * cos - y * sin) * table.at(x * sin + y * cos);
        }
    }
    sum
}

/// A(d) of a kernel at the whole distances 0 ..= `farthest_px`.
pub fn whole_pixel_autocorrelation(kernel: Kernel, stretch: f64, farthest_px: usize) -> Vec<f64> {
    let phases = phase_weights(kernel, stretch);
    let at = |shift: usize| {
        phases.iter().map(|(_, weights)| overlap(weights, weights, shift as i64)).sum::<f64>() / PHASES as f64
    };
    (0..=farthest_px).map(at).collect()
}

/// First tap and weights of a kernel in the middle of each phase.
fn phase_weights(kernel: Kernel, stretch: f64) -> Vec<(i64, Vec<f64>)> {
    let kernel = kernel.at_stretch(stretch);
    let weights_at = |m: usize| {
        let mut weights = Vec::new();
        let f = (m as f64 + 0.5) / PHASES as f64;
        let first = if kernel == Kernel::BsplineCubic {
            bspline::cardinal_weights(f, SPLINE_REACH_PX, &mut weights)
        } else {
            definition::weights(kernel, stretch, f, &mut weights)
        };
        (first, weights)
    };
    (0..PHASES).map(weights_at).collect()
}

/// A(d) at multiples of a small step.
struct Autocorrelation(Vec<f64>);

impl Autocorrelation {
    fn new(kernel: Kernel, stretch: f64) -> Self {
        let phases = phase_weights(kernel, stretch);
        let longest = phases.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0);
        let at = |step: usize| {
            let sum: f64 = (0..PHASES)
                .map(|m| {
                    let (whole, other) = ((m + step) / PHASES, (m + step) % PHASES);
                    let ((first, weights), (other_first, others)) = (&phases[m], &phases[other]);
                    overlap(weights, others, other_first + whole as i64 - first)
                })
                .sum();
            sum / PHASES as f64
        };
        Self((0..=(longest + 1) * PHASES).map(at).collect())
    }

    /// Linear between the steps; 0 beyond the kernel.
    fn at(&self, d: f64) -> f64 {
        let at = d.abs() * PHASES as f64;
        let (index, part) = (at as usize, at.fract());
        match (self.0.get(index), self.0.get(index + 1)) {
            (Some(a), Some(b)) => a + part * (b - a),
            _ => 0.0,
        }
    }
}

/// Sum of the products of weights that stand on the same pixels; `others` begin `shift` after `weights`.
fn overlap(weights: &[f64], others: &[f64], shift: i64) -> f64 {
    let (skip, lead) = (shift.max(0) as usize, (-shift).max(0) as usize);
    weights.iter().skip(skip).zip(others.iter().skip(lead)).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_autocorrelations() {
        let nearest = Autocorrelation::new(Kernel::Nearest, 1.0);
        let bilinear = Autocorrelation::new(Kernel::Bilinear, 1.0);
        for (d, expected) in [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (1.0, 0.0), (3.0, 0.0)] {
            assert!((nearest.at(d) - expected).abs() < 1e-12, "{d}");
        }
        // The autocorrelation of the triangle is the cubic B-spline.
        for d in [0.0, 0.3, 0.75, 1.0, 1.5, 2.0] {
            assert!((bilinear.at(d) - Kernel::BsplineCubic.value(d)).abs() < 1e-4, "{d}");
        }
    }

    #[test]
    fn wide_kernels_have_the_ratios_of_narrower_ones() {
        for kernel in [Kernel::Bilinear, Kernel::Keys, Kernel::Lanczos3] {
            let at = |stretch: f64| noise_correlation(kernel, stretch, stretch, None, 5);
            assert!((at(3.9) / at(400.0) - 1.0).abs() < 0.01, "{kernel:?}");
        }
    }

    #[test]
    fn whole_distances_are_those_of_the_table() {
        for (kernel, stretch) in [(Kernel::Lanczos3, 1.0), (Kernel::BsplineCubic, 1.0), (Kernel::Keys, 1.7)] {
            let table = Autocorrelation::new(kernel, stretch);
            for (d, value) in whole_pixel_autocorrelation(kernel, stretch, 3).into_iter().enumerate() {
                assert!((value - table.at(d as f64)).abs() < 1e-12, "{kernel:?} at {d}");
            }
        }
    }

    #[test]
    fn a_pixel_alone_is_its_own_variance_and_large_apertures_keep_the_sum() {
        for kernel in
            [Kernel::Nearest, Kernel::Bilinear, Kernel::Keys, Kernel::BsplineCubic, Kernel::Lanczos3]
        {
            assert!((noise_correlation(kernel, 1.0, 1.0, None, 1) - 1.0).abs() < 1e-12);
            let gain = Autocorrelation::new(kernel, 1.0).at(0.0).powi(2);
            let wide = noise_correlation(kernel, 1.0, 1.0, Some(0.0), 101);
            assert!((wide * gain - 1.0).abs() < 0.02, "{kernel:?}: {wide} x {gain}");
        }
    }
}
