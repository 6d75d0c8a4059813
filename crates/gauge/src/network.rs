//! A network of overlaps: for each frame its best pairs, and whatever else connects what can be connected. What an overlap
//! is, and which of two is better, is up to the caller.
//!
//! Frames are looked at by the places of a spatial index, a bounded number of candidates each. After the best pairs are
//! chosen, as long as parts of the network overlap at all, the best pair of each part with another part is added (Boruvka
//! 1926, Prace Mor. Prirodoved. Spol. 3, 37), so that the network holds a spanning forest of all overlaps. Between two
//! places of many frames the best of about a thousand pairs counts; that there is none is certain only after all pairs of
//! frames that reach the hull of the other place were looked at.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;
use zemosaic_sky::{PlaceIndex, UnionFind, pair_hash};

/// Pairs between two places that are looked at before one of them is taken for the best.
const ENOUGH_PAIRS: usize = 1024;
/// Pairs that are not worth a hull.
const FEW_PAIRS: usize = 16;
/// Steps in which an overlap is counted.
const SHARES: f64 = 8.0;

/// A pair of the network; `a` comes first in the order of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub a: usize,
    pub b: usize,
    /// Above 0.
    pub strength: u64,
}

impl Link {
    fn new(a: usize, b: usize, strength: u64) -> Self {
        Self { a: a.min(b), b: a.max(b), strength }
    }

    /// Of equals the one that comes first by its frames, so that no ring of equals is added.
    fn is_better_than(&self, other: &Self) -> bool {
        (self.strength, other.a, other.b) > (other.strength, self.a, self.b)
    }
}

/// Frames that overlap.
pub(crate) trait Overlaps: Sync {
    /// Something around the frames of a place.
    type Hull: Send + Sync;

    /// Around `members`.
    fn hull(&self, members: &[usize]) -> Self::Hull;

    /// False when `frame` overlaps nothing inside `hull`.
    fn reaches(&self, frame: usize, hull: &Self::Hull) -> bool;

    /// What a pair is worth as a bridge; 0 where the two do not overlap. Symmetric.
    fn strength(&self, a: usize, b: usize) -> u64;

    /// The best pairs of `frame` among `candidates`: the other frame and the strength; and how many pairs were measured.
    fn best(&self, frame: usize, candidates: &[usize]) -> (Vec<(usize, u64)>, u64);
}

/// The pairs of all frames.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Sorted.
    pub links: Vec<Link>,
    /// Those that were added to connect, sorted.
    pub bridges: Vec<Link>,
    /// Pairs that were measured.
    pub measured: u64,
}

/// Order in which pairs are preferred: share of the overlap in eighths first, then a hash of the two.
pub(crate) fn rank(a: usize, b: usize, share: f64) -> (usize, u64) {
    ((share * SHARES) as usize, pair_hash(a.min(b), a.max(b)))
}

/// The pairs of a frame that are kept, `count` at most: half of them the best by rank, the others by their hash alone. Frames
/// of one panel overlap each other most, but only pairs with other panels tell how panels differ.
pub(crate) fn keep_best<T>(ranked: &mut Vec<((usize, u64), T)>, count: usize) {
    ranked.sort_unstable_by_key(|own| std::cmp::Reverse(own.0));
    let best = count.div_ceil(2);
    if ranked.len() > count {
        ranked[best..].sort_unstable_by(|a, b| b.0.1.cmp(&a.0.1).then(b.0.0.cmp(&a.0.0)));
        ranked.truncate(count);
    }
}

/// The network of the frames of `index`; at most `candidates` frames are looked at for each.
pub(crate) fn network<O: Overlaps>(index: &PlaceIndex, overlaps: &O, candidates: usize) -> Network {
    let neighbours: Vec<Vec<usize>> =
        (0..index.len()).into_par_iter().map(|place| index.neighbours(place)).collect();
    let best_of_place = |place: usize| -> (Vec<Link>, u64) {
        let (mut links, mut measured, mut others) = (Vec::new(), 0, Vec::new());
        for &frame in index.members(place) {
            others.clear();
            index.candidates(frame, &neighbours[place], candidates, &mut others);
            let (best, pairs) = overlaps.best(frame, &others);
            links.extend(best.into_iter().map(|(other, strength)| Link::new(frame, other, strength)));
            measured += pairs;
        }
        (links, measured)
    };
    let found: Vec<(Vec<Link>, u64)> = (0..index.len()).into_par_iter().map(best_of_place).collect();
    let mut network =
        Network { measured: found.iter().map(|(_, measured)| measured).sum(), ..Network::default() };
    network.links = found.into_iter().flat_map(|(links, _)| links).collect();
    network.links.sort_unstable();
    network.links.dedup();
    connect(index, overlaps, neighbours, &mut network);
    network
}

/// Number of the connected part of each of `count` nodes, numbered by their first node; isolated nodes are parts too.
pub(crate) fn parts(count: usize, links: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut parts = UnionFind::new(count);
    for (a, b) in links {
        parts.join(a, b);
    }
    parts.numbers()
}

/// Whether each of `count` frames is in a link.
pub(crate) fn linked(count: usize, links: impl Iterator<Item = (usize, usize)>) -> Vec<bool> {
    let mut is_linked = vec![false; count];
    for (a, b) in links {
        (is_linked[a], is_linked[b]) = (true, true);
    }
    is_linked
}

