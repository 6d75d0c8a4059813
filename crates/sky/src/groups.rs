//! Groups of frames that share sky: connected components of the overlap graph, by [`UnionFind`] over the places of a spatial
//! index.

use std::collections::BTreeMap;

use crate::footprint::Footprint;
use crate::overlap::{FootprintHull, PlaceIndex};
use crate::union_find::UnionFind;

/// Pairs that are not worth a hull.
const FEW_PAIRS: usize = 16;

/// The group of every frame. Groups are numbered by size, largest first, then by their first frame.
pub fn overlap_groups(footprints: &[Footprint]) -> Vec<usize> {
    let n = footprints.len();
    let index = PlaceIndex::of_footprints(footprints);
    let mut joiner = Joiner {
        footprints,
        parts: UnionFind::new(n),
        hulls: (0..index.len()).map(|_| None).collect(),
        index: &index,
    };
    for place in 0..index.len() {
        joiner.join_within(index.members(place));
    }
    for place in 0..index.len() {
        for other in index.neighbours(place).into_iter().filter(|other| *other > place) {
            joiner.join_places(place, other);
        }
    }
    let mut parts = joiner.parts;
    let roots: Vec<usize> = (0..n).map(|i| parts.root(i)).collect();
    let mut size = vec![0_usize; n];
    for &r in &roots {
        size[r] += 1;
    }
    let mut order: Vec<usize> = (0..n).filter(|&r| size[r] > 0).collect();
    order.sort_by_key(|&r| (std::cmp::Reverse(size[r]), r));
    let mut number = vec![0; n];
    for (k, &r) in order.iter().enumerate() {
        number[r] = k;
    }
    roots.into_iter().map(|r| number[r]).collect()
}

struct Joiner<'a> {
    footprints: &'a [Footprint],
    parts: UnionFind,
    index: &'a PlaceIndex,
    hulls: Vec<Option<FootprintHull>>,
}

impl Joiner<'_> {
    /// Frames already connected need no geometry: each is compared with clusters until it is in them.
    fn join_within(&mut self, members: &[usize]) {
        let mut clusters: Vec<Vec<usize>> = Vec::new();
        for &frame in members {
            let overlaps = |other: &usize| self.footprints[frame].overlaps(&self.footprints[*other]);
            let (joined, apart): (Vec<_>, Vec<_>) =
                clusters.into_iter().partition(|cluster| cluster.iter().any(overlaps));
            clusters = apart;
            // The largest takes the others in.
            let mut own = joined.into_iter().reduce(|a, b| {
                let (mut large, mut small) = if a.len() < b.len() { (b, a) } else { (a, b) };
                self.parts.join(large[0], small[0]);
                large.append(&mut small);
                large
            });
            if let Some(own) = &mut own {
                self.parts.join(frame, own[0]);
                own.push(frame);
            }
            clusters.push(own.unwrap_or_else(|| vec![frame]));
        }
    }

    /// Members of a place by their roots.
    fn clusters(&mut self, place: usize) -> BTreeMap<usize, Vec<usize>> {
        let mut clusters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &frame in self.index.members(place) {
            clusters.entry(self.parts.root(frame)).or_default().push(frame);
        }
        clusters
    }

    fn join_places(&mut self, first: usize, second: usize) {
        let (a, b) = (self.clusters(first), self.clusters(second));
        let is_large = self.index.members(first).len() * self.index.members(second).len() > FEW_PAIRS;
        for (root_a, own) in &a {
            for (root_b, others) in &b {
                if self.parts.root(*root_a) == self.parts.root(*root_b) {
                    continue;
                }
                let (own, others) = if is_large {
                    (self.reaching(own, second), self.reaching(others, first))
                } else {
                    (own.clone(), others.clone())
                };
                let overlap = own
                    .iter()
                    .any(|&a| others.iter().any(|&b| self.footprints[a].overlaps(&self.footprints[b])));
                if overlap {
                    self.parts.join(*root_a, *root_b);
                }
            }
        }
    }

    /// Those of `frames` that may overlap a frame of `place`.
    fn reaching(&mut self, frames: &[usize], place: usize) -> Vec<usize> {
        let footprints = self.footprints;
        let members = self.index.members(place);
        let hull = self.hulls[place].get_or_insert_with(|| {
            FootprintHull::around(&members.iter().map(|&frame| &footprints[frame]).collect::<Vec<_>>())
        });
        frames.iter().copied().filter(|&frame| hull.is_reached_by(&footprints[frame])).collect()
    }
}
