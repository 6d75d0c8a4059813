//! The bytes of a mosaic depend on frames and options alone: not on threads, memory, the order of files or arguments.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use zemosaic_fits::ImageData;
use zemosaic_testkit::{TanFrame, write_test_frame};

const FRAMES: usize = 9;
/// What must be equal to the byte.
const FIXED: [&str; 4] = ["mosaic.fits", "mosaic_preview.png", "frames.csv", "report.html"];
const OPTIONS: [&[&str]; 8] = [
    &["--match", "surface", "--hot-pixels", "auto", "--gate", "auto", "--reject", "auto"],
    &["--normalize", "sky-mean", "--weights", "noise-fwhm", "--reject", "winsorized", "--taper", "9"],
    &["--reject", "none"],
    &["--kernel", "bicubic", "--background", "mesh", "--back-size", "32"],
    &["--kernel", "drizzle", "--pixfrac", "0.7", "--reject", "mad", "--flux", "flux"],
    &["--kernel", "exact", "--reject", "none", "--combine", "sum"],
    &["--reject", "sigma", "--kappa", "2"],
    &["--combine", "median", "--reject", "none", "--kernel", "bilinear"],
];

type Writer = fn(&Path, &TanFrame, usize);

/// A set of frames, and the same set written in another order into another folder.
struct Set {
    dir: tempfile::TempDir,
    frames: PathBuf,
    shuffled: PathBuf,
}

impl Set {
    fn new(rotation_deg: f64, write: Writer) -> Self {
        let dir = folder();
        let (frames, shuffled) = (dir.path().join("frames"), dir.path().join("elsewhere/shuffled"));
        std::fs::create_dir_all(&frames).unwrap();
        std::fs::create_dir_all(&shuffled).unwrap();
        let write_one = |folder: &Path, index: usize| {
            write(&folder.join(format!("f{index}.fits")), &pointing(index, rotation_deg), index);
        };
        for index in 0..FRAMES {
            write_one(&frames, index);
        }
        for index in [4, 0, 8, 3, 7, 1, 6, 2, 5] {
            write_one(&shuffled, index);
        }
        Self { dir, frames, shuffled }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        [5, 2, 8, 0, 7, 3, 1, 6, 4].map(|index| folder.join(format!("f{index}.fits"))).to_vec()
    }

    /// Make a mosaic; its fixed products, and how many patches it took.
    fn run(&self, inputs: &[PathBuf], flags: &[&str]) -> (Vec<Vec<u8>>, u64) {
        let out = self.dir.path().join("out");
        mosaic(inputs, &out, flags).expect(0, "");
        let products = FIXED.map(|name| std::fs::read(out.join(name)).unwrap()).to_vec();
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
        std::fs::remove_dir_all(&out).unwrap();
        (products, report["costs"]["patches"].as_u64().unwrap())
    }

    /// The smallest budget on this number of threads, MiB.
    fn smallest_budget(&self, options: &[&str], threads: &str) -> String {
        let fits = |mib: &u64| {
            let memory = format!("{mib}MiB");
            let plan = run(program()
                .arg("plan")
                .arg(&self.frames)
                .args(options)
                .args(["-j", threads, "-m", &memory]));
            plan.code == 0
        };
        let smallest = (16..64).find(fits).expect("a budget of 64 MiB is enough for frames this small");
        format!("{smallest}MiB")
    }
}

#[track_caller]
fn assert_equal(products: &[Vec<u8>], reference: &[Vec<u8>], what: &str) {
    for ((name, bytes), expected) in FIXED.iter().zip(products).zip(reference) {
        assert_eq!(bytes.len(), expected.len(), "length of {name}: {what}");
        let first = bytes.iter().zip(expected).position(|(a, b)| a != b);
        assert_eq!(first, None, "first byte of {name} that differs: {what}");
    }
}

fn all_ways(set: &Set) {
    for options in OPTIONS {
        let (reference, patches) =
            set.run(std::slice::from_ref(&set.frames), &[options, &["-j", "1"]].concat());
        let mut most_patches = patches;
        let mut compare = |inputs: &[PathBuf], flags: &[&str]| {
            let (products, patches) = set.run(inputs, &[options, flags].concat());
            most_patches = most_patches.max(patches);
            assert_equal(&products, &reference, &format!("{inputs:?} {options:?} {flags:?}"));
        };
        let folder = std::slice::from_ref(&set.frames);
        let smallest = set.smallest_budget(options, "4");
        compare(folder, &["-j", "2"]);
        compare(folder, &["-j", "4", "--memory", "128MiB"]);
        compare(folder, &["-j", "2", "--memory", "64MiB"]);
        compare(folder, &["-j", "4", "--memory", &smallest]);
        compare(std::slice::from_ref(&set.shuffled), &["-j", "2"]);
        compare(&Set::files(&set.frames), &["-j", "4"]);
        compare(&Set::files(&set.shuffled), &["-j", "1", "--memory", &smallest]);
        assert!(most_patches > patches, "a small budget cuts the grid otherwise ({patches} patches)");
    }
}

