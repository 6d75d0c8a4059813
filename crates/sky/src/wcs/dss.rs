//! The plate solution of the Digitized Sky Survey (cards PLTRAH, AMDXn, AMDYn ...), turned into TAN with SIP.
//!
//! Method: the published DSS plate model maps plate millimetres x, y to standard coordinates in arcsec by two
//! polynomials of 13 terms. Their linear part becomes the CD matrix, the rest an exact SIP polynomial of order 5 about the
//! plate centre. As in wcslib it wins over the approximate TAN cards that such files also carry.

use zemosaic_fits::Header;

use super::keys;
use super::linear;
use super::sip::Sip;
use crate::error::WcsError;

/// Powers (of x, of y) and factor of the terms that a plate coefficient multiplies in the x polynomial; the y polynomial
/// has x and y swapped.
const TERMS: [&[(usize, usize, f64)]; 13] = [
    &[(1, 0, 1.0)],
    &[(0, 1, 1.0)],
    &[(0, 0, 1.0)],
    &[(2, 0, 1.0)],
    &[(1, 1, 1.0)],
    &[(0, 2, 1.0)],
    &[(2, 0, 1.0), (0, 2, 1.0)],
    &[(3, 0, 1.0)],
    &[(2, 1, 1.0)],
    &[(1, 2, 1.0)],
    &[(0, 3, 1.0)],
    &[(3, 0, 1.0), (1, 2, 1.0)],
    &[(5, 0, 1.0), (3, 2, 2.0), (1, 4, 1.0)],
];
const ORDER: usize = 5;
type Coefficients = [[f64; ORDER + 1]; ORDER + 1];

/// The plate model as parts of a TAN-SIP system.
pub(super) struct Plate {
    pub crpix0_px: [f64; 2],
    pub crval_deg: (f64, f64),
    pub cd_deg: [[f64; 2]; 2],
    pub sip: Sip,
}

/// Reads the plate model; `None` where the header has none.
pub(super) fn read(header: &Header) -> Result<Option<Plate>, WcsError> {
    if !["PLTRAH", "AMDX1", "AMDY1", "XPIXELSZ", "CNPIX1"].iter().all(|k| header.contains(k)) {
        return Ok(None);
    }
    let get = |keyword: &str| -> Result<f64, WcsError> {
        keys::float(header, keyword)?.ok_or_else(|| WcsError::Incomplete { keyword: keyword.into() })
    };
    let sixty = |a: f64, b: f64, c: f64| a + b / 60.0 + c / 3600.0;
    let lon = 15.0 * sixty(get("PLTRAH")?, get("PLTRAM")?, get("PLTRAS")?);
    let lat = sixty(get("PLTDECD")?.abs(), get("PLTDECM")?, get("PLTDECS")?);
    let south = keys::upper(header, "PLTDECSN").is_some_and(|s| s.starts_with('-'));
    let (size_x, size_y) = (get("XPIXELSZ")?, get("YPIXELSZ")?);
    // Plate pixel n of the scan is FITS pixel n - CNPIX + 1/2 here, and one less when counted from 0.
    let crpix0_px =
        [get("PPO3")? / size_x - get("CNPIX1")? - 0.5, get("PPO6")? / size_y - get("CNPIX2")? - 0.5];
    // Plate x runs against the pixel axis.
    let mm_per_px = [-size_x / 1000.0, size_y / 1000.0];
    let x = polynomial(header, "AMDX", mm_per_px, |p, q| (p, q))?;
    let y = polynomial(header, "AMDY", mm_per_px, |p, q| (q, p))?;
    let cd_deg = [[x[1][0], x[0][1]], [y[1][0], y[0][1]]];
    linear::check(&cd_deg)?;
    let sip = Sip::from_plane(&x, &y, &linear::inverse(&cd_deg));
    Ok(Some(Plate { crpix0_px, crval_deg: (lon, if south { -lat } else { lat }), cd_deg, sip }))
}

/// Coefficients of u^p v^q (pixel offsets from the plate centre) in degrees.
fn polynomial(
    header: &Header,
    name: &str,
    mm_per_px: [f64; 2],
    powers: fn(usize, usize) -> (usize, usize),
) -> Result<Coefficients, WcsError> {
    let mut out = [[0.0; ORDER + 1]; ORDER + 1];
    for (n, terms) in TERMS.iter().enumerate() {
        let value = keys::float(header, &format!("{name}{}", n + 1))?.unwrap_or(0.0);
        for &(a, b, factor) in *terms {
            let (p, q) = powers(a, b);
            let mm = mm_per_px[0].powi(p as i32) * mm_per_px[1].powi(q as i32);
            out[p][q] += value * factor * mm / 3600.0;
        }
    }
    Ok(out)
}
