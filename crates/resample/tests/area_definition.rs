//! The area kernels against polygon clipping, and what must not change a bit.

#[path = "common/area.rs"]
mod area;
mod common;

use area::{Corners, drizzle, methods, sample_at};
use common::{Frame, Random};
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::SourceWindow;
use zemosaic_resample::area::{AreaKernel, AreaMethod, DropShape, area_row, definition};

/// Patches of output pixels with their scale ratio: turned, mirrored, shaken, large, small, and along the pixels.
fn patches(frame: &Frame) -> Vec<(f64, Corners)> {
    let mut random = Random(5);
    let middle = [frame.width as f64 / 2.0, frame.height as f64 / 2.0];
    let mut all = Vec::new();
    for (k, scale) in [1.0, 0.7, 2.3, 0.05, 9.0, 1.0, 0.31].into_iter().enumerate() {
        for parity in [1.0, -1.0] {
            for angle in [2.0, 45.0, -71.3, 180.0, 90.0, 0.0] {
                let at = middle.map(|m| m + random.uniform(-12.0, 12.0));
                let patch = Corners::affine(25, 19, scale, angle, parity, at);
                all.push((scale, if k == 5 { patch.shaken(0.2, k as u64) } else { patch }));
            }
        }
        // On the pixels, half between them, and within the last bits of both.
        for shift in [0.0, 0.5, 0.25, 1e-13, 0.5 - 1e-14] {
            let patch = Corners::affine(31, 29, scale.max(0.5).round(), 0.0, 1.0, [16.0 + shift, 15.0]);
            all.push((scale.max(0.5).round(), patch));
        }
    }
    // The tiniest turns: edges all but along the pixels.
    for angle in [1e-3, 1e-7, 1e-10, 1e-12, 1e-14] {
        all.push((1.0, Corners::affine(31, 29, 1.0, angle, 1.0, [16.5, 15.2])));
        all.push((1.0, Corners::affine(31, 29, 1.0, 90.0 + angle, 1.0, [16.0, 15.0])));
    }
    all
}

#[test]
fn fast_code_is_the_definition() {
    let frame = Frame::noise(40, 34, -0.5, 1.0, 1).with_holes(2);
    for method in methods() {
        let mut worst = [0.0_f64; 3];
        let mut samples = 0;
        for (scale, patch) in patches(&frame) {
            let kernel = AreaKernel::new(method, scale).unwrap();
            let found = sample_at(&kernel, SimdLevel::Portable, &frame.window(), None, &patch);
            for j in 0..patch.height {
                for i in 0..patch.width {
                    let quad = patch.quad(i, j);
                    let expected = definition::sample(&kernel, &frame.window(), &quad);
                    let k = j * patch.width + i;
                    let label = format!("{method:?} x {scale} {quad:?}");
                    let weight = f64::from(found.weight[k]);
                    worst[2] = worst[2].max((weight - expected.weight).abs() / expected.weight.max(1.0));
                    // Where the overlap is all but nothing either answer is right.
                    if expected.weight < 1e-6 && weight < 1e-6 {
                        continue;
                    }
                    samples += 1;
                    let (value, factor) = expected.valid.unwrap_or_else(|| panic!("{label} {weight}"));
                    worst[0] = worst[0].max((f64::from(found.value[k]) - value).abs());
                    worst[1] = worst[1].max((f64::from(found.factor[k]) / factor - 1.0).abs());
                    assert!(
                        (f64::from(found.value[k]) - value).abs() < 2e-6,
                        "{label}: {} {value}",
                        found.value[k]
                    );
                    assert_eq!(found.flags[k] & 5, expected.flags & 5, "{label}");
                }
            }
        }
        println!(
            "{method:?}: value {:.1e}, factor {:.1e}, weight {:.1e} ({samples})",
            worst[0], worst[1], worst[2]
        );
        assert!(samples > 5000, "{samples}");
        assert!(worst[1] < 3e-6 && worst[2] < 1e-7, "{method:?} {worst:?}");
    }
}

/// Without f32 at the end: single overlaps, through a frame that is 1 in one pixel.
#[test]
fn overlaps_are_good_to_a_ten_millionth_of_a_pixel() {
    let mut frame = Frame::new(40, 34, |_, _| f32::NAN);
    let mut worst = 0.0_f64;
    for (x, y) in [(16, 15), (17, 15), (20, 17), (12, 20)] {
        frame.data.fill(f32::NAN);
        frame.data[y * 40 + x] = 1.0;
        for (scale, patch) in patches(&frame) {
            for pixfrac in [1.0, 0.6] {
                let kernel = AreaKernel::new(drizzle(DropShape::Square, pixfrac), scale).unwrap();
                let found = sample_at(&kernel, SimdLevel::Portable, &frame.window(), None, &patch);
                for (k, weight) in found.weight.iter().enumerate() {
                    let quad = patch.quad(k % patch.width, k / patch.width);
                    if definition::weights(&kernel, &quad).is_empty() {
                        assert_eq!(*weight, 0.0);
                        continue;
                    }
                    let expected =
                        definition::overlap(&quad, [x as f64, y as f64], pixfrac) / (pixfrac * pixfrac);
                    worst = worst.max((f64::from(*weight) - expected).abs());
                }
            }
        }
    }
    println!("worst overlap error {worst:.1e}");
    // Half of the last bit of f32 is 6e-8.
    assert!(worst < 1e-7, "{worst}");
}

