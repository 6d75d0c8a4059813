//! The files of other projects' test suites, against what astropy reads from them.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use serde_json::Value;
use std::path::Path;
use zemosaic_fits::{
    CheckState, ColumnData, FilePool, FitsError, Hdu, HduKind, Header, ImageLayout, SampleType, Window,
    is_packed, read_compressed_window, read_table, scan, scan_packed_hdus, unpack_compressed,
    verify_checksums,
};

/// astropy's HDU type for one of ours.
fn astropy_types(kind: &HduKind, index: usize) -> &'static [&'static str] {
    match kind {
        HduKind::Image(_) if index == 0 => &["PrimaryHDU"],
        // astropy names a primary HDU with GROUPS = T and no axes after the keyword; there is nothing in it.
        HduKind::Empty if index == 0 => &["PrimaryHDU", "GroupsHDU"],
        HduKind::Image(_) | HduKind::Empty => &["ImageHDU"],
        HduKind::BinTable => &["BinTableHDU"],
        HduKind::AsciiTable => &["TableHDU"],
        HduKind::CompressedImage(_) | HduKind::BadCompressedImage(_) => &["CompImageHDU"],
        HduKind::RandomGroups => &["GroupsHDU"],
        HduKind::Other => &["NonstandardExtHDU"],
    }
}

fn check_shape(name: &str, dims: &[usize], golden: &Value) {
    let shape: Vec<usize> =
        golden["shape"].as_array().unwrap().iter().rev().map(|n| n.as_u64().unwrap() as usize).collect();
    assert_eq!(dims, shape, "{name}");
}

/// numpy's type of the physical values: scaled integers are floats, the BZERO conventions unsigned integers.
fn check_type(name: &str, image: &ImageLayout, golden: &Value) {
    let (scaled, bits) = (image.bscale != 1.0 || image.bzero != 0.0, image.sample.bytes() * 8);
    let ours = match image.sample {
        SampleType::F32 | SampleType::F64 => format!("float{bits}"),
        SampleType::U8 if !scaled => "uint8".into(),
        SampleType::I16 if image.is_unsigned16() => "uint16".into(),
        SampleType::I32 if image.bscale == 1.0 && image.bzero == 2_147_483_648.0 => "uint32".into(),
        _ if !scaled && image.blank.is_none() => format!("int{bits}"),
        SampleType::U8 | SampleType::I16 => "float32".into(),
        _ => "float64".into(),
    };
    assert_eq!(golden["dtype"], ours, "{name}: {image:?}");
}

fn check_plain(path: &Path, hdu: usize, golden: &Value) {
    let name = format!("{}[{hdu}]", path.display());
    let layout = common::layout(path, hdu);
    check_shape(&name, &layout.dims, golden);
    check_type(&name, &layout, golden);
    let pixels: Vec<f32> = (0..layout.planes()).flat_map(|p| common::read_plane(path, hdu, p)).collect();
    check_pixels(&name, &pixels, golden);
}

/// By the tiles, and by the unpacked file; odd windows must agree with the whole.
fn check_compressed(path: &Path, hdu: &Hdu, golden: &Value) {
    let name = format!("{}[{}]", path.display(), hdu.index);
    let layout = hdu.compressed().unwrap();
    check_shape(&name, &layout.image.dims, golden);
    check_type(&name, &layout.image, golden);
    let pool = FilePool::new(2);
    let read = |plane, window: Window| {
        let mut out = vec![0.0; window.area()];
        read_compressed_window(&pool, path, layout, plane, window, &mut out).unwrap();
        out
    };
    let (width, height) = (layout.image.width(), layout.image.height());
    let full = Window::full(&layout.image);
    let pixels: Vec<f32> = (0..layout.image.planes()).flat_map(|p| read(p, full)).collect();
    check_pixels(&name, &pixels, golden);
    let part = Window { x0: width / 3, y0: height / 3, width: width - width / 3, height: 1.max(height / 2) };
    let rows = pixels.chunks_exact(width).skip(part.y0).take(part.height);
    let expected: Vec<f32> = rows.flat_map(|row| row[part.x0..].to_vec()).collect();
    assert_eq!(common::bits(&read(0, part)), common::bits(&expected), "{name}");

    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("plain.fits");
    let image = unpack_compressed(path, hdu, &dest).unwrap();
    assert_eq!(image, common::layout(&dest, 0), "{name}");
    let unpacked: Vec<f32> = (0..image.planes()).flat_map(|p| common::read_plane(&dest, 0, p)).collect();
    assert_eq!(common::bits(&unpacked), common::bits(&pixels), "{name}");
}

