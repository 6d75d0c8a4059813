//! What a run leaves behind: headers, planes, tables, reports; and the commands that read them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use zemosaic_fits::{ColumnData, ImageData, read_table};
use zemosaic_testkit::depth::compare_depth;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

/// Every FITS product passes the reference verifier, without a warning.
#[track_caller]
fn assert_fitsverify(path: &Path) {
    match Command::new("fitsverify").arg("-q").arg(path).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("verification OK"), "{text}");
        }
        Err(error) => {
            assert!(!zemosaic_testkit::real_data::in_ci(), "fitsverify is required in CI: {error}");
            skipped("fitsverify is not installed");
        }
    }
}

fn made(dir: &Path, frames: &Path, flags: &[&str]) -> PathBuf {
    let out = dir.join("out");
    mosaic(&[frames], &out, flags).expect(0, "");
    assert_products(dir, &out);
    out
}

#[test]
fn header_contract() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 7);
    std::fs::write(frames.join("broken.fits"), b"no").unwrap();
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(9, "E-FRAME-FORMAT");
    let product = Mosaic::open(&out.join("mosaic.fits"));
    let names: Vec<String> = product
        .file
        .hdus
        .iter()
        .map(|hdu| hdu.header.get_str("EXTNAME").unwrap().trim().to_owned())
        .collect();
    assert_eq!(names, ["SCI", "WHT", "VAR", "DEPTH", "DQ", "REJLO", "REJHI", "INPUTS"]);
    let header = product.header("SCI");
    let texts = [
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CUNIT1", "deg"),
        ("CUNIT2", "deg"),
        ("RADESYS", "ICRS"),
        ("BUNIT", "adu"),
        ("TIMESYS", "UTC"),
        ("DATE", "2023-11-14T22:13:20"),
        ("DATE-OBS", "2025-03-20T01:20:00.500"),
        ("DATE-BEG", "2025-03-20T01:20:00.500"),
        ("DATE-END", "2025-03-21T01:20:20.500"),
        ("OBJECT", "Test"),
        ("TELESCOP", "Test scope"),
        ("FILTER", "L"),
        ("ROWORDER", "BOTTOM-UP"),
    ];
    for (key, value) in texts {
        assert_eq!(header.get_str(key).as_deref().map(str::trim), Some(value), "{key}");
    }
    let numbers = [
        ("WCSAXES", 2.0),
        ("NCOMBINE", 7.0),
        ("STACKCNT", 7.0),
        ("NINPUT", 8.0),
        ("NREJECT", 1.0),
        ("NNIGHTS", 2.0),
        ("EXPTIME", 10.0),
        ("XPOSURE", 70.0),
        ("LIVETIME", 70.0),
        ("MAXEXP", 70.0),
        ("TELAPSE", 86_420.0),
        ("MJD-BEG", 60_754.055_561_342_59),
    ];
    for (key, value) in numbers {
        let found = header.get_f64(key).unwrap_or_else(|| panic!("{key} is missing"));
        assert!((found - value).abs() < 1e-6, "{key} = {found}");
    }
    for key in [
        "MJD-OBS", "MJD-END", "MJD-AVG", "DATE-AVG", "MEDEXP", "LONPOLE", "LATPOLE", "CRPIX1", "CRVAL1",
        "CD1_1",
    ] {
        assert!(header.contains(key), "{key}");
    }
    for key in ["BAYERPAT", "BLANK", "PC1_1", "CDELT1", "BZERO"] {
        assert!(!header.contains(key), "{key}");
    }
    for hdu in &product.file.hdus {
        assert!(hdu.header.contains("CHECKSUM") && hdu.header.contains("DATASUM"));
    }
    for key in ["PROGRAM", "SWCREATE"] {
        assert!(header.get_str(key).unwrap().starts_with("zemosaic "));
    }
    for key in ["RUNID", "PARHASH", "INPHASH"] {
        assert_eq!(header.get_str(key).unwrap().len(), 16, "{key}");
    }
    assert_eq!(product.header("VAR").get_str("BUNIT").as_deref(), Some("adu2"));
    assert_fitsverify(&out.join("mosaic.fits"));
}

