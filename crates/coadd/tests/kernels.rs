//! Every kernel and every thing that is done to samples, through the engine: equal bits however the grid is cut, and
//! the figures that must come out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use zemosaic_coadd::{BackgroundMethod, CoaddOptions, FluxConvention, KernelName, PhotonNoise, Weights, dq};
use zemosaic_fits::{Header, ImageData, write_image};
use zemosaic_frames::{IngestOptions, MapOptions};
use zemosaic_image::BackgroundOptions;
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_stack::{Combine, RejectMethod, RejectOptions};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const KERNELS: [KernelName; 13] = [
    KernelName::Nearest,
    KernelName::Bilinear,
    KernelName::Bicubic,
    KernelName::Keys,
    KernelName::Lanczos2,
    KernelName::Lanczos3,
    KernelName::Lanczos4,
    KernelName::Exact,
    KernelName::Gaussian,
    KernelName::Hann,
    KernelName::Drizzle,
    KernelName::DrizzleTurbo,
    KernelName::DrizzlePoint,
];

const WIDTH: usize = 190;
const HEIGHT: usize = 150;

/// Four frames of `level` plus noise, turned, mirrored and shifted, with NaN; each with a weight map and a mask.
fn write_frames(folder: &Path, scale_arcsec: f64, level: f64, sigma: f64) {
    for i in 0..4_u64 {
        let step = i as f64;
        let shift = 1e-3 * scale_arcsec;
        let wcs = TanFrame::pointed_at(
            (150.0 + 2.0 * shift * step, 2.2 - 1.5 * shift * step),
            scale_arcsec * (1.0 + 0.01 * step),
            17.0 * step,
            if i % 2 == 0 { Parity::Sky } else { Parity::Mirrored },
            (WIDTH, HEIGHT),
        );
        let mut pixels = noise_image(WIDTH, HEIGHT, level, sigma, i + 1);
        for (k, value) in pixels.iter_mut().enumerate() {
            if (k as u64 * 13 + i * 17).is_multiple_of(1307) {
                *value = f32::NAN;
            }
        }
        write_test_frame(&folder.join(format!("f{i}.fits")), &wcs, ImageData::F32(&pixels), |header| {
            header.set_f64("FLXSCALE", 1.0 + 0.25 * step, "");
            header.set_f64("EGAIN", 0.7, "");
        })
        .unwrap();
        let weight: Vec<f32> = (0..WIDTH * HEIGHT)
            .map(|k| if k % 977 == 5 { 0.0 } else { 0.5 + (k % WIDTH) as f32 / 100.0 })
            .collect();
        let mask: Vec<u8> = (0..WIDTH * HEIGHT).map(|k| u8::from(k % 1201 == 7)).collect();
        let dims = [WIDTH, HEIGHT];
        write_image(
            &folder.join(format!("f{i}.weight.fits")),
            &Header::new(),
            ImageData::F32(&weight),
            &dims,
        )
        .unwrap();
        write_image(&folder.join(format!("f{i}.mask.fits")), &Header::new(), ImageData::U8(&mask), &dims)
            .unwrap();
    }
}

fn grid(scale_arcsec: f64, width: usize, height: usize) -> Grid {
    let cd = scale_arcsec / 3600.0;
    let crpix = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
    Grid {
        wcs: Wcs::tan([150.0, 2.2], crpix, [[-cd, 0.0], [0.0, cd]], SkyFrame::Icrs).unwrap(),
        width,
        height,
    }
}

fn with_maps() -> IngestOptions {
    IngestOptions {
        maps: MapOptions {
            weight_suffix: Some(".weight.fits".into()),
            mask_suffix: Some(".mask.fits".into()),
            ..MapOptions::default()
        },
        ..IngestOptions::default()
    }
}

fn options(kernel: KernelName) -> CoaddOptions {
    CoaddOptions {
        kernel,
        pixfrac: 0.8,
        reject: RejectOptions { method: RejectMethod::None, ..RejectOptions::default() },
        ..CoaddOptions::default()
    }
}

