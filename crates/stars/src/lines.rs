//! The picture that lines are looked for in: the detection plane over its noise, clipped, without stars, summed over square
//! blocks. A line adds its length in the block, noise its root of the area, so a line of one pixel's width keeps its
//! signal to noise at any size of block while there are fewer and fewer blocks to look through.

use crate::components::Lit;

/// Blocks along the longer side at most.
const MAX_BLOCKS: usize = 320;
const LEAST_BLOCK: usize = 2;
/// One pixel counts for so many sigma at most.
const CLIP_SIGMA: f32 = 4.0;
/// A block is lit from so many sigma on.
const LIT_SIGMA: f64 = 2.5;
/// Blocks around a block that its surroundings are measured from, half of a side.
const AROUND: usize = 5;
/// More may not be lit: the threshold then rises.
const MAX_LIT_SHARE: f64 = 0.08;

/// The blocks while rows come in.
#[derive(Debug)]
pub(crate) struct LinePicture {
    block: usize,
    width: usize,
    height: usize,
    sums: Vec<f64>,
    counts: Vec<u32>,
}

/// A block as lines see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lamp {
    /// Not above its surroundings.
    Dark,
    /// Above them.
    Lit,
    /// Mostly stars, or without data: says nothing.
    Masked,
}

/// All blocks.
#[derive(Debug)]
pub(crate) struct Lamps {
    /// Side of a block in pixels of the detection plane.
    pub block: usize,
    pub width: usize,
    pub height: usize,
    pub states: Vec<Lamp>,
}

fn clipped(sigmas: f32) -> f32 {
    sigmas.clamp(-CLIP_SIGMA, CLIP_SIGMA)
}

impl LinePicture {
    /// For a detection plane of `width` x `height` pixels.
    pub fn new(width: usize, height: usize) -> Self {
        let block = width.max(height).div_ceil(MAX_BLOCKS).max(LEAST_BLOCK);
        let (width, height) = (width.div_ceil(block), height.div_ceil(block));
        Self { block, width, height, sums: vec![0.0; width * height], counts: vec![0; width * height] }
    }

    /// Row `y` of the detection plane over its noise.
    pub fn add_row(&mut self, y: usize, sigmas: &[f32]) {
        let start = y / self.block * self.width;
        let whole = sigmas.iter().fold(true, |whole, value| whole & value.is_finite());
        for (index, chunk) in sigmas.chunks(self.block).enumerate() {
            let (sum, count) = if whole {
                (chunk.iter().map(|value| clipped(*value)).sum::<f32>(), chunk.len())
            } else {
                let good = || chunk.iter().filter(|value| value.is_finite());
                (good().map(|value| clipped(*value)).sum::<f32>(), good().count())
            };
            self.sums[start + index] += f64::from(sum);
            self.counts[start + index] += count as u32;
        }
    }

    /// Take out what belongs to a star.
    pub fn remove(&mut self, pixels: &[Lit]) {
        for lit in pixels {
            let at = lit.y as usize / self.block * self.width + lit.x as usize / self.block;
            self.sums[at] -= f64::from(clipped(lit.sigmas));
            self.counts[at] = self.counts[at].saturating_sub(1);
        }
    }

    /// Which blocks are lit.
    pub fn finish(&self) -> Lamps {
        let least = (self.block * self.block / 2).max(1) as u32;
        let good = |at: usize| self.counts[at] >= least;
        let excess = self.above_surroundings(&good);
        let mut values: Vec<f32> = excess.iter().filter(|value| value.is_finite()).copied().collect();
        let sigma = {
            let mut copy = values.clone();
            f64::from(zemosaic_image::stats::mad_sigma(&mut copy, 0.0)).max(1.0)
        };
        let highest = zemosaic_image::stats::percentile(&mut values, 1.0 - MAX_LIT_SHARE).unwrap_or(0.0);
        let threshold = (LIT_SIGMA * sigma).max(f64::from(highest));
        let lamp = |value: &f32| match value {
            value if !value.is_finite() => Lamp::Masked,
            value if f64::from(*value) > threshold => Lamp::Lit,
            _ => Lamp::Dark,
        };
        let states = excess.iter().map(lamp).collect();
        Lamps { block: self.block, width: self.width, height: self.height, states }
    }

    /// Sigmas of each block above the clipped mean of those around it; NaN where it is masked.
    fn above_surroundings(&self, good: &dyn Fn(usize) -> bool) -> Vec<f32> {
        let (width, height) = (self.width, self.height);
        // Sums over rectangles from the corner: of means, and of how many there are.
        let mut table = vec![[0.0_f64; 2]; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut row = [0.0; 2];
            for x in 0..width {
                let at = y * width + x;
                if good(at) {
                    let count = f64::from(self.counts[at]);
                    let limit = 3.0 / count.sqrt();
                    row = [row[0] + (self.sums[at] / count).clamp(-limit, limit), row[1] + 1.0];
                }
                let above = table[y * (width + 1) + x + 1];
                table[(y + 1) * (width + 1) + x + 1] = [above[0] + row[0], above[1] + row[1]];
            }
        }
        let mut excess = Vec::with_capacity(width * height);
        for y in 0..height {
            let (y0, y1) = (y.saturating_sub(AROUND), (y + AROUND + 1).min(height));
            for x in 0..width {
                let at = y * width + x;
                if !good(at) {
                    excess.push(f32::NAN);
                    continue;
                }
                let (x0, x1) = (x.saturating_sub(AROUND), (x + AROUND + 1).min(width));
                let over = |part: usize| {
                    let corner = |x: usize, y: usize| table[y * (width + 1) + x][part];
                    corner(x1, y1) - corner(x0, y1) - corner(x1, y0) + corner(x0, y0)
                };
                let count = f64::from(self.counts[at]);
                let mean = self.sums[at] / count - over(0) / over(1);
                excess.push((mean * count.sqrt()) as f32);
            }
        }
        excess
    }
}
