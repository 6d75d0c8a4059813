//! The product writer and tables: equal bytes for any order of blocks, sound files or none.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use zemosaic_fits::{
    CheckState, Column, ColumnData, DataSpec, FitsError, HduRole, HduSpec, Header, ImageData, Overwrite,
    ProductWriter, SampleType, TableSpec, Window, read_table, scan, verify_checksums, write_image,
};

const WIDTH: usize = 137;
const HEIGHT: usize = 53;
const PLANES: usize = 3;

fn specs() -> Vec<HduSpec> {
    let mut sci = Header::for_image(HduRole::Primary, SampleType::F32, &[WIDTH, HEIGHT, PLANES]);
    sci.set_str("EXTNAME", "SCI", "");
    sci.set_str("OBJECT", "M 31", "what was observed");
    sci.push_blank(8);
    let mut depth = Header::for_image(HduRole::Extension, SampleType::I32, &[WIDTH, HEIGHT]);
    depth.set_str("EXTNAME", "DEPTH", "");
    let mut empty = Header::for_image(HduRole::Extension, SampleType::U8, &[]);
    empty.set_str("EXTNAME", "NOTHING", "");
    let mut bytes = Header::for_image(HduRole::Extension, SampleType::U8, &[7, 3]);
    bytes.set_str("EXTNAME", "BYTES", "");
    vec![
        HduSpec { header: sci, data: DataSpec::F32 { dims: vec![WIDTH, HEIGHT, PLANES] } },
        HduSpec { header: depth, data: DataSpec::I32 { dims: vec![WIDTH, HEIGHT] } },
        HduSpec { header: empty, data: DataSpec::None },
        HduSpec { header: bytes, data: DataSpec::Bytes((0..21).collect()) },
    ]
}

fn table() -> TableSpec {
    let column =
        |name: &str, unit: Option<&str>, data| Column { name: name.into(), unit: unit.map(Into::into), data };
    TableSpec {
        extname: "INPUTS".into(),
        columns: vec![
            column(
                "FRAME",
                None,
                ColumnData::Text(vec!["a.fits".into(), String::new(), "longer name.fits".into()]),
            ),
            column("INDEX", None, ColumnData::I32(vec![-1, 0, i32::MAX])),
            column("BYTES", Some("byte"), ColumnData::I64(vec![i64::MIN, 5, 1 << 40])),
            column("GAIN", Some("adu"), ColumnData::F32(vec![1.5, f32::NAN, -0.0])),
            column("EXPTIME", Some("s"), ColumnData::F64(vec![10.0, f64::NAN, 1e300])),
            column("USED", None, ColumnData::Logical(vec![true, false, true])),
            column(
                "CD",
                Some("deg"),
                ColumnData::F64Array { width: 4, values: (0..12).map(f64::from).collect() },
            ),
        ],
    }
}

fn sci(plane: usize, x: usize, y: usize) -> f32 {
    if (x + y).is_multiple_of(17) { f32::NAN } else { (plane * 100_000 + y * 1_000 + x) as f32 * 0.37 }
}

fn depth(x: usize, y: usize) -> i32 {
    (x * y) as i32 - 40
}

fn fill<T>(window: Window, value: impl Fn(usize, usize) -> T) -> Vec<T> {
    (window.y0..window.y0 + window.height)
        .flat_map(|y| (window.x0..window.x0 + window.width).map(move |x| (x, y)))
        .map(|(x, y)| value(x, y))
        .collect()
}

/// Blocks of several sizes that cover a plane.
fn blocks(block_w: usize, block_h: usize) -> Vec<Window> {
    let mut all = Vec::new();
    for y0 in (0..HEIGHT).step_by(block_h) {
        for x0 in (0..WIDTH).step_by(block_w) {
            all.push(Window { x0, y0, width: block_w.min(WIDTH - x0), height: block_h.min(HEIGHT - y0) });
        }
    }
    all
}

/// A shuffle that depends only on the seed.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for i in (1..items.len()).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        items.swap(i, (state >> 33) as usize % (i + 1));
    }
}

