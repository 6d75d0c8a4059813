//! From frames in files to offsets, against the offsets they were made with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use zemosaic_fits::{FilePool, ImageData};
use zemosaic_frames::{Frame, IngestOptions, discover, ingest};
use zemosaic_gauge::solve::Difference;
use zemosaic_gauge::{
    BlockGrid, ChannelsAtOnce, Gauge, MatchJob, MatchMethod, MatchOptions, NormalizeMethod, NormalizeOptions,
    Preview, PreviewJob, PreviewScratch, choose_pairs, match_frames, measure_preview, normalize,
    solve_offsets,
};
use zemosaic_image::Region;
use zemosaic_sky::{Grid, MapOptions, PixelMap, SkyFrame, Wcs, grid_bounds};
use zemosaic_testkit::tan::Parity;
use zemosaic_testkit::{TanFrame, noise_image, star_image, write_test_frame};

const SIZE: (usize, usize) = (220, 160);
const SCALE_DEG: f64 = 2.0 / 3600.0;
const ROWS: usize = 3;
const COLUMNS: usize = 20;
const SIGMA: f64 = 10.0;

/// Offset of a frame, from -150 to 150.
fn offset(index: usize) -> f64 {
    ((index * 7919 + 13) % 301) as f64 - 150.0
}

fn pointing(index: usize) -> TanFrame {
    let (column, row) = ((index % COLUMNS) as f64, (index / COLUMNS) as f64);
    let wobble = (index as f64 * 2.399).sin();
    let x = (column - COLUMNS as f64 / 2.0) * 150.0 + 9.0 * wobble;
    let y = (row - 1.0) * 105.0 - 7.0 * wobble;
    let centre = (150.0 + x * SCALE_DEG / 40_f64.to_radians().cos(), 40.0 + y * SCALE_DEG);
    let turn = [0.0, 3.0, -8.0, 180.0][index % 4] + wobble;
    TanFrame::pointed_at(centre, 2.0, turn, Parity::Sky, SIZE)
}

/// A gradient, a nebula and stars, all fixed on the sky.
fn sky(frame: &TanFrame) -> Vec<f32> {
    let mut plane = Vec::with_capacity(SIZE.0 * SIZE.1);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            let (ra, dec) = frame.pixel_to_sky(x as f64, y as f64);
            let (u, v) = ((ra - 150.0) / SCALE_DEG / 100.0, (dec - 40.0) / SCALE_DEG / 100.0);
            let nebula = 180.0 * (0.9 * u).sin() * (1.3 * v + 0.4 * u).cos();
            plane.push((1000.0 + 30.0 * v - 8.0 * u + nebula) as f32);
        }
    }
    let stars: Vec<(f64, f64, f64)> = (0..900)
        .filter_map(|i| {
            let share = |k: u64| ((i * k + 77) % 10_007) as f64 / 10_007.0;
            let ra = 150.0 + (share(7907) - 0.5) * 3300.0 * SCALE_DEG / 40_f64.to_radians().cos();
            let dec = 40.0 + (share(3571) - 0.5) * 420.0 * SCALE_DEG;
            let (x, y) = frame.sky_to_pixel(ra, dec)?;
            frame.holds((x, y), -20.0).then_some((x, y, 300.0 / (0.002 + share(6007))))
        })
        .collect();
    let light = star_image(SIZE.0, SIZE.1, &stars, 2.5);
    plane.iter().zip(light).map(|(sky, light)| sky + light).collect()
}

