//! What a file becomes: colour layout from the header dialects, noise from the pixels, WCS from its sources.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};

use zemosaic_fits::{
    CompressOptions, DataSpec, FilePool, HduRole, HduSpec, Header, ImageData, Overwrite, ProductCodec,
    ProductWriter, SampleType, Window, compress_product, scan, write_image,
};
use zemosaic_frames::dialect::{frame_kind, frame_meta};
use zemosaic_frames::pixels::read_planes;
use zemosaic_frames::{
    Frame, FrameKind, IngestOptions, Packing, PixelScratch, WcsOrigin, WcsPolicy, discover, find_duplicates,
    ingest, measure_background, measure_noise,
};
use zemosaic_image::{BackgroundOptions, CfaPattern, Region};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, tan_header, write_test_frame};

fn wcs(width: usize, height: usize) -> TanFrame {
    TanFrame::pointed_at((10.0, 20.0), 2.0, 30.0, Parity::Sky, (width, height))
}

/// The layout that a header gives an image of `dims`.
fn kind_of(dims: &[usize], edit: impl FnOnce(&mut Header)) -> Result<FrameKind, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let mut header = Header::new();
    edit(&mut header);
    let pixels = vec![0_u16; dims.iter().product()];
    write_image(&path, &header, ImageData::U16(&pixels), dims).unwrap();
    let file = scan(&path).unwrap();
    frame_kind(&file.hdus[0].header, file.hdus[0].image().unwrap())
}

#[test]
fn cfa_dialects() {
    let bayer = |pattern: &str, more: &[(&str, i64)], order: Option<&str>, height: usize| {
        kind_of(&[6, height], |header| {
            header.set_str("BAYERPAT", pattern, "");
            for (key, value) in more {
                header.set_i64(key, *value, "");
            }
            if let Some(order) = order {
                header.set_str("ROWORDER", order, "");
            }
        })
    };
    let cfa = |pattern| Ok(FrameKind::Cfa(pattern));
    assert_eq!(bayer("GRBG", &[], None, 4), cfa(CfaPattern::Grbg));
    assert_eq!(bayer(" rggb ", &[], Some("TOP-DOWN"), 4), cfa(CfaPattern::Rggb));
    assert_eq!(bayer("RGGB", &[("XBAYROFF", 1)], None, 4), cfa(CfaPattern::Grbg));
    assert_eq!(bayer("RGGB", &[("YBAYROFF", 1)], None, 4), cfa(CfaPattern::Gbrg));
    assert_eq!(bayer("RGGB", &[("XBAYROFF", 1), ("YBAYROFF", 1)], None, 4), cfa(CfaPattern::Bggr));
    // The last row of an even picture is an odd row of its pattern; of an odd one an even row.
    assert_eq!(bayer("RGGB", &[], Some("BOTTOM-UP"), 4), cfa(CfaPattern::Gbrg));
    assert_eq!(bayer("RGGB", &[], Some("BOTTOM-UP"), 5), cfa(CfaPattern::Rggb));
    assert_eq!(bayer("NONE", &[], None, 4), Ok(FrameKind::Mono));
    assert!(bayer("XTRANS", &[], None, 4).unwrap_err().contains("XTRANS"));
    assert_eq!(kind_of(&[6, 4], |_| {}), Ok(FrameKind::Mono));
    assert_eq!(kind_of(&[6, 4, 1], |_| {}), Ok(FrameKind::Mono));
    assert_eq!(kind_of(&[6, 4, 3], |header| header.set_str("BAYERPAT", "RGGB", "")), Ok(FrameKind::Rgb));
    assert!(kind_of(&[6, 4, 2], |_| {}).is_err() && kind_of(&[6, 4, 3, 2], |_| {}).is_err());
}

