//! Each rejection against its definition on many stacks, what must not change it, witnesses, and the bias an outlier
//! leaves.

mod common;

use common::{Block, Random};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Combine, LowDepth, RejectMethod, RejectOptions};

const METHODS: [RejectMethod; 7] = [
    RejectMethod::Sigma,
    RejectMethod::Mad,
    RejectMethod::Winsorized,
    RejectMethod::WinsorizedQuantile,
    RejectMethod::MinMax,
    RejectMethod::Percentile,
    RejectMethod::Auto,
];

fn of(method: RejectMethod) -> RejectOptions {
    RejectOptions { method, ..RejectOptions::default() }
}

/// Number `kind` of the kinds of pixels: noise with outliers and holes, steps, two levels, a heavy tail, few samples.
fn sample(kind: usize, random: &mut Random) -> f32 {
    let noise = 10.0 * random.normal();
    let outlier = if random.below(30) == 0 { 2000.0 * random.uniform() - 500.0 } else { 0.0 };
    let hole = [0.0, 0.05, 0.3, 0.9][kind / 5 % 4];
    let value = match kind % 5 {
        0 | 1 => 1000.0 + noise + outlier,
        2 => (noise + outlier).round(),
        3 => noise + if random.below(4) == 0 { 3e4 } else { 0.0 },
        _ => noise / (1e-3 + random.uniform()),
    };
    if random.uniform() < hole { f32::NAN } else { value as f32 }
}

#[test]
fn ten_thousand_stacks_have_the_masks_of_the_definition() {
    let mut random = Random(2026);
    let mut rejected = [0_i64; METHODS.len()];
    for depth in (2..=200).chain([50]) {
        let block = Block::new(depth, 50, |pixel, _| sample(pixel, &mut random));
        for (method, rejected) in METHODS.into_iter().zip(&mut rejected) {
            for kappa in [3.0, 1.7] {
                let reject = RejectOptions { kappa_low: kappa, kappa_high: 0.9 * kappa, ..of(method) };
                let exact: Vec<_> =
                    (0..block.pixels).map(|pixel| block.define(pixel, Combine::Mean, &reject)).collect();
                for level in SimdLevel::available() {
                    let planes = block.stack(Combine::Mean, &reject, level);
                    for (pixel, exact) in exact.iter().enumerate() {
                        let what = format!("{depth} frames, pixel {pixel}, {method:?} {kappa} {level:?}");
                        let found =
                            (planes.depth[pixel], planes.rejected_low[pixel], planes.rejected_high[pixel]);
                        assert_eq!(found, (exact.depth, exact.rejected_low, exact.rejected_high), "{what}");
                        // The weights of the frames differ, so their sum says which survive.
                        let error = (f64::from(planes.weight[pixel]) - exact.weight).abs();
                        assert!(error <= 1e-6 * exact.weight, "{what}");
                        *rejected += i64::from(found.1 + found.2);
                    }
                }
            }
        }
    }
    assert!(rejected.iter().all(|rejected| *rejected > 10_000), "{rejected:?}");
}

/// Counts of low and high per pixel.
fn counts(block: &Block, reject: &RejectOptions) -> Vec<(i32, i32)> {
    let planes = block.stack(Combine::Mean, reject, SimdLevel::detect());
    planes.rejected_low.into_iter().zip(planes.rejected_high).collect()
}

#[test]
fn order_shift_and_scale_leave_the_masks() {
    let mut random = Random(7);
    for frames in [3, 4, 5, 6, 9, 20, 21, 64, 131] {
        // Integers without ties: frame + 256 k.
        let mut block = Block::new(frames, 200, |_, frame| {
            let outlier = if random.below(15) == 0 { 4000.0 * random.normal() } else { 0.0 };
            (256.0 * (40.0 * random.normal() + outlier).round() + frame as f64) as f32
        });
        // What `auto` spares has to do with the sky, not with the samples alone.
        block.noise_variance.fill(f64::NAN);
        let changed = |change: fn(f32) -> f32| {
            let mut changed = block.clone();
            changed.value.iter_mut().for_each(|value| *value = change(*value));
            changed
        };
        let shifted = changed(|value| value + 65_536.0);
        let scaled = changed(|value| value * 0.125);
        let larger = changed(|value| value * 1024.0);
        let order: Vec<usize> = (0..frames).map(|k| (k * 17 + 5) % frames).collect();
        for method in METHODS {
            for kappa in [3.0, 1.5] {
                let reject = RejectOptions { kappa_low: kappa, kappa_high: kappa, ..of(method) };
                let expected = counts(&block, &reject);
                assert_eq!(counts(&scaled, &reject), expected, "{frames} {method:?}");
                assert_eq!(counts(&larger, &reject), expected, "{frames} {method:?}");
                // Shares of the median are what percentile clipping is about.
                if method != RejectMethod::Percentile {
                    assert_eq!(counts(&shifted, &reject), expected, "{frames} {method:?}");
                }
                if frames % 17 != 0 {
                    assert_eq!(counts(&block.in_order(&order), &reject), expected, "{frames} {method:?}");
                }
            }
        }
    }
}

