//! Sorting networks: Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2 M), which
//! works for any number of elements. The same comparisons sort all lanes at once.

/// Pixels side by side.
pub const LANES: usize = 16;

/// One sample per lane.
pub type Lane = [f32; LANES];

/// The comparators of a network for `n` elements, in order.
pub fn network(n: usize) -> Vec<(u32, u32)> {
    let mut comparators = Vec::new();
    if n < 2 {
        return comparators;
    }
    let top = n.next_power_of_two() / 2;
    let mut p = top;
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
    comparators
}

/// Sort each lane of `columns` upwards.
#[inline(always)]
pub fn sort_lanes(columns: &mut [Lane], comparators: &[(u32, u32)]) {
    for &(low, high) in comparators {
        let (a, b) = (columns[low as usize], columns[high as usize]);
        let (mut least, mut most) = (a, b);
        for lane in 0..LANES {
            least[lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
            most[lane] = if a[lane] < b[lane] { b[lane] } else { a[lane] };
        }
        columns[low as usize] = least;
        columns[high as usize] = most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_every_zero_one_sequence() {
        // A network that sorts all sequences of zeros and ones sorts everything.
        for n in 0..=13_usize {
            let comparators = network(n);
            for bits in 0..1_u32 << n {
                let mut values: Vec<u32> = (0..n).map(|i| (bits >> i) & 1).collect();
                for &(a, b) in &comparators {
                    if values[a as usize] > values[b as usize] {
                        values.swap(a as usize, b as usize);
                    }
                }
                assert!(values.is_sorted(), "n = {n}, {bits:b}");
            }
        }
    }
}
