//! What must not change a bit: instruction set, chunks of pixels, the way of the mean; and what must not
//! change a mask: the order of the frames.

mod common;

use common::{Block, COMBINES, NO_REJECTION, Planes, Random, all_options};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Accumulator, Combine, FrameSamples, RejectOptions, streams};

#[test]
fn instruction_sets_give_equal_bits() {
    for frames in (1..=40).chain([64, 65, 70, 128, 300]) {
        let block = Block::random(frames, 200, 9 * frames as u64);
        let blocks = [block.clone(), block.with_relative(5)];
        for (block, (combine, reject)) in
            blocks.iter().flat_map(|block| all_options().into_iter().map(move |options| (block, options)))
        {
            let portable = block.stack(combine, &reject, SimdLevel::Portable).bits();
            for level in SimdLevel::available() {
                assert_eq!(
                    block.stack(combine, &reject, level).bits(),
                    portable,
                    "{frames} {combine:?} {reject:?}"
                );
            }
        }
    }
}

#[test]
fn chunks_of_pixels_give_equal_bits() {
    for frames in [3, 13, 31] {
        let block = Block::random(frames, 300, 5).with_relative(6);
        for (combine, reject) in all_options() {
            for level in SimdLevel::available() {
                let whole = block.stack(combine, &reject, level).bits();
                for chunk in [1, 7, 16, 50, 299] {
                    let parts: Vec<[u32; 6]> = (0..block.pixels)
                        .step_by(chunk)
                        .flat_map(|from| {
                            let part = block.part(from, chunk.min(block.pixels - from));
                            part.stack(combine, &reject, level).bits()
                        })
                        .collect();
                    assert_eq!(parts, whole, "{frames} frames in chunks of {chunk}");
                }
            }
        }
    }
}

#[test]
fn accumulators_equal_the_stack() {
    for frames in [0, 1, 2, 5, 30, 77] {
        let mut block = Block::random(frames, 203, 31);
        if frames > 3 {
            block.noise_variance[3] = f64::NAN;
            block.weight[2] = 0.0;
        }
        for block in [block.clone(), block.with_relative(9)] {
            for combine in COMBINES.into_iter().filter(|combine| streams(*combine, &NO_REJECTION)) {
                for level in SimdLevel::available() {
                    let planes = accumulate(&block, combine, level);
                    let stacked = block.stack(combine, &NO_REJECTION, level);
                    assert_eq!(planes.bits(), stacked.bits(), "{frames} frames, {combine:?}");
                }
            }
        }
    }
}

fn accumulate(block: &Block, combine: Combine, level: SimdLevel) -> Planes {
    let mut accumulator = Accumulator::default();
    // What was there before must not matter.
    accumulator.reset(Combine::Max, block.pixels + 3);
    accumulator.reset(combine, block.pixels);
    for frame in 0..block.frames {
        // In two pieces, as patches do.
        for span in [0..100, 100..block.pixels] {
            let at = frame * block.stride + span.start..frame * block.stride + span.end;
            let (value, factor) = (&block.value[at.clone()], &block.factor[at.clone()]);
            let relative = block.relative.as_ref().map(|plane| &plane[at]);
            let samples = FrameSamples {
                value,
                variance_factor: factor,
                relative_weight: relative,
                weight: block.weight[frame],
                noise_variance: block.noise_variance[frame],
            };
            accumulator.add(level, span.start, &samples);
        }
    }
    let mut planes = Planes::new(block.pixels);
    accumulator.finish(level, block.pixels, planes.output());
    planes
}

#[test]
fn what_streams() {
    let streaming: Vec<Combine> =
        COMBINES.into_iter().filter(|combine| streams(*combine, &NO_REJECTION)).collect();
    assert_eq!(streaming, [Combine::Mean, Combine::Min, Combine::Max, Combine::Sum]);
    assert!(COMBINES.iter().all(|combine| !streams(*combine, &RejectOptions::default())));
}

#[test]
fn relative_weights_of_1_change_no_bit_and_what_is_no_sample_is_as_nan() {
    for frames in [1, 4, 13, 32, 50] {
        let plain = Block::random(frames, 150, 7);
        let mut ones = plain.clone();
        ones.relative = Some(vec![1.0; plain.value.len()]);
        // Where some samples have no weight: as if their values were NaN.
        let (mut missing, mut weightless) = (plain.clone(), ones.clone());
        let mut random = Random(8);
        for k in 0..plain.value.len() {
            if random.below(6) == 0 {
                missing.value[k] = f32::NAN;
                weightless.relative.as_mut().expect("set above")[k] =
                    [0.0, -0.0, f32::NAN, -1.0][random.below(4)];
            }
        }
        for (combine, reject) in all_options() {
            for level in SimdLevel::available() {
                let bits = |block: &Block| block.stack(combine, &reject, level).bits();
                assert_eq!(bits(&ones), bits(&plain), "{frames} {combine:?} {reject:?}");
                assert_eq!(bits(&weightless), bits(&missing), "{frames} {combine:?} {reject:?}");
            }
        }
        for combine in COMBINES.into_iter().filter(|combine| streams(*combine, &NO_REJECTION)) {
            let best = SimdLevel::detect();
            assert_eq!(
                accumulate(&weightless, combine, best).bits(),
                accumulate(&missing, combine, best).bits()
            );
        }
    }
}

#[test]
fn order_of_frames_does_not_change_what_is_rejected() {
    let mut random = Random(3);
    for frames in [2, 9, 24, 63] {
        let block = Block::random(frames, 320, 11).with_relative(12);
        let mut order: Vec<usize> = (0..frames).collect();
        for k in (1..frames).rev() {
            order.swap(k, random.below(k + 1));
        }
        let shuffled = block.in_order(&order);
        for (combine, reject) in all_options() {
            for level in SimdLevel::available() {
                let (a, b) = (block.stack(combine, &reject, level), shuffled.stack(combine, &reject, level));
                assert_eq!(a.rejected_low, b.rejected_low);
                assert_eq!(a.rejected_high, b.rejected_high);
                assert_eq!(a.depth, b.depth);
                if !matches!(combine, Combine::Mean | Combine::Sum) {
                    assert!(a.value.iter().zip(&b.value).all(|(x, y)| x.to_bits() == y.to_bits()));
                }
            }
        }
    }
}

#[test]
fn a_scratch_can_be_used_again_for_other_sizes() {
    use zemosaic_stack::{StackScratch, stack};
    let mut scratch = StackScratch::default();
    for frames in [30, 3, 0, 64, 30] {
        let block = Block::random(frames, 48, 8);
        for level in SimdLevel::available() {
            let mut planes = Planes::new(block.pixels);
            stack(
                &block.view(),
                Combine::Mean,
                &RejectOptions::default(),
                level,
                &mut scratch,
                planes.output(),
            );
            let fresh = block.stack(Combine::Mean, &RejectOptions::default(), SimdLevel::Portable);
            assert_eq!(planes.bits(), fresh.bits());
        }
    }
}
