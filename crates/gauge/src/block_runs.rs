//! Which pixels of a row of a frame fall into which block: positions on the grid are exact on nodes every 32 pixels of the
//! frame and linear in between, which is far better than a block needs.

use zemosaic_image::Region;
use zemosaic_sky::Wcs;

/// Distance of the nodes in pixels of the frame.
const NODE_PX: usize = 32;

/// Pixels `x0 .. x1` of a row in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index in the region of blocks, row-major.
    pub(crate) slot: usize,
    pub(crate) x0: usize,
    pub(crate) x1: usize,
}

/// Positions of a frame's nodes in units of blocks, the border of block 0 at 0.
pub(crate) struct Nodes {
    columns: usize,
    at: Vec<[f64; 2]>,
    width: usize,
}

impl Nodes {
    /// Of a frame of `width` x `height` pixels on a grid with blocks of `block_px`.
    pub(crate) fn new(frame: &Wcs, grid: &Wcs, (width, height): (usize, usize), block_px: usize) -> Self {
        let count = |length: usize| length.div_ceil(NODE_PX) + 1;
        let (columns, rows) = (count(width), count(height));
        let scale = 1.0 / block_px as f64;
        let mut at = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = ((column * NODE_PX) as f64, (row * NODE_PX) as f64);
                let on_grid = frame.pixel_to_icrs(x, y).and_then(|sky| grid.icrs_to_pixel(&sky));
                at.push(on_grid.map_or([f64::NAN; 2], |(gx, gy)| [(gx + 0.5) * scale, (gy + 0.5) * scale]));
            }
        }
        Self { columns, at, width }
    }

    /// The runs of row `y` in the blocks of `region`, from left to right.
    pub(crate) fn runs(&self, y: usize, region: Region, out: &mut Vec<Run>) {
        out.clear();
        let (row, part) = (y / NODE_PX, (y % NODE_PX) as f64 / NODE_PX as f64);
        let between = |column: usize| -> [f64; 2] {
            let (low, high) =
                (self.at[row * self.columns + column], self.at[(row + 1) * self.columns + column]);
            std::array::from_fn(|axis| low[axis] + (high[axis] - low[axis]) * part)
        };
        let mut left = between(0);
        for column in 0..self.columns - 1 {
            let right = between(column + 1);
            let x0 = column * NODE_PX;
            let segment = Segment {
                start: left,
                step: std::array::from_fn(|axis| (right[axis] - left[axis]) / NODE_PX as f64),
                x0,
                x1: (x0 + NODE_PX).min(self.width),
            };
            segment.runs(region, out);
            left = right;
        }
    }
}

/// The largest whole number that is not above `value`; without a call, which the smallest x86-64 needs for `f64::floor`.
fn floor(value: f64) -> i64 {
    let whole = value as i64;
    whole - i64::from(whole as f64 > value)
}

/// Pixels between two nodes.
struct Segment {
    start: [f64; 2],
    step: [f64; 2],
    x0: usize,
    x1: usize,
}

impl Segment {
    fn runs(&self, region: Region, out: &mut Vec<Run>) {
        if !self.start.iter().chain(&self.step).all(|value| value.is_finite()) {
            return;
        }
        let mut x = self.x0;
        while x < self.x1 {
            let mut count = (self.x1 - x) as f64;
            let mut block = [0_i64; 2];
            for (axis, block) in block.iter_mut().enumerate() {
                let at = self.start[axis] + self.step[axis] * (x - self.x0) as f64;
                *block = floor(at);
                let below = *block as f64;
                let step = self.step[axis];
                if step > 0.0 {
                    count = count.min(-floor((at - below - 1.0) / step) as f64);
                } else if step < 0.0 {
                    count = count.min((floor((at - below) / -step) + 1) as f64);
                }
            }
            let end = (x + (count as usize).max(1)).min(self.x1);
            let [i, j] = [block[0] - region.x0, block[1] - region.y0];
            if i >= 0 && j >= 0 && i < region.width as i64 && j < region.height as i64 {
                let slot = j as usize * region.width + i as usize;
                match out.last_mut() {
                    Some(last) if last.slot == slot && last.x1 == x => last.x1 = end,
                    _ => out.push(Run { slot, x0: x, x1: end }),
                }
            }
            x = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_each_pixel_says() {
        let region = Region { x0: -3, y0: -2, width: 40, height: 40 };
        for step in [[0.031, 0.0], [-0.027, 0.0131], [0.0, -0.06], [-0.3, 0.2], [0.0625, 0.0]] {
            let segment = Segment { start: [1.37, 2.5], step, x0: 64, x1: 96 };
            let mut runs = Vec::new();
            segment.runs(region, &mut runs);
            let mut next = 64;
            for run in &runs {
                assert!(run.x0 >= next && run.x1 > run.x0);
                next = run.x1;
            }
            for x in 64..96 {
                let at = |axis: usize| segment.start[axis] + step[axis] * (x - 64) as f64;
                let (i, j) = (at(0).floor() as i64 + 3, at(1).floor() as i64 + 2);
                let inside = (0..40).contains(&i) && (0..40).contains(&j);
                let expected = inside.then(|| (j * 40 + i) as usize);
                let found = runs.iter().find(|run| (run.x0..run.x1).contains(&x)).map(|run| run.slot);
                assert_eq!(found, expected, "{step:?} {x}");
            }
        }
    }
}
