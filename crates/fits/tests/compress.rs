//! Products as tile-compressed files: what comes back, and what other programs say of them.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use std::path::{Path, PathBuf};
use zemosaic_fits::{
    CheckState, Column, ColumnData, CompressOptions, DataSpec, FilePool, FitsError, Hdu, HduKind, HduRole,
    HduSpec, Header, ImageData, Overwrite, ProductCodec, ProductWriter, SampleType, TableSpec, Window,
    compress_product, read_compressed_window, read_table, scan, unpack_compressed, verify_checksums,
    write_image,
};

const LOSSLESS: CompressOptions = CompressOptions { codec: ProductCodec::Gzip, quantize: None };

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Nearly Gaussian noise of sigma 1, different at every place.
fn noise(at: usize) -> f32 {
    let mut state = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut sum = 0.0;
    for _ in 0..12 {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        sum += (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / 16_777_216.0;
    }
    sum - 6.0
}

/// A sky with stars, a corner without data and exact zeros.
fn sky(width: usize, height: usize, planes: usize) -> Vec<f32> {
    let value = |i: usize| {
        let (x, y) = (i % width, i / width % height);
        match () {
            () if x + y < width / 4 || y == 3 => f32::NAN,
            () if x == y => 0.0,
            () if i.is_multiple_of(997) => 40_000.0 + noise(i),
            () => 300.0 + 0.01 * x as f32 + 5.0 * noise(i),
        }
    };
    (0..width * height * planes).map(value).collect()
}

/// An image in the primary HDU, a cube, an integer plane and a table.
fn product(path: &Path, width: usize, height: usize) {
    let mut primary = Header::for_image(HduRole::Primary, SampleType::F32, &[width, height]);
    primary.set_str("BUNIT", "adu", "");
    primary.set_str("OBJECT", &"a long name ".repeat(9), "");
    primary.push_history("made by a test");
    primary.push_blank(20);
    let named = |name: &str, sample, dims: &[usize]| {
        let mut header = Header::for_image(HduRole::Extension, sample, dims);
        header.set_str("EXTNAME", name, "");
        header
    };
    let cube = vec![width, height, 3];
    let hdus = vec![
        HduSpec { header: primary, data: DataSpec::F32 { dims: vec![width, height] } },
        HduSpec { header: named("RGB", SampleType::F32, &cube), data: DataSpec::F32 { dims: cube } },
        HduSpec {
            header: named("DEPTH", SampleType::I32, &[width, height]),
            data: DataSpec::I32 { dims: vec![width, height] },
        },
    ];
    let writer = ProductWriter::create(path, hdus, Overwrite::Replace).unwrap();
    let full = Window { x0: 0, y0: 0, width, height };
    writer.write_f32(0, 0, full, &sky(width, height, 1)).unwrap();
    for (plane, values) in sky(width, height, 3).chunks_exact(width * height).enumerate() {
        writer.write_f32(1, plane, full, values).unwrap();
    }
    writer.write_i32(2, 0, full, &depth(width, height)).unwrap();
    let columns = vec![Column { name: "ID".into(), unit: None, data: ColumnData::I32(vec![1, 2, 3]) }];
    writer.finish_with_table(Vec::new(), TableSpec { extname: "FRAMES".into(), columns }).unwrap();
}

fn depth(width: usize, height: usize) -> Vec<i32> {
    (0..width * height).map(|i| (i % width / 7 + i / width / 5) as i32).collect()
}

fn planes(path: &Path, hdu: &Hdu) -> Vec<f32> {
    let layout = hdu.compressed().unwrap();
    let full = Window::full(&layout.image);
    let pool = FilePool::new(1);
    let read = |plane| {
        let mut out = vec![0.0; full.area()];
        read_compressed_window(&pool, path, layout, plane, full, &mut out).unwrap();
        out
    };
    let all: Vec<f32> = (0..layout.image.planes()).flat_map(read).collect();
    let plain = path.with_extension("unpacked");
    let image = unpack_compressed(path, hdu, &plain).unwrap();
    let unpacked: Vec<f32> = (0..image.planes()).flat_map(|p| common::read_plane(&plain, 0, p)).collect();
    assert_eq!(common::bits(&unpacked), common::bits(&all));
    all
}

fn assert_sound(path: &Path) {
    common::assert_fitsverify_clean(path);
    for check in verify_checksums(path).unwrap() {
        assert_eq!((check.datasum, check.checksum), (CheckState::Good, CheckState::Good), "{check:?}");
    }
}

/// Largest difference; NaN must meet NaN, exact zeros exact zeros.
fn largest_difference(ours: &[f32], original: &[f32]) -> f32 {
    assert_eq!(ours.len(), original.len());
    let difference = |(a, b): (&f32, &f32)| {
        assert!(a.is_nan() == b.is_nan() && (*b != 0.0 || *a == 0.0), "{a} {b}");
        if a.is_nan() { 0.0 } else { (a - b).abs() }
    };
    ours.iter().zip(original).map(difference).fold(0.0, f32::max)
}

#[test]
fn a_product_comes_back() {
    let folder = Folder::new();
    let (plain, packed) = (folder.file("plain.fits"), folder.file("packed.fits"));
    let (width, height) = (701, 90);
    product(&plain, width, height);
    for options in
        [CompressOptions::default(), LOSSLESS, CompressOptions { quantize: None, ..Default::default() }]
    {
        let length = compress_product(&plain, &packed, &options, Overwrite::Replace).unwrap();
        assert_eq!(length, std::fs::metadata(&packed).unwrap().len());
        assert_sound(&packed);
        let (before, after) = (scan(&plain).unwrap(), scan(&packed).unwrap());
        assert_eq!(after.hdus.len(), before.hdus.len() + 1);
        assert_eq!(after.hdus[0].kind, HduKind::Empty);
        for (old, new) in before.hdus.iter().zip(&after.hdus[1..]) {
            let Some(restored) = new.restored_header() else {
                assert_eq!(old.header, new.header);
                assert_eq!(read_table(&plain, old.index).unwrap(), read_table(&packed, new.index).unwrap());
                continue;
            };
            // Every card that is not of the form of the file comes back in its place.
            let kept = |header: &Header| {
                let mut kept = Header::new();
                kept.extend_from(header, |key| {
                    !["SIMPLE", "XTENSION", "EXTEND", "PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM"]
                        .contains(&key)
                });
                kept
            };
            assert_eq!(kept(&restored), kept(&old.header));
        }
        let lossy = options == CompressOptions::default();
        for (hdu, count) in [(1, 1), (2, 3)] {
            let worst = largest_difference(&planes(&packed, &after.hdus[hdu]), &sky(width, height, count));
            // Half a step of 5/16 in the middle; the noise of a tile is known to a few per cent, and 16 bits of a
            // bright star's mantissa are coarser than a step.
            assert!(if lossy { worst > 0.1 && worst < 0.19 } else { worst == 0.0 }, "{options:?}: {worst}");
        }
        let expected: Vec<f32> = depth(width, height).iter().map(|&v| v as f32).collect();
        assert_eq!(planes(&packed, &after.hdus[3]), expected);
    }
}

/// The error of a quantised plane is uniform: its variance is step^2 / 12, and it is not biased.
#[test]
fn what_quantisation_adds() {
    let folder = Folder::new();
    let (plain, packed) = (folder.file("plain.fits"), folder.file("packed.fits"));
    let values: Vec<f32> = (0..400 * 400).map(|i| 1_000.0 + 8.0 * noise(i)).collect();
    write_image(&plain, &Header::new(), ImageData::F32(&values), &[400, 400]).unwrap();
    compress_product(&plain, &packed, &CompressOptions::default(), Overwrite::Refuse).unwrap();
    let read = planes(&packed, &scan(&packed).unwrap().hdus[1]);
    let errors = || read.iter().zip(&values).map(|(a, b)| f64::from(a - b));
    let mean = errors().sum::<f64>() / values.len() as f64;
    let sigma = (errors().map(|e| e * e).sum::<f64>() / values.len() as f64).sqrt();
    let expected = 8.0 / 16.0 / 12.0_f64.sqrt();
    println!("quantisation: mean error {mean:.5}, sigma {sigma:.4}, step/sqrt(12) = {expected:.4}");
    assert!(mean.abs() < 0.002 && (sigma / expected - 1.0).abs() < 0.03, "{mean} {sigma}");
}

#[test]
fn odd_shapes_and_hopeless_tiles() {
    let folder = Folder::new();
    let (plain, packed) = (folder.file("plain.fits"), folder.file("packed.fits"));
    let shapes: [&[usize]; 8] =
        [&[1, 1], &[1, 9_000], &[3, 5_000], &[9_000, 1], &[5_000], &[40, 30, 3], &[7, 5, 2, 3], &[4_097, 3]];
    for dims in shapes {
        let n = dims.iter().product();
        let floats: [Vec<f32>; 4] = [
            (0..n).map(noise).collect(),
            vec![f32::NAN; n],
            vec![7.25; n],
            (0..n).map(|i| if i % 5 == 0 { f32::NAN } else { noise(i) * 1.0e-30 }).collect(),
        ];
        for (case, values) in floats.iter().enumerate() {
            write_image(&plain, &Header::new(), ImageData::F32(values), dims).unwrap();
            compress_product(&plain, &packed, &CompressOptions::default(), Overwrite::Replace).unwrap();
            assert_sound(&packed);
            let read = planes(&packed, &scan(&packed).unwrap().hdus[1]);
            let limit = [0.045, 0.0, 0.0, 0.045e-30][case];
            assert!(largest_difference(&read, values) <= limit, "{dims:?} {case}");
        }
    }
}

#[test]
fn integers_and_doubles_of_every_width() {
    let folder = Folder::new();
    let (plain, packed) = (folder.file("plain.fits"), folder.file("packed.fits"));
    let extremes = [i32::MIN, i32::MAX, 0, -1, 1, i32::MIN, i32::MIN, i32::MAX];
    let wide: Vec<i32> = (0..6_000).map(|i| extremes[(i * i / 7) % 8]).collect();
    let narrow: Vec<i16> = wide.iter().map(|&v| (v >> 16) as i16).collect();
    let unsigned: Vec<u16> = narrow.iter().map(|&v| v as u16).collect();
    let doubles: Vec<f64> = (0..6_000).map(|i| f64::from(noise(i)) * 1.0e-3 + 1.0e6).collect();
    let long: Vec<i64> = wide.iter().map(|&v| i64::from(v) << 31).collect();
    let bytes: Vec<u8> = wide.iter().map(|&v| (v >> 24) as u8).collect();
    let cases = [
        ImageData::I32(&wide),
        ImageData::I64(&long),
        ImageData::U8(&bytes),
        ImageData::I16(&narrow),
        ImageData::U16(&unsigned),
        ImageData::F64(&doubles),
    ];
    for (case, data) in cases.into_iter().enumerate() {
        write_image(&plain, &Header::new(), data, &[600, 10]).unwrap();
        let expected = common::read_plane(&plain, 0, 0);
        for options in [CompressOptions::default(), LOSSLESS] {
            compress_product(&plain, &packed, &options, Overwrite::Replace).unwrap();
            assert_sound(&packed);
            let read = planes(&packed, &scan(&packed).unwrap().hdus[1]);
            assert_eq!(common::bits(&read), common::bits(&expected), "{case} {options:?}");
            if case < 5 || options == LOSSLESS {
                // Not only as f32: every byte.
                let unpacked = std::fs::read(packed.with_extension("unpacked")).unwrap();
                let (from, to) = (
                    unpacked.len() - common::layout(&plain, 0).data_bytes().next_multiple_of(2880) as usize,
                    unpacked.len(),
                );
                let bytes = std::fs::read(&plain).unwrap();
                assert_eq!(unpacked[from..to], bytes[bytes.len() - (to - from)..]);
            }
        }
    }
}

#[test]
fn equal_bytes_for_any_number_of_threads() {
    let folder = Folder::new();
    let plain = folder.file("plain.fits");
    product(&plain, 500, 64);
    let bytes = |threads, options: &CompressOptions| {
        let dest = folder.file(&format!("{threads}.fits"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compress_product(&plain, &dest, options, Overwrite::Replace)).unwrap();
        std::fs::read(&dest).unwrap()
    };
    for options in [CompressOptions::default(), LOSSLESS] {
        let one = bytes(1, &options);
        assert!(one == bytes(4, &options) && one == bytes(4, &options));
    }
}

#[test]
fn in_place_and_refusals() {
    let folder = Folder::new();
    let (plain, dest) = (folder.file("plain.fits"), folder.file("dest.fits"));
    product(&plain, 50, 40);
    let options = CompressOptions::default();
    compress_product(&plain, &dest, &options, Overwrite::Refuse).unwrap();
    let again = compress_product(&plain, &dest, &options, Overwrite::Refuse);
    assert!(matches!(again, Err(FitsError::Exists { .. })), "{again:?}");
    for q in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = CompressOptions { quantize: Some(q), ..options };
        let result = compress_product(&plain, &dest, &options, Overwrite::Replace);
        assert!(matches!(result, Err(FitsError::BadRequest { .. })), "{result:?}");
    }
    compress_product(&plain, &plain, &options, Overwrite::Replace).unwrap();
    let compressed = std::fs::read(&dest).unwrap();
    assert!(std::fs::read(&plain).unwrap() == compressed);
    // Nothing is left to compress: the file is copied.
    compress_product(&plain, &dest, &options, Overwrite::Replace).unwrap();
    assert!(std::fs::read(&dest).unwrap() == compressed);
    std::fs::write(&plain, &compressed[..compressed.len() / 2]).unwrap();
    let cut = compress_product(&plain, &dest, &options, Overwrite::Replace);
    assert!(matches!(cut, Err(FitsError::Truncated { .. })), "{cut:?}");
    assert!(std::fs::read(&dest).unwrap() == compressed);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 2);
}

