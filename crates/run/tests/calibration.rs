//! Sets and masters: what is combined with what, clipped means against a plain definition, damaged files, and files that
//! both an input and an option bring in.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::MemoryBudget;
use zemosaic_fits::{FilePool, Header, ImageData, ReadScratch, Window, read_window, write_image};
use zemosaic_frames::calibration::{CalibrationKind, Master};
use zemosaic_frames::{CalibrationOptions, Frame, IngestOptions, discover, ingest};
use zemosaic_image::CfaPattern;
use zemosaic_run::calibrate::{CalibrationPlan, build_masters, find_calibration, plan_calibration};
use zemosaic_run::{ExitCode, Reporter, RunError};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, write_test_frame};

const SIZE: (usize, usize) = (50, 40);
const N: usize = 2000;

/// A raw frame of `size` with the cards that `edit` sets.
fn write_raw(path: &Path, size: (usize, usize), raw: &[u16], edit: impl FnOnce(&mut Header)) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut header = Header::new();
    edit(&mut header);
    write_image(path, &header, ImageData::U16(raw), &[size.0, size.1]).unwrap();
}

fn exposed(seconds: f64) -> impl FnOnce(&mut Header) {
    move |header| header.set_f64("EXPTIME", seconds, "")
}

/// A light frame of 10 s.
fn light(path: &Path, size: (usize, usize), edit: impl FnOnce(&mut Header)) -> Frame {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let wcs = TanFrame::pointed_at((10.0, 20.0), 2.0, 0.0, Parity::Sky, size);
    let raw = vec![3000_u16; size.0 * size.1];
    write_test_frame(path, &wcs, ImageData::U16(&raw), edit).unwrap();
    let files = discover(&[path.to_path_buf()], &[]).unwrap();
    ingest(&files, &IngestOptions::default(), &|_| {}).frames.remove(0)
}

fn planned(frames: &mut [Frame], options: &CalibrationOptions) -> (CalibrationPlan, Vec<String>) {
    let (_, found) = find_calibration(Vec::new(), options).unwrap();
    let (plan, warnings) = plan_calibration(found, frames, options);
    (plan, warnings.into_iter().map(|warning| format!("{} {}", warning.code, warning.message)).collect())
}

fn built(plan: &CalibrationPlan, frames: &mut [Frame], spill: &Path, budget: MemoryBudget) -> Vec<String> {
    let reporter = Reporter::start(Box::new(|_| {}));
    let pool = FilePool::new(8);
    let warnings =
        build_masters(plan, frames, (spill, &pool), budget, &reporter, &AtomicBool::new(false)).unwrap();
    warnings.into_iter().map(|warning| format!("{} {}", warning.code, warning.message)).collect()
}

const BUDGET: MemoryBudget = MemoryBudget { total_bytes: 1 << 28, workers: 2 };

fn master_of(frame: &Frame, kind: CalibrationKind) -> Arc<Master> {
    let calibration = frame.calibration.as_ref().unwrap();
    Arc::clone(&calibration.masters().find(|used| used.master.kind == kind).unwrap().master)
}

fn pixels_of(master: &Master) -> Vec<f32> {
    let mut out = vec![0.0; master.layout.width() * master.layout.height()];
    let (pool, window) = (FilePool::new(1), Window::full(&master.layout));
    read_window(&pool, &master.pixels_path, &master.layout, 0, window, &mut ReadScratch::default(), &mut out)
        .unwrap();
    out
}

/// Raw darks `count` of small noise, each with a hit of its own.
fn write_darks(dir: &Path, count: usize) -> Vec<Vec<u16>> {
    let raws: Vec<Vec<u16>> = (0..count)
        .map(|f| {
            (0..N)
                .map(|i| 1000 + ((i * 7 + f * 13) % 5) as u16 + if i % 97 == f { 5000 } else { 0 })
                .collect()
        })
        .collect();
    for (f, raw) in raws.iter().enumerate() {
        write_raw(&dir.join(format!("d{f:02}.fits")), SIZE, raw, exposed(10.0));
    }
    raws
}

