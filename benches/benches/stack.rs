//! Stacking of frames x about 4096 pixels; an element is one output pixel. Not 4096 itself: see `StackBlock::stride`.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{
    Clipped, Combine, NoiseBlock, NoiseScratch, RejectMethod, RejectOptions, StackBlock, StackOutput,
    StackScratch, clip_by_noise, stack,
};

const PIXELS: usize = 4096 + 16;

/// Noise of about 10 about 1000, one sample in 500 an outlier.
fn samples(frames: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..frames * PIXELS)
        .map(|_| {
            let normal = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
            1000.0 + 10.0 * normal + if uniform() < 0.002 { 500.0 } else { 0.0 }
        })
        .collect()
}

fn stacks(criterion: &mut Criterion) {
    let none = RejectOptions { method: RejectMethod::None, ..RejectOptions::default() };
    let sigma = RejectOptions { method: RejectMethod::Sigma, ..RejectOptions::default() };
    let mad = RejectOptions { method: RejectMethod::Mad, ..sigma };
    let methods = [
        ("winsorized mean", RejectMethod::Winsorized),
        ("winsorized-quantile mean", RejectMethod::WinsorizedQuantile),
        ("min-max mean", RejectMethod::MinMax),
        ("percentile-clipped mean", RejectMethod::Percentile),
        ("auto mean", RejectMethod::Auto),
    ];
    let methods = methods.into_iter().flat_map(|(name, method)| {
        [8, 30, 100].map(|frames| (name, frames, Combine::Mean, RejectOptions { method, ..sigma }))
    });
    let linear = RejectOptions { method: RejectMethod::LinearFit, ..sigma };
    let wide_linear = RejectOptions { kappa_low: 5.0, kappa_high: 3.5, ..linear };
    let esd = RejectOptions { method: RejectMethod::Esd, ..sigma };
    let cases = [
        ("mean", 30, Combine::Mean, none),
        ("relative mean", 30, Combine::Mean, none),
        ("mad mean", 8, Combine::Mean, mad),
        ("mad mean", 30, Combine::Mean, mad),
        ("mad mean", 100, Combine::Mean, mad),
        ("percentile", 30, Combine::Percentile(25.0), none),
        ("sigma mean", 8, Combine::Mean, sigma),
        ("sigma mean", 30, Combine::Mean, sigma),
        ("sigma mean", 100, Combine::Mean, sigma),
        ("sigma mean", 300, Combine::Mean, sigma),
        ("sigma mean", 1000, Combine::Mean, sigma),
        ("linear mean", 8, Combine::Mean, linear),
        ("linear mean", 30, Combine::Mean, linear),
        ("linear mean", 100, Combine::Mean, linear),
        ("linear 5 3.5 mean", 8, Combine::Mean, wide_linear),
        ("linear 5 3.5 mean", 30, Combine::Mean, wide_linear),
        ("linear 5 3.5 mean", 100, Combine::Mean, wide_linear),
        ("esd mean", 8, Combine::Mean, esd),
        ("esd mean", 30, Combine::Mean, esd),
        ("esd mean", 100, Combine::Mean, esd),
        ("median", 32, Combine::Median, none),
        ("sigma median", 30, Combine::Median, sigma),
    ];
    for (name, frames, combine, reject) in cases.into_iter().chain(methods) {
        let (value, factor) = (samples(frames), vec![0.8; frames * PIXELS]);
        let relative: Vec<f32> = (0..frames * PIXELS).map(|k| 1.0 - (k % 1000) as f32 * 5e-4).collect();
        let (weight, noise_variance) = (vec![1.0; frames], vec![100.0; frames]);
        let level = vec![1000.0; frames];
        let block = StackBlock {
            frames,
            pixels: PIXELS,
            stride: PIXELS,
            value: &value,
            variance_factor: &factor,
            relative_weight: name.starts_with("relative").then_some(&relative),
            weight: &weight,
            noise_variance: &noise_variance,
            level: &level,
        };
        let mut planes = [vec![0.0; PIXELS], vec![0.0; PIXELS], vec![0.0; PIXELS]];
        let mut counts = [vec![0; PIXELS], vec![0; PIXELS], vec![0; PIXELS]];
        let mut scratch = StackScratch::default();
        let mut group = criterion.benchmark_group(format!("stack/{name} {frames}"));
        group.throughput(Throughput::Elements(PIXELS as u64));
        for level in SimdLevel::available() {
            group.bench_function(format!("{level:?}"), |bencher| {
                bencher.iter(|| {
                    let [value, weight, variance] = &mut planes;
                    let [depth, rejected_low, rejected_high] = &mut counts;
                    let out = StackOutput { value, weight, variance, depth, rejected_low, rejected_high };
                    stack(black_box(&block), combine, &reject, level, &mut scratch, out);
                });
            });
        }
        group.finish();
    }
}

/// The noise clip of `frames` frames of which `over` lie over each pixel, in strips as footprints do.
fn noise_clips(criterion: &mut Criterion) {
    for (frames, over) in [(2, 2), (3, 3), (4, 4), (5, 5), (30, 4), (30, 30)] {
        let mut value = samples(frames);
        for (k, value) in value.iter_mut().enumerate() {
            let (frame, strip) = (k / PIXELS, k % PIXELS * frames / PIXELS);
            if (frame + frames - strip) % frames >= over {
                *value = f32::NAN;
            }
        }
        let factor = vec![0.8; frames * PIXELS];
        let (level, level_variance) = (vec![1000.0; frames], vec![1.0; frames]);
        let noise_variance = vec![100.0; frames];
        let (mut scratch, mut clipped) = (NoiseScratch::default(), vec![Clipped::default(); PIXELS]);
        let mut group = criterion.benchmark_group(format!("noise clip/{over} of {frames}"));
        group.throughput(Throughput::Elements(PIXELS as u64));
        for level_of_code in SimdLevel::available() {
            group.bench_function(format!("{level_of_code:?}"), |bencher| {
                // A copy each time: what is rejected is gone. It takes 0.1 to 0.2 ns per sample.
                let mut copy = value.clone();
                bencher.iter(|| {
                    copy.copy_from_slice(&value);
                    let mut block = NoiseBlock {
                        frames,
                        pixels: PIXELS,
                        stride: PIXELS,
                        value: black_box(&mut copy),
                        variance_factor: &factor,
                        relative_weight: None,
                        noise_variance: &noise_variance,
                        level: &level,
                        level_variance: &level_variance,
                    };
                    clip_by_noise(
                        &mut block,
                        &RejectOptions::default(),
                        level_of_code,
                        &mut scratch,
                        &mut clipped,
                    );
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = stacks, noise_clips }
criterion_main!(benches);
