//! Gains of pairs against those that frames and previews were made with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use zemosaic_fits::{FilePool, Header, ImageData};
use zemosaic_frames::{Frame, IngestOptions, discover, ingest};
use zemosaic_gauge::{
    BlockGrid, Differences, GainOrigin, GridStar, MatchOptions, Pair, PairGain, Preview, PreviewJob,
    PreviewScratch, block_differences, common_area, measure_preview, pair_gains,
};
use zemosaic_image::Region;
use zemosaic_sky::{Grid, MapOptions, PixelMap, SkyFrame, Wcs, grid_bounds};
use zemosaic_testkit::psf::Moffat;
use zemosaic_testkit::rng::Rng;
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, write_test_frame};

const SIZE: (usize, usize) = (420, 360);
const SCALE_DEG: f64 = 2.0 / 3600.0;
const MIDDLE: [f64; 2] = [500.0, 500.0];

fn grid() -> Grid {
    let cd = [[-SCALE_DEG, 0.0], [0.0, SCALE_DEG]];
    Grid { wcs: Wcs::tan([150.0, 40.0], MIDDLE, cd, SkyFrame::Icrs).unwrap(), width: 1001, height: 1001 }
}

/// A frame whose middle is (dx, dy) pixels of the grid from that of the grid.
fn pointing(dx: f64, dy: f64, turn_deg: f64, seed: f64) -> TanFrame {
    let mut frame = TanFrame::pointed_at((150.0, 40.0), 2.0, turn_deg, Parity::Sky, SIZE);
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    frame.crpix_px[0] = 209.0 + seed - (dx * cos - dy * sin);
    frame.crpix_px[1] = 179.0 + seed - (dx * sin + dy * cos);
    frame
}

/// Stars of the field within `half` pixels of the middle of the grid: place on the grid and flux.
fn stars(count: usize, half: f64) -> Vec<(f64, f64, f64)> {
    let mut rng = Rng::for_keys(3, &[7]);
    let mut place = || MIDDLE[0] + rng.range(-half, half);
    (0..count).map(|i| (place(), place(), 4e5 / (2.0 + i as f64))).collect()
}

/// Light of the stars on a frame.
fn light(frame: &TanFrame, stars: &[(f64, f64, f64)], fwhm_px: f64) -> Vec<f32> {
    light_of(frame, stars, |_| fwhm_px)
}

/// The same with a width that depends on the column, from 0 to 1.
fn light_of(frame: &TanFrame, stars: &[(f64, f64, f64)], fwhm_px: impl Fn(f64) -> f64) -> Vec<f32> {
    let wcs = grid().wcs;
    let placed: Vec<(f64, f64, f64)> = stars
        .iter()
        .filter_map(|(x, y, flux)| {
            let (ra, dec) = wcs.pixel_to_sky(*x, *y)?;
            let (x, y) = frame.sky_to_pixel(ra, dec)?;
            frame.holds((x, y), -20.0).then_some((x, y, *flux))
        })
        .collect();
    let mut plane = vec![0.0; SIZE.0 * SIZE.1];
    for &(x, y, flux) in &placed {
        let fwhm_px = fwhm_px(x / SIZE.0 as f64);
        let psf = Moffat::new(fwhm_px, 0.0, 0.0);
        psf.add_star(&mut plane, SIZE, (x, y), 12.0 * fwhm_px, |_, _| flux);
    }
    plane
}

fn previews(folder: &Path) -> Vec<Preview> {
    let files = discover(&[folder.to_path_buf()], &[]).unwrap();
    let frames = ingest(&files, &IngestOptions::default(), &|_| {}).frames;
    let (grid, pool, blocks) = (grid(), FilePool::new(4), BlockGrid { block_px: 24 });
    let one = |frame: &Frame| {
        let bounds = grid_bounds(&grid, &frame.wcs, frame.width, frame.height).unwrap();
        let map = PixelMap::new(&grid, &frame.wcs, frame.width, frame.height, MapOptions::default()).unwrap();
        let job = PreviewJob { frame, map: &map, grid: &grid.wcs, bounds, background: &[], with_stars: true };
        measure_preview(&pool, &job, blocks, &mut PreviewScratch::default()).unwrap()
    };
    frames.iter().map(one).collect()
}

