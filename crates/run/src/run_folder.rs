//! The run folder while a run goes on: who looks on, the logs, the place of unpacked copies.
//!
//! The watchdog looks on from the first moment and writes nothing unless the run stands still. The logs are opened when the
//! inputs have been looked at, before frames are solved, which takes long; without solving when the plan is made, so that a
//! run that is refused writes nothing. The log of an earlier run lies aside until its products are replaced (`log_files.rs`).

use std::path::Path;

use crate::error::RunError;
use crate::events::{EVENTS_NAME, Reporter};
use crate::options::MosaicRequest;
use crate::watchdog::{StallFiles, Watchdog};

/// How the folders of unpacked copies begin.
pub(crate) const SPILL_PREFIX: &str = ".spill-";

/// The run folder while a run writes into it.
pub(crate) struct RunFolder<'a> {
    request: &'a MosaicRequest,
    reporter: &'a Reporter,
    has_logs: bool,
    /// Looks on until this goes out of scope.
    _watchdog: Option<Watchdog>,
}

impl<'a> RunFolder<'a> {
    /// A watchdog looks on from now; nothing is written yet.
    pub(crate) fn watched(request: &'a MosaicRequest, reporter: &'a Reporter) -> Self {
        Self::new(request, reporter, StallFiles::of_run(&request.out))
    }

    /// As [`Self::watched`], of a run whose only product is `file`; it has no logs.
    pub(crate) fn of_file(file: &Path, request: &'a MosaicRequest, reporter: &'a Reporter) -> Self {
        Self { has_logs: true, ..Self::new(request, reporter, StallFiles::beside(file)) }
    }

    fn new(request: &'a MosaicRequest, reporter: &'a Reporter, files: StallFiles) -> Self {
        Self {
            request,
            reporter,
            has_logs: false,
            _watchdog: Watchdog::start(request.watchdog, reporter, files),
        }
    }

    /// Make the folder and its logs, if they are not open.
    ///
    /// # Errors
    /// When they cannot be made, or another run has them open.
    pub(crate) fn open_logs(&mut self) -> Result<(), RunError> {
        if self.has_logs {
            return Ok(());
        }
        let out = &self.request.out;
        std::fs::create_dir_all(out).map_err(RunError::output(out))?;
        self.reporter.open_log(out).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => RunError::Busy { path: out.clone() },
            _ => RunError::output(&out.join(EVENTS_NAME))(source),
        })?;
        self.has_logs = true;
        Ok(())
    }

    /// Make the folder, its logs and the folder of unpacked copies, which is removed when it goes out of scope.
    ///
    /// # Errors
    /// As [`Self::open_logs`].
    pub(crate) fn open(&mut self) -> Result<tempfile::TempDir, RunError> {
        self.open_logs()?;
        let out = &self.request.out;
        remove_stale_spill(out).map_err(RunError::output(out))?;
        spill_in(self.request.spill.as_ref().unwrap_or(out))
    }
}

/// A folder of unpacked copies in `root`, which is made.
pub(crate) fn spill_in(root: &Path) -> Result<tempfile::TempDir, RunError> {
    std::fs::create_dir_all(root).map_err(RunError::output(root))?;
    tempfile::Builder::new().prefix(SPILL_PREFIX).tempdir_in(root).map_err(RunError::output(root))
}

/// Unpacked copies that a killed run left in `folder`; the lock on its log says that no run is alive there.
fn remove_stale_spill(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SPILL_PREFIX) && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
