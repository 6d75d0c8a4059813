//! FK4: mean equator and equinox of a Besselian epoch, with or without the E-terms of aberration.
//!
//! Method, numerically as astropy: E-terms of the Explanatory Supplement (Seidelmann 1992), precession by Newcomb, and the
//! matrix from B1950 to J2000 of Murray 1989 (A&A 218, 325, equation 28) with its correction for the epoch of observation,
//! which is taken as the equinox.

use crate::vector::{Mat3, Vec3, dot, mul, normalised, rotate_y, rotate_z};

const B1950_TO_J2000: Mat3 = [
    [0.9999256794956877, -0.0111814832204662, -0.0048590038153592],
    [0.0111814832391717, 0.9999374848933135, -0.0000271625947142],
    [0.0048590037723143, -0.0000271702937440, 0.9999881946023742],
];
/// Change of the matrix per Julian century, in units of 1e-6.
const CORRECTION: Mat3 = [
    [-0.0026455262, -1.1539918689, 2.1111346190],
    [1.1540628161, -0.0129042997, 0.0236021478],
    [-2.1112979048, -0.0056024448, 0.0102587734],
];
const JD_B1950: f64 = 2_433_282.42345905;
const TROPICAL_YEAR_D: f64 = 365.242198781;

fn julian_date(besselian_yr: f64) -> f64 {
    JD_B1950 + (besselian_yr - 1950.0) * TROPICAL_YEAR_D
}

/// The E-terms of an equinox, to be taken off a direction.
pub(crate) fn e_terms(equinox_yr: f64) -> Vec3 {
    let jd = julian_date(equinox_yr);
    let t = (jd - JD_B1950) / 36525.0;
    let eccentricity = 0.01673011 + t * (-0.00004193 + t * -0.000000126);
    let ek = 0.0056932_f64.to_radians() * eccentricity;
    let perigee = ((1_015_489.951 + t * (6190.67 + t * (1.65 + t * 0.012))) / 3600.0).to_radians();
    // Obliquity of the ecliptic, IAU 1980.
    let c = (jd - 2_451_545.0) / 36525.0;
    let obliquity = ((84381.448 + c * (-46.8150 + c * (-0.00059 + c * 0.001813))) / 3600.0).to_radians();
    let along = -ek * perigee.cos();
    [ek * perigee.sin(), along * obliquity.cos(), along * obliquity.sin()]
}

/// Takes the E-terms off a direction; the result has length 1.
pub(crate) fn without_e_terms(v: &Vec3, e: &Vec3) -> Vec3 {
    let along = dot(e, v);
    let w: Vec3 = std::array::from_fn(|i| v[i] - e[i] + along * v[i]);
    normalised(&w).unwrap_or(*v)
}

/// Adds the E-terms to a direction of length 1: the fixed point v of `without_e_terms(v) = w`.
pub(crate) fn with_e_terms(w: &Vec3, e: &Vec3) -> Vec3 {
    let mut v = *w;
    // Every round gains four digits.
    for _ in 0..6 {
        let miss = without_e_terms(&v, e);
        let next: Vec3 = std::array::from_fn(|i| v[i] + w[i] - miss[i]);
        v = normalised(&next).unwrap_or(v);
    }
    v
}

/// Newcomb's precession between two Besselian epochs.
fn precession(from_yr: f64, to_yr: f64) -> Mat3 {
    let t = (from_yr - 1850.0) / 1000.0;
    let d = (to_yr - 1850.0) / 1000.0 - t;
    let arcsec = |v: f64| (v / 3600.0).to_radians();
    let first = (0.060 * t + 139.720) * t + 23035.545;
    let zeta = arcsec(((17.995 * d - 0.27 * t + 30.240) * d + first) * d);
    let z = arcsec(((18.325 * d + 109.480 + 0.39 * t) * d + first) * d);
    let theta = arcsec(((-41.8 * d - 0.37 * t - 42.65) * d + (-0.37 * t - 85.29) * t + 20051.12) * d);
    mul(&mul(&rotate_z(-z), &rotate_y(theta)), &rotate_z(-zeta))
}

/// Rotation from FK4 without E-terms to FK5 at J2000.
pub(crate) fn to_fk5_j2000(equinox_yr: f64) -> Mat3 {
    let century = (julian_date(equinox_yr) - 2_433_282.5) / 36525.0;
    let mut b = B1950_TO_J2000;
    for (row, change) in b.iter_mut().zip(&CORRECTION) {
        for (cell, c) in row.iter_mut().zip(change) {
            *cell += c * 1e-6 * century;
        }
    }
    mul(&orthogonal(&b), &precession(equinox_yr, 1950.0))
}

/// The rotation nearest to a matrix that is a rotation but for some 1e-8 (a step of Newton's polar decomposition).
fn orthogonal(m: &Mat3) -> Mat3 {
    let mut out = *m;
    for _ in 0..2 {
        let gram = mul(&out, &crate::vector::transposed(&out));
        let correction = mul(&gram, &out);
        for (row, c) in out.iter_mut().zip(&correction) {
            for (cell, v) in row.iter_mut().zip(c) {
                *cell = 1.5 * *cell - 0.5 * v;
            }
        }
    }
    out
}
