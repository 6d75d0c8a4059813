//! Gain and offset of a source, against a frame that was made with them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{CoaddOptions, FluxConvention, KernelName, Source, dq};
use zemosaic_fits::ImageData;
use zemosaic_frames::IngestOptions;
use zemosaic_gauge::{FrameGauge, Surface};
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIDE: usize = 120;
const SCALE_DEG: f64 = 1.0 / 3600.0;

fn grid() -> Grid {
    let cd = [[-1.3 * SCALE_DEG, 0.0], [0.0, 1.3 * SCALE_DEG]];
    let middle = [49.5, 49.5];
    Grid { wcs: Wcs::tan([150.0, 1.0], middle, cd, SkyFrame::Icrs).unwrap(), width: 100, height: 100 }
}

#[test]
fn a_gauge_does_what_a_scaled_frame_does() {
    let wcs = TanFrame::pointed_at((150.0, 1.0), 1.0, 17.0, Parity::Sky, (SIDE, SIDE));
    let write = |gain: f32, offset: f32| {
        let dir = tempfile::tempdir().unwrap();
        let pixels: Vec<f32> =
            noise_image(SIDE, SIDE, 400.0, 6.0, 3).iter().map(|value| gain * value + offset).collect();
        write_test_frame(&dir.path().join("a.fits"), &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
        dir
    };
    let (raw, made) = (write(1.0, 0.0), write(1.5, -70.0));
    for flux in [FluxConvention::Brightness, FluxConvention::Flux] {
        let options = CoaddOptions { kernel: KernelName::Bilinear, flux, ..CoaddOptions::default() };
        let ingest = IngestOptions::default();
        let mut sources = common::sources(raw.path(), &ingest, &grid(), &options);
        let gauge = FrameGauge { gain: [1.5; 3], offset: [-70.0; 3], ..FrameGauge::default() };
        sources[0].set_gauge(&gauge);
        let unknown = set_weights(&mut sources, options.weights);
        assert!(unknown.noise.is_empty() && unknown.weight.is_empty());
        let expected = common::sources(made.path(), &ingest, &grid(), &options);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs();
        let (own, other) = (&sources[0], &expected[0]);
        assert!(close(own.noise_variance[0], other.noise_variance[0]), "{flux:?}");
        assert!(close(own.level[0], other.level[0]), "{flux:?} {} {}", own.level[0], other.level[0]);
        assert!(close(own.weight[0], other.weight[0]), "{flux:?}");
        let own = common::mosaic(&sources, &grid(), &options, (100, 100), 1);
        let other = common::mosaic(&expected, &grid(), &options, (100, 100), 1);
        assert_eq!(own.depth(), other.depth());
        for plane in 0..3 {
            for (a, b) in own.float(plane).iter().zip(other.float(plane)) {
                assert!(
                    a.is_nan() && b.is_nan() || (a - b).abs() <= 3e-4 * b.abs(),
                    "{flux:?} {plane} {a} {b}"
                );
            }
        }
    }
}

fn curved() -> Surface {
    Surface { coefficients: [30.0, -20.0, 7.0, 13.0, -4.0], ..Surface::over([3.0, 97.0], [-5.0, 104.0]) }
}

/// A source of a frame of noise; its gauge, if any, is set.
fn noise_source(folder: &std::path::Path, options: &CoaddOptions, gauge: Option<&FrameGauge>) -> Vec<Source> {
    let mut sources = common::sources(folder, &IngestOptions::default(), &grid(), options);
    if let Some(gauge) = gauge {
        sources[0].set_gauge(gauge);
        set_weights(&mut sources, options.weights);
    }
    sources
}

#[test]
fn a_surface_is_added_at_places_of_the_grid() {
    let wcs = TanFrame::pointed_at((150.0, 1.0), 1.0, 17.0, Parity::Sky, (SIDE, SIDE));
    let dir = tempfile::tempdir().unwrap();
    let pixels = noise_image(SIDE, SIDE, 400.0, 6.0, 3);
    write_test_frame(&dir.path().join("a.fits"), &wcs, ImageData::F32(&pixels), |_| {}).unwrap();
    let surface = curved();
    for flux in [FluxConvention::Brightness, FluxConvention::Flux] {
        let options = CoaddOptions { kernel: KernelName::Bilinear, flux, ..CoaddOptions::default() };
        let plain = FrameGauge { gain: [1.5; 3], offset: [-70.0; 3], ..FrameGauge::default() };
        let gauge = FrameGauge { surface: [surface; 3], ..plain };
        let without = noise_source(dir.path(), &options, Some(&plain));
        let with = noise_source(dir.path(), &options, Some(&gauge));
        assert_eq!(with[0].level[0], without[0].level[0]);
        let area = if flux == FluxConvention::Flux { 1.3 * 1.3 } else { 1.0 };
        let base = common::mosaic(&without, &grid(), &options, (100, 100), 1);
        let own = common::mosaic(&with, &grid(), &options, (100, 100), 1);
        let mut covered = 0;
        for (index, (a, b)) in own.float(0).iter().zip(base.float(0)).enumerate() {
            let expected = area * surface.at((index % 100) as f64, (index / 100) as f64);
            let found = f64::from(a - b);
            assert!(b.is_nan() || (found - expected).abs() < 2e-3, "{flux:?} {index} {found} {expected}");
            covered += usize::from(!b.is_nan());
        }
        assert!(covered > 5000);
        // What is added is not noise.
        assert_eq!((&own.floats[1..], &own.counts), (&base.floats[1..], &base.counts));
        for (patch, threads) in [((7, 100), 2), ((33, 9), 1), ((100, 1), 3)] {
            assert!(own == common::mosaic(&with, &grid(), &options, patch, threads), "{flux:?} {patch:?}");
        }
    }
}

#[test]
fn a_surface_does_what_a_frame_with_it_does() {
    let wcs = TanFrame::pointed_at((150.0, 1.0), 1.0, 17.0, Parity::Sky, (SIDE, SIDE));
    let (raw, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |folder: &tempfile::TempDir, pixels: &[f32]| {
        write_test_frame(&folder.path().join("a.fits"), &wcs, ImageData::F32(pixels), |_| {}).unwrap();
    };
    let mut pixels = noise_image(SIDE, SIDE, 400.0, 6.0, 3);
    write(&raw, &pixels);
    let options = CoaddOptions { kernel: KernelName::Bilinear, ..CoaddOptions::default() };
    let surface = Surface { coefficients: [30.0, -20.0, 0.0, 0.0, 0.0], ..curved() };
    let gauge = FrameGauge { surface: [surface; 3], ..FrameGauge::default() };
    let sources = noise_source(raw.path(), &options, Some(&gauge));
    let frame_wcs = &sources[0].frame.wcs;
    for (index, value) in pixels.iter_mut().enumerate() {
        let at = frame_wcs.pixel_to_icrs((index % SIDE) as f64, (index / SIDE) as f64).unwrap();
        let (x, y) = grid().wcs.icrs_to_pixel(&at).unwrap();
        *value += surface.at(x, y) as f32;
    }
    write(&made, &pixels);
    let expected = noise_source(made.path(), &options, None);
    let own = common::mosaic(&sources, &grid(), &options, (100, 100), 1);
    let other = common::mosaic(&expected, &grid(), &options, (100, 100), 1);
    assert_eq!(own.depth(), other.depth());
    let (mut sum, mut count) = (0.0, 0);
    for ((a, b), quality) in own.float(0).iter().zip(other.float(0)).zip(&own.counts[1]) {
        if a.is_nan() || *quality & dq::EDGE != 0 {
            // Outside, or at the frame's edge, where the kernel is not whole and its middle elsewhere.
            continue;
        }
        // 0.6 per pixel, and the middle of a stretched tent is off by up to a tenth of one.
        assert!((a - b).abs() < 0.1, "{a} {b}");
        (sum, count) = (sum + f64::from(a - b), count + 1);
    }
    assert!(count > 5000 && (sum / f64::from(count)).abs() < 1e-3, "{sum} {count}");
}
