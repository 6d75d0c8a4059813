//! Adaptive resampling: a smooth kernel whose shape follows the map, never narrower than a frame pixel.
//!
//! Method: DeForest, C. E. 2004, Solar Physics 219, 3, with the kernels and parameters of reproject_adaptive. The
//! Jacobian J (frame pixels per output pixel) is made from the differences of the output pixel's corners; its singular
//! values are raised to at least 1, so that a frame pixel is never skipped; frame pixels are weighted by the kernel at
//! their place in the output pixel's own coordinates. Missing pixels are judged as by the point kernels
//! (`crate::definition`), unlike reproject's `strict`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply;
use super::curve::Curve;
use super::error::AreaError;
use super::quads::high;
use super::ratio::signed_area;
use super::row::{AreaRow, CornerRows, check};
use crate::definition::Share;
use crate::flags;
use crate::warp::SourceWindow;

/// Local scales up to this times the scale ratio, and half a pixel more, are followed; beyond is no data.
const REACH: f64 = 1.5;
/// As for the area kernels.
const MIN_AREA: f64 = 1e-12;

/// Shape of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdaptiveShape {
    /// exp(-2 r^2 / width^2): little aliasing, some blur.
    #[default]
    Gaussian,
    /// (1 + cos(pi u)) / 2 along both axes: sharper; neighbouring kernels add up to 1.
    Hann,
}

/// Options of [`Adaptive`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdaptiveOptions {
    /// Shape of the kernel.
    pub shape: AdaptiveShape,
    /// Width of the Gaussian in output pixels (full width where it is exp(-1/2)).
    pub kernel_width: f64,
    /// Width in output pixels of the region that the Gaussian samples.
    pub sample_region_width: f64,
}

impl Default for AdaptiveOptions {
    fn default() -> Self {
        Self { shape: AdaptiveShape::Gaussian, kernel_width: 1.3, sample_region_width: 4.0 }
    }
}

/// The adaptive kernel ready for use on one frame.
#[derive(Debug, Clone)]
pub struct Adaptive {
    pub(super) opts: AdaptiveOptions,
    largest_scale: f64,
    curve: Curve,
}

/// One output pixel's kernel.
struct Ellipse {
    /// Position in the frame.
    x: f64,
    y: f64,
    /// From offsets in the frame to the output pixel's own coordinates; for the Gaussian up to a rotation.
    inverse: [[f64; 2]; 2],
    /// Half of the box of frame positions that is sampled.
    half: [f64; 2],
}

impl Adaptive {
    /// `scale_ratio`: side of an output pixel in frame pixels (the largest in the frame).
    ///
    /// # Errors
    /// [`AreaError`] when a width or the scale ratio is not a positive number.
    pub fn new(opts: AdaptiveOptions, scale_ratio: f64) -> Result<Self, AreaError> {
        let is_good = |v: f64| v.is_finite() && v > 0.0;
        if !is_good(scale_ratio) {
            return Err(AreaError::ScaleRatio(scale_ratio));
        }
        if !(is_good(opts.kernel_width) && is_good(opts.sample_region_width)) {
            let (kernel_width, region_width) = (opts.kernel_width, opts.sample_region_width);
            return Err(AreaError::Width { kernel_width, region_width });
        }
        let curve = match opts.shape {
            AdaptiveShape::Gaussian => Curve::exponential(),
            AdaptiveShape::Hann => Curve::hann(),
        };
        Ok(Self { opts, largest_scale: (REACH * scale_ratio + 0.5).max(1.0), curve })
    }

    /// Pixels beyond the pixel of an output pixel's centre that its sample can touch, along each axis.
    pub fn margin_px(&self) -> usize {
        (self.half_width() * self.largest_scale).ceil() as usize + 1
    }

    /// Half of the sampled region in output pixels, along any direction.
    fn half_width(&self) -> f64 {
        match self.opts.shape {
            AdaptiveShape::Gaussian => 0.5 * self.opts.sample_region_width,
            AdaptiveShape::Hann => std::f64::consts::SQRT_2,
        }
    }