#[test]
fn parhash_follows_options_that_change_pixels_and_no_others() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let hash = |name: &str, flags: &[&str]| {
        let out = dir.path().join(name);
        mosaic(&[&frames], &out, flags).expect(0, "");
        Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_str("PARHASH").unwrap()
    };
    let plain = hash("a", &[]);
    assert_eq!(hash("b", &["-j", "1", "--memory", "200MiB", "--quiet"]), plain);
    assert_ne!(hash("c", &["--kernel", "bilinear"]), plain);
    assert_ne!(hash("d", &["--scale", "3"]), plain);
}

#[test]
fn every_kind_of_product_passes_fitsverify() {
    type Write = fn(&Path, &TanFrame, usize);
    let kinds: [(&str, Write); 3] = [("mono", write_mono), ("cfa", write_cfa), ("rgb", write_rgb)];
    for (kind, write) in kinds {
        let dir = folder();
        let frames = dir.path().join("frames");
        std::fs::create_dir(&frames).unwrap();
        for index in 0..3 {
            // A long name that is not ASCII must not break the table.
            write(
                &frames.join(format!("Löwe {index} {}.fits", "x".repeat(80))),
                &pointing(index, 2.0),
                index,
            );
        }
        for (number, flags) in
            [&["--reject", "none"][..], &["--combine", "median"], &["--weights", "none", "--rotation", "33"]]
                .into_iter()
                .enumerate()
        {
            let out = dir.path().join(format!("{kind}{number}"));
            mosaic(&[&frames], &out, flags).expect(0, "");
            assert_fitsverify(&out.join("mosaic.fits"));
            run(program().arg("check").arg(&out)).expect(0, "");
        }
    }
    // No DATE-OBS, no EXPTIME, a single frame of constant value: noise cannot be measured.
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let flat = vec![7.0; WIDTH * HEIGHT];
    write_test_frame(&frames.join("flat.fits"), &pointing(0, 0.0), ImageData::F32(&flat), |header| {
        header.remove("EXPTIME");
    })
    .unwrap();
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "W-NOISE").tells("flat.fits");
    assert_fitsverify(&out.join("mosaic.fits"));
    let product = Mosaic::open(&out.join("mosaic.fits"));
    assert!(!product.header("SCI").contains("EXPTIME"));
    let (values, depth) = (product.plane("SCI", 0), product.plane("DEPTH", 0));
    for (value, depth) in values.iter().zip(depth) {
        assert!(if depth > 0.0 { (value - 7.0).abs() < 1e-5 } else { value.is_nan() });
    }
}

