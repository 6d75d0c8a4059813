//! The linear fit clip against its plain definition, and what must not change it.

mod common;

use common::Block;
use common::stacks::{assert_invariant, masks, random_stacks, sorted};
use zemosaic_stack::definition::linear_fit;
use zemosaic_stack::{RejectMethod, RejectOptions};

fn options(kappa_low: f64, kappa_high: f64, max_iterations: u32) -> RejectOptions {
    let method = RejectMethod::LinearFit;
    RejectOptions { method, kappa_low, kappa_high, max_iterations, ..RejectOptions::default() }
}

#[test]
fn equals_the_definition_on_random_stacks() {
    for reject in [options(3.0, 3.0, 5), options(5.0, 3.5, 5), options(1.0, 2.0, 30), options(0.0, 0.5, 3)] {
        let (mut stacks, mut rejected) = (0, 0);
        for block in random_stacks() {
            for (pixel, found) in masks(&block, &reject).into_iter().enumerate() {
                let samples = sorted(&block, pixel);
                let (start, end) = linear_fit(&samples, &reject);
                let expected = (start as i32, (samples.len() - end) as i32);
                assert_eq!(
                    found, expected,
                    "{} frames, pixel {pixel}, {reject:?}: {samples:?}",
                    block.frames
                );
                assert!(samples.len() >= 4 || expected == (0, 0), "few are kept");
                (stacks, rejected) = (stacks + 1, rejected + found.0 + found.1);
            }
        }
        eprintln!("{reject:?}: {rejected} rejected in {stacks} stacks");
    }
}

#[test]
fn masks_do_not_hang_on_order_shift_and_scale() {
    for reject in [options(3.0, 3.0, 5), options(5.0, 3.5, 5), options(1.5, 2.0, 10)] {
        assert_invariant(&reject);
    }
}

#[test]
fn what_lies_on_the_line_stays() {
    let lines: [fn(usize) -> f32; 5] = [
        |k| 7.0 + 3.0 * k as f32,
        |k| 60_000.0 + 0.125 * k as f32,
        |k| k as f32 * 2.0_f32.powi(-100),
        |_| 12.345,
        |k| -1e6 - 64.0 * k as f32,
    ];
    for frames in [2, 3, 4, 5, 30, 101] {
        for line in lines {
            // Out of order, as frames are.
            let block = Block::new(frames, 16, |pixel, frame| line((frame + pixel) % frames));
            for kappa in [0.0, 1.0, 3.0] {
                assert!(masks(&block, &options(kappa, kappa, 5)).iter().all(|mask| *mask == (0, 0)));
            }
        }
    }
}

#[test]
fn a_lone_outlier_is_found_among_nine() {
    // Its residual is 2.8 times the mean of eight, 3.15 times that of nine; equal samples below share their fate.
    for (frames, found) in [(8, 0), (9, 1)] {
        let high = Block::new(frames, 16, |_, frame| if frame == 2 { 5000.0 } else { 10.0 });
        let low = Block::new(frames, 16, |_, frame| if frame == 2 { -5000.0 } else { 10.0 });
        assert!(masks(&high, &options(3.0, 3.0, 5)).iter().all(|mask| *mask == (0, found)));
        assert!(masks(&low, &options(3.0, 3.0, 5)).iter().all(|mask| *mask == (found, 0)));
    }
    let pair = Block::new(30, 16, |_, frame| if frame % 15 == 3 { 5000.0 } else { frame as f32 });
    assert!(masks(&pair, &options(3.0, 3.0, 5)).iter().all(|mask| *mask == (0, 2)));
    assert!(masks(&pair, &options(3.0, 3.0, 0)).iter().all(|mask| *mask == (0, 0)));
}

#[test]
fn infinite_samples_reject_nothing() {
    let block = Block::new(30, 16, |pixel, frame| match frame {
        4 => f32::INFINITY,
        5 if pixel % 2 == 0 => f32::NEG_INFINITY,
        _ => (frame * frame) as f32,
    });
    assert!(masks(&block, &options(1.0, 1.0, 5)).iter().all(|mask| *mask == (0, 0)));
}
