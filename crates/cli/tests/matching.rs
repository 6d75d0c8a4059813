//! `--match` through the program: ramps without noise go exactly, a reference changes one gain, offset and surface, parts
//! without common sky are told, and log, header and report say what was done.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{ColumnData, ImageData, read_table};
use zemosaic_testkit::rng::Rng;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, fit_residual, noise_image, star_image, write_test_frame};

const EXISTING: [&str; 3] = ["--mode", "classic", "--existing-tiles"];
/// No rejection and equal weights: what is compared is the photometry alone.
const PLAIN: [&str; 4] = ["--reject", "none", "--weights", "none"];

/// `zemosaic COMMAND INPUT... -o OUT MORE...`
fn zemosaic<P: AsRef<Path>>(command: &str, inputs: &[P], out: &Path, more: &[&str]) -> Ran {
    run(program().arg(command).args(inputs.iter().map(AsRef::as_ref)).arg("-o").arg(out).args(more))
}

fn report(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

fn numbers(out: &Path, name: &str) -> Vec<f64> {
    csv_column(out, name).iter().map(|text| text.parse().unwrap()).collect()
}

fn log_of(out: &Path) -> String {
    std::fs::read_to_string(out.join("logs/run.log")).unwrap()
}

/// Value in a mosaic, value in another, place.
type Pixel = (f64, f64, (f64, f64));

/// Planes of two mosaics, pixel by pixel.
fn common_pixels(a: &Path, b: &Path) -> Vec<Pixel> {
    let (a, b) = (Mosaic::open(a), Mosaic::open(b));
    let (first, second) = (a.plane("SCI", 0), b.plane("SCI", 0));
    assert_eq!(first.len(), second.len());
    let width = a.grid().width_px;
    let place = |index: usize| ((index % width) as f64, (index / width) as f64);
    let pixels = first.iter().zip(&second).enumerate();
    let pixels = pixels.inspect(|(_, (a, b))| assert_eq!(a.is_nan(), b.is_nan()));
    let found: Vec<_> = pixels
        .filter(|(_, (a, _))| !a.is_nan())
        .map(|(index, (a, b))| (f64::from(*a), f64::from(*b), place(index)))
        .collect();
    assert!(found.len() > WIDTH * HEIGHT / 2, "{}", found.len());
    found
}

const STRIP: usize = 20;
const STEP_PX: usize = 60;

/// A strip of frames without noise, cut from one image of a slope and stars: gain x sky + offset of each frame. As the rasters are
/// one, levels of common blocks are of the same pixels.
fn strip(
    folder: &Path,
    star_flux: f64,
    gain: impl Fn(usize) -> f64,
    offset: impl Fn(usize) -> f64,
) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let long = WIDTH + (STRIP - 1) * STEP_PX;
    let mut rng = Rng::for_keys(4, &[1]);
    // The same stars again and again, so that every pair has some.
    let some: Vec<(f64, f64, f64)> = (0..14)
        .map(|_| {
            let place = (rng.range(0.0, STEP_PX as f64), rng.range(0.0, HEIGHT as f64));
            (place.0, place.1, star_flux * (1.0 + 9.0 * rng.uniform()))
        })
        .collect();
    let again =
        |period: usize| some.iter().map(move |(x, y, flux)| (x + (period * STEP_PX) as f64, *y, *flux));
    let stars: Vec<(f64, f64, f64)> = (0..long.div_ceil(STEP_PX)).flat_map(again).collect();
    let light = star_image(long, HEIGHT, &stars, 2.6);
    // In quarters, so that f32 holds sky, offset and gain x sky exactly. An even slope, of which no pixel is clipped: else the last
    // digit of a limit would decide of some.
    let sky = |x: usize, y: usize| {
        let slope = 0.5 * x as f64 + 0.25 * y as f64;
        1000.0 + slope + 8.0 * (f64::from(light[y * long + x]) / 8.0).round()
    };
    // The grid has a pixel on the tangent point. So have the frames: else pixels lie on the borders of blocks, where
    // the last digit of a position decides to which they belong.
    let mut whole = TanFrame::pointed_at((150.0, 0.0), SCALE_ARCSEC, 0.0, Parity::Sky, (long, HEIGHT));
    whole.crpix_px = [(long / 2) as f64, (HEIGHT / 2) as f64];
    for index in 0..STRIP {
        let mut frame = whole.clone();
        (frame.width_px, frame.crpix_px[0]) = (WIDTH, whole.crpix_px[0] - (index * STEP_PX) as f64);
        let pixel = |at: usize| gain(index) * sky(at % WIDTH + index * STEP_PX, at / WIDTH) + offset(index);
        let pixels: Vec<f32> = (0..WIDTH * HEIGHT).map(|at| pixel(at) as f32).collect();
        let path = folder.join(format!("f{index:02}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&pixels), observed(index)).unwrap();
    }
    folder.to_path_buf()
}

#[test]
fn ramps_without_noise_go_from_the_mosaic() {
    let dir = folder();
    let offset = |index: usize| 300.0 * index as f64;
    let gain = |index: usize| 1.0 + index as f64 / 32.0;
    let ramp = offset(STRIP - 1);
    // Offsets need no star, and without one no pixel is clipped.
    for (name, star_flux, has_gain) in [("offset", 0.0, false), ("full", 3000.0, true)] {
        let of = |index: usize| if has_gain { gain(index) } else { 1.0 };
        let input = strip(&dir.path().join(name), star_flux, of, offset);
        let flat = strip(&dir.path().join(format!("flat-{name}")), star_flux, |_| 1.0, |_| 0.0);
        let truth = dir.path().join(format!("truth-{name}"));
        mosaic(&[&flat], &truth, &[&PLAIN[..], &["--match", "none"]].concat()).expect(0, "");
        let out = dir.path().join(format!("out-{name}"));
        let flags = [&PLAIN[..], &["--match", name, "-j", "2"]].concat();
        mosaic(&[&input], &out, &flags).expect(0, "");
        let pixels = common_pixels(&out.join("mosaic.fits"), &truth.join("mosaic.fits"));
        let found: Vec<f64> = pixels.iter().map(|(found, ..)| *found).collect();
        let truth: Vec<f64> = pixels.iter().map(|(_, truth, _)| *truth).collect();
        let one = vec![1.0; truth.len()];
        let residual = if has_gain {
            fit_residual(&found, &[truth, one])
        } else {
            let difference: Vec<f64> = found.iter().zip(&truth).map(|(found, truth)| found - truth).collect();
            fit_residual(&difference, &[one])
        };
        let gains: Vec<f64> = numbers(&out, "gain_r");
        for (index, own) in gains.iter().enumerate() {
            let expected = if has_gain { gain(0) / gain(index) } else { 1.0 };
            assert!((own / gains[0] / expected - 1.0).abs() < 1e-6, "{name}: {gains:?}");
        }
        // With stars the last digit of a limit decides of some pixels of a block: 3e-3 of a level of 1,000 to 2,600.
        assert!(residual < 1e-6 * ramp, "{name}: {:e} of the ramp", residual / ramp);
        run(program().arg("check").arg(&out)).expect(0, "");
        let header = Mosaic::open(&out.join("mosaic.fits")).header("SCI").clone();
        assert_eq!(header.get_str("ZMMATCH").as_deref(), Some(name));
        // Steps are in units of a noise that is none here: only that it was looked at.
        assert!(header.get_str("ZMSEAM").as_deref() == Some("UNKNOWN"));
        let html = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert!(html.contains("<svg") && html.contains("f07.fits"), "{}", html.len());
    }
    let truth = dir.path().join("truth-offset");
    // Without a match the ramp is there: what is measured above is not nothing.
    let out = dir.path().join("unmatched");
    mosaic(&[dir.path().join("offset")], &out, &PLAIN).expect(0, "");
    let pixels = common_pixels(&out.join("mosaic.fits"), &truth.join("mosaic.fits"));
    let difference: Vec<f64> = pixels.iter().map(|(found, truth, _)| found - truth).collect();
    assert!(fit_residual(&difference, &[vec![1.0; difference.len()]]) > 0.4 * ramp);
    assert!(Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_str("ZMMATCH").is_none());
}

/// Frames with noise, gains, offsets and gradients of their own.
fn noisy(folder: &Path, count: usize) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for index in 0..count {
        let frame = pointing(index, 4.0);
        let mut image = sky_image(&frame, 100 + index as u64);
        let (gain, offset) = (1.0 + 0.1 * index as f32, 70.0 * (index as f32 * 2.4).sin());
        for (at, value) in image.iter_mut().enumerate() {
            let x = (at % WIDTH) as f32 / WIDTH as f32;
            *value = gain * *value + offset + 20.0 * x * (index as f32 - 2.0);
        }
        let path = folder.join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&image), observed(index)).unwrap();
    }
    folder.to_path_buf()
}

