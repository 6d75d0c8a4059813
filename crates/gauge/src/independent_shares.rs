//! How much a block of a pair counts beside those of other pairs at the same place. Each frame's level is in all of its pairs
//! there: of m pairs that compare n frames, n - 1 are independent, and each counts (n - 1) / m. For all pairs of n frames that
//! is 2 / n, with which the sum over pairs is the sum over frames of their deviations from a common sky.

use rayon::prelude::*;

use crate::surfaces::SurfacePair;

/// A block: its place, and the pair and the number in it that it comes from.
type Key = (u64, u64, u32, u32);

/// Share of each block of each pair.
pub(crate) fn independent_shares(pairs: &[SurfacePair]) -> Vec<Vec<f64>> {
    let of_pair = |(index, pair): (usize, &SurfacePair)| {
        let place = |(number, block): (usize, &crate::surfaces::BlockDifference)| -> Key {
            (block.y_px.to_bits(), block.x_px.to_bits(), index as u32, number as u32)
        };
        pair.blocks.iter().enumerate().map(place).collect::<Vec<Key>>()
    };
    let mut keys: Vec<Key> = pairs.iter().enumerate().flat_map(of_pair).collect();
    keys.par_sort_unstable();
    let mut shares: Vec<Vec<f64>> = pairs.iter().map(|pair| vec![1.0; pair.blocks.len()]).collect();
    let mut frames = Vec::new();
    for place in keys.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        frames.clear();
        frames.extend(place.iter().flat_map(|key| [pairs[key.2 as usize].a, pairs[key.2 as usize].b]));
        frames.sort_unstable();
        frames.dedup();
        let share = ((frames.len() - 1) as f64 / place.len() as f64).min(1.0);
        for key in place {
            shares[key.2 as usize][key.3 as usize] = share;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surfaces::BlockDifference;

    #[test]
    fn pairs_of_one_place_share() {
        let block = |x_px: f64| BlockDifference { x_px, y_px: 5.0, value: 0.0, variance: 1.0 };
        let pair = |a: usize, b: usize, places: &[f64]| SurfacePair {
            a,
            b,
            blocks: places.iter().map(|x| block(*x)).collect(),
        };
        let pairs =
            [pair(0, 1, &[1.0, 2.0, 3.0]), pair(0, 2, &[2.0, 3.0]), pair(1, 2, &[2.0]), pair(3, 4, &[3.0])];
        let shares = independent_shares(&pairs);
        assert_eq!(shares, [vec![1.0, 2.0 / 3.0, 1.0], vec![2.0 / 3.0, 1.0], vec![2.0 / 3.0], vec![1.0]]);
    }
}