#[test]
fn inputs_table_and_depth() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let pointings: Vec<TanFrame> = (0..6).map(|index| pointing(index, 17.0)).collect();
    for (index, frame) in pointings.iter().enumerate() {
        write_mono(&frames.join(format!("f{index}.fits")), frame, index);
    }
    let out = made(dir.path(), &frames, &[]);
    let product = Mosaic::open(&out.join("mosaic.fits"));
    let columns = read_table(&out.join("mosaic.fits"), product.hdu("INPUTS")).unwrap();
    let column = |name: &str| {
        &columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("{name}")).data
    };
    let ColumnData::Text(names) = column("FRAME") else { panic!("FRAME is no text") };
    let expected: Vec<String> = (0..6).map(|index| format!("f{index}.fits")).collect();
    assert_eq!(names.iter().map(|name| name.trim()).collect::<Vec<_>>(), expected);
    let ColumnData::F64(ra) = column("RA") else { panic!("RA is no number") };
    let ColumnData::F64(rotation) = column("ROTATION") else { panic!("ROTATION is no number") };
    let number = |name: &str| match column(name) {
        ColumnData::F64(values) | ColumnData::F64Array { values, .. } => values.clone(),
        _ => panic!("{name} is no number"),
    };
    for (index, frame) in pointings.iter().enumerate() {
        assert!((ra[index] - frame.crval_deg[0]).abs() < 1e-9);
        assert!((rotation[index] - 17.0 * index as f64).abs() < 1e-6, "{rotation:?}");
        assert!((number("SCALE")[index] - SCALE_ARCSEC).abs() < 1e-9);
        let sigma = number("SIGMA")[index];
        assert!((sigma / SIGMA_ADU - 1.0).abs() < 0.05, "sigma {sigma}");
        let weight = number("WEIGHT")[index];
        assert!((weight * sigma * sigma - 1.0).abs() < 1e-9);
    }
    let depth: Vec<i32> = product.plane("DEPTH", 0).into_iter().map(|value| value as i32).collect();
    let compared = compare_depth(&depth, &product.grid(), &pointings, 2.0);
    assert!(compared.compared > 40_000 && compared.equal == compared.compared, "{compared:?}");
    // Rejection counts never exceed the depth, and DQ says where there are any.
    let (low, high, quality) = (product.plane("REJLO", 0), product.plane("REJHI", 0), product.plane("DQ", 0));
    for i in 0..depth.len() {
        let rejected = low[i] + high[i];
        assert!(rejected < depth[i].max(1) as f32);
        let bits = quality[i] as i32;
        assert_eq!(bits & 8 != 0, rejected > 0.0);
        assert_eq!(bits & 1 != 0, depth[i] == 0);
    }
}

/// Median over pixels of full depth of `plane`, and standard deviation of SCI there.
fn full_depth(product: &Mosaic, frames: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let depth = product.plane("DEPTH", 0);
    let pick = |name: &str| -> Vec<f32> {
        product.plane(name, 0).iter().zip(&depth).filter(|(_, d)| **d == frames).map(|(v, _)| *v).collect()
    };
    (pick("SCI"), pick("VAR"), pick("WHT"))
}

#[test]
fn variance_is_the_scatter() {
    const N: usize = 9;
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    for index in 0..N {
        let image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, 900 + index as u64);
        let path = frames.join(format!("f{index}.fits"));
        write_test_frame(&path, &pointing(index % 7, 3.0), ImageData::F32(&image), observed(index)).unwrap();
    }
    for (number, (flags, weights)) in [
        (&["--kernel", "nearest", "--reject", "none"][..], "ivar"),
        (&["--kernel", "bilinear", "--reject", "none"], "none"),
        (&["--kernel", "lanczos3", "--reject", "none"], "ivar"),
        (&["--kernel", "lanczos3", "--reject", "none", "--scale", "4"], "ivar"),
        (&["--kernel", "lanczos4", "--combine", "median", "--reject", "none"], "none"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = dir.path().join(number.to_string());
        mosaic(&[&frames], &out, &[flags, &["--weights", weights]].concat()).expect(0, "");
        let (value, variance, weight) = full_depth(&Mosaic::open(&out.join("mosaic.fits")), N as f32);
        let n = value.len() as f64;
        assert!(n > 2000.0);
        let mean = value.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let scatter = (value.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        let predicted = (variance.iter().map(|v| f64::from(*v)).sum::<f64>() / n).sqrt();
        assert!(
            (scatter / predicted - 1.0).abs() < 0.05,
            "{flags:?}: scatter {scatter}, sqrt(VAR) {predicted}"
        );
        assert!((mean - LEVEL_ADU).abs() < 1.0, "{flags:?}: mean {mean}");
        let expected = if weights == "ivar" { N as f64 / (SIGMA_ADU * SIGMA_ADU) } else { N as f64 };
        let mean_weight = weight.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        assert!(
            (mean_weight / expected - 1.0).abs() < 0.05,
            "{flags:?}: WHT {mean_weight}, expected {expected}"
        );
    }
}

#[test]
fn reports_can_be_read() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 4);
    std::fs::copy(frames.join("f2.fits"), frames.join("z,\"odd\" name.fits")).unwrap();
    let out = made(dir.path(), &frames, &["--kernel", "lanczos2"]);
    assert_eq!(left_out_code(&out, "z,odd name.fits"), "W-FRAME-DUPLICATE");
    let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["inputs"]["used"], 4);
    assert_eq!(report["inputs"]["left_out"]["W-FRAME-DUPLICATE"], 1);
    assert_eq!(report["mosaic"]["max_depth"], 4);
    assert_eq!(report["exposure"]["total_s"], 40.0);
    let toml: toml::Table = text("run.toml").parse().unwrap();
    assert_eq!(toml["options"]["coadd"]["kernel"].as_str(), Some("lanczos2"));
    assert!(toml["given"].as_array().unwrap().iter().any(|name| name.as_str() == Some("kernel")));
    let events: Vec<serde_json::Value> =
        text("events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "run-started");
    assert_eq!(events.last().unwrap()["event"], "finished");
    assert!(
        events.iter().any(|event| event["event"] == "frame-left-out" && event["code"] == "W-FRAME-DUPLICATE")
    );
    for stage in ["ingest", "plan", "prepare", "coadd", "finish"] {
        assert!(
            events.iter().any(|event| event["event"] == "stage-finished" && event["stage"] == stage),
            "{stage}"
        );
    }
    let times: Vec<f64> = events.iter().map(|event| event["t_s"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1] + 0.1), "{times:?}");
}

