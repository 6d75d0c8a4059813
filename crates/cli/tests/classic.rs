//! Master tiles: one group gives the bytes of a direct mosaic, several its depth; tiles merged again give the same mosaic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{DataSpec, HduRole, HduSpec, Header, ImageData, Overwrite, ProductWriter, SampleType};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const PLANES: [&str; 5] = ["SCI", "WHT", "VAR", "DEPTH", "DQ"];
const REJECTED: [&str; 2] = ["REJLO", "REJHI"];
/// All frames in one group, however wide.
const ONE: [&str; 6] = ["--mode", "classic", "--cluster-threshold", "5", "--max-tile-width", "0"];

/// `zemosaic COMMAND INPUT... -o OUT MORE...`
fn zemosaic<P: AsRef<Path>>(command: &str, inputs: &[P], out: &Path, more: &[&str]) -> Ran {
    run(program().arg(command).args(inputs.iter().map(AsRef::as_ref)).arg("-o").arg(out).args(more))
}

/// The data of an HDU as stored.
fn data(path: &Path, name: &str) -> Vec<u8> {
    let mosaic = Mosaic::open(path);
    let hdu = &mosaic.file.hdus[mosaic.hdu(name)];
    let bytes = std::fs::read(path).unwrap();
    let start = hdu.data_offset as usize;
    bytes[start..start + hdu.data_len as usize].to_vec()
}

fn has(path: &Path, name: &str) -> bool {
    let file = zemosaic_fits::scan(path).unwrap();
    file.hdus.iter().any(|hdu| hdu.header.get_str("EXTNAME").is_some_and(|own| own == name))
}

/// Every plane has the same bytes.
#[track_caller]
fn assert_same_planes(a: &Path, b: &Path, what: &str) {
    for name in PLANES.iter().chain(REJECTED.iter().filter(|name| has(b, name))) {
        let (a, b) = (data(a, name), data(b, name));
        assert_eq!(a.len(), b.len(), "{name}: {what}");
        let first = a.iter().zip(&b).position(|(a, b)| a != b);
        assert_eq!(first, None, "first byte of {name} that differs: {what}");
    }
}

fn floats(path: &Path, name: &str) -> Vec<f32> {
    Mosaic::open(path).plane(name, 0)
}

/// Two panels that overlap by a third, `count` frames each, with an outlier in every frame.
fn panels(dir: &Path, count: usize) -> PathBuf {
    let frames = dir.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for (panel, name) in ["a", "b"].into_iter().enumerate() {
        for index in 0..count {
            let shift = panel as f64 * 130.0 * SCALE_ARCSEC / 3600.0;
            let (dx, dy) = (3.3 * index as f64, -2.7 * index as f64);
            let pixel = SCALE_ARCSEC / 3600.0;
            let ra = 150.0 + (shift + dx * pixel) / 41.0_f64.to_radians().cos();
            let pointing = (ra, 41.0 + dy * pixel);
            let frame = TanFrame::pointed_at(pointing, SCALE_ARCSEC, 4.0, Parity::Sky, (WIDTH, HEIGHT));
            let mut image = sky_image(&frame, 500 + 10 * panel as u64 + index as u64);
            image[60 * WIDTH + 50 + 7 * index] = 30_000.0;
            let path = frames.join(format!("{name}{index}.fits"));
            write_test_frame(&path, &frame, ImageData::F32(&image), observed(index)).unwrap();
        }
    }
    frames
}

/// The two panels as two groups.
const TWO: [&str; 4] = ["--mode", "classic", "--cluster-threshold", "0.05"];

#[test]
fn one_group_gives_the_bytes_of_a_direct_mosaic() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for index in 0..7 {
        write_rgb(&frames.join(format!("f{index}.fits")), &pointing(index, 3.0), index);
    }
    let options: [&[&str]; 7] = [
        &[],
        &["--reject", "none"],
        &["--kernel", "bicubic", "--background", "mesh", "--back-size", "32", "--reject", "mad"],
        &["--kernel", "drizzle", "--pixfrac", "0.6", "--reject", "none", "--flux", "flux"],
        &["--combine", "median", "--weights", "none"],
        &["--combine", "sum", "--reject", "none", "--kernel", "exact"],
        &["--combine", "max", "--reject", "none", "--kernel", "bilinear"],
    ];
    for options in options {
        let (direct, classic) = (dir.path().join("direct"), dir.path().join("classic"));
        zemosaic("run", &[&frames], &direct, options).expect(0, "");
        for machine in [["-j", "1", "-m", "512MiB"], ["-j", "3", "-m", "64MiB"]] {
            let flags = [&ONE[..], options, &machine].concat();
            zemosaic("run", &[&frames], &classic, &flags).expect(0, "");
            let (a, b) = (classic.join("mosaic.fits"), direct.join("mosaic.fits"));
            assert_same_planes(&a, &b, &format!("{flags:?}"));
            std::fs::remove_dir_all(&classic).unwrap();
        }
        std::fs::remove_dir_all(&direct).unwrap();
    }
}

