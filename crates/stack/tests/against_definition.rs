//! The fast stack against the plain definition.

mod common;

use common::{Block, COMBINES, NO_REJECTION, Random, SIGMA, all_options};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Combine, RejectMethod, RejectOptions};

fn close(fast: f32, exact: f64, scale: f64, what: &str) {
    if exact.is_nan() {
        assert!(fast.is_nan(), "{what}: {fast} instead of NaN");
    } else {
        let error = (f64::from(fast) - exact).abs();
        assert!(error <= 1e-6 * scale.max(exact.abs()), "{what}: {fast} against {exact}");
    }
}

fn compare(block: &Block, combine: Combine, reject: &RejectOptions, level: SimdLevel) {
    let planes = block.stack(combine, reject, level);
    for pixel in 0..block.pixels {
        let exact = block.define(pixel, combine, reject);
        let what = format!("{} frames, pixel {pixel}, {combine:?}, {reject:?}, {level:?}", block.frames);
        let counts = (planes.depth[pixel], planes.rejected_low[pixel], planes.rejected_high[pixel]);
        assert_eq!(counts, (exact.depth, exact.rejected_low, exact.rejected_high), "{what}");
        let samples = block.samples(pixel);
        let sizes = samples.iter().filter(|s| !s.value.is_nan()).map(|s| f64::from(s.value.abs()));
        let scale = if combine == Combine::Sum { sizes.sum() } else { sizes.fold(0.0, f64::max) };
        close(planes.value[pixel], exact.value, scale, &what);
        close(planes.weight[pixel], exact.weight, 0.0, &what);
        close(planes.variance[pixel], exact.variance, 0.0, &what);
    }
}

#[test]
fn every_number_of_frames_from_1_to_70() {
    for frames in 1..=70 {
        let block = Block::random(frames, 64, frames as u64);
        for block in [block.clone(), block.with_relative(3 * frames as u64)] {
            for (combine, reject) in all_options() {
                for level in SimdLevel::available() {
                    compare(&block, combine, &reject, level);
                }
            }
        }
    }
}

#[test]
fn many_pixels_and_many_frames() {
    for (frames, pixels) in [(8, 8000), (30, 8000), (128, 800), (333, 160), (1000, 48)] {
        let block = Block::random(frames, pixels, 4242 + frames as u64);
        for method in [
            RejectMethod::Sigma,
            RejectMethod::Mad,
            RejectMethod::Winsorized,
            RejectMethod::WinsorizedQuantile,
        ] {
            let reject = RejectOptions { method, ..RejectOptions::default() };
            for level in SimdLevel::available() {
                for combine in COMBINES {
                    compare(&block, combine, &reject, level);
                }
            }
        }
    }
}

#[test]
fn pixels_that_miss_no_sample() {
    let mut random = Random(77);
    for frames in (1..=70).chain([128, 200]) {
        let block = Block::new(frames, 40, |pixel, frame| match pixel {
            // One group of sixteen misses a sample.
            20 if frame == frames / 3 => f32::NAN,
            ..16 => (1000.0 + 10.0 * random.normal()) as f32,
            _ => random.below(9) as f32,
        });
        for combine in COMBINES.into_iter().chain([Combine::Percentile(0.0), Combine::Percentile(100.0)]) {
            for level in SimdLevel::available() {
                compare(&block, combine, &NO_REJECTION, level);
            }
        }
    }
}

#[test]
fn no_frames_and_no_pixels() {
    for level in SimdLevel::available() {
        for (combine, reject) in all_options() {
            let planes = Block::random(0, 20, 1).stack(combine, &reject, level);
            assert!(planes.value.iter().chain(&planes.variance).all(|value| value.is_nan()));
            assert!(
                planes.weight.iter().all(|weight| *weight == 0.0)
                    && planes.depth.iter().all(|depth| *depth == 0)
            );
            assert!(Block::random(5, 0, 1).stack(combine, &reject, level).value.is_empty());
        }
    }
}

#[test]
fn known_values() {
    let values = [
        [10.0, f32::NAN, 5.0],
        [11.0, f32::NAN, 7.0],
        [10.5, f32::NAN, f32::NAN],
        [500.0, f32::NAN, f32::NAN],
    ];
    let row = |frame: usize| if frame < 12 { frame % 3 } else { 3 };
    let mut block = Block::new(13, 3, |pixel, frame| match pixel {
        0 => values[row(frame)][0],
        1 => f32::NAN,
        _ if frame < 2 => values[frame][2],
        _ => f32::NAN,
    });
    block.weight.fill(2.0);
    block.factor.fill(0.5);
    block.noise_variance.fill(8.0);
    for level in SimdLevel::available() {
        let planes = block.stack(Combine::Mean, &SIGMA, level);
        assert_eq!((planes.value[0], planes.weight[0], planes.depth[0]), (10.5, 24.0, 13));
        assert_eq!((planes.rejected_low[0], planes.rejected_high[0]), (0, 1));
        // Twelve equal weights: v / 12 with v = 8 x 0.5.
        assert_eq!(planes.variance[0], 4.0 / 12.0);
        assert!(planes.value[1].is_nan() && planes.variance[1].is_nan());
        assert_eq!((planes.weight[1], planes.depth[1]), (0.0, 0));
        assert_eq!((planes.value[2], planes.variance[2], planes.depth[2]), (6.0, 2.0, 2));

        let planes = block.stack(Combine::Median, &SIGMA, level);
        assert_eq!((planes.value[0], planes.weight[0]), (10.5, 24.0));
        assert!((f64::from(planes.variance[0]) - std::f64::consts::FRAC_PI_2 / 3.0).abs() < 1e-7);
        assert_eq!((planes.value[2], planes.variance[2]), (6.0, 2.0));
    }
}

