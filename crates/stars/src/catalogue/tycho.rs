//! All of Tycho-2 (2,557,501 stars), embedded, with cone search.
//!
//! Layout of `data/tycho2_compact2.bin.zst` after unpacking, little endian: `TYC2CMP2`, u32 N, 360 x u32 stars per
//! 0.5-degree declination zone from -90 deg; then five columns, each stored as byte planes: right ascension u32 (units
//! of 360/2^26 deg, differences within the zone), declination u16 (0.5 deg / 2^16 above the zone floor), proper motion
//! in RA*cos(Dec) and Dec i16 (mas/yr, 0 = unknown), u16 = 100 V_T + 200. Positions are ICRS at epoch J2000; those of
//! supplement stars (the very bright: Vega, Polaris, Altair, Sirius ...) stand at J1991.25, as a comparison with
//! Hipparcos shows, and the format does not mark them.
//!
//! Source: Høg et al. 2000, A&A 355, L27. Licence of the data: `data/tycho2_COPYRIGHT.txt`.

use super::cone::Cone;
use super::error::CatalogueError;
use super::motion::moved;
use rayon::prelude::*;

const PACKED: &[u8] = include_bytes!("../../../../data/tycho2_compact2.bin.zst");
/// The unpacked catalogue is not longer.
const UNPACKED_BYTES: usize = 32 << 20;
const MAGIC: &[u8] = b"TYC2CMP2";
const ZONES: usize = 360;
const ZONE_DEG: f64 = 0.5;
const RA_UNIT_DEG: f64 = 360.0 / (1_u64 << 26) as f64;
const DEC_UNIT_DEG: f64 = ZONE_DEG / 65536.0;

/// Epoch of the positions, Julian year.
const EPOCH_YEAR: f64 = 2000.0;
/// Mean epoch of the observations: there the positions are best.
const MEAN_EPOCH_YEAR: f64 = 1991.25;
/// Standard deviation of a position at the mean epoch by V_T, arcsec (Høg et al. 2000, table 2).
const SIGMA_BY_MAG: [(f64, f64); 6] =
    [(9.0, 0.007), (10.0, 0.03), (11.0, 0.06), (12.0, 0.1), (13.0, 0.16), (14.0, 0.2)];
/// Error of a proper motion, mas/yr (same source).
const PM_SIGMA_MAS_YR: f64 = 2.5;
/// Spread of the proper motions of stars of these magnitudes: the error where the motion is unknown, mas/yr.
const UNKNOWN_PM_MAS_YR: f64 = 20.0;
/// Right ascension is stored in steps of 0.019 arcsec, declination of 0.027.
const QUANTISATION_ARCSEC: f64 = 0.01;

/// How far the fastest star moves in a year (Barnard's star 10.3 arcsec; with room).
pub(super) const FASTEST_DEG_YR: f64 = 12.0 / 3600.0;

/// One star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueStar {
    /// Row in the catalogue (stable: the file never changes).
    pub index: u32,
    /// ICRS right ascension at the catalogue's epoch, degrees.
    pub ra_deg: f64,
    /// ICRS declination at the catalogue's epoch, degrees.
    pub dec_deg: f64,
    /// Proper motion in right ascension times cos(declination), mas per year; 0 when unknown.
    pub pm_ra_mas_yr: f64,
    /// Proper motion in declination, mas per year; 0 when unknown.
    pub pm_dec_mas_yr: f64,
    /// Magnitude V_T (within 0.1 mag of V for most stars).
    pub mag: f64,
}

impl CatalogueStar {
    /// Position (right ascension, declination, degrees) at an epoch (Julian year), taking J2000 as the catalogue's.
    pub fn at_epoch(&self, year: f64) -> (f64, f64) {
        let pm = [self.pm_ra_mas_yr, self.pm_dec_mas_yr];
        moved((self.ra_deg, self.dec_deg), pm, year - EPOCH_YEAR)
    }

    /// Standard deviation of the position at an epoch (Julian year), per axis, arcsec.
    pub fn sigma_arcsec(&self, year: f64) -> f64 {
        let unknown = self.pm_ra_mas_yr == 0.0 && self.pm_dec_mas_yr == 0.0;
        let pm_sigma = if unknown { UNKNOWN_PM_MAS_YR } else { PM_SIGMA_MAS_YR };
        let drift = 1e-3 * pm_sigma * (year - MEAN_EPOCH_YEAR);
        let at_mean = sigma_at_mean_epoch(self.mag);
        (at_mean * at_mean + drift * drift + QUANTISATION_ARCSEC * QUANTISATION_ARCSEC).sqrt()
    }
}

/// Between the magnitudes of the table by straight lines.
fn sigma_at_mean_epoch(mag: f64) -> f64 {
    let above = SIGMA_BY_MAG.partition_point(|(m, _)| *m < mag);
    let last = SIGMA_BY_MAG.len() - 1;
    if above == 0 {
        return SIGMA_BY_MAG[0].1;
    }
    if above > last {
        return SIGMA_BY_MAG[last].1;
    }
    let ((m0, s0), (m1, s1)) = (SIGMA_BY_MAG[above - 1], SIGMA_BY_MAG[above]);
    s0 + (s1 - s0) * (mag - m0) / (m1 - m0)
}

