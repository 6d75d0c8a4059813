//! Mean autocorrelation of a kernel's weights: what noise that is correlated between frame pixels does to a sample, and for
//! adaptive kernels what output pixels share.
//!
//! Averaged over the sub-pixel phase, the sum over frame pixels i of k(i) k(i + l) is the autocorrelation A(l) of the
//! kernel as a function of the plane.
//!
//! Area kernels: the weight of a frame pixel is the overlap of its drop D with the output pixel Q, so k = Q * D and
//! A = (Q autocorrelated) * (D autocorrelated): two triangles per axis, one pair along the output's axes, one along the
//! drop's. Samples count with their relative weight, which is the sum of the weights, so nothing is to be normalised
//! (Fruchter & Hook 2002, PASP 114, 144, section 7, do the same).
//!
//! Adaptive kernels, scaled by s = max(scale ratio, 1): the Gaussian exp(-2 r^2 / w^2) has A = exp(-l^2 / w^2) in units
//! of s; (1 + cos(pi u)) / 2 has (2 - u) (2 + cos(pi u)) / 8 + 3 sin(pi u) / (8 pi) along each axis. Two things
//! are left out: that the sum of their weights depends on the phase (of the turned Hann kernel at s = 1 by 19 %, which
//! makes variances 2 % too small; of others by less than 1 %), and that the Gaussian's tails end with its region.

use std::f64::consts::PI;

use super::adaptive::{Adaptive, AdaptiveShape};
use super::kernel::{AreaKernel, AreaMethod, DrizzleOptions, DropShape};

/// Rotations over a quarter turn, at the middles of equal parts.
const ROTATIONS: u32 = 8;
/// Points per axis over the autocorrelation of a drop; even, so that its kink lies between two.
const DROP_POINTS: u32 = 12;

/// Sums of products of weights at whole offsets in frame pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelLags([[f64; 5]; 5]);

impl PixelLags {
    /// Largest offset along an axis.
    pub const FARTHEST_PX: i64 = 2;

    /// Of a function of the offset.
    pub fn new(mut at: impl FnMut(i64, i64) -> f64) -> Self {
        Self(std::array::from_fn(|j| {
            std::array::from_fn(|i| at(i as i64 - Self::FARTHEST_PX, j as i64 - Self::FARTHEST_PX))
        }))
    }

    /// At an offset; 0 beyond the farthest.
    pub fn at(&self, dx: i64, dy: i64) -> f64 {
        let place = |d: i64| usize::try_from(d + Self::FARTHEST_PX).ok();
        place(dy)
            .and_then(|j| self.0.get(j))
            .zip(place(dx))
            .and_then(|(row, i)| row.get(i))
            .copied()
            .unwrap_or(0.0)
    }

    /// Variance of a sample over what it would be without correlation, for noise with this `covariance` of frame pixels.
    pub fn variance_ratio(&self, covariance: &Self) -> f64 {
        let products = self.0.iter().flatten().zip(covariance.0.iter().flatten());
        products.map(|(kernel, noise)| kernel * noise).sum::<f64>() / (self.at(0, 0) * covariance.at(0, 0))
    }

    /// Mean over rotations of the output's axes against the frame's; `at` has the offset along the output's axes.
    fn mean(at: impl Fn([f64; 2], (f64, f64)) -> f64) -> Self {
        let half = Self::new(|dx, dy| {
            // A(l) = A(-l).
            if (dy, dx) < (0, 0) { 0.0 } else { mean_over_rotations([dx as f64, dy as f64], &at) }
        });
        Self::new(|dx, dy| if (dy, dx) < (0, 0) { half.at(-dx, -dy) } else { half.at(dx, dy) })
    }
}

fn mean_over_rotations(offset: [f64; 2], at: &impl Fn([f64; 2], (f64, f64)) -> f64) -> f64 {
    let sum: f64 = (0..ROTATIONS)
        .map(|i| {
            let angle = (90.0 * (f64::from(i) + 0.5) / f64::from(ROTATIONS)).to_radians().sin_cos();
            at(turned(offset, angle), angle)
        })
        .sum();
    sum / f64::from(ROTATIONS)
}

