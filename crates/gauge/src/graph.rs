//! The overlap graph of a mosaic from the outlines of its frames alone: for each frame the pairs of most common area, and
//! whatever else connects what can be connected. `docs/methods/overlaps.md` has the method.
//!
//! Area is counted in eighths of the smaller of the two frames, and of pairs that are equal in this a hash chooses, as in
//! `pairs`: a deep stack becomes a random network, in which errors do not add up from neighbour to neighbour.

use zemosaic_sky::{Footprint, FootprintHull, PlaceIndex};

use crate::network::{Overlaps, keep_best, linked, network, parts, rank};

/// Frames looked at per pair that is chosen.
const CANDIDATES_PER_PAIR: usize = 8;
/// Frames looked at where few pairs are chosen.
const LEAST_CANDIDATES: usize = 64;

/// What becomes part of the graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphOptions {
    /// Pairs that are chosen for each frame.
    pub pairs_per_frame: usize,
    /// Common area over that of the smaller frame that a pair needs; 0: any.
    pub min_share: f64,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { pairs_per_frame: 16, min_share: 0.0 }
    }
}

/// Two frames that share sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Index of a frame.
    pub a: usize,
    /// Index of a later frame.
    pub b: usize,
    /// Common area over that of the smaller of the two.
    pub share: f64,
    /// Common area, steradian.
    pub area_sr: f64,
    /// Not among the best pairs of either frame: kept only to connect.
    pub is_bridge: bool,
}

/// The graph.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlapGraph {
    /// Sorted by `a`, then `b`.
    pub edges: Vec<Overlap>,
    /// Connected part of each frame, from 0 in the order of their first frames.
    pub part: Vec<usize>,
    /// How many parts there are; a frame without overlap is a part of its own.
    pub parts: usize,
    /// Edges that are kept only to connect.
    pub bridges: usize,
    /// Pairs whose area was asked for.
    pub examined: u64,
}

impl OverlapGraph {
    /// Frames of each part, largest first.
    pub fn part_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.parts];
        for &part in &self.part {
            sizes[part] += 1;
        }
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }

    /// Frames that overlap no other, in order.
    pub fn alone(&self) -> Vec<usize> {
        let is_linked = linked(self.part.len(), self.edges.iter().map(|edge| (edge.a, edge.b)));
        (0..self.part.len()).filter(|&frame| !is_linked[frame]).collect()
    }
}

struct Outlines<'a> {
    footprints: &'a [Footprint],
    options: &'a GraphOptions,
}

impl Outlines<'_> {
    /// Common area over that of the smaller; 0 for what is no pair.
    fn share(&self, a: usize, b: usize) -> f64 {
        let share = self.footprints[a.min(b)].common_share(&self.footprints[a.max(b)]);
        if share >= self.options.min_share { share } else { 0.0 }
    }

    fn smaller_sr(&self, a: usize, b: usize) -> f64 {
        self.footprints[a].area_sr().min(self.footprints[b].area_sr())
    }
}

/// Strength is the share: of floats that are not negative the bits have their order.
impl Overlaps for Outlines<'_> {
    type Hull = FootprintHull;

    fn hull(&self, members: &[usize]) -> FootprintHull {
        let members: Vec<&Footprint> = members.iter().map(|&frame| &self.footprints[frame]).collect();
        FootprintHull::around(&members)
    }

    fn reaches(&self, frame: usize, hull: &FootprintHull) -> bool {
        hull.is_reached_by(&self.footprints[frame])
    }

    fn strength(&self, a: usize, b: usize) -> u64 {
        self.share(a, b).to_bits()
    }

    fn best(&self, frame: usize, candidates: &[usize]) -> (Vec<(usize, u64)>, u64) {
        if self.options.pairs_per_frame == 0 {
            return (Vec::new(), 0);
        }
        let shares = candidates.iter().map(|&other| (other, self.share(frame, other)));
        let mut ranked: Vec<_> = shares
            .filter(|(_, share)| *share > 0.0)
            .map(|(other, share)| (rank(frame, other, share), (other, share)))
            .collect();
        keep_best(&mut ranked, self.options.pairs_per_frame);
        let best = ranked.into_iter().map(|(_, (other, share))| (other, share.to_bits())).collect();
        (best, candidates.len() as u64)
    }
}

/// The overlap graph of `footprints`; the same on any number of threads. About n log n: frames are looked at by the places
/// of a spatial index, at most 8 candidates for each of the [`GraphOptions::pairs_per_frame`]. Where there are more, as in
/// a deep stack, candidates are chosen by a hash.
pub fn overlap_graph(footprints: &[Footprint], options: &GraphOptions) -> OverlapGraph {
    let index = PlaceIndex::of_footprints(footprints);
    let outlines = Outlines { footprints, options };
    let candidates = (CANDIDATES_PER_PAIR * options.pairs_per_frame).max(LEAST_CANDIDATES);
    let network = network(&index, &outlines, candidates);
    let part = parts(footprints.len(), network.links.iter().map(|link| (link.a, link.b)));
    let edges = network.links.iter().map(|link| {
        let share = f64::from_bits(link.strength);
        Overlap {
            a: link.a,
            b: link.b,
            share,
            area_sr: share * outlines.smaller_sr(link.a, link.b),
            is_bridge: network.bridges.binary_search(link).is_ok(),
        }
    });
    OverlapGraph {
        edges: edges.collect(),
        parts: part.iter().max().map_or(0, |last| last + 1),
        part,
        bridges: network.bridges.len(),
        examined: network.measured,
    }
}
