//! The seam certificate, against steps and gradients that were put in and against its definition block by block.

use zemosaic_gauge::{
    BlockGrid, CertificateJob, FrameGauge, Pair, PixelNoise, Preview, SeamCertificate, Side, Surface,
    Verdict, seam_certificate,
};
use zemosaic_image::Region;
use zemosaic_testkit::rng::Rng;

const BLOCK_PX: usize = 16;
const SIGMA: f64 = 5.0;

fn region(x0: i64, y0: i64, width: usize, height: usize) -> Region {
    Region { x0, y0, width, height }
}

fn centre_px(block: i64) -> f64 {
    (block as f64 + 0.5) * BLOCK_PX as f64 - 0.5
}

/// A preview whose levels are `level(x, y)` of the grid per channel.
fn preview(region: Region, channels: usize, level: impl Fn(usize, f64, f64) -> f64) -> Preview {
    let plane = |channel: usize| -> Vec<f32> {
        (region.y0..region.y1())
            .flat_map(|y| (region.x0..region.x1()).map(move |x| (centre_px(x), centre_px(y))))
            .map(|(x, y)| level(channel, x, y) as f32)
            .collect()
    };
    let variance = vec![vec![0.04; region.area()]; channels];
    Preview { region, level: (0..channels).map(plane).collect(), variance, stars: Vec::new() }
}

fn equal_noise(count: usize) -> Vec<PixelNoise> {
    vec![PixelNoise { sigma: [SIGMA; 3], weight: [1.0 / (SIGMA * SIGMA); 3] }; count]
}

fn judge(
    previews: &[Preview],
    after: &[FrameGauge],
    pairs: &[Pair],
    noise: &[PixelNoise],
) -> SeamCertificate {
    let before = vec![FrameGauge::default(); previews.len()];
    let blocks = BlockGrid { block_px: BLOCK_PX };
    seam_certificate(&CertificateJob { previews, blocks, before: &before, after, pairs, noise })
}

fn sky(x: f64, y: f64) -> f64 {
    500.0 + 0.02 * x + 40.0 * (-((x - 150.0).powi(2) + (y - 60.0).powi(2)) / 900.0).exp()
}

fn offset(offset: f64) -> FrameGauge {
    FrameGauge { offset: [offset; 3], ..FrameGauge::default() }
}

/// Two sources side by side; the first is higher by 10.
fn two() -> (Vec<Preview>, Pair) {
    let previews = vec![
        preview(region(0, 0, 10, 6), 1, |_, x, y| sky(x, y) + 10.0),
        preview(region(6, 0, 10, 6), 1, |_, x, y| sky(x, y)),
    ];
    (previews, Pair { a: 0, b: 1, blocks: 24 })
}

#[test]
fn a_known_step_is_found_and_taken_away() {
    let (previews, pair) = two();
    let found = judge(&previews, &[offset(-5.0), offset(5.0)], &[pair], &equal_noise(2));
    // The right side of the first, the left side of the second.
    assert_eq!((found.joins.len(), found.join_elements), (12, 12));
    for (index, join) in found.joins.iter().enumerate() {
        let (source, side, x_px, step) =
            if index < 6 { (0, Side::Right, 159.5, 5.0) } else { (1, Side::Left, 95.5, -5.0) };
        assert_eq!((join.source, join.side, join.x_px), (source, side, x_px));
        assert_eq!(join.y_px, centre_px((index % 6) as i64));
        assert!((join.step_before[0] - step).abs() < 1e-4, "{join:?}");
        assert!(join.step_after[0].abs() < 1e-4, "{join:?}");
        assert!((join.noise[0] - SIGMA / 2f64.sqrt()).abs() < 1e-9);
        // Of 4 blocks deep and up to 5 along; the error of a median.
        let blocks = 4.0 * [3.0, 4.0, 5.0, 5.0, 4.0, 3.0][index % 6];
        let expected = 0.5 * (0.08 * std::f64::consts::FRAC_PI_2 / blocks).sqrt();
        assert!((join.error[0] - expected).abs() < 1e-6, "{} {expected}", join.error[0]);
        assert!(join.step_after[1].is_nan(), "there is one channel");
    }
    let overall = &found.overall;
    assert_eq!((overall.join_px, overall.unmeasured_px), (192.0, 0.0));
    assert_eq!((overall.share_below_before, overall.share_below_after), (0.0, 1.0));
    assert!((overall.largest_before - 2f64.sqrt()).abs() < 1e-4 && overall.largest_after < 1e-4);
    assert!((overall.rms_before - 2f64.sqrt()).abs() < 1e-4);
    assert!(found.verdict() == Verdict::Pass && found.channels[0].verdict == Verdict::Pass);
    let seam = found.pairs[0].channels[0].unwrap();
    assert!((seam.before.step - 10.0).abs() < 1e-3 && seam.after.step.abs() < 1e-3);
    assert!(seam.before.along.abs() < 1e-3 && seam.before.across.abs() < 1e-3, "{seam:?}");
    assert!((seam.noise - SIGMA / 2f64.sqrt()).abs() < 1e-9);
    let spread = found.inter_tile[0];
    assert!((spread.raw - 5.0).abs() < 1e-3 && spread.after_offset < 1e-3, "{spread:?}");
    assert_eq!(spread.after_gain, spread.raw);
    // Where nothing is done nothing is certified.
    assert_eq!(judge(&previews, &[offset(0.0); 2], &[pair], &equal_noise(2)).verdict(), Verdict::Fail);
}

