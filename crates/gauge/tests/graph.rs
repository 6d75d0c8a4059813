//! The overlap graph against its definition over all pairs, and 100,000 frames.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};

use zemosaic_gauge::{GraphOptions, MatchOptions, OverlapGraph, Preview, choose_pairs, overlap_graph};
use zemosaic_image::Region;
use zemosaic_sky::{Footprint, SkyFrame, Wcs, overlap_groups, pair_hash};
use zemosaic_testkit::rng::Rng;

const FRAMES: usize = 100_000;

/// A frame of 1.0 x 0.75 times `size_deg`.
fn frame(lon: f64, lat: f64, angle_deg: f64, size_deg: f64) -> Footprint {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let k = size_deg / 1000.0;
    let wcs =
        Wcs::tan([lon, lat], [499.5, 374.5], [[-k * c, k * s], [k * s, k * c]], SkyFrame::Icrs).unwrap();
    Footprint::of(&wcs, 1000, 750).unwrap()
}

type PairSet = BTreeSet<(usize, usize)>;

/// The network by its definition: `share` for the best pairs (0: none), `strength` for bridges.
fn all_pairs(
    count: usize,
    per_frame: usize,
    share: &dyn Fn(usize, usize) -> f64,
    strength: &dyn Fn(usize, usize) -> f64,
) -> (PairSet, PairSet) {
    let mut best = BTreeSet::new();
    for own in 0..count {
        let mut ranked: Vec<_> = (0..count)
            .filter(|&other| other != own)
            .map(|other| ((own.min(other), own.max(other)), share(own.min(other), own.max(other))))
            .filter(|(_, share)| *share > 0.0)
            .map(|((a, b), share)| ((share * 8.0) as usize, pair_hash(a, b), (a, b)))
            .collect();
        ranked.sort_unstable();
        best.extend(ranked.iter().rev().take(per_frame).map(|ranked| ranked.2));
    }
    let mut bridges = BTreeSet::new();
    loop {
        let mut part: Vec<usize> = (0..count).collect();
        for &(a, b) in best.iter().chain(&bridges) {
            let (keep, drop) = (part[a].min(part[b]), part[a].max(part[b]));
            part.iter_mut().filter(|p| **p == drop).for_each(|p| *p = keep);
        }
        let mut found: BTreeMap<usize, (f64, (usize, usize))> = BTreeMap::new();
        for a in 0..count {
            for b in a + 1..count {
                let strength = strength(a, b);
                if part[a] == part[b] || strength <= 0.0 {
                    continue;
                }
                for own in [part[a], part[b]] {
                    let best = found.entry(own).or_insert((strength, (a, b)));
                    if strength > best.0 {
                        *best = (strength, (a, b));
                    }
                }
            }
        }
        if found.is_empty() {
            return (best, bridges);
        }
        bridges.extend(found.into_values().map(|(_, pair)| pair));
    }
}

fn pairs_of(graph: &OverlapGraph, is_bridge: bool) -> PairSet {
    graph.edges.iter().filter(|edge| edge.is_bridge == is_bridge).map(|edge| (edge.a, edge.b)).collect()
}

/// The same groups, whatever their numbers.
fn first_of_group(group: &[usize]) -> Vec<usize> {
    let mut first = BTreeMap::new();
    group.iter().enumerate().map(|(frame, group)| *first.entry(*group).or_insert(frame)).collect()
}

#[test]
fn small_sets_are_those_of_all_pairs() {
    let mut rng = Rng::for_keys(4, &[1]);
    for set in 0..12_u32 {
        let spread = [1.0, 3.0, 9.0][set as usize % 3];
        let footprints: Vec<Footprint> = (0..60)
            .map(|_| {
                let at = (rng.uniform() * spread, 80.0 + rng.uniform() * spread);
                frame(3.0 * at.0, at.1, 360.0 * rng.uniform(), 0.4 + rng.uniform())
            })
            .collect();
        for (pairs_per_frame, min_share) in [(8, 0.0), (1, 0.0), (2, 0.3), (0, 0.0)] {
            let graph = overlap_graph(&footprints, &GraphOptions { pairs_per_frame, min_share });
            let share = |a: usize, b: usize| {
                let share = footprints[a].common_share(&footprints[b]);
                if share >= min_share { share } else { 0.0 }
            };
            let (best, bridges) = all_pairs(60, pairs_per_frame, &share, &share);
            assert_eq!((pairs_of(&graph, false), pairs_of(&graph, true)), (best, bridges), "set {set}");
            assert_eq!(graph.bridges, pairs_of(&graph, true).len());
            for edge in &graph.edges {
                let area = footprints[edge.a].common_area_sr(&footprints[edge.b]);
                assert!((edge.area_sr / area - 1.0).abs() < 1e-12 && edge.share == share(edge.a, edge.b));
            }
            if min_share == 0.0 {
                assert_eq!(first_of_group(&graph.part), first_of_group(&overlap_groups(&footprints)));
            }
            assert_eq!(graph.part_sizes().iter().sum::<usize>(), 60);
        }
    }
    let nothing = overlap_graph(&[], &GraphOptions::default());
    assert!(nothing.edges.is_empty() && nothing.parts == 0);
    let alone =
        overlap_graph(&[frame(0.0, 0.0, 0.0, 1.0), frame(9.0, 0.0, 0.0, 1.0)], &GraphOptions::default());
    assert_eq!((alone.alone(), alone.part_sizes(), alone.examined), (vec![0, 1], vec![1, 1], 0));
}

