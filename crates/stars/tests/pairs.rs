//! A rough WCS by pairs of stars: frames of the real sky with known poses, of both parities, off their hints; and frames of another
//! field, which have none that the catalogue confirms.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use zemosaic_sky::{SkyFrame, Wcs, unit_vector};
use zemosaic_stars::astrometry::{Verdict, VerifyOptions, verify};
use zemosaic_stars::solve::{PoseHint, solve_by_pairs};
use zemosaic_stars::{Catalogue, Detection, ReferenceStars};
use zemosaic_testkit::rng::Rng;

const SIZE_PX: [usize; 2] = [1080, 1920];
const SCALE_ARCSEC: f64 = 2.374;
const YEAR: f64 = 2025.2;

/// The frame's true WCS.
fn truth(centre: (f64, f64), turn_deg: f64, parity: f64) -> Wcs {
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let scale = SCALE_ARCSEC / 3600.0;
    let cd = [[scale * cos * parity, -scale * sin], [scale * sin * parity, scale * cos]];
    Wcs::tan([centre.0, centre.1], [539.5, 959.5], cd, SkyFrame::Icrs).unwrap()
}

/// What the frame shows: four of five catalogue stars with noise, and a tenth as many that are none.
fn detections(sky: &dyn ReferenceStars, wcs: &Wcs, centre: (f64, f64), rng: &mut Rng) -> Vec<Detection> {
    let mut stars = Vec::new();
    for star in sky.cone(centre, 0.75, 400) {
        let Some((x, y)) = wcs.icrs_to_pixel(&unit_vector(star.ra_deg, star.dec_deg)) else { continue };
        let inside = (0.0..SIZE_PX[0] as f64).contains(&x) && (0.0..SIZE_PX[1] as f64).contains(&y);
        if inside && rng.uniform() < 0.8 {
            let flux_adu = 10_f64.powf(-0.4 * (star.mag + 0.2 * rng.normal()));
            stars.push((x + 0.1 * rng.normal(), y + 0.1 * rng.normal(), flux_adu));
        }
    }
    for _ in 0..stars.len() / 10 {
        let flux = stars[(rng.uniform() * stars.len() as f64) as usize].2;
        stars.push((1080.0 * rng.uniform(), 1920.0 * rng.uniform(), flux));
    }
    stars.sort_by(|a, b| b.2.total_cmp(&a.2));
    let star = |(x_px, y_px, flux_adu)| Detection { x_px, y_px, flux_adu, sigma_px: 0.1 };
    stars.into_iter().map(star).collect()
}

#[test]
fn poses_are_found_off_their_hints_and_other_fields_are_not() {
    let catalogue = Catalogue::embedded().unwrap();
    let sky = catalogue.at(YEAR);
    let (mut found, mut impostors, mut trials) = (0, 0, 0);
    for (field, centre) in
        [(192.7, 41.1), (315.4, 68.1), (313.0, 43.0), (83.8, -5.4), (0.02, 12.0), (40.0, 88.9)]
            .into_iter()
            .enumerate()
    {
        for trial in 0..10 {
            let mut rng = Rng::for_keys(7, &[field as u64, trial]);
            let parity = if trial % 2 == 0 { 1.0 } else { -1.0 };
            let wcs = truth(centre, 360.0 * rng.uniform(), parity);
            let stars = detections(&sky, &wcs, centre, &mut rng);
            let hint = PoseHint {
                centre_deg: (centre.0, centre.1 + 0.1),
                slack_deg: 0.15,
                scale_arcsec: SCALE_ARCSEC * 1.003,
                scale_tolerance: 0.005,
                parity,
            };
            trials += 1;
            if let Some(rough) = solve_by_pairs(&stars, SIZE_PX, &sky, &hint) {
                let at = |wcs: &Wcs, x, y| wcs.pixel_to_icrs(x, y).unwrap();
                let (x, y) = rough.icrs_to_pixel(&at(&wcs, 0.0, 0.0)).unwrap();
                found += usize::from(x.hypot(y) < 6.0);
            }
            // The same stars where they are not, and in the other parity.
            for wrong in [
                PoseHint { centre_deg: (centre.0 + 90.0, -centre.1), ..hint },
                PoseHint { parity: -parity, ..hint },
            ] {
                let rough = solve_by_pairs(&stars, SIZE_PX, &sky, &wrong);
                let confirmed = rough.is_some_and(|wcs| {
                    verify(&stars, SIZE_PX, &sky, &wcs, &VerifyOptions::default()).verdict
                        == Verdict::Confirmed
                });
                impostors += usize::from(confirmed);
            }
        }
    }
    println!("{found} of {trials} found, {impostors} impostors confirmed");
    assert!(found >= trials * 95 / 100, "{found} of {trials}");
    assert_eq!(impostors, 0);
}

#[test]
fn nothing_comes_of_nothing() {
    let catalogue = Catalogue::embedded().unwrap();
    let sky = catalogue.at(YEAR);
    let hint = PoseHint {
        centre_deg: (192.7, 41.1),
        slack_deg: 0.15,
        scale_arcsec: SCALE_ARCSEC,
        scale_tolerance: 0.005,
        parity: 1.0,
    };
    let star = |x_px: f64| Detection { x_px, y_px: x_px, flux_adu: 1.0, sigma_px: 0.1 };
    assert!(solve_by_pairs(&[], SIZE_PX, &sky, &hint).is_none());
    assert!(solve_by_pairs(&[star(5.0); 40], SIZE_PX, &sky, &hint).is_none());
    let line: Vec<Detection> = (0..40).map(|k| star(f64::from(k) * 27.0)).collect();
    let rough = solve_by_pairs(&line, SIZE_PX, &sky, &hint);
    let confirmed = |wcs: Wcs| {
        verify(&line, SIZE_PX, &sky, &wcs, &VerifyOptions::default()).verdict == Verdict::Confirmed
    };
    assert!(!rough.is_some_and(confirmed));
    for bad in [f64::NAN, 0.0, -1.0] {
        assert!(solve_by_pairs(&line, SIZE_PX, &sky, &PoseHint { scale_arcsec: bad, ..hint }).is_none());
    }
}
