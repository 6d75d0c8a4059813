//! `--match` and `--normalize`: steps between frames go, bytes depend on frames and options alone, products say what was done.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::ImageData;
use zemosaic_testkit::{TanFrame, write_test_frame};

const FIXED: [&str; 3] = ["mosaic.fits", "mosaic_preview.png", "frames.csv"];

/// Mono frames, every second one `step` ADU brighter and `gain` times as strong.
fn frames(folder: &Path, order: &[usize], step: f32, gain: f32) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for index in order {
        let frame: TanFrame = pointing(*index, 4.0);
        let mut image = sky_image(&frame, 100 + *index as u64);
        if index % 2 == 1 {
            for value in &mut image {
                *value = gain * *value + step;
            }
        }
        let path = folder.join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&image), observed(*index)).unwrap();
    }
    folder.to_path_buf()
}

fn numbers(out: &Path, name: &str) -> Vec<f64> {
    csv_column(out, name).iter().map(|text| text.parse().unwrap()).collect()
}

fn report(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_step_of_250_is_found_and_rejection_stays_calm() {
    let dir = folder();
    let input = frames(&dir.path().join("in"), &[0, 1, 2, 3, 4, 5, 6, 7], 250.0, 1.0);
    let out = |name: &str| dir.path().join(name);
    mosaic(&[&input], &out("plain"), &["--reject", "sigma"]).expect(0, "");
    mosaic(&[&input], &out("level"), &["--reject", "sigma", "--match", "offset"]).expect(0, "");
    let offsets = numbers(&out("level"), "offset_r");
    for (index, offset) in offsets.iter().enumerate() {
        let expected = if index % 2 == 1 { -125.0 } else { 125.0 };
        assert!((offset - expected).abs() < 0.7, "{offsets:?}");
    }
    assert!(numbers(&out("plain"), "offset_r").iter().all(|offset| *offset == 0.0));
    assert!(numbers(&out("level"), "gain_r").iter().all(|gain| *gain == 1.0));
    let rejected = |name: &str| {
        let report = report(&out(name));
        let of = |key: &str| report["rejection"][key].as_f64().unwrap();
        (of("rejected_low") + of("rejected_high")) / of("samples")
    };
    assert!(rejected("level") < 0.02, "{}", rejected("level"));
    let gauge = report(&out("level"))["gauge"].clone();
    assert_eq!((gauge["method"].as_str(), gauge["components"][0].as_u64()), (Some("offset"), Some(8)));
    assert!(gauge["channels"][0]["rms_before"].as_f64().unwrap() > 100.0, "{gauge}");
    assert!(gauge["channels"][0]["rms_after"].as_f64().unwrap() < 1.0, "{gauge}");
    assert_eq!(gauge["worst_pairs"].as_array().unwrap().len(), 10);
    assert!(report(&out("plain"))["gauge"].is_null());
    run(program().arg("check").arg(out("level"))).expect(0, "");
    // What compresses the product takes all of its tables along.
    mosaic(&[&input], &out("packed"), &["--match", "offset", "--compress", "rice"]).expect(0, "");
    run(program().arg("check").arg(out("packed"))).expect(0, "");
}

#[test]
fn bytes_depend_on_frames_and_options_alone() {
    let dir = folder();
    let input = frames(&dir.path().join("in"), &[0, 1, 2, 3, 4, 5, 6, 7], 90.0, 1.1);
    let shuffled = frames(&dir.path().join("elsewhere/in"), &[5, 2, 7, 0, 3, 1, 6, 4], 90.0, 1.1);
    for method in
        [["--match", "surface"], ["--normalize", "linear-fit-robust"], ["--normalize", "multiplicative"]]
    {
        let made = |input: &Path, more: &[&str]| {
            let out = dir.path().join("out");
            let flags = [&method[..], &["--force"], more].concat();
            mosaic(&[input], &out, &flags).expect(0, "");
            FIXED.map(|name| std::fs::read(out.join(name)).unwrap())
        };
        let first = made(&input, &["-j", "1"]);
        assert!(first == made(&input, &["-j", "4"]), "{method:?}: threads");
        assert!(first == made(&shuffled, &["-j", "2", "-m", "48MiB"]), "{method:?}: order and memory");
    }
}

#[test]
fn forms_with_a_reference_scale_noise_and_level() {
    let dir = folder();
    let input = frames(&dir.path().join("in"), &[0, 1, 2, 3, 4, 5], 60.0, 1.25);
    let out = dir.path().join("out");
    let flags = ["--normalize", "linear_fit", "--normalize-reference", "f2.fits", "--force"];
    mosaic(&[&input], &out, &flags).expect(0, "");
    assert_eq!(report(&out)["gauge"]["reference"].as_str(), Some("f2.fits"));
    let flags = ["--normalize", "additive-scaling", "--normalize-reference", "2", "--force"];
    mosaic(&[&input], &out, &flags).expect(0, "");
    let (gains, weights) = (numbers(&out, "gain_r"), numbers(&out, "weight_r"));
    for (index, (gain, weight)) in gains.iter().zip(&weights).enumerate() {
        let expected = if index % 2 == 1 { 0.8 } else { 1.0 };
        assert!((gain / expected - 1.0).abs() < 0.05, "{gains:?}");
        // All frames have the noise of the reference now.
        assert!((weight / weights[2] - 1.0).abs() < 1e-6, "{weights:?}");
    }
    let flags = ["--normalize", "sky_mean", "--normalize-reference", "nobody", "--force"];
    mosaic(&[&input], &out, &flags).expect(2, "E-USAGE").tells("nobody");
    mosaic(&[&input], &out, &["--normalize-reference", "f2.fits", "--force"]).expect(2, "E-USAGE");
}

/// Who asks for no normalisation has not asked for no match, and is told so.
#[test]
fn without_a_normalisation_a_run_matches() {
    let dir = folder();
    let input = frames(&dir.path().join("in"), &[0, 1, 2, 3], 90.0, 1.0);
    let out = dir.path().join("out");
    run(program().arg("run").arg(&input).arg("-o").arg(&out).args(["--normalize", "none", "--solve", "off"]))
        .expect(0, "");
    assert_eq!(report(&out)["gauge"]["method"].as_str(), Some("full"));
    let flags = ["--normalize", "sky-mean", "--solve", "off", "--force"];
    run(program().arg("run").arg(&input).arg("-o").arg(&out).args(flags)).expect(0, "");
    assert_eq!(report(&out)["gauge"]["method"].as_str(), Some("sky-mean"));
    let help = run(program().args(["run", "--help"]));
    let words = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("none for mosaic and with a --normalize other than none"), "{words}");
    assert!(words.contains("of those that fill most of a frame a part goes"), "{words}");
}

/// Tile scaling is told of once per tile and channel.
#[test]
fn tile_scaling_tells_of_each_tile() {
    let dir = folder();
    let input = frames(&dir.path().join("in"), &[0, 1, 2, 3], 90.0, 1.0);
    let out = dir.path().join("out");
    mosaic(&[&input], &out, &["--normalize", "tile-scaling"]).expect(0, "");
    let log = std::fs::read_to_string(out.join("logs/run.log")).unwrap();
    let lines = || log.lines().filter_map(|line| line.split_once("[GRIDPHO] "));
    assert_eq!(lines().count(), 4, "{log}");
    for (index, (gain, (_, line))) in numbers(&out, "gain_r").into_iter().zip(lines()).enumerate() {
        let expected = format!("tile={index} channel=0 ");
        assert!(line.starts_with(&expected), "{line}");
        let told = line.split_once(" gain=").and_then(|(_, rest)| rest.split(' ').next()).unwrap();
        assert!((told.parse::<f64>().unwrap() - gain).abs() < 1e-5, "{line}: {gain}");
    }
}
