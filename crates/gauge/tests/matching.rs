//! The match of all frames, from previews to gauges, against the gains, offsets and gradients the previews were made with.
//! Levels and fluxes of the exact sets are whole numbers below 2^24, which f32 holds exactly.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use zemosaic_gauge::{
    BlockGrid, ChannelsAtOnce, FrameGauge, Gauge, GridStar, MatchJob, MatchMethod, MatchObserver,
    MatchOptions, Preview, Surface, block_differences, choose_pairs, match_frames,
};
use zemosaic_image::Region;
use zemosaic_testkit::fit_residual;
use zemosaic_testkit::rng::{Rng, hash_keys};

const BLOCKS: BlockGrid = BlockGrid { block_px: 64 };
const METHODS: [MatchMethod; 5] =
    [MatchMethod::Offset, MatchMethod::Gain, MatchMethod::Full, MatchMethod::Surface, MatchMethod::Zemosaic];
/// Blocks of a panel, and from one to the next.
const WIDTH: usize = 12;
const HEIGHT: usize = 9;
const STEP: (i64, i64) = (9, 6);

fn solve(previews: &[Preview], method: MatchMethod, reference: Option<usize>) -> Gauge {
    gauge_of(previews, reference, &MatchOptions { method, ..MatchOptions::default() }, ChannelsAtOnce::All)
}

fn gauge_of(
    previews: &[Preview],
    reference: Option<usize>,
    options: &MatchOptions,
    channels_at_once: ChannelsAtOnce,
) -> Gauge {
    let pairs = choose_pairs(previews, options);
    let job = MatchJob { previews, blocks: BLOCKS, pairs: &pairs, reference, channels_at_once };
    match_frames(&job, options, &())
}

/// Brightness of the sky in a block: a whole number from 100 to 1,123.
fn sky(x: i64, y: i64) -> i64 {
    100 + (hash_keys(5, &[x as u64, y as u64]) % 1024) as i64
}

/// Where the panels of a grid are, row by row; a strip has one row.
fn panels(columns: usize, rows: usize) -> Vec<Region> {
    let at = |column: usize, row: usize| Region {
        x0: STEP.0 * column as i64 - 40,
        y0: STEP.1 * row as i64 - 7,
        width: WIDTH,
        height: HEIGHT,
    };
    (0..rows).flat_map(|row| (0..columns).map(move |column| at(column, row))).collect()
}

/// A preview whose block (x, y) has `level(x, y)`, with the variance 1.
fn preview(region: Region, level: impl Fn(i64, i64) -> f64) -> Preview {
    let places = (region.y0..region.y1()).flat_map(|y| (region.x0..region.x1()).map(move |x| (x, y)));
    let level: Vec<f32> = places.map(|(x, y)| level(x, y) as f32).collect();
    Preview { region, variance: vec![vec![1.0; level.len()]], level: vec![level], stars: Vec::new() }
}

/// A star in each block, `gain` times as strong as it is on the sky, by which noise is multiplied too.
fn stars(region: Region, gain: f64) -> Vec<GridStar> {
    let star = |x: i64, y: i64| {
        let share = |key: u64| (hash_keys(key, &[x as u64, y as u64]) % 1000) as f64 / 1000.0;
        let flux = (gain * (200 + hash_keys(8, &[x as u64, y as u64]) % 1800) as f64) as f32;
        GridStar {
            x_px: 64.0 * (x as f64 + 0.2 + 0.6 * share(6)),
            y_px: 64.0 * (y as f64 + 0.2 + 0.6 * share(7)),
            ln_sigma_px: 0.3,
            neighbour: 0.0,
            ln_radius_px: 2.0,
            flux: [flux; 3],
            outer_flux: [flux; 3],
            variance: [(flux * 1e-3).powi(2); 3],
        }
    };
    let mut stars: Vec<GridStar> =
        (region.y0..region.y1()).flat_map(|y| (region.x0..region.x1()).map(move |x| star(x, y))).collect();
    stars.sort_by(|a, b| a.y_px.total_cmp(&b.y_px).then(a.x_px.total_cmp(&b.x_px)));
    stars
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}