fn write(folder: &Path, index: usize, frame: &TanFrame, pixels: &[f32], edit: impl FnOnce(&mut Header)) {
    write_test_frame(&folder.join(format!("f{index:02}.fits")), frame, ImageData::F32(pixels), edit).unwrap();
}

fn all_pairs(count: usize) -> Vec<Pair> {
    (0..count).flat_map(|a| (a + 1..count).map(move |b| Pair { a, b, blocks: 1 })).collect()
}

/// Gain of a frame.
fn gain(index: usize) -> f64 {
    0.8 + 0.05 * ((index * 7) % 11) as f64
}

/// Errors of those of `found` that stars tell, and chi2 over their number.
fn errors(found: &[Option<PairGain>], pairs: &[Pair], truth: impl Fn(usize) -> f64) -> (Vec<f64>, f64) {
    let of = |(pair, gain): (&Pair, &Option<PairGain>)| {
        let gain = gain.as_ref().filter(|gain| gain.origin == GainOrigin::Stars)?;
        let error = gain.value - (truth(pair.a) / truth(pair.b)).ln();
        Some((error, error * error / gain.variance))
    };
    let all: Vec<(f64, f64)> = pairs.iter().zip(found).filter_map(of).collect();
    let chi2 = all.iter().map(|(_, chi2)| chi2).sum::<f64>() / all.len() as f64;
    (all.into_iter().map(|(error, _)| error).collect(), chi2)
}

#[test]
fn frames_without_noise_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(150, 120.0);
    for index in 0..5 {
        let frame = pointing(6.0 * index as f64 - 12.0, 4.0 * index as f64 - 8.0, 0.0, 0.0);
        let mut pixels = light(&frame, &field, 2.7);
        for pixel in &mut pixels {
            *pixel = ((f64::from(*pixel) + 100.0) * gain(index)) as f32;
        }
        write(dir.path(), index, &frame, &pixels, |_| {});
    }
    let (previews, pairs) = (previews(dir.path()), all_pairs(5));
    let found = pair_gains(&previews, &pairs, 0, &MatchOptions::default());
    let (errors, _) = errors(&found, &pairs, gain);
    assert_eq!(errors.len(), 10);
    assert!(errors.iter().all(|error| error.abs() < 1e-6), "{errors:?}");
}

#[test]
fn gains_are_found_within_their_errors() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(300, 260.0);
    for index in 0..8 {
        let shift = (index as f64 * 2.4).sin_cos();
        let frame = pointing(70.0 * shift.0, 50.0 * shift.1, 3.0 * index as f64, 0.13 * index as f64);
        // Seeing differs by 10 %.
        let mut own = field.clone();
        // A variable star among the brightest, differently in each frame.
        own[4].2 *= 1.0 + 0.2 * (index % 4) as f64;
        let light = light(&frame, &own, 2.6 + 0.26 * (index % 2) as f64);
        let noise = noise_image(SIZE.0, SIZE.1, 400.0 - 30.0 * index as f64, 12.0, 90 + index as u64);
        let pixels: Vec<f32> =
            light.iter().zip(noise).map(|(light, noise)| light * gain(index) as f32 + noise).collect();
        write(dir.path(), index, &frame, &pixels, |_| {});
    }
    let (previews, pairs) = (previews(dir.path()), all_pairs(8));
    let found = pair_gains(&previews, &pairs, 0, &MatchOptions::default());
    let (errors, chi2) = errors(&found, &pairs, gain);
    let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    assert!(errors.len() >= 24, "{}", errors.len());
    assert!(rms < 2.5e-3 && (0.3..1.7).contains(&chi2), "rms {rms}, chi2 {chi2}");
    // On one thread the same bits.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| pair_gains(&previews, &pairs, 0, &MatchOptions::default())), found);
}

