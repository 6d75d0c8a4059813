//! Weight maps and masks: found, matched to their frame, applied to its pixels and its noise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::pixels::{read_planes, read_planes_scaled};
use zemosaic_frames::{
    Frame, FrameKind, IngestOptions, MapKind, MapOptions, PixelScratch, WeightRescale, WeightType,
    find_duplicates, measure_noise,
};
use zemosaic_image::{CfaPattern, Region};
use zemosaic_testkit::real_data;
use zemosaic_testkit::{noise_image, write_test_frame};

use common::{
    gzip, ingest_inputs, only_frame, suffixes, verdicts, wcs, write_extensions, write_frame, write_map,
};

const SIZE: (usize, usize) = (8, 6);
const N: usize = 48;

fn reason(path: &Path, options: &IngestOptions) -> String {
    let found = ingest_inputs(&[path], options);
    assert!(found.frames.is_empty());
    assert_eq!(found.left_out[0].reason.code(), "E-FRAME-MAP");
    assert!(found.left_out[0].reason.is_failure());
    found.left_out[0].reason.message().to_owned()
}

#[test]
fn a_suffix_takes_the_place_of_the_ending_and_maps_are_no_frames() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for frame in ["a.fits", "sub/b.fit", "new.fits"] {
        write_frame(&root.join(frame), SIZE, &[1.0; N]);
    }
    // Weight maps with a WCS of their own, as pipelines write them.
    for map in ["a.weight.fits", "sub/b.weight.fits", "new.weight.fits", "orphan.weight.fits"] {
        write_frame(&root.join(map), SIZE, &[2.0; N]);
    }
    let found = ingest_inputs(&[root], &suffixes(Some(".weight.fits"), None));
    let auxiliary = ["a.weight.fits", "new.weight.fits", "orphan.weight.fits", "sub/b.weight.fits"];
    let left_out: Vec<(&str, &str)> = auxiliary.iter().map(|id| (*id, "W-FRAME-AUXILIARY")).collect();
    assert_eq!(verdicts(&found), (vec!["a.fits", "new.fits", "sub/b.fit"], left_out));
    let map = found.frames[2].maps.weight.as_ref().unwrap();
    assert_eq!((map.path.clone(), map.hdu, map.kind), (root.join("sub/b.weight.fits"), 0, MapKind::Weight));
    assert!(found.frames[0].maps.mask.is_none());

    let why: Vec<&str> = found.left_out.iter().map(|item| item.reason.message()).collect();
    assert_eq!(why[0], "by its name the weight map of a, no frame itself");
    assert!(why[2].starts_with("it ends like a weight map, but there is no frame orphan"), "{}", why[2]);

    // Without the option they are frames like any other.
    assert_eq!(ingest_inputs(&[root], &IngestOptions::default()).frames.len(), 7);
    // A suffix of letters makes a map only beside its frame: ne.fits is not there, so new.fits is a frame.
    let found = ingest_inputs(&[&root.join("new.fits")], &suffixes(None, Some("w.fits")));
    assert_eq!(verdicts(&found).1, [("new.fits", "E-FRAME-MAP")]);
    // Packed forms, and a suffix without the ending of a FITS file.
    std::fs::remove_file(root.join("a.weight.fits")).unwrap();
    write_map(&root.join("a_w.fits"), SIZE, &[3.0; N]);
    gzip(&root.join("a_w.fits"), &root.join("a.weight.fits.gz"));
    for suffix in [".weight.fits", ".weight.fits.gz", ".weight.fits.fz", ".weight", "_w"] {
        let frame = only_frame(&root.join("a.fits"), &suffixes(Some(suffix), None));
        let path = if suffix == "_w" { "a_w.fits" } else { "a.weight.fits.gz" };
        assert_eq!(frame.maps.weight.unwrap().path, root.join(path), "{suffix}");
    }
    let found = ingest_inputs(&[root], &suffixes(Some(".weight"), Some("_w")));
    assert!(verdicts(&found).1.contains(&("a_w.fits", "W-FRAME-AUXILIARY")));
    assert!(verdicts(&found).1.contains(&("a.weight.fits.gz", "W-FRAME-AUXILIARY")));
}

