//! What the area kernels promise: constant sky, conservation, variance, noise of apertures.

#[path = "common/area.rs"]
mod area;
mod common;

use area::{Corners, drizzle, methods, sample, sample_at};
use common::{Frame, Random};
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::area::{
    AreaKernel, AreaMethod, DropShape, Rotations, area_noise_correlation, area_ratio_row,
};

fn white(width: usize, height: usize, random: &mut Random) -> Frame {
    Frame { width, height, data: (0..width * height).map(|_| random.normal() as f32).collect() }
}

#[test]
fn a_constant_sky_stays_constant() {
    for level in [1234.567_f32, -3e-9, 7e20] {
        let frame = Frame::new(40, 34, |_, _| level).with_holes(3);
        for method in methods() {
            for (scale, angle, parity) in
                [(1.0, 3.0, 1.0), (0.4, 33.0, -1.0), (2.7, 80.0, 1.0), (1.0, 0.0, 1.0)]
            {
                let kernel = AreaKernel::new(method, scale).unwrap();
                let patch = Corners::affine(60, 50, scale, angle, parity, [20.3, 16.9]);
                let found = sample(&kernel, &frame, &patch);
                let good = found.value.iter().filter(|v| !v.is_nan()).count();
                assert!(good > 100, "{method:?} {good}");
                for value in found.value.iter().filter(|v| !v.is_nan()) {
                    assert!((value / level - 1.0).abs() < 1.3e-7, "{method:?}: {value} of {level}");
                }
            }
        }
    }
}

/// Over a grid that covers the frame, every frame pixel's weights sum to 1 (drizzle), the covered areas to the frame's.
#[test]
fn weight_and_area_are_conserved() {
    let frame = Frame::new(30, 24, |_, _| 1.0).with_holes(4);
    let good = frame.data.iter().filter(|v| !v.is_nan()).count() as f64;
    for method in methods() {
        for (scale, angle, parity) in [(1.0, 3.0, 1.0), (0.4, 33.0, -1.0), (2.7, 80.0, 1.0), (1.0, 0.0, -1.0)]
        {
            let kernel = AreaKernel::new(method, scale).unwrap();
            let n = (50.0 / scale) as usize;
            // A gentle curve; turbo, which takes the map to be straight, only on a straight one.
            let is_turbo = method != AreaMethod::Exact && format!("{method:?}").contains("Turbo");
            let bend = if is_turbo { 0.0 } else { 1e-3 };
            let (s, c) = f64::to_radians(angle).sin_cos();
            let middle = (n as f64 - 1.0) / 2.0;
            let patch = Corners::new(n, n, |x, y| {
                let (u, v) = (scale * parity * (x - middle), scale * (y - middle));
                let (u, v) = (u + bend * v * v, v - bend * u * v);
                (14.6 + c * u - s * v, 11.7 + s * u + c * v)
            });
            let found = sample(&kernel, &frame, &patch);
            let mut total = 0.0;
            for j in 0..n {
                let mut ratio = vec![0.0; n];
                area_ratio_row(patch.row(j), &mut ratio);
                for (i, ratio) in ratio.into_iter().enumerate() {
                    let share = if method == AreaMethod::Exact { f64::from(ratio) } else { 1.0 };
                    total += share * f64::from(found.weight[j * n + i]);
                    assert!(method != AreaMethod::Exact || found.weight[j * n + i] <= 1.0);
                }
            }
            assert!((total / good - 1.0).abs() < 1e-6, "{method:?} x {scale}: {total} of {good}");
        }
    }
}

#[test]
fn flux_is_conserved_with_the_area_ratio() {
    let mut random = Random(3);
    let mut frame = Frame::new(40, 40, |_, _| 0.0);
    for _ in 0..20 {
        frame.data[(10 + random.below(20)) * 40 + 10 + random.below(20)] = random.uniform(1.0, 5.0) as f32;
    }
    let flux: f64 = frame.data.iter().map(|v| f64::from(*v)).sum();
    for (scale, angle) in [(1.0, 20.0), (0.6, 5.0), (2.1, 70.0)] {
        let n = (36.0 / scale) as usize;
        let kernel = AreaKernel::new(AreaMethod::Exact, scale).unwrap();
        let patch = Corners::affine(n, n, scale, angle, -1.0, [19.6, 19.9]);
        let found = sample(&kernel, &frame, &patch);
        let mut total = 0.0;
        for j in 0..n {
            let mut ratio = vec![0.0; n];
            area_ratio_row(patch.row(j), &mut ratio);
            for (i, ratio) in ratio.into_iter().enumerate() {
                let value = found.value[j * n + i];
                total += if value.is_nan() { 0.0 } else { f64::from(value * ratio) };
            }
        }
        assert!((total / flux - 1.0).abs() < 1e-6, "{total} of {flux}");
    }
}

#[test]
fn mirrored_and_turned_frames_give_the_same_values() {
    let frame = Frame::noise(40, 40, 100.0, 20.0, 6).with_holes(7);
    let mirrored = Frame::new(40, 40, |x, y| frame.data[y * 40 + 39 - x]);
    let turned = Frame::new(40, 40, |x, y| frame.data[(39 - x) * 40 + y]);
    for method in methods() {
        let kernel = AreaKernel::new(method, 0.9).unwrap();
        let plain = Corners::affine(30, 28, 0.9, 17.0, 1.0, [19.1, 20.2]);
        let change = |map: &dyn Fn(f64, f64) -> (f64, f64)| {
            let moved = |j: usize| -> (Vec<f64>, Vec<f64>) {
                plain.xs[j].iter().zip(&plain.ys[j]).map(|(x, y)| map(*x, *y)).unzip()
            };
            let (xs, ys) = (0..=28).map(moved).unzip();
            Corners { width: 30, height: 28, xs, ys }
        };
        let expected = sample(&kernel, &frame, &plain);
        let found_mirrored = sample(&kernel, &mirrored, &change(&|x, y| (39.0 - x, y)));
        // Pixel (x, y) of the turned frame is pixel (y, 39 - x) of the frame.
        let found_turned = sample(&kernel, &turned, &change(&|x, y| (39.0 - y, x)));
        for found in [found_mirrored, found_turned] {
            for (a, b) in expected.value.iter().zip(&found.value) {
                assert_eq!(a.is_nan(), b.is_nan(), "{method:?}");
                assert!(a.is_nan() || (a - b).abs() < 2e-5, "{method:?}: {a} {b}");
            }
            for (a, b) in expected.weight.iter().zip(&found.weight) {
                assert!((a - b).abs() < 1e-6, "{method:?}: {a} {b}");
            }
        }
    }
}

