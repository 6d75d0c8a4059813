//! What a run leaves behind: `mosaic.fits`, `mosaic_preview.png`, `report.json`, `frames.csv`, `run.toml`.

pub mod facts;
pub mod frames_csv;
pub mod header;
pub mod inputs_table;
pub mod preview;
pub mod report;
pub mod run_toml;

use std::path::{Path, PathBuf};

use crate::error::RunError;

/// Write a small product through a `.partial` file and a rename.
///
/// # Errors
/// When it cannot be written; nothing is left under the final name.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&partial)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|source| {
        // The write's own error is what the user must see.
        let _ = std::fs::remove_file(&partial);
        RunError::Output { path: path.to_path_buf(), source }
    })
}