fn turned([x, y]: [f64; 2], (sin, cos): (f64, f64)) -> [f64; 2] {
    [cos * x - sin * y, sin * x + cos * y]
}

/// (side - |d|) where that is positive.
fn triangle(side: f64, d: f64) -> f64 {
    (side - d.abs()).max(0.0)
}

/// Mean over phases and rotations of the sums of products of the weights of an area kernel, for samples that count with
/// their relative weight. `scale_ratio`: side of an output pixel in frame pixels. Some 0.1 ms.
pub fn area_pixel_lags(kernel: &AreaKernel, scale_ratio: f64) -> PixelLags {
    let pixel = |[u, v]: [f64; 2]| triangle(scale_ratio, u) * triangle(scale_ratio, v);
    let (drop, shape) = match kernel.method() {
        AreaMethod::Exact => (1.0, DropShape::Square),
        AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape }) => (pixfrac, shape),
    };
    // Turbo's drops are a share of the output pixel.
    let drop = if shape == DropShape::Turbo { drop * scale_ratio / kernel.scale_ratio() } else { drop };
    if shape == DropShape::Point {
        return PixelLags::mean(|offset, _| pixel(offset));
    }
    let places: Vec<(f64, f64)> = (0..DROP_POINTS)
        .map(|i| {
            let place = drop * ((f64::from(i) + 0.5) * 2.0 / f64::from(DROP_POINTS) - 1.0);
            (place, triangle(drop, place))
        })
        .collect();
    PixelLags::mean(|offset, angle| {
        let mut sum = 0.0;
        for (y, of_row) in &places {
            for (x, of_column) in &places {
                let [u, v] = match shape {
                    DropShape::Turbo => [*x, *y],
                    DropShape::Square | DropShape::Point => turned([*x, *y], angle),
                };
                sum += of_row * of_column * pixel([offset[0] + u, offset[1] + v]);
            }
        }
        sum
    })
}

impl Adaptive {
    /// Mean over phases and rotations of the sums of products of the kernel's weights; `scale_ratio` as for
    /// [`Self::new`], of a map without shear.
    pub fn pixel_lags(&self, scale_ratio: f64) -> PixelLags {
        PixelLags::mean(|offset, _| self.autocorrelation(scale_ratio, offset))
    }

    /// Variance of the sum over an aperture of `aperture_px` x `aperture_px` output pixels over the sum of the pixels'
    /// variances, for one frame at random phase with white noise, as [`super::area_noise_correlation`]. The rotation is
    /// without effect: the kernel turns with the output pixels.
    pub fn noise_correlation(&self, scale_ratio: f64, aperture_px: usize) -> f64 {
        let n = aperture_px.max(1) as i64;
        let mut sum = 0.0;
        for dy in 1 - n..n {
            for dx in 1 - n..n {
                let pairs = ((n - dx.abs()) * (n - dy.abs())) as f64;
                let offset = [scale_ratio * dx as f64, scale_ratio * dy as f64];
                sum += pairs * self.autocorrelation(scale_ratio, offset);
            }
        }
        sum / ((n * n) as f64 * self.autocorrelation(scale_ratio, [0.0; 2]))
    }

    /// A at an offset in frame pixels, along the output's axes.
    fn autocorrelation(&self, scale_ratio: f64, [u, v]: [f64; 2]) -> f64 {
        let side = scale_ratio.max(1.0);
        match self.opts.shape {
            AdaptiveShape::Gaussian => {
                let width = self.opts.kernel_width * side;
                (-(u * u + v * v) / (width * width)).exp()
            }
            AdaptiveShape::Hann => hann(u.abs() / side) * hann(v.abs() / side),
        }
    }
}

/// Autocorrelation of (1 + cos(pi u)) / 2 at `u`, which is not negative.
fn hann(u: f64) -> f64 {
    if u >= 2.0 { 0.0 } else { (2.0 - u) * (2.0 + (PI * u).cos()) / 8.0 + 3.0 * (PI * u).sin() / (8.0 * PI) }
}