#[test]
fn a_map_that_is_missing_or_does_not_fit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (path, map) = (root.join("a.fits"), root.join("a.w.fits"));
    write_frame(&path, SIZE, &[1.0; N]);
    let weight = suffixes(Some(".w.fits"), None);
    assert_eq!(reason(&path, &weight), "weight map: a.w.fits is not beside the frame");
    assert!(
        reason(&path, &suffixes(None, Some("[DQ]")))
            .contains("mask: the file has no readable image extension DQ")
    );
    assert!(reason(&path, &suffixes(Some(".fits"), None)).contains("names the frame itself"));
    write_map(&map, (6, 8), &[1.0; N]);
    assert!(reason(&path, &weight).contains("no image of the frame's 8 x 6 pixels (it has 6 x 8)"));
    write_image(&map, &Header::new(), ImageData::F32(&[1.0; 3 * N]), &[8, 6, 3]).unwrap();
    assert!(reason(&path, &weight).contains("has 3 planes"));
    write_extensions(&map, SIZE, &[("X", 1, vec![1.0; N]), ("Y", 1, vec![1.0; N])]);
    assert!(reason(&path, &weight).contains("2 images of 8 x 6 pixels, none in HDU 0"));
    std::fs::write(&map, "no FITS at all").unwrap();
    assert!(reason(&path, &weight).contains("is not a FITS file"));
    std::fs::write(&map, [0x1f, 0x8b, 8, 0, 0]).unwrap();
    let why = reason(&path, &weight);
    assert_eq!(why.matches("a.w.fits").count(), 1, "its path once: {why}");
    write_map(&map, SIZE, &[1.0; N]);
    let bytes = std::fs::read(&map).unwrap();
    std::fs::write(&map, &bytes[..2880 + 100]).unwrap();
    assert!(reason(&path, &weight).contains("ends after"));
    let list = root.join("l.csv");
    std::fs::write(&list, "path,weight\na.fits,none\n").unwrap();
    assert!(only_frame(&list, &weight).maps.is_empty(), "the list says there is none");
    std::fs::write(&list, "path,mask,weight\na.fits,a.fits,none\n").unwrap();
    assert!(reason(&list, &weight).contains("mask: "), "no map of itself");
}

#[test]
fn capitals_and_small_letters_are_one_in_the_ending_of_a_map() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["A.FITS", "b.fit", "B.fit", "c.fits"] {
        write_frame(&root.join(name), SIZE, &[1.0; N]);
    }
    for name in ["A.WEIGHT.FITS", "b.Weight.fits", "B.weight.FIT", "C.weight.fits"] {
        write_map(&root.join(name), SIZE, &[2.0; N]);
    }
    gzip(&root.join("C.weight.fits"), &root.join("c.weight.fits.GZ"));
    for suffix in [".weight", ".WEIGHT"] {
        let found = ingest_inputs(&[root], &suffixes(Some(suffix), None));
        let maps: Vec<(&str, String)> = found
            .frames
            .iter()
            .map(|frame| (frame.id.as_str(), frame.maps.weight.as_ref().unwrap().path.clone()))
            .map(|(id, path)| (id, path.file_name().unwrap().to_string_lossy().into_owned()))
            .collect();
        let expected = [
            ("A.FITS", "A.WEIGHT.FITS"),
            ("B.fit", "B.weight.FIT"),
            ("b.fit", "b.Weight.fits"),
            ("c.fits", "c.weight.fits.GZ"),
        ];
        assert_eq!(maps, expected.map(|(id, map)| (id, map.to_owned())));
        let left_out: Vec<&str> = found.left_out.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(
            left_out,
            ["A.WEIGHT.FITS", "B.weight.FIT", "C.weight.fits", "b.Weight.fits", "c.weight.fits.GZ"]
        );
    }
}

