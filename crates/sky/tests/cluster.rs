//! Groups of frames: what must hold of any clustering, and ZeMosaic's rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use zemosaic_sky::{ClusterFrame, ClusterOptions, SkyFrame, Wcs, cluster_frames};

/// A square frame of 0.5 deg, `time` in hours.
fn frame(lon: f64, lat: f64, angle_deg: f64, time: f64) -> ClusterFrame {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let k = 0.5 / 500.0;
    let wcs =
        Wcs::tan([lon, lat], [249.5, 249.5], [[-k * c, k * s], [k * s, k * c]], SkyFrame::Icrs).unwrap();
    ClusterFrame::of(&wcs, 500, 500, Some(time)).unwrap()
}

/// Only the components.
fn plain(threshold_deg: f64) -> ClusterOptions {
    ClusterOptions {
        threshold_deg: Some(threshold_deg),
        max_width_fields: 0.0,
        min_group_size: 0,
        ..ClusterOptions::default()
    }
}

fn groups(frames: &[ClusterFrame], options: &ClusterOptions) -> Vec<Vec<usize>> {
    cluster_frames(frames, options).groups
}

/// `count` frames around a place, spread over `spread_deg`.
fn panel(lon: f64, lat: f64, count: usize, spread_deg: f64) -> Vec<ClusterFrame> {
    (0..count)
        .map(|i| {
            let (s, c) = (i as f64 * 2.4).sin_cos();
            let r = spread_deg / 2.0 * (i as f64 / count as f64).sqrt();
            frame(lon + r * s / lat.to_radians().cos().max(0.01), lat + r * c, 0.0, i as f64)
        })
        .collect()
}

#[test]
fn across_zero_and_over_the_pole_is_near() {
    let wrap = [frame(359.99, 10.0, 0.0, 0.0), frame(0.01, 10.0, 0.0, 0.0), frame(0.2, 10.0, 0.0, 0.0)];
    assert_eq!(groups(&wrap, &plain(0.05)), [vec![0, 1], vec![2]]);
    let pole = [frame(0.0, 89.99, 0.0, 0.0), frame(180.0, 89.99, 0.0, 0.0), frame(90.0, -89.99, 0.0, 0.0)];
    assert_eq!(groups(&pole, &plain(0.05)), [vec![0, 1], vec![2]]);
    let same_cosine = [frame(10.0, 80.0, 0.0, 0.0), frame(10.5, 80.0, 0.0, 0.0)];
    assert_eq!(groups(&same_cosine, &plain(0.1)).len(), 1, "0.5 deg of longitude are 0.087 deg there");
    assert_eq!(groups(&same_cosine, &plain(0.08)).len(), 2);
}

#[test]
fn the_threshold_follows_the_spread() {
    let threshold = |spread: f64| {
        let frames: Vec<ClusterFrame> =
            (0..20).map(|i| frame(50.0, spread * f64::from(i) / 19.0, 0.0, 0.0)).collect();
        cluster_frames(&frames, &ClusterOptions::default()).threshold_deg
    };
    assert_eq!([0.11, 0.29, 0.59, 3.0].map(threshold), [0.10, 0.15, 0.08, 0.20]);
    // Frames far apart: nearly each alone, so the threshold is relaxed, at most to 1 deg.
    let sparse = |step: f64| {
        let frames: Vec<ClusterFrame> = (0..10).map(|i| frame(50.0, step * f64::from(i), 0.0, 0.0)).collect();
        cluster_frames(&frames, &ClusterOptions { max_width_fields: 0.0, ..ClusterOptions::default() })
    };
    assert!((sparse(0.4).threshold_deg - 0.48).abs() < 1e-9);
    assert_eq!(sparse(0.4).groups.len(), 1);
    assert_eq!(sparse(2.0).threshold_deg, 1.0);
    assert_eq!(sparse(2.0).groups.len(), 10, "nothing overlaps, nothing joins");
}

#[test]
fn relaxing_keeps_orientations_apart() {
    let frames: Vec<ClusterFrame> =
        (0..10).map(|i| frame(50.0, 0.4 * f64::from(i), 20.0 * f64::from(i % 2), 0.0)).collect();
    let options = ClusterOptions {
        orientation_split_deg: Some(5.0),
        max_width_fields: 0.0,
        min_group_size: 0,
        ..ClusterOptions::default()
    };
    let clusters = cluster_frames(&frames, &options);
    for group in &clusters.groups {
        assert!(group.iter().all(|at| at % 2 == group[0] % 2), "{clusters:?}");
    }
}

