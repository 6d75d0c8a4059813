//! The overlap graph and the groups of 100,000 frames; an element is a frame.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_gauge::{GraphOptions, overlap_graph};
use zemosaic_sky::{Footprint, SkyFrame, Wcs, overlap_groups};
use zemosaic_testkit::rng::Rng;

const FRAMES: usize = 100_000;

/// A frame of 1.0 x 0.75 times `size_deg`, turned.
fn frame(lon: f64, lat: f64, angle_deg: f64, size_deg: f64) -> Option<Footprint> {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let k = size_deg / 1000.0;
    let wcs = Wcs::tan([lon, lat], [499.5, 374.5], [[-k * c, k * s], [k * s, k * c]], SkyFrame::Icrs);
    Footprint::of(&wcs.ok()?, 1000, 750).ok()
}

/// 300 x 333 fields that overlap by a fifth of their sides.
fn survey() -> Option<Vec<Footprint>> {
    let size = 0.2;
    let one = |i: usize| {
        let (column, row) = ((i % 300) as f64, (i / 300) as f64);
        let dec = -20.0 + row * 0.8 * 0.75 * size;
        frame(350.0 + column * 0.8 * size / dec.to_radians().cos(), dec, row % 5.0, size)
    };
    (0..FRAMES).map(one).collect()
}

/// 50 fields of 2,000 frames, dithered.
fn fields() -> Option<Vec<Footprint>> {
    let mut rng = Rng::for_keys(4, &[3]);
    let mut one = |i: usize| {
        let (column, row) = ((i % 10) as f64, (i / 10 % 5) as f64);
        let dec = -1.0 + 0.6 * row + 0.02 * rng.normal();
        frame(0.85 * column + 0.02 * rng.normal(), dec, 0.0, 1.0)
    };
    (0..FRAMES).map(&mut one).collect()
}

fn overlaps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("overlaps");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for (name, footprints) in [("survey", survey()), ("50 fields", fields())] {
        let Some(footprints) = footprints else { return };
        group.bench_function(format!("graph, {name}"), |bencher| {
            bencher.iter(|| overlap_graph(black_box(&footprints), &GraphOptions::default()).edges.len());
        });
        group.bench_function(format!("groups, {name}"), |bencher| {
            bencher.iter(|| overlap_groups(black_box(&footprints)).len());
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = overlaps }
criterion_main!(benches);
