//! Helpers for tests of the area kernels: maps, corners, rows.

#![allow(dead_code, reason = "each test uses a part")]

use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::SourceWindow;
use zemosaic_resample::area::{
    AreaKernel, AreaMethod, AreaRow, CornerRows, DrizzleOptions, DropShape, area_row,
};

use crate::common::{Frame, Random};

/// Frame positions of the corners of a patch of output pixels.
pub struct Corners {
    pub width: usize,
    pub height: usize,
    /// Rows of corners: `height + 1` of `width + 1`.
    pub xs: Vec<Vec<f64>>,
    pub ys: Vec<Vec<f64>>,
}

impl Corners {
    /// `map` takes a grid position to a frame position.
    pub fn new(width: usize, height: usize, map: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let row = |j: usize| -> (Vec<f64>, Vec<f64>) {
            (0..=width).map(|i| map(i as f64 - 0.5, j as f64 - 0.5)).unzip()
        };
        let (xs, ys) = (0..=height).map(row).unzip();
        Self { width, height, xs, ys }
    }

    /// Output pixels of `scale` frame pixels, turned by `angle_deg`, mirrored for `parity` -1, about (x, y).
    pub fn affine(
        width: usize,
        height: usize,
        scale: f64,
        angle_deg: f64,
        parity: f64,
        at: [f64; 2],
    ) -> Self {
        let (s, c) = angle_deg.to_radians().sin_cos();
        let (mx, my) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        Self::new(width, height, |x, y| {
            let (u, v) = (scale * parity * (x - mx), scale * (y - my));
            (at[0] + c * u - s * v, at[1] + s * u + c * v)
        })
    }

    /// The same with every corner moved at random.
    pub fn shaken(mut self, by: f64, seed: u64) -> Self {
        let mut random = Random(seed);
        for v in self.xs.iter_mut().chain(&mut self.ys).flatten() {
            *v += random.uniform(-by, by);
        }
        self
    }

    pub fn row(&self, j: usize) -> CornerRows<'_> {
        CornerRows {
            lower_x: &self.xs[j],
            lower_y: &self.ys[j],
            upper_x: &self.xs[j + 1],
            upper_y: &self.ys[j + 1],
        }
    }

    pub fn quad(&self, i: usize, j: usize) -> [[f64; 2]; 4] {
        let at = |i: usize, j: usize| [self.xs[j][i], self.ys[j][i]];
        [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)]
    }
}

/// Samples of a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    pub value: Vec<f32>,
    pub factor: Vec<f32>,
    pub weight: Vec<f32>,
    pub flags: Vec<u8>,
    pub noise: Vec<f32>,
}

impl Sampled {
    pub fn new(n: usize) -> Self {
        let junk = vec![-7e7; n];
        Self {
            value: junk.clone(),
            factor: junk.clone(),
            weight: junk.clone(),
            flags: vec![0xff; n],
            noise: junk,
        }
    }

    pub fn row(&mut self, from: usize, n: usize) -> AreaRow<'_> {
        AreaRow {
            value: &mut self.value[from..from + n],
            variance_factor: &mut self.factor[from..from + n],
            weight: &mut self.weight[from..from + n],
            flags: &mut self.flags[from..from + n],
            noise: Some(&mut self.noise[from..from + n]),
        }
    }

    pub fn bits(&self) -> Vec<[u32; 5]> {
        (0..self.value.len())
            .map(|i| {
                [
                    self.value[i].to_bits(),
                    self.factor[i].to_bits(),
                    self.weight[i].to_bits(),
                    u32::from(self.flags[i]),
                    self.noise[i].to_bits(),
                ]
            })
            .collect()
    }
}

pub fn sample_at(
    kernel: &AreaKernel,
    level: SimdLevel,
    window: &SourceWindow<'_>,
    noise: Option<&[f32]>,
    corners: &Corners,
) -> Sampled {
    let mut out = Sampled::new(corners.width * corners.height);
    for j in 0..corners.height {
        let row = out.row(j * corners.width, corners.width);
        area_row(kernel, level, std::slice::from_ref(window), noise, corners.row(j), &mut [row]);
    }
    out
}

pub fn sample(kernel: &AreaKernel, frame: &Frame, corners: &Corners) -> Sampled {
    sample_at(kernel, SimdLevel::detect(), &frame.window(), None, corners)
}

pub fn drizzle(shape: DropShape, pixfrac: f64) -> AreaMethod {
    AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape })
}

pub fn methods() -> Vec<AreaMethod> {
    let mut all = vec![AreaMethod::Exact, drizzle(DropShape::Point, 1.0)];
    for shape in [DropShape::Square, DropShape::Turbo] {
        all.extend([1.0, 0.8, 0.5, 0.01].map(|pixfrac| drizzle(shape, pixfrac)));
    }
    all
}