#[test]
fn a_reference_changes_one_gain_offset_and_surface_of_the_mosaic() {
    let dir = folder();
    let input = noisy(&dir.path().join("in"), 5);
    for (method, with_surface) in [("full", false), ("surface", true)] {
        let out = |name: &str| dir.path().join(format!("{method}-{name}"));
        mosaic(&[&input], &out("free"), &["--match", method, "--reject", "none"]).expect(0, "");
        let free = out("free").join("mosaic.fits");
        let inputs = read_table(&free, Mosaic::open(&free).hdu("INPUTS")).unwrap();
        let errors = inputs.iter().find(|column| column.name == "SURFACE_ERR").map(|column| &column.data);
        match errors {
            Some(ColumnData::F64Array { width: 5, values }) => {
                assert!(with_surface && values.iter().all(|error| *error > 0.0), "{values:?}");
            }
            other => assert!(!with_surface && other.is_none(), "{other:?}"),
        }
        let mut moved = 0;
        for (number, name) in [(0, "f0.fits"), (2, "2"), (4, "f4.fits")] {
            let flags = ["--match", method, "--reject", "none", "--match-reference", name];
            mosaic(&[&input], &out(name), &flags).expect(0, "");
            assert_eq!(report(&out(name))["gauge"]["reference"], format!("f{number}.fits"));
            assert_eq!(numbers(&out(name), "gain_r")[number], 1.0);
            assert_eq!(numbers(&out(name), "offset_r")[number], 0.0);
            let pixels = common_pixels(&out(name).join("mosaic.fits"), &out("free").join("mosaic.fits"));
            let of = |pick: &dyn Fn(&Pixel) -> f64| -> Vec<f64> { pixels.iter().map(pick).collect() };
            let (own, free) = (of(&|pixel| pixel.0), of(&|pixel| pixel.1));
            let mut terms = vec![free, vec![1.0; own.len()]];
            if with_surface {
                terms.push(of(&|(.., (x, _))| *x / 100.0));
                terms.push(of(&|(.., (_, y))| *y / 100.0));
                terms.push(of(&|(.., (x, _))| (x / 100.0).powi(2)));
                terms.push(of(&|(.., (x, y))| x * y / 1e4));
                terms.push(of(&|(.., (_, y))| (y / 100.0).powi(2)));
            }
            let most = own.iter().fold(0.0, |most: f64, own| most.max(own.abs()));
            let residual = fit_residual(&own, &terms);
            assert!(residual < 1e-6 * most, "{method} {name}: {residual:e} of {most}");
            moved += usize::from(fit_residual(&own, &terms[..1]) > 1e-3 * most);
        }
        assert!(moved >= 2, "{method}: {moved}");
    }
    let flags = ["--match", "full", "--match-reference", "nobody", "--force"];
    mosaic(&[&input], &dir.path().join("no"), &flags).expect(2, "E-USAGE").tells("nobody");
}