#[test]
fn events_on_stdout() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let ran = mosaic(&[&frames], &dir.path().join("out"), &["--json"]);
    ran.expect(0, "");
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"finished".into(), &0.into()));
    assert!(last["mosaic"].as_str().unwrap().ends_with("mosaic.fits"));
}

/// The preview has the mosaic's size, the top of the sky on top, and black where there is no data.
#[test]
fn preview() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let pointing = pointing(0, 0.0);
    let mut image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, 3);
    // Last rows of the file: north.
    for y in HEIGHT - 30..HEIGHT - 20 {
        image[y * WIDTH + 20..y * WIDTH + 30].fill(3000.0);
    }
    image[..10 * WIDTH].fill(f32::NAN);
    write_test_frame(&frames.join("a.fits"), &pointing, ImageData::F32(&image), observed(0)).unwrap();
    let out = made(dir.path(), &frames, &["--kernel", "nearest"]);
    let file = std::io::BufReader::new(std::fs::File::open(out.join("mosaic_preview.png")).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let grid = Mosaic::open(&out.join("mosaic.fits")).grid();
    assert_eq!((info.width as usize, info.height as usize), (grid.width_px, grid.height_px));
    assert_eq!(info.color_type, png::ColorType::Grayscale);
    let at = |x: usize, y: usize| pixels[y * grid.width_px + x];
    let margin = (grid.height_px - HEIGHT) / 2;
    assert!(at(25 + margin, 24 + margin) > 240, "the bright block is at the top left");
    assert!(at(100, HEIGHT / 2) < 160);
    assert_eq!(at(100, grid.height_px - 5 - margin), 0, "no data at the bottom");
}

