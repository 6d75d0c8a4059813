//! All of Tycho-2 (2,557,501 stars), embedded, with cone search.
//!
//! Layout of `data/tycho2_compact2.bin.xz` after unpacking, little endian: `TYC2CMP2`, u32 N, 360 x u32 stars per
//! 0.5-degree declination zone from -90 deg; then five columns, each stored as byte planes: right ascension u32 (units
//! of 360/2^26 deg, differences within the zone), declination u16 (0.5 deg / 2^16 above the zone floor), proper motion
//! in RA*cos(Dec) and Dec i16 (mas/yr, 0 = unknown), u16 = 100 V_T + 200. Positions are ICRS at epoch J2000; those of
//! supplement stars (the very bright: Vega, Polaris, Altair, Sirius ...) stand at J1991.25, as a comparison with
//! Hipparcos shows, and the format does not mark them.
//!
//! Source: Høg et al. 2000, A&A 355, L27. Licence of the data: `data/tycho2_COPYRIGHT.txt`.

use crate::error::TestkitError;

const PACKED: &[u8] = include_bytes!("../../../data/tycho2_compact2.bin.xz");
const MAGIC: &[u8] = b"TYC2CMP2";
const ZONES: usize = 360;
const ZONE_DEG: f64 = 0.5;
const RA_UNIT_DEG: f64 = 360.0 / (1_u64 << 26) as f64;
const DEC_UNIT_DEG: f64 = ZONE_DEG / 65536.0;

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
    /// Position at an epoch (Julian year), taking J2000 as the catalogue's epoch; straight motion in RA and Dec.
    pub fn at_epoch(&self, year: f64) -> (f64, f64) {
        let dt = year - 2000.0;
        let dec_deg = self.dec_deg + self.pm_dec_mas_yr * dt / 3.6e6;
        let cos_dec = self.dec_deg.to_radians().cos().max(1e-6);
        ((self.ra_deg + self.pm_ra_mas_yr * dt / 3.6e6 / cos_dec).rem_euclid(360.0), dec_deg)
    }
}

/// The decoded catalogue: 31 MB in memory.
#[derive(Debug)]
pub struct Catalogue {
    zone_start: Vec<usize>,
    ra: Vec<u32>,
    dec: Vec<u16>,
    pm_ra: Vec<i16>,
    pm_dec: Vec<i16>,
    mag: Vec<u16>,
}

impl Catalogue {
    /// Unpacks the embedded catalogue.
    ///
    /// # Errors
    /// [`TestkitError::Catalogue`] when the embedded bytes are not the catalogue.
    pub fn load() -> Result<Self, TestkitError> {
        let mut bytes = Vec::with_capacity(31 << 20);
        lzma_rs::xz_decompress(&mut std::io::Cursor::new(PACKED), &mut bytes)
            .map_err(|e| TestkitError::Catalogue(format!("xz: {e:?}")))?;
        Self::decode(&bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, TestkitError> {
        let bad = |what: &str| TestkitError::Catalogue(what.to_owned());
        let u32_at = |offset: usize| -> Result<usize, TestkitError> {
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
        let column16 = |first: usize| -> Vec<u16> {
            plane(first).iter().zip(plane(first + 1)).map(|(&lo, &hi)| u16::from_le_bytes([lo, hi])).collect()
        };
        let mut ra: Vec<u32> =
            (0..n).map(|i| u32::from_le_bytes([columns[i], plane(1)[i], plane(2)[i], plane(3)[i]])).collect();
        for zone in zone_start.windows(2) {
            let mut sum = 0_u32;
            for value in &mut ra[zone[0]..zone[1]] {
                sum = sum.wrapping_add(*value);
                *value = sum;
            }
        }
        let signed = |values: Vec<u16>| values.into_iter().map(u16::cast_signed).collect();
        Ok(Self {
            zone_start,
            ra,
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
        let (ra0, dec0) = (centre.0.rem_euclid(360.0), centre.1);
        let zone_of = |dec: f64| (((dec + 90.0) / ZONE_DEG).floor().max(0.0) as usize).min(ZONES - 1);
        let centre_vector = crate::tan::unit_vector(ra0, dec0);
        let chord_limit = 2.0 * (radius_deg.min(180.0) / 2.0).to_radians().sin();
        // Widest extent in right ascension of a small circle; beyond a pole the whole zone is searched.
        let half_width_deg = if dec0.abs() + radius_deg >= 89.9 {
            180.0
        } else {
            let ratio = radius_deg.to_radians().sin() / dec0.to_radians().cos();
            ratio.min(1.0).asin().to_degrees() + 1e-6
        };
        for zone in zone_of(dec0 - radius_deg)..=zone_of(dec0 + radius_deg) {
            let (start, end) = (self.zone_start[zone], self.zone_start[zone + 1]);
            for (low, high) in ra_ranges(ra0, half_width_deg) {
                let ra = &self.ra[start..end];
                let first = start + ra.partition_point(|&r| f64::from(r) * RA_UNIT_DEG < low);
                let last = start + ra.partition_point(|&r| f64::from(r) * RA_UNIT_DEG <= high);
                for index in first..last {
                    let star = self.star(zone, index);
                    let v = crate::tan::unit_vector(star.ra_deg, star.dec_deg);
                    let d: f64 = v.iter().zip(&centre_vector).map(|(a, b)| (a - b) * (a - b)).sum();
                    if d <= chord_limit * chord_limit {
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

/// One or two ranges of right ascension in 0..=360 that cover `ra0 ± half_width`.
fn ra_ranges(ra0: f64, half_width_deg: f64) -> Vec<(f64, f64)> {
    let (low, high) = (ra0 - half_width_deg, ra0 + half_width_deg);
    if half_width_deg >= 180.0 {
        vec![(0.0, 360.0)]
    } else if low < 0.0 {
        vec![(0.0, high), (low + 360.0, 360.0)]
    } else if high > 360.0 {
        vec![(0.0, high - 360.0), (low, 360.0)]
    } else {
        vec![(low, high)]
    }
}