/// Mean and counts of one pixel, the same at all levels and in all lanes.
fn one(values: &[f32], reject: &RejectOptions) -> (f32, i32, i32) {
    let mut block = Block::new(values.len(), 17, |_, frame| values[frame]);
    block.weight.fill(1.0);
    let mut found = (f32::NAN, -1, -1);
    for level in SimdLevel::available() {
        let planes = block.stack(Combine::Mean, reject, level);
        for pixel in 0..block.pixels {
            let this = (planes.value[pixel], planes.rejected_low[pixel], planes.rejected_high[pixel]);
            assert!(found.1 < 0 || found == this);
            found = this;
        }
    }
    found
}

#[test]
fn witnesses_of_the_winsorised_clip() {
    for kappa in [3.0, 2.5] {
        let winsorized =
            RejectOptions { kappa_low: kappa, kappa_high: kappa, ..of(RejectMethod::Winsorized) };
        assert_eq!(one(&[0.0, 0.0, 0.0, 0.0, 100.0], &winsorized), (0.0, 0, 1));
        assert_eq!(one(&[1.0, 1.0, 1.0, 2.0, 100.0], &winsorized), (1.0, 0, 2));
        assert_eq!(one(&[1.0, 2.0, 3.0, 4.0, 5.0, 100.0], &winsorized), (3.0, 0, 1));
        assert_eq!(one(&[5.0, -100.0, 3.0, 4.0, 2.0, 1.0], &winsorized), (3.0, 1, 0));
        // Two samples are left alone, equal ones too.
        assert_eq!(one(&[0.0, 1000.0], &winsorized), (500.0, 0, 0));
        assert_eq!(one(&[0.1; 7], &winsorized), (0.1, 0, 0));
    }
    // The clips of SCI-05 cannot: the outlier is part of their spread.
    for method in [RejectMethod::Sigma, RejectMethod::WinsorizedQuantile] {
        assert_eq!(one(&[0.0, 0.0, 0.0, 0.0, 100.0], &of(method)), (20.0, 0, 0));
    }
}

#[test]
fn a_spread_of_zero_keeps_equal_samples_and_no_others() {
    // Nineteen equal samples and two others: both quantiles are the same number, which no sum may blur.
    let mut values = [0.1_f32; 21];
    (values[4], values[9]) = (0.100_000_1, -7.0);
    let quantile =
        RejectOptions { winsor_low: 0.1, winsor_high: 0.1, ..of(RejectMethod::WinsorizedQuantile) };
    assert_eq!(one(&values, &quantile), (0.1, 1, 1));
    assert_eq!(one(&values, &of(RejectMethod::Winsorized)), (0.1, 1, 1));
    // A median of 0 leaves percentile clipping a share of nothing.
    assert_eq!(one(&[0.0, 0.0, 0.0, 1e-3, -1e-3], &of(RejectMethod::Percentile)), (0.0, 1, 1));
}

#[test]
fn quantiles_of_the_canonical_contract() {
    // Clause C-62 by hand: 0 .. 20 and 1000; held at 1.05 and 19.95; mean 10.5, deviation 6.19.
    let mut values: Vec<f32> = (0..21).map(|k| k as f32).collect();
    values.push(1000.0);
    assert_eq!(one(&values, &of(RejectMethod::WinsorizedQuantile)), (10.0, 0, 1));
    let none = RejectOptions { winsor_low: 0.0, winsor_high: 0.0, ..of(RejectMethod::WinsorizedQuantile) };
    // Without holding it is a sigma clip about the mean.
    assert_eq!(one(&values, &none), (10.0, 0, 1));
}