/// Largest difference of `found` and `truth` after the mean difference, as a share of the range of `truth`.
fn ramp_residual(found: &[f64], truth: &[f64]) -> f64 {
    let difference = || found.iter().zip(truth).map(|(found, truth)| found - truth);
    let common = mean(difference());
    let (low, high) =
        truth.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    difference().fold(0.0, |most: f64, own| most.max((own - common).abs())) / (high - low)
}

/// What becomes of a value of block (x, y).
fn corrected(frame: &FrameGauge, channel: usize, level: f32, (x, y): (i64, i64)) -> f64 {
    let centre = |at: i64| 64.0 * (at as f64 + 0.5) - 0.5;
    frame.gain[channel] * f64::from(level)
        + frame.offset[channel]
        + frame.surface[channel].at(centre(x), centre(y))
}

/// Corrected levels of all blocks of all frames with their places, blocks without a level left out.
fn corrected_levels(previews: &[Preview], frames: &[FrameGauge]) -> Vec<(f64, (i64, i64))> {
    let of = |(preview, frame): (&Preview, &FrameGauge)| {
        let region = preview.region;
        let at = |slot: usize| {
            (region.x0 + (slot % region.width) as i64, region.y0 + (slot / region.width) as i64)
        };
        let all = preview.level[0].iter().enumerate().filter(|(_, level)| !level.is_nan());
        all.map(|(slot, level)| (corrected(frame, 0, *level, at(slot)), at(slot))).collect::<Vec<_>>()
    };
    previews.iter().zip(frames).flat_map(of).collect()
}

#[test]
fn ramps_of_offsets_are_exact() {
    let sets = [(20, 1), (40, 1), (80, 1), (400, 1), (8, 8), (16, 16), (40, 40)];
    for (columns, rows) in sets {
        let regions = panels(columns, rows);
        // A ramp along the strip, or across the grid.
        let ramp = |index: usize| (250 * (index % columns) + 175 * (index / columns)) as f64;
        let with =
            |(index, region): (usize, &Region)| preview(*region, |x, y| ramp(index) + sky(x, y) as f64);
        let previews: Vec<Preview> = regions.iter().enumerate().map(with).collect();
        let found = solve(&previews, MatchMethod::Offset, None);
        let truth: Vec<f64> = (0..previews.len()).map(|index| -ramp(index)).collect();
        let offsets: Vec<f64> = found.frames.iter().map(|frame| frame.offset[0]).collect();
        let residual = ramp_residual(&offsets, &truth);
        assert!(residual < 1e-9, "{columns} x {rows}: {residual:e}");
        assert!(mean(offsets.into_iter()).abs() < 1e-6, "{columns} x {rows}");
        assert!(found.frames.iter().all(|frame| frame.gain == [1.0; 3] && frame.surface[0].is_zero()));
        assert!(found.part.iter().all(|part| *part == 0) && found.unlinked.is_empty());
        let report = &found.channels[0];
        assert!(report.rms_before > 100.0 && report.rms_after < 1e-5, "{report:?}");
    }
}

