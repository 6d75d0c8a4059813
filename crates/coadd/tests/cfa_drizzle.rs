//! CFA drizzle through the engine: every channel from the raw pixels of its colour, against sums over all raw pixels.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use zemosaic_coadd::{
    BackgroundMethod, CoaddOptions, FluxConvention, KernelName, PhotonNoise, RadialWeight, SpatialOptions, dq,
};
use zemosaic_fits::ImageData;
use zemosaic_frames::{DemosaicMethod, IngestOptions};
use zemosaic_image::{BackgroundOptions, CfaPattern};
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_stack::{Combine, RejectMethod, RejectOptions};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const DRIZZLES: [KernelName; 3] = [KernelName::Drizzle, KernelName::DrizzleTurbo, KernelName::DrizzlePoint];
const SIDE: usize = 160;
const LEVELS: [f64; 3] = [800.0, 1000.0, 700.0];
const PATTERN: CfaPattern = CfaPattern::Grbg;

fn ingest() -> IngestOptions {
    IngestOptions { demosaic: DemosaicMethod::None, ..IngestOptions::default() }
}

fn options(kernel: KernelName) -> CoaddOptions {
    CoaddOptions {
        kernel,
        pixfrac: 0.8,
        reject: RejectOptions { method: RejectMethod::None, ..RejectOptions::default() },
        ..CoaddOptions::default()
    }
}

fn pointing(index: usize, side: usize) -> TanFrame {
    let step = index as f64;
    let centre = (150.0 + 2e-3 * (2.399 * step).sin(), 1.0 + 2e-3 * (1.618 * step).cos());
    let parity = if index.is_multiple_of(2) { Parity::Sky } else { Parity::Mirrored };
    TanFrame::pointed_at(centre, 2.0, 8.0 + 31.0 * step, parity, (side, side))
}

/// Raw frames of a level per colour and noise; every `bad`th pixel is NaN.
fn write_frames(folder: &Path, count: usize, side: usize, sigma: f64, bad: usize) {
    for index in 0..count {
        let mut raw = noise_image(side, side, 0.0, sigma, index as u64 + 1);
        for (k, value) in raw.iter_mut().enumerate() {
            let colour = PATTERN.colour_at((k % side) as i64, (k / side) as i64);
            *value += LEVELS[colour] as f32;
            if bad > 0 && (k + 31 * index).is_multiple_of(bad) {
                *value = f32::NAN;
            }
        }
        let path = folder.join(format!("c{index:02}.fits"));
        write_test_frame(&path, &pointing(index, side), ImageData::F32(&raw), |header| {
            header.set_str("BAYERPAT", PATTERN.name(), "");
            header.set_f64("EGAIN", 0.5, "");
        })
        .unwrap();
    }
}

fn grid(scale_arcsec: f64, side: usize) -> Grid {
    let cd = scale_arcsec / 3600.0;
    let middle = (side as f64 - 1.0) / 2.0;
    Grid {
        wcs: Wcs::tan([150.0, 1.0], [middle, middle], [[-cd, 0.0], [0.0, cd]], SkyFrame::Icrs).unwrap(),
        width: side,
        height: side,
    }
}

#[test]
fn equal_bits_however_the_grid_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 4, SIDE, 5.0, 701);
    let grid = grid(2.6, 190);
    for kernel in DRIZZLES {
        for everything in [false, true] {
            let mut options = options(kernel);
            if everything {
                options.flux = FluxConvention::Flux;
                options.background = BackgroundMethod::Mesh;
                options.mesh = BackgroundOptions { mesh_px: 32, ..BackgroundOptions::default() };
                options.reject.method = RejectMethod::Sigma;
                options.spatial = SpatialOptions { taper_px: 9.0, radial: Some(RadialWeight::default()) };
            }
            let sources = common::sources(folder.path(), &ingest(), &grid, &options);
            let whole = common::mosaic(&sources, &grid, &options, (1000, 1000), 1);
            assert!((0..3).all(|c| whole.depth_of(c).iter().filter(|depth| **depth > 0).count() > 3000));
            for (patch, threads) in [((64, 64), 3), ((37, 11), 2), ((1000, 1), 1)] {
                let parts = common::mosaic(&sources, &grid, &options, patch, threads);
                assert!(whole == parts, "{kernel:?}, {everything}, patches of {patch:?}");
            }
        }
    }
}

