//! Lists of inputs: what they mean, and every mistake with its line.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use zemosaic_frames::{
    FramesError, Given, IngestOptions, InputFile, MapSource, WcsOrigin, discover, find_duplicates,
};

use common::{ingest_inputs, only_frame, verdicts, write_frame};

fn write(path: &Path, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    path.to_path_buf()
}

fn found(inputs: &[PathBuf]) -> Vec<InputFile> {
    discover(inputs, &[]).unwrap()
}

fn ids(files: &[InputFile]) -> Vec<&str> {
    files.iter().map(|file| file.id.as_str()).collect()
}

/// Line and sentence of the mistake in a list with this text.
fn mistake(folder: &Path, name: &str, text: &str) -> (u64, String) {
    let list = write(&folder.join(name), text);
    match discover(std::slice::from_ref(&list), &[]) {
        Err(FramesError::List { list: named, line, what }) => {
            assert_eq!(named, list);
            (line, what)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_list_names_files_beside_it_and_each_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["night/b/2.fits", "night/a.fits", "night/a e\u{301}.fit", "else/where.fits"] {
        write(&root.join(name), "x");
    }
    let elsewhere = root.join("else/where.fits");
    let text = format!(
        "\u{feff}# my frames\r\n\r\nb/2.fits\r\n./a.fits\n  # again\n../night/a.fits\na e\u{301}.fit\n{}\n",
        elsewhere.display()
    );
    for name in ["night/frames.txt", "night/FRAMES.LST"] {
        let files = found(&[write(&root.join(name), &text)]);
        assert_eq!(ids(&files), ["a \u{e9}.fit", "a.fits", "b/2.fits", "where.fits"]);
        assert!(files.iter().all(|file| file.named && file.given == Given::default()));
    }
    // @ makes a list of any name; a file that is named twice counts once.
    let list = write(&root.join("night/selection"), "a.fits\nb/2.fits\n");
    let at = PathBuf::from(format!("@{}", list.display()));
    assert_eq!(
        ids(&found(&[at.clone(), root.join("night")])),
        ["a e\u{301}.fit".replace("e\u{301}", "\u{e9}").as_str(), "a.fits", "b/2.fits"]
    );
    assert_eq!(ids(&found(&[at, root.join("night/b/2.fits")])), ["2.fits", "a.fits"]);
    assert!(matches!(
        discover(&["@no such list".into()], &[]),
        Err(FramesError::NoSuchInput { path }) if path == Path::new("no such list")
    ));
    // A folder with the name of a list is a folder, and lists met in folders are none.
    write(&root.join("odd.csv/c.fits"), "x");
    assert_eq!(ids(&found(&[root.join("odd.csv")])), ["c.fits"]);
}

#[test]
fn a_csv_list_says_what_belongs_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["a, 1.fits", "b.fits", "maps/w.fits", "maps/m \"x\".fits", "b.head"] {
        write(&root.join(name), "x");
    }
    let list = write(
        &root.join("list.csv"),
        "# made by hand\nFlux_Scale, path ,weight,mask,wcs,hdu\r\n1.25,\"a, 1.fits\",maps/w.fits,\"maps/m \"\"x\"\".fits\",,\n\
         \n# the second\n,b.fits,[wht],none,b.head,3\n,b.fits,,,,2\n",
    );
    let files = found(std::slice::from_ref(&list));
    assert_eq!(ids(&files), ["a, 1.fits", "b.fits", "b.fits"]);
    let first = &files[0].given;
    assert_eq!((first.flux_scale, first.hdu, &first.wcs), (Some(1.25), None, &None));
    assert_eq!(first.weight, Some(MapSource::File(root.join("maps/w.fits"))));
    assert_eq!(first.mask, Some(MapSource::File(root.join("maps/m \"x\".fits"))));
    let (second, third) = (&files[1].given, &files[2].given);
    assert_eq!((second.hdu, third.hdu), (Some(2), Some(3)), "by HDU");
    assert_eq!(third.weight, Some(MapSource::Extension("wht".into())));
    assert_eq!(third.mask, Some(MapSource::None));
    assert_eq!(third.wcs, Some(root.join("b.head")));
    // What a list says is kept when the folder is an input too.
    let both = found(&[root.to_path_buf(), list]);
    assert_eq!(both.iter().find(|file| file.id == "a, 1.fits").unwrap().given, files[0].given);
}

#[test]
fn mistakes_in_lists_are_named_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(&root.join("a.fits"), "x");
    write(&root.join("sub/b.fits"), "x");
    let of = |name: &str, text: &str| mistake(root, name, text);
    let is = |(line, what): (u64, String), at: u64, part: &str| {
        assert!(line == at && what.contains(part), "{line}: {what}");
    };
    is(of("l.txt", "a.fits\n\nc.fits\n"), 3, "path c.fits does not exist");
    is(of("l.txt", "a.fits\nsub\n"), 2, "is a folder");
    is(of("l.txt", "# nothing\n"), 1, "names no file");
    is(of("l.csv", "path,weigth\n"), 1, "did you mean weight?");
    is(of("l.csv", "path,flux-scale\n"), 1, "did you mean flux_scale?");
    is(of("l.csv", "path,exposure\n"), 1, "which are path, weight, mask, wcs, flux_scale, hdu");
    is(of("l.csv", "path,mask,MASK\n"), 1, "twice");
    is(of("l.csv", "a.fits\n"), 1, "unknown column");
    is(of("l.csv", "weight,mask\n"), 1, "no column path");
    is(of("l.csv", "path,hdu\na.fits\n"), 2, "1 fields where the header row has 2");
    is(of("l.csv", "path,hdu\n\n#\na.fits,-1\n"), 4, "hdu = -1 is not the number of an HDU");
    is(of("l.csv", "path,flux_scale\na.fits,1,5\n"), 2, "3 fields");
    is(of("l.csv", "path,flux_scale\na.fits,one\n"), 2, "flux_scale = one is not a number");
    is(of("l.csv", "path,weight\na.fits,w.fits\n"), 2, "weight w.fits does not exist");
    is(of("l.csv", "path,wcs\n\"a.fits\",\"\nx\"\n"), 2, "does not exist");
    is(of("l.csv", "path,hdu\r\n# x\r\n\r\n,1\r\n"), 4, "path is empty");
    is(of("l.csv", "path,flux_scale\na.fits,1\n./a.fits,2\n"), 3, "named in line 2 already");
    is(of("l.csv", "path,hdu\na.fits,1\na.fits,2\na.fits,\n"), 4, "named in line 2 already");
    is(of("l.csv", "path,weight\na.fits,[ ]\n"), 2, "weight [ ] names no extension");
    write(&root.join("other.txt"), "a.fits\n");
    for inner in ["other.txt", "@other.txt", "@a.fits", "none.lst"] {
        is(of("l.txt", &format!("a.fits\n{inner}\n")), 2, "is a list inside a list");
    }
    is(of("l.csv", "path;flux_scale\na.fits;1\n"), 1, "separate columns by commas");
    is(of("l.csv", "path\twcs\na.fits\t\n"), 1, "separate columns by commas");
    for text in ["path\na.fits\n\n\"a.fits", "path\na.fits\n# x\n\"a.fits\n# y\n", "path\na.fits\n\n\"\n"] {
        is(of("l.csv", text), 4, "a quote that is opened here is never closed");
    }
    is(of("l.csv", "\"path\na.fits\n"), 1, "never closed");
    for text in ["path\n\"a.fits\"", "path\n\"a.fits\"\r\n\r\n# \"x", "path\ra.fits\r"] {
        assert_eq!(ids(&found(&[write(&root.join("l.csv"), text)])), ["a.fits"], "{text:?}");
    }
    std::fs::write(root.join("l.txt"), b"a.fits\n\xff\xfe\n").unwrap();
    let error = discover(&[root.join("l.txt")], &[]).unwrap_err();
    assert!(error.to_string().contains("l.txt, line 2: the line is not UTF-8"), "{error}");
}