#[test]
fn run_without_solving_normalisation_gates_and_hot_pixels_is_mosaic() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let plain = ["--solve", "off", "--match", "none", "--gate", "off", "--hot-pixels", "off"];
    zemosaic("run", &[&frames], &a, &plain).expect(0, "");
    mosaic(&[&frames], &b, &[]).expect(0, "");
    assert_products(dir.path(), &a);
    for name in ["mosaic.fits", "frames.csv", "mosaic_preview.png"] {
        assert!(std::fs::read(a.join(name)).unwrap() == std::fs::read(b.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn several_groups_give_the_depth_of_a_direct_mosaic_and_its_values_within_noise() {
    let dir = folder();
    let frames = panels(dir.path(), 6);
    let (direct, classic) = (dir.path().join("direct"), dir.path().join("classic"));
    for (options, tolerance) in [(&["--reject", "none"][..], 1e-5), (&[], 4.0)] {
        zemosaic("run", &[&frames], &direct, options).expect(0, "");
        zemosaic("run", &[&frames], &classic, &[&TWO[..], options].concat()).expect(0, "");
        let (a, b) = (direct.join("mosaic.fits"), classic.join("mosaic.fits"));
        assert!(data(&a, "DEPTH") == data(&b, "DEPTH"), "{options:?}");
        let variance = floats(&a, "VAR");
        let pairs = floats(&a, "SCI").into_iter().zip(floats(&b, "SCI")).zip(variance);
        let (mut compared, mut far) = (0, 0);
        for ((a, b), variance) in pairs {
            assert_eq!(a.is_nan(), b.is_nan());
            let limit = if tolerance < 1.0 { tolerance * a.abs() } else { tolerance * variance.sqrt() };
            compared += i32::from(!a.is_nan());
            far += i32::from((a - b).abs() > limit);
        }
        // Where a tile has one or two frames it cannot reject what the direct mosaic can.
        let allowed = if options.is_empty() { compared / 200 } else { 0 };
        assert!(far <= allowed, "{far} of {compared}, {options:?}");
        if options.is_empty() {
            // Six frames of each panel are enough to reject the outliers in every tile.
            assert!(floats(&b, "SCI").into_iter().all(|value| value.is_nan() || value < 25_000.0));
        } else {
            for name in ["WHT", "VAR"] {
                let pairs = floats(&a, name).into_iter().zip(floats(&b, name));
                let mut pairs = pairs.filter(|(a, _)| !a.is_nan());
                assert!(pairs.all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs()), "{name}");
            }
        }
        run(program().arg("check").arg(&b).arg(classic.join("tiles/master_tile_001.fits"))).expect(0, "");
        std::fs::remove_dir_all(&direct).unwrap();
        std::fs::remove_dir_all(&classic).unwrap();
    }
}

#[test]
fn tiles_and_mosaic_do_not_depend_on_the_machine_or_the_order_of_inputs() {
    let dir = folder();
    let frames = panels(dir.path(), 3);
    let out = dir.path().join("out");
    let products = |inputs: &[PathBuf], machine: &[&str]| {
        zemosaic("run", inputs, &out, &[&TWO[..], machine].concat()).expect(0, "");
        let names = ["mosaic.fits", "frames.csv", "tiles/master_tile_001.fits", "tiles/master_tile_002.fits"];
        let bytes = names.map(|name| std::fs::read(out.join(name)).unwrap());
        std::fs::remove_dir_all(&out).unwrap();
        bytes
    };
    let reference = products(std::slice::from_ref(&frames), &["-j", "1"]);
    let files: Vec<PathBuf> =
        ["b2", "a0", "b0", "a2", "a1", "b1"].map(|name| frames.join(format!("{name}.fits"))).to_vec();
    assert!(products(&files, &["-j", "2"]) == reference);
    assert!(products(std::slice::from_ref(&frames), &["-j", "3", "-m", "64MiB"]) == reference);
}

#[test]
fn what_a_run_with_tiles_leaves_behind() {
    let dir = folder();
    let frames = panels(dir.path(), 3);
    let out = dir.path().join("out");
    let tile = |number: usize| out.join(format!("tiles/master_tile_{number:03}.fits"));
    zemosaic("run", &[&frames], &out, &[&TWO[..], &["--gate", "off"]].concat()).expect(0, "");
    assert_tidy(dir.path());
    assert!(tile(1).exists() && tile(2).exists() && !tile(3).exists());
    let header = Mosaic::open(&tile(2)).header("SCI").clone();
    assert_eq!(header.get_str("ZMT_TYPE").unwrap(), "Master Tile");
    for (key, value) in [("ZMT_ID", 2), ("ZMT_NRAW", 3), ("ZMT_NALGN", 3), ("MT_NFRAMES", 3), ("NEXP_SUM", 3)]
    {
        assert_eq!(header.get_i64(key), Some(value), "{key}");
    }
    assert_eq!(header.get_str("ZMT_REJ").unwrap(), "auto");
    assert_eq!(header.get_str("ZMT_NORM").unwrap(), "full");
    assert_eq!(header.get_f64("ZMT_KAPLO"), Some(3.0));
    let mosaic = Mosaic::open(&out.join("mosaic.fits"));
    let origin = header.get_i64("ZMT_X0").unwrap() as f64;
    let shift = mosaic.header("SCI").get_f64("CRPIX1").unwrap() - header.get_f64("CRPIX1").unwrap();
    assert_eq!(shift, origin);
    assert_eq!(header.get_str("RUNID"), mosaic.header("SCI").get_str("RUNID"));
    let csv = std::fs::read_to_string(out.join("frames.csv")).unwrap();
    let tiles: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(tiles, ["tile", "1", "1", "1", "2", "2", "2"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["tiles"][1]["file"], "tiles/master_tile_002.fits");
    // Not over an earlier run; with --force what this run does not make is gone.
    zemosaic("run", &[&frames], &out, &ONE).expect(8, "E-OUTPUT-EXISTS");
    std::fs::remove_file(out.join("mosaic.fits")).unwrap();
    std::fs::write(tile(9), "not ours").unwrap();
    zemosaic("run", &[&frames], &out, &[&ONE[..], &["--force"]].concat()).expect(0, "");
    assert!(tile(1).exists() && !tile(2).exists() && tile(9).exists());
    std::fs::remove_file(tile(9)).unwrap();
    // The tiles of an earlier run are no frames of the next, and not those of this one when they are removed.
    let other = dir.path().join("other");
    let flags = [&TWO[..], &["--tiles", "remove", "--gate", "off"]].concat();
    zemosaic("run", &[dir.path()], &other, &flags).expect(0, "W-FRAME-PRODUCT");
    assert!(!other.join("tiles").exists());
    assert_eq!(used_frames(&other).len(), 6);
    assert_tidy(dir.path());
}

#[test]
fn a_group_without_a_usable_frame_is_told_and_the_others_go_on() {
    let dir = folder();
    let frames = panels(dir.path(), 3);
    let out = dir.path().join("out");
    for index in 0..3 {
        // Whole by its header, and not a single number in it.
        let path = frames.join(format!("b{index}.fits"));
        let frame =
            TanFrame::from_header(Mosaic::open(&path).file.hdus.first().map(|hdu| &hdu.header).unwrap());
        let pixels = vec![f32::NAN; WIDTH * HEIGHT];
        write_test_frame(&path, &frame.unwrap(), ImageData::F32(&pixels), observed(index)).unwrap();
    }
    let ran = zemosaic("run", &[&frames], &out, &TWO);
    ran.expect(9, "E-TILE-EMPTY").tells("tile 2: none of its 3 frames can be used");
    assert!(out.join("tiles/master_tile_001.fits").exists());
    assert!(!out.join("tiles/master_tile_002.fits").exists());
    assert_eq!(used_frames(&out).len(), 3);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert!(report["tiles"][1]["missing"].as_str().unwrap().contains("E-FRAME-EMPTY"));
}

#[test]
fn existing_tiles_give_the_mosaic_they_were_made_for() {
    let dir = folder();
    let frames = panels(dir.path(), 4);
    let (out, again) = (dir.path().join("out"), dir.path().join("again"));
    zemosaic("run", &[&frames], &out, &TWO).expect(0, "");
    let existing = ["--mode", "classic", "--existing-tiles"];
    for input in [out.join("tiles"), out.clone()] {
        for machine in [["-j", "1"], ["-m", "64MiB"]] {
            zemosaic("run", &[&input], &again, &[&existing[..], &machine].concat()).expect(0, "");
            assert_same_planes(&again.join("mosaic.fits"), &out.join("mosaic.fits"), "merged again");
            run(program().arg("check").arg(&again)).expect(0, "");
            let grid = |path: &Path| Mosaic::open(&path.join("mosaic.fits")).header("SCI").get_f64("CRPIX1");
            assert_eq!(grid(&again), grid(&out));
            assert_eq!(used_frames(&again), used_frames(&out));
            std::fs::remove_dir_all(&again).unwrap();
        }
    }
    // Into the folder the tiles are in.
    zemosaic("run", &[out.join("tiles")], &out, &existing).expect(8, "E-OUTPUT-EXISTS");
    let before = std::fs::read(out.join("tiles/master_tile_002.fits")).unwrap();
    zemosaic("run", &[out.join("tiles")], &out, &[&existing[..], &["--force"]].concat()).expect(0, "");
    assert!(std::fs::read(out.join("tiles/master_tile_002.fits")).unwrap() == before);
    // A cut tile is left out, the others are merged.
    let cut = out.join("tiles/master_tile_002.fits");
    std::fs::write(&cut, &before[..before.len() / 2]).unwrap();
    zemosaic("run", &[out.join("tiles")], &again, &existing).expect(9, "E-FRAME-TRUNCATED");
    assert_eq!(used_frames(&again).len(), 4);
}

#[test]
fn stacks_on_one_grid_are_tiles_of_its_mosaic() {
    let dir = folder();
    let frames = panels(dir.path(), 4);
    let out = dir.path().join("out");
    zemosaic("run", &[&frames], &out, &["--reject", "none", "--gate", "off"]).expect(0, "");
    let reference = out.join("mosaic.fits");
    let grid = reference.to_str().unwrap();
    let of_panel = |name: &str| -> Vec<PathBuf> {
        (0..4).map(|index| frames.join(format!("{name}{index}.fits"))).collect()
    };
    let tiles = dir.path().join("stacks");
    for (name, file) in [("a", "one.fits"), ("b", "two.fits")] {
        let options = ["--grid", grid, "--reject", "none"];
        zemosaic("stack", &of_panel(name), &tiles.join(file), &options).expect(0, "");
    }
    assert_eq!(listing(&tiles), ["one.fits", "two.fits"].map(PathBuf::from));
    let merged = dir.path().join("merged");
    zemosaic("run", &[&tiles], &merged, &["--mode", "classic", "--existing-tiles"]).expect(0, "");
    assert!(data(&merged.join("mosaic.fits"), "DEPTH") == data(&reference, "DEPTH"));
    // A folder gets tables and a log; a stack is not written over an input or an earlier stack.
    let folder = dir.path().join("folder");
    zemosaic("stack", &[&frames], &folder, &[]).expect(0, "");
    let names = [
        "events.jsonl",
        "frames.csv",
        "logs",
        "logs/run.log",
        "master_tile_001.fits",
        "report.html",
        "report.json",
        "run.toml",
    ];
    assert_eq!(listing(&folder), names.map(PathBuf::from));
    zemosaic("stack", &[&frames], &folder, &[]).expect(8, "E-OUTPUT-EXISTS");
    let input = frames.join("a0.fits");
    zemosaic("stack", &[&frames], &input, &["--force"]).expect(2, "is an input");
    zemosaic("stack", &[&frames], &folder, &["--force", "--group", "1"]).expect(2, "--group");
    assert_tidy(dir.path());
}

/// Frames without common sky are one stack all the same.
#[test]
fn a_stack_takes_frames_that_do_not_touch() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for index in 0..4 {
        let ra = 150.0 + 0.2 * (index / 2) as f64;
        let frame = TanFrame::pointed_at((ra, 0.0), SCALE_ARCSEC, 0.0, Parity::Sky, (WIDTH, HEIGHT));
        write_mono(&frames.join(format!("f{index}.fits")), &frame, index);
    }
    let out = dir.path().join("stack.fits");
    zemosaic("stack", &[&frames], &out, &[]).expect(0, "");
    assert_eq!(Mosaic::open(&out).header("SCI").get_i64("ZMT_NALGN"), Some(4));
}

/// A tile as ZeMosaic writes it: colours first, zero where there are no data, which ALPHA tells.
fn write_foreign(path: &Path, frame: &TanFrame, seed: u64) {
    let plane = |channel: u64| {
        let mut plane = noise_image(WIDTH, HEIGHT, 500.0, 2.0, seed + channel);
        plane.chunks_mut(WIDTH).for_each(|row| row[..40].fill(0.0));
        plane
    };
    let cube: Vec<f32> = (0..3).flat_map(plane).collect();
    let dims = vec![WIDTH, HEIGHT, 3];
    let mut header = Header::for_image(HduRole::Primary, SampleType::F32, &dims);
    let plain = path.with_extension("tmp");
    write_test_frame(&plain, frame, ImageData::F32(&cube), |_| {}).unwrap();
    let wcs = zemosaic_fits::scan(&plain).unwrap().hdus.remove(0).header;
    std::fs::remove_file(&plain).unwrap();
    let known: Vec<String> = header.keywords().map(str::to_owned).collect();
    header.extend_from(&wcs, |key| !known.iter().any(|own| own == key) && !key.contains("SUM"));
    header.set_str("ZMT_TYPE", "Master Tile", "");
    let mut alpha = vec![255_u8; WIDTH * HEIGHT];
    alpha.chunks_mut(WIDTH).for_each(|row| row[..40].fill(0));
    let mut alpha_header = Header::for_image(HduRole::Extension, SampleType::U8, &[WIDTH, HEIGHT]);
    alpha_header.set_str("EXTNAME", "ALPHA", "");
    let hdus = vec![
        HduSpec { header, data: DataSpec::F32 { dims } },
        HduSpec { header: alpha_header, data: DataSpec::Bytes(alpha) },
    ];
    let writer = ProductWriter::create(path, hdus, Overwrite::Refuse).unwrap();
    for plane in 0..3 {
        let window = zemosaic_fits::Window { x0: 0, y0: 0, width: WIDTH, height: HEIGHT };
        let n = WIDTH * HEIGHT;
        writer.write_f32(0, plane, window, &cube[plane * n..(plane + 1) * n]).unwrap();
    }
    writer.finish(Vec::new()).unwrap();
}

#[test]
fn tiles_of_zemosaic_are_frames_with_alpha_for_weights() {
    let dir = folder();
    let tiles = dir.path().join("tiles");
    std::fs::create_dir_all(&tiles).unwrap();
    for index in 0..2 {
        let path = tiles.join(format!("master_tile_{index:03}.fits"));
        write_foreign(&path, &pointing(index, 0.0), 900 + 10 * index as u64);
    }
    std::fs::write(tiles.join("other.fits"), "not a tile").unwrap();
    let out = dir.path().join("out");
    let flags = ["--mode", "classic", "--existing-tiles", "--reject", "none"];
    zemosaic("run", &[&tiles], &out, &flags).expect(0, "");
    assert_eq!(used_frames(&out).len(), 2);
    let mosaic = Mosaic::open(&out.join("mosaic.fits"));
    for plane in 0..3 {
        let values = mosaic.plane("SCI", plane);
        assert!(values.iter().filter(|value| !value.is_nan()).all(|value| (value - 500.0).abs() < 15.0));
        let covered = values.iter().filter(|value| !value.is_nan()).count();
        assert!(covered > HEIGHT * (WIDTH - 60), "{covered}");
    }
}

#[test]
fn options_of_tiles_without_an_effect_are_mistakes() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    for flags in [
        &["--tiles", "remove"][..],
        &["--cluster-threshold", "0.1"],
        &["--existing-tiles"],
        &["--mode", "classic", "--existing-tiles", "--min-group-size", "2"],
        &["--mode", "classic", "--existing-tiles", "--demosaic", "bilinear"],
        &["--mode", "classic", "--existing-tiles", "--dark", "dark.fits"],
        &["--mode", "classic", "--existing-tiles", "--hot-pixels", "off"],
        &["--mode", "classic", "--existing-tiles", "--gain", "2"],
        &["--mode", "classic", "--existing-tiles", "--rgb-equalize", "both"],
        &["--mode", "classic", "--cluster-groups", "2", "--max-tile-width", "2"],
        &["--mode", "classic", "--cluster-groups", "2", "--cluster-threshold", "2"],
        &["--mode", "classic", "--orientation-split", "-3"],
        &["--mode", "classic", "--cluster-groups", "0"],
    ] {
        let ran = zemosaic("run", &[&frames], &out, flags);
        assert_eq!(ran.code, 2, "{flags:?}: {}", ran.stderr);
    }
    assert!(!out.exists());
    // ZeMosaic's names.
    let flags = ["--mode", "classic", "--cluster-panel-threshold", "0.1", "--max-raw-per-master-tile", "1"];
    zemosaic("run", &[&frames], &out, &flags).expect(0, "");
    assert!(out.join("tiles/master_tile_002.fits").exists());
}

#[test]
fn the_plan_tells_of_tiles_and_of_too_little_disk() {
    let dir = folder();
    let frames = panels(dir.path(), 3);
    let plan = run(program().arg("plan").arg(&frames).args(TWO));
    plan.expect(0, "");
    assert!(plan.stdout.contains("tiles    2 of 3 to 3 frames, threshold 0.0500 deg"), "{}", plan.stdout);
    assert!(plan.stdout.contains("master tiles"), "{}", plan.stdout);
    let json = run(program().arg("plan").arg(&frames).args(TWO).arg("--json"));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["tiles"][1]["frames"], 3);
    assert!(json["tiles_bytes"].as_u64().unwrap() > 1 << 20);
}

