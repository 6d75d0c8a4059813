//! Helpers shared by the integration tests.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

pub mod tiled;

use std::path::{Path, PathBuf};
use std::process::Command;
use zemosaic_fits::{FilePool, FitsError, ImageLayout, ReadScratch, Window, read_window, scan};

/// The real-data folder, or `None` (with a line about it) when this machine has none.
pub fn data_root() -> Option<PathBuf> {
    let root = std::env::var_os("ZEMOSAIC_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if root.join("fits_conformance/golden.json").is_file() {
        return Some(root);
    }
    skip("no real data");
    None
}

/// A missing tool or data set is a failure in CI and a skip elsewhere.
pub fn skip(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have everything: {what}");
    eprintln!("skipped: {what}");
}

/// Asserts that `fitsverify` reports neither errors nor warnings.
pub fn assert_fitsverify_clean(path: &Path) {
    let Ok(output) = Command::new("fitsverify").arg("-q").arg(path).output() else {
        skip("fitsverify is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("verification OK"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// The layout of an image HDU.
pub fn layout(path: &Path, hdu: usize) -> ImageLayout {
    scan(path).unwrap().hdus[hdu].image().unwrap().clone()
}

/// A window of one plane of an image HDU.
pub fn read(path: &Path, hdu: usize, plane: usize, window: Window) -> Result<Vec<f32>, FitsError> {
    let mut out = vec![0.0; window.area()];
    let mut scratch = ReadScratch::default();
    read_window(&FilePool::new(4), path, &layout(path, hdu), plane, window, &mut scratch, &mut out)?;
    Ok(out)
}

/// A whole plane.
pub fn read_plane(path: &Path, hdu: usize, plane: usize) -> Vec<f32> {
    read(path, hdu, plane, Window::full(&layout(path, hdu))).unwrap()
}

/// Bit patterns, so that NaN compares equal to itself.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
