//! Background against sep (mesh) and scipy (spline): `goldens/make_background_golden.py`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use zemosaic_image::definition::background_at;
use zemosaic_image::{Background, BackgroundOptions, MeshBuilder, Sites};

const CELL: usize = 64;
const COLUMNS: usize = 14;
const ROWS: usize = 10;
const WIDTH: usize = CELL * COLUMNS;
const THRESHOLD_ADU: f64 = 0.6;
const STEP: usize = 7;
/// Noise of the mode of normal data over sigma / sqrt(n): sqrt(6.25 pi/2 - 7.5 + 2.25).
const MODE_NOISE: f64 = 2.137;

fn golden(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/goldens").join(name);
    if path.is_file() {
        return Some(std::fs::read(path).unwrap());
    }
    eprintln!("skipped: {} is not there (make goldens; needs Python)", path.display());
    None
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().unwrap())).collect()
}

fn ours(plane: &[f32], filter_meshes: usize, filter_threshold_adu: f64) -> Background {
    let options = BackgroundOptions { mesh_px: CELL, filter_meshes, filter_threshold_adu };
    let mut builder = MeshBuilder::new(WIDTH, plane.len() / WIDTH, options, Sites::All).unwrap();
    builder.add_rows(plane);
    builder.finish().unwrap().remove(0)
}

/// Largest difference of the finite values of `golden`, and their root mean square.
fn compare(ours: &[f64], golden: &[f64]) -> (f64, f64) {
    assert_eq!(ours.len(), golden.len());
    let differences: Vec<f64> = ours
        .iter()
        .zip(golden)
        .map(|(a, b)| (a - b).abs())
        .filter(|difference| !difference.is_nan())
        .collect();
    let squares: f64 = differences.iter().map(|d| d * d).sum();
    (differences.iter().fold(0.0, |a: f64, b| a.max(*b)), (squares / differences.len() as f64).sqrt())
}

#[test]
fn mesh_and_surface_agree_with_sep_and_scipy() {
    let Some(field) = golden("background_field.f32") else { return };
    let field = floats(&field);
    let read = |name: &str| doubles(&golden(name).unwrap());
    let cells = COLUMNS * ROWS;

    let alone = read("background_cells.f64");
    let found = ours(&field, 1, 0.0);
    let error = MODE_NOISE * found.sigma() / CELL as f64;
    let (worst, rms) = compare(found.mesh_values(), &alone[..cells]);
    eprintln!("cells: worst {:.4}, rms {:.4} of a standard error {error:.4}", worst / error, rms / error);
    // sep counts in bins, coarse where stars widen the range: its mean and cut are those of the bins.
    assert!(worst < 0.6 * error && rms < 0.1 * error);
    let (worst, rms) = compare(found.mesh_sigmas(), &alone[cells..]);
    eprintln!("noise: worst {:.1e}, rms {:.1e} relative", worst / found.sigma(), rms / found.sigma());
    assert!(worst < 5e-3 * found.sigma());
    assert_eq!(found.bad_cells(), alone[..cells].iter().filter(|value| value.is_nan()).count());

    let meshes = read("background_mesh.f64");
    for (threshold, golden) in [(0.0, &meshes[..2 * cells]), (THRESHOLD_ADU, &meshes[2 * cells..])] {
        let found = ours(&field, 3, threshold);
        let (worst, rms) = compare(found.mesh_values(), &golden[..cells]);
        eprintln!("mesh, threshold {threshold}: worst {:.4}, rms {:.4}", worst / error, rms / error);
        assert!(worst < 0.6 * error && rms < 0.1 * error);
        let (worst, _) = compare(found.mesh_sigmas(), &golden[cells..]);
        eprintln!("noise, threshold {threshold}: worst {:.1e}", worst / found.sigma());
        assert!(worst < 5e-3 * found.sigma());
    }

    let spline = read("background_spline.f64");
    let found = ours(&field, 3, 0.0);
    let along = |cells: usize| (CELL / 2..CELL * cells - CELL / 2).step_by(STEP);
    let (mut surface, mut definition) = (Vec::new(), Vec::new());
    for y in along(ROWS) {
        for x in along(COLUMNS) {
            surface.push(found.value_at(x as i64, y as i64));
            definition.push(background_at(&meshes[..cells], found.mesh_centres_px(), x as f64, y as f64));
        }
    }
    let (worst, _) = compare(&definition, &spline);
    assert!(worst < 1e-9, "the spline through the same mesh is scipy's: {worst}");
    let (worst, rms) = compare(&surface, &spline);
    eprintln!("surface: worst {:.4}, rms {:.4}", worst / error, rms / error);
    assert!(worst < 0.6 * error && rms < 0.1 * error);

    let sep: Vec<f64> = floats(&golden("background_sep.f32").unwrap()).into_iter().map(f64::from).collect();
    let map: Vec<f64> =
        (0..sep.len()).map(|i| found.value_at((i % WIDTH) as i64, (i / WIDTH) as i64)).collect();
    // Its centres are half a pixel late in y and its spline has kinks there.
    let (worst, rms) = compare(&map, &sep);
    eprintln!("sep's own map: worst {:.4}, rms {:.4}", worst / error, rms / error);
    assert!(worst < 2.0 * error && rms < 0.5 * error);
}
