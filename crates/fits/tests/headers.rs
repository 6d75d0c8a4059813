//! Header cards: untouched bytes, values that come back, tolerant reading.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

use proptest::prelude::*;
use zemosaic_fits::Header;

fn header(cards: &[&str]) -> Header {
    let text = cards.iter().chain(&["END"]).fold(String::new(), |text, card| text + &format!("{card:<80}"));
    Header::parse(text.as_bytes()).unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cards_keep_their_bytes(cards in prop::collection::vec(prop::collection::vec(any::<u8>(), 80), 0..80)) {
        let cards: Vec<Vec<u8>> = cards.into_iter().filter(|c| !c.starts_with(b"END")).collect();
        let mut bytes = cards.concat();
        bytes.extend(format!("{:<80}", "END").bytes());
        let used = bytes.len();
        bytes.resize(used.next_multiple_of(2880), b' ');
        let (header, length) = Header::parse(&bytes[..used]).unwrap();
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!(header.to_bytes(), bytes);
        // No value of any kind may panic on arbitrary bytes.
        for key in header.keywords() {
            let _ = (header.get_f64(key), header.get_i64(key), header.get_bool(key), header.get_str(key));
            let _ = header.get_comment(key);
        }
    }

    #[test]
    fn setting_one_keyword_leaves_the_others(
        values in prop::collection::vec(any::<f64>(), 1..40), at in any::<prop::sample::Index>(), new in any::<i64>(),
    ) {
        let mut header = Header::new();
        for (i, v) in values.iter().enumerate() {
            header.set_f64(&format!("KEY{i}"), *v, "a value");
        }
        let before = header.cards().to_vec();
        let at = at.index(values.len());
        header.set_i64(&format!("KEY{at}"), new, "");
        prop_assert_eq!(header.get_i64(&format!("KEY{at}")), Some(new));
        prop_assert_eq!(header.get_comment(&format!("KEY{at}")), Some("a value".to_string()));
        for (i, card) in header.cards().iter().enumerate() {
            prop_assert!(i == at || *card == before[i]);
        }
    }

    #[test]
    fn numbers_come_back_exactly(value in any::<f64>(), integer in any::<i64>()) {
        let mut header = Header::new();
        header.set_f64("VALUE", value, "some comment");
        header.set_i64("NUMBER", integer, "");
        prop_assert_eq!(header.get_f64("VALUE"), value.is_finite().then_some(value));
        prop_assert_eq!(header.get_i64("NUMBER"), Some(integer));
        prop_assert_eq!(header.cards().len(), 2);
    }

    #[test]
    fn texts_come_back(text in "[ -~]{0,300}", comment in "[ -~]{0,60}") {
        let text = text.trim_end().to_string();
        let mut header = Header::new();
        header.set_str("TEXT", &text, &comment);
        header.set_i64("NEXT", 1, "");
        // A text that itself ends in & cannot be told from a continued one when no CONTINUE follows; ours has none.
        prop_assert_eq!(header.get_str("TEXT"), Some(text));
        let again = Header::parse(&header.to_bytes()).unwrap().0;
        prop_assert_eq!(&again, &header);
        header.set_str("TEXT", "short", "");
        prop_assert_eq!(header.cards().len(), 2);
    }
}