fn write_product(path: &Path, block: (usize, usize), threads: usize, seed: u64) -> Result<(), FitsError> {
    let writer = ProductWriter::create(path, specs(), Overwrite::Replace)?;
    let mut jobs: Vec<(usize, Window)> = (0..=PLANES)
        .flat_map(|plane| blocks(block.0, block.1).into_iter().map(move |w| (plane, w)))
        .collect();
    shuffle(&mut jobs, seed);
    std::thread::scope(|scope| {
        for jobs in jobs.chunks(jobs.len().div_ceil(threads)) {
            let writer = &writer;
            scope.spawn(move || {
                for &(plane, window) in jobs {
                    if plane == PLANES {
                        writer.write_i32(1, 0, window, &fill(window, depth)).unwrap();
                    } else {
                        writer.write_f32(0, plane, window, &fill(window, |x, y| sci(plane, x, y))).unwrap();
                    }
                }
            });
        }
    });
    let mut row = vec![0.0; WIDTH];
    writer.read_row_f32(0, 1, 20, &mut row)?;
    assert_eq!(common::bits(&row), common::bits(&(0..WIDTH).map(|x| sci(1, x, 20)).collect::<Vec<_>>()));
    let mut row = vec![0; WIDTH];
    writer.read_row_i32(1, 0, 52, &mut row)?;
    assert_eq!(row, (0..WIDTH).map(|x| depth(x, 52)).collect::<Vec<_>>());
    let mut last = specs().remove(0).header;
    last.set_f64("SKYLEVEL", 123.25, "set at the finish");
    writer.finish_with_table(vec![(0, last)], table())
}

fn temp() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.fits");
    (folder, path)
}

fn files_in(path: &Path) -> usize {
    fs::read_dir(path.parent().unwrap()).unwrap().count()
}

#[test]
fn bytes_do_not_depend_on_order_blocks_or_threads() {
    let (_folder, path) = temp();
    write_product(&path, (WIDTH, HEIGHT), 1, 1).unwrap();
    let reference = fs::read(&path).unwrap();
    assert_eq!(files_in(&path), 1);
    for (block, threads, seed) in [((WIDTH, 1), 4, 2), ((16, 16), 4, 3), ((1, 7), 4, 4), ((100, 20), 3, 5)] {
        write_product(&path, block, threads, seed).unwrap();
        assert!(fs::read(&path).unwrap() == reference, "blocks {block:?}, {threads} threads");
    }
    common::assert_fitsverify_clean(&path);
    let checks = verify_checksums(&path).unwrap();
    assert_eq!(
        checks.iter().map(|c| c.extname.as_str()).collect::<Vec<_>>(),
        ["SCI", "DEPTH", "NOTHING", "BYTES", "INPUTS"]
    );
    assert!(
        checks.iter().all(|c| c.datasum == CheckState::Good && c.checksum == CheckState::Good),
        "{checks:?}"
    );
    for plane in 0..PLANES {
        let window = Window { x0: 0, y0: 0, width: WIDTH, height: HEIGHT };
        let expected = fill(window, |x, y| sci(plane, x, y));
        assert_eq!(common::bits(&common::read_plane(&path, 0, plane)), common::bits(&expected));
    }
    let fits = scan(&path).unwrap();
    assert_eq!(fits.hdus[0].header.get_f64("SKYLEVEL"), Some(123.25));
    assert_eq!(fits.hdus[0].header.get_str("OBJECT").as_deref(), Some("M 31"));
    assert_eq!(fits.len, reference.len() as u64);
}

#[test]
fn a_replaced_row_is_as_if_it_had_been_written_so() {
    let (width, height) = (5, 3);
    let window = Window { x0: 0, y0: 0, width, height };
    let bytes_of = |first: &[f32], replace: &[(usize, [f32; 5])]| {
        let (_folder, path) = temp();
        let header = Header::for_image(HduRole::Primary, SampleType::F32, &[width, height]);
        let spec = HduSpec { header, data: DataSpec::F32 { dims: vec![width, height] } };
        let writer = ProductWriter::create(&path, vec![spec], Overwrite::Refuse).unwrap();
        assert!(writer.replace_row_f32(0, 0, 1, &[0.0; 5]).is_err(), "not complete yet");
        writer.write_f32(0, 0, window, first).unwrap();
        for (y, row) in replace {
            writer.replace_row_f32(0, 0, *y, row).unwrap();
        }
        assert!(writer.replace_row_f32(0, 0, 3, &[0.0; 5]).is_err());
        writer.finish(Vec::new()).unwrap();
        fs::read(&path).unwrap()
    };
    let direct: Vec<f32> = (0..15_u8).map(|i| 1.5 + f32::from(i)).collect();
    let mut other = direct.clone();
    other[5..10].fill(-3e7);
    let middle = [6.5, 7.5, 8.5, 9.5, 10.5];
    assert!(bytes_of(&direct, &[]) == bytes_of(&other, &[(1, [f32::NAN; 5]), (1, middle)]));
}

