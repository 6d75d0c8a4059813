//! Area kernels; an element is one output pixel with value, variance factor, weight and flags (for `x3` of one of three
//! planes).
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::SourceWindow;
use zemosaic_resample::area::{
    Adaptive, AdaptiveOptions, AdaptiveShape, AreaKernel, AreaMethod, AreaRow, CornerRows, DrizzleOptions,
    DropShape, SphereArea, SphereRows, area_ratio_row, area_row,
};

const SIDE: usize = 320;
const OUT: usize = 256;

/// Planes of a result.
struct Planes {
    value: Vec<f32>,
    factor: Vec<f32>,
    weight: Vec<f32>,
    flags: Vec<u8>,
}

impl Planes {
    fn new() -> Self {
        Self { value: vec![0.0; OUT], factor: vec![0.0; OUT], weight: vec![0.0; OUT], flags: vec![0; OUT] }
    }

    fn row(&mut self) -> AreaRow<'_> {
        AreaRow {
            value: &mut self.value,
            variance_factor: &mut self.factor,
            weight: &mut self.weight,
            flags: &mut self.flags,
            noise: None,
        }
    }
}

/// Rows of corners of a grid turned by `angle_deg` with pixels of `scale` frame pixels.
fn corners(scale: f64, angle_deg: f64) -> Vec<(Vec<f64>, Vec<f64>)> {
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    let at = |i: usize| (i as f64 - 128.5) * scale;
    (0..=OUT)
        .map(|j| {
            let v = at(j);
            (0..=OUT).map(at).map(|u| (160.3 + u * cos - v * sin, 160.7 + u * sin + v * cos)).unzip()
        })
        .collect()
}

fn of(rows: &[(Vec<f64>, Vec<f64>)], j: usize) -> CornerRows<'_> {
    let ((lower_x, lower_y), (upper_x, upper_y)) = (&rows[j], &rows[j + 1]);
    CornerRows { lower_x, lower_y, upper_x, upper_y }
}

fn frame() -> Vec<f32> {
    (0..SIDE * SIDE).map(|i| ((i * 7919) % 60013) as f32).collect()
}

fn window(data: &[f32]) -> SourceWindow<'_> {
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    SourceWindow { data, region, frame_width: SIDE, frame_height: SIDE }
}

fn areas(criterion: &mut Criterion) {
    let data = frame();
    let drizzle = |shape, pixfrac| AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape });
    let cases = [
        ("exact", AreaMethod::Exact, 1.0, 2.0, 1),
        ("exact x3", AreaMethod::Exact, 1.0, 2.0, 3),
        ("exact 45 deg", AreaMethod::Exact, 0.8, 45.0, 1),
        ("exact scale 0.5", AreaMethod::Exact, 0.5, 2.0, 1),
        ("drizzle square 1.0", drizzle(DropShape::Square, 1.0), 1.0, 2.0, 1),
        ("drizzle square 0.8", drizzle(DropShape::Square, 0.8), 1.0, 2.0, 1),
        ("drizzle turbo 0.8", drizzle(DropShape::Turbo, 0.8), 1.0, 2.0, 1),
        ("drizzle point", drizzle(DropShape::Point, 1.0), 1.0, 2.0, 1),
    ];
    for (name, method, scale, angle, planes) in cases {
        let (Ok(kernel), rows) = (AreaKernel::new(method, scale), corners(scale, angle)) else { continue };
        let mut group = criterion.benchmark_group(format!("area/{name}"));
        group.throughput(Throughput::Elements((OUT * OUT * planes) as u64));
        for level in SimdLevel::available() {
            let windows = vec![window(&data); planes];
            let mut out: Vec<Planes> = (0..planes).map(|_| Planes::new()).collect();
            group.bench_function(format!("{level:?}"), |bencher| {
                bencher.iter(|| {
                    for j in 0..OUT {
                        let mut outs: Vec<AreaRow<'_>> = out.iter_mut().map(Planes::row).collect();
                        area_row(&kernel, level, black_box(&windows), None, of(&rows, j), &mut outs);
                    }
                });
            });
        }
        group.finish();
    }
}

fn others(criterion: &mut Criterion) {
    let (data, rows) = (frame(), corners(1.0, 2.0));
    let windows = [window(&data)];
    let mut out = Planes::new();
    let mut group = criterion.benchmark_group("area");
    group.throughput(Throughput::Elements((OUT * OUT) as u64));
    for shape in [AdaptiveShape::Gaussian, AdaptiveShape::Hann] {
        let Ok(adaptive) = Adaptive::new(AdaptiveOptions { shape, ..Default::default() }, 1.0) else {
            continue;
        };
        group.bench_function(format!("adaptive {shape:?}"), |bencher| {
            bencher.iter(|| {
                for j in 0..OUT {
                    adaptive.row(black_box(&windows), None, of(&rows, j), &mut [out.row()]);
                }
            });
        });
    }
    group.bench_function("area ratio", |bencher| {
        bencher.iter(|| {
            for j in 0..OUT {
                area_ratio_row(black_box(of(&rows, j)), &mut out.value);
            }
        });
    });
    // Half a degree would be too large for 320 px: 0.1 degree on a tangent plane.
    let on_sky = |x: f64, y: f64| {
        let (x, y) = ((x - 160.0) * 0.1_f64.to_radians(), (y - 160.0) * 0.1_f64.to_radians());
        let scale = 1.0 / (1.0 + x * x + y * y).sqrt();
        [x * scale, y * scale, scale]
    };
    let sky: Vec<Vec<[f64; 3]>> =
        rows.iter().map(|(xs, ys)| xs.iter().zip(ys).map(|(x, y)| on_sky(*x, *y)).collect()).collect();
    group.bench_function("exact on the sphere", |bencher| {
        bencher.iter(|| {
            let mut sphere = SphereArea::new(1.0, windows[0].region);
            for j in 0..OUT {
                let sky = SphereRows { lower: &sky[j], upper: &sky[j + 1] };
                let mut corner = |x: f64, y: f64| Some(on_sky(x, y));
                sphere.row(black_box(&windows), None, of(&rows, j), sky, &mut corner, &mut [out.row()]);
            }
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = areas, others }
criterion_main!(benches);
