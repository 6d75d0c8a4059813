//! Sorting with rows held in registers: blocks of eight rows are sorted, then merged pairwise.
//!
//! The order of the merges is a sorting network over blocks: replacing the comparators of a network by
//! merge-splits of sorted blocks sorts all of them (Knuth, The Art of Computer Programming 3, 5.3.4,
//! exercise 38). A merge-split is one step of a bitonic sort (Batcher 1968). [`crate::sort`] is the scalar
//! twin: it gives the same rows, because equal samples are the same bits.

use crate::lanes::{LANES, Lane};
use crate::sort::Network;

/// Rows of a block.
pub const BLOCK: usize = 8;

/// A register of neighbouring lanes.
pub trait Register: Copy {
    /// Lanes of it, a divisor of [`LANES`].
    const WIDTH: usize;

    /// # Safety
    /// `at` is valid for reading `WIDTH` floats, and the processor has the instructions.
    unsafe fn load(at: *const f32) -> Self;

    /// # Safety
    /// `at` is valid for writing `WIDTH` floats, and the processor has the instructions.
    unsafe fn store(self, at: *mut f32);

    /// The lesser and the greater of each lane.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn order(self, other: Self) -> (Self, Self);
}

/// Sort each lane of `rows` upwards; `rows` holds whole blocks, as many as `blocks` has elements.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
pub unsafe fn sort_blocks<R: Register>(rows: &mut [Lane], blocks: &Network) {
    assert_eq!(rows.len(), blocks.elements() * BLOCK, "rows come in whole blocks");
    let base = rows.as_mut_ptr().cast::<f32>();
    for part in (0..LANES).step_by(R::WIDTH) {
        // Row k of block b, lanes from `part` on.
        let block = |b: usize| base.wrapping_add(b * BLOCK * LANES + part);
        for b in 0..blocks.elements() {
            // SAFETY: b is below the number of blocks, so its eight rows of LANES floats lie in `rows`.
            unsafe { sort_block::<R>(block(b)) };
        }
        for (low, high) in blocks.pairs() {
            // SAFETY: pairs of a network are distinct and below its number of elements.
            unsafe { merge_split::<R>(block(low), block(high)) };
        }
    }
}

/// Apply comparators to rows in registers. A macro, because a loop over the pairs would have to be unrolled
/// for the rows to stay in registers, and nothing promises that.
macro_rules! compare {
    ($rows:ident: $(($a:literal, $b:literal))*) => {
        $(($rows[$a], $rows[$b]) = $rows[$a].order($rows[$b]);)*
    };
}

/// # Safety
/// Eight rows from `at` on, [`LANES`] floats apart, are valid; the processor has the instructions.
#[inline(always)]
unsafe fn load_rows<R: Register>(at: *const f32) -> [R; BLOCK] {
    // SAFETY: as promised by the caller.
    let row = |k: usize| unsafe { R::load(at.add(k * LANES)) };
    [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)]
}

/// # Safety
/// As [`load_rows`], for writing.
#[inline(always)]
unsafe fn store_rows<R: Register>(rows: [R; BLOCK], at: *mut f32) {
    for (k, values) in rows.into_iter().enumerate() {
        // SAFETY: as promised by the caller.
        unsafe { values.store(at.add(k * LANES)) };
    }
}

/// The optimal network for eight elements: 19 comparators (Knuth, 5.3.4, fig. 49).
///
/// # Safety
/// The block at `at` is valid; the processor has the instructions.
#[inline(always)]
unsafe fn sort_block<R: Register>(at: *mut f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut rows = load_rows::<R>(at);
        compare!(rows: (0, 2) (1, 3) (4, 6) (5, 7) (0, 4) (1, 5) (2, 6) (3, 7) (0, 1) (2, 3) (4, 5) (6, 7)
            (2, 4) (3, 5) (1, 4) (3, 6) (1, 2) (3, 4) (5, 6));
        store_rows(rows, at);
    }
}

/// Sort eight rows that first rise then fall or first fall then rise (with any rotation), and store them.
///
/// # Safety
/// As [`sort_block`].
#[inline(always)]
unsafe fn store_bitonic<R: Register>(mut rows: [R; BLOCK], at: *mut f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        compare!(rows: (0, 4) (1, 5) (2, 6) (3, 7) (0, 2) (1, 3) (4, 6) (5, 7) (0, 1) (2, 3) (4, 5) (6, 7));
        store_rows(rows, at);
    }
}

/// Two sorted blocks become one sorted sequence, the lesser half in `low`.
///
/// # Safety
/// Both blocks are valid and distinct; the processor has the instructions.
#[inline(always)]
unsafe fn merge_split<R: Register>(low: *mut f32, high: *mut f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        let (mut less, mut more) = (load_rows::<R>(low), load_rows::<R>(high));
        more.reverse();
        macro_rules! cross {
            ($($k:literal)*) => { $((less[$k], more[$k]) = less[$k].order(more[$k]);)* };
        }
        cross!(0 1 2 3 4 5 6 7);
        store_bitonic(less, low);
        store_bitonic(more, high);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_storeu_ps};

    use super::Register;

    impl Register for __m256 {
        const WIDTH: usize = 8;

        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            // SAFETY: as promised by the caller.
            unsafe { _mm256_loadu_ps(at) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            // SAFETY: as promised by the caller.
            unsafe { _mm256_storeu_ps(at, self) }
        }

        #[inline(always)]
        unsafe fn order(self, other: Self) -> (Self, Self) {
            // SAFETY: the processor has AVX, as promised by the caller.
            unsafe { (_mm256_min_ps(self, other), _mm256_max_ps(other, self)) }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::arch::x86_64::__m256;

    use super::*;

    #[target_feature(enable = "avx2")]
    fn sort_avx2(rows: &mut [Lane], blocks: &Network) {
        // SAFETY: this function has the instructions.
        unsafe { sort_blocks::<__m256>(rows, blocks) }
    }

    #[test]
    fn equals_the_scalar_twin() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        for blocks in 0..=17 {
            let n = blocks * BLOCK;
            for salt in 0..20 {
                let value = |k: usize, lane: usize| {
                    let hash =
                        (k * 7919 + lane * 104_729 + salt * 1_299_709).wrapping_mul(2_654_435_761) % 1009;
                    if hash.is_multiple_of(17) { f32::INFINITY } else { (hash % 97) as f32 }
                };
                let mut rows: Vec<Lane> =
                    (0..n).map(|k| Lane(std::array::from_fn(|lane| value(k, lane)))).collect();
                let mut expected = rows.clone();
                // SAFETY: the processor has AVX2.
                unsafe { sort_avx2(&mut rows, &Network::new(blocks)) };
                Network::new(n).sort(&mut expected);
                assert!(rows.iter().zip(&expected).all(|(a, b)| a.0 == b.0), "{n} rows");
            }
        }
    }
}
