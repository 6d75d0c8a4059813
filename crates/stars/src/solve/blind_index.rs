//! The index of star patterns over the whole sky that blind solving needs: built once into a folder, then mapped.
//!
//! The patterns are made of stars above fixed magnitudes that suit a mean sky; near the galactic poles none would be left.
//! So the index is built from magnitudes that are shifted by the local density of stars: mag + log10(rho / mean) / 0.47,
//! where 10^(0.47 mag) is how the counts of Tycho-2 grow. Measured: 53 of 61 real frames instead of 12 of 17 tried.

use super::error::SolveError;
use crate::catalogue::Catalogue;
use seiza::blind::BlindParams;
use seiza::catalog::{CatalogStar, StarCatalog};
use std::path::{Path, PathBuf};

/// Memory that building needs, bytes.
pub const BUILD_BYTES: u64 = 1_200_000_000;
/// Counts up when the content of the file changes.
const FORMAT: u32 = 1;
const SEIZA: &str = "0.48.2";
/// The positions in the index, good for decades around.
const INDEX_YEAR: f64 = 2020.0;
/// Stars per magnitude grow by 10 to this power.
const COUNT_SLOPE: f64 = 0.47;
const CELL_DEG: f64 = 2.0;

/// An index, mapped from its file.
pub struct BlindIndex {
    pub(super) seiza: seiza::blind::BlindIndex,
    path: PathBuf,
}

impl std::fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlindIndex").field("path", &self.path).finish_non_exhaustive()
    }
}

impl BlindIndex {
    /// Where the index goes: `ZEMOSAIC_CACHE`, else `zemosaic` in `XDG_CACHE_HOME`, else in `~/.cache`; `None` without any.
    pub fn default_folder() -> Option<PathBuf> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        folder("ZEMOSAIC_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("zemosaic")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache").join("zemosaic")))
    }

    /// Opens the index of `catalogue` in `folder`, or builds it there: some 12 s, [`BUILD_BYTES`] of memory, 316 MB on disk
    /// for Tycho-2; `tell` hears of it before. A damaged file is built again. Processes that build at the same time each
    /// write a file of their own and put it in place whole.
    ///
    /// # Errors
    /// [`SolveError::IndexMemory`] when it must be built and `memory_bytes` are too few; [`SolveError::Index`] when it cannot
    /// be written.
    pub fn open_or_build(
        folder: &Path,
        catalogue: &Catalogue,
        memory_bytes: u64,
        tell: &dyn Fn(&str),
    ) -> Result<Self, SolveError> {
        let path = folder.join(file_name(catalogue));
        if let Some(index) = Self::open(&path, catalogue) {
            return Ok(index);
        }
        if memory_bytes < BUILD_BYTES {
            return Err(SolveError::IndexMemory { needed: BUILD_BYTES, allowed: memory_bytes });
        }
        tell(&format!(
            "building the index for blind solving once into {} (about 12 s, 1 GB of memory, 316 MB on disk)",
            path.display()
        ));
        let fault = |message: String| SolveError::Index { path: path.clone(), message };
        std::fs::create_dir_all(folder).map_err(|e| fault(e.to_string()))?;
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let built = seiza::blind::BlindIndex::build(&equalised(catalogue), &BlindParams::default());
        let written = built.write_to(&partial).and_then(|()| std::fs::rename(&partial, &path));
        drop(built);
        if let Err(error) = written {
            // Best effort: the first error is the one to report.
            std::fs::remove_file(&partial).ok();
            return Err(fault(error.to_string()));
        }
        Self::open(&path, catalogue).ok_or_else(|| fault("cannot be read back".to_owned()))
    }

    /// `None` when the file is not there, damaged, or of another catalogue.
    fn open(path: &Path, catalogue: &Catalogue) -> Option<Self> {
        let seiza = seiza::blind::BlindIndex::open(path).ok()?;
        seiza.validate().ok()?;
        let same = seiza.source_star_count() == catalogue.len() as u64;
        same.then(|| Self { seiza, path: path.to_path_buf() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn file_name(catalogue: &Catalogue) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = catalogue.name().chars().map(plain).collect();
    format!("blind-{name}-seiza-{SEIZA}-f{FORMAT}.idx")
}

/// All stars, with magnitudes that make the sky look as dense everywhere.
struct Equalised(Vec<CatalogStar>);

impl StarCatalog for Equalised {
    /// The builder asks for all stars only.
    fn cone_search(&self, _ra: f64, _dec: f64, _radius_deg: f64, _limit: usize) -> Vec<CatalogStar> {
        Vec::new()
    }

    fn star_count(&self) -> u64 {
        self.0.len() as u64
    }

    fn all_brighter_than(&self, mag_limit: f32) -> Vec<CatalogStar> {
        self.0.iter().filter(|star| star.mag <= mag_limit).copied().collect()
    }
}

fn equalised(catalogue: &Catalogue) -> Equalised {
    let mut stars = Vec::with_capacity(catalogue.len());
    catalogue.at(INDEX_YEAR).visit_cone((0.0, 0.0), 180.0, |star| {
        stars.push(CatalogStar { ra: star.ra_deg, dec: star.dec_deg, mag: star.mag as f32 });
    });
    let cells = Cells::new();
    let mut counts = vec![0_u32; cells.area_deg2.len()];
    for star in &stars {
        counts[cells.of(star.ra, star.dec)] += 1;
    }
    // Of an extract only the part of the sky that it covers.
    let covered: f64 =
        counts.iter().zip(&cells.area_deg2).filter(|(n, _)| **n > 0).map(|(_, area)| area).sum();
    let mean = stars.len() as f64 / covered;
    for star in &mut stars {
        let cell = cells.of(star.ra, star.dec);
        let density = f64::from(counts[cell]) / cells.area_deg2[cell];
        star.mag += ((density / mean).log10() / COUNT_SLOPE) as f32;
    }
    Equalised(stars)
}

/// Cells of about [`CELL_DEG`] squared in bands of declination.
struct Cells {
    /// First cell and number of cells of each band.
    bands: Vec<(usize, usize)>,
    area_deg2: Vec<f64>,
}

impl Cells {
    fn new() -> Self {
        let (mut bands, mut area_deg2) = (Vec::new(), Vec::new());
        for band in 0..(180.0 / CELL_DEG) as usize {
            let south = -90.0 + CELL_DEG * band as f64;
            let middle = (south + 0.5 * CELL_DEG).to_radians();
            let count = ((360.0 / CELL_DEG * middle.cos()).round() as usize).max(1);
            let height = (south + CELL_DEG).to_radians().sin() - south.to_radians().sin();
            bands.push((area_deg2.len(), count));
            let area = 360.0 / count as f64 * height.to_degrees();
            area_deg2.extend(std::iter::repeat_n(area, count));
        }
        Self { bands, area_deg2 }
    }

    fn of(&self, ra_deg: f64, dec_deg: f64) -> usize {
        let band = (((dec_deg + 90.0) / CELL_DEG).max(0.0) as usize).min(self.bands.len() - 1);
        let (first, count) = self.bands[band];
        first + ((ra_deg / 360.0 * count as f64).max(0.0) as usize).min(count - 1)
    }
}
