//! The noise clip: against its definition, and what it promises.

mod common;

use common::{Block, COMBINES, Random};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::definition::{clip_and_stack_pixel, clip_by_noise};
use zemosaic_stack::{Clipped, Combine, LowDepth, RejectMethod, RejectOptions};

/// A mosaic: of the `frames` about three and a half lie over a pixel. Outliers, stars, equal samples, and samples of
/// unknown noise.
fn sparse(frames: usize, pixels: usize, seed: u64) -> Block {
    let mut random = Random(seed);
    let mut share = 0.0;
    let mut block = Block::new(frames, pixels, |pixel, frame| {
        if frame == 0 {
            share = [0.8, 2.0, 3.5, 6.0][random.below(4)] / frames as f64;
        }
        let star = [0.0, 0.0, 30.0, 4000.0][pixel / 4 % 4] * (1.0 + 0.2 * random.normal());
        let outlier = match random.below(12) {
            0 => 2000.0 * random.uniform(),
            1 => -300.0 * random.uniform(),
            2 => f64::INFINITY * [1.0, -1.0][random.below(2)],
            _ => 0.0,
        };
        match pixel % 16 {
            _ if random.uniform() > share => f32::NAN,
            3 => [1000.0, 1080.0][random.below(2)],
            7 => [-0.0, 0.0, 2000.0][random.below(3)],
            _ => (1000.0 + 10.0 * random.normal() + star + outlier) as f32,
        }
    });
    if frames > 2 && seed.is_multiple_of(3) {
        block.level[1] = f64::NAN;
        block.noise_variance[2] = [f64::NAN, f64::INFINITY, 0.0][seed as usize % 9 / 3];
    }
    if seed.is_multiple_of(2) {
        block.level.fill(1000.0);
        block.level_variance.fill(0.0);
        block.noise_variance.fill(100.0);
        block.factor.fill(1.0);
    }
    for factor in block.factor.iter_mut().step_by(97) {
        *factor = [f32::NAN, 0.0][random.below(2)];
    }
    block
}