#[test]
fn a_duplicate_with_other_maps_or_another_flux_scale_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let message = |options: &IngestOptions, list: &str| {
        std::fs::write(root.join("l.csv"), list).unwrap();
        let mut found = ingest_inputs(&[&root.join("l.csv")], options);
        find_duplicates(&mut found);
        assert_eq!(verdicts(&found), (vec!["a.fits"], vec![("b.fits", "W-FRAME-DUPLICATE")]));
        found.left_out[0].reason.message().to_owned()
    };
    let images = [("SCI", 1, vec![1.0; N]), ("WHT", 1, vec![1.0; N])];
    for name in ["a.fits", "b.fits"] {
        write_frame(&root.join(name), SIZE, &[1.0; N]);
        write_map(&root.join(format!("w{name}")), SIZE, &[1.0; N]);
    }
    let plain = IngestOptions::default();
    let same = "same content as a.fits, which is used";
    assert_eq!(message(&plain, "path,weight\na.fits,wa.fits\nb.fits,wa.fits\n"), same);
    assert_eq!(
        message(&plain, "path,weight,mask,flux_scale\na.fits,wa.fits,,2\nb.fits,wb.fits,wb.fits,0.5\n"),
        format!("{same}, with its own weight map and no mask and flux scale 2.0, not 0.5")
    );
    for name in ["a.fits", "b.fits"] {
        write_extensions(&root.join(name), SIZE, &images);
    }
    std::fs::write(root.join("l.csv"), "path\na.fits\nb.fits\n").unwrap();
    let mut found = ingest_inputs(&[&root.join("l.csv")], &suffixes(Some("[WHT]"), None));
    find_duplicates(&mut found);
    assert_eq!(found.left_out[0].reason.message(), "same content as a.fits[1], which is used");
}

#[test]
fn brackets_of_a_suffix_are_trimmed_and_must_name_something() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fits");
    write_extensions(&path, SIZE, &[("SCI", 1, vec![1.0; N]), ("WHT", 1, vec![2.0; N])]);
    let options = suffixes(Some(" [ wht ] "), None);
    assert_eq!(only_frame(&path, &options).maps.weight.unwrap().hdu, 2);
    assert_eq!(options.maps.check(), Ok(()));
    for empty in ["[]", " [ ]"] {
        let error = suffixes(None, Some(empty)).maps.check().unwrap_err();
        assert!(error.starts_with("mask-suffix [] names no extension"), "{error}");
    }
}

#[test]
fn extensions_of_the_same_version_are_maps_of_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chips.fits");
    let plane = |value: f32| vec![value; N];
    let images = [
        ("SCI", 1, plane(1.0)),
        ("ERR", 1, plane(3.0)),
        ("DQ", 1, plane(0.0)),
        ("SCI", 2, plane(2.0)),
        ("ERR", 2, plane(4.0)),
        ("DQ", 2, plane(0.0)),
        ("WHT", 1, plane(9.0)),
    ];
    write_extensions(&path, SIZE, &images);
    let found = ingest_inputs(&[&path], &suffixes(Some("[err]"), Some("[DQ]")));
    assert_eq!(verdicts(&found), (vec!["chips.fits[1]", "chips.fits[4]"], vec![]));
    let hdus = |frame: &Frame| frame.maps.iter().map(|map| (map.hdu, map.kind)).collect::<Vec<_>>();
    assert_eq!(hdus(&found.frames[0]), [(2, MapKind::Rms), (3, MapKind::Mask)]);
    assert_eq!(hdus(&found.frames[1]), [(5, MapKind::Rms), (6, MapKind::Mask)]);
    let pool = FilePool::new(2);
    let whole = Region { x0: 0, y0: 0, width: 8, height: 6 };
    let mut scratch = PixelScratch::default();
    let pixels = read_planes(&pool, &found.frames[1], whole, &mut scratch).unwrap();
    assert!(pixels.relative_variance.unwrap().of(0).iter().all(|variance| *variance == 16.0));

    // Only the first has weights.
    let found = ingest_inputs(&[&path], &suffixes(Some("[WHT]"), None));
    assert_eq!(verdicts(&found), (vec!["chips.fits[1]"], vec![("chips.fits[4]", "E-FRAME-MAP")]));
    assert_eq!(found.frames[0].maps.weight.as_ref().unwrap().kind, MapKind::Weight);
    // An image of any name beside its weights: the weights are no frame.
    write_extensions(&path, SIZE, &[("M31", 1, plane(1.0)), ("VAR", 1, plane(3.0))]);
    let found = ingest_inputs(&[&path], &suffixes(Some("[VAR]"), None));
    assert_eq!(verdicts(&found), (vec!["chips.fits[1]"], vec![]));
    assert_eq!(found.frames[0].maps.weight.as_ref().unwrap().kind, MapKind::Variance);
    let mut options = suffixes(Some("[VAR]"), None);
    options.maps.weight_type = WeightType::MapRms;
    assert_eq!(only_frame(&path, &options).maps.weight.unwrap().kind, MapKind::Rms, "as the option says");
    assert_eq!(verdicts(&ingest_inputs(&[&path], &IngestOptions::default())).0.len(), 2);
}