#[test]
fn saturation_of_unsigned_integers_is_known_without_a_keyword() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let meta_of = |header: &Header| {
        write_image(&path, header, ImageData::U16(&[0; 6]), &[3, 2]).unwrap();
        let file = scan(&path).unwrap();
        frame_meta(&file.hdus[0].header, file.hdus[0].image().unwrap())
    };
    assert_eq!(meta_of(&Header::new()).saturation_adu, Some(65535.0));
    let mut header = Header::new();
    header.set_f64("SATURATE", 60000.0, "");
    header.set_f64("EXPOSURE", 20.0, "");
    header.set_str("DATE-OBS", "2025-01-02T03:04:05.6", "");
    let meta = meta_of(&header);
    assert_eq!((meta.saturation_adu, meta.exposure_s), (Some(60000.0), Some(20.0)));
    assert_eq!(meta.date_obs.as_deref(), Some("2025-01-02T03:04:05.6"));
}

fn ingest_all(folder: &Path, policy: WcsPolicy) -> Vec<Frame> {
    let files = discover(&[folder.to_path_buf()], &[]).unwrap();
    ingest(&files, &IngestOptions { wcs: policy, ..IngestOptions::default() }, &|_| {}).frames
}

#[test]
fn noise_is_measured_on_pixels_of_one_colour_despite_stars_and_slopes() {
    let dir = tempfile::tempdir().unwrap();
    let (w, h) = (300, 200);
    let mut mono = noise_image(w, h, 500.0, 7.0, 1);
    for (i, value) in mono.iter_mut().enumerate() {
        *value += (i % w) as f32 * 0.5;
        if i % 97 == 0 {
            *value += 4000.0;
        }
    }
    write_test_frame(&dir.path().join("mono.fits"), &wcs(w, h), ImageData::F32(&mono), |_| {}).unwrap();
    // A CFA whose colours differ by far more than their noise.
    let mut cfa = noise_image(w, h, 0.0, 1.0, 2);
    for (i, value) in cfa.iter_mut().enumerate() {
        let colour = CfaPattern::Grbg.colour_at((i % w) as i64, (i / w) as i64);
        *value = [1000.0, 3000.0, 500.0][colour] + *value * [5.0, 20.0, 10.0][colour];
    }
    let bayer = |header: &mut Header| header.set_str("BAYERPAT", "GRBG", "");
    write_test_frame(&dir.path().join("cfa.fits"), &wcs(w, h), ImageData::F32(&cfa), bayer).unwrap();
    let frames = ingest_all(dir.path(), WcsPolicy::default());
    let pool = FilePool::new(2);
    let colour = measure_noise(&pool, &frames[0]).unwrap();
    for (sigma, (raw, gain)) in
        colour.sigma_adu.iter().zip([(5.0, 0.5625_f64), (20.0, 0.625), (10.0, 0.5625)])
    {
        let expected = raw * gain.sqrt();
        assert!((sigma / expected - 1.0).abs() < 0.05, "{sigma} for {expected}");
    }
    let mono = measure_noise(&pool, &frames[1]).unwrap();
    assert!((mono.sigma_adu[0] / 7.0 - 1.0).abs() < 0.05, "{:?}", mono.sigma_adu);
    // The stated noise of a demosaiced plane is that of its pixels.
    let region = Region { x0: 0, y0: 0, width: w, height: h };
    let mut scratch = PixelScratch::default();
    let planes = read_planes(&pool, &frames[0], region, &mut scratch).unwrap();
    for channel in 0..3 {
        let inner: Vec<f64> = (5..h - 5)
            .flat_map(|y| (5..w - 5).map(move |x| y * w + x))
            .map(|i| f64::from(planes.planes[channel][i]))
            .collect();
        let mean = inner.iter().sum::<f64>() / inner.len() as f64;
        let variance = inner.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / inner.len() as f64;
        let ratio = variance.sqrt() / colour.sigma_adu[channel];
        assert!((ratio - 1.0).abs() < 0.05, "channel {channel}: {ratio}");
    }
}

#[test]
fn a_frame_without_a_finite_pixel_has_no_data_and_one_with_a_single_pixel_has() {
    let dir = tempfile::tempdir().unwrap();
    let (w, h) = (40, 300);
    let mut pixels = vec![f32::NAN; w * h];
    write_test_frame(&dir.path().join("a.fits"), &wcs(w, h), ImageData::F32(&pixels), |_| {}).unwrap();
    pixels[w * 123 + 7] = 1.0;
    write_test_frame(&dir.path().join("b.fits"), &wcs(w, h), ImageData::F32(&pixels), |_| {}).unwrap();
    let frames = ingest_all(dir.path(), WcsPolicy::default());
    let pool = FilePool::new(2);
    assert!(!measure_noise(&pool, &frames[0]).unwrap().has_data);
    assert!(measure_noise(&pool, &frames[1]).unwrap().has_data);
}