/// Mean error, and its own, of gains of pairs of frames of this seeing with `count` stars in 660 x 660 pixels.
fn bias_of_crowded(count: usize, fwhm_px: [f64; 2], sets: u64) -> (f64, f64) {
    let mut errors = Vec::new();
    for set in 0..sets {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = Rng::for_keys(3, &[set, count as u64]);
        let mut place = || MIDDLE[0] + rng.range(-330.0, 330.0);
        let field: Vec<(f64, f64, f64)> =
            (0..count).map(|i| (place(), place(), 2e5 / (1.0 + 100.0 * i as f64 / count as f64))).collect();
        for (index, fwhm_px) in fwhm_px.into_iter().enumerate() {
            let frame = pointing(20.0 * index as f64, 9.0, 2.0, 0.3 * index as f64);
            let light = light(&frame, &field, fwhm_px);
            let noise = noise_image(SIZE.0, SIZE.1, 400.0, 8.0, 10 * set + index as u64);
            let strength = 2.0 - index as f32;
            let pixels: Vec<f32> =
                light.iter().zip(noise).map(|(light, noise)| light * strength + noise).collect();
            write(dir.path(), index, &frame, &pixels, |_| {});
        }
        let previews = previews(dir.path());
        let found = pair_gains(&previews, &all_pairs(2), 0, &MatchOptions::default())[0].unwrap();
        errors.push(found.value - 2.0_f64.ln());
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let squares = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
    (mean, (squares / errors.len() as f64 / (errors.len() as f64 - 1.0)).sqrt())
}

/// The limits are those of `docs/methods/star-gains.md`.
#[test]
fn neighbours_do_not_bias() {
    for (count, fwhm_px, limit) in [
        (300, [3.0, 3.0], 0.003),
        (300, [2.5, 3.0], 0.004),
        (300, [2.0, 4.0], 0.01),
        (1000, [3.0, 3.0], 0.003),
        (1000, [2.5, 3.0], 0.004),
        (1000, [2.0, 4.0], 0.015),
        (1500, [2.0, 4.0], 0.02),
    ] {
        let (bias, error) = bias_of_crowded(count, fwhm_px, 4);
        println!("{count} stars, {fwhm_px:?}: {bias:.4} +- {error:.4}");
        assert!(bias.abs() < limit && error < 0.006, "{count} stars, {fwhm_px:?}: {bias} +- {error}");
    }
}

/// Where the overlap has no star of the usual signal to noise the best ones there are tell, without bias though their logarithms are
/// skew and the noise of the frames is not the same.
#[test]
fn few_faint_stars_tell() {
    let (mut found_errors, mut chi2s) = (Vec::new(), Vec::new());
    for set in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = Rng::for_keys(21, &[set]);
        let mut place = || MIDDLE[0] + rng.range(-170.0, 170.0);
        let field: Vec<(f64, f64, f64)> =
            (0..40).map(|i| (place(), place(), 1100.0 + 18.0 * f64::from(i))).collect();
        for index in 0..2 {
            let frame = pointing(9.0 * index as f64, -7.0 * index as f64, index as f64, 0.0);
            let noise = noise_image(SIZE.0, SIZE.1, 400.0, [8.0, 11.0][index], 900 + 2 * set + index as u64);
            let light = light(&frame, &field, 3.0);
            let pixels: Vec<f32> =
                light.iter().zip(noise).map(|(light, noise)| light * gain(index) as f32 + noise).collect();
            write(dir.path(), index, &frame, &pixels, |_| {});
        }
        let (previews, pairs) = (previews(dir.path()), all_pairs(2));
        let bright = |star: &&GridStar| star.flux[0] > 20.0 * star.variance[0].sqrt();
        assert!(previews.iter().all(|own| own.stars.iter().filter(bright).count() < 6), "all are faint");
        let found = pair_gains(&previews, &pairs, 0, &MatchOptions::default());
        let (errors, chi2) = errors(&found, &pairs, gain);
        assert_eq!(errors.len(), 1, "set {set}: {found:?}");
        found_errors.extend(errors);
        chi2s.push(chi2);
    }
    let n = found_errors.len() as f64;
    let mean = found_errors.iter().sum::<f64>() / n;
    let error = (found_errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / n / n).sqrt();
    assert!(error < 5e-3 && mean.abs() < 3.0 * error, "bias {mean} +- {error}");
    let chi2 = chi2s.iter().sum::<f64>() / n;
    assert!((0.4..1.7).contains(&chi2), "chi2 {chi2}");
}

