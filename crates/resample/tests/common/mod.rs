//! Shared by the integration tests: random numbers, frames with holes, and a second definition written
//! from the formulas alone.
#![allow(dead_code, reason = "each test uses a part")]

use std::f64::consts::PI;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{
    Kernel, KernelTable, PrefilterScratch, SourceWindow, SplineCoefficients, WarpRow, bspline_prefilter,
    flags, warp_row_coefficients,
};

pub const KERNELS: [Kernel; 7] = [
    Kernel::Nearest,
    Kernel::Bilinear,
    Kernel::Keys,
    Kernel::BsplineCubic,
    Kernel::Lanczos2,
    Kernel::Lanczos3,
    Kernel::Lanczos4,
];

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(0.0, 1.0), self.uniform(0.0, 1.0));
        (-2.0 * u.ln()).sqrt() * (2.0 * PI * v).cos()
    }
}

/// A frame of one plane.
#[derive(Clone)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub data: Vec<f32>,
}

impl Frame {
    pub fn new(width: usize, height: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let data = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Self { width, height, data }
    }

    /// Uniform noise in [0, 1) times `range` on a level of `level`.
    pub fn noise(width: usize, height: usize, level: f64, range: f64, seed: u64) -> Self {
        let mut random = Random(seed);
        let data = (0..width * height).map(|_| (level + range * random.uniform(0.0, 1.0)) as f32).collect();
        Self { width, height, data }
    }

    /// The same with single NaN pixels, blocks, a broken column and a broken corner.
    #[must_use]
    pub fn with_holes(mut self, seed: u64) -> Self {
        let mut random = Random(seed);
        let (width, height) = (self.width, self.height);
        for _ in 0..width * height / 40 {
            let i = random.below(width * height);
            self.data[i] = f32::NAN;
        }
        for _ in 0..6 {
            let (x0, y0) = (random.below(width - 3), random.below(height - 3));
            for _ in 0..6 {
                self.data[(y0 + random.below(3)) * width + x0 + random.below(3)] = f32::NAN;
            }
        }
        for y in height / 2..height {
            self.data[y * width + width / 3] = f32::NAN;
        }
        self.data[0] = f32::NAN;
        self
    }

    pub fn region(&self) -> Region {
        Region { x0: 0, y0: 0, width: self.width, height: self.height }
    }

    pub fn window(&self) -> SourceWindow<'_> {
        SourceWindow {
            data: &self.data,
            region: self.region(),
            frame_width: self.width,
            frame_height: self.height,
        }
    }

    pub fn at(&self, x: i64, y: i64) -> Option<f32> {
        let inside = x >= 0 && y >= 0 && x < self.width as i64 && y < self.height as i64;
        inside.then(|| self.data[y as usize * self.width + x as usize])
    }

    /// Pixels of `region`, which lies inside the frame.
    pub fn cut(&self, region: Region) -> Vec<f32> {
        (region.y0..region.y1())
            .flat_map(|y| {
                let start = y as usize * self.width + region.x0 as usize;
                self.data[start..start + region.width].to_vec()
            })
            .collect()
    }
}

/// Samples of a row of positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Warped {
    pub value: Vec<f32>,
    pub factor: Vec<f32>,
    pub flags: Vec<u8>,
}

impl Warped {
    pub fn new(n: usize) -> Self {
        // Anything but a plausible result, so that a pixel left untouched shows.
        Self { value: vec![-7e7; n], factor: vec![-7e7; n], flags: vec![0xff; n] }
    }

    pub fn row(&mut self) -> WarpRow<'_> {
        WarpRow { value: &mut self.value, variance_factor: &mut self.factor, flags: &mut self.flags }
    }

    /// Everything as bits, NaN included.
    pub fn bits(&self) -> Vec<(u32, u32, u8)> {
        (0..self.value.len())
            .map(|i| (self.value[i].to_bits(), self.factor[i].to_bits(), self.flags[i]))
            .collect()
    }
}

pub fn warp(table: &KernelTable, level: SimdLevel, window: &SourceWindow<'_>, at: &[(f64, f64)]) -> Warped {
    let (xs, ys): (Vec<f64>, Vec<f64>) = at.iter().copied().unzip();
    let mut out = Warped::new(at.len());
    let coefficients = coefficients(table, level, window);
    warp_row_coefficients(table, level, &[*window], &[&coefficients], &xs, &ys, &mut [out.row()]);
    out
}

/// Of the window where the kernel needs them.
pub fn coefficients(table: &KernelTable, level: SimdLevel, window: &SourceWindow<'_>) -> SplineCoefficients {
    let mut out = SplineCoefficients::default();
    if table.needs_prefilter() {
        bspline_prefilter(level, window, &mut PrefilterScratch::default(), &mut out);
    }
    out
}

