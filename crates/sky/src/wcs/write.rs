//! [`Wcs`] to header cards.

use zemosaic_fits::Header;

use super::Wcs;
use super::distortion::{Distortion, PlaneKind};
use super::projection;
use crate::frame::SkyFrame;

/// Cards that would act beside, or instead of, the new ones (PLTRAH makes a header a DSS plate).
const STALE: [&str; 13] = [
    "CDELT1", "CDELT2", "CROTA1", "CROTA2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "RADESYS", "RADECSYS",
    "EQUINOX", "EPOCH", "PLTRAH",
];

/// Writes the WCS cards (see [`Wcs::write_to`]).
pub(super) fn write_to(wcs: &Wcs, header: &mut Header) {
    remove_stale(header);
    let code = match &wcs.distortion {
        Distortion::None => wcs.projection.name().to_string(),
        Distortion::Sip(_) => format!("{}-SIP", wcs.projection.name()),
        Distortion::Plane(plane) => plane.code().to_string(),
    };
    let ctype = |name: &str| format!("{name:-<4}-{code}");
    let unit = ["deg", "deg"];
    header.set_i64("WCSAXES", 2, "number of world axes");
    for (i, name) in wcs.names.iter().enumerate() {
        let n = i + 1;
        header.set_str(&format!("CTYPE{n}"), &ctype(name), "coordinate and projection");
        header.set_str(&format!("CUNIT{n}"), unit[i], "unit of the coordinate");
        header.set_f64(&format!("CRPIX{n}"), wcs.crpix0_px[i] + 1.0, "[px] reference pixel");
    }
    header.set_f64("CRVAL1", wcs.pole.crval_deg.0, "[deg] longitude of the reference pixel");
    header.set_f64("CRVAL2", wcs.pole.crval_deg.1, "[deg] latitude of the reference pixel");
    for (i, row) in wcs.cd_deg.iter().enumerate() {
        for (j, value) in row.iter().enumerate() {
            header.set_f64(&format!("CD{}_{}", i + 1, j + 1), *value, "[deg/px] linear transformation");
        }
    }
    write_projection(wcs, header);
    header.set_f64("LONPOLE", wcs.pole.lonpole_deg, "[deg] native longitude of the celestial pole");
    header.set_f64("LATPOLE", wcs.pole.latpole_deg, "[deg] native latitude of the celestial pole");
    match &wcs.frame {
        SkyFrame::Icrs => header.set_str("RADESYS", "ICRS", "reference system"),
        SkyFrame::Fk5 { equinox } | SkyFrame::Ecliptic { equinox } => {
            header.set_str("RADESYS", "FK5", "reference system");
            header.set_f64("EQUINOX", *equinox, "[yr] equinox of the coordinates");
        }
        SkyFrame::Fk4 { equinox } => {
            header.set_str("RADESYS", "FK4", "reference system");
            header.set_f64("EQUINOX", *equinox, "[yr] equinox of the coordinates");
        }
        SkyFrame::Fk4NoE { equinox } => {
            header.set_str("RADESYS", "FK4-NO-E", "reference system");
            header.set_f64("EQUINOX", *equinox, "[yr] equinox of the coordinates");
        }
        SkyFrame::Other(name) if wcs.names[0] == "RA" => header.set_str("RADESYS", name, "reference system"),
        SkyFrame::Galactic | SkyFrame::Other(_) => {}
    }
    match &wcs.distortion {
        Distortion::None => {}
        Distortion::Sip(sip) => sip.write_to(header),
        Distortion::Plane(plane) => match &plane.kind {
            PlaneKind::Tpv(tpv) => tpv.write_to(header),
            PlaneKind::Tnx(tnx) | PlaneKind::Zpx(tnx) => tnx.write_to(header, plane.code()),
        },
    }
}

fn write_projection(wcs: &Wcs, header: &mut Header) {
    if wcs.distortion == Distortion::None {
        for (j, value) in wcs.projection.parameters() {
            header.set_f64(&format!("PV2_{j}"), value, "parameter of the projection");
        }
    }
    let (phi0, theta0) = wcs.pole.native_ref_deg;
    if (phi0, theta0) != projection::native_ref_deg(&wcs.projection) {
        header.set_f64("PV1_1", phi0, "[deg] native longitude of the reference point");
        header.set_f64("PV1_2", theta0, "[deg] native latitude of the reference point");
    }
    if wcs.offset_rad != (0.0, 0.0) {
        header.set_f64("PV1_0", 1.0, "the plane is counted from the reference point");
    }
}

/// Cards of an earlier WCS that would act on, or contradict, the new one.
fn remove_stale(header: &mut Header) {
    for keyword in STALE {
        header.remove(keyword);
    }
    let stale: Vec<String> = header
        .keywords()
        .filter(|k| is_old_distortion(k) || is_old_parameter(k))
        .map(str::to_string)
        .collect();
    for keyword in stale {
        header.remove(&keyword);
    }
}

fn is_old_distortion(keyword: &str) -> bool {
    let sip = ["AP_", "BP_", "A_", "B_"].iter().any(|prefix| {
        keyword.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest, "ORDER" | "DMAX") || {
                let bytes = rest.as_bytes();
                bytes.len() == 3 && bytes[0].is_ascii_digit() && bytes[1] == b'_' && bytes[2].is_ascii_digit()
            }
        })
    });
    sip || matches!(keyword, "CPDIS1" | "CPDIS2" | "CQDIS1" | "CQDIS2" | "D2IMDIS1" | "D2IMDIS2")
}

fn is_old_parameter(keyword: &str) -> bool {
    keyword.strip_prefix("PV1_").or_else(|| keyword.strip_prefix("PV2_")).is_some()
        || ["WAT0_", "WAT1_", "WAT2_"].iter().any(|prefix| keyword.starts_with(prefix))
        || keyword.strip_prefix("PC00").or_else(|| keyword.strip_prefix("CD00")).is_some()
}
