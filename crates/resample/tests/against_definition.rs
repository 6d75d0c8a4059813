//! The fast code against `definition::sample`, and that against the formulas written down once more.

mod common;

use common::{Frame, KERNELS, Spline, coefficients, naive, positions, warp};
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::definition::{MIN_GOOD_SHARE, MIN_GOOD_SIGNED_SHARE, sample};
use zemosaic_resample::{Kernel, KernelTable, flags};

const STRETCHES: [f64; 4] = [1.0, 1.2, 1.5, 3.0];

/// Within rounding of a threshold either answer is right.
fn is_tie(naive: &common::Naive) -> bool {
    let near = |share: f64, least: f64| (share - least).abs() < 1e-5;
    near(naive.share, MIN_GOOD_SHARE) || near(naive.signed_share, MIN_GOOD_SIGNED_SHARE)
}

#[test]
fn the_definition_is_the_formula() {
    let frame = Frame::noise(31, 26, 0.0, 1.0, 1).with_holes(2);
    let window = frame.window();
    let spline = Spline::new(&frame);
    for kernel in KERNELS {
        for stretch in STRETCHES {
            let is_spline = kernel.at_stretch(stretch) == Kernel::BsplineCubic;
            for (x, y) in positions(&frame, 1500, 3) {
                let found = sample(kernel, stretch, &window, x, y);
                let Some(expected) = naive(kernel, stretch, &frame, x, y) else {
                    assert_eq!((found.valid, found.flags), (None, 0), "{kernel:?} {x} {y}");
                    continue;
                };
                assert_eq!(found.flags, expected.flags, "{kernel:?} x {stretch} at {x}, {y}");
                if is_tie(&expected) {
                    continue;
                }
                let valid = expected.share > MIN_GOOD_SHARE && expected.signed_share > MIN_GOOD_SIGNED_SHARE;
                assert_eq!(found.valid.is_some(), valid, "{kernel:?} x {stretch} at {x}, {y}: {expected:?}");
                if let Some((value, factor)) = found.valid {
                    if is_spline {
                        // The last bit of a filled pixel may differ.
                        assert!((value - spline.value(x, y)).abs() < 1e-6, "bicubic at {x}, {y}");
                        let plain = (factor / expected.factor - 1.0).abs() < 1e-9;
                        assert!(plain || expected.flags != flags::INSIDE, "bicubic at {x}, {y}: factor");
                        continue;
                    }
                    let scale = expected.factor.sqrt().max(1.0);
                    assert!(
                        (value - expected.value).abs() < 1e-10 * scale,
                        "{kernel:?} x {stretch} at {x}, {y}"
                    );
                    assert!(
                        (factor / expected.factor - 1.0).abs() < 1e-9,
                        "{kernel:?} x {stretch} at {x}, {y}"
                    );
                }
            }
        }
    }
}

/// Returns the largest error of the value in units of the local range (where that is at least the level), and
/// of the factor (relative).
fn compare(kernel: Kernel, stretch: f64, frame: &Frame, at: &[(f64, f64)]) -> (f64, f64) {
    let table = KernelTable::new(kernel, stretch);
    let window = frame.window();
    let found = warp(&table, SimdLevel::Portable, &window, at);
    let (mut worst, mut worst_factor) = (0.0_f64, 0.0_f64);
    let good = || frame.data.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value));
    let (low, high) = (good().fold(f64::INFINITY, f64::min), good().fold(f64::NEG_INFINITY, f64::max));
    let overall = (low.abs().max(high.abs()), high - low);
    for (i, &(x, y)) in at.iter().enumerate() {
        let label = format!("{kernel:?} x {stretch} at {x}, {y}");
        let expected = sample(kernel, stretch, &window, x, y);
        assert_eq!(found.flags[i], expected.flags, "{label}");
        let local = naive(kernel, stretch, frame, x, y);
        if local.as_ref().is_some_and(is_tie) {
            continue;
        }
        assert_eq!(found.value[i].is_nan(), expected.valid.is_none(), "{label}: {local:?}");
        assert_eq!(found.factor[i].is_nan(), expected.valid.is_none(), "{label}");
        if let (Some((value, factor)), Some(local)) = (expected.valid, local) {
            // Four roundings of the level itself (f32 resolves it to 6e-8), the rest in units of the range. The
            // spline rounds coefficients of up to 9 times the level and sees beyond the taps whose range this is.
            let is_spline = table.needs_prefilter();
            let (roundings, share, factor_share) =
                if is_spline { (1e-6, 2e-6, 2e-4) } else { (2.5e-7, 1e-6, 1e-5) };
            let (largest, range) = if is_spline { overall } else { (local.largest, local.range) };
            let error = (f64::from(found.value[i]) - value).abs();
            let beyond_rounding = (error - roundings * largest).max(0.0);
            let factor_error = (f64::from(found.factor[i]) / factor - 1.0).abs();
            let close = beyond_rounding <= share * range;
            assert!(close, "{label}: {} is not {value}, {local:?}", found.value[i]);
            assert!(
                factor_error < factor_share,
                "{label}: factor {} is not {factor}, {local:?}",
                found.factor[i]
            );
            if range >= largest {
                worst = worst.max(error / range);
            }
            worst_factor = worst_factor.max(factor_error);
        }
    }
    (worst, worst_factor)
}