#[test]
fn every_kernel_gives_equal_bits_however_the_grid_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 2.0, 100.0, 5.0);
    for (scale, width, height) in [(2.0, 260, 230), (3.1, 170, 150)] {
        let grid = grid(scale, width, height);
        for kernel in KERNELS {
            for everything in [false, true] {
                let mut options = options(kernel);
                let mut ingest = IngestOptions::default();
                if everything {
                    options.flux = FluxConvention::Flux;
                    options.background = BackgroundMethod::Mesh;
                    options.mesh = BackgroundOptions { mesh_px: 32, ..BackgroundOptions::default() };
                    options.reject.method = RejectMethod::Mad;
                    options.combine = Combine::Percentile(60.0);
                    ingest = with_maps();
                }
                let sources = common::sources(folder.path(), &ingest, &grid, &options);
                assert_eq!(sources.len(), 4);
                let whole = common::mosaic(&sources, &grid, &options, (1000, 1000), 1);
                assert!(whole.depth().iter().filter(|depth| **depth > 0).count() > 10_000, "{kernel:?}");
                for (patch, threads) in [((64, 64), 3), ((37, 11), 2), ((1000, 1), 1), ((3, 1000), 4)] {
                    let parts = common::mosaic(&sources, &grid, &options, patch, threads);
                    assert!(whole == parts, "{kernel:?}, scale {scale}, {everything}, patches of {patch:?}");
                }
            }
        }
    }
}

/// A constant sky stays constant as brightness, and its flux is kept as flux, at any scale.
#[test]
fn a_constant_sky_keeps_its_brightness_or_its_flux() {
    for (frame_scale, grid_scale) in [(2.0, 2.0), (2.0, 3.1), (30.0, 47.0)] {
        let folder = tempfile::tempdir().unwrap();
        write_frames(folder.path(), frame_scale, 100.0, 0.01);
        let grid = grid(grid_scale, 200, 180);
        for kernel in KERNELS {
            for flux in [FluxConvention::Brightness, FluxConvention::Flux] {
                let options = CoaddOptions { flux, ..options(kernel) };
                let ingest = IngestOptions { flux_scale_key: "none".into(), ..IngestOptions::default() };
                let mut sources = common::sources(folder.path(), &ingest, &grid, &options);
                sources.truncate(1);
                let mosaic = common::mosaic(&sources, &grid, &options, (128, 64), 2);
                let expected = match flux {
                    FluxConvention::Brightness => 100.0,
                    FluxConvention::Flux => 100.0 * (grid_scale / frame_scale).powi(2),
                };
                let valid: Vec<f32> = mosaic.float(0).into_iter().filter(|value| value.is_finite()).collect();
                assert!(valid.len() > 4000, "{kernel:?}");
                for value in valid {
                    // The noise is 1e-4 of the level; areas vary over the field by less.
                    assert!(
                        (f64::from(value) / expected - 1.0).abs() < 1e-3,
                        "{kernel:?} {flux:?}: {value}, {expected}"
                    );
                }
            }
        }
    }
}

/// FLXSCALE multiplies values and goes into weights and variance.
#[test]
fn flux_scale_multiplies_values_and_weighs() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 2.0, 100.0, 5.0);
    let grid = grid(2.0, 200, 180);
    let options = CoaddOptions { photon_noise: PhotonNoise::Off, ..options(KernelName::Nearest) };
    let scaled = common::sources(folder.path(), &IngestOptions::default(), &grid, &options);
    let ingest = IngestOptions { flux_scale_key: "none".into(), ..IngestOptions::default() };
    let plain = common::sources(folder.path(), &ingest, &grid, &options);
    for (index, (scaled, plain)) in scaled.into_iter().zip(plain).enumerate() {
        let factor = 1.0 + 0.25 * index as f64;
        assert_eq!(scaled.frame.flux_scale, factor);
        assert!((scaled.weight[0] * factor * factor / plain.weight[0] - 1.0).abs() < 1e-12);
        let a = common::mosaic(&[scaled], &grid, &options, (128, 64), 1);
        let b = common::mosaic(&[plain], &grid, &options, (128, 64), 1);
        for (power, plane) in [(1, 0), (2, 2)] {
            for (a, b) in a.float(plane).into_iter().zip(b.float(plane)) {
                let expected = f64::from(b) * factor.powi(power);
                assert!(
                    a.is_nan() == b.is_nan() && (a.is_nan() || (f64::from(a) / expected - 1.0).abs() < 1e-6)
                );
            }
        }
    }
}

