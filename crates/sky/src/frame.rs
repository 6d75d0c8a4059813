//! Celestial reference frames and their rotation to ICRS, numerically as astropy makes it.
//!
//! FK5 at J2000: frame bias of USNO Circular 179 (eta0 = -19.9 mas, xi0 = 9.1 mas, da0 = -22.9 mas); other equinoxes
//! by IAU 2006 precession; Galactic from FK5 J2000 by the pole (192.8594812065348, 27.12825118085622) deg and the
//! longitude 122.9319185680026 deg of the celestial pole.

use std::fmt;

use crate::fk4;
use crate::precession;
use crate::vector::{IDENTITY, Mat3, Vec3, mul, rotate_x, rotate_y, rotate_z, transposed};

/// The reference frame of a WCS.
#[derive(Debug, Clone, PartialEq)]
pub enum SkyFrame {
    /// International Celestial Reference System.
    Icrs,
    /// Fifth fundamental catalogue, mean equator and equinox of a Julian epoch.
    Fk5 {
        /// Julian epoch of the equinox in years.
        equinox: f64,
    },
    /// Fourth fundamental catalogue, mean equator and equinox of a Besselian epoch, with the E-terms of aberration.
    Fk4 {
        /// Besselian epoch of the equinox in years.
        equinox: f64,
    },
    /// FK4 without the E-terms.
    Fk4NoE {
        /// Besselian epoch of the equinox in years.
        equinox: f64,
    },
    /// Galactic coordinates (IAU 1958).
    Galactic,
    /// Mean ecliptic and equinox of a Julian epoch (barycentric, IAU 2006).
    Ecliptic {
        /// Julian epoch of the equinox in years.
        equinox: f64,
    },
    /// Any other celestial system (solar, planetary ...): usable on its own, refused for mosaics.
    Other(String),
}

const GALACTIC_POLE_RA_DEG: f64 = 192.8594812065348;
const GALACTIC_POLE_DEC_DEG: f64 = 27.12825118085622;
const GALACTIC_LON0_DEG: f64 = 122.9319185680026;

fn mas(value: f64) -> f64 {
    (value / 3_600_000.0).to_radians()
}

fn icrs_to_fk5_j2000() -> Mat3 {
    mul(&mul(&rotate_x(mas(19.9)), &rotate_y(mas(9.1))), &rotate_z(mas(-22.9)))
}

fn fk5_j2000_to_galactic() -> Mat3 {
    let z2 = rotate_z((180.0 - GALACTIC_LON0_DEG).to_radians());
    let y = rotate_y((90.0 - GALACTIC_POLE_DEC_DEG).to_radians());
    mul(&mul(&z2, &y), &rotate_z(GALACTIC_POLE_RA_DEG.to_radians()))
}

impl SkyFrame {
    /// Rotation from this frame to ICRS (`v_icrs = M v_frame`); `None` for [`SkyFrame::Other`] and for FK4, whose E-terms
    /// are no rotation.
    pub fn to_icrs(&self) -> Option<[[f64; 3]; 3]> {
        if self.e_terms().is_some() { None } else { self.matrix_to_icrs() }
    }

    /// True where directions can be brought to ICRS, by a rotation or (FK4) otherwise.
    pub fn has_icrs(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// The E-terms that have to be taken off before [`Self::matrix_to_icrs`] applies.
    pub(crate) fn e_terms(&self) -> Option<Vec3> {
        match self {
            Self::Fk4 { equinox } => Some(fk4::e_terms(*equinox)),
            _ => None,
        }
    }

    /// Rotation to ICRS, of FK4 without its E-terms.
    pub(crate) fn matrix_to_icrs(&self) -> Option<Mat3> {
        match self {
            Self::Fk4 { equinox } | Self::Fk4NoE { equinox } => {
                Some(mul(&transposed(&icrs_to_fk5_j2000()), &fk4::to_fk5_j2000(*equinox)))
            }
            Self::Ecliptic { equinox } => Some(transposed(&precession::icrs_to_ecliptic(*equinox))),
            Self::Icrs => Some(IDENTITY),
            Self::Fk5 { equinox } => {
                let from_icrs = if *equinox == 2000.0 {
                    icrs_to_fk5_j2000()
                } else {
                    mul(&precession::from_j2000(*equinox), &icrs_to_fk5_j2000())
                };
                Some(transposed(&from_icrs))
            }
            Self::Galactic => Some(transposed(&mul(&fk5_j2000_to_galactic(), &icrs_to_fk5_j2000()))),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for SkyFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icrs => write!(f, "ICRS"),
            Self::Fk5 { equinox } => write!(f, "FK5 J{equinox}"),
            Self::Fk4 { equinox } => write!(f, "FK4 B{equinox}"),
            Self::Fk4NoE { equinox } => write!(f, "FK4-NO-E B{equinox}"),
            Self::Galactic => write!(f, "Galactic"),
            Self::Ecliptic { equinox } => write!(f, "ecliptic J{equinox}"),
            Self::Other(name) => write!(f, "{name}"),
        }
    }
}
