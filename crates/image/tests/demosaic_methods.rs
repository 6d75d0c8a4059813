//! VNG, RCD and super-pixel against their definitions; windows, bad pixels, edges, instruction sets, noise.

mod common;

use common::Random;
use proptest::prelude::*;
use zemosaic_image::definition::{Rcd, demosaic_pixel, vng_pixel};
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, CfaWindow, Demosaic, Region, demosaic};

const PATTERNS: [CfaPattern; 4] = [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg];
const METHODS: [Demosaic; 4] = [Demosaic::Bilinear, Demosaic::Vng, Demosaic::Rcd, Demosaic::SuperPixel];

#[derive(Clone)]
struct Frame {
    width: usize,
    height: usize,
    raw: Vec<f32>,
}

impl Frame {
    fn new(width: usize, height: usize, value: impl FnMut(usize) -> f32) -> Self {
        Self { width, height, raw: (0..width * height).map(value).collect() }
    }

    fn region(&self) -> Region {
        Region { x0: 0, y0: 0, width: self.width, height: self.height }
    }

    fn output(&self, method: Demosaic) -> Region {
        let (width, height) = method.output_size((self.width, self.height));
        Region { x0: 0, y0: 0, width, height }
    }

    fn cut(&self, region: Region) -> Vec<f32> {
        let columns = region.x0 as usize..region.x1() as usize;
        let rows = region.y0 as usize..region.y1() as usize;
        rows.flat_map(|y| &self.raw[y * self.width..][columns.clone()]).copied().collect()
    }

    /// `out` from the raw pixels of `window`.
    fn part(
        &self,
        method: Demosaic,
        level: SimdLevel,
        pattern: CfaPattern,
        window: Region,
        out: Region,
    ) -> [Vec<f32>; 3] {
        // Not zero: a pixel that is left untouched shows.
        let mut planes = [(); 3].map(|()| vec![-7e7; out.area()]);
        let [r, g, b] = &mut planes;
        let raw = self.cut(window);
        let window = CfaWindow { raw: &raw, region: window, pattern };
        demosaic(method, level, &window, (self.width, self.height), out, [r, g, b]);
        planes
    }

    fn whole(&self, method: Demosaic, pattern: CfaPattern) -> [Vec<f32>; 3] {
        self.part(method, SimdLevel::detect(), pattern, self.region(), self.output(method))
    }
}

/// Sky, edges and stars in whole numbers, so that sums in f32 are exact.
fn scene(width: usize, height: usize, offset: f32, random: &mut Random) -> Frame {
    Frame::new(width, height, |i| {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        let edge = if x + 0.4 * y > 20.0 { 300.0 } else { 0.0 };
        let star = 900.0 * (-((x - 11.3).powi(2) + (y - 9.8).powi(2)) / 2.2).exp();
        let wave = 100.0 * (0.9 * x + 0.3 * y).sin();
        offset + (400.0 + edge + star + wave + 20.0 * random.normal()).round() as f32
    })
}

fn check(found: &[Vec<f32>; 3], i: usize, expected: [f64; 3], tolerance: f64, label: &str) {
    for (plane, expected) in found.iter().zip(expected) {
        let error = (f64::from(plane[i]) - expected).abs();
        assert!(error <= tolerance, "{label}: {} {expected}", plane[i]);
    }
}

#[test]
fn vng_equals_its_paper() {
    let mut random = Random(1);
    for (width, height) in [(43, 31), (2, 2), (3, 5), (16, 4)] {
        for (pattern, offset) in PATTERNS.into_iter().flat_map(|p| [(p, 0.0), (p, -420.0)]) {
            let frame = scene(width, height, offset, &mut random);
            let found = frame.whole(Demosaic::Vng, pattern);
            let window = CfaWindow { raw: &frame.raw, region: frame.region(), pattern };
            for i in 0..width * height {
                let (x, y) = ((i % width) as i64, (i / width) as i64);
                check(&found, i, vng_pixel(&window, x, y), 2e-4, &format!("{pattern:?} {x} {y}"));
            }
        }
    }
}

#[test]
fn rcd_equals_its_definition() {
    let mut random = Random(2);
    for (width, height) in [(37, 27), (2, 2), (3, 5), (16, 4)] {
        for (pattern, offset) in PATTERNS.into_iter().flat_map(|p| [(p, 0.0), (p, -420.0)]) {
            let frame = scene(width, height, offset, &mut random);
            let found = frame.whole(Demosaic::Rcd, pattern);
            let definition = Rcd { window: CfaWindow { raw: &frame.raw, region: frame.region(), pattern } };
            for i in 0..width * height {
                let (x, y) = ((i % width) as i64, (i / width) as i64);
                check(&found, i, definition.pixel(x, y), 5e-3, &format!("{pattern:?} {x} {y}"));
            }
        }
    }
}

