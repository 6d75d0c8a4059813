//! Random stacks for a single method, and what must not change its masks.

use super::{Block, Random};
use zemosaic_image::simd::SimdLevel;
use zemosaic_stack::{Combine, RejectOptions};

/// Low and high rejections of each pixel, equal at all levels.
pub fn masks(block: &Block, reject: &RejectOptions) -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    for level in SimdLevel::available() {
        let planes = block.stack(Combine::Mean, reject, level);
        let masks: Vec<_> = planes.rejected_low.into_iter().zip(planes.rejected_high).collect();
        assert!(found.is_empty() || found == masks, "{} frames, {reject:?}, {level:?}", block.frames);
        found = masks;
    }
    found
}

/// The valid samples of a pixel, sorted.
pub fn sorted(block: &Block, pixel: usize) -> Vec<f64> {
    let samples = block.samples(pixel);
    let mut values: Vec<f64> = samples.iter().filter(|s| s.is_valid()).map(|s| f64::from(s.value)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// 10,149 stacks of 2 to 200 frames: holes, outliers of all sizes, duplicates, clusters, nearly nothing, infinities.
pub fn random_stacks() -> impl Iterator<Item = Block> {
    (2..=200).map(|frames| {
        let mut random = Random(31 * frames as u64 + 5);
        Block::new(frames, 51, move |pixel, _| {
            let noise = random.normal();
            let hole = if pixel % 3 == 0 { [2, 30, 3][pixel / 3 % 3] } else { 1_000_000 };
            if random.below(hole) == 0 {
                return f32::NAN;
            }
            let wild = random.below(12) == 0;
            let value = match pixel % 17 {
                0 => f64::from(random.below(9) as u32),
                1 => [0.0, 1e6][random.below(2)] + 1e-2 * noise,
                2 => [12.5, 12.5, 12.5, 60_000.0][random.below(4)],
                3 => 1e-3 * noise + if wild { 1e7 * random.normal() } else { 0.0 },
                4 => 60_000.0 + 0.05 * noise,
                5 => (random.below(60) as f64 - 30.0) * 0.1,
                6 => 10_f64.powf(3.0 * noise),
                7 if random.below(40) == 0 => f64::INFINITY * [1.0, -1.0][random.below(2)],
                8 => random.uniform(),
                9 if wild => 1000.0 - 2000.0 * random.uniform(),
                10 if wild => 1000.0 + 40.0 + noise,
                11 if random.below(3) == 0 => 1000.0 + 200.0 * random.uniform(),
                _ if wild => 1000.0 + 65_000.0 * random.uniform().powi(4),
                _ => 1000.0 + 10.0 * noise,
            };
            value as f32
        })
    })
}

/// Blocks of distinct whole numbers below 2^14 with outliers to 2^15, and the same shifted, scaled, and shuffled: exact in
/// f32, so nothing may change a mask.
pub fn assert_invariant(reject: &RejectOptions) {
    let mut rejected = 0;
    for frames in (2..=60).chain([100, 200]) {
        let mut random = Random(frames as u64);
        let block = Block::new(frames, 96, |pixel, frame| {
            // The frame's number in the last digits: no ties.
            let wild = 60.0 * f64::from(u8::from(random.below(15) == 0)) * (random.uniform() - 0.3);
            let steps = (30.0 + 5.0 * random.normal() + wild).clamp(0.0, 127.0) as usize;
            if pixel % 5 == 0 && random.below(8) == 0 { f32::NAN } else { (steps * 256 + frame) as f32 }
        });
        let expected = masks(&block, reject);
        rejected += expected.iter().map(|(low, high)| low + high).sum::<i32>();
        let mapped = |map: fn(f32) -> f32| {
            let mut other = block.clone();
            other.value.iter_mut().for_each(|value| *value = map(*value));
            masks(&other, reject)
        };
        assert_eq!(mapped(|value| value + 65_536.0), expected);
        assert_eq!(mapped(|value| value - 40_000.0), expected);
        assert_eq!(mapped(|value| value * 1024.0), expected);
        assert_eq!(mapped(|value| value / 4096.0), expected);
        let mut order: Vec<usize> = (0..frames).collect();
        for k in (1..frames).rev() {
            order.swap(k, random.below(k + 1));
        }
        assert_eq!(masks(&block.in_order(&order), reject), expected);
    }
    assert!(rejected > 100, "{rejected}");
}