#[test]
fn frames_take_over_what_the_list_says() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let size = (8, 6);
    write_frame(&root.join("a.fits"), size, &[1.0; 48]);
    let other = write(&root.join("other.head"), "");
    let cards: Vec<String> = zemosaic_testkit::tan_header(&zemosaic_testkit::TanFrame {
        crval_deg: [33.0, 20.0],
        ..common::wcs(8, 6)
    })
    .cards()
    .iter()
    .map(|card| String::from_utf8_lossy(card).trim_end().to_owned())
    .collect();
    write(&other, &(cards.join("\n") + "\nFLXSCALE= 0.5\nEND\n"));
    let list = |text: &str| write(&root.join("list.csv"), text);
    let options = IngestOptions::default();

    let frame = only_frame(&list("path,wcs\na.fits,other.head\n"), &options);
    assert_eq!((frame.wcs_origin, frame.wcs.crval_deg().0), (WcsOrigin::Given(other), 33.0));
    assert_eq!(frame.flux_scale, 0.5, "of the side-car");
    let frame = only_frame(&list("path,wcs,flux_scale\na.fits,other.head,2e-1\n"), &options);
    assert_eq!(frame.flux_scale, 0.2, "of the list");

    for good in ["1e-15", "1e15"] {
        let frame = only_frame(&list(&format!("path,flux_scale\na.fits,{good}\n")), &options);
        assert_eq!(frame.flux_scale, good.parse::<f64>().unwrap());
    }
    for bad in ["0", "-1", "nan", "inf", "9.9e-16", "1.1e15", "1e300"] {
        let found = ingest_inputs(&[&list(&format!("path,flux_scale\na.fits,{bad}\n"))], &options);
        assert_eq!(verdicts(&found), (vec![], vec![("a.fits", "E-FRAME-FLUXSCALE")]), "{bad}");
        let message = found.left_out[0].reason.message();
        assert!(message.contains("in the list; it must be from 1e-15 to 1e15: correct it"), "{message}");
    }

    common::write_extensions(
        &root.join("chips.fits"),
        size,
        &[("SCI", 1, vec![1.0; 48]), ("WHT", 1, vec![2.0; 48]), ("SCI", 2, vec![3.0; 48])],
    );
    let found = ingest_inputs(&[&list("path,hdu\nchips.fits,3\nchips.fits,2\n")], &options);
    assert_eq!(verdicts(&found).0, ["chips.fits[2]", "chips.fits[3]"], "any HDU that is named");
    let found = ingest_inputs(&[&list("path,hdu\nchips.fits,0\na.fits,7\n")], &options);
    assert_eq!(
        verdicts(&found).1,
        [("a.fits", "E-FRAME-FORMAT"), ("chips.fits", "E-FRAME-FORMAT")],
        "no such image"
    );
    assert!(found.left_out[0].reason.message().contains("HDU 7"));
}

