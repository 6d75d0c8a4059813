//! Variances of offsets whose links share noise. With x = Z B' W e, Z the pseudo-inverse of the matrix (mean zero in each part), W
//! the weights and e the noise of the links made of independent sources, e = W^-1/2 S s, the covariance is Z B' W^1/2 S S' W^1/2 B Z
//! (Liang & Zeger 1986, Biometrika 73, 13: the "sandwich"); with a source of its own for each link it is Z.
//!
//! Row by row where that is affordable: one row of Z takes a solution with the exact factor. Elsewhere probed with random signs for
//! the sources: the ratio of the mean squares of the solutions and of the variances that independent links would have, each
//! summed over a node and its neighbours, times the latter.

use rayon::prelude::*;

use super::block;
use super::conjugate::{self, Goal};
use super::factor::Factor;
use super::pattern::Pattern;
use super::system::System;
use super::variance::variances;

/// Rows at a time.
pub(crate) const LANES: usize = 8;
/// Products that all rows may take.
const EXACT_PRODUCTS: usize = 2_000_000_000;
/// Probes with an exact factor, in batches of [`LANES`].
const BATCHES: usize = 6;
/// Probes without.
const PROBES: usize = 16;
/// How exact these are.
const PROBE_GOAL: Goal = Goal { tolerance: 1e-3, iterations: 300 };

/// What the noise of links is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Independent sources of variance 1.
    pub count: usize,
    /// Per link its start in `parts`, and the end.
    pub starts: Vec<usize>,
    /// Source and part; the squares of a link's parts add up to 1.
    pub parts: Vec<(u32, f32)>,
}

impl Sources {
    fn of(&self, link: usize) -> &[(u32, f32)] {
        &self.parts[self.starts[link]..self.starts[link + 1]]
    }
}

/// Variance of the unknown of each place. The links are those of `sources`, the matrix is the sum of their weights.
pub(crate) fn shared_variances(parts: (&Pattern, &System<1>, &Factor<1>), sources: &Sources) -> Vec<f64> {
    let (pattern, system, factor) = parts;
    // Places of the first and the second node of each link, and the root of its weight.
    let ends = pattern.ends.iter().zip(&system.off);
    let links: Vec<(usize, usize, f64)> = ends
        .map(|((later, earlier, is_b_later), off)| {
            let (a, b) = if *is_b_later { (*earlier, *later) } else { (*later, *earlier) };
            (a, b, (-off[0][0]).max(0.0).sqrt())
        })
        .collect();
    let row = 4 * (pattern.rows.len() + pattern.nodes()) + sources.parts.len() + sources.count;
    if factor.is_exact(pattern) && row.saturating_mul(pattern.nodes()) <= EXACT_PRODUCTS {
        by_rows((pattern, factor), &links, sources)
    } else {
        probed(parts, &links, sources)
    }
}

/// Node by node.
fn by_rows(
    (pattern, factor): (&Pattern, &Factor<1>),
    links: &[(usize, usize, f64)],
    sources: &Sources,
) -> Vec<f64> {
    let places: Vec<usize> = (0..pattern.nodes()).collect();
    let of_some = |some: &[usize]| {
        let mut x = vec![[0.0; LANES]; pattern.nodes()];
        for (lane, place) in some.iter().enumerate() {
            x[*place][lane] = 1.0;
        }
        pattern.centre_lanes(&mut x);
        factor.solve_lanes(pattern, &mut x);
        pattern.centre_lanes(&mut x);
        let mut sums = vec![[0.0; LANES]; sources.count];
        for (link, (a, b, root)) in links.iter().enumerate() {
            let step: [f64; LANES] = std::array::from_fn(|lane| root * (x[*a][lane] - x[*b][lane]));
            for (source, part) in sources.of(link) {
                let part = f64::from(*part);
                for (sum, step) in sums[*source as usize].iter_mut().zip(&step) {
                    *sum += part * step;
                }
            }
        }
        let square = |lane: usize| sums.iter().fold(0.0, |all, sum| all + sum[lane] * sum[lane]);
        (0..some.len()).map(square).collect::<Vec<f64>>()
    };
    places.par_chunks(LANES).flat_map_iter(of_some).collect()
}

