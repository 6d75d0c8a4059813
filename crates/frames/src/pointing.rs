//! What a header says of pointing, scale and time: hints for a plate solver, none of them a measurement.
//!
//! Sources: the FITS standard 4.0 (EQUINOX, DATE-AVG, MJD-AVG ...); the documented keyword sets of N.I.N.A. and MaxIm DL
//! (OBJCTRA, OBJCTDEC, XPIXSZ, FOCALLEN), of MicroObservatory (IM_SCALE, UT-OBS) and PANOPTES (RA-MNT, DEC-MNT); Seestar
//! frames, whose RA and DEC are those of date: against plate solutions of five frames they miss by 5.5' to 15.3' as
//! J2000 and by 0.6' to 1.6' as mean place of date.

use jiff::Timestamp;
use zemosaic_fits::{Header, ImageLayout};
use zemosaic_sky::{Wcs, angle_rad, lonlat_deg, mean_of_date_to_icrs, unit_vector};

use crate::time;

/// How far off a pointing may be: a mount without a plate solution, and an equinox that the header does not name.
const SLACK_DEG: f64 = 0.5;
/// The same for the mount of a wide-field camera, whose frames may be cut-outs far from the axis: those of PANOPTES
/// that are solved lie 2 degrees off.
const WIDE_SLACK_DEG: f64 = 3.0;
/// Nearer than this to a more trusted pointing, one adds nothing to search.
const SAME_DEG: f64 = 0.1;
/// Sensible scales, arcsec per pixel.
const SCALES_ARCSEC: std::ops::RangeInclusive<f64> = 0.01..=400.0;
/// Sensible times, Julian years; not the MJD 0 of an unset keyword.
const YEARS: std::ops::RangeInclusive<f64> = 1860.0..=2200.0;
/// Arcsec of a radian, over 1000: for micrometres over millimetres.
const ARCSEC_UM_PER_MM: f64 = 206.264_806;
/// Modified Julian date of J2000.0.
const MJD_J2000: f64 = 51_544.5;
const DAYS_PER_YEAR: f64 = 365.25;

/// Where a frame may point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pointing {
    /// Right ascension (0 to 360) and declination of the frame's centre, ICRS.
    pub centre_deg: (f64, f64),
    /// The keyword (of the right ascension) that says it.
    pub source: &'static str,
    /// Radius about it that the true centre is expected in.
    pub slack_deg: f64,
}

/// Hints of a header for a plate solver.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SkyHints {
    /// Candidates, most trusted first; further ones only where they differ.
    pub pointings: Vec<Pointing>,
    /// Arcsec per stored pixel, and the keyword that says it.
    pub scale_arcsec: Option<(f64, &'static str)>,
    /// Middle of the exposure, Julian year.
    pub year: Option<f64>,
    /// The same in seconds since 1970 UTC.
    pub mid_exposure_unix_s: Option<f64>,
}

/// What the header says of pointing, scale and time.
///
/// - Pointings: the centre by a usable WCS, RA, OBJCTRA, TELRA, RA_TEL, RA-MNT, RA_OBJ, RA_TARG with their declinations,
///   and CRVAL of a celestial WCS that is not usable. Numbers are degrees, or hours where the comment says so; text with
///   separators is sexagesimal, of hours in right ascension. Equinox: of date in Seestar frames and where EQUINOX names
///   it so; else that of EQUINOX, else J2000; OBJCTRA is J2000 by convention. Exactly (0, 0) means unset.
/// - Scale: a usable WCS; SCALE, PIXSCALE, PIXSCAL1, SECPIX, SECPIX1, IM_SCALE; the pixel size over FOCALLEN. XPIXSZ
///   (and PIXSIZE1, XPIXELSZ) is taken as that of the binned pixel, as N.I.N.A., MaxIm DL and Seestar write it; a program
///   that writes the size of the sensor's pixel makes the hint too small by XBINNING.
/// - Time: DATE-AVG, MJD-AVG, or UT-OBS, DATE-OBS, DATE-BEG, MJD-BEG, MJD-OBS, JD and half the exposure. Time scales are
///   not told apart: a minute is nothing to precession.
pub fn sky_hints(header: &Header, layout: &ImageLayout) -> SkyHints {
    let middle = mid_exposure_mjd(header);
    let year = middle.map(year_of_mjd);
    let size_px = (layout.width() as f64, layout.height() as f64);
    let solved = usable_wcs(header, size_px);
    let mut pointings = Vec::new();
    let centre = solved.as_ref().map(|(centre_deg, _)| Pointing {
        centre_deg: *centre_deg,
        source: "CRVAL1",
        slack_deg: SLACK_DEG,
    });
    add(&mut pointings, centre);
    for place in &PLACES {
        add(&mut pointings, place.read(header, year));
    }
    if solved.is_none() {
        add(&mut pointings, reference_point(header));
    }
    SkyHints {
        pointings,
        scale_arcsec: solved.map(|(_, scale_arcsec)| (scale_arcsec, "CD1_1")).or_else(|| scale(header)),
        year,
        mid_exposure_unix_s: middle.map(|mjd| (mjd - time::MJD_UNIX) * 86_400.0),
    }
}

