//! The detection plane: means of 2 x 2 raw pixels. On a CFA each holds every colour with the same weight, so a level sky
//! stays level; on any frame its pixels are about as large as a star, which is near the best filter for one.
//!
//! Rows are read in bands; some rows before the band are kept for whoever must look at raw pixels again.

use zemosaic_image::Region;

use crate::source::{FrameInfo, Pixels};

/// Raw rows read at a time; even.
const BAND_ROWS: usize = 64;
/// Raw rows kept of what came before; even.
const KEPT_ROWS: usize = 24;

/// A band of raw rows.
pub(crate) struct RawBand {
    info: FrameInfo,
    rows: Vec<f32>,
    /// First row held.
    first: usize,
    /// First row that is new.
    pub new: usize,
    /// One past the last row.
    pub end: usize,
}

impl RawBand {
    pub fn new(info: FrameInfo) -> Self {
        Self { info, rows: Vec::new(), first: 0, new: 0, end: 0 }
    }

    /// Rows that have a part in the detection plane.
    fn last(&self) -> usize {
        self.info.height & !1
    }

    /// Reads the next rows; `false` when there are none.
    pub fn next<P: Pixels>(&mut self, pixels: &mut P) -> Result<bool, P::Error> {
        if self.end >= self.last() {
            return Ok(false);
        }
        let width = self.info.width;
        let kept = KEPT_ROWS.min(self.end - self.first);
        let from = self.rows.len() - kept * width;
        self.rows.copy_within(from.., 0);
        let height = BAND_ROWS.min(self.last() - self.end);
        self.rows.resize((kept + height) * width, 0.0);
        let region = Region { x0: 0, y0: self.end as i64, width, height };
        pixels.read(region, &mut self.rows[kept * width..])?;
        for row in self.rows[kept * width..].chunks_exact_mut(width) {
            fill_gaps(row, self.info.step());
        }
        (self.first, self.new, self.end) = (self.end - kept, self.end, self.end + height);
        Ok(true)
    }

    /// The new rows.
    pub fn new_rows(&self) -> &[f32] {
        &self.rows[(self.new - self.first) * self.info.width..]
    }

    /// A raw pixel, where it is held and has data.
    pub fn pixel(&self, x: i64, y: i64) -> Option<f64> {
        if x < 0 || y < self.first as i64 || x >= self.info.width as i64 || y >= self.end as i64 {
            return None;
        }
        let value = self.rows[(y as usize - self.first) * self.info.width + x as usize];
        value.is_finite().then_some(f64::from(value))
    }

    /// The new rows as rows of the detection plane.
    pub fn halve(&self, out: &mut Vec<f32>) {
        out.clear();
        let width = self.info.width;
        for pair in self.new_rows().chunks_exact(2 * width) {
            let (upper, lower) = pair.split_at(width);
            out.extend(
                upper
                    .chunks_exact(2)
                    .zip(lower.chunks_exact(2))
                    .map(|(u, l)| 0.25 * ((u[0] + u[1]) + (l[0] + l[1]))),
            );
        }
    }
}

/// A lone pixel without data takes the mean of its neighbours of the same colour in the row: a hole of one pixel would
/// otherwise be a hole of four.
fn fill_gaps(row: &mut [f32], step: usize) {
    if row.iter().fold(true, |whole, value| whole & value.is_finite()) {
        return;
    }
    for x in step..row.len().saturating_sub(step) {
        if !row[x].is_finite() {
            let mean = 0.5 * (row[x - step] + row[x + step]);
            if mean.is_finite() {
                row[x] = mean;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zemosaic_image::Sites;

    use super::*;
    use crate::source::MemoryPixels;

    #[test]
    fn bands_give_the_means_of_four_and_keep_rows() {
        let (width, height) = (7, 151);
        let pixels: Vec<f32> = (0..width * height).map(|i| i as f32).collect();
        let info = FrameInfo { width, height, sites: Sites::All, saturation_adu: None };
        let mut band = RawBand::new(info);
        let mut source = MemoryPixels { width, pixels: &pixels };
        let (mut all, mut half) = (Vec::new(), Vec::new());
        while band.next(&mut source).unwrap() {
            band.halve(&mut half);
            all.extend_from_slice(&half);
            let oldest = (band.new as i64 - KEPT_ROWS as i64).max(0);
            assert_eq!(band.pixel(3, oldest), Some(f64::from(pixels[oldest as usize * width + 3])));
            assert_eq!(band.pixel(3, oldest - 1), None);
        }
        assert_eq!(all.len(), 3 * 75);
        assert_eq!(
            all[3 * 50 + 2],
            0.25 * (0..4).map(|k| pixels[(100 + k / 2) * width + 4 + k % 2]).sum::<f32>()
        );
    }

    #[test]
    fn lone_gaps_are_filled_from_the_same_colour() {
        let mut row = [1.0, 10.0, f32::NAN, 12.0, 3.0, f32::NAN, f32::NAN];
        fill_gaps(&mut row, 2);
        assert_eq!(row[2], 2.0);
        assert!(row[5].is_nan() && row[6].is_nan());
    }
}