#[test]
fn min_max_drops_by_number_and_leaves_the_median() {
    let with = |lowest, highest| RejectOptions {
        reject_lowest: lowest,
        reject_highest: highest,
        ..of(RejectMethod::MinMax)
    };
    let values = [5.0, 1.0, 9.0, 2.0, 1000.0];
    assert_eq!(one(&values, &with(1, 1)), (16.0 / 3.0, 1, 1));
    assert_eq!(one(&values, &with(0, 2)), (8.0 / 3.0, 0, 2));
    assert_eq!(one(&values, &with(0, 0)), (203.4, 0, 0));
    for (lowest, highest) in [(3, 2), (5, 0), (u32::MAX, u32::MAX)] {
        assert_eq!(one(&values, &with(lowest, highest)), (5.0, 2, 2));
    }
    assert_eq!(one(&values[..4], &with(2, 2)), (3.5, 1, 1));
    assert_eq!(one(&values[..2], &with(1, 1)), (3.0, 0, 0));
    assert_eq!(one(&values[..1], &with(1, 1)), (5.0, 0, 0));
    // Of equal samples just as many go, those of the earliest frames.
    let mut block = Block::new(6, 16, |_, frame| [7.0, 3.0, 3.0, 7.0, 3.0, 7.0][frame]);
    block.weight = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
    for level in SimdLevel::available() {
        let planes = block.stack(Combine::Mean, &with(2, 1), level);
        assert!(planes.weight.iter().all(|weight| *weight == 8.0 + 16.0 + 32.0));
        let planes = block.stack(Combine::Sum, &with(0, 3), level);
        assert!(planes.weight.iter().all(|weight| *weight == 2.0 + 4.0 + 16.0));
    }
}

#[test]
fn percentile_clipping_compares_with_shares_of_the_median() {
    let percentile = of(RejectMethod::Percentile);
    // 80 and 110 lie on the limits.
    assert_eq!(one(&[100.0, 80.0, 110.0, 79.9, 110.1, 100.0, 100.0], &percentile), (98.0, 1, 1));
    assert_eq!(one(&[-100.0, -120.0, -90.0, -120.1, -89.9, -100.0, -100.0], &percentile), (-102.0, 1, 1));
    // All would go: the middle two stay.
    assert_eq!(one(&[1.0, 2.0, 8.0, 9.0], &percentile), (5.0, 1, 1));
    assert_eq!(one(&[1.0, 100.0], &percentile), (50.5, 0, 0));
}

#[test]
fn auto_goes_by_the_depth_of_each_pixel() {
    let mut random = Random(99);
    // Lane by lane other depths: 2 to 33 of 33 frames.
    let mut block = Block::new(33, 320, |pixel, frame| {
        let outlier = if random.below(12) == 0 { 300.0 } else { 0.0 };
        let value = 1000.0 + 10.0 * random.normal() + outlier;
        if (frame * 7 + pixel) % 33 <= pixel % 32 + 1 { value as f32 } else { f32::NAN }
    });
    // Nothing is spared where the noise is not known.
    block.noise_variance.fill(f64::NAN);
    for low_depth in [LowDepth::Noise, LowDepth::Keep] {
        let by = |method| {
            block.stack(Combine::Mean, &RejectOptions { low_depth, ..of(method) }, SimdLevel::detect())
        };
        let [auto, none, winsorized, sigma] =
            [RejectMethod::Auto, RejectMethod::None, RejectMethod::Winsorized, RejectMethod::Sigma].map(by);
        let differ = winsorized.bits().iter().zip(sigma.bits()).filter(|(a, b)| *a != b).count();
        assert!(differ > 50, "{differ}");
        for pixel in 0..block.pixels {
            let expected = match auto.depth[pixel] {
                ..6 => &none,
                6..=20 => &winsorized,
                _ => &sigma,
            };
            assert_eq!(auto.bits()[pixel], expected.bits()[pixel], "depth {}", auto.depth[pixel]);
        }
    }
}