#[test]
fn a_flipped_bit_is_found() {
    let (_folder, path) = temp();
    write_product(&path, (50, 50), 1, 1).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[2880 * 2] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let checks = verify_checksums(&path).unwrap();
    assert_eq!((checks[0].datasum, checks[0].checksum), (CheckState::Bad, CheckState::Bad));
    assert_eq!(checks[1].checksum, CheckState::Good);
}

#[test]
fn tables_read_back() {
    let (_folder, path) = temp();
    write_product(&path, (WIDTH, HEIGHT), 1, 1).unwrap();
    let read = read_table(&path, 4).unwrap();
    // NaN differs from itself, so compare the printed form.
    assert_eq!(format!("{read:?}"), format!("{:?}", table().columns));
    assert!(matches!(read_table(&path, 0), Err(FitsError::BadRequest { .. })));
    assert!(matches!(read_table(&path, 9), Err(FitsError::BadRequest { .. })));
}

#[test]
fn tables_of_other_programs() {
    let Some(root) = common::data_root() else { return };
    let folder = root.join("fits_conformance/astropy_iofits");
    let columns = read_table(&folder.join("table.fits"), 1).unwrap();
    assert_eq!(columns[0].data, ColumnData::Text(vec!["NGC1001".into(), "NGC1002".into(), "NGC1003".into()]));
    assert_eq!(
        (columns[1].name.as_str(), &columns[1].data),
        ("V_mag", &ColumnData::F32(vec![11.1, 12.3, 15.2]))
    );
    for (name, hdu) in [("tb.fits", 1), ("variable_length_table.fits", 1)] {
        assert!(matches!(read_table(&folder.join(name), hdu), Err(FitsError::Unsupported { .. })), "{name}");
    }
}

#[test]
fn empty_tables_and_odd_texts() {
    let (_folder, path) = temp();
    let header = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
    let create = || {
        let hdus = vec![HduSpec { header: header.clone(), data: DataSpec::None }];
        ProductWriter::create(&path, hdus, Overwrite::Replace).unwrap()
    };
    let text = |values: &[&str]| Column {
        name: "NAME".into(),
        unit: None,
        data: ColumnData::Text(values.iter().map(ToString::to_string).collect()),
    };
    let write = |columns| create().finish_with_table(vec![], TableSpec { extname: "T".into(), columns });
    write(vec![text(&[])]).unwrap();
    common::assert_fitsverify_clean(&path);
    assert_eq!(read_table(&path, 1).unwrap(), [text(&[])]);
    write(vec![text(&["naïve\n", ""])]).unwrap();
    common::assert_fitsverify_clean(&path);
    assert_eq!(read_table(&path, 1).unwrap(), [text(&["na?ve?", ""])]);

    let two = Column { name: "N".into(), unit: None, data: ColumnData::I32(vec![1, 2]) };
    assert!(matches!(write(vec![text(&["a"]), two]), Err(FitsError::BadRequest { .. })));
    let ragged = ColumnData::F64Array { width: 3, values: vec![0.0; 4] };
    let ragged = Column { name: "R".into(), unit: None, data: ragged };
    assert!(matches!(write(vec![ragged]), Err(FitsError::BadRequest { .. })));
    assert_eq!(files_in(&path), 1);
}

