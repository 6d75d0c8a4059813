//! Raw frames with folders of raw calibration frames, through the program: the mosaic is that of perfect frames within
//! noise, the tables say what was used, what does not fit is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::{Header, ImageData, write_image};
use zemosaic_image::CfaPattern;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const N: usize = WIDTH * HEIGHT;
const PATTERN: CfaPattern = CfaPattern::Grbg;
const LIGHTS: usize = 5;

fn colour(i: usize) -> usize {
    PATTERN.colour_at((i % WIDTH) as i64, (i / WIDTH) as i64)
}

/// Vignetting of the sensor, 1 on average in each colour.
fn response() -> Vec<f64> {
    let vignette: Vec<f64> = (0..N)
        .map(|i| {
            let (x, y) = ((i % WIDTH) as f64 / WIDTH as f64 - 0.5, (i / WIDTH) as f64 / HEIGHT as f64 - 0.5);
            1.0 - 0.7 * (x * x + y * y)
        })
        .collect();
    let means: Vec<f64> = (0..3)
        .map(|channel| {
            let own: Vec<f64> = (0..N).filter(|i| colour(*i) == channel).map(|i| vignette[i]).collect();
            own.iter().sum::<f64>() / own.len() as f64
        })
        .collect();
    (0..N).map(|i| vignette[i] / means[colour(i)]).collect()
}

/// Dark current in 10 s, with hot pixels.
fn dark_current(i: usize) -> f64 {
    if i % 211 == 5 { 4000.0 } else { 20.0 + (i % 7) as f64 }
}

const BIAS_ADU: f64 = 500.0;

fn rounded(values: impl Iterator<Item = f64>) -> Vec<u16> {
    values.map(|value| value.round().clamp(0.0, 65535.0) as u16).collect()
}

fn write_raw(path: &Path, kind: &str, exposure_s: f64, raw: &[u16]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut header = Header::new();
    header.set_str("IMAGETYP", kind, "");
    header.set_f64("EXPTIME", exposure_s, "");
    header.set_str("BAYERPAT", PATTERN.name(), "");
    header.set_i64("GAIN", 100, "");
    header.set_f64("CCD-TEMP", -10.0, "");
    write_image(path, &header, ImageData::U16(raw), &[WIDTH, HEIGHT]).unwrap();
}

/// A raw light frame; `exact` gets what it would be without a camera.
fn write_light(path: &Path, exact: &Path, frame: &TanFrame, index: usize, more: &dyn Fn(&mut Header)) {
    let sky = sky_image(frame, 200 + index as u64);
    let response = response();
    let raw = rounded((0..N).map(|i| BIAS_ADU + dark_current(i) + f64::from(sky[i]) * response[i]));
    for (path, data) in [(path, ImageData::U16(&raw)), (exact, ImageData::F32(&sky))] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_test_frame(path, frame, data, |header| {
            observed(index)(header);
            header.set_str("IMAGETYP", "Light Frame", "");
            header.set_str("BAYERPAT", PATTERN.name(), "");
            header.set_i64("GAIN", 100, "");
            header.set_f64("CCD-TEMP", -9.5, "");
            more(header);
        })
        .unwrap();
    }
}