/// Byte `at` of a copy of the product turned round; `check` must object.
fn expect_check_fails(product: &Path, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let copy = product.with_file_name("changed.fits");
    let mut bytes = std::fs::read(product).unwrap();
    change(&mut bytes);
    std::fs::write(&copy, bytes).unwrap();
    let ran = run(program().arg("check").arg(&copy));
    assert_eq!(ran.code, 7, "{what}: {}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("FAILED") || ran.stderr.contains("E-FITS"),
        "{what}: {}{}",
        ran.stdout,
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
}

#[test]
fn check_passes_and_finds_damage() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 5);
    let mut hole = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, 77);
    hole[..WIDTH * HEIGHT / 3].fill(f32::NAN);
    write_test_frame(&frames.join("hole.fits"), &pointing(5, 0.0), ImageData::F32(&hole), observed(5))
        .unwrap();
    let out = made(dir.path(), &frames, &[]);
    let product = out.join("mosaic.fits");
    run(program().arg("check").arg(&out)).expect(0, "");
    let ran = run(program().args(["check", "--json"]).arg(&product));
    ran.expect(0, "");
    let findings: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        findings["findings"].as_array().unwrap().iter().all(|finding| finding["passed"] == true),
        "{findings}"
    );

    let mosaic = Mosaic::open(&product);
    let data_at = |name: &str| mosaic.file.hdus[mosaic.hdu(name)].data_offset as usize;
    for name in ["SCI", "VAR", "DQ", "INPUTS"] {
        expect_check_fails(&product, name, |bytes| bytes[data_at(name) + 41] ^= 0x10);
    }
    // In a comment of the primary header.
    expect_check_fails(&product, "header", |bytes| bytes[79] = b'!');
    let length = std::fs::metadata(&product).unwrap().len() as usize;
    for keep in [length - 2880, length / 2, data_at("WHT"), 3000, 0] {
        expect_check_fails(&product, &format!("cut to {keep} bytes"), |bytes| bytes.truncate(keep));
    }
    // One more here and one less there: every checksum stays valid.
    let grid = mosaic.grid();
    let (a, b) = (
        grid.height_px / 2 * grid.width_px + grid.width_px / 2,
        grid.height_px / 2 * grid.width_px + grid.width_px / 3,
    );
    expect_check_fails(&product, "DEPTH with valid sums", |bytes| {
        for (pixel, step) in [(a, 1), (b, -1)] {
            let at = data_at("DEPTH") + 4 * pixel;
            let word: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            bytes[at..at + 4].copy_from_slice(&(i32::from_be_bytes(word) + step).to_be_bytes());
        }
    });
    let changed = run(program().arg("check").arg(out.join("changed.fits")));
    assert!(
        changed.stdout.lines().all(|line| !line.contains("checksums") || line.contains("ok")),
        "{}",
        changed.stdout
    );
    run(program().arg("check").arg(dir.path().join("none"))).expect(7, "E-FITS");
    run(program().arg("check").arg(frames.join("f0.fits"))).expect(7, "");
}

#[test]
fn header_plan_and_completions() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    std::fs::write(frames.join("g.fits.gz"), gzip(&std::fs::read(frames.join("f2.fits")).unwrap())).unwrap();
    std::fs::remove_file(frames.join("f2.fits")).unwrap();
    for name in ["f0.fits", "g.fits.gz"] {
        let ran = run(program().arg("header").arg(frames.join(name)));
        ran.expect(0, "");
        assert!(ran.stdout.contains("CTYPE1  = 'RA---TAN'"), "{}", ran.stdout);
    }
    run(program().args(["header", "--hdu", "3"]).arg(frames.join("f0.fits"))).expect(2, "E-USAGE");
    run(program().arg("header").arg(frames.join("none.fits"))).expect(7, "E-FITS");

    let before = listing(dir.path());
    let plan = |flags: &[&str]| {
        let ran = run(program().current_dir(dir.path()).arg("plan").arg(&frames).args(flags));
        ran.expect(0, "");
        ran.stdout
    };
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert_eq!(json["frames"], serde_json::json!(["f0.fits", "f1.fits", "g.fits.gz"]));
    assert!(json["spill_bytes"].as_u64().unwrap() >= (WIDTH * HEIGHT * 4) as u64);
    assert!(json["patches"].as_u64().unwrap() >= 1 && json["memory_bytes"].as_u64().unwrap() > 0);
    assert!(plan(&[]).contains("grid"));
    let dry = run(program()
        .arg("mosaic")
        .arg(&frames)
        .args(["--dry-run", "--json", "-o"])
        .arg(dir.path().join("out")));
    let dry: serde_json::Value = serde_json::from_str(&dry.expect(0, "").stdout).unwrap();
    assert_eq!(dry["grid"], json["grid"]);
    assert_eq!(listing(dir.path()), before, "planning writes nothing");
    let out = made(dir.path(), &frames, &[]);
    let product = Mosaic::open(&out.join("mosaic.fits"));
    assert_eq!(json["grid"]["width_px"].as_u64(), Some(product.grid().width_px as u64));

    for shell in ["bash", "zsh", "fish"] {
        let ran = run(program().args(["completions", shell]));
        assert!(ran.expect(0, "").stdout.contains("zemosaic"));
    }
}

