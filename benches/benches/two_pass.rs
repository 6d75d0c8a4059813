//! Two-pass coverage renormalisation: the scale of a canvas, and the gains of tiles on it.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zemosaic_gauge::compat::coverage_scale::Bands;
use zemosaic_gauge::compat::two_pass::{TileMask, TwoPassOptions, coverage_gains, coverage_of};
use zemosaic_image::Region;

/// A whole rectangle.
struct Tile(Region, f32);

impl TileMask for Tile {
    fn region(&self) -> Region {
        self.0
    }

    fn pixels(&self) -> usize {
        self.0.area()
    }

    fn weight(&self) -> f32 {
        self.1
    }

    fn row(&self, _: i64, _: i64, mask: &mut [f32]) {
        mask.fill(1.0);
    }
}

/// Tiles of 3000 x 3000 px in rows of `columns`, overlapping by half, scattered a little.
fn field(count: usize, columns: usize) -> (Vec<Tile>, (usize, usize)) {
    let tile = |index: usize| {
        let (x, y) = (index % columns * 1500 + index * 37 % 90, index / columns * 1500 + index * 53 % 80);
        let region = Region { x0: x as i64, y0: y as i64, width: 3000, height: 3000 };
        Tile(region, 0.75 + 0.6 * (index % 7) as f32 / 6.0)
    };
    let tiles: Vec<Tile> = (0..count).map(tile).collect();
    let end = |of: fn(&Region) -> i64| tiles.iter().map(|tile| of(&tile.0)).max().unwrap_or(0) as usize;
    let size = (end(Region::x1), end(Region::y1));
    (tiles, size)
}

fn gains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two pass");
    group.sample_size(10);
    for (name, count, columns, size) in [
        ("27 tiles on 6000 x 5000 px", 27, 2, Some((6000, 5000))),
        ("40 tiles of 3000 x 3000 px", 40, 8, None),
    ] {
        let (tiles, whole) = field(count, columns);
        let size = size.unwrap_or(whole);
        group.throughput(Throughput::Elements((size.0 * size.1) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut plane = coverage_of(&tiles, size, &|_| {});
                coverage_gains(
                    &mut plane,
                    size,
                    &tiles,
                    &TwoPassOptions::default(),
                    Bands::default(),
                    &|_| {},
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, gains);
criterion_main!(benches);
