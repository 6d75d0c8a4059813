//! The index of the whole sky, built or opened when the first frame needs it.

use std::path::PathBuf;

use zemosaic_stars::catalogue::Catalogue;
use zemosaic_stars::solve::{BlindIndex, SolveError};

use crate::events::{Reporter, Warning};

/// Why there is no index.
pub(crate) enum NoIndex {
    /// The memory budget does not allow to build it.
    Memory(String),
    /// It cannot be written or read.
    Unusable(String),
}

/// It, once.
pub(crate) struct LazyIndex<'a> {
    /// The stars it is made of.
    pub catalogue: &'a Catalogue,
    /// Where it is kept.
    pub folder: Option<PathBuf>,
    /// Memory of the run, bytes.
    pub memory_bytes: u64,
    /// Who is told that it is built.
    pub reporter: &'a Reporter,
    opened: Option<BlindIndex>,
}

impl<'a> LazyIndex<'a> {
    /// Not opened yet.
    pub(crate) fn new(catalogue: &'a Catalogue, memory_bytes: u64, reporter: &'a Reporter) -> Self {
        Self { catalogue, folder: BlindIndex::default_folder(), memory_bytes, reporter, opened: None }
    }

    /// The index.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn get(&mut self) -> Result<&BlindIndex, NoIndex> {
        let index = match self.opened.take() {
            Some(index) => index,
            None => self.open()?,
        };
        Ok(self.opened.insert(index))
    }

    fn open(&self) -> Result<BlindIndex, NoIndex> {
        let Some(folder) = &self.folder else {
            let why = "no folder for the index of the blind search: set ZEMOSAIC_CACHE or HOME";
            return Err(NoIndex::Unusable(why.into()));
        };
        let tell = |message: &str| {
            self.reporter.warn(&Warning { code: "W-BLIND-INDEX", message: message.into() });
        };
        BlindIndex::open_or_build(folder, self.catalogue, self.memory_bytes, &tell).map_err(|error| {
            match error {
                SolveError::IndexMemory { .. } => {
                    NoIndex::Memory(format!("{error}; --blind off does without"))
                }
                _ => NoIndex::Unusable(error.to_string()),
            }
        })
    }
}