#[test]
fn a_colour_mosaic_with_weights_of_its_own_is_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mosaic.fits");
    let data: Vec<f32> = (0..3 * N).map(|i| i as f32).collect();
    let mut weight = vec![1.0; 3 * N];
    weight[2 * N..].fill(4.0);
    weight[N + 5] = 0.0;
    let mut mask = vec![0.0; N];
    mask[7] = 1.0;
    write_extensions(&path, SIZE, &[("SCI", 1, data.clone()), ("WHT", 1, weight), ("DQ", 1, mask)]);
    let frame = only_frame(&path, &suffixes(Some("[WHT]"), Some("[DQ]")));
    assert_eq!(frame.kind, FrameKind::Rgb);
    let pool = FilePool::new(2);
    let mut scratch = PixelScratch::default();
    let region = Region { x0: 2, y0: 0, width: 6, height: 2 };
    let pixels = read_planes_scaled(&pool, &frame, region, [1.0, 1.0, 8.0], &mut scratch).unwrap();
    let variance = pixels.relative_variance.unwrap();
    for channel in 0..3 {
        for (index, value) in pixels.planes[channel].iter().enumerate() {
            let at = (index / 6) * 8 + index % 6 + 2;
            let bad = at == 7 || (at == 5 && channel == 1);
            assert_eq!(value.is_nan(), bad, "{channel} {at}");
            assert!(bad || *value == data[channel * N + at]);
            assert_eq!(variance.of(channel)[index].is_nan(), at == 5 && channel == 1);
        }
    }
    assert_eq!((variance.of(0)[0], variance.of(2)[0]), (1.0, 2.0));
    let noise = measure_noise(&pool, &frame).unwrap();
    assert_eq!(noise.map_variance, [1.0, 1.0, 0.25]);
}

/// A mono frame with maps of these stored values.
fn with_maps(folder: &Path, weight: Option<ImageData<'_>>, mask: Option<(&Header, ImageData<'_>)>) -> Frame {
    let path = folder.join("a.fits");
    write_frame(&path, SIZE, &(0..N).map(|i| i as f32).collect::<Vec<_>>());
    let mut options = suffixes(None, None);
    if let Some(data) = weight {
        write_image(&folder.join("a.w.fits"), &Header::new(), data, &[8, 6]).unwrap();
        options.maps.weight_suffix = Some(".w.fits".into());
    }
    if let Some((header, data)) = mask {
        write_image(&folder.join("a.m.fits"), header, data, &[8, 6]).unwrap();
        options.maps.mask_suffix = Some(".m.fits".into());
    }
    only_frame(&path, &options)
}

#[test]
fn integer_maps_and_their_blanks_mark_bad_pixels() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Region { x0: 0, y0: 0, width: 8, height: 6 };
    let mut scratch = PixelScratch::default();
    let mut bad_of = |frame: &Frame| -> Vec<usize> {
        // Each case replaces the files, which a pool would keep open.
        let pixels = read_planes(&FilePool::new(2), frame, whole, &mut scratch).unwrap();
        (0..N).filter(|&index| pixels.planes[0][index].is_nan()).collect()
    };
    let plain = Header::new();
    let mut blank = Header::new();
    blank.set_i64("BLANK", -9, "");
    let mut bytes = [0_u8; N];
    (bytes[3], bytes[47]) = (1, 255);
    assert_eq!(bad_of(&with_maps(dir.path(), None, Some((&plain, ImageData::U8(&bytes))))), [3, 47]);
    let mut words = [0_i16; N];
    (words[0], words[5]) = (-9, 4);
    assert_eq!(bad_of(&with_maps(dir.path(), None, Some((&blank, ImageData::I16(&words))))), [0, 5]);
    let mut longs = [0_i32; N];
    (longs[1], longs[2]) = (1 << 30, -1);
    assert_eq!(bad_of(&with_maps(dir.path(), None, Some((&plain, ImageData::I32(&longs))))), [1, 2]);
    let mut weights = [2_u16; N];
    weights[9] = 0;
    let frame = with_maps(dir.path(), Some(ImageData::U16(&weights)), Some((&plain, ImageData::U8(&bytes))));
    assert_eq!(bad_of(&frame), [3, 9, 47], "both maps");
    let mut floats = [0.5_f32; N];
    (floats[4], floats[6], floats[8]) = (f32::NAN, -1.0, f32::INFINITY);
    let frame = with_maps(dir.path(), Some(ImageData::F32(&floats)), None);
    assert_eq!(bad_of(&frame), [4, 6, 8]);
    let pool = FilePool::new(2);
    // Any window says the same as the whole.
    let mut scratch = [PixelScratch::default(), PixelScratch::default()];
    let [first, second] = &mut scratch;
    let all = read_planes(&pool, &frame, whole, first).unwrap();
    for (x0, y0, width, height) in [(0, 0, 3, 2), (4, 1, 4, 5), (7, 5, 1, 1)] {
        let region = Region { x0, y0, width, height };
        let part = read_planes(&pool, &frame, region, second).unwrap();
        for index in 0..region.area() {
            let at = (y0 as usize + index / width) * 8 + x0 as usize + index % width;
            assert_eq!(part.planes[0][index].to_bits(), all.planes[0][at].to_bits());
            let (part, all) = (part.relative_variance.unwrap(), all.relative_variance.unwrap());
            assert_eq!(part.of(0)[index].to_bits(), all.of(0)[at].to_bits());
        }
    }
}