#[test]
fn the_heavier_source_makes_the_larger_step() {
    let (previews, pair) = two();
    let mut noise = equal_noise(2);
    noise[0].weight[0] *= 3.0;
    let found = judge(&previews, &[offset(0.0); 2], &[pair], &noise);
    assert!((found.joins[0].step_after[0] - 7.5).abs() < 1e-4);
    assert!((found.joins[11].step_after[0] + 2.5).abs() < 1e-4);
    // sqrt(9 + 1) / (3 + 1) of one source's noise.
    assert!((found.joins[0].noise[0] - SIGMA * 10f64.sqrt() / 4.0).abs() < 1e-9);
    // An unknown noise is that of the others; a source without weight is not there.
    noise[0].sigma[0] = f64::NAN;
    let again = judge(&previews, &[offset(0.0); 2], &[], &noise);
    assert_eq!(format!("{:?}", again.joins), format!("{:?}", found.joins));
    noise[0].weight[0] = 0.0;
    assert_eq!(judge(&previews, &[offset(0.0); 2], &[], &noise).join_elements, 0);
}

#[test]
fn a_gradient_is_found_and_a_surface_takes_it_away() {
    let bounds = [[0.0, 160.0], [0.0, 96.0]];
    // Value at the middle 0; 3 per 100 pixels in x, -2 in y.
    let tilt = Surface { coefficients: [2.4, -0.96, 0.0, 0.0, 0.0], ..Surface::over(bounds[0], bounds[1]) };
    let previews = vec![
        preview(region(0, 0, 10, 6), 1, |_, x, y| sky(x, y) + tilt.at(x, y)),
        preview(region(6, 0, 10, 6), 1, |_, x, y| sky(x, y)),
    ];
    let flat = FrameGauge { surface: [tilt.times(-1.0); 3], ..FrameGauge::default() };
    let pair = Pair { a: 0, b: 1, blocks: 24 };
    let found = judge(&previews, &[flat, offset(0.0)], &[pair], &equal_noise(2));
    let seam = found.pairs[0].channels[0].unwrap();
    assert!((seam.before.along - 3.0).abs() < 1e-3, "{seam:?}");
    assert!((seam.before.across + 2.0).abs() < 1e-3, "{seam:?}");
    assert!(seam.after.along.abs() < 1e-3 && seam.after.across.abs() < 1e-3, "{seam:?}");
    assert!(seam.error.along > 0.0 && seam.error.along < 0.5, "{seam:?}");
    assert!(found.overall.largest_after < 1e-3 && found.overall.largest_before > 0.15);
    // An offset alone cannot: the gradient stays.
    let found = judge(&previews, &[offset(-1.0), offset(0.0)], &[pair], &equal_noise(2));
    assert!((found.pairs[0].channels[0].unwrap().after.along - 3.0).abs() < 1e-3);
}

#[test]
fn an_overlap_of_one_row_tells_one_gradient() {
    let previews = vec![
        preview(region(0, 0, 10, 6), 1, |_, x, y| sky(x, y) + 0.05 * x),
        preview(region(0, 5, 10, 6), 1, |_, x, y| sky(x, y)),
    ];
    let found = judge(&previews, &[offset(0.0); 2], &[Pair { a: 0, b: 1, blocks: 10 }], &equal_noise(2));
    let seam = found.pairs[0].channels[0].unwrap();
    // Along +y; to its left is -x.
    assert!(seam.before.along.is_nan() && (seam.before.across + 5.0).abs() < 1e-2, "{seam:?}");
}

#[test]
fn a_source_inside_another_has_a_rim_all_round() {
    let previews = vec![
        preview(region(-5, -5, 20, 20), 1, |_, x, y| sky(x, y)),
        preview(region(2, 3, 4, 5), 1, |_, x, y| sky(x, y) + 8.0),
    ];
    let found = judge(&previews, &[offset(0.0), offset(-8.0)], &[], &equal_noise(2));
    assert_eq!(found.joins.len(), 2 * (4 + 5));
    assert!(found.joins.iter().all(|join| join.source == 1 && (join.step_before[0] - 4.0).abs() < 1e-4));
    assert!(
        found.verdict() == Verdict::Pass
            && found.overall.share_below_before == 0.0
            && found.inter_tile[0].raw == 0.0
    );
}