fn add(pointings: &mut Vec<Pointing>, found: Option<Pointing>) {
    let Some(new) = found else { return };
    let direction = |pointing: &Pointing| unit_vector(pointing.centre_deg.0, pointing.centre_deg.1);
    let is_known = pointings.iter().any(|old| {
        angle_rad(&direction(old), &direction(&new)).to_degrees() < SAME_DEG && old.slack_deg >= new.slack_deg
    });
    if !is_known {
        pointings.push(new);
    }
}

/// Centre (ICRS, degrees) and scale of the header's WCS, where it is one of a picture.
fn usable_wcs(header: &Header, size_px: (f64, f64)) -> Option<((f64, f64), f64)> {
    let wcs = Wcs::from_header(header).ok()?;
    let scale_arcsec = wcs.scale_deg() * 3600.0;
    let centre = wcs.pixel_to_icrs((size_px.0 - 1.0) / 2.0, (size_px.1 - 1.0) / 2.0)?;
    SCALES_ARCSEC.contains(&scale_arcsec).then(|| (lonlat_deg(&centre), scale_arcsec))
}

/// CRVAL of right ascension and declination.
fn reference_point(header: &Header) -> Option<Pointing> {
    let axis = |name: &str| {
        ["1", "2"].into_iter().find(|n| {
            header
                .get_str(&format!("CTYPE{n}"))
                .is_some_and(|kind| kind.trim().to_uppercase().starts_with(name))
        })
    };
    let value = |name: &str| header.get_f64(&format!("CRVAL{}", axis(name)?));
    let given = in_range(value("RA--")?, value("DEC-")?)?;
    let equinox = Equinox::Header.year(header, None);
    Some(Pointing { centre_deg: to_icrs(given, equinox), source: "CRVAL1", slack_deg: SLACK_DEG })
}

/// The equinox of a pair of keywords.
#[derive(Clone, Copy)]
enum Equinox {
    J2000,
    Header,
    /// As the header says, but of date in a Seestar frame, where EQUINOX is that of a WCS put in later.
    Dialect,
}

impl Equinox {
    /// `None` is J2000.
    fn year(self, header: &Header, date: Option<f64>) -> Option<f64> {
        if matches!(self, Self::J2000) {
            return None;
        }
        if matches!(self, Self::Dialect) && is_seestar(header) {
            return date;
        }
        let is_icrs =
            |key: &str| header.get_str(key).is_some_and(|system| system.trim().eq_ignore_ascii_case("ICRS"));
        if is_icrs("RADESYS") || is_icrs("RADECSYS") {
            return None;
        }
        let text = header.get_str("EQUINOX").unwrap_or_default().trim().to_uppercase();
        if text.contains("NOW") || text.contains("DATE") {
            return date;
        }
        let number = text.trim_start_matches(['J', 'B']).parse().ok();
        header.get_f64("EQUINOX").or(number).filter(|year| YEARS.contains(year) && *year != 2000.0)
    }
}

fn is_seestar(header: &Header) -> bool {
    ["CREATOR", "INSTRUME", "TELESCOP"]
        .iter()
        .any(|key| header.get_str(key).is_some_and(|name| name.to_lowercase().contains("seestar")))
}

/// A pair of keywords.
struct Place {
    ra: &'static str,
    dec: &'static str,
    equinox: Equinox,
    slack_deg: f64,
}

const fn place(ra: &'static str, dec: &'static str, equinox: Equinox) -> Place {
    Place { ra, dec, equinox, slack_deg: SLACK_DEG }
}

const PLACES: [Place; 7] = [
    place("RA", "DEC", Equinox::Dialect),
    place("OBJCTRA", "OBJCTDEC", Equinox::J2000),
    place("TELRA", "TELDEC", Equinox::Header),
    place("RA_TEL", "DEC_TEL", Equinox::Header),
    Place { ra: "RA-MNT", dec: "DEC-MNT", equinox: Equinox::Header, slack_deg: WIDE_SLACK_DEG },
    place("RA_OBJ", "DEC_OBJ", Equinox::Header),
    place("RA_TARG", "DEC_TARG", Equinox::Header),
];