/// One pixel beside astropy's: equal but for one rounding to f32.
fn check_value(name: &str, ours: f32, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap_or(f64::NAN);
    // Doubles beyond the range of a float plane are "no data".
    let is_data = (theirs as f32).is_finite();
    let near = (f64::from(ours) - theirs).abs() <= 1.2e-7 * theirs.abs() + f64::from(f32::MIN_POSITIVE);
    assert!(if is_data { near } else { ours.is_nan() }, "{name}: {ours} and {theirs}");
}

fn check_pixels(name: &str, pixels: &[f32], golden: &Value) {
    let first: &[Value] = golden["first"].as_array().map_or(&[], Vec::as_slice);
    for (&ours, theirs) in pixels.iter().zip(first) {
        check_value(name, ours, theirs);
    }
    if golden["last"].is_number() {
        check_value(name, pixels[pixels.len() / 2], &golden["mid"]);
        check_value(name, pixels[pixels.len() - 1], &golden["last"]);
    }
    let bound = |key: &str| golden[key].as_f64().unwrap_or(0.0).abs();
    if (bound("min").max(bound("max")) as f32).is_infinite() {
        // What is recorded of all pixels counts values that no float plane holds.
        assert!(pixels.iter().any(|v| v.is_nan()), "{name}");
        return;
    }
    let finite: Vec<f64> = pixels.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v)).collect();
    assert_eq!(finite.len() as u64, golden["nfinite"].as_u64().unwrap(), "{name}: finite pixels");
    assert!(pixels.iter().all(|v| v.is_finite() || v.is_nan()), "{name}: infinities");
    let Some(sum) = golden["sum"].as_f64() else {
        assert!(finite.is_empty(), "{name}");
        return;
    };
    let magnitude: f64 = finite.iter().map(|v| v.abs()).sum();
    let integer = golden["dtype"].as_str().unwrap().contains("int");
    let small =
        golden["max"].as_f64().unwrap().abs().max(golden["min"].as_f64().unwrap().abs()) < 16_777_216.0;
    let tolerance = if integer && small { 0.0 } else { 1.2e-7 * magnitude };
    let ours: f64 = finite.iter().sum();
    assert!((ours - sum).abs() <= tolerance, "{name}: sum {ours}, astropy {sum}");
    check_value(name, finite.iter().fold(f64::INFINITY, |a, &b| a.min(b)) as f32, &golden["min"]);
    check_value(name, finite.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b)) as f32, &golden["max"]);
    let (mean, count) = (ours / finite.len() as f64, finite.len() as f64);
    let std = (finite.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
    let theirs = golden["std"].as_f64().unwrap();
    let tolerance = 1.0e-6 * theirs + 1.2e-7 * bound("min").max(bound("max"));
    assert!((std - theirs).abs() <= tolerance, "{name}: standard deviation {std}, astropy {theirs}");
}

/// astropy's name of an HDU: EXTNAME (of a compressed image its own, if it has one), else its word for the kind.
fn check_name(file: &str, hdu: &Hdu, golden: &Value) {
    let own =
        hdu.restored_header().and_then(|header| header.get_str("EXTNAME")).filter(|name| !name.is_empty());
    let named = own.or_else(|| hdu.header.get_str("EXTNAME")).map(|name| name.trim().to_string());
    let ours = match named {
        Some(name) => name,
        None if hdu.index == 0 => "PRIMARY".into(),
        None if hdu.compressed().is_some() => "COMPRESSED_IMAGE".into(),
        None => String::new(),
    };
    let theirs = golden["name"].as_str().unwrap();
    assert!(ours.eq_ignore_ascii_case(theirs), "{file}[{}]: {ours} is {theirs} to astropy", hdu.index);
}

