//! An extract of Gaia in the CSV that its archive writes, also packed by gzip.
//!
//! Columns in any order and any case: `ra`, `dec` (degrees), `phot_g_mean_mag`; where present also `pmra` (times cos(dec)),
//! `pmdec` (mas/yr), `ref_epoch` (Julian year), `ra_error`, `dec_error` (mas), `pmra_error`, `pmdec_error` (mas/yr). An empty
//! field and `null` are no value; rows without a magnitude are left out. Lines that begin with `#` are comments.

use super::cone::{Cone, zone_of};
use super::error::CatalogueError;
use super::motion::moved;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

const ZONE_DEG: f64 = 0.5;
const ZONES: usize = 360;
/// Reference epoch of Gaia DR3.
const EPOCH_YEAR: f64 = 2016.0;
/// Errors where the file gives none: such as Gaia has at G 20 (Lindegren et al. 2021, A&A 649, A2, table 4).
const POSITION_SIGMA_MAS: f64 = 0.5;
const PM_SIGMA_MAS_YR: f64 = 0.5;
/// Spread of the proper motions: the error where the motion is unknown.
const UNKNOWN_PM_MAS_YR: f64 = 20.0;

/// One star of an extract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtractStar {
    /// Row of the file, from 0.
    pub row: u32,
    /// ICRS right ascension at `epoch_year`, degrees in [0, 360).
    pub ra_deg: f64,
    /// ICRS declination at `epoch_year`, degrees.
    pub dec_deg: f64,
    /// Magnitude G.
    pub mag: f64,
    /// Proper motion (right ascension times cos(declination), declination), mas per year; `None` when unknown.
    pub pm_mas_yr: Option<[f64; 2]>,
    /// Epoch of the position, Julian year.
    pub epoch_year: f64,
    /// Standard deviation of the position at `epoch_year` per axis, mas.
    pub sigma_mas: f64,
    /// Standard deviation of the proper motion per axis, mas per year.
    pub pm_sigma_mas_yr: f64,
}

impl ExtractStar {
    /// Position (right ascension, declination, degrees) at an epoch (Julian year).
    pub fn at_epoch(&self, year: f64) -> (f64, f64) {
        moved((self.ra_deg, self.dec_deg), self.pm_mas_yr.unwrap_or_default(), year - self.epoch_year)
    }

    /// Standard deviation of the position at an epoch (Julian year), per axis, arcsec.
    pub fn sigma_arcsec(&self, year: f64) -> f64 {
        1e-3 * self.sigma_mas.hypot(self.pm_sigma_mas_yr * (year - self.epoch_year))
    }
}

/// The stars of a file, in memory.
#[derive(Debug)]
pub struct Extract {
    path: PathBuf,
    /// By zone of declination, then by right ascension.
    stars: Vec<ExtractStar>,
    zone_start: Vec<usize>,
    /// Degrees per year; years from the epoch count from the earliest and the latest one.
    fastest_deg_yr: f64,
    epochs_year: (f64, f64),
}

impl Extract {
    /// Reads `path`: CSV, or CSV packed by gzip (known by its first bytes).
    ///
    /// # Errors
    /// [`CatalogueError::Io`], [`CatalogueError::Format`] when a column is missing or no star is left,
    /// [`CatalogueError::Value`] with line and column for a field that is no number or out of range.
    pub fn open(path: &Path) -> Result<Self, CatalogueError> {
        let io = |source| CatalogueError::io(path, source);
        let mut start = Vec::new();
        File::open(path).and_then(|file| file.take(2).read_to_end(&mut start)).map_err(io)?;
        let file = BufReader::new(File::open(path).map_err(io)?);
        if start == [0x1f, 0x8b] {
            Self::read(path, flate2::bufread::MultiGzDecoder::new(file))
        } else {
            Self::read(path, file)
        }
    }

    fn read(path: &Path, source: impl Read) -> Result<Self, CatalogueError> {
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(source);
        let wrong = |e: csv::Error| CatalogueError::format(path, e.to_string());
        let columns = Columns::of(path, reader.headers().map_err(wrong)?)?;
        let mut stars = Vec::new();
        let mut record = csv::StringRecord::new();
        let mut row = 0_u32;
        while reader.read_record(&mut record).map_err(wrong)? {
            stars.extend(columns.star(path, &record, row)?);
            row += 1;
        }
        if stars.is_empty() {
            return Err(CatalogueError::format(path, "no star with a magnitude in this file"));
        }
        Ok(Self::sorted(path, stars))
    }

