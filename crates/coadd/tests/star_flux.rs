//! Flux of coloured stars on the way from raw Bayer frames to the mosaic: every demosaic method, against the truth.
//!
//! Twenty dithered and turned frames of 60 isolated stars over a sky, with hot pixels that are known to be bad;
//! the flux in an aperture of the mosaic over that of the same stars drawn without a detector.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::Path;

use zemosaic_coadd::{CoaddOptions, KernelName, PhotonNoise};
use zemosaic_fits::{Header, ImageData, write_image};
use zemosaic_frames::{DemosaicMethod, IngestOptions, MapOptions};
use zemosaic_image::CfaPattern;
use zemosaic_sky::{Grid, SkyFrame, Wcs};
use zemosaic_stack::{RejectMethod, RejectOptions};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, star_image, write_test_frame};

const FRAMES: usize = 20;
const SIDE: usize = 460;
const GRID_SIDE: usize = 400;
/// A sky and stars.
struct Scene {
    sky_adu: [f64; 3],
    /// Colours of stars: what of a flux is red, green, blue.
    colours: [[f64; 3]; 3],
    /// Methods that are looked at; VNG and RCD keep no star's colour.
    methods: &'static [DemosaicMethod],
}

/// Stars of three colours over a sky of a fourth: linear methods keep each colour.
const COLOURED: Scene = Scene {
    sky_adu: [730.0, 1000.0, 640.0],
    colours: [[0.7, 1.0, 0.8], [1.2, 1.0, 0.6], [0.5, 1.0, 1.3]],
    methods: &[DemosaicMethod::Bilinear, DemosaicMethod::SuperPixel, DemosaicMethod::None],
};
/// Grey stars over a grey sky: the best case of methods that take neighbours to be of one colour.
const GREY: Scene = Scene {
    sky_adu: [1000.0; 3],
    colours: [[1.0; 3]; 3],
    methods: &[DemosaicMethod::Bilinear, DemosaicMethod::Vng, DemosaicMethod::Rcd, DemosaicMethod::None],
};
const FLUX_ADU: f64 = 60_000.0;
const APERTURE_PX: f64 = 14.0;
const PATTERN: CfaPattern = CfaPattern::Grbg;
/// Raw pixels that are hot, one in so many.
const HOT_ONE_IN: usize = 5003;

/// Where the stars are on the grid, with places of their own within the pixel.
fn stars() -> Vec<(f64, f64)> {
    (0..60)
        .map(|i| {
            let (column, row) = (f64::from(i % 8), f64::from(i / 8));
            (42.0 + 45.0 * column + 0.37 * row, 42.0 + 45.0 * row + 0.23 * column)
        })
        .collect()
}

fn grid() -> (Grid, TanFrame) {
    let wcs = TanFrame::pointed_at((150.0, 1.0), 2.0, 0.0, Parity::Sky, (GRID_SIDE, GRID_SIDE));
    let cd = 2.0 / 3600.0;
    let middle = (GRID_SIDE as f64 - 1.0) / 2.0;
    let grid = Grid {
        wcs: Wcs::tan([150.0, 1.0], [middle, middle], [[-cd, 0.0], [0.0, cd]], SkyFrame::Icrs).unwrap(),
        width: GRID_SIDE,
        height: GRID_SIDE,
    };
    (grid, wcs)
}

fn write_frames(folder: &Path, fwhm_px: f64, scene: &Scene) {
    let (_, grid) = grid();
    for index in 0..FRAMES {
        let step = index as f64;
        let centre = (150.0 + 4e-3 * (2.399 * step).sin(), 1.0 + 4e-3 * (1.618 * step).cos());
        let wcs = TanFrame::pointed_at(centre, 2.0, 3.0 * step, Parity::Mirrored, (SIDE, SIDE));
        let planes: Vec<Vec<f32>> = (0..3)
            .map(|channel| {
                let placed: Vec<(f64, f64, f64)> = stars()
                    .into_iter()
                    .enumerate()
                    .filter_map(|(star, (x, y))| {
                        let (ra, dec) = grid.pixel_to_sky(x, y);
                        let (u, v) = wcs.sky_to_pixel(ra, dec)?;
                        Some((u, v, FLUX_ADU * scene.colours[star % 3][channel]))
                    })
                    .collect();
                star_image(SIDE, SIDE, &placed, fwhm_px)
            })
            .collect();
        let mut raw = noise_image(SIDE, SIDE, 0.0, 3.0, index as u64 + 1);
        let mut mask = vec![0_u8; raw.len()];
        for (k, value) in raw.iter_mut().enumerate() {
            let colour = PATTERN.colour_at((k % SIDE) as i64, (k / SIDE) as i64);
            *value += (scene.sky_adu[colour] + f64::from(planes[colour][k])) as f32;
            if k % HOT_ONE_IN == 17 {
                *value += 30_000.0;
                mask[k] = 1;
            }
        }
        let name = format!("s{index:02}");
        write_test_frame(&folder.join(format!("{name}.fits")), &wcs, ImageData::F32(&raw), |header| {
            header.set_str("BAYERPAT", PATTERN.name(), "");
        })
        .unwrap();
        let dims = [SIDE, SIDE];
        let path = folder.join(format!("{name}.mask.fits"));
        write_image(&path, &Header::new(), ImageData::U8(&mask), &dims).unwrap();
    }
}

