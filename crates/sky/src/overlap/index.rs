//! A spatial index of balls: which frames may overlap, without looking at all pairs.
//!
//! Frames of like size whose centres fall into one cell of a cubic grid are a *place*; the side of a cell is the largest power
//! of two that is not above their radius. Places are the leaves of a tree of boxes (halved at the median of the widest axis,
//! as a k-d tree: Bentley 1975, Commun. ACM 18, 509), which finds the neighbours of a place in O(log n + neighbours). A deep
//! stack is a few places of many members, a survey many places of one: neither needs all pairs of frames.

use crate::footprint::Footprint;

/// Places of a leaf.
const LEAF: usize = 8;

/// A sphere around a frame, in any units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    /// Centre.
    pub centre: [f64; 3],
    /// Radius.
    pub radius: f64,
}

impl Ball {
    /// Whether two balls touch.
    pub fn touches(&self, other: &Self) -> bool {
        let reach = self.radius + other.radius;
        square_distance(&self.centre, &other.centre) <= reach * reach
    }
}

fn square_distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

/// A hash of two numbers (splitmix64; Steele, Lea & Flood 2014, OOPSLA, 453).
pub fn pair_hash(a: usize, b: usize) -> u64 {
    let mut hash = ((a as u64) << 32 | b as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[derive(Debug)]
struct Place {
    start: usize,
    end: usize,
    /// Around the balls of all members.
    ball: Ball,
}

#[derive(Debug)]
struct Node {
    low: [f64; 3],
    high: [f64; 3],
    /// Range of `order`.
    start: usize,
    end: usize,
    /// The first child is the next node; `None`: a leaf.
    second: Option<usize>,
}

/// Balls by place.
#[derive(Debug)]
pub struct PlaceIndex {
    members: Vec<usize>,
    places: Vec<Place>,
    nodes: Vec<Node>,
    /// Places in the order of the leaves.
    order: Vec<usize>,
}

/// Size class and cell.
fn cell(ball: &Ball) -> (i32, [i64; 3]) {
    let class = ball.radius.max(f64::MIN_POSITIVE).log2().floor().max(-60.0);
    (class as i32, ball.centre.map(|part| (part / class.exp2()).floor() as i64))
}

impl PlaceIndex {
    /// Index of `balls`; frames are known by their position in it.
    pub fn new(balls: &[Ball]) -> Self {
        let mut keyed: Vec<((i32, [i64; 3]), u64, usize)> =
            balls.iter().enumerate().map(|(i, ball)| (cell(ball), pair_hash(i, i), i)).collect();
        keyed.sort_unstable();
        let mut index = Self {
            members: keyed.iter().map(|(_, _, frame)| *frame).collect(),
            places: Vec::new(),
            nodes: Vec::new(),
            order: Vec::new(),
        };
        let mut start = 0;
        for same in keyed.chunk_by(|a, b| a.0 == b.0) {
            let end = start + same.len();
            let ball = around(balls, &index.members[start..end]);
            index.places.push(Place { start, end, ball });
            start = end;
        }
        index.order = (0..index.places.len()).collect();
        if !index.order.is_empty() {
            index.split(0, index.places.len());
        }
        index
    }

    /// Index of footprints.
    pub fn of_footprints(footprints: &[Footprint]) -> Self {
        let balls: Vec<Ball> = footprints.iter().map(Footprint::ball).collect();
        Self::new(&balls)
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The frames of a place, in the order of a hash.
    pub fn members(&self, place: usize) -> &[usize] {
        &self.members[self.places[place].start..self.places[place].end]
    }

    /// Makes the node of a range of `order`, and those below it.
    fn split(&mut self, start: usize, end: usize) {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        let mut centres = (low, high);
        for &place in &self.order[start..end] {
            let ball = &self.places[place].ball;
            for axis in 0..3 {
                low[axis] = low[axis].min(ball.centre[axis] - ball.radius);
                high[axis] = high[axis].max(ball.centre[axis] + ball.radius);
                centres.0[axis] = centres.0[axis].min(ball.centre[axis]);
                centres.1[axis] = centres.1[axis].max(ball.centre[axis]);
            }
        }
        let node = self.nodes.len();
        self.nodes.push(Node { low, high, start, end, second: None });
        if end - start <= LEAF {
            return;
        }
        let width = |axis: usize| centres.1[axis] - centres.0[axis];
        let axis = if width(0) >= width(1).max(width(2)) { 0 } else { 1 + usize::from(width(2) > width(1)) };
        let places = &self.places;
        let middle = (end - start) / 2;
        self.order[start..end].select_nth_unstable_by(middle, |&a, &b| {
            places[a].ball.centre[axis].total_cmp(&places[b].ball.centre[axis]).then(a.cmp(&b))
        });
        self.split(start, start + middle);
        self.nodes[node].second = Some(self.nodes.len());
        self.split(start + middle, end);
    }

    /// Places whose balls touch that of `place`: itself, then those that are likely to have most in common with it.
    pub fn neighbours(&self, place: usize) -> Vec<usize> {
        let own = &self.places[place].ball;
        let mut found: Vec<(f64, usize)> = Vec::new();
        let mut stack = vec![0];
        while let Some(index) = stack.pop() {
            let Some(node) = self.nodes.get(index) else { break };
            let nearest: [f64; 3] =
                std::array::from_fn(|axis| own.centre[axis].clamp(node.low[axis], node.high[axis]));
            if square_distance(&nearest, &own.centre) > own.radius * own.radius {
                continue;
            }
            if let Some(second) = node.second {
                stack.extend([second, index + 1]);
                continue;
            }
            for &other in self.order[node.start..node.end].iter().filter(|other| **other != place) {
                let ball = &self.places[other].ball;
                if own.touches(ball) {
                    found.push((apartness(own, ball), other));
                }
            }
        }
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        std::iter::once(place).chain(found.into_iter().map(|(_, other)| other)).collect()
    }

    /// At most `most` frames of the places `neighbours` other than `frame`, appended to `out`: all if there are no more. Of
    /// more, half are of the nearest places, and the other half come from all places in turn; within a place a hash
    /// chooses where to begin, so that each frame has others.
    pub fn candidates(&self, frame: usize, neighbours: &[usize], most: usize, out: &mut Vec<usize>) {
        let total: usize = neighbours.iter().map(|&place| self.members(place).len()).sum();
        if total <= most + 1 {
            let members = neighbours.iter().flat_map(|&place| self.members(place));
            out.extend(members.filter(|member| **member != frame));
            return;
        }
        let limit = out.len() + most;
        let mut taken = vec![0; neighbours.len()];
        let mut take = |slot: usize, out: &mut Vec<usize>| {
            let members = self.members(neighbours[slot]);
            if taken[slot] == members.len() {
                return false;
            }
            let start = (pair_hash(frame, neighbours[slot]) % members.len() as u64) as usize;
            let member = members[(start + taken[slot]) % members.len()];
            taken[slot] += 1;
            out.extend((member != frame).then_some(member));
            true
        };
        let near = limit - most / 2;
        for slot in 0..neighbours.len() {
            while out.len() < near && take(slot, out) {}
        }
        let rest = most / 2;
        if neighbours.len() > rest {
            let first = (pair_hash(frame, frame) % neighbours.len() as u64) as usize;
            for step in 0..rest {
                take((first + step * neighbours.len() / rest) % neighbours.len(), out);
            }
            return;
        }
        let mut has_more = true;
        while has_more {
            has_more = false;
            for slot in 0..neighbours.len() {
                if out.len() >= limit {
                    return;
                }
                has_more |= take(slot, out);
            }
        }
    }
}

/// 0 where one ball lies in the other, 2 where they touch.
fn apartness(a: &Ball, b: &Ball) -> f64 {
    let distance = square_distance(&a.centre, &b.centre).sqrt() - (a.radius - b.radius).abs();
    distance.max(0.0) / a.radius.min(b.radius).max(f64::MIN_POSITIVE)
}

/// A ball around the balls of `members`, about the middle of their centres.
fn around(balls: &[Ball], members: &[usize]) -> Ball {
    if let [only] = members {
        return balls[*only];
    }
    let end = |axis: usize, pick: fn(f64, f64) -> f64, from: f64| {
        members.iter().map(|&frame| balls[frame].centre[axis]).fold(from, pick)
    };
    let centre = std::array::from_fn(|axis| {
        f64::midpoint(end(axis, f64::min, f64::INFINITY), end(axis, f64::max, f64::NEG_INFINITY))
    });
    let radius = members
        .iter()
        .map(|&frame| square_distance(&balls[frame].centre, &centre).sqrt() + balls[frame].radius)
        .fold(0.0, f64::max);
    // Rounding must not lose what touches.
    Ball { centre, radius: radius * (1.0 + 1e-12) }
}
