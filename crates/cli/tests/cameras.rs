//! Raw frames through the program: CFA drizzle, Bayer patterns that are wrong, hot pixels, gains, RGB equalisation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use zemosaic_fits::{Header, ImageData};
use zemosaic_image::CfaPattern;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, star_image, write_test_frame};

use common::{Mosaic, csv_column, folder, mosaic, program, run};

const WIDTH: usize = 360;
const HEIGHT: usize = 280;
const SKY_ADU: [f64; 3] = [850.0, 1000.0, 790.0];
const SIGMA_ADU: f64 = 12.0;
const PATTERN: CfaPattern = CfaPattern::Grbg;

fn pointing(index: usize) -> TanFrame {
    let step = index as f64;
    let (dx, dy) = (11.0 * (2.399 * step).sin(), 11.0 * (1.618 * step).cos());
    let pixel_deg = 2.0 / 3600.0;
    let centre = (150.0 + dx * pixel_deg, 2.0 + dy * pixel_deg);
    TanFrame::pointed_at(centre, 2.0, 0.7 * step, Parity::Sky, (WIDTH, HEIGHT))
}

/// Places of hot pixels on the sensor.
fn hot_pixels() -> Vec<usize> {
    (0..40).map(|i| (17 + 6 * i) * WIDTH + (23 + 71 * i) % WIDTH).collect()
}

/// Raw frames of a coloured sky with stars; the header says what `edit` makes of it.
fn write_frames(folder: &Path, count: usize, hot: &[usize], edit: impl Fn(&mut Header)) {
    std::fs::create_dir_all(folder).unwrap();
    let middle = pointing(0);
    for index in 0..count {
        let frame = pointing(index);
        let stars: Vec<(f64, f64, f64)> = (0..15)
            .filter_map(|i| {
                let (x, y) = (40.0 + f64::from(i) * 19.3, 40.0 + f64::from(i * 67 % 200));
                let (ra, dec) = middle.pixel_to_sky(x, y);
                let (u, v) = frame.sky_to_pixel(ra, dec)?;
                Some((u, v, 20_000.0))
            })
            .collect();
        let light = star_image(WIDTH, HEIGHT, &stars, 2.4);
        let noise = noise_image(WIDTH, HEIGHT, 0.0, SIGMA_ADU, 900 + index as u64);
        let mut raw: Vec<u16> = Vec::with_capacity(WIDTH * HEIGHT);
        for (k, (light, noise)) in light.iter().zip(noise).enumerate() {
            let colour = PATTERN.colour_at((k % WIDTH) as i64, (k / WIDTH) as i64);
            let hot = if hot.contains(&k) { 4000.0 } else { 0.0 };
            raw.push((SKY_ADU[colour] as f32 + light + noise + hot).round() as u16);
        }
        write_test_frame(&folder.join(format!("r{index:02}.fits")), &frame, ImageData::U16(&raw), |header| {
            header.set_str("BAYERPAT", PATTERN.name(), "");
            header.set_str("INSTRUME", "Test camera", "");
            edit(header);
        })
        .unwrap();
    }
}

fn middle_of(values: &[f32]) -> f64 {
    let mut finite: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_by(f32::total_cmp);
    f64::from(finite[finite.len() / 2])
}

#[test]
fn cfa_drizzle_makes_a_mosaic_with_a_depth_per_channel() {
    let dir = folder();
    let frames = dir.path().join("frames");
    write_frames(&frames, 6, &[], |_| {});
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &["--demosaic", "none", "--kernel", "drizzle", "--pixfrac", "0.8"])
        .expect(0, "");
    let product = Mosaic::open(&out.join("mosaic.fits"));
    assert_eq!(product.header("DEPTH").get_i64("NAXIS3"), Some(3));
    assert_eq!(product.header("DQ").get_i64("NAXIS"), Some(2));
    for (channel, level) in SKY_ADU.into_iter().enumerate() {
        assert!((middle_of(&product.plane("SCI", channel)) / level - 1.0).abs() < 0.005);
        let depth = product.plane("DEPTH", channel);
        let largest = depth.iter().copied().fold(0.0, f32::max);
        assert_eq!(largest, 6.0);
        let mean =
            |plane: &[f32]| plane.iter().map(|value| f64::from(*value)).sum::<f64>() / plane.len() as f64;
        // Red and blue have half as many pixels as green.
        if channel != 1 {
            assert!(mean(&depth) < 0.85 * mean(&product.plane("DEPTH", 1)), "{channel}");
        }
    }
    let check = run(program().arg("check").arg(&out));
    check.expect(0, "");
    // Only drizzle fills the gaps between the pixels of a colour.
    let refused = mosaic(&[&frames], &dir.path().join("no"), &["--demosaic", "none"]);
    refused.expect(2, "E-USAGE").tells("--kernel drizzle");
}

