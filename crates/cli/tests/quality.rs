//! `zemosaic quality`, and the gates of a mosaic.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{ImageData, write_image};
use zemosaic_testkit::{noise_image, star_image, write_test_frame};

/// Ten frames of a night; the one of this index has soft stars.
const SOFT: usize = 6;

fn picture(index: usize) -> Vec<f32> {
    let mut stars = Vec::new();
    for y in 0..5_u32 {
        for x in 0..7_u32 {
            stars.push((14.0 + 28.0 * f64::from(x), 14.0 + 29.0 * f64::from(y), 9000.0 + f64::from(100 * x)));
        }
    }
    let mut image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, 40 + index as u64);
    let light = star_image(WIDTH, HEIGHT, &stars, if index == SOFT { 5.0 } else { 2.5 });
    image.iter_mut().zip(light).for_each(|(pixel, light)| *pixel += light);
    image
}

fn night(dir: &Path) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir(&frames).unwrap();
    for index in 0..10 {
        let image = picture(index);
        write_test_frame(
            &frames.join(format!("f{index}.fits")),
            &pointing(index, 0.0),
            ImageData::F32(&image),
            |header| {
                header.set_str("DATE-OBS", &format!("2025-03-20T23:2{index}:00"), "");
            },
        )
        .unwrap();
    }
    frames
}

#[test]
fn figures_of_frames_without_a_wcs() {
    let dir = folder();
    let frames = night(dir.path());
    let bare = zemosaic_fits::Header::new();
    write_image(&frames.join("g.fits"), &bare, ImageData::F32(&picture(1)), &[WIDTH, HEIGHT]).unwrap();
    std::fs::write(frames.join("h.fits"), "no picture").unwrap();
    let csv = dir.path().join("quality.csv");
    let ran = run(program().arg("quality").arg(&frames).arg("-o").arg(&csv));
    ran.expect(9, "E-FRAME-FORMAT");
    assert!(ran.stdout.contains("11 frames, 10 good, 1 too bad"), "{}", ran.stdout);
    let table = std::fs::read_to_string(&csv).unwrap();
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        row("f6.fits").contains("dropped,W-FRAME-QUALITY,") && row("f6.fits").contains("(night 2025-03-20,")
    );
    assert!(row("g.fits").starts_with("g.fits,good,,,unknown,"), "{}", row("g.fits"));
    let columns = table.lines().map(|line| line.replace("\", \"", "").split(',').count()).min();
    assert_eq!(columns, Some(table.lines().next().unwrap().split(',').count()));
    let again = run(program().arg("quality").arg(&frames).arg("-o").arg(&csv));
    again.expect(8, "E-OUTPUT-EXISTS");
    // JSON lines, one a frame, in frame order, whatever the threads.
    let json = |threads: &str| run(program().args(["quality", "--json", "-j", threads]).arg(&frames)).stdout;
    let lines: Vec<serde_json::Value> =
        json("1").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    let fwhm = lines[0]["quality"]["fwhm_px"].as_f64().unwrap();
    assert!((fwhm / 2.5 - 1.0).abs() < 0.03, "{fwhm}");
    assert_eq!(lines[0]["quality"]["stars"], 35);
    assert!(lines[6]["dropped"].as_str().unwrap().starts_with("fwhm 4.9"), "{}", lines[6]);
    assert_eq!(json("1"), json("3"));
}

#[test]
fn gates_of_a_mosaic() {
    let dir = folder();
    let frames = night(dir.path());
    let go = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let ran = mosaic(&[&frames], &out, more);
        (ran, out)
    };
    let (ran, out) = go("off", &[]);
    ran.expect(0, "");
    assert_eq!(used_frames(&out).len(), 10);
    let (ran, out) = go("auto", &["--gate", "auto", "--weights", "noise_fwhm"]);
    ran.expect(0, "W-FRAME-QUALITY").tells("fwhm 4.9");
    assert_eq!(used_frames(&out).len(), 9);
    assert_eq!(left_out_code(&out, "f6.fits"), "W-FRAME-QUALITY");
    let table = std::fs::read_to_string(out.join("frames.csv")).unwrap();
    let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let first: Vec<&str> =
        table.lines().find(|line| line.starts_with("f0.fits")).unwrap().split(',').collect();
    let fwhm: f64 = first[at("fwhm_px")].parse().unwrap();
    assert!((fwhm / 2.5 - 1.0).abs() < 0.03 && first[at("stars")] == "35" && first[at("trails")] == "0");
    let (ran, out) = go("limit", &["--max-fwhm", "3"]);
    ran.expect(0, "W-FRAME-QUALITY").tells("(--max-fwhm)");
    assert_eq!(used_frames(&out).len(), 9);
    go("none", &["--min-stars", "1000"]).0.expect(3, "W-FRAME-QUALITY");
    go("idle", &["--keep-share", "0.5"]).0.expect(2, "E-USAGE");
    go("share", &["--gate", "auto", "--keep-share", "2"]).0.expect(2, "E-USAGE");
}
