//! The seam certificate, against steps and gradients that were put in and against its definition block by block.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use zemosaic_gauge::{
    BlockGrid, CertificateJob, FrameGauge, JoinElement, MatchObserver, Pair, PixelNoise, Preview,
    SeamCertificate, Side, Surface, Verdict, seam_certificate,
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
    seam_certificate(&CertificateJob { previews, blocks, before: &before, after, pairs, noise }, &())
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

/// A watchdog hears of every stage, and what is told changes nothing.
#[test]
fn pieces_are_told_of() {
    struct Count(AtomicUsize);
    impl MatchObserver for Count {
        fn piece_done(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (sources, width, height) = (40, 50, 20);
    let mut rng = Rng::for_keys(11, &[1]);
    let previews: Vec<Preview> = (0..sources)
        .map(|index| {
            let level = rng.normal();
            preview(region(index % 40, 0, 11, height), 3, move |_, x, y| sky(x, y) + level)
        })
        .collect();
    let same = vec![FrameGauge::default(); previews.len()];
    let noise = equal_noise(previews.len());
    let pair = |a: usize, step: usize| Pair { a, b: a + step, blocks: 1 };
    let pairs: Vec<Pair> = (0..previews.len()).flat_map(|a| (1..10).map(move |step| pair(a, step))).collect();
    let pairs: Vec<Pair> = pairs.into_iter().filter(|pair| pair.b < previews.len()).collect();
    let told_of = |pairs: &[Pair]| {
        let blocks = BlockGrid { block_px: BLOCK_PX };
        let (previews, before, after, noise) = (&previews[..], &same[..], &same[..], &noise[..]);
        let told = Count(AtomicUsize::new(0));
        let job = CertificateJob { previews, blocks, before, after, pairs, noise };
        let found = seam_certificate(&job, &told);
        assert_eq!(format!("{found:?}"), format!("{:?}", seam_certificate(&job, &())));
        told.0.into_inner()
    };
    // The blocks of every source; of every line the ends on both sides, and the steps.
    let without = told_of(&[]);
    assert!(without >= sources as usize + 3 * (width + height), "{without}");
    // Some hundred pairs; per channel three spreads, of two rounds at least and the last refinement.
    let with = told_of(&pairs) - without;
    assert!(pairs.len() > 256 && with >= pairs.len() / 256 + 3 * 3 * 3, "{with}");
}

#[test]
fn a_known_step_is_found_and_taken_away() {
    let (previews, pair) = two();
    let found = judge(&previews, &[offset(-5.0), offset(5.0)], &[pair], &equal_noise(2));
    // Row by row the left side of the second, the right side of the first.
    assert_eq!((found.joins.len(), found.join_elements), (12, 12));
    for (index, join) in found.joins.iter().enumerate() {
        let (source, side, x_px, step) =
            if index % 2 == 1 { (0, Side::Right, 159.5, 5.0) } else { (1, Side::Left, 95.5, -5.0) };
        assert_eq!((join.source, join.sources, join.side, join.x_px), (source, 1, side, x_px));
        assert_eq!(join.y_px, centre_px((index / 2) as i64));
        assert!((join.step_before[0] - step).abs() < 1e-4, "{join:?}");
        assert!(join.step_after[0].abs() < 1e-4, "{join:?}");
        assert!((join.noise[0] - SIGMA / 2f64.sqrt()).abs() < 1e-9);
        // Of 4 blocks deep and up to 5 along; the error of a median.
        let blocks = 4.0 * [3.0, 4.0, 5.0, 5.0, 4.0, 3.0][index / 2];
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
    assert!((found.joins[1].step_after[0] - 7.5).abs() < 1e-4);
    assert!((found.joins[10].step_after[0] + 2.5).abs() < 1e-4);
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

/// The definition written out, source by source.
struct Definition<'a> {
    previews: &'a [Preview],
    gauges: &'a [FrameGauge],
    noise: &'a [PixelNoise],
}

/// A side between two blocks in a line: step and variance per channel, `None` where nothing is left to compare with.
struct Expected {
    lower: i64,
    upper: i64,
    steps: Vec<Option<(f64, f64)>>,
    sources: usize,
}

impl Definition<'_> {
    fn slot(&self, source: usize, (x, y): (i64, i64)) -> Option<usize> {
        let own = &self.previews[source];
        let slot = || (y - own.region.y0) as usize * own.region.width + (x - own.region.x0) as usize;
        own.region.contains(&region(x, y, 1, 1)).then(slot).filter(|slot| !own.level[0][*slot].is_nan())
    }

    fn all(&self, block: (i64, i64)) -> Vec<usize> {
        (0..self.previews.len()).filter(|source| self.slot(*source, block).is_some()).collect()
    }

    /// Whether a source goes from one place of a line beyond another.
    fn goes_on(&self, source: usize, block: &dyn Fn(i64) -> (i64, i64), from: i64, last: i64) -> bool {
        let mut place = from;
        while place <= last {
            let has = |place: i64| self.slot(source, block(place)).is_some();
            place += match (has(place + 1), self.all(block(place + 1)).is_empty() && has(place + 2)) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => return false,
            };
        }
        true
    }

    /// Sum of the weights, mean of the levels after, variance of it.
    fn mean(&self, of: &[usize], channel: usize, at: (i64, i64)) -> (f64, f64, f64) {
        let (mut weights, mut levels, mut errors) = (0.0, 0.0, 0.0);
        for &source in of {
            let (weight, gauge) = (self.noise[source].weight[channel], &self.gauges[source]);
            let Some(slot) = self.slot(source, at) else { continue };
            let level = f64::from(self.previews[source].level[channel][slot]);
            let surface = gauge.surface[channel].at(centre_px(at.0), centre_px(at.1));
            weights += weight;
            levels += weight * (gauge.gain[channel] * level + gauge.offset[channel] + surface);
            errors += (weight * gauge.gain[channel]).powi(2) * f64::from(0.04f32);
        }
        (weights, levels / weights, errors / (weights * weights))
    }

    /// The step at the end of `ending` at a place, `block(line, place)` growing outwards.
    fn end(
        &self,
        ending: &[usize],
        block: &dyn Fn(i64, i64) -> (i64, i64),
        (line, place): (i64, i64),
        channel: usize,
    ) -> Option<(f64, f64)> {
        let (mut steps, mut variances) = (Vec::new(), Vec::new());
        for (beside, from) in (line - 2..=line + 2).flat_map(|l| (place - 3..=place).map(move |p| (l, p))) {
            let at = block(beside, from);
            let (own, mut others): (Vec<usize>, Vec<usize>) =
                self.all(at).into_iter().partition(|source| ending.contains(source));
            others.retain(|source| self.goes_on(*source, &|place| block(beside, place), from, place));
            if own.is_empty() || others.is_empty() {
                continue;
            }
            let (own, others) = (self.mean(&own, channel, at), self.mean(&others, channel, at));
            steps.push(own.1 - others.1);
            variances.push(own.2 + others.2);
        }
        let at = block(line, place);
        let share = self.mean(ending, channel, at).0 / self.mean(&self.all(at), channel, at).0;
        let count = steps.len() as f64;
        let of_median = if count > 2.0 { std::f64::consts::FRAC_PI_2 } else { 1.0 };
        let step = share * middle(&mut steps)?;
        Some((step, share * share * of_median * middle(&mut variances)? / count))
    }

    fn edges(&self, line: i64, block: &dyn Fn(i64, i64) -> (i64, i64)) -> Vec<Expected> {
        let is_covered = |place: i64| !self.all(block(line, place)).is_empty();
        let mut edges = Vec::new();
        for lower in (-40..50).filter(|place| is_covered(*place)) {
            let Some(upper) = (lower + 1..lower + 3).find(|place| is_covered(*place)) else { continue };
            let back = |line: i64, place: i64| block(line, -place);
            let mut ending = [self.all(block(line, lower)), self.all(block(line, upper))];
            ending[0].retain(|source| !self.goes_on(*source, &|place| block(line, place), lower, lower));
            ending[1].retain(|source| !self.goes_on(*source, &|place| back(line, place), -upper, -upper));
            let sources = ending[0].len() + ending[1].len();
            if sources == 0 {
                continue;
            }
            let of_channel = |channel: usize| {
                let mut sum = (0.0, 0.0);
                if !ending[0].is_empty() {
                    let (step, variance) = self.end(&ending[0], block, (line, lower), channel)?;
                    sum = (sum.0 + step, sum.1 + variance);
                }
                if !ending[1].is_empty() {
                    let (step, variance) = self.end(&ending[1], &back, (line, -upper), channel)?;
                    sum = (sum.0 - step, sum.1 + variance);
                }
                Some(sum)
            };
            edges.push(Expected { lower, upper, steps: (0..3).map(of_channel).collect(), sources });
        }
        edges
    }
}

fn middle(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| 0.5 * (values[(n - 1) / 2] + values[n / 2]))
}

