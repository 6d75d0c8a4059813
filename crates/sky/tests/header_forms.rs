//! Rare header forms against astropy 8.0.2 (wcslib 8): swapped axes, CROTA, LONPOLE, native pole parameters, slant,
//! units, SIP without the suffix. The numbers were made once by `WCS(header).all_pix2world(POINTS, 1)` on just these
//! cards with NAXIS 200 x 100.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use zemosaic_fits::Header;
use zemosaic_sky::Wcs;

struct Case {
    name: &'static str,
    cards: &'static [&'static str],
    /// World coordinates in the order of the axes.
    sky: [(f64, f64); 4],
}

/// 1-based pixels.
const POINTS: [(f64, f64); 4] = [(1.0, 1.0), (200.0, 1.0), (77.25, 33.5), (180.0, 95.0)];

#[test]
fn rare_forms_agree_with_astropy() {
    for case in CASES {
        let header = Header::parse_text(&case.cards.join("\n")).unwrap();
        let wcs = Wcs::from_header(&header).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let swapped = case.cards[0].contains("DEC");
        for ((x1, y1), world) in POINTS.iter().zip(case.sky) {
            let (lon, lat) = if swapped { (world.1, world.0) } else { world };
            let (our_lon, our_lat) = wcs.pixel_to_sky(x1 - 1.0, y1 - 1.0).unwrap();
            let turn = (our_lon - lon + 180.0).rem_euclid(360.0) - 180.0;
            assert!(
                turn.abs() < 1e-10 && (our_lat - lat).abs() < 1e-10,
                "{}: {our_lon} {our_lat}",
                case.name
            );
            let (x, y) = wcs.sky_to_pixel(our_lon, our_lat).unwrap();
            assert!((x - x1 + 1.0).abs() < 1e-8 && (y - y1 + 1.0).abs() < 1e-8, "{}: {x} {y}", case.name);
        }
        written_and_read_again(&wcs, case.name);
    }
}

fn written_and_read_again(wcs: &Wcs, name: &str) {
    // A header full of an older WCS must not shine through.
    let mut header = Header::parse_text(
        "CTYPE1  = 'RA---TAN-SIP'\nCTYPE2  = 'DEC--TAN-SIP'\nCDELT1  = 3.0\nPC1_2   = 0.5\nCROTA2  = 9.0\n\
         A_ORDER = 3\nB_ORDER = 3\nA_3_0   = 1e-3\nPV1_1   = 9.0\nPV2_1   = 9.0\nRADESYS = 'FK4'\nEQUINOX = 1950.0\nEXPTIME = 10.0",
    )
    .unwrap();
    wcs.write_to(&mut header);
    let again = Wcs::from_header(&header).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(header.get_f64("EXPTIME"), Some(10.0));
    assert_eq!(again.frame(), wcs.frame(), "{name}");
    for (x, y) in POINTS {
        let (a, b) = (wcs.pixel_to_sky(x, y).unwrap(), again.pixel_to_sky(x, y).unwrap());
        assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12, "{name}: {a:?} {b:?}");
    }
}

