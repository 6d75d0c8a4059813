//! `zemosaic solve` on real frames without a WCS, with wrong hints, with a wrong WCS, and on frames that show no stars.
//!
//! Truth of the Seestar frames: astrometry.net's solutions beside them, which the program never sees here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::solving::*;
use common::*;
use zemosaic_fits::Header;
use zemosaic_image::{CfaPattern, Sites};
use zemosaic_sky::Wcs;
use zemosaic_stars::{Detection, FrameInfo, MemoryPixels, StarOptions, find_stars};
use zemosaic_testkit::rng::Rng;
use zemosaic_testkit::tan::separation_deg;
use zemosaic_testkit::{noise_image, star_image};

/// Side-cars of the frames that `inputs` solved, in a folder of their own.
fn with_sidecars<P: AsRef<Path>>(inputs: &[P], folder: &Path, more: &[&str]) -> Solved {
    let to = folder.to_str().unwrap();
    solve(inputs, &[&["--ignore-wcs", "--write-sidecar", "--sidecar-dir", to], more].concat())
}

/// Stars of a frame, found anew.
fn stars_of(raw: &Raw) -> Vec<Detection> {
    let pixels: Vec<f32> = raw.pixels.iter().map(|value| f32::from(*value)).collect();
    let sites = Sites::Cfa(CfaPattern::Grbg);
    let info = FrameInfo { width: WIDTH_PX, height: HEIGHT_PX, sites, saturation_adu: None };
    let mut source = MemoryPixels { width: WIDTH_PX, pixels: &pixels };
    Detection::of(&find_stars(&mut source, &info, &StarOptions::default()).unwrap(), 200)
}

/// Standard deviation of the places of stars that two frames share, on each axis, arcsec; and how many stars.
fn scatter_arcsec(frames: [(&Raw, &Wcs); 2]) -> (f64, usize) {
    let [first, second]: [Vec<(f64, f64)>; 2] = frames.map(|(raw, wcs)| {
        let stars = stars_of(raw);
        stars.iter().map(|star| wcs.pixel_to_sky(star.x_px, star.y_px).unwrap()).collect()
    });
    let nearest = |star: &(f64, f64)| {
        let distances = second.iter().map(|other| 3600.0 * separation_deg(*star, *other));
        distances.fold(f64::INFINITY, f64::min)
    };
    let shared: Vec<f64> = first.iter().map(nearest).filter(|distance| *distance < 5.0).collect();
    let mean_square = shared.iter().map(|distance| distance * distance).sum::<f64>() / shared.len() as f64;
    // Of a difference on two axes.
    ((mean_square / 4.0).sqrt(), shared.len())
}

#[test]
fn seestar_frames_are_solved_with_the_hints_of_their_headers() {
    let dir = folder();
    let frames = dir.path().join("frames");
    let Some(_) = copies(&frames, &[0, 1, 2, 3, 4]) else { return };
    let wcs = dir.path().join("wcs");
    let solved = with_sidecars(&[&frames], &wcs, &["--blind", "off"]);
    solved.ran.expect(0, "");
    assert_eq!((solved.rows.len(), solved.count("solved")), (5, 5), "{:?}", solved.rows);
    let mut found = Vec::new();
    for (index, (_, name, scale_arcsec)) in SEESTAR.into_iter().enumerate() {
        let row = solved.row(name);
        found.push(read_sidecar(&wcs.join(format!("{name}.wcs"))));
        let corner_px = worst_corner_px(&found[index], &truth(index), |at| at);
        let scale = row["scale_arcsec"].as_f64().unwrap();
        eprintln!(
            "{name}: {} stars, {} matches, rms {} px, corners within {corner_px:.2} px, scale {scale:.5}",
            row["stars"], row["matches"], row["rms_px"]
        );
        assert!(corner_px < 3.0, "{name}: {corner_px}");
        assert_eq!(row["how"], "hint", "{row}");
        if scale_arcsec.is_finite() {
            assert!((scale / scale_arcsec - 1.0).abs() < 5e-4, "{name}: {scale} instead of {scale_arcsec}");
        }
    }
    eprintln!("five frames after {:.2} s", solved.seconds);
    let night = [0, 1].map(|index| Raw::seestar(index).unwrap());
    let (scatter, shared) = scatter_arcsec([(&night[0], &found[0]), (&night[1], &found[1])]);
    eprintln!(
        "{shared} stars of one night scatter by {scatter:.3} arcsec on each axis; the report has {}",
        solved.summary["internal_rms_arcsec"]
    );
    assert!(shared >= 10 && scatter <= 0.41, "{shared} stars: {scatter}");
}

