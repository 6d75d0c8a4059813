//! Which pixels of a window are saturated, noted before anything is subtracted from them.

use zemosaic_frames::pixels::FramePixels;
use zemosaic_image::Region;

/// Saturated pixels of a window; empty unless there are any.
#[derive(Debug, Default)]
pub(crate) struct Saturation {
    region: Region,
    /// By pixel of the region.
    is_saturated: Vec<bool>,
    /// Whether any is, by block of the region.
    any_in_block: Vec<bool>,
}

/// Side of a block of [`Saturation::any_in_block`].
const BLOCK_PX: usize = 32;

impl Saturation {
    /// Note the pixels of `pixels` at or above `level_adu`; of a CFA frame the raw ones, `binning` x `binning` of which make
    /// a pixel of its planes.
    pub(crate) fn note(&mut self, pixels: &FramePixels<'_>, level_adu: Option<f64>, binning: usize) {
        self.is_saturated.clear();
        let level = level_adu.map_or(f32::INFINITY, |level| level as f32);
        if level == f32::INFINITY {
            return;
        }
        let (planes, region): (Vec<&[f32]>, Region) = if let Some((raw, region)) = pixels.raw {
            (vec![raw], region)
        } else {
            let planes = pixels.planes.iter().map(|plane| &**plane);
            (planes.filter(|plane| !plane.is_empty()).collect(), pixels.region)
        };
        let highest = |plane: &&[f32]| plane.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        if planes.iter().all(|plane| highest(plane) < level) {
            return;
        }
        if binning > 1 {
            self.note_binned(&planes, region, level, (pixels.region, binning));
        } else {
            self.region = region;
            self.is_saturated.resize(region.area(), false);
            for plane in planes {
                for (flag, value) in self.is_saturated.iter_mut().zip(plane) {
                    *flag |= *value >= level;
                }
            }
        }
        self.note_blocks();
    }

    /// Pixels of planes of which any stored pixel is saturated.
    fn note_binned(
        &mut self,
        planes: &[&[f32]],
        stored: Region,
        level: f32,
        (region, binning): (Region, usize),
    ) {
        self.region = region;
        self.is_saturated.resize(region.area(), false);
        let b = binning as i64;
        for plane in planes {
            for (index, _) in plane.iter().enumerate().filter(|(_, value)| **value >= level) {
                let x = (stored.x0 + (index % stored.width) as i64).div_euclid(b) - region.x0;
                let y = (stored.y0 + (index / stored.width) as i64).div_euclid(b) - region.y0;
                let (width, height) = (region.width as i64, region.height as i64);
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    self.is_saturated[y as usize * region.width + x as usize] = true;
                }
            }
        }
    }

    fn note_blocks(&mut self) {
        let across = self.region.width.div_ceil(BLOCK_PX);
        self.any_in_block.clear();
        self.any_in_block.resize(across * self.region.height.div_ceil(BLOCK_PX), false);
        for (y, row) in self.is_saturated.chunks_exact(self.region.width).enumerate() {
            let blocks = &mut self.any_in_block[y / BLOCK_PX * across..][..across];
            for (any, part) in blocks.iter_mut().zip(row.chunks(BLOCK_PX)) {
                *any |= part.iter().fold(false, |any, flag| any | flag);
            }
        }
    }

    /// Whether any pixel is.
    pub(crate) fn is_present(&self) -> bool {
        !self.is_saturated.is_empty()
    }

    /// Whether any pixel in the blocks that hold these positions may be; NaN positions do not count.
    pub(crate) fn may_touch(&self, xs: &[f64], ys: &[f64]) -> bool {
        let bounds = |values: &[f64], origin: i64, size: usize| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for value in values {
                low = if *value < low { *value } else { low };
                high = if *value > high { *value } else { high };
            }
            // Saturating: a range that misses the region is empty.
            let block = |value: f64| (value + 0.5 - origin as f64).max(0.0) as usize / BLOCK_PX;
            (block(low), block(high).min((size - 1) / BLOCK_PX))
        };
        let (x0, x1) = bounds(xs, self.region.x0, self.region.width);
        let (y0, y1) = bounds(ys, self.region.y0, self.region.height);
        let across = self.region.width.div_ceil(BLOCK_PX);
        (y0..=y1).any(|y| (x0..=x1).any(|x| self.any_in_block[y * across + x]))
    }

    /// Whether the frame pixel nearest to the position is.
    pub(crate) fn at(&self, x: f64, y: f64) -> bool {
        let (x, y) = (x + 0.5 - self.region.x0 as f64, y + 0.5 - self.region.y0 as f64);
        let inside = x >= 0.0 && y >= 0.0 && x < self.region.width as f64 && y < self.region.height as f64;
        // Not below 0: cutting off the fraction is the floor.
        inside && self.is_saturated[y as usize * self.region.width + x as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_say_no_less_than_pixels() {
        let region = Region { x0: 40, y0: 7, width: 100, height: 70 };
        let mut saturation =
            Saturation { region, is_saturated: vec![false; region.area()], any_in_block: Vec::new() };
        saturation.is_saturated[33 * 100 + 65] = true;
        saturation.note_blocks();
        let mut found = 0;
        for step in 0..4000 {
            let x = 30.0 + f64::from(step % 80) * 1.5;
            let y = f64::from(step / 80) * 1.6;
            let xs = [x, f64::NAN, x + 9.0];
            let ys = [y, f64::NAN, y + 4.0];
            let may = saturation.may_touch(&xs, &ys);
            assert!(may || !(saturation.at(xs[0], ys[0]) || saturation.at(xs[2], ys[2])), "{x}, {y}");
            found += i32::from(may);
        }
        assert!(found > 0 && found < 2000, "{found}");
        assert!(saturation.at(105.4, 40.4) && !saturation.at(105.6, 40.4) && !saturation.at(-1e9, 0.0));
        assert!(!saturation.may_touch(&[f64::NAN], &[f64::NAN]) && !saturation.may_touch(&[1e9], &[30.0]));
    }
}
