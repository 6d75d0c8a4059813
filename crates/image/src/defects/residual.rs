//! Mean deviation of each pixel of a sensor over many frames: defects fainter than the noise of one frame.
//!
//! Each frame adds a pixel's deviation from the median of its colour's neighbours, in standard deviations of a green
//! sky pixel, clipped so that a star or a cosmic ray in one frame weighs little. The sums are whole numbers: order of
//! frames and of merges does not matter. On the mean, noise falls with the root of the frames, stars smear out by
//! dither, and the guard keeps those that do not move.

use super::find::guards;
use super::guard::Wing;
use super::neighbours::{AROUND, Pixels, SAME, Surroundings, median_of_eight};
use super::{CfaDefectOptions, Defect, DefectKind, PersistenceOptions, Sensor, SensorNoise};
use crate::region::Region;
use crate::simd::SimdLevel;
use crate::stats::{mad_sigma, median};

/// Largest deviation that counts, in standard deviations.
const CLIP_SIGMA: f32 = 5.0;
/// Steps per standard deviation.
const STEPS: f32 = 256.0;

/// Sums of clipped deviations of a sensor; six bytes per pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidualMean {
    width: usize,
    height: usize,
    sensor: Sensor,
    sums: Vec<i32>,
    counts: Vec<u16>,
}

impl ResidualMean {
    /// Of a sensor of `width` x `height` pixels.
    pub fn new(width: usize, height: usize, sensor: Sensor) -> Self {
        Self { width, height, sensor, sums: vec![0; width * height], counts: vec![0; width * height] }
    }

    /// Add `out_region` of one more frame (65,535 at most): `raw` holds `raw_region`, which covers `out_region` grown
    /// by 2 px and clipped to the frame. `noise` is the frame's; nothing is added when its green is not known.
    ///
    /// # Panics
    /// When a region lies outside the sensor or the window does not cover `out_region`.
    pub fn add(&mut self, raw: &[f32], raw_region: Region, out_region: Region, noise: &SensorNoise) {
        let sensor = Region { x0: 0, y0: 0, width: self.width, height: self.height };
        assert!(raw_region.contains(&out_region) && sensor.contains(&out_region), "regions");
        let scale = STEPS / noise.sigma_adu[1];
        if out_region.is_empty() || !(scale.is_finite() && scale > 0.0) {
            return;
        }
        let pixels = Pixels { raw, region: raw_region };
        let level = SimdLevel::detect();
        let mut row = vec![0.0; out_region.width];
        for y in out_region.y0..out_region.y1() {
            deviations(level, pixels, y, out_region.x0, &mut row);
            let start = y as usize * self.width + out_region.x0 as usize;
            let sums = &mut self.sums[start..start + row.len()];
            let counts = &mut self.counts[start..start + row.len()];
            for ((deviation, sum), count) in row.iter().zip(sums).zip(counts) {
                let good = !deviation.is_nan() && *count < u16::MAX;
                // Rounded half away from zero; NaN becomes 0.
                let steps = (deviation * scale).clamp(-CLIP_SIGMA * STEPS, CLIP_SIGMA * STEPS);
                let steps = (steps + 0.5_f32.copysign(steps)) as i32;
                *sum += if good { steps } else { 0 };
                *count += u16::from(good);
            }
        }
    }

    /// The frames of another sum of the same sensor.
    ///
    /// # Panics
    /// When the sensors differ in size.
    pub fn merge(&mut self, other: &Self) {
        assert!((self.width, self.height) == (other.width, other.height), "sensors of one size");
        let other_pixels = other.sums.iter().zip(&other.counts);
        for ((sum, count), (other_sum, other_count)) in
            self.sums.iter_mut().zip(&mut self.counts).zip(other_pixels)
        {
            *sum = sum.saturating_add(*other_sum);
            *count = count.saturating_add(*other_count);
        }
    }

    /// Mean deviation of a pixel in standard deviations of a green sky pixel of one frame; NaN outside the sensor and
    /// with fewer than `min_frames` frames.
    pub fn mean(&self, x: i64, y: i64, min_frames: u32) -> f32 {
        if x < 0 || y < 0 || x >= self.width as i64 || y >= self.height as i64 {
            return f32::NAN;
        }
        let at = y as usize * self.width + x as usize;
        let count = self.counts[at];
        if count == 0 || u32::from(count) < min_frames {
            return f32::NAN;
        }
        (f64::from(self.sums[at]) / (f64::from(STEPS) * f64::from(count))) as f32
    }