/// A reader that goes away ends nothing badly.
#[test]
#[cfg(unix)]
fn closed_pipe() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    for command in [
        "mosaic \"$2\" -o \"$3\"",
        "plan \"$2\"",
        "check \"$3\"",
        "header \"$3/mosaic.fits\"",
        "completions bash",
    ] {
        let script = format!("set -o pipefail; \"$1\" {command} | true");
        let mut shell = Command::new("bash");
        quiet_environment(&mut shell);
        shell.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_zemosaic")]).arg(&frames).arg(&out);
        run(&mut shell).expect(0, "");
    }
    assert_products(dir.path(), &out);
}

#[test]
fn odd_headers_make_sound_products() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir(&frames).unwrap();
    for index in 0..2 {
        let frame = pointing(index, 0.0);
        let image = sky_image(&frame, index as u64);
        write_test_frame(&frames.join(format!("{index}.fits")), &frame, ImageData::F32(&image), |header| {
            header.set_str("OBJECT", "Barnard's loop & 'co'", "");
            header.set_str("TELESCOP", &"long ' name ".repeat(12), "");
            header.set_str("FILTER", "", "");
            header.set_str("BUNIT", "a unit that is none", "");
            header.set_str("DATE-OBS", "2025-13-45T99:00:00", "");
            header.set_f64("EXPTIME", -1.0, "");
            header.set_str("INSTRUME", "cämera", "");
        })
        .unwrap();
    }
    let out = made(dir.path(), &frames, &[]);
    assert_fitsverify(&out.join("mosaic.fits"));
    run(program().arg("check").arg(&out)).expect(0, "");
    let product = Mosaic::open(&out.join("mosaic.fits"));
    assert_eq!(
        product.header("SCI").get_str("OBJECT").as_deref().map(str::trim),
        Some("Barnard's loop & 'co'")
    );
    assert!(!product.header("SCI").contains("DATE-OBS") && !product.header("SCI").contains("EXPTIME"));
}

#[test]
fn anywhere_on_the_sky() {
    let centres: [(f64, f64); 4] = [(0.0, 10.0), (359.99, -60.0), (123.0, 89.98), (200.0, -90.0)];
    for (number, centre) in centres.into_iter().enumerate() {
        let dir = folder();
        let frames = dir.path().join("frames");
        std::fs::create_dir(&frames).unwrap();
        let pointings: Vec<TanFrame> = (0..5)
            .map(|index| {
                let shift = f64::from(index) * 0.01;
                let to = (
                    centre.0 + shift / centre.1.to_radians().cos().max(0.02),
                    (centre.1 + shift / 2.0).min(90.0),
                );
                let parity = zemosaic_testkit::tan::Parity::Mirrored;
                TanFrame::pointed_at(to, SCALE_ARCSEC, 40.0 * f64::from(index), parity, (WIDTH, HEIGHT))
            })
            .collect();
        for (index, frame) in pointings.iter().enumerate() {
            let image = noise_image(WIDTH, HEIGHT, LEVEL_ADU, SIGMA_ADU, index as u64);
            let path = frames.join(format!("f{index}.fits"));
            write_test_frame(&path, frame, ImageData::F32(&image), observed(index)).unwrap();
        }
        let out = made(dir.path(), &frames, &["--group", "1"]);
        let product = Mosaic::open(&out.join("mosaic.fits"));
        run(program().arg("check").arg(&out)).expect(0, "");
        assert_eq!(used_frames(&out).len(), 5, "set {number}");
        let depth: Vec<i32> = product.plane("DEPTH", 0).into_iter().map(|value| value as i32).collect();
        let compared = compare_depth(&depth, &product.grid(), &pointings, 2.0);
        assert!(
            compared.compared > 20_000 && compared.equal == compared.compared,
            "set {number}: {compared:?}"
        );
    }
}

