//! Tile-compressed images of every codec, tile shape and way to store floats, from independent encoders.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, helpers of tests too")]

mod common;

use common::tiled::{self, TileRow, Tiled};
use std::path::{Path, PathBuf};
use zemosaic_fits::{
    FilePool, FitsError, HduKind, Header, ImageData, ReadScratch, Window, read_compressed_window,
    read_window, scan, unpack_compressed, write_image,
};

/// Values that are small, non-negative and not flat, as PLIO_1 needs them.
fn pixels(dims: &[usize]) -> Vec<i32> {
    (0..dims.iter().product()).map(|i: usize| (i * 7919 % 251) as i32 + (i / 13) as i32 % 40).collect()
}

fn encode(codec: &str, values: &[i32], extent: &[usize], sample_bytes: usize) -> Vec<u8> {
    let native: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()[4 - sample_bytes..].to_vec()).collect();
    match codec {
        "RICE_1" => tiled::rice(values),
        "GZIP_1" => tiled::gzip(&native),
        "GZIP_2" => tiled::gzip(&tiled::shuffle(&native, sample_bytes)),
        "HCOMPRESS_1" => tiled::hcompress(values, extent),
        "PLIO_1" => tiled::plio(values),
        _ => native,
    }
}

/// All planes, read by tiles; and the same from the unpacked file, bit for bit.
fn read_both(path: &Path) -> Vec<f32> {
    let hdu = scan(path).unwrap().hdus.remove(1);
    let layout = hdu.compressed().unwrap_or_else(|| panic_with(&hdu.kind));
    let pool = FilePool::new(1);
    let mut all = Vec::new();
    for plane in 0..layout.image.planes() {
        let full = Window::full(&layout.image);
        let mut out = vec![0.0; full.area()];
        read_compressed_window(&pool, path, layout, plane, full, &mut out).unwrap();
        // Every window is the same part of the whole.
        for y0 in 0..full.height {
            let window = Window { x0: y0 % full.width, y0, width: full.width - y0 % full.width, height: 1 };
            let mut part = vec![0.0; window.area()];
            read_compressed_window(&pool, path, layout, plane, window, &mut part).unwrap();
            let from = y0 * full.width + window.x0;
            assert_eq!(common::bits(&part), common::bits(&out[from..from + window.width]));
        }
        all.extend(out);
    }
    let plain = path.with_extension("plain");
    let image = unpack_compressed(path, &hdu, &plain).unwrap();
    assert_eq!(image, common::layout(&plain, 0));
    let unpacked: Vec<f32> = (0..image.planes()).flat_map(|p| common::read_plane(&plain, 0, p)).collect();
    assert_eq!(common::bits(&unpacked), common::bits(&all));
    common::assert_fitsverify_clean(&plain);
    all
}

#[track_caller]
fn panic_with(kind: &HduKind) -> ! {
    unreachable!("{kind:?}")
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiled.fits");
    (folder, path)
}

#[test]
fn every_codec_and_tile_shape() {
    let (_folder, path) = folder();
    let shapes: [(&[usize], &[usize]); 6] = [
        (&[23, 17], &[23, 1]),
        (&[23, 17], &[8, 5]),
        (&[23, 17], &[23, 17]),
        (&[9, 7, 5], &[4, 3, 2]),
        (&[9, 7, 3, 2], &[9, 7, 2, 2]),
        (&[40], &[16]),
    ];
    let mut cases = 0;
    for codec in ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"] {
        for bitpix in [16_usize, 32] {
            for (dims, tile) in shapes {
                // HCOMPRESS_1 is for planes with a few rows.
                let flat = dims.len() != 2 || tile[1] < 4;
                if codec == "HCOMPRESS_1" && flat {
                    continue;
                }
                let values = pixels(dims);
                let mut rows = Vec::new();
                tiled::tiles(dims, tile, &values, |extent, tile| {
                    let compressed = encode(codec, &tile, extent, bitpix / 8);
                    rows.push(TileRow { compressed, ..TileRow::default() });
                });
                let element = if codec == "PLIO_1" { 'I' } else { 'B' };
                let extras = Header::new();
                let image = Tiled { codec, bitpix: bitpix as i64, dims, tile, element, extras };
                tiled::write(&path, &image, &rows);
                let expected: Vec<f32> = values.iter().map(|&v| v as f32).collect();
                assert_eq!(read_both(&path), expected, "{codec} {bitpix} {dims:?} {tile:?}");
                cases += 1;
            }
        }
    }
    println!("{cases} images");
}