const EXISTING: [&str; 3] = ["--mode", "classic", "--existing-tiles"];

/// Copy a FITS file, the cards of its first header as `edit` leaves them.
fn edited(from: &Path, to: &Path, edit: impl Fn(&str) -> Option<String>) {
    let mut bytes = std::fs::read(from).unwrap();
    let end = zemosaic_fits::scan(from).unwrap().hdus[0].data_offset as usize;
    for card in bytes[..end].chunks_mut(80) {
        let text = String::from_utf8(card.to_vec()).unwrap();
        if let Some(new) = edit(&text) {
            card.copy_from_slice(format!("{new:80}").as_bytes());
        }
    }
    std::fs::write(to, bytes).unwrap();
}

/// `KEY = value` in place of the card `key`.
fn with_value(key: &'static str, value: String) -> impl Fn(&str) -> Option<String> {
    move |card| card.starts_with(&format!("{key:8}=")).then(|| format!("{key:8}= {value:>20}"))
}

/// Two tiles of two panels, and the folder they are in.
fn two_tiles(dir: &Path) -> (PathBuf, [PathBuf; 2]) {
    let frames = panels(dir, 3);
    let out = dir.join("out");
    zemosaic("run", &[&frames], &out, &[&TWO[..], &["--gate", "off"]].concat()).expect(0, "");
    let tiles = out.join("tiles");
    let files = [1, 2].map(|number| tiles.join(format!("master_tile_{number:03}.fits")));
    (tiles, files)
}