#[test]
fn values_as_real_files_write_them() {
    let h = header(&[
        "EXPTIME =                 10.0 / seconds",
        "exptime2=                 20.0",
        "GAIN    = '80      '           / quoted number",
        "NAXISF  =                1080.",
        "CTYPE1  ='RA---TAN'",
        "DEXP    =           1.5D-03 / Fortran exponent",
        "NAME    = 'O''Neill / slash'   / comment / with slash",
        "UNDEF   =                      / nothing",
        "FLAG    =                    T",
        "BARE    = Seestar / no quotes",
        "HIERARCH ESO DET EXP = 5.5 / long name",
        "COMMENT = 'not a value'",
        "EXPTIME =                 99.0 / second occurrence",
        "OVER    =                1E400",
    ]);
    assert_eq!(h.get_f64("EXPTIME"), Some(10.0));
    assert_eq!(h.get_f64("EXPTIME2"), Some(20.0));
    assert_eq!(h.get_i64("GAIN"), Some(80));
    assert_eq!(h.get_f64("gain"), Some(80.0));
    assert_eq!(h.get_i64("NAXISF"), Some(1080));
    assert_eq!(h.get_str("CTYPE1").as_deref(), Some("RA---TAN"));
    assert_eq!(h.get_f64("DEXP"), Some(1.5e-3));
    assert_eq!(h.get_str("NAME").as_deref(), Some("O'Neill / slash"));
    assert_eq!(h.get_comment("NAME").as_deref(), Some("comment / with slash"));
    assert!(h.contains("UNDEF") && h.get_f64("UNDEF").is_none() && h.get_str("UNDEF").is_none());
    assert_eq!(h.get_bool("FLAG"), Some(true));
    assert_eq!(h.get_str("BARE").as_deref(), Some("Seestar"));
    assert_eq!(h.get_f64("HIERARCH ESO DET EXP"), Some(5.5));
    assert_eq!(h.get_f64("ESO DET EXP"), Some(5.5));
    assert_eq!(h.get_str("COMMENT"), None);
    assert_eq!(h.get_f64("OVER"), None);
    assert_eq!(h.keywords().nth(10), Some("ESO DET EXP"));
    assert_eq!(h.get_str("EXPTIME"), None);
}

#[test]
fn bytes_outside_utf8_are_latin1() {
    let mut bytes = format!("{:<80}{:<80}", "OBJECT  = 'caf?'", "END").into_bytes();
    bytes[14] = 0xe9;
    let (header, _) = Header::parse(&bytes).unwrap();
    assert_eq!(header.get_str("OBJECT").as_deref(), Some("café"));
    assert_eq!(header.to_bytes()[..80], bytes[..80]);
}

#[test]
fn long_texts_use_continue_cards() {
    let mut h = Header::new();
    let long = "it's a long path/".repeat(20);
    h.set_str("PATH", &long, "where");
    h.set_i64("AFTER", 1, "");
    assert!(h.cards().len() > 4);
    assert_eq!(h.get_str("PATH").as_deref(), Some(long.as_str()));
    let mut copy = Header::new();
    copy.extend_from(&h, |key| key == "PATH");
    assert_eq!(copy.get_str("PATH").as_deref(), Some(long.as_str()));
    h.remove("PATH");
    assert_eq!(h.keywords().collect::<Vec<_>>(), ["AFTER"]);
}

#[test]
fn commentary_and_odd_names() {
    let mut h = Header::new();
    h.push_history(&"x".repeat(100));
    h.push_comment("grüße");
    h.push_comment("");
    assert_eq!(h.texts("HISTORY").map(|t| t.len()).collect::<Vec<_>>(), [72, 28]);
    assert_eq!(h.texts("COMMENT").collect::<Vec<_>>(), ["gr??e", ""]);
    h.set_f64("a long name", 1.5, "");
    h.set_str("a long name", &"y".repeat(200), "");
    assert_eq!(h.get_str("A LONG NAME").map(|t| t.len()), Some(80 - 25));
    h.set_f64("NAN", f64::NAN, "undefined");
    assert!(h.contains("NAN") && h.get_f64("NAN").is_none());
}

#[test]
fn text_headers() {
    let lines = "CRVAL1 = 12.5 / hand-written\r\n  CRVAL2= -3\nCTYPE1  = 'RA---TAN'\n\nEND\nCRVAL1  = 99";
    let h = Header::parse_text(lines).unwrap();
    assert_eq!(h.get_f64("CRVAL1"), Some(12.5));
    assert_eq!(h.get_f64("CRVAL2"), Some(-3.0));
    assert_eq!(h.cards().len(), 3);
    // A comment that runs over column 80 does not become a card.
    let long = format!(
        "{:<80}over the edge\nNAXIS   = 2",
        "CRPIX1  =                    4 / a long comment that goes on and"
    );
    assert_eq!(Header::parse_text(&long).unwrap().cards().len(), 2);
    // Cards run together, the last one cut short.
    let run = format!("{:<80}{:<80}{}", "CRPIX1  =  4", "COMMENT hello", "CRPIX2  =  5");
    let h = Header::parse_text(&run).unwrap();
    assert_eq!((h.cards().len(), h.get_f64("CRPIX2")), (3, Some(5.0)));
    assert!(Header::parse_text("nothing to see here\n").is_err());
    assert!(Header::parse_text("").is_err());
    assert!(Header::parse(b"SIMPLE  =                    T").is_err());
}
