//! Tiles merged from files: against the plain definition, in any patches, with tiles that stick out or cannot be read.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::{
    CoaddObserver, CoaddSummary, DepthPlanes, MemoryBudget, MergeJob, MergeRule, Patch, PatchResult,
    PatchSink, ProductPlane, Tile, TilePlane, dq, merge, plan_merge,
};
use zemosaic_fits::{
    DataSpec, FilePool, FitsError, HduRole, HduSpec, Header, Overwrite, ProductWriter, SampleType, Window,
    scan,
};
use zemosaic_gauge::{FrameGauge, Surface};
use zemosaic_image::Region;

const GRID: (usize, usize) = (150, 90);

const PLANES: [ProductPlane; 7] = [
    ProductPlane::Sci,
    ProductPlane::Wht,
    ProductPlane::Var,
    ProductPlane::Depth,
    ProductPlane::Dq,
    ProductPlane::RejLo,
    ProductPlane::RejHi,
];

/// A figure of its own for every tile, plane and grid pixel.
fn figure(tile: usize, plane: usize, x: i64, y: i64) -> u32 {
    let mut state = (tile as u32 + 1).wrapping_mul(0x9e37_79b9) ^ (plane as u32) << 20;
    state ^= (x as u32).wrapping_mul(0x85eb_ca6b) ^ (y as u32).wrapping_mul(0xc2b2_ae35);
    state ^= state >> 15;
    state.wrapping_mul(0x2c1b_3c6d) >> 8
}

/// Value, weight, variance, depth, bits, rejected low and high of a tile at a grid pixel.
fn pixel(tile: usize, x: i64, y: i64) -> ([f32; 3], [i32; 4]) {
    let unit = |plane: usize| figure(tile, plane, x, y) as f32 / (1 << 24) as f32;
    if unit(0) < 0.2 {
        return ([f32::NAN, 0.0, f32::NAN], [0, dq::NO_DATA | dq::MASKED, 0, 0]);
    }
    let count = |plane: usize, most: u32| (figure(tile, plane, x, y) % most) as i32;
    let counts = [1 + count(4, 5), if unit(5) < 0.5 { dq::EDGE } else { 0 }, count(6, 3), count(7, 2)];
    ([100.0 + unit(1), 0.5 + unit(2), 2.0 * unit(3)], counts)
}

fn write_tile(path: &Path, tile: usize, region: Region) -> Tile {
    let dims = vec![region.width, region.height];
    let hdus = PLANES
        .iter()
        .enumerate()
        .map(|(index, plane)| {
            let role = if index == 0 { HduRole::Primary } else { HduRole::Extension };
            let sample = if plane.is_integer() { SampleType::I32 } else { SampleType::F32 };
            let mut header = Header::for_image(role, sample, &dims);
            header.set_str("EXTNAME", plane.extname(), "");
            let data = if plane.is_integer() {
                DataSpec::I32 { dims: dims.clone() }
            } else {
                DataSpec::F32 { dims: dims.clone() }
            };
            HduSpec { header, data }
        })
        .collect();
    let writer = ProductWriter::create(path, hdus, Overwrite::Refuse).unwrap();
    let pixels: Vec<([f32; 3], [i32; 4])> = (region.y0..region.y1())
        .flat_map(|y| (region.x0..region.x1()).map(move |x| pixel(tile, x, y)))
        .collect();
    let window = Window { x0: 0, y0: 0, width: region.width, height: region.height };
    for plane in 0..3 {
        let values: Vec<f32> = pixels.iter().map(|pixel| pixel.0[plane]).collect();
        writer.write_f32(plane, 0, window, &values).unwrap();
    }
    for plane in 0..4 {
        let values: Vec<i32> = pixels.iter().map(|pixel| pixel.1[plane]).collect();
        writer.write_i32(3 + plane, 0, window, &values).unwrap();
    }
    writer.finish(Vec::new()).unwrap();
    let layouts = scan(path).unwrap();
    let planes = PLANES
        .iter()
        .zip(layouts.images())
        .map(|(plane, hdu)| TilePlane { plane: *plane, layout: hdu.image().unwrap().clone() })
        .collect();
    Tile { path: path.into(), region, planes, gauge: FrameGauge::default() }
}

/// Floats as bits, and counts, by grid pixel.
type Pixels = Vec<([u32; 3], [i32; 4])>;

struct Memory(Mutex<Pixels>);