#[test]
fn seestar_frames_are_solved_anywhere_on_the_sky() {
    let dir = folder();
    let mut unsolved = 0;
    for (index, (_, name, _)) in SEESTAR.into_iter().enumerate() {
        let frames = dir.path().join(format!("{index}"));
        let Some(_) = copies(&frames, &[index]) else { return };
        let wcs = dir.path().join("wcs");
        let solved = with_sidecars(&[&frames], &wcs, &["--blind", "only"]);
        let row = solved.row(name);
        eprintln!(
            "{name}: {} by {} after {:.2} s {}",
            row["outcome"], row["how"], solved.seconds, row["note"]
        );
        if row["outcome"] == "unsolved" {
            unsolved += 1;
            solved.ran.expect(5, "");
            assert!(row["note"].as_str().unwrap().contains("--solve-center"), "{row}");
            continue;
        }
        solved.ran.expect(0, "");
        assert_eq!((&row["outcome"], &row["how"]), (&"solved".into(), &"blind".into()), "{row}");
        let corner_px =
            worst_corner_px(&read_sidecar(&wcs.join(format!("{name}.wcs"))), &truth(index), |at| at);
        assert!(corner_px < 3.0, "{name}: {corner_px}");
    }
    assert!(unsolved <= 1, "{unsolved} of 5 unsolved");
}

#[test]
fn three_filters_without_a_scale_are_solved() {
    let Some(frames) = real_data("microobservatory_m42") else { return };
    let solved = solve(&[&frames], &[]);
    solved.ran.expect(0, "");
    for row in &solved.rows {
        let centre = (row["centre_deg"][0].as_f64().unwrap(), row["centre_deg"][1].as_f64().unwrap());
        eprintln!(
            "{}: {} by {}, {centre:?}, scale {}, {} matches, rms {}, SIP {}, after {:.2} s for all",
            row["frame"],
            row["outcome"],
            row["how"],
            row["scale_arcsec"],
            row["matches"],
            row["rms_px"],
            row["sip_order"],
            solved.seconds
        );
        // The Trapezium is in every frame.
        assert!(separation_deg(centre, (83.82, -5.39)) < 0.5, "{row}");
        assert!(row["matches"].as_u64().unwrap() >= 20 && row["rms_px"].as_f64().unwrap() < 0.6, "{row}");
    }
    assert_eq!(solved.count("solved") + solved.count("registered"), 3, "{:?}", solved.rows);
}

#[test]
fn a_wide_field_of_a_lens_is_solved() {
    let Some(frame) = real_data("panoptes_canon/unsolved.fits") else { return };
    let solved = solve(&[&frame], &[]);
    solved.ran.expect(0, "");
    let row = solved.row("unsolved");
    eprintln!("{row} after {:.2} s", solved.seconds);
    assert_eq!(row["outcome"], "solved");
    let centre = (row["centre_deg"][0].as_f64().unwrap(), row["centre_deg"][1].as_f64().unwrap());
    // Found by hand to a thousandth of a degree; the catalogue says the rest.
    assert!(separation_deg(centre, (303.213, 46.020)) < 0.005, "{centre:?}");
    assert!(row["matches"].as_u64().unwrap() >= 100 && row["rms_px"].as_f64().unwrap() < 0.6, "{row}");
}

/// Solve `raw` alone near its hints; the worst corner in pixels of the frame as it was taken.
fn solved_corner_px(dir: &Path, case: &str, raw: &Raw, index: usize, is_flipped: bool) -> (Solved, f64) {
    let frame = dir.join(case).join("frame.fit");
    raw.write(&frame);
    let wcs = dir.join(format!("{case}-wcs"));
    let solved = with_sidecars(&[&frame], &wcs, &["--blind", "off"]);
    assert_eq!(solved.count("solved"), 1, "{case}: {:?}", solved.rows);
    let found = read_sidecar(&wcs.join("frame.wcs"));
    let as_taken = |(x, y): (f64, f64)| (x, if is_flipped { HEIGHT_PX as f64 - 1.0 - y } else { y });
    let corner_px = worst_corner_px(&found, &truth(index), as_taken);
    eprintln!("{case}: corners within {corner_px:.2} px, {:.2} s", solved.seconds);
    (solved, corner_px)
}