#[test]
fn ramps_of_gains_from_stars_are_exact() {
    for (columns, rows) in [(20, 1), (40, 1), (80, 1), (400, 1), (8, 8), (16, 16), (40, 40)] {
        let regions = panels(columns, rows);
        // Whole numbers: strength 4,000 and 2 more from panel to panel, on a sky that is the same.
        let strength = |index: usize| (4000 + 2 * index) as f64;
        let offset = |index: usize| (40_000 + 1000 * (index % columns)) as f64;
        let with = |(index, region): (usize, &Region)| Preview {
            stars: stars(*region, strength(index)),
            ..preview(*region, |x, y| strength(index) * sky(x, y) as f64 + offset(index))
        };
        let previews: Vec<Preview> = regions.iter().enumerate().map(with).collect();
        let truth: Vec<f64> = (0..previews.len()).map(|index| -strength(index).ln()).collect();
        for method in [MatchMethod::Gain, MatchMethod::Full] {
            let found = solve(&previews, method, None);
            let logs: Vec<f64> = found.frames.iter().map(|frame| frame.gain[0].ln()).collect();
            let residual = ramp_residual(&logs, &truth);
            assert!(residual < 1e-9, "{columns} x {rows}, {method:?}: {residual:e}");
            assert!(mean(logs.into_iter()).abs() < 1e-9, "{columns} x {rows}, {method:?}");
            assert!(found.without_gain.is_empty());
            let offsets = || found.frames.iter().map(|frame| frame.offset[0]);
            if method == MatchMethod::Gain {
                assert!(offsets().all(|offset| offset == 0.0));
                continue;
            }
            // Offsets undo those of the frames, which their gains multiply.
            let truth: Vec<f64> =
                (0..previews.len()).map(|index| -found.frames[index].gain[0] * offset(index)).collect();
            let offsets: Vec<f64> = offsets().collect();
            let residual = ramp_residual(&offsets, &truth);
            assert!(residual < 1e-8, "{columns} x {rows}, offsets: {residual:e}");
        }
    }
}

/// Nine frames in three rows with noise, gains, offsets and gradients of their own.
fn noisy(seed: u64) -> Vec<Preview> {
    let make = |(index, region): (usize, Region)| {
        let mut rng = Rng::for_keys(seed, &[index as u64]);
        let gain = rng.range(0.7, 1.4);
        let terms: [f64; 6] = std::array::from_fn(|_| rng.range(-30.0, 30.0));
        let mut made = preview(region, |x, y| {
            let (u, v) = ((x - region.x0) as f64 / 6.0 - 1.0, (y - region.y0) as f64 / 4.5 - 1.0);
            let [one, a, b, aa, ab, bb] = terms;
            gain * sky(x, y) as f64
                + 10.0 * one
                + a * u
                + b * v
                + 0.3 * (aa * u * u + ab * u * v + bb * v * v)
        });
        for level in &mut made.level[0] {
            *level += rng.normal() as f32;
        }
        made.stars = stars(region, gain);
        for star in &mut made.stars {
            star.flux[0] *= 1.0 + 1e-3 * rng.normal() as f32;
        }
        made
    };
    panels(3, 3).into_iter().enumerate().map(make).collect()
}

#[test]
fn a_reference_changes_one_gain_offset_and_surface_of_all() {
    for (method, with_surface) in [(MatchMethod::Full, false), (MatchMethod::Surface, true)] {
        let previews = noisy(21);
        let free = solve(&previews, method, None);
        let plain = corrected_levels(&previews, &free.frames);
        let levels: Vec<f64> = plain.iter().map(|(level, _)| *level).collect();
        let mut terms = vec![levels.clone(), vec![1.0; levels.len()]];
        if with_surface {
            let place = |of: fn(f64, f64) -> f64| -> Vec<f64> {
                plain.iter().map(|(_, (x, y))| of(*x as f64 / 20.0, *y as f64 / 20.0)).collect()
            };
            let quadratic: [fn(f64, f64) -> f64; 5] =
                [|x, _| x, |_, y| y, |x, _| x * x, |x, y| x * y, |_, y| y * y];
            terms.extend(quadratic.map(place));
        }
        let mut moved = 0;
        for reference in 0..previews.len() {
            let found = solve(&previews, method, Some(reference));
            assert_eq!(found.reference, Some(reference));
            assert_eq!((found.frames[reference].gain[0], found.frames[reference].offset[0]), (1.0, 0.0));
            assert!(found.frames[reference].surface[0].is_zero());
            let own = corrected_levels(&previews, &found.frames);
            let own: Vec<f64> = own.into_iter().map(|(level, _)| level).collect();
            let residual = fit_residual(&own, &terms);
            assert!(residual < 1e-6, "{method:?}, reference {reference}: {residual:e}");
            moved += usize::from(fit_residual(&own, &terms[..1]) > 1.0);
        }
        // Errors of surfaces are those of the mean of all; of one frame as reference they are not known.
        let errors = |found: &Gauge| found.error.iter().flat_map(|own| own.surface[0]).collect::<Vec<f64>>();
        let is_known = |error: &f64| *error > 0.0 && *error < 100.0;
        assert!(if with_surface {
            errors(&free).iter().all(is_known)
        } else {
            errors(&free).iter().all(|error| error.is_nan())
        });
        let referred = solve(&previews, method, Some(0));
        assert!(errors(&referred)[5..].iter().all(|error| error.is_nan()));
        // So that the fit is not of nothing.
        assert!(moved >= 6, "{method:?}: {moved}");
    }
}