#[test]
fn colours_have_gains_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(300, 260.0);
    let of_colour = |index: usize, colour: usize| gain(index) * [1.0, 0.9, 1.2][(index + colour) % 3];
    for index in 0..5 {
        let frame = pointing(11.3 * index as f64, -9.7 * index as f64, index as f64, 0.0);
        let light = light(&frame, &field, 3.0);
        let noise = noise_image(SIZE.0, SIZE.1, 600.0, 8.0, 70 + index as u64);
        let value = |(at, (light, noise)): (usize, (&f32, &f32))| {
            let colour = (at % SIZE.0) % 2 + (at / SIZE.0) % 2;
            (light * of_colour(index, colour) as f32 + noise).round() as u16
        };
        let raw: Vec<u16> = light.iter().zip(&noise).enumerate().map(value).collect();
        let bayer = |header: &mut Header| header.set_str("BAYERPAT", "RGGB", "");
        let path = dir.path().join(format!("f{index:02}.fits"));
        write_test_frame(&path, &frame, ImageData::U16(&raw), bayer).unwrap();
    }
    let (previews, pairs) = (previews(dir.path()), all_pairs(5));
    for colour in 0..3 {
        let found = pair_gains(&previews, &pairs, colour, &MatchOptions::default());
        let (errors, chi2) = errors(&found, &pairs, |index| of_colour(index, colour));
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        assert!(
            errors.len() >= 7 && rms < 8e-3 && chi2 < 2.5,
            "{colour}: {}, rms {rms}, chi2 {chi2}",
            errors.len()
        );
    }
}

/// Single exposures have cosmic rays, many of them higher than most stars and narrower: the width is that of the stars.
#[test]
fn cosmic_rays_do_not_set_the_aperture() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(200, 260.0);
    for index in 0..3 {
        let frame = pointing(9.0 * index as f64, -7.0 * index as f64, index as f64, 0.0);
        let noise = noise_image(SIZE.0, SIZE.1, 400.0, 8.0, 130 + index as u64);
        let mut pixels: Vec<f32> = light(&frame, &field, 4.0 + 0.2 * index as f64)
            .iter()
            .zip(noise)
            .map(|(light, noise)| light * gain(index) as f32 + noise)
            .collect();
        let mut rng = Rng::for_keys(5, &[index as u64]);
        // Only of the last frame: widths of the others are known anyhow.
        for _ in 0..if index == 2 { 90 } else { 0 } {
            let at = [rng.range(8.0, 408.0), rng.range(8.0, 348.0)];
            let (along, length) = (rng.range(0.0, 3.1).sin_cos(), rng.range(1.0, 6.0));
            let height = rng.range(2000.0, 9000.0) as f32;
            for step in 0..(2.0 * length) as usize {
                let place = |at: f64, along: f64| (at + 0.5 * step as f64 * along) as usize;
                pixels[place(at[1], along.1) * SIZE.0 + place(at[0], along.0)] += height;
            }
        }
        write(dir.path(), index, &frame, &pixels, |_| {});
    }
    let (previews, pairs) = (previews(dir.path()), all_pairs(3));
    let found = pair_gains(&previews, &pairs, 0, &MatchOptions::default());
    let (errors, chi2) = errors(&found, &pairs, gain);
    // Cosmic rays leave the pair 0, 2 too few stars; with the width of the rays no pair of that frame would have any.
    assert!(errors.len() >= 2 && chi2 < 4.0, "{errors:?}, chi2 {chi2}, {found:?}");
}

/// Mean error of the gain of two frames whose images widen from the left to the right edge: stars at the right of one are at the left of
/// the other.
fn bias_of_tilted(fwhm_px: [f64; 2], shift_px: f64, sets: u64) -> f64 {
    let field = stars(400, 400.0);
    let mut sum = 0.0;
    for set in 0..sets {
        let dir = tempfile::tempdir().unwrap();
        for index in 0..2 {
            let frame = pointing(shift_px * (index as f64 - 0.5), 9.0, 0.0, 0.3 * index as f64);
            let noise = noise_image(SIZE.0, SIZE.1, 400.0, 8.0, 210 + 2 * set + index as u64);
            let light = light_of(&frame, &field, |x| fwhm_px[0] + x * (fwhm_px[1] - fwhm_px[0]));
            let pixels: Vec<f32> = light.iter().zip(noise).map(|(light, noise)| light + noise).collect();
            write(dir.path(), index, &frame, &pixels, |_| {});
        }
        sum +=
            pair_gains(&previews(dir.path()), &all_pairs(2), 0, &MatchOptions::default())[0].unwrap().value;
    }
    sum / sets as f64
}