#[test]
fn super_pixel_is_the_cell() {
    let mut random = Random(3);
    for pattern in PATTERNS {
        let mut frame = scene(21, 13, 0.0, &mut random);
        for i in (3..frame.raw.len()).step_by(7) {
            frame.raw[i] = f32::NAN;
        }
        let found = frame.whole(Demosaic::SuperPixel, pattern);
        for i in 0..60 {
            let (x, y) = (2 * (i % 10), 2 * (i / 10));
            let mut cell: [Vec<f32>; 3] = Default::default();
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let value = frame.raw[(y + dy) * 21 + x + dx];
                if !value.is_nan() {
                    cell[pattern.colour_at((x + dx) as i64, (y + dy) as i64)].push(value);
                }
            }
            for (plane, good) in found.iter().zip(&cell) {
                let expected = good.iter().sum::<f32>() / good.len() as f32;
                assert_eq!(
                    plane[i].to_bits() & 0x7fff_ffff,
                    expected.to_bits() & 0x7fff_ffff,
                    "{pattern:?} {i}"
                );
            }
        }
    }
}

#[test]
fn flat_colours_stay_flat_and_grey_slopes_are_reproduced() {
    let flat = [17.25_f32, 1000.5, 60_000.0];
    for method in METHODS {
        for pattern in PATTERNS {
            for (width, height) in [(2, 2), (3, 2), (9, 7), (40, 30)] {
                let colour = |i: usize| pattern.colour_at((i % width) as i64, (i / width) as i64);
                for planes in [flat, flat.map(|v| -v), [0.0; 3]] {
                    let frame = Frame::new(width, height, |i| planes[colour(i)]);
                    for (plane, level) in frame.whole(method, pattern).iter().zip(planes) {
                        let near =
                            |v: &f32| (v - level).abs() <= 4e-3 * f32::from(method != Demosaic::SuperPixel);
                        assert!(plane.iter().all(near), "{method:?} {pattern:?} {width} {plane:?}");
                    }
                }
            }
            if method == Demosaic::SuperPixel {
                continue;
            }
            let slope = |x: usize, y: usize| 500.0 + 3.0 * x as f32 - 2.0 * y as f32;
            let frame = Frame::new(40, 36, |i| slope(i % 40, i / 40));
            for plane in frame.whole(method, pattern) {
                for (x, y) in (10..30).flat_map(|x| (10..26).map(move |y| (x, y))) {
                    let error = (plane[y * 40 + x] - slope(x, y)).abs();
                    // The ratio of a slope is not the slope: second order in its step.
                    let allowed = if method == Demosaic::Rcd { 0.05 } else { 1e-3 };
                    assert!(error <= allowed, "{method:?} {pattern:?} {x} {y} {error}");
                }
            }
        }
    }
}

#[test]
fn a_bad_pixel_stays_local() {
    let mut random = Random(4);
    for method in [Demosaic::Vng, Demosaic::Rcd] {
        for pattern in PATTERNS {
            let clean = scene(60, 50, 0.0, &mut random);
            // Single ones at each site and at an edge; a block of 5 x 5, whose middle cannot be filled.
            let mut frame = clean.clone();
            let mut bad: Vec<(usize, usize)> = vec![(10, 10), (31, 10), (10, 31), (31, 31), (0, 20)];
            bad.extend((0..25).map(|i| (45 + i % 5, 20 + i / 5)));
            for (x, y) in &bad {
                frame.raw[y * 60 + x] = f32::NAN;
            }
            let window = CfaWindow { raw: &frame.raw, region: frame.region(), pattern };
            let (found, before) = (frame.whole(method, pattern), clean.whole(method, pattern));
            let rcd = Rcd { window };
            for i in 0..3000 {
                let (x, y): (usize, usize) = (i % 60, i / 60);
                let away = |(bx, by): &(usize, usize)| x.abs_diff(*bx).max(y.abs_diff(*by));
                let nearest = bad.iter().map(away).min().unwrap();
                let block = bad[5..].iter().map(away).min().unwrap();
                let label = format!("{method:?} {pattern:?} {x} {y}");
                let (x, y) = (x as i64, y as i64);
                if nearest <= 1 {
                    for (plane, bilinear) in found.iter().zip(demosaic_pixel(&window, x, y)) {
                        assert_eq!(plane[i].is_nan(), bilinear.is_nan(), "{label}");
                        assert!(
                            plane[i].is_nan() || (f64::from(plane[i]) - bilinear).abs() < 1e-3,
                            "{label}"
                        );
                    }
                } else if nearest > method.halo_px() {
                    for (plane, before) in found.iter().zip(&before) {
                        assert_eq!(plane[i].to_bits(), before[i].to_bits(), "{label}");
                    }
                } else if block > method.halo_px() {
                    let expected =
                        if method == Demosaic::Vng { vng_pixel(&window, x, y) } else { rcd.pixel(x, y) };
                    check(&found, i, expected, 5e-3, &label);
                } else {
                    assert!(found.iter().all(|plane| plane[i].is_finite()), "{label}");
                }
            }
        }
    }
}

