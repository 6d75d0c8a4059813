//! The engine against the plain definitions of its parts, under all cuts into patches; and its failures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{
    CoaddError, CoaddJob, CoaddObserver, CoaddOptions, CoaddSummary, FluxConvention, KernelName, Measured,
    MemoryBudget, Patch, PatchPlan, PatchResult, PatchSink, SharedGrid, Source, Weights, coadd, dq,
    plan_patches,
};
use zemosaic_fits::{FilePool, FitsError, ImageData};
use zemosaic_frames::{Frame, IngestOptions, WeightRescale, discover, ingest, measure_noise};
use zemosaic_image::Region;
use zemosaic_resample::{Kernel, SourceWindow, definition, flags};
use zemosaic_sky::{FrameGeometry, Grid, GridOptions, automatic_grid};
use zemosaic_stack::definition::{Sample, clip_and_stack_pixel, clip_by_noise};
use zemosaic_stack::{Combine, LowDepth, RejectMethod};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const WIDTH: usize = 90;
const HEIGHT: usize = 70;

/// Five mono frames about one place, turned and shifted, with outliers and NaN.
fn write_frames(folder: &Path) -> Vec<Vec<f32>> {
    (0..5_u64)
        .map(|i| {
            let step = i as f64;
            let wcs = TanFrame::pointed_at(
                (150.0 + 0.004 * step, 2.2 - 0.003 * step),
                2.0 + 0.01 * step,
                17.0 * step,
                if i % 2 == 0 { Parity::Sky } else { Parity::Mirrored },
                (WIDTH, HEIGHT),
            );
            let mut pixels = noise_image(WIDTH, HEIGHT, 100.0 + step, 3.0 + step, i + 1);
            for (k, value) in pixels.iter_mut().enumerate() {
                if (k as u64 * 7 + i * 31).is_multiple_of(211) {
                    *value = 5000.0;
                } else if (k as u64 * 13 + i * 17).is_multiple_of(307) {
                    *value = f32::NAN;
                }
            }
            let path = folder.join(format!("f{i}.fits"));
            write_test_frame(&path, &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
            pixels
        })
        .collect()
}

struct Scene {
    _folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    pixels: Vec<Vec<f32>>,
    grid: Grid,
    sources: Vec<Source>,
    options: CoaddOptions,
}

fn scene(edit: impl FnOnce(&mut CoaddOptions)) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let pixels = write_frames(folder.path());
    let files = discover(&[folder.path().to_path_buf()], &[]).unwrap();
    let frames: Vec<Frame> = ingest(&files, &IngestOptions::default(), &|_| {}).frames;
    assert_eq!(frames.len(), 5);
    let geometries: Vec<FrameGeometry> = frames
        .iter()
        .map(|frame| FrameGeometry { wcs: (*frame.wcs).clone(), width: frame.width, height: frame.height })
        .collect();
    let grid = automatic_grid(&geometries, &GridOptions::default()).unwrap();
    let mut options = CoaddOptions::default();
    options.reject.method = RejectMethod::Sigma;
    edit(&mut options);
    let pool = FilePool::new(4);
    let shared_grid = SharedGrid::new(&grid);
    let mut sources: Vec<Source> = frames
        .into_iter()
        .map(|frame| {
            let noise = measure_noise(&pool, &frame).unwrap();
            let measured = Measured { noise, background: Arc::default(), quality: None };
            Source::place(frame, &measured, &shared_grid, &options, WeightRescale::Auto).unwrap().unwrap()
        })
        .collect();
    let unknown = set_weights(&mut sources, options.weights);
    assert!(unknown.noise.is_empty() && unknown.weight.is_empty());
    let files = files.into_iter().map(|file| file.path).collect();
    Scene { _folder: folder, files, pixels, grid, sources, options }
}

/// All planes of a mosaic in memory.
struct Planes {
    width: usize,
    stored: Mutex<[Vec<u32>; 7]>,
    written: AtomicUsize,
    fail_at: usize,
}

impl Planes {
    fn new(grid: &Grid, fail_at: usize) -> Self {
        let plane = vec![u32::MAX; grid.width * grid.height];
        Self {
            width: grid.width,
            stored: Mutex::new(std::array::from_fn(|_| plane.clone())),
            written: AtomicUsize::new(0),
            fail_at,
        }
    }
}