#[test]
fn every_demosaic_keeps_the_sky_and_names_itself_in_the_parameters() {
    let dir = folder();
    let frames = dir.path().join("frames");
    write_frames(&frames, 3, &[], |_| {});
    let mut hashes = std::collections::BTreeSet::new();
    for method in ["bilinear", "vng", "rcd", "super-pixel"] {
        let out = dir.path().join(method);
        mosaic(&[&frames], &out, &["--demosaic", method, "-j", "1"]).expect(0, "");
        let product = Mosaic::open(&out.join("mosaic.fits"));
        for (channel, level) in SKY_ADU.into_iter().enumerate() {
            let found = middle_of(&product.plane("SCI", channel));
            assert!((found / level - 1.0).abs() < 0.005, "{method}, {channel}: {found}");
        }
        hashes.insert(product.header("SCI").get_str("PARHASH").unwrap());
        run(program().arg("check").arg(&out)).expect(0, "");
        let again = dir.path().join(format!("{method}-again"));
        mosaic(&[&frames], &again, &["--demosaic", method, "-j", "3", "--memory", "80MiB"]).expect(0, "");
        let bytes = |out: &Path| std::fs::read(out.join("mosaic.fits")).unwrap();
        assert!(bytes(&out) == bytes(&again), "{method}");
    }
    assert_eq!(hashes.len(), 4);
}

#[test]
fn a_wrong_bayer_pattern_is_found_and_mended() {
    let dir = folder();
    let frames = dir.path().join("frames");
    write_frames(&frames, 4, &[], |header| header.set_str("BAYERPAT", "RGGB", ""));
    let told = dir.path().join("told");
    mosaic(&[&frames], &told, &[]).expect(0, "W-CFA").tells("--cfa auto").tells("grbg").tells("RGGB");
    let mended = dir.path().join("mended");
    mosaic(&[&frames], &mended, &["--cfa", "auto"]).expect(0, "W-CFA").tells("GRBG is used");
    let given = dir.path().join("given");
    let quiet = mosaic(&[&frames], &given, &["--cfa", "grbg"]);
    quiet.expect(0, "");
    assert!(!quiet.stderr.contains("W-CFA"), "{}", quiet.stderr);
    for out in [&mended, &given] {
        assert_eq!(csv_column(out, "kind"), vec!["cfa GRBG"; 4]);
        let product = Mosaic::open(&out.join("mosaic.fits"));
        for (channel, level) in SKY_ADU.into_iter().enumerate() {
            assert!((middle_of(&product.plane("SCI", channel)) / level - 1.0).abs() < 0.005);
        }
    }
    // A right pattern is not complained of.
    let right = dir.path().join("right");
    write_frames(&right, 4, &[], |_| {});
    let quiet = mosaic(&[&right], &dir.path().join("fine"), &[]);
    quiet.expect(0, "");
    assert!(!quiet.stderr.contains("W-CFA"), "{}", quiet.stderr);
}

