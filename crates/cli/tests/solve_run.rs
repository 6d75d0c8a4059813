//! `zemosaic run` on raw frames without a WCS: from the camera's files to the mosaic without an option.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use common::solving::*;
use common::*;
use zemosaic_stars::{Catalogue, ReferenceStars};
use zemosaic_testkit::compare::CompareOptions;
use zemosaic_testkit::options::WcsCards;
use zemosaic_testkit::{SimulateOptions, StarComparison, compare_stars, load_truth, simulate};

/// `zemosaic run INPUT... -o OUT MORE...`; the seconds it took are printed.
fn mosaicked<P: AsRef<Path>>(inputs: &[P], out: &Path, more: &[&str]) -> Ran {
    let mut command = program_alone();
    command.arg("run").args(inputs.iter().map(AsRef::as_ref)).arg("-o").arg(out).args(more);
    let start = Instant::now();
    let ran = run(&mut command);
    eprintln!("run {more:?}: {:.1} s", start.elapsed().as_secs_f64());
    ran
}

/// The products hold what they promise.
#[track_caller]
fn assert_checked(out: &Path) {
    let checked = run(program().arg("check").arg(out));
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("ok") && !checked.stdout.contains("FAILED"), "{}", checked.stdout);
}

/// Brightness of a star, in units of one of magnitude 20.
fn flux_of(mag: f64) -> f64 {
    10_f64.powf(0.4 * (20.0 - mag))
}

/// Stars of the mosaic's green against places on the sky; fluxes in any unit.
fn measured(out: &Path, stars: &[(f64, f64, f64)], options: &CompareOptions) -> StarComparison {
    let product = Mosaic::open(&out.join("mosaic.fits"));
    let grid = product.grid();
    let nowhere = (f64::NAN, f64::NAN);
    let places: Vec<(f64, f64)> =
        stars.iter().map(|(ra, dec, _)| grid.sky_to_pixel(*ra, *dec).unwrap_or(nowhere)).collect();
    let fluxes: Vec<f64> = stars.iter().map(|star| star.2).collect();
    compare_stars(&product.plane("SCI", 1), grid.width_px, grid.height_px, &places, &fluxes, options)
}

/// Median distance between where stars are and where they should be, pixels.
fn median_px(found: &StarComparison) -> f64 {
    let mut distances: Vec<f64> = found.stars.iter().map(|star| star.dx_px.hypot(star.dy_px)).collect();
    distances.sort_by(f64::total_cmp);
    distances[distances.len() / 2]
}

/// Stars of Tycho-2 at the date of the frames stand where the mosaic says.
#[track_caller]
fn assert_stars_of_the_catalogue(out: &Path, year: f64, least: usize) {
    let grid = Mosaic::open(&out.join("mosaic.fits")).grid();
    let centre = grid.pixel_to_sky(0.5 * grid.width_px as f64, 0.5 * grid.height_px as f64);
    let stars: Vec<(f64, f64, f64)> = Catalogue::embedded()
        .unwrap()
        .at(year)
        .cone(centre, 1.2, 5000)
        .iter()
        .map(|star| (star.ra_deg, star.dec_deg, flux_of(star.mag)))
        .collect();
    let options = CompareOptions { min_snr: 0.0, saturation_adu: 60_000.0, ..CompareOptions::default() };
    let found = measured(out, &stars, &options);
    let median = median_px(&found);
    eprintln!(
        "{} stars, median distance {median:.3} px, mean {:.3} {:.3}",
        found.n, found.mean_dx, found.mean_dy
    );
    assert!(found.n >= least && median < 0.5, "{} stars, {median} px", found.n);
}

/// Whether every used frame was placed by the stars in it.
#[track_caller]
fn assert_solved(out: &Path, frames: usize) {
    let origins = csv_column(out, "wcs");
    assert_eq!(origins.len(), frames, "{:?}", frames_csv(out));
    assert!(origins.iter().all(|origin| origin == "solved"), "{origins:?}");
}

