//! Header to [`Wcs`].

use std::sync::Arc;

use zemosaic_fits::Header;

use super::axes::{self, CelestialAxes};
use super::celestial::Pole;
use super::distortion::{Distortion, PlaneDistortion, PlaneKind};
use super::projection::{self, Projection};
use super::sip::Sip;
use super::tnx::Tnx;
use super::tpv::{self, Tpv};
use super::{Parts, Wcs, dss, keys, linear};
use crate::error::WcsError;
use crate::frame::SkyFrame;
use crate::vector::unit_vector;

/// PV cards up to this index on TAN are native-pole parameters; from the next on they are SCAMP's distortion.
const LAST_POLE_PV: usize = 4;

/// Reads the primary WCS of a header.
pub(super) fn from_header(header: &Header) -> Result<Wcs, WcsError> {
    if let Some(plate) = dss::read(header)? {
        return from_plate(header, plate);
    }
    let axes = axes::find(header)?;
    refuse_lookup_tables(header)?;
    let distortion = read_distortion(header, &axes)?;
    // Beside SIP the PV cards are left-overs of SCAMP and do not act; in TPV they are its coefficients.
    let use_pv = distortion == Distortion::None && axes.suffix != "SIP";
    let cd_deg = linear::read(header, &axes)?;
    let projection = read_projection(header, &axes, &distortion, use_pv)?;
    let (pole, offset) = read_pole(header, &axes, &projection, use_pv)?;
    let offset_rad = if offset { reference_offset(&projection, &pole)? } else { (0.0, 0.0) };
    let frame = read_frame(header, &axes)?;
    let crpix0_px = [read_or_zero(header, "CRPIX1")? - 1.0, read_or_zero(header, "CRPIX2")? - 1.0];
    Wcs::build(Parts {
        crpix0_px,
        cd_deg,
        projection,
        distortion,
        offset_rad,
        pole,
        centre_px: image_centre(header),
        names: axes.names,
        frame,
    })
}

/// Plane position of the native reference point.
fn reference_offset(projection: &Projection, pole: &Pole) -> Result<(f64, f64), WcsError> {
    let (phi0, theta0) = pole.native_ref_deg;
    projection.project(&unit_vector(phi0, theta0)).ok_or_else(|| WcsError::Projection {
        name: projection.name().into(),
        reason: format!("it does not show its reference point ({phi0}, {theta0})"),
    })
}