/// Spatial weights with every sort of kernel: equal bits, a constant sky stays constant, and weights follow the place.
#[test]
fn spatial_weights_leave_a_constant_sky_constant() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 4, SIDE, 0.01, 0);
    let grid = grid(2.0, 200);
    for kernel in [KernelName::Nearest, KernelName::Lanczos3, KernelName::Exact, KernelName::Gaussian] {
        for combine in [Combine::Mean, Combine::Median] {
            let spatial = SpatialOptions { taper_px: 20.0, radial: Some(RadialWeight::default()) };
            let options = CoaddOptions { combine, spatial, ..options(kernel) };
            let sources = common::sources(folder.path(), &IngestOptions::default(), &grid, &options);
            assert!(sources.iter().all(|source| source.weighs_samples));
            let whole = common::mosaic(&sources, &grid, &options, (1000, 1000), 1);
            assert!(whole == common::mosaic(&sources, &grid, &options, (50, 33), 2));
            for (channel, level) in LEVELS.into_iter().enumerate() {
                let value = whole.float(channel);
                let valid = value.iter().filter(|value| value.is_finite());
                assert!(valid.clone().count() > 15_000);
                assert!(valid.map(|value| (f64::from(*value) - level).abs()).fold(0.0, f64::max) < 0.15);
            }
        }
    }
    // One frame: WHT is its weight times the weight of the place, VAR that of a single sample.
    let options = CoaddOptions {
        spatial: SpatialOptions { taper_px: 20.0, radial: None },
        ..options(KernelName::Nearest)
    };
    let sources = &common::sources(folder.path(), &IngestOptions::default(), &grid, &options)[..1];
    let mosaic = common::mosaic(sources, &grid, &options, (64, 64), 1);
    let plain = common::sources(
        folder.path(),
        &IngestOptions::default(),
        &grid,
        &CoaddOptions { spatial: SpatialOptions::default(), ..options.clone() },
    );
    let plain_mosaic = common::mosaic(&plain[..1], &grid, &options, (64, 64), 1);
    let (wht, var, plain_var) = (mosaic.float(3), mosaic.float(6), plain_mosaic.float(6));
    let mut compared = 0;
    for (i, weight) in wht.iter().enumerate() {
        let (x, y) = ((i % grid.width) as f64, (i / grid.width) as f64);
        let Some((u, v)) = sources[0].map.exact(x, y) else { continue };
        let last = SIDE as f64 - 0.5;
        let inside = (u + 0.5).min(last - u).min(v + 0.5).min(last - v);
        let expected = sources[0].weight[0] * (inside / 20.0).clamp(0.0, 1.0);
        // The map is interpolated.
        assert!((f64::from(*weight) - expected).abs() < 1e-4 * sources[0].weight[0], "{x}, {y}");
        if inside > 0.01 {
            assert!((var[i] / plain_var[i] - 1.0).abs() < 1e-5);
            compared += 1;
        }
    }
    assert!(compared > 15_000);
}

#[test]
fn a_constant_sky_stays_constant_in_each_colour() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 3, SIDE, 0.01, 0);
    for scale in [1.4, 2.0, 3.3] {
        let grid = grid(scale, (380.0 / scale) as usize);
        for kernel in DRIZZLES {
            let options = options(kernel);
            let sources = common::sources(folder.path(), &ingest(), &grid, &options);
            let mosaic = common::mosaic(&sources, &grid, &options, (128, 64), 2);
            for (channel, level) in LEVELS.into_iter().enumerate() {
                let value = mosaic.float(channel);
                let valid: Vec<&f32> = value.iter().filter(|value| value.is_finite()).collect();
                assert!(valid.len() > 2000, "{kernel:?} {scale} {channel}: {}", valid.len());
                let far = valid.iter().map(|value| (f64::from(**value) - level).abs()).fold(0.0, f64::max);
                assert!(far < 0.06, "{kernel:?} {scale} {channel}: {far}");
            }
        }
    }
}

