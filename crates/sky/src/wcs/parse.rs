//! Header to [`Wcs`].

use std::sync::Arc;

use zemosaic_fits::Header;

use super::axes::{self, CelestialAxes};
use super::celestial::Pole;
use super::projection::Projection;
use super::sip::Sip;
use super::{Parts, Wcs, dss, keys, linear};
use crate::error::WcsError;
use crate::frame::SkyFrame;

/// PV cards up to this index on TAN are native-pole parameters; from the next on they are SCAMP's distortion.
const LAST_POLE_PV: usize = 4;
/// TPV has 40 coefficients per axis.
const MAX_PV: usize = 39;

/// Reads the primary WCS of a header.
pub(super) fn from_header(header: &Header) -> Result<Wcs, WcsError> {
    if let Some(plate) = dss::read(header)? {
        return from_plate(header, plate);
    }
    let axes = axes::find(header)?;
    refuse_lookup_tables(header)?;
    let sip = read_sip(header, &axes)?;
    let highest_pv = (0..=MAX_PV)
        .rev()
        .find(|j| [axes.lon, axes.lat].iter().any(|i| header.contains(&format!("PV{i}_{j}"))));
    if sip.is_none() && axes.projection == "TAN" && highest_pv.is_some_and(|j| j > LAST_POLE_PV) {
        return Err(WcsError::Distortion {
            reason: "TAN with PV cards is the TPV distortion, which is not supported yet".into(),
        });
    }
    // Beside SIP the PV cards are left-overs of SCAMP and do not act.
    let use_pv = sip.is_none() && axes.suffix != "SIP";
    let cd_deg = linear::read(header, &axes)?;
    let pole = read_pole(header, &axes, use_pv)?;
    let projection = read_projection(header, &axes, &pole, use_pv)?;
    let frame = read_frame(header, &axes)?;
    let crpix0_px = [read_or_zero(header, "CRPIX1")? - 1.0, read_or_zero(header, "CRPIX2")? - 1.0];
    Wcs::build(Parts {
        crpix0_px,
        cd_deg,
        projection,
        sip: sip.map(Arc::new),
        pole,
        names: axes.names,
        frame,
    })
}

/// CRPIX and CRVAL default to 0 in the FITS standard.
fn read_or_zero(header: &Header, keyword: &str) -> Result<f64, WcsError> {
    Ok(keys::float(header, keyword)?.unwrap_or(0.0))
}

fn from_plate(header: &Header, plate: dss::Plate) -> Result<Wcs, WcsError> {
    let pole = Pole {
        native_ref_deg: (0.0, 90.0),
        crval_deg: plate.crval_deg,
        lonpole_deg: 180.0,
        latpole_deg: plate.crval_deg.1,
    };
    Wcs::build(Parts {
        crpix0_px: plate.crpix0_px,
        cd_deg: plate.cd_deg,
        projection: Projection::Tan,
        sip: Some(Arc::new(plate.sip)),
        pole,
        names: ["RA".into(), "DEC".into()],
        frame: read_equatorial_frame(header)?,
    })
}

/// Distortions of the FITS distortion paper draft (lookup tables and others) would be silently lost.
fn refuse_lookup_tables(header: &Header) -> Result<(), WcsError> {
    for name in ["CPDIS", "CQDIS", "D2IMDIS"] {
        for axis in 1..=2 {
            if let Some(kind) = keys::upper(header, &format!("{name}{axis}")) {
                return Err(WcsError::Distortion {
                    reason: format!(
                        "{name}{axis} = '{kind}' is not supported (lookup tables and distortion functions)"
                    ),
                });
            }
        }
    }
    // The older form of the same HST detector correction, before D2IMDISj existed.
    if keys::upper(header, "D2IMEXT").is_some() && header.contains("AXISCORR") {
        return Err(WcsError::Distortion {
            reason: "D2IMEXT with AXISCORR (lookup table) is not supported".into(),
        });
    }
    Ok(())
}

/// SIP acts on TAN whether CTYPE says so or not, as in astropy; any other suffix is a distortion we do not know.
fn read_sip(header: &Header, axes: &CelestialAxes) -> Result<Option<Sip>, WcsError> {
    match axes.suffix.as_str() {
        "" | "SIP" => {}
        other => {
            return Err(WcsError::Distortion { reason: format!("CTYPE suffix -{other} is not supported") });
        }
    }
    if axes.projection == "TAN" && axes.suffix.is_empty() && has_scamp_pv(header, axes) {
        // CTYPE says plain TAN and SCAMP's cards are there: those win over SIP (and are refused by the caller).
        return Ok(None);
    }
    let sip = Sip::read(header)?;
    if sip.is_some() && axes.projection != "TAN" {
        return Err(WcsError::Distortion { reason: format!("SIP on projection {}", axes.projection) });
    }
    Ok(sip)
}

