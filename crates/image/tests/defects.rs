//! Defects of raw frames: stars of all colours are kept, hot and cold pixels found, one by one and by persistence.

mod common;
#[path = "common/sky.rs"]
mod sky;

use common::Random;
use sky::{Sky, Star, star_colour};
use zemosaic_image::defects::{
    CfaDefectOptions, Defect, DefectCounter, DefectKind, HALO_PX, PersistenceOptions, ResidualMean, Sensor,
    SensorNoise, cfa_defects, mono_defects,
};
use zemosaic_image::{CfaPattern, CfaWindow, Region};

const PATTERN: CfaPattern = CfaPattern::Grbg;
/// Sky of a Seestar frame in ADU above the pedestal and its gain: 40 e- at 14.1 ADU per electron.
const SKY: [f64; 3] = [411.0, 564.0, 361.0];
const PER_ADU: f64 = 14.1;
const READ: f64 = 20.0;

fn region(width: usize, height: usize) -> Region {
    Region { x0: 0, y0: 0, width, height }
}

fn noise(sensor: Sensor, raw: &[f32], region: Region) -> SensorNoise {
    SensorNoise { variance_per_adu: PER_ADU as f32, ..SensorNoise::measure(raw, region, sensor) }
}

/// Standard deviation of a pixel of a colour under the sky alone.
fn sky_sigma(colour: usize) -> f64 {
    (READ * READ + PER_ADU * SKY[colour]).sqrt()
}

/// What a field of stars of one sharpness gives.
struct Outcome {
    stars: usize,
    bright: usize,
    flagged_cores: usize,
    flagged_bright_cores: usize,
    flagged_near: usize,
    elsewhere: usize,
}

/// Stars on a grid, each with its own colour, phase and brightness; flagged pixels within 2.5 px belong to it.
fn field(
    fwhm_px: f64,
    count: usize,
    mono: bool,
    colour: impl Fn(&mut Random) -> [f64; 3],
    seed: u64,
) -> Outcome {
    const PITCH: usize = 21;
    let side = (count as f64).sqrt().ceil() as usize;
    let (width, height) = (side * PITCH, side * PITCH);
    let mut random = Random(seed);
    let mut sky = Sky::new(width, height, SKY);
    let mut stars = Vec::new();
    for i in 0..side * side {
        let centre = |i: usize| (i * PITCH + PITCH / 2) as f64;
        let (dx, dy) = (random.uniform() - 0.5, random.uniform() - 0.5);
        // Signal to noise of the brightest raw pixel, 5 to 500.
        let snr = 5.0 * 100.0_f64.powf(random.uniform());
        let colours = colour(&mut random);
        let brightest = colours.iter().copied().fold(0.0, f64::max);
        let peak = sky::along(0, dx, fwhm_px) * sky::along(0, dy, fwhm_px);
        let flux = snr * sky_sigma(1) / peak / brightest;
        let star = Star {
            x: centre(i % side) + dx,
            y: centre(i / side) + dy,
            fwhm_px,
            flux: colours.map(|c| c * flux),
        };
        sky.add(&star);
        stars.push((star, snr));
    }
    let raw = sky.raw((!mono).then_some(PATTERN), READ, PER_ADU, &mut random);
    let region = region(width, height);
    let options = CfaDefectOptions::default();
    let found = if mono {
        mono_defects(&raw, region, region, &noise(Sensor::Mono, &raw, region), &options)
    } else {
        let window = CfaWindow { raw: &raw, region, pattern: PATTERN };
        cfa_defects(&window, region, &noise(Sensor::Bayer(PATTERN), &raw, region), &options)
    };
    let mut outcome = Outcome {
        stars: stars.len(),
        bright: stars.iter().filter(|(_, snr)| *snr > 10.0).count(),
        flagged_cores: 0,
        flagged_bright_cores: 0,
        flagged_near: 0,
        elsewhere: 0,
    };
    for defect in &found {
        let (i, j) = (defect.x as usize / PITCH, defect.y as usize / PITCH);
        let (star, snr) = stars[j * side + i];
        let away = (defect.x as f64 - star.x).hypot(defect.y as f64 - star.y);
        if away < 1.0 {
            outcome.flagged_cores += 1;
            outcome.flagged_bright_cores += usize::from(snr > 10.0);
        } else if away < 3.0 * fwhm_px {
            outcome.flagged_near += 1;
        } else {
            outcome.elsewhere += 1;
        }
    }
    outcome
}

