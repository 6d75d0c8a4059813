//! Weights of frames: their values, the weighted mean and its variance, and that rejection does not see them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::sync::Arc;

use common::{mosaic, sources};
use zemosaic_coadd::weights::set_weights;
use zemosaic_coadd::{CoaddOptions, KernelName, Source, Weights};
use zemosaic_fits::ImageData;
use zemosaic_frames::IngestOptions;
use zemosaic_sky::{FrameGeometry, Grid, GridOptions, automatic_grid};
use zemosaic_stack::{RejectMethod, RejectOptions};
use zemosaic_stars::FrameQuality;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIGMAS: [f64; 4] = [10.0, 20.0, 10.0, 40.0];
const EXPOSURES: [f64; 4] = [10.0, 20.0, 30.0, 60.0];
const FWHMS: [f64; 4] = [2.0, 4.0, 2.5, 5.0];
const STARS: [usize; 4] = [100, 50, 200, 0];

fn quality(index: usize) -> FrameQuality {
    FrameQuality {
        background_adu: 100.0,
        noise_adu: SIGMAS[index],
        gradient_adu: 0.0,
        stars: STARS[index],
        shapes: STARS[index],
        fwhm_px: FWHMS[index],
        hfr_px: 0.6 * FWHMS[index],
        roundness: 0.1,
        snr: 10.0 * (index + 1) as f64,
        star_flux_adu: 1000.0,
        drawn_out_deg: None,
        trails: Vec::new(),
    }
}

/// Four frames of one place, of `planes` colours, the last with an outlier in its middle.
fn scene(folder: &std::path::Path, planes: usize, options: &CoaddOptions) -> (Vec<Source>, Grid) {
    for (index, (sigma, exposure)) in SIGMAS.into_iter().zip(EXPOSURES).enumerate() {
        let frame = TanFrame::pointed_at((30.0, 20.0), 2.0, 0.0, Parity::Sky, (64, 48));
        let mut pixels = noise_image(64, 48 * planes, 100.0, sigma, 50 + index as u64);
        if index == 3 {
            pixels[48 * 32 + 20] += 5000.0;
        }
        let path = folder.join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&pixels), |header| {
            header.set_f64("EXPTIME", exposure, "");
        })
        .unwrap();
    }
    let frames = {
        let files = zemosaic_frames::discover(&[folder.to_path_buf()], &[]).unwrap();
        zemosaic_frames::ingest(&files, &IngestOptions::default(), &|_| {}).frames
    };
    let geometry = FrameGeometry { wcs: (*frames[0].wcs).clone(), width: 64, height: 48 };
    let grid = automatic_grid(&[geometry], &GridOptions::default()).unwrap();
    let mut all = sources(
        folder,
        &IngestOptions::default(),
        &grid,
        &CoaddOptions { weights: Weights::Ivar, ..options.clone() },
    );
    for (index, source) in all.iter_mut().enumerate() {
        source.quality = Some(Arc::new(quality(index)));
    }
    (all, grid)
}

fn options() -> CoaddOptions {
    let reject = RejectOptions { method: RejectMethod::None, ..RejectOptions::default() };
    CoaddOptions { kernel: KernelName::Nearest, reject, ..CoaddOptions::default() }
}

const ALL: [Weights; 8] = [
    Weights::None,
    Weights::Exposure,
    Weights::NoiseVariance,
    Weights::Fwhm,
    Weights::NoiseFwhm,
    Weights::Stars,
    Weights::Snr,
    Weights::Ivar,
];

#[test]
fn each_scheme_weighs_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sources, _) = scene(folder.path(), 1, &options());
    let noise: Vec<f64> = sources.iter().map(|source| 1.0 / source.noise_variance[0]).collect();
    let expected = |weights: Weights, index: usize| match weights {
        Weights::None => 1.0,
        Weights::Ivar | Weights::NoiseVariance => noise[index],
        Weights::Exposure => EXPOSURES[index],
        Weights::Fwhm => 1.0 / FWHMS[index].powi(2),
        Weights::NoiseFwhm => noise[index] / FWHMS[index].powi(2),
        Weights::Stars => STARS[index].max(1) as f64,
        Weights::Snr => (10.0 * (index + 1) as f64).powi(2),
    };
    for weights in ALL {
        assert!(set_weights(&mut sources, weights).is_empty(), "{weights:?}");
        let largest = (0..4).map(|index| expected(weights, index)).fold(0.0, f64::max);
        let unit = if weights == Weights::Ivar { 1.0 } else { largest };
        for (index, source) in sources.iter().enumerate() {
            let wanted = expected(weights, index) / unit;
            assert!(
                (source.weight[0] / wanted - 1.0).abs() < 1e-12,
                "{weights:?} {index}: {:?}",
                source.weight
            );
        }
    }
}

