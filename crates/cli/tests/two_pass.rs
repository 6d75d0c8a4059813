//! `--two-pass-coverage-renorm`: gains from coverage go to frames, are told of, and depend on frames and options alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use common::*;

fn gains(out: &Path) -> Vec<f64> {
    csv_column(out, "gain_r").iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn frames_get_gains_from_coverage_and_are_told_of() {
    let dir = folder();
    let input = mono_frames(&dir.path().join("in"), 6);
    let out = |name: &str| dir.path().join(name);
    let flags = ["--two-pass-coverage-renorm", "--two-pass-sigma", "30"];
    mosaic(&[&input], &out("plain"), &[]).expect(0, "");
    assert!(gains(&out("plain")).iter().all(|gain| *gain == 1.0));
    mosaic(&[&input], &out("one"), &[&flags[..], &["-j", "1"]].concat()).expect(0, "W-TWO-PASS");
    mosaic(&[&input], &out("four"), &[&flags[..], &["-j", "4"]].concat()).expect(0, "W-TWO-PASS");
    let found = gains(&out("one"));
    assert!(found.iter().all(|gain| (0.85..=1.18).contains(gain)), "{found:?}");
    assert!(found.iter().any(|gain| (gain - 1.0).abs() > 1e-4), "{found:?}");
    let bytes = |name: &str| std::fs::read(out(name).join("mosaic.fits")).unwrap();
    assert!(bytes("one") == bytes("four"));
    let log = std::fs::read_to_string(out("one").join("logs/run.log")).unwrap();
    let blur = log.lines().filter(|line| line.contains("[TwoPass] blur rows(cpu/gpu)="));
    assert!(blur.clone().count() > 0 && !log.contains("rows(cpu/gpu)=0/0"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("[TwoPass] tile ")).count(), found.len());
    // A narrow clip holds them.
    let narrow = [&flags[..], &["--two-pass-gain-clip", "0.9999,1.0001"]].concat();
    mosaic(&[&input], &out("narrow"), &narrow).expect(0, "W-TWO-PASS");
    assert!(gains(&out("narrow")).iter().all(|gain| (gain - 1.0).abs() <= 1.0001e-4));
}

/// What its threads work at is told when it stands still.
#[test]
fn a_stall_is_told_with_what_was_under_way() {
    let dir = folder();
    let input = mono_frames(&dir.path().join("in"), 3);
    for (number, what) in [
        "two-pass: outline of f1.fits",
        "two-pass: coverage of the canvas",
        "two-pass: blur of rows 64",
        "two-pass: gains",
    ]
    .into_iter()
    .enumerate()
    {
        let out = dir.path().join(format!("out{number}"));
        let mut command = program();
        command.arg("mosaic").arg(&input).arg("-o").arg(&out).args(["--watchdog", "0.3"]);
        command.args(["--two-pass-coverage-renorm", "--two-pass-sigma", "30"]);
        command.env("ZEMOSAIC_TEST_STALL", format!("{what}=1.5"));
        run(&mut command).expect(0, "W-STALLED");
        let text = std::fs::read_to_string(out.join("logs/stall_1.txt")).unwrap();
        assert!(text.contains(&format!("doing: {what}")), "{what}: {text}");
    }
}

#[test]
fn frames_of_one_tile_get_one_gain() {
    let dir = folder();
    let input = mono_frames(&dir.path().join("in"), 6);
    let out = dir.path().join("out");
    let mut command = program();
    command.arg("run").arg(&input).arg("-o").arg(&out);
    command.args(["--mode", "classic", "--cluster-groups", "2", "--min-group-size", "1", "--match", "none"]);
    command.args(["--two-pass-coverage-renorm", "--two-pass-sigma", "30"]);
    run(&mut command).expect(0, "W-TWO-PASS");
    let tiles = csv_column(&out, "tile");
    let found = gains(&out);
    for (tile, gain) in tiles.iter().zip(&found) {
        let first = tiles.iter().position(|other| other == tile).unwrap();
        assert_eq!(*gain, found[first]);
    }
    assert!(tiles.iter().any(|tile| *tile != tiles[0]));
}

#[test]
fn what_has_no_effect_is_refused() {
    let dir = folder();
    let input = mono_frames(&dir.path().join("in"), 2);
    let out = dir.path().join("out");
    mosaic(&[&input], &out, &["--two-pass-sigma", "30"]).tells("only with --two-pass-coverage-renorm");
    let wrong = ["--two-pass-coverage-renorm", "--two-pass-gain-clip", "1.2,0.9"];
    mosaic(&[&input], &out, &wrong).tells("the lower first");
    mosaic(&[&input], &out, &["--two-pass-coverage-renorm", "--two-pass-sigma", "0"])
        .tells("a sigma of 0 px");
}
