//! Windows of a Bayer frame and of a mono frame, as they are stored and calibrated; an element is one pixel of the frame.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::calibration::{
    CalibrationKind, Master, MasterUse, OverscanMode, Subtracted, read_calibration_file,
};
use zemosaic_frames::pixels::read_planes_scaled;
use zemosaic_frames::{FrameCalibration, IngestOptions, PixelScratch, discover, ingest};
use zemosaic_image::Region;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIZE: (usize, usize) = (1080, 512);

fn master(path: &Path, kind: CalibrationKind, pool: &FilePool) -> MasterUse {
    let file = read_calibration_file(path, OverscanMode::Off).unwrap();
    let mut master = Master {
        kind,
        index: 0,
        name: String::new(),
        path: file.path.clone(),
        pixels_path: file.path,
        layout: file.layout,
        facts: file.facts,
        statistics: None,
    };
    master.measure(pool).unwrap();
    MasterUse { master: Arc::new(master), offset_px: (0, 0) }
}

fn read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (width, height) = SIZE;
    let raw: Vec<u16> = noise_image(width, height, 2000.0, 30.0, 1).iter().map(|v| *v as u16).collect();
    let wcs = TanFrame::pointed_at((10.0, 20.0), 2.4, 0.0, Parity::Sky, SIZE);
    for (name, mean) in [("dark", 500.0), ("flat", 20_000.0)] {
        let pixels = noise_image(width, height, mean, 0.01 * mean, 2);
        let path = dir.path().join(name).with_extension("fits");
        write_image(&path, &Header::new(), ImageData::F32(&pixels), &[width, height]).unwrap();
    }
    let pool = FilePool::new(8);
    let dark = master(&dir.path().join("dark.fits"), CalibrationKind::Dark, &pool);
    let flat = master(&dir.path().join("flat.fits"), CalibrationKind::Flat, &pool);
    let subtract = vec![Subtracted { of: dark, factor: 1.0 }];
    let with_dark = FrameCalibration { subtract: subtract.clone(), ..FrameCalibration::default() };
    let with_both = FrameCalibration { subtract, flat: Some(flat), ..FrameCalibration::default() };
    let mut group = criterion.benchmark_group("calibrated_read");
    group.throughput(Throughput::Elements((width * height) as u64));
    for (name, pattern) in [("mono", "NONE"), ("cfa", "GRBG")] {
        let path = dir.path().join(format!("light_{name}.fits"));
        let bayer = |header: &mut Header| header.set_str("BAYERPAT", pattern, "");
        write_test_frame(&path, &wcs, ImageData::U16(&raw), bayer).unwrap();
        let file = discover(&[path], &[]).unwrap();
        let mut frame = ingest(&file, &IngestOptions::default(), &|_| {}).frames.remove(0);
        let region = Region { x0: 1, y0: 1, width: width - 2, height: height - 2 };
        for (steps, calibration) in
            [("stored", None), ("dark", Some(with_dark.clone())), ("dark and flat", Some(with_both.clone()))]
        {
            frame.calibration = calibration.map(Arc::new);
            let mut scratch = PixelScratch::default();
            group.bench_function(format!("{name}, {steps}"), |bencher| {
                bencher.iter(|| {
                    let pixels = read_planes_scaled(&pool, &frame, region, [1.0; 3], &mut scratch).unwrap();
                    black_box(pixels.planes[0][0]);
                });
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = read }
criterion_main!(benches);
