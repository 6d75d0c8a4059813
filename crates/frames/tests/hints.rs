//! What headers say of pointing, scale and time; real ones are skipped where the data are not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use zemosaic_fits::{HduRole, Header, ImageLayout, SampleType, scan};
use zemosaic_frames::dialect::{frame_kind, frame_meta};
use zemosaic_frames::{FrameKind, IngestOptions, Ingested, SkyHints, discover, ingest, sky_hints};
use zemosaic_image::CfaPattern;
use zemosaic_sky::{Wcs, angle_rad, lonlat_deg, unit_vector};
use zemosaic_testkit::real_data;

fn layout_of(header: &Header) -> ImageLayout {
    let axis = |key: &str| header.get_i64(key).unwrap() as usize;
    ImageLayout {
        hdu: 0,
        sample: SampleType::F32,
        dims: vec![axis("NAXIS1"), axis("NAXIS2")],
        bscale: 1.0,
        bzero: 0.0,
        blank: None,
        data_offset: 0,
        interleave: 1,
    }
}

fn apart_deg(a: (f64, f64), b: (f64, f64)) -> f64 {
    angle_rad(&unit_vector(a.0, a.1), &unit_vector(b.0, b.1)).to_degrees()
}

/// Hints of a header of 100 x 80 pixels with these cards: text, or numbers where the text is one.
fn hints_of(cards: &[(&str, &str)]) -> SkyHints {
    let header = header_of(cards);
    sky_hints(&header, &layout_of(&header))
}

fn header_of(cards: &[(&str, &str)]) -> Header {
    let mut header = Header::for_image(HduRole::Primary, SampleType::F32, &[100, 80]);
    for (key, value) in cards {
        let (value, comment) = value.split_once(" / ").unwrap_or((value, ""));
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => header.set_f64(key, number, comment),
            _ => header.set_str(key, value, comment),
        }
    }
    header
}

fn only_centre(cards: &[(&str, &str)]) -> (f64, f64) {
    let hints = hints_of(cards);
    assert_eq!(hints.pointings.len(), 1, "{cards:?}: {hints:?}");
    hints.pointings[0].centre_deg
}

#[test]
fn places_are_read_in_degrees_hours_and_sexagesimal() {
    let near = |cards: &[(&str, &str)], truth: (f64, f64)| {
        let found = only_centre(cards);
        assert!((found.0 - truth.0).abs() < 1e-9 && (found.1 - truth.1).abs() < 1e-9, "{cards:?}: {found:?}");
    };
    near(&[("RA", "83.5"), ("DEC", "-5.25")], (83.5, -5.25));
    near(&[("RA", "-10"), ("DEC", "5")], (350.0, 5.0));
    near(&[("RA", "5.5 / [h] of the mount"), ("DEC", "-5.25")], (82.5, -5.25));
    near(&[("RA", "5.5 / RA in hours"), ("DEC", "-5.25")], (82.5, -5.25));
    near(&[("RA", "05:36:00"), ("DEC", "-00:30:36")], (84.0, -0.51));
    near(&[("OBJCTRA", "05 36 00.0"), ("OBJCTDEC", "+41 30 00")], (84.0, 41.5));
    near(&[("OBJCTRA", "05h36m00s"), ("OBJCTDEC", "-41d30m")], (84.0, -41.5));
    near(&[("RA-MNT", "301.5"), ("DEC-MNT", "44.5")], (301.5, 44.5));
    near(&[("TELRA", "05:36:00"), ("TELDEC", "12.5")], (84.0, 12.5));
}

#[test]
fn what_is_no_place_is_no_hint() {
    for (ra, dec) in [
        ("0", "0"),
        ("NaN", "10"),
        ("10", "90.1"),
        ("361", "10"),
        ("unknown", "10"),
        ("05:61:00", "10"),
        ("05:-6:00", "10"),
        ("25:00:00", "10"),
        ("05:36:00:00", "10"),
        ("", ""),
    ] {
        assert_eq!(hints_of(&[("RA", ra), ("DEC", dec)]).pointings, [], "{ra} {dec}");
    }
    assert_eq!(hints_of(&[("RA", "10")]).pointings, []);
    assert_eq!(hints_of(&[]), SkyHints::default());
    assert_eq!(only_centre(&[("RA", "0"), ("DEC", "10")]), (0.0, 10.0));
}