fn write(folder: &Path, index: usize, is_cfa: bool) {
    let frame = pointing(index);
    let noise = noise_image(SIZE.0, SIZE.1, offset(index), SIGMA, 50 + index as u64);
    let mut pixels: Vec<f32> = sky(&frame).iter().zip(noise).map(|(sky, noise)| sky + noise).collect();
    let path = folder.join(format!("f{index:02}.fits"));
    if is_cfa {
        // RGGB: red has half the offset more, blue a third less.
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (at % SIZE.0 % 2, at / SIZE.0 % 2);
            *pixel += (offset(index) * [0.5, 0.0, -1.0 / 3.0][x + y]) as f32;
        }
        let raw: Vec<u16> = pixels.iter().map(|value| value.round() as u16).collect();
        let bayer = |header: &mut zemosaic_fits::Header| header.set_str("BAYERPAT", "RGGB", "");
        write_test_frame(&path, &frame, ImageData::U16(&raw), bayer).unwrap();
    } else {
        write_test_frame(&path, &frame, ImageData::F32(&pixels), |_| {}).unwrap();
    }
}

fn grid() -> Grid {
    let (width, height) = (3400, 560);
    let middle = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
    let cd = [[-SCALE_DEG, 0.0], [0.0, SCALE_DEG]];
    Grid { wcs: Wcs::tan([150.0, 40.0], middle, cd, SkyFrame::Icrs).unwrap(), width, height }
}

fn previews(frames: &[Frame]) -> (BlockGrid, Vec<Preview>) {
    let grid = grid();
    let bounds: Vec<Region> =
        frames.iter().map(|f| grid_bounds(&grid, &f.wcs, f.width, f.height).unwrap()).collect();
    let blocks = BlockGrid::for_frames(&bounds, 1.0);
    let pool = FilePool::new(8);
    let one = |(frame, bounds): (&Frame, &Region)| {
        let map = PixelMap::new(&grid, &frame.wcs, frame.width, frame.height, MapOptions::default()).unwrap();
        let job = PreviewJob {
            frame,
            map: &map,
            grid: &grid.wcs,
            bounds: *bounds,
            background: &[],
            with_stars: false,
        };
        measure_preview(&pool, &job, blocks, &mut PreviewScratch::default()).unwrap()
    };
    (blocks, frames.iter().zip(&bounds).map(one).collect())
}

fn frames_of(folder: &Path) -> Vec<Frame> {
    let files = discover(&[folder.to_path_buf()], &[]).unwrap();
    let ingested = ingest(&files, &IngestOptions::default(), &|_| {});
    assert!(ingested.left_out.is_empty(), "{:?}", ingested.left_out);
    ingested.frames
}

fn offsets(blocks: BlockGrid, previews: &[Preview]) -> Gauge {
    let options = MatchOptions { method: MatchMethod::Offset, ..MatchOptions::default() };
    let pairs = choose_pairs(previews, &options);
    let channels_at_once = ChannelsAtOnce::All;
    let job = MatchJob { previews, blocks, pairs: &pairs, reference: None, channels_at_once };
    match_frames(&job, &options, &())
}

/// Root mean square and largest error of offsets that should undo those the frames were made with.
fn errors(found: &Gauge, channel: usize, factor: f64) -> (f64, f64) {
    let n = found.frames.len();
    let mean = (0..n).map(offset).sum::<f64>() * factor / n as f64;
    let error = |index: usize| found.frames[index].offset[channel] + offset(index) * factor - mean;
    let squares: f64 = (0..n).map(|index| error(index).powi(2)).sum();
    ((squares / n as f64).sqrt(), (0..n).fold(0.0, |most, index| error(index).abs().max(most)))
}

#[test]
fn a_strip_of_sixty_frames() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..ROWS * COLUMNS {
        write(dir.path(), index, false);
    }
    let frames = frames_of(dir.path());
    let (blocks, previews) = previews(&frames);
    assert_eq!(blocks.block_px, 16);
    let found = offsets(blocks, &previews);
    assert!(found.unlinked.is_empty() && found.part.iter().all(|part| *part == 0));
    let (rms, most) = errors(&found, 0, 1.0);
    let expected = expected_error(&found);
    assert!(rms < 1.6 * expected && most < 4.0 * expected, "{rms} {most}, expected {expected}");
    // A block of 256 pixels has an error of 0.63, a pair of some 24 common blocks one of 0.2; it adds up along the strip.
    assert!(expected < 0.4, "{expected}");
    let report = &found.channels[0];
    assert!(report.rms_before > 90.0 && report.rms_after < 0.6, "{report:?}");
    let reduced = report.chi2 / report.degrees_of_freedom as f64;
    assert!((0.4..1.8).contains(&reduced), "{report:?}");
    // On one thread the same bits.
    let alone = rayon_on_one_thread(|| offsets(blocks, &previews));
    // Debug text, as an error that is not known is NaN.
    assert_eq!(format!("{alone:?}"), format!("{found:?}"));
}