#[test]
fn vng_shifts_and_rcd_scales_with_the_data() {
    let mut random = Random(5);
    let frame = scene(50, 40, 0.0, &mut random);
    let shifted = Frame::new(50, 40, |i| frame.raw[i] + 1024.0);
    let (before, after) =
        (frame.whole(Demosaic::Vng, CfaPattern::Rggb), shifted.whole(Demosaic::Vng, CfaPattern::Rggb));
    for (before, after) in before.concat().iter().zip(after.concat()) {
        assert!((before + 1024.0 - after).abs() < 1e-3);
    }
    let scaled = Frame::new(50, 40, |i| frame.raw[i] * 0.25);
    let (before, after) =
        (frame.whole(Demosaic::Rcd, CfaPattern::Rggb), scaled.whole(Demosaic::Rcd, CfaPattern::Rggb));
    for (before, after) in before.concat().iter().zip(after.concat()) {
        assert_eq!(before * 0.25, after);
    }
}

#[test]
fn noise_around_zero_stays_noise() {
    let mut random = Random(6);
    let frame = Frame::new(400, 300, |_| random.normal() as f32);
    for plane in frame.whole(Demosaic::Rcd, CfaPattern::Grbg) {
        assert!(plane.iter().all(|value| value.abs() < 12.0));
        let mean = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / 120_000.0;
        let square = plane.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 120_000.0;
        println!("mean {mean:.4}, variance {square:.4}");
        assert!(mean.abs() < 0.02 && square < 1.3);
    }
}

/// Covariances of a plane by lag, `[|dy|][|dx|]`, up to `N - 1`.
fn covariances<const N: usize>(plane: &[f32], (width, height): (usize, usize), mean: f64) -> [[f64; N]; N] {
    let margin = 12;
    let value = |x: usize, y: usize| f64::from(plane[y * width + x]) - mean;
    std::array::from_fn(|dy| {
        std::array::from_fn(|dx| {
            let (mut sum, mut count) = (0.0, 0.0);
            for y in margin..height - margin {
                for x in margin..width - margin {
                    sum += value(x, y) * (value(x + dx, y + dy) + value(x - dx, y + dy));
                    count += 2.0;
                }
            }
            sum / count
        })
    })
}

#[test]
fn white_noise_has_the_stated_covariances() {
    let mut random = Random(7);
    let (width, height) = (1024, 1024);
    let level = 1000.0;
    let frame = Frame::new(width, height, |_| level + random.normal() as f32);
    for method in METHODS {
        let out = frame.output(method);
        let planes = frame.whole(method, CfaPattern::Grbg);
        for (channel, plane) in planes.iter().enumerate() {
            let found = covariances::<5>(plane, (out.width, out.height), f64::from(level));
            println!("{method:?} {channel}:");
            for row in &found {
                println!("    [{}],", row.map(|v| format!("{v:.4}")).join(", "));
            }
            let error = if method == Demosaic::SuperPixel { 0.012 } else { 0.006 };
            for (dy, row) in found.iter().enumerate() {
                for (dx, value) in row.iter().enumerate() {
                    let stated = method.autocovariance(channel, dx as i64, -(dy as i64));
                    assert!(
                        (value - stated).abs() < error,
                        "{method:?} {channel} {dx} {dy}: {value} {stated}"
                    );
                }
            }
            assert!((method.variance_gain(channel) - found[0][0]).abs() < error);
        }
    }
}