/// Rows and names of the columns, by the header and, for the tables that are read, by the table. Returns whether it is.
fn check_table(path: &Path, hdu: &Hdu, golden: &Value) -> bool {
    let name = format!("{}[{}]", path.display(), hdu.index);
    let columns: Vec<&str> = golden["cols"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let rows = golden["rows"].as_u64().unwrap();
    assert_eq!(hdu.header.get_i64("NAXIS2"), Some(rows as i64), "{name}");
    let fields = hdu.header.get_i64("TFIELDS").unwrap();
    let names = (1..=fields).map(|n| hdu.header.get_str(&format!("TTYPE{n}")).unwrap_or_default());
    // The record has the first 30 columns.
    assert!(names.take(30).eq(columns.iter().copied()), "{name}: {columns:?}");
    if hdu.kind == HduKind::AsciiTable {
        assert!(read_table(path, hdu.index).is_err(), "{name}");
        return false;
    }
    match read_table(path, hdu.index) {
        Ok(table) => {
            assert!(table.iter().map(|c| c.name.as_str()).take(30).eq(columns), "{name}");
            assert!(table.iter().all(|c| rows_of(&c.data) == rows as usize), "{name}");
            true
        }
        Err(error) => {
            assert!(matches!(error, FitsError::Unsupported { .. }), "{name}: {error}");
            false
        }
    }
}

fn rows_of(data: &ColumnData) -> usize {
    match data {
        ColumnData::I32(v) => v.len(),
        ColumnData::I64(v) => v.len(),
        ColumnData::F32(v) => v.len(),
        ColumnData::F64(v) => v.len(),
        ColumnData::Logical(v) => v.len(),
        ColumnData::Text(v) => v.len(),
        ColumnData::F64Array { width, values } => values.len() / width,
    }
}

/// A file that astropy rejects is rejected here, by the reason; a packed one also behind its packing.
fn check_rejected(path: &Path, name: &str, error: &str) {
    let scanned = scan(path);
    if error.contains(".Z extension") {
        assert!(
            scanned.as_ref().err().is_some_and(|e| e.to_string().contains("compress (.Z")),
            "{scanned:?}"
        );
    } else if is_packed(path).unwrap() {
        assert!(matches!(scanned, Err(FitsError::Unsupported { .. })), "{name}");
        assert!(matches!(scan_packed_hdus(path), Err(FitsError::NotFits { .. })), "{name}");
    } else {
        assert!(matches!(scanned, Err(FitsError::NotFits { .. })), "{name}");
    }
}

#[test]
fn images_read_as_astropy_reads_them() {
    let Some(root) = common::data_root() else { return };
    let root = root.join("fits_conformance");
    let golden: Value = serde_json::from_slice(&std::fs::read(root.join("golden.json")).unwrap()).unwrap();
    let (mut images, mut compressed, mut hdus, mut rejected) = (0, 0, 0, 0);
    let (mut tables, mut tables_read) = (0, 0);
    for (name, file) in golden["files"].as_object().unwrap() {
        let path = root.join(name);
        let Some(expected) = file["hdus"].as_array() else {
            check_rejected(&path, name, file["error"].as_str().unwrap());
            rejected += 1;
            continue;
        };
        let fits = scan(&path).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(fits.hdus.len(), expected.len(), "{name}: number of HDUs");
        assert_eq!(Some(fits.len), file["bytes"].as_u64(), "{name}");
        for (hdu, golden) in fits.hdus.iter().zip(expected) {
            let theirs = golden["type"].as_str().unwrap();
            assert!(
                astropy_types(&hdu.kind, hdu.index).contains(&theirs),
                "{name}: {:?} is a {theirs}",
                hdu.kind
            );
            hdus += 1;
            check_name(name, hdu, golden);
            if golden["cols"].is_array() {
                tables += 1;
                tables_read += usize::from(check_table(&path, hdu, golden));
            }
            if theirs == "CompImageHDU" {
                check_compressed(&path, hdu, golden);
                compressed += 1;
            }
            let plain = ["PrimaryHDU", "ImageHDU"].contains(&theirs) && golden["shape"].is_array();
            assert_eq!(hdu.image().is_some(), plain, "{name}[{}]", hdu.index);
            if plain {
                check_plain(&path, hdu.index, golden);
                images += 1;
            }
        }
    }
    println!(
        "{images} images, {compressed} compressed ones and {tables} tables ({tables_read} read) of {hdus} HDUs agree \
         with astropy, {rejected} files are no FITS for both"
    );
    assert_eq!((images, compressed, tables, rejected), (42, 16, 35, 60));
}

#[test]
fn headers_of_real_files_keep_their_bytes() {
    let Some(root) = common::data_root() else { return };
    let mut stack = vec![root];
    let mut headers = 0;
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
                continue;
            }
            let Ok(fits) = scan(&path) else { continue };
            let bytes = std::fs::read(&path).unwrap();
            for hdu in &fits.hdus {
                let (from, to) = (hdu.header_offset as usize, hdu.data_offset as usize);
                let ours = hdu.header.to_bytes();
                // What follows END is padding that some writers fill oddly; the cards themselves must agree.
                let cards = hdu.header.cards().len() * 80;
                assert_eq!(ours[..cards], bytes[from..from + cards], "{} HDU {}", path.display(), hdu.index);
                assert_eq!(ours.len(), to - from, "{} HDU {}", path.display(), hdu.index);
                headers += 1;
            }
        }
    }
    println!("{headers} headers agree");
    assert!(headers > 100);
}

