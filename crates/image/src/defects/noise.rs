//! Noise of a raw frame, by colour.

use super::Sensor;
use crate::region::Region;
use crate::stats::{mad_sigma, median};

/// What a raw pixel of sky scatters by. Of a whole frame, not of a window: else results would depend on the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SensorNoise {
    /// Sky level by colour (red, green, blue; green on a mono sensor), ADU.
    pub level_adu: [f32; 3],
    /// Standard deviation of a sky pixel by colour, ADU.
    pub sigma_adu: [f32; 3],
    /// Photon noise: variance per ADU above the sky, ADU (1 / gain in e-/ADU); 0 when not known.
    pub variance_per_adu: f32,
}

impl SensorNoise {
    /// Median and noise of a raw window by colour, from differences of pixels two columns apart; a colour without
    /// pixels has NaN. No photon noise.
    ///
    /// # Panics
    /// When `raw` is shorter than `region`.
    pub fn measure(raw: &[f32], region: Region, sensor: Sensor) -> Self {
        let mut noise = Self { level_adu: [f32::NAN; 3], sigma_adu: [f32::NAN; 3], variance_per_adu: 0.0 };
        for colour in 0..3 {
            let (mut values, mut differences) = (Vec::new(), Vec::new());
            for (row, y) in raw.chunks_exact(region.width.max(1)).zip(region.y0..region.y1()) {
                let here = |i: &usize| sensor.colour_at(region.x0 + *i as i64, y) == colour;
                for i in (0..region.width).filter(here) {
                    values.push(row[i]);
                    if let Some(next) = row.get(i + 2) {
                        differences.push(next - row[i]);
                    }
                }
            }
            if let (Some(level), Some(centre)) = (median(&mut values), median(&mut differences)) {
                noise.level_adu[colour] = level;
                noise.sigma_adu[colour] = mad_sigma(&mut differences, centre) / std::f32::consts::SQRT_2;
            }
        }
        noise
    }

    /// Standard deviation of a pixel of `colour` where its surroundings have `background_adu`.
    pub(super) fn at(&self, colour: usize, background_adu: f32) -> f32 {
        let excess = (background_adu - self.level_adu[colour]).max(0.0);
        (self.sigma_adu[colour] * self.sigma_adu[colour] + self.variance_per_adu * excess).sqrt()
    }
}
