//! Which frames are compared: for each frame the pairs of most common blocks, and whatever else connects what can be
//! connected.
//!
//! Common blocks are counted in eighths of the smaller of the two frames, and of pairs that are equal in this a hash
//! chooses: among hundreds of frames of one field that overlap alike, random pairs make a far stiffer network than
//! neighbours would. After that, as long as parts of the network share a block at all, the best pair of each part with
//! another part is added (Boruvka), so that the network holds a spanning forest of all overlaps.

use rayon::prelude::*;

use crate::options::MatchOptions;
use crate::preview::Preview;

/// Two frames with common blocks; `a` comes first in the order of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Index of a frame.
    pub a: usize,
    /// Index of a later frame.
    pub b: usize,
    /// Blocks that both have.
    pub blocks: usize,
}

/// Looked at by area per pair that is chosen, before common blocks are counted.
const CANDIDATES_PER_PAIR: usize = 4;
/// Steps in which an overlap is counted.
const SHARES: usize = 8;

/// The pairs to compare, sorted.
pub fn choose_pairs(previews: &[Preview], options: &MatchOptions) -> Vec<Pair> {
    let valid: Vec<usize> = previews.par_iter().map(Preview::valid).collect();
    let best: Vec<Vec<Pair>> = (0..previews.len())
        .into_par_iter()
        .map(|index| best_pairs(index, previews, &valid, options))
        .collect();
    let mut pairs: Vec<Pair> = best.into_iter().flatten().collect();
    pairs.sort_unstable();
    pairs.dedup();
    connect(previews, &valid, &mut pairs);
    pairs
}

/// Blocks that both have.
fn common_blocks(a: &Preview, b: &Preview) -> usize {
    let (Some(first), Some(second)) = (a.level.first(), b.level.first()) else { return 0 };
    let Some(both) = a.region.intersect(&b.region) else { return 0 };
    let row = |preview: &Preview, y: i64| {
        (y - preview.region.y0) as usize * preview.region.width + (both.x0 - preview.region.x0) as usize
    };
    (both.y0..both.y1())
        .map(|y| {
            let (a, b) = (&first[row(a, y)..][..both.width], &second[row(b, y)..][..both.width]);
            a.iter().zip(b).filter(|(a, b)| !a.is_nan() && !b.is_nan()).count()
        })
        .sum()
}