#[test]
fn disjoint_parts_keep_their_own_gauges() {
    let mut previews = noisy(1);
    for (shift, seed) in [(500, 2), (1000, 3)] {
        previews.extend(noisy(seed).into_iter().map(|mut preview| {
            preview.region.x0 += shift;
            preview.stars.iter_mut().for_each(|star| star.x_px += 64.0 * shift as f64);
            preview
        }));
    }
    previews.push(preview(Region { x0: 3000, y0: 0, width: WIDTH, height: HEIGHT }, |x, y| sky(x, y) as f64));
    for method in [MatchMethod::Full, MatchMethod::Surface] {
        let found = solve(&previews, method, None);
        let expected: Vec<usize> = (0..28).map(|index| index / 9).collect();
        assert_eq!(found.part, expected, "{method:?}");
        assert_eq!(found.unlinked, [27], "{method:?}");
        assert!(is_neutral(&found.frames[27]), "{method:?}");
        for (part, frames) in found.frames[..27].chunks(9).enumerate() {
            let logs = mean(frames.iter().map(|frame| frame.gain[0].ln()));
            let offsets = mean(frames.iter().map(|frame| frame.offset[0]));
            assert!(
                logs.abs() < 1e-9 && offsets.abs() < 1e-6,
                "{method:?}, part {part}: {logs:e} {offsets:e}"
            );
            assert!(frames.iter().any(|frame| frame.offset[0].abs() > 10.0));
            // As it is alone, but for what is learnt of all pairs together: how far they scatter.
            let alone = solve(&previews[9 * part..][..9], method, None);
            for (index, (own, alone)) in frames.iter().zip(&alone.frames).enumerate() {
                let error = &found.error[9 * part + index];
                let gain = (own.gain[0] - alone.gain[0]) / error.gain[0];
                let offset = (own.offset[0] - alone.offset[0]) / error.offset[0];
                assert!(gain.abs() < 1.0 && offset.abs() < 1.0, "{method:?}, {part}: {gain} {offset}");
            }
        }
        // A reference is one of its part alone.
        let referred = solve(&previews, method, Some(12));
        assert_eq!(referred.frames[..9], found.frames[..9], "{method:?}");
        assert_eq!(referred.frames[18..], found.frames[18..], "{method:?}");
        assert_ne!(referred.frames[9..18], found.frames[9..18], "{method:?}");
    }
}

/// Values stay as they are.
fn is_neutral(frame: &FrameGauge) -> bool {
    frame.gain == [1.0; 3] && frame.offset == [0.0; 3] && frame.surface.iter().all(Surface::is_zero)
}

/// No number of a frame's gauge is none, and no gain is not positive.
fn assert_numbers(found: &Gauge, frames: usize, what: &dyn std::fmt::Debug) {
    assert_eq!((found.frames.len(), found.part.len()), (frames, frames), "{what:?}");
    for frame in &found.frames {
        for channel in 0..3 {
            let surface = frame.surface[channel];
            let finite = frame.gain[channel].is_finite()
                && frame.gain[channel] > 0.0
                && frame.offset[channel].is_finite()
                && surface.coefficients.iter().all(|own| own.is_finite());
            assert!(finite, "{frame:?}: {what:?}");
        }
    }
}