#[test]
fn orientations_go_round() {
    let at = |angle: f64| frame(50.0, 20.0, angle, 0.0);
    let frames = [at(359.0), at(1.0), at(10.0), at(90.0), at(91.5), at(270.0)];
    let options = ClusterOptions { orientation_split_deg: Some(5.0), ..plain(0.1) };
    assert_eq!(groups(&frames, &options), [vec![0, 1], vec![2], vec![3, 4], vec![5]]);
    let wide = ClusterOptions { orientation_split_deg: Some(120.0), ..plain(0.1) };
    assert_eq!(groups(&frames, &wide).len(), 1);
}

#[test]
fn a_wanted_number_of_groups() {
    let mut frames = Vec::new();
    for (i, step) in [0.0, 1.0, 2.2, 3.7, 5.5].into_iter().enumerate() {
        frames.extend(panel(20.0 + step, 5.0, 6 + i, 0.05));
    }
    for wanted in 1..=5 {
        let options =
            ClusterOptions { target_groups: Some(wanted), min_group_size: 0, ..ClusterOptions::default() };
        assert_eq!(groups(&frames, &options).len(), wanted);
    }
}

#[test]
fn chains_are_cut_to_the_field_of_view() {
    let drift: Vec<ClusterFrame> =
        (0..300).map(|i| frame(80.0, -30.0 + 0.01 * f64::from(i), 0.0, f64::from(i))).collect();
    assert_eq!(groups(&drift, &plain(0.05)).len(), 1);
    let cut = groups(&drift, &ClusterOptions { threshold_deg: Some(0.05), ..ClusterOptions::default() });
    assert!((6..=10).contains(&cut.len()), "3 deg in fields of 0.5 deg: {}", cut.len());
    for group in &cut {
        assert!(group.last().unwrap() - group[0] <= 50, "{group:?}");
        assert_eq!(group.last().unwrap() - group[0] + 1, group.len(), "a stretch of the chain");
    }
}

#[test]
fn caps_cut_in_time_and_wide_groups_on_the_sky() {
    let mut frames = panel(80.0, 30.0, 100, 0.04);
    let capped = |max_frames| ClusterOptions { max_frames, ..plain(0.1) };
    let sizes: Vec<usize> = groups(&frames, &capped(30)).iter().map(Vec::len).collect();
    assert_eq!(sizes, [25, 25, 25, 25]);
    assert_eq!(groups(&frames, &capped(30))[1], (25..50).collect::<Vec<_>>(), "times are in order");
    assert_eq!(groups(&frames, &capped(100)).len(), 1);
    // Two panels that are one component.
    frames.extend(panel(80.3, 30.0, 100, 0.04));
    let two = groups(&frames, &ClusterOptions { threshold_deg: Some(0.4), ..capped(100) });
    assert_eq!(two, [(0..100).collect::<Vec<_>>(), (100..200).collect()]);
}

#[test]
fn small_groups_join_what_they_overlap_and_nothing_else() {
    let mut frames = panel(80.0, 30.0, 20, 0.04);
    frames.extend(panel(80.8, 30.0, 20, 0.04));
    frames.push(frame(80.35, 30.0, 0.0, 0.0)); // between both, nearer to the first
    frames.push(frame(200.0, -10.0, 0.0, 0.0)); // far off
    let options = ClusterOptions { min_group_size: 3, max_width_fields: 1.0, ..plain(0.1) };
    let mut first: Vec<usize> = (0..20).collect();
    first.push(40);
    assert_eq!(groups(&frames, &options), [first, (20..40).collect(), vec![41]]);
    // Too wide a result, or another orientation: it stays alone.
    let narrow = ClusterOptions { max_width_fields: 0.2, ..options };
    assert_eq!(groups(&frames, &narrow).len(), 4);
    frames[40] = frame(80.35, 30.0, 45.0, 0.0);
    let turned = ClusterOptions { orientation_split_deg: Some(10.0), ..options };
    assert_eq!(groups(&frames, &turned).len(), 4);
}