#[test]
fn simulated_frames_without_wcs_become_a_mosaic_whose_stars_are_in_their_places() {
    let dir = folder();
    let sim = dir.path().join("sim");
    let options = SimulateOptions {
        frames: 6,
        panels_x: 1,
        dither_group: 2,
        wcs_cards: WcsCards::Absent,
        ..SimulateOptions::demo()
    };
    simulate(&options, &sim, &|_, _| ()).unwrap();
    let out = dir.path().join("out");
    mosaicked(&[sim.join("frames")], &out, &["-q"]).expect(0, "");
    assert_products(dir.path(), &out);
    assert_solved(&out, 6);
    assert_checked(&out);
    let truth = load_truth(&sim).unwrap();
    let stars: Vec<(f64, f64, f64)> =
        truth.stars.iter().map(|star| (star.ra_deg, star.dec_deg, star.flux_adu[1])).collect();
    let options = CompareOptions { saturation_adu: 60_000.0, min_snr: 30.0, ..CompareOptions::default() };
    let found = measured(&out, &stars, &options);
    eprintln!(
        "{} stars, rms {:.3} px, mean {:.3} {:.3}",
        found.n, found.position_rms_px, found.mean_dx, found.mean_dy
    );
    assert!(found.n >= 30, "{} stars", found.n);
    let worst_px = found.stars.iter().map(|star| star.dx_px.hypot(star.dy_px)).fold(0.0, f64::max);
    assert!(worst_px < 0.5 && found.position_rms_px < 0.1, "{worst_px} {}", found.position_rms_px);
}

/// The real frames of M 94, or of NGC 7023, without any WCS, in a folder of their own.
fn written(folder: &Path, which: &[usize]) -> Option<PathBuf> {
    for &index in which {
        Raw::seestar(index)?.write(&folder.join(format!("{}.fit", SEESTAR[index].1)));
    }
    Some(folder.to_path_buf())
}

#[test]
fn real_frames_without_wcs_become_a_mosaic() {
    for (name, which, year, least) in [("m94", &[0, 1, 2][..], 2025.24, 8), ("ngc7023", &[3, 4], 2025.0, 15)]
    {
        let dir = folder();
        let Some(frames) = written(&dir.path().join("frames"), which) else { return };
        let before = hashes(&frames);
        let out = dir.path().join("out");
        mosaicked(&[&frames], &out, &["-q"]).expect(0, "");
        eprintln!("{name}");
        assert_products(dir.path(), &out);
        assert_solved(&out, which.len());
        assert_checked(&out);
        assert_stars_of_the_catalogue(&out, year, least);
        assert_eq!(hashes(&frames), before);
    }
}

#[test]
fn of_two_fields_the_larger_is_made_and_the_other_named() {
    let dir = folder();
    let Some(frames) = written(&dir.path().join("frames"), &[0, 1, 2, 3, 4]) else { return };
    let out = dir.path().join("out");
    mosaicked(&[&frames], &out, &["-q"]).expect(0, "W-FRAME-GROUP").tells("--group 2");
    assert_solved(&out, 3);
    assert!(used_frames(&out).iter().all(|frame| frame.contains("M_94")));
    for (_, name, _) in &SEESTAR[3..] {
        let rows = frames_csv(&out);
        let row = rows.iter().find(|row| row.0.contains(name)).unwrap();
        assert_eq!((row.1.as_str(), row.2.as_str()), ("left-out", "W-FRAME-GROUP"));
    }
    assert_checked(&out);
    // The command that was named makes the other.
    let second = dir.path().join("second");
    mosaicked(&[&frames], &second, &["-q", "--group", "2"]).expect(0, "W-FRAME-GROUP").tells("--group 1");
    assert_solved(&second, 2);
    assert!(used_frames(&second).iter().all(|frame| frame.contains("NGC_7023")));
    assert_checked(&second);
}

