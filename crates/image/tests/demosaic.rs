//! Demosaic against the definition written down once more: neighbours, edges, NaN, windows, instruction sets,
//! noise.

mod common;

use common::Random;
use proptest::prelude::*;
use zemosaic_image::definition::demosaic_pixel;
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, CfaWindow, Region, demosaic_bilinear, demosaic_window};

const PATTERNS: [CfaPattern; 4] = [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg];

struct Frame {
    width: usize,
    height: usize,
    raw: Vec<f32>,
}

impl Frame {
    fn new(width: usize, height: usize, value: impl FnMut(usize) -> f32) -> Self {
        Self { width, height, raw: (0..width * height).map(value).collect() }
    }

    /// What a 16-bit camera writes, with a share of NaN.
    fn camera(width: usize, height: usize, nan_share: f64, random: &mut Random) -> Self {
        Self::new(width, height, |_| {
            let value = (random.bits() & 0xffff) as f32;
            if random.uniform() < nan_share { f32::NAN } else { value }
        })
    }

    fn region(&self) -> Region {
        Region { x0: 0, y0: 0, width: self.width, height: self.height }
    }

    /// A pixel with data.
    fn at(&self, x: i64, y: i64) -> Option<f32> {
        let inside = x >= 0 && y >= 0 && x < self.width as i64 && y < self.height as i64;
        inside.then(|| self.raw[y as usize * self.width + x as usize]).filter(|value| !value.is_nan())
    }

    fn cut(&self, region: Region) -> Vec<f32> {
        let columns = region.x0 as usize..region.x1() as usize;
        let rows = region.y0 as usize..region.y1() as usize;
        rows.flat_map(|y| &self.raw[y * self.width..][columns.clone()]).copied().collect()
    }

    /// `out` from the raw pixels of `window`.
    fn demosaic(&self, pattern: CfaPattern, window: Region, out: Region) -> [Vec<f32>; 3] {
        // Not zero: a pixel that is left untouched shows.
        let mut planes = [(); 3].map(|()| vec![-7e7; out.area()]);
        let [r, g, b] = &mut planes;
        demosaic_bilinear(&self.cut(window), window, pattern, out, self.width, self.height, [r, g, b]);
        planes
    }

    /// The same on one instruction set.
    fn demosaic_at(
        &self,
        level: SimdLevel,
        pattern: CfaPattern,
        region: Region,
        out: Region,
    ) -> [Vec<f32>; 3] {
        let mut planes = [(); 3].map(|()| vec![-7e7; out.area()]);
        let [r, g, b] = &mut planes;
        let raw = self.cut(region);
        demosaic_window(&CfaWindow { raw: &raw, region, pattern }, level, out, [r, g, b]);
        planes
    }

    fn whole(&self, pattern: CfaPattern) -> [Vec<f32>; 3] {
        self.demosaic(pattern, self.region(), self.region())
    }
}

/// Colour from the pattern's letters alone.
fn colour(pattern: CfaPattern, x: i64, y: i64) -> usize {
    let letters = format!("{pattern:?}").to_uppercase();
    let letter = letters.chars().nth(((y & 1) * 2 + (x & 1)) as usize);
    ['R', 'G', 'B'].iter().position(|c| Some(*c) == letter).unwrap_or(usize::MAX)
}

/// Mean of the neighbours of one colour with data, in f64.
fn naive(frame: &Frame, pattern: CfaPattern, x: i64, y: i64, plane: usize) -> f64 {
    let Some(own) = frame.at(x, y) else { return f64::NAN };
    if colour(pattern, x, y) == plane {
        return f64::from(own);
    }
    let mut neighbours = Vec::new();
    for row in y - 1..=y + 1 {
        for column in x - 1..=x + 1 {
            if colour(pattern, column, row) == plane {
                neighbours.extend(frame.at(column, row).map(f64::from));
            }
        }
    }
    neighbours.iter().sum::<f64>() / neighbours.len() as f64
}

