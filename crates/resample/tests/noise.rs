//! The noise row: against its definition, against white noise of unequal variance, equal bits; and the
//! correlation of neighbouring output pixels against apertures on warped white noise.

mod common;

use common::{Frame, KERNELS, Random, Warped, positions, warp};
use zemosaic_image::Region;
use zemosaic_image::simd::SimdLevel;
use zemosaic_resample::{
    Kernel, KernelTable, NoiseWindow, SourceWindow, definition, noise_correlation, warp_noise_row,
};

const STRETCHES: [f64; 3] = [1.0, 1.3, 3.0];

/// Variances from 0.1 to 10, NaN where the frame's pixels are.
fn variances(frame: &Frame, seed: u64) -> Frame {
    let mut random = Random(seed);
    let data = frame
        .data
        .iter()
        .map(|value| {
            let variance = 10.0_f64.powf(random.uniform(-1.0, 1.0)) as f32;
            if value.is_nan() { f32::NAN } else { variance }
        })
        .collect();
    Frame { data, ..*frame }
}

fn noise_row(table: &KernelTable, level: SimdLevel, window: &NoiseWindow<'_>, at: &[(f64, f64)]) -> Vec<f32> {
    let mut sampled = warp(table, level, &window.pixels, at);
    noise_of(table, level, window, at, &mut sampled)
}

fn noise_of(
    table: &KernelTable,
    level: SimdLevel,
    window: &NoiseWindow<'_>,
    at: &[(f64, f64)],
    sampled: &mut Warped,
) -> Vec<f32> {
    let (xs, ys): (Vec<f64>, Vec<f64>) = at.iter().copied().unzip();
    let mut out = vec![-7e7; at.len()];
    warp_noise_row(table, level, window, &xs, &ys, &sampled.row(), &mut out);
    out
}

#[test]
fn the_noise_row_is_its_definition() {
    for (width, height, holes) in [(45, 38, false), (45, 38, true), (5, 4, false)] {
        let mut frame = Frame::noise(width, height, 0.0, 1.0, 1);
        if holes {
            frame = frame.with_holes(2);
        }
        let noise = variances(&frame, 3);
        let window = NoiseWindow { pixels: frame.window(), variances: &noise.data };
        let at = positions(&frame, 3000, 4);
        for kernel in KERNELS {
            for stretch in STRETCHES {
                let table = KernelTable::new(kernel, stretch);
                let sampled = warp(&table, SimdLevel::Portable, &window.pixels, &at);
                let found = noise_row(&table, SimdLevel::Portable, &window, &at);
                let mut worst = 0.0_f64;
                for (i, &(x, y)) in at.iter().enumerate() {
                    assert_eq!(found[i].is_nan(), sampled.value[i].is_nan(), "{kernel:?} at {x}, {y}");
                    if !found[i].is_nan() {
                        let expected = definition::noise(kernel, stretch, &window, x, y).unwrap();
                        worst = worst.max((f64::from(found[i]) / expected - 1.0).abs());
                    }
                }
                println!("{kernel:?} x {stretch}: {worst:.1e}");
                assert!(worst < 1e-5, "{kernel:?} x {stretch}: {worst}");
            }
        }
    }
}

#[test]
fn equal_variances_are_given_back() {
    let frame = Frame::noise(40, 30, 0.0, 1.0, 5).with_holes(6);
    let window = NoiseWindow { pixels: frame.window(), variances: &vec![2.5; frame.data.len()] };
    let at = positions(&frame, 5000, 7);
    for kernel in KERNELS {
        for stretch in STRETCHES {
            let found = noise_row(&KernelTable::new(kernel, stretch), SimdLevel::detect(), &window, &at);
            assert!(
                found.iter().all(|r| r.is_nan() || (r / 2.5 - 1.0).abs() < 1e-6),
                "{kernel:?} x {stretch}"
            );
        }
    }
}

#[test]
fn any_window_level_and_cut_gives_equal_bits() {
    let frame = Frame::noise(90, 80, 500.0, 100.0, 8).with_holes(9);
    let noise = variances(&frame, 10);
    let whole = NoiseWindow { pixels: frame.window(), variances: &noise.data };
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut random = Random(11);
    for kernel in KERNELS {
        for stretch in STRETCHES {
            let table = KernelTable::new(kernel, stretch);
            let margin = table.margin_px() as i64;
            for _ in 0..60 {
                let (x, y) = (random.uniform(-1.0, 90.0), random.uniform(-1.0, 80.0));
                let at: Vec<(f64, f64)> =
                    (0..9).map(|i| (x + f64::from(i % 3) * 0.77, y + f64::from(i) * 0.21)).collect();
                let region = Region {
                    x0: x as i64 - margin - 1,
                    y0: y as i64 - margin - 1,
                    width: 2 * margin as usize + 6,
                    height: 2 * margin as usize + 6,
                };
                let Some(region) = region.intersect(&frame.region()) else { continue };
                let (pixels, variances) = (frame.cut(region), noise.cut(region));
                let pixels = SourceWindow { data: &pixels, region, ..frame.window() };
                let part = NoiseWindow { pixels, variances: &variances };
                let expected = bits(&noise_row(&table, SimdLevel::Portable, &whole, &at));
                for level in SimdLevel::available() {
                    assert_eq!(
                        bits(&noise_row(&table, level, &part, &at)),
                        expected,
                        "{kernel:?} x {stretch}"
                    );
                    assert_eq!(
                        bits(&noise_row(&table, level, &whole, &at)),
                        expected,
                        "{kernel:?} x {stretch}"
                    );
                }
                let single: Vec<f32> =
                    at.iter().flat_map(|p| noise_row(&table, SimdLevel::detect(), &whole, &[*p])).collect();
                assert_eq!(bits(&single), expected, "{kernel:?} x {stretch}, one by one");
            }
        }
    }
}