impl PatchSink for Memory {
    fn write(&self, patch: &PatchResult) -> Result<(), FitsError> {
        let mut pixels = self.0.lock().unwrap();
        let Region { x0, y0, width, height } = patch.region;
        for at in 0..width * height {
            let to = (y0 as usize + at / width) * GRID.0 + x0 as usize + at % width;
            let floats = [patch.value[0][at], patch.weight[0][at], patch.variance[0][at]];
            let rejected = (patch.rejected_low[0][at], patch.rejected_high[0][at]);
            pixels[to] =
                (floats.map(f32::to_bits), [patch.depth[at], patch.quality[at], rejected.0, rejected.1]);
        }
        Ok(())
    }
}

struct Silent;

impl CoaddObserver for Silent {
    fn patch_done(&self, _: &Patch) {}
    fn patch_failed(&self, _: &Patch, message: &str) {
        eprintln!("a patch failed: {message}");
    }
    fn read_failed(&self, _: usize, _: &Patch, _: &str) {}
}

fn merged(tiles: &[Tile], total_bytes: u64, threads: usize) -> (Pixels, CoaddSummary, usize) {
    let regions: Vec<Region> = tiles.iter().map(|tile| tile.region).collect();
    let budget = MemoryBudget { total_bytes, workers: threads };
    let plan = plan_merge(GRID.0, GRID.1, &regions, 1, budget).unwrap();
    let pool = FilePool::new(8);
    let job = MergeJob {
        tiles,
        channels: 1,
        depth: DepthPlanes::Shared,
        rule: MergeRule::Mean,
        plan: &plan,
        threads,
        pool: &pool,
    };
    let sink = Memory(Mutex::new(vec![([0; 3], [-1; 4]); GRID.0 * GRID.1]));
    let summary = merge(&job, &sink, &Silent, &AtomicBool::new(false)).unwrap();
    (sink.0.into_inner().unwrap(), summary, plan.patches.len())
}

/// The definition, pixel by pixel.
fn by_definition(regions: &[Region]) -> Pixels {
    let at = |x: i64, y: i64| {
        let here = Region { x0: x, y0: y, width: 1, height: 1 };
        let over = regions.iter().enumerate().filter(|(_, region)| region.contains(&here));
        let all: Vec<([f32; 3], [i32; 4])> = over.map(|(tile, _)| pixel(tile, x, y)).collect();
        let with_data: Vec<[f32; 3]> = all.iter().map(|one| one.0).filter(|one| one[1] > 0.0).collect();
        let floats = match with_data[..] {
            [] => all.first().map_or([f32::NAN, 0.0, f32::NAN], |one| one.0),
            [one] => one,
            _ => {
                let sum = |of: fn(f64, f64, f64) -> f64| -> f64 {
                    with_data
                        .iter()
                        .map(|one| of(f64::from(one[0]), f64::from(one[1]), f64::from(one[2])))
                        .sum()
                };
                let (w, wx, w2v) = (sum(|_, w, _| w), sum(|x, w, _| w * x), sum(|_, w, v| w * w * v));
                [(wx / w) as f32, w as f32, (w2v / (w * w)) as f32]
            }
        };
        let total = |plane: usize| all.iter().map(|one| one.1[plane]).sum::<i32>();
        let bits = all.iter().fold(0, |bits, one| bits | one.1[1]) & !dq::NO_DATA;
        let none = if total(0) == 0 { dq::NO_DATA } else { 0 };
        (floats.map(f32::to_bits), [total(0), bits | none, total(2), total(3)])
    };
    (0..GRID.1 as i64).flat_map(|y| (0..GRID.0 as i64).map(move |x| at(x, y))).collect()
}

#[test]
fn tiles_merge_as_defined_in_any_patches() {
    let dir = tempfile::tempdir().unwrap();
    let region = |x0, y0, width, height| Region { x0, y0, width, height };
    // Overlapping twice and three times, alone, and over the edge of the grid.
    let regions =
        [region(10, 5, 60, 50), region(40, 30, 70, 55), region(55, 20, 20, 60), region(130, 70, 40, 40)];
    let tiles: Vec<Tile> = regions
        .iter()
        .enumerate()
        .map(|(index, region)| write_tile(&dir.path().join(format!("{index}.fits")), index, *region))
        .collect();
    let expected = by_definition(&regions);
    let (pixels, summary, patches) = merged(&tiles, 1 << 30, 1);
    assert!(pixels == expected);
    assert_eq!(summary.depth_histogram.values().sum::<u64>(), (GRID.0 * GRID.1) as u64);
    for (mib, threads) in [(26, 1), (28, 2), (64, 3)] {
        let (pixels, _, more) = merged(&tiles, mib << 20, threads);
        assert!(pixels == expected, "{mib} MiB, {threads} threads, {more} patches, not {patches}");
    }
    // A tile that is gone is missing, and told once per patch.
    std::fs::remove_file(dir.path().join("2.fits")).unwrap();
    let (pixels, summary, _) = merged(&tiles, 1 << 30, 2);
    assert!(
        !summary.read_failures.is_empty() && summary.read_failures.iter().all(|failure| failure.source == 2)
    );
    let mut without = regions;
    without[2] = region(1000, 1000, 1, 1);
    assert!(pixels == by_definition(&without));
}

