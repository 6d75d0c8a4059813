//! A constant sky stays constant: at every sub-pixel phase, stretched or not, next to NaN and at edges.

mod common;

use common::{Frame, KERNELS, Random, positions, warp};
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{KernelTable, SourceWindow};

const SKY: f32 = 1234.567;

fn assert_constant(table: &KernelTable, window: &SourceWindow<'_>, at: &[(f64, f64)], label: &str) -> usize {
    let found = warp(table, SimdLevel::Portable, window, at);
    for (value, (x, y)) in found.value.iter().zip(at) {
        let error = (f64::from(*value) / f64::from(SKY) - 1.0).abs();
        assert!(value.is_nan() || error < 1e-6, "{label} at {x}, {y}: {value}");
    }
    found.value.iter().filter(|value| !value.is_nan()).count()
}

#[test]
fn at_every_phase() {
    let frame = Frame::new(32, 32, |_, _| SKY);
    // 4099 phases are not a multiple of the table's 256; the other axis walks through its own.
    let phases = 4099;
    let at: Vec<(f64, f64)> = (0..=phases)
        .flat_map(|i| {
            let f = f64::from(i) / f64::from(phases);
            let g = (f64::from(i) * 0.618_033_988_749_894_9).fract();
            [(12.0 + f, 12.0 + g), (12.0 + g, 12.0 + f), (12.0 + f, 12.5), (12.0 + f, 13.0)]
        })
        .collect();
    for kernel in KERNELS {
        for stretch in [1.0, 1.15, 1.5, 2.0, 3.0] {
            let label = format!("{kernel:?} x {stretch}");
            let valid = assert_constant(&KernelTable::new(kernel, stretch), &frame.window(), &at, &label);
            assert_eq!(valid, at.len(), "{label}");
        }
    }
}

#[test]
fn at_edges_and_next_to_holes() {
    let plain = Frame::new(40, 30, |_, _| SKY);
    let holes = Frame::new(40, 30, |_, _| SKY).with_holes(5);
    for kernel in KERNELS {
        for stretch in [1.0, 1.5, 3.0] {
            let table = KernelTable::new(kernel, stretch);
            for (frame, seed) in [(&plain, 6), (&holes, 7)] {
                let at = positions(frame, 8000, seed);
                assert_constant(&table, &frame.window(), &at, &format!("{kernel:?} x {stretch}"));
            }
        }
    }
}

#[test]
fn dense_phases_around_a_hole_and_a_corner() {
    let mut frame = Frame::new(24, 24, |_, _| SKY);
    frame.data[12 * 24 + 12] = f32::NAN;
    frame.data[12 * 24 + 13] = f32::NAN;
    let grid = |x0: f64, y0: f64, step: f64, n: usize| -> Vec<(f64, f64)> {
        (0..n * n).map(|i| (x0 + (i % n) as f64 * step, y0 + (i / n) as f64 * step)).collect()
    };
    for kernel in KERNELS {
        for stretch in [1.0, 1.5] {
            let table = KernelTable::new(kernel, stretch);
            let label = format!("{kernel:?} x {stretch}");
            assert_constant(&table, &frame.window(), &grid(9.0, 9.0, 7.0 / 128.0, 128), &label);
            let corner = grid(-0.5, -0.5, 4.0 / 96.0, 96);
            let valid = assert_constant(&table, &frame.window(), &corner, &label);
            assert_eq!(valid, corner.len(), "a frame's corner has data: {label}");
        }
    }
}

#[test]
fn any_level() {
    let mut random = Random(8);
    for _ in 0..40 {
        let level = (10.0_f64.powf(random.uniform(-12.0, 12.0)) * random.uniform(-1.0, 1.0).signum()) as f32;
        let frame = Frame::new(20, 20, |_, _| level).with_holes(9);
        let at = positions(&frame, 200, 10);
        for kernel in KERNELS {
            let found = warp(&KernelTable::new(kernel, 1.0), SimdLevel::detect(), &frame.window(), &at);
            let good = |value: &f32| value.is_nan() || (value / level - 1.0).abs() < 1e-6;
            assert!(found.value.iter().all(good), "{kernel:?} {level}");
        }
    }
}