/// Errors of a single set are 0.1 to 0.2 % at 100 px, 0.6 to 0.9 % at 220 px, where half of the frames are common.
#[test]
fn widths_that_change_over_the_field_are_no_gain() {
    for (fwhm_px, shift_px, limit) in [
        ([2.5, 3.0], 100.0, 0.002),
        ([2.2, 3.3], 100.0, 0.003),
        ([2.2, 3.3], 220.0, 0.012),
        ([1.8, 3.6], 220.0, 0.02),
    ] {
        let bias = bias_of_tilted(fwhm_px, shift_px, 4);
        println!("{fwhm_px:?}, shift {shift_px}: {bias:.4}");
        assert!(bias.abs() < limit, "{fwhm_px:?}, shift {shift_px}: {bias}");
    }
}

/// Neighbouring coadds of a survey are made from the same exposures: what they have in common has the same noise.
#[test]
fn the_same_exposures_have_the_same_noise() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(200, 260.0);
    for index in 0..3 {
        let frame = pointing(0.0, 0.0, 0.0, 0.0);
        let noise = noise_image(SIZE.0, SIZE.1, 400.0, 8.0, 170 + index as u64 / 2);
        let light = light(&frame, &field, 3.0);
        let pixels: Vec<f32> =
            light.iter().zip(noise).map(|(light, noise)| (light + noise) * gain(index) as f32).collect();
        write(dir.path(), index, &frame, &pixels, |_| {});
    }
    let (previews, pairs) = (previews(dir.path()), all_pairs(3));
    let found = pair_gains(&previews, &pairs, 0, &MatchOptions::default());
    let (errors, chi2) = errors(&found, &pairs, gain);
    let stated: Vec<f64> = found.iter().flatten().map(|found| found.variance.sqrt()).collect();
    assert!(errors.len() == 3 && chi2 < 4.0, "{errors:?}, {stated:?}");
    assert!(errors[0].abs() < 1e-5 && stated[0] < 1e-5, "{errors:?}, {stated:?}");
    assert!(stated[1..].iter().all(|error| *error > 1e-4), "{stated:?}");
}

/// Frames of sharp and of wide images, without noise: both hold the same share of the light.
#[test]
fn seeing_is_no_gain() {
    let field = stars(150, 260.0);
    for (fwhm_px, limit) in [
        ([1.0, 1.3], 0.004),
        ([1.0, 2.0], 0.006),
        ([1.2, 3.5], 0.008),
        ([1.4, 2.0], 0.003),
        ([1.4, 2.8], 0.004),
        ([2.0, 2.8], 0.001),
        ([2.5, 5.0], 0.005),
        ([3.0, 3.6], 0.001),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (index, fwhm_px) in fwhm_px.into_iter().enumerate() {
            let frame = pointing(7.3 * index as f64, 4.7 * index as f64, index as f64, 0.0);
            let pixels: Vec<f32> = light(&frame, &field, fwhm_px).iter().map(|light| 100.0 + light).collect();
            write(dir.path(), index, &frame, &pixels, |_| {});
        }
        let found = pair_gains(&previews(dir.path()), &all_pairs(2), 0, &MatchOptions::default())[0].unwrap();
        println!("{fwhm_px:?} {:.5} {:.5}", found.value, found.variance.sqrt());
        assert!(found.samples >= 20 && found.value.abs() < limit, "{fwhm_px:?}: {found:?}");
    }
}

