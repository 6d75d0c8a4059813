//! Groups of frames, and the merge of master tiles.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]

use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zemosaic_coadd::{
    CoaddObserver, DepthPlanes, MemoryBudget, MergeJob, MergeRule, Patch, PatchResult, PatchSink,
    ProductPlane, Tile, TilePlane, merge, plan_merge,
};
use zemosaic_fits::{
    DataSpec, FilePool, FitsError, HduRole, HduSpec, Header, Overwrite, ProductWriter, SampleType, Window,
    scan,
};
use zemosaic_gauge::FrameGauge;
use zemosaic_image::Region;
use zemosaic_sky::{ClusterFrame, ClusterOptions, SkyFrame, Wcs, cluster_frames};

/// Frames of 1.3 x 0.7 deg, as of a small smart telescope, spread over `spread_deg`.
fn frames(count: usize, spread_deg: f64) -> Vec<ClusterFrame> {
    let k = 2.4 / 3600.0;
    (0..count)
        .map(|i| {
            let (a, b) = ((i as f64 * 0.754_877_666).fract(), (i as f64 * 0.569_840_291).fract());
            let centre = [100.0 + spread_deg * a, 20.0 + spread_deg * b];
            let wcs = Wcs::tan(centre, [959.5, 539.5], [[-k, 0.0], [0.0, k]], SkyFrame::Icrs).unwrap();
            ClusterFrame::of(&wcs, 1920, 1080, Some(i as f64)).unwrap()
        })
        .collect()
}

fn clusters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cluster 10,000 frames");
    for spread_deg in [0.05, 2.0, 20.0] {
        let frames = frames(10_000, spread_deg);
        group.bench_function(format!("over {spread_deg} deg"), |bencher| {
            bencher.iter(|| cluster_frames(&frames, &ClusterOptions::default()));
        });
    }
    group.finish();
}

const SIDE: usize = 1024;
const PLANES: [ProductPlane; 5] =
    [ProductPlane::Sci, ProductPlane::Wht, ProductPlane::Var, ProductPlane::Depth, ProductPlane::Dq];

fn tile(dir: &std::path::Path, number: usize, region: Region) -> Tile {
    let path = dir.join(format!("{number}.fits"));
    let dims = vec![region.width, region.height];
    let hdus = PLANES
        .iter()
        .enumerate()
        .map(|(index, plane)| {
            let role = if index == 0 { HduRole::Primary } else { HduRole::Extension };
            let (sample, data) = if plane.is_integer() {
                (SampleType::I32, DataSpec::I32 { dims: dims.clone() })
            } else {
                (SampleType::F32, DataSpec::F32 { dims: dims.clone() })
            };
            HduSpec { header: Header::for_image(role, sample, &dims), data }
        })
        .collect();
    let writer = ProductWriter::create(&path, hdus, Overwrite::Refuse).unwrap();
    let window = Window { x0: 0, y0: 0, width: region.width, height: region.height };
    for (hdu, plane) in PLANES.iter().enumerate() {
        if plane.is_integer() {
            writer.write_i32(hdu, 0, window, &vec![1; region.area()]).unwrap();
        } else {
            writer.write_f32(hdu, 0, window, &vec![2.0; region.area()]).unwrap();
        }
    }
    writer.finish(Vec::new()).unwrap();
    let file = scan(&path).unwrap();
    let planes = PLANES
        .iter()
        .zip(file.images())
        .map(|(plane, hdu)| TilePlane { plane: *plane, layout: hdu.image().unwrap().clone() })
        .collect();
    Tile { path, region, planes, gauge: FrameGauge::default() }
}

struct Nowhere;

impl PatchSink for Nowhere {
    fn write(&self, _: &PatchResult) -> Result<(), FitsError> {
        Ok(())
    }
}

impl CoaddObserver for Nowhere {
    fn patch_done(&self, _: &Patch) {}
    fn patch_failed(&self, _: &Patch, _: &str) {}
    fn read_failed(&self, _: usize, _: &Patch, _: &str) {}
}

/// Two tiles over each pixel, from the page cache, on one thread.
fn merges(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    let tiles = [0, 1].map(|number| tile(dir.path(), number, region));
    let budget = MemoryBudget { total_bytes: 1 << 30, workers: 1 };
    let plan = plan_merge(SIDE, SIDE, &[region, region], 1, budget).unwrap();
    let pool = FilePool::new(4);
    let job = MergeJob {
        tiles: &tiles,
        channels: 1,
        depth: DepthPlanes::Shared,
        rule: MergeRule::Mean,
        plan: &plan,
        threads: 1,
        pool: &pool,
    };
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements((SIDE * SIDE) as u64));
    group.bench_function("2 mono tiles", |bencher| {
        bencher.iter(|| merge(&job, &Nowhere, &Nowhere, &AtomicBool::new(false)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, clusters, merges);
criterion_main!(benches);
