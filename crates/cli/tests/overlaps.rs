//! `zemosaic overlaps`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use serde_json::Value;
use zemosaic_fits::{Header, ImageData, write_image};
use zemosaic_testkit::TanFrame;
use zemosaic_testkit::tan::Parity;

/// Two frames that are dithered, one far away, one without a WCS.
fn frames(dir: &Path) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir(&frames).unwrap();
    write_mono(&frames.join("a.fits"), &pointing(0, 0.0), 0);
    write_mono(&frames.join("b.fits"), &pointing(1, 0.0), 1);
    let far = TanFrame::pointed_at((10.0, -5.0), SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT));
    write_mono(&frames.join("c.fits"), &far, 2);
    let bare = vec![1.0_f32; WIDTH * HEIGHT];
    write_image(&frames.join("d.fits"), &Header::new(), ImageData::F32(&bare), &[WIDTH, HEIGHT]).unwrap();
    frames
}

fn json(input: &Path, more: &[&str]) -> Value {
    let ran = run(program().arg("overlaps").arg(input).args(["--json", "--quiet"]).args(more));
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn pairs_parts_and_a_table() {
    let dir = folder();
    let frames = frames(dir.path());
    let csv = dir.path().join("overlaps.csv");
    let overlaps = |more: &[&str]| run(program().arg("overlaps").arg(&frames).args(more));
    let ran = overlaps(&[]);
    // One has no WCS.
    ran.expect(9, "E-WCS-NONE");
    for line in
        ["frames   3", "pairs    1, 0 of them bridges", "parts    2 (2, 1 frames)", "alone    1: c.fits"]
    {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    // The dither of frame 1 is 7.3 and 4.6 pixels.
    let found = json(&frames, &[]);
    let pair = &found["pairs"][0];
    let share = (1.0 - 7.3 / WIDTH as f64) * (1.0 - 4.6 / HEIGHT as f64);
    assert!((pair["share"].as_f64().unwrap() - share).abs() < 1e-4, "{pair}");
    let area = share * (WIDTH * HEIGHT) as f64 * (SCALE_ARCSEC / 60.0).powi(2);
    assert!((pair["area_arcmin2"].as_f64().unwrap() / area - 1.0).abs() < 1e-4, "{pair}");
    assert_eq!((&pair["a"], &pair["b"]), (&"a.fits".into(), &"b.fits".into()));
    assert_eq!(json(&frames, &["--min-share", "0.95"])["pairs"].as_array().unwrap().len(), 0);
    assert_eq!(json(&frames, &["--pairs-per-frame", "0"])["bridges"], 1);
    // A table, once.
    let table = csv.to_str().unwrap();
    overlaps(&["-o", table]).expect(9, "");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("frame_a,frame_b,share,area_arcmin2,bridge,part\na.fits,b.fits,0.9"), "{text}");
    assert_eq!(text.lines().count(), 2);
    overlaps(&["-o", table]).expect(8, "E-OUTPUT-EXISTS");
    overlaps(&["-o", table, "--force"]).expect(9, "");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
    overlaps(&["-o", frames.join("a.fits").to_str().unwrap(), "--force"]).expect(2, "E-USAGE");
    overlaps(&["--min-share", "1.5"]).expect(2, "E-USAGE");
    assert_tidy(dir.path());
}

#[test]
fn nothing_usable() {
    let dir = folder();
    run(program().arg("overlaps").arg(dir.path())).expect(3, "E-INPUT-NONE");
    std::fs::write(dir.path().join("a.fits"), "no picture").unwrap();
    run(program().arg("overlaps").arg(dir.path())).expect(3, "E-INPUT-UNUSABLE");
}

#[test]
fn tiles_of_m17() {
    let Some(tiles) = real_data("2mass_m17") else { return };
    let found = json(&tiles, &[]);
    assert_eq!(found["frames"].as_array().unwrap().len(), 8);
    assert_eq!(found["pairs"].as_array().unwrap().len(), 13);
    assert_eq!((&found["parts"], &found["bridges"]), (&serde_json::json!([8]), &0.into()));
    assert_eq!(found, json(&tiles, &["-j", "1"]));
    // A tree at least, however few are chosen.
    let few = json(&tiles, &["--pairs-per-frame", "1"]);
    assert!(few["pairs"].as_array().unwrap().len() < 13 && few["parts"] == serde_json::json!([8]), "{few}");
}
