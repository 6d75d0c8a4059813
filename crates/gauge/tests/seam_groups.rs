//! The seam certificate where several sources end at one place, and where sources share no whole block.

use zemosaic_gauge::{
    BlockGrid, CertificateJob, FrameGauge, JoinElement, PixelNoise, Preview, SeamCertificate, Side, Verdict,
    seam_certificate,
};
use zemosaic_image::Region;
use zemosaic_testkit::rng::Rng;

const BLOCK_PX: usize = 16;
const SIGMA: f64 = 10.0;

fn centre_px(block: i64) -> f64 {
    (block as f64 + 0.5) * BLOCK_PX as f64 - 0.5
}

/// A source of one channel with these columns and rows of blocks, at `level` of the grid, each block with an error of 0.1.
fn source(
    columns: std::ops::Range<i64>,
    rows: std::ops::Range<i64>,
    level: impl Fn(f64, f64) -> f64,
) -> Preview {
    let region = Region {
        x0: columns.start,
        y0: rows.start,
        width: (columns.end - columns.start) as usize,
        height: (rows.end - rows.start) as usize,
    };
    let mut rng = Rng::for_keys(5, &[columns.start as u64, columns.end as u64, rows.start as u64]);
    let level = rows
        .flat_map(|y| columns.clone().map(move |x| (centre_px(x), centre_px(y))))
        .map(|(x, y)| (level(x, y) + rng.range(-0.17, 0.17)) as f32)
        .collect();
    Preview { region, level: vec![level], variance: vec![vec![0.01; region.area()]], stars: Vec::new() }
}

/// The blocks of some columns are not wholly inside the source, which reaches into them.
fn without_columns(mut source: Preview, columns: std::ops::Range<i64>) -> Preview {
    let region = source.region;
    for (slot, level) in source.level[0].iter_mut().enumerate() {
        if columns.contains(&(region.x0 + (slot % region.width) as i64)) {
            *level = f32::NAN;
        }
    }
    source
}

fn judge(previews: &[Preview]) -> SeamCertificate {
    let same = vec![FrameGauge::default(); previews.len()];
    let noise = vec![PixelNoise { sigma: [SIGMA; 3], weight: [1.0 / (SIGMA * SIGMA); 3] }; previews.len()];
    let blocks = BlockGrid { block_px: BLOCK_PX };
    let job = CertificateJob { previews, blocks, before: &same, after: &same, pairs: &[], noise: &noise };
    seam_certificate(&job, &())
}

fn flat(level: f64) -> impl Fn(f64, f64) -> f64 {
    move |_, _| level
}