#[test]
fn whole_frames() {
    let frame = Frame::noise(45, 38, -0.5, 1.0, 11);
    let at = positions(&frame, 6000, 12);
    for kernel in KERNELS {
        for stretch in STRETCHES {
            let (value, factor) = compare(kernel, stretch, &frame, &at);
            println!("{kernel:?} x {stretch}: value {value:.1e} of the range, factor {factor:.1e}");
        }
    }
}

#[test]
fn frames_with_holes() {
    let frame = Frame::noise(45, 38, -0.5, 1.0, 21).with_holes(22);
    let at = positions(&frame, 6000, 23);
    for kernel in KERNELS {
        for stretch in STRETCHES {
            let (value, factor) = compare(kernel, stretch, &frame, &at);
            println!("{kernel:?} x {stretch}: value {value:.1e} of the range, factor {factor:.1e}");
        }
    }
}

/// Holes deeper than the spline's filling reaches, an infinite pixel, a frame of nothing else.
#[test]
fn frames_with_large_holes() {
    let mut frame = Frame::noise(90, 80, 100.0, 20.0, 24);
    for i in 0..90 * 80 {
        let (x, y) = (i % 90, i / 90);
        if (30..60).contains(&x) && (20..55).contains(&y) || x + y < 30 {
            frame.data[i] = f32::NAN;
        }
    }
    let at = positions(&frame, 6000, 25);
    for kernel in KERNELS {
        compare(kernel, 1.0, &frame, &at);
    }
    let table = KernelTable::new(Kernel::BsplineCubic, 1.0);
    frame.data[70 * 90 + 70] = f32::INFINITY;
    assert!(
        coefficients(&table, SimdLevel::detect(), &frame.window()).all().iter().all(|c| c.abs() < 1000.0)
    );
    frame.data.fill(f32::NAN);
    assert!(coefficients(&table, SimdLevel::detect(), &frame.window()).all().iter().all(|c| *c == 0.0));
    assert!(warp(&table, SimdLevel::detect(), &frame.window(), &at).value.iter().all(|value| value.is_nan()));
}

/// The cut filter in f32 against the recursive one in f64, in units of the largest pixel.
#[test]
fn coefficients_equal_those_of_the_recursion() {
    let table = KernelTable::new(Kernel::BsplineCubic, 1.0);
    for (level, range) in [(-0.5, 1.0), (1000.0, 1.0), (1000.0, 900.0)] {
        let frame = Frame::noise(80, 70, level, range, 27).with_holes(28);
        let expected = Spline::new(&frame).coefficients;
        let found = coefficients(&table, SimdLevel::detect(), &frame.window());
        let worst =
            found.all().iter().zip(&expected).map(|(c, e)| (f64::from(*c) - e).abs()).fold(0.0, f64::max);
        println!("level {level}, range {range}: {:.1e}", worst / (level.abs() + range));
        assert!(worst < 5e-7 * (level.abs() + range), "level {level}, range {range}: {worst}");
    }
}

/// An empty sky stays empty to the bit, whatever the level.
#[test]
fn coefficients_of_a_constant_are_the_constant() {
    let table = KernelTable::new(Kernel::BsplineCubic, 1.0);
    for level in [0.0, 1234.567, -3e-9, 65_535.0] {
        let frame = Frame::new(50, 40, |_, _| level).with_holes(26);
        let found = coefficients(&table, SimdLevel::detect(), &frame.window());
        assert!(found.all().iter().all(|c| *c == level), "{level}");
    }
}