#[test]
fn parts_without_common_sky_are_told() {
    let dir = folder();
    let input = dir.path().join("in");
    std::fs::create_dir_all(&input).unwrap();
    for index in 0..6 {
        let ra = 150.0 + 0.2 * (index / 3) as f64 + 0.004 * (index % 3) as f64;
        let frame = TanFrame::pointed_at((ra, 41.0), SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT));
        let mut image = sky_image(&frame, 40 + index as u64);
        let step = [0.0, 50.0, 10.0, 1000.0, 1050.0, 1010.0][index];
        for value in &mut image {
            *value += step;
        }
        let path = input.join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&image), observed(index)).unwrap();
    }
    let out = dir.path().join("stack");
    let ran = zemosaic("stack", &[&input], &out, &["--match", "offset", "--gate", "off"]);
    ran.expect(0, "W-GAUGE").tells("the frames form 2 parts that share no block of sky");
    assert_eq!(report(&out)["gauge"]["components"], serde_json::json!([3, 3]));
    let offsets = numbers(&out, "offset_r");
    for (index, expected) in [20.0, -30.0, 10.0, 20.0, -30.0, 10.0].into_iter().enumerate() {
        assert!((offsets[index] - expected).abs() < 2.0, "{offsets:?}");
    }
    for part in offsets.chunks(3) {
        // As exact as the table is.
        assert!(part.iter().sum::<f64>().abs() < 1e-4, "{offsets:?}");
    }
    run(program().arg("check").arg(&out)).expect(0, "");
    // Each group a mosaic of its own: nothing is disjoint.
    let ran = mosaic(&[&input], &dir.path().join("all"), &["--match", "offset", "--group", "all"]);
    assert!(!ran.expect(0, "").stderr.contains("W-GAUGE"), "{}", ran.stderr);
    // A frame alone keeps its level, and is told.
    let few: Vec<PathBuf> = [0, 1, 3].map(|index| input.join(format!("f{index}.fits"))).to_vec();
    let out = dir.path().join("alone");
    let ran = zemosaic("stack", &few, &out, &["--match", "offset", "--gate", "off"]);
    ran.expect(0, "W-GAUGE").tells("1 frames share no block of sky with another").tells("f3.fits");
    assert_eq!(numbers(&out, "offset_r")[2], 0.0);
}

