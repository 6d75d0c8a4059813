//! The network of frames in elimination order, and which entries the factor has.

use super::block::Unknowns;
use super::order::{Graph, minimum_degree, reverse_cuthill_mckee};
use crate::network::parts;

/// A network, its connected parts and the pattern of its factor.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Node to its place in the order.
    pub place: Vec<usize>,
    /// Connected part of each node, from 0 in the order of their first nodes.
    pub part: Vec<usize>,
    /// Nodes of each part.
    pub size: Vec<usize>,
    /// Part of each place.
    pub part_of_place: Vec<usize>,
    /// Place of each part that is eliminated last: its first unknown is held while the factor is made.
    pub held: Vec<bool>,
    /// Per link the places of its ends, the later one first, and whether that is its second node.
    pub ends: Vec<(usize, usize, bool)>,
    /// Per link its entry of the factor.
    pub entry: Vec<usize>,
    /// Per place the start of its column in `rows`.
    pub starts: Vec<usize>,
    /// Places below the diagonal, ascending per column.
    pub rows: Vec<usize>,
    /// Whether the factor holds all that elimination fills in.
    pub is_exact: bool,
}

impl Pattern {
    /// Of `nodes` nodes; links are pairs of different nodes. The factor is exact where it takes `most` products of blocks
    /// at most.
    pub(crate) fn new(nodes: usize, links: &[(usize, usize)], most: usize) -> Self {
        let graph = Graph::new(nodes, links);
        let found = minimum_degree(&graph, most);
        let is_exact = found.is_some();
        let (order, columns) = match found {
            Some(found) => (found.order, found.columns),
            None => (reverse_cuthill_mckee(&graph), Vec::new()),
        };
        let mut place = vec![0; nodes];
        for (index, node) in order.iter().enumerate() {
            place[*node] = index;
        }
        let (mut starts, mut rows) = (vec![0], Vec::new());
        for (index, node) in order.iter().enumerate() {
            let from = rows.len();
            match columns.get(index) {
                Some(column) => rows.extend(column.iter().map(|node| place[*node])),
                None => rows.extend(graph.around(*node).iter().map(|(node, _)| place[*node])),
            }
            let mut column = rows.split_off(from);
            column.retain(|row| *row > index);
            column.sort_unstable();
            column.dedup();
            rows.append(&mut column);
            starts.push(rows.len());
        }
        let part = parts(nodes, links.iter().copied());
        let mut size = vec![0; part.iter().max().map_or(0, |last| last + 1)];
        let mut last = vec![0; size.len()];
        let mut part_of_place = vec![0; nodes];
        for (index, node) in order.iter().enumerate() {
            size[part[*node]] += 1;
            last[part[*node]] = index;
            part_of_place[index] = part[*node];
        }
        let mut held = vec![false; nodes];
        for place in last {
            held[place] = true;
        }
        let ends_of = |(a, b): &(usize, usize)| {
            let (a, b) = (place[*a], place[*b]);
            (a.max(b), a.min(b), b > a)
        };
        let ends: Vec<(usize, usize, bool)> = links.iter().map(ends_of).collect();
        let entry_of = |(row, column, _): &(usize, usize, bool)| {
            starts[*column] + rows[starts[*column]..starts[column + 1]].partition_point(|other| other < row)
        };
        let entry = ends.iter().map(entry_of).collect();
        Self { place, part, size, part_of_place, held, ends, entry, starts, rows, is_exact }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.place.len()
    }

    /// Entries of the column of a place.
    pub(crate) fn column(&self, place: usize) -> std::ops::Range<usize> {
        self.starts[place]..self.starts[place + 1]
    }

    /// Values by place into the order of nodes.
    pub(crate) fn to_nodes<const K: usize>(&self, placed: &[Unknowns<K>]) -> Vec<Unknowns<K>> {
        self.place.iter().map(|place| placed[*place]).collect()
    }

    /// Make the mean of each lane 0 in each part; by place.
    pub(crate) fn centre_lanes<const LANES: usize>(&self, x: &mut [[f64; LANES]]) {
        let mut mean = vec![[0.0; LANES]; self.size.len()];
        for (part, value) in self.part_of_place.iter().zip(&*x) {
            for (mean, value) in mean[*part].iter_mut().zip(value) {
                *mean += value;
            }
        }
        for (mean, size) in mean.iter_mut().zip(&self.size) {
            *mean = mean.map(|own| own / *size as f64);
        }
        for (part, value) in self.part_of_place.iter().zip(x) {
            for (mean, value) in mean[*part].iter().zip(value) {
                *value -= mean;
            }
        }
    }

    /// Make the mean of the first unknown 0 in each part; by place.
    pub(crate) fn centre<const K: usize>(&self, x: &mut [Unknowns<K>]) {
        let mut mean = vec![0.0; self.size.len()];
        for (part, value) in self.part_of_place.iter().zip(&*x) {
            mean[*part] += value[0];
        }
        for (mean, size) in mean.iter_mut().zip(&self.size) {
            *mean /= *size as f64;
        }
        for (part, value) in self.part_of_place.iter().zip(x) {
            value[0] -= mean[*part];
        }
    }
}