#[test]
fn wrong_hints_and_mirrored_frames_do_no_harm() {
    let dir = folder();
    for index in [0, 4] {
        let Some(raw) = Raw::seestar(index) else { return };
        let dec_deg = raw.header.get_f64("DEC").unwrap();
        let ra_deg = raw.header.get_f64("RA").unwrap();
        let edited = |key: &str, value: f64| {
            let mut other = raw.clone();
            other.header.set_f64(key, value, "");
            other
        };
        let east = 2.0 / dec_deg.to_radians().cos();
        let cases = [
            ("north", edited("DEC", dec_deg + 2.0)),
            ("east", edited("RA", ra_deg + east)),
            ("short", edited("FOCALLEN", 225.0)),
            ("long", edited("FOCALLEN", 275.0)),
        ];
        for (case, other) in cases {
            let (_, corner_px) =
                solved_corner_px(dir.path(), &format!("{case}{index}"), &other, index, false);
            assert!(corner_px < 3.0, "{case} {index}: {corner_px}");
        }
        let (plain, _) = solved_corner_px(dir.path(), &format!("plain{index}"), &raw, index, false);
        let flipped = raw.clone().flipped();
        let (solved, corner_px) =
            solved_corner_px(dir.path(), &format!("flipped{index}"), &flipped, index, true);
        assert!(corner_px < 3.0, "flipped {index}: {corner_px}");
        let is_mirrored = |solved: &Solved| solved.row("frame")["mirrored"].as_bool().unwrap();
        assert_ne!(is_mirrored(&plain), is_mirrored(&solved));
    }
}

/// Light and dark of clouds: waves of all directions, the longest ones strongest.
fn clouds() -> Vec<f32> {
    let mut rng = Rng::for_keys(11, &[5]);
    let waves: Vec<[f64; 4]> = (0..40)
        .map(|_| {
            let length_px = 60.0 * 20_f64.powf(rng.range(0.0, 1.0));
            let (angle, phase) =
                (rng.range(0.0, std::f64::consts::TAU), rng.range(0.0, std::f64::consts::TAU));
            let k = std::f64::consts::TAU / length_px;
            [k * angle.cos(), k * angle.sin(), phase, 0.1 * length_px]
        })
        .collect();
    let mut image = noise_image(WIDTH_PX, HEIGHT_PX, 4000.0, 30.0, 9);
    for (at, pixel) in image.iter_mut().enumerate() {
        let (x, y) = ((at % WIDTH_PX) as f64, (at / WIDTH_PX) as f64);
        let light: f64 =
            waves.iter().map(|[kx, ky, phase, size]| size * (kx * x + ky * y + phase).sin()).sum();
        *pixel += light as f32;
    }
    image
}

#[test]
fn frames_without_stars_are_refused() {
    if real_data("seestar_m94").is_none() && !zemosaic_testkit::real_data::in_ci() {
        skipped("the index of the whole sky is not built for these alone");
        return;
    }
    let noise = || noise_image(WIDTH_PX, HEIGHT_PX, 1000.0, 20.0, 3);
    let mut three = noise();
    let stars = [(300.2, 400.7, 60_000.0), (700.4, 1500.1, 50_000.0), (520.9, 900.3, 40_000.0)];
    three
        .iter_mut()
        .zip(star_image(WIDTH_PX, HEIGHT_PX, &stars, 3.0))
        .for_each(|(pixel, light)| *pixel += light);
    let cases = [
        ("noise", noise()),
        ("clouds", clouds()),
        ("zero", vec![0.0; WIDTH_PX * HEIGHT_PX]),
        ("three", three),
    ];
    let dir = folder();
    for (case, pixels) in cases {
        let frame = dir.path().join(case).join("frame.fit");
        Raw::made_of(&pixels).write(&frame);
        for blind in ["off", "only", "auto"] {
            let solved = solve(&[&frame], &["--blind", blind]);
            let row = solved.row("frame");
            eprintln!("{case} --blind {blind}: {} after {:.2} s", row["note"], solved.seconds);
            solved.ran.expect(5, "");
            assert_eq!((solved.rows.len(), solved.count("unsolved")), (1, 1), "{row}");
            assert!(row["centre_deg"].is_null(), "{row}");
            let note = row["note"].as_str().unwrap();
            let is_told =
                ["stars found", "--solve-center", ".wcs side-car"].iter().all(|part| note.contains(part));
            assert!(is_told, "{note}");
        }
    }
}