/// `tolerance` in units of the largest raw value.
fn assert_is_the_definition(frame: &Frame, pattern: CfaPattern, tolerance: f64) {
    let planes = frame.whole(pattern);
    let window = CfaWindow { raw: &frame.raw, region: frame.region(), pattern };
    let largest = frame.raw.iter().filter(|v| !v.is_nan()).fold(0.0_f32, |a, v| a.max(v.abs()));
    for (plane, found) in planes.iter().enumerate() {
        for (i, found) in found.iter().enumerate() {
            let (x, y) = ((i % frame.width) as i64, (i / frame.width) as i64);
            let expected = naive(frame, pattern, x, y, plane);
            let label = || format!("{pattern:?} plane {plane} at {x}, {y} of {:?}", frame.region());
            assert_eq!(found.is_nan(), expected.is_nan(), "{}", label());
            let plain = demosaic_pixel(&window, x, y)[plane];
            let equal = plain.is_nan() == expected.is_nan()
                && (plain.is_nan() || (plain - expected).abs() <= 1e-12 * f64::from(largest));
            assert!(equal, "{}: the crate's own definition {plain}, {expected}", label());
            if tolerance == 0.0 && !found.is_nan() {
                assert_eq!(found.to_bits(), (expected as f32).to_bits(), "{}", label());
            } else if !found.is_nan() {
                let error = (f64::from(*found) - expected).abs();
                assert!(error <= tolerance * f64::from(largest), "{}: {found}, {expected}", label());
            }
        }
    }
}

#[test]
fn camera_frames_of_all_small_sizes_equal_the_definition_to_the_bit() {
    // Sums of four 16-bit numbers are exact in f32, so that nothing but the final division rounds.
    let mut random = Random(1);
    for width in 1..=8 {
        for height in 1..=8 {
            for nan_share in [0.0, 0.1, 0.5, 1.0] {
                for pattern in PATTERNS {
                    let frame = Frame::camera(width, height, nan_share, &mut random);
                    assert_is_the_definition(&frame, pattern, 0.0);
                }
            }
        }
    }
}

#[test]
fn larger_frames_equal_the_definition() {
    let mut random = Random(2);
    for (width, height) in [(64, 48), (57, 41), (200, 3), (2, 100)] {
        for pattern in PATTERNS {
            for nan_share in [0.0, 0.02, 0.6] {
                assert_is_the_definition(&Frame::camera(width, height, nan_share, &mut random), pattern, 0.0);
                let floats = Frame::new(width, height, |_| (1000.0 * random.normal()) as f32);
                assert_is_the_definition(&floats, pattern, 3e-7);
            }
        }
    }
}

#[test]
fn every_pattern_of_nan_around_a_pixel() {
    // All 512 ways in which the 3 x 3 around a pixel can lack data, at each site of the pattern.
    let mut random = Random(3);
    for mask in 0..512_usize {
        let mut frame = Frame::camera(6, 6, 0.0, &mut random);
        for (x0, y0) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
            let full = frame.raw.clone();
            for bit in (0..9).filter(|bit| mask >> bit & 1 == 1) {
                frame.raw[(y0 + bit / 3) * 6 + x0 + bit % 3] = f32::NAN;
            }
            assert_is_the_definition(&frame, CfaPattern::Grbg, 0.0);
            frame.raw = full;
        }
    }
}

#[test]
fn a_flat_colour_stays_flat_up_to_the_edges() {
    let flat = [17.25_f32, 1000.5, 60_000.0];
    for pattern in PATTERNS {
        for (width, height) in [(2, 2), (3, 2), (9, 7), (16, 10)] {
            let frame =
                Frame::new(width, height, |i| flat[colour(pattern, (i % width) as i64, (i / width) as i64)]);
            for (plane, level) in frame.whole(pattern).iter().zip(flat) {
                assert!(plane.iter().all(|value| *value == level), "{pattern:?} {width} x {height}");
            }
        }
    }
}

#[test]
fn a_linear_slope_is_reproduced_inside() {
    let (width, height) = (20, 16);
    let slope = |x: usize, y: usize| 500.0 + 3.0 * x as f32 - 2.0 * y as f32;
    let frame = Frame::new(width, height, |i| slope(i % width, i / width));
    for pattern in PATTERNS {
        for plane in frame.whole(pattern) {
            for y in 1..height - 1 {
                for x in 1..width - 1 {
                    assert_eq!(plane[y * width + x], slope(x, y), "{pattern:?} at {x}, {y}");
                }
            }
        }
    }
}