#[test]
fn the_log_has_the_lines_that_zemosaics_users_know() {
    let dir = folder();
    let input = mono_frames(dir.path(), 12);
    let few = [0, 1, 2].map(|index| input.join(format!("f{index}.fits")));
    let all = [input];
    for (name, inputs, threads) in [("two", &all[..], "2"), ("one", &all[..], "1"), ("few", &few[..], "2")] {
        let out = dir.path().join(name);
        mosaic(inputs, &out, &["--match", "full", "-j", threads]).expect(0, "");
        let pairs = report(&out)["gauge"]["pairs"].as_u64().unwrap();
        let log = log_of(&out);
        let head = match name {
            "two" => format!("[Intertile] Parallel: threadpool workers=2 pairs={pairs} preview="),
            _ => format!("[Intertile] Sequential: workers=1 pairs={pairs} preview="),
        };
        assert!(log.contains(&head), "'{head}' is not in {log}");
        if name == "few" {
            assert_eq!(pairs, 3, "{log}");
        } else {
            assert!(pairs > 25, "{log}");
        }
        assert_eq!(log.matches("[Intertile] Parallel").count(), usize::from(name == "two"), "{log}");
        assert!(log.contains(&format!("[Intertile] progress pairs_done={pairs}/{pairs}\n")), "{log}");
        let lines = log.matches("[Intertile] progress pairs_done=").count() as u64;
        assert_eq!(lines, pairs.div_ceil(25), "{log}");
        let samples = format!("gauge: channel L: {pairs} pairs, gains of ");
        assert_eq!(log.matches(&samples).count(), 1, "{log}");
        let metric = "[GRID][METRICS] Inter-tile median stddev (channel L): ";
        let figures: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(metric)?.1)).collect();
        assert_eq!(figures.len(), 3, "{log}");
        for (figure, when) in figures.iter().zip(["(raw)", "(after gain)", "(after offset)"]) {
            let (value, rest) = figure.split_once(" ADU ").unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0 && rest == when, "{figure}");
        }
        let header = Mosaic::open(&out.join("mosaic.fits")).header("SCI").clone();
        assert_eq!(header.get_str("ZMMATCH").as_deref(), Some("full"));
        assert_eq!(header.get_str("ZMSEAM").as_deref(), Some("PASS"));
        // Listeners hear the same.
        let events = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
        assert!(events.contains("[Intertile] progress pairs_done=") && events.contains(metric), "{events}");
    }
    // Without a match there is none of it.
    let out = dir.path().join("none");
    mosaic(&all, &out, &[]).expect(0, "");
    assert!(!log_of(&out).contains("[Intertile]") && !log_of(&out).contains("[GRID]"));
}

#[test]
fn only_one_way_to_one_level() {
    let dir = folder();
    let input = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    for flags in [
        &["--match", "offset", "--normalize", "sky-mean"][..],
        &["--match", "none", "--match-reference", "f0.fits"],
        &["--match", "zemosaic", "--match-reference", "f0.fits"],
        &["--match", "full", "--match-order", "plane"],
        &["--match-pairs", "3"],
        &["--match", "other"],
    ] {
        mosaic(&[&input], &out, flags).expect(2, "");
        assert!(!out.exists(), "{flags:?}");
    }
    // Where only --normalize is given, nothing is matched.
    zemosaic("run", &[&input], &out, &["--normalize", "sky-mean", "--solve", "off"]).expect(0, "");
    assert!(Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_str("ZMMATCH").is_none());
}