    /// Defects of the mean, rows first: a deviation of `kappa` standard deviations of the means of its colour, of
    /// `least_sigma` of one frame at least, and no star's wings around.
    pub fn bad_pixels(&self, options: &CfaDefectOptions, persistence: &PersistenceOptions) -> Vec<Defect> {
        let (width, height) = (self.width as i64, self.height as i64);
        let all = || (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
        let mean = |x, y| self.mean(x, y, persistence.min_frames);
        let sigmas: [f32; 3] = std::array::from_fn(|colour| {
            let here = all().filter(|(x, y)| self.sensor.colour_at(*x, *y) == colour);
            let mut values: Vec<f32> = here.map(|(x, y)| mean(x, y)).collect();
            median(&mut values).map_or(f32::NAN, |centre| mad_sigma(&mut values, centre))
        });
        let guards = guards(self.sensor, options);
        let judge = |(x, y): (i64, i64)| {
            let colour = self.sensor.colour_at(x, y);
            let (deviation, sigma) = (mean(x, y), sigmas[colour]);
            // NaN is no defect.
            let large = deviation.abs() > options.kappa * sigma && deviation.abs() >= persistence.least_sigma;
            if !large {
                return None;
            }
            let around = Surroundings::of(SAME.map(|(dx, dy)| mean(x + dx, y + dy)))?;
            if !around.are_calm(deviation) {
                return None;
            }
            let (kind, sign) =
                if deviation > 0.0 { (DefectKind::Hot, 1.0) } else { (DefectKind::Cold, -1.0) };
            let wings = AROUND.map(|(dx, dy)| {
                let value = sign * mean(x + dx, y + dy);
                let sigma = sigmas[self.sensor.colour_at(x + dx, y + dy)];
                (!value.is_nan()).then_some(Wing { value, sigma })
            });
            let excess_sigma = sign * deviation;
            guards[colour].excludes_star(excess_sigma, &wings).then_some(Defect { x, y, kind, excess_sigma })
        };
        all().filter_map(judge).collect()
    }
}

/// Pixels of row `y` from column `x0` on minus the medians of their neighbours; NaN where there is none.
fn deviations(level: SimdLevel, pixels: Pixels<'_>, y: i64, x0: i64, out: &mut [f32]) {
    match level {
        SimdLevel::Portable => deviations_body(pixels, y, x0, out),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { deviations_avx2(pixels, y, x0, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => deviations_body(pixels, y, x0, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn deviations_avx2(pixels: Pixels<'_>, y: i64, x0: i64, out: &mut [f32]) {
    deviations_body(pixels, y, x0, out);
}

#[inline(always)]
fn deviations_body(pixels: Pixels<'_>, y: i64, x0: i64, out: &mut [f32]) {
    let region = pixels.region;
    let whole_rows = y - 2 >= region.y0 && y + 2 < region.y1();
    // Columns with all eight neighbours.
    let first = (region.x0 + 2 - x0).clamp(0, out.len() as i64) as usize;
    let last = (region.x1() - 2 - x0).clamp(first as i64, out.len() as i64) as usize;
    let inner = if whole_rows { first..last } else { 0..0 };
    if !inner.is_empty() {
        let count = inner.len();
        let at = |dx: i64, dy: i64| {
            let start = (y + dy - region.y0) as usize * region.width;
            let start = start + (x0 + inner.start as i64 + dx - region.x0) as usize;
            &pixels.raw[start..start + count]
        };
        let [a, b, c, d, e, f, g, h] = SAME.map(|(dx, dy)| at(dx, dy));
        let own = at(0, 0);
        for (i, out) in out[inner.start..inner.start + count].iter_mut().enumerate() {
            let values = [a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]];
            let sum = ((values[0] + values[1]) + (values[2] + values[3]))
                + ((values[4] + values[5]) + (values[6] + values[7]));
            let deviation = own[i] - median_of_eight(values);
            *out = if sum.is_nan() { f32::NAN } else { deviation };
        }
    }
    let slow = |i: usize| {
        let x = x0 + i as i64;
        pixels.surroundings(x, y).map_or(f32::NAN, |around| pixels.at(x, y) - around.median)
    };
    for i in (0..inner.start).chain(inner.end..out.len()) {
        out[i] = slow(i);
    }
    if out[inner.clone()].iter().fold(false, |any, value| any | value.is_nan()) {
        for i in inner {
            if out[i].is_nan() {
                out[i] = slow(i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_eight_is_the_median() {
        // All ways to fill eight places with 0 and 1 prove a network (zero-one principle).
        for bits in 0..256_u32 {
            let values: [f32; 8] = std::array::from_fn(|i| (bits >> i & 1) as f32);
            let mut sorted = values;
            sorted.sort_unstable_by(f32::total_cmp);
            assert_eq!(median_of_eight(values), 0.5 * (sorted[3] + sorted[4]));
        }
    }

    #[test]
    fn rows_equal_pixels_on_all_instruction_sets() {
        let (width, height) = (61, 9);
        let mut raw: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 1013) as f32).collect();
        for i in (5..raw.len()).step_by(53) {
            raw[i] = f32::NAN;
        }
        let region = Region { x0: 4, y0: 3, width, height };
        let pixels = Pixels { raw: &raw, region };
        for level in SimdLevel::available() {
            for y in region.y0..region.y1() {
                for (x0, length) in [(4, 61), (5, 3), (9, 40), (60, 5)] {
                    let mut row = vec![0.0; length];
                    deviations(level, pixels, y, x0, &mut row);
                    for (i, found) in row.iter().enumerate() {
                        let x = x0 + i as i64;
                        let plain = pixels
                            .surroundings(x, y)
                            .map_or(f32::NAN, |around| pixels.at(x, y) - around.median);
                        assert_eq!(found.to_bits(), plain.to_bits(), "{level:?} {x} {y}");
                    }
                }
            }
        }
    }
}