fn write_text_wcs(path: &Path, ra_deg: f64) {
    let frame = TanFrame { crval_deg: [ra_deg, 20.0], ..wcs(20, 10) };
    let cards: Vec<String> = tan_header(&frame)
        .cards()
        .iter()
        .map(|card| String::from_utf8_lossy(card).trim_end().to_owned())
        .collect();
    std::fs::write(path, cards.join("\n") + "\nEND\n").unwrap();
}

#[test]
fn the_first_wcs_found_counts() {
    let dir = tempfile::tempdir().unwrap();
    let frame_path = dir.path().join("a.fit");
    write_test_frame(&frame_path, &wcs(20, 10), ImageData::F32(&[1.0; 200]), |_| {}).unwrap();
    let origin_and_ra = |policy: WcsPolicy| {
        let frames = ingest_all(dir.path(), policy);
        let frame = frames.first()?;
        Some((frame.wcs_origin.clone(), frame.wcs.crval_deg().0.round()))
    };
    assert_eq!(origin_and_ra(WcsPolicy::default()), Some((WcsOrigin::Header, 10.0)));
    let sidecar = dir.path().join("a.wcs");
    write_text_wcs(&sidecar, 30.0);
    assert_eq!(origin_and_ra(WcsPolicy::default()), Some((WcsOrigin::WcsSidecar(sidecar), 30.0)));
    let head = dir.path().join("a.head");
    write_text_wcs(&head, 40.0);
    assert_eq!(origin_and_ra(WcsPolicy::default()), Some((WcsOrigin::HeadSidecar(head), 40.0)));
    let given = tempfile::tempdir().unwrap();
    let file: PathBuf = given.path().join("a.wcs");
    write_text_wcs(&file, 50.0);
    let from = WcsPolicy { wcs_from: Some(given.path().to_path_buf()), ignore_wcs: false };
    assert_eq!(origin_and_ra(from), Some((WcsOrigin::Given(file), 50.0)));
    assert_eq!(origin_and_ra(WcsPolicy { wcs_from: None, ignore_wcs: true }), None);
}

#[test]
fn equal_content_is_used_once_and_equal_headers_alone_are_not_enough() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("a.fits");
    write_test_frame(&first, &wcs(20, 10), ImageData::F32(&[1.0; 200]), |_| {}).unwrap();
    let mut bytes = std::fs::read(&first).unwrap();
    std::fs::write(dir.path().join("c.fits"), &bytes).unwrap();
    // The same header, another pixel.
    let data_offset = scan(&first).unwrap().hdus[0].data_offset as usize;
    bytes[data_offset + 1] ^= 1;
    std::fs::write(dir.path().join("b.fits"), &bytes).unwrap();
    let files = discover(&[dir.path().to_path_buf()], &[]).unwrap();
    let mut ingested = ingest(&files, &IngestOptions::default(), &|_| {});
    find_duplicates(&mut ingested);
    let used: Vec<&str> = ingested.frames.iter().map(|frame| frame.id.as_str()).collect();
    assert_eq!(used, ["a.fits", "b.fits"]);
    assert_eq!(ingested.left_out[0].id, "c.fits");
    assert_eq!(ingested.left_out[0].reason.code(), "W-FRAME-DUPLICATE");
    assert!(ingested.left_out[0].reason.message().contains("a.fits"));
}

