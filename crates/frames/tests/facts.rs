//! Flux scale, gain and read noise from headers.

mod common;

use zemosaic_fits::{Header, ImageData};
use zemosaic_frames::dialect::gain_e_per_adu;
use zemosaic_frames::{IngestOptions, Ingested};
use zemosaic_testkit::write_test_frame;

use common::{ingest_inputs, wcs};

#[test]
fn flux_scale_comes_from_the_header_of_the_wcs_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let scale_of = |key: &str, edit: &dyn Fn(&mut Header)| -> Result<f64, String> {
        write_test_frame(&path, &wcs(8, 6), ImageData::F32(&[1.0; 48]), edit).unwrap();
        let options = IngestOptions { flux_scale_key: key.into(), ..IngestOptions::default() };
        let Ingested { frames, left_out } = ingest_inputs(&[&path], &options);
        match (&frames[..], &left_out[..]) {
            ([frame], []) => Ok(frame.flux_scale),
            ([], [out]) => Err(format!("{} {}", out.reason.code(), out.reason.message())),
            _ => panic!("{frames:?} {left_out:?}"),
        }
    };
    let default = IngestOptions::default().flux_scale_key;
    assert_eq!(scale_of(&default, &|_| {}), Ok(1.0));
    let flxscale = |value: f64| move |header: &mut Header| header.set_f64("FLXSCALE", value, "");
    assert_eq!(scale_of(&default, &flxscale(0.25)), Ok(0.25));
    assert_eq!(scale_of("none", &flxscale(0.25)), Ok(1.0));
    assert_eq!(scale_of("", &flxscale(-1.0)), Ok(1.0));
    assert_eq!(scale_of("pHotscal", &|header| header.set_f64("PHOTSCAL", 3.0, "")), Ok(3.0));
    for value in [0.0, -2.0, 9e-16, 2e15] {
        let error = scale_of(&default, &flxscale(value)).unwrap_err();
        assert!(error.starts_with("E-FRAME-FLUXSCALE FLXSCALE of the header is"), "{error}");
        assert!(error.contains("it must be from 1e-15 to 1e15"), "{error}");
    }
    let error = scale_of(&default, &|header| header.set_str("FLXSCALE", "unknown", "")).unwrap_err();
    assert!(error.contains("not a finite number"), "{error}");

    let cards: Vec<String> = zemosaic_testkit::tan_header(&wcs(8, 6))
        .cards()
        .iter()
        .map(|card| String::from_utf8_lossy(card).trim_end().to_owned())
        .collect();
    let head = dir.path().join("a.head");
    std::fs::write(&head, cards.join("\n") + "\nFLXSCALE= 1.5\nEND\n").unwrap();
    assert_eq!(scale_of(&default, &flxscale(0.25)), Ok(1.5), "the side-car wins");
    std::fs::write(&head, cards.join("\n") + "\nEND\n").unwrap();
    assert_eq!(scale_of(&default, &flxscale(0.25)), Ok(0.25), "a side-car without it");
    std::fs::write(&head, cards.join("\n") + "\nFLXSCALE= 0.0\nEND\n").unwrap();
    assert!(scale_of(&default, &flxscale(0.25)).unwrap_err().contains("side-car is 0"));
}

