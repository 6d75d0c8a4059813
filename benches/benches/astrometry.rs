//! Match, plate fit and verification of one frame; an element is one detection.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_sky::{SkyFrame, Wcs, lonlat_deg};
use zemosaic_stars::{
    Detection, FitOptions, ReferenceList, ReferenceStar, VerifyOptions, fit_plate, match_stars, verify,
};
use zemosaic_testkit::rng::Rng;

const SIZE: [usize; 2] = [1080, 1920];
const SCALE_DEG: f64 = 2.374 / 3600.0;

fn wcs(shift_px: f64) -> Option<Wcs> {
    let cd = [[-SCALE_DEG, 0.0], [0.0, SCALE_DEG]];
    Wcs::tan([192.8, 41.1], [539.5 + shift_px, 959.5], cd, SkyFrame::Icrs).ok()
}

/// `count` detections, every other one a star of the catalogue.
fn frame(wcs: &Wcs, count: usize) -> (Vec<Detection>, Vec<ReferenceStar>) {
    let mut rng = Rng::for_keys(1, &[count as u64]);
    let (mut stars, mut reference) = (Vec::new(), Vec::new());
    for index in 0..count {
        let (x, y) = (rng.range(0.0, SIZE[0] as f64), rng.range(0.0, SIZE[1] as f64));
        let (x_px, y_px) = (x + 0.15 * rng.normal(), y + 0.15 * rng.normal());
        stars.push(Detection { x_px, y_px, flux_adu: 1e6 / (index + 1) as f64, sigma_px: 0.15 });
        if let (0, Some(at)) = (index % 2, wcs.pixel_to_icrs(x, y)) {
            let (ra_deg, dec_deg) = lonlat_deg(&at);
            let mag = 8.0 + 0.01 * index as f64;
            reference.push(ReferenceStar { id: index as u32, ra_deg, dec_deg, mag, sigma_arcsec: 0.1 });
        }
    }
    (stars, reference)
}

fn astrometry(criterion: &mut Criterion) {
    let (Some(truth), Some(start)) = (wcs(0.0), wcs(2.0)) else { return };
    let mut group = criterion.benchmark_group("astrometry");
    for count in [60, 250] {
        let (stars, reference) = frame(&truth, count);
        let list = ReferenceList::new(reference.clone());
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("match, {count} stars"), |bencher| {
            bencher.iter(|| match_stars(black_box(&stars), SIZE, &reference, &start, 6.0));
        });
        group.bench_function(format!("fit, {count} stars"), |bencher| {
            bencher.iter(|| fit_plate(black_box(&stars), SIZE, &list, &start, &FitOptions::default()));
        });
        group.bench_function(format!("verify, {count} stars"), |bencher| {
            bencher.iter(|| verify(black_box(&stars), SIZE, &list, &truth, &VerifyOptions::default()));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = astrometry }
criterion_main!(benches);