#[test]
fn scaled_and_blank_integers() {
    let (_folder, path) = folder();
    let dims = [6, 4];
    let values = pixels(&dims);
    let mut rows = Vec::new();
    tiled::tiles(&dims, &[6, 2], &values, |_, tile| {
        rows.push(TileRow { compressed: tiled::rice(&tile), ..TileRow::default() });
    });
    let mut extras = Header::new();
    extras.set_i64("BZERO", 32768, "");
    extras.set_i64("BSCALE", 1, "");
    extras.set_i64("ZBLANK", i64::from(values[5]), "");
    extras.set_str("EXTNAME", "CHIP7", "");
    extras.set_f64("EXPTIME", 10.5, "kept");
    let image = Tiled { codec: "RICE_1", bitpix: 16, dims: &dims, tile: &[6, 2], element: 'B', extras };
    tiled::write(&path, &image, &rows);
    let read = read_both(&path);
    for (value, stored) in read.iter().zip(&values) {
        assert!(if *stored == values[5] { value.is_nan() } else { *value == (stored + 32768) as f32 });
    }
    let header = scan(&path).unwrap().hdus[1].restored_header().unwrap();
    let keys: Vec<&str> = header.keywords().collect();
    let expected = [
        "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "BZERO", "BSCALE", "EXTNAME", "EXPTIME",
        "BLANK",
    ];
    assert_eq!(keys, expected);
}

