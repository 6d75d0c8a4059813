//! Low-order surfaces against the truth of made skies: gradients go, nebulae stay.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use common::Random;
use zemosaic_image::background::{LowOrder, LowOrderOptions, low_order};
use zemosaic_image::{Background, BackgroundOptions, MeshBuilder, Region, Sites};

const SIZE: (usize, usize) = (1300, 900);
const NOISE: f64 = 10.0;

/// Noise of about NOISE ADU around `sky`.
fn frame(sky: impl Fn(f64, f64) -> f64, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x as f64, y as f64)))
        .map(|(x, y)| (sky(x, y) + NOISE * random.normal()) as f32)
        .collect()
}

fn mesh(plane: &[f32], mesh_px: usize) -> Background {
    let options = BackgroundOptions { mesh_px, ..BackgroundOptions::default() };
    let mut builder = MeshBuilder::new(SIZE.0, SIZE.1, options, Sites::All).unwrap();
    builder.add_rows(plane);
    builder.finish().unwrap().remove(0)
}

fn fitted(plane: &[f32], order: usize) -> LowOrder {
    low_order(&mesh(plane, 64), SIZE, &LowOrderOptions { order, ..LowOrderOptions::default() }).unwrap()
}

fn gradient(x: f64, y: f64) -> f64 {
    let (u, v) = (x / 650.0 - 1.0, y / 450.0 - 1.0);
    1000.0 + 60.0 * u - 35.0 * v + 20.0 * u * u + 12.0 * u * v - 8.0 * v * v
}

/// Largest difference over the whole frame, corners included.
fn worst(found: &Background, sky: impl Fn(f64, f64) -> f64) -> f64 {
    let places =
        (0..SIZE.1 as i64).step_by(13).flat_map(|y| (0..SIZE.0 as i64).step_by(13).map(move |x| (x, y)));
    let corners = [(0, 0), (SIZE.0 as i64 - 1, SIZE.1 as i64 - 1)];
    let off = |(x, y): (i64, i64)| (found.value_at(x, y) - sky(x as f64, y as f64)).abs();
    places.chain(corners).map(off).fold(0.0, f64::max)
}

#[test]
fn gradients_are_found_to_the_corners() {
    let found = fitted(&frame(gradient, 3), 2);
    assert!(worst(&found.background, gradient) < 0.6, "{}", worst(&found.background, gradient));
    assert!(found.masked * 6 < found.cells, "{} of {}", found.masked, found.cells);
    // A plane does not follow the curvature.
    let plane = fitted(&frame(gradient, 3), 1);
    assert!(worst(&plane.background, gradient) > 5.0);
}

/// Light of nebulae over a sixth of the frame, and of one on the edge.
fn nebulae(x: f64, y: f64) -> f64 {
    let blob = |x0: f64, y0: f64, sigma: f64, peak: f64| {
        peak * (-0.5 * ((x - x0).powi(2) + (y - y0).powi(2)) / (sigma * sigma)).exp()
    };
    blob(500.0, 420.0, 100.0, 300.0) + blob(620.0, 480.0, 60.0, 150.0) + blob(1290.0, 200.0, 50.0, 80.0)
}

#[test]
fn nebulae_stay_where_gradients_go() {
    let plane = frame(|x, y| gradient(x, y) + nebulae(x, y), 5);
    let light: f64 = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| nebulae(x as f64, y as f64))).sum();
    let left = |background: &Background| {
        let mut rest = plane.clone();
        background.subtract(Region { x0: 0, y0: 0, width: SIZE.0, height: SIZE.1 }, &mut rest);
        rest.iter().map(|value| f64::from(*value)).sum::<f64>() / light
    };
    for order in [2, 3] {
        let found = fitted(&plane, order);
        let off = worst(&found.background, gradient);
        assert!(off < 4.0, "order {order}: {off}");
        let kept = left(&found.background);
        assert!((kept - 1.0).abs() < 0.06, "order {order}: {kept}");
        assert!(found.masked * 8 > found.cells, "{} of {}", found.masked, found.cells);
        assert!(found.background.roughness() > 20.0);
    }
    // The mesh takes them away.
    assert!(left(&mesh(&plane, 64)) < 0.2);
}

#[test]
fn what_is_subtracted_is_what_is_told() {
    let found = fitted(&frame(gradient, 8), 4).background;
    let region = Region { x0: 700, y0: 850, width: 90, height: 50 };
    let mut plane = vec![0.0_f32; region.area()];
    found.subtract(region, &mut plane);
    for (index, value) in plane.iter().enumerate() {
        let (x, y) = (region.x0 + (index % 90) as i64, region.y0 + (index / 90) as i64);
        assert_eq!(*value, (0.0 - found.value_at(x, y)) as f32);
    }
    assert!((found.sigma() / NOISE - 1.0).abs() < 0.05);
    assert!((found.level() - 1004.0).abs() < 20.0);
}

#[test]
fn few_cells_and_missing_ones() {
    let mut plane = frame(|_, _| 500.0, 9);
    for (index, value) in plane.iter_mut().enumerate() {
        if index % SIZE.0 < 400 {
            *value = f32::NAN;
        }
    }
    let found = fitted(&plane, 2);
    assert!(worst(&found.background, |_, _| 500.0) < 3.0);
    // Two cells do not decide a quartic.
    let options = LowOrderOptions { order: 4, ..LowOrderOptions::default() };
    assert!(low_order(&mesh(&plane, 1000), SIZE, &options).is_none());
}
