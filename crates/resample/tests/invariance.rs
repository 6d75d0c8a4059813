//! What must not change a bit: the window, the instruction set, the length of a row, other planes.

mod common;

use common::{Frame, KERNELS, Random, Warped, coefficients, positions, warp};
use proptest::prelude::*;
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::definition::taps;
use zemosaic_resample::{
    Kernel, KernelTable, SourceWindow, SplineCoefficients, WarpRow, warp_row_coefficients, warp_row_planes,
};

fn frame() -> Frame {
    Frame::noise(70, 60, 500.0, 100.0, 1).with_holes(2)
}

#[test]
fn all_instruction_sets_give_equal_bits() {
    let frame = frame();
    let at = positions(&frame, 8000, 3);
    for kernel in KERNELS {
        for stretch in [1.0, 1.3, 3.0] {
            let table = KernelTable::new(kernel, stretch);
            let expected = warp(&table, SimdLevel::Portable, &frame.window(), &at).bits();
            for level in SimdLevel::available() {
                assert!(warp(&table, level, &frame.window(), &at).bits() == expected, "{kernel:?} {level:?}");
            }
        }
    }
}

/// The smallest window that holds all taps inside the frame of these positions.
fn tight_region(kernel: Kernel, stretch: f64, frame: &Frame, at: &[(f64, f64)]) -> Option<Region> {
    let table = KernelTable::new(kernel, stretch);
    let margin = table.margin_px() as i64;
    let reached = |p: f64| {
        if table.needs_prefilter() {
            ((p + 0.5).floor() as i64 - margin, 2 * margin + 1)
        } else {
            taps(kernel, stretch, p)
        }
    };
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.map(reached).fold((i64::MAX, i64::MIN), |(low, high), (first, count)| {
            (low.min(first), high.max(first + count))
        })
    };
    let (x0, x1) = span(&mut at.iter().map(|p| p.0));
    let (y0, y1) = span(&mut at.iter().map(|p| p.1));
    Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize }.intersect(&frame.region())
}

fn grown(region: Region, by: [usize; 4], frame: &Frame) -> Region {
    let [left, right, below, above] = by;
    Region {
        x0: region.x0 - left as i64,
        y0: region.y0 - below as i64,
        width: region.width + left + right,
        height: region.height + below + above,
    }
    .intersect(&frame.region())
    .unwrap_or(region)
}

fn assert_window_free(kernel: Kernel, stretch: f64, frame: &Frame, at: &[(f64, f64)], by: [usize; 4]) {
    let table = KernelTable::new(kernel, stretch);
    let Some(tight) = tight_region(kernel, stretch, frame, at) else { return };
    let region = grown(tight, by, frame);
    let cut = frame.cut(region);
    let part = SourceWindow { data: &cut, region, ..frame.window() };
    for level in SimdLevel::available() {
        let expected = warp(&table, level, &frame.window(), at).bits();
        assert!(warp(&table, level, &part, at).bits() == expected, "{kernel:?} x {stretch} in {region:?}");
    }
}

#[test]
fn any_window_that_holds_the_taps_will_do() {
    let frame = frame();
    let mut random = Random(4);
    for kernel in KERNELS {
        for stretch in [1.0, 1.5, 3.0] {
            for _ in 0..400 {
                // One position makes the tightest window: every tap on its border.
                let n = 1 + random.below(5);
                let (x, y) = (random.uniform(-0.5, 69.5), random.uniform(-0.5, 59.5));
                let at: Vec<(f64, f64)> = (0..n).map(|i| (x + 0.9 * i as f64, y + 0.2 * i as f64)).collect();
                let by = [0; 4].map(|_| random.below(10));
                for by in [[0; 4], by] {
                    assert_window_free(kernel, stretch, &frame, &at, by);
                }
            }
        }
    }
}

#[test]
fn the_margin_of_the_table_is_enough() {
    for kernel in KERNELS {
        for stretch in [1.0, 1.01, 1.5, 2.0, 2.5, 3.0] {
            let margin = KernelTable::new(kernel, stretch).margin_px() as i64;
            for i in -100..100 {
                let p = f64::from(i) / 16.0;
                let (first, count) = taps(kernel, stretch, p);
                let own = (p + 0.5).floor() as i64;
                assert!(
                    own - first <= margin && first + count - 1 - own <= margin,
                    "{kernel:?} x {stretch} {p}"
                );
            }
        }
    }
}

#[test]
fn rows_may_be_cut_anywhere() {
    let frame = frame();
    let at = positions(&frame, 500, 5);
    for kernel in KERNELS {
        let table = KernelTable::new(kernel, 1.0);
        let whole = warp(&table, SimdLevel::detect(), &frame.window(), &at).bits();
        for chunk in [1, 2, 7, 8, 9, 64, 333] {
            let parts: Vec<_> = at
                .chunks(chunk)
                .flat_map(|part| warp(&table, SimdLevel::detect(), &frame.window(), part).bits())
                .collect();
            assert!(parts == whole, "{kernel:?} by {chunk}");
        }
    }
}

#[test]
fn planes_together_equal_planes_alone() {
    let frames = [6, 7, 8].map(|seed| Frame::noise(50, 40, 100.0, 50.0, seed).with_holes(seed));
    let at = positions(&frames[0], 3000, 9);
    let (xs, ys): (Vec<f64>, Vec<f64>) = at.iter().copied().unzip();
    let windows = [frames[0].window(), frames[1].window(), frames[2].window()];
    for kernel in KERNELS {
        for stretch in [1.0, 1.5] {
            let table = KernelTable::new(kernel, stretch);
            for level in SimdLevel::available() {
                let mut out = [0; 3].map(|_| Warped::new(at.len()));
                let mut rows: Vec<WarpRow<'_>> = out.iter_mut().map(Warped::row).collect();
                let coefficients = windows.map(|window| coefficients(&table, level, &window));
                let coefficients: Vec<&SplineCoefficients> = coefficients.iter().collect();
                warp_row_coefficients(&table, level, &windows, &coefficients, &xs, &ys, &mut rows);
                for (together, window) in out.iter().zip(&windows) {
                    assert!(
                        together.bits() == warp(&table, level, window, &at).bits(),
                        "{kernel:?} x {stretch}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_planes_and_no_positions_are_no_work() {
    let frame = frame();
    let table = KernelTable::new(Kernel::Lanczos3, 1.0);
    warp_row_planes(&table, SimdLevel::Portable, &[], &[1.0], &[1.0], &mut []);
    assert!(warp(&table, SimdLevel::Portable, &frame.window(), &[]).value.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_window_for_any_frame(
        seed in any::<u64>(),
        width in 1_usize..40,
        height in 1_usize..40,
        kernel in 0_usize..KERNELS.len(),
        stretch in prop_oneof![Just(1.0), 1.0_f64..3.5],
        at in prop::collection::vec((-2.0_f64..42.0, -2.0_f64..42.0), 1..12),
        by in prop::array::uniform4(0_usize..12),
    ) {
        let mut frame = Frame::noise(width, height, 0.0, 1.0, seed);
        let mut random = Random(seed);
        for _ in 0..width * height / 15 {
            frame.data[random.below(width * height)] = f32::NAN;
        }
        assert_window_free(KERNELS[kernel], stretch, &frame, &at, by);
    }
}
