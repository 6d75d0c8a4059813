//! Random blocks and their stacks.
#![allow(dead_code, reason = "each test uses a part")]

pub mod stacks;

use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::definition::{Pixel, Sample, stack_pixel};
use zemosaic_stack::{
    Clipped, Combine, LowDepth, NoiseBlock, NoiseScratch, RejectMethod, RejectOptions, StackBlock,
    StackOutput, StackScratch, clip_by_noise, stack,
};

/// Deterministic numbers (Knuth's 64-bit linear congruential generator).
pub struct Random(pub u64);

impl Random {
    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }
}

/// An owned block.
#[derive(Clone)]
pub struct Block {
    pub frames: usize,
    pub pixels: usize,
    pub stride: usize,
    pub value: Vec<f32>,
    pub factor: Vec<f32>,
    pub relative: Option<Vec<f32>>,
    pub weight: Vec<f64>,
    pub noise_variance: Vec<f64>,
    pub level: Vec<f64>,
    pub level_variance: Vec<f64>,
}

impl Block {
    /// Every pixel from `samples(pixel, frame)`.
    pub fn new(frames: usize, pixels: usize, mut sample: impl FnMut(usize, usize) -> f32) -> Self {
        let stride = pixels.next_multiple_of(16) + 16;
        // What lies beyond `pixels` must not matter.
        let mut value = vec![f32::NAN; frames * stride];
        let mut factor = vec![-7.0; frames * stride];
        let mut random = Random(frames as u64 + 77);
        for frame in 0..frames {
            for pixel in 0..pixels {
                value[frame * stride + pixel] = sample(pixel, frame);
                factor[frame * stride + pixel] = (0.25 + 0.75 * random.uniform()) as f32;
            }
        }
        let weight = (0..frames).map(|_| 0.2 + random.uniform()).collect();
        let noise_variance = (0..frames).map(|_| 50.0 + 100.0 * random.uniform()).collect();
        let level = (0..frames).map(|_| 1000.0 + 5.0 * random.normal()).collect();
        let level_variance = (0..frames).map(|_| 20.0 * random.uniform()).collect();
        let relative = None;
        Self {
            frames,
            pixels,
            stride,
            value,
            factor,
            relative,
            weight,
            noise_variance,
            level,
            level_variance,
        }
    }

    /// Sky with noise, outliers of all sizes, NaN, and pixels of few or equal values.
    pub fn random(frames: usize, pixels: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        Self::new(frames, pixels, |pixel, frame| match pixel % 16 {
            0 => f32::NAN,
            2 => [3.0, -4.0][random.below(2)],
            3 if frame == 0 => 60_000.0,
            1 | 3 => 12.5,
            4 => random.below(4) as f32,
            5 if random.uniform() < 0.7 => f32::NAN,
            6 => 1e6 * random.normal() as f32,
            7 => (60_000.0 + 0.05 * random.normal()) as f32,
            8 => [0.0, -0.0, 1e-3][random.below(3)],
            // Two clusters: the survivors may lie far from the first median.
            9 => ([0.0, 1e6][random.below(2)] + 1e-2 * random.normal()) as f32,
            _ => {
                let outlier = match random.below(40) {
                    0 => 65_000.0 * random.uniform(),
                    1 => -300.0 * random.uniform(),
                    2 => f64::NAN,
                    _ => 0.0,
                };
                (1000.0 + 10.0 * random.normal() + outlier) as f32
            }
        })
    }

    /// The same with a weight per sample; of every twelve about one 0, one NaN, one 1.
    pub fn with_relative(mut self, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut relative = vec![1.5; self.value.len()];
        for frame in 0..self.frames {
            for pixel in 0..self.pixels {
                relative[frame * self.stride + pixel] = match random.below(12) {
                    _ if pixel % 32 < 16 => 0.5 + random.uniform() as f32,
                    0 => 0.0,
                    1 => f32::NAN,
                    2 => 1.0,
                    3 => 1e-3,
                    _ => (2.0 * random.uniform()) as f32,
                };
            }
        }
        self.relative = Some(relative);
        self
    }

