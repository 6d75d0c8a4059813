//! The index of the whole sky, built or opened when the first frame needs it.

use std::path::PathBuf;

use zemosaic_stars::catalogue::Catalogue;
use zemosaic_stars::solve::{BlindIndex, SolveError};

use crate::error::RunError;
use crate::events::{Reporter, Warning};

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

    /// The index, if it is `wanted`; inside, why there can be none.
    ///
    /// # Errors
    /// The memory budget does not allow to build it.
    pub(crate) fn get(&mut self, wanted: bool) -> Result<Result<Option<&BlindIndex>, String>, RunError> {
        if !wanted {
            return Ok(Ok(None));
        }
        if self.opened.is_none() {
            let Some(folder) = &self.folder else {
                return Ok(Err(
                    "no folder for the index of the blind search: set ZEMOSAIC_CACHE or HOME".into()
                ));
            };
            let tell = |message: &str| {
                self.reporter.warn(&Warning { code: "W-BLIND-INDEX", message: message.into() });
            };
            match BlindIndex::open_or_build(folder, self.catalogue, self.memory_bytes, &tell) {
                Ok(index) => self.opened = Some(index),
                Err(error @ SolveError::IndexMemory { .. }) => {
                    return Err(RunError::Resource(format!("{error}; --blind off does without")));
                }
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        Ok(Ok(self.opened.as_ref()))
    }
}