fn options() -> Vec<RejectOptions> {
    let mut all = vec![RejectOptions { method: RejectMethod::None, ..RejectOptions::default() }];
    for (noise_kappa, noise_amplitude) in [(4.0, 0.3), (4.0, 0.0), (1.0, 0.1), (0.0, 0.0), (8.0, 2.0)] {
        for low_depth in [LowDepth::Noise, LowDepth::Keep] {
            for method in [RejectMethod::Sigma, RejectMethod::Mad] {
                all.push(RejectOptions {
                    method,
                    low_depth,
                    noise_kappa,
                    noise_amplitude,
                    ..RejectOptions::default()
                });
            }
        }
    }
    all
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn equals_the_definition_at_every_level() {
    let (mut rejected, mut judged, mut unknown) = (0, 0, 0);
    for frames in (0..=12).chain([30, 70]) {
        for seed in 0..9 {
            let block = sparse(frames, 203, seed);
            for block in [block.clone(), block.with_relative(seed + 5)] {
                for reject in options() {
                    let mut expected = block.value.clone();
                    let of_pixel = |pixel: usize| {
                        let mut samples = block.samples(pixel);
                        let clipped = clip_by_noise(&mut samples, &reject);
                        for (frame, sample) in samples.iter().enumerate() {
                            expected[frame * block.stride + pixel] = sample.value;
                        }
                        let depth = samples.iter().filter(|s| s.is_valid()).count() as i32;
                        let few = (2..=5).contains(&(depth + clipped.low + clipped.high));
                        rejected += clipped.low + clipped.high;
                        judged += i32::from(clipped.judged);
                        unknown += i32::from(few && reject.clips_by_noise() && !clipped.judged);
                        (clipped.low, clipped.high, clipped.judged)
                    };
                    let counts: Vec<(i32, i32, bool)> = (0..block.pixels).map(of_pixel).collect();
                    for level in SimdLevel::available() {
                        let mut fast = block.clone();
                        let clipped = fast.clip(&reject, level);
                        let found: Vec<(i32, i32, bool)> =
                            clipped.iter().map(|c| (c.low(), c.high(), c.is_judged())).collect();
                        assert_eq!(found, counts, "{frames} frames, seed {seed}, {reject:?}, {level:?}");
                        assert_eq!(
                            bits(&fast.value),
                            bits(&expected),
                            "{frames} frames, {reject:?}, {level:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(rejected > 50_000 && judged > 200_000 && unknown > 10_000, "{rejected} {judged} {unknown}");
}

#[test]
fn chunks_of_pixels_and_used_buffers_give_equal_bits() {
    let reject = RejectOptions::default();
    for frames in [2, 5, 30] {
        let block = sparse(frames, 300, 4).with_relative(6);
        for level in SimdLevel::available() {
            let mut whole = block.clone();
            let clipped = whole.clip(&reject, level);
            for chunk in [1, 7, 16, 50, 299] {
                for from in (0..block.pixels).step_by(chunk) {
                    let pixels = chunk.min(block.pixels - from);
                    let mut part = block.part(from, pixels);
                    assert_eq!(part.clip(&reject, level), clipped[from..from + pixels]);
                    for frame in 0..frames {
                        let (at, to) = (frame * part.stride, frame * block.stride + from);
                        assert_eq!(
                            bits(&part.value[at..at + pixels]),
                            bits(&whole.value[to..to + pixels]),
                            "{frames} frames in chunks of {chunk}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn order_of_frames_changes_survivors_only_where_two_are_equally_far_from_the_sky() {
    let mut random = Random(3);
    for (frames, seed) in
        [2, 3, 4, 5, 9, 30].into_iter().flat_map(|frames| (0..6).map(move |seed| (frames, seed)))
    {
        let block = sparse(frames, 320, seed).with_relative(12);
        let mut order: Vec<usize> = (0..frames).collect();
        for k in (1..frames).rev() {
            order.swap(k, random.below(k + 1));
        }
        let is_tie = |pixel: usize| {
            let valid: Vec<f64> = block
                .samples(pixel)
                .iter()
                .filter(|s| s.is_valid())
                .map(|s| (f64::from(s.value) - s.level).abs())
                .collect();
            valid.len() == 2 && valid[0] == valid[1]
        };
        for reject in options() {
            for level in SimdLevel::available() {
                let (mut straight, mut shuffled) = (block.clone(), block.in_order(&order));
                let (a, b) = (straight.clip(&reject, level), shuffled.clip(&reject, level));
                let straight = straight.in_order(&order);
                for pixel in (0..block.pixels).filter(|&pixel| !is_tie(pixel)) {
                    assert_eq!(a[pixel], b[pixel]);
                    for frame in 0..frames {
                        let at = frame * block.stride + pixel;
                        assert_eq!(
                            straight.value[at].to_bits(),
                            shuffled.value[at].to_bits(),
                            "{frames} {reject:?}"
                        );
                    }
                }
            }
        }
    }
    // The tie: the earlier frame stays.
    let mut tie = Block::new(2, 16, |_, frame| [1500.0, 500.0][frame]);
    tie.level.fill(1000.0);
    tie.level_variance.fill(0.0);
    for level in SimdLevel::available() {
        for (block, survivor) in [(tie.clone(), 1500.0), (tie.in_order(&[1, 0]), 500.0)] {
            let mut block = block;
            block.clip(&RejectOptions::default(), level);
            assert!(block.value[..16].iter().all(|value| *value == survivor));
            assert!(block.value[block.stride..block.stride + 16].iter().all(|value| value.is_nan()));
        }
    }
}

#[test]
fn clip_and_stack_equal_the_definition() {
    for frames in [1, 2, 3, 4, 5, 8, 20] {
        let mut block = sparse(frames, 160, 2).with_relative(9);
        // A stack is of finite samples.
        block.value.iter_mut().filter(|value| value.is_infinite()).for_each(|value| *value = f32::NAN);
        for (combine, reject) in COMBINES.into_iter().flat_map(|c| options().into_iter().map(move |r| (c, r)))
        {
            for level in SimdLevel::available() {
                let mut clipped_block = block.clone();
                let clipped = clipped_block.clip(&reject, level);
                let planes = clipped_block.stack(combine, &reject, level);
                for (pixel, clipped) in clipped.iter().enumerate() {
                    let exact = clip_and_stack_pixel(&block.samples(pixel), combine, &reject);
                    let (low, high) = (clipped.low(), clipped.high());
                    let counts = (
                        planes.depth[pixel] + low + high,
                        planes.rejected_low[pixel] + low,
                        planes.rejected_high[pixel] + high,
                    );
                    assert_eq!(counts, (exact.depth, exact.rejected_low, exact.rejected_high));
                    let (value, weight) = (f64::from(planes.value[pixel]), f64::from(planes.weight[pixel]));
                    assert!(
                        (value - exact.value).abs() <= 1e-6 * 8000.0 * f64::from(exact.depth)
                            || (value.is_nan() && exact.value.is_nan()),
                        "{value} for {}",
                        exact.value
                    );
                    assert!((weight - exact.weight).abs() <= 1e-6 * exact.weight);
                }
            }
        }
    }
}

/// Normal noise of standard deviation 10 on the sky of each frame, and what `add` puts there.
fn noisy(frames: usize, pixels: usize, mut add: impl FnMut(usize, usize) -> f64) -> Block {
    let mut random = Random(frames as u64 + 40);
    let mut block = Block::new(frames, pixels, |pixel, frame| {
        (1000.0 + 50.0 * frame as f64 + 10.0 * random.normal() + add(pixel, frame)) as f32
    });
    block.factor.fill(1.0);
    block.noise_variance.fill(100.0);
    block.level = (0..frames).map(|frame| 1000.0 + 50.0 * frame as f64).collect();
    block.level_variance.fill(0.0);
    block
}

#[test]
fn a_cosmic_ray_goes_and_the_rest_stays() {
    for frames in 2..=5 {
        let hit = |pixel: usize| pixel % frames;
        for size in [150.0, 5000.0, -200.0] {
            let block = noisy(frames, 1600, |pixel, frame| if frame == hit(pixel) { size } else { 0.0 });
            for level in SimdLevel::available() {
                let mut block = block.clone();
                let clipped = block.clip(&RejectOptions::default(), level);
                let right = (0..block.pixels).filter(|&pixel| {
                    (0..frames).all(|frame| {
                        block.value[frame * block.stride + pixel].is_nan() == (frame == hit(pixel))
                    })
                });
                // Of two samples the other stands 10 from its sky, and its brightness is allowed for.
                assert!(right.count() >= 1598, "{frames} frames, {size}");
                let sides = clipped.iter().filter(|c| if size > 0.0 { c.high() == 1 } else { c.low() == 1 });
                assert!(sides.count() >= 1598 && clipped.iter().all(|c| c.is_judged()));
            }
        }
    }
    // The statistical method alone keeps it.
    let block = noisy(5, 160, |_, frame| if frame == 2 { 5000.0 } else { 0.0 });
    let planes = block.stack(Combine::Mean, &RejectOptions::default(), SimdLevel::detect());
    assert!(planes.rejected_high.iter().all(|n| *n == 0));
}

#[test]
fn cores_of_stars_stay_at_another_seeing() {
    for frames in 2..=5 {
        for peak in [100.0, 1000.0, 30_000.0] {
            let seeing = |frame: usize| [1.0, 0.9, 1.1, 0.95, 1.05][frame];
            let block = noisy(frames, 800, |_, frame| peak * seeing(frame));
            for level in SimdLevel::available() {
                let clipped = block.clone().clip(&RejectOptions::default(), level);
                let lost: i32 = clipped.iter().map(|c| c.low() + c.high()).sum();
                assert_eq!(lost, 0, "{frames} frames, peak {peak}");
                let strict = RejectOptions { noise_amplitude: 0.0, ..RejectOptions::default() };
                let lost =
                    block.clone().clip(&strict, level).iter().filter(|c| c.low() + c.high() > 0).count();
                assert!(peak < 1000.0 || lost > 700, "{frames} frames, peak {peak}: {lost}");
            }
        }
    }
}

#[test]
fn few_samples_of_pure_noise_are_lost() {
    // Sums of twelve uniforms have thin tails: not here.
    let mut random = Random(1);
    let mut normal = move || {
        let radius = (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.uniform()).cos()
    };
    let pixels = 400_000;
    for (noise_kappa, most) in [(4.0, 1e-4), (3.0, 5e-3)] {
        for frames in 2..=5 {
            let mut block = noisy(frames, pixels, |_, _| 0.0);
            for frame in 0..frames {
                for value in &mut block.value[frame * block.stride..frame * block.stride + pixels] {
                    *value = (block.level[frame] + 10.0 * normal()) as f32;
                }
            }
            for noise_amplitude in [0.3, 0.0] {
                let reject = RejectOptions { noise_kappa, noise_amplitude, ..RejectOptions::default() };
                let clipped = block.clone().clip(&reject, SimdLevel::detect());
                let lost: i32 = clipped.iter().map(|c| c.low() + c.high()).sum();
                let rate = f64::from(lost) / (pixels * frames) as f64;
                println!("kappa {noise_kappa}, amplitude {noise_amplitude}, {frames} frames: {rate:.2e}");
                assert!(rate < most, "{frames} frames at kappa {noise_kappa}: {rate}");
            }
        }
    }
}

#[test]
fn where_all_would_go_the_nearest_stay() {
    // Two and two: the median lies between them. Then an outer pair that is noisy enough to stay alone.
    let mut block = Block::new(4, 16, |_, frame| [900.0, 1100.0, 905.0, 1095.0][frame]);
    block.level.fill(1000.0);
    block.noise_variance.fill(1.0);
    let mut noisy = block.clone();
    (noisy.noise_variance[0], noisy.noise_variance[1]) = (1e4, 1e4);
    noisy.factor.fill(1.0);
    for level in SimdLevel::available() {
        let survivors = |mut block: Block, noise_kappa: f64| {
            let reject = RejectOptions { noise_kappa, ..RejectOptions::default() };
            let clipped = block.clip(&reject, level);
            assert!(clipped.iter().all(|c| (c.low(), c.high(), c.is_judged()) == (1, 1, true)));
            let at_pixel = |frame: usize| block.value[frame * block.stride];
            (0..4).map(at_pixel).filter(|value| !value.is_nan()).collect::<Vec<f32>>()
        };
        assert_eq!(survivors(block.clone(), 4.0), [905.0, 1095.0]);
        assert_eq!(survivors(noisy.clone(), 1.0), [900.0, 1100.0]);
    }
}

#[test]
fn a_sample_exactly_on_the_limit_stays() {
    // v + v_c = 2 x 50: 4 standard deviations are 40, and a quarter of the brightness comes on top.
    let reject = RejectOptions { noise_amplitude: 0.25, ..RejectOptions::default() };
    for (residuals, rejected) in
        [([20.0, 65.0], 0), ([20.0, 65.001], 1), ([-20.0, -65.0], 0), ([0.0, 40.0], 0)]
    {
        let mut block = Block::new(2, 16, |_, frame| 1000.0 + residuals[frame]);
        block.level.fill(1000.0);
        block.level_variance.fill(0.0);
        block.noise_variance.fill(50.0);
        block.factor.fill(1.0);
        for level in SimdLevel::available() {
            let clipped = block.clone().clip(&reject, level);
            assert!(clipped.iter().all(|c| c.low() + c.high() == rejected), "{residuals:?}");
        }
    }
}

#[test]
fn deeper_pixels_and_lone_samples_are_left_alone() {
    for frames in [1, 6, 7, 30] {
        let block = noisy(frames, 100, |_, frame| if frame == 0 { 1e4 } else { 0.0 });
        for level in SimdLevel::available() {
            let mut clipped_block = block.clone();
            let clipped = clipped_block.clip(&RejectOptions::default(), level);
            assert!(clipped.iter().all(|c| *c == Clipped::default()));
            assert_eq!(bits(&clipped_block.value), bits(&block.value));
        }
    }
}