#[test]
fn a_star_field_on_a_sky_level() {
    let mut frame = Frame::noise(64, 64, 1000.0, 60.0, 31).with_holes(32);
    for (x, y, peak) in [(20.0, 20.0, 50_000.0), (40.3, 12.7, 9_000.0), (63.0, 63.0, 30_000.0)] {
        for (i, pixel) in frame.data.iter_mut().enumerate() {
            let (dx, dy) = ((i % 64) as f64 - x, (i / 64) as f64 - y);
            *pixel += (peak * (-(dx * dx + dy * dy) / 3.0).exp()) as f32;
        }
    }
    let at = positions(&frame, 3000, 33);
    for kernel in KERNELS {
        compare(kernel, 1.0, &frame, &at);
    }
}

#[test]
fn frames_smaller_than_the_kernel() {
    for (width, height) in [(1, 1), (2, 1), (1, 7), (3, 3), (5, 4), (8, 8)] {
        let frame = Frame::noise(width, height, 0.0, 1.0, 41);
        let at: Vec<(f64, f64)> = (0..width * 8 + 8)
            .flat_map(|i| (0..height * 8 + 8).map(move |j| (i as f64 / 8.0 - 1.0, j as f64 / 8.0 - 1.0)))
            .collect();
        for kernel in KERNELS {
            for stretch in [1.0, 3.0] {
                compare(kernel, stretch, &frame, &at);
            }
        }
    }
}

#[test]
fn bilinear_at_the_border_is_the_clamped_half_pixel() {
    let frame = Frame::noise(9, 7, 10.0, 5.0, 51);
    let table = KernelTable::new(Kernel::Bilinear, 1.0);
    for step in 0..=4 {
        let beyond = f64::from(step) / 8.0;
        let at =
            [(-beyond, 3.0), (8.0 + beyond, 3.0), (4.0, -beyond), (4.0, 6.0 + beyond), (-beyond, -beyond)];
        let found = warp(&table, SimdLevel::Portable, &frame.window(), &at);
        let expected = [(0, 3), (8, 3), (4, 0), (4, 6), (0, 0)].map(|(x, y)| frame.at(x, y).unwrap());
        for (i, (value, expected)) in found.value.iter().zip(expected).enumerate() {
            let outside = step == 4 && (i == 1 || i == 3);
            assert_eq!(value.is_nan(), outside, "{i} at {beyond}");
            assert!(outside || (value - expected).abs() < 1e-5, "{i} at {beyond}");
        }
    }
}

#[test]
fn bilinear_reproduces_a_plane() {
    let frame = Frame::new(50, 40, |x, y| 100.0 + 2.5 * x as f32 - 1.25 * y as f32);
    let table = KernelTable::new(Kernel::Bilinear, 1.0);
    let at: Vec<(f64, f64)> = positions(&frame, 4000, 61)
        .into_iter()
        .filter(|(x, y)| (0.0..=49.0).contains(x) && (0.0..=39.0).contains(y))
        .collect();
    let found = warp(&table, SimdLevel::Portable, &frame.window(), &at);
    for (value, (x, y)) in found.value.iter().zip(&at) {
        let expected = 100.0 + 2.5 * x - 1.25 * y;
        assert!((f64::from(*value) / expected - 1.0).abs() < 1e-6, "{x}, {y}");
    }
}

#[test]
fn positions_without_meaning_give_no_data() {
    let frame = Frame::noise(40, 40, 0.0, 1.0, 71);
    let wild =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 9.3e18, -9.3e18, 1e10, -1e10, 40.0, -1.0];
    let mut at: Vec<(f64, f64)> = wild.iter().flat_map(|w| [(*w, 5.0), (5.0, *w), (*w, *w)]).collect();
    at.push((f64::NAN, f64::INFINITY));
    // Also in a window that does not begin at the frame's corner.
    let inner = zemosaic_image::Region { x0: 1, y0: 1, width: 30, height: 30 };
    let cut = frame.cut(inner);
    let part = zemosaic_resample::SourceWindow { data: &cut, region: inner, ..frame.window() };
    for kernel in KERNELS {
        for stretch in [1.0, 1.5] {
            for level in SimdLevel::available() {
                for window in [frame.window(), part] {
                    let found = warp(&KernelTable::new(kernel, stretch), level, &window, &at);
                    assert!(found.value.iter().chain(&found.factor).all(|v| v.is_nan()), "{kernel:?}");
                    assert!(found.flags.iter().all(|flags| *flags == 0), "{kernel:?}");
                }
            }
        }
    }
}