/// Root mean square error of offsets whose pairs have the errors that the gauge states, from 40 draws.
fn expected_error(found: &Gauge) -> f64 {
    let frames = found.frames.len();
    let draws = noise_image(found.pairs.len(), 40, 0.0, 1.0, 77);
    let squares = |draw: &[f32]| {
        let differences: Vec<Difference> = (found.pairs.iter().zip(draw))
            .map(|(pair, normal)| {
                let (value, variance) = (f64::from(*normal) * pair.error[0], pair.error[0].powi(2));
                Difference { a: pair.a, b: pair.b, value, variance }
            })
            .collect();
        solve_offsets(frames, &differences).offsets.iter().map(|offset| offset * offset).sum::<f64>()
    };
    let sum: f64 = draws.chunks(found.pairs.len()).map(squares).sum();
    (sum / (40 * frames) as f64).sqrt()
}

fn rayon_on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

#[test]
fn colours_have_offsets_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    for index in [0, 1, 2, 20, 21, 22] {
        write(dir.path(), index, true);
    }
    let frames = frames_of(dir.path());
    let (blocks, previews) = previews(&frames);
    let found = offsets(blocks, &previews);
    let indices = [0, 1, 2, 20, 21, 22];
    for (channel, factor) in [(0, 1.5), (1, 1.0), (2, 2.0 / 3.0)] {
        let mean = indices.iter().map(|index| offset(*index)).sum::<f64>() * factor / 6.0;
        for (frame, index) in found.frames.iter().zip(indices) {
            let error = frame.offset[channel] + offset(index) * factor - mean;
            assert!(error.abs() < 1.5, "{channel} {index}: {error}");
        }
    }
}

#[test]
fn equal_frames_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..5 {
        let frame = pointing(index);
        let pixels = noise_image(SIZE.0, SIZE.1, 500.0, SIGMA, 900 + index as u64);
        let path = dir.path().join(format!("f{index}.fits"));
        write_test_frame(&path, &frame, ImageData::F32(&pixels), |_| {}).unwrap();
    }
    let (blocks, previews) = previews(&frames_of(dir.path()));
    let found = offsets(blocks, &previews);
    assert!(
        found.frames.iter().all(|frame| frame.gain == [1.0; 3] && frame.offset[0].abs() < 0.8),
        "{found:?}"
    );
    assert!(previews.iter().all(|preview| preview.valid() > 60), "{}", previews[0].valid());
}

/// Frames of one field whose values are `gain` x sky + `offset`.
fn levels(gains: &[f64], offsets: &[f64], with_structure: bool) -> Vec<Preview> {
    let region = Region { x0: 3, y0: -2, width: 20, height: 15 };
    let make = |(index, (gain, offset)): (usize, (&f64, &f64))| {
        let noise = noise_image(20, 15, 0.0, 0.2, 40 + index as u64);
        let value = |at: usize| {
            let structure = if with_structure { 60.0 * (at as f64 * 0.21).sin() } else { 0.0 };
            (gain * (300.0 + structure) + offset) as f32 + noise[at]
        };
        Preview {
            region,
            level: vec![(0..region.area()).map(value).collect()],
            variance: vec![vec![0.04; region.area()]],
            stars: Vec::new(),
        }
    };
    gains.iter().zip(offsets).enumerate().map(make).collect()
}

