//! Every way out of a run leaves a true last event, and a run that stands still says what its workers do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;

/// The events that were written, whole lines alone.
fn events(out: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(out.join("events.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A run with a stand-still at `what`, and its watchdog after `after_s` seconds.
fn stalled(input: &Path, out: &Path, what: &str, after_s: &str, flags: &[&str]) -> Ran {
    let mut command: Command = program();
    command.arg("mosaic").arg(input).arg("-o").arg(out).args(["--watchdog", after_s]).args(flags);
    command.env("ZEMOSAIC_TEST_STALL", what);
    run(&mut command)
}

#[test]
fn a_stalled_worker_is_told_of() {
    let dir = folder();
    let input = mono_frames(dir.path(), 4);
    let out = dir.path().join("goes-on");
    stalled(&input, &out, "preview of f2.fits=1.5", "0.3", &["--match", "offset"]).expect(0, "");
    let text = std::fs::read_to_string(out.join("logs/stall_1.txt")).unwrap();
    assert!(text.contains("preview of f2.fits") && text.contains("begun at:"), "{text}");
    assert!(text.contains("threads of the process"), "{text}");
    let told = events(&out);
    let stall = told.iter().find(|event| event["event"] == "stalled").unwrap();
    assert_eq!(stall["action"], "continue");
    assert!(stall["file"].as_str().unwrap().ends_with("stall_1.txt"), "{stall}");
    assert_eq!(told.last().unwrap()["event"], "finished");
    // A worker of the engine, and the end.
    let out = dir.path().join("ends");
    stalled(&input, &out, "coadd: patch=30", "0.3", &["--on-stall", "abort"]).expect(1, "");
    let told = events(&out);
    let last = told.last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["code"].as_str()),
        (Some("failed"), Some("E-STALLED")),
        "{last}"
    );
    assert!(std::fs::read_to_string(out.join("logs/stall_1.txt")).unwrap().contains("coadd: patch"));
    assert!(!out.join("mosaic.fits").exists());
    // What it left is taken away by the next run.
    mosaic(&[&input], &out, &[]).expect(0, "");
    assert_tidy(&out);
}

/// From the first header on, before there is a run folder.
#[test]
fn stages_before_the_plan_have_a_watchdog() {
    let dir = folder();
    let input = mono_frames(dir.path(), 3);
    let started = |out: &Path, what: &str, flags: &[&str]| {
        let mut command = program();
        command.arg("run").arg(&input).arg("-o").arg(out).args(["--watchdog", "0.3"]).args(flags);
        command.env("ZEMOSAIC_TEST_STALL", what);
        command
    };
    let text_of = |out: &Path| std::fs::read_to_string(out.join("logs/stall_1.txt")).unwrap();
    for (what, name) in [("ingest:", "ingest"), ("detect: f1.fits", "detect"), ("plan:", "plan")] {
        let out = dir.path().join(name);
        run(&mut started(&out, &format!("{what}=1.5"), &[])).expect(0, "W-STALLED");
        assert!(text_of(&out).contains(&format!("doing: {what}")), "{}", text_of(&out));
        let told = events(&out);
        assert!(told.iter().any(|event| event["event"] == "stalled"), "{told:?}");
        assert_eq!(told.last().unwrap()["event"], "finished");
        let ends = dir.path().join(format!("{name}-ends"));
        run(&mut started(&ends, &format!("{what}=30"), &["--on-stall", "abort"])).expect(1, "E-STALLED");
        assert!(text_of(&ends).contains(&format!("doing: {what}")), "{}", text_of(&ends));
        let told = events(&ends);
        assert_eq!(told.first().unwrap()["event"], "run-started", "{told:?}");
        assert_eq!(told.last().unwrap()["code"], "E-STALLED", "{told:?}");
    }
    // What is refused before it is solved has written nothing.
    let out = dir.path().join("refused");
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    run(program().arg("run").arg(&empty).arg("-o").arg(&out)).expect(3, "E-INPUT-NONE");
    assert!(!out.exists());
}

/// Killed while stars are looked for, the log says so.
#[cfg(unix)]
#[test]
fn a_run_killed_before_the_plan_leaves_a_true_last_event() {
    let dir = folder();
    let input = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    let mut command = program();
    command.arg("run").arg(&input).arg("-o").arg(&out).env("ZEMOSAIC_TEST_STALL", "detect: f1.fits=60");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = |told: &[serde_json::Value]| told.iter().any(|event| event["stage"] == "detect");
    for _ in 0..600 {
        if begun(&events(&out)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let told = events(&out);
    let last = told.last().unwrap();
    assert_eq!(told[0]["event"], "run-started");
    assert!(
        begun(&told) && ["stage-started", "progress"].contains(&last["event"].as_str().unwrap()),
        "{told:?}"
    );
}

/// The pair loop of a match has a watchdog too, and its count never goes back.
#[test]
fn a_stalled_pair_is_told_of() {
    let dir = folder();
    let input = mono_frames(dir.path(), 6);
    let out = dir.path().join("out");
    stalled(&input, &out, "gauge: pair 3 of 15=1.5", "0.3", &["--match", "offset"]).expect(0, "W-STALLED");
    let text = std::fs::read_to_string(out.join("logs/stall_1.txt")).unwrap();
    assert!(text.contains("doing: gauge: pair 3 of 15") && text.contains("begun at:"), "{text}");
    let log = std::fs::read_to_string(out.join("logs/run.log")).unwrap();
    let done = log.lines().filter_map(|line| line.split_once("pairs_done=")).map(|(_, own)| own);
    assert_eq!(done.collect::<Vec<_>>(), ["15/15"], "{log}");
}

/// A file that an earlier run left is not written over.
#[test]
fn stalls_of_earlier_runs_stay() {
    let dir = folder();
    let input = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join("logs")).unwrap();
    let earlier = out.join("logs/stall_1.txt");
    std::fs::write(&earlier, "of an earlier run").unwrap();
    stalled(&input, &out, "prepare: f1.fits=0.8", "0.3", &[]).expect(0, "W-STALLED");
    assert_eq!(std::fs::read_to_string(&earlier).unwrap(), "of an earlier run");
    let text = std::fs::read_to_string(out.join("logs/stall_2.txt")).unwrap();
    assert!(text.contains("doing: prepare: f1.fits"), "{text}");
    let told = events(&out);
    let stall = told.iter().find(|event| event["event"] == "stalled").unwrap();
    assert!(stall["file"].as_str().unwrap().ends_with("stall_2.txt"), "{stall}");
}

/// The log of the products that are there stays when a run that would replace them ends without products of its own.
#[test]
fn a_refused_run_leaves_the_log_of_the_earlier_one() {
    let dir = folder();
    let input = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    let run_with = |flags: &[&str]| {
        run(program().arg("run").arg(&input).arg("-o").arg(&out).args(["--mode", "direct"]).args(flags))
    };
    let logs = ["events.jsonl", "logs/run.log"];
    let aside = ["events.earlier.jsonl", "logs/run.earlier.log"];
    let texts = |names: [&str; 2]| names.map(|name| std::fs::read_to_string(out.join(name)).unwrap());
    run_with(&[]).expect(0, "");
    let first = texts(logs);
    assert!(!out.join(aside[0]).exists() && first[0].contains("\"finished\""));
    // Refused twice; the log of the refusal is true too.
    for memory in ["1M", "2M"] {
        run_with(&["--force", "--memory", memory]).expect(6, "E-RESOURCE");
        assert_eq!(texts(aside), first);
        let told = events(&out);
        assert_eq!(told[0]["event"], "run-started");
        assert!(told[0]["command"].as_str().unwrap().contains(memory), "{told:?}");
        assert_eq!(told.last().unwrap()["event"], "failed");
        assert!(out.join("mosaic.fits").exists());
    }
    // So is one that ends later on.
    run_with(&["--force", "--match-reference", "nosuch"]).expect(2, "E-USAGE");
    assert_eq!(texts(aside), first);
    // One that makes its products has the only log.
    run_with(&["--force"]).expect(0, "");
    assert!(aside.iter().all(|name| !out.join(name).exists()));
    assert_eq!(events(&out).last().unwrap()["event"], "finished");
    assert_ne!(texts(logs), first);
}

/// Commands without a run folder tell beside their file, or in the folder for unpacked copies.
#[test]
fn commands_without_a_run_folder_have_a_watchdog() {
    let dir = folder();
    let input = mono_frames(&dir.path().join("in"), 3);
    let at = |name: &str| dir.path().join(name);
    let stalled = |command: &str, what: &str, more: &[&std::ffi::OsStr]| {
        let mut program = program();
        program.arg(command).arg(&input).args(["--watchdog", "0.3"]).args(more);
        run(program.env("ZEMOSAIC_TEST_STALL", what))
    };
    let tile = at("tile.fits");
    stalled("stack", "coadd: patch=1.5", &["-o".as_ref(), tile.as_ref()]).expect(0, "W-STALLED");
    let text = std::fs::read_to_string(at("tile.fits.stall_1.txt")).unwrap();
    assert!(text.contains("doing: coadd: patch"), "{text}");
    let table = at("quality.csv");
    let flags = ["-o".as_ref(), table.as_ref()];
    stalled("quality", "quality: f1.fits=1.5", &flags)
        .expect(0, "W-STALLED")
        .tells("quality.csv.stall_1.txt");
    assert!(std::fs::read_to_string(at("quality.csv.stall_1.txt")).unwrap().contains("quality: f1.fits"));
    // Ended at once, and nowhere but in the folder that was given.
    let scratch = at("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let flags = [
        "--tmp".as_ref(),
        scratch.as_ref(),
        "--on-stall".as_ref(),
        "abort".as_ref(),
        "--ignore-wcs".as_ref(),
    ];
    stalled("solve", "detect: f1.fits=30", &flags).expect(1, "E-STALLED");
    let told = listing(&scratch).into_iter().find(|path| path.to_string_lossy().contains("_stall_1.txt"));
    let text = std::fs::read_to_string(scratch.join(told.unwrap())).unwrap();
    assert!(text.contains("doing: detect: f1.fits"), "{text}");
}

/// A command line that says nothing to be done ends as every run does, for programs that read events.
#[test]
fn usage_errors_have_a_last_event() {
    let dir = folder();
    let input = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    let cases: [(&[&str], &str); 4] = [
        (&["--match", "full", "--normalize", "sky-mean", "--json"], "--normalize"),
        (&["--kernel", "nonsense", "--json"], "nonsense"),
        (&["--json", "--no-such-flag"], "--no-such-flag"),
        (&["--pixfrac", "0.5", "--json"], "--pixfrac"),
    ];
    for (flags, names) in cases {
        let ran = mosaic(&[&input], &out, flags);
        ran.expect(2, names);
        let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["code"]), (&"failed".into(), &"E-USAGE".into()), "{last}");
        assert_eq!(last["exit_code"], 2);
        let message = last["message"].as_str().unwrap();
        assert!(message.contains(names) && !message.contains("Usage:"), "{message}");
    }
    assert!(!out.exists());
    // Nobody reads events, or the command has none.
    for (command, flags) in [("mosaic", &["--no-such-flag"][..]), ("check", &["--json", "--no-such-flag"])] {
        let ran = run(program().arg(command).arg(&input).args(flags));
        assert!(ran.code == 2 && ran.stdout.is_empty(), "{ran:?}");
    }
    assert!(run(program().args(["mosaic", "--json", "--help"])).stdout.contains("Usage"));
}