/// A CFA frame with a mask and a weight map.
fn cfa(folder: &Path, raw: &[f32], size: (usize, usize), mask: &[u8], weight: &[f32]) -> Frame {
    let path = folder.join("cfa.fits");
    let bayer = |header: &mut Header| header.set_str("BAYERPAT", "GRBG", "");
    write_test_frame(&path, &wcs(size.0, size.1), ImageData::F32(raw), bayer).unwrap();
    let dims = [size.0, size.1];
    write_image(&folder.join("cfa.m.fits"), &Header::new(), ImageData::U8(mask), &dims).unwrap();
    write_image(&folder.join("cfa.w.fits"), &Header::new(), ImageData::F32(weight), &dims).unwrap();
    only_frame(&path, &suffixes(Some(".w.fits"), Some(".m.fits")))
}

#[test]
fn a_cfa_frame_is_masked_before_it_is_demosaiced() {
    let dir = tempfile::tempdir().unwrap();
    let size = (16, 12);
    let level = |x: usize, y: usize| [100.0, 200.0, 300.0][CfaPattern::Grbg.colour_at(x as i64, y as i64)];
    let mut raw: Vec<f32> = (0..16 * 12).map(|i| level(i % 16, i / 16)).collect();
    let mut mask = vec![0_u8; raw.len()];
    let mut weight: Vec<f32> = (0..raw.len()).map(|i| 1.0 + i as f32).collect();
    // A hot pixel that the mask knows, and one of weight 0.
    raw[5 * 16 + 7] = 60000.0;
    mask[5 * 16 + 7] = 1;
    raw[8 * 16 + 2] = 50000.0;
    weight[8 * 16 + 2] = 0.0;
    let frame = cfa(dir.path(), &raw, size, &mask, &weight);
    let pool = FilePool::new(4);
    let mut scratch = PixelScratch::default();
    for (x0, y0, width, height) in [(0, 0, 16, 12), (6, 4, 3, 3), (1, 7, 2, 2), (8, 5, 4, 2), (15, 11, 1, 1)]
    {
        let region = Region { x0, y0, width, height };
        let pixels = read_planes_scaled(&pool, &frame, region, [2.0; 3], &mut scratch).unwrap();
        let variance = pixels.relative_variance.unwrap();
        for index in 0..region.area() {
            let (x, y) = (x0 as usize + index % width, y0 as usize + index / width);
            let bad = (x, y) == (7, 5) || (x, y) == (2, 8);
            for channel in 0..3 {
                let value = pixels.planes[channel][index];
                assert!(value.is_nan() == bad, "{x} {y}");
                assert!(bad || value == [100.0, 200.0, 300.0][channel], "{x} {y} {channel}: {value}");
                let expected = 2.0 / weight[y * 16 + x];
                let found = variance.of(channel)[index];
                assert_eq!(variance.of(channel).len(), region.area());
                assert!((x, y) == (2, 8) && found.is_nan() || (found - expected).abs() <= 1e-7 * expected);
            }
        }
    }
    assert!(PixelScratch::bytes_for(&frame, 1000, 10) >= (4 + 2) * 4000);
}