/// A file of an empty primary HDU and image extensions of 4 x 3 floats, with these names.
fn write_extensions(path: &Path, names: &[&str], edit: impl Fn(&mut Header)) {
    let frame = wcs(4, 3);
    let mut primary = Header::for_image(HduRole::Primary, SampleType::F32, &[]);
    primary.set_str("FILTER", "V", "");
    let mut hdus = vec![HduSpec { header: primary, data: DataSpec::None }];
    for name in names {
        let mut header = Header::for_image(HduRole::Extension, SampleType::F32, &[4, 3]);
        header.set_str("EXTNAME", name, "");
        header.extend_from(&tan_header(&frame), |key| !header_is_structural(key));
        edit(&mut header);
        hdus.push(HduSpec { header, data: DataSpec::F32 { dims: vec![4, 3] } });
    }
    let writer = ProductWriter::create(path, hdus, Overwrite::Replace).unwrap();
    for hdu in 1..=names.len() {
        let values: Vec<f32> = (0..12_u8).map(|i| f32::from(i) + 100.0 * hdu as f32).collect();
        writer.write_f32(hdu, 0, Window { x0: 0, y0: 0, width: 4, height: 3 }, &values).unwrap();
    }
    writer.finish(Vec::new()).unwrap();
}

fn header_is_structural(key: &str) -> bool {
    key.starts_with("NAXIS") || ["SIMPLE", "BITPIX", "EXTEND", "BZERO", "BSCALE"].contains(&key)
}

/// A tile-compressed image, alone and in a gzip file, is the frame that it was before.
#[test]
fn compressed_frames_in_packed_files() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("chips.fits");
    write_extensions(&plain, &["CHIP1", "CHIP2"], |_| {});
    let tiled = dir.path().join("tiled.fits.fz");
    let lossless = CompressOptions { codec: ProductCodec::Gzip, quantize: None };
    compress_product(&plain, &tiled, &lossless, Overwrite::Replace).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(&tiled).unwrap()).unwrap();
    std::fs::write(dir.path().join("packed.fits.gz"), encoder.finish().unwrap()).unwrap();

    let files = discover(&[dir.path().to_path_buf()], &[]).unwrap();
    let found = ingest(&files, &IngestOptions::default(), &|_| {});
    let ids: Vec<&str> = found.frames.iter().map(|frame| frame.id.as_str()).collect();
    let expected =
        ["chips.fits", "packed.fits.gz", "tiled.fits.fz"].map(|name| [1, 2].map(|n| format!("{name}[{n}]")));
    assert_eq!(ids, expected.concat(), "{:?}", found.left_out);
    assert!(found.frames[2..].iter().all(|frame| frame.packing == Packing::Compressed));
    assert_eq!(found.frames[2].layout, found.frames[4].layout);
}

#[test]
fn every_image_of_a_file_is_a_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chips.fits");
    write_extensions(&path, &["CHIP1", "CHIP2"], |header| header.set_bool("INHERIT", true, ""));
    let packed = dir.path().join("packed.fits.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &std::fs::read(&path).unwrap()).unwrap();
    std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
    write_extensions(&dir.path().join("triple.fits"), &["SCI", "ERR", "DQ"], |_| {});

    let files = discover(&[dir.path().to_path_buf()], &[]).unwrap();
    let found = ingest(&files, &IngestOptions::default(), &|_| {});
    let ids: Vec<&str> = found.frames.iter().map(|frame| frame.id.as_str()).collect();
    assert_eq!(
        ids,
        ["chips.fits[1]", "chips.fits[2]", "packed.fits.gz[1]", "packed.fits.gz[2]", "triple.fits[1]"],
        "{:?}",
        found.left_out
    );
    assert!(found.left_out.is_empty());
    assert_eq!(found.frames[1].meta.filter.as_deref(), Some("V"), "INHERIT");
    assert_eq!(found.frames[4].meta.filter, None, "no INHERIT");
    assert_eq!(found.frames[1].layout, found.frames[3].layout);
    let region = Region { x0: 1, y0: 2, width: 2, height: 1 };
    let pool = FilePool::new(4);
    let mut scratch = PixelScratch::default();
    let pixels = read_planes(&pool, &found.frames[1], region, &mut scratch).unwrap();
    assert_eq!(pixels.planes[0], [209.0, 210.0]);
}

#[test]
fn interleaved_colours_are_planes() {
    assert_eq!(as_planes_kind(&[3, 6, 4]), (FrameKind::Rgb, (6, 4)));
    assert_eq!(as_planes_kind(&[3, 6, 3]), (FrameKind::Rgb, (3, 6)), "three columns, planar");
    assert_eq!(as_planes_kind(&[6, 4, 3]), (FrameKind::Rgb, (6, 4)));
}