#[test]
fn noise_of_unequal_variance_is_foretold() {
    let mut random = Random(12);
    let side = 24;
    let mut frame = Frame::new(side, side, |_, _| 0.0);
    frame.data[12 * side + 12] = f32::NAN;
    // A step by a factor of 9 in the variance, and a gradient.
    let noise = Frame::new(side, side, |x, y| if x < 12 { 1.0 } else { 9.0 } + 0.2 * y as f32);
    let at = [(11.5, 6.3), (11.2, 5.0), (12.3, 12.4), (-0.4, 7.7), (14.6, 20.2), (11.0, 13.5)];
    let rounds = 20_000;
    let tables: Vec<KernelTable> = KERNELS
        .iter()
        .flat_map(|kernel| [1.0, 1.5].map(|stretch| KernelTable::new(*kernel, stretch)))
        .collect();
    let mut squares = vec![[0.0_f64; 6]; tables.len()];
    for _ in 0..rounds {
        for (pixel, variance) in frame.data.iter_mut().zip(&noise.data) {
            if !pixel.is_nan() {
                *pixel = (random.normal() * f64::from(*variance).sqrt()) as f32;
            }
        }
        for (table, squares) in tables.iter().zip(&mut squares) {
            let found = warp(table, SimdLevel::detect(), &frame.window(), &at);
            for (square, value) in squares.iter_mut().zip(&found.value) {
                *square += f64::from(*value).powi(2);
            }
        }
    }
    for (table, squares) in tables.iter().zip(&squares) {
        let window = NoiseWindow { pixels: frame.window(), variances: &noise.data };
        let mut sampled = warp(table, SimdLevel::detect(), &window.pixels, &at);
        let found = noise_of(table, SimdLevel::detect(), &window, &at, &mut sampled);
        for (i, position) in at.iter().enumerate() {
            let (measured, stated) =
                (squares[i] / f64::from(rounds), f64::from(found[i] * sampled.factor[i]));
            // The variance of a variance: 1 %. The weights of the interpolating spline are approximated.
            let allowed = if table.needs_prefilter() { 0.25 } else { 0.05 };
            let ratio = measured / stated;
            println!("{:?} x {} at {position:?}: {ratio:.3}", table.kernel(), table.stretch());
            let good = (ratio - 1.0).abs() < allowed || (measured.is_nan() && stated.is_nan());
            assert!(good, "{:?} x {} at {position:?}: {ratio}", table.kernel(), table.stretch());
        }
    }
}

/// Variance of sums over apertures of white noise warped by a rotation, over the sum of their factors.
fn measured_correlation(
    kernel: Kernel,
    stretch: f64,
    scale: f64,
    rotation_deg: f64,
    apertures: &[usize],
) -> Vec<f64> {
    let mut random = Random(13);
    let side = 700;
    let (sin, cos) = f64::sin_cos(f64::to_radians(rotation_deg));
    let table = KernelTable::new(kernel, stretch);
    let out = (400.0 / scale) as usize;
    let mut sums = vec![(0.0, 0.0); apertures.len()];
    for _ in 0..6 {
        let data = (0..side * side).map(|_| random.normal() as f32).collect();
        let noise = Frame { width: side, height: side, data };
        let (dither_x, dither_y) = (random.uniform(0.0, 1.0), random.uniform(0.0, 1.0));
        let centre = out as f64 / 2.0;
        let at: Vec<(f64, f64)> = (0..out * out)
            .map(|i| (scale * ((i % out) as f64 - centre), scale * ((i / out) as f64 - centre)))
            .map(|(x, y)| (350.0 + dither_x + x * cos - y * sin, 350.0 + dither_y + x * sin + y * cos))
            .collect();
        let found = warp(&table, SimdLevel::detect(), &noise.window(), &at);
        for (n, (squares, factors)) in apertures.iter().zip(&mut sums) {
            for (top, left) in (0..out / n).flat_map(|j| (0..out / n).map(move |i| (j * n, i * n))) {
                let mut sum = 0.0;
                for y in top..top + n {
                    for i in y * out + left..y * out + left + n {
                        sum += f64::from(found.value[i]);
                        *factors += f64::from(found.factor[i]);
                    }
                }
                *squares += sum * sum;
            }
        }
    }
    sums.into_iter().map(|(squares, factors)| squares / factors).collect()
}

#[test]
fn apertures_on_warped_white_noise_have_the_variance_stated() {
    // 6 frames of 400^2 px hold 960000, 107000, 38000 and 7900 apertures: sigma sqrt(2 / n), 0.2 to 1.6 %.
    let apertures = [(1, 0.01), (3, 0.02), (5, 0.03), (11, 0.06)];
    for kernel in KERNELS {
        for (stretch, scale, rotation_deg) in
            [(1.0, 1.0, 17.3), (1.0, 0.6, 33.0), (1.5, 1.5, 9.0), (2.0, 2.0, 41.0)]
        {
            let measured =
                measured_correlation(kernel, stretch, scale, rotation_deg, &apertures.map(|a| a.0));
            for ((n, allowed), measured) in apertures.iter().zip(measured) {
                let stated = noise_correlation(kernel, stretch, scale, Some(rotation_deg), *n);
                let ratio = measured / stated;
                println!("{kernel:?} x {stretch}, scale {scale}, {n} px: {stated:.3}, measured x {ratio:.3}");
                let allowed = allowed * scale.max(1.0);
                assert!(
                    (ratio - 1.0).abs() < allowed,
                    "{kernel:?} x {stretch}, scale {scale}, {n} px: {ratio}"
                );
            }
        }
    }
}
