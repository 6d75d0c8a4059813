//! Mosaics in memory, for the tests of the engine.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{
    BackgroundMethod, CoaddJob, CoaddObserver, CoaddOptions, Measured, Patch, PatchPlan, PatchResult,
    PatchSink, SharedGrid, Source, coadd,
};
use zemosaic_fits::{FilePool, FitsError};
use zemosaic_frames::{IngestOptions, discover, ingest, measure_background, measure_noise};
use zemosaic_image::Region;
use zemosaic_sky::Grid;

/// Planes of a mosaic of up to three channels: value, weight, variance, then depth and quality, counts of rejection and
/// depths per channel; as bits.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mosaic {
    pub floats: Vec<Vec<u32>>,
    pub counts: Vec<Vec<i32>>,
}

impl Mosaic {
    /// Float plane: 0 value, 1 weight, 2 variance, of the first channel.
    pub fn float(&self, plane: usize) -> Vec<f32> {
        self.floats[plane].iter().map(|bits| f32::from_bits(*bits)).collect()
    }

    /// Of CFA drizzle.
    pub fn depth_of(&self, channel: usize) -> &[i32] {
        &self.counts[8 + channel]
    }

    pub fn depth(&self) -> &[i32] {
        &self.counts[0]
    }
}

struct Memory {
    width: usize,
    mosaic: Mutex<Mosaic>,
}

impl PatchSink for Memory {
    fn write(&self, patch: &PatchResult) -> Result<(), FitsError> {
        let Region { x0, y0, width, height } = patch.region;
        let mut mosaic = self.mosaic.lock().unwrap();
        for row in 0..height {
            let to = (y0 as usize + row) * self.width + x0 as usize;
            let from = row * width..(row + 1) * width;
            let floats = [&patch.value, &patch.weight, &patch.variance].into_iter().flatten();
            for (stored, plane) in mosaic.floats.iter_mut().zip(floats) {
                for (bits, value) in stored[to..to + width].iter_mut().zip(&plane[from.clone()]) {
                    *bits = value.to_bits();
                }
            }
            let counts = [&patch.depth, &patch.quality].into_iter();
            let counts = counts.chain(&patch.rejected_low).chain(&patch.rejected_high);
            let counts = counts.chain(&patch.depth_by_channel);
            for (stored, plane) in mosaic.counts.iter_mut().zip(counts) {
                stored[to..to + width].copy_from_slice(&plane[from.clone()]);
            }
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

/// The frames of `folder` (names with one dot; others are maps) on `grid`.
pub fn sources(
    folder: &Path,
    ingest_options: &IngestOptions,
    grid: &Grid,
    options: &CoaddOptions,
) -> Vec<Source> {
    let mut files = discover(&[folder.to_path_buf()], &[]).unwrap();
    files.retain(|file| file.id.matches('.').count() == 1);
    let ingested = ingest(&files, ingest_options, &|_| {});
    let real: Vec<_> = ingested.left_out.iter().filter(|item| item.reason.is_failure()).collect();
    assert!(real.is_empty(), "{real:?}");
    let pool = FilePool::new(4);
    let grid = SharedGrid::new(grid);
    let place = |frame| {
        let noise = measure_noise(&pool, &frame).unwrap();
        let background = if options.background == BackgroundMethod::None {
            Vec::new()
        } else {
            measure_background(&pool, &frame, options.mesh).unwrap().unwrap()
        };
        let measured = Measured { noise, background: Arc::new(background), quality: None };
        Source::place(frame, &measured, &grid, options, ingest_options.maps.rescale).unwrap().unwrap()
    };
    let mut sources: Vec<Source> = ingested.frames.into_iter().map(place).collect();
    let unknown = set_weights(&mut sources, options.weights);
    assert!(unknown.noise.is_empty() && unknown.weight.is_empty());
    sources
}

/// The whole grid in patches of one size.
pub fn cut(grid: &Grid, sources: usize, width: usize, height: usize) -> PatchPlan {
    let mut patches = Vec::new();
    for y0 in (0..grid.height).step_by(height) {
        for x0 in (0..grid.width).step_by(width) {
            let region = Region {
                x0: x0 as i64,
                y0: y0 as i64,
                width: width.min(grid.width - x0),
                height: height.min(grid.height - y0),
            };
            patches.push(Patch { id: patches.len(), region, sources: (0..sources).collect() });
        }
    }
    PatchPlan { patches, peak_patch_bytes: 0, read_pixels: 0, warped_pixels: 0 }
}

/// The mosaic of `sources` in patches of `patch_px` on `threads` threads.
pub fn mosaic(
    sources: &[Source],
    grid: &Grid,
    options: &CoaddOptions,
    patch_px: (usize, usize),
    threads: usize,
) -> Mosaic {
    let channels = sources[0].frame.kind.channels();
    let pixels = grid.width * grid.height;
    let empty = Mosaic {
        floats: vec![vec![u32::MAX; pixels]; 3 * channels],
        counts: vec![vec![-1; pixels]; 2 + 3 * channels],
    };
    let sink = Memory { width: grid.width, mosaic: Mutex::new(empty) };
    let plan = cut(grid, sources.len(), patch_px.0, patch_px.1);
    let pool = FilePool::new(8);
    let job = CoaddJob { sources, channels, options, plan: &plan, threads, pool: &pool };
    let summary = coadd(&job, &sink, &Silent, &AtomicBool::new(false)).unwrap();
    assert!(summary.read_failures.is_empty() && summary.failed_patches.is_empty());
    sink.mosaic.into_inner().unwrap()
}