fn as_planes_kind(dims: &[usize]) -> (FrameKind, (usize, usize)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    let frame = wcs(dims[0], dims[1]);
    let pixels = vec![7_u16; dims.iter().product()];
    write_image(&path, &tan_header(&frame), ImageData::U16(&pixels), dims).unwrap();
    let found = ingest(&discover(&[path], &[]).unwrap(), &IngestOptions::default(), &|_| {});
    assert!(found.left_out.is_empty(), "{:?}", found.left_out);
    (found.frames[0].kind, (found.frames[0].width, found.frames[0].height))
}

#[test]
fn what_is_no_image_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut header = Header::new();
    header.set_bool("SIMPLE", true, "");
    header.set_i64("BITPIX", 8, "");
    header.set_i64("NAXIS", 2, "");
    header.set_i64("NAXIS1", 0, "");
    header.set_i64("NAXIS2", 4, "");
    header.set_bool("GROUPS", true, "");
    header.set_i64("PCOUNT", 2, "");
    header.set_i64("GCOUNT", 3, "");
    let mut bytes = header.to_bytes();
    bytes.resize(2 * 2880, 0);
    let path = dir.path().join("groups.fits");
    std::fs::write(&path, bytes).unwrap();
    let found = ingest(&discover(&[path], &[]).unwrap(), &IngestOptions::default(), &|_| {});
    let message = found.left_out[0].reason.message();
    assert!(message.contains("random groups"), "{message}");
}

#[test]
fn an_image_without_wcs_beside_one_with_it_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    write_extensions(&dir.path().join("a.fits"), &["IMAGE", "MASK"], |header| {
        if header.get_str("EXTNAME").as_deref() == Some("MASK") {
            for key in ["CTYPE1", "CTYPE2", "CD1_1", "CD1_2", "CD2_1", "CD2_2"] {
                header.remove(key);
            }
        }
    });
    let files = discover(&[dir.path().to_path_buf()], &[]).unwrap();
    let found = ingest(&files, &IngestOptions::default(), &|_| {});
    let used: Vec<&str> = found.frames.iter().map(|frame| frame.id.as_str()).collect();
    assert_eq!(used, ["a.fits[1]"]);
    assert_eq!(found.left_out.len(), 1);
    assert_eq!(
        (found.left_out[0].id.as_str(), found.left_out[0].reason.code()),
        ("a.fits[2]", "W-FRAME-AUXILIARY")
    );
    assert!(!found.left_out[0].reason.is_failure());
}

#[test]
fn a_background_that_cannot_be_measured_names_the_colour() {
    let dir = tempfile::tempdir().unwrap();
    let (w, h) = (64, 48);
    let message = |empty: &dyn Fn(usize) -> bool, dims: &[usize], pattern: &str| {
        let count: usize = dims.iter().product();
        let mut pixels = noise_image(w, count / w, 100.0, 5.0, 1);
        for (index, value) in pixels.iter_mut().enumerate() {
            *value = if empty(index) { f32::NAN } else { *value };
        }
        let path = dir.path().join("a.fits");
        let mut header = tan_header(&wcs(w, h));
        header.set_str("BAYERPAT", pattern, "");
        write_image(&path, &header, ImageData::F32(&pixels), dims).unwrap();
        let frames = ingest_all(dir.path(), WcsPolicy::default());
        let options = BackgroundOptions { mesh_px: 16, ..BackgroundOptions::default() };
        measure_background(&FilePool::new(2), &frames[0], options).unwrap().unwrap_err().to_string()
    };
    let of = |name: &str| format!("no cell of the background mesh has data in half of its {name}pixels");
    assert_eq!(message(&|_| true, &[w, h], "NONE"), of(""));
    for (plane, name) in ["red ", "green ", "blue "].into_iter().enumerate() {
        assert_eq!(message(&|index| index / (w * h) == plane, &[w, h, 3], "NONE"), of(name));
        let colour = |index| CfaPattern::Grbg.colour_at((index % w) as i64, (index / w) as i64);
        assert_eq!(message(&|index| colour(index) == plane, &[w, h], "GRBG"), of(name));
    }
}