#[test]
fn an_unfinished_product_leaves_nothing() {
    let (_folder, path) = temp();
    let writer = ProductWriter::create(&path, specs(), Overwrite::Refuse).unwrap();
    assert!(path.with_extension("fits.partial").is_file());
    let window = Window { x0: 0, y0: 0, width: WIDTH, height: 2 };
    writer.write_f32(0, 0, window, &vec![1.0; window.area()]).unwrap();
    // A second run with the same output is stopped before it touches the file.
    assert!(matches!(
        ProductWriter::create(&path, specs(), Overwrite::Replace),
        Err(FitsError::Exists { .. })
    ));
    assert!(path.with_extension("fits.partial").is_file());
    match writer.finish(vec![]).unwrap_err() {
        FitsError::Incomplete { hdu: 0, expected, written, .. } => {
            assert_eq!((expected, written), ((WIDTH * HEIGHT * PLANES) as u64, 2 * WIDTH as u64));
        }
        other => panic!("{other}"),
    }
    assert_eq!(files_in(&path), 0);
    drop(ProductWriter::create(&path, specs(), Overwrite::Refuse).unwrap());
    assert_eq!(files_in(&path), 0);
    // What a killed run left is taken over.
    fs::write(path.with_extension("fits.partial"), vec![1; 1 << 20]).unwrap();
    write_product(&path, (WIDTH, HEIGHT), 1, 1).unwrap();
    common::assert_fitsverify_clean(&path);
}

#[test]
fn an_existing_product_is_safe() {
    let (_folder, path) = temp();
    fs::write(&path, b"precious").unwrap();
    assert!(matches!(
        ProductWriter::create(&path, specs(), Overwrite::Refuse),
        Err(FitsError::Exists { .. })
    ));
    let writer = ProductWriter::create(&path, specs(), Overwrite::Replace).unwrap();
    assert!(writer.finish(vec![]).is_err());
    assert_eq!((fs::read(&path).unwrap().as_slice(), files_in(&path)), (&b"precious"[..], 1));
    fs::remove_file(&path).unwrap();
    // A product that appeared during the run is not overwritten either.
    let header = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
    let hdus = vec![HduSpec { header, data: DataSpec::None }];
    let writer = ProductWriter::create(&path, hdus, Overwrite::Refuse).unwrap();
    fs::write(&path, b"precious").unwrap();
    assert!(matches!(writer.finish(vec![]), Err(FitsError::Exists { .. })));
    assert_eq!((fs::read(&path).unwrap().as_slice(), files_in(&path)), (&b"precious"[..], 1));
}

#[test]
fn wrong_requests_are_errors() {
    let (_folder, path) = temp();
    let writer = ProductWriter::create(&path, specs(), Overwrite::Refuse).unwrap();
    let window = Window { x0: 0, y0: 0, width: 10, height: 10 };
    let is_bad = |r: Result<(), FitsError>| matches!(r, Err(FitsError::BadRequest { .. }));
    assert!(is_bad(writer.write_f32(0, 0, window, &[0.0; 99])));
    assert!(is_bad(writer.write_f32(0, 3, window, &[0.0; 100])));
    assert!(is_bad(writer.write_f32(1, 0, window, &[0.0; 100])));
    assert!(is_bad(writer.write_i32(7, 0, window, &[0; 100])));
    assert!(is_bad(writer.write_f32(0, 0, Window { x0: WIDTH - 9, ..window }, &[0.0; 100])));
    assert!(is_bad(writer.read_row_f32(0, 0, HEIGHT, &mut [0.0; WIDTH])));
    // The same pixels twice would spoil the checksum.
    let rows = Window { x0: 0, y0: 3, width: WIDTH, height: 1 };
    writer.write_f32(0, 0, rows, &[2.0; WIDTH]).unwrap();
    assert!(is_bad(writer.write_f32(0, 0, rows, &[2.0; WIDTH])));
    drop(writer);

    let mut wrong = specs();
    wrong[0].data = DataSpec::F32 { dims: vec![WIDTH, HEIGHT] };
    let mut disordered = specs();
    disordered[1].header = specs().remove(1).header;
    disordered[1].header.remove("BITPIX");
    disordered[1].header.set_i64("BITPIX", 32, "");
    let mut no_primary = specs();
    no_primary.remove(0);
    for specs in [wrong, disordered, no_primary] {
        assert!(matches!(
            ProductWriter::create(&path, specs, Overwrite::Refuse),
            Err(FitsError::BadHeader { .. })
        ));
    }
    assert!(ProductWriter::create(&path, vec![], Overwrite::Refuse).is_err());
    assert_eq!(files_in(&path), 0);
}

