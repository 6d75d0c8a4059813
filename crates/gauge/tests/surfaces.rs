//! Offsets and surfaces of frames whose true ones are known.

mod common;

use common::eliminated;
use zemosaic_gauge::solve::Difference;
use zemosaic_gauge::{
    BlockDifference, Surface, SurfaceOrder, SurfacePair, SurfaceSolution, Undetermined, solve_offsets,
    solve_surfaces,
};
use zemosaic_testkit::rng::Rng;

const BLOCK_PX: f64 = 64.0;
/// Of a frame's block, so that the difference of two has 0.4.
const NOISE: f64 = 0.283;
/// Blocks of a frame.
const SIZE: [i64; 2] = [16, 10];

/// Frames at places of a block grid, and what must be added to each.
struct Scene {
    corners: Vec<[i64; 2]>,
    truth: Vec<(f64, Surface)>,
    /// Levels of each frame's blocks, rows first: minus the truth, and noise.
    levels: Vec<Vec<f64>>,
    noise: f64,
}

impl Scene {
    /// Surfaces whose coefficients are of `amplitude`.
    fn new(corners: Vec<[i64; 2]>, amplitude: f64, noise: f64, rng: &mut Rng) -> Self {
        let mut truth = Vec::new();
        for corner in &corners {
            let side =
                |axis: usize| [corner[axis] as f64 * BLOCK_PX, (corner[axis] + SIZE[axis]) as f64 * BLOCK_PX];
            let mut surface = Surface::over(side(0), side(1));
            surface.coefficients = std::array::from_fn(|_| amplitude * (2.0 * rng.uniform() - 1.0));
            truth.push((200.0 * rng.uniform(), surface));
        }
        let mut scene = Self { corners, truth, levels: Vec::new(), noise };
        for frame in 0..scene.corners.len() {
            let level = |(x, y): (i64, i64)| -scene.truth_at(frame, x, y) + noise * rng.normal();
            scene.levels.push(scene.places(frame).into_iter().map(level).collect());
        }
        scene
    }

    fn places(&self, frame: usize) -> Vec<(i64, i64)> {
        let [x0, y0] = self.corners[frame];
        (0..SIZE[1]).flat_map(|y| (0..SIZE[0]).map(move |x| (x0 + x, y0 + y))).collect()
    }

    fn truth_at(&self, frame: usize, x: i64, y: i64) -> f64 {
        let (offset, surface) = &self.truth[frame];
        offset + surface.at((x as f64 + 0.5) * BLOCK_PX, (y as f64 + 0.5) * BLOCK_PX)
    }

    fn level(&self, frame: usize, x: i64, y: i64) -> Option<f64> {
        let [x0, y0] = self.corners[frame];
        let (x, y) = (x - x0, y - y0);
        ((0..SIZE[0]).contains(&x) && (0..SIZE[1]).contains(&y))
            .then(|| self.levels[frame][(y * SIZE[0] + x) as usize])
    }

    fn pairs(&self) -> Vec<SurfacePair> {
        let mut pairs = Vec::new();
        for a in 0..self.corners.len() {
            for b in a + 1..self.corners.len() {
                let block = |(x, y): (i64, i64)| {
                    Some(BlockDifference {
                        x_px: (x as f64 + 0.5) * BLOCK_PX,
                        y_px: (y as f64 + 0.5) * BLOCK_PX,
                        value: self.level(a, x, y)? - self.level(b, x, y)?,
                        variance: 2.0 * self.noise.max(1e-4).powi(2),
                    })
                };
                let blocks: Vec<BlockDifference> = self.places(a).into_iter().filter_map(block).collect();
                if blocks.len() >= 4 {
                    pairs.push(SurfacePair { a, b, blocks });
                }
            }
        }
        pairs
    }

    fn solve(&self, order: SurfaceOrder) -> SurfaceSolution {
        let pairs = self.pairs();
        let mean = |pair: &SurfacePair| {
            let n = pair.blocks.len() as f64;
            let value = pair.blocks.iter().map(|block| block.value).sum::<f64>() / n;
            Difference { a: pair.a, b: pair.b, value, variance: pair.blocks[0].variance / n }
        };
        let differences: Vec<Difference> = pairs.iter().map(mean).collect();
        let start = solve_offsets(self.corners.len(), &differences).offsets;
        let geometry: Vec<Surface> = self.truth.iter().map(|(_, surface)| surface.times(0.0)).collect();
        solve_surfaces(&geometry, &pairs, order, &start)
    }