#[test]
fn ten_thousand_frames_take_no_time() {
    for spread in [0.01, 1.0, 30.0] {
        let frames: Vec<ClusterFrame> = (0..10_000)
            .map(|i| {
                let (a, b) = (f64::from(i) * 0.754_877_666, f64::from(i) * 0.569_840_291);
                frame(100.0 + spread * a.fract(), 20.0 + spread * b.fract(), 0.0, f64::from(i))
            })
            .collect();
        let start = std::time::Instant::now();
        let clusters = cluster_frames(&frames, &ClusterOptions::default());
        eprintln!("{spread} deg: {} groups in {:?}", clusters.groups.len(), start.elapsed());
        assert_eq!(clusters.groups.iter().map(Vec::len).sum::<usize>(), 10_000);
    }
}

/// The definition: all pairs.
fn by_definition(
    frames: &[(f64, f64, f64)],
    threshold_deg: f64,
    orientation: Option<f64>,
) -> Vec<Vec<usize>> {
    let unit = |&(lon, lat, _): &(f64, f64, f64)| zemosaic_sky::unit_vector(lon, lat);
    let mut group: Vec<usize> = (0..frames.len()).collect();
    for a in 0..frames.len() {
        for b in 0..a {
            let near =
                zemosaic_sky::angle_rad(&unit(&frames[a]), &unit(&frames[b])).to_degrees() < threshold_deg;
            let turn = (frames[a].2 - frames[b].2).rem_euclid(360.0);
            if near && orientation.is_none_or(|limit| turn.min(360.0 - turn) <= limit) {
                let (old, new) = (group[a].max(group[b]), group[a].min(group[b]));
                group.iter_mut().filter(|own| **own == old).for_each(|own| *own = new);
            }
        }
    }
    (0..frames.len())
        .map(|root| (0..frames.len()).filter(|at| group[*at] == root).collect::<Vec<_>>())
        .filter(|group| !group.is_empty())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn components_are_those_of_the_definition(
        places in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64, 0..72_i32), 1..60),
        lat in -89.0..89.0_f64,
        threshold in 0.02..1.5_f64,
        split in prop::option::of(3.3..200.0_f64),
    ) {
        let places: Vec<(f64, f64, f64)> = places
            .iter()
            .map(|(x, y, turn)| (x / lat.to_radians().cos(), lat + y, f64::from(*turn) * 5.0 + 0.5))
            .collect();
        let frames: Vec<ClusterFrame> =
            places.iter().map(|(lon, lat, turn)| frame(*lon, *lat, *turn, 0.0)).collect();
        let options = ClusterOptions { orientation_split_deg: split, ..plain(threshold) };
        prop_assert_eq!(groups(&frames, &options), by_definition(&places, threshold, split));
    }

    #[test]
    fn the_order_of_frames_does_not_count(
        places in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64, 0..8_i32, 0..50_i32), 1..80),
        seed in any::<u64>(),
        max_frames in 0..9_usize,
        min_group_size in 0..6_usize,
        split in prop::option::of(5.0..90.0_f64),
        target in prop::option::of(1..6_usize),
    ) {
        let of = |&(x, y, turn, time): &(f64, f64, i32, i32)| {
            frame(x, y + 60.0, f64::from(turn) * 45.0, f64::from(time))
        };
        let options = ClusterOptions {
            max_frames,
            min_group_size,
            orientation_split_deg: split,
            target_groups: target,
            ..ClusterOptions::default()
        };
        let straight: Vec<ClusterFrame> = places.iter().map(of).collect();
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|at| (*at as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let shuffled: Vec<ClusterFrame> = order.iter().map(|at| of(&places[*at])).collect();
        let expected = groups(&straight, &options);
        let mut found: Vec<Vec<usize>> = groups(&shuffled, &options)
            .into_iter()
            .map(|group| {
                let mut group: Vec<usize> = group.into_iter().map(|at| order[at]).collect();
                group.sort_unstable();
                group
            })
            .collect();
        found.sort();
        prop_assert_eq!(&found, &expected);
        let mut all: Vec<usize> = expected.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..places.len()).collect::<Vec<_>>(), "each frame once");
        if max_frames > 0 {
            prop_assert!(expected.iter().all(|group| group.len() <= max_frames));
        }
    }
}