#[test]
fn final_headers_use_the_room_they_have() {
    let (_folder, path) = temp();
    let mut header = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
    header.push_blank(60);
    let create = || {
        let hdus = vec![HduSpec { header: header.clone(), data: DataSpec::None }];
        ProductWriter::create(&path, hdus, Overwrite::Replace).unwrap()
    };
    // 4 mandatory cards, 60 blanks, two sums, END: 67 cards in 2 blocks; 65 cards and the sums are 68.
    for cards in [0, 10, 60, 65] {
        let mut last = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
        (0..cards).for_each(|i| last.set_i64(&format!("KEY{i}"), i, ""));
        create().finish(vec![(0, last.clone())]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 2 * 2880, "{cards} cards");
        common::assert_fitsverify_clean(&path);
        assert!(verify_checksums(&path).unwrap().iter().all(|c| c.checksum == CheckState::Good));
    }
    // A copy of the first header with more keywords gives up its blank cards.
    let mut last = header.clone();
    (0..60).for_each(|i| last.set_i64(&format!("KEY{i}"), i, ""));
    create().finish(vec![(0, last)]).unwrap();
    common::assert_fitsverify_clean(&path);
    assert_eq!(fs::metadata(&path).unwrap().len(), 2 * 2880);
    let mut last = Header::for_image(HduRole::Primary, SampleType::U8, &[]);
    (0..70).for_each(|i| last.set_i64(&format!("KEY{i}"), i, ""));
    assert!(matches!(create().finish(vec![(0, last)]), Err(FitsError::BadHeader { .. })));
    let other = Header::for_image(HduRole::Primary, SampleType::U8, &[5]);
    assert!(matches!(create().finish(vec![(0, other)]), Err(FitsError::BadHeader { .. })));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_at_the_start() {
    let (_folder, path) = temp();
    // More than any volume of a test machine holds; nothing is allocated when the room is not there.
    let dims = vec![1 << 30, 1 << 16];
    let header = Header::for_image(HduRole::Primary, SampleType::F32, &dims);
    let hdus = vec![HduSpec { header, data: DataSpec::F32 { dims } }];
    match ProductWriter::create(&path, hdus, Overwrite::Refuse).err().unwrap() {
        FitsError::DiskFull { needed, .. } => assert!(needed > 1 << 48),
        other => panic!("{other}"),
    }
    assert_eq!(files_in(&path), 0);
}

#[test]
fn one_shot_images() {
    let (_folder, path) = temp();
    let mut extras = Header::new();
    extras.set_bool("SIMPLE", true, "");
    extras.set_i64("NAXIS1", 99, "");
    extras.set_i64("NAXIS", 99, "");
    extras.set_f64("BZERO", 5.0, "");
    extras.set_str("INSTRUME", "Seestar S50", "camera");
    extras.set_str("LONG", &"path/".repeat(40), "");
    extras.push_history("made by a test");
    write_image(&path, &extras, ImageData::U16(&[0, 1, 65535, 40000]), &[2, 2]).unwrap();
    common::assert_fitsverify_clean(&path);
    let header = &scan(&path).unwrap().hdus[0].header;
    assert_eq!((header.get_i64("NAXIS1"), header.get_f64("BZERO")), (Some(2), Some(32768.0)));
    assert_eq!(header.get_str("INSTRUME").as_deref(), Some("Seestar S50"));
    assert_eq!(header.get_str("LONG").map(|t| t.len()), Some(200));
    assert_eq!(common::read_plane(&path, 0, 0), [0.0, 1.0, 65535.0, 40000.0]);
    let check = verify_checksums(&path).unwrap().remove(0);
    assert_eq!((check.datasum, check.checksum), (CheckState::Good, CheckState::Good));
    // Lengths that are no whole words, for the padding of the sum.
    for n in 1..9 {
        write_image(&path, &Header::new(), ImageData::U8(&vec![250; n]), &[n]).unwrap();
        assert_eq!(verify_checksums(&path).unwrap()[0].datasum, CheckState::Good, "{n} bytes");
        common::assert_fitsverify_clean(&path);
    }
    assert!(write_image(Path::new("/nonexistent/x.fits"), &extras, ImageData::U8(&[1]), &[1]).is_err());
}