#[test]
fn a_gain_counts_only_when_it_is_one_beyond_doubt() {
    let gain = |cards: &[(&str, f64, &str)], unit: &str| {
        let mut header = Header::new();
        for (key, value, comment) in cards {
            if value.fract() == 0.0 {
                header.set_i64(key, *value as i64, comment);
            } else {
                header.set_f64(key, *value, comment);
            }
        }
        if !unit.is_empty() {
            header.set_str("BUNIT", unit, "");
        }
        gain_e_per_adu(&header)
    };
    // Settings of the camera, as Seestar, ASIAIR and N.I.N.A. write them.
    for setting in [80.0, 100.0, 252.0, 0.0, 1.0] {
        assert_eq!(gain(&[("GAIN", setting, "Gain Value")], ""), None, "{setting}");
    }
    assert_eq!(gain(&[("GAIN", 100.0, ""), ("EGAIN", 0.25, "")], "ADU"), Some(0.25));
    assert_eq!(gain(&[("GAIN", 1.5, ""), ("EGAIN", -1.0, "")], ""), None, "EGAIN is there and wrong");
    assert_eq!(gain(&[("GAIN", 3.87, "")], ""), Some(3.87));
    assert_eq!(gain(&[("GAIN", 2.0, "[e-/ADU] conversion")], ""), Some(2.0));
    assert_eq!(gain(&[("GAIN", 2.0, "electrons per ADU")], ""), Some(2.0));
    assert_eq!(gain(&[("GAIN", 1e9 + 0.5, "e-/ADU")], ""), None);
    assert_eq!(gain(&[("EGAIN", 2.5, "")], "ELECTRONS"), Some(1.0));
    assert_eq!(gain(&[("EGAIN", 2.5, "")], "electrons/s"), None);
    assert_eq!(gain(&[("EGAIN", 2.5, "")], "e-/s"), None);
    assert_eq!(gain(&[], ""), None);
}

#[test]
fn gain_and_read_noise_are_facts_of_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let edit = |header: &mut Header| {
        header.set_f64("EGAIN", 0.5, "");
        header.set_f64("RDNOISE", 1.75, "");
    };
    write_test_frame(&path, &wcs(8, 6), ImageData::F32(&[1.0; 48]), edit).unwrap();
    let meta = common::only_frame(&path, &IngestOptions::default()).meta;
    assert_eq!((meta.gain_e_per_adu, meta.read_noise_e), (Some(0.5), Some(1.75)));
    write_test_frame(&path, &wcs(8, 6), ImageData::F32(&[1.0; 48]), |header| {
        header.set_f64("READNOIS", -1.0, "");
    })
    .unwrap();
    let meta = common::only_frame(&path, &IngestOptions::default()).meta;
    assert_eq!((meta.gain_e_per_adu, meta.read_noise_e), (None, None));
}

#[test]
fn a_side_car_has_a_header_for_each_image_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chips.fits");
    let plane = || vec![1.0_f32; 48];
    let images = [("SCI", 1, plane()), ("WHT", 1, plane()), ("SCI", 2, plane()), ("SCI", 3, plane())];
    common::write_extensions(&path, (8, 6), &images);
    let header = |ra_deg: f64, scale: f64| {
        let frame = zemosaic_testkit::TanFrame { crval_deg: [ra_deg, 20.0], ..wcs(8, 6) };
        let header = zemosaic_testkit::tan_header(&frame);
        let cards: Vec<String> =
            header.cards().iter().map(|card| String::from_utf8_lossy(card).trim_end().to_owned()).collect();
        format!("{}\r\nFLXSCALE= {scale:.1}\r\nEND     \r\n", cards.join("\r\n"))
    };
    let head = dir.path().join("chips.head");
    let found = |headers: &[f64]| {
        let text: String = headers.iter().map(|ra| header(*ra, ra / 10.0)).collect();
        std::fs::write(&head, text).unwrap();
        let found = ingest_inputs(&[&path], &IngestOptions::default());
        let frames: Vec<(f64, f64)> =
            found.frames.iter().map(|frame| (frame.wcs.crval_deg().0, frame.flux_scale)).collect();
        let reasons: Vec<String> = found.left_out.iter().map(|out| out.reason.message().to_owned()).collect();
        (frames, reasons)
    };
    assert_eq!(found(&[10.0, 20.0, 30.0]).0, [(10.0, 1.0), (20.0, 2.0), (30.0, 3.0)], "one for each frame");
    assert_eq!(found(&[10.0, 20.0, 30.0, 40.0]).0, [(10.0, 1.0), (30.0, 3.0), (40.0, 4.0)], "for each image");
    assert_eq!(found(&[50.0]).0, [(50.0, 5.0); 3], "one for all");
    let (frames, reasons) = found(&[10.0, 20.0]);
    assert!(frames.is_empty() && reasons[0].contains("2 headers and the file 4 images"), "{reasons:?}");
}