/// A night: lights and calibration frames in folders of one, and perfect frames beside it.
fn night(dir: &Path, more: &dyn Fn(&mut Header)) -> (PathBuf, PathBuf) {
    let (night, exact) = (dir.join("night"), dir.join("exact"));
    for index in 0..LIGHTS {
        let name = format!("l{index}.fits");
        let (raw, perfect) = (night.join("light").join(&name), exact.join(&name));
        write_light(&raw, &perfect, &pointing(index, 0.0), index, more);
    }
    let noise = |seed| noise_image(WIDTH, HEIGHT, 0.0, 1.0, seed);
    for index in 0..12 {
        let own = noise(1000 + index);
        let raw = rounded((0..N).map(|i| BIAS_ADU + 4.0 * f64::from(own[i])));
        write_raw(&night.join(format!("bias/b{index:02}.fits")), "Bias Frame", 0.0, &raw);
        let own = noise(2000 + index);
        let raw = rounded((0..N).map(|i| BIAS_ADU + dark_current(i) + 4.0 * f64::from(own[i])));
        write_raw(&night.join(format!("dark/d{index:02}.fits")), "DARK", 10.0, &raw);
    }
    let response = response();
    for index in 0..6 {
        let own = noise(3000 + index);
        let lamp = |i: usize| [9_000.0, 20_000.0, 14_000.0][colour(i)] * (1.0 + 0.05 * index as f64);
        let raw = rounded((0..N).map(|i| {
            let light = lamp(i) * response[i];
            BIAS_ADU + light + (0.1 * light).sqrt() * f64::from(own[i])
        }));
        let path = night.join(format!("flat/f{index}.fits"));
        write_raw(&path, "FLAT", 1.5, &raw);
        if index == 3 {
            std::fs::write(path.with_extension("fits.gz"), gzip(&std::fs::read(&path).unwrap())).unwrap();
            std::fs::remove_file(path).unwrap();
        }
    }
    (night, exact)
}

fn calibration_flags(night: &Path) -> Vec<String> {
    ["bias", "dark", "flat"]
        .iter()
        .flat_map(|kind| [format!("--{kind}"), night.join(kind).to_string_lossy().into_owned()])
        .collect()
}