#[test]
fn blocks_without_a_level_end_a_source() {
    let (mut previews, _) = two();
    // A hole of the first where the second goes on (block 7, 2), and one where nothing is (2, 2).
    previews[0].level[0][2 * 10 + 7] = f32::NAN;
    previews[0].level[0][2 * 10 + 2] = f32::NAN;
    let found = judge(&previews, &[offset(0.0); 2], &[], &equal_noise(2));
    assert_eq!(found.join_elements, 16);
    // Sources that meet but have no block in common: nothing is measured, nothing certified.
    let apart = vec![
        preview(region(0, 0, 4, 6), 1, |_, x, y| sky(x, y)),
        preview(region(4, 0, 4, 6), 1, |_, x, y| sky(x, y)),
    ];
    let found = judge(&apart, &[offset(0.0); 2], &[], &equal_noise(2));
    assert_eq!((found.overall.join_px, found.overall.unmeasured_px), (0.0, 192.0));
    assert_eq!(found.verdict(), Verdict::Unknown);
}

#[test]
fn one_source_has_no_joins() {
    let (previews, _) = two();
    let found = judge(&previews[..1], &[offset(0.0)], &[], &equal_noise(1));
    assert!(
        found.verdict() == Verdict::Pass && found.joins.is_empty() && found.overall.share_below_after == 1.0
    );
    let found = judge(&[], &[], &[], &[]);
    assert!(found.verdict() == Verdict::Pass && found.joins.is_empty() && found.channels.is_empty());
}