#[test]
fn text_headers_of_other_programs() {
    let Some(root) = common::data_root() else { return };
    let get = |name: &str| {
        let text = String::from_utf8_lossy(&std::fs::read(root.join(name)).unwrap()).into_owned();
        Header::parse_text(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let astropy = |name: &str| get(&format!("wcs_conformance/astropy_wcs/{name}"));
    assert_eq!(astropy("2wcses.hdr").get_i64("NAXIS1"), Some(2048));
    assert_eq!(astropy("3d_cd.hdr").get_str("CUNIT3").as_deref(), Some("nm"));
    assert_eq!(astropy("chandra-pixlist-wcs.hdr").get_str("TTYPE5").as_deref(), Some("chipx"));
    assert_eq!(astropy("defunct_keywords.hdr").get_str("CTYPE2").as_deref(), Some("DEC--TAN"));
    assert_eq!(astropy("invalid_header.hdr").get_str("PHOTLINK").as_deref(), Some("                    F"));
    assert_eq!(astropy("zpn-hole.hdr").get_i64("NAXIS"), Some(2));
    assert_eq!(astropy("sub-segfault.hdr").get_f64("CRPIX2"), Some(8193.0));
    assert_eq!(astropy("outside_sky.hdr").get_i64("BITPIX"), Some(-32));
    assert!(astropy("tpvonly.hdr").contains("PV1_1"));
    assert!(astropy("irac_sip.hdr").contains("A_ORDER"));
    let seestar = get("seestar_headers/ngc7023_fw_2024-07_withwcs.hdr");
    assert_eq!(seestar.get_i64("NAXIS1"), Some(1080));
    assert_eq!(seestar.keywords().next(), Some("SIMPLE"));
    // A text header and its binary form have the same cards.
    let (binary, _) = Header::parse(&seestar.to_bytes()).unwrap();
    assert_eq!(binary, seestar);
}

#[test]
fn checksums_of_astropy_files() {
    let Some(root) = common::data_root() else { return };
    let root = root.join("fits_conformance/astropy_iofits");
    let good = verify_checksums(&root.join("checksum.fits")).unwrap();
    assert!(good.iter().all(|c| c.datasum == CheckState::Good && c.checksum == CheckState::Good), "{good:?}");
    let bad = verify_checksums(&root.join("checksum_false.fits")).unwrap();
    assert!(bad.iter().any(|c| c.checksum == CheckState::Bad), "{bad:?}");
    let none = verify_checksums(&root.join("test0.fits")).unwrap();
    assert!(none.iter().all(|c| c.checksum == CheckState::Missing), "{none:?}");
}
