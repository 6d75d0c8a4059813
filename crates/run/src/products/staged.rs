//! Small products that appear together: written in full as `*.partial`, renamed when all else has succeeded.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::RunError;

/// Files in the making; dropped unpublished they are removed.
#[derive(Debug, Default)]
pub struct StagedFiles {
    /// Partial name and final name.
    files: Vec<(PathBuf, PathBuf)>,
}

impl StagedFiles {
    /// Write `bytes` for `path`, synced to disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<(), RunError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        self.files.push((partial.clone(), path.to_path_buf()));
        std::fs::File::create(&partial)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(RunError::output(path))
    }

    /// Give all files their names.
    ///
    /// # Errors
    /// When a rename fails; the files not yet renamed are removed.
    pub fn publish(mut self) -> Result<(), RunError> {
        while let Some((partial, path)) = self.files.first() {
            std::fs::rename(partial, path).map_err(RunError::output(path))?;
            self.files.remove(0);
        }
        Ok(())
    }
}

impl Drop for StagedFiles {
    fn drop(&mut self) {
        for (partial, _) in &self.files {
            // The error that led here is what the user must see.
            let _ = std::fs::remove_file(partial);
        }
    }
}