#[test]
fn mono() {
    all_ways(&Set::new(0.0, write_mono));
}

#[test]
fn raw_bayer_frames() {
    all_ways(&Set::new(3.0, write_cfa));
}

#[test]
fn colour() {
    all_ways(&Set::new(-7.0, write_rgb));
}

/// Rotated frames with a distortion, holes and a few outliers: node-grid maps, masked samples, rejection.
#[test]
fn distorted_rotated_frames_with_holes() {
    all_ways(&Set::new(11.0, |path, frame, index| {
        let mut image = sky_image(frame, 400 + index as u64);
        for y in 40..60 {
            image[y * WIDTH + 20 * index..y * WIDTH + 20 * index + 15].fill(f32::NAN);
        }
        for (at, pixel) in image.iter_mut().enumerate() {
            if at % 1009 == 97 * index {
                *pixel = if at % 2 == 0 { f32::NAN } else { 50_000.0 };
            }
        }
        write_test_frame(path, frame, ImageData::F32(&image), |header| {
            observed(index)(header);
            header.set_str("CTYPE1", "RA---TAN-SIP", "");
            header.set_str("CTYPE2", "DEC--TAN-SIP", "");
            for (key, value) in [("A_2_0", 2e-6), ("A_1_1", -1e-6), ("B_0_2", 3e-6), ("B_3_0", 4e-9)] {
                header.set_f64(key, value, "");
            }
            header.set_i64("A_ORDER", 3, "");
            header.set_i64("B_ORDER", 3, "");
        })
        .unwrap();
    }));
}

/// Packed frames give the mosaic of the plain ones, header included except for what names the input.
#[test]
fn packed_frames_have_the_pixels_of_plain_ones() {
    let set = Set::new(5.0, write_cfa);
    let out = set.dir.path().join("out");
    let planes = |inputs: &Path, flags: &[&str]| {
        mosaic(&[inputs], &out, flags).expect(0, "");
        let product = Mosaic::open(&out.join("mosaic.fits"));
        let bits: Vec<Vec<u32>> = ["SCI", "WHT", "VAR", "DEPTH", "DQ"]
            .iter()
            .map(|name| product.plane(name, 0).into_iter().map(f32::to_bits).collect())
            .collect();
        std::fs::remove_dir_all(&out).unwrap();
        bits
    };
    let plain = planes(&set.frames, &["-j", "2"]);
    for index in [1, 4, 6] {
        let path = set.shuffled.join(format!("f{index}.fits"));
        std::fs::write(set.shuffled.join(format!("f{index}.fits.gz")), gzip(&std::fs::read(&path).unwrap()))
            .unwrap();
        std::fs::remove_file(path).unwrap();
    }
    assert!(planes(&set.shuffled, &["-j", "2"]) == plain);
    assert!(planes(&set.shuffled, &["-j", "4", "--memory", "64MiB"]) == plain);
}

/// The same run twice, with nothing fixed but the date.
#[test]
fn the_date_is_the_only_thing_that_moves() {
    let set = Set::new(0.0, write_mono);
    let (first, _) = set.run(std::slice::from_ref(&set.frames), &[]);
    let (second, _) = set.run(std::slice::from_ref(&set.frames), &[]);
    assert_equal(&second, &first, "the same run again");
    let out = set.dir.path().join("out");
    let ran = run(program()
        .arg("mosaic")
        .arg(&set.frames)
        .arg("-o")
        .arg(&out)
        .env("SOURCE_DATE_EPOCH", "1800000000"));
    ran.expect(0, "");
    let later = std::fs::read(out.join("mosaic.fits")).unwrap();
    let cards = |bytes: &[u8]| -> Vec<Vec<u8>> { bytes.chunks(80).map(<[u8]>::to_vec).collect() };
    let changed: Vec<String> = cards(&later)
        .into_iter()
        .zip(cards(&first[0]))
        .filter(|(a, b)| a != b)
        .map(|(card, _)| String::from_utf8_lossy(&card[..8]).trim().to_owned())
        .collect();
    assert!(!changed.is_empty());
    assert!(changed.iter().all(|key| ["DATE", "RUNID", "CHECKSUM"].contains(&key.as_str())), "{changed:?}");
}
