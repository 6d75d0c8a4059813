//! Demosaic of a window of a Bayer frame by each method; an element is one pixel of the frame (three planes out).
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, CfaWindow, Demosaic, Region, demosaic as make};

fn demosaic(criterion: &mut Criterion) {
    let (width, height) = (1080, 256);
    let raw: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 60013) as f32).collect();
    let region = Region { x0: 0, y0: 0, width, height };
    let mut planes = [vec![0.0; width * height], vec![0.0; width * height], vec![0.0; width * height]];
    let mut group = criterion.benchmark_group("demosaic");
    group.throughput(Throughput::Elements((width * height) as u64));
    for (name, method) in [
        ("bilinear", Demosaic::Bilinear),
        ("vng", Demosaic::Vng),
        ("rcd", Demosaic::Rcd),
        ("super-pixel", Demosaic::SuperPixel),
    ] {
        let (out_width, out_height) = method.output_size((width, height));
        let out_region = Region { x0: 0, y0: 0, width: out_width, height: out_height };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let [red, green, blue] = &mut planes;
                let out = [red.as_mut_slice(), green.as_mut_slice(), blue.as_mut_slice()];
                let window = CfaWindow { raw: black_box(&raw), region, pattern: CfaPattern::Grbg };
                make(method, SimdLevel::detect(), &window, (width, height), out_region, out);
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = demosaic }
criterion_main!(benches);
