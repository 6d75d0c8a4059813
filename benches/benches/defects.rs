//! Hot and cold pixels of a raw frame of sky, one more frame into the mean deviations, and the phase of the pattern; an
//! element is one pixel of the frame.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::defects::{CfaDefectOptions, ResidualMean, Sensor, SensorNoise, cfa_defects};
use zemosaic_image::phase::infer_cfa_phase;
use zemosaic_image::{CfaPattern, CfaWindow, Region};

fn defects(criterion: &mut Criterion) {
    let (width, height) = (1080, 512);
    let mut state = 1_u64;
    // The sum of twelve uniform draws has standard deviation 1.
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let raw: Vec<f32> = (0..width * height).map(|_| (0..12).map(|_| uniform()).sum::<f32>() * 90.0).collect();
    let region = Region { x0: 0, y0: 0, width, height };
    let pattern = CfaPattern::Grbg;
    let noise = SensorNoise::measure(&raw, region, Sensor::Bayer(pattern));
    let mut group = criterion.benchmark_group("defects");
    group.throughput(Throughput::Elements((width * height) as u64));
    group.bench_function("cfa", |bencher| {
        let window = CfaWindow { raw: &raw, region, pattern };
        bencher.iter(|| cfa_defects(black_box(&window), region, &noise, &CfaDefectOptions::default()));
    });
    group.bench_function("mean", |bencher| {
        let mut mean = ResidualMean::new(width, height, Sensor::Bayer(pattern));
        bencher.iter(|| mean.add(black_box(&raw), region, region, &noise));
    });
    group.bench_function("phase", |bencher| bencher.iter(|| infer_cfa_phase(black_box(&raw), region)));
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = defects }
criterion_main!(benches);
