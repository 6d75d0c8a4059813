//! Square blocks of the output grid: block (i, j) holds the pixels i b .. (i + 1) b, j b .. (j + 1) b.

use zemosaic_image::Region;

/// Side of a block before it is adapted.
const USUAL_PX: usize = 64;
/// Smallest side, pixels of the grid.
const LEAST_PX: usize = 16;
/// Smallest side, pixels of the frames: a colour of a Bayer frame has a quarter of them.
const LEAST_FRAME_PX: f64 = 12.0;
/// Blocks of a frame at most.
const MOST_BLOCKS: usize = 4096;
/// Blocks are made smaller while no frame has as many as this, so that narrow overlaps hold some.
const FEW_BLOCKS: usize = 1024;
/// Blocks of all frames together up to which smaller ones are made.
const MOST_IN_ALL: usize = 4 << 20;

/// Blocks of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockGrid {
    /// Side in pixels of the grid.
    pub block_px: usize,
}

impl BlockGrid {
    /// Blocks for frames that lie at `bounds` of the grid; depends on these alone. `least_ratio` is the smallest output
    /// scale over input scale of the frames.
    pub fn for_frames(bounds: &[Region], least_ratio: f64) -> Self {
        let of = |block_px: usize| Self { block_px };
        let largest = |b: usize| bounds.iter().map(|r| of(b).covering(*r).area()).max().unwrap_or(0);
        let in_all = |b: usize| bounds.iter().map(|r| of(b).covering(*r).area()).sum::<usize>();
        let too_fine = |b: usize| {
            // A ratio that is not known does not limit.
            largest(b) > MOST_BLOCKS || b as f64 * least_ratio < LEAST_FRAME_PX
        };
        let mut side = USUAL_PX;
        while too_fine(side) && side < 1 << 20 {
            side *= 2;
        }
        while side / 2 >= LEAST_PX
            && largest(side) < FEW_BLOCKS
            && !too_fine(side / 2)
            && in_all(side / 2) <= MOST_IN_ALL
        {
            side /= 2;
        }
        of(side)
    }

    /// Middle of a column or row of blocks, pixels of the grid.
    pub fn centre_px(self, block: i64) -> f64 {
        (block as f64 + 0.5) * self.block_px as f64 - 0.5
    }

    /// Lower end of a column or row of blocks, pixels of the grid.
    pub fn start_px(self, block: i64) -> f64 {
        block as f64 * self.block_px as f64 - 0.5
    }

    /// The blocks that hold a pixel of `bounds`, as a region of block indices.
    pub fn covering(self, bounds: Region) -> Region {
        let side = self.block_px as i64;
        let (x0, y0) = (bounds.x0.div_euclid(side), bounds.y0.div_euclid(side));
        let end = |end: i64| (end + side - 1).div_euclid(side);
        Region {
            x0,
            y0,
            width: (end(bounds.x1()) - x0).max(0) as usize,
            height: (end(bounds.y1()) - y0).max(0) as usize,
        }
    }
}

/// Index of the block (x, y) of the grid in a list of the blocks of `region`, row by row.
pub(crate) fn slot_in(region: &Region, x: i64, y: i64) -> usize {
    (y - region.y0) as usize * region.width + (x - region.x0) as usize
}

/// The block of the grid that has this index in a list of the blocks of `region`.
pub(crate) fn place_in(region: &Region, slot: usize) -> (i64, i64) {
    (region.x0 + (slot % region.width) as i64, region.y0 + (slot / region.width) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(width: usize, height: usize) -> Region {
        Region { x0: 100, y0: -70, width, height }
    }

    #[test]
    fn sizes_follow_the_frames() {
        assert_eq!(BlockGrid::for_frames(&[at(1080, 1920); 4], 1.0).block_px, 32);
        assert_eq!(BlockGrid::for_frames(&[at(200, 150); 4], 1.0).block_px, 16);
        assert_eq!(BlockGrid::for_frames(&[at(9576, 6388); 4], 1.0).block_px, 128);
        assert_eq!(BlockGrid::for_frames(&vec![at(1080, 1920); 9000], 1.0).block_px, 64);
        assert_eq!(BlockGrid::for_frames(&[at(1080, 1920); 4], 0.25).block_px, 64);
        assert_eq!(BlockGrid::for_frames(&[], f64::INFINITY).block_px, 16);
    }

    #[test]
    fn blocks_cover_the_bounds() {
        let blocks = BlockGrid { block_px: 64 };
        let region = blocks.covering(at(65, 64));
        assert_eq!(region, Region { x0: 1, y0: -2, width: 2, height: 2 });
        assert_eq!([slot_in(&region, 1, -2), slot_in(&region, 2, -1)], [0, 3]);
        assert_eq!([0, 2, 3].map(|slot| place_in(&region, slot)), [(1, -2), (1, -1), (2, -1)]);
        assert_eq!((blocks.start_px(-2), blocks.centre_px(-2)), (-128.5, -96.5));
    }
}
