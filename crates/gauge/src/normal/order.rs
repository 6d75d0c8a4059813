//! Elimination orders of a graph. Minimum degree on the quotient graph (George & Liu 1989, SIAM Review 31, 1) with the
//! degree bound of Amestoy, Davis & Duff (1996, SIAM J. Matrix Anal. 17, 886), which yields the pattern of the factor as it
//! goes and stops where that becomes too dear; reverse Cuthill-McKee for factors without fill. Of equals the node with the
//! lower number comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Neighbours of each node: `starts`, and in `neighbours` the other node and the number of the link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// Per node its start in `neighbours`, and the end.
    pub starts: Vec<usize>,
    /// Other end and number of the link.
    pub neighbours: Vec<(usize, usize)>,
}

impl Graph {
    /// Of `nodes` nodes; links are pairs of different nodes.
    pub(crate) fn new(nodes: usize, links: &[(usize, usize)]) -> Self {
        let mut starts = vec![0; nodes + 1];
        for (a, b) in links {
            starts[a + 1] += 1;
            starts[b + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut neighbours = vec![(0, 0); starts[nodes]];
        for (number, (a, b)) in links.iter().enumerate() {
            for (node, other) in [(*a, *b), (*b, *a)] {
                neighbours[next[node]] = (other, number);
                next[node] += 1;
            }
        }
        Self { starts, neighbours }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(crate) fn around(&self, node: usize) -> &[(usize, usize)] {
        &self.neighbours[self.starts[node]..self.starts[node + 1]]
    }
}

/// An elimination order and, per step, the nodes left that the factor's column holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elimination {
    /// Nodes in order.
    pub order: Vec<usize>,
    /// Per step the nodes that are eliminated later.
    pub columns: Vec<Vec<usize>>,
}

/// The quotient graph: eliminated nodes are elements, cliques of what they were linked with.
struct Quotient {
    /// Per node: nodes it is linked with directly.
    variables: Vec<Vec<usize>>,
    /// Per node: elements it belongs to.
    elements: Vec<Vec<usize>>,
    /// Per element: its nodes; empty once it is part of another.
    members: Vec<Vec<usize>>,
    degree: Vec<usize>,
    is_done: Vec<bool>,
    /// Step in which a node was last marked, plus one.
    mark: Vec<usize>,
    /// Step and number of members outside the newest element.
    outside: Vec<(usize, usize)>,
}

impl Quotient {
    fn new(graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let linked = |node: usize| {
            let mut others: Vec<usize> = graph.around(node).iter().map(|(other, _)| *other).collect();
            others.sort_unstable();
            others.dedup();
            others
        };
        let variables: Vec<Vec<usize>> = (0..nodes).map(linked).collect();
        Self {
            degree: variables.iter().map(Vec::len).collect(),
            variables,
            elements: vec![Vec::new(); nodes],
            members: vec![Vec::new(); nodes],
            is_done: vec![false; nodes],
            mark: vec![0; nodes],
            outside: vec![(0, 0); nodes],
        }
    }

    /// Eliminate `node` in `step` (from 1): what it is linked with becomes a clique, returned.
    fn eliminate(&mut self, node: usize, step: usize) -> Vec<usize> {
        self.is_done[node] = true;
        self.mark[node] = step;
        let mut clique = Vec::with_capacity(self.degree[node]);
        let mut take = |others: &[usize], mark: &mut [usize]| {
            for other in others {
                if mark[*other] != step {
                    mark[*other] = step;
                    clique.push(*other);
                }
            }
        };
        take(&std::mem::take(&mut self.variables[node]), &mut self.mark);
        for element in std::mem::take(&mut self.elements[node]) {
            take(&std::mem::take(&mut self.members[element]), &mut self.mark);
        }
        for other in &clique {
            for element in &self.elements[*other] {
                let (at, left) = &mut self.outside[*element];
                if *at != step {
                    (*at, *left) = (step, self.members[*element].len());
                }
                *left = left.saturating_sub(1);
            }
        }
        for other in &clique {
            let mark = &self.mark;
            self.variables[*other].retain(|variable| mark[*variable] != step);
            let (members, outside) = (&self.members, &self.outside);
            // An element that lies within the new one says nothing more.
            self.elements[*other].retain(|element| !members[*element].is_empty() && outside[*element].1 > 0);
            let beyond = self.elements[*other].iter().fold(0, |sum, element| sum + outside[*element].1);
            self.elements[*other].push(node);
            self.degree[*other] = clique.len() - 1 + self.variables[*other].len() + beyond;
        }
        self.members[node].clone_from(&clique);
        clique
    }
}

/// Order of minimum degree; `None` once the factor takes more than `most` products (of entries or blocks).
pub(crate) fn minimum_degree(graph: &Graph, most: usize) -> Option<Elimination> {
    let nodes = graph.nodes();
    let mut quotient = Quotient::new(graph);
    let mut queue: BinaryHeap<Reverse<(usize, usize)>> =
        (0..nodes).map(|node| Reverse((quotient.degree[node], node))).collect();
    let mut found = Elimination::default();
    let mut products = 0;
    while let Some(Reverse((degree, node))) = queue.pop() {
        if quotient.is_done[node] || degree != quotient.degree[node] {
            continue;
        }
        let clique = quotient.eliminate(node, found.order.len() + 1);
        found.order.push(node);
        let left = nodes - found.order.len();
        products += clique.len() * (clique.len() + 1) / 2;
        if products > most {
            return None;
        }
        if clique.len() == left {
            // All that is left is one clique: any order will do.
            let mut rest = clique.clone();
            found.columns.push(clique);
            rest.sort_unstable();
            products += left * (left + 1) * left.saturating_sub(1) / 6;
            if products > most {
                return None;
            }
            for at in 0..left {
                found.order.push(rest[at]);
                found.columns.push(rest[at + 1..].to_vec());
            }
            break;
        }
        for other in &clique {
            queue.push(Reverse((quotient.degree[*other], *other)));
        }
        found.columns.push(clique);
    }
    Some(found)
}

/// Nodes in reverse Cuthill-McKee order, each part from a node far out.
pub(crate) fn reverse_cuthill_mckee(graph: &Graph) -> Vec<usize> {
    let degree = |node: usize| graph.around(node).len();
    let mut seen = vec![false; graph.nodes()];
    let mut order: Vec<usize> = Vec::with_capacity(graph.nodes());
    // Breadth first from `root`, neighbours by degree; appends to `order`.
    let walk = |root: usize, seen: &mut [bool], order: &mut Vec<usize>| {
        let mut next = order.len();
        seen[root] = true;
        order.push(root);
        while next < order.len() {
            let node = order[next];
            next += 1;
            let from = order.len();
            for (other, _) in graph.around(node) {
                if !seen[*other] {
                    seen[*other] = true;
                    order.push(*other);
                }
            }
            order[from..].sort_unstable_by_key(|node| (degree(*node), *node));
        }
    };
    for first in 0..graph.nodes() {
        if seen[first] {
            continue;
        }
        let from = order.len();
        let mut root = first;
        // Twice to the far end.
        for _ in 0..2 {
            walk(root, &mut seen, &mut order);
            root = order.last().copied().unwrap_or(root);
            for node in order.drain(from..) {
                seen[node] = false;
            }
        }
        walk(root, &mut seen, &mut order);
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(side: usize) -> Vec<(usize, usize)> {
        let mut links = Vec::new();
        for a in 0..side * side {
            if a % side + 1 < side {
                links.push((a, a + 1));
            }
            if a + side < side * side {
                links.push((a, a + side));
            }
        }
        links
    }

    /// Columns by eliminating nodes one by one from a full table.
    fn expected(nodes: usize, links: &[(usize, usize)], order: &[usize]) -> Vec<Vec<usize>> {
        let mut linked = vec![vec![false; nodes]; nodes];
        for (a, b) in links {
            linked[*a][*b] = true;
            linked[*b][*a] = true;
        }
        let mut columns = Vec::new();
        let mut is_done = vec![false; nodes];
        for node in order {
            is_done[*node] = true;
            let column: Vec<usize> =
                (0..nodes).filter(|other| linked[*node][*other] && !is_done[*other]).collect();
            for a in &column {
                for b in &column {
                    linked[*a][*b] |= a != b;
                }
            }
            columns.push(column);
        }
        columns
    }

    #[test]
    fn columns_are_those_of_elimination() {
        let mut links = grid(9);
        links.push((3, 77));
        let found = minimum_degree(&Graph::new(81, &links), usize::MAX).unwrap();
        let mut columns = found.columns.clone();
        for column in &mut columns {
            column.sort_unstable();
        }
        assert_eq!(columns, expected(81, &links, &found.order));
    }

    #[test]
    fn a_field_needs_far_less_than_its_band() {
        let side = 60;
        let found = minimum_degree(&Graph::new(side * side, &grid(side)), usize::MAX).unwrap();
        let products: usize = found.columns.iter().map(|column| column.len() * (column.len() + 1) / 2).sum();
        assert!(products < side.pow(4) / 5, "{products}");
        assert!(minimum_degree(&Graph::new(side * side, &grid(side)), products - 1).is_none());
    }

    #[test]
    fn both_orders_hold_every_node_once() {
        let graph = Graph::new(12, &[(0, 5), (5, 7), (2, 3), (3, 4), (4, 2)]);
        for mut order in [reverse_cuthill_mckee(&graph), minimum_degree(&graph, 1000).unwrap().order] {
            order.sort_unstable();
            assert_eq!(order, (0..12).collect::<Vec<_>>());
        }
    }
}
