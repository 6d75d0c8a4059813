//! Projections between the native sphere and the plane (FITS paper II, section 5, and Calabretta & Lowe 2013 for XPH).
//!
//! The native unit vector is n = (cos theta cos phi, cos theta sin phi, sin theta); plane coordinates are in radians.
//! TAN, orthographic SIN, STG, CAR, SFL and PAR come from the `mapproj` crate; the others are ours, because `mapproj`
//! 0.4.0 lacks them (BON, PCO, TSC, CSC, QSC, XPH, HPX with H and K), loses digits in parts of the sky (ARC, ZEA, AIT, MER, MOL)
//! or panics on odd parameters (AZP, SZP, ZPN, conics).

mod canonical;
mod conic;
mod cube;
mod cylindrical;
mod healpix;
mod parameters;
mod perspective;
mod polyconic;
mod pseudocylindrical;
mod quadcube;
mod sphere;
mod zenithal;

use std::sync::Arc;

pub(crate) use self::conic::{Conic, ConicKind};
pub(crate) use self::healpix::Hpx;
pub(super) use self::parameters::{from_code, native_ref_deg};
pub(crate) use self::perspective::{Azp, Szp};
pub(crate) use self::zenithal::{Air, Zpn};
use crate::vector::Vec3;

/// A supported projection. Angles among the parameters are in radians.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Projection {
    Tan,
    /// Orthographic / synthesis with the two slant parameters (PV2_1, PV2_2); (0, 0) is plain orthographic.
    Sin {
        xi: f64,
        eta: f64,
    },
    Stg,
    Zea,
    Arc,
    Azp(Azp),
    Szp(Szp),
    Air(Air),
    Zpn(Arc<Zpn>),
    Cyp {
        mu: f64,
        lambda: f64,
    },
    Cea {
        lambda: f64,
    },
    Car,
    Mer,
    Sfl,
    Par,
    Mol,
    Ait,
    Conic(Conic),
    Bon {
        theta1: f64,
    },
    Pco,
    Tsc,
    Csc,
    Qsc,
    Hpx(Hpx),
    Xph,
}

impl Projection {
    /// Native direction (of length 1) to the plane; `None` where the projection does not show it.
    #[inline]
    pub(crate) fn project(&self, n: &Vec3) -> Option<(f64, f64)> {
        match self {
            Self::Tan => canonical::tan(n),
            Self::Sin { xi, eta } => canonical::sin(n, *xi, *eta),
            Self::Stg => canonical::stg(n),
            Self::Zea => Some(zenithal::zea(n)),
            Self::Car => canonical::car(n),
            Self::Sfl => canonical::sfl(n),
            Self::Par => canonical::par(n),
            Self::Arc => Some(zenithal::arc(n)),
            Self::Azp(p) => p.project(n),
            Self::Szp(p) => p.project(n),
            Self::Air(p) => p.project(n),
            Self::Zpn(p) => p.project(n),
            Self::Cyp { mu, lambda } => cylindrical::cyp(n, *mu, *lambda),
            Self::Cea { lambda } => Some(cylindrical::cea(n, *lambda)),
            Self::Mer => cylindrical::mer(n),
            Self::Mol => Some(pseudocylindrical::mol(n)),
            Self::Ait => Some(pseudocylindrical::ait(n)),
            Self::Conic(p) => p.project(n),
            Self::Bon { theta1 } => Some(polyconic::bon(n, *theta1)),
            Self::Pco => Some(polyconic::pco(n)),
            Self::Tsc => Some(cube::project(n, cube::tsc)),
            Self::Csc => Some(cube::project(n, quadcube::csc)),
            Self::Qsc => Some(cube::project(n, quadcube::qsc)),
            Self::Hpx(p) => Some(p.project(n)),
            Self::Xph => Some(healpix::xph(n)),
        }
    }

    /// Plane to the native direction of length 1; `None` outside the sky.
    #[inline]
    pub(crate) fn unproject(&self, x: f64, y: f64) -> Option<Vec3> {
        match self {
            Self::Tan => canonical::tan_inverse(x, y),
            Self::Sin { xi, eta } => canonical::sin_inverse(x, y, *xi, *eta),
            Self::Stg => canonical::stg_inverse(x, y),
            Self::Zea => zenithal::zea_inverse(x, y),
            Self::Car => canonical::car_inverse(x, y),
            Self::Sfl => canonical::sfl_inverse(x, y),
            Self::Par => canonical::par_inverse(x, y),
            Self::Arc => zenithal::arc_inverse(x, y),
            Self::Azp(p) => p.unproject(x, y),
            Self::Szp(p) => p.unproject(x, y),
            Self::Air(p) => p.unproject(x, y),
            Self::Zpn(p) => p.unproject(x, y),
            Self::Cyp { mu, lambda } => cylindrical::cyp_inverse(x, y, *mu, *lambda),
            Self::Cea { lambda } => cylindrical::cea_inverse(x, y, *lambda),
            Self::Mer => cylindrical::mer_inverse(x, y),
            Self::Mol => pseudocylindrical::mol_inverse(x, y),
            Self::Ait => pseudocylindrical::ait_inverse(x, y),
            Self::Conic(p) => p.unproject(x, y),
            Self::Bon { theta1 } => polyconic::bon_inverse(x, y, *theta1),
            Self::Pco => polyconic::pco_inverse(x, y),
            Self::Tsc => cube::unproject(x, y, cube::tsc_inverse),
            Self::Csc => cube::unproject(x, y, quadcube::csc_inverse),
            Self::Qsc => cube::unproject(x, y, quadcube::qsc_inverse),
            Self::Hpx(p) => p.unproject(x, y),
            Self::Xph => healpix::xph_inverse(x, y),
        }
    }
}