#[test]
fn noise_is_that_of_good_pixels_and_maps_are_brought_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (w, h) = (300, 200);
    let path = dir.path().join("a.fits");
    // The right half is three times as noisy, and a quarter of all pixels is rubbish that the mask knows.
    let mut pixels = noise_image(w, h, 500.0, 7.0, 3);
    let mut weight = vec![0.0; w * h];
    let mut mask = vec![0_u8; w * h];
    for index in 0..w * h {
        let right = index % w >= 200;
        if right {
            pixels[index] = 500.0 + (pixels[index] - 500.0) * 3.0;
        }
        weight[index] = if right { 0.01 / 9.0 } else { 0.01 };
        if index % 4 == 1 || (index / w) % 7 == 2 {
            pixels[index] = 1e6 * (index % 13) as f32;
            mask[index] = 1;
            weight[index] = 1e9;
        }
    }
    write_frame(&path, (w, h), &pixels);
    let dims = [w, h];
    write_image(&dir.path().join("a.m.fits"), &Header::new(), ImageData::U8(&mask), &dims).unwrap();
    write_map(&dir.path().join("a.w.fits"), (w, h), &weight);
    let pool = FilePool::new(4);
    let frame = only_frame(&path, &IngestOptions::default());
    let plain = measure_noise(&pool, &frame).unwrap();
    assert!(plain.sigma_adu[0] > 100.0 && plain.map_variance.is_empty());
    let reference = plain.reference(&frame, WeightRescale::Off);
    assert_eq!(reference.variance[0], plain.sigma_adu[0] * plain.sigma_adu[0]);

    let frame = only_frame(&path, &suffixes(Some(".w.fits"), Some(".m.fits")));
    let noise = measure_noise(&pool, &frame).unwrap();
    assert!((noise.sigma_adu[0] - 9.0).abs() < 2.0, "{:?}", noise.sigma_adu);
    assert!((noise.level_adu[0] - 500.0).abs() < 1.0, "{:?}", noise.level_adu);
    assert!((noise.map_variance[0] - 100.0).abs() < 1e-4, "{:?}", noise.map_variance);

    let auto = noise.reference(&frame, WeightRescale::Auto);
    let off = noise.reference(&frame, WeightRescale::Off);
    assert_eq!(auto.map_scale, off.map_scale);
    // At the median of the map sigma is 7, whatever the noisy third does to the sigma of all pixels.
    assert!((auto.variance[0] / 49.0 - 1.0).abs() < 0.04, "{auto:?}");
    assert!((noise.map_factor[0] / 0.49 - 1.0).abs() < 0.04, "{:?}", noise.map_factor);
    assert_eq!(off.variance[0], noise.map_variance[0]);
    let mut scratch = PixelScratch::default();
    let region = Region { x0: 190, y0: 0, width: 20, height: 1 };
    let pixels = read_planes_scaled(&pool, &frame, region, off.map_scale, &mut scratch).unwrap();
    let variance = pixels.relative_variance.unwrap().of(0);
    for (index, relative) in variance.iter().enumerate().filter(|(index, _)| (190 + index) % 4 != 1) {
        let by_map = if index < 10 { 100.0 } else { 900.0 };
        let found = f64::from(*relative) * off.variance[0];
        assert!((found / by_map - 1.0).abs() < 1e-6, "{found}");
    }
}

#[test]
fn cfa_noise_has_levels_by_colour_and_one_map_variance() {
    let dir = tempfile::tempdir().unwrap();
    let size = (120, 80);
    let mut raw = noise_image(size.0, size.1, 0.0, 5.0, 4);
    for (index, value) in raw.iter_mut().enumerate() {
        let colour = CfaPattern::Grbg.colour_at((index % 120) as i64, (index / 120) as i64);
        *value += [1000.0, 3000.0, 500.0][colour];
    }
    let frame = cfa(dir.path(), &raw, size, &vec![0; raw.len()], &vec![0.04; raw.len()]);
    let noise = measure_noise(&FilePool::new(4), &frame).unwrap();
    for (level, expected) in noise.level_adu.iter().zip([1000.0, 3000.0, 500.0]) {
        assert!((level - expected).abs() < 1.0, "{level}");
    }
    let off = noise.reference(&frame, WeightRescale::Off);
    let auto = noise.reference(&frame, WeightRescale::Auto);
    for (channel, gain) in [0.5625, 0.625, 0.5625].into_iter().enumerate() {
        assert!((off.variance[channel] / (25.0 * gain) - 1.0).abs() < 1e-6);
        assert!((auto.variance[channel] / off.variance[channel] - 1.0).abs() < 0.1);
        assert!((off.map_scale[channel] - 0.04).abs() < 1e-8);
    }
}

