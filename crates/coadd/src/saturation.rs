//! Which pixels of a window are saturated, noted before anything is subtracted from them.

use zemosaic_frames::pixels::FramePixels;
use zemosaic_image::Region;

/// Saturated pixels of a window; empty unless there are any.
#[derive(Debug, Default)]
pub(crate) struct Saturation {
    region: Region,
    /// By pixel of the region.
    is_saturated: Vec<bool>,
}

impl Saturation {
    /// Note the pixels of `pixels` at or above `level_adu`; of a CFA frame the raw ones.
    pub(crate) fn note(&mut self, pixels: &FramePixels<'_>, level_adu: Option<f64>) {
        self.is_saturated.clear();
        let level = level_adu.map_or(f32::INFINITY, |level| level as f32);
        if level == f32::INFINITY {
            return;
        }
        let (planes, region): (Vec<&[f32]>, Region) = match pixels.raw {
            Some((raw, region)) => (vec![raw], region),
            None => (pixels.planes[..pixels.channels].iter().map(|plane| &**plane).collect(), pixels.region),
        };
        let highest = |plane: &&[f32]| plane.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        if planes.iter().all(|plane| highest(plane) < level) {
            return;
        }
        self.region = region;
        self.is_saturated.resize(region.area(), false);
        for plane in planes {
            for (flag, value) in self.is_saturated.iter_mut().zip(plane) {
                *flag |= *value >= level;
            }
        }
    }

    /// Whether any pixel is.
    pub(crate) fn is_present(&self) -> bool {
        !self.is_saturated.is_empty()
    }

    /// Whether the frame pixel nearest to the position is.
    pub(crate) fn at(&self, x: f64, y: f64) -> bool {
        let (x, y) = (x + 0.5 - self.region.x0 as f64, y + 0.5 - self.region.y0 as f64);
        let inside = x >= 0.0 && y >= 0.0 && x < self.region.width as f64 && y < self.region.height as f64;
        // Not below 0: cutting off the fraction is the floor.
        inside && self.is_saturated[y as usize * self.region.width + x as usize]
    }
}