/// Turned frames have corners of their region without blocks.
fn preview(rng: &mut Rng, spread: f64) -> Preview {
    let (width, height) = (6 + (8.0 * rng.uniform()) as usize, 6 + (8.0 * rng.uniform()) as usize);
    let region = Region {
        x0: (spread * rng.uniform()) as i64 - 20,
        y0: (spread * rng.uniform()) as i64,
        width,
        height,
    };
    let cut = (rng.uniform() * 5.0) as usize;
    let level = (0..region.area())
        .map(|slot| {
            let (x, y) = (slot % width, slot / width);
            if x + y < cut || (width - 1 - x) + (height - 1 - y) < cut { f32::NAN } else { 1.0 }
        })
        .collect();
    Preview { region, level: vec![level], variance: vec![vec![1.0; region.area()]], stars: Vec::new() }
}

#[test]
fn pairs_of_previews_are_those_of_all_pairs() {
    let mut rng = Rng::for_keys(4, &[2]);
    for set in 0..12_u32 {
        let spread = [20.0, 60.0, 150.0][set as usize % 3];
        let previews: Vec<Preview> = (0..50).map(|_| preview(&mut rng, spread)).collect();
        for (pairs_per_frame, min_blocks) in [(16, 4), (13, 10)] {
            let options = MatchOptions { pairs_per_frame, min_blocks, ..MatchOptions::default() };
            let valid = |a: usize, b: usize| previews[a].valid().min(previews[b].valid()) as f64;
            let common = |a: usize, b: usize| {
                let (p, q) = (&previews[a], &previews[b]);
                let Some(both) = p.region.intersect(&q.region) else { return 0 };
                let at = |p: &Preview, x: i64, y: i64| {
                    let slot = (y - p.region.y0) as usize * p.region.width + (x - p.region.x0) as usize;
                    usize::from(!p.level[0][slot].is_nan())
                };
                let points = (both.y0..both.y1()).flat_map(|y| (both.x0..both.x1()).map(move |x| (x, y)));
                points.map(|(x, y)| at(p, x, y) * at(q, x, y)).sum::<usize>()
            };
            let share = |a: usize, b: usize| {
                let common = common(a, b);
                if common >= min_blocks { common as f64 / valid(a, b) } else { 0.0 }
            };
            let (best, bridges) = all_pairs(50, pairs_per_frame, &share, &|a, b| common(a, b) as f64);
            let found = choose_pairs(&previews, &options);
            assert!(found.is_sorted() && found.iter().all(|pair| pair.blocks == common(pair.a, pair.b)));
            let found: PairSet = found.iter().map(|pair| (pair.a, pair.b)).collect();
            assert_eq!(found, best.union(&bridges).copied().collect(), "set {set}");
        }
    }
}

/// 300 x 333 fields that overlap by a fifth of their sides, each row turned a little.
fn survey() -> Vec<Footprint> {
    let size = 0.2;
    (0..FRAMES)
        .map(|i| {
            let (column, row) = ((i % 300) as f64, (i / 300) as f64);
            let dec = -20.0 + row * 0.8 * 0.75 * size;
            frame(350.0 + column * 0.8 * size / dec.to_radians().cos(), dec, row % 5.0, size)
        })
        .collect()
}

/// 50 fields of 2,000 frames, dithered; every fifth field is apart from the others.
fn fields() -> Vec<Footprint> {
    let mut rng = Rng::for_keys(4, &[3]);
    (0..FRAMES)
        .map(|i| {
            let field = i % 50;
            let at = (field % 10) as f64 * 0.85;
            let gap = if field % 10 < 5 { 0.0 } else { 0.4 };
            let dither = (0.02 * rng.normal(), 0.02 * rng.normal());
            let row = (field / 10) as f64 * 0.6 + 50.0 * f64::from(field >= 40);
            let dec = -1.0 + row + dither.1;
            frame((at + gap + dither.0) / dec.to_radians().cos(), dec, 360.0 * f64::from(i % 7 == 0), 1.0)
        })
        .collect()
}

#[test]
fn a_survey_of_100_000_frames() {
    let footprints = survey();
    let graph = overlap_graph(&footprints, &GraphOptions::default());
    assert!(graph.examined < 40 * FRAMES as u64, "{}", graph.examined);
    assert_eq!((graph.parts, graph.bridges), (1, 0));
    assert_eq!(overlap_groups(&footprints), vec![0; FRAMES]);
    // Left, right, up and down, and the corners.
    assert!(graph.edges.len() > 3 * FRAMES && graph.edges.len() < 5 * FRAMES, "{}", graph.edges.len());
    // Each only with its own best: still one part.
    let thin = overlap_graph(&footprints, &GraphOptions { pairs_per_frame: 1, min_share: 0.0 });
    assert_eq!(thin.parts, 1);
    assert!(thin.edges.len() < FRAMES + FRAMES / 4, "{}", thin.edges.len());
}

#[test]
fn fields_of_100_000_frames() {
    let footprints = fields();
    let options = GraphOptions::default();
    let graph = overlap_graph(&footprints, &options);
    assert!(graph.examined < 200 * FRAMES as u64, "{}", graph.examined);
    assert_eq!(first_of_group(&graph.part), first_of_group(&overlap_groups(&footprints)));
    assert_eq!(graph.part_sizes(), vec![40_000, 40_000, 10_000, 10_000]);
    assert!(graph.edges.len() <= options.pairs_per_frame * FRAMES + graph.bridges);
    // Every frame has its pairs, with frames of much common area.
    let mut degree = vec![0; FRAMES];
    for edge in &graph.edges {
        degree[edge.a] += 1;
        degree[edge.b] += 1;
    }
    assert!(degree.iter().all(|degree| *degree >= options.pairs_per_frame));
    assert!(graph.edges.iter().filter(|edge| edge.share > 0.7).count() > 9 * graph.edges.len() / 10);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| overlap_graph(&footprints[..10_000], &options))
    };
    assert_eq!(on(1), on(3));
}