impl Place {
    fn read(&self, header: &Header, date: Option<f64>) -> Option<Pointing> {
        let ra_deg = match header.get_f64(self.ra) {
            Some(number) if is_in_hours(header, self.ra) => number * 15.0,
            Some(number) => number,
            None => sexagesimal(&header.get_str(self.ra)?)? * 15.0,
        };
        let dec_deg = header.get_f64(self.dec).or_else(|| sexagesimal(&header.get_str(self.dec)?))?;
        let given = in_range(ra_deg, dec_deg)?;
        let centre_deg = to_icrs(given, self.equinox.year(header, date));
        Some(Pointing { centre_deg, source: self.ra, slack_deg: self.slack_deg })
    }
}

fn is_in_hours(header: &Header, key: &str) -> bool {
    let comment = header.get_comment(key).unwrap_or_default().to_lowercase();
    (comment.contains("hour") || comment.contains("[h")) && !comment.contains("deg")
}

fn to_icrs((ra_deg, dec_deg): (f64, f64), equinox: Option<f64>) -> (f64, f64) {
    equinox.map_or((ra_deg, dec_deg), |year| mean_of_date_to_icrs(ra_deg, dec_deg, year))
}

/// A place of the sky; `None` for the unset (0, 0), too.
fn in_range(ra_deg: f64, dec_deg: f64) -> Option<(f64, f64)> {
    let is_place =
        (-180.0..=360.0).contains(&ra_deg) && dec_deg.abs() <= 90.0 && (ra_deg != 0.0 || dec_deg != 0.0);
    is_place.then(|| (ra_deg.rem_euclid(360.0), dec_deg))
}

/// Two or three numbers with separators between (`:`, blanks, letters of units): the first and its 60ths and 3600ths.
fn sexagesimal(text: &str) -> Option<f64> {
    let unsigned = text.trim().trim_start_matches(['+', '-']).trim_start();
    let is_separator = |c: char| c.is_whitespace() || ":hmsd°'\"".contains(c);
    let parts: Vec<f64> = unsigned
        .split(is_separator)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok().filter(|value: &f64| *value >= 0.0))
        .collect::<Option<_>>()?;
    let (whole, rest) = parts.split_first()?;
    // 60 is what rounding makes of 59.99.
    if !(1..=2).contains(&rest.len()) || rest.iter().any(|part| *part > 60.0) {
        return None;
    }
    let size = whole + rest[0] / 60.0 + rest.get(1).unwrap_or(&0.0) / 3600.0;
    Some(if text.trim().starts_with('-') { -size } else { size })
}

fn scale(header: &Header) -> Option<(f64, &'static str)> {
    let sensible = |key: &'static str, arcsec: f64| SCALES_ARCSEC.contains(&arcsec).then_some((arcsec, key));
    let stated = ["SCALE", "PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX1", "IM_SCALE"]
        .into_iter()
        .find_map(|key| sensible(key, header.get_f64(key)?.abs()));
    stated.or_else(|| {
        let focal_length_mm = header.get_f64("FOCALLEN").filter(|length| *length > 0.0)?;
        ["XPIXSZ", "PIXSIZE1", "XPIXELSZ"]
            .into_iter()
            .find_map(|key| sensible(key, ARCSEC_UM_PER_MM * header.get_f64(key)? / focal_length_mm))
    })
}

fn year_of_mjd(mjd: f64) -> f64 {
    2000.0 + (mjd - MJD_J2000) / DAYS_PER_YEAR
}

/// Middle of the exposure, modified Julian date.
fn mid_exposure_mjd(header: &Header) -> Option<f64> {
    let sensible = |mjd: &f64| YEARS.contains(&year_of_mjd(*mjd));
    let date =
        |key: &str| header.get_str(key).and_then(|text| dated(header, &text)).map(time::mjd).filter(sensible);
    let number = |key: &str| header.get_f64(key).filter(sensible);
    let start = || {
        let julian = header.get_f64("JD").map(|jd| jd - time::JD_OF_MJD_0).filter(sensible);
        ["UT-OBS", "DATE-OBS", "DATE-BEG"]
            .iter()
            .find_map(|key| date(key))
            .or_else(|| ["MJD-BEG", "MJD-OBS"].iter().find_map(|key| number(key)))
            .or(julian)
    };
    let half_s = || {
        let exposure = ["EXPTIME", "EXPOSURE", "XPOSURE"].iter().find_map(|key| header.get_f64(key));
        exposure.filter(|seconds| (0.0..=86_400.0).contains(seconds)).unwrap_or(0.0) / 2.0
    };
    date("DATE-AVG").or_else(|| number("MJD-AVG")).or_else(|| Some(start()? + half_s() / 86_400.0))
}

/// A date; the time of a bare one is in TIME-OBS, if anywhere.
fn dated(header: &Header, text: &str) -> Option<Timestamp> {
    let whole = match header.get_str("TIME-OBS") {
        Some(clock) if text.trim().len() == 10 => time::parse(&format!("{}T{}", text.trim(), clock.trim())),
        _ => None,
    };
    whole.or_else(|| time::parse(text))
}
