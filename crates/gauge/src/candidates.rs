//! Where stars may be: the brightest pixel of each block, noted while rows pass for the levels. They are ranked within cells of
//! blocks that are fixed on the grid, by how far they rise above the level of their block, so that frames which overlap choose
//! the same stars however bright the rest of each is.

use std::collections::BTreeMap;

use zemosaic_image::Region;

/// Side of a cell in blocks.
const CELL_BLOCKS: i64 = 4;
/// Candidates of a cell.
const PER_CELL: usize = 6;
/// Candidates of a frame.
const MOST: usize = 1024;
/// A candidate rises so far above the level of its block, in sigma of a pixel.
const PEAK_SIGMA: f32 = 8.0;

/// The brightest pixel of a block so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    /// Its value; minus infinity before the first.
    pub(crate) value: f32,
    /// Column in the frame.
    pub(crate) x: u32,
    /// Row in the frame.
    pub(crate) y: u32,
}

impl Default for Peak {
    fn default() -> Self {
        Self { value: f32::NEG_INFINITY, x: 0, y: 0 }
    }
}

impl Peak {
    /// Look at every `step`-th of the `pixels` of row `y` that begin at column `x0`.
    pub(crate) fn look(&mut self, pixels: &[f32], (x0, y): (usize, usize), step: usize) {
        if step > 1 {
            for (index, value) in pixels.iter().enumerate().step_by(step) {
                if *value > self.value {
                    *self = Self { value: *value, x: (x0 + index) as u32, y: y as u32 };
                }
            }
            return;
        }
        if highest(pixels) > self.value
            && let Some((index, value)) =
                pixels.iter().enumerate().filter(|(_, v)| !v.is_nan()).max_by(|a, b| a.1.total_cmp(b.1))
        {
            *self = Self { value: *value, x: (x0 + index) as u32, y: y as u32 };
        }
    }
}

/// The highest value; NaN does not count.
fn highest(pixels: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut most = [f32::NEG_INFINITY; LANES];
    let rows = pixels.chunks_exact(LANES);
    let rest = rows.remainder();
    for row in rows {
        for (most, value) in most.iter_mut().zip(row) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, value| if *value > most { *value } else { most })
}

/// A place where a star may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Index of the block in its region.
    pub(crate) slot: usize,
    /// Column in the frame.
    pub(crate) x: usize,
    /// Row in the frame.
    pub(crate) y: usize,
    /// Height above the level of its block.
    pub(crate) height: f32,
}

impl Candidate {
    /// Of the brightest pixel of a block with this level and noise of a pixel.
    pub(crate) fn of(slot: usize, peak: Peak, level: f32, sigma: f32) -> Option<Self> {
        let height = peak.value - level;
        (height.is_finite() && height > PEAK_SIGMA * sigma && height > 0.0).then_some(Self {
            slot,
            x: peak.x as usize,
            y: peak.y as usize,
            height,
        })
    }
}

/// The highest of each cell of `region`, highest first.
pub(crate) fn choose(region: Region, candidates: &[Candidate]) -> Vec<Candidate> {
    let cell_of = |slot: usize| {
        let (i, j) = ((slot % region.width) as i64, (slot / region.width) as i64);
        ((region.y0 + j).div_euclid(CELL_BLOCKS), (region.x0 + i).div_euclid(CELL_BLOCKS))
    };
    let mut cells: BTreeMap<(i64, i64), Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        cells.entry(cell_of(candidate.slot)).or_default().push(*candidate);
    }
    let highest_first =
        |a: &Candidate, b: &Candidate| b.height.total_cmp(&a.height).then(a.slot.cmp(&b.slot));
    let mut chosen: Vec<Candidate> = Vec::new();
    for mut own in cells.into_values() {
        own.sort_by(highest_first);
        own.truncate(PER_CELL);
        chosen.extend(own);
    }
    chosen.sort_by(highest_first);
    chosen.truncate(MOST);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brightest_pixel_is_found() {
        let pixels: Vec<f32> =
            (0..37).map(|i| if i % 5 == 0 { f32::NAN } else { (i * 7 % 31) as f32 }).collect();
        for step in [1, 2] {
            let mut peak = Peak::default();
            peak.look(&pixels, (100, 9), step);
            let expected = (0..37).step_by(step).filter(|i| i % 5 != 0).max_by_key(|i| i * 7 % 31).unwrap();
            assert_eq!((peak.x, peak.y), (100 + expected as u32, 9));
        }
        let mut none = Peak::default();
        none.look(&[f32::NAN; 9], (0, 0), 1);
        assert_eq!(Candidate::of(0, none, 1.0, 1.0), None);
    }

    #[test]
    fn cells_have_their_own_ranks() {
        let region = Region { x0: -3, y0: 0, width: 8, height: 4 };
        let all: Vec<Candidate> = (0..32)
            .map(|slot| Candidate { slot, x: slot, y: 0, height: 1.0 + (slot * 11 % 32) as f32 })
            .collect();
        let chosen = choose(region, &all);
        // Columns -3 .. -1, 0 .. 3 and 4: three cells.
        // The first has 3 x 4 blocks of which 6 are chosen, the last 1 x 4.
        assert_eq!(chosen.len(), 16);
        assert!(chosen.windows(2).all(|pair| pair[0].height > pair[1].height));
    }

    /// Cosmic rays and hot pixels can be more than stars, and higher: what is lower must not fall out for them.
    #[test]
    fn stars_stay_beside_many_higher_peaks() {
        let region = Region { x0: 0, y0: 0, width: 60, height: 32 };
        let is_star = |slot: usize| slot.is_multiple_of(7);
        let height = |slot: usize| if is_star(slot) { 20.0 } else { 1000.0 };
        // Three in four blocks of a row are empty.
        let all: Vec<Candidate> = (0..region.area())
            .filter(|slot| is_star(*slot) || slot.is_multiple_of(4))
            .map(|slot| Candidate { slot, x: slot, y: 0, height: height(slot) })
            .collect();
        let stars = choose(region, &all).iter().filter(|own| is_star(own.slot)).count();
        assert!(stars > 100, "{stars} of {}", all.iter().filter(|own| is_star(own.slot)).count());
    }
}