/// Positions everywhere: at random over the frame and a little beyond, on borders and corners, on and
/// between pixels, and within the last bit of all of these.
pub fn positions(frame: &Frame, n: usize, seed: u64) -> Vec<(f64, f64)> {
    let mut random = Random(seed);
    let (width, height) = (frame.width as f64, frame.height as f64);
    let mut at: Vec<(f64, f64)> =
        (0..n).map(|_| (random.uniform(-1.5, width + 0.5), random.uniform(-1.5, height + 0.5))).collect();
    let special = |size: f64| {
        let exact = [
            -0.5,
            -0.25,
            0.0,
            0.5,
            1.0,
            3.5,
            7.0,
            size - 4.0,
            size - 1.5,
            size - 1.0,
            size - 0.75,
            size - 0.5,
        ];
        exact.map(|x| [x, x.next_down(), x.next_up()]).concat()
    };
    for x in special(width) {
        at.extend(special(height).iter().map(|y| (x, *y)));
    }
    for _ in 0..n / 4 {
        let (x, y) = (random.below(frame.width) as f64, random.below(frame.height) as f64);
        at.push((x + 0.5 * random.below(3) as f64, y));
        at.push((random.uniform(-0.5, width - 0.5), y + 0.5));
        at.push((x, random.uniform(-0.5, height - 0.5)));
    }
    at
}

/// What the formulas say of a position.
#[derive(Debug, Clone, Copy)]
pub struct Naive {
    pub value: f64,
    pub factor: f64,
    pub flags: u8,
    /// Share of |k| and of k, both over the taps inside the frame.
    pub share: f64,
    pub signed_share: f64,
    /// Largest minus smallest good tap, and the largest |tap|.
    pub range: f64,
    pub largest: f64,
}

fn kernel_value(kernel: Kernel, d: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    let lanczos = |a: f64| if d.abs() < a { sinc(d) * sinc(d / a) } else { 0.0 };
    match kernel {
        Kernel::Nearest => 1.0,
        Kernel::Bilinear => (1.0 - d.abs()).max(0.0),
        Kernel::Keys => match d.abs() {
            x if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
            x if x < 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
            _ => 0.0,
        },
        Kernel::BsplineCubic => {
            let cube = |x: f64| x.max(0.0).powi(3);
            (cube(d + 2.0) - 4.0 * cube(d + 1.0) + 6.0 * cube(d) - 4.0 * cube(d - 1.0) + cube(d - 2.0)) / 6.0
        }
        Kernel::Lanczos2 => lanczos(2.0),
        Kernel::Lanczos3 => lanczos(3.0),
        Kernel::Lanczos4 => lanczos(4.0),
    }
}

/// Taps and weights along one axis: the unstretched kernels have 1, 2, 4, 6, 8 taps from
/// floor(p) - n/2 + 1 on, stretched ones everything within the radius.
fn axis(kernel: Kernel, stretch: f64, p: f64) -> Vec<(i64, f64)> {
    if kernel == Kernel::Nearest {
        return vec![((p + 0.5).floor() as i64, 1.0)];
    }
    let half = (kernel.radius_px() * stretch).ceil() as i64;
    let first = p.floor() as i64 - half + 1;
    (first..first + 2 * half).map(|i| (i, kernel_value(kernel, (i as f64 - p) / stretch))).collect()
}

/// The B-spline through the filled pixels of a frame, by Unser's recursion.
pub struct Spline {
    width: usize,
    pub coefficients: Vec<f64>,
}

impl Spline {
    pub fn new(frame: &Frame) -> Self {
        let (width, height) = (frame.width, frame.height);
        let mut coefficients: Vec<f64> = (0..width * height).map(|i| filled(frame, i)).collect();
        for row in coefficients.chunks_mut(width) {
            let filtered = recursion(row);
            row.copy_from_slice(&filtered);
        }
        for x in 0..width {
            let column: Vec<f64> = coefficients.iter().skip(x).step_by(width).copied().collect();
            for (y, value) in recursion(&column).into_iter().enumerate() {
                coefficients[y * width + x] = value;
            }
        }
        Self { width, coefficients }
    }

    pub fn value(&self, x: f64, y: f64) -> f64 {
        let height = self.coefficients.len() / self.width;
        let clamped = |p: f64, n: usize| p.clamp(0.0, n as f64 - 1.0);
        let (x, y) = (clamped(x, self.width), clamped(y, height));
        let mut value = 0.0;
        for j in y.floor() as i64 - 1..=y.floor() as i64 + 2 {
            for i in x.floor() as i64 - 1..=x.floor() as i64 + 2 {
                let k = kernel_value(Kernel::BsplineCubic, x - i as f64)
                    * kernel_value(Kernel::BsplineCubic, y - j as f64);
                value += k * self.coefficients[folded(j, height) * self.width + folded(i, self.width)];
            }
        }
        value
    }
}

