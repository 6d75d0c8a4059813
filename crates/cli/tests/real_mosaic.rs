//! Mosaics of real frames against reproject's plain means (2MASS, DECam with its weight maps, the galactic centre, a plate
//! scan), and Seestar frames of two telescopes.
//!
//! The goldens are made by `goldens/make_2mass_golden.py` and `make_survey_golden.py` (reproject, bilinear, exact
//! coordinates).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use zemosaic_fits::{
    FilePool, Hdu, HduKind, Header, ImageData, ReadScratch, Window, read_window, scan, write_image,
};
use zemosaic_testkit::real_data;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn mosaic(input: &Path, out: &Path, more: &[&str]) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_zemosaic"))
        .args(["mosaic", "-o"])
        .args([out, input])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out.join("mosaic.fits")
}

struct Plane {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

/// Plane `index` of the HDU named `extname`, of the first image for "image", or of the first HDU.
fn plane(path: &Path, extname: Option<&str>, index: usize) -> Plane {
    let file = scan(path).unwrap();
    let is_named =
        |own: Option<String>| extname.is_none_or(|name| own.as_deref().map(str::trim) == Some(name));
    let is_wanted = |hdu: &&Hdu| match extname {
        Some("image") => matches!(hdu.kind, HduKind::Image(_)),
        _ => is_named(hdu.header.get_str("EXTNAME")),
    };
    let hdu = file.hdus.iter().find(is_wanted).unwrap();
    let HduKind::Image(layout) = &hdu.kind else { panic!("{extname:?} is no image") };
    let mut pixels = vec![0.0; layout.width() * layout.height()];
    let window = Window::full(layout);
    read_window(&FilePool::new(1), path, layout, index, window, &mut ReadScratch::default(), &mut pixels)
        .unwrap();
    Plane { width: layout.width(), height: layout.height(), pixels }
}

/// A file of the goldens, if they are there.
fn golden(file: &str) -> Option<PathBuf> {
    let path = Path::new(REPOSITORY).join("target/goldens").join(file);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "goldens are required in CI: {}", path.display());
    eprintln!("skipped: {} is not there (make goldens; needs Python)", path.display());
    None
}

/// Compare our mosaic with the golden `name` where it is safe to; `tolerance` from local range and gradient. At least
/// `least` pixels are to be compared.
fn compare_with_golden(name: &str, mosaic: &Path, least: usize, tolerance: impl Fn(f32, f32) -> f32) {
    let Some(mean) = golden(&format!("{name}_mean.fits")) else { return };
    let of = |what: &str| plane(&mean.with_file_name(format!("{name}_{what}.fits")), None, 0).pixels;
    let (mean, safe, range, gradient, depth) =
        (of("mean"), of("safe"), of("range"), of("gradient"), of("depth"));
    let (ours, our_depth) = (plane(mosaic, Some("SCI"), 0), plane(mosaic, Some("DEPTH"), 0));
    assert_eq!(ours.pixels.len(), mean.len());
    let (mut compared, mut empty, mut worst_share) = (0, 0, 0.0_f32);
    for i in 0..mean.len() {
        let (x, y) = (i % ours.width, i / ours.width);
        match safe[i] as i32 {
            1 => {
                let difference = (ours.pixels[i] - mean[i]).abs();
                // Two roundings of the level in f32 beside it.
                let allowed = tolerance(range[i], gradient[i]) + 2.5e-7 * mean[i].abs();
                worst_share = worst_share.max(difference / allowed);
                assert!(
                    difference <= allowed,
                    "{name}, pixel {x}, {y}: {} instead of {}, allowed {allowed}",
                    ours.pixels[i],
                    mean[i]
                );
                assert_eq!(our_depth.pixels[i], depth[i], "{name}, depth at {x}, {y}");
                compared += 1;
            }
            2 => {
                assert!(ours.pixels[i].is_nan(), "{name}, pixel {x}, {y}");
                empty += 1;
            }
            _ => {}
        }
    }
    assert!(compared >= least, "{name}: {compared} compared");
    eprintln!(
        "{name}: {compared} pixels compared, {empty} empty, worst at {worst_share:.3} of what is allowed"
    );
}

