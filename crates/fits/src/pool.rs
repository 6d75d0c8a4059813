//! A bounded pool of open read-only files: thousands of frames, a few hundred descriptors.

use crate::error::FitsError;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Open files by path, least recently used closed first. A file handed out stays open while its `Arc` lives, so the
/// number of descriptors is at most `max_open` plus the number of reading threads.
#[derive(Debug)]
pub struct FilePool {
    max_open: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clock: u64,
    files: HashMap<PathBuf, (Arc<File>, u64)>,
}

impl FilePool {
    /// A pool that keeps at most `max_open` files open (at least one).
    pub fn new(max_open: usize) -> Self {
        Self { max_open: max_open.max(1), state: Mutex::default() }
    }

    /// The open file for this path.
    ///
    /// # Errors
    /// [`FitsError::Io`] when it cannot be opened.
    pub fn get(&self, path: &Path) -> Result<Arc<File>, FitsError> {
        if let Some(file) = Self::touch(&mut self.lock(), path) {
            return Ok(file);
        }
        // Opening may take long on a network volume; the others need not wait for it.
        let file = Arc::new(File::open(path).map_err(|e| FitsError::io(path, "open", 0, e))?);
        let mut state = self.lock();
        if let Some(file) = Self::touch(&mut state, path) {
            return Ok(file);
        }
        while state.files.len() >= self.max_open {
            let oldest = state.files.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone());
            match oldest {
                Some(path) => state.files.remove(&path),
                None => break,
            };
        }
        let now = state.clock;
        state.files.insert(path.to_path_buf(), (Arc::clone(&file), now));
        Ok(file)
    }

    /// Number of files that the pool holds open now.
    pub fn open_files(&self) -> usize {
        self.lock().files.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The map is valid after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(state: &mut State, path: &Path) -> Option<Arc<File>> {
        state.clock += 1;
        let now = state.clock;
        let (file, used) = state.files.get_mut(path)?;
        *used = now;
        Some(Arc::clone(file))
    }
}