#[test]
fn steps_are_those_of_the_definition() {
    let (previews, gauges, noise) = many();
    let found = judge(&previews, &gauges, &[], &noise);
    let definition = Definition { previews: &previews, gauges: &gauges, noise: &noise };
    let mut by_place: BTreeMap<(bool, i64, i64), &JoinElement> = BTreeMap::new();
    let key = |is_row: bool, (x_px, y_px): (f64, f64)| (is_row, (2.0 * x_px) as i64, (2.0 * y_px) as i64);
    for join in &found.joins {
        let is_row = matches!(join.side, Side::Left | Side::Right);
        assert!(by_place.insert(key(is_row, (join.x_px, join.y_px)), join).is_none());
    }
    let (mut known, mut summed, mut both) = (0, 0, 0);
    for (is_row, line) in [true, false].into_iter().flat_map(|is_row| (-30..40).map(move |l| (is_row, l))) {
        let block = |line: i64, place: i64| if is_row { (place, line) } else { (line, place) };
        let edges = definition.edges(line, &block);
        for (index, own) in edges.iter().enumerate() {
            let at = 0.5 * (centre_px(own.lower) + centre_px(own.upper));
            let place = if is_row { (at, centre_px(line)) } else { (centre_px(line), at) };
            let Some(join) = by_place.remove(&key(is_row, place)) else {
                // A gap between what does not touch.
                assert!(own.upper - own.lower > 1 && own.steps[0].is_none());
                continue;
            };
            assert_eq!(join.sources, own.sources);
            let before = index.checked_sub(1).map(|before| &edges[before]);
            let beside: Vec<&Expected> = before
                .filter(|edge| edge.upper == own.lower)
                .into_iter()
                .chain(edges.get(index + 1).filter(|edge| edge.lower == own.upper))
                .collect();
            let is_told = |edge: &&Expected| edge.steps.iter().all(Option::is_some);
            if !is_told(&own) || !beside.iter().all(is_told) {
                continue;
            }
            known += 1;
            both += usize::from(own.sources > 1);
            let sign = if matches!(join.side, Side::Right | Side::Above) { 1.0 } else { -1.0 };
            for channel in 0..3 {
                let alone = own.steps[channel].unwrap();
                let mut best = alone;
                for edge in &beside {
                    let (step, variance) = edge.steps[channel].unwrap();
                    if (alone.0 + step).abs() > best.0.abs() {
                        best = (alone.0 + step, alone.1 + variance);
                        summed += 1;
                    }
                }
                assert!((join.step_after[channel] - sign * best.0).abs() < 1e-7, "{join:?} {best:?}");
                assert!((join.error[channel] / best.1.sqrt() - 1.0).abs() < 1e-6, "{join:?} {best:?}");
                let of_block = |place: i64| {
                    let there = definition.all(block(line, place));
                    let weight = |of: &usize| noise[*of].weight[channel];
                    let square: f64 =
                        there.iter().map(|of| (weight(of) * noise[*of].sigma[channel]).powi(2)).sum();
                    square.sqrt() / there.iter().map(weight).sum::<f64>()
                };
                let least = of_block(own.lower).min(of_block(own.upper));
                assert!((join.noise[channel] / least - 1.0).abs() < 1e-9);
            }
        }
    }
    assert!(by_place.is_empty() && known > 700 && summed > 500 && both > 100, "{known} {summed} {both}");
    assert!(found.verdict() != Verdict::Pass && found.channels.len() == 3);
    let length: f64 = found.channels.iter().map(|channel| channel.join_px).sum();
    assert_eq!(length, found.overall.join_px);
}