#[test]
fn equinoxes_are_brought_to_icrs() {
    // astropy: SkyCoord(10, 20, unit="deg", frame=FK5(equinox="J2025")).icrs
    let of_date = (9.671_057_0, 19.862_871_9);
    let place = [("RA", "10"), ("DEC", "20"), ("DATE-OBS", "2025-01-01T12:00:00")];
    let with = |cards: &[(&'static str, &'static str)]| only_centre(&[&place[..], cards].concat());
    assert_eq!(with(&[]), (10.0, 20.0));
    assert_eq!(with(&[("EQUINOX", "2000")]), (10.0, 20.0));
    assert_eq!(with(&[("EQUINOX", "2025"), ("RADESYS", "ICRS")]), (10.0, 20.0));
    for cards in [
        vec![("EQUINOX", "2025")],
        vec![("EQUINOX", "J2025.0")],
        vec![("EQUINOX", "JNOW")],
        vec![("CREATOR", "ZWO Seestar S50")],
        // EQUINOX is that of a WCS that was put in later.
        vec![("INSTRUME", "Seestar S30"), ("EQUINOX", "2000"), ("RADESYS", "FK5")],
    ] {
        let found = with(&cards);
        assert!(apart_deg(found, of_date) < 1e-4, "{cards:?}: {found:?}");
    }
    let conventional = only_centre(&[("OBJCTRA", "00 40 00"), ("OBJCTDEC", "20 00 00"), ("EQUINOX", "2025")]);
    assert_eq!(conventional, (10.0, 20.0));
    assert_eq!(only_centre(&[("CREATOR", "Seestar"), ("RA", "10"), ("DEC", "20")]), (10.0, 20.0), "no date");
}

#[test]
fn further_places_count_where_they_differ() {
    let hints = hints_of(&[
        ("OBJCTRA", "00 40 00"),
        ("OBJCTDEC", "20 00 00"),
        ("RA", "10.02"),
        ("DEC", "20"),
        ("TELRA", "12"),
        ("TELDEC", "20"),
        ("RA-MNT", "10.02"),
        ("DEC-MNT", "20"),
    ]);
    let sources: Vec<_> = hints.pointings.iter().map(|pointing| pointing.source).collect();
    assert_eq!(sources, ["RA", "TELRA", "RA-MNT"], "the mount's has more slack");
}

#[test]
fn scales_come_from_keywords_or_from_the_optics() {
    let scale = |cards: &[(&str, &str)]| hints_of(cards).scale_arcsec;
    for key in ["SCALE", "PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX1", "IM_SCALE"] {
        let optics = [("XPIXSZ", "3.76"), ("FOCALLEN", "400")];
        assert_eq!(scale(&[&[(key, "1.25")], &optics[..]].concat()), Some((1.25, key)));
        for wrong in ["0", "0.009", "401", "one"] {
            assert_eq!(scale(&[(key, wrong)]), None, "{key} {wrong}");
        }
    }
    for (cards, expected) in [
        (vec![("XPIXSZ", "3.76"), ("FOCALLEN", "400")], 1.938_889),
        // N.I.N.A. writes the size of the binned pixel: nothing is multiplied.
        (vec![("XPIXSZ", "7.52"), ("FOCALLEN", "400"), ("XBINNING", "2")], 3.877_778),
        (vec![("PIXSIZE1", "3.76"), ("FOCALLEN", "400")], 1.938_889),
    ] {
        let (found, _) = scale(&cards).unwrap();
        assert!((found - expected).abs() < 1e-5, "{cards:?}: {found}");
    }
    assert_eq!(scale(&[("XPIXSZ", "3.76"), ("FOCALLEN", "0")]), None);
    assert_eq!(scale(&[("XPIXSZ", "3.76"), ("FOCALLEN", "0.4")]), None, "metres");
    assert_eq!(scale(&[("XPIXSZ", "3.76")]), None);
}

#[test]
fn a_usable_wcs_comes_first() {
    let wcs = [
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CRVAL1", "150"),
        ("CRVAL2", "0"),
        ("CRPIX1", "250.5"),
        ("CRPIX2", "40.5"),
        ("CDELT1", "-0.001"),
        ("CDELT2", "0.001"),
        ("SCALE", "9"),
        ("RA", "151"),
        ("DEC", "0.5"),
    ];
    let hints = hints_of(&wcs);
    assert_eq!(hints.pointings.len(), 2);
    // The centre is 200 px of 3.6" east of the reference point.
    assert!(apart_deg(hints.pointings[0].centre_deg, (150.2, 0.0)) < 1e-5, "{hints:?}");
    let (scale_arcsec, source) = hints.scale_arcsec.unwrap();
    assert!((scale_arcsec - 3.6).abs() < 1e-9 && source == "CD1_1");
    // A scale of 1 deg is none of a picture: CRVAL comes last, and the scale from elsewhere.
    let placeholder: Vec<_> =
        wcs.iter().map(|(key, value)| (*key, if key.starts_with("CDELT") { "1" } else { value })).collect();
    let hints = hints_of(&placeholder);
    let centres: Vec<_> = hints.pointings.iter().map(|pointing| pointing.centre_deg).collect();
    assert_eq!(centres, [(151.0, 0.5), (150.0, 0.0)]);
    assert_eq!(hints.scale_arcsec, Some((9.0, "SCALE")));
    let galactic = [("CTYPE1", "GLON-TAN"), ("CTYPE2", "GLAT-TAN"), ("CRVAL1", "10"), ("CRVAL2", "20")];
    assert_eq!(hints_of(&galactic).pointings, [], "degenerate and not equatorial");
}

