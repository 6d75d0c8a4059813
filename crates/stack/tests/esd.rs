//! The extreme Studentised deviate test against its plain definition, Rosner's example and scipy.

mod common;

use std::path::Path;

use common::Block;
use common::stacks::{assert_invariant, masks, random_stacks, sorted};
use zemosaic_stack::definition::{esd, esd_critical_values, esd_most_outliers};
use zemosaic_stack::{RejectMethod, RejectOptions};

fn options(esd_alpha: f64, esd_outliers: f64) -> RejectOptions {
    RejectOptions { method: RejectMethod::Esd, esd_alpha, esd_outliers, ..RejectOptions::default() }
}

#[test]
fn equals_the_definition_on_random_stacks() {
    for reject in [options(0.05, 0.3), options(0.01, 0.5), options(0.9, 0.1), options(0.05, 0.0)] {
        let critical = esd_critical_values(reject.esd_alpha, 200);
        let (mut stacks, mut rejected) = (0, 0);
        for block in random_stacks() {
            for (pixel, found) in masks(&block, &reject).into_iter().enumerate() {
                let samples = sorted(&block, pixel);
                let (start, end) = esd(&samples, &critical, reject.esd_outliers);
                let expected = (start as i32, (samples.len() - end) as i32);
                assert_eq!(
                    found, expected,
                    "{} frames, pixel {pixel}, {reject:?}: {samples:?}",
                    block.frames
                );
                assert!(samples.len() > 2 || expected == (0, 0), "few are kept");
                (stacks, rejected) = (stacks + 1, rejected + found.0 + found.1);
            }
        }
        eprintln!("{reject:?}: {rejected} rejected in {stacks} stacks");
        assert!((rejected > 0) == (reject.esd_outliers > 0.0));
    }
}

#[test]
fn depths_beyond_200_equal_the_definition() {
    let reject = options(0.05, 0.3);
    for frames in [333, 1000] {
        let block = Block::random(frames, 32, 9);
        let critical = esd_critical_values(reject.esd_alpha, frames);
        for (pixel, found) in masks(&block, &reject).into_iter().enumerate() {
            let samples = sorted(&block, pixel);
            let (start, end) = esd(&samples, &critical, reject.esd_outliers);
            assert_eq!(found, (start as i32, (samples.len() - end) as i32), "{frames} frames, pixel {pixel}");
        }
    }
}

#[test]
fn masks_do_not_hang_on_order_shift_and_scale() {
    for reject in [options(0.05, 0.3), options(0.3, 0.5)] {
        assert_invariant(&reject);
    }
}

/// Rosner 1983, as in the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.3.
const ROSNER: [f32; 54] = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69,
    1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35,
    2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64,
    5.34, 5.42, 6.01,
];

#[test]
fn rosners_example_has_three_outliers() {
    // The handbook's critical values for i = 1 .. 10 at 0.05, cut after three digits.
    let table = [3.158, 3.151, 3.143, 3.136, 3.128, 3.120, 3.111, 3.103, 3.094, 3.085];
    let critical = esd_critical_values(0.05, 54);
    for (i, expected) in table.into_iter().enumerate() {
        assert!((critical[54 - i] - expected).abs() < 1e-3, "lambda {}: {}", i + 1, critical[54 - i]);
    }
    let block = Block::new(54, 16, |pixel, frame| ROSNER[(frame * 5 + pixel) % 54]);
    // Up to ten: the first two steps do not exceed their values, the third does. Up to two: none then.
    for (outliers, found) in [(10.0, 3), (3.0, 3), (2.0, 0)] {
        assert_eq!(esd_most_outliers(54, outliers / 54.0), outliers as usize);
        let mask = masks(&block, &options(0.05, outliers / 54.0));
        assert!(mask.iter().all(|mask| *mask == (0, found)), "{mask:?}");
    }
}

#[test]
fn equal_samples_share_their_fate() {
    // Of three equal outliers at most two may go: all stay. Where three may, all go.
    let block = Block::new(10, 16, |_, frame| if frame > 6 { 900.0 } else { 10.0 + frame as f32 });
    assert!(masks(&block, &options(0.05, 0.2)).iter().all(|mask| *mask == (0, 0)));
    assert!(masks(&block, &options(0.05, 0.3)).iter().all(|mask| *mask == (0, 3)));
    let equal = Block::new(40, 16, |_, _| 7.3);
    assert!(masks(&equal, &options(0.9, 0.5)).iter().all(|mask| *mask == (0, 0)));
    let but_one = Block::new(40, 16, |_, frame| if frame == 9 { 7.2 } else { 7.3 });
    assert!(masks(&but_one, &options(0.05, 0.3)).iter().all(|mask| *mask == (1, 0)));
}

/// A golden of `goldens/make_esd_golden.py`; `None` where it is absent, a panic in CI.
fn golden(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/goldens").join(name);
    let text = std::fs::read_to_string(&path).ok();
    assert!(
        text.is_some() || std::env::var("CI").as_deref() != Ok("true"),
        "the golden of the ESD test is required in CI: {}",
        path.display()
    );
    if text.is_none() {
        eprintln!("skipped: {} is not there (make goldens; needs Python)", path.display());
    }
    text
}

#[test]
fn scipy_agrees_on_critical_values() {
    let Some(text) = golden("esd_critical.csv") else { return };
    let mut worst = 0.0_f64;
    for line in text.lines() {
        let fields: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let [alpha, left, expected] = fields[..] else { panic!("{line}") };
        let found = esd_critical_values(alpha, left as usize)[left as usize];
        worst = worst.max((found / expected - 1.0).abs());
    }
    eprintln!("critical values differ from scipy's by at most {worst:.1e} of themselves");
    assert!(worst < 1e-10, "{worst:e}");
}

#[test]
fn scipys_test_finds_the_same_outliers() {
    let Some(text) = golden("esd_outliers.csv") else { return };
    for line in text.lines() {
        let fields: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let [alpha, share, low, high, samples @ ..] = &fields[..] else { panic!("{line}") };
        let block = Block::new(samples.len(), 5, |_, frame| samples[frame] as f32);
        let mask = masks(&block, &options(*alpha, *share));
        assert!(mask.iter().all(|mask| *mask == (*low as i32, *high as i32)), "{mask:?}: {line}");
    }
}
