//! The stack against numpy and astropy, on the golden that `goldens/make_stack_golden.py` makes.

mod common;

use std::path::Path;

use common::{Block, NO_REJECTION};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Combine, RejectMethod, RejectOptions};

/// The bytes of the golden; `None` where it is absent, a panic in CI.
fn golden(frames: usize) -> Option<Vec<u8>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = repository.join(format!("target/goldens/stack_{frames}.bin"));
    if let Ok(bytes) = std::fs::read(&path) {
        return Some(bytes);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "the golden of the stack is required in CI: {}",
        path.display()
    );
    eprintln!("skipped: {} is not there (make goldens; needs Python)", path.display());
    None
}

/// Reads a golden from front to back.
struct Planes<'a> {
    rest: &'a [u8],
    frames: usize,
    pixels: usize,
}

impl<'a> Planes<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut planes = Self { rest: bytes, frames: 0, pixels: 0 };
        planes.frames = planes.next(1, u32::from_le_bytes)[0] as usize;
        planes.pixels = planes.next(1, u32::from_le_bytes)[0] as usize;
        planes
    }

    fn next<const N: usize, T>(&mut self, count: usize, value: fn([u8; N]) -> T) -> Vec<T> {
        let (plane, rest) = self.rest.split_at(count * N);
        self.rest = rest;
        plane.as_chunks().0.iter().map(|bytes| value(*bytes)).collect()
    }

    fn samples(&mut self) -> Vec<f32> {
        self.next(self.frames * self.pixels, f32::from_le_bytes)
    }

    fn values(&mut self) -> Vec<f64> {
        self.next(self.pixels, f64::from_le_bytes)
    }

    fn mask(&mut self) -> Vec<bool> {
        self.next(self.frames * self.pixels, |[byte]: [u8; 1]| byte != 0)
    }
}

/// Values equal to 1e-6 of the largest sample (for a sum, of the sum of all); returns the worst share of that.
fn compare_values(block: &Block, combine: Combine, reject: &RejectOptions, expected: &[f64]) -> f64 {
    let planes = block.stack(combine, reject, SimdLevel::detect());
    let mut worst = 0.0_f64;
    for (pixel, expected) in expected.iter().enumerate() {
        let samples = block.samples(pixel);
        let sizes = samples.iter().map(|s| f64::from(s.value.abs())).filter(|size| !size.is_nan());
        let scale = if combine == Combine::Sum { sizes.sum() } else { sizes.fold(0.0, f64::max) };
        if planes.depth[pixel] == 0 {
            assert!(planes.value[pixel].is_nan(), "{combine:?} of no samples");
            continue;
        }
        let error = (f64::from(planes.value[pixel]) - expected).abs() / scale;
        assert!(error <= 1e-6, "{combine:?}, pixel {pixel}: {} against {expected}", planes.value[pixel]);
        worst = worst.max(error);
    }
    worst
}

/// Samples that one of the two masks and the other does not, by the reason.
#[derive(Debug, Default)]
struct Difference {
    /// A median absolute deviation of 0: astropy then rejects all that differ from the median, we none.
    spread_zero: usize,
    /// Anything else.
    other: usize,
}

fn of(method: RejectMethod) -> RejectOptions {
    RejectOptions { method, ..RejectOptions::default() }
}

/// Compare what is rejected sample by sample, and the means where it is the same.
fn compare_clip(block: &Block, method: RejectMethod, mask: &[bool], means: &[f64]) -> Difference {
    let reject = of(method);
    let level = SimdLevel::detect();
    let (least, most) =
        (block.stack(Combine::Min, &reject, level).value, block.stack(Combine::Max, &reject, level).value);
    let clipped = block.stack(Combine::Mean, &reject, level);
    let mut difference = Difference::default();
    for pixel in 0..block.pixels {
        let differing = (0..block.frames)
            .filter(|&frame| {
                let value = block.value[frame * block.stride + pixel];
                let kept = value >= least[pixel] && value <= most[pixel];
                kept == mask[frame * block.pixels + pixel]
            })
            .count();
        if differing > 0 && has_zero_spread(block, pixel, mask) {
            difference.spread_zero += differing;
        } else {
            difference.other += differing;
        }
        if differing == 0 && clipped.depth[pixel] > 0 {
            let error = (f64::from(clipped.value[pixel]) - means[pixel]).abs();
            assert!(error <= 1e-6 * means[pixel].abs().max(1.0), "{method:?}, pixel {pixel}");
        }
    }
    difference
}

/// Whether astropy ended with nothing but equal samples although there are others.
fn has_zero_spread(block: &Block, pixel: usize, mask: &[bool]) -> bool {
    let mut kept = (0..block.frames)
        .filter(|frame| !mask[frame * block.pixels + pixel])
        .map(|frame| block.value[frame * block.stride + pixel]);
    let first = kept.next();
    kept.all(|value| Some(value) == first)
}

#[test]
fn numpy_and_astropy_agree() {
    for frames in [8, 30, 100] {
        let Some(bytes) = golden(frames) else { return };
        let mut golden = Planes::new(&bytes);
        assert_eq!(golden.frames, frames);
        let (pixels, samples) = (golden.pixels, golden.samples());
        let mut block = Block::new(frames, pixels, |pixel, frame| samples[frame * pixels + pixel]);
        block.weight.fill(1.0);
        let combines = [
            Combine::Mean,
            Combine::Median,
            Combine::Min,
            Combine::Max,
            Combine::Sum,
            Combine::Percentile(25.0),
            Combine::Percentile(97.3),
        ];
        for combine in combines {
            let worst = compare_values(&block, combine, &NO_REJECTION, &golden.values());
            eprintln!("{frames} frames, {combine:?}: differs from numpy by at most {worst:.1e}");
        }
        for method in [RejectMethod::Sigma, RejectMethod::Mad] {
            let (mask, means) = (golden.mask(), golden.values());
            let difference = compare_clip(&block, method, &mask, &means);
            let all = frames * pixels;
            eprintln!("{frames} frames, {method:?}: of {all} samples {difference:?} differ from astropy");
            assert!(difference.other * 10_000 < all, "{frames} frames, {method:?}: {difference:?}");
        }
        for method in [RejectMethod::WinsorizedQuantile, RejectMethod::Winsorized, RejectMethod::Percentile] {
            let (mask, means) = (golden.mask(), golden.values());
            let difference = compare_clip(&block, method, &mask, &means);
            assert_eq!((difference.spread_zero, difference.other), (0, 0), "{frames} frames, {method:?}");
        }
        for (reject_lowest, reject_highest) in [(1, 1), (2, 3)] {
            let reject = RejectOptions { reject_lowest, reject_highest, ..of(RejectMethod::MinMax) };
            compare_values(&block, Combine::Mean, &reject, &golden.values());
        }
        assert!(golden.rest.is_empty());
    }
}
