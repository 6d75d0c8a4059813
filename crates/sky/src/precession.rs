//! IAU 2006 precession by the four Fukushima-Williams angles, as astropy uses it for FK5 of any equinox.
//!
//! Method: Hilton et al. 2006, Celest. Mech. Dyn. Astron. 94, 351, in the form of Wallace & Capitaine 2006
//! (A&A 459, 981, section 7): bias-precession matrix R1(-eps_A) R3(-psi_bar) R1(phi_bar) R3(gamma_bar).

use crate::frame::SkyFrame;
use crate::vector::{Mat3, lonlat_deg, mul, mul_vec, rotate_x, rotate_z, transposed, unit_vector};

/// Polynomials of the angles in arcsec, in Julian centuries of TT since J2000.0, lowest power first.
const GAMMA_BAR: [f64; 6] = [-0.052928, 10.556378, 0.4932044, -0.00031238, -0.000002788, 0.0000000260];
const PHI_BAR: [f64; 6] = [84381.412819, -46.811016, 0.0511268, 0.00053289, -0.000000440, -0.0000000176];
const PSI_BAR: [f64; 6] = [-0.041775, 5038.481484, 1.5584175, -0.00018522, -0.000026452, -0.0000000148];
const EPSILON: [f64; 6] = [84381.406, -46.836769, -0.0001831, 0.00200340, -0.000000576, -0.0000000434];

fn polynomial_rad(coefficients: &[f64; 6], t: f64) -> f64 {
    (coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c) / 3600.0).to_radians()
}

/// GCRS to mean equator and equinox of date.
fn bias_precession(t: f64) -> Mat3 {
    let tail = mul(&rotate_x(polynomial_rad(&PHI_BAR, t)), &rotate_z(polynomial_rad(&GAMMA_BAR, t)));
    let head = mul(&rotate_x(-polynomial_rad(&EPSILON, t)), &rotate_z(-polynomial_rad(&PSI_BAR, t)));
    mul(&head, &tail)
}

/// Rotation from the mean equator and equinox of J2000.0 to that of the Julian epoch `equinox_yr`.
pub(crate) fn from_j2000(equinox_yr: f64) -> Mat3 {
    let t = (equinox_yr - 2000.0) / 100.0;
    mul(&bias_precession(t), &transposed(&bias_precession(0.0)))
}

/// Rotation from ICRS to the mean ecliptic and equinox of the Julian epoch `equinox_yr`.
pub(crate) fn icrs_to_ecliptic(equinox_yr: f64) -> Mat3 {
    let t = (equinox_yr - 2000.0) / 100.0;
    mul(&rotate_x(polynomial_rad(&EPSILON, t)), &bias_precession(t))
}

/// ICRS place, degrees, of a mean place of date: FK5 at the equinox of the Julian year `year`, as astropy has it. The
/// aberration and nutation of an apparent place, below half an arcmin, stay in.
pub fn mean_of_date_to_icrs(ra_deg: f64, dec_deg: f64, year: f64) -> (f64, f64) {
    let of_date = unit_vector(ra_deg, dec_deg);
    let to_icrs = SkyFrame::Fk5 { equinox: year }.matrix_to_icrs();
    lonlat_deg(&to_icrs.map_or(of_date, |matrix| mul_vec(&matrix, &of_date)))
}