#[test]
fn no_match_is_a_mosaic_as_it_always_was() {
    let dir = folder();
    let input = mono_frames(dir.path(), 4);
    let made = |command: &str, flags: &[&str]| {
        let out = dir.path().join("out");
        zemosaic(command, &[&input], &out, &[flags, &["--force"]].concat()).expect(0, "");
        ["mosaic.fits", "frames.csv", "mosaic_preview.png"].map(|name| std::fs::read(out.join(name)).unwrap())
    };
    let plain = made("mosaic", &[]);
    assert!(plain == made("mosaic", &["--match", "none"]));
    let off = ["--solve", "off", "--gate", "off", "--hot-pixels", "off", "--match", "none"];
    assert!(plain == made("run", &off));
    // A match is the default of run, and changes bytes.
    assert!(plain != made("run", &off[..6]));
}

/// Two panels that overlap by a third, three frames each, the second `step` ADU brighter.
fn panels(dir: &Path, step: f32) -> [Vec<PathBuf>; 2] {
    let frames = dir.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    [("a", 0.0), ("b", 130.0)].map(|(name, shift)| {
        let one = |index: usize| {
            let pixel = SCALE_ARCSEC / 3600.0;
            let ra = 150.0 + (shift + 3.3 * index as f64) * pixel / 41.0_f64.to_radians().cos();
            let pointing = (ra, 41.0 - 2.7 * pixel * index as f64);
            let frame = TanFrame::pointed_at(pointing, SCALE_ARCSEC, 4.0, Parity::Sky, (WIDTH, HEIGHT));
            let mut image = sky_image(&frame, 500 + shift as u64 + index as u64);
            if name == "b" {
                for value in &mut image {
                    *value += step;
                }
            }
            let path = frames.join(format!("{name}{index}.fits"));
            write_test_frame(&path, &frame, ImageData::F32(&image), observed(index)).unwrap();
            path
        };
        (0..3).map(one).collect()
    })
}

fn medians_at_the_sides(path: &Path) -> (f64, f64) {
    let mosaic = Mosaic::open(path);
    let (plane, width) = (mosaic.plane("SCI", 0), mosaic.grid().width_px);
    let of = |from: usize| {
        let columns = from..from + 40;
        let inside = plane.iter().enumerate().filter(|(at, _)| columns.contains(&(at % width)));
        let mut values: Vec<f32> = inside.map(|(_, value)| *value).filter(|value| !value.is_nan()).collect();
        values.sort_by(f32::total_cmp);
        f64::from(values[values.len() / 2])
    };
    (of(20), of(width - 60))
}

/// What was done to each tile is in TILES, in the report and in the history: offsets that take `steps` away.
#[track_caller]
fn assert_tiles_are_told_of(path: &Path, steps: [f64; 2]) {
    let mosaic = Mosaic::open(path);
    let columns = read_table(path, mosaic.hdu("TILES")).unwrap();
    let data = |name: &str| &columns.iter().find(|column| column.name == name).unwrap().data;
    let values = |name: &str| match data(name) {
        ColumnData::F64(values) | ColumnData::F64Array { values, .. } => values.clone(),
        other => unreachable!("{name} has {other:?}"),
    };
    assert_eq!(*data("TILE"), ColumnData::I32(vec![1, 2]));
    assert_eq!(*data("FILE"), ColumnData::Text(vec!["one.fits".into(), "two.fits".into()]));
    let (gain, offset) = (values("GAIN"), values("OFFSET"));
    let level = |tile: usize, raw: f64| gain[tile] * raw + offset[tile];
    let [one, two] = [0, 1].map(|tile| level(tile, LEVEL_ADU + steps[tile]));
    assert!((one - two).abs() < 5.0 && (offset[0] - offset[1]).abs() > 1.0, "{gain:?} {offset:?}");
    assert!(values("OFFSET_ERR").iter().all(|error| *error > 0.0), "{columns:?}");
    let report = report(path.parent().unwrap());
    for tile in 0..2 {
        let own = &report["tiles"][tile]["gauge"];
        assert!((own["gain"][0].as_f64().unwrap() - gain[tile]).abs() < 1e-12, "{own}");
        assert!((own["offset"][0].as_f64().unwrap() - offset[tile]).abs() < 1e-9, "{own}");
        assert!(own["offset_error"][0].as_f64().unwrap() > 0.0, "{own}");
    }
    let cards = String::from_utf8_lossy(&mosaic.header("SCI").to_bytes()).into_owned();
    assert!(cards.contains("zemosaic gauge: full") && cards.contains("table TILES"), "{cards}");
}