#[test]
fn hot_pixels_of_a_run_are_masked_and_stars_are_not() {
    let dir = folder();
    let hot = hot_pixels();
    for (count, by_window) in [(8, false), (2, true)] {
        let frames = dir.path().join(format!("frames{count}"));
        write_frames(&frames, count, &hot, |_| {});
        let out = dir.path().join(format!("out{count}"));
        let more = ["--hot-pixels", "auto", "--reject", "none", "--kernel", "bilinear"];
        mosaic(&[&frames], &out, &more).expect(0, "");
        let off = dir.path().join(format!("off{count}"));
        mosaic(&[&frames], &off, &["--reject", "none", "--kernel", "bilinear"]).expect(0, "");
        let clean = dir.path().join(format!("clean{count}"));
        let clean_frames = dir.path().join(format!("clean-frames{count}"));
        write_frames(&clean_frames, count, &[], |_| {});
        mosaic(&[&clean_frames], &clean, &["--reject", "none", "--kernel", "bilinear"]).expect(0, "");
        let found = csv_column(&out, "bad_pixels");
        if by_window {
            assert_eq!(found, vec!["in-windows"; count]);
        } else {
            let number: usize = found[0].parse().unwrap();
            assert!((hot.len()..hot.len() + 4).contains(&number), "{number} of {}", hot.len());
        }
        let planes = [&out, &off, &clean].map(|out| Mosaic::open(&out.join("mosaic.fits")).plane("SCI", 1));
        let far = |plane: &[f32]| {
            let pairs = plane.iter().zip(&planes[2]).filter(|(a, b)| a.is_finite() && b.is_finite());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // Without the hot pixels what is left is noise that differs where they were: interpolated, not measured.
        assert!(far(&planes[1]) > 400.0, "{}", far(&planes[1]));
        assert!(far(&planes[0]) < 80.0, "{}", far(&planes[0]));
    }
}

#[test]
fn gains_are_given_or_found_by_photon_transfer() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    // 0.5 e- per ADU, zero at 300 ADU, vignetted by half.
    for index in 0..8 {
        let noise = noise_image(WIDTH, HEIGHT, 0.0, 1.0, 40 + index as u64);
        let raw: Vec<u16> = noise
            .into_iter()
            .enumerate()
            .map(|(k, noise)| {
                let (x, y) = ((k % WIDTH) as f64, (k / WIDTH) as f64);
                let r = ((x - 180.0).powi(2) + (y - 140.0).powi(2)) / 228.0_f64.powi(2);
                let signal = 1500.0 * (1.0 - 0.5 * r);
                (300.0 + signal + f64::from(noise) * (signal / 0.5).sqrt()).round() as u16
            })
            .collect();
        write_test_frame(
            &frames.join(format!("p{index}.fits")),
            &pointing(index),
            ImageData::U16(&raw),
            |header| {
                header.set_str("INSTRUME", "Test camera", "");
            },
        )
        .unwrap();
    }
    let out = dir.path().join("found");
    mosaic(&[&frames], &out, &[]).expect(0, "");
    assert_eq!(csv_column(&out, "noise_model"), vec!["photon-transfer"; 8]);
    let gain: f64 = csv_column(&out, "gain_e_per_adu")[0].parse().unwrap();
    assert!((gain / 0.5 - 1.0).abs() < 0.08, "{gain}");
    let zero: f64 = csv_column(&out, "zero_variance_adu")[0].parse().unwrap();
    assert!((zero - 300.0).abs() < 120.0, "{zero}");
    let out = dir.path().join("given");
    mosaic(&[&frames], &out, &["--gain", "0.47", "--read-noise", "2.5"]).expect(0, "");
    assert_eq!(csv_column(&out, "noise_model"), vec!["given"; 8]);
    assert_eq!(csv_column(&out, "gain_e_per_adu")[0].parse::<f64>().unwrap(), 0.47);
    assert_eq!(csv_column(&out, "read_noise_e")[0].parse::<f64>().unwrap(), 2.5);
    mosaic(&[&frames], &dir.path().join("bad"), &["--gain", "0"]).expect(2, "E-USAGE").tells("gain");
}

#[test]
fn rgb_equalisation_is_done_when_asked_for_and_said() {
    let dir = folder();
    let frames = dir.path().join("frames");
    write_frames(&frames, 2, &[], |_| {});
    let (plain, equal) = (dir.path().join("plain"), dir.path().join("equal"));
    mosaic(&[&frames], &plain, &[]).expect(0, "");
    mosaic(&[&frames], &equal, &["--rgb-equalize", "final"]).expect(0, "");
    let (plain, equal) = (Mosaic::open(&plain.join("mosaic.fits")), Mosaic::open(&equal.join("mosaic.fits")));
    let header = equal.header("SCI");
    assert_eq!(plain.header("SCI").get_f64("RGBGAINR"), None);
    assert_eq!(header.get_str("RGBEQ").unwrap().trim(), "applied");
    assert!((header.get_f64("RGBEQMED").unwrap() - 850.0).abs() < 10.0);
    for (channel, key) in ["RGBGAINR", "RGBGAING", "RGBGAINB"].into_iter().enumerate() {
        let gain = header.get_f64(key).unwrap();
        let expected = [1.0, 0.95, 1.05][channel];
        assert!((gain - expected).abs() < 0.005, "{key} {gain}");
        for (name, power) in [("SCI", 1), ("VAR", 2), ("WHT", -2)] {
            let pairs = equal.plane(name, channel).into_iter().zip(plain.plane(name, channel));
            for (equal, plain) in pairs.filter(|(_, plain)| plain.is_finite()) {
                let expected = f64::from(plain) * gain.powi(power);
                assert!((f64::from(equal) - expected).abs() <= 1e-6 * expected.abs(), "{name} {channel}");
            }
        }
    }
    run(program().arg("check").arg(dir.path().join("equal"))).expect(0, "");
}

#[test]
fn spatial_weights_are_refused_when_out_of_range() {
    let dir = folder();
    let frames = dir.path().join("frames");
    write_frames(&frames, 2, &[], |_| {});
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &["--taper", "20", "--radial-weight", "0.9,1.5"]).expect(0, "");
    run(program().arg("check").arg(&out)).expect(0, "");
    let toml = std::fs::read_to_string(out.join("run.toml")).unwrap();
    assert!(toml.contains("taper-px = 20.0") && toml.contains("power = 1.5"), "{toml}");
    mosaic(&[&frames], &dir.path().join("a"), &["--taper", "-3"]).expect(2, "");
    mosaic(&[&frames], &dir.path().join("b"), &["--radial-weight", "2"]).expect(2, "radial-weight");
}