fn has_scamp_pv(header: &Header, axes: &CelestialAxes) -> bool {
    [axes.lon, axes.lat]
        .iter()
        .any(|i| (LAST_POLE_PV + 1..=MAX_PV).any(|j| header.contains(&format!("PV{i}_{j}"))))
}

fn read_pole(header: &Header, axes: &CelestialAxes, use_pv: bool) -> Result<Pole, WcsError> {
    let pv = |j: usize| {
        if use_pv { keys::float(header, &format!("PV{}_{j}", axes.lon)) } else { Ok(None) }
    };
    let crval = |axis: usize| -> Result<f64, WcsError> {
        Ok(read_or_zero(header, &format!("CRVAL{axis}"))? * linear::unit_deg(header, axis)?)
    };
    let crval_deg = (crval(axes.lon)?, crval(axes.lat)?);
    if pv(0)?.is_some_and(|offset| offset != 0.0) {
        return Err(WcsError::Projection {
            name: axes.projection.clone(),
            reason: format!("PV{}_0 (an offset of the reference point) is not supported", axes.lon),
        });
    }
    let native_ref_deg = (pv(1)?.unwrap_or(0.0), pv(2)?.unwrap_or(90.0));
    let lonpole_deg = match pv(3)? {
        Some(v) => v,
        None => keys::float(header, "LONPOLE")?
            .unwrap_or_else(|| Pole::default_lonpole_deg(native_ref_deg, crval_deg.1)),
    };
    let latpole_deg = match pv(4)? {
        Some(v) => v,
        None => keys::float(header, "LATPOLE")?.unwrap_or(90.0),
    };
    Ok(Pole { native_ref_deg, crval_deg, lonpole_deg, latpole_deg })
}

fn read_projection(
    header: &Header,
    axes: &CelestialAxes,
    pole: &Pole,
    use_pv: bool,
) -> Result<Projection, WcsError> {
    let pv = |j: usize| {
        if use_pv { Ok(keys::float(header, &format!("PV{}_{j}", axes.lat))?.unwrap_or(0.0)) } else { Ok(0.0) }
    };
    match axes.projection.as_str() {
        "TAN" => Ok(Projection::Tan),
        "SIN" => Ok(Projection::Sin { xi: pv(1)?, eta: pv(2)? }),
        "NCP" => {
            let sin = pole.crval_deg.1.to_radians().sin();
            if sin.abs() < 1e-6 {
                return Err(WcsError::Projection {
                    name: "NCP".into(),
                    reason: "undefined on the equator".into(),
                });
            }
            Ok(Projection::Sin { xi: 0.0, eta: pole.crval_deg.1.to_radians().cos() / sin })
        }
        other => Err(WcsError::Projection {
            name: other.to_string(),
            reason: "only TAN, SIN and TAN with SIP can be read so far".into(),
        }),
    }
}

fn read_frame(header: &Header, axes: &CelestialAxes) -> Result<SkyFrame, WcsError> {
    match axes.names[0].as_str() {
        "GLON" => return Ok(SkyFrame::Galactic),
        "RA" => {}
        other => return Ok(SkyFrame::Other(other.to_string())),
    }
    read_equatorial_frame(header)
}

fn read_equatorial_frame(header: &Header) -> Result<SkyFrame, WcsError> {
    let equinox = read_equinox(header)?;
    let system = keys::upper(header, "RADESYS").or_else(|| keys::upper(header, "RADECSYS"));
    let name = match (&system, equinox) {
        (Some(s), _) => s.as_str(),
        (None, None) => "ICRS",
        (None, Some(e)) if e < 1984.0 => "FK4",
        (None, Some(_)) => "FK5",
    };
    match name {
        "ICRS" => Ok(SkyFrame::Icrs),
        "FK5" => Ok(SkyFrame::Fk5 { equinox: equinox.unwrap_or(2000.0) }),
        "FK4" | "FK4-NO-E" => Err(WcsError::Frame {
            name: name.to_string(),
            reason: "convert the WCS to FK5 or ICRS (equinox before 1984 without RADESYS means FK4)".into(),
        }),
        other => Ok(SkyFrame::Other(other.to_string())),
    }
}

/// EQUINOX, or the older EPOCH; both may be written as text such as 'J2000.0'.
fn read_equinox(header: &Header) -> Result<Option<f64>, WcsError> {
    for keyword in ["EQUINOX", "EPOCH"] {
        if let Some(text) = keys::upper(header, keyword)
            && let Some(number) = text.strip_prefix(['J', 'B'])
        {
            return match number.trim().parse::<f64>() {
                Ok(v) if v.is_finite() => Ok(Some(v)),
                _ => Err(WcsError::Value { keyword: keyword.into(), value: text }),
            };
        }
        if let Some(v) = keys::float(header, keyword)? {
            return Ok(Some(v));
        }
    }
    Ok(None)
}
