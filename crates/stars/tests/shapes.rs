//! Rendered stars with truth: FWHM, half-flux radius, flux, place, roundness.

mod common;

use common::*;
use zemosaic_stars::{FrameQuality, Star};
use zemosaic_testkit::psf::{Moffat, alpha_of_fwhm};

/// Clean stars with the truth of each.
fn matched(picture: &Picture, truth: &[(f64, f64)]) -> Vec<(Star, (f64, f64))> {
    let near = |star: &Star, at: &(f64, f64)| (star.x_px - at.0).hypot(star.y_px - at.1) < 2.0;
    let field = picture.field();
    field
        .stars
        .iter()
        .filter(|star| star.has_shape())
        .filter_map(|star| truth.iter().find(|at| near(star, at)).map(|at| (*star, *at)))
        .collect()
}

#[test]
fn moffat_stars_of_all_widths() {
    for sites in BOTH {
        for fwhm in [1.8, 2.2, 2.7, 3.5, 4.5, 6.0] {
            let mut picture = Picture::sky(720, 560, sites, 20.0, 5);
            let psf = Moffat::new(fwhm, 0.0, 0.0);
            let truth = places(720, 560, 80, 3);
            // Signal to noise of about 60 and more in the pixels of the core.
            let flux = 20.0 * 60.0 * 2.5 * fwhm;
            for (index, at) in truth.iter().enumerate() {
                picture.star(&psf, *at, flux * (1.0 + 0.2 * index as f64));
            }
            let found = matched(&picture, &truth);
            assert!(
                found.len() * 10 >= truth.len() * 9,
                "{sites:?} {fwhm}: {} of {}",
                found.len(),
                truth.len()
            );
            let hfr = alpha_of_fwhm(fwhm) * (2.0_f64.sqrt() - 1.0).sqrt();
            let mean_share = (COLOURS[0] + 2.0 * COLOURS[1] + COLOURS[2]) / 4.0;
            let colour = if sites == BOTH[0] { 1.0 } else { mean_share };
            let of =
                |figure: &dyn Fn(&Star) -> f64| median(found.iter().map(|(star, _)| figure(star)).collect());
            let flux_error = median(
                found
                    .iter()
                    .map(|(star, at)| {
                        let index = truth.iter().position(|own| own == at).unwrap();
                        star.flux_adu / (colour * flux * (1.0 + 0.2 * index as f64)) - 1.0
                    })
                    .collect(),
            );
            let off = median(found.iter().map(|(s, at)| (s.x_px - at.0).hypot(s.y_px - at.1)).collect());
            let (fwhm_error, hfr_error) = (of(&|s| s.fwhm_px) / fwhm - 1.0, of(&|s| s.hfr_px) / hfr - 1.0);
            eprintln!(
                "{sites:?} {fwhm}: fwhm {fwhm_error:+.4} hfr {hfr_error:+.4} flux {flux_error:+.4} off {off:.3} px round {:.3}",
                of(&|s| s.ellipticity)
            );
            assert!(fwhm_error.abs() < 0.02, "{sites:?} {fwhm}: {fwhm_error}");
            let worst = found.iter().map(|(s, _)| (s.fwhm_px / fwhm - 1.0).abs()).fold(0.0, f64::max);
            assert!(worst < 0.15, "{sites:?} {fwhm}: {worst}");
            assert!(hfr_error.abs() < 0.04, "{sites:?} {fwhm}: {hfr_error}");
            assert!(flux_error.abs() < 0.015, "{sites:?} {fwhm}: {flux_error}");
            assert!(off < 0.03, "{sites:?} {fwhm}: {off}");
            assert!(of(&|s| s.ellipticity) < 0.05);
        }
    }
}

#[test]
fn gaussian_stars() {
    for sites in BOTH {
        for fwhm in [1.8, 2.6, 4.0, 6.0] {
            let mut picture = Picture::sky(640, 480, sites, 10.0, 7);
            let truth = places(640, 480, 64, 4);
            for at in &truth {
                picture.gaussian(fwhm, *at, 10.0 * 100.0 * 2.0 * fwhm);
            }
            let found = matched(&picture, &truth);
            let mid = |of: fn(&Star) -> f64| median(found.iter().map(|(star, _)| of(star)).collect());
            let (error, hfr) = (mid(|s| s.fwhm_px) / fwhm - 1.0, mid(|s| s.hfr_px) / (0.5 * fwhm) - 1.0);
            eprintln!(
                "{:?} {sites:?} {fwhm}: fwhm {error:+.4} hfr {hfr:+.4}, {} of {}",
                picture.field().profile,
                found.len(),
                truth.len()
            );
            assert!(error.abs() < 0.02 && hfr.abs() < 0.04, "{sites:?} {fwhm}: {error} {hfr}");
        }
    }
}

#[test]
fn roundness_and_direction() {
    for sites in BOTH {
        for (ellipticity, angle) in [(0.1, 10.0), (0.2, 65.0), (0.35, 120.0), (0.5, 171.0)] {
            let mut picture = Picture::sky(600, 500, sites, 10.0, 9);
            let psf = Moffat::new(2.8, ellipticity, angle);
            for at in places(600, 500, 60, 8) {
                picture.star(&psf, at, 12_000.0);
            }
            let quality = FrameQuality::of(&picture.field());
            eprintln!("{sites:?} {ellipticity}: {} {:?}", quality.roundness, quality.drawn_out_deg);
            assert!((quality.roundness - ellipticity).abs() < 0.02, "{ellipticity}: {}", quality.roundness);
            assert!((quality.fwhm_px / 2.8 - 1.0).abs() < 0.02, "{ellipticity}: {}", quality.fwhm_px);
            assert_eq!(quality.drawn_out_deg.is_some(), ellipticity > 0.3);
            if let Some(found) = quality.drawn_out_deg {
                assert!((found - angle).abs() < 3.0, "{angle}: {found}");
            }
        }
    }
}

#[test]
fn a_frame_with_bad_tracking() {
    for length in [8.0, 20.0] {
        let mut picture = Picture::sky(720, 560, BOTH[1], 10.0, 2);
        let psf = Moffat::new(2.6, 0.0, 0.0);
        let (sin, cos) = 40_f64.to_radians().sin_cos();
        for at in places(720, 560, 80, 3) {
            let steps = 40;
            for step in 0..steps {
                let t = length * (f64::from(step) / f64::from(steps - 1) - 0.5);
                picture.star(&psf, (at.0 + t * cos, at.1 + t * sin), 30_000.0 / f64::from(steps));
            }
        }
        let quality = FrameQuality::of(&picture.field());
        assert!(quality.roundness > 0.4, "{length}: {quality:?}");
        assert!((quality.drawn_out_deg.unwrap() - 40.0).abs() < 4.0, "{length}: {quality:?}");
        assert_eq!(quality.trails.len(), 0, "{length}: long stars are no trails");
    }
}
