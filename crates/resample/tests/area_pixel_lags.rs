//! The mean autocorrelation of kernels at whole pixels, against that of their answer to a single pixel.

#[path = "common/area.rs"]
mod area;
mod common;

use area::{Corners, Sampled, drizzle, sample};
use common::Frame;
use zemosaic_resample::area::{
    Adaptive, AdaptiveOptions, AdaptiveShape, AreaKernel, AreaMethod, DropShape, PixelLags, area_pixel_lags,
};

/// Positions per pixel.
const PHASES: usize = 8;
/// Pixels on each side of the lit one.
const REACH: usize = 6;
const ANGLES: u32 = 12;

/// Mean over phases and rotations of the sums of products of `answer`, the weight of the frame's lit pixel in an output
/// pixel.
fn measured(frame: &Frame, scale: f64, answer: impl Fn(&Frame, &Corners) -> f64) -> PixelLags {
    let side = 2 * REACH * PHASES;
    let mut sums = [[0.0; 5]; 5];
    for angle in 0..ANGLES {
        let angle_deg = 90.0 * (f64::from(angle) + 0.5) / f64::from(ANGLES);
        let place = |i: usize| REACH as f64 - 1.0 + (i as f64 + 0.5) / PHASES as f64;
        let weights: Vec<f64> = (0..side * side)
            .map(|k| [place(k % side), place(k / side)])
            .map(|at| answer(frame, &Corners::affine(1, 1, scale, angle_deg, 1.0, at)))
            .collect();
        // Lags of both axes in places of `weights`, from -2 pixels on.
        for (j, i) in (0..5).flat_map(|j| (0..5).map(move |i| (j, i))) {
            let moved = |at: usize, lag: usize| (at + PHASES * lag).checked_sub(2 * PHASES);
            let inside = |at: usize, lag: usize| moved(at, lag).filter(|at| *at < side);
            for y in 0..side {
                let Some(other_y) = inside(y, j) else { continue };
                for x in 0..side {
                    let Some(other_x) = inside(x, i) else { continue };
                    sums[j][i] += weights[y * side + x] * weights[other_y * side + other_x];
                }
            }
        }
    }
    PixelLags::new(|dx, dy| sums[(dy + 2) as usize][(dx + 2) as usize])
}

fn lit() -> Frame {
    let middle = 2 * REACH - 1;
    Frame::new(4 * REACH, 4 * REACH, |x, y| if (x, y) == (middle, middle) { 1.0 } else { 0.0 })
}

fn compare(name: &str, found: &PixelLags, expected: &PixelLags, allowed: f64) {
    let mut worst = 0.0_f64;
    for (dx, dy) in (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dx, dy))) {
        let difference = found.at(dx, dy) / found.at(0, 0) - expected.at(dx, dy) / expected.at(0, 0);
        worst = worst.max(difference.abs());
    }
    println!("{name}: {worst:.5}");
    assert!(worst < allowed, "{name}: {worst}\n{found:?}\n{expected:?}");
}

#[test]
fn area_kernels_have_the_stated_autocorrelation() {
    let frame = lit();
    let methods = [
        (AreaMethod::Exact, 0.005),
        (drizzle(DropShape::Square, 0.7), 0.005),
        (drizzle(DropShape::Turbo, 0.7), 0.005),
        // Weights of 0 and 1 on a grid of positions.
        (drizzle(DropShape::Point, 1.0), 0.02),
    ];
    for (method, allowed) in methods {
        for scale in [0.5, 1.0, 2.0] {
            let kernel = AreaKernel::new(method, 1.01 * scale).unwrap();
            let expected = measured(&frame, scale, |frame, corners| {
                let found = sample(&kernel, frame, corners);
                if found.weight[0] > 0.0 { f64::from(found.value[0] * found.weight[0]) } else { 0.0 }
            });
            let found = area_pixel_lags(&kernel, scale);
            compare(&format!("{method:?} x {scale}"), &found, &expected, allowed);
        }
    }
}

#[test]
fn adaptive_kernels_have_the_stated_autocorrelation() {
    let frame = lit();
    // The sum of the weights of a turned Hann kernel depends on the phase.
    for (shape, allowed) in [(AdaptiveShape::Gaussian, 0.003), (AdaptiveShape::Hann, 0.01)] {
        for scale in [0.5, 1.0, 2.0] {
            let kernel =
                Adaptive::new(AdaptiveOptions { shape, ..AdaptiveOptions::default() }, scale).unwrap();
            let expected = measured(&frame, scale, |frame, corners| {
                let mut out = Sampled::new(1);
                kernel.row(&[frame.window()], None, corners.row(0), &mut [out.row(0, 1)]);
                f64::from(out.value[0])
            });
            compare(&format!("{shape:?} x {scale}"), &kernel.pixel_lags(scale), &expected, allowed);
        }
    }
}