/// What makes our mosaic a plain mean of bilinear samples.
const PLAIN: [&str; 12] = [
    "--kernel",
    "bilinear",
    "--reject",
    "none",
    "--weights",
    "none",
    "--antialias",
    "off",
    "--map-error",
    "0",
    "--flux-scale-key",
    "none",
];

#[test]
fn eight_2mass_tiles_equal_the_plain_mean_of_reproject() {
    let Some(tiles) = real_data("2mass_m17") else { return };
    let dir = tempfile::tempdir().unwrap();
    let grid = format!("{REPOSITORY}/goldens/2mass_m17_grid.hdr");
    let exact = mosaic(&tiles, &dir.path().join("exact"), &[&PLAIN[..], &["--grid", &grid]].concat());
    compare_with_golden("2mass_m17", &exact, 3_000_000, |range, _| 1e-3 + 1e-6 * range);
    let mapped = [&PLAIN[..8], &["--grid", &grid]].concat();
    let mapped = mosaic(&tiles, &dir.path().join("mapped"), &mapped);
    // Beside the map's 1e-3 px times the gradient, the exact case's own tolerance.
    compare_with_golden("2mass_m17", &mapped, 3_000_000, |range, gradient| {
        1e-3 * gradient + 1e-3 + 1e-6 * range
    });
}

/// The galactic centre (GLON-CAR) onto equatorial and galactic grids at three scales, and a plate scan of integers.
#[test]
fn survey_images_equal_reproject_on_its_grids() {
    let cases = [
        ("galactic_centre/gc_msx_e.fits", "gc_equ_12", 80_000),
        ("galactic_centre/gc_msx_e.fits", "gc_gal_12", 80_000),
    ];
    let more = [("gc_equ_24", 20_000), ("gc_gal_24", 20_000), ("gc_equ_48", 5_000), ("gc_gal_48", 5_000)];
    let more = more.map(|(name, least)| ("galactic_centre/gc_msx_e.fits", name, least));
    let plate = [("survey_cutouts/HorseHead.fits.gz", "horsehead", 600_000)];
    let dir = tempfile::tempdir().unwrap();
    for (file, name, least) in cases.into_iter().chain(more).chain(plate) {
        let (set, file) = file.split_once('/').unwrap();
        let Some(folder) = real_data(set) else { return };
        let Some(grid) = golden(&format!("{name}_grid.hdr")) else { return };
        let more = [&PLAIN[..], &["--grid", grid.to_str().unwrap()]].concat();
        let product = mosaic(&folder.join(file), &dir.path().join(name), &more);
        compare_with_golden(name, &product, least, |range, _| 2e-6 * range);
    }
}