#[test]
fn the_middle_of_the_exposure() {
    let unix_s = |cards: &[(&str, &str)]| hints_of(cards).mid_exposure_unix_s;
    // 2016-01-15T05:27:49 UTC.
    let start_s = 1_452_835_669.0;
    let exposure = ("EXPTIME", "60");
    for (cards, expected_s) in [
        (vec![("DATE-OBS", "2016-01-15T05:27:49"), exposure], start_s + 30.0),
        (vec![("DATE-OBS", "2016-01-14T22:27:49-0700"), exposure], start_s + 30.0),
        (vec![("DATE-OBS", "2016-01-14T22:27:49"), ("UT-OBS", "2016-01-15T05:27:49.0-0000")], start_s),
        (vec![("DATE-OBS", "2016-01-15"), ("TIME-OBS", "05:27:49"), exposure], start_s + 30.0),
        (vec![("DATE-BEG", "2016-01-15T05:27:49"), exposure], start_s + 30.0),
        (vec![("DATE-AVG", "2016-01-15T05:27:49"), ("DATE-OBS", "2016-01-15T05:20:00"), exposure], start_s),
        (vec![("MJD-AVG", "57402.22765046296"), exposure], start_s),
        (vec![("MJD-OBS", "57402.22765046296"), exposure], start_s + 30.0),
        (vec![("JD", "2457402.72765046296"), exposure], start_s + 30.0),
        (vec![("DATE-OBS", "yesterday"), ("MJD-OBS", "57402.22765046296")], start_s),
    ] {
        let found_s = unix_s(&cards).unwrap();
        assert!((found_s - expected_s).abs() < 1e-3, "{cards:?}: {found_s}");
    }
    assert_eq!(unix_s(&[("DATE-LOC", "2016-01-15T05:27:49"), exposure]), None);
    assert_eq!(unix_s(&[("MJD-OBS", "0")]), None);
    let year = hints_of(&[("DATE-OBS", "2000-01-01T12:00:00")]).year.unwrap();
    assert!((year - 2000.0).abs() < 1e-9, "{year}");
}