#[test]
fn a_frame_without_a_good_pixel_has_no_data() {
    let dir = tempfile::tempdir().unwrap();
    let plain = Header::new();
    let frame = with_maps(dir.path(), None, Some((&plain, ImageData::U8(&[1; N]))));
    let noise = measure_noise(&FilePool::new(2), &frame).unwrap();
    assert!(!noise.has_data && noise.sigma_adu[0].is_nan() && noise.level_adu[0].is_nan());
    let frame = with_maps(dir.path(), Some(ImageData::F32(&[0.0; N])), None);
    let noise = measure_noise(&FilePool::new(2), &frame).unwrap();
    assert!(!noise.has_data && noise.map_variance[0].is_nan());
    let reference = noise.reference(&frame, WeightRescale::Off);
    assert_eq!((reference.map_scale[0], reference.variance[0]), (1.0, 1.0), "the map in its own units");
    assert!(noise.reference(&frame, WeightRescale::Auto).variance[0].is_nan());
}

#[test]
fn weights_of_decam_tell_the_noise_of_its_images() {
    let Some(data) = real_data("decam_tpv") else { return };
    let dir = tempfile::tempdir().unwrap();
    let images: Vec<PathBuf> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("_ooi_"))
        .collect();
    assert!(!images.is_empty());
    let rows: Vec<String> = images
        .iter()
        .map(|path| path.display().to_string())
        .map(|path| format!("\"{path}\",\"{}\"", path.replace("_ooi_", "_oow_")))
        .collect();
    let list = dir.path().join("decam.csv");
    std::fs::write(&list, format!("path,weight\n{}\n", rows.join("\n"))).unwrap();
    let found = ingest_inputs(&[&list], &IngestOptions::default());
    assert_eq!(found.frames.len(), images.len(), "{:?}", found.left_out);
    let pool = FilePool::new(8);
    for frame in &found.frames {
        let map = frame.maps.weight.as_ref().unwrap();
        assert_eq!((map.hdu, frame.hdu, map.kind), (1, 1, MapKind::Weight));
        let noise = measure_noise(&pool, frame).unwrap();
        // The weights are inverse variances in the image's own units.
        let ratio = noise.map_factor[0];
        let all = noise.sigma_adu[0] * noise.sigma_adu[0] / noise.map_variance[0];
        eprintln!("{}: factor {ratio:.3}, of all {all:.3}, level {:.1}", frame.id, noise.level_adu[0]);
        assert!((0.7..1.3).contains(&ratio), "{}: {ratio}", frame.id);
    }
    // The folder itself: the weights among the walked files are named by the list and are no frames.
    let both = ingest_inputs(&[&list, &data], &IngestOptions::default());
    assert_eq!(both.frames.len(), images.len());
    assert!(both.left_out.iter().all(|item| item.reason.code() == "W-FRAME-AUXILIARY"));
    assert_eq!(both.left_out.len(), images.len());
}

#[test]
fn options_of_maps_are_read_by_name() {
    let text = r#"{"maps": {"weight-suffix": ".weight.fits", "weight-type": "map-rms", "rescale": "off"}}"#;
    let options: IngestOptions = serde_json::from_str(text).unwrap();
    assert_eq!(options.flux_scale_key, "FLXSCALE");
    let expected = MapOptions {
        weight_suffix: Some(".weight.fits".into()),
        weight_type: WeightType::MapRms,
        mask_suffix: None,
        rescale: WeightRescale::Off,
    };
    assert_eq!(options.maps, expected);
    assert!(serde_json::from_str::<IngestOptions>(r#"{"maps": {"weight": "x"}}"#).is_err());
}