#[test]
fn a_tile_that_was_moved_goes_by_its_wcs() {
    let dir = folder();
    let (tiles, [_, second]) = two_tiles(dir.path());
    let whole = second.with_extension("whole");
    std::fs::copy(&second, &whole).unwrap();
    let header = Mosaic::open(&second).header("SCI").clone();
    let crpix = header.get_f64("CRPIX1").unwrap();
    for (key, value, why) in [
        ("CRPIX1", format!("{:?}", crpix - 20.0), "was cut or moved: CRPIX1"),
        ("ZMT_X0", i64::MAX.to_string(), "outside of its mosaic grid"),
        ("ZMT_Y0", "-1".to_owned(), "outside of its mosaic grid"),
        ("ZMT_GW", "30".to_owned(), "outside of its mosaic grid"),
        ("CRPIX2", "NaN".to_owned(), ""),
    ] {
        edited(&whole, &second, with_value(key, value));
        let again = dir.path().join(format!("again_{key}"));
        let ran = zemosaic("run", &[&tiles], &again, &EXISTING);
        assert!(ran.stderr.contains("W-TILE") && ran.stderr.contains(why), "{key}: {}", ran.stderr);
        assert!(ran.stderr.contains("master_tile_002"), "{key}: {}", ran.stderr);
    }
    // As far off as numbers in a header may be rounded.
    edited(&whole, &second, with_value("CRPIX1", format!("{:?}", crpix + 1e-9)));
    let ran = zemosaic("run", &[&tiles], &dir.path().join("near"), &EXISTING);
    assert!(ran.code == 0 && !ran.stderr.contains("W-TILE"), "{}", ran.stderr);
}

