//! Connected components of frames that are closer than a threshold, in time that grows with their number: the unit sphere
//! is cut into cubes so small that all frames of one belong together, and only neighbouring cubes are compared.

use std::collections::HashMap;

use super::{Member, chord_of, chord2, turn_deg};

/// Sets of connected things.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// The smaller index becomes the root.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// A cube of the sphere, and a range of orientations.
type Cell = [i64; 4];

/// Cubes within reach: their diagonal is the threshold, so two to each side.
const REACH: i64 = 2;

/// Members that are connected by angles below `threshold_deg` between centres and, where `orientation_deg` is given, at
/// most that between orientations. Members without an orientation are then alone. Groups in the order of their first
/// member.
pub(super) fn connected(
    members: &[Member<'_>],
    threshold_deg: f64,
    orientation_deg: Option<f64>,
) -> Vec<Vec<usize>> {
    let chord = chord_of(threshold_deg.to_radians());
    let limit2 = chord * chord;
    let side = chord / 3.0_f64.sqrt() * (1.0 - 1e-9);
    // Ranges no wider than the limit; half a turn allows everything.
    let orientation_deg = orientation_deg.filter(|limit| *limit < 180.0);
    let ranges = orientation_deg.map_or(1, |limit| (360.0 / limit).ceil() as i64);
    let range_of = |angle_deg: f64| ((angle_deg / 360.0 * ranges as f64) as i64).clamp(0, ranges - 1);
    let mut filled: Vec<(Cell, usize)> = Vec::with_capacity(members.len());
    for (at, member) in members.iter().enumerate() {
        let angle_deg = member.frame.angle_deg;
        if orientation_deg.is_none() || angle_deg.is_finite() {
            let [x, y, z] = member.centre.map(|part| (part / side).floor() as i64);
            filled.push(([x, y, z, if orientation_deg.is_some() { range_of(angle_deg) } else { 0 }], at));
        }
    }
    filled.sort_unstable();
    let mut sets = Sets((0..members.len()).collect());
    let cells: Vec<&[(Cell, usize)]> = filled.chunk_by(|a, b| a.0 == b.0).collect();
    for cell in &cells {
        for (_, at) in &cell[1..] {
            sets.join(cell[0].1, *at);
        }
    }
    let belong = |a: usize, b: usize| {
        let (a, b) = (&members[a], &members[b]);
        let near = chord2(&a.centre, &b.centre) < limit2;
        near && orientation_deg.is_none_or(|limit| turn_deg(a.frame.angle_deg, b.frame.angle_deg) <= limit)
    };
    let known: HashMap<Cell, usize> = cells.iter().enumerate().map(|(at, cell)| (cell[0].0, at)).collect();
    for (number, cell) in cells.iter().enumerate() {
        for near in neighbours(cell[0].0, ranges) {
            let Some(&other) = known.get(&near).filter(|other| **other > number) else { continue };
            let (first, second) = (cell[0].1, cells[other][0].1);
            if sets.root(first) != sets.root(second)
                && cell.iter().any(|(_, a)| cells[other].iter().any(|(_, b)| belong(*a, *b)))
            {
                sets.join(first, second);
            }
        }
    }
    let mut group_of_root = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..members.len() {
        let group = *group_of_root.entry(sets.root(at)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(at);
    }
    groups
}

/// Cells that can hold something within reach of `cell`; orientations go round.
fn neighbours([x, y, z, range]: Cell, ranges: i64) -> impl Iterator<Item = Cell> {
    let around = |at: i64| at - REACH..=at + REACH;
    let mut turns: Vec<i64> = around(range).map(|near| near.rem_euclid(ranges)).collect();
    turns.sort_unstable();
    turns.dedup();
    turns.into_iter().flat_map(move |turn| {
        around(x).flat_map(move |x| around(y).flat_map(move |y| around(z).map(move |z| [x, y, z, turn])))
    })
}