fn print(label: &str, fwhm_px: f64, o: &Outcome) {
    println!(
        "{label} FWHM {fwhm_px}: {} stars, flagged cores {}, of the {} with SNR > 10 {}, near {}, elsewhere {}",
        o.stars, o.flagged_cores, o.bright, o.flagged_bright_cores, o.flagged_near, o.elsewhere
    );
}

#[test]
fn stars_of_all_colours_are_kept() {
    // Black bodies from 2700 K to 30000 K, 20,000 stars.
    let colour = |random: &mut Random| star_colour(2700.0 * (30000.0_f64 / 2700.0).powf(random.uniform()));
    for (fwhm_px, seed) in [(1.8, 1), (2.2, 2), (2.6, 3), (4.0, 4)] {
        let outcome = field(fwhm_px, 5000, false, colour, seed);
        print("CFA", fwhm_px, &outcome);
        assert_eq!((outcome.flagged_bright_cores, outcome.flagged_near), (0, 0));
        assert!(outcome.flagged_cores <= 1 && outcome.elsewhere <= 2);
    }
    for (fwhm_px, seed) in [(1.8, 5), (2.6, 6)] {
        let outcome = field(fwhm_px, 2500, true, colour, seed);
        print("mono", fwhm_px, &outcome);
        assert_eq!((outcome.flagged_bright_cores, outcome.flagged_near), (0, 0));
        assert!(outcome.flagged_cores <= 1 && outcome.elsewhere <= 2);
    }
}

/// Stars of colours that no black body has. What is lost is told in docs/methods/defects.md.
#[test]
fn stars_of_extreme_colours_are_mostly_kept() {
    for (ratio, allowed) in [(2.5, 0.0005), (5.0, 0.02), (10.0, 0.12)] {
        for channel in 0..3 {
            let colour =
                |_: &mut Random| std::array::from_fn(|c| if c == channel { 1.0 } else { 1.0 / ratio });
            let outcome = field(1.8, 2500, false, colour, 10 + channel as u64);
            print(&format!("{ratio}:1 in {channel}"), 1.8, &outcome);
            assert!(outcome.flagged_cores as f64 <= allowed * outcome.stars as f64);
        }
    }
}

struct Hot {
    x: i64,
    y: i64,
    /// Excess in standard deviations of sky.
    size: f64,
    /// A star hides it, and it is no loss.
    on_star: bool,
}

/// A frame of sky and stars with hot pixels.
fn with_hot_pixels(random: &mut Random, excess: impl Fn(&mut Random) -> f64) -> (Vec<f32>, Vec<Hot>) {
    let (width, height) = (480, 360);
    let mut sky = Sky::new(width, height, SKY);
    let mut stars = Vec::new();
    for _ in 0..200 {
        let flux = 300.0 * 300.0_f64.powf(random.uniform());
        let colours = star_colour(3000.0 + 9000.0 * random.uniform());
        let (x, y) = (random.uniform() * 480.0, random.uniform() * 360.0);
        sky.add(&Star { x, y, fwhm_px: 2.4, flux: colours.map(|c| c * flux) });
        stars.push((x, y));
    }
    let mut raw = sky.raw(Some(PATTERN), READ, PER_ADU, random);
    let hot = (0..200)
        .map(|i| {
            // One per cell of a grid, so that none is the neighbour of another.
            let (x, y) =
                ((i % 20) * 24 + (random.bits() % 20) as i64, (i / 20) * 36 + (random.bits() % 32) as i64);
            let size = excess(random);
            raw[(y * 480 + x) as usize] += (size * sky_sigma(PATTERN.colour_at(x, y))) as f32;
            let on_star = stars.iter().any(|(sx, sy)| (x as f64 - sx).hypot(y as f64 - sy) < 5.0);
            Hot { x, y, size, on_star }
        })
        .collect();
    (raw, hot)
}