#[test]
fn darks_are_clipped_means_whatever_the_memory() {
    for count in [5, 20] {
        let dir = tempfile::tempdir().unwrap();
        let raws = write_darks(&dir.path().join("dark"), count);
        let options =
            CalibrationOptions { dark: vec![dir.path().join("dark")], ..CalibrationOptions::default() };
        let mut hashes = Vec::new();
        // The second budget leaves bands of a few rows.
        for budget in [BUDGET, MemoryBudget { total_bytes: 60_000, workers: 1 }] {
            let mut frames = [light(&dir.path().join("l.fits"), SIZE, |_| {})];
            let (plan, warnings) = planned(&mut frames, &options);
            assert_eq!((plan.sets.len(), warnings.len()), (1, 0), "{warnings:?}");
            assert!(plan.spill_bytes() > 4 * N as u64);
            built(&plan, &mut frames, dir.path(), budget);
            let master = master_of(&frames[0], CalibrationKind::Dark);
            for (i, value) in pixels_of(&master).into_iter().enumerate() {
                let good: Vec<f64> =
                    raws.iter().map(|raw| f64::from(raw[i])).filter(|v| *v < 2000.0).collect();
                let mean = good.iter().sum::<f64>() / good.len() as f64;
                assert!((f64::from(value) - mean).abs() < 1e-4, "{count} frames, pixel {i}: {value} {mean}");
            }
            hashes.push(master.statistics.as_ref().unwrap().content_hash);
        }
        assert_eq!(hashes[0], hashes[1]);
    }
}

#[test]
fn flats_lose_their_bias_and_the_colour_of_the_lamp() {
    let dir = tempfile::tempdir().unwrap();
    let pattern = CfaPattern::Grbg;
    let colour = |i: usize| pattern.colour_at((i % SIZE.0) as i64, (i / SIZE.0) as i64);
    let response = |i: usize| {
        1.0 + 0.2 * ((i % SIZE.0) as f64 / SIZE.0 as f64) - 0.1 * ((i / SIZE.0) as f64 / SIZE.1 as f64)
    };
    write_raw(&dir.path().join("bias.fits"), SIZE, &vec![500; N], |header| header.set_i64("NCOMBINE", 9, ""));
    for f in 0..4 {
        let raw: Vec<u16> = (0..N)
            .map(|i| {
                (500.0 + [8000.0, 20000.0, 12000.0][colour(i)] * (1.0 + 0.2 * f as f64) * response(i)).round()
                    as u16
            })
            .collect();
        write_raw(&dir.path().join(format!("flat/f{f}.fits")), SIZE, &raw, |header| {
            header.set_str("BAYERPAT", pattern.name(), "");
            header.set_str("IMAGETYP", "FLAT", "");
        });
    }
    let options = CalibrationOptions {
        bias: vec![dir.path().join("bias.fits")],
        flat: vec![dir.path().join("flat")],
        ..CalibrationOptions::default()
    };
    let mut frames =
        [light(&dir.path().join("l.fits"), SIZE, |header| header.set_str("BAYERPAT", pattern.name(), ""))];
    let (plan, warnings) = planned(&mut frames, &options);
    assert!(warnings.is_empty() && plan.sets.len() == 2, "{warnings:?}");
    built(&plan, &mut frames, dir.path(), BUDGET);
    let mean_of = |channel: usize| {
        let own: Vec<f64> = (0..N).filter(|i| colour(*i) == channel).map(response).collect();
        own.iter().sum::<f64>() / own.len() as f64
    };
    let master = master_of(&frames[0], CalibrationKind::Flat);
    for (i, value) in pixels_of(&master).into_iter().enumerate() {
        assert!((f64::from(value) - response(i) / mean_of(colour(i))).abs() < 1e-4, "{i}: {value}");
    }
    // Without the bias the level of the flats stays in them, and that is told.
    let alone = CalibrationOptions { bias: Vec::new(), ..options };
    let (_, warnings) = planned(&mut frames, &alone);
    assert!(
        warnings.iter().any(|text| text.starts_with("W-CALIB-ZERO") && text.contains("+ 3 similar")),
        "{warnings:?}"
    );
}

#[test]
fn sets_are_of_one_exposure_and_near_temperatures() {
    let dir = tempfile::tempdir().unwrap();
    let cases =
        [(10.0, -10.0), (10.0, -9.0), (10.0, -6.5), (10.0, -1.0), (30.0, -10.0), (10.0, -10.5), (30.0, -9.5)];
    for (number, (seconds, celsius)) in cases.into_iter().enumerate() {
        write_raw(&dir.path().join(format!("dark/{number}.fits")), SIZE, &vec![600; N], |header| {
            exposed(seconds)(header);
            header.set_f64("CCD-TEMP", celsius, "");
        });
    }
    let options = CalibrationOptions { dark: vec![dir.path().join("dark")], ..CalibrationOptions::default() };
    let mut frames = [light(&dir.path().join("l.fits"), SIZE, |header| header.set_f64("CCD-TEMP", -8.0, ""))];
    let (plan, warnings) = planned(&mut frames, &options);
    let mut sizes: Vec<usize> = plan.sets.iter().map(|set| set.files.len()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes, warnings.len()), (vec![1, 2, 4], 0));
    let used: Vec<usize> = plan.used().map(|set| set.files.len()).collect();
    assert_eq!(used, [4], "only what a frame needs is made");
}

