//! What ZeMosaic's match and scaling of tiles do, failures included.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use zemosaic_gauge::compat::intertile::{IntertileLine, from_lines, intertile, sky_line, solve_lines};
use zemosaic_gauge::compat::intertile_options::{IntertileOptions, IntertileSolver};
use zemosaic_gauge::compat::tile_scaling::{TileScalingError, tile_scaling};
use zemosaic_gauge::{FrameGauge, MatchObserver, Pair, Preview};
use zemosaic_image::Region;
use zemosaic_testkit::noise_image;

fn noise(n: usize, sigma: f64, seed: u64) -> Vec<f64> {
    noise_image(n, 1, 0.0, sigma, seed).into_iter().map(f64::from).collect()
}

/// Slope of y = 1.05 x + 30 through noise of 5, as the cut to the sky band leaves it.
#[test]
fn the_sky_band_destroys_slopes() {
    let n = 40_000;
    let slope = |structure: f64| {
        let sky: Vec<f64> = noise(n, structure, 1).iter().map(|own| 1000.0 + own).collect();
        let x: Vec<f64> = sky.iter().zip(noise(n, 5.0, 2)).map(|(sky, noise)| sky + noise).collect();
        let y: Vec<f64> =
            sky.iter().zip(noise(n, 5.0, 3)).map(|(sky, noise)| 1.05 * sky + 30.0 + noise).collect();
        sky_line(&x, &y, &IntertileOptions::default()).unwrap()
    };
    let (flat, intercept) = slope(0.01);
    assert!((-0.95..-0.75).contains(&flat), "{flat}");
    assert!((1700.0..2100.0).contains(&intercept), "{intercept}");
    assert!((-0.85..-0.45).contains(&slope(5.0).0), "{:?}", slope(5.0));
    assert!((0.4..0.7).contains(&slope(20.0).0), "{:?}", slope(20.0));
    assert!((1.0..1.06).contains(&slope(100.0).0), "{:?}", slope(100.0));
}

/// A field of 4 x 4 tiles with lines of true gain and offset 1 and 0 but for noise of the slopes.
fn field(noise_of_slopes: f64) -> (Vec<f64>, Vec<IntertileLine>) {
    let errors = noise(100, noise_of_slopes.max(1e-30), 5);
    let mut lines = Vec::new();
    for tile in 0..16 {
        let mut link = |to: usize| {
            let slope = 1.0 + errors[lines.len()];
            lines.push(IntertileLine {
                a: tile,
                b: to,
                slope,
                intercept: 1000.0 * (1.0 - slope),
                area_px: 4e4,
            });
        };
        if tile % 4 < 3 {
            link(tile + 1);
        }
        if tile < 12 {
            link(tile + 4);
        }
    }
    ((0..16).map(|tile| 1000.0 + f64::from(tile)).collect(), lines)
}

#[test]
fn loops_collapse_all_gains() {
    let options = IntertileOptions::default();
    let (medians, lines) = field(0.0);
    for [gain, offset] in solve_lines(16, &lines, &options, &()) {
        assert!((gain - 1.0).abs() < 1e-9 && offset.abs() < 1e-6);
    }
    let (_, noisy) = field(1e-4);
    for [gain, _] in solve_lines(16, &noisy, &options, &()) {
        assert!(gain > 1e-6 && gain < 0.05, "{gain}");
    }
    // Below 1e-6, and so replaced: no correction at all.
    let (_, loose) = field(0.05);
    for [gain, offset] in solve_lines(16, &loose, &options, &()) {
        assert!(gain == 1.0 && offset.abs() < 1e-3, "{gain} {offset}");
    }
    let done = from_lines(&medians, &loose, &options, &());
    for (own, [gain, _]) in medians.iter().zip(&done) {
        // A third of an equalisation of the medians.
        let expected = 1.0 + 0.3 * (1007.5 / own - 1.0);
        assert!((gain - expected).abs() < 1e-4, "{gain} {expected}");
    }
    // Of IRLS everything but the anchor ends at the limit.
    let irls = IntertileOptions { solver: IntertileSolver::Irls, ..options };
    let found = solve_lines(16, &field(0.02).1, &irls, &());
    assert!(found.iter().filter(|own| own[0] == 0.9).count() >= 15, "{found:?}");
}