#[test]
fn hot_pixels_are_found() {
    let mut random = Random(20);
    let (mut all, mut found_all, mut strong, mut found_strong) = (0, 0, 0, 0);
    let mut false_alarms = 0;
    for _ in 0..5 {
        let (raw, hot) = with_hot_pixels(&mut random, |random| 10.0 * 20.0_f64.powf(random.uniform()));
        let region = region(480, 360);
        let window = CfaWindow { raw: &raw, region, pattern: PATTERN };
        let noise = noise(Sensor::Bayer(PATTERN), &raw, region);
        let found = cfa_defects(&window, region, &noise, &CfaDefectOptions::default());
        let is_found = |x: i64, y: i64| found.iter().any(|d| (d.x, d.y, d.kind) == (x, y, DefectKind::Hot));
        for hot in hot.iter().filter(|hot| !hot.on_star) {
            all += 1;
            found_all += usize::from(is_found(hot.x, hot.y));
            strong += usize::from(hot.size > 20.0);
            found_strong += usize::from(hot.size > 20.0 && is_found(hot.x, hot.y));
        }
        let others = found.iter().filter(|d| !hot.iter().any(|hot| (hot.x, hot.y) == (d.x, d.y)));
        for other in others {
            println!("{other:?}");
            false_alarms += 1;
        }
    }
    println!("hot: {found_all} of {all}, above 20 sigma {found_strong} of {strong}, others {false_alarms}");
    assert!(found_strong as f64 >= 0.99 * strong as f64);
    assert!(found_all as f64 >= 0.85 * all as f64);
    assert_eq!(false_alarms, 0);
}

#[test]
fn dead_pixels_are_found() {
    let mut random = Random(21);
    let sky = Sky::new(200, 100, [4000.0, 6000.0, 3500.0]);
    let mut raw = sky.raw(Some(PATTERN), READ, 0.3, &mut random);
    let dead = [(30, 20), (31, 50), (100, 71), (0, 0), (199, 99), (1, 60)];
    for (x, y) in dead {
        raw[y * 200 + x] = 0.0;
    }
    let region = region(200, 100);
    let window = CfaWindow { raw: &raw, region, pattern: PATTERN };
    let noise = SensorNoise::measure(&raw, region, Sensor::Bayer(PATTERN));
    let found = cfa_defects(&window, region, &noise, &CfaDefectOptions::default());
    let mut expected: Vec<(i64, i64)> = dead.iter().map(|(x, y)| (*x as i64, *y as i64)).collect();
    expected.sort_by_key(|(x, y)| (*y, *x));
    // A corner pixel has three neighbours of its colour, which is too few to judge by.
    expected.retain(|at| *at != (0, 0) && *at != (199, 99));
    assert_eq!(found.iter().map(|d| (d.x, d.y)).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|d| d.kind == DefectKind::Cold));
}

#[test]
fn any_window_finds_what_the_whole_finds() {
    let mut random = Random(22);
    let (mut raw, _) = with_hot_pixels(&mut random, |_| 40.0);
    for i in (7..raw.len()).step_by(431) {
        raw[i] = f32::NAN;
    }
    let whole = region(480, 360);
    let noise = noise(Sensor::Bayer(PATTERN), &raw, whole);
    let find = |region: Region, out: Region| {
        let cut: Vec<f32> = (region.y0..region.y1())
            .flat_map(|y| &raw[y as usize * 480..][region.x0 as usize..region.x1() as usize])
            .copied()
            .collect();
        let window = CfaWindow { raw: &cut, region, pattern: PATTERN };
        cfa_defects(&window, out, &noise, &CfaDefectOptions::default())
    };
    let all = find(whole, whole);
    assert!(all.len() > 150);
    for (x0, y0, width, height) in [(0, 0, 100, 50), (33, 41, 91, 77), (401, 300, 79, 60), (100, 100, 1, 1)] {
        let out = Region { x0, y0, width, height };
        let halo = HALO_PX as i64;
        let grown =
            Region { x0: x0 - halo, y0: y0 - halo, width: width + 2 * HALO_PX, height: height + 2 * HALO_PX };
        let inside = |d: &&Defect| d.x >= x0 && d.x < out.x1() && d.y >= y0 && d.y < out.y1();
        let expected: Vec<Defect> = all.iter().filter(inside).copied().collect();
        assert_eq!(find(grown.intersect(&whole).unwrap(), out), expected);
    }
}