#[test]
fn real_seestar_frames_are_where_they_say_with_precession() {
    let mut checked = 0;
    for folder in ["seestar_m94", "seestar_ngc7023"] {
        let Some(folder) = real_data(folder) else { return };
        let Ingested { frames, .. } =
            ingest(&discover(&[folder], &[]).unwrap(), &IngestOptions::default(), &|_| {});
        for frame in &frames {
            // The WCS is that of the side-car, a solution made by another program.
            let middle = ((frame.width as f64 - 1.0) / 2.0, (frame.height as f64 - 1.0) / 2.0);
            let truth = lonlat_deg(&frame.wcs.pixel_to_icrs(middle.0, middle.1).unwrap());
            let hints = &frame.meta.hints;
            let by_mount = hints.pointings.iter().find(|pointing| pointing.source == "RA");
            let trusted = by_mount.or(hints.pointings.first()).unwrap();
            let miss_deg = apart_deg(trusted.centre_deg, truth);
            let (scale_arcsec, key) = hints.scale_arcsec.unwrap();
            eprintln!(
                "{}: {} misses by {:.2}', {scale_arcsec:.4} by {key}",
                frame.id,
                trusted.source,
                60.0 * miss_deg
            );
            // Without precession 0.09 to 0.26 deg.
            assert!(miss_deg < 0.04, "{}: {miss_deg}", frame.id);
            assert!((scale_arcsec / (frame.wcs.scale_deg() * 3600.0) - 1.0).abs() < 0.01, "{scale_arcsec}");
            assert!((2024.5..2025.6).contains(&hints.year.unwrap()));
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

#[test]
fn a_degenerate_wcs_still_says_where() {
    let Some(path) = real_data("seestar_headers/m31_mosaic_lp_degenerate_wcs.hdr") else { return };
    let header = Header::parse_text(&String::from_utf8_lossy(&std::fs::read(path).unwrap())).unwrap();
    assert!(Wcs::from_header(&header).is_err());
    let hints = sky_hints(&header, &layout_of(&header));
    let sources: Vec<_> = hints.pointings.iter().map(|pointing| pointing.source).collect();
    assert_eq!(sources, ["RA", "CRVAL1"], "{hints:?}");
    assert!(apart_deg(hints.pointings[0].centre_deg, (10.411, 40.955)) < 0.01, "{hints:?}");
    assert!(apart_deg(hints.pointings[1].centre_deg, (10.558_334, 40.627_275)) < 1e-5, "{hints:?}");
    let (scale_arcsec, key) = hints.scale_arcsec.unwrap();
    assert!((scale_arcsec - 2.392_67).abs() < 1e-4 && key == "XPIXSZ", "{scale_arcsec} {key}");
}

#[test]
fn a_microobservatory_frame_has_a_zone_in_its_date() {
    let Some(path) = real_data("microobservatory_m42/orion_1.fits") else { return };
    let file = scan(&path).unwrap();
    let hdu = &file.hdus[0];
    let hints = sky_hints(&hdu.header, hdu.image().unwrap());
    assert_eq!(hints.pointings.len(), 1);
    assert_eq!(hints.pointings[0].centre_deg, (84.046_503, -5.440_393));
    assert_eq!(hints.scale_arcsec, Some((5.18, "IM_SCALE")));
    // 2016-01-15T05:27:49.328 UTC and half of 60 s.
    assert!((hints.mid_exposure_unix_s.unwrap() - 1_452_835_699.328).abs() < 1e-3, "{hints:?}");
}

#[test]
fn panoptes_says_its_pattern_in_filter() {
    let raw = [("FILTER", "RGGB"), ("ORIGIN", "Project PANOPTES"), ("CREATOR", "POCSv0.1.1")];
    let kind = |cards: &[(&str, &str)]| {
        let header = header_of(cards);
        frame_kind(&header, &layout_of(&header)).unwrap()
    };
    let cfa = FrameKind::Cfa;
    assert_eq!(kind(&raw), cfa(CfaPattern::Gbrg), "the rows are counted from below");
    assert_eq!(kind(&raw[..2]), cfa(CfaPattern::Gbrg));
    assert_eq!(kind(&[raw[0], raw[2]]), cfa(CfaPattern::Gbrg));
    assert_eq!(kind(&raw[..1]), FrameKind::Mono, "another program's filter is a filter");
    assert_eq!(kind(&[raw[0], ("CREATOR", "N.I.N.A.")]), FrameKind::Mono);
    for filter in ["rggb", "RGGB2", "R", ""] {
        assert_eq!(kind(&[("FILTER", filter), raw[1]]), FrameKind::Mono, "{filter}");
    }
    let with_keyword = [&raw[..], &[("BAYERPAT", "BGGR")]].concat();
    assert_eq!(kind(&with_keyword), cfa(CfaPattern::Bggr), "the keyword counts");
}

/// In the pixels of one pattern cell the two greens are equal, and red is the faintest under this sky (the camera's
/// white balance is 2.0 in red and 1.5 in blue).
#[test]
fn real_panoptes_frames_have_that_pattern() {
    let Some(path) = real_data("panoptes_canon/unsolved.fits") else { return };
    let file = scan(&path).unwrap();
    let (header, layout) = (&file.hdus[0].header, file.hdus[0].image().unwrap());
    let FrameKind::Cfa(pattern) = frame_kind(header, layout).unwrap() else { panic!("not CFA") };
    let hints = frame_meta(header, layout).hints;
    assert_eq!(hints.pointings[0].source, "RA-MNT");
    assert!((hints.year.unwrap() - 2016.69).abs() < 0.01, "{hints:?}");
    // Where the solved frame of the sequence, a cut-out, lies.
    let miss_deg = apart_deg(hints.pointings[0].centre_deg, (303.206_422, 46.017_399));
    assert!(miss_deg > 1.0 && miss_deg < hints.pointings[0].slack_deg, "{miss_deg}");

    let bytes = std::fs::read(&path).unwrap();
    let data = &bytes[layout.data_offset as usize..];
    let mut levels: [Vec<i32>; 3] = Default::default();
    let mut greens: [Vec<i32>; 2] = Default::default();
    for (at, pixel) in data.chunks_exact(2).take(700 * 700).enumerate() {
        let (x, y) = ((at % 700) as i64, (at / 700) as i64);
        let value = i32::from(i16::from_be_bytes([pixel[0], pixel[1]])) + 32_768;
        let colour = pattern.colour_at(x, y);
        levels[colour].push(value);
        if colour == 1 {
            greens[(y % 2) as usize].push(value);
        }
    }
    let median = |values: &mut Vec<i32>| {
        let middle = values.len() / 2;
        *values.select_nth_unstable(middle).1
    };
    let [first, second] = greens.each_mut().map(median);
    let [red, green, blue] = levels.each_mut().map(median);
    assert!((first - second).abs() <= 3, "greens {first} {second}");
    assert!(red + 20 < blue && blue + 20 < green, "red {red}, green {green}, blue {blue}");
}