fn words(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

/// Median of the absolute differences, and their mean, where both are far from the edge.
fn differences(a: &Path, b: &Path) -> Vec<(f64, f64)> {
    let (a, b) = (Mosaic::open(&a.join("mosaic.fits")), Mosaic::open(&b.join("mosaic.fits")));
    (0..3)
        .map(|channel| {
            let (a, b) = (a.plane("SCI", channel), b.plane("SCI", channel));
            assert_eq!(a.len(), b.len());
            let mut values: Vec<f64> =
                a.iter().zip(&b).map(|(a, b)| f64::from(a - b)).filter(|d| d.is_finite()).collect();
            assert!(values.len() > N / 2);
            // Stars magnify what is left of the flat's noise: the middle half of the differences.
            values.sort_by(f64::total_cmp);
            let middle = &values[values.len() / 4..values.len() * 3 / 4];
            let mean = middle.iter().sum::<f64>() / middle.len() as f64;
            for d in &mut values {
                *d = d.abs();
            }
            values.sort_by(f64::total_cmp);
            (values[values.len() / 2], mean)
        })
        .collect()
}

#[test]
fn a_calibrated_mosaic_is_that_of_perfect_frames() {
    let dir = folder();
    let (night, exact) = night(dir.path(), &|_| {});
    let plain = ["--weights", "none", "--reject", "none"];
    let truth = dir.path().join("truth");
    mosaic(&[&exact], &truth, &plain).expect(0, "");
    let mut flags = calibration_flags(&night);
    flags.extend(plain.map(str::to_owned));
    let out = dir.path().join("out");
    let ran = mosaic(&[&night], &out, &words(&flags));
    ran.expect(0, "");
    assert!(!ran.stderr.contains("W-"), "{}", ran.stderr);
    assert_products(dir.path(), &out);
    assert_eq!(used_frames(&out).len(), LIGHTS);
    for (median, mean) in differences(&out, &truth) {
        assert!(median < 1.5 && mean.abs() < 0.3, "{median} {mean}");
    }
    let steps = csv_column(&out, "calibration");
    assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
    assert!(
        steps[0].starts_with("dark:12 x d00.fits#") && steps[0].contains(" flat:6 x f0.fits#"),
        "{}",
        steps[0]
    );
    // Without calibration the frames are far from that, and calibration frames are no lights.
    let raw = dir.path().join("raw");
    mosaic(&[&night], &raw, &plain).expect(0, "W-FRAME-CALIBRATION").tells("--bias");
    assert_eq!(
        (used_frames(&raw).len(), left_out_code(&raw, "flat/f0.fits")),
        (LIGHTS, "W-FRAME-CALIBRATION".into())
    );
    assert!(differences(&raw, &truth).iter().all(|(median, _)| *median > 300.0));
    let hash =
        |out: &Path, key: &str| Mosaic::open(&out.join("mosaic.fits")).header("SCI").get_str(key).unwrap();
    assert_ne!(hash(&out, "RUNID"), hash(&raw, "RUNID"));
}

#[test]
fn threads_memory_and_order_change_no_byte() {
    let dir = folder();
    let (night, _) = night(dir.path(), &|_| {});
    let flags = calibration_flags(&night);
    let mut first = None;
    for (name, more) in [("a", vec!["-j", "1"]), ("b", vec!["-j", "4", "--memory", "48MiB"])] {
        let out = dir.path().join(name);
        let mut all = words(&flags);
        all.extend(more);
        mosaic(&[&night], &out, &all).expect(0, "");
        let own: Vec<blake3::Hash> = ["mosaic.fits", "frames.csv", "mosaic_preview.png"]
            .iter()
            .map(|name| blake3::hash(&std::fs::read(out.join(name)).unwrap()))
            .collect();
        assert_eq!(*first.get_or_insert(own.clone()), own);
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let dir = folder();
    let (night, _) = night(dir.path(), &|_| {});
    let raw = vec![520_u16; N];
    let long = dir.path().join("long/d.fits");
    write_raw(&long, "DARK", 300.0, &raw);
    let path = |name: &str| night.join(name).to_string_lossy().into_owned();
    let long = long.to_string_lossy().into_owned();
    let out = dir.path().join("out");
    let flags = ["--dark", &long, "--bias", &path("bias")];
    mosaic(&[&night], &out, &flags).expect(0, "W-CALIB-DARK").tells("300 s instead of 10 s");
    assert!(csv_column(&out, "calibration")[0].starts_with("bias:12 x b00.fits#"));
    let plan = run(program().arg("plan").arg(&night).args(flags));
    plan.expect(0, "W-CALIB-DARK");
    // A flat that is given as a dark, and folders without what is asked for.
    let wrong = night.join("flat/f0.fits").to_string_lossy().into_owned();
    let two = ["--dark", &wrong, "--dark", &path("dark")];
    mosaic(&[&night], &dir.path().join("two"), &two)
        .expect(0, "W-CALIB-FILE")
        .tells("a flat frame by its header");
    let none = ["--dark", &path("flat")];
    mosaic(&[&night], &dir.path().join("none"), &none).expect(2, "E-USAGE").tells("none of 6 files");
    mosaic(&[&night], &dir.path().join("gone"), &["--flat", "nowhere"]).expect(7, "E-INPUT-MISSING");
    for idle in [["--pedestal", "10"], ["--dark-scaling", "exposure"]] {
        mosaic(&[&night], &dir.path().join("idle"), &idle).expect(2, "has an effect only with");
    }
    let scaled = ["--dark", &long, "--dark-scaling", "exposure"];
    mosaic(&[&night], &dir.path().join("scaled"), &scaled).expect(2, "--bias");
}

#[test]
fn frames_of_a_camera_that_subtracts_its_dark_keep_their_pattern() {
    let dir = folder();
    let seestar = |header: &mut Header| header.set_str("CREATOR", "ZWO Seestar S50", "");
    let (night, _) = night(dir.path(), &seestar);
    let flags = calibration_flags(&night);
    let out = dir.path().join("out");
    mosaic(&[&night], &out, &words(&flags)).expect(0, "W-CALIB-ONBOARD").tells("(+ 4 similar)");
    let steps = csv_column(&out, "calibration");
    assert!(steps[0].starts_with("level:12 x b00.fits#") && !steps[0].contains("dark:"), "{}", steps[0]);
    let flat = night.join("flat").to_string_lossy().into_owned();
    let told = dir.path().join("told");
    mosaic(&[&night], &told, &["--flat", &flat, "--pedestal", "433"]).expect(0, "W-FRAME-CALIBRATION");
    assert!(csv_column(&told, "calibration")[0].starts_with("pedestal:433 flat:"));
    mosaic(&[&night], &dir.path().join("zero"), &["--flat", &flat]).expect(0, "W-CALIB-ZERO");
}
