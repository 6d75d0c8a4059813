//! Sky background: the mesh from rows and its subtraction; an element is one pixel of the frame.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::{Background, BackgroundOptions, CfaPattern, MeshBuilder, Region, Sites};

const WIDTH: usize = 1080;
const HEIGHT: usize = 512;

/// Normal noise of `sigma` about 1000, a star every 3000 px, in whole ADU where `step` is 1.
fn frame(sigma: f64, step: f64) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut sky = |index: usize| {
        let noise: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let star = if index.is_multiple_of(3000) { 20_000.0 } else { 0.0 };
        let value = 1000.0 + sigma * noise + star * uniform();
        if step > 0.0 { (value / step).round() * step } else { value }
    };
    (0..WIDTH * HEIGHT).map(|index| sky(index) as f32).collect()
}

fn mesh(rows: &[f32], sites: Sites) -> Vec<Background> {
    let Ok(mut builder) = MeshBuilder::new(WIDTH, HEIGHT, BackgroundOptions::default(), sites) else {
        return Vec::new();
    };
    builder.add_rows(black_box(rows));
    builder.finish().unwrap_or_default()
}

fn background(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("background");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64));
    for (name, sigma, step) in
        [("mesh", 20.0, 0.0), ("mesh, integers", 20.0, 1.0), ("mesh, few levels", 1.5, 1.0)]
    {
        let rows = frame(sigma, step);
        group.bench_function(name, |bencher| bencher.iter(|| mesh(&rows, Sites::All)));
    }
    let rows = frame(20.0, 1.0);
    group.bench_function("mesh, CFA", |bencher| {
        bencher.iter(|| mesh(&rows, Sites::Cfa(CfaPattern::Rggb)));
    });
    let region = Region { x0: 0, y0: 0, width: WIDTH, height: HEIGHT };
    let mut plane = rows.clone();
    for surface in mesh(&rows, Sites::All) {
        group.bench_function("subtract", |bencher| {
            bencher.iter(|| surface.subtract(region, black_box(&mut plane)));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = background }
criterion_main!(benches);