#[test]
fn persistence_counts_frames_in_any_order() {
    let defect = |x, y| Defect { x, y, kind: DefectKind::Hot, excess_sigma: 30.0 + x as f32 };
    let frames: Vec<Vec<Defect>> = (0..10)
        .map(|i| {
            let mut frame = vec![defect(5, 7)];
            if i % 2 == 0 {
                frame.push(defect(3, 9));
            }
            // A cosmic ray: elsewhere each time.
            frame.push(defect(20 + i, 1));
            frame
        })
        .collect();
    let mut forwards = DefectCounter::new();
    for frame in &frames {
        forwards.add_frame(frame);
    }
    let (mut first, mut second) = (DefectCounter::new(), DefectCounter::new());
    for (i, frame) in frames.iter().enumerate().rev() {
        if i >= 5 { &mut first } else { &mut second }.add_frame(frame);
    }
    first.merge(&second);
    assert_eq!(forwards, first);
    assert_eq!(forwards.frames(), 10);
    let at = |options: PersistenceOptions| -> Vec<(i64, i64)> {
        forwards.bad_pixels(&options).iter().map(|d| (d.x, d.y)).collect()
    };
    assert_eq!(at(PersistenceOptions::default()), [(5, 7), (3, 9)]);
    assert_eq!(at(PersistenceOptions { share: 0.6, ..PersistenceOptions::default() }), [(5, 7)]);
    assert_eq!(at(PersistenceOptions { min_frames: 11, ..PersistenceOptions::default() }), []);
}

/// Thirty frames with faint hot pixels; with dither or with stars that stand still.
fn faint(dither: bool, random: &mut Random) -> (ResidualMean, Vec<(i64, i64, f64)>, usize) {
    let (width, height) = (240, 180);
    let whole = region(width, height);
    let stars: Vec<Star> = (0..60)
        .map(|_| {
            let colours = star_colour(2700.0 + 9000.0 * random.uniform());
            let flux = 500.0 * 200.0_f64.powf(random.uniform());
            let (x, y) = (random.uniform() * 240.0, random.uniform() * 180.0);
            Star { x, y, fwhm_px: 1.8 + 0.8 * random.uniform(), flux: colours.map(|c| c * flux) }
        })
        .collect();
    // Hot pixels of 3 and 4.5 standard deviations.
    let hot: Vec<(i64, i64, f64)> = (0..60)
        .map(|i| {
            let (x, y) =
                ((i % 10) * 24 + (random.bits() % 20) as i64, (i / 10) * 30 + (random.bits() % 26) as i64);
            (x, y, if i % 2 == 0 { 3.0 } else { 4.5 })
        })
        .collect();
    let mut mean = ResidualMean::new(width, height, Sensor::Bayer(PATTERN));
    for frame in 0..30 {
        let mut sky = Sky::new(width, height, SKY);
        let shift = if dither { (2.1 * f64::from(frame) - 30.0, 0.7 * f64::from(frame)) } else { (0.0, 0.0) };
        for star in &stars {
            sky.add(&Star { x: star.x + shift.0, y: star.y + shift.1, ..*star });
        }
        let mut raw = sky.raw(Some(PATTERN), READ, PER_ADU, random);
        for (x, y, size) in &hot {
            raw[(y * 240 + x) as usize] += (size * sky_sigma(1)) as f32;
        }
        let noise = noise(Sensor::Bayer(PATTERN), &raw, whole);
        // In two windows, as a run does.
        for (y0, rows) in [(0, 80), (80, 100)] {
            let out = Region { x0: 0, y0, width, height: rows };
            let grown = Region { x0: 0, y0: y0 - 2, width, height: rows + 4 };
            let grown = grown.intersect(&whole).unwrap_or_default();
            mean.add(&raw[grown.y0 as usize * width..], grown, out, &noise);
        }
    }
    (mean, hot, stars.len())
}

#[test]
fn faint_hot_pixels_are_found_in_the_mean_and_stars_are_not() {
    let mut random = Random(30);
    for dither in [true, false] {
        let (mean, hot, _) = faint(dither, &mut random);
        let found = mean.bad_pixels(&CfaDefectOptions::default(), &PersistenceOptions::default());
        let is_found = |x: i64, y: i64| found.iter().any(|d| (d.x, d.y, d.kind) == (x, y, DefectKind::Hot));
        for size in [3.0, 4.5] {
            let of_size: Vec<_> = hot.iter().filter(|(_, _, s)| *s == size).collect();
            let count = of_size.iter().filter(|(x, y, _)| is_found(*x, *y)).count();
            println!("dither {dither}, {size} sigma: {count} of {}", of_size.len());
            let least = if size == 3.0 { 0.6 } else { 0.9 };
            assert!(count as f64 >= least * of_size.len() as f64);
        }
        let others: Vec<_> =
            found.iter().filter(|d| !hot.iter().any(|(x, y, _)| (*x, *y) == (d.x, d.y))).collect();
        println!("dither {dither}: others {others:?}");
        assert!(others.is_empty());
    }
}