/// The figure after `word` in the warning W-WCS-REPLACED.
#[track_caller]
fn told(ran: &Ran, word: &str) -> f64 {
    let line = ran.stderr.lines().find(|line| line.contains("W-WCS-REPLACED"));
    let line = line.unwrap_or_else(|| panic!("no W-WCS-REPLACED: {}", ran.stderr));
    let (_, rest) = line.split_once(word).unwrap_or_else(|| panic!("no '{word}': {line}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// A WCS with another reference value or turned about the reference pixel.
fn moved(wcs: &Wcs, north_deg: f64, turn_deg: f64) -> Wcs {
    let (lon, lat) = wcs.crval_deg();
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let turned = wcs.cd_deg().map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]);
    let mut header = Header::new();
    Wcs::tan([lon, lat + north_deg], wcs.crpix0_px(), turned, wcs.frame().clone())
        .unwrap()
        .write_to(&mut header);
    Wcs::from_header(&header).unwrap()
}

#[test]
fn a_wrong_wcs_is_noticed_and_replaced() {
    let dir = folder();
    let Some(raw) = Raw::seestar(0) else { return };
    let first = dir.path().join("first");
    let plain = dir.path().join("plain").join("frame.fit");
    raw.write(&plain);
    with_sidecars(&[&plain], &first, &["--blind", "off"]).ran.expect(0, "");
    let right = read_sidecar(&first.join("frame.wcs"));
    for (case, north_deg, turn_deg) in [("off", 1.0 / 60.0, 0.0), ("turned", 0.0, 1.0), ("right", 0.0, 0.0)] {
        let frame = dir.path().join(case).join("frame.fit");
        raw.clone().with_wcs(&moved(&right, north_deg, turn_deg)).write(&frame);
        let wcs = dir.path().join(format!("{case}-wcs"));
        let to = wcs.to_str().unwrap();
        let solved = solve(&[&frame], &["--blind", "off", "--write-sidecar", "--sidecar-dir", to]);
        solved.ran.expect(0, "");
        let row = solved.row("frame");
        eprintln!("{case}: {row}\n{}", solved.ran.stderr);
        if case == "right" {
            assert_eq!(row["outcome"], "confirmed");
            assert!(!solved.ran.stderr.contains("W-WCS"), "{}", solved.ran.stderr);
            continue;
        }
        assert_eq!(row["outcome"], "replaced");
        if north_deg > 0.0 {
            assert!((told(&solved.ran, "off by ") / (3600.0 * north_deg) - 1.0).abs() < 0.05);
        } else {
            assert!((told(&solved.ran, "turned by ").abs() / turn_deg - 1.0).abs() < 0.05);
        }
        let corner_px = worst_corner_px(&read_sidecar(&wcs.join("frame.wcs")), &truth(0), |at| at);
        assert!(corner_px < 3.0, "{case}: {corner_px}");
        // Where a WCS that is there is believed, it stays.
        let believed = solve(&[&frame], &["--blind", "off", "--solve", "missing"]);
        assert!(
            believed.count("replaced") == 0 && !believed.ran.stderr.contains("W-WCS"),
            "{:?}",
            believed.rows
        );
    }
}

#[test]
fn a_degenerate_wcs_is_noticed_and_replaced() {
    let Some(cards) = real_data("seestar_headers/m31_mosaic_lp_degenerate_wcs.hdr") else { return };
    let Some(mut raw) = Raw::seestar(0) else { return };
    let bad = Header::parse_text(&std::fs::read_to_string(cards).unwrap()).unwrap();
    let is_wcs = |key: &str| {
        ["WCSAXES", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX"].contains(&key)
            || ["CRPIX", "CRVAL", "CTYPE", "CUNIT", "CDELT", "PC"].iter().any(|start| key.starts_with(start))
    };
    raw.header.extend_from(&bad, is_wcs);
    assert!(raw.header.contains("PC1_1"));
    let dir = folder();
    let frame = dir.path().join("in").join("frame.fit");
    raw.write(&frame);
    let wcs = dir.path().join("wcs");
    let to = wcs.to_str().unwrap();
    let solved = solve(&[&frame], &["--blind", "off", "--write-sidecar", "--sidecar-dir", to]);
    solved.ran.expect(0, "W-WCS-REPLACED");
    let row = solved.row("frame");
    eprintln!("{row}\n{}", solved.ran.stderr);
    assert_eq!(row["outcome"], "replaced");
    let corner_px = worst_corner_px(&read_sidecar(&wcs.join("frame.wcs")), &truth(0), |at| at);
    assert!(corner_px < 3.0, "{corner_px}");
}

/// Content and time of every file below `root`.
fn state(root: &Path) -> BTreeMap<PathBuf, (blake3::Hash, SystemTime)> {
    let time = |path: &Path| std::fs::metadata(root.join(path)).unwrap().modified().unwrap();
    hashes(root).into_iter().map(|(path, hash)| (path.clone(), (hash, time(&path)))).collect()
}

#[test]
fn inputs_stay_as_they_are_and_sidecars_are_used() {
    let dir = folder();
    let frames = dir.path().join("frames");
    let Some(_) = copies(&frames, &[0, 1, 4]) else { return };
    let (before, names) = (state(&frames), listing(&frames));
    solve(&[&frames], &["--blind", "off"]).ran.expect(0, "");
    let elsewhere = dir.path().join("elsewhere");
    let to = elsewhere.to_str().unwrap();
    solve(&[&frames], &["--blind", "off", "--write-sidecar", "--sidecar-dir", to]).ran.expect(0, "");
    assert_eq!((state(&frames), listing(&frames)), (before.clone(), names));
    assert_eq!(listing(&elsewhere).len(), 3);
    // Beside the frames only where that is asked for.
    solve(&[&frames], &["--blind", "off", "--write-sidecar"]).ran.expect(0, "");
    assert_eq!(listing(&frames).len(), 6);
    let again = solve(&[&frames], &["--blind", "off"]);
    again.ran.expect(0, "");
    assert_eq!(again.count("confirmed"), 3, "{:?}", again.rows);
    assert!(again.rows.iter().all(|row| row["matches"].as_u64().unwrap() >= 8), "{:?}", again.rows);
    let with_sidecars = state(&frames);
    assert!(before.iter().all(|(path, own)| with_sidecars[path] == *own));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_to_is_enough() {
    let dir = folder();
    let frames = dir.path().join("frames");
    let Some(_) = copies(&frames, &[0]) else { return };
    let names = listing(&frames);
    set_mode(&frames, 0o555);
    let script = "cd / && \"$1\" solve \"$2\" --blind off";
    let beside = "cd / && \"$1\" solve \"$2\" --blind off --write-sidecar";
    for (script, code) in [(script, 0), (beside, 7)] {
        let Some(mut command) = unprivileged(script, &[&frames]) else { break };
        let ran = run(&mut command);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stdout.contains("solved"), "{}", ran.stdout);
        if code == 7 {
            ran.tells("E-SIDECAR").tells("--sidecar-dir");
        }
        assert_eq!(listing(&frames), names);
    }
    set_mode(&frames, 0o755);
}

#[test]
fn the_report_depends_on_frames_alone() {
    let dir = folder();
    let Some(frames) = copies(&dir.path().join("frames"), &[0, 1, 2, 3, 4]) else { return };
    let first = solve(&frames, &["--blind", "off", "--ignore-wcs", "-j", "1"]);
    first.ran.expect(0, "");
    for threads in ["2", "5"] {
        let other = solve(&frames, &["--blind", "off", "--ignore-wcs", "-j", threads]);
        assert_eq!(other.ran.stdout, first.ran.stdout, "{threads} threads");
    }
    let shuffled: Vec<&PathBuf> = [3, 0, 4, 2, 1].iter().map(|&index| &frames[index]).collect();
    let other = solve(&shuffled, &["--blind", "off", "--ignore-wcs", "-j", "2"]);
    assert_eq!(other.ran.stdout, first.ran.stdout, "another order");
}

#[test]
fn idle_options_bad_catalogues_and_little_memory_are_named() {
    let Some(frames) = real_data("microobservatory_m42") else { return };
    let ran = solve(&[&frames], &["--solve", "off", "--blind", "only"]).ran;
    ran.expect(2, "E-USAGE").tells("--blind");
    solve(&[&frames], &["--blind", "off", "--solve", "off"]).ran.expect(2, "E-USAGE");
    let dir = folder();
    let absent = dir.path().join("absent.csv");
    let ran = solve(&[&frames], &["--blind", "off", "--catalog", absent.to_str().unwrap()]).ran;
    assert!(ran.code == 7 || ran.code == 2, "{ran:?}");
    ran.tells("absent.csv");
    let noise = dir.path().join("noise.csv");
    std::fs::write(&noise, "this is no catalogue\n1,2,3\n").unwrap();
    let ran = solve(&[&frames], &["--blind", "off", "--catalog", noise.to_str().unwrap()]).ran;
    assert!(ran.code != 0 && ran.stdout.is_empty(), "{ran:?}");
    ran.tells("noise.csv");
    let fresh = dir.path().join("cache");
    let mut command = program_alone();
    command.arg("solve").arg(&frames).args(["--memory", "200MiB", "--blind", "only"]);
    run(command.env("ZEMOSAIC_CACHE", &fresh)).expect(6, "").tells("--blind off");
    assert!(!fresh.exists() || listing(&fresh).is_empty());
}