/// DECam: TPV, masks made of weight 0, named by a CSV list; then the weight maps themselves.
#[test]
fn decam_fields_equal_reproject_and_their_weight_maps_count() {
    let Some(folder) = real_data("decam_tpv") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (name, chip, frames, least) in [("decam_n3", "N3", 3, 50_000), ("decam_s1", "S1", 2, 40_000)] {
        let Some(grid) = golden(&format!("{name}_grid.hdr")) else { return };
        let mut list = String::from("path,mask,weight\n");
        let mut weights_list = String::from("path,weight\n");
        let mut images: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let file = path.file_name().unwrap().to_str().unwrap();
                file.contains("_ooi_") && file.ends_with(&format!("{chip}.fits"))
            })
            .collect();
        images.sort();
        assert_eq!(images.len(), frames);
        for (index, image) in images.iter().enumerate() {
            let map = image.to_str().unwrap().replace("_ooi_", "_oow_");
            let mask = dir.path().join(format!("{name}_{index}.mask.fits"));
            write_mask_of_weight_0(Path::new(&map), &mask);
            writeln!(list, "{},{},none", image.display(), mask.display()).unwrap();
            writeln!(weights_list, "{},{map}", image.display()).unwrap();
        }
        let (masks, weights) =
            (dir.path().join(format!("{name}_m.csv")), dir.path().join(format!("{name}_w.csv")));
        std::fs::write(&masks, list).unwrap();
        std::fs::write(&weights, weights_list).unwrap();
        let grid = ["--grid", grid.to_str().unwrap()];
        let product = mosaic(&masks, &dir.path().join(name), &[&PLAIN[..], &grid].concat());
        compare_with_golden(name, &product, least, |range, _| 2e-6 * range + 1e-3);

        let mut options = [&PLAIN[..], &grid, &["--weight-rescale", "off", "--photon-noise", "off"]].concat();
        let at = options.iter().position(|word| *word == "--weights").unwrap();
        options[at + 1] = "ivar";
        let product = mosaic(&weights, &dir.path().join(format!("{name}_w")), &options);
        compare_weighted(name, &product);
    }
}

fn write_mask_of_weight_0(map: &Path, mask: &Path) {
    let weights = plane(map, Some("image"), 0);
    let pixels: Vec<u8> = weights.pixels.iter().map(|weight| u8::from(*weight <= 0.0)).collect();
    let size = [weights.width, weights.height];
    write_image(mask, &Header::new(), ImageData::U8(&pixels), &size).unwrap();
}

/// SCI, WHT and VAR against the golden weighted by the maps.
fn compare_weighted(name: &str, product: &Path) {
    let Some(safe) = golden(&format!("{name}_safe.fits")) else { return };
    let of = |what: &str| plane(&safe.with_file_name(format!("{name}_{what}.fits")), None, 0).pixels;
    let safe = plane(&safe, None, 0).pixels;
    for (what, extname) in [("weighted", "SCI"), ("wht", "WHT"), ("var", "VAR")] {
        let (expected, ours) = (of(what), plane(product, Some(extname), 0).pixels);
        let mut worst = 0.0_f32;
        for i in (0..safe.len()).filter(|i| safe[*i] == 1.0) {
            let error = (ours[i] / expected[i] - 1.0).abs();
            assert!(error < 3e-5, "{name} {extname} {i}: {} instead of {}", ours[i], expected[i]);
            worst = worst.max(error);
        }
        eprintln!("{name}, weighted: {extname} within {worst:.1e} of itself");
    }
}

/// One RGB mosaic whose pixels have data exactly where frames are, with all frames over a good part of it.
fn assert_one_mosaic(set: &str, frames: usize, min_overlap: f64) {
    let Some(folder) = real_data(set) else { return };
    let dir = tempfile::tempdir().unwrap();
    let product = mosaic(&folder, &dir.path().join("out"), &[]);
    let depth = plane(&product, Some("DEPTH"), 0);
    let covered = depth.pixels.iter().filter(|d| **d > 0.0).count();
    let all = depth.pixels.iter().filter(|d| **d == frames as f32).count();
    assert!(all as f64 > min_overlap * covered as f64, "{all} of {covered} pixels have all {frames} frames");
    for channel in 0..3 {
        let sci = plane(&product, Some("SCI"), channel);
        assert_eq!((sci.width, sci.height), (depth.width, depth.height));
        assert_eq!(sci.pixels.iter().filter(|v| v.is_finite()).count(), covered);
    }
}

#[test]
fn seestar_frames_of_two_telescopes_make_one_rgb_mosaic() {
    assert_one_mosaic("seestar_m94", 3, 0.3);
    assert_one_mosaic("seestar_ngc7023", 2, 0.3);
}

