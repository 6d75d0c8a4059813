//! The crate's one error type: narrow variants, each naming the file and what the user can do.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with a FITS file.
#[derive(Debug, thiserror::Error)]
pub enum FitsError {
    /// The file does not begin with a FITS primary header.
    #[error(
        "{path} is not a FITS file (it does not begin with SIMPLE =); check that it was copied completely"
    )]
    NotFits {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before the data that its header announces.
    #[error(
        "{path} is truncated: HDU {hdu} needs {expected} bytes of file, {found} are there; copy the file again or \
         leave it out"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Index of the HDU, primary = 0.
        hdu: usize,
        /// File length needed, bytes.
        expected: u64,
        /// File length found, bytes.
        found: u64,
    },
    /// The operating system refused a file operation.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb: `open`, `read`, `write`, ...
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The volume has too little room for the product.
    #[error(
        "not enough disk space for {path}: {needed} bytes are needed; free some space or choose another output folder"
    )]
    DiskFull {
        /// The file being written.
        path: PathBuf,
        /// Bytes that the file (or the failed write) needs.
        needed: u64,
    },
    /// The product exists and may not be replaced, or another run is writing it.
    #[error("{path} exists already: {reason}")]
    Exists {
        /// The file in the way.
        path: PathBuf,
        /// Why it stops us.
        reason: &'static str,
    },
    /// A legal FITS feature that this crate does not read or write.
    #[error("{path}: {what} is not supported")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The feature.
        what: String,
    },
    /// A header that cannot be understood.
    #[error("{path}: bad FITS header: {what}")]
    BadHeader {
        /// The file, or `<header>` for a header that came from memory.
        path: PathBuf,
        /// What is wrong, with the keyword.
        what: String,
    },
    /// Data that contradict their own format (a broken gzip stream, a malformed table).
    #[error("{path} is damaged: {what}; copy the file again or leave it out")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A product was finished before every pixel was written, or a row was written twice.
    #[error("{path}: HDU {hdu} is incomplete: {written} of {expected} pixels were written")]
    Incomplete {
        /// The product.
        path: PathBuf,
        /// Index of the HDU, primary = 0.
        hdu: usize,
        /// Pixels the HDU holds.
        expected: u64,
        /// Pixels written.
        written: u64,
    },
    /// A request outside the image, a buffer of the wrong size, columns of unequal length.
    #[error("{path}: invalid request: {what}")]
    BadRequest {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
}

impl FitsError {
    /// Wraps a system error; "no space" and "over quota" become [`FitsError::DiskFull`].
    pub(crate) fn io(path: &Path, action: &'static str, needed: u64, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, needed },
            _ => Self::Io { path, action, source },
        }
    }

    pub(crate) fn bad_header(path: &Path, what: impl Into<String>) -> Self {
        Self::BadHeader { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn bad_request(path: &Path, what: impl Into<String>) -> Self {
        Self::BadRequest { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), what: what.into() }
    }

    /// Puts the file's name into an error that arose from a header in memory.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        match self {
            Self::BadHeader { what, .. } => Self::bad_header(path, what),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_errors() {
        let path = Path::new("out/mosaic.fits");
        for (errno, full) in [(28, true), (122, true), (5, false), (13, false)] {
            let error = FitsError::io(path, "write", 1_000, io::Error::from_raw_os_error(errno));
            assert_eq!(matches!(error, FitsError::DiskFull { needed: 1_000, .. }), full, "errno {errno}");
            assert!(error.to_string().contains("out/mosaic.fits"), "{error}");
        }
    }
}