#[test]
fn white_noise_has_the_variance_that_is_stated() {
    let mut random = Random(8);
    let frame = white(400, 400, &mut random);
    // A second frame whose pixels have different variances.
    let relative: Vec<f32> = (0..400 * 400).map(|_| random.uniform(0.2, 3.0) as f32).collect();
    let uneven = Frame {
        width: 400,
        height: 400,
        data: relative.iter().map(|r| r.sqrt() * random.normal() as f32).collect(),
    };
    for method in methods() {
        for (scale, angle) in [(1.0, 3.0), (0.6, 30.0), (2.5, 55.0)] {
            let n = (260.0 / scale) as usize;
            let kernel = AreaKernel::new(method, scale).unwrap();
            let patch = Corners::affine(n, n, scale, angle, 1.0, [199.7, 200.2]);
            let level = SimdLevel::detect();
            for (frame, noise) in [(&frame, None), (&uneven, Some(&relative[..]))] {
                let found = sample_at(&kernel, level, &frame.window(), noise, &patch);
                let (mut squares, mut predicted) = (0.0, 0.0);
                for k in 0..n * n {
                    if !found.value[k].is_nan() {
                        squares += f64::from(found.value[k]).powi(2);
                        let noise = if noise.is_some() { f64::from(found.noise[k]) } else { 1.0 };
                        predicted += f64::from(found.factor[k]) * noise;
                    }
                }
                let ratio = squares / predicted;
                assert!((ratio - 1.0).abs() < 0.025, "{method:?} x {scale}: {ratio}");
            }
        }
    }
}

/// Sums of q y over apertures of white noise, against the factor.
#[test]
fn apertures_have_the_noise_that_is_computed() {
    let mut random = Random(12);
    let cases = [
        (AreaMethod::Exact, 1.0, 20.0),
        (AreaMethod::Exact, 0.5, 33.0),
        (drizzle(DropShape::Square, 1.0), 1.0, 40.0),
        (drizzle(DropShape::Square, 0.6), 0.5, 10.0),
        (drizzle(DropShape::Turbo, 0.8), 0.7, 25.0),
        (drizzle(DropShape::Point, 1.0), 0.8, 25.0),
    ];
    for (method, scale, angle) in cases {
        let kernel = AreaKernel::new(method, scale).unwrap();
        for aperture in [2, 5] {
            let (mut of_sums, mut of_pixels) = (0.0, 0.0);
            for _ in 0..24 {
                let frame = white(160, 160, &mut random);
                let n = (105.0 / scale) as usize / aperture * aperture;
                let at = [random.uniform(79.0, 80.0), random.uniform(79.0, 80.0)];
                let found = sample(&kernel, &frame, &Corners::affine(n, n, scale, angle, 1.0, at));
                let q = |k: usize| {
                    let q = f64::from(found.weight[k]);
                    if q > 0.0 {
                        (q * f64::from(found.value[k]), q * q * f64::from(found.factor[k]))
                    } else {
                        (0.0, 0.0)
                    }
                };
                for (j, i) in
                    (0..n).step_by(aperture).flat_map(|j| (0..n).step_by(aperture).map(move |i| (j, i)))
                {
                    let mut sum = 0.0;
                    for k in (0..aperture * aperture).map(|k| (j + k / aperture) * n + i + k % aperture) {
                        sum += q(k).0;
                        of_pixels += q(k).1;
                    }
                    of_sums += sum * sum;
                }
            }
            let measured = of_sums / of_pixels;
            let computed = area_noise_correlation(&kernel, Rotations::Fixed(angle), aperture);
            println!("{method:?} x {scale}, {aperture} px: measured {measured:.3}, computed {computed:.3}");
            assert!((measured / computed - 1.0).abs() < 0.04, "{method:?}: {measured} {computed}");
        }
    }
}

/// The square of R of Fruchter & Hook 2002 for large apertures and grids along the frame's axes.
#[test]
fn large_apertures_of_drizzle_follow_fruchter_and_hook() {
    for (pixfrac, scale) in [(1.0, 1.0), (0.8, 1.0), (0.6, 0.5), (1.0, 0.5), (0.5, 1.0)] {
        let kernel = AreaKernel::new(drizzle(DropShape::Square, pixfrac), scale).unwrap();
        let r = pixfrac / scale;
        let expected: f64 = if r >= 1.0 { r / (1.0 - 1.0 / (3.0 * r)) } else { 1.0 / (1.0 - r / 3.0) };
        let found = area_noise_correlation(&kernel, Rotations::Fixed(0.0), 2000).sqrt();
        println!("pixfrac {pixfrac} scale {scale}: R {found:.4}, formula {expected:.4}");
        assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    }
    let mean = area_noise_correlation(&AreaKernel::new(AreaMethod::Exact, 1.0).unwrap(), Rotations::Mean, 5);
    assert!(mean > 1.5 && mean < 2.5, "{mean}");
}