/// Adds pairs until parts do not overlap.
fn connect<O: Overlaps>(
    index: &PlaceIndex,
    overlaps: &O,
    neighbours: Vec<Vec<usize>>,
    network: &mut Network,
) {
    let frames = neighbours.iter().enumerate().map(|(place, _)| index.members(place).len()).sum();
    let hulls: Vec<OnceLock<O::Hull>> = neighbours.iter().map(|_| OnceLock::new()).collect();
    // Pairs of places between which a bridge may be found, each once.
    let mut open: Vec<Vec<usize>> = neighbours
        .into_iter()
        .enumerate()
        .map(|(place, others)| others.into_iter().filter(|other| *other >= place).collect())
        .collect();
    loop {
        let part = parts(frames, network.links.iter().map(|link| (link.a, link.b)));
        let count = part.iter().max().map_or(0, |last| last + 1);
        if count < 2 {
            break;
        }
        let round = Round { index, overlaps, hulls: &hulls, part: &part };
        let found: Vec<Search> =
            open.into_par_iter().enumerate().map(|(place, others)| round.search(place, others)).collect();
        let mut best: Vec<Option<Link>> = vec![None; count];
        open = Vec::with_capacity(found.len());
        for search in found {
            network.measured += search.measured;
            for (own, link) in search.best {
                if best[own].is_none_or(|old| link.is_better_than(&old)) {
                    best[own] = Some(link);
                }
            }
            open.push(search.open);
        }
        let mut bridges: Vec<Link> = best.into_iter().flatten().collect();
        if bridges.is_empty() {
            break;
        }
        bridges.sort_unstable();
        bridges.dedup();
        network.links.extend_from_slice(&bridges);
        network.bridges.extend(bridges);
    }
    network.links.sort_unstable();
    network.bridges.sort_unstable();
}

/// One round of bridges.
struct Round<'a, O: Overlaps> {
    index: &'a PlaceIndex,
    overlaps: &'a O,
    hulls: &'a [OnceLock<O::Hull>],
    part: &'a [usize],
}

/// What a round found from one place on.
#[derive(Default)]
struct Search {
    /// Best link of each part.
    best: BTreeMap<usize, Link>,
    /// Places that may be worth another look.
    open: Vec<usize>,
    measured: u64,
}

/// Members of a place by part.
struct ByPart(Vec<usize>);

impl ByPart {
    /// Members before and after those of `part`.
    fn others(&self, part: &[usize], own: usize) -> (&[usize], &[usize]) {
        let start = self.0.partition_point(|&frame| part[frame] < own);
        let end = self.0.partition_point(|&frame| part[frame] <= own);
        (&self.0[..start], &self.0[end..])
    }
}

impl<O: Overlaps> Round<'_, O> {
    fn search(&self, place: usize, others: Vec<usize>) -> Search {
        let mut search = Search::default();
        let only = self.only_part(place);
        for other in others {
            // Parts only grow: what is one part stays one.
            if only.is_some() && only == self.only_part(other) {
                continue;
            }
            if self.search_pair(place, other, &mut search) {
                search.open.push(other);
            }
        }
        search
    }

    /// The part of a place whose members are all of one.
    fn only_part(&self, place: usize) -> Option<usize> {
        let members = self.index.members(place);
        let first = self.part[*members.first()?];
        members.iter().all(|&frame| self.part[frame] == first).then_some(first)
    }

    /// Looks for links between members of two places, or of one. False when there are none and never will be.
    fn search_pair(&self, place: usize, other: usize, search: &mut Search) -> bool {
        let firsts = self.reaching(place, other);
        let mut seconds = self.reaching(other, place);
        seconds.sort_by_key(|&frame| self.part[frame]);
        let seconds = ByPart(seconds);
        let others_of = |frame: usize| seconds.others(self.part, self.part[frame]);
        let pairs: usize = firsts.iter().map(|&frame| others_of(frame)).map(|(b, a)| b.len() + a.len()).sum();
        let is_large = pairs > ENOUGH_PAIRS;
        if is_large {
            let tries = ENOUGH_PAIRS.div_ceil(firsts.len());
            let mut is_found = false;
            for &frame in &firsts {
                let (before, after) = others_of(frame);
                let count = before.len() + after.len();
                let start = if count == 0 { 0 } else { (pair_hash(frame, other) % count as u64) as usize };
                for step in 0..tries.min(count) {
                    let at = (start + step) % count;
                    let second = before.get(at).unwrap_or_else(|| &after[at - before.len()]);
                    is_found |= self.look_at(frame, *second, search);
                }
            }
            if is_found {
                return true;
            }
        }
        let mut is_found = false;
        for &frame in &firsts {
            let (before, after) = others_of(frame);
            for &second in before.iter().chain(after) {
                // Within a place each pair comes twice.
                if place == other && second < frame {
                    continue;
                }
                is_found |= self.look_at(frame, second, search);
                if is_found && is_large {
                    return true;
                }
            }
        }
        is_found
    }

    /// Members of `place` that may overlap one of `other`.
    fn reaching(&self, place: usize, other: usize) -> Vec<usize> {
        let (members, theirs) = (self.index.members(place), self.index.members(other));
        if place == other || members.len() * theirs.len() <= FEW_PAIRS {
            return members.to_vec();
        }
        let hull = self.hulls[other].get_or_init(|| self.overlaps.hull(theirs));
        members.iter().copied().filter(|&frame| self.overlaps.reaches(frame, hull)).collect()
    }

    fn look_at(&self, a: usize, b: usize, search: &mut Search) -> bool {
        search.measured += 1;
        let strength = self.overlaps.strength(a, b);
        if strength == 0 {
            return false;
        }
        let link = Link::new(a, b, strength);
        for own in [self.part[a], self.part[b]] {
            let best = search.best.entry(own).or_insert(link);
            if link.is_better_than(best) {
                *best = link;
            }
        }
        true
    }
}