/// The ratios of RCD take in the colour of the sky: how far the stated gains are from those of a Seestar's.
#[test]
fn a_coloured_sky_changes_the_gains_little() {
    let mut random = Random(8);
    let (width, height) = (600, 600);
    let level = [730.0, 1000.0, 640.0];
    let pattern = CfaPattern::Grbg;
    let frame = Frame::new(width, height, |i| {
        level[pattern.colour_at((i % width) as i64, (i / width) as i64)] + random.normal() as f32
    });
    for method in [Demosaic::Vng, Demosaic::Rcd] {
        for (channel, plane) in frame.whole(method, pattern).iter().enumerate() {
            let found = covariances::<1>(plane, (width, height), f64::from(level[channel]))[0][0];
            println!("{method:?} {channel}: {found:.4}, stated {:.4}", method.variance_gain(channel));
            assert!((found / method.variance_gain(channel) - 1.0).abs() < 0.1);
        }
    }
}

#[test]
fn names_sizes_and_windows() {
    for (method, name, halo) in [
        (Demosaic::Bilinear, "\"bilinear\"", 1),
        (Demosaic::Vng, "\"vng\"", 4),
        (Demosaic::Rcd, "\"rcd\"", 10),
        (Demosaic::SuperPixel, "\"super-pixel\"", 0),
    ] {
        assert_eq!(serde_json::to_string(&method).unwrap(), name);
        assert_eq!(serde_json::from_str::<Demosaic>(name).unwrap(), method);
        assert_eq!(method.halo_px(), halo);
    }
    let out = Region { x0: 2, y0: 3, width: 4, height: 5 };
    let raw = Demosaic::SuperPixel.raw_region(out, (100, 100)).unwrap();
    assert_eq!(raw, Region { x0: 4, y0: 6, width: 8, height: 10 });
    assert_eq!(Demosaic::SuperPixel.output_size((21, 13)), (10, 6));
    let raw = Demosaic::Vng.raw_region(out, (100, 9)).unwrap();
    assert_eq!(raw, Region { x0: 0, y0: 0, width: 10, height: 9 });
}

/// A part of an axis and a window that covers what it needs, and perhaps more.
fn axis(size: usize, seed: &mut Random) -> (i64, usize, [i64; 2]) {
    let start = (seed.bits() % size as u64) as i64;
    let length = 1 + (seed.bits() % (size as u64 - start as u64)) as usize;
    (start, length, [(seed.bits() % 4) as i64, (seed.bits() % 4) as i64])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_window_on_any_instruction_set_gives_the_bits_of_the_whole(
        seed in any::<u64>(),
        width in 2_usize..60,
        height in 2_usize..40,
        pattern in 0_usize..4,
        nan_share in prop_oneof![Just(0.0), 0.0_f64..0.02, 0.0_f64..0.8],
    ) {
        let mut random = Random(seed);
        let pattern = PATTERNS[pattern];
        let frame = Frame::new(width, height, |_| match random.uniform() {
            share if share < nan_share => f32::NAN,
            share if share < nan_share + 0.1 => if random.bits() & 1 == 0 { 0.0 } else { -0.0 },
            _ => (random.normal() * 10.0_f64.powf(4.0 * random.uniform())) as f32,
        });
        for method in METHODS {
            let size = frame.output(method);
            let whole = frame.whole(method, pattern);
            for _ in 0..2 {
                let (x, y) = (axis(size.width, &mut random), axis(size.height, &mut random));
                let out = Region { x0: x.0, y0: y.0, width: x.1, height: y.1 };
                let needed = method.raw_region(out, (width, height)).unwrap();
                let window = Region {
                    x0: needed.x0 - x.2[0],
                    y0: needed.y0 - y.2[0],
                    width: needed.width + (x.2[0] + x.2[1]) as usize,
                    height: needed.height + (y.2[0] + y.2[1]) as usize,
                };
                let window = window.intersect(&frame.region()).unwrap();
                for level in SimdLevel::available() {
                    let part = frame.part(method, level, pattern, window, out);
                    for (part, whole) in part.iter().zip(&whole) {
                        let whole = Frame { width: size.width, height: size.height, raw: whole.clone() }.cut(out);
                        let bits = |plane: &[f32]| plane.iter().map(|v| if v.is_nan() { 1 } else { v.to_bits() }).collect::<Vec<_>>();
                        prop_assert_eq!(bits(part), bits(&whole), "{:?} {:?} from {:?}", method, out, window);
                    }
                }
            }
        }
    }
}