#[test]
fn options_of_the_engine_are_heeded_for_existing_tiles() {
    let dir = folder();
    let (tiles, _) = two_tiles(dir.path());
    let pixel = |out: &Path| Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_f64("CD2_2").unwrap();
    let plain = dir.path().join("plain");
    let ran = zemosaic("run", &[&tiles], &plain, &EXISTING);
    assert!(!ran.stderr.contains("W-TILE"), "{}", ran.stderr);
    let coarse = format!("{}", 2.0 * SCALE_ARCSEC);
    for flags in [["--scale", coarse.as_str()], ["--reject", "none"], ["--gate", "auto"]] {
        let out = dir.path().join(flags[0].trim_start_matches('-'));
        let ran = zemosaic("run", &[&tiles], &out, &[&EXISTING[..], &flags].concat());
        ran.expect(0, "W-TILE").tells(&format!("{} asks for it", flags[0]));
        assert_eq!(ran.stderr.matches("W-TILE").count(), 1, "{}", ran.stderr);
    }
    assert!((pixel(&dir.path().join("scale")) / pixel(&plain) - 2.0).abs() < 1e-3);
    // What a merge does anyway.
    let ran =
        zemosaic("run", &[&tiles], &dir.path().join("off"), &[&EXISTING[..], &["--gate", "off"]].concat());
    assert!(ran.code == 0 && !ran.stderr.contains("W-TILE"), "{}", ran.stderr);
}