/// 60 sources of three channels at random with gains, offsets, surfaces, weights and holes.
fn many() -> (Vec<Preview>, Vec<FrameGauge>, Vec<PixelNoise>) {
    let mut rng = Rng::for_keys(7, &[]);
    let (mut previews, mut gauges, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..60 {
        let mut any = |least: f64, most: f64| rng.range(least, most);
        let area = region(any(-20.0, 20.0) as i64, any(-20.0, 20.0) as i64, any(5.0, 15.0) as usize, 9);
        let levels: [f64; 3] = std::array::from_fn(|_| any(-30.0, 30.0));
        let mut own = preview(area, 3, |channel, x, y| sky(x, y) + levels[channel]);
        for _ in 0..6 {
            let hole = any(0.0, area.area() as f64) as usize;
            for plane in &mut own.level {
                plane[hole] = f32::NAN;
            }
        }
        previews.push(own);
        let extent = |x0: i64, size: usize| [centre_px(x0), centre_px(x0 + size as i64)];
        let over = Surface::over(extent(area.x0, area.width), extent(area.y0, area.height));
        gauges.push(FrameGauge {
            gain: std::array::from_fn(|_| any(0.8, 1.25)),
            offset: std::array::from_fn(|_| any(-20.0, 20.0)),
            surface: std::array::from_fn(|_| Surface {
                coefficients: std::array::from_fn(|_| any(-3.0, 3.0)),
                ..over
            }),
        });
        noise.push(PixelNoise {
            sigma: std::array::from_fn(|_| any(3.0, 9.0)),
            weight: std::array::from_fn(|_| any(0.1, 2.0)),
        });
    }
    (previews, gauges, noise)
}

#[test]
fn steps_are_those_of_the_definition() {
    let middle = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        0.5 * (values[(n - 1) / 2] + values[n / 2])
    };
    let (previews, gauges, noise) = many();
    let found = judge(&previews, &gauges, &[], &noise);
    let slot = |source: usize, x: i64, y: i64| {
        let own = &previews[source];
        let inside = own.region.contains(&region(x, y, 1, 1));
        let slot = || (y - own.region.y0) as usize * own.region.width + (x - own.region.x0) as usize;
        inside.then(slot).filter(|slot| !own.level[0][*slot].is_nan())
    };
    let mut joins = found.joins.iter();
    for (source, own) in previews.iter().enumerate() {
        for (side, dx, dy) in
            [(Side::Left, -1, 0), (Side::Right, 1, 0), (Side::Below, 0, -1), (Side::Above, 0, 1)]
        {
            for y in own.region.y0..own.region.y1() {
                for x in own.region.x0..own.region.x1() {
                    let ends = slot(source, x, y).is_some() && slot(source, x + dx, y + dy).is_none();
                    if !ends || (0..previews.len()).all(|other| slot(other, x + dx, y + dy).is_none()) {
                        continue;
                    }
                    let join = joins.next().unwrap();
                    assert_eq!((join.source, join.side), (source, side));
                    for channel in 0..3 {
                        let weight = |of: &usize| noise[*of].weight[channel];
                        let there = |x: i64, y: i64| -> Vec<usize> {
                            (0..previews.len()).filter(|other| slot(*other, x, y).is_some()).collect()
                        };
                        let all = there(x, y);
                        let sum: f64 = all.iter().map(weight).sum();
                        let square: f64 =
                            all.iter().map(|of| (weight(of) * noise[*of].sigma[channel]).powi(2)).sum();
                        assert!((join.noise[channel] / (square.sqrt() / sum) - 1.0).abs() < 1e-9);
                        // Step and variance of the blocks within 64 px along the side and inwards.
                        let mut steps: Vec<f64> = Vec::new();
                        let mut variances: Vec<f64> = Vec::new();
                        for (inwards, along) in (0..4).flat_map(|i| (-2..=2).map(move |j| (i, j))) {
                            let (x, y) =
                                (x - dx * inwards + dy.abs() * along, y - dy * inwards + dx.abs() * along);
                            let others: Vec<usize> =
                                there(x, y).into_iter().filter(|of| *of != source).collect();
                            if slot(source, x, y).is_none() || others.is_empty() {
                                continue;
                            }
                            let level = |of: usize| {
                                let level = f64::from(previews[of].level[channel][slot(of, x, y).unwrap()]);
                                let gauge = &gauges[of];
                                let surface = gauge.surface[channel].at(centre_px(x), centre_px(y));
                                gauge.gain[channel] * level + gauge.offset[channel] + surface
                            };
                            let of_others: f64 = others.iter().map(weight).sum();
                            let share = weight(&source) / (weight(&source) + of_others);
                            let mean =
                                others.iter().map(|of| weight(of) * level(*of)).sum::<f64>() / of_others;
                            steps.push(share * (level(source) - mean));
                            let variance =
                                |of: &usize| f64::from(0.04f32) * gauges[*of].gain[channel].powi(2);
                            let error = variance(&source)
                                + others.iter().map(|of| weight(of).powi(2) * variance(of)).sum::<f64>()
                                    / (of_others * of_others);
                            variances.push(share * share * error);
                        }
                        if steps.is_empty() {
                            assert!(join.step_after[channel].is_nan());
                            continue;
                        }
                        let count = steps.len() as f64;
                        let step = middle(&mut steps);
                        assert!((join.step_after[channel] - step).abs() < 1e-7, "{join:?} {step}");
                        let of_median = if count > 2.0 { std::f64::consts::FRAC_PI_2 } else { 1.0 };
                        let error = (of_median * middle(&mut variances) / count).sqrt();
                        assert!((join.error[channel] - error).abs() < 1e-6 * error);
                    }
                }
            }
        }
    }
    assert!(joins.next().is_none() && found.joins.len() > 1000);
    assert!(found.verdict() != Verdict::Pass && found.channels.len() == 3);
    let length: f64 = found.channels.iter().map(|channel| channel.join_px).sum();
    assert_eq!(length, found.overall.join_px);
}

#[test]
fn threads_change_nothing() {
    let (previews, gauges, noise) = many();
    let pairs: Vec<Pair> =
        (0..59).map(|a| Pair { a, b: a + 1, blocks: 1 }).chain([Pair { a: 0, b: 9, blocks: 1 }]).collect();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(|| judge(&previews, &gauges, &pairs, &noise)))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn of_very_many_joins_the_largest_are_kept() {
    // Stripes of blocks: each of the many sources ends at each stripe.
    let area = region(0, 0, 64, 64);
    let count = 120;
    let mut previews: Vec<Preview> =
        (0..count).map(|index| preview(area, 1, |_, x, _| x + f64::from(index % 7))).collect();
    for (index, own) in previews.iter_mut().enumerate() {
        for (slot, level) in own.level[0].iter_mut().enumerate() {
            if (slot % 64 + index) % 3 == 0 {
                *level = f32::NAN;
            }
        }
    }
    let found = judge(&previews, &vec![offset(0.0); 120], &[], &equal_noise(120));
    assert!(found.join_elements > 200_000, "{}", found.join_elements);
    assert_eq!(found.joins.len(), 100_000);
    let least = found.joins.iter().map(|join| join.sigmas()[1]).fold(f64::INFINITY, f64::min);
    assert!(found.overall.largest_after >= least && found.overall.rms_after < found.overall.largest_after);
    assert!(found.joins.is_sorted_by_key(|join| join.source));
    assert_eq!(found.overall.join_px, (found.join_elements * BLOCK_PX) as f64);
}
