//! A WCS of binned pixels as that of the pixels themselves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use zemosaic_fits::Header;
use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs};

fn binned() -> Wcs {
    let mut sip = SipCoefficients::zero(3);
    let at = |p: usize, q: usize| p * 4 + q;
    sip.a[at(2, 0)] = 3e-6;
    sip.a[at(1, 2)] = -2e-9;
    sip.b[at(1, 1)] = 5e-6;
    sip.b[at(0, 3)] = 4e-9;
    let cd_deg = [[-1.1e-3, 3e-4], [2.9e-4, 1.15e-3]];
    Wcs::tan_sip([200.0, 41.0], [260.3, 481.9], cd_deg, SkyFrame::Icrs, &sip).unwrap()
}

#[test]
fn unbinned_pixels_show_the_same_sky() {
    let binned = binned();
    for factor in [1, 2, 3, 4] {
        let whole = binned.unbinned(factor);
        let n = factor as f64;
        for (x, y) in [(0.0, 0.0), (539.0, 959.0), (100.25, 700.5), (-0.5, 959.5)] {
            let (ra, dec) = binned.pixel_to_sky(x, y).unwrap();
            let (fx, fy) = whole.sky_to_pixel(ra, dec).unwrap();
            let wanted = (n * x + (n - 1.0) / 2.0, n * y + (n - 1.0) / 2.0);
            let miss = (fx - wanted.0).hypot(fy - wanted.1);
            assert!(miss < 1e-9, "factor {factor}: {miss} px at {x}, {y}");
        }
        assert!((whole.scale_deg() * n / binned.scale_deg() - 1.0).abs() < 1e-15);
    }
}

#[test]
fn a_factor_of_two_loses_no_bit() {
    let (binned, whole) = (binned(), binned().unbinned(2));
    for (x, y) in [(0.0, 0.0), (17.0, 800.25)] {
        assert_eq!(whole.pixel_to_icrs(2.0 * x + 0.5, 2.0 * y + 0.5), binned.pixel_to_icrs(x, y));
    }
}

#[test]
fn inverse_polynomials_are_written_and_read() {
    let wcs = binned();
    let mut header = Header::new();
    let error_px = wcs.write_with_inverse(&mut header, [540, 960]).unwrap();
    assert!(error_px < 1e-3, "{error_px}");
    assert_eq!((header.get_i64("AP_ORDER"), header.get_i64("BP_ORDER")), (Some(4), Some(4)));
    let read = Wcs::from_header(&header).unwrap();
    let (ra, dec) = wcs.pixel_to_sky(500.0, 900.0).unwrap();
    let (x, y) = read.sky_to_pixel(ra, dec).unwrap();
    assert!((x - 500.0).hypot(y - 900.0) < 1e-9);
    // The polynomials alone, as a program without an iteration uses them.
    let [cx, cy] = wcs.crpix0_px();
    let offset = |p: usize, q: usize, x: f64, y: f64| x.powi(p as i32) * y.powi(q as i32);
    let plain = Wcs::tan([200.0, 41.0], wcs.crpix0_px(), wcs.cd_deg(), SkyFrame::Icrs).unwrap();
    let (px, py) = plain.sky_to_pixel(ra, dec).unwrap();
    let (u, v) = (px - cx, py - cy);
    let sum = |name: &str| -> f64 {
        (0..=4)
            .flat_map(|p| (0..=4 - p).map(move |q| (p, q)))
            .map(|(p, q)| header.get_f64(&format!("{name}_{p}_{q}")).unwrap_or(0.0) * offset(p, q, u, v))
            .sum()
    };
    let miss = (px + sum("AP") - 500.0).hypot(py + sum("BP") - 900.0);
    assert!((px - 500.0).hypot(py - 900.0) > 0.5, "the test distorts nothing");
    assert!(miss <= error_px + 1e-9, "{miss} for {error_px}");
}

#[test]
fn without_sip_there_is_no_inverse() {
    let wcs = Wcs::tan([1.0, 2.0], [10.0, 10.0], [[-1e-3, 0.0], [0.0, 1e-3]], SkyFrame::Icrs).unwrap();
    let mut header = Header::new();
    assert_eq!(wcs.write_with_inverse(&mut header, [20, 20]), None);
    assert!(!header.contains("AP_ORDER"));
}