#[test]
fn sums_do_not_depend_on_the_order_of_frames() {
    let mut random = Random(31);
    let whole = region(32, 20);
    let frames: Vec<Vec<f32>> =
        (0..6).map(|_| (0..640).map(|_| (100.0 + 10.0 * random.normal()) as f32).collect()).collect();
    let noise = SensorNoise { level_adu: [100.0; 3], sigma_adu: [10.0; 3], variance_per_adu: 0.0 };
    let sum = |order: &[usize]| {
        let mut mean = ResidualMean::new(32, 20, Sensor::Mono);
        for i in order {
            mean.add(&frames[*i], whole, whole, &noise);
        }
        mean
    };
    let mut halves = sum(&[5, 0, 3]);
    halves.merge(&sum(&[4, 2, 1]));
    assert_eq!(sum(&[0, 1, 2, 3, 4, 5]), halves);
}

/// Share of a Moffat star (beta 3) that falls on a pixel at (dx, dy) from its centre, not normalised.
fn moffat(dx: f64, dy: f64, fwhm_px: f64) -> f64 {
    let alpha = fwhm_px / (2.0 * (2.0_f64.powf(1.0 / 3.0) - 1.0).sqrt());
    let parts = (0..9).map(|k| (f64::from(k) - 4.0) / 9.0);
    let points = parts.clone().flat_map(|u| parts.clone().map(move |v| (dx + u, dy + v)));
    points.map(|(x, y)| (1.0 + (x * x + y * y) / (alpha * alpha)).powi(-3)).sum::<f64>() / 81.0
}

/// The guard's own ground: without noise no star down to FWHM 1.5 px, anywhere in its pixel, is taken when its other
/// colours have 1 / 2.5 of its brightest, nor one of FWHM 1.8 px with 1 / 10.
#[test]
fn the_guard_holds_for_every_place_of_a_star_in_its_pixel() {
    let noise = SensorNoise { level_adu: [0.0; 3], sigma_adu: [0.5; 3], variance_per_adu: 0.0 };
    let whole = region(18, 18);
    let mut judged = 0;
    for (fwhm_px, ratio) in [
        (1.5, 2.5),
        (1.8, 2.5),
        (2.2, 2.5),
        (3.0, 2.5),
        (4.0, 2.5),
        (6.0, 2.5),
        (1.8, 10.0),
        (2.6, 10.0),
        (4.0, 10.0),
    ] {
        for place in 0..72_u32 {
            let (u, v) = (f64::from(place / 2 % 6) / 10.0, f64::from(place / 12) / 10.0);
            let (gaussian, scale) = (place % 2 == 0, 10_000.0);
            for brightest in 0..3 {
                for (cx, cy) in [(8, 8), (9, 8), (8, 9), (9, 9)] {
                    let light = |x: i64, y: i64| {
                        if gaussian {
                            sky::along(x - cx, u, fwhm_px) * sky::along(y - cy, v, fwhm_px)
                        } else {
                            moffat((x - cx) as f64 - u, (y - cy) as f64 - v, fwhm_px) / (fwhm_px * fwhm_px)
                        }
                    };
                    let raw: Vec<f32> = (0..18 * 18)
                        .map(|i| {
                            let (x, y) = (i % 18, i / 18);
                            let colour = if PATTERN.colour_at(x, y) == brightest { 1.0 } else { 1.0 / ratio };
                            (scale * colour * light(x, y)) as f32
                        })
                        .collect();
                    let window = CfaWindow { raw: &raw, region: whole, pattern: PATTERN };
                    let found = cfa_defects(&window, whole, &noise, &CfaDefectOptions::default());
                    assert!(found.is_empty(), "{fwhm_px} {ratio} {u} {v} {brightest} {gaussian} {found:?}");
                    judged += 1;
                }
            }
        }
    }
    println!("{judged} stars");
}