#[test]
fn a_cut_out_with_the_shifted_pattern_has_the_same_inside() {
    let mut random = Random(4);
    let frame = Frame::camera(14, 12, 0.05, &mut random);
    for pattern in PATTERNS {
        let whole = frame.whole(pattern);
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1), (3, 2), (2, 5)] {
            let part = Region { x0: dx, y0: dy, width: 8, height: 6 };
            let cut = Frame { width: 8, height: 6, raw: frame.cut(part) };
            let planes = cut.whole(pattern.shifted(dx, dy));
            for (plane, whole) in planes.iter().zip(&whole) {
                for (x, y) in (1..7).flat_map(|x| (1..5).map(move |y| (x, y))) {
                    let expected = whole[(y + dy as usize) * 14 + x + dx as usize];
                    assert_eq!(plane[y * 8 + x].to_bits(), expected.to_bits(), "{pattern:?} {dx} {dy}");
                }
            }
        }
    }
}

#[test]
fn patterns_are_their_letters() {
    for pattern in PATTERNS {
        assert_eq!(CfaPattern::parse(&format!(" {} ", pattern.name().to_lowercase())), Some(pattern));
        for (x, y) in (-3..4).flat_map(|x| (-3..4).map(move |y| (x, y))) {
            assert_eq!(pattern.colour_at(x, y), colour(pattern, x, y), "{pattern:?} {x} {y}");
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1), (-1, 2), (-3, -5)] {
                assert_eq!(pattern.shifted(dx, dy).colour_at(x, y), pattern.colour_at(x + dx, y + dy));
            }
        }
    }
    assert_eq!(CfaPattern::parse("RGBG"), None);
    assert_eq!(CfaPattern::parse(""), None);
}

/// Variance of a plane made from white noise, over that of a raw pixel; averaged over the sites.
#[test]
fn white_noise_keeps_nine_sixteenths_in_red_and_blue_and_five_eighths_in_green() {
    let mut random = Random(5);
    let (width, height) = (1024, 1024);
    let frame = Frame::new(width, height, |_| random.normal() as f32);
    for pattern in PATTERNS {
        for (plane, expected) in frame.whole(pattern).iter().zip([0.5625, 0.625, 0.5625]) {
            let inside = (1..height - 1).flat_map(|y| &plane[y * width + 1..(y + 1) * width - 1]);
            let squares: f64 = inside.map(|value| f64::from(*value).powi(2)).sum();
            let gain = squares / ((width - 2) * (height - 2)) as f64;
            println!("{pattern:?}: {gain:.4}, expected {expected}");
            assert!((gain - expected).abs() < 0.006, "{pattern:?}: {gain}");
        }
    }
}

/// One axis of a window: start and length of the output, and how far the raw window reaches beyond need.
fn axis(size: usize, seed: &mut Random) -> ((i64, usize), (i64, usize)) {
    let start = (seed.bits() % size as u64) as i64;
    let length = 1 + (seed.bits() % (size as u64 - start as u64)) as usize;
    let low = (start - 1 - (seed.bits() % 4) as i64).max(0);
    let high = (start + length as i64 + 1 + (seed.bits() % 4) as i64).min(size as i64);
    ((start, length), (low, (high - low) as usize))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_window_on_any_instruction_set_gives_the_bits_of_the_whole(
        seed in any::<u64>(),
        width in 1_usize..40,
        height in 1_usize..24,
        pattern in 0_usize..4,
        nan_share in prop_oneof![Just(0.0), 0.0_f64..0.6],
    ) {
        let mut random = Random(seed);
        let pattern = PATTERNS[pattern];
        // Zeros of both signs and sums that round, too.
        let frame = Frame::new(width, height, |_| match random.uniform() {
            share if share < nan_share => f32::NAN,
            share if share < nan_share + 0.1 => if random.bits() & 1 == 0 { 0.0 } else { -0.0 },
            _ => (random.normal() * 10.0_f64.powf(4.0 * random.uniform())) as f32,
        });
        let whole = frame.whole(pattern);
        for _ in 0..4 {
            let (out_x, raw_x) = axis(width, &mut random);
            let (out_y, raw_y) = axis(height, &mut random);
            let out = Region { x0: out_x.0, y0: out_y.0, width: out_x.1, height: out_y.1 };
            let window = Region { x0: raw_x.0, y0: raw_y.0, width: raw_x.1, height: raw_y.1 };
            let mut parts = vec![frame.demosaic(pattern, window, out)];
            parts.extend(
                SimdLevel::available().into_iter().map(|level| frame.demosaic_at(level, pattern, window, out)),
            );
            for (part, whole) in parts.iter().flat_map(|planes| planes.iter().zip(&whole)) {
                let whole = Frame { width, height, raw: whole.clone() }.cut(out);
                let bits = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(part), bits(&whole), "{:?} from {:?}", out, window);
            }
        }
    }
}