/// By random signs.
fn probed(
    (pattern, system, factor): (&Pattern, &System<1>, &Factor<1>),
    links: &[(usize, usize, f64)],
    sources: &Sources,
) -> Vec<f64> {
    let mut state = 0x5eed_u64;
    let mut sign = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 63 == 0 { 1.0 } else { -1.0 }
    };
    let mut right_of = || {
        let signs: Vec<f64> = (0..sources.count).map(|_| sign()).collect();
        let mut right = vec![[0.0]; pattern.nodes()];
        for (link, (a, b, root)) in links.iter().enumerate() {
            let noise = sources
                .of(link)
                .iter()
                .fold(0.0, |sum, (source, part)| sum + f64::from(*part) * signs[*source as usize]);
            right[*a][0] += root * noise;
            right[*b][0] -= root * noise;
        }
        right
    };
    let nodes = pattern.nodes();
    let mut squares = vec![0.0; nodes];
    let alone: Vec<f64>;
    let probes;
    if factor.is_exact(pattern) {
        probes = BATCHES * LANES;
        for _ in 0..BATCHES {
            let rights: [Vec<[f64; 1]>; LANES] = std::array::from_fn(|_| right_of());
            let mut x: Vec<[f64; LANES]> =
                (0..nodes).map(|place| std::array::from_fn(|lane| rights[lane][place][0])).collect();
            pattern.centre_lanes(&mut x);
            factor.solve_lanes(pattern, &mut x);
            pattern.centre_lanes(&mut x);
            for (square, x) in squares.iter_mut().zip(&x) {
                *square += x.iter().fold(0.0, |sum, x| sum + x * x);
            }
        }
        alone = variances((pattern, system, factor), 0).iter().map(|own| own[0]).collect();
    } else {
        probes = PROBES;
        for _ in 0..PROBES {
            let mut x = vec![[0.0]; nodes];
            conjugate::solve((pattern, system, factor), &right_of(), &mut x, PROBE_GOAL);
            for (square, x) in squares.iter_mut().zip(&x) {
                *square += x[0] * x[0];
            }
        }
        // In a random network what is beyond the inverse of the diagonal is small.
        let near = |diagonal: &block::Block<1>| if diagonal[0][0] > 0.0 { 1.0 / diagonal[0][0] } else { 0.0 };
        alone = system.diagonal.iter().map(near).collect();
    }
    let (mut found, mut expected) = (squares.clone(), alone.clone());
    for (a, b, _) in links {
        for (own, other) in [(*a, *b), (*b, *a)] {
            found[own] += squares[other];
            expected[own] += alone[other];
        }
    }
    let ratio = |place: usize| if expected[place] > 0.0 { found[place] / expected[place] } else { 0.0 };
    (0..nodes).map(|place| alone[place] * ratio(place) / probes as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::system::LinkBlocks;

    /// Frames of rows of 20 with links to neighbours, in two parts, weights from 1 to 2.
    fn system(most: usize) -> (Pattern, System<1>) {
        let nodes = 200;
        let near = |a: usize| [a + 1, a + 2, a + 20, a + 21].map(|b| (a, b));
        let links: Vec<(usize, usize)> =
            (0..nodes).flat_map(near).filter(|(a, b)| *b < nodes && (*a < 140) == (*b < 140)).collect();
        let pattern = Pattern::new(nodes, &links, most);
        let mut system = System::new(&pattern);
        for link in 0..links.len() {
            let w = 1.0 + (link % 7) as f64 / 7.0;
            let blocks = LinkBlocks { aa: [[w]], bb: [[w]], ab: [[-w]], a: [0.0], b: [0.0] };
            system.add(&pattern, link, &blocks);
        }
        (pattern, system)
    }

    /// One source for each link.
    fn own(links: usize) -> Sources {
        Sources {
            count: links,
            starts: (0..=links).collect(),
            parts: (0..links).map(|link| (link as u32, 1.0)).collect(),
        }
    }

    #[test]
    fn independent_links_have_the_variances_of_the_matrix() {
        for most in [usize::MAX, 0] {
            let (pattern, system) = system(most);
            let factor = Factor::new(&pattern, &system);
            let found = shared_variances((&pattern, &system, &factor), &own(pattern.ends.len()));
            let (exact, whole) = self::system(usize::MAX);
            let expected = variances((&exact, &whole, &Factor::new(&exact, &whole)), 0);
            let expected = exact.to_nodes(&expected);
            let ratio = |node: usize| found[pattern.place[node]] / expected[node][0].max(f64::MIN_POSITIVE);
            let mean = (0..200).map(ratio).sum::<f64>() / 200.0;
            let most = (0..200).map(|node| (ratio(node) - 1.0).abs()).fold(0.0, f64::max);
            let limits = if pattern.is_exact { (1e-9, 1e-9) } else { (0.2, 0.7) };
            assert!((mean - 1.0).abs() < limits.0 && most < limits.1, "{}: {mean} {most}", pattern.is_exact);
        }
    }

    /// Links that share the noise of their nodes: with one source per node of which each link has both, offsets miss by that noise
    /// itself, less its mean.
    #[test]
    fn noise_of_nodes_comes_back_as_it_is() {
        let nodes = 30;
        let links: Vec<(usize, usize)> =
            (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect();
        let pattern = Pattern::new(nodes, &links, usize::MAX);
        let mut system = System::new(&pattern);
        let blocks = LinkBlocks { aa: [[0.5]], bb: [[0.5]], ab: [[-0.5]], a: [0.0], b: [0.0] };
        (0..links.len()).for_each(|link| system.add(&pattern, link, &blocks));
        let half = 0.5f32.sqrt();
        let sources = Sources {
            count: nodes,
            starts: (0..=links.len()).map(|link| 2 * link).collect(),
            parts: links.iter().flat_map(|(a, b)| [(*a as u32, half), (*b as u32, -half)]).collect(),
        };
        let factor = Factor::new(&pattern, &system);
        let parts = (&pattern, &system, &factor);
        // Variance 2 of a difference, 1 of a node.
        let expected = 1.0 - 1.0 / nodes as f64;
        for own in shared_variances(parts, &sources) {
            assert!((own - expected).abs() < 1e-6, "{own}");
        }
        // Independent links would have 2 / 30.
        assert!(variances(parts, 0).iter().all(|own| own[0] < 0.07));
        let links = pattern.ends.iter().map(|(later, earlier, is_b_later)| {
            let (a, b) = if *is_b_later { (*earlier, *later) } else { (*later, *earlier) };
            (a, b, 0.5f64.sqrt())
        });
        for own in probed(parts, &links.collect::<Vec<_>>(), &sources) {
            assert!((own / expected - 1.0).abs() < 0.2, "{own}");
        }
    }
}