#[test]
fn frames_that_tell_nothing_are_named_and_neutral() {
    let strength = [1.0, 1.25, 0.75, 1.5];
    let mut previews: Vec<Preview> = panels(4, 1)
        .into_iter()
        .zip(strength)
        .map(|(region, gain)| Preview {
            stars: stars(region, gain),
            ..preview(region, |x, y| gain * sky(x, y) as f64 + 64.0 * gain)
        })
        .collect();
    let whole = previews.clone();
    // 4: not a number; 5: flat and without stars; 6: one block in common with the last panel.
    previews.push(preview(whole[1].region, |_, _| f64::NAN));
    previews.push(preview(whole[2].region, |_, _| 500.0));
    let corner =
        Region { x0: whole[3].region.x1() - 1, y0: whole[3].region.y1() - 1, width: WIDTH, height: HEIGHT };
    previews.push(preview(corner, |x, y| sky(x, y) as f64 + 300.0));
    for method in METHODS {
        let found = solve(&previews, method, None);
        assert_numbers(&found, 7, &method);
        assert_eq!(found.unlinked, [4], "{method:?}");
        assert!(is_neutral(&found.frames[4]), "{method:?}");
        if method == MatchMethod::Zemosaic {
            continue;
        }
        // One block is enough for an offset and for nothing else.
        assert_eq!(found.part[6], found.part[3], "{method:?}");
        if method.has_gain() {
            assert_eq!(found.without_gain, [4, 5, 6], "{method:?}");
            for frame in [5, 6] {
                assert_eq!(found.frames[frame].gain[0], 1.0, "{method:?}");
            }
            // The others are as if these were not there.
            let ratio = found.frames[0].gain[0] / found.frames[3].gain[0];
            assert!((ratio / 1.5 - 1.0).abs() < 1e-6, "{method:?}: {ratio}");
        }
        if method.has_offset() {
            assert!(found.frames[6].offset[0].abs() > 1.0, "{method:?}");
        }
    }
}

/// Blank frames, of zeros without noise, are no frames of infinite weight.
#[test]
fn blank_frames_do_no_harm() {
    let ramp = |index: usize| 250.0 * index as f64;
    let regions = panels(6, 1);
    let with = |(index, region): (usize, &Region)| preview(*region, |x, y| ramp(index) + sky(x, y) as f64);
    let mut previews: Vec<Preview> = regions.iter().enumerate().map(with).collect();
    for region in [1, 1, 2, 2, 2, 2, 3, 3, 3].map(|index: usize| regions[index]) {
        let mut blank = preview(region, |_, _| 0.0);
        blank.variance[0].fill(0.0);
        previews.push(blank);
    }
    for method in METHODS {
        let found = solve(&previews, method, None);
        assert_numbers(&found, 15, &method);
        assert!(found.part[..6].iter().all(|part| *part == 0), "{method:?}");
        // What shows nothing is compared with nothing.
        assert_eq!(found.unlinked, (6..15).collect::<Vec<usize>>(), "{method:?}");
    }
    // Alone they agree already.
    let found = solve(&previews[6..], MatchMethod::Full, None);
    assert!(found.frames.iter().all(is_neutral), "{:?}", found.frames);
}

/// A frame of numbers beyond all others tells nothing, and takes nothing away.
#[test]
fn a_frame_of_junk_does_no_harm() {
    let previews = noisy(4);
    // Surfaces bear less: below, such a frame pulls those beside it.
    for (method, scales) in [
        (MatchMethod::Full, &[1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e12, 1e20, 1e30][..]),
        (MatchMethod::Surface, &[1e12, 1e20, 1e30]),
    ] {
        let clean = solve(&previews, method, None);
        for &scale in scales {
            let mut rng = Rng::for_keys(6, &[]);
            let mut junk = preview(previews[4].region, |_, _| 0.0);
            junk.level[0].iter_mut().for_each(|level| *level = (scale * rng.normal()) as f32);
            let with_junk = [&previews[..], &[junk]].concat();
            let found = solve(&with_junk, method, None);
            assert_numbers(&found, 10, &(method, scale));
            let shift = found.frames[0].offset[0] - clean.frames[0].offset[0];
            for index in 0..9 {
                let own = found.frames[index].offset[0] - clean.frames[index].offset[0] - shift;
                assert!(own.abs() < 2.0, "{method:?}, {scale:e}, {index}: {own}");
            }
            assert!(scale < 1e12 || found.unlinked == [9], "{method:?}, {scale:e}");
        }
    }
}