#[test]
fn a_damaged_raw_frame_is_left_out_and_a_damaged_master_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    write_darks(&dir.path().join("dark"), 6);
    let path = dir.path().join("dark/d03.fits");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&path).unwrap()).unwrap();
    let packed = encoder.finish().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(dir.path().join("dark/d03.fits.gz"), &packed[..packed.len() / 2]).unwrap();
    let options = CalibrationOptions { dark: vec![dir.path().join("dark")], ..CalibrationOptions::default() };
    let mut frames = [light(&dir.path().join("l.fits"), SIZE, |_| {})];
    let (plan, mut warnings) = planned(&mut frames, &options);
    warnings.extend(built(&plan, &mut frames, dir.path(), BUDGET));
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("W-CALIB-FILE") && warnings[0].contains("d03"),
        "{warnings:?}"
    );
    assert!((pixels_of(&master_of(&frames[0], CalibrationKind::Dark))[0] - 1002.0).abs() < 1.5);

    std::fs::write(dir.path().join("master_dark.fits.gz"), &packed[..packed.len() / 2]).unwrap();
    let only = CalibrationOptions { dark: vec![dir.path().join("master_dark.fits.gz")], ..options };
    match find_calibration(Vec::new(), &only) {
        // What is cut in its header shows at once.
        Err(error) => assert_eq!(error.exit_code(), ExitCode::Usage),
        Ok((_, found)) => {
            let (plan, _) = plan_calibration(found, &mut frames, &only);
            let reporter = Reporter::start(Box::new(|_| {}));
            let pool = FilePool::new(2);
            let cancel = AtomicBool::new(false);
            let error = build_masters(&plan, &mut frames, (dir.path(), &pool), BUDGET, &reporter, &cancel)
                .unwrap_err();
            assert_eq!(error.exit_code(), ExitCode::InputOutput, "{error}");
        }
    }
}

#[test]
fn overscan_of_calibration_frames_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let size = (60, 40);
    let sections = |header: &mut Header| {
        header.set_str("BIASSEC", "[51:60,1:40]", "");
        header.set_str("TRIMSEC", "[1:50,1:40]", "");
    };
    // The level wanders from frame to frame; the dark current does not.
    for f in 0..3_u16 {
        let raw: Vec<u16> = (0..2400).map(|i| 500 + 40 * f + if i % 60 < 50 { 7 } else { 0 }).collect();
        write_raw(&dir.path().join(format!("dark/d{f}.fits")), size, &raw, sections);
    }
    let options = CalibrationOptions { dark: vec![dir.path().join("dark")], ..CalibrationOptions::default() };
    let mut frames = [light(&dir.path().join("l.fits"), size, sections)];
    assert_eq!((frames[0].width, frames[0].height), SIZE);
    let (plan, warnings) = planned(&mut frames, &options);
    assert!(warnings.is_empty(), "{warnings:?}");
    built(&plan, &mut frames, dir.path(), BUDGET);
    assert_eq!(pixels_of(&master_of(&frames[0], CalibrationKind::Dark)), vec![7.0; N]);
}

#[test]
fn a_file_is_a_light_or_a_calibration_frame_never_both() {
    let dir = tempfile::tempdir().unwrap();
    let night = dir.path().join("night");
    let raw = vec![600; N];
    // Files that say nothing of what they are.
    for name in ["l.fits", "dark/d.fits", "near.fits"] {
        write_raw(&night.join(name), SIZE, &raw, |_| {});
    }
    write_raw(&night.join("said.fits"), SIZE, &raw, |header| header.set_str("IMAGETYP", "Dark", ""));
    let kept = |dark: &[PathBuf]| -> Result<(Vec<String>, usize), RunError> {
        let inputs = discover(std::slice::from_ref(&night), &[]).unwrap();
        let options = CalibrationOptions { dark: dark.to_vec(), ..CalibrationOptions::default() };
        let (inputs, found) = find_calibration(inputs, &options)?;
        Ok((inputs.into_iter().map(|file| file.id).collect(), found.files.len()))
    };
    let lights = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    assert_eq!(kept(&[night.join("dark")]).unwrap(), (lights(&["l.fits", "near.fits", "said.fits"]), 1));
    assert_eq!(
        kept(&[night.join("near.fits")]).unwrap(),
        (lights(&["dark/d.fits", "l.fits", "said.fits"]), 1)
    );
    // One folder for both: what a header says counts, the rest are lights.
    assert_eq!(
        kept(std::slice::from_ref(&night)).unwrap(),
        (lights(&["dark/d.fits", "l.fits", "near.fits"]), 1)
    );
    let error = kept(&[dir.path().join("night/l.fits"), dir.path().to_path_buf()]).unwrap();
    assert_eq!(error.1, 2, "named, or said");
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(kept(&[dir.path().join("empty")]).unwrap_err().to_string().contains("there is no FITS file"));
}