/// Each frame alone onto the common grid: the same stars stand at the same places.
#[test]
fn stars_of_both_seestar_telescopes_coincide() {
    let Some(folder) = real_data("seestar_m94") else { return };
    let dir = tempfile::tempdir().unwrap();
    let grid = mosaic(&folder, &dir.path().join("all"), &[]).display().to_string();
    let singles: Vec<Plane> = ["20250326-212046", "20250326-212454", "20250409-225435"]
        .iter()
        .map(|name| {
            let frame = folder.join(format!("Light_M_94_10.0s_IRCUT_{name}.fit.gz"));
            plane(&mosaic(&frame, &dir.path().join(name), &["--grid", &grid]), Some("SCI"), 1)
        })
        .collect();
    let stars = common_peaks(&singles);
    assert!(stars.len() >= 5, "{} stars in all frames", stars.len());
    let mut distances: Vec<f64> = Vec::new();
    for star in &stars {
        let first = centroid(&singles[0], *star);
        for other in &singles[1..] {
            let second = centroid(other, *star);
            distances.push((first.0 - second.0).hypot(first.1 - second.1));
        }
    }
    distances.sort_by(f64::total_cmp);
    let median = distances[distances.len() / 2];
    eprintln!("{} stars, median distance between frames {median:.3} px", stars.len());
    // The side-cars' own scatter is tenths of a pixel; a wrong parity or CFA phase would be pixels.
    assert!(median < 1.0, "median distance {median} px");
}

/// Centroid in a Gaussian window about a star, over the local sky.
fn centroid(sci: &Plane, (x, y): (f64, f64)) -> (f64, f64) {
    let (xi, yi) = (x.round() as i64, y.round() as i64);
    let at = |dx: i64, dy: i64| f64::from(sci.pixels[(yi + dy) as usize * sci.width + (xi + dx) as usize]);
    let offsets = |r: i64| (-r..=r).flat_map(move |dy| (-r..=r).map(move |dx| (dx, dy)));
    let mut ring: Vec<f64> = offsets(14)
        .filter(|(dx, dy)| (100..=196).contains(&(dx * dx + dy * dy)))
        .map(|(dx, dy)| at(dx, dy))
        .collect();
    ring.sort_by(f64::total_cmp);
    let sky = ring[ring.len() / 2];
    let (mut cx, mut cy) = (0.0, 0.0);
    for _ in 0..20 {
        let (mut sum, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        for (dx, dy) in offsets(6) {
            let (ux, uy) = (dx as f64 - cx, dy as f64 - cy);
            let w = (at(dx, dy) - sky) * (-(ux * ux + uy * uy) / 4.5).exp();
            sum += w;
            sum_x += w * ux;
            sum_y += w * uy;
        }
        cx += 2.0 * sum_x / sum;
        cy += 2.0 * sum_y / sum;
    }
    (xi as f64 + cx, yi as f64 + cy)
}

/// Peaks of the sum that stand far above their surroundings, away from the edges, brightest first.
fn common_peaks(planes: &[Plane]) -> Vec<(f64, f64)> {
    let (width, height) = (planes[0].width, planes[0].height);
    let sum: Vec<f32> =
        (0..width * height).map(|i| planes.iter().map(|plane| plane.pixels[i]).sum::<f32>()).collect();
    let at = |x: usize, y: usize, dx: i64, dy: i64| {
        sum[(y as i64 + dy) as usize * width + (x as i64 + dx) as usize]
    };
    let mut peaks: Vec<(f32, usize, usize)> = Vec::new();
    for y in 30..height - 30 {
        for x in 30..width - 30 {
            let centre = sum[y * width + x];
            let around = [(-16, -16), (16, 16), (-16, 16), (16, -16)].map(|(dx, dy)| at(x, y, dx, dy));
            let level = around.iter().sum::<f32>() / 4.0;
            // Any NaN makes the comparison false.
            if centre > level + 8000.0 && (-3..=3).all(|dy| (-3..=3).all(|dx| at(x, y, dx, dy) <= centre)) {
                peaks.push((centre, x, y));
            }
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    peaks.into_iter().take(25).map(|(_, x, y)| (x as f64, y as f64)).collect()
}