/// Bayer frames of sharp and of wide images, without noise: the aperture follows the width, and the place in the pattern counts for little.
#[test]
fn seeing_of_bayer_frames_is_no_gain() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(150, 260.0);
    for (index, fwhm_px) in [2.0, 2.8].into_iter().enumerate() {
        let frame = pointing(7.3 * index as f64, 4.7 * index as f64, index as f64, 0.0);
        let raw: Vec<f32> = light(&frame, &field, fwhm_px).iter().map(|light| 100.0 + light).collect();
        let path = dir.path().join(format!("f{index:02}.fits"));
        let bayer = |header: &mut Header| header.set_str("BAYERPAT", "RGGB", "");
        write_test_frame(&path, &frame, ImageData::F32(&raw), bayer).unwrap();
    }
    let previews = previews(dir.path());
    for colour in 0..3 {
        let found = pair_gains(&previews, &all_pairs(2), colour, &MatchOptions::default())[0].unwrap();
        assert!(found.samples >= 20 && found.value.abs() < 7e-3, "{colour}: {found:?}");
    }
}

/// Frames of other pixel scales show the same light per area: sampling changes no gain by more than the shape of images does.
#[test]
fn pixel_scales_are_no_gain() {
    let field = stars(150, 260.0);
    for (scale_arcsec, pattern) in [(1.0, None), (3.5, None), (1.5, Some("RGGB")), (2.6, Some("GBRG"))] {
        let dir = tempfile::tempdir().unwrap();
        for (index, scale_arcsec) in [2.0, scale_arcsec].into_iter().enumerate() {
            let mut frame =
                TanFrame::pointed_at((150.0, 40.0), scale_arcsec, index as f64, Parity::Sky, SIZE);
            frame.crpix_px = [209.3, 179.6];
            let pixels = light(&frame, &field, 6.0 / scale_arcsec);
            let pixels: Vec<f32> = pixels.iter().map(|light| 100.0 + light).collect();
            let bayer = |header: &mut Header| {
                if let Some(pattern) = pattern {
                    header.set_str("BAYERPAT", pattern, "");
                }
            };
            write(dir.path(), index, &frame, &pixels, bayer);
        }
        let previews = previews(dir.path());
        for channel in 0..previews[0].channels() {
            let found = pair_gains(&previews, &all_pairs(2), channel, &MatchOptions::default())[0].unwrap();
            let missed = found.value - 2.0 * (2.0 / scale_arcsec).ln();
            println!("{scale_arcsec} {pattern:?} {channel}: {missed} {found:?}");
            assert!(found.origin == GainOrigin::Stars && missed.abs() < 4e-3, "{missed} {found:?}");
        }
    }
}

/// Stars are chosen by their best channel: those of a faint channel that are chosen by its own noise are too bright in the frame of
/// more noise.
#[test]
fn a_faint_channel_has_no_bias() {
    let (sets, count) = (200, 80);
    let noise = noise_image(4 * count, sets, 0.0, 1.0, 21);
    let (mut sum, mut squares) = (0.0, 0.0);
    for random in noise.chunks(4 * count) {
        let frame = |first: usize, sigma: f32| Preview {
            stars: (0..count)
                .map(|i| {
                    let bright = 60.0 + 2.0 * i as f32;
                    let red = bright / 4.0 + sigma * random[(first + 1) * count + i];
                    let green = bright + sigma * random[first * count + i];
                    let place = (20.0 * (i % 9) as f64, 20.0 * (i / 9) as f64);
                    let variance = [sigma * sigma; 3];
                    let flux = [red, green, green];
                    GridStar {
                        x_px: place.0,
                        y_px: place.1,
                        ln_sigma_px: 0.3,
                        neighbour: 0.0,
                        ln_radius_px: 2.0,
                        flux,
                        outer_flux: flux,
                        variance,
                    }
                })
                .collect(),
            ..preview(Region { x0: 0, y0: 0, width: 0, height: 0 }, 1.0, 1, |_, _| 0.0)
        };
        let found = pair_gains(&[frame(0, 0.4), frame(2, 1.6)], &all_pairs(2), 0, &MatchOptions::default());
        let value = found[0].unwrap().value;
        sum += value;
        squares += value * value;
    }
    let (mean, n) = (sum / sets as f64, sets as f64);
    let error = ((squares / n - mean * mean) / n).sqrt();
    assert!(mean.abs() < 3e-3 && error < 1e-3, "{mean} +- {error}");
}