fn by(method: NormalizeMethod, previews: &[Preview], sigma: &[Vec<f64>]) -> Gauge {
    let options = NormalizeOptions { method, ..NormalizeOptions::default() };
    normalize(previews, sigma, None, &options).unwrap()
}

#[test]
fn forms_with_a_reference() {
    let (gains, offsets) = ([1.0, 1.25, 0.8], [0.0, 40.0, -25.0]);
    let previews = levels(&gains, &offsets, true);
    let sigma: Vec<Vec<f64>> = gains.iter().map(|gain| vec![7.0 * gain]).collect();
    for method in [
        NormalizeMethod::LinearFit,
        NormalizeMethod::LinearFitRobust,
        NormalizeMethod::AdditiveScaling,
        NormalizeMethod::SkyMean,
        NormalizeMethod::Multiplicative,
    ] {
        let found = by(method, &previews, &sigma);
        assert_eq!((found.reference, found.left_out.len()), (Some(0), 0), "{method:?}");
        assert_eq!(found.frames[0], zemosaic_gauge::FrameGauge::default());
        for (index, frame) in found.frames.iter().enumerate().skip(1) {
            let (gain, offset) = (frame.gain[0], frame.offset[0]);
            let level = gain * (gains[index] * 300.0 + offsets[index]) + offset;
            assert!((level - 300.0).abs() < 8.0, "{method:?} {index} {frame:?}");
            match method {
                NormalizeMethod::SkyMean => assert_eq!(gain, 1.0),
                NormalizeMethod::Multiplicative => assert_eq!(offset, 0.0),
                _ => assert!((gain * gains[index] - 1.0).abs() < 0.01, "{method:?} {index} {frame:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_left_out_with_its_reason() {
    let code = |found: &Gauge| found.left_out.iter().map(|item| (item.frame, item.code)).collect::<Vec<_>>();
    let sigma = vec![vec![7.0]; 3];
    let mut previews = levels(&[1.0, 1.0, 1.0], &[0.0, 5.0, 9.0], true);
    previews[1].region.x0 += 19;
    assert_eq!(code(&by(NormalizeMethod::SkyMean, &previews, &sigma)), []);
    previews[1].region.y0 += 12;
    assert_eq!(code(&by(NormalizeMethod::SkyMean, &previews, &sigma)), [(1, "insufficient_common")]);
    previews[1].level[0].fill(f32::NAN);
    assert_eq!(code(&by(NormalizeMethod::SkyMean, &previews, &sigma)), [(1, "zero_valid_support")]);
    let previews = levels(&[1.0, 5.0, 1.0], &[0.0, 0.0, -900.0], true);
    assert_eq!(code(&by(NormalizeMethod::LinearFitRobust, &previews, &sigma)), [(1, "slope_out_of_range")]);
    let found = by(NormalizeMethod::Multiplicative, &previews, &sigma);
    assert_eq!(code(&found), [(1, "slope_out_of_range"), (2, "level_not_positive")]);
    let mut flat = levels(&[1.0, 1.0], &[0.0, 5.0], false);
    flat[1].level[0].fill(305.0);
    assert_eq!(code(&by(NormalizeMethod::LinearFitRobust, &flat, &sigma)), [(1, "degenerate_ols")]);
    let found = by(NormalizeMethod::LinearFit, &flat, &sigma);
    assert_eq!((found.left_out.len(), found.notes.len()), (0, 1));
    let unknown = vec![vec![f64::NAN]; 2];
    assert_eq!(code(&by(NormalizeMethod::AdditiveScaling, &flat, &unknown)), [(1, "noise_sigma_failed")]);
    let mut empty = flat.clone();
    for preview in &mut empty {
        preview.level[0].fill(f32::NAN);
    }
    let options = NormalizeOptions { method: NormalizeMethod::SkyMean, ..NormalizeOptions::default() };
    assert!(normalize(&empty, &sigma, None, &options).is_err());
    assert!(normalize(&empty[..1], &sigma, None, &options).is_ok());
}