#[test]
fn known_values_of_order_statistics_and_sums() {
    // Unsorted 1, 2, 4, 8 and a NaN; 2 has the relative weight 0.5, a fifth sample the weight 0.
    let rows = [8.0, 2.0, f32::NAN, 1.0, 500.0, 4.0];
    let mut block = Block::new(6, 17, |_, frame| rows[frame]);
    block.weight.fill(3.0);
    block.factor.fill(0.5);
    block.noise_variance.fill(4.0);
    let mut relative = vec![1.0; block.value.len()];
    relative[block.stride..2 * block.stride].fill(0.5);
    relative[4 * block.stride..5 * block.stride].fill(0.0);
    block.relative = Some(relative);
    let weight = 3.0 * 3.5;
    let mean = (3.0 * 13.0 + 1.5 * 2.0) / weight;
    let mean_variance = (3.0 * 9.0 + 2.25) * 2.0 / (weight * weight);
    let cases = [
        (Combine::Mean, mean, mean_variance),
        (Combine::Median, 3.0, mean_variance * std::f64::consts::FRAC_PI_2),
        (Combine::Min, 1.0, f64::NAN),
        (Combine::Max, 8.0, f64::NAN),
        (Combine::Sum, 15.0, 8.0),
        (Combine::Percentile(0.0), 1.0, f64::NAN),
        (Combine::Percentile(25.0), 1.75, f64::NAN),
        (Combine::Percentile(50.0), 3.0, f64::NAN),
        (Combine::Percentile(90.0), 6.8, f64::NAN),
        (Combine::Percentile(100.0), 8.0, f64::NAN),
    ];
    for level in SimdLevel::available() {
        for (combine, value, variance) in cases {
            let planes = block.stack(combine, &NO_REJECTION, level);
            for pixel in 0..block.pixels {
                close(planes.value[pixel], value, 0.0, &format!("{combine:?}"));
                close(planes.variance[pixel], variance, 0.0, &format!("VAR of {combine:?}"));
                close(planes.weight[pixel], weight, 0.0, &format!("WHT of {combine:?}"));
                assert_eq!(planes.depth[pixel], 4);
            }
        }
    }
}

#[test]
fn a_mad_of_zero_rejects_nothing_and_a_lone_outlier_among_four_goes() {
    let mad = RejectOptions { method: RejectMethod::Mad, ..RejectOptions::default() };
    // Five of eight are equal: 90 stays, however far. Then four that differ.
    let equal = Block::new(8, 16, |_, frame| if frame < 5 { 7.0 } else { 30.0 * (frame - 4) as f32 });
    let apart = Block::new(4, 16, |_, frame| [10.0, 11.0, 9.0, 5000.0][frame]);
    for level in SimdLevel::available() {
        let planes = equal.stack(Combine::Max, &mad, level);
        assert!(planes.rejected_high.iter().all(|n| *n == 0) && planes.value.iter().all(|x| *x == 90.0));
        let planes = apart.stack(Combine::Max, &mad, level);
        assert!(planes.rejected_high.iter().all(|n| *n == 1) && planes.value.iter().all(|x| *x == 11.0));
        let sigma = apart.stack(Combine::Max, &SIGMA, level);
        assert!(sigma.rejected_high.iter().all(|n| *n == 0));
    }
}

#[test]
fn a_sample_exactly_on_the_limit_stays() {
    // Four equal samples and one outlier: the outlier lies exactly 2.5 spreads from the median.
    let on_limit = RejectOptions { kappa_low: 2.5, kappa_high: 2.5, ..SIGMA };
    let inside_limit = RejectOptions { kappa_high: 2.499_999, ..on_limit };
    for (base, outlier) in [(0.0, 1.0), (1000.0, 1007.3), (0.1, 0.7), (-3.3, 1e5)] {
        let block = Block::new(5, 16, |_, frame| if frame == 3 { outlier } else { base });
        for level in SimdLevel::available() {
            let kept = block.stack(Combine::Mean, &on_limit, level);
            assert!(kept.rejected_high.iter().all(|n| *n == 0), "{base} {outlier}");
            let cut = block.stack(Combine::Mean, &inside_limit, level);
            assert!(cut.rejected_high.iter().all(|n| *n == 1), "{base} {outlier}");
        }
    }
}

#[test]
fn unknown_noise_gives_unknown_variance_only_where_the_frame_counts() {
    let mut block =
        Block::new(
            6,
            32,
            |pixel, frame| {
                if frame == 2 && pixel % 2 == 0 { f32::NAN } else { (10 + frame) as f32 }
            },
        );
    block.noise_variance[2] = f64::NAN;
    for level in SimdLevel::available() {
        for reject in [NO_REJECTION, SIGMA] {
            let planes = block.stack(Combine::Mean, &reject, level);
            for pixel in 0..32 {
                assert_eq!(planes.variance[pixel].is_nan(), pixel % 2 == 1);
                assert!(planes.value[pixel].is_finite());
            }
        }
    }
}
