//! `--rgb-equalize tile`: tiles get factors of their own after the match, which is said and no longer certified. `--match-tiles`: they
//! are matched to one another after that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::ImageData;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, write_test_frame};

/// Two panels of two frames each, whose colours differ.
fn panels(dir: &Path) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for (panel, colours) in [[1.0, 1.03, 0.98], [1.0, 0.98, 1.02]].into_iter().enumerate() {
        for index in 0..2 {
            let shift = (130.0 * panel as f64 + 3.0 * index as f64) * SCALE_ARCSEC / 3600.0;
            let centre = (150.0 + shift / 41.0_f64.to_radians().cos(), 41.0);
            let frame = TanFrame::pointed_at(centre, SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT));
            let plane = |(channel, colour): (usize, &f32)| {
                let seed = (700 + 100 * panel + 10 * index + channel) as u64;
                sky_image(&frame, seed).into_iter().map(|value| value * colour).collect::<Vec<f32>>()
            };
            let cube: Vec<f32> = colours.iter().enumerate().flat_map(plane).collect();
            let path = frames.join(format!("p{panel}{index}.fits"));
            write_test_frame(&path, &frame, ImageData::F32(&cube), observed(index)).unwrap();
        }
    }
    frames
}

/// A run of master tiles into `out`: its mosaic, log and report.
fn run_into(out: &Path, frames: &Path, more: &[&str]) -> (Mosaic, String, serde_json::Value) {
    let mut command = program();
    command.arg("run").arg(frames).arg("-o").arg(out);
    command.args(["--mode", "classic", "--cluster-threshold", "0.05", "--min-group-size", "1"]).args(more);
    if !more.contains(&"--match") {
        command.args(["--match", "full"]);
    }
    run(&mut command).expect(0, "");
    run(program().arg("check").arg(out)).expect(0, "");
    let log = std::fs::read_to_string(out.join("logs/run.log")).unwrap();
    let report = std::fs::read_to_string(out.join("report.json")).unwrap();
    (Mosaic::open(&out.join("mosaic.fits")), log, serde_json::from_str(&report).unwrap())
}

fn has_table(mosaic: &Mosaic, name: &str) -> bool {
    mosaic.file.hdus.iter().any(|hdu| hdu.header.get_str("EXTNAME").as_deref() == Some(name))
}

fn has_seams(mosaic: &Mosaic) -> bool {
    has_table(mosaic, "SEAMS")
}

fn bits(plane: &[f32]) -> Vec<u32> {
    plane.iter().map(|value| value.to_bits()).collect()
}

fn cards(mosaic: &Mosaic) -> String {
    String::from_utf8_lossy(&mosaic.header("SCI").to_bytes()).into_owned()
}

/// Difference of the green levels of the two panels.
fn step(mosaic: &Mosaic) -> f64 {
    let green = mosaic.plane("SCI", 1);
    let width = mosaic.header("SCI").get_i64("NAXIS1").unwrap() as usize;
    let level = |x0: usize| {
        let row = |y: usize| &green[y * width + x0..][..30];
        let mut values: Vec<f32> = (40..110).flat_map(|y| row(y).to_vec()).collect();
        values.retain(|value| value.is_finite());
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    };
    f64::from(level(width / 5) - level(4 * width / 5)).abs()
}