    pub fn view(&self) -> StackBlock<'_> {
        StackBlock {
            frames: self.frames,
            pixels: self.pixels,
            stride: self.stride,
            value: &self.value,
            variance_factor: &self.factor,
            relative_weight: self.relative.as_deref(),
            weight: &self.weight,
            noise_variance: &self.noise_variance,
            level: &self.level,
        }
    }

    pub fn samples(&self, pixel: usize) -> Vec<Sample> {
        (0..self.frames)
            .map(|frame| Sample {
                value: self.value[frame * self.stride + pixel],
                variance_factor: self.factor[frame * self.stride + pixel],
                relative_weight: self
                    .relative
                    .as_ref()
                    .map_or(1.0, |plane| plane[frame * self.stride + pixel]),
                weight: self.weight[frame],
                noise_variance: self.noise_variance[frame],
                level: self.level[frame],
                level_variance: self.level_variance[frame],
            })
            .collect()
    }

    pub fn define(&self, pixel: usize, combine: Combine, reject: &RejectOptions) -> Pixel {
        stack_pixel(&self.samples(pixel), combine, reject)
    }

    pub fn stack(&self, combine: Combine, reject: &RejectOptions, level: SimdLevel) -> Planes {
        let mut scratch = StackScratch::default();
        let mut planes = Planes::new(self.pixels);
        stack(&self.view(), combine, reject, level, &mut scratch, planes.output());
        planes
    }

    /// Clip by noise; what was done to each pixel.
    pub fn clip(&mut self, reject: &RejectOptions, level: SimdLevel) -> Vec<Clipped> {
        let (mut clipped, mut scratch) = (vec![Clipped::default(); self.pixels], NoiseScratch::default());
        let mut block = NoiseBlock {
            frames: self.frames,
            pixels: self.pixels,
            stride: self.stride,
            value: &mut self.value,
            variance_factor: &self.factor,
            relative_weight: self.relative.as_deref(),
            noise_variance: &self.noise_variance,
            level: &self.level,
            level_variance: &self.level_variance,
        };
        clip_by_noise(&mut block, reject, level, &mut scratch, &mut clipped);
        clipped
    }

    /// The same with frame `order[k]` at k.
    pub fn in_order(&self, order: &[usize]) -> Self {
        let of_frames = |plane: &[f32]| -> Vec<f32> {
            order.iter().flat_map(|&f| plane[f * self.stride..(f + 1) * self.stride].to_vec()).collect()
        };
        let per_frame = |values: &[f64]| -> Vec<f64> { order.iter().map(|&frame| values[frame]).collect() };
        Self {
            value: of_frames(&self.value),
            factor: of_frames(&self.factor),
            relative: self.relative.as_deref().map(of_frames),
            weight: per_frame(&self.weight),
            noise_variance: per_frame(&self.noise_variance),
            level: per_frame(&self.level),
            level_variance: per_frame(&self.level_variance),
            ..*self
        }
    }

    /// A part of its pixels.
    pub fn part(&self, from: usize, pixels: usize) -> Self {
        let mut part =
            Self::new(self.frames, pixels, |pixel, frame| self.value[frame * self.stride + from + pixel]);
        let cut = |plane: &[f32]| {
            let mut cut = vec![-7.0; part.factor.len()];
            for frame in 0..self.frames {
                let (to, at) = (frame * part.stride, frame * self.stride + from);
                cut[to..to + pixels].copy_from_slice(&plane[at..at + pixels]);
            }
            cut
        };
        (part.factor, part.relative) = (cut(&self.factor), self.relative.as_deref().map(cut));
        part.weight.clone_from(&self.weight);
        part.noise_variance.clone_from(&self.noise_variance);
        part.level.clone_from(&self.level);
        part.level_variance.clone_from(&self.level_variance);
        part
    }
}

/// Result of a stack.
#[derive(Debug, Clone)]
pub struct Planes {
    pub value: Vec<f32>,
    pub weight: Vec<f32>,
    pub variance: Vec<f32>,
    pub depth: Vec<i32>,
    pub rejected_low: Vec<i32>,
    pub rejected_high: Vec<i32>,
}

impl Planes {
    pub fn new(pixels: usize) -> Self {
        Self {
            value: vec![-1.0; pixels],
            weight: vec![-1.0; pixels],
            variance: vec![-1.0; pixels],
            depth: vec![-1; pixels],
            rejected_low: vec![-1; pixels],
            rejected_high: vec![-1; pixels],
        }
    }