#[test]
fn colours_share_a_scalar_but_for_ivar() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sources, _) = scene(folder.path(), 3, &options());
    for weights in ALL {
        set_weights(&mut sources, weights);
        let shared =
            sources.iter().all(|source| source.weight.iter().all(|weight| *weight == source.weight[0]));
        assert_eq!(shared, weights != Weights::Ivar, "{weights:?}");
    }
    set_weights(&mut sources, Weights::NoiseVariance);
    let weights: Vec<f64> = sources.iter().map(|source| source.weight[0]).collect();
    let largest = weights.iter().copied().fold(0.0, f64::max);
    assert_eq!(largest, 1.0);
    assert!((weights[1] / weights[0] - 0.25).abs() < 0.05, "{weights:?}");
}

#[test]
fn unknown_figures_take_the_median_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sources, _) = scene(folder.path(), 1, &options());
    sources[1].quality = None;
    sources[2].quality = Some(Arc::new(FrameQuality { fwhm_px: f64::NAN, ..quality(2) }));
    let unknown = set_weights(&mut sources, Weights::Fwhm);
    assert_eq!((unknown.noise.len(), unknown.weight), (0, vec![1, 2]));
    // Of two known ones the upper.
    assert_eq!((sources[1].weight[0], sources[2].weight[0]), (1.0, 1.0));
    let unknown = set_weights(&mut sources, Weights::Stars);
    assert_eq!(unknown.weight, [1]);
    sources[0].noise_variance[0] = f64::NAN;
    let unknown = set_weights(&mut sources, Weights::None);
    assert_eq!((unknown.noise, unknown.weight.len()), (vec![0], 0));
}

#[test]
fn the_mean_is_weighted_and_its_variance_true() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let (mut sources, grid) = scene(folder.path(), 1, &options);
    let pixels = grid.width * grid.height;
    // What each frame gives alone.
    set_weights(&mut sources, Weights::None);
    let mut alone = Vec::new();
    for index in 0..sources.len() {
        let one = mosaic(&sources[index..=index], &grid, &options, (64, 48), 1);
        alone.push((one.float(0), one.float(2)));
    }
    for weights in ALL {
        set_weights(&mut sources, weights);
        let all = mosaic(&sources, &grid, &options, (64, 48), 2);
        let (value, variance) = (all.float(0), all.float(2));
        let mut compared = 0;
        for at in (0..pixels).filter(|at| all.depth()[*at] == 4) {
            let [mut sum, mut total, mut squares] = [0.0; 3];
            for (source, (values, variances)) in sources.iter().zip(&alone) {
                let weight = source.weight[0];
                sum += weight * f64::from(values[at]);
                total += weight;
                squares += weight * weight * f64::from(variances[at]);
            }
            let (mean, var) = (sum / total, squares / (total * total));
            assert!((f64::from(value[at]) / mean - 1.0).abs() < 1e-5, "{weights:?}: {} {mean}", value[at]);
            assert!(
                (f64::from(variance[at]) / var - 1.0).abs() < 1e-5,
                "{weights:?}: {} {var}",
                variance[at]
            );
            compared += 1;
        }
        assert!(compared > pixels / 2, "{compared}");
    }
}

#[test]
fn rejection_does_not_see_weights() {
    let folder = tempfile::tempdir().unwrap();
    for method in [RejectMethod::Sigma, RejectMethod::Mad] {
        let reject = RejectOptions { method, kappa_low: 1.3, kappa_high: 1.3, ..RejectOptions::default() };
        let options = CoaddOptions { reject, ..options() };
        let (mut sources, grid) = scene(folder.path(), 1, &options);
        let mut first: Option<Vec<Vec<i32>>> = None;
        for weights in ALL {
            set_weights(&mut sources, weights);
            let counts = mosaic(&sources, &grid, &options, (64, 48), 2).counts;
            assert!(counts[2..].iter().flatten().any(|count| *count > 0), "something is rejected");
            assert_eq!(first.get_or_insert_with(|| counts.clone()), &counts, "{method:?} {weights:?}");
        }
    }
}
