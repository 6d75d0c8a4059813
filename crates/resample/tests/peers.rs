//! Single samples against reproject and scipy, at the positions that they used.
//!
//! The goldens are made by `goldens/make_bicubic_golden.py`, which says what a file holds.

mod common;

use std::path::Path;

use common::{Frame, Warped, warp};
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{Kernel, KernelTable, definition, flags};

const GOLDENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/goldens");

/// Positions and values of a case.
struct Golden {
    frame: Frame,
    at: Vec<(f64, f64)>,
    bilinear: Vec<f64>,
    bicubic: Vec<f64>,
    reference: Option<Vec<f64>>,
}

/// `None` where it was not made.
fn golden(name: &str) -> Option<Golden> {
    let path = Path::new(GOLDENS).join(format!("bicubic_{name}.f64"));
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there (make goldens; needs Python and real data)", path.display());
        return None;
    };
    let numbers: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect();
    let (head, mut rest) = numbers.split_at(4);
    let [width, height, n, rows] = [0, 1, 2, 3].map(|i| head[i] as usize);
    let mut take = |n: usize| {
        let (taken, left) = rest.split_at(n);
        rest = left;
        taken.to_vec()
    };
    let data: Vec<f32> = take(width * height).into_iter().map(|value| value as f32).collect();
    let (xs, ys) = (take(n), take(n));
    let (bilinear, bicubic) = (take(n), take(n));
    let reference = (rows > 2).then(|| take(n));
    assert!(rest.is_empty(), "{name}");
    let at = xs.into_iter().zip(ys).collect();
    Some(Golden { frame: Frame { width, height, data }, at, bilinear, bicubic, reference })
}

/// Highest minus lowest of the 4 x 4 pixels around a position.
fn local_range(frame: &Frame, (x, y): (f64, f64)) -> f64 {
    let near = |p: f64| p.floor() as i64 - 1..=p.floor() as i64 + 2;
    let pixels = near(y).flat_map(|j| near(x).map(move |i| (i, j))).filter_map(|(i, j)| frame.at(i, j));
    let (low, high) = pixels
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    f64::from(high) - f64::from(low)
}

/// Largest differences in units of the local range: where a whole kernel is inside the frame, and elsewhere.
fn compare(name: &str, golden: &Golden, found: &Warped, expected: &[f64]) -> [f64; 2] {
    let mut worst = [0.0_f64; 2];
    let mut compared = 0;
    for (i, at) in golden.at.iter().enumerate() {
        let (x, y) = *at;
        // Within rounding of the frame's end either answer is right.
        let ends =
            [x + 0.5, y + 0.5, x + 0.5 - golden.frame.width as f64, y + 0.5 - golden.frame.height as f64];
        if ends.iter().any(|end| end.abs() < 1e-9) {
            continue;
        }
        assert_eq!(found.value[i].is_nan(), expected[i].is_nan(), "{name} at {at:?}");
        if expected[i].is_nan() {
            continue;
        }
        let error = (f64::from(found.value[i]) - expected[i]).abs() / local_range(&golden.frame, *at);
        let place = usize::from(found.flags[i] != flags::INSIDE);
        worst[place] = worst[place].max(error);
        compared += 1;
    }
    assert!(compared * 3 > golden.at.len(), "{name}: {compared} compared");
    println!(
        "{name}: {compared} of {}, worst {:.1e} inside, {:.1e} at edges",
        golden.at.len(),
        worst[0],
        worst[1]
    );
    worst
}

#[test]
fn samples_equal_those_of_reproject_and_scipy() {
    for name in ["gal2equ", "cutout", "oblique", "cube_0", "cube_1", "cube_2", "cube_3", "random"] {
        let Some(golden) = golden(name) else { return };
        let window = golden.frame.window();
        let [bilinear, bicubic] = [Kernel::Bilinear, Kernel::BsplineCubic]
            .map(|kernel| warp(&KernelTable::new(kernel, 1.0), SimdLevel::detect(), &window, &golden.at));
        let linear = compare(&format!("{name} bilinear"), &golden, &bilinear, &golden.bilinear);
        assert!(linear.iter().all(|worst| *worst < 1e-6), "{name}: {linear:?}");
        if let Some(reference) = &golden.reference {
            let stored = compare(&format!("{name} reference"), &golden, &bilinear, reference);
            assert!(stored.iter().all(|worst| *worst < 1e-6), "{name}: {stored:?}");
        }
        let cubic = compare(&format!("{name} bicubic"), &golden, &bicubic, &golden.bicubic);
        assert!(cubic.iter().all(|worst| *worst < 1e-5), "{name}: {cubic:?}");
    }
}

/// The definition is their formula (the cube aside, whose f64 pixels are rounded to f32 here).
#[test]
fn the_definition_equals_the_peers_in_double_precision() {
    for name in ["gal2equ", "oblique", "random"] {
        let Some(golden) = golden(name) else { return };
        let window = golden.frame.window();
        for (kernel, expected) in
            [(Kernel::Bilinear, &golden.bilinear), (Kernel::BsplineCubic, &golden.bicubic)]
        {
            let mut worst = 0.0_f64;
            for (at, expected) in golden.at.iter().zip(expected).take(3000) {
                let Some((value, _)) = definition::sample(kernel, 1.0, &window, at.0, at.1).valid else {
                    continue;
                };
                if !expected.is_nan() {
                    worst = worst.max((value - expected).abs() / local_range(&golden.frame, *at));
                }
            }
            println!("{name} {kernel:?}: {worst:.1e}");
            assert!(worst < 1e-8, "{name} {kernel:?}: {worst}");
        }
    }
}
