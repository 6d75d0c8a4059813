//! The gauge: previews per raw pixel, the solve of 10,000 frames with 16 pairs each, and surfaces of 2,700 frames.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_fits::{FilePool, ImageData};
use zemosaic_frames::{Frame, IngestOptions, discover, ingest};
use zemosaic_gauge::clip::clipped_mean;
use zemosaic_gauge::solve::{Difference, solve_offsets};
use zemosaic_gauge::{
    BlockDifference, BlockGrid, PreviewJob, PreviewScratch, Surface, SurfaceOrder, SurfacePair,
    measure_preview, solve_surfaces,
};
use zemosaic_sky::{Grid, MapOptions, PixelMap, SkyFrame, Wcs, grid_bounds};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIZE: (usize, usize) = (1080, 1920);
const SCALE_DEG: f64 = 2.39 / 3600.0;

/// A raw frame of 16-bit integers, turned by 20 degrees; `None` where it cannot be written.
fn frame(folder: &std::path::Path, pattern: Option<&str>) -> Option<Frame> {
    let wcs = TanFrame::pointed_at((150.0, 40.0), 2.39, 20.0, Parity::Sky, SIZE);
    let noise = noise_image(SIZE.0, SIZE.1, 900.0, 30.0, 1);
    let raw: Vec<u16> = noise.iter().map(|value| value.round() as u16).collect();
    let colour = |header: &mut zemosaic_fits::Header| {
        if let Some(pattern) = pattern {
            header.set_str("BAYERPAT", pattern, "");
        }
    };
    write_test_frame(&folder.join("a.fits"), &wcs, ImageData::U16(&raw), colour).ok()?;
    let files = discover(&[folder.to_path_buf()], &[]).ok()?;
    ingest(&files, &IngestOptions::default(), &|_| {}).frames.pop()
}

fn previews(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gauge");
    group.throughput(Throughput::Elements((SIZE.0 * SIZE.1) as u64));
    for (name, pattern) in [("preview, mono", None), ("preview, CFA", Some("GRBG"))] {
        let Ok(dir) = tempfile::tempdir() else { return };
        let Some(frame) = frame(dir.path(), pattern) else { return };
        let cd = [[-SCALE_DEG, 0.0], [0.0, SCALE_DEG]];
        let Ok(wcs) = Wcs::tan([150.0, 40.0], [1499.5, 1499.5], cd, SkyFrame::Icrs) else { return };
        let grid = Grid { wcs, width: 3000, height: 3000 };
        let Some(bounds) = grid_bounds(&grid, &frame.wcs, frame.width, frame.height) else { return };
        let Ok(map) = PixelMap::new(&grid, &frame.wcs, frame.width, frame.height, MapOptions::default())
        else {
            return;
        };
        let job = PreviewJob {
            frame: &frame,
            map: &map,
            grid: &grid.wcs,
            bounds,
            background: &[],
            with_stars: false,
        };
        let (pool, blocks) = (FilePool::new(4), BlockGrid { block_px: 64 });
        let mut scratch = PreviewScratch::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| measure_preview(&pool, black_box(&job), blocks, &mut scratch));
        });
    }
    let block = noise_image(4096, 1, 900.0, 30.0, 2);
    let mut sample = Vec::new();
    group.throughput(Throughput::Elements(4096));
    group.bench_function("clipped mean of a block", |bencher| {
        bencher.iter(|| clipped_mean(black_box(&block), &mut sample));
    });
    group.finish();
}

/// Pairs of frames: `columns` wide, 8 neighbours each ahead; or 8 partners anywhere.
fn network(frames: usize, columns: Option<usize>) -> Vec<Difference> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut links = std::collections::BTreeSet::new();
    for a in 0..frames {
        for k in 1..=8 {
            let b = match columns {
                Some(columns) => {
                    a + [1, 2, columns, columns + 1, columns + 2, 2 * columns, 3, columns - 1][k - 1]
                }
                None => (uniform() * frames as f64) as usize,
            };
            if b < frames && b != a {
                links.insert((a.min(b), a.max(b)));
            }
        }
    }
    let level = |index: usize| 0.03 * index as f64;
    let difference = |(a, b): (usize, usize)| {
        let outlier = if (a * 31 + b) % 50 == 0 { 40.0 } else { 0.0 };
        Difference { a, b, value: level(b) - level(a) + uniform() - 0.5 + outlier, variance: 0.08 }
    };
    links.into_iter().map(difference).collect()
}

fn solve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gauge, 10000 frames");
    for (name, columns) in
        [("strip of 3", Some(3)), ("field of 100 x 100", Some(100)), ("pairs anywhere", None)]
    {
        let differences = network(10_000, columns);
        group.bench_function(name, |bencher| bencher.iter(|| solve_offsets(10_000, black_box(&differences))));
    }
    group.finish();
}

/// Frames of a field in rows of 54, each with 8 neighbours ahead, 60 common blocks per pair.
fn surface_pairs(frames: usize) -> (Vec<Surface>, Vec<SurfacePair>) {
    let columns = 54;
    let corner = |frame: usize| [350.0 * (frame % columns) as f64, 350.0 * (frame / columns) as f64];
    let over = |frame: usize| {
        let [x, y] = corner(frame);
        Surface::over([x, x + 1000.0], [y, y + 1000.0])
    };
    let wave = |frame: usize, x: f64| 4.0 * ((frame as f64).sin() * x / 500.0 + (1.7 * frame as f64).cos());
    let pair = |(a, b): (usize, usize)| {
        let ([ax, ay], [bx, by]) = (corner(a), corner(b));
        let block = |index: usize| {
            let share = |steps: usize, of: usize| (steps as f64 + 0.5) / of as f64;
            let x_px = ax.max(bx) + (1000.0 - (ax - bx).abs()) * share(index % 10, 10);
            let y_px = ay.max(by) + (1000.0 - (ay - by).abs()) * share(index / 10, 6);
            let noise = 0.4 * ((index * 7919 + a * 31 + b) % 101) as f64 / 50.0 - 0.4;
            BlockDifference {
                x_px,
                y_px,
                value: wave(b, x_px - bx) - wave(a, x_px - ax) + noise,
                variance: 0.05,
            }
        };
        SurfacePair { a, b, blocks: (0..60).map(block).collect() }
    };
    let ahead = |a: usize| {
        let column = a % columns;
        let steps = [(1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)];
        let inside = steps.into_iter().filter(move |(right, _)| column + right < columns);
        inside.map(move |(right, down)| (a, a + right + down * columns)).filter(move |(_, b)| *b < frames)
    };
    ((0..frames).map(over).collect(), (0..frames).flat_map(ahead).map(pair).collect())
}

fn surfaces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gauge, surfaces");
    for (name, order) in [("planes", SurfaceOrder::Plane), ("quadratic", SurfaceOrder::Quadratic)] {
        for frames in [540, 2700] {
            let (geometry, pairs) = surface_pairs(frames);
            let start = vec![0.0; frames];
            group.bench_function(format!("{name}, {frames} frames"), |bencher| {
                bencher.iter(|| solve_surfaces(&geometry, black_box(&pairs), order, &start));
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = previews, solve, surfaces }
criterion_main!(benches);
