//! The variance factor: its mean over phases, and against white noise.

mod common;

use common::{Frame, KERNELS, Random, warp};
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{Kernel, KernelTable};

fn white(width: usize, height: usize, random: &mut Random) -> Frame {
    Frame { width, height, data: (0..width * height).map(|_| random.normal() as f32).collect() }
}

/// Mean of the factor over all sub-pixel phases of both axes: what a resampled sky keeps of its variance.
fn mean_gain(kernel: Kernel) -> f64 {
    let frame = Frame::new(24, 24, |_, _| 1.0);
    let n = 128;
    let phase = |i: usize| 11.0 + (i as f64 + 0.5) / n as f64;
    let at: Vec<(f64, f64)> = (0..n * n).map(|i| (phase(i % n), phase(i / n))).collect();
    let found = warp(&KernelTable::new(kernel, 1.0), SimdLevel::Portable, &frame.window(), &at);
    found.factor.iter().map(|factor| f64::from(*factor)).sum::<f64>() / (n * n) as f64
}

#[test]
fn mean_gains_are_the_known_ones() {
    let known = [
        (Kernel::Nearest, 1.0),
        (Kernel::Bilinear, 4.0 / 9.0),
        (Kernel::Lanczos2, 0.669),
        (Kernel::Lanczos3, 0.798),
        (Kernel::Lanczos4, 0.836),
    ];
    for (kernel, expected) in known {
        let gain = mean_gain(kernel);
        println!("{kernel:?}: {gain:.4}");
        assert!((gain - expected).abs() < 1e-3, "{kernel:?}: {gain}");
    }
}

#[test]
fn white_noise_keeps_the_share_the_factor_says() {
    let mut random = Random(1);
    let side = 512;
    let noise = white(side, side, &mut random);
    let inner = side as f64 - 1.0;
    let at: Vec<(f64, f64)> =
        (0..200_000).map(|_| (random.uniform(0.0, inner), random.uniform(0.0, inner))).collect();
    for kernel in KERNELS {
        for stretch in [1.0, 1.5, 3.0] {
            let found = warp(&KernelTable::new(kernel, stretch), SimdLevel::detect(), &noise.window(), &at);
            let (mut squares, mut factors) = (0.0, 0.0);
            for (value, factor) in found.value.iter().zip(&found.factor) {
                squares += f64::from(*value).powi(2);
                factors += f64::from(*factor);
            }
            let ratio = squares / factors;
            println!("{kernel:?} x {stretch}: noise variance over predicted {ratio:.4}");
            // About n / (stretch^2) independent samples: 3 sigma and more.
            assert!((ratio - 1.0).abs() < 0.012 * stretch, "{kernel:?} x {stretch}: {ratio}");
        }
    }
}

#[test]
fn white_noise_at_edges_and_holes() {
    let mut random = Random(2);
    let at = [(-0.5, -0.5), (-0.3, 6.2), (7.5, 7.5), (7.2, 6.9), (8.4, 7.0), (15.4, 3.3), (4.5, 4.5)];
    let rounds = 20_000;
    let mut squares = [[0.0; 7]; 5];
    let mut factors = [[0.0; 7]; 5];
    let tables = KERNELS.map(|kernel| KernelTable::new(kernel, 1.0));
    for _ in 0..rounds {
        let mut noise = white(16, 16, &mut random);
        noise.data[7 * 16 + 7] = f32::NAN;
        noise.data[4 * 16 + 5] = f32::NAN;
        for (kernel, table) in tables.iter().enumerate() {
            let found = warp(table, SimdLevel::Portable, &noise.window(), &at);
            for i in 0..at.len() {
                squares[kernel][i] += f64::from(found.value[i]).powi(2);
                factors[kernel][i] = f64::from(found.factor[i]);
            }
        }
    }
    for (kernel, name) in KERNELS.iter().enumerate() {
        for (i, position) in at.iter().enumerate() {
            let (measured, predicted) = (squares[kernel][i] / f64::from(rounds), factors[kernel][i]);
            assert_eq!(measured.is_nan(), predicted.is_nan());
            // The variance of a variance: sqrt(2 / 20000) = 1 %.
            let good = predicted.is_nan() || (measured / predicted - 1.0).abs() < 0.05;
            assert!(good, "{name:?} at {position:?}: {measured} is not {predicted}");
        }
    }
}
