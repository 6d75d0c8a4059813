//! Windows of a Bayer frame and of a mono frame, alone and with their maps; an element is one pixel of the frame.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_fits::{FilePool, Header, ImageData, write_image};
use zemosaic_frames::pixels::read_planes_scaled;
use zemosaic_frames::{IngestOptions, PixelScratch, discover, ingest};
use zemosaic_image::Region;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIZE: (usize, usize) = (1080, 512);

fn read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (width, height) = SIZE;
    let raw: Vec<u16> = noise_image(width, height, 1000.0, 30.0, 1).iter().map(|v| *v as u16).collect();
    let weight = noise_image(width, height, 1.0, 0.1, 2);
    let mask: Vec<u8> = (0..raw.len()).map(|i| u8::from(i % 997 == 0)).collect();
    let wcs = TanFrame::pointed_at((10.0, 20.0), 2.4, 0.0, Parity::Sky, SIZE);
    let dims = [width, height];
    for (name, pattern) in [("mono", "NONE"), ("cfa", "GRBG")] {
        let at = |ending: &str| dir.path().join(format!("{name}{ending}"));
        let bayer = |header: &mut Header| header.set_str("BAYERPAT", pattern, "");
        write_test_frame(&at(".fits"), &wcs, ImageData::U16(&raw), bayer).unwrap();
        write_image(&at(".weight.fits"), &Header::new(), ImageData::F32(&weight), &dims).unwrap();
        write_image(&at(".mask.fits"), &Header::new(), ImageData::U8(&mask), &dims).unwrap();
    }
    let pool = FilePool::new(8);
    let mut group = criterion.benchmark_group("read_planes");
    group.throughput(Throughput::Elements((width * height) as u64));
    let suffix = |text: &str| Some(text.to_owned());
    for (maps, weight, mask) in [
        ("alone", None, None),
        ("mask", None, suffix(".mask.fits")),
        ("weight", suffix(".weight.fits"), None),
        ("both", suffix(".weight.fits"), suffix(".mask.fits")),
    ] {
        let mut options = IngestOptions::default();
        (options.maps.weight_suffix, options.maps.mask_suffix) = (weight, mask);
        for name in ["mono", "cfa"] {
            let file = discover(&[dir.path().join(format!("{name}.fits"))], &[]).unwrap();
            let frame = ingest(&file, &options, &|_| {}).frames.remove(0);
            let region = Region { x0: 1, y0: 1, width: width - 2, height: height - 2 };
            let mut scratch = PixelScratch::default();
            group.bench_function(format!("{name}, {maps}"), |bencher| {
                bencher.iter(|| {
                    let pixels = read_planes_scaled(&pool, &frame, region, [0.5; 3], &mut scratch).unwrap();
                    black_box(pixels.planes[0][0]);
                });
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = read }
criterion_main!(benches);