#[test]
fn the_mosaic_depends_on_frames_alone() {
    let dir = folder();
    let Some(frames) = copies(&dir.path().join("frames"), &[0, 1, 2]) else { return };
    let mut mosaics = Vec::new();
    for (order, threads) in [([0, 1, 2], "1"), ([0, 1, 2], "2"), ([2, 0, 1], "5")] {
        let inputs: Vec<&PathBuf> = order.iter().map(|&index| &frames[index]).collect();
        let out = dir.path().join(format!("out{threads}"));
        mosaicked(&inputs, &out, &["-q", "-j", threads]).expect(0, "");
        assert_solved(&out, 3);
        mosaics.push(std::fs::read(out.join("mosaic.fits")).unwrap());
    }
    assert!(mosaics[0] == mosaics[1], "1 and 2 threads");
    assert!(mosaics[0] == mosaics[2], "1 and 5 threads, another order");
}

#[test]
fn sidecars_that_solve_wrote_are_used() {
    let dir = folder();
    let frames = dir.path().join("frames");
    let Some(_) = copies(&frames, &[0, 1]) else { return };
    let solved = dir.path().join("solved");
    mosaicked(&[&frames], &solved, &["-q"]).expect(0, "");
    solve(&[&frames], &["--blind", "off", "--write-sidecar"]).ran.expect(0, "");
    let (out, off) = (dir.path().join("out"), dir.path().join("off"));
    mosaicked(&[&frames], &out, &["-q"]).expect(0, "");
    mosaicked(&[&frames], &off, &["-q", "--solve", "off"]).expect(0, "");
    for out in [&out, &off] {
        let origins = csv_column(out, "wcs");
        assert!(origins.len() == 2 && origins.iter().all(|origin| origin == "wcs"), "{origins:?}");
    }
    // Their WCS is what the run finds itself: the grid is the same to a hundredth of a pixel.
    let grids = [&solved, &out].map(|out| Mosaic::open(&out.join("mosaic.fits")).grid());
    let (ra, dec) = grids[0].pixel_to_sky(10.0, 10.0);
    let (x, y) = grids[1].sky_to_pixel(ra, dec).unwrap();
    assert!((x - 10.0).hypot(y - 10.0) < 0.01, "{x} {y}");
}

#[test]
fn without_solving_frames_need_a_wcs() {
    let dir = folder();
    let Some(frames) = written(&dir.path().join("frames"), &[0]) else { return };
    let out = dir.path().join("out");
    mosaicked(&[&frames], &out, &["-q", "--solve", "off"]).expect(5, "E-WCS-NONE").tells("E-INPUT-UNUSABLE");
    assert_no_product(dir.path(), &out);
    mosaicked(&[&frames], &out, &["-q", "--solve", "off", "--blind", "only"]).expect(2, "E-USAGE");
}

/// A wrong WCS is believed with `--solve missing`, and replaced without an option.
#[test]
fn a_wrong_wcs_is_believed_only_where_that_is_asked_for() {
    let dir = folder();
    let Some(raw) = Raw::seestar(0) else { return };
    let right = truth(0);
    let (lon, lat) = right.crval_deg();
    let wrong =
        zemosaic_sky::Wcs::tan([lon, lat + 0.1], right.crpix0_px(), right.cd_deg(), right.frame().clone())
            .unwrap();
    let frames = dir.path().join("frames");
    raw.with_wcs(&wrong).write(&frames.join("frame.fit"));
    let mut rows = Vec::new();
    for (mode, origin) in [("missing", "header"), ("auto", "solved")] {
        let out = dir.path().join(mode);
        let ran = mosaicked(&[&frames], &out, &["-q", "--solve", mode]);
        ran.expect(0, "");
        assert_eq!(csv_column(&out, "wcs"), [origin], "{mode}");
        assert_eq!(ran.stderr.contains("W-WCS-REPLACED"), mode == "auto", "{}", ran.stderr);
        let grid = Mosaic::open(&out.join("mosaic.fits")).grid();
        rows.push(grid.sky_to_pixel(lon, lat).unwrap().1);
    }
    // The one frame fills both mosaics, of which the first is 0.1 deg farther north.
    let apart_deg = (rows[1] - rows[0]) * right.scale_deg();
    assert!((apart_deg - 0.1).abs() < 1e-3, "{rows:?}");
}
