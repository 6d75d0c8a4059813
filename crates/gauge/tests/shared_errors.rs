//! Stated errors of gains and offsets against what they really miss, with noise that belongs to frames: a frame's noise is in
//! all of its pairs.

use rayon::prelude::*;
use zemosaic_gauge::{
    BlockGrid, ChannelsAtOnce, GridStar, MatchJob, MatchMethod, MatchOptions, Preview, choose_pairs,
    match_frames,
};
use zemosaic_image::Region;
use zemosaic_testkit::rng::{Rng, hash_keys};

const BLOCKS: BlockGrid = BlockGrid { block_px: 64 };
/// Blocks of a frame.
const WIDTH: usize = 16;
const HEIGHT: usize = 12;
/// Standard deviation of a star's flux by noise.
const STAR_NOISE: f64 = 3.0;

/// Where frames are: `depth` in each panel of a grid, moved by up to `dither` blocks.
fn places(columns: i64, rows: i64, depth: usize, dither: usize) -> Vec<Region> {
    let mut rng = Rng::for_keys(3, &[dither as u64]);
    let mut all = Vec::new();
    for panel in 0..columns * rows {
        for _ in 0..depth {
            let mut moved = |step: i64, at: i64| step * at + rng.below(2 * dither + 1) as i64;
            let (x0, y0) = (moved(12, panel % columns), moved(9, panel / columns));
            all.push(Region { x0, y0, width: WIDTH, height: HEIGHT });
        }
    }
    all
}

/// A star in each block.
fn stars(region: Region, strength: f64, rng: &mut Rng) -> Vec<GridStar> {
    let mut stars = Vec::new();
    for y in region.y0..region.y1() {
        for x in region.x0..region.x1() {
            let at = |key: u64| (hash_keys(key, &[x as u64, y as u64]) % 1000) as f64 / 1000.0;
            let flux = strength * (200.0 + 100.0 * at(8)) + STAR_NOISE * rng.normal();
            stars.push(GridStar {
                x_px: 64.0 * (x as f64 + 0.2 + 0.6 * at(6)),
                y_px: 64.0 * (y as f64 + 0.2 + 0.6 * at(7)),
                ln_sigma_px: 0.3,
                neighbour: 0.0,
                ln_radius_px: 2.0,
                flux: [flux as f32; 3],
                outer_flux: [flux as f32; 3],
                variance: [(STAR_NOISE * STAR_NOISE) as f32; 3],
            });
        }
    }
    stars.sort_by(|a, b| a.y_px.total_cmp(&b.y_px).then(a.x_px.total_cmp(&b.x_px)));
    stars
}

/// Mean squares of (found - truth) / error of the offsets, or of the log gains.
fn mean_square(regions: &[Region], method: MatchMethod, runs: u64) -> f64 {
    let run = |run: u64| {
        let mut rng = Rng::for_keys(17, &[run]);
        let mut truth = Vec::new();
        let one = |region: &Region| {
            let (level, strength) = (rng.range(-300.0, 300.0), rng.range(0.8, 1.25));
            // Frames differ in noise too.
            let variance = rng.range(0.5, 2.0);
            truth.push(if method == MatchMethod::Gain { -strength.ln() } else { -level });
            let levels =
                (0..region.area()).map(|_| (level + variance.sqrt() * rng.normal()) as f32).collect();
            let stars =
                if method == MatchMethod::Gain { stars(*region, strength, &mut rng) } else { Vec::new() };
            Preview {
                region: *region,
                level: vec![levels],
                variance: vec![vec![variance as f32; region.area()]],
                stars,
            }
        };
        let previews: Vec<Preview> = regions.iter().map(one).collect();
        let options = MatchOptions { method, ..MatchOptions::default() };
        let job = MatchJob {
            previews: &previews,
            blocks: BLOCKS,
            pairs: &choose_pairs(&previews, &options),
            reference: None,
            channels_at_once: ChannelsAtOnce::All,
        };
        let found = match_frames(&job, &options, &());
        let mean = truth.iter().sum::<f64>() / truth.len() as f64;
        let pull = |(index, truth): (usize, &f64)| {
            let (frame, error) = (&found.frames[index], &found.error[index]);
            let (own, error) = if method == MatchMethod::Gain {
                (frame.gain[0].ln(), error.gain[0] / frame.gain[0])
            } else {
                (frame.offset[0], error.offset[0])
            };
            ((own - (truth - mean)) / error).powi(2)
        };
        truth.iter().enumerate().map(pull).sum::<f64>()
    };
    let squares: Vec<f64> = (0..runs).into_par_iter().map(run).collect();
    squares.iter().sum::<f64>() / (runs as usize * regions.len()) as f64
}

#[test]
fn stated_errors_are_what_is_missed() {
    let sets = [
        ("a strip of 40", places(40, 1, 1, 0), 30),
        ("16 frames of one field", places(1, 1, 16, 0), 80),
        ("16 moved frames of one field", places(1, 1, 16, 2), 80),
        ("stacks of 8 on 4 x 4 panels", places(4, 4, 8, 0), 8),
        ("stacks of 8 moved frames on 4 x 4 panels", places(4, 4, 8, 1), 8),
        ("120 frames of one field", places(1, 1, 120, 1), 5),
    ];
    // The scatter that a gain from stars allows for is part of its error, and is above 0 by chance where there is none.
    for (method, least) in [(MatchMethod::Offset, 0.9), (MatchMethod::Gain, 0.75)] {
        for (name, regions, runs) in &sets {
            let square = mean_square(regions, method, *runs);
            println!("{name}, {method:?}: mean square of normalised errors {square:.3}");
            assert!((least..1.1).contains(&square), "{name}, {method:?}: {square}");
        }
    }
}
