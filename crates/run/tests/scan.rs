//! The verdict on all inputs: what counts as a file of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::CoaddOptions;
use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::{IngestOptions, MapOptions};
use zemosaic_run::prepare::prepare;
use zemosaic_run::{Reporter, RunError, Scan, scan_inputs};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIZE: (usize, usize) = (40, 30);
const N: usize = 1200;

fn reporter() -> Reporter {
    Reporter::start(Box::new(|_| {}))
}

fn write_frame(path: &Path, seed: u64) {
    let wcs = TanFrame::pointed_at((10.0, 20.0), 2.0, 30.0, Parity::Sky, SIZE);
    let pixels = noise_image(SIZE.0, SIZE.1, 100.0, 5.0, seed);
    write_test_frame(path, &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
}

fn write_map(path: &Path, size: (usize, usize)) {
    write_image(path, &Header::new(), ImageData::F32(&vec![1.0; size.0 * size.1]), &[size.0, size.1])
        .unwrap();
}

fn scanned(folder: &Path, weight_suffix: &str) -> Result<Scan, RunError> {
    let maps = MapOptions { weight_suffix: Some(weight_suffix.into()), ..MapOptions::default() };
    let options = IngestOptions { maps, ..IngestOptions::default() };
    scan_inputs(&[folder.to_path_buf()], &[], &options, &reporter())
}

#[test]
fn maps_of_used_frames_are_no_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (seed, name) in ["a", "b", "bad"].into_iter().enumerate() {
        write_frame(&root.join(format!("{name}.fits")), seed as u64);
        let size = if name == "bad" { (30, 40) } else { SIZE };
        write_map(&root.join(format!("{name}.w.fits")), size);
    }
    write_map(&root.join("orphan.w.fits"), SIZE);
    let scan = scanned(root, ".w.fits").unwrap();
    let used: Vec<&str> = scan.frames.iter().map(|frame| frame.id.as_str()).collect();
    assert_eq!(used, ["a.fits", "b.fits"]);
    let left_out: Vec<(&str, &str)> =
        scan.left_out.iter().map(|item| (item.id.as_str(), item.reason.code())).collect();
    assert_eq!(
        left_out,
        [
            ("bad.fits", "E-FRAME-MAP"),
            ("bad.w.fits", "W-FRAME-AUXILIARY"),
            ("orphan.w.fits", "W-FRAME-AUXILIARY"),
        ]
    );
    assert_eq!(scan.files, 5);
}

#[test]
fn a_suffix_that_names_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = scanned(dir.path(), "[]").unwrap_err();
    assert!(matches!(error, RunError::Usage(_)), "{error}");
}

#[test]
fn a_frame_of_values_beyond_floats_says_why_it_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    write_frame(&path, 1);
    // The same header with doubles.
    let mut header = zemosaic_fits::scan(&path).unwrap().hdus.remove(0).header;
    header.set_i64("BITPIX", -64, "");
    let mut bytes = header.to_bytes();
    bytes.extend(std::iter::repeat_n(1e300_f64.to_be_bytes(), N).flatten());
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    std::fs::write(&path, bytes).unwrap();
    let scan = scan_inputs(&[path], &[], &IngestOptions::default(), &reporter()).unwrap();
    let (options, pool) = (CoaddOptions::default(), FilePool::new(2));
    let cancel = AtomicBool::new(false);
    let budget = zemosaic_coadd::MemoryBudget { total_bytes: 1 << 30, workers: 2 };
    let prepared = prepare(scan.frames, &options, budget, dir.path(), &pool, &reporter(), &cancel).unwrap();
    let reason = &prepared.left_out[0].reason;
    assert_eq!(reason.code(), "E-FRAME-EMPTY");
    assert!(reason.message().contains("values beyond the range of 32-bit floats count as none"));
}