#[test]
fn tiles_of_several_runs_are_matched_and_those_of_one_are_not() {
    let dir = folder();
    let [a, b] = panels(dir.path(), 300.0);
    let whole = dir.path().join("whole");
    let flags = ["--mode", "classic", "--cluster-threshold", "0.05", "--gate", "off", "--match", "none"];
    zemosaic("run", &[dir.path().join("frames")], &whole, &flags).expect(0, "");
    let merged = |tiles: &Path, name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        zemosaic("run", &[tiles], &out, &[&EXISTING[..], more].concat()).expect(0, "");
        run(program().arg("check").arg(&out)).expect(0, "");
        out.join("mosaic.fits")
    };
    let is_matched = |path: &Path| Mosaic::open(path).header("SCI").get_str("ZMMATCH");
    // Of one run: its photometry is the run's.
    let one = merged(&whole.join("tiles"), "one", &[]);
    let none = merged(&whole.join("tiles"), "one-none", &["--match", "none"]);
    assert_eq!((is_matched(&one), is_matched(&none)), (None, None));
    for name in ["SCI", "WHT", "VAR"] {
        let bits = |path: &Path| -> Vec<u32> {
            Mosaic::open(path).plane(name, 0).into_iter().map(f32::to_bits).collect()
        };
        assert!(bits(&one) == bits(&none) && bits(&one) == bits(&whole.join("mosaic.fits")), "{name}");
    }
    let (left, right) = medians_at_the_sides(&one);
    assert!(((left - right).abs() - 300.0).abs() < 5.0, "{left} {right}");
    // Of two runs on one grid.
    let (tiles, grid) = (dir.path().join("stacks"), whole.join("mosaic.fits"));
    for (inputs, file) in [(&a, "one.fits"), (&b, "two.fits")] {
        let flags = ["--grid", grid.to_str().unwrap(), "--gate", "off"];
        zemosaic("stack", inputs, &tiles.join(file), &flags).expect(0, "");
    }
    let two = merged(&tiles, "two", &[]);
    assert_eq!(is_matched(&two).as_deref(), Some("full"));
    let (left, right) = medians_at_the_sides(&two);
    assert!((left - right).abs() < 5.0, "{left} {right}");
    assert!((0.5 * (left + right) - LEVEL_ADU - 150.0).abs() < 10.0, "{left} {right}");
    assert_tiles_are_told_of(&two, [0.0, 300.0]);
    let none = merged(&tiles, "two-none", &["--match", "none"]);
    assert_eq!(is_matched(&none), None);
    assert!(report(none.parent().unwrap())["tiles"][0].get("gauge").is_none());
    let (left, right) = medians_at_the_sides(&none);
    assert!(((left - right).abs() - 300.0).abs() < 5.0, "{left} {right}");
    // Tiles of one run are matched where it is asked for.
    let asked = merged(&whole.join("tiles"), "one-asked", &["--match", "offset"]);
    assert_eq!(is_matched(&asked).as_deref(), Some("offset"));
    let (left, right) = medians_at_the_sides(&asked);
    assert!((left - right).abs() < 5.0, "{left} {right}");
}

/// The dense system of ZeMosaic's match grows with the square of the frames: it is refused before it is made.
#[test]
fn a_match_beyond_the_memory_is_refused() {
    let dir = folder();
    let input = dir.path().join("in");
    std::fs::create_dir_all(&input).unwrap();
    let frame = TanFrame::pointed_at((150.0, 0.0), SCALE_ARCSEC, 0.0, Parity::Sky, (64, 64));
    let noise = noise_image(64, 64, LEVEL_ADU, SIGMA_ADU, 3);
    let mut pixels: Vec<i16> = noise.iter().map(|value| *value as i16).collect();
    for index in 0..1000 {
        // What is equal is used once.
        pixels[0] = index as i16;
        let path = input.join(format!("f{index:03}.fits"));
        write_test_frame(&path, &frame, ImageData::I16(&pixels), observed(index)).unwrap();
    }
    let out = dir.path().join("out");
    let flags = ["--match", "zemosaic", "--memory", "100MiB", "-j", "2"];
    mosaic(&[&input], &out, &flags)
        .expect(6, "E-RESOURCE")
        .tells("--match zemosaic takes")
        .tells("raise --memory or give --match full");
    assert!(!out.join("mosaic.fits").exists());
}