#[test]
fn the_order_of_the_sources_changes_nothing() {
    let (previews, gauges, noise) = many();
    let found = judge(&previews, &gauges, &[], &noise);
    let order: Vec<usize> = (0..60).map(|index| (index * 37 + 11) % 60).collect();
    let turned: Vec<Preview> = order.iter().map(|index| previews[*index].clone()).collect();
    let turned_gauges: Vec<FrameGauge> = order.iter().map(|index| gauges[*index]).collect();
    let turned_noise: Vec<PixelNoise> = order.iter().map(|index| noise[*index]).collect();
    let again = judge(&turned, &turned_gauges, &[], &turned_noise);
    assert_eq!(found.join_elements, again.join_elements);
    let mut other_leads = 0;
    for (one, other) in found.joins.iter().zip(&again.joins) {
        assert_eq!((one.x_px, one.y_px, one.sources), (other.x_px, other.y_px, other.sources));
        // Of several of which nothing tells it is the first.
        let is_same = (one.source, one.side) == (order[other.source], other.side);
        assert!(is_same || one.sources > 1, "{one:?} {other:?}");
        other_leads += usize::from(!is_same);
        for channel in 0..3 {
            let (a, b) = (one.step_after[channel], other.step_after[channel]);
            assert!((a - b).abs() < 1e-9 || (a.is_nan() && b.is_nan()), "{one:?} {other:?}");
        }
    }
    assert!(50 * other_leads < found.joins.len(), "{other_leads} of {}", found.joins.len());
    let same = (found.overall.share_below_after, found.overall.unmeasured_px);
    assert_eq!(same, (again.overall.share_below_after, again.overall.unmeasured_px));
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
    // Stripes of blocks: some of the sources end at each side of a block.
    let side = 360;
    let area = region(0, 0, side, side);
    let mut previews: Vec<Preview> =
        (0..6).map(|index| preview(area, 1, |_, x, _| 0.1 * x + f64::from(index * index))).collect();
    for (index, own) in previews.iter_mut().enumerate() {
        for (slot, level) in own.level[0].iter_mut().enumerate() {
            if (slot % side + slot / side + index) % 3 == 0 {
                *level = f32::NAN;
            }
        }
    }
    let found = judge(&previews, &[offset(0.0); 6], &[], &equal_noise(6));
    assert_eq!((found.join_elements, found.joins.len()), (2 * side * (side - 1), 100_000));
    let least = found.joins.iter().map(|join| join.sigmas()[1]).fold(f64::INFINITY, f64::min);
    assert!(found.overall.largest_after >= least && found.overall.rms_after < found.overall.largest_after);
    let stands = |join: &JoinElement| matches!(join.side, Side::Left | Side::Right);
    let place = |join: &JoinElement| {
        if stands(join) {
            (0, join.y_px as i64, join.x_px as i64)
        } else {
            (1, join.x_px as i64, join.y_px as i64)
        }
    };
    assert!(found.joins.is_sorted_by_key(place));
    assert_eq!(found.overall.join_px, (found.join_elements * BLOCK_PX) as f64);
}
