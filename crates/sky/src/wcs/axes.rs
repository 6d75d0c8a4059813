//! Which axes of a header are the celestial ones, and what their CTYPE says.

use zemosaic_fits::Header;

use super::keys;
use crate::error::WcsError;

/// The celestial axes of a header.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CelestialAxes {
    /// World axis of the longitude, from 1.
    pub lon: usize,
    /// World axis of the latitude, from 1.
    pub lat: usize,
    /// Number of world axes.
    pub count: usize,
    /// Names of the coordinates, such as RA and DEC.
    pub names: [String; 2],
    /// Three-letter projection code.
    pub projection: String,
    /// Code after the projection, such as SIP (empty if none).
    pub suffix: String,
}

/// Splits "RA---TAN-SIP" into name, projection and suffix; `None` without a projection.
fn split(ctype: &str) -> Option<(String, String, String)> {
    if !ctype.is_ascii() || ctype.len() < 8 || ctype.as_bytes()[4] != b'-' {
        return None;
    }
    let name = ctype[..4].trim_end_matches('-').to_string();
    let projection = ctype[5..8].to_string();
    let suffix = ctype[8..].trim().trim_start_matches('-').to_string();
    (!name.is_empty()).then_some((name, projection, suffix))
}

/// Some(0) longitude, Some(1) latitude.
fn role(name: &str) -> Option<usize> {
    match name {
        "RA" => Some(0),
        "DEC" => Some(1),
        _ if name.len() == 4 && (name.ends_with("LON") || name.ends_with("LN")) => Some(0),
        _ if name.len() == 4 && (name.ends_with("LAT") || name.ends_with("LT")) => Some(1),
        _ => None,
    }
}

fn partner(name: &str) -> String {
    match name {
        "RA" => "DEC".into(),
        _ if name.ends_with("LON") => format!("{}LAT", &name[..1]),
        _ => format!("{}LT", &name[..name.len().min(2)]),
    }
}

/// Number of world axes: WCSAXES, or the larger of NAXIS and the highest axis with a CTYPE.
fn axis_count(header: &Header) -> Result<usize, WcsError> {
    let declared = keys::float(header, "WCSAXES")?.unwrap_or(0.0).clamp(0.0, 9.0) as usize;
    let dims = keys::float(header, "ZNAXIS")
        .ok()
        .flatten()
        .or(keys::float(header, "NAXIS").ok().flatten())
        .unwrap_or(0.0)
        .clamp(0.0, 9.0) as usize;
    let named = (1..=9).rev().find(|i| header.contains(&format!("CTYPE{i}"))).unwrap_or(0);
    Ok(declared.max(dims).max(named))
}

/// Finds the celestial pair of axes.
pub(crate) fn find(header: &Header) -> Result<CelestialAxes, WcsError> {
    let count = axis_count(header)?;
    let ctypes: Vec<String> =
        (1..=count).map(|i| keys::upper(header, &format!("CTYPE{i}")).unwrap_or_default()).collect();
    if ctypes.iter().all(String::is_empty) {
        return Err(WcsError::None);
    }
    let not_celestial = || WcsError::NotCelestial { found: ctypes.join(", ") };
    let parts: Vec<_> = ctypes.iter().map(|c| split(c)).collect();
    let pick = |wanted: usize| {
        parts.iter().enumerate().find_map(|(i, p)| {
            let (name, projection, suffix) = p.as_ref()?;
            (role(name) == Some(wanted)).then(|| (i + 1, name.clone(), projection.clone(), suffix.clone()))
        })
    };
    let (Some(lon), Some(lat)) = (pick(0), pick(1)) else { return Err(not_celestial()) };
    if lat.1 != partner(&lon.1) || lat.2 != lon.2 || lat.3 != lon.3 {
        return Err(not_celestial());
    }
    Ok(CelestialAxes {
        lon: lon.0,
        lat: lat.0,
        count,
        names: [lon.1, lat.1],
        projection: lon.2,
        suffix: lon.3,
    })
}
