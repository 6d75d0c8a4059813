//! What must not change a bit: instruction set, chunks of pixels, the way of the mean; and what must not
//! change a mask: the order of the frames.

mod common;

use common::{Block, Planes, Random, all_options};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Combine, MeanAccumulator, RejectMethod, RejectOptions};

#[test]
fn instruction_sets_give_equal_bits() {
    for frames in (1..=40).chain([64, 65, 70, 128, 300]) {
        let block = Block::random(frames, 500, 9 * frames as u64);
        for (combine, reject) in all_options() {
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
        let block = Block::random(frames, 300, 5);
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
fn mean_accumulator_equals_the_stack() {
    let none = RejectOptions { method: RejectMethod::None, ..RejectOptions::default() };
    for frames in [0, 1, 2, 5, 30, 77] {
        let mut block = Block::random(frames, 203, 31);
        if frames > 3 {
            block.noise_variance[3] = f64::NAN;
            block.weight[2] = 0.0;
        }
        let mut mean = MeanAccumulator::default();
        mean.reset(block.pixels);
        for frame in 0..frames {
            // In two pieces, as patches do.
            for span in [0..100, 100..block.pixels] {
                let at = frame * block.stride + span.start..frame * block.stride + span.end;
                let (value, factor) = (&block.value[at.clone()], &block.factor[at]);
                mean.add(span.start, value, factor, block.weight[frame], block.noise_variance[frame]);
            }
        }
        let mut planes = Planes::new(block.pixels);
        mean.finish(block.pixels, planes.output());
        for level in SimdLevel::available() {
            assert_eq!(planes.bits(), block.stack(Combine::Mean, &none, level).bits(), "{frames} frames");
        }
    }
}

#[test]
fn order_of_frames_does_not_change_what_is_rejected() {
    let mut random = Random(3);
    for frames in [2, 9, 24, 63] {
        let block = Block::random(frames, 320, 11);
        let mut order: Vec<usize> = (0..frames).collect();
        for k in (1..frames).rev() {
            order.swap(k, random.below(k + 1));
        }
        let mut shuffled = block.clone();
        for (to, &from) in order.iter().enumerate() {
            let (to_row, from_row) = (to * block.stride, from * block.stride);
            shuffled.value[to_row..to_row + block.stride]
                .copy_from_slice(&block.value[from_row..from_row + block.stride]);
            shuffled.factor[to_row..to_row + block.stride]
                .copy_from_slice(&block.factor[from_row..from_row + block.stride]);
            shuffled.weight[to] = block.weight[from];
            shuffled.noise_variance[to] = block.noise_variance[from];
        }
        for (combine, reject) in all_options() {
            for level in SimdLevel::available() {
                let (a, b) = (block.stack(combine, &reject, level), shuffled.stack(combine, &reject, level));
                assert_eq!(a.rejected_low, b.rejected_low);
                assert_eq!(a.rejected_high, b.rejected_high);
                assert_eq!(a.depth, b.depth);
                if combine == Combine::Median {
                    assert!(a.value.iter().zip(&b.value).all(|(x, y)| x.to_bits() == y.to_bits()));
                }
            }
        }
    }
}

#[test]
fn a_scratch_can_be_used_again_for_other_sizes() {
    use zemosaic_stack::{StackBlock, StackScratch, stack};
    let mut scratch = StackScratch::default();
    for frames in [30, 3, 0, 64, 30] {
        let block = Block::random(frames, 48, 8);
        for level in SimdLevel::available() {
            let mut planes = Planes::new(block.pixels);
            let view = StackBlock {
                frames,
                pixels: block.pixels,
                stride: block.stride,
                value: &block.value,
                variance_factor: &block.factor,
                weight: &block.weight,
                noise_variance: &block.noise_variance,
            };
            stack(&view, Combine::Mean, &RejectOptions::default(), level, &mut scratch, planes.output());
            let fresh = block.stack(Combine::Mean, &RejectOptions::default(), SimdLevel::Portable);
            assert_eq!(planes.bits(), fresh.bits());
        }
    }
}
