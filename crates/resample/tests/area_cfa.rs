//! Drizzle of raw CFA planes against drizzle of three planes in which the other colours are NaN: equal bits.

use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, Region};
use zemosaic_resample::area::{
    AreaKernel, AreaMethod, AreaRow, CornerRows, DrizzleOptions, DropShape, area_row, area_row_cfa,
};
use zemosaic_resample::{SourceWindow, flags};

const SIDE: usize = 41;

struct Row {
    value: Vec<f32>,
    factor: Vec<f32>,
    weight: Vec<f32>,
    noise: Vec<f32>,
    flags: Vec<u8>,
}

impl Row {
    fn new(n: usize) -> Self {
        let none = || vec![7.0; n];
        Self { value: none(), factor: none(), weight: none(), noise: none(), flags: vec![7; n] }
    }

    fn out(&mut self) -> AreaRow<'_> {
        AreaRow {
            value: &mut self.value,
            variance_factor: &mut self.factor,
            weight: &mut self.weight,
            flags: &mut self.flags,
            noise: Some(&mut self.noise),
        }
    }

    fn bits(&self) -> Vec<u32> {
        let floats = [&self.value, &self.factor, &self.weight, &self.noise];
        floats.into_iter().flatten().map(|value| value.to_bits()).collect()
    }
}

/// Something like noise in 0 .. 1.
fn random(i: usize, salt: u64) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ salt).rotate_left(29);
    (mixed.wrapping_mul(0xD134_2543_DE82_EF95) >> 40) as f32 / (1 << 24) as f32
}

fn window(data: &[f32]) -> SourceWindow<'_> {
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    SourceWindow { data, region, frame_width: SIDE, frame_height: SIDE }
}

/// Corners of a row of output pixels of `scale` frame pixels, turned by `turn`, beginning outside the frame.
fn corners(scale: f64, turn: f64, y: f64, n: usize) -> [Vec<f64>; 4] {
    let (sin, cos) = turn.sin_cos();
    let at = |i: usize, j: f64| {
        let (u, v) = ((i as f64 - 2.3) * scale, (y + j) * scale);
        (3.0 + u * cos - v * sin, 2.0 + u * sin + v * cos)
    };
    let row = |j: f64| (0..=n).map(move |i| at(i, j)).unzip::<f64, f64, Vec<f64>, Vec<f64>>();
    let ((lower_x, lower_y), (upper_x, upper_y)) = (row(0.0), row(1.0));
    [lower_x, lower_y, upper_x, upper_y]
}

#[test]
fn colours_are_planes_without_the_others_to_the_bit() {
    let mut compared = 0;
    let drizzle = |shape, pixfrac| AreaMethod::Drizzle(DrizzleOptions { pixfrac, shape });
    let methods = [
        drizzle(DropShape::Square, 1.0),
        drizzle(DropShape::Square, 0.6),
        drizzle(DropShape::Turbo, 0.8),
        drizzle(DropShape::Point, 1.0),
        AreaMethod::Exact,
    ];
    for (case, pattern) in
        [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg].into_iter().enumerate()
    {
        let raw: Vec<f32> = (0..SIDE * SIDE)
            .map(|i| if i % 37 == case { f32::NAN } else { 100.0 + random(i, case as u64) })
            .collect();
        let noise: Vec<f32> = (0..SIDE * SIDE).map(|i| 0.5 + random(i, 99)).collect();
        let raw_window = window(&raw);
        let planes: Vec<Vec<f32>> = (0..3)
            .map(|channel| {
                let is_own = |i: usize| {
                    let (x, y) = ((i % SIDE) as i64, (i / SIDE) as i64);
                    pattern.colour_at(x, y) == channel
                };
                (0..raw.len()).map(|i| if is_own(i) { raw[i] } else { f32::NAN }).collect()
            })
            .collect();
        for method in methods {
            for (scale, turn) in [(0.6, 0.0), (1.0, 0.4), (1.0, 2.9), (1.9, -0.7), (3.3, 1.1)] {
                let kernel = AreaKernel::new(method, scale).unwrap();
                for y in -2..9 {
                    let n = 15;
                    let [lower_x, lower_y, upper_x, upper_y] = &corners(scale, turn, f64::from(y), n);
                    let corners = CornerRows { lower_x, lower_y, upper_x, upper_y };
                    for level in SimdLevel::available() {
                        let mut own = [Row::new(n), Row::new(n), Row::new(n)];
                        let mut split = [Row::new(n), Row::new(n), Row::new(n)];
                        let windows: Vec<_> = planes.iter().map(|plane| window(plane)).collect();
                        let [r, g, b] = &mut own;
                        let mut outs = [r.out(), g.out(), b.out()];
                        area_row_cfa(&kernel, level, &raw_window, pattern, Some(&noise), corners, &mut outs);
                        let mut outs: Vec<AreaRow<'_>> = split.iter_mut().map(Row::out).collect();
                        area_row(&kernel, level, &windows, Some(&noise), corners, &mut outs);
                        for (own, split) in own.iter().zip(&split) {
                            assert_eq!(own.bits(), split.bits(), "{pattern:?} {method:?} {scale} {turn} {y}");
                            for (own, split) in own.flags.iter().zip(&split.flags) {
                                assert_eq!(own | flags::MASKED, split | flags::MASKED | own);
                                assert!(own & flags::MASKED <= split & flags::MASKED);
                                compared += i32::from(own != split);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 1000, "pixels of other colours mask nothing: {compared}");
}

#[test]
fn only_a_bad_pixel_of_the_colour_masks() {
    let mut raw = vec![5.0; SIDE * SIDE];
    // Red in RGGB.
    raw[12 * SIDE + 8] = f32::NAN;
    let method = AreaMethod::Drizzle(DrizzleOptions { pixfrac: 1.0, shape: DropShape::Square });
    let kernel = AreaKernel::new(method, 1.0).unwrap();
    let edges: Vec<f64> = (0..=6).map(|i| 5.7 + f64::from(i)).collect();
    let (lower_y, upper_y) = (vec![11.6; 7], vec![12.6; 7]);
    let corners = CornerRows { lower_x: &edges, lower_y: &lower_y, upper_x: &edges, upper_y: &upper_y };
    let mut rows = [Row::new(6), Row::new(6), Row::new(6)];
    let [r, g, b] = &mut rows;
    let mut outs = [r.out(), g.out(), b.out()];
    let noise = vec![1.0; SIDE * SIDE];
    area_row_cfa(
        &kernel,
        SimdLevel::Portable,
        &window(&raw),
        CfaPattern::Rggb,
        Some(&noise),
        corners,
        &mut outs,
    );
    let masked = |row: &Row| row.flags.iter().map(|f| f & flags::MASKED != 0).collect::<Vec<_>>();
    assert_eq!(masked(&rows[0]), [false, true, true, false, false, false]);
    assert!(!masked(&rows[1]).contains(&true) && !masked(&rows[2]).contains(&true));
    assert!(rows.iter().flat_map(|row| &row.flags).all(|f| f & flags::INSIDE != 0));
}