/// Prints sizes and speed for the product named by `ZEMOSAIC_PRODUCT` (kept beside it), else for a made one; timings are
/// never asserted.
#[test]
fn print_sizes_and_speed() {
    let folder = Folder::new();
    let named = std::env::var_os("ZEMOSAIC_PRODUCT").map(PathBuf::from);
    let plain = named.clone().unwrap_or_else(|| {
        product(&folder.file("plain.fits"), 1_000, 300);
        folder.file("plain.fits")
    });
    let before = std::fs::metadata(&plain).unwrap().len() as f64;
    let rice = |q| CompressOptions { quantize: q, ..CompressOptions::default() };
    for (name, options) in [
        ("rice16", rice(Some(16.0))),
        ("rice4", rice(Some(4.0))),
        ("rice_lossless", rice(None)),
        ("gzip", LOSSLESS),
    ] {
        let dest = match &named {
            Some(plain) => plain.with_extension(format!("{name}.fz")),
            None => folder.file(name),
        };
        let started = std::time::Instant::now();
        let after = compress_product(&plain, &dest, &options, Overwrite::Replace).unwrap() as f64;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{name}: {:.1} MB of {:.1} MB ({:.2} to 1), {:.0} MB/s with {} threads",
            after / 1.0e6,
            before / 1.0e6,
            before / after,
            before / 1.0e6 / seconds,
            rayon::current_num_threads()
        );
    }
}
