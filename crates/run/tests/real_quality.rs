//! Real Seestar frames against photutils, skipped where the data are not.
//!
//! The figures: photutils 2 on means of 2 x 2 pixels at every place (full resolution), `Background2D` of 128 px;
//! `DAOStarFinder(fwhm=2.6, threshold=6 rms)` counts; a `Moffat2D` with free exponent through the green pixels of stars
//! above 20 rms, which does not integrate over pixels, gives widths.

use std::sync::atomic::AtomicBool;

use zemosaic_run::{QualityOptions, QualityRequest, Reporter, quality_of};
use zemosaic_testkit::real_data;

/// End of the name, stars, FWHM with pixels.
const PEER: [(&str, usize, f64); 5] = [
    ("20250326-212046.fit.gz", 54, 2.14),
    ("20250326-212454.fit.gz", 52, 2.01),
    ("20250409-225435.fit.gz", 71, 1.63),
    ("20240730-224436.fit.gz", 319, 1.32),
    ("20250630-023420.fit.gz", 448, 1.98),
];
const STAR_TOLERANCE: f64 = 0.15;
const FWHM_TOLERANCE_PX: f64 = 0.4;
/// What a pixel adds to the square of a Gaussian's FWHM: 8 ln 2 / 12.
const PIXEL_FWHM2: f64 = 8.0 * std::f64::consts::LN_2 / 12.0;

#[test]
fn seestar_frames_as_photutils_sees_them() {
    let folders = [real_data("seestar_m94"), real_data("seestar_ngc7023")];
    let [Some(first), Some(second)] = folders else { return };
    let reporter = Reporter::start(Box::new(|_| {}));
    let request = QualityRequest {
        inputs: vec![first, second],
        ingest: zemosaic_frames::IngestOptions::default(),
        options: QualityOptions::default(),
        threads: Some(2),
        spill: None,
    };
    let report = quality_of(&request, &reporter, &AtomicBool::new(false)).unwrap();
    for (name, stars, fwhm) in PEER {
        let row = report.rows.iter().find(|row| row.frame.ends_with(name)).unwrap();
        let quality = row.quality.as_ref().unwrap();
        let with_pixel = (quality.fwhm_px * quality.fwhm_px + PIXEL_FWHM2).sqrt();
        let share = quality.stars as f64 / stars as f64 - 1.0;
        eprintln!(
            "{name}: {} stars ({share:+.3}), fwhm {with_pixel:.2} for {fwhm}, hfr {:.2}, round {:.2}",
            quality.stars, quality.hfr_px, quality.roundness
        );
        assert!(share.abs() <= STAR_TOLERANCE, "{name}: {} stars, photutils {stars}", quality.stars);
        assert!((with_pixel - fwhm).abs() < FWHM_TOLERANCE_PX, "{name}: {with_pixel}, photutils {fwhm}");
        assert!(quality.trails.is_empty(), "{name}: {:?}", quality.trails);
    }
}
