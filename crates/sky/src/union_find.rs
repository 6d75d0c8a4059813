//! Connected parts of a graph whose links come one by one: union-find (Galler & Fischer 1964, Commun. ACM 7, 301) with
//! halved paths (van der Weide 1980). The root of a part is always its first node, so that neither roots nor numbers depend
//! on the order of the links.

/// Nodes and which of them hang together.
#[derive(Debug, Clone)]
pub struct UnionFind {
    parent: Vec<usize>,
}

impl UnionFind {
    /// Of `nodes` nodes, numbered from 0, each a part of its own.
    pub fn new(nodes: usize) -> Self {
        Self { parent: (0..nodes).collect() }
    }

    /// The first node of the part that `node` is in; `node` must be one of the nodes.
    pub fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    /// The parts of `a` and `b` become one.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// Number of each node's part, from 0 in the order of the parts' first nodes; a node without a link is a part too.
    pub fn numbers(mut self) -> Vec<usize> {
        let mut number = vec![0; self.parent.len()];
        let mut next = 0;
        for node in 0..number.len() {
            let root = self.root(node);
            if root == node {
                number[node] = next;
                next += 1;
            } else {
                number[node] = number[root];
            }
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts by repeated relabelling.
    fn by_labels(nodes: usize, links: &[(usize, usize)]) -> Vec<usize> {
        let mut label: Vec<usize> = (0..nodes).collect();
        for (a, b) in links {
            let (low, high) = (label[*a].min(label[*b]), label[*a].max(label[*b]));
            for own in label.iter_mut().filter(|own| **own == high) {
                *own = low;
            }
        }
        let mut firsts = label.clone();
        firsts.sort_unstable();
        firsts.dedup();
        label.iter().map(|own| firsts.partition_point(|first| first < own)).collect()
    }

    #[test]
    fn parts_do_not_depend_on_the_order_of_links() {
        for links in [&[(4, 2), (2, 7), (1, 0), (9, 4), (3, 3)][..], &[], &[(0, 9), (9, 5), (8, 5), (1, 8)]] {
            let expected = by_labels(10, links);
            for turn in 0..links.len().max(1) {
                let mut parts = UnionFind::new(10);
                for (a, b) in links.iter().cycle().skip(turn).take(links.len()) {
                    parts.join(*b, *a);
                }
                for node in 0..10 {
                    let first = (0..10).find(|other| expected[*other] == expected[node]);
                    assert_eq!(Some(parts.root(node)), first, "{links:?}");
                }
                assert_eq!(parts.numbers(), expected, "{links:?}");
            }
        }
        assert!(UnionFind::new(0).numbers().is_empty());
    }
}
