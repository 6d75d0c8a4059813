//! The matrix of the offsets: sum of w (o_a - o_b)^2 over links, its product with a vector, and a Cholesky factor that is
//! exact where the network is a band (strips, trees) and incomplete (no fill, IC(0); Meijerink & van der Vorst 1977)
//! elsewhere. Nodes are ordered by reverse Cuthill-McKee.

/// Marks an entry of the factor that is no link.
const FILL: usize = usize::MAX;
/// Products an exact factor may take.
const EXACT_PRODUCTS: usize = 20_000_000;
/// A pivot below this share of its diagonal is that of the free offset of a part.
const LEAST_PIVOT: f64 = 1e-9;

/// A network and its elimination order.
#[derive(Debug)]
pub(crate) struct Network {
    /// Node to its place in the order.
    place: Vec<usize>,
    /// Per place: start in `neighbours`.
    starts: Vec<usize>,
    /// Place of the other end and number of the link.
    neighbours: Vec<(usize, usize)>,
    /// Pattern of the factor below its diagonal, per place: start in `lower`.
    lower_starts: Vec<usize>,
    /// Column and number of the link, ascending in column.
    lower: Vec<(usize, usize)>,
}

/// A Cholesky factor.
#[derive(Debug)]
pub(crate) struct Factor {
    below: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Network {
    /// Of `nodes` nodes; links are pairs of different nodes, each given once.
    pub(crate) fn new(nodes: usize, links: &[(usize, usize)]) -> Self {
        let (starts, neighbours) = adjacency(nodes, links.iter().copied());
        let place = elimination_order(&starts, &neighbours);
        let placed = links.iter().map(|(a, b)| (place[*a], place[*b]));
        let (starts, mut neighbours) = adjacency(nodes, placed);
        for node in 0..nodes {
            neighbours[starts[node]..starts[node + 1]].sort_unstable();
        }
        let mut network = Self { place, starts, neighbours, lower_starts: Vec::new(), lower: Vec::new() };
        network.set_pattern();
        network
    }

    pub(crate) fn nodes(&self) -> usize {
        self.place.len()
    }

    /// Values by node into the order of places.
    pub(crate) fn to_places(&self, of_node: &[f64]) -> Vec<f64> {
        let mut placed = vec![0.0; of_node.len()];
        for (place, value) in self.place.iter().zip(of_node) {
            placed[*place] = *value;
        }
        placed
    }

    /// Values by place into the order of nodes.
    pub(crate) fn to_nodes(&self, placed: &[f64]) -> Vec<f64> {
        self.place.iter().map(|place| placed[*place]).collect()
    }

    fn around(&self, place: usize) -> &[(usize, usize)] {
        &self.neighbours[self.starts[place]..self.starts[place + 1]]
    }

    fn set_pattern(&mut self) {
        let nodes = self.nodes();
        let first = |place: usize| self.around(place).first().map_or(place, |(other, _)| (*other).min(place));
        let products: usize = (0..nodes).map(|place| (place - first(place)).saturating_pow(2)).sum();
        let exact = products <= EXACT_PRODUCTS;
        let (mut starts, mut lower) = (vec![0], Vec::new());
        for place in 0..nodes {
            let links = self.around(place).iter().filter(|(other, _)| *other < place);
            if exact {
                let from = lower.len();
                let first = first(place);
                lower.extend((first..place).map(|column| (column, FILL)));
                for (other, link) in links {
                    lower[from + other - first].1 = *link;
                }
            } else {
                lower.extend(links);
            }
            starts.push(lower.len());
        }
        (self.lower_starts, self.lower) = (starts, lower);
    }

    /// The matrix with `weights` of the links times `x`, by place.
    pub(crate) fn multiply(&self, weights: &[f64], x: &[f64], out: &mut [f64]) {
        for (place, out) in out.iter_mut().enumerate() {
            let own = x[place];
            let mut sum = 0.0;
            for (other, link) in self.around(place) {
                sum += weights[*link] * (own - x[*other]);
            }
            *out = sum;
        }
    }

    /// Factor of the matrix with `weights`.
    pub(crate) fn factor(&self, weights: &[f64]) -> Factor {
        let mut below = vec![0.0; self.lower.len()];
        let mut diagonal = vec![1.0; self.nodes()];
        for place in 0..self.nodes() {
            let row = self.lower_starts[place]..self.lower_starts[place + 1];
            let mut pivot = self.around(place).iter().fold(0.0, |sum, (_, link)| sum + weights[*link]);
            let whole = pivot;
            for at in row.clone() {
                let (column, link) = self.lower[at];
                let own = if link == FILL { 0.0 } else { -weights[link] };
                let value = (own - self.row_product(&below, row.start..at, column)) / diagonal[column];
                below[at] = value;
                pivot -= value * value;
            }
            let pivot = if pivot > LEAST_PIVOT * whole { pivot } else { whole };
            diagonal[place] = if pivot > 0.0 { pivot.sqrt() } else { 1.0 };
        }
        Factor { below, diagonal }
    }

    /// Product of the entries `left` of a row with the row of `column`, where their columns are the same.
    fn row_product(&self, below: &[f64], left: std::ops::Range<usize>, column: usize) -> f64 {
        let right = self.lower_starts[column]..self.lower_starts[column + 1];
        let (mut i, mut j) = (left.start, right.start);
        let mut sum = 0.0;
        while i < left.end && j < right.end {
            match self.lower[i].0.cmp(&self.lower[j].0) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    sum += below[i] * below[j];
                    i += 1;
                    j += 1;
                }
            }
        }
        sum
    }

    /// Solve with the factor, in place.
    pub(crate) fn solve(&self, factor: &Factor, x: &mut [f64]) {
        let nodes = self.nodes();
        for place in 0..nodes {
            let row = self.lower_starts[place]..self.lower_starts[place + 1];
            let mut value = x[place];
            for at in row {
                value -= factor.below[at] * x[self.lower[at].0];
            }
            x[place] = value / factor.diagonal[place];
        }
        for place in (0..nodes).rev() {
            let value = x[place] / factor.diagonal[place];
            x[place] = value;
            for at in self.lower_starts[place]..self.lower_starts[place + 1] {
                x[self.lower[at].0] -= factor.below[at] * value;
            }
        }
    }
}