#[test]
fn frames_in_two_tiles_are_told() {
    let dir = folder();
    let (tiles, [first, _]) = two_tiles(dir.path());
    let ran = zemosaic("run", &[&tiles], &dir.path().join("once"), &EXISTING);
    assert!(!ran.stderr.contains("W-TILE-TWICE"), "{}", ran.stderr);
    std::fs::copy(&first, tiles.join("master_tile_009.fits")).unwrap();
    let ran = zemosaic("run", &[&tiles], &dir.path().join("twice"), &EXISTING);
    ran.expect(0, "W-TILE-TWICE")
        .tells("3 frames in common")
        .tells("master_tile_001")
        .tells("master_tile_009");
    let report = std::fs::read_to_string(dir.path().join("twice/report.json")).unwrap();
    assert!(report.contains("W-TILE-TWICE"), "{report}");
}

#[test]
fn tiles_that_do_not_say_their_samples_are_not_empty() {
    let dir = folder();
    let (tiles, files) = two_tiles(dir.path());
    let samples = || -> Vec<u64> {
        let out = dir.path().join("again");
        let ran = zemosaic("run", &[&tiles], &out, &EXISTING);
        assert!(ran.code == 0 && !ran.stderr.contains("W-EMPTY"), "{}", ran.stderr);
        let report = std::fs::read(out.join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        std::fs::remove_dir_all(&out).unwrap();
        report["tiles"].as_array().unwrap().iter().map(|tile| tile["samples"].as_u64().unwrap()).collect()
    };
    let stated = samples();
    for file in &files {
        let forget = |card: &str| card.starts_with("ZMT_NSMP").then(|| "COMMENT".to_owned());
        edited(file, file, forget);
    }
    assert!(stated.iter().all(|count| *count > 0));
    assert_eq!(samples(), stated);
}

#[test]
fn a_packed_tile_is_not_used_without_its_weights() {
    let dir = folder();
    let tiles = dir.path().join("tiles");
    std::fs::create_dir_all(&tiles).unwrap();
    for index in 0..2 {
        let path = tiles.join(format!("master_tile_{index:03}.fits"));
        write_foreign(&path, &pointing(index, 0.0), 900 + 10 * index as u64);
    }
    let plain = tiles.join("master_tile_001.fits");
    let packed = std::fs::File::create(tiles.join("master_tile_001.fits.gz")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(&plain).unwrap()).unwrap();
    encoder.finish().unwrap();
    std::fs::remove_file(&plain).unwrap();
    let out = dir.path().join("out");
    let ran = zemosaic("run", &[&tiles], &out, &EXISTING);
    assert!(
        ran.stderr.contains("ALPHA cannot be read while the file is packed; unpack it first"),
        "{}",
        ran.stderr
    );
    assert_eq!(used_frames(&out).len(), 1, "{}", ran.stderr);
}