/// The decoded catalogue: 31 MB in memory.
#[derive(Debug)]
pub struct Tycho2 {
    zone_start: Vec<usize>,
    ra: Vec<u32>,
    dec: Vec<u16>,
    pm_ra: Vec<i16>,
    pm_dec: Vec<i16>,
    mag: Vec<u16>,
}

impl Tycho2 {
    /// Unpacks the embedded catalogue.
    ///
    /// # Errors
    /// [`CatalogueError::Embedded`] when the embedded bytes are not the catalogue.
    pub fn load() -> Result<Self, CatalogueError> {
        let bytes = zstd::bulk::decompress(PACKED, UNPACKED_BYTES)
            .map_err(|error| CatalogueError::Embedded(format!("zstd: {error}")))?;
        Self::decode(&bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CatalogueError> {
        let bad = |what: &str| CatalogueError::Embedded(what.to_owned());
        let u32_at = |offset: usize| -> Result<usize, CatalogueError> {
            let b = bytes.get(offset..offset + 4).ok_or_else(|| bad("too short"))?;
            Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
        };
        if !bytes.starts_with(MAGIC) {
            return Err(bad("wrong magic"));
        }
        let n = u32_at(8)?;
        let mut zone_start = Vec::with_capacity(ZONES + 1);
        let mut total = 0;
        zone_start.push(0);
        for zone in 0..ZONES {
            total += u32_at(12 + 4 * zone)?;
            zone_start.push(total);
        }
        let columns = bytes.get(12 + 4 * ZONES..).ok_or_else(|| bad("too short"))?;
        if total != n || columns.len() != 12 * n {
            return Err(bad("star counts disagree"));
        }
        let plane = |index: usize| &columns[index * n..(index + 1) * n];
        let planes = [plane(0), plane(1), plane(2), plane(3)];
        let ra_of_zone = |zone: &[usize]| -> Vec<u32> {
            let deltas = (zone[0]..zone[1]).map(|i| u32::from_le_bytes(planes.map(|plane| plane[i])));
            let sum = |sum: &mut u32, delta: u32| {
                *sum = sum.wrapping_add(delta);
                Some(*sum)
            };
            deltas.scan(0_u32, sum).collect()
        };
        let zones: Vec<Vec<u32>> = zone_start.par_windows(2).map(ra_of_zone).collect();
        let column16 = |first: usize| -> Vec<u16> {
            let (low, high) = (plane(first), plane(first + 1));
            low.par_iter().zip(high).map(|(&lo, &hi)| u16::from_le_bytes([lo, hi])).collect()
        };
        let signed = |values: Vec<u16>| values.into_iter().map(u16::cast_signed).collect();
        Ok(Self {
            zone_start,
            ra: zones.concat(),
            dec: column16(4),
            pm_ra: signed(column16(6)),
            pm_dec: signed(column16(8)),
            mag: column16(10),
        })
    }

    /// Number of stars.
    pub fn len(&self) -> usize {
        self.ra.len()
    }

    /// Is the catalogue empty? (It is not.)
    pub fn is_empty(&self) -> bool {
        self.ra.is_empty()
    }

    fn star(&self, zone: usize, index: usize) -> CatalogueStar {
        CatalogueStar {
            index: index as u32,
            ra_deg: f64::from(self.ra[index]) * RA_UNIT_DEG,
            dec_deg: -90.0 + zone as f64 * ZONE_DEG + f64::from(self.dec[index]) * DEC_UNIT_DEG,
            pm_ra_mas_yr: f64::from(self.pm_ra[index]),
            pm_dec_mas_yr: f64::from(self.pm_dec[index]),
            mag: (f64::from(self.mag[index]) - 200.0) / 100.0,
        }
    }

    /// Calls `visit` for every star within `radius_deg` of a position, in catalogue order.
    pub fn visit_cone(&self, centre: (f64, f64), radius_deg: f64, mut visit: impl FnMut(CatalogueStar)) {
        let cone = Cone::new(centre, radius_deg);
        let ranges = cone.ra_ranges_deg();
        for zone in cone.zones(ZONE_DEG) {
            let (start, end) = (self.zone_start[zone], self.zone_start[zone + 1]);
            for &(low, high) in &ranges {
                let ra = &self.ra[start..end];
                let first = start + ra.partition_point(|&r| f64::from(r) * RA_UNIT_DEG < low);
                let last = start + ra.partition_point(|&r| f64::from(r) * RA_UNIT_DEG <= high);
                for index in first..last {
                    let star = self.star(zone, index);
                    if cone.holds(star.ra_deg, star.dec_deg) {
                        visit(star);
                    }
                }
            }
        }
    }

    /// Every star within `radius_deg` of a position, in catalogue order.
    pub fn cone(&self, centre: (f64, f64), radius_deg: f64) -> Vec<CatalogueStar> {
        let mut stars = Vec::new();
        self.visit_cone(centre, radius_deg, |star| stars.push(star));
        stars
    }
}