#[test]
fn gauges_of_tiles_are_applied_at_places_of_the_mosaic() {
    let dir = tempfile::tempdir().unwrap();
    let region = |x0, y0, width, height| Region { x0, y0, width, height };
    let regions = [region(10, 5, 60, 50), region(40, 30, 70, 55), region(-8, -4, 30, 30)];
    let mut tiles: Vec<Tile> = regions
        .iter()
        .enumerate()
        .map(|(index, region)| write_tile(&dir.path().join(format!("{index}.fits")), index, *region))
        .collect();
    let surface =
        Surface { coefficients: [3.0, -2.0, 0.7, 1.3, -0.4], ..Surface::over([40.0, 110.0], [30.0, 85.0]) };
    tiles[1].gauge = FrameGauge { gain: [1.25; 3], offset: [-7.5; 3], surface: [surface; 3] };
    tiles[2].gauge = FrameGauge { offset: [0.5; 3], ..FrameGauge::default() };
    let bytes: Vec<Vec<u8>> = tiles.iter().map(|tile| std::fs::read(&tile.path).unwrap()).collect();
    let plain = by_definition(&regions);
    let (pixels, _, _) = merged(&tiles, 1 << 30, 1);
    let mut gauged = [0; 3];
    for (index, (own, plain)) in pixels.iter().zip(&plain).enumerate() {
        let (x, y) = ((index % GRID.0) as i64, (index / GRID.0) as i64);
        let here = Region { x0: x, y0: y, width: 1, height: 1 };
        let mut sums = [0.0f64; 3];
        let mut alone = Vec::new();
        for (tile, _) in regions.iter().enumerate().filter(|(_, region)| region.contains(&here)) {
            let ([value, weight, variance], _) = pixel(tile, x, y);
            if weight <= 0.0 {
                continue;
            }
            let (gain, added) = match tile {
                0 => (1.0, 0.0),
                1 => (1.25, -7.5 + surface.at(x as f64, y as f64)),
                _ => (1.0, 0.5),
            };
            let w = f64::from(weight) / (gain * gain);
            let v = f64::from(variance) * gain * gain;
            sums[0] += w;
            sums[1] += w * (gain * f64::from(value) + added);
            sums[2] += w * w * v;
            alone.push(tile);
        }
        assert_eq!(own.1, plain.1, "counts and bits");
        if let [tile] = alone[..] {
            gauged[tile] += 1;
        }
        if alone.is_empty() || alone == [0] {
            assert_eq!(own.0, plain.0, "kept to the bit");
            continue;
        }
        let expected = [sums[1] / sums[0], sums[0], sums[2] / (sums[0] * sums[0])];
        for (bits, expected) in own.0.iter().zip(expected) {
            let found = f64::from(f32::from_bits(*bits));
            assert!(
                (found - expected).abs() <= 3e-7 * expected.abs(),
                "{x} {y} {alone:?} {found} {expected}"
            );
        }
    }
    assert!(gauged.iter().all(|count| *count > 200), "{gauged:?}");
    for (mib, threads) in [(26, 1), (28, 2), (64, 3)] {
        assert!(merged(&tiles, mib << 20, threads).0 == pixels, "{mib} MiB, {threads} threads");
    }
    let after: Vec<Vec<u8>> = tiles.iter().map(|tile| std::fs::read(&tile.path).unwrap()).collect();
    assert!(after == bytes, "nothing is written to tiles");
}

#[test]
fn a_budget_without_room_for_a_strip_is_refused() {
    let budget = MemoryBudget { total_bytes: 20 << 20, workers: 2 };
    assert!(plan_merge(5000, 5000, &[], 3, budget).is_err());
}