/// Order in which pairs are preferred: share of the overlap first, then a hash of the two (splitmix64).
fn rank(a: usize, b: usize, common: usize, of: usize) -> (usize, u64) {
    let mut hash = ((a as u64) << 32 | b as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (common * SHARES / of.max(1), hash ^ (hash >> 31))
}

fn best_pairs(index: usize, previews: &[Preview], valid: &[usize], options: &MatchOptions) -> Vec<Pair> {
    let own = &previews[index].region;
    let mut candidates: Vec<((usize, u64), usize)> = Vec::new();
    for (other, preview) in previews.iter().enumerate() {
        let area = own.intersect(&preview.region).map_or(0, |region| region.area());
        if other == index || area < options.min_blocks || valid[other] == 0 || valid[index] == 0 {
            continue;
        }
        let smaller = own.area().min(preview.region.area());
        candidates.push((rank(index.min(other), index.max(other), area, smaller), other));
    }
    let keep = |list: &mut Vec<((usize, u64), usize)>, count: usize| {
        list.sort_unstable_by(|a, b| b.cmp(a));
        list.truncate(count);
    };
    keep(&mut candidates, CANDIDATES_PER_PAIR * options.pairs_per_frame);
    let mut counted = Vec::new();
    let mut blocks_of = std::collections::BTreeMap::new();
    for (_, other) in candidates {
        let blocks = common_blocks(&previews[index], &previews[other]);
        if blocks >= options.min_blocks.max(1) {
            blocks_of.insert(other, blocks);
            let smaller = valid[index].min(valid[other]);
            counted.push((rank(index.min(other), index.max(other), blocks, smaller), other));
        }
    }
    keep(&mut counted, options.pairs_per_frame);
    let pair = |other: usize| Pair { a: index.min(other), b: index.max(other), blocks: blocks_of[&other] };
    counted.into_iter().map(|(_, other)| pair(other)).collect()
}

/// Number of the connected part of each of `count` nodes, numbered by their first node; isolated nodes are parts too.
pub(crate) fn parts(count: usize, links: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    fn root(parent: &mut [usize], mut node: usize) -> usize {
        while parent[node] != node {
            parent[node] = parent[parent[node]];
            node = parent[node];
        }
        node
    }
    let mut parent: Vec<usize> = (0..count).collect();
    for (a, b) in links {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        // The root is always the first node of its part.
        parent[a.max(b)] = a.min(b);
    }
    let mut number = vec![0; count];
    let mut next = 0;
    for node in 0..count {
        let root = root(&mut parent, node);
        if root == node {
            number[node] = next;
            next += 1;
        } else {
            number[node] = number[root];
        }
    }
    number
}

/// Adds pairs until parts share no block.
fn connect(previews: &[Preview], valid: &[usize], pairs: &mut Vec<Pair>) {
    loop {
        let part = parts(previews.len(), pairs.iter().map(|pair| (pair.a, pair.b)));
        let count = part.iter().max().map_or(0, |last| last + 1);
        if count < 2 {
            return;
        }
        // The best pair of each frame with another part; of equals the first.
        let best_of = |index: usize| -> Option<Pair> {
            let mut best: Option<Pair> = None;
            for (other, preview) in previews.iter().enumerate() {
                let limit = best.map_or(0, |pair| pair.blocks);
                let area = previews[index].region.intersect(&preview.region).map_or(0, |r| r.area());
                if part[other] == part[index] || area.min(valid[index]).min(valid[other]) <= limit {
                    continue;
                }
                let blocks = common_blocks(&previews[index], preview);
                if blocks > limit {
                    best = Some(Pair { a: index.min(other), b: index.max(other), blocks });
                }
            }
            best
        };
        let found: Vec<Option<Pair>> = (0..previews.len()).into_par_iter().map(best_of).collect();
        let mut best: Vec<Option<Pair>> = vec![None; count];
        for (index, pair) in found.into_iter().enumerate() {
            let best = &mut best[part[index]];
            // Of equals the one that comes first by its frames, so that no ring of equals is added.
            let is_better = |new: &Pair| {
                best.is_none_or(|old| {
                    (new.blocks, std::cmp::Reverse((new.a, new.b)))
                        > (old.blocks, std::cmp::Reverse((old.a, old.b)))
                })
            };
            if let Some(pair) = pair.filter(is_better) {
                *best = Some(pair);
            }
        }
        let before = pairs.len();
        pairs.extend(best.into_iter().flatten());
        pairs.sort_unstable();
        pairs.dedup();
        if pairs.len() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use zemosaic_image::Region;

    use super::*;

    fn preview(x0: i64, y0: i64, width: usize, height: usize) -> Preview {
        let region = Region { x0, y0, width, height };
        let plane = vec![vec![0.0; region.area()]];
        Preview { region, level: plane.clone(), variance: plane, stars: Vec::new() }
    }

    #[test]
    fn a_strip_is_connected_and_pruned() {
        let previews: Vec<Preview> = (0..40).map(|i| preview(4 * i, 0, 10, 6)).collect();
        let options = MatchOptions { pairs_per_frame: 2, ..MatchOptions::default() };
        let pairs = choose_pairs(&previews, &options);
        assert_eq!(parts(40, pairs.iter().map(|pair| (pair.a, pair.b))), vec![0; 40]);
        assert!(pairs.len() <= 80 && pairs.iter().all(|pair| pair.a < pair.b));
        assert!(pairs.iter().all(|pair| pair.blocks == 6 * (10 - 4 * (pair.b - pair.a))));
    }

    #[test]
    fn clusters_are_joined_by_few_blocks() {
        let mut previews: Vec<Preview> = (0..5).map(|_| preview(0, 0, 10, 10)).collect();
        previews.extend((0..5).map(|_| preview(9, 9, 10, 10)));
        previews.push(preview(100, 0, 10, 10));
        let pairs = choose_pairs(&previews, &MatchOptions::default());
        assert_eq!(parts(11, pairs.iter().map(|p| (p.a, p.b))), [[0; 10].as_slice(), &[1]].concat());
        let bridges: Vec<&Pair> = pairs.iter().filter(|pair| pair.a < 5 && pair.b >= 5).collect();
        assert_eq!(bridges, [&Pair { a: 0, b: 5, blocks: 1 }]);
    }

    #[test]
    fn blocks_without_level_are_not_common() {
        let mut first = preview(0, 0, 4, 4);
        let second = preview(1, -1, 4, 4);
        first.level[0][5] = f32::NAN;
        assert_eq!(common_blocks(&first, &second), 8);
        assert_eq!(common_blocks(&second, &first), 8);
    }
}
