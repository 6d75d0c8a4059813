//! FITS codes, PV parameters and native reference points of the projections.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use super::{Air, Azp, Conic, ConicKind, Hpx, Projection, Szp, Zpn};
use crate::error::WcsError;

/// Highest index of the parameters of ZPN.
const LAST_ZPN: usize = 29;

/// Native coordinates (phi0, theta0) of the reference point in degrees, where the header does not move it.
pub(in super::super) fn native_ref_deg(projection: &Projection) -> (f64, f64) {
    match projection {
        Projection::Tan
        | Projection::Sin { .. }
        | Projection::Stg
        | Projection::Zea
        | Projection::Arc
        | Projection::Azp(_)
        | Projection::Szp(_)
        | Projection::Air(_)
        | Projection::Zpn(_)
        | Projection::Xph => (0.0, 90.0),
        Projection::Conic(conic) => (0.0, conic.theta_a.to_degrees()),
        _ => (0.0, 0.0),
    }
}

/// The projection of a FITS code; `pv` gives the parameters of the latitude axis.
pub(in super::super) fn from_code(
    code: &str,
    crval_lat_deg: f64,
    pv: impl Fn(usize) -> Result<Option<f64>, WcsError>,
) -> Result<Projection, WcsError> {
    let or = |j: usize, default: f64| pv(j).map(|v| v.unwrap_or(default));
    let angle = |j: usize, default_deg: f64| or(j, default_deg).map(f64::to_radians);
    let found = match code {
        "TAN" | "TPV" | "TNX" => Some(Projection::Tan),
        "SIN" => Some(Projection::Sin { xi: or(1, 0.0)?, eta: or(2, 0.0)? }),
        "NCP" => return ncp(crval_lat_deg),
        "STG" => Some(Projection::Stg),
        "ZEA" => Some(Projection::Zea),
        "ARC" => Some(Projection::Arc),
        "AZP" => Azp::new(or(1, 0.0)?, angle(2, 0.0)?).map(Projection::Azp),
        "SZP" => Szp::new(or(1, 0.0)?, angle(2, 0.0)?, angle(3, 90.0)?).map(Projection::Szp),
        "AIR" => Air::new(angle(1, 90.0)?).map(Projection::Air),
        "ZPN" | "ZPX" => {
            let mut coefficients = (0..=LAST_ZPN).map(|j| or(j, 0.0)).collect::<Result<Vec<_>, _>>()?;
            while coefficients.last() == Some(&0.0) {
                coefficients.pop();
            }
            Zpn::new(coefficients).map(|z| Projection::Zpn(Arc::new(z)))
        }
        "CYP" => {
            let (mu, lambda) = (or(1, 1.0)?, or(2, 1.0)?);
            (lambda != 0.0 && mu + lambda != 0.0).then_some(Projection::Cyp { mu, lambda })
        }
        "CEA" => {
            let lambda = or(1, 1.0)?;
            (lambda > 0.0 && lambda <= 1.0).then_some(Projection::Cea { lambda })
        }
        "CAR" => Some(Projection::Car),
        "MER" => Some(Projection::Mer),
        "SFL" | "GLS" => Some(Projection::Sfl),
        "PAR" => Some(Projection::Par),
        "MOL" => Some(Projection::Mol),
        "AIT" => Some(Projection::Ait),
        "COP" => Conic::new(ConicKind::Cop, angle(1, 0.0)?, angle(2, 0.0)?).map(Projection::Conic),
        "COE" => Conic::new(ConicKind::Coe, angle(1, 0.0)?, angle(2, 0.0)?).map(Projection::Conic),
        "COD" => Conic::new(ConicKind::Cod, angle(1, 0.0)?, angle(2, 0.0)?).map(Projection::Conic),
        "COO" => Conic::new(ConicKind::Coo, angle(1, 0.0)?, angle(2, 0.0)?).map(Projection::Conic),
        "BON" => Some(bonne(angle(1, 0.0)?)).filter(|_| pv(1).is_ok_and(|v| v.is_some())),
        "PCO" => Some(Projection::Pco),
        "TSC" => Some(Projection::Tsc),
        "CSC" => Some(Projection::Csc),
        "QSC" => Some(Projection::Qsc),
        "HPX" => Hpx::new(or(1, 4.0)?, or(2, 3.0)?).map(Projection::Hpx),
        "XPH" => Some(Projection::Xph),
        other => {
            return Err(WcsError::Projection {
                name: other.to_string(),
                reason: "it is none of the FITS sky projections".into(),
            });
        }
    };
    found.ok_or_else(|| WcsError::Projection {
        name: code.to_string(),
        reason: "its PV parameters are missing or make it degenerate".into(),
    })
}