#[test]
fn instruction_sets_windows_and_rows_give_equal_bits() {
    let frame = Frame::noise(60, 50, 500.0, 100.0, 1).with_holes(2);
    let mut random = Random(9);
    let noise: Vec<f32> = (0..60 * 50).map(|_| random.uniform(0.5, 2.0) as f32).collect();
    let noise_frame = Frame { width: 60, height: 50, data: noise.clone() };
    for method in methods() {
        for (scale, patch) in patches(&frame).into_iter().step_by(3) {
            let kernel = AreaKernel::new(method, scale).unwrap();
            let expected = sample_at(&kernel, SimdLevel::Portable, &frame.window(), Some(&noise), &patch);
            for level in SimdLevel::available() {
                let found = sample_at(&kernel, level, &frame.window(), Some(&noise), &patch);
                assert!(found.bits() == expected.bits(), "{method:?} {level:?}");
            }
            for _ in 0..30 {
                // One pixel alone, in the smallest window that margin_px allows.
                let (i, j) = (random.below(patch.width), random.below(patch.height));
                let quad = patch.quad(i, j);
                let margin = kernel.margin_px() as i64;
                let low = [0, 1]
                    .map(|k| (quad.iter().map(|p| p[k]).sum::<f64>() / 4.0 + 0.5).floor() as i64 - margin);
                let side = 2 * margin as usize + 1;
                let wanted = Region { x0: low[0], y0: low[1], width: side, height: side };
                let Some(region) = wanted.intersect(&frame.region()) else { continue };
                let (data, noise) = (frame.cut(region), noise_frame.cut(region));
                let window = SourceWindow { data: &data, region, ..frame.window() };
                let alone = Corners {
                    width: 1,
                    height: 1,
                    xs: (0..2).map(|k| patch.xs[j + k][i..i + 2].to_vec()).collect(),
                    ys: (0..2).map(|k| patch.ys[j + k][i..i + 2].to_vec()).collect(),
                };
                let found = sample_at(&kernel, SimdLevel::detect(), &window, Some(&noise), &alone);
                assert_eq!(found.bits()[0], expected.bits()[j * patch.width + i], "{method:?} {quad:?}");
            }
        }
    }
}

#[test]
fn planes_together_or_alone_are_equal() {
    let frames: Vec<Frame> = (0..3).map(|k| Frame::noise(40, 34, 10.0, 5.0, k).with_holes(k + 10)).collect();
    let patch = Corners::affine(37, 23, 1.0, 20.0, 1.0, [20.0, 17.0]);
    for method in methods() {
        let kernel = AreaKernel::new(method, 1.0).unwrap();
        let mut outs: Vec<area::Sampled> = frames.iter().map(|_| area::Sampled::new(37 * 23)).collect();
        let windows: Vec<SourceWindow<'_>> = frames.iter().map(Frame::window).collect();
        for j in 0..patch.height {
            let mut rows: Vec<_> = outs.iter_mut().map(|out| out.row(j * 37, 37)).collect();
            area_row(&kernel, SimdLevel::detect(), &windows, None, patch.row(j), &mut rows);
        }
        for (frame, out) in frames.iter().zip(&outs) {
            assert_eq!(area::sample(&kernel, frame, &patch).bits(), out.bits());
        }
    }
}

#[test]
fn corners_without_meaning_give_no_data() {
    let frame = Frame::noise(40, 34, 0.0, 1.0, 1);
    let square = [[10.0, 10.0], [11.0, 10.0], [11.0, 11.0], [10.0, 11.0]];
    let mut quads = vec![
        [[10.0, 10.0]; 4],
        [[10.0, 10.0], [11.0, 10.0], [12.0, 10.0], [13.0, 10.0]],
        [[10.0, 10.0], [11.0, 11.0], [11.0, 10.0], [10.0, 11.0]],
        [[10.0, 10.0], [11.0, 10.0], [10.2, 10.2], [10.0, 11.0]],
        [[0.0, 0.0], [30.0, 0.0], [30.0, 30.0], [0.0, 30.0]],
        [[1e9, 1e9], [1e9, 1e9], [-1e9, 1e9], [1e9, -1e9]],
    ];
    for k in 0..4 {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            for axis in 0..2 {
                let mut quad = square;
                quad[k][axis] = bad;
                quads.push(quad);
            }
        }
    }
    for method in methods() {
        let kernel = AreaKernel::new(method, 1.0).unwrap();
        for quad in &quads {
            let [a, b, c, d] = *quad;
            let patch = Corners {
                width: 1,
                height: 1,
                xs: vec![vec![a[0], b[0]], vec![d[0], c[0]]],
                ys: vec![vec![a[1], b[1]], vec![d[1], c[1]]],
            };
            for level in SimdLevel::available() {
                let found = sample_at(&kernel, level, &frame.window(), None, &patch);
                assert!(found.value[0].is_nan() && found.factor[0].is_nan(), "{method:?} {quad:?}");
                assert_eq!((found.weight[0], found.flags[0]), (0.0, 0), "{method:?} {quad:?}");
            }
            assert_eq!(definition::sample(&kernel, &frame.window(), quad).valid, None);
        }
    }
    assert!(AreaKernel::new(drizzle(DropShape::Square, 0.0), 1.0).is_err());
    assert!(AreaKernel::new(drizzle(DropShape::Square, 1.1), 1.0).is_err());
    assert!(AreaKernel::new(AreaMethod::Exact, f64::NAN).is_err());
}