/// Weight maps weigh samples and scale VAR; masked and weightless pixels are bad.
#[test]
fn maps_mask_and_weigh() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 2.0, 100.0, 5.0);
    let grid = grid(2.0, WIDTH, HEIGHT);
    let options = CoaddOptions { photon_noise: PhotonNoise::Off, ..options(KernelName::Nearest) };
    let mut sources = common::sources(folder.path(), &with_maps(), &grid, &options);
    sources.truncate(1);
    let (weight, variance) = (sources[0].weight[0], sources[0].noise_variance[0]);
    let scale = sources[0].map_scale[0];
    let mosaic = common::mosaic(&sources, &grid, &options, (128, 64), 1);
    let (wht, var, value) = (mosaic.float(1), mosaic.float(2), mosaic.float(0));
    let (mut good, mut bad) = (0, 0);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            // The first frame lies on the grid pixel by pixel.
            let k = y * WIDTH + x;
            let is_bad = k % 977 == 5 || k % 1201 == 7 || (k * 13).is_multiple_of(1307);
            assert_eq!(value[k].is_nan(), is_bad, "{x}, {y}");
            if is_bad {
                assert!(mosaic.counts[1][k] & dq::MASKED != 0);
                bad += 1;
                continue;
            }
            let relative = scale / (0.5 + x as f64 / 100.0);
            assert!((f64::from(wht[k]) * relative / weight - 1.0).abs() < 1e-5);
            assert!((f64::from(var[k]) / (relative * variance) - 1.0).abs() < 1e-5);
            good += 1;
        }
    }
    assert!(good > 25_000 && bad > 50);
    // Equal weights: the map still says how noisy a pixel is.
    let plain = CoaddOptions { weights: Weights::None, ..options };
    let mut sources = common::sources(folder.path(), &with_maps(), &grid, &plain);
    sources.truncate(1);
    let equal = common::mosaic(&sources, &grid, &plain, (128, 64), 1);
    assert!(equal.float(1).iter().all(|weight| *weight == 1.0 || *weight == 0.0));
    assert_eq!(equal.floats[2], mosaic.floats[2]);
}

/// The variance grows with the signal where the gain is known; weights do not.
#[test]
fn photon_noise_is_in_the_variance_and_not_in_the_weight() {
    let folder = tempfile::tempdir().unwrap();
    let wcs = TanFrame::pointed_at((150.0, 2.2), 2.0, 0.0, Parity::Sky, (WIDTH, HEIGHT));
    let mut pixels = noise_image(WIDTH, HEIGHT, 100.0, 5.0, 1);
    pixels[40 * WIDTH + 50] = 10_100.0;
    write_test_frame(&folder.path().join("a.fits"), &wcs, ImageData::F32(&pixels), |header| {
        header.set_f64("EGAIN", 0.5, "[e/adu]");
    })
    .unwrap();
    let grid = grid(2.0, WIDTH, HEIGHT);
    let variance_of = |photon_noise| {
        let options = CoaddOptions { photon_noise, ..options(KernelName::Nearest) };
        let sources = common::sources(folder.path(), &IngestOptions::default(), &grid, &options);
        let mosaic = common::mosaic(&sources, &grid, &options, (128, 64), 1);
        assert!(mosaic.float(1).iter().all(|weight| *weight == sources[0].weight[0] as f32));
        (mosaic.float(2), sources[0].noise_variance[0])
    };
    let (with, sky) = variance_of(PhotonNoise::Auto);
    let (without, _) = variance_of(PhotonNoise::Off);
    let star = 40 * WIDTH + 50;
    assert!((f64::from(without[star]) / sky - 1.0).abs() < 1e-6);
    let expected = sky + 10_000.0 / 0.5;
    assert!((f64::from(with[star]) / expected - 1.0).abs() < 1e-3, "{} instead of {expected}", with[star]);
}