/// Reflected about the outermost pixels until it is inside.
fn folded(mut i: i64, n: usize) -> usize {
    let last = n as i64 - 1;
    while last > 0 && !(0..=last).contains(&i) {
        i = if i < 0 { -i } else { 2 * last - i };
    }
    i.clamp(0, last) as usize
}

/// A good pixel, or the mean of the nearest square ring of good ones within 8.
fn filled(frame: &Frame, i: usize) -> f64 {
    let (x, y) = ((i % frame.width) as i64, (i / frame.width) as i64);
    for ring in 0..=8_i64 {
        let on_ring = |dx: &i64, dy: &i64| dx.abs().max(dy.abs()) == ring;
        let good: Vec<f64> = (-ring..=ring)
            .flat_map(|dy| (-ring..=ring).map(move |dx| (dx, dy)))
            .filter(|(dx, dy)| on_ring(dx, dy))
            .filter_map(|(dx, dy)| frame.at(x + dx, y + dy))
            .filter(|value| !value.is_nan())
            .map(f64::from)
            .collect();
        if !good.is_empty() {
            return f64::from((good.iter().sum::<f64>() / good.len() as f64) as f32);
        }
    }
    0.0
}

/// Coefficients along one axis, reflected at its ends.
fn recursion(pixels: &[f64]) -> Vec<f64> {
    let n = pixels.len() as i64;
    if n == 1 {
        return pixels.to_vec();
    }
    let z = 3.0_f64.sqrt() - 2.0;
    let mut c: Vec<f64> = pixels.iter().map(|value| 6.0 * value).collect();
    c[0] = (0..60).map(|i| z.powi(i as i32) * 6.0 * pixels[folded(i, pixels.len())]).sum();
    for i in 1..c.len() {
        c[i] += z * c[i - 1];
    }
    let last = c.len() - 1;
    c[last] = z / (z * z - 1.0) * (c[last] + z * c[last - 1]);
    for i in (0..last).rev() {
        c[i] = z * (c[i + 1] - c[i]);
    }
    c
}

/// Sum over the pixels of the squared cardinal spline at a fraction.
fn spline_squares(f: f64) -> f64 {
    let z = 3.0_f64.sqrt() - 2.0;
    let eta = |x: f64| -> f64 {
        let near = x.floor() as i32;
        (near - 2..=near + 3)
            .map(|j| 3.0_f64.sqrt() * z.powi(j.abs()) * kernel_value(Kernel::BsplineCubic, x - f64::from(j)))
            .sum()
    };
    (-20..=20).map(|i| eta(f - f64::from(i)).powi(2)).sum()
}

/// `None` outside the frame. For the B-spline the value is left to [`Spline`] and the factor is that of a good
/// neighbourhood.
pub fn naive(kernel: Kernel, stretch: f64, frame: &Frame, x: f64, y: f64) -> Option<Naive> {
    let inside = |p: f64, n: usize| p >= -0.5 && p < n as f64 - 0.5;
    if !(inside(x, frame.width) && inside(y, frame.height)) {
        return None;
    }
    let kernel = if stretch > 1.0 && kernel == Kernel::BsplineCubic { Kernel::Keys } else { kernel };
    let is_spline = kernel == Kernel::BsplineCubic;
    let clamped = |p: f64, n: usize| if is_spline { p.clamp(0.0, n as f64 - 1.0) } else { p };
    let (x, y) = (clamped(x, frame.width), clamped(y, frame.height));
    // The spline is judged by the weights of Keys; its value and factor are made below, or not here.
    let kernel = if is_spline { Kernel::Keys } else { kernel };
    let mut flags = flags::INSIDE;
    let (mut k_all, mut abs_all, mut k_good, mut abs_good, mut kx, mut k2) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (row, ky) in axis(kernel, stretch, y) {
        for (column, kernel_x) in axis(kernel, stretch, x) {
            let k = kernel_x * ky;
            let Some(value) = frame.at(column, row) else {
                flags |= flags::EDGE;
                continue;
            };
            k_all += k;
            abs_all += k.abs();
            if value.is_nan() {
                flags |= flags::MASKED;
                continue;
            }
            let value = f64::from(value);
            k_good += k;
            abs_good += k.abs();
            kx += k * value;
            k2 += k * k;
            low = low.min(value);
            high = high.max(value);
        }
    }
    let spline = || spline_squares(x.fract()) * spline_squares(y.fract());
    Some(Naive {
        value: if is_spline { f64::NAN } else { kx / k_good },
        factor: if is_spline { spline() } else { k2 / (k_good * k_good) },
        flags,
        share: abs_good / abs_all,
        signed_share: k_good / k_all,
        range: high - low,
        largest: low.abs().max(high.abs()),
    })
}