    pub fn output(&mut self) -> StackOutput<'_> {
        StackOutput {
            value: &mut self.value,
            weight: &mut self.weight,
            variance: &mut self.variance,
            depth: &mut self.depth,
            rejected_low: &mut self.rejected_low,
            rejected_high: &mut self.rejected_high,
        }
    }

    /// Everything as bits, so that NaN equals itself and 0 is not -0.
    pub fn bits(&self) -> Vec<[u32; 6]> {
        (0..self.value.len())
            .map(|i| {
                [
                    self.value[i].to_bits(),
                    self.weight[i].to_bits(),
                    self.variance[i].to_bits(),
                    self.depth[i] as u32,
                    self.rejected_low[i] as u32,
                    self.rejected_high[i] as u32,
                ]
            })
            .collect()
    }
}

/// Every way to combine.
pub const COMBINES: [Combine; 7] = [
    Combine::Mean,
    Combine::Median,
    Combine::Min,
    Combine::Max,
    Combine::Sum,
    Combine::Percentile(25.0),
    Combine::Percentile(97.3),
];

pub const NO_REJECTION: RejectOptions = RejectOptions {
    method: RejectMethod::None,
    kappa_low: 3.0,
    kappa_high: 3.0,
    max_iterations: 5,
    winsor_low: 0.05,
    winsor_high: 0.05,
    reject_lowest: 1,
    reject_highest: 1,
    percentile_low: 0.2,
    percentile_high: 0.1,
    low_depth: LowDepth::Noise,
    noise_kappa: 4.0,
    noise_amplitude: 0.3,
    esd_alpha: 0.05,
    esd_outliers: 0.3,
};

pub const SIGMA: RejectOptions = RejectOptions { method: RejectMethod::Sigma, ..NO_REJECTION };

/// Every combination of methods, with narrow, wide, lopsided and early-ending clips.
pub fn all_options() -> Vec<(Combine, RejectOptions)> {
    let mut rejects = vec![NO_REJECTION];
    for method in [RejectMethod::Sigma, RejectMethod::Mad, RejectMethod::Winsorized, RejectMethod::LinearFit]
    {
        let with = |kappa_low, kappa_high, max_iterations| RejectOptions {
            method,
            kappa_low,
            kappa_high,
            max_iterations,
            ..RejectOptions::default()
        };
        rejects.extend([
            with(3.0, 3.0, 5),
            with(1.0, 1.0, 5),
            with(2.5, 1.5, 5),
            with(2.0, 2.0, 1),
            with(0.1, 0.1, 5),
            with(3.0, 3.0, 0),
        ]);
    }
    let every = rejects.into_iter().flat_map(|reject| COMBINES.map(|combine| (combine, reject)));
    let others = other_rejections();
    let few = others
        .into_iter()
        .flat_map(|reject| [Combine::Mean, Combine::Median].map(|combine| (combine, reject)));
    every.chain(few).collect()
}

/// Options of the methods that have limits of their own, and those that choose by depth.
pub fn other_rejections() -> Vec<RejectOptions> {
    let of = |method| RejectOptions { method, ..RejectOptions::default() };
    let quantile = of(RejectMethod::WinsorizedQuantile);
    let min_max = of(RejectMethod::MinMax);
    let percentile = of(RejectMethod::Percentile);
    vec![
        quantile,
        RejectOptions { kappa_low: 1.0, kappa_high: 1.5, winsor_low: 0.2, winsor_high: 0.1, ..quantile },
        RejectOptions { winsor_low: 0.0, winsor_high: 0.0, max_iterations: 1, ..quantile },
        RejectOptions { winsor_low: 0.45, winsor_high: 0.49, kappa_low: 0.5, ..quantile },
        min_max,
        RejectOptions { reject_lowest: 0, reject_highest: 3, ..min_max },
        RejectOptions { reject_lowest: 20, reject_highest: u32::MAX, ..min_max },
        of(RejectMethod::Esd),
        percentile,
        RejectOptions { percentile_low: 0.005, percentile_high: 0.0, ..percentile },
        RejectOptions { max_iterations: 2, kappa_high: 2.0, ..of(RejectMethod::Auto) },
    ]
}