#[test]
fn lists_that_contradict_each_other_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(&root.join("sub/a.fits"), "x");
    let one = write(&root.join("one.csv"), "path,flux_scale\nsub/a.fits,2\n");
    let refused = |text: &str| {
        let other = write(&root.join("sub/other.csv"), text);
        match discover(&[root.to_path_buf(), one.clone(), other.clone()], &[]) {
            Err(error @ FramesError::Lists { .. }) => {
                let message = error.to_string();
                let names = [&one, &other].map(|list| message.contains(&*list.to_string_lossy()));
                assert!(names == [true; 2] && message.contains("a.fits;"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    };
    refused("path,flux_scale\na.fits,3\n");
    refused("path,mask\na.fits,none\n");
    refused("path,hdu\na.fits,0\n");
    refused("path,hdu\na.fits,1\na.fits,2\n");
    // The same, or nothing, is no contradiction; what a list says wins.
    for text in ["path,flux_scale\na.fits,2.0\n", "path\na.fits\n"] {
        let other = write(&root.join("sub/other.csv"), text);
        for inputs in [[one.clone(), other.clone()], [other, one.clone()]] {
            let files = found(&inputs);
            assert_eq!((ids(&files), files[0].given.flux_scale), (vec!["a.fits"], Some(2.0)));
        }
    }
    // Different HDUs in two lists are different images.
    let [first, second] =
        [1, 2].map(|hdu| write(&root.join(format!("{hdu}.csv")), &format!("path,hdu\nsub/a.fits,{hdu}\n")));
    let hdus: Vec<_> = found(&[second, first]).iter().map(|file| file.given.hdu).collect();
    assert_eq!(hdus, [Some(1), Some(2)]);
}

#[test]
fn hdus_of_a_list_take_the_place_of_the_plain_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let frame = root.join("night/a.fits");
    write_frame(&frame, (8, 6), &[1.0; 48]);
    let list = write(&root.join("list.csv"), "path,hdu,flux_scale\nnight/a.fits,0,2\n");
    for inputs in [[&frame, &list], [&list, &frame]] {
        let files = found(&inputs.map(Clone::clone));
        assert_eq!((ids(&files), files[0].given.hdu), (vec!["a.fits"], Some(0)), "first in frame order");
        let mut ingested = ingest_inputs(&inputs.map(PathBuf::as_path), &IngestOptions::default());
        find_duplicates(&mut ingested);
        assert!(ingested.left_out.is_empty());
        assert_eq!(ingested.frames[0].flux_scale, 2.0);
    }
}