#[test]
fn every_sample_type() {
    let dir = folder();
    let frame = pointing(0, 0.0);
    let values: Vec<u16> = noise_image(WIDTH, HEIGHT, 120.0, 10.0, 1)
        .iter()
        .map(|value| value.round().clamp(1.0, 250.0) as u16)
        .collect();
    let wide: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
    let (bytes, short): (Vec<u8>, Vec<i16>) =
        values.iter().map(|value| (*value as u8, *value as i16)).unzip();
    let long: Vec<i32> = values.iter().map(|value| i32::from(*value)).collect();
    let (single, double): (Vec<f32>, Vec<f64>) =
        values.iter().map(|v| (f32::from(*v), f64::from(*v))).unzip();
    let types = [
        ("u8", ImageData::U8(&bytes)),
        ("u16", ImageData::U16(&values)),
        ("i16", ImageData::I16(&short)),
        ("i32", ImageData::I32(&long)),
        ("i64", ImageData::I64(&wide)),
        ("f32", ImageData::F32(&single)),
        ("f64", ImageData::F64(&double)),
    ];
    let mut planes = Vec::new();
    for (name, data) in types {
        let path = dir.path().join(format!("{name}.fits"));
        write_test_frame(&path, &frame, data, |_| {}).unwrap();
        let out = dir.path().join(name);
        mosaic(&[path], &out, &[]).expect(0, "");
        let bits: Vec<u32> =
            Mosaic::open(&out.join("mosaic.fits")).plane("SCI", 0).into_iter().map(f32::to_bits).collect();
        planes.push((name, bits));
    }
    for (name, plane) in &planes[1..] {
        assert!(*plane == planes[0].1, "{name} gives the pixels of u8");
    }
}

#[test]
fn grid_in_galactic_coordinates() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let grid = dir.path().join("grid.fits");
    // The test field (RA 150, Dec 41) in galactic coordinates.
    let centre = (180.0697, 52.3270);
    let frame = TanFrame::pointed_at(centre, SCALE_ARCSEC, 0.0, Parity::Sky, (600, 600));
    write_test_frame(&grid, &frame, ImageData::F32(&vec![0.0; 600 * 600]), |header| {
        header.set_str("CTYPE1", "GLON-TAN", "");
        header.set_str("CTYPE2", "GLAT-TAN", "");
    })
    .unwrap();
    let packed = dir.path().join("grid.fits.gz");
    std::fs::write(&packed, gzip(&std::fs::read(&grid).unwrap())).unwrap();
    for name in [&grid, &packed] {
        let out = made(dir.path(), &frames, &["--force", "--grid", name.to_str().unwrap()]);
        run(program().arg("check").arg(&out)).expect(0, "");
        let report: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
        assert!(report["mosaic"]["covered_px"].as_u64().unwrap() > 0);
        assert!((report["mosaic"]["centre_ra_deg"].as_f64().unwrap() - 150.0).abs() < 0.2, "{report}");
        assert!((report["mosaic"]["centre_dec_deg"].as_f64().unwrap() - 41.0).abs() < 0.2, "{report}");
    }
}

#[test]
fn units_of_the_planes() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    let write = |index: usize, unit: &str| {
        let frame = pointing(index, 0.0);
        let image = sky_image(&frame, index as u64);
        let path = frames.join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&image), |h| h.set_str("BUNIT", unit, "")).unwrap();
    };
    write(0, "MJy/sr");
    write(1, "MJy/sr");
    let out = made(dir.path(), &frames, &[]);
    let product = Mosaic::open(&out.join("mosaic.fits"));
    assert_eq!(product.header("SCI").get_str("BUNIT").as_deref(), Some("MJy/sr"));
    assert_eq!(product.header("VAR").get_str("BUNIT").as_deref(), Some("(MJy/sr)2"));
    // Frames of different units have none in common, and nothing is claimed.
    write(1, "Jy");
    let out = made(dir.path(), &frames, &["--force"]);
    assert_eq!(Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_str("BUNIT"), None);
}