#[test]
fn auto_spares_what_the_noise_of_the_frames_explains() {
    let mut random = Random(4);
    let pixels = 4000;
    let mut block = Block::new(30, pixels, |pixel, frame| {
        let outlier = if frame == 7 && pixel % 4 == 0 { 80.0 } else { 0.0 };
        (1000.0 + 10.0 * random.normal() + outlier) as f32
    });
    block.noise_variance.fill(100.0);
    block.factor.fill(1.0);
    let rejected = |method| -> (i32, i32) {
        let planes = block.stack(Combine::Mean, &of(method), SimdLevel::detect());
        let at = |pixel: usize| planes.rejected_low[pixel] + planes.rejected_high[pixel];
        let (dirty, clean): (Vec<usize>, Vec<usize>) = (0..pixels).partition(|pixel| pixel % 4 == 0);
        (dirty.into_iter().map(at).sum(), clean.into_iter().map(at).sum())
    };
    let ((dirty, clean), (dirty_by_sigma, clean_by_sigma)) =
        (rejected(RejectMethod::Auto), rejected(RejectMethod::Sigma));
    // Every outlier of 8 sigma goes; of the noise about 0.2 % instead of 0.4 %.
    assert!(dirty >= 1000 && dirty <= dirty_by_sigma, "{dirty} {dirty_by_sigma}");
    assert!(f64::from(clean) < 0.003 * 30.0 * 3000.0, "{clean}");
    assert!(f64::from(clean) < 0.75 * f64::from(clean_by_sigma), "{clean} {clean_by_sigma}");
}

/// What +2000 in one of `depth` samples of noise 20 leaves in the mean, and the noise of clean means over that of plain
/// ones.
fn bias_and_noise(depth: usize, reject: &RejectOptions, trials: usize) -> (f64, f64) {
    let mut random = Random(depth as u64 * 1000 + 5);
    let sky: Vec<f32> = (0..depth * trials).map(|_| (1000.0 + 20.0 * random.normal()) as f32).collect();
    let means = |excess: f32| {
        let mut block = Block::new(depth, trials, |pixel, frame| {
            sky[frame * trials + pixel] + if frame == pixel % depth { excess } else { 0.0 }
        });
        block.weight.fill(1.0);
        block.stack(Combine::Mean, reject, SimdLevel::detect()).value
    };
    let bias = means(2000.0).iter().map(|value| f64::from(*value) - 1000.0).sum::<f64>() / trials as f64;
    let square = means(0.0).iter().map(|value| (f64::from(*value) - 1000.0).powi(2)).sum::<f64>();
    (bias, (square / trials as f64).sqrt() * (depth as f64).sqrt() / 20.0)
}

#[test]
fn a_lone_outlier_leaves_no_bias_behind_the_winsorised_clip() {
    let keep = RejectOptions { low_depth: LowDepth::Keep, ..of(RejectMethod::Winsorized) };
    for depth in [4, 5, 8, 20] {
        let (bias, noise) = bias_and_noise(depth, &keep, 10_000);
        assert!(bias.abs() < 2.0 && noise < 1.08, "{depth}: {bias} {noise}");
        // Each of the outliers goes, by itself or with others.
        let block = Block::new(depth, 16, |_, frame| [1010.0, 3000.0, 990.0, 1003.0][frame.min(3)]);
        let planes = block.stack(Combine::Max, &keep, SimdLevel::detect());
        assert!(planes.value.iter().all(|value| *value < 2000.0), "{depth}");
    }
}

/// The table of docs/methods/stacking.md: `cargo test -p zemosaic-stack --test reject -- --ignored --nocapture`.
#[test]
#[ignore = "prints the table of the documentation"]
fn bias_table() {
    let methods = [
        RejectMethod::None,
        RejectMethod::Sigma,
        RejectMethod::WinsorizedQuantile,
        RejectMethod::Winsorized,
        RejectMethod::Mad,
    ];
    for depth in [4, 5, 6, 8, 12, 20, 40, 66] {
        let cells = methods.map(|method| bias_and_noise(depth, &of(method), 20_000));
        let biases = cells.map(|(bias, _)| format!("{bias:.1}")).join(" | ");
        let noises =
            cells[1..].iter().map(|(_, noise)| format!("{noise:.2}")).collect::<Vec<_>>().join(" / ");
        println!("| {depth} | {biases} | {noises} |");
    }
}