    fn sorted(path: &Path, mut stars: Vec<ExtractStar>) -> Self {
        let zone = |star: &ExtractStar| zone_of(star.dec_deg, ZONE_DEG).min(ZONES - 1);
        stars.sort_by(|a, b| {
            zone(a).cmp(&zone(b)).then(a.ra_deg.total_cmp(&b.ra_deg)).then(a.row.cmp(&b.row))
        });
        let zone_start = (0..=ZONES).map(|z| stars.partition_point(|star| zone(star) < z)).collect();
        let speed = |star: &ExtractStar| star.pm_mas_yr.map_or(0.0, |[a, d]| a.hypot(d) / 3.6e6);
        let fastest_deg_yr = stars.iter().map(speed).fold(0.0, f64::max);
        let epochs = stars.iter().map(|star| star.epoch_year);
        let epochs_year =
            epochs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), e| (low.min(e), high.max(e)));
        Self { path: path.to_path_buf(), stars, zone_start, fastest_deg_yr, epochs_year }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of stars.
    pub fn len(&self) -> usize {
        self.stars.len()
    }

    /// Is there no star? (There is one.)
    pub fn is_empty(&self) -> bool {
        self.stars.is_empty()
    }

    /// How far the fastest star has moved until `year`, degrees.
    pub(super) fn reach_deg(&self, year: f64) -> f64 {
        self.fastest_deg_yr * (year - self.epochs_year.0).abs().max((year - self.epochs_year.1).abs())
    }

    /// Calls `visit` for every star within `radius_deg` of a position at its epoch, by zone of declination.
    pub fn visit_cone(&self, centre: (f64, f64), radius_deg: f64, mut visit: impl FnMut(&ExtractStar)) {
        let cone = Cone::new(centre, radius_deg);
        let ranges = cone.ra_ranges_deg();
        for zone in cone.zones(ZONE_DEG) {
            let stars = &self.stars[self.zone_start[zone]..self.zone_start[zone + 1]];
            for &(low, high) in &ranges {
                let first = stars.partition_point(|star| star.ra_deg < low);
                let last = stars.partition_point(|star| star.ra_deg <= high);
                let near = |star: &&ExtractStar| cone.holds(star.ra_deg, star.dec_deg);
                stars[first..last.max(first)].iter().filter(near).for_each(&mut visit);
            }
        }
    }
}

/// Where the columns stand.
struct Columns {
    ra: usize,
    dec: usize,
    mag: usize,
    pm: [Option<usize>; 2],
    epoch: Option<usize>,
    error: [Option<usize>; 2],
    pm_error: [Option<usize>; 2],
    names: Vec<String>,
}

impl Columns {
    fn of(path: &Path, header: &csv::StringRecord) -> Result<Self, CatalogueError> {
        let find = |name: &str| {
            header.iter().position(|h| h.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let need = |name: &str| {
            let text =
                || format!("no column {name}; a CSV extract of Gaia needs ra, dec and phot_g_mean_mag");
            find(name).ok_or_else(|| CatalogueError::format(path, text()))
        };
        Ok(Self {
            ra: need("ra")?,
            dec: need("dec")?,
            mag: need("phot_g_mean_mag")?,
            pm: [find("pmra"), find("pmdec")],
            epoch: find("ref_epoch"),
            error: [find("ra_error"), find("dec_error")],
            pm_error: [find("pmra_error"), find("pmdec_error")],
            names: header.iter().map(str::to_owned).collect(),
        })
    }

    fn star(
        &self,
        path: &Path,
        record: &csv::StringRecord,
        row: u32,
    ) -> Result<Option<ExtractStar>, CatalogueError> {
        let value = |column: usize, message: String| CatalogueError::Value {
            path: path.to_path_buf(),
            line: record.position().map_or(0, csv::Position::line),
            column: self.names[column].clone(),
            message,
        };
        let number = |column: usize| -> Result<Option<f64>, CatalogueError> {
            let text = record.get(column).unwrap_or_default();
            if text.is_empty() || text.eq_ignore_ascii_case("null") {
                return Ok(None);
            }
            let parsed = text.parse::<f64>().ok().filter(|number| number.is_finite());
            parsed.map(Some).ok_or_else(|| value(column, format!("{text:?} is not a number")))
        };
        let optional = |column: Option<usize>| column.map_or(Ok(None), &number);
        let within = |column: usize, low: f64, high: f64| {
            let found = number(column)?.ok_or_else(|| value(column, "no value".to_owned()))?;
            let good = (low..=high).contains(&found);
            good.then_some(found).ok_or_else(|| value(column, format!("{found} is not in {low} to {high}")))
        };
        let (ra, dec) = (within(self.ra, 0.0, 360.0)?, within(self.dec, -90.0, 90.0)?);
        let Some(mag) = number(self.mag)? else { return Ok(None) };
        let both = |columns: [Option<usize>; 2]| -> Result<Option<[f64; 2]>, CatalogueError> {
            Ok(optional(columns[0])?.zip(optional(columns[1])?).map(|(a, b)| [a, b]))
        };
        let mean = |[a, b]: [f64; 2]| a.hypot(b) / std::f64::consts::SQRT_2;
        let pm_mas_yr = both(self.pm)?;
        let pm_error = both(self.pm_error)?.map_or(PM_SIGMA_MAS_YR, mean);
        Ok(Some(ExtractStar {
            row,
            ra_deg: ra.rem_euclid(360.0),
            dec_deg: dec,
            mag,
            pm_mas_yr,
            epoch_year: optional(self.epoch)?.unwrap_or(EPOCH_YEAR),
            sigma_mas: both(self.error)?.map_or(POSITION_SIGMA_MAS, mean),
            pm_sigma_mas_yr: if pm_mas_yr.is_some() { pm_error } else { UNKNOWN_PM_MAS_YR },
        }))
    }
}
