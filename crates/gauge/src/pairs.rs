//! Which frames are compared: for each frame the pairs of most common blocks, and whatever else connects what can be
//! connected.
//!
//! Common blocks are counted in eighths of the smaller of the two frames, and of pairs that are equal in this a hash
//! chooses: among hundreds of frames of one field that overlap alike, random pairs make a far stiffer network than
//! neighbours would. After that, as long as parts of the network share a block at all, the best pair of each part with
//! another part is added (Boruvka), so that the network holds a spanning forest of all overlaps.

use rayon::prelude::*;
use zemosaic_image::Region;
use zemosaic_sky::{Ball, PlaceIndex};

use crate::blocks::slot_in;
use crate::common_blocks::count_common;
use crate::network::{Link, Overlaps, keep_best, network, rank};
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

/// Found in the index per pair that is chosen, before common areas are ranked.
const FOUND_PER_PAIR: usize = 32;
/// Looked at by area per pair that is chosen, before common blocks are counted.
const CANDIDATES_PER_PAIR: usize = 4;

/// The pairs to compare, sorted.
pub fn choose_pairs(previews: &[Preview], options: &MatchOptions) -> Vec<Pair> {
    let balls: Vec<Ball> = previews.iter().map(|preview| ball(&preview.region)).collect();
    let valid = previews.par_iter().map(Preview::valid).collect();
    let common = CommonBlocks { previews, valid, options };
    let network = network(&PlaceIndex::new(&balls), &common, FOUND_PER_PAIR * options.pairs_per_frame);
    let pair = |link: Link| Pair { a: link.a, b: link.b, blocks: link.strength as usize };
    network.links.into_iter().map(pair).collect()
}

/// The circle around a region of blocks.
fn ball(region: &Region) -> Ball {
    let (half_width, half_height) = (region.width as f64 / 2.0, region.height as f64 / 2.0);
    Ball {
        centre: [region.x0 as f64 + half_width, region.y0 as f64 + half_height, 0.0],
        radius: half_width.hypot(half_height),
    }
}

struct CommonBlocks<'a> {
    previews: &'a [Preview],
    /// Blocks that have a level, per preview.
    valid: Vec<usize>,
    options: &'a MatchOptions,
}

impl CommonBlocks<'_> {
    fn region(&self, index: usize) -> &Region {
        &self.previews[index].region
    }

    fn common_area(&self, a: usize, b: usize) -> usize {
        self.region(a).intersect(self.region(b)).map_or(0, |region| region.area())
    }
}

fn is_valid(preview: &Preview, slot: usize) -> bool {
    preview.level.first().is_some_and(|level| !level[slot].is_nan())
}

/// Blocks in which a frame of a place has a level.
struct Covered {
    region: Region,
    is_covered: Vec<bool>,
}

/// Strength is the number of common blocks.
impl Overlaps for CommonBlocks<'_> {
    type Hull = Covered;

    fn hull(&self, members: &[usize]) -> Covered {
        let end = |of: fn(&Region) -> i64, pick: fn(i64, i64) -> i64| {
            members.iter().map(|&member| of(self.region(member))).reduce(pick).unwrap_or(0)
        };
        let (x0, y0) = (end(|r| r.x0, i64::min), end(|r| r.y0, i64::min));
        let (x1, y1) = (end(Region::x1, i64::max), end(Region::y1, i64::max));
        let region = Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize };
        let mut covered = Covered { region, is_covered: vec![false; region.area()] };
        for &member in members {
            let own = *self.region(member);
            for y in 0..own.height {
                let start = slot_in(&covered.region, own.x0, own.y0 + y as i64);
                for x in 0..own.width {
                    covered.is_covered[start + x] |= is_valid(&self.previews[member], y * own.width + x);
                }
            }
        }
        covered
    }

    fn reaches(&self, frame: usize, hull: &Covered) -> bool {
        let own = self.region(frame);
        let Some(both) = own.intersect(&hull.region) else { return false };
        (both.y0..both.y1()).any(|y| {
            (both.x0..both.x1()).any(|x| {
                hull.is_covered[slot_in(&hull.region, x, y)]
                    && is_valid(&self.previews[frame], slot_in(own, x, y))
            })
        })
    }

    fn strength(&self, a: usize, b: usize) -> u64 {
        if self.valid[a].min(self.valid[b]) == 0 {
            return 0;
        }
        count_common(&self.previews[a], &self.previews[b]) as u64
    }

    fn best(&self, frame: usize, candidates: &[usize]) -> (Vec<(usize, u64)>, u64) {
        let ranked = |other: usize, common: usize, of: usize| {
            (rank(frame, other, common as f64 / of.max(1) as f64), (other, common))
        };
        let mut by_area = Vec::new();
        for &other in candidates {
            let area = self.common_area(frame, other);
            if area >= self.options.min_blocks && self.valid[frame].min(self.valid[other]) > 0 {
                let smaller = self.region(frame).area().min(self.region(other).area());
                by_area.push(ranked(other, area, smaller));
            }
        }
        keep_best(&mut by_area, CANDIDATES_PER_PAIR * self.options.pairs_per_frame);
        let measured = by_area.len() as u64;
        let mut counted = Vec::new();
        for (_, (other, _)) in by_area {
            let blocks = count_common(&self.previews[frame], &self.previews[other]);
            if blocks >= self.options.min_blocks.max(1) {
                counted.push(ranked(other, blocks, self.valid[frame].min(self.valid[other])));
            }
        }
        keep_best(&mut counted, self.options.pairs_per_frame);
        (counted.into_iter().map(|(_, (other, blocks))| (other, blocks as u64)).collect(), measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::parts;

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
        assert_eq!(count_common(&first, &second), 8);
        assert_eq!(count_common(&second, &first), 8);
    }
}