impl PatchSink for Planes {
    fn write(&self, patch: &PatchResult) -> Result<(), FitsError> {
        if self.written.fetch_add(1, Ordering::Relaxed) == self.fail_at {
            return Err(FitsError::DiskFull { path: "test".into(), needed: 1 });
        }
        let float = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        let int = |plane: &[i32]| plane.iter().map(|v| *v as u32).collect::<Vec<u32>>();
        let parts = [
            float(&patch.value[0]),
            float(&patch.weight[0]),
            float(&patch.variance[0]),
            int(&patch.depth),
            int(&patch.rejected_low[0]),
            int(&patch.rejected_high[0]),
            int(&patch.quality),
        ];
        let Region { x0, y0, width, height } = patch.region;
        let mut planes = self.stored.lock().unwrap();
        for (plane, part) in planes.iter_mut().zip(parts) {
            for row in 0..height {
                let to = (y0 as usize + row) * self.width + x0 as usize;
                plane[to..to + width].copy_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Notes {
    failed_reads: AtomicUsize,
    failed_patches: AtomicUsize,
}

impl CoaddObserver for Notes {
    fn patch_done(&self, _: &Patch) {}
    fn patch_failed(&self, _: &Patch, _: &str) {
        self.failed_patches.fetch_add(1, Ordering::Relaxed);
    }
    fn read_failed(&self, _: usize, _: &Patch, _: &str) {
        self.failed_reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn run(
    scene: &Scene,
    plan: &PatchPlan,
    threads: usize,
    sink: &Planes,
    notes: &Notes,
) -> Result<CoaddSummary, CoaddError> {
    let pool = FilePool::new(2);
    let job = CoaddJob {
        sources: &scene.sources,
        channels: 1,
        options: &scene.options,
        plan,
        threads,
        pool: &pool,
    };
    coadd(&job, sink, notes, &AtomicBool::new(false))
}

/// The whole grid as patches of one size.
fn cut(scene: &Scene, width: usize, height: usize) -> PatchPlan {
    let mut patches = Vec::new();
    for y0 in (0..scene.grid.height).step_by(height) {
        for x0 in (0..scene.grid.width).step_by(width) {
            let region = Region {
                x0: x0 as i64,
                y0: y0 as i64,
                width: width.min(scene.grid.width - x0),
                height: height.min(scene.grid.height - y0),
            };
            patches.push(Patch { id: patches.len(), region, sources: (0..scene.sources.len()).collect() });
        }
    }
    PatchPlan { patches, peak_patch_bytes: 0, read_pixels: 0, warped_pixels: 0 }
}

fn planes_of(scene: &Scene, plan: &PatchPlan, threads: usize) -> [Vec<u32>; 7] {
    let sink = Planes::new(&scene.grid, usize::MAX);
    let notes = Notes::default();
    let summary = run(scene, plan, threads, &sink, &notes).unwrap();
    assert!(summary.read_failures.is_empty() && summary.failed_patches.is_empty());
    sink.stored.into_inner().unwrap()
}

/// The definition of a kernel's samples.
fn kernel_of(name: KernelName) -> Kernel {
    match name {
        KernelName::Nearest => Kernel::Nearest,
        KernelName::Bilinear => Kernel::Bilinear,
        _ => Kernel::Lanczos3,
    }
}

/// Returns how many samples were rejected.
fn assert_equals_definition(scene: &Scene) -> i32 {
    let planes = planes_of(scene, &cut(scene, 1000, 1000), 1);
    let kernel = kernel_of(scene.options.kernel);
    let (mut valid, mut rejected, mut masked) = (0, 0, 0);
    for y in 0..scene.grid.height {
        for x in 0..scene.grid.width {
            let mut quality = 0;
            let samples: Vec<Sample> = scene
                .sources
                .iter()
                .zip(&scene.pixels)
                .filter_map(|(source, pixels)| {
                    let (u, v) = source.map.exact(x as f64, y as f64)?;
                    let window = SourceWindow {
                        data: pixels,
                        region: Region { x0: 0, y0: 0, width: WIDTH, height: HEIGHT },
                        frame_width: WIDTH,
                        frame_height: HEIGHT,
                    };
                    let found = definition::sample(kernel, 1.0, &window, u, v);
                    if found.flags & flags::MASKED != 0 {
                        quality |= dq::MASKED;
                    }
                    let (value, factor) = found.valid?;
                    if found.flags & flags::EDGE != 0 {
                        quality |= dq::EDGE;
                    }
                    Some(Sample {
                        value: value as f32,
                        variance_factor: factor as f32,
                        relative_weight: 1.0,
                        weight: source.weight[0],
                        noise_variance: source.noise_variance[0],
                        level: source.level[0],
                        level_variance: source.level_variance[0],
                    })
                })
                .collect();
            let reject = &scene.options.reject;
            let expected = clip_and_stack_pixel(&samples, scene.options.combine, reject);
            let is_judged = clip_by_noise(&mut samples.clone(), reject).judged;
            if expected.rejected_low + expected.rejected_high > 0 {
                quality |= dq::REJECTED;
            }
            let few = expected.depth == 1 || (expected.depth == 2 && !is_judged);
            if few && reject.method != RejectMethod::None {
                quality |= dq::LOW_DEPTH;
            }
            let i = y * scene.grid.width + x;
            let float = |plane: usize| f64::from(f32::from_bits(planes[plane][i]));
            // Kernels are good to 1e-6 of the local range, and the outliers stand at 5000.
            let close = |found: f64, wanted: f64, range: f64| {
                (found.is_nan() && wanted.is_nan())
                    || (found - wanted).abs() <= 1e-6 * range + 2e-5 * wanted.abs()
            };
            assert_eq!(planes[3][i] as i32, expected.depth, "depth at {x}, {y}");
            assert_eq!(planes[4][i] as i32, expected.rejected_low, "low at {x}, {y}");
            assert_eq!(planes[5][i] as i32, expected.rejected_high, "high at {x}, {y}");
            assert!(
                close(float(0), expected.value, 5000.0),
                "{} for {} at {x}, {y}",
                float(0),
                expected.value
            );
            assert!(close(float(1), expected.weight, 0.0), "weight at {x}, {y}");
            assert!(close(float(2), expected.variance, 0.0), "variance at {x}, {y}");
            let bits = dq::MASKED | dq::EDGE | dq::REJECTED | dq::LOW_DEPTH;
            assert_eq!(planes[6][i] as i32 & bits, quality, "quality at {x}, {y}");
            assert_eq!(planes[6][i] as i32 & dq::NO_DATA != 0, expected.depth == 0);
            valid += u32::from(expected.depth > 0);
            rejected += expected.rejected_low + expected.rejected_high;
            masked += u32::from(quality & dq::MASKED != 0);
        }
    }
    assert!(valid > 5000 && masked > 50, "{valid} {masked}");
    rejected
}

#[test]
fn mosaics_equal_the_definitions_pixel_by_pixel() {
    for kernel in [KernelName::Nearest, KernelName::Bilinear, KernelName::Lanczos3] {
        for low_depth in [LowDepth::Keep, LowDepth::Noise] {
            // A clip of five samples at 3 sigma can reject none; 1.5 does.
            let rejected = assert_equals_definition(&scene(|options| {
                options.kernel = kernel;
                options.reject.low_depth = low_depth;
                (options.reject.kappa_low, options.reject.kappa_high) = (1.5, 1.5);
            }));
            assert!(rejected > 100, "{rejected}");
        }
    }
    let rejected = assert_equals_definition(&scene(|options| options.reject.method = RejectMethod::None));
    assert_eq!(rejected, 0);
    assert_equals_definition(&scene(|options| {
        options.combine = Combine::Median;
        options.weights = Weights::None;
        (options.reject.kappa_low, options.reject.kappa_high) = (1.4, 1.6);
    }));
}

#[test]
fn outliers_among_few_samples_go_by_the_noise_of_the_frames() {
    let of_low_depth = |low_depth| scene(|options| options.reject.low_depth = low_depth);
    assert_eq!(assert_equals_definition(&of_low_depth(LowDepth::Keep)), 0);
    let rejected = assert_equals_definition(&of_low_depth(LowDepth::Noise));
    // Some 30 outliers per frame, spread by the kernel over pixels that others cover too.
    assert!(rejected > 1000, "{rejected}");
    // Where level or noise of one frame is unknown its pixels are not judged.
    for unknown in [
        |source: &mut Source| source.level[0] = f64::NAN,
        |source: &mut Source| {
            source.noise_variance[0] = f64::NAN;
        },
    ] {
        let mut scene = of_low_depth(LowDepth::Noise);
        unknown(&mut scene.sources[3]);
        let fewer = assert_equals_definition(&scene);
        assert!(fewer > 0 && fewer < rejected, "{fewer} {rejected}");
    }
}

#[test]
fn levels_are_in_the_unit_of_the_mosaic() {
    let plain = scene(|_| {});
    let flux = scene(|options| options.flux = FluxConvention::Flux);
    for (index, (plain, flux)) in plain.sources.iter().zip(&flux.sources).enumerate() {
        assert!((plain.level[0] - 100.0 - index as f64).abs() < 0.5, "{}", plain.level[0]);
        let area = flux.scale_ratio * flux.scale_ratio;
        assert!((flux.level[0] - plain.level[0] * area).abs() < 1e-9 && plain.level[1].is_nan());
    }
}

#[test]
fn no_cut_and_no_number_of_threads_changes_a_bit() {
    for method in [RejectMethod::Sigma, RejectMethod::None] {
        let scene = scene(|options| options.reject.method = method);
        let whole = planes_of(&scene, &cut(&scene, 1000, 1000), 1);
        for (width, height, threads) in [(1000, 1, 1), (64, 64, 2), (37, 11, 4), (1, 1000, 3)] {
            let other = planes_of(&scene, &cut(&scene, width, height), threads);
            assert!(other == whole, "{width} x {height} on {threads} threads");
        }
    }
}

#[test]
fn budgets_change_the_plan_but_not_a_bit_and_a_hopeless_one_is_refused() {
    let scene = scene(|_| {});
    let plan_for = |total_bytes: u64| {
        let budget = MemoryBudget { total_bytes, workers: 2 };
        plan_patches(scene.grid.width, scene.grid.height, &scene.sources, 1, &scene.options, budget)
    };
    let roomy = plan_for(1 << 30).unwrap();
    let tight = (41_u64..48).find_map(|mib| plan_for(mib << 20).ok()).unwrap();
    assert!(tight.patches.len() > roomy.patches.len(), "{} {}", tight.patches.len(), roomy.patches.len());
    let area: usize = tight.patches.iter().map(|patch| patch.region.area()).sum();
    assert_eq!(area, scene.grid.width * scene.grid.height);
    assert!(planes_of(&scene, &roomy, 2) == planes_of(&scene, &tight, 2));
    assert!(matches!(plan_for(1 << 20), Err(CoaddError::Memory { .. })));
}

#[test]
fn a_frame_that_vanishes_is_left_out_and_the_rest_goes_on() {
    let scene = scene(|_| {});
    std::fs::remove_file(&scene.files[2]).unwrap();
    let sink = Planes::new(&scene.grid, usize::MAX);
    let notes = Notes::default();
    let plan = cut(&scene, 64, 64);
    let summary = run(&scene, &plan, 2, &sink, &notes).unwrap();
    assert!(
        summary.read_failures.iter().all(|failure| failure.source == 2) && !summary.read_failures.is_empty()
    );
    assert_eq!(summary.read_failures.len(), notes.failed_reads.load(Ordering::Relaxed));
    assert_eq!(*summary.depth_histogram.keys().last().unwrap(), 4);
    assert_eq!(sink.written.load(Ordering::Relaxed), plan.patches.len());
}

#[test]
fn a_patch_that_panics_is_marked_and_the_rest_goes_on() {
    let scene = scene(|_| {});
    let mut plan = cut(&scene, 64, 64);
    // A source that does not exist makes the worker panic.
    plan.patches[1].sources.push(99);
    let sink = Planes::new(&scene.grid, usize::MAX);
    let notes = Notes::default();
    let summary = run(&scene, &plan, 2, &sink, &notes).unwrap();
    assert_eq!(summary.failed_patches, [1]);
    assert_eq!(notes.failed_patches.load(Ordering::Relaxed), 1);
    let planes = sink.stored.into_inner().unwrap();
    let at = plan.patches[1].region;
    let i = at.y0 as usize * scene.grid.width + at.x0 as usize;
    assert_eq!(planes[6][i] as i32, dq::NO_DATA | dq::FAILED);
    assert!(f32::from_bits(planes[0][i]).is_nan());
    assert_eq!(planes[6].iter().filter(|q| **q as i32 & dq::FAILED != 0).count(), at.area());
}

#[test]
fn a_full_disk_and_a_cancelled_run_end_with_an_error() {
    let scene = scene(|_| {});
    let plan = cut(&scene, 64, 64);
    let full = Planes::new(&scene.grid, 2);
    let error = run(&scene, &plan, 2, &full, &Notes::default()).unwrap_err();
    assert!(matches!(error, CoaddError::Write(FitsError::DiskFull { .. })));
    let pool = FilePool::new(2);
    let job = CoaddJob {
        sources: &scene.sources,
        channels: 1,
        options: &scene.options,
        plan: &plan,
        threads: 2,
        pool: &pool,
    };
    let sink = Planes::new(&scene.grid, usize::MAX);
    let cancelled = coadd(&job, &sink, &Notes::default(), &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(cancelled, CoaddError::Cancelled));
    assert_eq!(sink.written.load(Ordering::Relaxed), 0);
}
