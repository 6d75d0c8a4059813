//! Proper motion: straight along the tangent, then back onto the sphere. Exact at the poles, and for the fastest star
//! within 0.01 arcsec of the motion in space over a century (no radial motion).

use zemosaic_sky::{lonlat_deg, unit_vector};

const RAD_PER_MAS: f64 = std::f64::consts::PI / (180.0 * 3.6e6);

/// The position (right ascension, declination, degrees) after `years`, of a star that moves by `pm_mas_yr` (right ascension
/// times cos(declination), declination) at the start.
pub fn moved((ra_deg, dec_deg): (f64, f64), pm_mas_yr: [f64; 2], years: f64) -> (f64, f64) {
    if pm_mas_yr == [0.0, 0.0] || years == 0.0 {
        return (ra_deg, dec_deg);
    }
    let (sin_ra, cos_ra) = ra_deg.to_radians().sin_cos();
    let (sin_dec, cos_dec) = dec_deg.to_radians().sin_cos();
    let (east, north) = (pm_mas_yr[0] * years * RAD_PER_MAS, pm_mas_yr[1] * years * RAD_PER_MAS);
    let at = unit_vector(ra_deg, dec_deg);
    lonlat_deg(&[
        at[0] - east * sin_ra - north * sin_dec * cos_ra,
        at[1] + east * cos_ra - north * sin_dec * sin_ra,
        at[2] + north * cos_dec,
    ])
}