/// Neighbours of each node with the number of the link.
fn adjacency(
    nodes: usize,
    links: impl Iterator<Item = (usize, usize)> + Clone,
) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut starts = vec![0; nodes + 1];
    for (a, b) in links.clone() {
        starts[a + 1] += 1;
        starts[b + 1] += 1;
    }
    for node in 0..nodes {
        starts[node + 1] += starts[node];
    }
    let mut next = starts.clone();
    let mut neighbours = vec![(0, 0); starts[nodes]];
    for (number, (a, b)) in links.enumerate() {
        for (node, other) in [(a, b), (b, a)] {
            neighbours[next[node]] = (other, number);
            next[node] += 1;
        }
    }
    (starts, neighbours)
}

/// Place of each node: reverse Cuthill-McKee, each part from a node far out.
fn elimination_order(starts: &[usize], neighbours: &[(usize, usize)]) -> Vec<usize> {
    let nodes = starts.len() - 1;
    let degree = |node: usize| starts[node + 1] - starts[node];
    let mut seen = vec![false; nodes];
    let mut order: Vec<usize> = Vec::with_capacity(nodes);
    // Breadth first from `root`, neighbours by degree; appends to `order`.
    let walk = |root: usize, seen: &mut [bool], order: &mut Vec<usize>| {
        let mut next = order.len();
        seen[root] = true;
        order.push(root);
        while next < order.len() {
            let node = order[next];
            next += 1;
            let from = order.len();
            for (other, _) in &neighbours[starts[node]..starts[node + 1]] {
                if !seen[*other] {
                    seen[*other] = true;
                    order.push(*other);
                }
            }
            order[from..].sort_unstable_by_key(|node| (degree(*node), *node));
        }
    };
    for first in 0..nodes {
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
    let mut place = vec![0; nodes];
    for (index, node) in order.iter().rev().enumerate() {
        place[*node] = index;
    }
    place
}
