//! Maps in packed files: unpacked once for all frames that use them, counted in the plan, and told when broken.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::{CoaddOptions, MemoryBudget};
use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::pixels::read_planes;
use zemosaic_frames::{IngestOptions, Packing, PixelScratch};
use zemosaic_image::Region;
use zemosaic_run::prepare::{Prepared, prepare};
use zemosaic_run::{Layout, MosaicOptions, Reporter, plan_layout, scan_inputs};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const BUDGET: MemoryBudget = MemoryBudget { total_bytes: 1 << 30, workers: 2 };
const SIZE: (usize, usize) = (40, 30);
const N: usize = 1200;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A mask as one GZIP_1 tile, after the tiled image convention of the FITS standard 4.0 (section 10).
fn write_compressed_mask(path: &Path, mask: &[u8]) {
    let tile = gzip(mask);
    let mut primary = Header::new();
    primary.set_bool("SIMPLE", true, "");
    primary.set_i64("BITPIX", 8, "");
    primary.set_i64("NAXIS", 0, "");
    let mut table = Header::new();
    table.set_str("XTENSION", "BINTABLE", "");
    let cards =
        [("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", 1), ("PCOUNT", tile.len()), ("GCOUNT", 1)];
    for (key, value) in cards {
        table.set_i64(key, value as i64, "");
    }
    table.set_i64("TFIELDS", 1, "");
    table.set_str("TTYPE1", "COMPRESSED_DATA", "");
    table.set_str("TFORM1", "1PB(9999)", "");
    table.set_bool("ZIMAGE", true, "");
    table.set_str("ZCMPTYPE", "GZIP_1", "");
    let (width, height) = SIZE;
    let cards = [
        ("ZBITPIX", 8),
        ("ZNAXIS", 2),
        ("ZNAXIS1", width),
        ("ZNAXIS2", height),
        ("ZTILE1", width),
        ("ZTILE2", height),
    ];
    for (key, value) in cards {
        table.set_i64(key, value as i64, "");
    }
    let mut bytes = primary.to_bytes();
    bytes.extend(table.to_bytes());
    bytes.extend((tile.len() as u32).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(&tile);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    std::fs::write(path, bytes).unwrap();
}

fn reporter() -> Reporter {
    Reporter::start(Box::new(|_| {}))
}

fn planned(inputs: &[PathBuf]) -> Layout {
    let scan = scan_inputs(inputs, &[], &IngestOptions::default(), &reporter()).unwrap();
    plan_layout(scan, &MosaicOptions::default()).unwrap()
}

fn prepared(layout: &Layout, spill: &Path) -> Prepared {
    std::fs::create_dir_all(spill).unwrap();
    let pool = FilePool::new(8);
    prepare(
        layout.frames.clone(),
        &CoaddOptions::default(),
        BUDGET,
        spill,
        &pool,
        &reporter(),
        &AtomicBool::new(false),
    )
    .unwrap()
}

#[test]
fn packed_maps_are_unpacked_once_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let wcs = |ra: f64| TanFrame::pointed_at((ra, 20.0), 2.0, 30.0, Parity::Sky, SIZE);
    let mut rows = vec![String::from("path,weight,mask")];
    for index in 0..3 {
        let pixels = noise_image(SIZE.0, SIZE.1, 100.0, 5.0, index);
        let path = root.join(format!("{index}.fits"));
        let frame = wcs(10.0 + index as f64 * 1e-3);
        write_test_frame(&path, &frame, ImageData::F32(&pixels), |_| {}).unwrap();
        rows.push(format!("{index}.fits,{index}.weight.fits.gz,mask.fits.fz"));
        let mut weight = vec![0.04_f32; N];
        weight[index as usize] = 0.0;
        let plain = root.join("weight.fits");
        write_image(&plain, &Header::new(), ImageData::F32(&weight), &[SIZE.0, SIZE.1]).unwrap();
        let packed = gzip(&std::fs::read(&plain).unwrap());
        std::fs::write(root.join(format!("{index}.weight.fits.gz")), packed).unwrap();
    }
    let mut mask = vec![0_u8; N];
    mask[41] = 1;
    write_compressed_mask(&root.join("mask.fits.fz"), &mask);
    let list = root.join("frames.csv");
    std::fs::write(&list, rows.join("\n")).unwrap();

    let layout = planned(std::slice::from_ref(&list));
    let spill = root.join("spill");
    let Prepared { frames, left_out } = prepared(&layout, &spill);
    assert!(left_out.is_empty() && frames.len() == 3, "{left_out:?}");
    let copies: Vec<u64> =
        std::fs::read_dir(&spill).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert_eq!(copies.len(), 4, "three weight maps and one mask for all");
    let total: u64 = copies.iter().sum();
    let planned_bytes = layout.spill_bytes();
    assert!(
        planned_bytes.abs_diff(total) <= 4 * 2880 && planned_bytes > 3 * 4 * N as u64,
        "{planned_bytes} {total}"
    );

    let pool = FilePool::new(8);
    let mut scratch = PixelScratch::default();
    let whole = Region { x0: 0, y0: 0, width: SIZE.0, height: SIZE.1 };
    for (index, (frame, measured)) in frames.iter().enumerate() {
        let packings: Vec<Packing> = frame.maps.iter().map(|map| map.packing).collect();
        assert_eq!(packings, [Packing::WholeFile, Packing::Compressed]);
        let pixels = read_planes(&pool, frame, whole, &mut scratch).unwrap();
        let bad: Vec<usize> = (0..N).filter(|&at| pixels.planes[0][at].is_nan()).collect();
        assert_eq!(bad, [index, 41]);
        assert!((measured.noise.map_variance[0] - 25.0).abs() < 1e-4);
        assert!((measured.noise.sigma_adu[0] / 5.0 - 1.0).abs() < 0.1, "{:?}", measured.noise.sigma_adu);
    }
}

#[test]
fn a_broken_packed_map_leaves_out_the_frames_that_need_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let wcs = TanFrame::pointed_at((10.0, 20.0), 2.0, 30.0, Parity::Sky, SIZE);
    for name in ["a.fits", "b.fits"] {
        let pixels =
            noise_image(SIZE.0, SIZE.1, 100.0, 5.0, name.len() as u64 + u64::from(name.as_bytes()[0]));
        write_test_frame(&root.join(name), &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
    }
    let noise = noise_image(SIZE.0, SIZE.1, 1.0, 0.1, 9);
    let plain = root.join("weight.fits");
    write_image(&plain, &Header::new(), ImageData::F32(&noise), &[SIZE.0, SIZE.1]).unwrap();
    let packed = gzip(&std::fs::read(&plain).unwrap());
    std::fs::write(root.join("w.fits.gz"), &packed[..packed.len() / 2]).unwrap();
    let list = root.join("frames.csv");
    std::fs::write(&list, "path,weight\na.fits,w.fits.gz\nb.fits,\n").unwrap();
    let layout = planned(&[list]);
    let Prepared { frames, left_out } = prepared(&layout, &root.join("spill"));
    assert_eq!(frames.len(), 1);
    assert_eq!((left_out[0].id.as_str(), left_out[0].reason.code()), ("a.fits", "E-FRAME-MAP"));
    assert!(left_out[0].reason.message().contains("w.fits.gz"), "{}", left_out[0].reason.message());
}
