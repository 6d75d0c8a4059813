//! Side-cars: written, found again by the reader of frames, kept where they are another's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use zemosaic_fits::Header;
use zemosaic_frames::WcsPolicy;
use zemosaic_frames::wcs_source::{Place, find_wcs};
use zemosaic_run::options::Existing;
use zemosaic_run::solve::sidecar::{SidecarError, SolvedImage, sidecar_path, write_sidecar, write_sidecars};
use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs};

const SIZE: [usize; 2] = [1080, 1920];

fn solved(ra_deg: f64) -> Wcs {
    let mut sip = SipCoefficients::zero(3);
    let at = |p: usize, q: usize| p * 4 + q;
    sip.a[at(2, 0)] = 2.1e-6;
    sip.a[at(3, 0)] = 1.5e-9;
    sip.a[at(1, 2)] = 1.4e-9;
    sip.b[at(1, 1)] = -1.7e-6;
    sip.b[at(0, 3)] = 1.6e-9;
    let cd_deg = [[-6.6e-4, 1.2e-5], [1.1e-5, 6.5e-4]];
    Wcs::tan_sip([ra_deg, 41.1], [539.4, 960.2], cd_deg, SkyFrame::Icrs, &sip).unwrap()
}

fn found(path: &Path, places: &[Place]) -> Wcs {
    let mut own = Header::new();
    own.set_i64("NAXIS1", SIZE[0] as i64, "");
    own.set_i64("NAXIS2", SIZE[1] as i64, "");
    find_wcs(path, &own, &WcsPolicy::default(), None, places).unwrap().wcs
}

/// Largest distance between what two systems call the place of a pixel.
fn miss_px(a: &Wcs, b: &Wcs) -> f64 {
    let mut worst: f64 = 0.0;
    for (x, y) in [(0.0, 0.0), (1079.0, 0.0), (0.0, 1919.0), (1079.0, 1919.0), (333.3, 1234.5)] {
        let (ra, dec) = a.pixel_to_sky(x, y).unwrap();
        let (bx, by) = b.sky_to_pixel(ra, dec).unwrap();
        worst = worst.max((bx - x).hypot(by - y));
    }
    worst
}

fn facts() -> [(&'static str, String); 2] {
    [("solver", "own".into()), ("rms", "0.21 px of 57 stars".into())]
}

#[test]
fn a_side_car_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let frame = dir.path().join("light 1.FIT.gz");
    let path = sidecar_path(&frame, None);
    assert_eq!(path, dir.path().join("light 1.wcs"));
    let wcs = solved(195.0);
    let written = write_sidecar(&path, &wcs, SIZE, &facts(), Existing::Refuse).unwrap();
    let error_px = written.inverse_error_px.unwrap();
    eprintln!("AP and BP: {error_px:.1e} px");
    assert!(error_px < 0.01, "{error_px}");
    let miss = miss_px(&wcs, &found(&frame, &[(0, 1)]));
    assert!(miss < 1e-9, "{miss}");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len() % 2880, 0);
    let header = Header::parse(&bytes).unwrap().0;
    assert_eq!(
        (header.get_i64("NAXIS"), header.get_i64("IMAGEW"), header.get_i64("IMAGEH")),
        (Some(0), Some(1080), Some(1920))
    );
    assert!(header.texts("HISTORY").any(|text| text.contains("rms: 0.21 px of 57 stars")));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was left beside it");
}

#[test]
fn every_image_of_a_file_has_its_own_header() {
    let dir = tempfile::tempdir().unwrap();
    let frame = dir.path().join("chips.fits");
    let systems = [solved(10.0), solved(11.0)];
    let facts = facts();
    let mut images: Vec<SolvedImage<'_>> =
        systems.iter().map(|wcs| SolvedImage { wcs: Some(wcs), size_px: SIZE, facts: &facts }).collect();
    write_sidecars(&sidecar_path(&frame, None), &images, Existing::Refuse).unwrap();
    for (index, wcs) in systems.iter().enumerate() {
        let miss = miss_px(wcs, &found(&frame, &[(index, 2)]));
        assert!(miss < 1e-9, "{miss}");
    }
    // The text is known as one of ours, and an image that is not solved does not take another's place.
    images[0].wcs = None;
    write_sidecars(&sidecar_path(&frame, None), &images, Existing::Refuse).unwrap();
    assert!(miss_px(&systems[1], &found(&frame, &[(1, 2)])) < 1e-9);
    let reason = find_wcs(&frame, &Header::new(), &WcsPolicy::default(), None, &[(0, 2)]).unwrap_err();
    assert_eq!(reason.code(), "E-WCS-NONE");
}

#[test]
fn files_of_others_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("light.wcs");
    let wcs = solved(195.0);
    let mut other = Header::new();
    other.set_bool("SIMPLE", true, "");
    wcs.write_to(&mut other);
    for bytes in [other.to_bytes(), b"CRVAL1 = 3\nEND\n".to_vec(), Vec::new()] {
        std::fs::write(&path, &bytes).unwrap();
        let error = write_sidecar(&path, &wcs, SIZE, &[], Existing::Refuse).unwrap_err();
        assert!(matches!(error, SidecarError::Foreign { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    write_sidecar(&path, &wcs, SIZE, &[], Existing::Replace).unwrap();
    // Now it is ours.
    write_sidecar(&path, &solved(12.0), SIZE, &[], Existing::Refuse).unwrap();
    assert!(miss_px(&solved(12.0), &found(&dir.path().join("light.fits"), &[(0, 1)])) < 1e-9);
    let error = write_sidecars(&path, &[], Existing::Replace).unwrap_err();
    assert!(matches!(error, SidecarError::Empty { .. }), "{error:?}");
}
