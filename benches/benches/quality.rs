//! Frame quality: two passes and the shapes; an element is one raw pixel of a frame in memory.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::{CfaPattern, Sites};
use zemosaic_stars::{FrameInfo, MemoryPixels, StarOptions, measure_quality};
use zemosaic_testkit::{noise_image, star_image};

const WIDTH: usize = 1080;
const HEIGHT: usize = 1920;

fn quality(criterion: &mut Criterion) {
    let mut pixels = noise_image(WIDTH, HEIGHT, 1000.0, 60.0, 1);
    let place = |index: usize| {
        let (x, y) = (index * 7919 % (WIDTH - 20) + 10, index * 104_729 % (HEIGHT - 20) + 10);
        (x as f64 + 0.3, y as f64 - 0.2, 3e6 / (index + 10) as f64)
    };
    let stars: Vec<(f64, f64, f64)> = (0..400).map(place).collect();
    let light = star_image(WIDTH, HEIGHT, &stars, 2.4);
    pixels.iter_mut().zip(light).for_each(|(pixel, light)| *pixel += light);
    let mut group = criterion.benchmark_group("quality");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    for (name, sites) in [("mono, 400 stars", Sites::All), ("CFA, 400 stars", Sites::Cfa(CfaPattern::Grbg))] {
        let info = FrameInfo { width: WIDTH, height: HEIGHT, sites, saturation_adu: None };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut source = MemoryPixels { width: WIDTH, pixels: black_box(&pixels) };
                measure_quality(&mut source, &info, &StarOptions::default()).map(|quality| quality.stars)
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = quality }
criterion_main!(benches);
