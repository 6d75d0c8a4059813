//! The file of a product in the making: created locked as `<name>.partial`, renamed when complete, removed otherwise.

use super::Overwrite;
use crate::error::FitsError;
use crate::file_io;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// `<path>.partial`.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".partial");
    PathBuf::from(name)
}

/// See the module's first line.
pub(crate) struct PartialFile {
    path: PathBuf,
    partial: PathBuf,
    policy: Overwrite,
    /// `None` once published.
    file: Option<File>,
}

impl PartialFile {
    /// Creates the partial file with `bytes` of disk space. An abandoned one of a killed run is reused.
    pub(crate) fn create(path: &Path, bytes: u64, policy: Overwrite) -> Result<Self, FitsError> {
        refuse_existing(path, policy)?;
        let partial = partial_path(path);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&partial)
            .map_err(|e| FitsError::io(&partial, "create", bytes, e))?;
        lock(&file, &partial)?;
        // From here on a failure removes the file, by the drop of `result`.
        let result = Self { path: path.to_path_buf(), partial, policy, file: Some(file) };
        let file = result.open()?;
        file.set_len(0)
            .and_then(|()| file_io::preallocate(file, bytes))
            .map_err(|e| FitsError::io(path, "allocate disk space for", bytes, e))?;
        Ok(result)
    }

    pub(crate) fn final_path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<&File, FitsError> {
        self.file
            .as_ref()
            .ok_or_else(|| FitsError::bad_request(&self.path, "the product is already finished"))
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), FitsError> {
        file_io::write_all_at(self.open()?, bytes, offset)
            .map_err(|e| FitsError::io(&self.path, "write", offset + bytes.len() as u64, e))
    }

    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> Result<usize, FitsError> {
        file_io::read_at(self.open()?, bytes, offset).map_err(|e| FitsError::io(&self.path, "read", 0, e))
    }

    /// Syncs the file and gives it its name.
    pub(crate) fn publish(self) -> Result<(), FitsError> {
        self.open()?.sync_all().map_err(|e| FitsError::io(&self.path, "sync", 0, e))?;
        let path = self.path.clone();
        self.publish_unsynced()?;
        file_io::sync_folder_of(&path).map_err(|e| FitsError::io(&path, "sync the folder of", 0, e))
    }

    /// Gives the file its name; for copies that need not outlive a power cut.
    pub(crate) fn publish_unsynced(mut self) -> Result<(), FitsError> {
        refuse_existing(&self.path, self.policy)?;
        std::fs::rename(&self.partial, &self.path)
            .map_err(|e| FitsError::io(&self.path, "rename to", 0, e))?;
        // The rename has taken the partial file away; there is nothing left to remove.
        self.file = None;
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Windows removes only closed files. There is nobody left to report a failure to.
            drop(file);
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn refuse_existing(path: &Path, policy: Overwrite) -> Result<(), FitsError> {
    if policy == Overwrite::Refuse && path.symlink_metadata().is_ok() {
        return Err(FitsError::Exists {
            path: path.to_path_buf(),
            reason: "choose another name or allow overwriting",
        });
    }
    Ok(())
}

/// Two runs with the same output must not write into one file. Volumes without locks are used without.
fn lock(file: &File, partial: &Path) -> Result<(), FitsError> {
    let taken = match file.try_lock() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) | Err(TryLockError::Error(_)) => !file_io::is_same_file(file, partial),
    };
    if taken {
        return Err(FitsError::Exists {
            path: partial.to_path_buf(),
            reason: "another run is writing it; wait for its end or choose another name",
        });
    }
    Ok(())
}
