//! The embedded catalogue: count, known stars, cone search.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::sync::OnceLock;
use zemosaic_testkit::Catalogue;
use zemosaic_testkit::tan::separation_deg;

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::load().unwrap())
}

#[test]
fn holds_all_of_tycho_2() {
    assert_eq!(catalogue().len(), 2_557_501);
    assert!(!catalogue().is_empty());
    assert_eq!(catalogue().cone((0.0, 90.0), 180.0).len(), 2_557_501);
}

/// Position of the nearest star of about this magnitude, in arc seconds from (ra, dec).
fn offset_arcsec(ra: f64, dec: f64, mag: f64, year: f64) -> f64 {
    catalogue()
        .cone((ra, dec), 0.05)
        .iter()
        .filter(|s| (s.mag - mag).abs() < 0.4)
        .map(|s| separation_deg(s.at_epoch(year), (ra, dec)) * 3600.0)
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn known_stars_stand_where_they_should() {
    // Supplement stars are at J1991.25 (taken as if it were J2000); positions of Hipparcos at that epoch.
    for (name, ra, dec, mag) in
        [("Vega", 279.23410832, 38.78299311, 0.03), ("Polaris", 37.94614689, 89.26413805, 2.0)]
    {
        let offset = offset_arcsec(ra, dec, mag, 2000.0);
        assert!(offset < 0.1, "{name}: {offset}");
    }
    // Main catalogue: J2000 positions.
    for (name, ra, dec, mag) in [
        ("HD 209458", 330.794887, 18.884319, 7.7),
        ("51 Peg", 344.366585, 20.768833, 5.5),
        ("eps Eri", 53.232687, -9.458259, 3.7),
        ("HD 189733", 300.182122, 22.710853, 7.7),
    ] {
        let offset = offset_arcsec(ra, dec, mag, 2000.0);
        assert!(offset < 0.1, "{name}: {offset}");
    }
}

#[test]
fn proper_motion_moves_51_peg() {
    // 208 mas/yr east and 60 mas/yr north: 20 years later.
    let star = catalogue().cone((344.366585, 20.768833), 0.01)[0];
    let (ra, dec) = star.at_epoch(2020.0);
    assert!(((ra - star.ra_deg) * star.dec_deg.to_radians().cos() * 3600.0 - 4.16).abs() < 0.05);
    assert!(((dec - star.dec_deg) * 3600.0 - 1.20).abs() < 0.03);
}

#[test]
fn cone_search_equals_brute_force() {
    let all = catalogue().cone((0.0, 0.0), 180.0);
    for (ra, dec, radius) in
        [(0.05, 10.0, 0.7), (359.95, -60.2, 1.3), (123.0, 89.4, 1.0), (50.0, -89.99, 0.8), (200.0, 0.0, 2.0)]
    {
        let mut brute: Vec<u32> = all
            .iter()
            .filter(|s| separation_deg((s.ra_deg, s.dec_deg), (ra, dec)) <= radius)
            .map(|s| s.index)
            .collect();
        let mut found: Vec<u32> = catalogue().cone((ra, dec), radius).iter().map(|s| s.index).collect();
        brute.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, brute, "{ra} {dec} {radius}");
        assert!(!found.is_empty());
    }
}