/// The noise of many dithered frames is what VAR says, in each colour, and weights are those of raw pixels.
#[test]
fn var_is_the_variance_of_raw_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let (count, side, sigma) = (12, 400, 9.0);
    write_frames(folder.path(), count, side, sigma, 0);
    let grid = grid(2.0, 360);
    for kernel in DRIZZLES {
        let options = CoaddOptions { photon_noise: PhotonNoise::Off, ..options(kernel) };
        let sources = common::sources(folder.path(), &ingest(), &grid, &options);
        for source in &sources {
            for variance in source.noise_variance {
                assert!((variance / (sigma * sigma) - 1.0).abs() < 0.06, "{:?}", source.noise_variance);
            }
        }
        let mosaic = common::mosaic(&sources, &grid, &options, (360, 64), 2);
        for (channel, level) in LEVELS.into_iter().enumerate() {
            let (value, variance) = (mosaic.float(channel), mosaic.float(6 + channel));
            let pairs = value.iter().zip(&variance).filter(|(value, _)| value.is_finite());
            let (mut sum, mut n) = (0.0, 0.0);
            for (value, variance) in pairs {
                sum += (f64::from(*value) - level).powi(2) / f64::from(*variance);
                n += 1.0;
            }
            assert!((sum / n - 1.0).abs() < 0.03, "{kernel:?} {channel}: {} of {n}", sum / n);
        }
    }
}

/// Depth per channel and DQ against all raw pixels near each output pixel.
#[test]
fn depth_counts_the_frames_that_have_the_colour_there() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), 5, 90, 3.0, 211);
    let grid = grid(2.0, 110);
    let options = options(KernelName::DrizzlePoint);
    let sources = common::sources(folder.path(), &ingest(), &grid, &options);
    let mosaic = common::mosaic(&sources, &grid, &options, (40, 40), 1);
    let pixels = grid.width * grid.height;
    let mut depth = vec![[0; 3]; pixels];
    let mut masked = vec![false; pixels];
    let mut unsure = vec![false; pixels];
    for (index, _) in sources.iter().enumerate() {
        let own = pointing(index, 90);
        let mut hit = vec![[false; 3]; pixels];
        for k in 0..90 * 90 {
            let (ra, dec) = own.pixel_to_sky((k % 90) as f64, (k / 90) as f64);
            let vector = zemosaic_sky::unit_vector(ra, dec);
            let Some((x, y)) = grid.wcs.icrs_to_pixel(&vector) else { continue };
            let near_edge = |v: f64| (v - v.round()).abs() > 0.499;
            let (column, row) = (x.round(), y.round());
            let inside = |v: f64| v >= 0.0 && v < grid.width as f64;
            if !(inside(column) && inside(row)) {
                continue;
            }
            let at = row as usize * grid.width + column as usize;
            if near_edge(x) || near_edge(y) {
                for at in [at, at + 1, at.max(1) - 1, at + grid.width, at.max(grid.width) - grid.width] {
                    unsure[at.min(pixels - 1)] = true;
                }
            }
            let colour = PATTERN.colour_at((k % 90) as i64, (k / 90) as i64);
            if (k + 31 * index).is_multiple_of(211) {
                masked[at] = true;
            } else {
                hit[at][colour] = true;
            }
        }
        for (depth, hit) in depth.iter_mut().zip(hit) {
            for (depth, hit) in depth.iter_mut().zip(hit) {
                *depth += i32::from(hit);
            }
        }
    }
    let (mut compared, mut bad) = (0, 0);
    for at in (0..pixels).filter(|at| !unsure[*at]) {
        for (channel, expected) in depth[at].into_iter().enumerate() {
            assert_eq!(mosaic.depth_of(channel)[at], expected, "pixel {at}, channel {channel}");
            assert_eq!(f32::from_bits(mosaic.floats[channel][at]).is_nan(), expected == 0);
        }
        assert_eq!(mosaic.depth()[at], *depth[at].iter().max().unwrap());
        assert_eq!(mosaic.counts[1][at] & dq::MASKED != 0, masked[at], "pixel {at}");
        compared += 1;
        bad += i32::from(masked[at]);
        if compared > 3000 {
            break;
        }
    }
    assert!(compared > 3000 && bad > 20, "{compared}, {bad}");
}