/// Quantised tiles, tiles that fell back to gzip or to plain bytes, and NaN by ZBLANK.
#[test]
fn floats_of_every_kind() {
    let (_folder, path) = folder();
    for (bitpix, codec, dither) in [
        (-32, "RICE_1", "NO_DITHER"),
        (-64, "GZIP_1", "NO_DITHER"),
        (-32, "GZIP_2", "SUBTRACTIVE_DITHER_1"),
        (-64, "HCOMPRESS_1", "SUBTRACTIVE_DITHER_2"),
        (-32, "NOCOMPRESS", "NO_DITHER"),
    ] {
        let dims = [12, 12];
        let stored = pixels(&dims);
        let native = |v: f32| {
            if bitpix == -32 { v.to_be_bytes().to_vec() } else { f64::from(v).to_be_bytes().to_vec() }
        };
        let mut rows = Vec::new();
        tiled::tiles(&dims, &[12, 4], &stored, |extent, tile| {
            let raw: Vec<u8> = tile.iter().flat_map(|&v| native(v as f32 + 0.25)).collect();
            let mut row = TileRow {
                gzip: Some(Vec::new()),
                uncompressed: Some(Vec::new()),
                scale_zero: Some((0.5, 100.0)),
                blank: Some(stored[3]),
                ..TileRow::default()
            };
            match rows.len() {
                0 => row.compressed = encode(codec, &tile, extent, 4),
                1 => row.gzip = Some(tiled::gzip(&raw)),
                _ => row.uncompressed = Some(raw),
            }
            rows.push(row);
        });
        let mut extras = Header::new();
        extras.set_str("ZQUANTIZ", dither, "");
        extras.set_i64("ZDITHER0", 10_000, "");
        let image = Tiled { codec, bitpix, dims: &dims, tile: &[12, 4], element: 'B', extras };
        tiled::write(&path, &image, &rows);
        let read = read_both(&path);
        for (i, (&value, &stored_value)) in read.iter().zip(&stored).enumerate() {
            let exact = f64::from(stored_value) * 0.5 + 100.0;
            let off = (f64::from(value) - exact).abs();
            match i {
                0..48 if stored_value == stored[3] => assert!(value.is_nan()),
                0..48 if dither == "NO_DITHER" => assert_eq!(off, 0.0),
                0..48 => assert!(off > 0.0 && off <= 0.25, "{codec} {dither}: {off}"),
                _ => assert_eq!(value, stored_value as f32 + 0.25),
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let (_folder, path) = folder();
    let row = TileRow { compressed: tiled::rice(&[1, 2, 3, 4]), ..TileRow::default() };
    let base =
        Tiled { codec: "RICE_1", bitpix: 16, dims: &[4], tile: &[4], element: 'B', extras: Header::new() };
    let reason = |image: &Tiled<'_>| {
        tiled::write(&path, image, std::slice::from_ref(&row));
        match scan(&path).unwrap().hdus.remove(1).kind {
            HduKind::BadCompressedImage(reason) => reason,
            other => format!("{other:?}"),
        }
    };
    assert!(reason(&Tiled { codec: "BZIP_9", ..base.clone() }).contains("BZIP_9"));
    assert!(
        reason(&Tiled { dims: &[400_000_000, 5_000_000_000], tile: &[1, 1], ..base.clone() })
            .contains("rows")
    );
    assert!(reason(&Tiled { dims: &[1 << 40, 1 << 40], tile: &[1, 1], ..base.clone() }).contains("63 bits"));
    assert!(reason(&Tiled { dims: &[1 << 40], tile: &[1 << 40], ..base.clone() }).contains("larger"));
    let mut extras = Header::new();
    extras.set_str("ZNAME1", "BLOCKSIZE", "");
    extras.set_i64("ZVAL1", 0, "");
    assert!(reason(&Tiled { extras, ..base.clone() }).contains("blocks of 0"));
    // The standard, and every decoder, knows samples of 1, 2 and 4 bytes.
    let mut extras = Header::new();
    extras.set_str("ZNAME1", "BYTEPIX", "");
    extras.set_i64("ZVAL1", 8, "");
    assert!(reason(&Tiled { extras, bitpix: 64, ..base.clone() }).contains("RICE_1 of 8-byte samples"));
    // A small stream for a giant tile is refused before anything is allocated.
    tiled::write(&path, &Tiled { dims: &[1 << 30], tile: &[1 << 30], ..base }, &[row]);
    let hdu = scan(&path).unwrap().hdus.remove(1);
    let mut out = [0.0];
    let window = Window { x0: 0, y0: 0, width: 1, height: 1 };
    let pool = FilePool::new(1);
    let read = read_compressed_window(&pool, &path, hdu.compressed().unwrap(), 0, window, &mut out);
    assert!(matches!(read, Err(FitsError::Damaged { .. })), "{read:?}");
}

#[test]
fn interleaved_colours() {
    let (_folder, path) = folder();
    let (width, height) = (1_000, 300);
    let stored: Vec<u16> = (0..3 * width * height).map(|i| (i % 60_000) as u16).collect();
    write_image(&path, &Header::new(), ImageData::U16(&stored), &[3, width, height]).unwrap();
    let layout = common::layout(&path, 0).as_planes();
    assert_eq!(layout.dims, [width, height, 3]);
    let (pool, mut scratch) = (FilePool::new(1), ReadScratch::default());
    for window in [Window::full(&layout), Window { x0: 17, y0: 5, width: 100, height: 290 }] {
        for colour in 0..3 {
            let mut out = vec![0.0; window.area()];
            read_window(&pool, &path, &layout, colour, window, &mut scratch, &mut out).unwrap();
            let at = |i: usize| {
                ((window.y0 + i / window.width) * width + window.x0 + i % window.width) * 3 + colour
            };
            assert!(out.iter().enumerate().all(|(i, &v)| v == f32::from(stored[at(i)])));
        }
    }
}
