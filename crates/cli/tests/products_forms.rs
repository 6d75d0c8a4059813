//! Other forms of input and output: lists, maps, compressed mosaics; and what must not happen to inputs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use common::*;
use zemosaic_fits::{Header, ImageData, scan, write_image};

/// Header of the first HDU that is SCI.
fn science_header(path: &Path) -> Header {
    let file = scan(path).unwrap();
    let hdu =
        file.hdus.iter().find(|hdu| hdu.header.get_str("EXTNAME").is_some_and(|name| name.trim() == "SCI"));
    let hdu = hdu.unwrap();
    hdu.restored_header().unwrap_or_else(|| hdu.header.clone())
}

#[test]
fn a_compressed_mosaic_stands_for_the_plain_one() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "");
    for codec in ["rice", "gzip"] {
        mosaic(&[&frames], &out, &["--compress", codec]).expect(8, "E-OUTPUT-EXISTS");
        mosaic(&[&frames], &out, &["--compress", codec, "--force", "-j", "1"]).expect(0, "");
        assert!(!out.join("mosaic.fits").exists());
        let compressed = out.join("mosaic.fits.fz");
        run(program().arg("check").arg(&out)).expect(0, "");
        assert_eq!(science_header(&compressed).get_i64("NCOMBINE"), Some(3));
        let first = std::fs::read(&compressed).unwrap();
        mosaic(&[&frames], &out, &["--compress", codec, "--force", "-j", "3"]).expect(0, "");
        assert!(first == std::fs::read(&compressed).unwrap(), "{codec}: bytes depend on threads");
        assert_tidy(dir.path());
    }
    // And back.
    mosaic(&[&frames], &out, &["--force"]).expect(0, "");
    assert!(out.join("mosaic.fits").exists() && !out.join("mosaic.fits.fz").exists());
}

#[test]
fn an_input_with_the_name_of_a_product_is_never_replaced() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let is_fits = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "fits");
    let first = frames.join(listing(&frames).into_iter().find(is_fits).unwrap());
    for name in ["mosaic.fits", "mosaic.fits.fz"] {
        let named = frames.join(name);
        std::fs::rename(&first, &named).unwrap();
        let before = std::fs::read(&named).unwrap();
        for more in [&["--force"][..], &["--force", "--compress", "rice"]] {
            mosaic(&[&frames], &frames, more).expect(2, "E-USAGE").tells("is an input");
            assert!(std::fs::read(&named).unwrap() == before);
        }
        std::fs::rename(&named, &first).unwrap();
    }
    // Somebody else's file of the other form stays.
    let out = dir.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::copy(&first, out.join("mosaic.fits.fz")).unwrap();
    mosaic(&[&frames], &out, &["--force"]).expect(0, "");
    assert!(out.join("mosaic.fits.fz").exists());
}

#[test]
fn lists_name_frames_maps_and_scales() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 3);
    let mut names: Vec<String> =
        listing(&frames).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "fits"));
    names.sort();
    let mask = vec![0_u8; WIDTH * HEIGHT];
    let weight = vec![2.0_f32; WIDTH * HEIGHT];
    let size = [WIDTH, HEIGHT];
    write_image(&frames.join("good.mask.fits"), &Header::new(), ImageData::U8(&mask), &size).unwrap();
    write_image(&frames.join("even.weight.fits"), &Header::new(), ImageData::F32(&weight), &size).unwrap();
    let csv = format!(
        "path,mask,weight,flux_scale\n{},good.mask.fits,even.weight.fits,2\n{},,,\n",
        names[0], names[1]
    );
    let list = frames.join("sources.csv");
    std::fs::write(&list, csv).unwrap();
    let out = dir.path().join("csv");
    mosaic(&[&list], &out, &[]).expect(0, "");
    let table = std::fs::read_to_string(out.join("frames.csv")).unwrap();
    assert!(table.contains(",2,even.weight.fits good.mask.fits,"), "{table}");
    assert_eq!(science_header(&out.join("mosaic.fits")).get_i64("NCOMBINE"), Some(2));

    let text = frames.join("names");
    std::fs::write(&text, format!("# two frames\n{}\n\n{}\n", names[0], names[2])).unwrap();
    let out = dir.path().join("text");
    mosaic(&[format!("@{}", text.display())], &out, &[]).expect(0, "");
    assert_eq!(science_header(&out.join("mosaic.fits")).get_i64("NCOMBINE"), Some(2));

    std::fs::write(&list, "path,wieght\na.fits,b.fits\n").unwrap();
    mosaic(&[&list], &dir.path().join("bad"), &[]).expect(7, "E-INPUT").tells("weight");
}

#[test]
fn options_out_of_range_are_told_before_anything_is_read() {
    let dir = folder();
    let frames = mono_frames(dir.path(), 2);
    let out = dir.path().join("out");
    for (options, what) in [
        (&["--background", "mesh", "--back-size", "1"][..], "mesh"),
        (&["--background", "mesh", "--back-filter-size", "2"], "filter"),
        (&["--kernel", "drizzle", "--pixfrac", "0"], "pixfrac"),
        (&["--kernel", "drizzle", "--pixfrac", "1.5"], "pixfrac"),
        (&["--combine", "percentile:101"], "percentile"),
        (&["--kernel", "lancos3"], "lanczos3"),
        (&["--pixfrac", "0.5"], "only with --kernel drizzle"),
        (&["--back-size", "64"], "only with --background other than none"),
        (&["--quantize", "4", "--compress", "gzip"], "only with --compress rice"),
        (&["--reject", "none", "--kappa", "2"], "only with a --reject"),
        (&["--reject", "esd", "--kappa", "2"], "only with a --reject"),
        (&["--reject", "sigma", "--esd-alpha", "0.1"], "only with --reject esd"),
        (&["--reject", "esd", "--esd-alpha", "2"], "esd-alpha"),
        (&["--reject", "sigma", "--noise-kappa=-1"], "noise-kappa"),
    ] {
        mosaic(&[&frames], &out, options).expect(2, what);
        assert!(!out.exists());
    }
    mosaic(&[&frames], &out, &["--memory", "20MiB"]).expect(6, "E-RESOURCE");
    assert!(!out.exists());
}

/// Frames in units so small that weights overflow: said, not hidden.
#[test]
fn units_beyond_32_bit_weights_are_told() {
    let dir = folder();
    let frames = dir.path().join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    let frame = pointing(0, 0.0);
    let image: Vec<f32> = sky_image(&frame, 1).iter().map(|value| value * 1e-24).collect();
    let path = frames.join("tiny.fits");
    zemosaic_testkit::write_test_frame(&path, &frame, ImageData::F32(&image), observed(0)).unwrap();
    let out = dir.path().join("out");
    mosaic(&[&frames], &out, &[]).expect(0, "W-RANGE").tells("flux_scale");
    let list = frames.join("scaled.csv");
    std::fs::write(&list, "path,flux_scale\ntiny.fits,1e15\n").unwrap();
    let scaled = mosaic(&[&list], &dir.path().join("scaled"), &[]);
    scaled.expect(0, "");
    assert!(!scaled.stderr.contains("W-RANGE"), "{}", scaled.stderr);
}