#[test]
fn saturated_stars_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let field = stars(150, 120.0);
    for index in 0..2 {
        let frame = pointing(6.0 * index as f64, 0.0, 0.0, 0.0);
        let noise = noise_image(SIZE.0, SIZE.1, 100.0, 3.0, index as u64);
        let light = light(&frame, &field, 2.7);
        let pixels: Vec<f32> = light
            .iter()
            .zip(noise)
            .map(|(light, noise)| (light * gain(index) as f32 + noise).min(3000.0))
            .collect();
        write(dir.path(), index, &frame, &pixels, |header| header.set_f64("SATURATE", 3000.0, ""));
    }
    let previews = previews(dir.path());
    let brightest = previews[0].stars.iter().map(|star| star.flux[0]).fold(0.0, f32::max);
    assert!(brightest < 40_000.0, "{brightest}");
    let found = pair_gains(&previews, &all_pairs(2), 0, &MatchOptions::default());
    let (errors, _) = errors(&found, &all_pairs(2), gain);
    assert!(errors.len() == 1 && errors[0].abs() < 2e-3, "{errors:?}");
}

#[test]
fn sky_and_odd_frames_have_no_gain() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..5 {
        let frame = pointing(6.0 * index as f64, 0.0, 0.0, 0.0);
        let mut pixels = noise_image(SIZE.0, SIZE.1, 500.0 * gain(index), 9.0, index as u64);
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (u, v) = ((at % SIZE.0) as f32 / 420.0 - 0.5, (at / SIZE.0) as f32 / 360.0 - 0.5);
            match index {
                3 => *pixel = f32::NAN,
                4 => *pixel = 7.0,
                _ => *pixel += 60.0 * u * (1.0 + index as f32) - 40.0 * v + 30.0 * u * v + 25.0 * u * u,
            }
        }
        write(dir.path(), index, &frame, &pixels, |_| {});
    }
    let previews = previews(dir.path());
    assert_eq!((previews.len(), previews[3].valid()), (5, 0));
    let found = pair_gains(&previews, &all_pairs(5), 0, &MatchOptions::default());
    assert!(found.iter().all(Option::is_none), "{found:?}");
}

/// A preview whose levels are given by block.
fn preview(region: Region, noise: f32, seed: u64, level: impl Fn(f64, f64) -> f64) -> Preview {
    let random = noise_image(region.width.max(1), region.height.max(1), 0.0, f64::from(noise), seed);
    let value = |at: usize| {
        let (x, y) = (region.x0 + (at % region.width) as i64, region.y0 + (at / region.width) as i64);
        level(x as f64, y as f64) as f32 + random[at]
    };
    Preview {
        region,
        level: vec![(0..region.area()).map(value).collect()],
        variance: vec![vec![noise * noise; region.area()]],
        stars: Vec::new(),
    }
}

#[test]
fn structure_tells_where_stars_are_few() {
    let region = Region { x0: -4, y0: 3, width: 24, height: 18 };
    let nebula = |x: f64, y: f64| 80.0 * (0.5 * x).sin() * (0.7 * y + 0.2 * x).cos();
    let (mut chi2, sets) = (0.0, 60);
    for set in 0..sets {
        let a = preview(region, 0.5, 2 * set, |x, y| 1.25 * nebula(x, y) + 900.0 + 3.0 * x - 0.2 * y * y);
        let b = preview(region, 0.4, 2 * set + 1, |x, y| nebula(x, y) + 700.0 - 2.0 * y);
        let found = pair_gains(&[a, b], &all_pairs(2), 0, &MatchOptions::default());
        let found = found[0].unwrap();
        assert_eq!(found.origin, GainOrigin::Structure);
        assert!((found.value - 1.25_f64.ln()).abs() < 0.004, "{found:?}");
        chi2 += (found.value - 1.25_f64.ln()).powi(2) / found.variance / f64::from(sets as u32);
    }
    assert!((0.3..1.4).contains(&chi2), "{chi2}");
    // Each its own structure: none.
    let a = preview(region, 0.5, 1, nebula);
    let b = preview(region, 0.5, 2, |x, y| nebula(y + 5.0, x));
    assert_eq!(pair_gains(&[a, b], &all_pairs(2), 0, &MatchOptions::default()), [None]);
}