#[test]
fn without_a_watchdog_nothing_is_written() {
    let dir = folder();
    let input = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    stalled(&input, &out, "prepare: f1.fits=0.8", "0", &[]).expect(0, "");
    assert!(!out.join("logs/stall_1.txt").exists());
    let log = std::fs::read_to_string(out.join("logs/run.log")).unwrap();
    assert!(log.contains("run started") && log.trim_end().ends_with("mosaic.fits"), "{log}");
}

/// Killed at any moment the last event says what was under way, and never that all was done.
#[cfg(unix)]
#[test]
fn a_killed_run_leaves_a_true_last_event() {
    let dir = folder();
    let input = mono_frames(dir.path(), 6);
    let out = dir.path().join("out");
    let mut killed = 0;
    for wait_ms in [5, 20, 40, 60, 80, 120, 160, 240] {
        let mut command = program();
        command.arg("mosaic").arg(&input).arg("-o").arg(&out).args(["--match", "full", "--force", "-j", "1"]);
        // So that there is a time at which it is under way.
        command.env("ZEMOSAIC_TEST_STALL", "gauge: preview of f3.fits=0.1");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let told = events(&out);
        let Some(last) = told.last() else { continue };
        let name = last["event"].as_str().unwrap();
        if status.success() {
            assert_eq!(name, "finished", "{last}");
            continue;
        }
        killed += 1;
        if name == "finished" {
            // The event is written when the products are in place: nothing is missing.
            assert!(out.join("mosaic.fits").exists() && out.join("report.json").exists());
        } else {
            assert!(
                ["stage-started", "stage-finished", "progress", "planned", "run-started", "log", "warning"]
                    .contains(&name),
                "{last}"
            );
            let started = told.iter().filter(|event| event["event"] == "stage-started").count();
            let finished = told.iter().filter(|event| event["event"] == "stage-finished").count();
            assert!(started >= finished, "{told:?}");
        }
    }
    assert!(killed >= 3, "only {killed} runs were killed under way");
    mosaic(&[&input], &out, &["--force"]).expect(0, "");
    assert_tidy(&out);
}