#[test]
fn refusals_have_their_codes() {
    let base = "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 10.0\nCRVAL2  = 10.0\nCRPIX1  = 1.0\nCRPIX2  = 1.0";
    let with_scale = format!("{base}\nCDELT1  = -1E-3\nCDELT2  = 1E-3");
    let cases = [
        ("OBJECT  = 'M31'".to_string(), "E-WCS-NONE"),
        (base.to_string(), "E-WCS-INCOMPLETE"),
        (with_scale.replace("DEC--TAN", "DEC--SIN"), "E-WCS-NOTCELESTIAL"),
        (with_scale.replace("DEC--TAN", "GLAT-TAN"), "E-WCS-NOTCELESTIAL"),
        (with_scale.replace("-TAN", "-TAB"), "E-WCS-PROJECTION"),
        (with_scale.replace("-TAN", "-COE"), "E-WCS-PROJECTION"),
        (with_scale.replace("-TAN", "-BON"), "E-WCS-PROJECTION"),
        (format!("{}\nPV2_1   = -1.0", with_scale.replace("-TAN", "-AZP")), "E-WCS-PROJECTION"),
        (format!("{}\nPV2_1   = -1.0", with_scale.replace("-TAN", "-ZPN")), "E-WCS-PROJECTION"),
        (with_scale.replace("-TAN", "-TAN-XYZ"), "E-WCS-DISTORTION"),
        (format!("{with_scale}\nPV1_1   = 0.0\nPV1_7   = 1E-3"), "E-WCS-DISTORTION"),
        (format!("{with_scale}\nA_ORDER = 2"), "E-WCS-DISTORTION"),
        (format!("{with_scale}\nCPDIS1  = 'LOOKUP'"), "E-WCS-DISTORTION"),
        (
            format!("{with_scale}\nCD1_1   = 1E-3\nCD1_2   = 2E-3\nCD2_1   = 1E-3\nCD2_2   = 2E-3"),
            "E-WCS-DEGENERATE",
        ),
        (with_scale.replace("CDELT1  = -1E-3", "CDELT1  = 0.0"), "E-WCS-DEGENERATE"),
        (format!("{with_scale}\nCUNIT1  = 'm'"), "E-WCS-UNITS"),
        (with_scale.replace("CRVAL2  = 10.0", "CRVAL2  = 95.0"), "E-WCS-VALUE"),
        (with_scale.replace("CRVAL2  = 10.0", "CRVAL2  = 'north'"), "E-WCS-VALUE"),
        (format!("{with_scale}\nCTYPE3  = 'FREQ'\nPC1_3   = 0.1"), "E-WCS-AXES"),
    ];
    for (text, code) in cases {
        let error = Wcs::from_header(&Header::parse_text(&text).unwrap()).unwrap_err();
        assert_eq!(error.code(), code, "{text}\n{error}");
    }
    let degenerate = format!("{base}\nCDELT1  = -1E-17\nCDELT2  = 1E-17");
    let message = Wcs::from_header(&Header::parse_text(&degenerate).unwrap()).unwrap_err().to_string();
    assert!(message.contains("3.600e-14 arcsec"), "{message}");
}

