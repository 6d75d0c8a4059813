//! Pixels: every sample type, every window, and files that are not what they should be.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use common::{bits, layout, read, read_plane};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zemosaic_fits::{
    CompressOptions, FilePool, FitsError, HduRole, Header, ImageData, ImageLayout, Overwrite, Packed,
    ReadScratch, SampleType, Window, compress_product, is_packed, open_unpacked, packed_kind, read_table,
    read_window, scan, scan_packed, scan_packed_hdus, scan_packed_header, unpack_image, unpack_packed,
    write_image,
};

fn temp(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn scaling(bscale: f64, bzero: f64, blank: Option<i64>) -> Header {
    let mut header = Header::new();
    header.set_f64("BSCALE", bscale, "");
    header.set_f64("BZERO", bzero, "");
    if let Some(blank) = blank {
        header.set_i64("BLANK", blank, "");
    }
    header
}

#[test]
fn every_unsigned_16_bit_value_is_exact() {
    let (_folder, path) = temp("u16.fits");
    let values: Vec<u16> = (0..=u16::MAX).collect();
    write_image(&path, &Header::new(), ImageData::U16(&values), &[256, 256]).unwrap();
    assert!(layout(&path, 0).is_unsigned16());
    let expected: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
    assert_eq!(bits(&read_plane(&path, 0, 0)), bits(&expected));
    common::assert_fitsverify_clean(&path);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_sample_types_round_trip(
        raw in prop::collection::vec(any::<i64>(), 12), floats in prop::collection::vec(any::<f64>(), 12),
        bscale in prop::sample::select(vec![1.0, 0.5, -2.25, 1e-3]),
        bzero in prop::sample::select(vec![0.0, 32768.0, -7.5, 1e4]),
        blank_at in prop::option::of(0_usize..12),
    ) {
        let (_folder, path) = temp("t.fits");
        let physical = |v: f64| {
            let value = (bzero + bscale * v) as f32;
            if value.is_finite() { value } else { f32::NAN }
        };
        macro_rules! integers {
            ($variant:ident, $type:ty) => {{
                let values: Vec<$type> = raw.iter().map(|&v| v as $type).collect();
                let blank = blank_at.map(|i| values[i] as i64);
                write_image(&path, &scaling(bscale, bzero, blank), ImageData::$variant(&values), &[4, 3]).unwrap();
                let expected: Vec<f32> = values
                    .iter()
                    .map(|&v| if blank == Some(v as i64) { f32::NAN } else { physical(v as f64) })
                    .collect();
                prop_assert_eq!(bits(&read_plane(&path, 0, 0)), bits(&expected));
            }};
        }
        integers!(U8, u8);
        integers!(I16, i16);
        integers!(I32, i32);
        integers!(I64, i64);
        write_image(&path, &scaling(bscale, bzero, None), ImageData::F64(&floats), &[12]).unwrap();
        let expected: Vec<f32> = floats.iter().map(|&v| physical(v)).collect();
        prop_assert_eq!(bits(&read_plane(&path, 0, 0)), bits(&expected));
        let singles: Vec<f32> = floats.iter().map(|&v| v as f32).collect();
        write_image(&path, &scaling(bscale, bzero, None), ImageData::F32(&singles), &[2, 3, 2]).unwrap();
        let expected: Vec<f32> = singles.iter().map(|&v| physical(f64::from(v))).collect();
        let read: Vec<f32> = (0..2).flat_map(|p| read_plane(&path, 0, p)).collect();
        // Unscaled singles keep the sign of zero; adding zero drops it on both sides.
        let unsigned_zero = |v: &[f32]| bits(&v.iter().map(|v| v + 0.0).collect::<Vec<_>>());
        prop_assert_eq!(unsigned_zero(&read), unsigned_zero(&expected));
    }

    #[test]
    fn a_window_is_the_crop_of_the_whole(
        width in 1_usize..40, height in 1_usize..12, planes in 1_usize..4, unsigned in any::<bool>(),
        a in any::<[prop::sample::Index; 4]>(), plane in any::<prop::sample::Index>(),
    ) {
        let (_folder, path) = temp("w.fits");
        let n = width * height * planes;
        let dims = [width, height, planes];
        if unsigned {
            let values: Vec<u16> = (0..n).map(|i| (i * 40503) as u16).collect();
            write_image(&path, &Header::new(), ImageData::U16(&values), &dims).unwrap();
        } else {
            let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
            write_image(&path, &Header::new(), ImageData::F32(&values), &dims).unwrap();
        }
        let plane = plane.index(planes);
        let (x0, y0) = (a[0].index(width), a[1].index(height));
        let window = Window { x0, y0, width: a[2].index(width - x0 + 1), height: a[3].index(height - y0 + 1) };
        let whole = read_plane(&path, 0, plane);
        let crop: Vec<f32> = (0..window.height)
            .flat_map(|y| &whole[(y0 + y) * width + x0..][..window.width])
            .copied()
            .collect();
        prop_assert_eq!(bits(&read(&path, 0, plane, window).unwrap()), bits(&crop));
    }
}

#[test]
fn windows_across_the_chunk_size() {
    let (_folder, path) = temp("wide.fits");
    let (width, height) = (70_001, 5);
    let values: Vec<f32> = (0..width * height).map(|i| i as f32).collect();
    write_image(&path, &Header::new(), ImageData::F32(&values), &[width, height]).unwrap();
    for (x0, w) in [(0, width), (1, width - 1), (5, 30_000), (69_000, 1_001), (123, 7)] {
        let out = read(&path, 0, 0, Window { x0, y0: 1, width: w, height: 4 }).unwrap();
        for (y, row) in out.chunks_exact(w).enumerate() {
            assert_eq!(row, &values[(y + 1) * width + x0..][..w], "columns {x0} + {w}");
        }
    }
}

/// Reads windows of planes, each with a plain read beside it: equal bits and equal kinds of errors.
fn assert_kept_rows_change_nothing(path: &Path, layouts: &[ImageLayout], rows: usize, windows: &[Window]) {
    let (pool, mut kept, mut plain) = (FilePool::new(4), ReadScratch::default(), ReadScratch::default());
    kept.keep_rows(rows);
    for window in windows {
        for layout in layouts {
            for plane in 0..layout.planes() {
                let [mut found, mut expected] = [0, 1].map(|_| vec![-1.0; window.area()]);
                let read = |scratch: &mut ReadScratch, out: &mut [f32]| {
                    read_window(&pool, path, layout, plane, *window, scratch, out)
                };
                let ended = [read(&mut kept, &mut found), read(&mut plain, &mut expected)];
                assert_eq!(ended[0].is_ok(), ended[1].is_ok(), "{window:?}, {rows} rows: {ended:?}");
                let is_cut =
                    |ended: &Result<(), FitsError>| matches!(ended, Err(FitsError::Truncated { .. }));
                assert_eq!(is_cut(&ended[0]), is_cut(&ended[1]), "{window:?}, {rows} rows: {ended:?}");
                if ended[1].is_ok() {
                    assert_eq!(bits(&found), bits(&expected), "{window:?} of plane {plane}, {rows} rows");
                }
            }
        }
    }
}

/// Windows in an image of 61 x 47 pixels: a step apart from bottom to top, and in no order. Some are as wide as the image, as high, or
/// higher than what is kept.
fn windows_of_61_by_47() -> [Vec<Window>; 2] {
    let one = |i: usize| {
        let (width, height) = ([3, 9, 30, 61][i % 4], [5, 1, 11, 8, 47][i % 5]);
        Window { x0: i * 17 % (62 - width), y0: i * 29 % (48 - height), width, height }
    };
    let mixed: Vec<Window> = (0..90).map(one).collect();
    let mut sorted = mixed.clone();
    sorted.sort_by_key(|window| window.y0);
    [sorted, mixed]
}

#[test]
fn kept_rows_change_no_bit() {
    let (_folder, path) = temp("kept.fits");
    let values: Vec<i16> = (0..61 * 47 * 3).map(|i| (i * 40_503 % 65_536 - 32_768) as i16).collect();
    write_image(&path, &scaling(0.5, 32.0, Some(7)), ImageData::I16(&values), &[61, 47, 3]).unwrap();
    // A second image with other samples in the same file: three colours that vary fastest.
    let mut bytes = fs::read(&path).unwrap();
    let mut header = Header::for_image(HduRole::Extension, SampleType::F32, &[3, 61, 47]);
    header.set_f64("BZERO", 3.0, "");
    bytes.extend(header.to_bytes());
    bytes.extend((0..61 * 47 * 3).flat_map(|i| (i as f32).sqrt().to_be_bytes()));
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    fs::write(&path, &bytes).unwrap();
    let layouts = [layout(&path, 0), layout(&path, 1).as_planes()];
    assert_eq!(layouts.each_ref().map(|layout| (layout.planes(), layout.interleave)), [(3, 1), (3, 3)]);
    for windows in windows_of_61_by_47() {
        for rows in [1, 5, 11, 12, 40, 47, 1000] {
            assert_kept_rows_change_nothing(&path, &layouts, rows, &windows);
        }
    }
    // What is there of a file that ends early is read, and the rest is an error, with kept rows or without. Images end in their first
    // plane, in the last, or among the colours.
    let whole = bytes.len() as u64;
    let file = fs::File::options().write(true).open(&path).unwrap();
    for length in
        [whole - 4000, layouts[1].data_offset + 9000, layouts[0].data_offset + 61 * 47 * 5, 2880 + 3000]
    {
        file.set_len(length).unwrap();
        for windows in windows_of_61_by_47() {
            for rows in [11, 40] {
                assert_kept_rows_change_nothing(&path, &layouts, rows, &windows);
            }
        }
    }
}

#[test]
fn kept_rows_are_in_memory_until_they_are_not_kept() {
    // As many planes as a colour frame with masters has: each must find its rows again.
    let (_folder, path) = temp("kept.fits");
    let (width, height, planes) = (40, 30, 18);
    let values: Vec<f32> = (0..width * height * planes).map(|i| i as f32).collect();
    write_image(&path, &Header::new(), ImageData::F32(&values), &[width, height, planes]).unwrap();
    let (pool, layout, mut scratch) = (FilePool::new(1), layout(&path, 0), ReadScratch::default());
    let read_all = |y0: usize, scratch: &mut ReadScratch| {
        let window = Window { x0: 7, y0, width: 5, height: 4 };
        let one = |plane: usize| {
            let mut out = vec![0.0; window.area()];
            read_window(&pool, &path, &layout, plane, window, scratch, &mut out)?;
            Ok::<f32, FitsError>(out[0])
        };
        (0..planes).map(one).collect::<Result<Vec<f32>, FitsError>>()
    };
    let expected =
        |y: usize| -> Vec<f32> { (0..planes).map(|p| ((p * height + y) * width + 7) as f32).collect() };
    scratch.keep_rows(12);
    assert_eq!(read_all(3, &mut scratch).unwrap(), expected(3));
    // Whatever is served now is not read again.
    fs::File::options().write(true).open(&path).unwrap().set_len(2880).unwrap();
    assert_eq!(read_all(5, &mut scratch).unwrap(), expected(5));
    assert_eq!(read_all(11, &mut scratch).unwrap(), expected(11));
    assert!(matches!(read_all(12, &mut scratch), Err(FitsError::Truncated { .. })));
    scratch.keep_rows(0);
    assert!(matches!(read_all(5, &mut scratch), Err(FitsError::Truncated { .. })));
    // Nothing of it is left: not even a row takes as many letters.
    assert!(format!("{scratch:?}").len() < 2000);
}

#[test]
fn requests_outside_the_image_are_errors() {
    let (_folder, path) = temp("small.fits");
    write_image(&path, &Header::new(), ImageData::I16(&[1, 2, 3, 4, 5, 6]), &[3, 2]).unwrap();
    let bad = [(1, 0, 3, 2), (0, 1, 3, 2), (usize::MAX, 0, 2, 1), (0, 0, 4, 1)];
    for (x0, y0, width, height) in bad {
        let error = read(&path, 0, 0, Window { x0, y0, width, height }).unwrap_err();
        assert!(matches!(error, FitsError::BadRequest { .. }), "{error}");
    }
    assert!(read(&path, 0, 1, Window { x0: 0, y0: 0, width: 1, height: 1 }).is_err());
    let (pool, mut scratch) = (FilePool::new(1), ReadScratch::default());
    let window = Window { x0: 0, y0: 0, width: 2, height: 1 };
    assert!(read_window(&pool, &path, &layout(&path, 0), 0, window, &mut scratch, &mut [0.0; 3]).is_err());
    assert!(write_image(&path, &Header::new(), ImageData::I16(&[1, 2]), &[3, 2]).is_err());
    assert_eq!(read_plane(&path, 0, 0), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn a_truncated_file_says_what_is_missing() {
    let (_folder, path) = temp("cut.fits");
    write_image(&path, &Header::new(), ImageData::U16(&vec![7; 100 * 100]), &[100, 100]).unwrap();
    let (whole, needed) = (layout(&path, 0), 2880 + 20_000);
    // Missing padding is no truncation; Hipsgen writes such files.
    fs::File::options().write(true).open(&path).unwrap().set_len(needed).unwrap();
    assert_eq!(scan(&path).unwrap().truncated, None);
    assert_eq!(read_plane(&path, 0, 0), vec![7.0; 10_000]);

    fs::File::options().write(true).open(&path).unwrap().set_len(12_000).unwrap();
    let fits = scan(&path).unwrap();
    let cut = fits.truncated.unwrap();
    assert_eq!((cut.hdu, cut.expected, cut.found), (0, needed, 12_000));
    assert!(matches!(fits.require_complete(), Err(FitsError::Truncated { .. })));
    // The rows that are there can be read, the others are an error that names the file.
    assert!(read(&path, 0, 0, Window { x0: 0, y0: 0, width: 100, height: 45 }).is_ok());
    for width in [100, 60, 3] {
        match read(&path, 0, 0, Window { x0: 0, y0: 0, width, height: 100 }).unwrap_err() {
            FitsError::Truncated { path: named, hdu: 0, expected, found } => {
                assert_eq!((named.as_path(), expected), (path.as_path(), needed));
                assert_eq!(found, 12_000);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(whole, layout(&path, 0));

    fs::File::options().write(true).open(&path).unwrap().set_len(400).unwrap();
    assert!(matches!(scan(&path), Err(FitsError::Truncated { hdu: 0, .. })));
}

#[test]
fn files_that_are_no_fits() {
    let (folder, path) = temp("x.fits");
    for contents in [&b""[..], b"SIMP", b"hello world, this is text", &[0; 5000]] {
        fs::write(&path, contents).unwrap();
        assert!(matches!(scan(&path), Err(FitsError::NotFits { .. })), "{contents:?}");
    }
    assert!(matches!(scan(&folder.path().join("none.fits")), Err(FitsError::Io { .. })));
    let card = |text: &str| format!("{text:<80}");
    let bad =
        [["BITPIX  = 12", "NAXIS   = 0"], ["BITPIX  = 8", "NAXIS   = 1"], ["BITPIX  = 8", "NAXIS   = -1"]];
    for [bitpix, naxis] in bad {
        fs::write(
            &path,
            card("SIMPLE  = T") + &card(bitpix) + &card(naxis) + &card("END") + &" ".repeat(2560),
        )
        .unwrap();
        let error = scan(&path).unwrap_err();
        assert!(matches!(&error, FitsError::BadHeader { path: p, .. } if *p == path), "{error}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_files_unpack_member_by_member() {
    unpacks_member_by_member(Packed::Gzip, gzip);
    unpacks_member_by_member(Packed::Bzip2, bzip2);
}

fn unpacks_member_by_member(kind: Packed, pack: fn(&[u8]) -> Vec<u8>) {
    let (folder, path) = temp("a.fits");
    let values: Vec<i32> = (0..300_000).collect();
    let mut extras = Header::new();
    extras.set_str("OBJECT", "M 42", "");
    (0..100).for_each(|i| extras.set_i64(&format!("KEY{i}"), i, ""));
    write_image(&path, &extras, ImageData::I32(&values), &[600, 500]).unwrap();
    let plain = fs::read(&path).unwrap();
    let packed = folder.path().join("a.fits.packed");
    let dest = folder.path().join("spill/a.fits");
    fs::create_dir(dest.parent().unwrap()).unwrap();

    let one = pack(&plain);
    let many: Vec<u8> = plain.chunks(100_000).chain([&[][..]]).flat_map(pack).collect();
    let padded = [one.clone(), vec![0; 512]].concat();
    for bytes in [&one, &many, &padded] {
        fs::write(&packed, bytes).unwrap();
        assert_eq!((packed_kind(&packed).unwrap(), packed_kind(&path).unwrap()), (Some(kind), None));
        assert!(is_packed(&packed).unwrap() && !is_packed(&path).unwrap());
        assert!(matches!(scan(&packed), Err(FitsError::Unsupported { .. })));
        let header = scan_packed_header(&packed).unwrap();
        assert_eq!(header, scan(&path).unwrap().hdus[0].header);
        assert_eq!(scan_packed(&packed).unwrap(), scan(&path).unwrap().hdus[0]);
        assert_eq!(unpack_packed(&packed, &dest).unwrap(), plain.len() as u64);
        assert_eq!(fs::read(&dest).unwrap(), plain);
        let mut streamed = Vec::new();
        open_unpacked(&packed).unwrap().read_to_end(&mut streamed).unwrap();
        assert!(streamed == plain);
    }

    fs::remove_file(&dest).unwrap();
    let mut broken = one.clone();
    broken[one.len() / 2] ^= 0x55;
    for bytes in [&one[..one.len() / 2], &broken, &one[..one.len() - 5]] {
        fs::write(&packed, bytes).unwrap();
        assert!(matches!(unpack_packed(&packed, &dest), Err(FitsError::Damaged { .. })));
    }
    assert_eq!(
        fs::read_dir(dest.parent().unwrap()).unwrap().count(),
        0,
        "nothing is left of a failed unpacking"
    );
    fs::write(&packed, pack(b"no FITS at all")).unwrap();
    assert!(matches!(scan_packed_header(&packed), Err(FitsError::NotFits { .. })));
    fs::write(&packed, pack(&plain[..800])).unwrap();
    assert!(matches!(scan_packed_header(&packed), Err(FitsError::BadHeader { .. })));
}

/// The bzip2 program's own files, if it is here.
#[test]
fn files_of_the_bzip2_program() {
    let (_folder, path) = temp("a.fits");
    let values: Vec<i32> = (0..2_000_000).map(|i| i % 1_009 * (i % 64_007)).collect();
    write_image(&path, &Header::new(), ImageData::I32(&values), &[2_000, 1_000]).unwrap();
    let packed = path.with_extension("fits.bz2");
    if std::process::Command::new("bzip2").arg("-k").arg(&path).status().is_err() {
        // A convenience of this machine; the format is also tested with the library's own encoder.
        return;
    }
    let dest = path.with_extension("unpacked");
    unpack_packed(&packed, &dest).unwrap();
    assert!(fs::read(&dest).unwrap() == fs::read(&path).unwrap());
}

#[test]
fn files_of_compress_are_refused_by_name() {
    let (_folder, path) = temp("a.fits.Z");
    fs::write(&path, b"\x1f\x9d\x90and more").unwrap();
    for error in [packed_kind(&path).err(), scan(&path).err(), scan_packed_header(&path).err()] {
        assert!(error.as_ref().is_some_and(|e| e.to_string().contains("compress (.Z")), "{error:?}");
    }
}

#[test]
fn a_tile_compressed_image_in_a_packed_file() {
    let (folder, path) = temp("a.fits");
    let values: Vec<i32> = (0..3_000).collect();
    write_image(&path, &Header::new(), ImageData::I32(&values), &[100, 30]).unwrap();
    let tiled = folder.path().join("a.fits.fz");
    compress_product(&path, &tiled, &CompressOptions::default(), Overwrite::Refuse).unwrap();
    let dest = folder.path().join("image.fits");
    let expected = read_plane(&path, 0, 0);
    for pack in [gzip, bzip2] {
        let packed = folder.path().join("a.fits.fz.packed");
        fs::write(&packed, pack(&fs::read(&tiled).unwrap())).unwrap();
        assert_eq!(scan_packed_hdus(&packed).unwrap(), scan(&tiled).unwrap().hdus);
        let image = unpack_image(&packed, 1, &dest).unwrap();
        assert_eq!((image, read_plane(&dest, 0, 0)), (layout(&dest, 0), expected.clone()));
        assert!(matches!(unpack_image(&packed, 2, &dest), Err(FitsError::BadRequest { .. })));
        let bytes = fs::read(&tiled).unwrap();
        fs::write(&packed, pack(&bytes[..bytes.len() - 2_880])).unwrap();
        let error = unpack_image(&packed, 1, &dest).unwrap_err();
        assert!(error.to_string().contains("a.fits.fz.packed"), "{error}");
        // The three files above and the image: no copy is left.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
    unpack_image(&tiled, 1, &dest).unwrap();
    assert_eq!(read_plane(&dest, 0, 0), expected);
}

#[test]
fn the_pool_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..8).map(|i| folder.path().join(format!("{i}"))).collect();
    for path in &paths {
        fs::write(path, path.to_str().unwrap()).unwrap();
    }
    let pool = FilePool::new(3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (pool, paths) = (&pool, &paths);
            scope.spawn(move || {
                for i in 0..200 {
                    let path = &paths[(i * (thread + 1)) % paths.len()];
                    let length = pool.get(path).unwrap().metadata().unwrap().len();
                    assert_eq!(length, path.to_str().unwrap().len() as u64);
                    assert!(pool.open_files() <= 3);
                }
            });
        }
    });
    assert!(matches!(pool.get(Path::new("/nonexistent/file")), Err(FitsError::Io { .. })));
}

/// Prints the speed of hot reads; timings are never asserted.
#[test]
fn print_throughput() {
    let (_folder, path) = temp("big.fits");
    let (width, height) = (4096, 2048);
    let n = width * height;
    let mut scratch = ReadScratch::default();
    let mut out = vec![0.0; n];
    let shorts: Vec<u16> = (0..n).map(|i| i as u16).collect();
    let longs: Vec<i32> = (0..n).map(|i| i as i32).collect();
    let singles: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let cases = [ImageData::U16(&shorts), ImageData::I32(&longs), ImageData::F32(&singles)];
    for data in cases {
        write_image(&path, &Header::new(), data, &[width, height]).unwrap();
        // A new pool: the file under this name is another one now.
        let pool = FilePool::new(1);
        let layout = layout(&path, 0);
        for (name, x0, w) in
            [("full rows", 0, width), ("3/4 rows", 100, width * 3 / 4), ("1/8 rows", 100, width / 8)]
        {
            let window = Window { x0, y0: 0, width: w, height };
            let mut best = f64::MAX;
            for _ in 0..7 {
                let start = std::time::Instant::now();
                read_window(&pool, &path, &layout, 0, window, &mut scratch, &mut out[..w * height]).unwrap();
                best = best.min(start.elapsed().as_secs_f64());
            }
            let bytes = (w * height * layout.sample.bytes()) as f64;
            let pixels = (w * height) as f64;
            println!(
                "{:?} {name}: {:.2} GB/s, {:.2} ns/px",
                layout.sample,
                bytes / best / 1e9,
                best * 1e9 / pixels
            );
        }
    }
}

/// `/dev/full` answers every write with "no space left on device".
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_while_unpacking_is_named() {
    let (folder, path) = temp("a.fits.gz");
    fs::write(&path, gzip(&vec![7; 100_000])).unwrap();
    let dest = folder.path().join("a.fits");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("a.fits.partial")).unwrap();
    let error = unpack_packed(&path, &dest).unwrap_err();
    assert!(matches!(error, FitsError::DiskFull { needed, .. } if needed > 0), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Found by mutation: each of these made the table reader panic or ask for memory that no file has.
#[test]
fn malformed_tables_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.fits");
    let table = |numbers: [(&str, i64); 4], form: &str| {
        let mut primary = Header::for_image(HduRole::Primary, SampleType::U8, &[]).to_bytes();
        let mut header = Header::new();
        header.set_str("XTENSION", "BINTABLE", "");
        header.set_i64("BITPIX", 8, "");
        for (key, value) in numbers {
            header.set_i64(key, value, "");
        }
        header.set_i64("TFIELDS", 1, "");
        let mut card = [b' '; 80];
        let text = format!("TFORM1  = '{form}'").into_bytes();
        card[..text.len()].copy_from_slice(&text);
        header.push_card(card);
        primary.extend(header.to_bytes());
        primary.extend([0; 2880]);
        std::fs::write(&path, primary).unwrap();
        read_table(&path, 1)
    };
    let sound = [("NAXIS", 2), ("NAXIS1", 16), ("NAXIS2", 2), ("PCOUNT", 0)];
    assert!(table(sound, "2D").is_ok());
    assert!(matches!(table(sound, "2D £"), Err(FitsError::Unsupported { .. })));
    assert!(matches!(table(sound, "18446744073709551615D"), Err(FitsError::BadHeader { .. })));
    let empty_rows = [("NAXIS", 2), ("NAXIS1", 0), ("NAXIS2", 1 << 40), ("PCOUNT", 0)];
    assert!(matches!(table(empty_rows, "0A"), Err(FitsError::BadHeader { .. })));
    let no_axes = [("NAXIS", 0), ("NAXIS1", 1 << 31), ("NAXIS2", 1 << 31), ("PCOUNT", 0)];
    assert!(matches!(table(no_axes, "2D"), Err(FitsError::BadHeader { .. })));
}
