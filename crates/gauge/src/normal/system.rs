//! Matrix and right-hand side of a network: sum over links of what their measurements say, and priors on the diagonal.

use super::block::{self, Block, Unknowns};
use super::pattern::Pattern;

/// Blocks of the matrix by place, and the right-hand side.
#[derive(Debug, Clone)]
pub(crate) struct System<const K: usize> {
    /// Diagonal.
    pub diagonal: Vec<Block<K>>,
    /// Per link the block whose row is the later place.
    pub off: Vec<Block<K>>,
    /// Right-hand side.
    pub right: Vec<Unknowns<K>>,
}

/// What the measurements of a link add: blocks of its nodes `a` and `b` and the right-hand sides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkBlocks<const K: usize> {
    pub aa: Block<K>,
    pub bb: Block<K>,
    /// Row of `a`, column of `b`.
    pub ab: Block<K>,
    pub a: Unknowns<K>,
    pub b: Unknowns<K>,
}

impl<const K: usize> LinkBlocks<K> {
    pub(crate) const NOTHING: Self =
        Self { aa: block::zero(), bb: block::zero(), ab: block::zero(), a: [0.0; K], b: [0.0; K] };
}

impl<const K: usize> System<K> {
    /// All 0.
    pub(crate) fn new(pattern: &Pattern) -> Self {
        Self {
            diagonal: vec![block::zero(); pattern.nodes()],
            off: vec![block::zero(); pattern.ends.len()],
            right: vec![[0.0; K]; pattern.nodes()],
        }
    }

    /// All 0 again.
    pub(crate) fn clear(&mut self) {
        self.diagonal.fill(block::zero());
        self.off.fill(block::zero());
        self.right.fill([0.0; K]);
    }

    /// Add what a link says.
    pub(crate) fn add(&mut self, pattern: &Pattern, link: usize, blocks: &LinkBlocks<K>) {
        let (later, earlier, is_b_later) = pattern.ends[link];
        let (a, b) = if is_b_later { (earlier, later) } else { (later, earlier) };
        block::add(&mut self.diagonal[a], &blocks.aa);
        block::add(&mut self.diagonal[b], &blocks.bb);
        let off = if is_b_later { block::transpose(&blocks.ab) } else { blocks.ab };
        block::add(&mut self.off[link], &off);
        for k in 0..K {
            self.right[a][k] += blocks.a[k];
            self.right[b][k] += blocks.b[k];
        }
    }

    /// Add to the diagonal of every node's unknowns.
    pub(crate) fn add_prior(&mut self, precision: &Unknowns<K>) {
        for diagonal in &mut self.diagonal {
            for k in 0..K {
                diagonal[k][k] += precision[k];
            }
        }
    }

    /// The matrix times `x`, by place. First unknowns enter as differences along links, so that a large common level or a
    /// long ramp costs no digits.
    pub(crate) fn multiply(&self, pattern: &Pattern, x: &[Unknowns<K>], out: &mut [Unknowns<K>]) {
        for ((out, diagonal), x) in out.iter_mut().zip(&self.diagonal).zip(x) {
            let mut own = *x;
            own[0] = 0.0;
            *out = [0.0; K];
            block::add_image(out, diagonal, &own);
        }
        for ((later, earlier, _), off) in pattern.ends.iter().zip(&self.off) {
            let step = x[*earlier][0] - x[*later][0];
            let (mut down, mut up) = (x[*earlier], x[*later]);
            (down[0], up[0]) = (step, -step);
            block::add_image(&mut out[*later], off, &down);
            block::add_transposed_image(&mut out[*earlier], off, &up);
        }
    }
}
