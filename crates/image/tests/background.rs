//! Background against its plain definitions: cells, surface, windows, colours, bad data, and the truth of a made sky.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::Random;
use proptest::prelude::*;
use zemosaic_image::definition::{background_at, cell_statistics};
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{
    Background, BackgroundError, BackgroundOptions, CfaPattern, MeshBuilder, Region, Sites,
};

/// A mesh as it is, without filter.
fn raw_mesh(mesh_px: usize) -> BackgroundOptions {
    BackgroundOptions { mesh_px, filter_meshes: 1, ..BackgroundOptions::default() }
}

fn build(width: usize, plane: &[f32], options: BackgroundOptions, sites: Sites) -> Vec<Background> {
    let mut builder = MeshBuilder::new(width, plane.len() / width, options, sites).unwrap();
    builder.add_rows(plane);
    builder.finish().unwrap()
}

fn mono(width: usize, plane: &[f32], options: BackgroundOptions) -> Background {
    build(width, plane, options, Sites::All).remove(0)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Value and sigma of one square cell at every instruction set, all equal.
fn cell(side: usize, values: &[f32]) -> [f64; 2] {
    let found: Vec<[f64; 2]> = SimdLevel::available()
        .into_iter()
        .map(|level| {
            let mut builder =
                MeshBuilder::new(side, side, raw_mesh(side), Sites::All).unwrap().with_simd(level);
            builder.add_rows(values);
            let found = builder.finish().unwrap().remove(0);
            [found.mesh_values()[0], found.mesh_sigmas()[0]]
        })
        .collect();
    assert!(found.iter().all(|other| bits(other) == bits(&found[0])), "instruction sets: {found:?}");
    found[0]
}

fn assert_cell_is_the_definition(side: usize, values: &[f32], what: &str) {
    let wanted = cell_statistics(values).unwrap();
    let [value, sigma] = cell(side, values);
    let allowed = 1e-9 * wanted.sigma + 1e-12 * wanted.mean.abs();
    assert!((value - wanted.mode()).abs() <= 4.0 * allowed, "{what}: {value} instead of {wanted:?}");
    assert!((sigma - wanted.sigma).abs() <= allowed, "{what}: sigma {sigma} instead of {wanted:?}");
}

#[test]
fn a_cell_is_the_sorting_definition_on_skies_of_every_kind() {
    let mut random = Random(7);
    let normal = |random: &mut Random| 1000.3 + 12.0 * random.normal();
    let mut case = |what: &str, draw: &mut dyn FnMut(&mut Random) -> f64| {
        for side in [16, 61, 128] {
            let values: Vec<f32> = (0..side * side).map(|_| draw(&mut random) as f32).collect();
            assert_cell_is_the_definition(side, &values, what);
        }
    };
    case("normal", &mut |random| normal(random));
    case("integers", &mut |random| normal(random).round());
    case("few levels", &mut |random| (500.2 + 1.4 * random.normal()).round());
    case("very few levels", &mut |random| (500.2 + 0.3 * random.normal()).round());
    case("16 ADU steps", &mut |random| (normal(random) / 16.0).round() * 16.0);
    case("stars", &mut |random| {
        let star = if random.uniform() < 0.1 { 3000.0 * random.uniform().powi(6) } else { 0.0 };
        normal(random) + star
    });
    case("crowded", &mut |random| normal(random) + 60.0 * random.uniform().powi(3));
    case("holes", &mut |random| if random.uniform() < 0.3 { f64::NAN } else { normal(random) });
    case("infinite", &mut |random| if random.uniform() < 0.1 { f64::INFINITY } else { normal(random) });
    case("heavy tails", &mut |random| random.normal() / (random.uniform() + 1e-3));
    case("skewed", &mut |random| -(1.0 - random.uniform()).ln());
    case("two peaks", &mut |random| random.normal() + if random.uniform() < 0.5 { 40.0 } else { 0.0 });
    case("constant", &mut |_| 0.1);
    case("nearly constant", &mut |random| if random.uniform() < 0.01 { 9.0 } else { 0.1 });
    case("two levels", &mut |random| f64::from(u8::from(random.uniform() < 0.4)));
    case("negative", &mut |random| -3.0 + random.normal());
    case("tiny noise on a high level", &mut |random| 60_000.0 + 0.02 * random.normal());
}

proptest! {
    #[test]
    fn a_cell_is_the_sorting_definition_on_anything(
        values in prop::collection::vec(
            prop_oneof![
                4 => -50.0_f32..50.0,
                4 => (-20_i32..20).prop_map(|v| v as f32),
                1 => prop::num::f32::NORMAL.prop_map(|v| v % 1e6),
                1 => Just(f32::NAN),
            ], 400),
    ) {
        prop_assume!(values.iter().filter(|v| v.is_finite()).count() >= 200);
        assert_cell_is_the_definition(20, &values, "any");
    }
}

#[test]
fn whole_numbers_do_not_move_the_sky() {
    // The mode would be off by up to 0.75 ADU if the median could only be a whole number.
    let mut random = Random(11);
    for (sigma, fraction) in [(1.0, 0.3), (1.5, 0.5), (3.0, 0.1), (8.0, 0.8)] {
        let (side, truth) = (128, 700.0 + fraction);
        let mut sum = 0.0;
        for _ in 0..8 {
            let values: Vec<f32> =
                (0..side * side).map(|_| (truth + sigma * random.normal()).round() as f32).collect();
            sum += cell(side, &values)[0] / 8.0;
        }
        let error = 2.14 * sigma / f64::from(side as u32) / 8.0_f64.sqrt();
        assert!((sum - truth).abs() < 4.0 * error + 0.02, "sigma {sigma}: {sum} instead of {truth}");
    }
}

/// A sky of slope and curvature, ADU.
fn sky(x: f64, y: f64) -> f64 {
    let (u, v) = (x / 1000.0, y / 1000.0);
    800.0 + 30.0 * u - 20.0 * v + 12.0 * u * u + 8.0 * u * v - 9.0 * v * v
}

/// The sky with noise of 10 ADU and Gaussian stars.
fn field(width: usize, height: usize, stars: usize, random: &mut Random) -> Vec<f32> {
    let mut plane: Vec<f64> = (0..width * height)
        .map(|i| sky((i % width) as f64, (i / width) as f64) + 10.0 * random.normal())
        .collect();
    for _ in 0..stars {
        let (x0, y0) = (random.uniform() * width as f64, random.uniform() * height as f64);
        let peak = 30.0 / (random.uniform() + 1e-3);
        for y in (y0 as i64 - 12).max(0)..(y0 as i64 + 13).min(height as i64) {
            for x in (x0 as i64 - 12).max(0)..(x0 as i64 + 13).min(width as i64) {
                let r2 = (x as f64 - x0).powi(2) + (y as f64 - y0).powi(2);
                plane[y as usize * width + x as usize] += peak * (-r2 / 4.5).exp();
            }
        }
    }
    plane.into_iter().map(|value| value as f32).collect()
}

#[test]
fn a_quadratic_sky_is_recovered_under_stars_and_noise() {
    let (width, height) = (1100, 900);
    let plane = field(width, height, 300, &mut Random(3));
    let found = mono(width, &plane, BackgroundOptions::default());
    assert_eq!(found.mesh_size(), [9, 8]);
    let (mut worst, mut worst_inside) = (0.0_f64, 0.0_f64);
    for y in (0..height as i64).step_by(3) {
        for x in (0..width as i64).step_by(3) {
            let error = (found.value_at(x, y) - sky(x as f64, y as f64)).abs();
            worst = worst.max(error);
            if (64..width as i64 - 64).contains(&x) && (64..height as i64 - 64).contains(&y) {
                worst_inside = worst_inside.max(error);
            }
        }
    }
    // The standard error of a cell is 0.167 ADU, of the 4 px high ones at the end 0.94; stars add a positive
    // bias of the order of the first.
    assert!(worst_inside < 0.8 && worst < 2.0, "{worst_inside} {worst}");
    assert!((found.sigma() / 10.0 - 1.0).abs() < 0.05, "{}", found.sigma());
}

#[test]
fn the_surface_is_the_bicubic_spline_of_the_definition() {
    let mut random = Random(5);
    for (width, height, mesh_px) in [
        (700, 500, 64),
        (640, 512, 64),
        (129, 400, 64),
        (65, 33, 32),
        (40, 300, 64),
        (300, 40, 64),
        (20, 20, 64),
    ] {
        let plane: Vec<f32> = (0..width * height).map(|_| random.normal() as f32 * 1e3).collect();
        let found = mono(width, &plane, raw_mesh(mesh_px));
        let (nx, ny) = (width.div_ceil(mesh_px), height.div_ceil(mesh_px));
        assert_eq!(found.mesh_size(), [nx, ny]);
        for _ in 0..500 {
            let x = (random.uniform() * (width as f64 + 40.0)).floor() - 20.0;
            let y = (random.uniform() * (height as f64 + 40.0)).floor() - 20.0;
            let wanted = background_at(found.mesh_values(), found.mesh_centres_px(), x, y);
            let value = found.value_at(x as i64, y as i64);
            assert!((value - wanted).abs() < 1e-9, "{width} x {height}, {x} {y}: {value} {wanted}");
        }
    }
}

#[test]
fn every_window_and_instruction_set_subtracts_the_same_bits() {
    let (width, height) = (517, 390);
    let plane = field(width, height, 50, &mut Random(9));
    let found = mono(width, &plane, BackgroundOptions { mesh_px: 48, ..BackgroundOptions::default() });
    let mut random = Random(10);
    for _ in 0..60 {
        let x0 = (random.uniform() * width as f64) as i64;
        let y0 = (random.uniform() * height as f64) as i64;
        let region = Region {
            x0,
            y0,
            width: 1 + (random.uniform() * (width as f64 - x0 as f64)) as usize,
            height: 1 + (random.uniform() * (height as f64 - y0 as f64)) as usize,
        };
        let region = region.intersect(&Region { x0: 0, y0: 0, width, height }).unwrap();
        let at = |i: usize| (region.x0 + (i % region.width) as i64, region.y0 + (i / region.width) as i64);
        let window: Vec<f32> =
            (0..region.area()).map(|i| plane[at(i).1 as usize * width + at(i).0 as usize]).collect();
        for level in SimdLevel::available() {
            let mut result = window.clone();
            found.subtract_at(level, region, &mut result);
            for (i, value) in result.iter().enumerate() {
                let wanted = (f64::from(window[i]) - found.value_at(at(i).0, at(i).1)) as f32;
                assert_eq!(value.to_bits(), wanted.to_bits(), "{level:?} {region:?} {:?}", at(i));
            }
        }
    }
}

#[test]
fn rows_may_come_in_any_parts() {
    let (width, height) = (300, 210);
    let plane = field(width, height, 20, &mut Random(21));
    let options = BackgroundOptions { mesh_px: 64, ..BackgroundOptions::default() };
    let whole = mono(width, &plane, options);
    for step in [1, 7, 64, 100] {
        let mut builder = MeshBuilder::new(width, height, options, Sites::All).unwrap();
        plane.chunks(step * width).for_each(|rows| builder.add_rows(rows));
        let found = builder.finish().unwrap().remove(0);
        assert_eq!(bits(found.mesh_values()), bits(whole.mesh_values()));
        assert_eq!(bits(found.mesh_sigmas()), bits(whole.mesh_sigmas()));
    }
}

#[test]
fn each_colour_of_a_raw_frame_is_its_own_plane() {
    let (width, height, mesh_px) = (260, 198, 64);
    let mut random = Random(31);
    for pattern in [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg] {
        let levels = [500.0, 900.0, 650.0];
        let raw: Vec<f32> = (0..width * height)
            .map(|i| {
                let colour = pattern.colour_at((i % width) as i64, (i / width) as i64);
                let noise = (levels[colour] + (i % width) as f64 / 50.0 + 8.0 * random.normal()) as f32;
                if random.uniform() < 0.05 { f32::NAN } else { noise }
            })
            .collect();
        let found = build(width, &raw, raw_mesh(mesh_px), Sites::Cfa(pattern));
        assert_eq!(found.len(), 3);
        for (colour, found) in found.iter().enumerate() {
            assert!((found.level() - levels[colour] - 2.6).abs() < 1.5, "{colour}: {}", found.level());
            assert_eq!(found.mesh_size(), [5, 4]);
            for (index, value) in found.mesh_values().iter().enumerate() {
                let (x0, y0) = (index % 5 * mesh_px, index / 5 * mesh_px);
                let mut own = Vec::new();
                for y in y0..(y0 + mesh_px).min(height) {
                    for x in x0..(x0 + mesh_px).min(width) {
                        if pattern.colour_at(x as i64, y as i64) == colour {
                            own.push(raw[y * width + x]);
                        }
                    }
                }
                let wanted = cell_statistics(&own).unwrap();
                assert!((value - wanted.mode()).abs() < 1e-6, "{pattern:?} {colour} {index}");
                assert!((found.mesh_sigmas()[index] - wanted.sigma).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_frame_smaller_than_a_cell_has_one_level() {
    let plane = field(50, 30, 0, &mut Random(41));
    let found = mono(50, &plane, BackgroundOptions::default());
    assert_eq!(found.mesh_size(), [1, 1]);
    assert_eq!(found.value_at(0, 0), found.level());
    assert_eq!(found.value_at(49, 29), found.level());
    let wanted = cell_statistics(&plane).unwrap();
    assert!((found.level() - wanted.mode()).abs() < 1e-9);
}

#[test]
fn bad_cells_take_the_mean_of_the_nearest_good_ones() {
    let (width, height, mesh_px) = (160, 96, 32);
    let level = |i: usize, j: usize| (10 * i + 100 * j) as f32;
    let is_bad = |i: usize, j: usize| (i == 2 && j == 1) || (i == 0 && j == 0) || (j == 2 && i >= 3);
    let plane: Vec<f32> = (0..width * height)
        .map(|index| {
            let (x, y) = (index % width, index / width);
            let (i, j) = (x / mesh_px, y / mesh_px);
            // One pixel more than half is missing from a bad cell, half from cell (1, 0).
            let inside = y % mesh_px * mesh_px + x % mesh_px;
            let missing = if is_bad(i, j) {
                513
            } else if (i, j) == (1, 0) {
                512
            } else {
                0
            };
            if inside < missing { f32::NAN } else { level(i, j) }
        })
        .collect();
    let found = mono(width, &plane, raw_mesh(mesh_px));
    let at = |i: usize, j: usize| found.mesh_values()[j * 5 + i];
    assert_eq!(found.bad_cells(), 4);
    assert_eq!(at(1, 0), 10.0);
    assert_eq!(at(2, 1), f64::from((level(2, 0) + level(2, 2) + level(1, 1) + level(3, 1)) / 4.0));
    assert_eq!(at(0, 0), 55.0);
    assert_eq!(at(3, 2), 175.0);
    assert_eq!(at(4, 2), f64::from(level(4, 1)));
}

#[test]
fn borders_without_data_are_filled_and_stay_without_data() {
    let (width, height, border) = (640, 512, 90);
    let mut plane = field(width, height, 30, &mut Random(51));
    let inside =
        |x: usize, y: usize| (border..width - border).contains(&x) && (border..height - border).contains(&y);
    for (index, value) in plane.iter_mut().enumerate() {
        if !inside(index % width, index / width) {
            *value = f32::NAN;
        }
    }
    let found = mono(width, &plane, BackgroundOptions { mesh_px: 64, ..BackgroundOptions::default() });
    assert!(found.bad_cells() > 0);
    found.subtract(Region { x0: 0, y0: 0, width, height }, &mut plane);
    let (mut sum, mut count) = (0.0, 0.0);
    for (index, value) in plane.iter().enumerate() {
        let (x, y) = (index % width, index / width);
        assert_eq!(value.is_nan(), !inside(x, y));
        let error = found.value_at(x as i64, y as i64) - sky(x as f64, y as f64);
        assert!(!inside(x, y) || error.abs() < 4.0, "{x} {y}: {error}");
        if !value.is_nan() {
            sum += error;
            count += 1.0;
        }
    }
    assert!((sum / count).abs() < 0.5, "{}", sum / count);
}

#[test]
fn the_filter_takes_out_an_object_and_leaves_a_slope() {
    let (width, height, mesh_px) = (32 * 7, 32 * 6, 32);
    let slope = |i: usize, j: usize| (3 * i + 5 * j) as f64;
    let plane: Vec<f32> = (0..width * height)
        .map(|index| {
            let (i, j) = (index % width / mesh_px, index / width / mesh_px);
            (slope(i, j) + if (i, j) == (3, 2) { 500.0 } else { 0.0 }) as f32
        })
        .collect();
    let filtered = |filter_threshold_adu| {
        mono(width, &plane, BackgroundOptions { mesh_px, filter_meshes: 3, filter_threshold_adu })
    };
    let found = filtered(0.0);
    for (index, value) in found.mesh_values().iter().enumerate() {
        let (i, j) = (index % 7, index / 7);
        let near = i.abs_diff(3) <= 1 && j.abs_diff(2) <= 1;
        assert!((value - slope(i, j)).abs() <= if near { 5.0 } else { 0.0 }, "{i} {j}: {value}");
    }
    let found = filtered(100.0);
    for (index, value) in found.mesh_values().iter().enumerate() {
        let (i, j) = (index % 7, index / 7);
        assert!((value - slope(i, j)).abs() <= if (i, j) == (3, 2) { 5.0 } else { 0.0 }, "{i} {j}: {value}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let options = BackgroundOptions::default();
    let new = |width, height, options| MeshBuilder::new(width, height, options, Sites::All).map(|_| ());
    assert_eq!(new(0, 5, options), Err(BackgroundError::Empty { width: 0, height: 5 }));
    assert_eq!(
        new(9, 5, BackgroundOptions { mesh_px: 8, ..options }),
        Err(BackgroundError::Mesh { mesh_px: 8 })
    );
    assert_eq!(
        new(9, 5, BackgroundOptions { filter_meshes: 4, ..options }),
        Err(BackgroundError::Filter { filter_meshes: 4 })
    );
    assert!(new(9, 5, BackgroundOptions { filter_threshold_adu: f64::NAN, ..options }).is_err());
    let mut builder = MeshBuilder::new(9, 5, options, Sites::All).unwrap();
    builder.add_rows(&[f32::NAN; 18]);
    assert_eq!(builder.finish().unwrap_err(), BackgroundError::Rows { rows: 2, height: 5 });
    let mut builder = MeshBuilder::new(9, 5, options, Sites::Cfa(CfaPattern::Rggb)).unwrap();
    builder.add_rows(&[f32::NAN; 45]);
    assert_eq!(builder.finish().unwrap_err(), BackgroundError::NoData { colour: 0 });
}

#[test]
fn options_are_read_by_name() {
    let read: BackgroundOptions = serde_json::from_str(r#"{"mesh-px": 64}"#).unwrap();
    assert_eq!(read, BackgroundOptions { mesh_px: 64, ..BackgroundOptions::default() });
}

#[test]
fn memory_is_a_band_and_a_mesh() {
    let builder = MeshBuilder::new(4000, 3000, BackgroundOptions::default(), Sites::All).unwrap();
    assert_eq!(builder.bytes(), 4000 * 128 * 4);
    let found = mono(640, &field(640, 512, 0, &mut Random(61)), BackgroundOptions::default());
    assert!(found.bytes() < 48 * 20 + 400, "{}", found.bytes());
}