/// With thousands of tiles a round of the equations takes long: a watchdog hears of every row, and that changes nothing.
#[test]
fn rows_are_told_of() {
    struct Count(AtomicUsize);
    impl MatchObserver for Count {
        fn piece_done(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (_, lines) = field(1e-3);
    for solver in [IntertileSolver::Legacy, IntertileSolver::OffsetOnly, IntertileSolver::Irls] {
        let options = IntertileOptions { solver, ..IntertileOptions::default() };
        let told = Count(AtomicUsize::new(0));
        let found = solve_lines(16, &lines, &options, &told);
        assert!(told.0.into_inner() >= 2 * lines.len());
        assert_eq!(found, solve_lines(16, &lines, &options, &()));
    }
}

#[test]
fn a_chain_is_solved_and_offsets_alone_too() {
    let line = |a, b, slope, intercept| IntertileLine { a, b, slope, intercept, area_px: 1e5 };
    let lines = [line(0, 1, 1.1, 20.0), line(1, 2, 0.95, -5.0), line(2, 3, 1.02, 0.0)];
    let options = IntertileOptions::default();
    let found = solve_lines(5, &lines, &options, &());
    for own in &lines {
        let (a, b) = (found[own.a], found[own.b]);
        assert!((a[0] - own.slope * b[0]).abs() < 1e-9 && (a[1] - b[1] - own.intercept * b[0]).abs() < 1e-6);
    }
    assert_eq!(found[4], [1.0, 0.0]);
    let offsets =
        solve_lines(5, &lines, &IntertileOptions { solver: IntertileSolver::OffsetOnly, ..options }, &());
    assert!(offsets.iter().all(|own| own[0] == 1.0));
    assert!((offsets[0][1] - offsets[1][1] - 20.0).abs() < 1.0, "{offsets:?}");
    // One pair: an offset and no gain, and that within its limit.
    let one = from_lines(&[1000.0, 1300.0], &[line(0, 1, 1.2, 400.0)], &options, &());
    assert!(one.iter().all(|[gain, offset]| *gain == 1.0 && offset.abs() <= 50.0), "{one:?}");
}

/// A tile of blocks at `x0`, with `level` in every channel.
fn tile(x0: i64, width: usize, channels: usize, level: impl Fn(usize, usize) -> f32) -> Preview {
    let region = Region { x0, y0: 0, width, height: 8 };
    let blocks = region.area();
    let plane = |channel: usize| (0..blocks).map(|block| level(channel, block)).collect();
    Preview {
        region,
        level: (0..channels).map(plane).collect(),
        variance: vec![vec![1.0; blocks]; channels],
        stars: Vec::new(),
    }
}

#[test]
fn previews_are_matched_within_the_limits() {
    let bumps = noise_image(400, 1, 0.0, 30.0, 4);
    let tiles: Vec<Preview> = (0..5)
        .map(|k| {
            tile(8 * k, 16, 3, |_, block| 1000.0 * (1.0 + 0.4 * k as f32) + bumps[block + 10 * k as usize])
        })
        .collect();
    let pairs: Vec<Pair> = (0..4).map(|a| Pair { a, b: a + 1, blocks: 64 }).collect();
    let found = intertile(&tiles, 64, &pairs, &IntertileOptions::default(), &());
    for frame in &found {
        assert!(frame.gain.iter().all(|gain| (0.75..=1.25).contains(gain) && *gain == frame.gain[0]));
        assert!(frame.offset.iter().all(|offset| offset.abs() <= 50.0));
    }
    // Half of a tile is enough of an overlap, unless more is asked for: then the lesser ones are tried, and count too.
    let strict = IntertileOptions { overlap_min: 0.9, ..IntertileOptions::default() };
    assert_eq!(intertile(&tiles, 64, &pairs, &strict, &()), found);
    // Where one pair has enough, those that have less go: tiles without a pair keep their values but for their medians.
    let near = [&tiles[..], &[tile(1, 16, 3, |_, block| 1100.0 + bumps[block + 3])]].concat();
    let more = [&pairs[..], &[Pair { a: 0, b: 5, blocks: 120 }]].concat();
    assert_ne!(
        intertile(&near, 64, &more, &strict, &()),
        intertile(&near, 64, &more, &IntertileOptions::default(), &())
    );
    // Nothing is brought to the medians of all where that is not wanted: one pair, an offset at most.
    let still = IntertileOptions { global_recenter: false, ..strict };
    assert!(intertile(&near, 64, &more, &still, &()).iter().all(|frame| frame.gain == [1.0; 3]));
    // Without pairs medians are made equal, within the limits; where that is not wanted nothing is done.
    let wide = IntertileOptions { gain_limits: [0.1, 10.0], ..IntertileOptions::default() };
    assert!((intertile(&tiles, 64, &[], &wide, &())[0].gain[0] - 1.8).abs() < 0.05);
    assert_eq!(intertile(&tiles, 64, &[], &IntertileOptions::default(), &())[0].gain, [1.25; 3]);
    let still = IntertileOptions { global_recenter: false, ..wide };
    assert!(intertile(&tiles, 64, &[], &still, &()).iter().all(|frame| *frame == FrameGauge::default()));
}

#[test]
fn tiles_are_scaled_to_a_healthy_one() {
    let bumps = noise_image(400, 1, 0.0, 5.0, 6);
    let tiles = [
        tile(0, 30, 2, |_, _| f32::NAN),
        tile(0, 20, 2, |_, _| 500.0),
        tile(0, 16, 2, |channel, block| 1000.0 * (1 + channel) as f32 + bumps[block]),
        tile(8, 14, 2, |channel, block| 500.0 * (1 + channel) as f32 + bumps[block + 40]),
        tile(90, 14, 2, |_, block| bumps[block]),
    ];
    let found = tile_scaling(&tiles, None).unwrap();
    assert_eq!(found.reference, 2);
    assert!((found.frames[1].gain[0] - 2.0).abs() < 0.01 && (found.frames[1].gain[1] - 4.0).abs() < 0.01);
    assert!((found.frames[3].gain[0] - 2.0).abs() < 0.02 && found.frames[3].offset[0].abs() < 1e-6);
    for index in [0, 4] {
        assert_eq!((found.frames[index].gain[0], found.frames[index].offset[0]), (1.0, 0.0));
    }
    let record = &found.records[6];
    assert_eq!((record.tile, record.channel, record.mask_blocks, record.fell_back), (3, 0, 64, false));
    assert!(
        record.line(16).contains("mask_pixels=16384") && (record.after.unwrap().median - 1000.0).abs() < 10.0
    );
    assert!(found.records[0].line(16).ends_with("no valid pixels, scaling disabled"));
    assert_eq!(tile_scaling(&tiles[3..], None), Err(TileScalingError::AllFellBack(0)));
    assert_eq!(
        tile_scaling(&[tiles[0].clone(), tiles[0].clone()], None),
        Err(TileScalingError::Reference(0))
    );
    assert_eq!(tile_scaling(&tiles[..1], None).unwrap().frames[0].gain, [1.0; 3]);
}

/// Whatever the tiles hold, no gain or offset is NaN.
#[test]
fn no_number_is_nan() {
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let odd =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, -7.0, 1e-38];
    let mut scaled = 0;
    for round in 0..100_000_u32 {
        let mut tile = |channels: usize| {
            let region = Region {
                x0: (next() % 4) as i64,
                y0: 0,
                width: 1 + (next() % 4) as usize,
                height: 1 + (next() % 5) as usize,
            };
            let kind = next() % 5;
            let flat = odd[(next() % 9) as usize];
            let mut value = || match kind {
                0 => flat,
                1 => 100.0,
                2 => odd[(next() % 9) as usize],
                _ => (next() % 1000) as f32 - 100.0,
            };
            let plane = |_| (0..region.area()).map(|_| value()).collect();
            let level: Vec<Vec<f32>> = (0..channels).map(plane).collect();
            Preview { region, variance: level.clone(), level, stars: Vec::new() }
        };
        let channels = 1 + (round % 2) as usize * 2;
        let tiles: Vec<Preview> = (0..3).map(|_| tile(channels)).collect();
        let is_sane = |frame: &zemosaic_gauge::FrameGauge| {
            frame.gain.iter().chain(&frame.offset).all(|value| value.is_finite())
                && frame.gain.iter().all(|gain| *gain > 0.0)
        };
        if let Ok(found) = tile_scaling(&tiles, None) {
            scaled += 1;
            assert!(found.frames.iter().all(is_sane), "{tiles:?} {found:?}");
        }
        let pairs =
            [Pair { a: 0, b: 1, blocks: 1 }, Pair { a: 1, b: 2, blocks: 1 }, Pair { a: 0, b: 2, blocks: 1 }];
        let solver =
            [IntertileSolver::Legacy, IntertileSolver::OffsetOnly, IntertileSolver::Irls][round as usize % 3];
        let options = IntertileOptions { solver, ..IntertileOptions::default() };
        if round % 10 == 0 {
            let found = intertile(&tiles, 64, &pairs, &options, &());
            assert!(found.iter().all(is_sane), "{tiles:?} {found:?}");
        }
    }
    assert!(scaled > 10_000, "{scaled}");
}
