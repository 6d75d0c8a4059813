//! Sorting networks: Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2 M), which
//! works for any number of elements. The same comparisons sort all lanes at once.

use crate::lanes::{LANES, Lane};

/// The comparators of a network for `elements` elements, in order. Every pair is `low < high < elements`.
#[derive(Debug, Default)]
pub struct Network {
    elements: usize,
    comparators: Vec<(u32, u32)>,
}

impl Network {
    /// The network for `n` elements.
    pub fn new(n: usize) -> Self {
        let mut comparators = Vec::new();
        let top = n.next_power_of_two() / 2;
        let mut p = if n < 2 { 0 } else { top };
        while p > 0 {
            let (mut q, mut r, mut d) = (top, 0, p);
            loop {
                for i in 0..n - d {
                    if i & p == r {
                        comparators.push((i as u32, (i + d) as u32));
                    }
                }
                if q == p {
                    break;
                }
                d = q - p;
                q /= 2;
                r = p;
            }
            p /= 2;
        }
        Self { elements: n, comparators }
    }

    /// Elements it sorts.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The comparators in order.
    #[inline(always)]
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.comparators.iter().map(|&(low, high)| (low as usize, high as usize))
    }

    /// Sort each lane of `columns` upwards; there must be as many as the network has elements.
    #[inline(always)]
    pub fn sort(&self, columns: &mut [Lane]) {
        assert_eq!(columns.len(), self.elements, "a network sorts its own number of elements");
        let base = columns.as_mut_ptr();
        for &(low, high) in &self.comparators {
            // SAFETY: `new` makes pairs with low < high < elements only, the fields are private, and the
            // assertion above says that `columns` has that many: both are in bounds and distinct.
            let (a, b) = unsafe { (&mut *base.add(low as usize), &mut *base.add(high as usize)) };
            exchange(a, b);
        }
    }
}

/// The lesser of each lane to `a`, the greater to `b`. Both are read before either is written: the compiler
/// then needs no proof that they are distinct to use vectors.
#[inline(always)]
fn exchange(a: &mut Lane, b: &mut Lane) {
    let (x, y) = (*a, *b);
    let (mut least, mut most) = (x, y);
    for lane in 0..LANES {
        least.0[lane] = if x.0[lane] < y.0[lane] { x.0[lane] } else { y.0[lane] };
        most.0[lane] = if x.0[lane] < y.0[lane] { y.0[lane] } else { x.0[lane] };
    }
    *a = least;
    *b = most;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_every_zero_one_sequence() {
        // A network that sorts all sequences of zeros and ones sorts everything.
        for n in 0..=13_usize {
            let network = Network::new(n);
            for bits in 0..1_u32 << n {
                let mut values: Vec<u32> = (0..n).map(|i| (bits >> i) & 1).collect();
                for &(a, b) in &network.comparators {
                    if values[a as usize] > values[b as usize] {
                        values.swap(a as usize, b as usize);
                    }
                }
                assert!(values.is_sorted(), "n = {n}, {bits:b}");
            }
        }
    }

    #[test]
    fn comparators_stay_in_bounds_and_lanes_are_sorted() {
        for n in [0, 1, 2, 3, 17, 64, 70, 200] {
            let network = Network::new(n);
            assert!(network.comparators.iter().all(|(a, b)| a < b && (*b as usize) < n));
            let value = |k: usize, lane: usize| ((k * 7919 + lane * 104_729) % 1013) as f32;
            let mut columns: Vec<Lane> =
                (0..n).map(|k| Lane(std::array::from_fn(|lane| value(k, lane)))).collect();
            network.sort(&mut columns);
            for lane in 0..LANES {
                let mut expected: Vec<f32> = (0..n).map(|k| value(k, lane)).collect();
                expected.sort_by(f32::total_cmp);
                assert!(columns.iter().zip(&expected).all(|(column, value)| column.0[lane] == *value));
            }
        }
    }
}
