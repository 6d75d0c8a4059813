//! The adjustment of all frames: a dense mosaic; an element is one detection.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zemosaic_sky::{SkyFrame, Wcs, unit_vector};
use zemosaic_stars::adjust::{AdjustFrame, AdjustOptions, adjust};
use zemosaic_stars::{Detection, ReferenceStar};
use zemosaic_testkit::rng::Rng;

const SIZE_PX: [usize; 2] = [1080, 1920];
const SCALE_DEG: f64 = 2.37 / 3600.0;
const STARS: usize = 100;

struct Frame {
    start: Wcs,
    stars: Vec<Detection>,
    matches: Vec<(usize, ReferenceStar)>,
}

/// `count` frames over a 3 x 3 mosaic, about a hundred stars in each, forty of them in the catalogue.
fn simulate(count: usize) -> Option<Vec<Frame>> {
    let mut rng = Rng::for_keys(1, &[count as u64]);
    let span = SIZE_PX.map(|n| 2.6 * n as f64 * SCALE_DEG);
    let sky: Vec<(f64, f64)> = (0..(STARS as f64 * 2.6 * 2.6) as usize)
        .map(|_| ((rng.uniform() - 0.5) * span[0], (rng.uniform() - 0.5) * span[1]))
        .collect();
    let wcs = |at: (f64, f64), off: (f64, f64)| {
        let crpix = [539.5 + off.0, 959.5 + off.1];
        let cd = [[SCALE_DEG, 0.0], [0.0, SCALE_DEG]];
        Wcs::tan([180.0 + at.0, at.1], crpix, cd, SkyFrame::Icrs).ok()
    };
    let mut frame = |index: usize| {
        let (column, row) = ((index % 3) as f64 - 1.0, (index / 3 % 3) as f64 - 1.0);
        let at = (column * 0.3 * span[0] + 0.01 * rng.normal(), row * 0.3 * span[1] + 0.01 * rng.normal());
        let (truth, start) = (wcs(at, (0.0, 0.0))?, wcs(at, (rng.normal(), rng.normal()))?);
        let (mut stars, mut matches) = (Vec::new(), Vec::new());
        for (id, (ra, dec)) in sky.iter().enumerate() {
            let (x, y) = truth.icrs_to_pixel(&unit_vector(180.0 + ra, *dec))?;
            if x > 0.0 && y > 0.0 && x < SIZE_PX[0] as f64 && y < SIZE_PX[1] as f64 {
                if matches.len() < 40 {
                    let star = ReferenceStar {
                        id: id as u32,
                        ra_deg: 180.0 + ra,
                        dec_deg: *dec,
                        mag: 10.0,
                        sigma_arcsec: 0.1,
                    };
                    matches.push((stars.len(), star));
                }
                let (x_px, y_px) = (x + 0.1 * rng.normal(), y + 0.1 * rng.normal());
                stars.push(Detection { x_px, y_px, flux_adu: 1e4, sigma_px: 0.1 });
            }
        }
        Some(Frame { start, stars, matches })
    };
    (0..count).map(&mut frame).collect()
}

fn input(frame: &Frame) -> AdjustFrame<'_> {
    let Frame { start, stars, matches } = frame;
    AdjustFrame { wcs: start, size_px: SIZE_PX, stars, matches, instrument: 0 }
}

fn adjustment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("adjust");
    for count in [240, 2000] {
        let Some(frames) = simulate(count) else { return };
        let frames: Vec<AdjustFrame<'_>> = frames.iter().map(input).collect();
        group.throughput(Throughput::Elements(frames.iter().map(|f| f.stars.len() as u64).sum()));
        group.bench_function(format!("{count} frames"), |bencher| {
            bencher.iter(|| adjust(black_box(&frames), &AdjustOptions::default()).map(|a| a.rounds));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = adjustment }
criterion_main!(benches);
