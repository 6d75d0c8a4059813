//! Warp of rows by a rotation of 2 degrees; an element is one output pixel with value, variance factor and
//! flags (for `x3` of one of three planes). `bicubic` is the B-spline from coefficients, `bicubic whole` with the
//! filter of its window (1.6 window pixels per output pixel), `prefilter` the filter alone per window pixel,
//! `noise` the noise row alone.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{
    Kernel, KernelTable, NoiseWindow, PrefilterScratch, SourceWindow, SplineCoefficients, WarpRow,
    bspline_prefilter, warp_noise_row, warp_row_coefficients,
};

const SIDE: usize = 320;
const OUT: usize = 256;

/// Planes of a warp's result.
struct Planes {
    value: Vec<f32>,
    factor: Vec<f32>,
    flags: Vec<u8>,
}

impl Planes {
    fn new() -> Self {
        Self { value: vec![0.0; OUT], factor: vec![0.0; OUT], flags: vec![0; OUT] }
    }

    fn row(&mut self) -> WarpRow<'_> {
        WarpRow { value: &mut self.value, variance_factor: &mut self.factor, flags: &mut self.flags }
    }
}

/// Frame positions of the output's rows.
fn positions() -> Vec<(Vec<f64>, Vec<f64>)> {
    let (sin, cos) = 2.0_f64.to_radians().sin_cos();
    (0..OUT)
        .map(|y| {
            let (y, n) = (y as f64 - 128.0, (0..OUT).map(|x| x as f64 - 128.0));
            n.map(|x| (160.3 + x * cos - y * sin, 160.7 + x * sin + y * cos)).unzip()
        })
        .collect()
}

/// Plane of [`SIDE`] x [`SIDE`] pixels.
fn pixels() -> Vec<f32> {
    (0..SIDE * SIDE).map(|i| ((i * 7919) % 60013) as f32).collect()
}

fn window(data: &[f32]) -> SourceWindow<'_> {
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    SourceWindow { data, region, frame_width: SIDE, frame_height: SIDE }
}

fn warp(criterion: &mut Criterion) {
    let data = pixels();
    let window = window(&data);
    let positions = positions();
    let mut coefficients = SplineCoefficients::default();
    bspline_prefilter(SimdLevel::detect(), &window, &mut PrefilterScratch::default(), &mut coefficients);
    let cases = [
        ("nearest", Kernel::Nearest, 1.0, 1),
        ("bilinear", Kernel::Bilinear, 1.0, 1),
        ("bilinear x3", Kernel::Bilinear, 1.0, 3),
        ("keys", Kernel::Keys, 1.0, 1),
        ("bicubic", Kernel::BsplineCubic, 1.0, 1),
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
            let coefficients = vec![&coefficients; planes];
            let mut out: Vec<Planes> = (0..planes).map(|_| Planes::new()).collect();
            group.bench_function(format!("{level:?}"), |bencher| {
                bencher.iter(|| {
                    for (xs, ys) in &positions {
                        let mut rows: Vec<WarpRow<'_>> = out.iter_mut().map(Planes::row).collect();
                        warp_row_coefficients(
                            &table,
                            level,
                            black_box(&windows),
                            &coefficients,
                            xs,
                            ys,
                            &mut rows,
                        );
                    }
                });
            });
        }
        group.finish();
    }
}

fn bicubic(criterion: &mut Criterion) {
    let data = pixels();
    let window = window(&data);
    let positions = positions();
    let table = KernelTable::new(Kernel::BsplineCubic, 1.0);
    let (mut scratch, mut coefficients, mut out) =
        (PrefilterScratch::default(), SplineCoefficients::default(), Planes::new());
    for level in SimdLevel::available() {
        let mut group = criterion.benchmark_group("warp/prefilter");
        group.throughput(Throughput::Elements((SIDE * SIDE) as u64));
        group.bench_function(format!("{level:?}"), |bencher| {
            bencher.iter(|| bspline_prefilter(level, black_box(&window), &mut scratch, &mut coefficients));
        });
        group.finish();
        let mut group = criterion.benchmark_group("warp/bicubic whole");
        group.throughput(Throughput::Elements((OUT * OUT) as u64));
        group.bench_function(format!("{level:?}"), |bencher| {
            bencher.iter(|| {
                bspline_prefilter(level, black_box(&window), &mut scratch, &mut coefficients);
                for (xs, ys) in &positions {
                    let windows = std::slice::from_ref(&window);
                    warp_row_coefficients(&table, level, windows, &[&coefficients], xs, ys, &mut [out.row()]);
                }
            });
        });
        group.finish();
    }
}

fn noise(criterion: &mut Criterion) {
    let data = pixels();
    let variances: Vec<f32> = data.iter().map(|value| 1.0 + value / 60013.0).collect();
    let window = NoiseWindow { pixels: window(&data), variances: &variances };
    let positions = positions();
    for (name, kernel) in
        [("bilinear", Kernel::Bilinear), ("keys", Kernel::Keys), ("lanczos3", Kernel::Lanczos3)]
    {
        let table = KernelTable::new(kernel, 1.0);
        let mut sampled = Planes::new();
        sampled.flags.fill(zemosaic_resample::flags::INSIDE);
        let mut mean = vec![0.0; OUT];
        let mut group = criterion.benchmark_group(format!("warp/noise {name}"));
        group.throughput(Throughput::Elements((OUT * OUT) as u64));
        for level in SimdLevel::available() {
            group.bench_function(format!("{level:?}"), |bencher| {
                bencher.iter(|| {
                    for (xs, ys) in &positions {
                        warp_noise_row(&table, level, black_box(&window), xs, ys, &sampled.row(), &mut mean);
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = warp, bicubic, noise }
criterion_main!(benches);
