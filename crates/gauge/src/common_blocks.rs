//! The blocks that two previews have in common: blocks of the grid in which both have a level.

use crate::blocks::{place_in, slot_in};
use crate::preview::Preview;

/// Inner blocks of a common area that are enough.
const ENOUGH_INNER: usize = 24;

/// A block of two previews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonBlock {
    /// Column of the block on the grid.
    pub x: i64,
    /// Row of the block on the grid.
    pub y: i64,
    /// Its index in the first preview.
    pub a: usize,
    /// Its index in the second.
    pub b: usize,
}

/// A row of the region that two previews share: the levels there, and the index of the first block in either.
struct SharedRow<'p> {
    a: usize,
    b: usize,
    levels: [&'p [f32]; 2],
}

/// Row by row, the first channel of both.
fn shared_rows<'p>(a: &'p Preview, b: &'p Preview) -> impl Iterator<Item = SharedRow<'p>> {
    let both = a.region.intersect(&b.region);
    let shared = a.level.first().zip(b.level.first()).zip(both);
    shared.into_iter().flat_map(move |((first, second), both)| {
        (both.y0..both.y1()).map(move |y| {
            let (i, j) = (slot_in(&a.region, both.x0, y), slot_in(&b.region, both.x0, y));
            SharedRow { a: i, b: j, levels: [&first[i..][..both.width], &second[j..][..both.width]] }
        })
    })
}

/// Calls with the indices of every common block in both previews, row by row.
pub(crate) fn for_common(a: &Preview, b: &Preview, mut call: impl FnMut(usize, usize)) {
    for SharedRow { a: i, b: j, levels: [first, second] } in shared_rows(a, b) {
        for (x, (first, second)) in first.iter().zip(second).enumerate() {
            if !first.is_nan() && !second.is_nan() {
                call(i + x, j + x);
            }
        }
    }
}

/// How many blocks both have.
pub(crate) fn count_common(a: &Preview, b: &Preview) -> usize {
    let of_row = |row: SharedRow<'_>| {
        let [first, second] = row.levels;
        first.iter().zip(second).filter(|(a, b)| !a.is_nan() && !b.is_nan()).count()
    };
    shared_rows(a, b).map(of_row).sum()
}

/// The blocks that both have, row by row. Where 24 of them have only common neighbours, and these are a third of all at least,
/// it is those alone: what is odd at the edges of frames stays out.
pub fn common_area(a: &Preview, b: &Preview) -> Vec<CommonBlock> {
    let Some(both) = a.region.intersect(&b.region) else { return Vec::new() };
    let mut all: Vec<CommonBlock> = Vec::new();
    let mut is_common = vec![false; both.area()];
    for_common(a, b, |i, j| {
        let (x, y) = place_in(&a.region, i);
        is_common[slot_in(&both, x, y)] = true;
        all.push(CommonBlock { x, y, a: i, b: j });
    });
    let is_inner = |block: &CommonBlock| {
        let (x, y) = (block.x - both.x0, block.y - both.y0);
        let inside = x > 0 && y > 0 && x + 1 < both.width as i64 && y + 1 < both.height as i64;
        inside
            && (-1..=1).all(|dy| {
                let start = slot_in(&both, block.x - 1, block.y + dy);
                is_common[start..start + 3].iter().all(|is| *is)
            })
    };
    let inner: Vec<CommonBlock> = all.iter().copied().filter(is_inner).collect();
    if inner.len() >= ENOUGH_INNER && 3 * inner.len() >= all.len() { inner } else { all }
}