    /// Sample planes of one frame at the output pixels with these corners; arguments, rules for windows and panics as
    /// for [`super::area_row`]. The relative weight of a sample is 1.
    pub fn row(
        &self,
        windows: &[SourceWindow<'_>],
        noise: Option<&[f32]>,
        corners: CornerRows<'_>,
        outs: &mut [AreaRow<'_>],
    ) {
        check(windows, noise, corners.pixels(), outs);
        let Some(first) = windows.first() else { return };
        let mut taps = Vec::new();
        for i in 0..corners.pixels() {
            let quad = corners.quad(i);
            match self.ellipse(&quad).filter(|e| is_inside(first, e.x, e.y)) {
                None => {
                    for out in outs.iter_mut() {
                        out.none(i, 0);
                    }
                }
                Some(ellipse) => {
                    self.weigh(&ellipse, &mut taps);
                    for (window, out) in windows.iter().zip(outs.iter_mut()) {
                        sample(&taps, window, noise, i, out);
                    }
                }
            }
        }
    }

    /// The kernel's ellipse for an output pixel; `None` for one that is folded or too large.
    fn ellipse(&self, q: &[[f64; 2]; 4]) -> Option<Ellipse> {
        let [x, y] = [0, 1].map(|k| 0.25 * ((q[0][k] + q[2][k]) + (q[1][k] + q[3][k])));
        // Columns of J: along the output's x and y.
        let along = |axis: usize| {
            let (a, b) = if axis == 0 { ([1, 2], [0, 3]) } else { ([3, 2], [0, 1]) };
            [0, 1].map(|k| 0.5 * ((q[a[0]][k] - q[b[0]][k]) + (q[a[1]][k] - q[b[1]][k])))
        };
        let (jx, jy) = (along(0), along(1));
        let determinant = jx[0] * jy[1] - jy[0] * jx[1];
        // J J^T = U S^2 U^T.
        let (p, o, r) =
            (jx[0] * jx[0] + jy[0] * jy[0], jx[0] * jx[1] + jy[0] * jy[1], jx[1] * jx[1] + jy[1] * jy[1]);
        let (half_sum, half_difference) = (0.5 * (p + r), 0.5 * (p - r));
        let root = (half_difference * half_difference + o * o).sqrt();
        let large = (half_sum + root).sqrt();
        if !(determinant.abs() > MIN_AREA && signed_area(q).is_finite() && large <= self.largest_scale) {
            return None;
        }
        let small = determinant.abs() / large;
        let [u, v] = axes(half_difference, o, root);
        let (padded_large, padded_small) = (high(large, 1.0), high(small, 1.0));
        // The inverse of U S V^T with padded S is V S^-1 U^T, and V^T = S^-1 U^T J.
        let row = |j: [f64; 2]| {
            let a = (u[0] * j[0] + u[1] * j[1]) / (large * padded_large);
            let b = (v[0] * j[0] + v[1] * j[1]) / (small * padded_small);
            [a * u[0] + b * v[0], a * u[1] + b * v[1]]
        };
        let inverse = [row(jx), row(jy)];
        let half = match self.opts.shape {
            AdaptiveShape::Gaussian => [0.5 * self.opts.sample_region_width * padded_large; 2],
            AdaptiveShape::Hann => {
                let per = 1.0 / (inverse[0][0] * inverse[1][1] - inverse[0][1] * inverse[1][0]).abs();
                [
                    (inverse[1][1].abs() + inverse[0][1].abs()) * per,
                    (inverse[1][0].abs() + inverse[0][0].abs()) * per,
                ]
            }
        };
        Some(Ellipse { x, y, inverse, half })
    }

    /// Frame pixels with their weights.
    fn weigh(&self, ellipse: &Ellipse, taps: &mut Vec<(i64, i64, f64)>) {
        taps.clear();
        let range = |centre: f64, half: f64| ((centre - half).ceil() as i64, (centre + half).floor() as i64);
        let (left, right) = range(ellipse.x, ellipse.half[0]);
        let (bottom, top) = range(ellipse.y, ellipse.half[1]);
        let m = &ellipse.inverse;
        let scale = 2.0 / (self.opts.kernel_width * self.opts.kernel_width);
        for row in bottom..=top {
            let dy = row as f64 - ellipse.y;
            for column in left..=right {
                let dx = column as f64 - ellipse.x;
                let (u, v) = (m[0][0] * dx + m[0][1] * dy, m[1][0] * dx + m[1][1] * dy);
                let weight = match self.opts.shape {
                    AdaptiveShape::Gaussian => self.curve.at((u * u + v * v) * scale),
                    AdaptiveShape::Hann => self.curve.at(u.abs()) * self.curve.at(v.abs()),
                };
                if weight > 0.0 {
                    taps.push((column, row, weight));
                }
            }
        }
    }
}

/// Unit vectors of the larger and the smaller axis of the symmetric matrix with (p - r) / 2 and off-diagonal o.
fn axes(half_difference: f64, o: f64, root: f64) -> [[f64; 2]; 2] {
    if root <= 0.0 {
        return [[1.0, 0.0], [0.0, 1.0]];
    }
    // cos and sin of twice the angle; the half angle by the formula that does not cancel.
    let (c2, s2) = (half_difference / root, o / root);
    let larger = (0.5 * (1.0 + c2.abs())).sqrt();
    let smaller = 0.5 * s2.abs() / larger;
    let (c, s) = if c2 >= 0.0 { (larger, smaller) } else { (smaller, larger) };
    let s = if s2 < 0.0 { -s } else { s };
    [[c, s], [-s, c]]
}

fn is_inside(window: &SourceWindow<'_>, x: f64, y: f64) -> bool {
    x >= -0.5 && y >= -0.5 && x < window.frame_width as f64 - 0.5 && y < window.frame_height as f64 - 0.5
}

/// One plane of one output pixel.
fn sample(
    taps: &[(i64, i64, f64)],
    window: &SourceWindow<'_>,
    noise: Option<&[f32]>,
    i: usize,
    out: &mut AreaRow<'_>,
) {
    let (mut share, mut sums) = (Share::default(), apply::Sums::default());
    let mut found = flags::INSIDE;
    for &(column, row, k) in taps {
        if !window.in_frame(column, row) {
            found |= flags::EDGE;
            continue;
        }
        if sums.add(window, noise, (column, row), k) {
            share.good(k);
        } else {
            share.bad(k);
        }
    }
    if sums.masked {
        found |= flags::MASKED;
    }
    if share.sum_if_valid().is_none() {
        sums = apply::Sums::default();
    }
    sums.write(i, 1.0, found, noise, out);
    if sums.weight > 0.0 {
        out.weight[i] = 1.0;
    }
}