    /// Root mean square over all frames and blocks of what the solution misses, one common quadratic taken out.
    fn miss(&self, solution: &SurfaceSolution) -> f64 {
        let mut samples = Vec::new();
        for frame in 0..self.corners.len() {
            for (x, y) in self.places(frame) {
                let (px, py) = ((x as f64 + 0.5) * BLOCK_PX, (y as f64 + 0.5) * BLOCK_PX);
                let found = solution.offsets[frame] + solution.surfaces[frame].at(px, py);
                let (u, v) = (px / 2000.0 - 0.5, py / 2000.0 - 0.5);
                samples.push(([1.0, u, v, u * u, u * v, v * v], found - self.truth_at(frame, x, y)));
            }
        }
        let common = fit(&samples);
        let rest =
            |(terms, value): &([f64; 6], f64)| value - (0..6).map(|k| terms[k] * common[k]).sum::<f64>();
        (samples.iter().map(|sample| rest(sample).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }
}

/// Least squares of six terms.
fn fit(samples: &[([f64; 6], f64)]) -> [f64; 6] {
    let mut rows = vec![vec![0.0; 7]; 6];
    for (terms, value) in samples {
        for i in 0..6 {
            for j in 0..6 {
                rows[i][j] += terms[i] * terms[j];
            }
            rows[i][6] += terms[i] * value;
        }
    }
    let found = eliminated(rows);
    std::array::from_fn(|k| found[k][0])
}

/// 27 frames anywhere in a field of 3 x 2 frames.
fn field(rng: &mut Rng) -> Vec<[i64; 2]> {
    let at =
        |rng: &mut Rng, axis: usize, frames: i64| rng.below(((frames - 1) * SIZE[axis] + 1) as usize) as i64;
    (0..27).map(|_| [at(rng, 0, 3), at(rng, 1, 2)]).collect()
}

fn strip(frames: i64) -> Vec<[i64; 2]> {
    (0..frames).map(|index| [index * 9, (index * 7) % 4]).collect()
}

#[test]
fn a_random_field() {
    for seed in [1, 2, 3, 4] {
        let mut rng = Rng::for_keys(seed, &[]);
        let scene = Scene::new(field(&mut rng), 5.0, NOISE, &mut rng);
        let solution = scene.solve(SurfaceOrder::Quadratic);
        let miss = scene.miss(&solution);
        println!(
            "{seed}: {miss:.4}, rounds {}, width {:?}, excess {:.4}, chi2 {:.0} of {}",
            solution.rounds,
            solution.prior_width,
            solution.excess,
            solution.chi2,
            solution.degrees_of_freedom
        );
        assert!(miss < 0.3, "{seed}: {miss}");
        assert!(solution.offsets.iter().sum::<f64>().abs() < 1e-9);
        assert!(
            (1.0..8.0).contains(&solution.prior_width[0]) && (1.0..8.0).contains(&solution.prior_width[4])
        );
        let reduced = solution.chi2 / solution.degrees_of_freedom as f64;
        assert!((0.9..1.1).contains(&reduced), "{seed}: {reduced}");
        assert_eq!(
            solution.undetermined[0].to_string(),
            "a surface common to all frames of part 1 (5 terms)"
        );
    }
}

#[test]
fn errors_are_what_coefficients_miss() {
    let (mut offsets, mut terms, mut frames) = (0.0, [0.0; 5], 0.0);
    for seed in 100..220 {
        let mut rng = Rng::for_keys(seed, &[]);
        let scene = Scene::new(field(&mut rng), 5.0, NOISE, &mut rng);
        let solution = scene.solve(SurfaceOrder::Quadratic);
        let mean = scene.truth.iter().map(|(offset, _)| offset).sum::<f64>() / 27.0;
        for (frame, (offset, surface)) in scene.truth.iter().enumerate() {
            offsets += ((solution.offsets[frame] - offset + mean) / solution.offset_error[frame]).powi(2);
            for (term, sum) in terms.iter_mut().enumerate() {
                let miss = solution.surfaces[frame].coefficients[term] - surface.coefficients[term];
                *sum += (miss / solution.error[frame][term]).powi(2);
            }
            frames += 1.0;
        }
    }
    let squares = [offsets, terms[0], terms[1], terms[2], terms[3], terms[4]].map(|sum| sum / frames);
    println!("mean squares of normalised errors {squares:.3?}");
    assert!(squares.iter().all(|square| (0.7..1.4).contains(square)), "{squares:?}");
}

#[test]
fn planes_where_planes_are_asked_for() {
    let mut rng = Rng::for_keys(6, &[]);
    let mut scene = Scene::new(field(&mut rng), 5.0, 0.0, &mut rng);
    for frame in 0..27 {
        scene.truth[frame].1.coefficients[2..].fill(0.0);
        let places = scene.places(frame);
        scene.levels[frame] = places.into_iter().map(|(x, y)| -scene.truth_at(frame, x, y)).collect();
    }
    let solution = scene.solve(SurfaceOrder::Plane);
    let miss = scene.miss(&solution);
    assert!(miss < 1e-6, "{miss}");
    assert!(solution.surfaces.iter().all(|surface| surface.coefficients[2..] == [0.0; 3]));
    assert_eq!(solution.prior_width[2..], [0.0; 3]);
    assert_eq!(solution.undetermined[0], Undetermined::Common { part: 0, terms: 2 });
}

#[test]
fn a_strip() {
    let mut rng = Rng::for_keys(7, &[]);
    let scene = Scene::new(strip(20), 5.0, 0.4, &mut rng);
    let solution = scene.solve(SurfaceOrder::Quadratic);
    // Errors of a chain of parabolas add up along it; neighbours agree.
    let neighbours: f64 = scene
        .pairs()
        .iter()
        .map(|pair| {
            let n = pair.blocks.len() as f64;
            let rest = |block: &BlockDifference| {
                let level = |frame: usize| {
                    let (x, y) = (
                        (block.x_px / BLOCK_PX - 0.5).round() as i64,
                        (block.y_px / BLOCK_PX - 0.5).round() as i64,
                    );
                    solution.offsets[frame] + solution.surfaces[frame].at(block.x_px, block.y_px)
                        - scene.truth_at(frame, x, y)
                };
                (level(pair.a) - level(pair.b)).powi(2)
            };
            pair.blocks.iter().map(rest).sum::<f64>() / n
        })
        .sum::<f64>()
        / scene.pairs().len() as f64;
    println!(
        "steps {:.3}, miss {:.3}, widths {:?}",
        neighbours.sqrt(),
        scene.miss(&solution),
        solution.prior_width
    );
    assert!(neighbours.sqrt() < 0.3, "{neighbours}");
    assert!(scene.miss(&solution) < 5.0);
}

#[test]
fn without_noise_it_is_exact() {
    let mut rng = Rng::for_keys(9, &[]);
    let scene = Scene::new(field(&mut rng), 5.0, 0.0, &mut rng);
    let miss = scene.miss(&scene.solve(SurfaceOrder::Quadratic));
    assert!(miss < 1e-6, "{miss}");
}

#[test]
fn a_nebula_in_a_corner_does_not_bend_a_frame() {
    let mut rng = Rng::for_keys(12, &[]);
    let mut scene = Scene::new(field(&mut rng), 5.0, NOISE, &mut rng);
    let clean = scene.solve(SurfaceOrder::Quadratic);
    for y in 0..4 {
        for x in 0..5 {
            scene.levels[5][(y * SIZE[0] + x) as usize] += 25.0 - 2.0 * (x + y) as f64;
        }
    }
    let solution = scene.solve(SurfaceOrder::Quadratic);
    let miss = scene.miss(&solution);
    println!("{:.4} to {miss:.4}", scene.miss(&clean));
    assert!(miss < 0.3, "{miss}");
}

#[test]
fn without_gradients_there_are_no_surfaces() {
    for seed in [14, 15, 16] {
        let mut rng = Rng::for_keys(seed, &[]);
        let scene = Scene::new(field(&mut rng), 0.0, 0.4, &mut rng);
        let solution = scene.solve(SurfaceOrder::Quadratic);
        let most =
            solution.surfaces.iter().flat_map(|s| s.coefficients).fold(0.0_f64, |most, c| most.max(c.abs()));
        println!(
            "largest coefficient {most:.5}, widths {:?}, rounds {}",
            solution.prior_width, solution.rounds
        );
        assert!(most < 0.02, "{most}");
        assert!(
            solution.undetermined.contains(&Undetermined::Order { order: 2 }),
            "{:?}",
            solution.undetermined
        );
    }
}

#[test]
fn what_overlaps_do_not_tell_is_named() {
    let mut rng = Rng::for_keys(18, &[]);
    let mut corners = field(&mut rng);
    // Two blocks by three in common with the field; two frames far away, and one alone.
    let [right, bottom] =
        [0, 1].map(|axis| corners.iter().map(|corner| corner[axis]).max().unwrap() + SIZE[axis]);
    let last = corners.iter().copied().max_by_key(|corner| corner[0] * 100 + corner[1]).unwrap();
    corners.push([last[0] + SIZE[0] - 2, last[1] + SIZE[1] - 3]);
    corners.extend([[right + 100, 0], [right + 103, 2], [0, bottom + 100]]);
    let solution = Scene::new(corners, 5.0, 0.4, &mut rng).solve(SurfaceOrder::Quadratic);
    let has = |what: Undetermined| solution.undetermined.contains(&what);
    assert!(
        has(Undetermined::Common { part: 0, terms: 5 }) && has(Undetermined::Common { part: 1, terms: 5 })
    );
    assert!(has(Undetermined::Frame { frame: 27, order: 1 }), "{:?}", solution.undetermined);
    assert!(
        has(Undetermined::Frame { frame: 30, order: 1 }) && has(Undetermined::Frame { frame: 30, order: 2 })
    );
    assert!(
        !solution.undetermined.iter().any(|what| matches!(what, Undetermined::Frame { frame: 0..27, .. }))
    );
    assert_eq!(solution.offsets[30], 0.0);
    assert!(solution.surfaces[30].is_zero());
}
