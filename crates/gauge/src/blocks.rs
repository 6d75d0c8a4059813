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
    }
}
