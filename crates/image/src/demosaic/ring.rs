//! The last few half rows of a plane: one colour site of two along a row.

/// Half rows of the frame rows `y`, `y - 1`, .. `y - depth + 1`, each `len` long.
pub(super) struct Ring {
    data: Vec<f32>,
    len: usize,
    depth: i64,
}

impl Ring {
    pub(super) fn new(len: usize, depth: i64) -> Self {
        Self { data: vec![0.0; len * depth as usize], len, depth }
    }

    #[inline(always)]
    fn start(&self, y: i64) -> usize {
        y.rem_euclid(self.depth) as usize * self.len
    }

    #[inline(always)]
    pub(super) fn row(&self, y: i64) -> &[f32] {
        let start = self.start(y);
        &self.data[start..start + self.len]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, y: i64) -> &mut [f32] {
        let start = self.start(y);
        &mut self.data[start..start + self.len]
    }
}

/// What the sites of `parity` in a half row of `len` see `dx` columns further, without `margin` sites at each end.
/// `half` is the half row with the columns of that neighbour.
#[inline(always)]
pub(super) fn tap(half: &[f32], parity: usize, dx: i64, margin: usize) -> &[f32] {
    let shift = (parity as i64 + dx).div_euclid(2);
    let start = (margin as i64 + shift) as usize;
    &half[start..start + (half.len() - 2 * margin)]
}