/// Flux in the aperture about (x, y), the sky being known.
fn flux(plane: &[f32], sky: f64, (x, y): (f64, f64)) -> f64 {
    let reach = APERTURE_PX.ceil() as i64;
    let (cx, cy) = (x.round() as i64, y.round() as i64);
    let mut sum = 0.0;
    for j in cy - reach..=cy + reach {
        for i in cx - reach..=cx + reach {
            if (i as f64 - x).hypot(j as f64 - y) <= APERTURE_PX {
                sum += f64::from(plane[j as usize * GRID_SIDE + i as usize]) - sky;
            }
        }
    }
    sum
}

/// Planes of the mosaic of the first `frames` frames.
fn planes(folder: &Path, demosaic: DemosaicMethod, method: RejectMethod, frames: usize) -> [Vec<f32>; 3] {
    let kernel = match demosaic {
        DemosaicMethod::None => KernelName::Drizzle,
        _ => KernelName::Lanczos3,
    };
    let options = CoaddOptions {
        kernel,
        photon_noise: PhotonNoise::Off,
        reject: RejectOptions { method, ..RejectOptions::default() },
        ..CoaddOptions::default()
    };
    let ingest = IngestOptions {
        demosaic,
        maps: MapOptions { mask_suffix: Some(".mask.fits".into()), ..MapOptions::default() },
        ..IngestOptions::default()
    };
    let (grid, _) = grid();
    let sources = common::sources(folder, &ingest, &grid, &options);
    assert_eq!(sources.len(), FRAMES);
    let mosaic = common::mosaic(&sources[..frames], &grid, &options, (400, 100), 2);
    std::array::from_fn(|channel| mosaic.float(channel))
}

/// Mean over the stars of the flux over its truth, by channel, and the scatter of single stars.
fn ratios(folder: &Path, fwhm_px: f64, scene: &Scene, demosaic: DemosaicMethod) -> [(f64, f64); 3] {
    let found = planes(folder, demosaic, RejectMethod::None, FRAMES);
    std::array::from_fn(|channel| {
        let placed: Vec<(f64, f64, f64)> = stars()
            .into_iter()
            .enumerate()
            .map(|(star, (x, y))| (x, y, FLUX_ADU * scene.colours[star % 3][channel]))
            .collect();
        let truth = star_image(GRID_SIDE, GRID_SIDE, &placed, fwhm_px);
        let ratios: Vec<f64> = stars()
            .into_iter()
            .map(|at| flux(&found[channel], scene.sky_adu[channel], at) / flux(&truth, 0.0, at))
            .collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let scatter = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / ratios.len() as f64;
        (mean, scatter.sqrt())
    })
}

/// How far the mean flux of a channel may be off.
fn allowed(demosaic: DemosaicMethod) -> f64 {
    match demosaic {
        // Second differences of the star's own colour sharpen it, gradients choose the side: no flux is kept.
        DemosaicMethod::Vng => 0.075,
        DemosaicMethod::Rcd => 0.03,
        DemosaicMethod::Bilinear | DemosaicMethod::SuperPixel | DemosaicMethod::None => 0.005,
    }
}

#[test]
fn stars_keep_their_flux_from_raw_pixels_to_the_mosaic() {
    let mut failed = false;
    for (name, scene) in [("coloured", COLOURED), ("grey", GREY)] {
        for fwhm_px in [1.8, 2.6, 4.0] {
            let folder = tempfile::tempdir().unwrap();
            write_frames(folder.path(), fwhm_px, &scene);
            for demosaic in scene.methods {
                let found = ratios(folder.path(), fwhm_px, &scene, *demosaic);
                eprintln!("{name}, FWHM {fwhm_px} {demosaic:?}: {found:.4?}");
                failed |= found.iter().any(|(mean, _)| (mean - 1.0).abs() > allowed(*demosaic));
            }
        }
    }
    assert!(!failed, "see above");
}

/// The default rejection leaves stars what they are, few frames or many: what differs between frames there is sampling.
#[test]
fn rejection_by_depth_keeps_the_flux_of_stars() {
    for fwhm_px in [1.8, 2.6] {
        let folder = tempfile::tempdir().unwrap();
        write_frames(folder.path(), fwhm_px, &COLOURED);
        for demosaic in [DemosaicMethod::Bilinear, DemosaicMethod::None] {
            for frames in [5, 12, FRAMES] {
                let of = |method| planes(folder.path(), demosaic, method, frames);
                let (all, kept) = (of(RejectMethod::None), of(RejectMethod::Auto));
                for (channel, sky) in COLOURED.sky_adu.into_iter().enumerate() {
                    let mut ratios: Vec<f64> = stars()
                        .into_iter()
                        .map(|at| flux(&kept[channel], sky, at) / flux(&all[channel], sky, at))
                        .filter(|ratio| ratio.is_finite())
                        .collect();
                    ratios.sort_by(f64::total_cmp);
                    let median = ratios[ratios.len() / 2];
                    let what = format!("FWHM {fwhm_px} {demosaic:?}, {frames} frames, channel {channel}");
                    assert!(ratios.len() > 30 && (median - 1.0).abs() < 0.005, "{what}: {median}");
                }
            }
        }
    }
}