/// A few frames of anything.
fn anything(case: u64) -> (Vec<Preview>, MatchOptions, Option<usize>) {
    let mut rng = Rng::for_keys(77, &[case]);
    let (frames, channels) = (1 + rng.below(6), if rng.below(4) == 0 { 3 } else { 1 });
    let (kind, with_stars, size) = (rng.below(8), rng.below(2) == 0, 1 + rng.below(7));
    let one = |rng: &mut Rng| {
        let mut side = || 1 + rng.below(size);
        let (width, height) = (side(), side());
        let reach = 1 + size;
        let region = Region { x0: rng.below(reach) as i64 - 3, y0: rng.below(reach) as i64, width, height };
        let scale = [1.0, 1.0, 1e-30, 1e30, 1e-3][rng.below(5)];
        let (gain, offset, holes) = (rng.range(0.2, 5.0), rng.range(-500.0, 500.0), rng.below(4));
        let mut level = vec![Vec::new(); channels];
        let mut variance = vec![Vec::new(); channels];
        for y in region.y0..region.y1() {
            for x in region.x0..region.x1() {
                let hole = holes == 1 && rng.below(3) == 0 || holes == 2 && rng.below(9) > 0;
                for channel in 0..channels {
                    let value = match kind {
                        0 => 0.0,
                        1 => 500.0,
                        2 => rng.normal() * scale,
                        3 => [0.0, -1e30, 3e38, 1e-40, 7.0][rng.below(5)],
                        _ => gain * sky(x, y) as f64 + offset,
                    };
                    let noise = match kind {
                        3 => [0.0, 1e38, 3e38, 1e-44][rng.below(4)],
                        4 => 0.0,
                        _ => rng.range(0.1, 9.0),
                    };
                    level[channel].push(if hole { f32::NAN } else { value as f32 });
                    variance[channel].push(if hole { f32::NAN } else { noise as f32 });
                }
            }
        }
        let mut stars = if with_stars { stars(region, gain) } else { Vec::new() };
        for star in &mut stars {
            match rng.below(12) {
                0 => star.flux = [f32::NAN; 3],
                1 => star.flux = [[0.0, -5.0, 1e-40, 3e38][rng.below(4)]; 3],
                2 => star.variance = [[0.0, f32::INFINITY, f32::NAN, 1e-40][rng.below(4)]; 3],
                3 => star.flux[0] *= 1.0 + 0.2 * rng.normal() as f32,
                _ => {}
            }
        }
        Preview { region, level, variance, stars }
    };
    let previews: Vec<Preview> = (0..frames).map(|_| one(&mut rng)).collect();
    let options = MatchOptions {
        method: METHODS[rng.below(METHODS.len())],
        min_blocks: 1 + rng.below(5),
        pairs_per_frame: 1 + rng.below(4),
        min_stars: [3, 6, 20][rng.below(3)],
        ..MatchOptions::default()
    };
    let reference = (options.method != MatchMethod::Zemosaic && rng.below(3) == 0).then(|| rng.below(frames));
    (previews, options, reference)
}

#[test]
fn frames_of_anything_get_numbers() {
    let bad: Vec<String> = (0..100_000_u64)
        .into_par_iter()
        .filter_map(|case| {
            let (previews, options, reference) = anything(case);
            let found = gauge_of(&previews, reference, &options, ChannelsAtOnce::All);
            let is_number = |frame: &FrameGauge| {
                frame.gain.iter().all(|gain| gain.is_finite() && *gain > 0.0)
                    && frame.offset.iter().all(|offset| offset.is_finite())
                    && frame.surface.iter().flat_map(|s| s.coefficients).all(f64::is_finite)
            };
            // ZeMosaic pulls the medians of all tiles together, whether they touch or not.
            let neutral = options.method == MatchMethod::Zemosaic
                || found.unlinked.iter().all(|&frame| is_neutral(&found.frames[frame]));
            let what = || {
                let short: Vec<_> = found
                    .frames
                    .iter()
                    .map(|f| (f.gain[0], f.offset[0], f.surface[0].coefficients))
                    .collect();
                let told = (&found.unlinked, neutral, reference);
                format!("case {case}, {:?}, {told:?}, {short:?}", options.method)
            };
            (found.frames.len() != previews.len() || !found.frames.iter().all(is_number) || !neutral)
                .then(what)
        })
        .collect();
    let first = &bad[..bad.len().min(5)];
    assert!(bad.is_empty(), "{} cases, the first: {first:#?}", bad.len());
}

