//! The variance factor: its mean over phases, and against white noise.

mod common;

use common::{Frame, KERNELS, Random, naive, positions, warp};
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, demosaic_bilinear};
use zemosaic_resample::definition::{MIN_GOOD_SHARE, MIN_GOOD_SIGNED_SHARE};
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
        // The square of the integral of k^2; of the spline: sum over k of r_k beta7(k), r as in `squares_sum`.
        (Kernel::Keys, (57.0_f64 / 70.0).powi(2)),
        (Kernel::BsplineCubic, 0.874_231_f64.powi(2)),
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
    let mut squares = [[0.0; 7]; KERNELS.len()];
    let mut factors = [[0.0; 7]; KERNELS.len()];
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

/// Good taps cannot have more of k^2 than all, and have at least a quarter of the sum of k: so that masks
/// multiply the variance by at most 16.
#[test]
fn masks_multiply_the_variance_by_a_bounded_factor() {
    let plain = Frame::new(40, 40, |_, _| 1.0);
    let mut random = Random(3);
    for kernel in KERNELS {
        for stretch in [1.0, 1.5] {
            let table = KernelTable::new(kernel, stretch);
            let (mut worst, mut worst_unruled, mut refused) = (0.0_f64, 0.0_f64, 0);
            for share_masked in [0.001, 0.02, 0.1, 0.3] {
                let mut holes = plain.clone();
                for pixel in &mut holes.data {
                    if random.uniform(0.0, 1.0) < share_masked {
                        *pixel = f32::NAN;
                    }
                }
                // One dead pixel seen from everywhere around.
                holes.data[20 * 40 + 20] = f32::NAN;
                let mut at = positions(&plain, 20_000, random.bits());
                at.extend((0..4000).map(|_| (random.uniform(19.0, 21.0), random.uniform(19.0, 21.0))));
                let full = warp(&table, SimdLevel::detect(), &plain.window(), &at);
                let found = warp(&table, SimdLevel::detect(), &holes.window(), &at);
                for (i, &(x, y)) in at.iter().enumerate() {
                    let Some(local) = naive(kernel, stretch, &holes, x, y) else { continue };
                    let ratio = f64::from(found.factor[i] / full.factor[i]);
                    if local.share > MIN_GOOD_SHARE + 1e-5 {
                        worst_unruled = worst_unruled.max(local.factor / f64::from(full.factor[i]));
                        if local.signed_share < MIN_GOOD_SIGNED_SHARE - 1e-5 {
                            refused += 1;
                            assert!(ratio.is_nan(), "{kernel:?} x {stretch} at {x}, {y}: {local:?}");
                        }
                    }
                    if !ratio.is_nan() {
                        worst = worst.max(ratio);
                    }
                }
            }
            println!(
                "{kernel:?} x {stretch}: variance x {worst:.2} at most; {refused} samples refused, they reach \
                 x {worst_unruled:.0}"
            );
            assert!(worst < 16.0, "{kernel:?} x {stretch}: {worst}");
            // Kernels without negative lobes never need the rule; the long ones do.
            match kernel {
                Kernel::Nearest | Kernel::Bilinear => assert_eq!(refused, 0, "{kernel:?} x {stretch}"),
                Kernel::Keys | Kernel::BsplineCubic | Kernel::Lanczos2 => {}
                Kernel::Lanczos3 | Kernel::Lanczos4 => assert!(refused > 0, "{kernel:?} x {stretch}"),
            }
        }
    }
}

/// The factor takes the noise of neighbours as independent. In a demosaiced plane it is not: how much more
/// variance is left than the factor says. The figures for red, green, blue are the sums over lags of (mean
/// autocorrelation of the kernel) x (mean autocovariance of the plane); red and blue bilinear: 16/9.
#[test]
fn demosaiced_planes_keep_more_variance_than_the_factor_says() {
    let side = 512;
    let mut random = Random(4);
    let raw = white(side, side, &mut random);
    let mut planes = [(); 3].map(|()| white(side, side, &mut random));
    let [r, g, b] = &mut planes;
    let out = [&mut r.data[..], &mut g.data[..], &mut b.data[..]];
    demosaic_bilinear(&raw.data, raw.region(), CfaPattern::Rggb, raw.region(), side, side, out);
    let inner = side as f64 - 6.0;
    let at: Vec<(f64, f64)> =
        (0..200_000).map(|_| (random.uniform(5.0, inner), random.uniform(5.0, inner))).collect();
    for (kernel, known) in [
        (Kernel::Nearest, [1.0, 1.0, 1.0]),
        (Kernel::Bilinear, [1.778, 1.425, 1.778]),
        (Kernel::Keys, [1.423, 1.250, 1.423]),
        (Kernel::BsplineCubic, [1.287, 1.179, 1.287]),
        (Kernel::Lanczos2, [1.412, 1.244, 1.412]),
        (Kernel::Lanczos3, [1.264, 1.169, 1.264]),
        (Kernel::Lanczos4, [1.190, 1.126, 1.190]),
    ] {
        let table = KernelTable::new(kernel, 1.0);
        for ((plane, gain), known) in planes.iter().zip([0.5625, 0.625, 0.5625]).zip(known) {
            let found = warp(&table, SimdLevel::detect(), &plane.window(), &at);
            let squares: f64 = found.value.iter().map(|value| f64::from(*value).powi(2)).sum();
            let factors: f64 = found.factor.iter().map(|factor| gain * f64::from(*factor)).sum();
            let ratio = squares / factors;
            println!("{kernel:?}: {ratio:.3} of the stated variance");
            assert!((ratio / known - 1.0).abs() < 0.025, "{kernel:?}: {ratio}");
        }
    }
}