const CASES: &[Case] = &[
    Case {
        name: "swapped axes",
        cards: &[
            "CTYPE1  = 'DEC--TAN'",
            "CTYPE2  = 'RA---TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 40.0",
            "CRVAL2  = 120.0",
            "CD1_1   = 0.0002",
            "CD1_2   = 0.0006",
            "CD2_1   = -0.0006",
            "CD2_2   = 0.0002",
        ],
        sky: [
            (39.9506818108693, 120.065092798645),
            (39.9904646424149, 119.90928688993),
            (39.9854491702019, 120.01389962555),
            (40.0428890084339, 119.9494489911924),
        ],
    },
    Case {
        name: "swapped axes, CROTA",
        cards: &[
            "CTYPE1  = 'DEC--TAN'",
            "CTYPE2  = 'RA---TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 40.0",
            "CRVAL2  = 120.0",
            "CDELT1  = 0.0006",
            "CDELT2  = -0.0005",
            "CROTA1  = 20.0",
        ],
        sky: [
            (39.9522660599248, 120.0566686695476),
            (40.0644790659911, 120.0034023193163),
            (39.9897118061745, 120.0163459945916),
            (40.0371175921263, 119.9510761885742),
        ],
    },
    Case {
        name: "CROTA",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 359.99",
            "CRVAL2  = -40.0",
            "CDELT1  = -0.0006",
            "CDELT2  = 0.0005",
            "CROTA2  = 69.0",
        ],
        sky: [
            (0.0477471095488, -39.9530309485285),
            (359.9919314176706, -40.0645147229246),
            (0.0065778877408, -39.9899319078726),
            (359.9402377951636, -40.0364578595259),
        ],
    },
    Case {
        name: "PC before CD",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 10.0",
            "CRPIX2  = 20.0",
            "CRVAL1  = 10.0",
            "CRVAL2  = -40.0",
            "CDELT1  = -0.0006",
            "CDELT2  = 0.0005",
            "PC1_1   = 0.9",
            "PC1_2   = 0.1",
            "CD1_1   = 0.001",
            "CD2_2   = 0.001",
        ],
        sky: [
            (10.0078335335509, -40.0094997362133),
            (9.8675351828411, -40.0094245957055),
            (9.9515415562546, -39.9932399100643),
            (9.8743584805298, -39.9624321889396),
        ],
    },
    Case {
        name: "CD before CDELT and CROTA",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 10.0",
            "CRPIX2  = 20.0",
            "CRVAL1  = 10.0",
            "CRVAL2  = -40.0",
            "CDELT1  = -0.0006",
            "CDELT2  = 0.0005",
            "CROTA2  = 30.0",
            "CD1_1   = -0.001",
            "CD2_2   = 0.0011",
        ],
        sky: [
            (10.0117522625902, -40.020899405509),
            (9.7518982258659, -40.0206354627406),
            (9.9122305164817, -39.9851169012244),
            (9.7783496694977, -39.9172890562592),
        ],
    },
    Case {
        name: "LONPOLE",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 200.0",
            "CRVAL2  = -70.0",
            "CDELT1  = -0.0006",
            "CDELT2  = 0.0005",
            "LONPOLE = 33.0",
            "LATPOLE = 12.0",
        ],
        sky: [
            (199.8928960005107, -69.9469053915132),
            (200.1855109421971, -70.0118710475292),
            (199.9789451897485, -69.9854820095026),
            (200.0813109959422, -70.0448308520481),
        ],
    },
    Case {
        name: "at the pole",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 200.0",
            "CRVAL2  = 90.0",
            "CDELT1  = -0.006",
            "CDELT2  = 0.005",
        ],
        sky: [
            (87.6874762545861, 89.3547103083556),
            (312.3125237454139, 89.3547103083556),
            (79.400021306791, 89.8379310026832),
            (264.7468366054261, 89.4726118232975),
        ],
    },
    Case {
        name: "PV pole parameters",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 200.0",
            "CRVAL2  = 20.0",
            "CDELT1  = -0.06",
            "CDELT2  = 0.05",
            "PV1_1   = 30.0",
            "PV1_2   = 50.0",
            "PV1_3   = 170.0",
            "PV1_4   = -10.0",
        ],
        sky: [
            (184.3735349227985, 52.9561789723384),
            (165.2660629998898, 51.0270369802982),
            (176.5086878278767, 54.1943677125724),
            (164.8529507590245, 55.8460509091598),
        ],
    },
    Case {
        name: "PV pole, LATPOLE south",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 20.0",
            "CRVAL2  = 40.0",
            "CDELT1  = -0.06",
            "CDELT2  = 0.05",
            "PV1_1   = 0.0",
            "PV1_2   = 10.0",
            "LONPOLE = 30.0",
            "LATPOLE = -60.0",
        ],
        sky: [
            (335.6440225725495, -25.7275151325518),
            (347.4769354113305, -31.5303646639212),
            (339.086473984054, -29.470887898642),
            (343.6636095531477, -35.1558170030211),
        ],
    },
    Case {
        name: "PV pole, LATPOLE north",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 20.0",
            "CRVAL2  = 40.0",
            "CDELT1  = -0.06",
            "CDELT2  = 0.05",
            "PV1_1   = 0.0",
            "PV1_2   = 10.0",
            "LONPOLE = 30.0",
            "LATPOLE = 60.0",
        ],
        sky: [
            (232.4158270710261, 58.7730590895856),
            (250.5152818597423, 52.5720213363358),
            (238.6026367266683, 55.3061897540995),
            (244.6125749926313, 49.4853838475123),
        ],
    },
    Case {
        name: "slant SIN",
        cards: &[
            "CTYPE1  = 'RA---SIN'",
            "CTYPE2  = 'DEC--SIN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 20.0",
            "CRVAL2  = 5.0",
            "CDELT1  = -0.06",
            "CDELT2  = 0.05",
            "PV2_1   = 0.3",
            "PV2_2   = -0.2",
        ],
        sky: [
            (25.8811358452615, 2.5931674848539),
            (13.9002606187698, 2.5957028101979),
            (21.3920271899655, 4.1780411527523),
            (15.1091669185114, 7.2828925346418),
        ],
    },
    Case {
        name: "NCP",
        cards: &[
            "CTYPE1  = 'RA---NCP'",
            "CTYPE2  = 'DEC--NCP'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 20.0",
            "CRVAL2  = 65.0",
            "CDELT1  = -0.06",
            "CDELT2  = 0.05",
        ],
        sky: [
            (32.7261599959273, 61.7713112040383),
            (7.2738400040727, 61.7713112040383),
            (23.1986511579024, 64.128902714665),
            (7.860281238579, 66.679103862415),
        ],
    },
    Case {
        name: "arcmin",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CUNIT1  = 'arcmin'",
            "CUNIT2  = 'arcsec'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 1200.0",
            "CRVAL2  = 72000.0",
            "CDELT1  = -0.1",
            "CDELT2  = 6.0",
        ],
        sky: [
            (20.1763840842219, 19.9182464277772),
            (19.8236159157781, 19.9182464277772),
            (20.0412296790224, 19.9724952399136),
            (19.8589295190308, 20.0749439674159),
        ],
    },
    Case {
        name: "A_ORDER without -SIP",
        cards: &[
            "CTYPE1  = 'RA---TAN'",
            "CTYPE2  = 'DEC--TAN'",
            "CRPIX1  = 100.5",
            "CRPIX2  = 50.0",
            "CRVAL1  = 120.0",
            "CRVAL2  = 20.0",
            "CDELT1  = -0.001",
            "CDELT2  = 0.001",
            "A_ORDER = 2",
            "B_ORDER = 2",
            "A_2_0   = 1e-05",
            "B_0_2   = -2e-05",
            "A_1_1   = 3e-06",
        ],
        sky: [
            (120.1057317033332, 19.9509207018332),
            (119.8940576504983, 19.9509205770321),
            (120.0247325611709, 19.9834928410071),
            (119.9152950567034, 20.0449393297134),
        ],
    },
];

#[test]
fn position_angle_is_that_of_the_sky() {
    let base = [
        "CTYPE1 = 'RA---TAN'",
        "CTYPE2 = 'DEC--TAN'",
        "CRVAL1 = 150.0",
        "CRVAL2 = 41.0",
        "CRPIX1 = 50.0",
        "CRPIX2 = 60.0",
        "CDELT1 = -0.001",
        "CDELT2 = 0.001",
    ];
    for more in [&[][..], &["LONPOLE = 170.0"], &["PV1_1 = 5.0"], &["PV1_1 = 5.0", "LONPOLE = 180.0"]] {
        let wcs =
            Wcs::from_header(&Header::parse_text(&[&base[..], more].concat().join("\n")).unwrap()).unwrap();
        let (at, up) = (wcs.pixel_to_sky(49.0, 59.0).unwrap(), wcs.pixel_to_sky(49.0, 59.1).unwrap());
        let east = (up.0 - at.0) * at.1.to_radians().cos();
        let angle = east.atan2(up.1 - at.1).to_degrees();
        assert!((wcs.position_angle_deg() - angle).abs() < 1e-3, "{more:?}: {angle}");
    }
}
