//! VAR is the variance: empty apertures on mosaics of pure noise, against VAR and the stated noise correlation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use zemosaic_coadd::noise::aperture_correlation;
use zemosaic_coadd::{CoaddOptions, KernelName, Source, Weights};
use zemosaic_fits::ImageData;
use zemosaic_frames::IngestOptions;
use zemosaic_image::CfaPattern;
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const FRAMES: u64 = 20;
const SIDE_PX: usize = 1700;
const SCALE_DEG: f64 = 1.0 / 3600.0;

/// Frames of noise about one place, dithered by whole and broken pixels and turned by any angle; of different noise.
fn write_frames(folder: &Path, pattern: Option<CfaPattern>) {
    for i in 0..FRAMES {
        let step = i as f64;
        let centre = (150.0 + 3.7e-3 * (step * 2.399).sin(), 1.0 + 3.1e-3 * (step * 1.618).cos());
        // Never along the grid, where the phase would be one and the same all over the frame.
        let turn_deg = 8.0 + 137.507_764 * step;
        let wcs = TanFrame::pointed_at(centre, 1.0, turn_deg, Parity::Sky, (SIDE_PX, SIDE_PX));
        let pixels = noise_image(SIDE_PX, SIDE_PX, 100.0, 8.0 + 0.3 * step, i + 1);
        let path = folder.join(format!("n{i:02}.fits"));
        write_test_frame(&path, &wcs, ImageData::F32(&pixels), |header| {
            if let Some(pattern) = pattern {
                header.set_str("BAYERPAT", pattern.name(), "");
            }
        })
        .unwrap();
    }
}

fn grid(scale: f64, side: usize) -> Grid {
    let middle = (side as f64 - 1.0) / 2.0;
    let cd = [[-SCALE_DEG * scale, 0.0], [0.0, SCALE_DEG * scale]];
    Grid {
        wcs: Wcs::tan([150.0, 1.0], [middle, middle], cd, SkyFrame::Icrs).unwrap(),
        width: side,
        height: side,
    }
}

/// Measured variance of sums over apertures of `n` x `n` px over what VAR says of them, and how many there were.
fn aperture_ratio(value: &[f32], variance: &[f32], side: usize, n: usize) -> (f64, usize) {
    let mut total = 0.0;
    let mut count = 0;
    for y0 in (0..=side - n).step_by(n) {
        for x0 in (0..=side - n).step_by(n) {
            let (mut sum, mut expected) = (0.0, 0.0);
            for y in y0..y0 + n {
                for i in y * side + x0..y * side + x0 + n {
                    sum += f64::from(value[i]) - 100.0;
                    expected += f64::from(variance[i]);
                }
            }
            // NaN where an aperture meets a pixel without data.
            if sum.is_finite() {
                total += sum * sum / expected;
                count += 1;
            }
        }
    }
    (total / count as f64, count)
}

fn check(folder: &Path, kernel: KernelName, pixfrac: f64, scale: f64) {
    let options = CoaddOptions {
        kernel,
        pixfrac,
        weights: Weights::Ivar,
        reject: zemosaic_stack::RejectOptions {
            method: zemosaic_stack::RejectMethod::None,
            ..Default::default()
        },
        ..CoaddOptions::default()
    };
    let side = (1700.0 / scale) as usize;
    let grid = grid(scale, side);
    let sources = common::sources(folder, &IngestOptions::default(), &grid, &options);
    assert_eq!(sources.len() as u64, FRAMES);
    let mosaic = common::mosaic(&sources, &grid, &options, (512, 128), 2);
    let (value, variance) = (mosaic.float(0), mosaic.float(2));
    let mut line = format!("{kernel:?} at scale {scale}:");
    for (n, allowed) in [(1, 0.02), (3, 0.05), (5, 0.05), (11, 0.05)] {
        let (ratio, count) = aperture_ratio(&value, &variance, side, n);
        let correlation: f64 =
            sources.iter().map(|source| aperture_correlation(source, n).unwrap()).sum::<f64>()
                / FRAMES as f64;
        let share = ratio / correlation;
        write!(line, " {n} px {share:.4} (correlation {correlation:.3}, {count} apertures)").unwrap();
        assert!((ratio / correlation - 1.0).abs() < allowed, "{line}");
        assert!(scale > 1.0 || count >= 20_000, "{line}");
    }
    eprintln!("{line}");
}

#[test]
fn apertures_have_the_variance_that_is_stated() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), None);
    for (kernel, pixfrac) in [
        (KernelName::Nearest, 1.0),
        (KernelName::Bilinear, 1.0),
        (KernelName::Bicubic, 1.0),
        (KernelName::Lanczos3, 1.0),
        (KernelName::Exact, 1.0),
        (KernelName::Drizzle, 0.7),
        (KernelName::Gaussian, 1.0),
        (KernelName::Hann, 1.0),
    ] {
        check(folder.path(), kernel, pixfrac, 1.0);
    }
    // Larger output pixels: the kernel stretches.
    check(folder.path(), KernelName::Lanczos3, 1.0, 1.5);
}

/// Demosaiced noise is correlated before it is resampled: VAR of a pixel takes that in, for each kernel and scale.
#[test]
fn variance_of_demosaiced_frames_is_that_of_their_pixels() {
    let folder = tempfile::tempdir().unwrap();
    write_frames(folder.path(), CfaPattern::parse("GRBG"));
    for (kernel, pixfrac, scales) in [
        (KernelName::Bilinear, 1.0, &[1.0][..]),
        (KernelName::Lanczos3, 1.0, &[1.0, 2.0]),
        (KernelName::Exact, 1.0, &[0.5, 1.0, 2.0]),
        (KernelName::Drizzle, 0.7, &[0.5, 1.0, 2.0]),
        (KernelName::DrizzleTurbo, 0.7, &[1.0]),
        (KernelName::DrizzlePoint, 1.0, &[0.5, 1.0, 2.0]),
        (KernelName::Gaussian, 1.0, &[0.5, 1.0, 2.0]),
        (KernelName::Hann, 1.0, &[0.5, 1.0, 2.0]),
    ] {
        for scale in scales {
            check_demosaiced(folder.path(), kernel, pixfrac, *scale);
        }
    }
}

fn check_demosaiced(folder: &Path, kernel: KernelName, pixfrac: f64, scale: f64) {
    let options = CoaddOptions {
        kernel,
        pixfrac,
        reject: zemosaic_stack::RejectOptions {
            method: zemosaic_stack::RejectMethod::None,
            ..Default::default()
        },
        ..CoaddOptions::default()
    };
    let side = (900.0 / scale.max(0.75)) as usize;
    let grid = grid(scale, side);
    let sources: Vec<Source> = common::sources(folder, &IngestOptions::default(), &grid, &options);
    let mosaic = common::mosaic(&sources, &grid, &options, (512, 128), 2);
    let ratios = [0, 1, 2]
        .map(|channel| aperture_ratio(&mosaic.float(channel), &mosaic.float(6 + channel), side, 1).0);
    eprintln!("{kernel:?} {pixfrac} at scale {scale}: {ratios:.4?}");
    for ratio in ratios {
        assert!((ratio - 1.0).abs() < 0.03, "{kernel:?} {pixfrac} at scale {scale}: {ratios:?}");
    }
}