/// Bonne about the equator is SFL.
fn bonne(theta1: f64) -> Projection {
    if theta1.abs() < 1e-12 { Projection::Sfl } else { Projection::Bon { theta1 } }
}

/// The north-celestial-pole projection of old radio maps is a slanted SIN.
fn ncp(crval_lat_deg: f64) -> Result<Projection, WcsError> {
    let (sin, cos) = crval_lat_deg.to_radians().sin_cos();
    if sin.abs() < 1e-6 {
        return Err(WcsError::Projection { name: "NCP".into(), reason: "undefined on the equator".into() });
    }
    Ok(Projection::Sin { xi: 0.0, eta: cos / sin })
}

impl Projection {
    /// The FITS code.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tan => "TAN",
            Self::Sin { .. } => "SIN",
            Self::Stg => "STG",
            Self::Zea => "ZEA",
            Self::Arc => "ARC",
            Self::Azp(_) => "AZP",
            Self::Szp(_) => "SZP",
            Self::Air(_) => "AIR",
            Self::Zpn(_) => "ZPN",
            Self::Cyp { .. } => "CYP",
            Self::Cea { .. } => "CEA",
            Self::Car => "CAR",
            Self::Mer => "MER",
            Self::Sfl => "SFL",
            Self::Par => "PAR",
            Self::Mol => "MOL",
            Self::Ait => "AIT",
            Self::Conic(conic) => match conic.kind {
                ConicKind::Cop => "COP",
                ConicKind::Coe => "COE",
                ConicKind::Cod => "COD",
                ConicKind::Coo => "COO",
            },
            Self::Bon { .. } => "BON",
            Self::Pco => "PCO",
            Self::Tsc => "TSC",
            Self::Csc => "CSC",
            Self::Qsc => "QSC",
            Self::Hpx(_) => "HPX",
            Self::Xph => "XPH",
        }
    }

    /// True where the native meridian of 180 deg is shown twice, at x and at -x.
    pub(crate) fn has_seam(&self) -> bool {
        !matches!(self, Self::Tsc | Self::Csc | Self::Qsc) && native_ref_deg(self).1 != 90.0
    }

    /// PV parameters of the latitude axis as (index, value), those at their defaults left out.
    pub(crate) fn parameters(&self) -> Vec<(usize, f64)> {
        let all = match self {
            Self::Sin { xi, eta } => vec![(1, *xi, 0.0), (2, *eta, 0.0)],
            Self::Azp(p) => vec![(1, p.mu, 0.0), (2, p.gamma.to_degrees(), 0.0)],
            Self::Szp(p) => {
                vec![(1, p.mu, 0.0), (2, p.phi_c.to_degrees(), 0.0), (3, p.theta_c.to_degrees(), 90.0)]
            }
            Self::Air(p) => vec![(1, p.theta_b.to_degrees(), FRAC_PI_2.to_degrees())],
            Self::Zpn(p) => p.coefficients.iter().enumerate().map(|(j, c)| (j, *c, 0.0)).collect(),
            Self::Cyp { mu, lambda } => vec![(1, *mu, 1.0), (2, *lambda, 1.0)],
            Self::Cea { lambda } => vec![(1, *lambda, 1.0)],
            Self::Conic(p) => vec![(1, p.theta_a.to_degrees(), f64::NAN), (2, p.eta.to_degrees(), 0.0)],
            Self::Bon { theta1 } => vec![(1, theta1.to_degrees(), f64::NAN)],
            Self::Hpx(p) => vec![(1, p.h, 4.0), (2, p.k, 3.0)],
            _ => Vec::new(),
        };
        all.into_iter().filter(|(_, v, default)| v != default).map(|(j, v, _)| (j, v)).collect()
    }
}