#[test]
fn tiles_equalised_after_the_match_are_told_of_and_not_certified() {
    let dir = folder();
    let frames = panels(dir.path());
    let run_into = |name: &str, more: &[&str]| run_into(&dir.path().join(name), &frames, more);
    let (plain, log, report) = run_into("plain", &[]);
    assert!(plain.header("SCI").get_str("ZMSEAM").is_some() && has_seams(&plain));
    assert!(!log.contains("[RGB-EQ]") && report["tiles"][0].get("rgb_equalize").is_none(), "{log}");
    for line in ["MASTER_TILE_COUNT_UPDATE:1/2\n", "MASTER_TILE_COUNT_UPDATE:2/2\n"] {
        assert!(log.contains(line), "{log}");
    }

    let (equal, log, report) = run_into("tile", &["--rgb-equalize", "tile"]);
    let header = equal.header("SCI");
    assert_eq!(header.get_str("ZMMATCH").as_deref(), Some("full"));
    assert_eq!(header.get_str("ZMSEAM"), None, "tiles were changed after they were certified");
    assert!(!has_seams(&equal) && report["gauge"]["match"]["seams"].is_null(), "{report}");
    assert!(log.contains("seams: not certified: --rgb-equalize"), "{log}");
    let card = String::from_utf8_lossy(&header.to_bytes()).into_owned();
    assert!(card.contains("RGB equalised one by one after the match"), "{card}");
    let gains = |tile: usize| report["tiles"][tile]["rgb_equalize"]["gains"].clone();
    for tile in [1, 2] {
        assert!(log.contains(&format!("[RGB-EQ] tile {tile}: decision=applied gains=(")), "{log}");
        assert_eq!(report["tiles"][tile - 1]["rgb_equalize"]["decision"], "applied");
    }
    assert_ne!(gains(0), gains(1));
    // One factor per channel for the whole mosaic changes no step over its noise.
    let (whole, log, _) = run_into("final", &["--rgb-equalize", "final"]);
    assert!(
        whole.header("SCI").get_str("ZMSEAM").is_some() && log.contains("[RGB-EQ] mosaic: decision=applied")
    );
}

#[test]
fn tiles_matched_after_they_were_equalised_are_what_is_certified() {
    let dir = folder();
    let frames = panels(dir.path());
    let run_into = |name: &str, more: &[&str]| run_into(&dir.path().join(name), &frames, more);
    // Where tiles are matched after that, their joins are what is certified, and frames and tiles have gains of their own.
    let (again, log, report) = run_into("again", &["--rgb-equalize", "tile", "--match-tiles", "full"]);
    let header = again.header("SCI");
    assert_eq!(header.get_str("ZMMATCHF").as_deref(), Some("full"));
    assert!(header.get_str("ZMSEAM").is_some() && has_seams(&again), "{log}");
    assert_eq!(
        (&report["gauge"]["match"]["subject"], &report["frame_gauge"]["method"]),
        (&"tiles".into(), &"full".into())
    );
    assert!(report["frame_gauge"]["match"]["seams"].is_null(), "certified before the tiles were changed");
    assert!(log.contains("seams: to be certified after the match of the master tiles"), "{log}");
    let (single, ..) =
        run_into("single", &["--rgb-equalize", "tile", "--match-tiles", "full", "--threads", "1"]);
    assert_eq!(bits(&single.plane("SCI", 2)), bits(&again.plane("SCI", 2)));
    // To match the tiles on disk anew gives the same; without that it is said what is missing.
    let merged = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let mut command = program();
        command.arg("run").arg(dir.path().join("again/tiles")).arg("-o").arg(&out);
        let ran = run(command.args(["--mode", "classic", "--existing-tiles"]).args(more));
        (ran, Mosaic::open(&out.join("mosaic.fits")))
    };
    let (ran, same) = merged("same", &["--match", "full"]);
    ran.expect(0, "");
    assert!(!ran.stderr.contains("--match-tiles"), "{}", ran.stderr);
    for (plane, image) in [("SCI", 0), ("SCI", 1), ("SCI", 2), ("WHT", 1), ("VAR", 2)] {
        assert_eq!(bits(&same.plane(plane, image)), bits(&again.plane(plane, image)), "{plane}");
    }
    let (ran, _) = merged("unmatched", &[]);
    ran.expect(0, "W-TILE").tells("give --match full to have that again");
}