#[test]
fn differences_carry_gains_and_places() {
    let a = preview(Region { x0: 0, y0: 0, width: 12, height: 12 }, 0.2, 1, |x, y| 50.0 + x - y);
    let b = preview(Region { x0: 4, y0: 2, width: 12, height: 12 }, 0.2, 2, |x, y| 2.0 * (40.0 + x - y));
    assert_eq!(common_area(&a, &b).len(), 6 * 8);
    let blocks = BlockGrid { block_px: 32 };
    let found = block_differences(&a, &b, 0, (1.0, 0.5), blocks);
    assert_eq!((found.len(), found[0].0, found[0].1), (48, 5.5 * 32.0 - 0.5, 3.5 * 32.0 - 0.5));
    assert!(found.iter().all(|one| (one.2 - 10.0).abs() < 1.5 && (one.3 - 0.05).abs() < 1e-6));
    let mut differences = Differences::default();
    differences.fill_scaled(&a, &b, 0, 1.0, 0.5);
    assert_eq!(differences.value, found.iter().map(|one| one.2).collect::<Vec<f64>>());
    assert_eq!(differences.variance, found.iter().map(|one| one.3).collect::<Vec<f64>>());
    // Of one common block that one.
    let far = preview(Region { x0: 11, y0: 11, width: 5, height: 5 }, 0.1, 3, |_, _| 1.0);
    assert_eq!(common_area(&a, &far).len(), 1);
    assert_eq!(pair_gains(&[a, far], &all_pairs(2), 0, &MatchOptions::default()), [None]);
}

/// A hundred thousand small previews with holes, flat ones, wild stars: no panic, and nothing that is not finite.
#[test]
fn anything_may_come() {
    let mut rng = Rng::for_keys(11, &[4]);
    for _ in 0..2000 {
        let previews: Vec<Preview> = (0..50).map(|_| wild(&mut rng)).collect();
        let pairs: Vec<Pair> = (0..25).map(|i| Pair { a: 2 * i, b: 2 * i + 1, blocks: 1 }).collect();
        let options = MatchOptions { min_stars: rng.below(5), star_snr: 3.0, ..MatchOptions::default() };
        for gain in pair_gains(&previews, &pairs, 0, &options).into_iter().flatten() {
            assert!(gain.value.is_finite() && gain.variance.is_finite() && gain.variance > 0.0, "{gain:?}");
        }
    }
}

fn wild(rng: &mut Rng) -> Preview {
    let region = Region {
        x0: rng.below(4) as i64,
        y0: rng.below(4) as i64,
        width: rng.below(9),
        height: rng.below(9),
    };
    let odd = [f32::NAN, f32::MAX, 0.0, -1.0, f32::MIN_POSITIVE, 1e30];
    let kind = rng.below(4);
    let value = |rng: &mut Rng| match kind {
        0 => 5.0,
        1 if rng.below(3) == 0 => odd[rng.below(odd.len())],
        2 if rng.below(9) == 0 => f32::NAN,
        _ => rng.range(-10.0, 100.0) as f32,
    };
    let level = (0..region.area()).map(|_| value(rng)).collect();
    let variance =
        (0..region.area()).map(|_| if kind == 0 { 0.0 } else { rng.range(0.0, 3.0) as f32 }).collect();
    let odd_or = |rng: &mut Rng, low: f64, high: f64| {
        if rng.below(5) == 0 { odd[rng.below(odd.len())] } else { rng.range(low, high) as f32 }
    };
    let star = |rng: &mut Rng| GridStar {
        x_px: rng.range(0.0, 12.0),
        y_px: rng.range(0.0, 12.0),
        ln_sigma_px: odd_or(rng, -1.0, 2.0),
        neighbour: odd_or(rng, 0.0, 0.5),
        ln_radius_px: odd_or(rng, 1.0, 3.0),
        flux: [odd_or(rng, 1.0, 100.0); 3],
        outer_flux: [odd_or(rng, 1.0, 100.0); 3],
        variance: [odd_or(rng, 0.0, 9.0); 3],
    };
    let stars = (0..rng.below(12)).map(|_| star(rng)).collect();
    Preview { region, level: vec![level], variance: vec![variance], stars }
}