#[test]
fn sources_that_end_together_are_judged_together() {
    // Two panels of six, the second higher by 10: the mosaic has 100, 105, 110, though each source alone makes a twelfth of 10.
    let panels = |dither: [i64; 6]| -> Vec<Preview> {
        [(0, 0.0), (9, 10.0)]
            .into_iter()
            .flat_map(|(x0, on_top)| {
                dither.map(|dx| source(x0 + dx..x0 + 13 + dx, 0..12, flat(100.0 + on_top)))
            })
            .collect()
    };
    let noise = SIGMA / 12f64.sqrt();
    let found = judge(&panels([0; 6]));
    // Twelve rows of the left side of the second and the right side of the first.
    assert_eq!((found.join_elements, found.overall.join_px), (24, 384.0));
    for (index, join) in found.joins.iter().enumerate() {
        let side = if index % 2 == 0 { Side::Left } else { Side::Right };
        let step = if index % 2 == 0 { 5.0 } else { -5.0 };
        assert_eq!((join.sources, join.side), (6, side));
        for found in [join.step_before[0], join.step_after[0]] {
            // Equal regions have equal errors here.
            assert!((found - step).abs() < 0.1, "{join:?}");
        }
        assert!((join.noise[0] - noise).abs() < 1e-9);
        // Two means of six, of 12 to 20 blocks.
        let error = 0.5 * 0.1 * (std::f64::consts::FRAC_PI_2 / 3.0).sqrt();
        assert!((12.0..=20.0).contains(&(error / join.error[0]).powi(2).round()), "{join:?}");
    }
    assert!((found.overall.largest_after - 5.0 / noise).abs() < 0.1, "{:?}", found.overall);
    assert!(found.verdict() == Verdict::Fail && found.overall.share_below_after == 0.0);
    // Dithered over a border of blocks three end at either side of it: both sides tell the sum.
    let found = judge(&panels([0, 1, 0, 1, 1, 0]));
    let between = |join: &&JoinElement| (100.0..250.0).contains(&join.x_px);
    assert_eq!(found.joins.iter().filter(between).count(), 48);
    for join in found.joins.iter().filter(between) {
        assert!(join.sources == 3 && (join.step_after[0].abs() - 5.0).abs() < 0.25, "{join:?}");
    }
    // Within the panels there are 24 sides at which nothing is to be seen.
    assert!(found.verdict() == Verdict::Fail && (found.overall.share_below_after - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_source_is_compared_with_those_that_go_on() {
    // Of a panel that ends here and there within 64 px the last source is 10 above the one that goes on, as all are.
    let mut previews: Vec<Preview> = (0..4).map(|index| source(0..10 + index, 0..8, flat(110.0))).collect();
    previews.push(source(0..30, 0..8, flat(100.0)));
    let found = judge(&previews);
    assert_eq!(found.join_elements, 32);
    for join in &found.joins {
        // 10 x share with n of the panel and one other: 8, 7.5, 6.7, 5, 0. Adjacent ones add up.
        let share = |n: f64| 10.0 * n / (n + 1.0);
        let sums = [share(4.0) - share(2.0), share(3.0) - share(1.0), share(2.0), share(2.0)];
        assert!((join.step_after[0] - sums[join.source]).abs() < 0.2, "{join:?} {sums:?}");
    }
}

#[test]
fn steps_have_their_sign() {
    let all = |on_top: [f64; 2]| {
        judge(&[
            source(0..10, 0..8, flat(100.0 + on_top[0])),
            source(0..20, 0..8, flat(100.0)),
            source(10..20, 0..8, flat(100.0 + on_top[1])),
        ])
    };
    // The one ends where the other begins: from the mean of two to the mean of two.
    for (on_top, step) in [([4.0, 4.0], 0.0), ([4.0, -4.0], 4.0), ([4.0, 0.0], 2.0), ([0.0, -6.0], 3.0)] {
        let found = all(on_top);
        assert_eq!(found.join_elements, 8);
        for join in &found.joins {
            assert_eq!(join.sources, 2);
            let sign = if join.side == Side::Right { 1.0 } else { -1.0 };
            assert!((sign * join.step_after[0] - step).abs() < 0.15, "{on_top:?} {join:?}");
        }
        // Of a noise of 10 / sqrt(2).
        let expected = if step < 0.3 * SIGMA / 2f64.sqrt() { Verdict::Pass } else { Verdict::Fail };
        assert_eq!(found.verdict(), expected);
    }
    // Two that end together, one as far above as the other is below.
    let found = judge(&[
        source(0..10, 0..8, flat(106.0)),
        source(1..10, 0..8, flat(94.0)),
        source(-9..20, 0..8, flat(100.0)),
    ]);
    let ends = found.joins.iter().filter(|join| join.x_px > 100.0);
    assert!(ends.clone().count() == 8 && ends.clone().all(|join| join.sources == 2));
    assert!(ends.clone().all(|join| join.step_after[0].abs() < 0.15), "{:?}", found.joins);
}

/// A sky with a gradient and a bow.
fn sky(x: f64, y: f64) -> f64 {
    1000.0 + 0.1 * x - 0.05 * y + 2e-4 * (x - 150.0) * (x - 150.0)
}

#[test]
fn sources_that_share_no_whole_block_are_compared_by_what_is_beside_them() {
    let apart = |on_top: f64, first: i64| {
        [source(0..10, 0..8, sky), source(first..20, 0..8, move |x, y| sky(x, y) + on_top)]
    };
    let found = judge(&apart(50.0, 10));
    assert_eq!((found.join_elements, found.overall.unmeasured_px), (8, 0.0));
    for join in &found.joins {
        let sign = if join.side == Side::Right { -1.0 } else { 1.0 };
        assert!((join.step_after[0] - sign * 50.0).abs() < 5.0 * join.error[0], "{join:?}");
        assert!(join.error[0] > 0.02 && join.error[0] < 0.4 && join.sources == 2, "{join:?}");
    }
    assert_eq!((found.verdict(), found.overall.share_below_after), (Verdict::Fail, 0.0));
    let found = judge(&apart(0.0, 10));
    assert_eq!((found.verdict(), found.overall.unmeasured_px), (Verdict::Pass, 0.0));
    // A block of both that neither has wholly is no gap; two that end before it do not touch.
    let narrow = |on_top: f64| {
        let [first, second] = apart(on_top, 10);
        [without_columns(source(0..11, 0..8, sky), 10..11), without_columns(second, 10..11), first]
    };
    let [first, second, whole] = narrow(50.0);
    let found = judge(&[first, second.clone()]);
    assert_eq!((found.join_elements, found.verdict()), (8, Verdict::Fail));
    assert!(
        found.joins.iter().all(|join| (join.step_after[0].abs() - 50.0).abs() < 1.0 && join.x_px == 167.5)
    );
    assert_eq!(judge(&[whole, second]).join_elements, 0);
    // A block that all miss, as of a bright star, ends none.
    let holed = [0..10, 3..14].map(|columns| without_columns(source(columns, 0..8, sky), 6..7));
    assert_eq!(judge(&holed).join_elements, 16);
}

#[test]
fn what_cannot_be_measured_does_not_pass() {
    // Stars all over: the levels on either side of the one join do not tell of the step.
    let rough = |x: f64, y: f64| sky(x, y) + 40.0 * ((x * 12.9898 + y * 78.233).sin() * 43758.5453).fract();
    let mut previews = vec![source(0..10, 0..8, rough), source(10..20, 0..8, rough)];
    let found = judge(&previews);
    assert_eq!((found.overall.join_px, found.overall.unmeasured_px), (0.0, 128.0));
    assert_eq!((found.overall.unmeasured_share(), found.verdict()), (1.0, Verdict::Unknown));
    assert!(found.joins.iter().all(|join| join.step_after[0].is_nan() && join.error[0].is_nan()));
    // Among as much again that passes it is still most of it; of more than 95 % that pass the rest does not matter.
    let far = |row: i64| [source(100..110, row..row + 8, sky), source(105..115, row..row + 8, sky)];
    let mut shares = Vec::new();
    for row in 0..11 {
        previews.extend(far(20 * row));
        let found = judge(&previews);
        shares.push(found.overall.unmeasured_share());
        assert_eq!(found.overall.share_below_after, 1.0, "of what was measured");
        let expected = if 2 * (row + 1) >= 19 { Verdict::Pass } else { Verdict::Unknown };
        assert_eq!((found.verdict(), found.channels[0].verdict), (expected, expected), "{shares:?}");
    }
    assert!((shares[0] - 1.0 / 3.0).abs() < 1e-9 && shares[9] < 0.05);
    // What is bad counts though much is not known.
    previews.push(source(200..210, 0..8, sky));
    previews.push(source(205..215, 0..8, |x, y| sky(x, y) + 9.0));
    assert_eq!(judge(&previews).verdict(), Verdict::Fail);
}
