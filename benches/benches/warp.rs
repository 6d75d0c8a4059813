//! Warp of rows by a rotation of 2 degrees; an element is one output pixel with value, variance factor and
//! flags (for `x3` of one of three planes).
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{Kernel, KernelTable, SourceWindow, WarpRow, warp_row_planes};

const SIDE: usize = 320;
const OUT: usize = 256;

/// Planes of a warp's result.
struct Planes {
    value: Vec<f32>,
    factor: Vec<f32>,
    flags: Vec<u8>,
}

fn warp(criterion: &mut Criterion) {
    let data: Vec<f32> = (0..SIDE * SIDE).map(|i| ((i * 7919) % 60013) as f32).collect();
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    let window = SourceWindow { data: &data, region, frame_width: SIDE, frame_height: SIDE };
    let (sin, cos) = 2.0_f64.to_radians().sin_cos();
    let positions: Vec<(Vec<f64>, Vec<f64>)> = (0..OUT)
        .map(|y| {
            let (y, n) = (y as f64 - 128.0, (0..OUT).map(|x| x as f64 - 128.0));
            n.map(|x| (160.3 + x * cos - y * sin, 160.7 + x * sin + y * cos)).unzip()
        })
        .collect();
    let cases = [
        ("nearest", Kernel::Nearest, 1.0, 1),
        ("bilinear", Kernel::Bilinear, 1.0, 1),
        ("bilinear x3", Kernel::Bilinear, 1.0, 3),
        ("lanczos2", Kernel::Lanczos2, 1.0, 1),
        ("lanczos3", Kernel::Lanczos3, 1.0, 1),
        ("lanczos3 x3", Kernel::Lanczos3, 1.0, 3),
        ("lanczos4", Kernel::Lanczos4, 1.0, 1),
        ("lanczos3 stretch 1.5", Kernel::Lanczos3, 1.5, 1),
    ];
    for (name, kernel, stretch, planes) in cases {
        let table = KernelTable::new(kernel, stretch);
        let mut group = criterion.benchmark_group(format!("warp/{name}"));
        group.throughput(Throughput::Elements((OUT * OUT * planes) as u64));
        for level in SimdLevel::available() {
            let windows = vec![window; planes];
            let mut out: Vec<Planes> = (0..planes)
                .map(|_| Planes { value: vec![0.0; OUT], factor: vec![0.0; OUT], flags: vec![0; OUT] })
                .collect();
            group.bench_function(format!("{level:?}"), |bencher| {
                bencher.iter(|| {
                    for (xs, ys) in &positions {
                        let mut rows: Vec<WarpRow<'_>> = out
                            .iter_mut()
                            .map(|p| WarpRow {
                                value: &mut p.value,
                                variance_factor: &mut p.factor,
                                flags: &mut p.flags,
                            })
                            .collect();
                        warp_row_planes(&table, level, black_box(&windows), xs, ys, &mut rows);
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = warp }
criterion_main!(benches);