#[test]
fn bits_do_not_depend_on_threads() {
    let on = |threads: usize, work: &(dyn Fn() -> String + Sync)| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    };
    for method in METHODS {
        let previews = noisy(9);
        // Shortest decimal forms: equal where the bits are.
        let work = || format!("{:?}", solve(&previews, method, None));
        assert!(on(1, &work) == on(4, &work), "{method:?}");
    }
    for case in 0..400 {
        let (previews, options, reference) = anything(case);
        let gauge = |at_once| format!("{:?}", gauge_of(&previews, reference, &options, at_once));
        let work = || gauge(ChannelsAtOnce::All);
        let expected = on(1, &work);
        assert!(expected == on(4, &work), "case {case}, {:?}", options.method);
        let one_by_one = || gauge(ChannelsAtOnce::One);
        assert!(expected == on(4, &one_by_one), "case {case}, {:?}, channel by channel", options.method);
    }
}

/// Of a match of 100,000 frames a watchdog hears between the pairs and the end.
#[test]
fn steps_besides_the_pairs_are_told_of() {
    struct Counts {
        pairs: AtomicUsize,
        pieces: AtomicUsize,
    }
    impl MatchObserver for Counts {
        fn pair_done(&self, _: usize, _: usize) {
            self.pairs.fetch_add(1, Ordering::Relaxed);
        }
        fn piece_done(&self) {
            self.pieces.fetch_add(1, Ordering::Relaxed);
        }
    }
    let previews = noisy(3);
    let options = MatchOptions::default();
    let pairs = choose_pairs(&previews, &options);
    let job = MatchJob {
        previews: &previews,
        blocks: BLOCKS,
        pairs: &pairs,
        reference: None,
        channels_at_once: ChannelsAtOnce::All,
    };
    let counts = Counts { pairs: AtomicUsize::new(0), pieces: AtomicUsize::new(0) };
    match_frames(&job, &options, &counts);
    // Of each channel gains of the pairs, gains, solution, two rounds of either at least; of each pair what remains.
    let channels = previews[0].channels();
    assert_eq!(counts.pairs.into_inner(), pairs.len());
    let pieces = counts.pieces.into_inner();
    assert!(pieces >= (3 + 2 * 2) * channels + pairs.len(), "{pieces} of {} pairs", pairs.len());
}

#[test]
fn none_and_one_are_frames_too() {
    for method in METHODS {
        for previews in [vec![], noisy(4)[..1].to_vec(), vec![preview(panels(1, 1)[0], |_, _| f64::NAN); 2]] {
            // A number beyond all frames names none.
            for reference in [None, Some(0), Some(7)] {
                let found = solve(&previews, method, reference);
                assert_eq!((found.frames.len(), found.error.len()), (previews.len(), previews.len()));
                assert!(
                    found.frames.iter().all(is_neutral) && found.pairs.is_empty(),
                    "{method:?}: {found:?}"
                );
            }
        }
    }
}