/// Centre of the image of the header in 0-based pixels.
fn image_centre(header: &Header) -> Option<[f64; 2]> {
    let side = |n: usize| {
        let value = |prefix: &str| keys::float(header, &format!("{prefix}NAXIS{n}")).ok().flatten();
        value("Z").or_else(|| value("")).filter(|v| *v >= 1.0)
    };
    Some([(side(1)? - 1.0) / 2.0, (side(2)? - 1.0) / 2.0])
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
        distortion: Distortion::Sip(Arc::new(plate.sip)),
        offset_rad: (0.0, 0.0),
        pole,
        centre_px: image_centre(header),
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
fn read_distortion(header: &Header, axes: &CelestialAxes) -> Result<Distortion, WcsError> {
    match axes.suffix.as_str() {
        "" | "SIP" => {}
        other => {
            return Err(WcsError::Distortion { reason: format!("CTYPE suffix -{other} is not supported") });
        }
    }
    let plane = |kind| Ok(Distortion::Plane(Arc::new(PlaneDistortion::new(kind)?)));
    match axes.projection.as_str() {
        "TPV" => return plane(PlaneKind::Tpv(Tpv::read(header, axes)?)),
        "TNX" => return plane(PlaneKind::Tnx(Tnx::read(header, axes)?)),
        "ZPX" => return plane(PlaneKind::Zpx(Tnx::read(header, axes)?)),
        // CTYPE says plain TAN and SCAMP's cards are there: those win over SIP.
        "TAN" if axes.suffix.is_empty() && has_scamp_pv(header, axes) => {
            return plane(PlaneKind::Tpv(Tpv::read(header, axes)?));
        }
        _ => {}
    }
    match Sip::read(header)? {
        Some(_) if axes.projection != "TAN" => {
            Err(WcsError::Distortion { reason: format!("SIP on projection {}", axes.projection) })
        }
        Some(sip) => Ok(Distortion::Sip(Arc::new(sip))),
        None => Ok(Distortion::None),
    }
}

fn has_scamp_pv(header: &Header, axes: &CelestialAxes) -> bool {
    [axes.lon, axes.lat]
        .iter()
        .any(|i| (LAST_POLE_PV + 1..=tpv::LAST).any(|j| header.contains(&format!("PV{i}_{j}"))))
}

/// The pole, and whether the plane is counted from the reference point (PVi_0).
fn read_pole(
    header: &Header,
    axes: &CelestialAxes,
    projection: &Projection,
    use_pv: bool,
) -> Result<(Pole, bool), WcsError> {
    let pv = |j: usize| {
        if use_pv { keys::float(header, &format!("PV{}_{j}", axes.lon)) } else { Ok(None) }
    };
    let crval = |axis: usize| -> Result<f64, WcsError> {
        Ok(read_or_zero(header, &format!("CRVAL{axis}"))? * linear::unit_deg(header, axis)?)
    };
    let crval_deg = (crval(axes.lon)?, crval(axes.lat)?);
    let offset = pv(0)?.is_some_and(|offset| offset != 0.0);
    let (phi0, theta0) = projection::native_ref_deg(projection);
    let native_ref_deg = (pv(1)?.unwrap_or(phi0), pv(2)?.unwrap_or(theta0));
    let lonpole_deg = match pv(3)? {
        Some(v) => v,
        None => keys::float(header, "LONPOLE")?
            .unwrap_or_else(|| Pole::default_lonpole_deg(native_ref_deg, crval_deg.1)),
    };
    let latpole_deg = match pv(4)? {
        Some(v) => v,
        None => keys::float(header, "LATPOLE")?.unwrap_or(90.0),
    };
    Ok((Pole { native_ref_deg, crval_deg, lonpole_deg, latpole_deg }, offset))
}

fn read_projection(
    header: &Header,
    axes: &CelestialAxes,
    distortion: &Distortion,
    use_pv: bool,
) -> Result<Projection, WcsError> {
    let crval_lat_deg =
        read_or_zero(header, &format!("CRVAL{}", axes.lat))? * linear::unit_deg(header, axes.lat)?;
    projection::from_code(&axes.projection, crval_lat_deg, |j| match distortion {
        Distortion::Plane(plane) => Ok(match &plane.kind {
            PlaneKind::Zpx(wat) => wat.projp(j),
            _ => None,
        }),
        _ if use_pv => keys::float(header, &format!("PV{}_{j}", axes.lat)),
        _ => Ok(None),
    })
}

fn read_frame(header: &Header, axes: &CelestialAxes) -> Result<SkyFrame, WcsError> {
    match axes.names[0].as_str() {
        "GLON" => return Ok(SkyFrame::Galactic),
        "ELON" => return read_ecliptic_frame(header),
        "RA" => {}
        other => return Ok(SkyFrame::Other(other.to_string())),
    }
    read_equatorial_frame(header)
}

/// Ecliptic coordinates count from the mean equinox of FK5 or ICRS; on FK4 they are left alone.
fn read_ecliptic_frame(header: &Header) -> Result<SkyFrame, WcsError> {
    Ok(match read_equatorial_frame(header)? {
        SkyFrame::Icrs => SkyFrame::Ecliptic { equinox: read_equinox(header)?.unwrap_or(2000.0) },
        SkyFrame::Fk5 { equinox } => SkyFrame::Ecliptic { equinox },
        other => SkyFrame::Other(format!("ecliptic on {other}")),
    })
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
        "FK4" => Ok(SkyFrame::Fk4 { equinox: equinox.unwrap_or(1950.0) }),
        "FK4-NO-E" => Ok(SkyFrame::Fk4NoE { equinox: equinox.unwrap_or(1950.0) }),
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