#[test]
fn tiles_are_matched_without_their_frames_too() {
    let dir = folder();
    let frames = panels(dir.path());
    let run_into = |name: &str, more: &[&str]| run_into(&dir.path().join(name), &frames, more);
    // Greens of the panels differ by 5 %, 50 ADU; what is left is noise of the medians.
    let (apart, ..) = run_into("apart", &["--match", "none"]);
    let (tiles_alone, ..) = run_into("tiles_alone", &["--match", "none", "--match-tiles", "full"]);
    let (before, after) = (step(&apart), step(&tiles_alone));
    assert!(before > 30.0 && after < 2.0, "{before} {after}");
    let header = tiles_alone.header("SCI");
    assert_eq!(header.get_str("ZMMATCHF"), None, "frames were not matched");
    let cards = cards(&tiles_alone);
    assert_eq!(cards.matches("gauge: full").count(), 1, "{cards}");
    let (level, _, report) =
        run_into("level", &["--normalize", "multiplicative", "--match", "none", "--match-tiles", "offset"]);
    let header = level.header("SCI");
    assert_eq!(header.get_str("ZMNORM").as_deref(), Some("multiplicative"));
    assert_eq!((header.get_str("ZMMATCH").as_deref(), header.get_str("ZMMATCHF")), (Some("offset"), None));
    assert_eq!(report["frame_gauge"]["method"], "multiplicative");
    // As ZeMosaic does it, with one line for all channels; its limits are in the record of the tiles.
    let more =
        ["--match-tiles", "zemosaic", "--intertile", "affine_blend=1", "--intertile", "gain_limits=0.9,1.1"];
    let (_, _, report) = run_into("as_zemosaic", &more);
    assert_eq!(report["gauge"]["method"], "zemosaic");
    for tile in report["tiles"].as_array().unwrap() {
        let gains = tile["gauge"]["gain"].as_array().unwrap();
        assert!(gains.iter().all(|gain| (0.9..=1.1).contains(&gain.as_f64().unwrap())), "{tile}");
    }
}

/// The first group has no data: its tile is not made, and the numbers of the others stay. With one tile left there is nothing to match.
#[test]
fn a_tile_that_was_not_made_is_not_matched() {
    let dir = folder();
    let frames = panels(dir.path());
    let empty = vec![f32::NAN; 3 * WIDTH * HEIGHT];
    let place = |shift_deg: f64| {
        let centre = (150.0 + shift_deg / 41.0_f64.to_radians().cos(), 41.0);
        TanFrame::pointed_at(centre, SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT))
    };
    for index in 0..2 {
        let frame = place(-0.072);
        let path = frames.join(format!("a{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&empty), observed(index)).unwrap();
    }
    let out = dir.path().join("out");
    let matched_into = |out: &Path| {
        let flags = "--mode classic --cluster-threshold 0.05 --min-group-size 1 --match-tiles full";
        run(program().arg("run").arg(&frames).arg("-o").arg(out).args(flags.split(' ')))
    };
    let ran = matched_into(&out);
    assert!(ran.stderr.contains("E-TILE-EMPTY"), "{}", ran.stderr);
    let report = std::fs::read_to_string(out.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    for tile in report["tiles"].as_array().unwrap() {
        assert_eq!(tile["missing"].is_null(), tile["gauge"].is_object(), "{tile}");
    }
    let made = report["tiles"].as_array().unwrap().iter().filter(|tile| tile["missing"].is_null());
    assert_eq!(made.count(), 2);
    run(program().arg("check").arg(&out)).expect(0, "");
    for path in std::fs::read_dir(&frames).unwrap().map(|entry| entry.unwrap().path()) {
        if path.file_name().unwrap().to_string_lossy().starts_with("p1") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let ran = matched_into(&dir.path().join("lone"));
    ran.tells("--match-tiles has nothing to match: master tiles made: 1");
}

#[test]
fn options_that_would_do_nothing_with_tiles_are_refused() {
    let dir = folder();
    let frames = panels(dir.path());
    let refused = |arguments: &[&str], sentence: &str| {
        let out = dir.path().join("refused");
        run(program().arg(arguments[0]).arg(&frames).arg("-o").arg(&out).args(&arguments[1..]))
            .expect(2, "E-USAGE")
            .tells(sentence);
        assert!(!out.exists());
    };
    refused(&["run", "--match-tiles", "full"], "only with --mode classic");
    refused(&["mosaic", "--match-tiles", "full"], "only with run --mode classic");
    let two_pass = ["run", "--mode", "classic", "--match-tiles", "full", "--two-pass-coverage-renorm"];
    refused(&two_pass, "give one of them");
    refused(&["run", "--intertile", "solver=irls"], "--match-tiles zemosaic");
}
