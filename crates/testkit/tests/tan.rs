//! The simulator's TAN code against astropy, and against the product's.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use zemosaic_testkit::tan::{Parity, separation_deg};
use zemosaic_testkit::{TanFrame, tan_header};

fn golden() -> Vec<[f64; 12]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/tan_golden.csv");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let values: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
            values.try_into().unwrap()
        })
        .collect()
}

#[test]
fn equals_astropy_to_1e_10_deg() {
    let rows = golden();
    assert_eq!(rows.len(), 144);
    for [a, d, px, py, c11, c12, c21, c22, x, y, ra, dec] in rows {
        let frame = TanFrame {
            crval_deg: [a, d],
            crpix_px: [px - 1.0, py - 1.0],
            cd_deg: [[c11, c12], [c21, c22]],
            width_px: 1000,
            height_px: 1000,
        };
        let sky = frame.pixel_to_sky(x, y);
        let east = ((sky.0 - ra + 540.0).rem_euclid(360.0) - 180.0) * dec.to_radians().cos();
        assert!(east.abs() < 1e-10 && (sky.1 - dec).abs() < 1e-10, "{a} {d} {x} {y}: {sky:?} {ra} {dec}");
        let back = frame.sky_to_pixel(ra, dec).unwrap();
        assert!((back.0 - x).abs() < 1e-6 && (back.1 - y).abs() < 1e-6, "{a} {d} {x} {y}: {back:?}");
    }
}

#[test]
fn header_goes_round() {
    let mut frame = TanFrame::pointed_at((315.4, 68.16), 2.374, 33.0, Parity::Mirrored, (1080, 1920));
    let mut header = tan_header(&frame);
    header.set_i64("NAXIS1", 1080, "");
    header.set_i64("NAXIS2", 1920, "");
    assert_eq!(TanFrame::from_header(&header).unwrap(), frame);
    header.set_str("CTYPE1", "RA---SIN", "");
    assert!(TanFrame::from_header(&header).is_err());
    frame.cd_deg = [[0.0; 2]; 2];
    let mut degenerate = tan_header(&frame);
    degenerate.set_i64("NAXIS1", 1, "");
    degenerate.set_i64("NAXIS2", 1, "");
    assert!(TanFrame::from_header(&degenerate).is_err());
}

#[test]
fn pointing_has_the_asked_orientation() {
    for (parity, sign) in [(Parity::Sky, -1.0), (Parity::Mirrored, 1.0)] {
        let frame = TanFrame::pointed_at((100.0, 20.0), 2.0, 30.0, parity, (101, 201));
        let [[a, b], [c, d]] = frame.cd_deg;
        assert!((a * d - b * c) * sign > 0.0);
        assert!((frame.scale_arcsec() - 2.0).abs() < 1e-12);
        let middle = frame.pixel_to_sky(50.0, 100.0);
        assert!(separation_deg(middle, (100.0, 20.0)) < 1e-9);
        // +y lies 30 degrees east of north.
        let up = frame.pixel_to_sky(50.0, 110.0);
        let east = (up.0 - middle.0) * 20_f64.to_radians().cos();
        assert!((east.atan2(up.1 - middle.1).to_degrees() - 30.0).abs() < 0.01);
    }
}