/// What remains of pairs, and their errors, are in the unit of the reference.
#[test]
fn pairs_are_told_in_the_unit_of_the_reference() {
    let strength = [1.0, 4.0, 2.0];
    let mut previews: Vec<Preview> = Vec::new();
    for (index, region) in panels(3, 1).into_iter().enumerate() {
        let (gain, mut rng) = (strength[index], Rng::for_keys(31, &[index as u64]));
        let noise: Vec<f64> = (0..region.area()).map(|_| rng.normal()).collect();
        let at = |x: i64, y: i64| {
            let slot = (y - region.y0) as usize * region.width + (x - region.x0) as usize;
            gain * (sky(x, y) as f64 + noise[slot] + 70.0 * index as f64)
        };
        previews.push(Preview {
            variance: vec![vec![(gain * gain) as f32; region.area()]],
            stars: stars(region, gain),
            ..preview(region, at)
        });
    }
    let free = solve(&previews, MatchMethod::Full, None);
    for (reference, strength) in strength.into_iter().enumerate() {
        let found = solve(&previews, MatchMethod::Full, Some(reference));
        // Gains have a geometric mean of 1: values of a frame are those of the sky times 2.
        let unit = strength / 2.0;
        for (pair, free) in found.pairs.iter().zip(&free.pairs) {
            assert!(
                (pair.error[0] / free.error[0] / unit - 1.0).abs() < 1e-3,
                "{reference}: {pair:?} {free:?}"
            );
            let miss = pair.after[0] - unit * free.after[0];
            assert!(miss.abs() < 1e-3 * pair.error[0], "{reference}: {pair:?} {free:?}");
            assert_eq!(pair.before, free.before);
        }
    }
}

/// What is not told names frames by their indices.
#[test]
fn frames_of_dropped_pairs_are_named() {
    let mut previews = noisy(4);
    let mut rng = Rng::for_keys(6, &[]);
    let mut junk = preview(previews[4].region, |_, _| 0.0);
    junk.level[0].iter_mut().for_each(|level| *level = (1e20 * rng.normal()) as f32);
    previews.push(junk);
    let found = solve(&previews, MatchMethod::Full, None);
    let untold = &found.undetermined[0];
    assert!(untold.what.contains("pairs of frames whose levels scatter"), "{untold:?}");
    assert_eq!(untold.frames[0], 9, "{untold:?}");
    // A frame with one small overlap: its gradient is not told.
    let mut previews = noisy(4);
    let region = previews[8].region;
    let corner = Region { x0: region.x1() - 2, y0: region.y1() - 2, ..region };
    previews.push(preview(corner, |x, y| sky(x, y) as f64 + 300.0));
    let found = solve(&previews, MatchMethod::Surface, None);
    let named = found.undetermined.iter().any(|own| own.what.contains("terms of order") && own.frames == [9]);
    let common = found.undetermined.iter().find(|own| own.what.contains("common to all frames")).unwrap();
    assert!(named && common.frames.len() == 10, "{:?}", found.undetermined);
}

/// Of the common blocks of a pair those at the rim are left out where enough remain: the pair tells of how many it is.
#[test]
fn pairs_tell_how_many_blocks_they_are_of() {
    let at = |x0: i64, width: usize| Region { x0, y0: 0, width, height: 9 };
    // In common with the first: columns 4 to 11. Their rim is odd, and inside it is 3 higher.
    let is_inner = |x: i64, y: i64| (5..11).contains(&x) && (1..8).contains(&y);
    let own = |x: i64, y: i64| sky(x, y) as f64 + if is_inner(x, y) { 3.0 } else { 7.0 };
    let previews = [
        preview(at(0, 12), |x, y| sky(x, y) as f64),
        preview(at(4, 12), own),
        preview(at(14, 12), |x, y| sky(x, y) as f64),
    ];
    let found = solve(&previews, MatchMethod::Offset, None);
    let pairs: Vec<_> =
        found.pairs.iter().map(|pair| (pair.a, pair.b, pair.blocks, pair.blocks_used)).collect();
    assert_eq!(pairs, [(0, 1, 8 * 9, 6 * 7), (1, 2, 2 * 9, 2 * 9)]);
    for pair in &found.pairs {
        let common: Vec<f64> = block_differences(&previews[pair.a], &previews[pair.b], 0, (1.0, 1.0), BLOCKS)
            .into_iter()
            .map(|(.., value, _)| value)
            .collect();
        assert_eq!(common.len(), pair.blocks_used);
        assert!(common.iter().all(|value| (value - pair.before[0]).abs() < 1e-9), "{pair:?}");
    }
}
