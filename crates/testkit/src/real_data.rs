//! Where tests find the real data, which are never part of the repository: `ZEMOSAIC_TEST_DATA`, by default `../shared/data` beside
//! the repository.

use std::path::{Path, PathBuf};

/// The file or folder `below` the real data. `None`, with a line that says so, where it is not there.
///
/// # Panics
/// In CI (`CI=true`), where nothing may be skipped.
pub fn real_data(below: &str) -> Option<PathBuf> {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let given = std::env::var_os("ZEMOSAIC_TEST_DATA").unwrap_or("../shared/data".into());
    let path = repository.join(given).join(below);
    if path.exists() {
        return Some(path);
    }
    assert!(!in_ci(), "real data are required in CI: {}", path.display());
    skipped(&format!("no real data at {}", path.display()));
    None
}

/// Whether nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// Say why a test does not look at something.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
