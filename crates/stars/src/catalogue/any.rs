//! One of the catalogues that plate solving can use.

use super::dated::Dated;
use super::error::CatalogueError;
use super::extract::Extract;
use super::tiles::Tiles;
use super::tycho::Tycho2;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A catalogue. Large: share it by reference or `Arc`.
#[derive(Debug)]
pub enum Catalogue {
    /// Tycho-2, embedded.
    Tycho2(Tycho2),
    /// An extract of Gaia from a CSV file.
    Extract(Extract),
    /// Star tiles of the crate `seiza`.
    Tiles(Tiles),
}

/// First bytes of tile files, without their version.
const TILES_MAGIC: &[u8] = b"SEIZA";

impl Catalogue {
    /// Tycho-2.
    ///
    /// # Errors
    /// [`CatalogueError::Embedded`] in a broken build.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Tycho2::load().map(Self::Tycho2)
    }

    /// The catalogue of a file, known by its content.
    ///
    /// # Errors
    /// As [`Extract::open`] and [`Tiles::open`]; [`CatalogueError::Format`] for folders and for files of other programs.
    pub fn open(path: &Path) -> Result<Self, CatalogueError> {
        let io = |source| CatalogueError::io(path, source);
        let foreign = |what: &str| {
            let read = "read are extracts of Gaia as CSV (also .csv.gz) and star tiles of seiza; the databases of ASTAP and \
                        the indexes of solve-field serve those programs only: choose them as the solver instead";
            CatalogueError::format(path, format!("{what}: {read}"))
        };
        if std::fs::metadata(path).map_err(io)?.is_dir() {
            return Err(foreign("this is a folder"));
        }
        let mut start = Vec::new();
        File::open(path).and_then(|file| file.take(512).read_to_end(&mut start)).map_err(io)?;
        if start.starts_with(TILES_MAGIC) {
            return Tiles::open(path).map(Self::Tiles);
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        // ASTAP's end in the number of areas of the sky (.290, .1476), solve-field's are FITS tables.
        if start.starts_with(b"SIMPLE  =") || ["290", "1476"].contains(&extension.as_str()) {
            return Err(foreign("no catalogue that is read"));
        }
        let packed = start.starts_with(&[0x1f, 0x8b]);
        if !packed && start.contains(&0) {
            return Err(foreign("no catalogue that is read"));
        }
        Extract::open(path).map(Self::Extract)
    }

    /// This catalogue at an epoch (Julian year).
    pub fn at(&self, year: f64) -> Dated<'_> {
        Dated::new(self, year)
    }

    /// Name for reports: `Tycho-2` or the name of the file.
    pub fn name(&self) -> String {
        let of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Self::Tycho2(_) => "Tycho-2".to_owned(),
            Self::Extract(extract) => of(extract.path()),
            Self::Tiles(tiles) => of(tiles.path()),
        }
    }

    /// Number of stars.
    pub fn len(&self) -> usize {
        match self {
            Self::Tycho2(tycho) => tycho.len(),
            Self::Extract(extract) => extract.len(),
            Self::Tiles(tiles) => tiles.len(),
        }
    }

    /// Is there no star?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
