//! Star tiles as the crate `seiza` writes them, with the file of proper motions beside them if there is one.

use super::error::CatalogueError;
use crate::reference::ReferenceStar;
use seiza::catalog::{CatalogStar, DatedCatalog, ProperMotions, StarCatalog, TileCatalog};
use std::path::{Path, PathBuf};

/// The file format gives no errors. Its positions are rounded to some 10 mas; unmoved stars drift as stars do.
const SIGMA_ARCSEC: f64 = 0.05;
/// Error of the rounded motion where the file has motions, and spread of the motions where not, arcsec per year.
const PM_SIGMA_ARCSEC_YR: [f64; 2] = [0.001, 0.02];

/// The files, mapped.
pub struct Tiles {
    path: PathBuf,
    stars: TileCatalog,
    motions: Option<ProperMotions>,
}

impl std::fmt::Debug for Tiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiles").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Tiles {
    /// Opens `path` (read-only) and `<stem>.pm.bin` beside it if that exists.
    ///
    /// # Errors
    /// [`CatalogueError::Io`] when a file cannot be read, is no such file or is damaged.
    pub fn open(path: &Path) -> Result<Self, CatalogueError> {
        let io = |source| CatalogueError::io(path, source);
        let stars = TileCatalog::open(path).map_err(io)?;
        stars.validate().map_err(io)?;
        let motions = ProperMotions::open_beside(path, &stars).map_err(io)?;
        Ok(Self { path: path.to_path_buf(), stars, motions })
    }

    /// The file of the stars.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of stars.
    pub fn len(&self) -> usize {
        self.stars.star_count() as usize
    }

    /// Is there no star?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The stars of a cone at `year`, brightest first. The identifier is a hash of the position: the format has none.
    pub(super) fn cone(
        &self,
        centre_deg: (f64, f64),
        radius_deg: f64,
        limit: usize,
        year: f64,
    ) -> Vec<ReferenceStar> {
        let dated = DatedCatalog::new(&self.stars, self.motions.as_ref(), Some(year));
        let drift = PM_SIGMA_ARCSEC_YR[usize::from(self.motions.is_none())] * (year - self.stars.epoch());
        let found = dated.cone_search(centre_deg.0.rem_euclid(360.0), centre_deg.1, radius_deg, limit);
        let star = |star: CatalogStar| ReferenceStar {
            id: hash(star.ra, star.dec),
            ra_deg: star.ra.rem_euclid(360.0),
            dec_deg: star.dec,
            mag: f64::from(star.mag),
            sigma_arcsec: SIGMA_ARCSEC.hypot(drift),
        };
        found.into_iter().map(star).collect()
    }
}

/// FNV-1a, folded to 32 bits.
fn hash(ra_deg: f64, dec_deg: f64) -> u32 {
    let bytes = ra_deg.to_bits().to_le_bytes().into_iter().chain(dec_deg.to_bits().to_le_bytes());
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (sum ^ (sum >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, ReferenceStars};
    use seiza::catalog::{ProperMotions, TileSetBuilder};

    #[test]
    fn tiles_move_by_the_file_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stars.bin");
        let mut builder = TileSetBuilder::new(45, 2000.0, "made up");
        builder.add_moving(10.0, 60.0, 9.0, Some((2000.0, -1000.0)));
        builder.add_moving(10.1, 60.0, 8.0, None);
        builder.write_with_motions(&path, &ProperMotions::path_for(&path)).unwrap();
        let catalogue = Catalogue::open(&path).unwrap();
        assert_eq!((catalogue.len(), catalogue.name().as_str()), (2, "stars.bin"));
        let stars = catalogue.at(2020.0).cone((10.05, 60.0), 0.2, 10);
        assert_eq!(stars.len(), 2);
        assert!((stars[0].ra_deg - 10.1).abs() < 1e-5 && stars[0].mag == 8.0);
        // 40 arcsec east and 20 south.
        assert!((stars[1].ra_deg - (10.0 + 80.0 / 3600.0)).abs() < 5e-5, "{stars:?}");
        assert!((stars[1].dec_deg - (60.0 - 20.0 / 3600.0)).abs() < 1e-5);
        assert_ne!(stars[0].id, stars[1].id);
        assert_eq!(catalogue.at(2020.0).cone((10.05, 60.0), 0.2, 1).len(), 1);
    }
}
