//! Hot and cold pixels of one raw window.
//!
//! A defect deviates by kappa standard deviations from the median of the eight pixels of its colour two pixels
//! away, and its eight direct neighbours do not show the wings that a star would give them.

use super::guard::{Around, Guard, Wing};
use super::neighbours::{AROUND, Pixels, SAME, Surroundings};
use super::{CfaDefectOptions, Defect, DefectKind, Sensor, SensorNoise};
use crate::demosaic::CfaWindow;
use crate::region::Region;
use crate::simd::SimdLevel;

/// Raw pixels around a region that its defects depend on.
pub const HALO_PX: usize = 3;

/// A pixel minus the median of eight scatters by this much more than the pixel.
const MEDIAN_NOISE: f32 = 1.1;
/// As many of eight values on one side put their median there.
const MAJORITY: u8 = 5;

/// Defects of `out_region` of a Bayer frame, rows first.
///
/// `window` covers `out_region` grown by [`HALO_PX`] and clipped to the frame; `noise` is the frame's. NaN pixels do
/// not count; a pixel with too few good neighbours is not judged.
///
/// # Panics
/// When `window.raw` is shorter than its region, or the region does not cover `out_region`.
pub fn cfa_defects(
    window: &CfaWindow<'_>,
    out_region: Region,
    noise: &SensorNoise,
    options: &CfaDefectOptions,
) -> Vec<Defect> {
    let pixels = Pixels { raw: window.raw, region: window.region };
    Search::new(pixels, Sensor::Bayer(window.pattern), noise, options).run(SimdLevel::detect(), out_region)
}

/// Defects of `out_region` of a mono frame, rows first; `raw` holds `raw_region`. As [`cfa_defects`]; `noise` is that
/// of green, and the colour ratios of `options` have no meaning.
///
/// # Panics
/// As [`cfa_defects`].
pub fn mono_defects(
    raw: &[f32],
    raw_region: Region,
    out_region: Region,
    noise: &SensorNoise,
    options: &CfaDefectOptions,
) -> Vec<Defect> {
    let pixels = Pixels { raw, region: raw_region };
    Search::new(pixels, Sensor::Mono, noise, options).run(SimdLevel::detect(), out_region)
}

/// Guards of a sensor by colour.
pub(super) fn guards(sensor: Sensor, options: &CfaDefectOptions) -> [Guard; 3] {
    std::array::from_fn(|colour| {
        let around = match (sensor, colour) {
            (Sensor::Mono, _) => Around::Same,
            (Sensor::Bayer(_), 1) => Around::CornersSame,
            (Sensor::Bayer(_), _) => Around::Others,
        };
        Guard::new(options, around)
    })
}

struct Search<'a> {
    pixels: Pixels<'a>,
    sensor: Sensor,
    noise: &'a SensorNoise,
    kappa: f32,
    guards: [Guard; 3],
}

impl<'a> Search<'a> {
    fn new(pixels: Pixels<'a>, sensor: Sensor, noise: &'a SensorNoise, options: &CfaDefectOptions) -> Self {
        Self { pixels, sensor, noise, kappa: options.kappa, guards: guards(sensor, options) }
    }

    fn run(&self, level: SimdLevel, out_region: Region) -> Vec<Defect> {
        if out_region.is_empty() {
            return Vec::new();
        }
        let region = self.pixels.region;
        assert!(self.pixels.raw.len() >= region.area() && region.contains(&out_region), "raw window");
        let mut suspects = vec![false; region.width];
        let mut found = Vec::new();
        for y in out_region.y0..out_region.y1() {
            suspects.fill(true);
            let thresholds =
                [0, 1].map(|dx| self.kappa * self.noise.sigma_adu[self.sensor.colour_at(region.x0 + dx, y)]);
            mark_suspects(level, self.pixels, y, thresholds, &mut suspects);
            let first = (out_region.x0 - region.x0) as usize;
            for (i, _) in suspects.iter().enumerate().skip(first).take(out_region.width).filter(|(_, s)| **s)
            {
                found.extend(self.judge(region.x0 + i as i64, y));
            }
        }
        found
    }

    /// Deviation from the surroundings, the standard deviation of a pixel there, and they.
    fn deviation(&self, x: i64, y: i64) -> Option<(f32, f32, Surroundings)> {
        let value = self.pixels.at(x, y);
        if value.is_nan() {
            return None;
        }
        let around = self.pixels.surroundings(x, y)?;
        Some((value - around.median, self.noise.at(self.sensor.colour_at(x, y), around.median), around))
    }

    fn judge(&self, x: i64, y: i64) -> Option<Defect> {
        let (deviation, sigma, around) = self.deviation(x, y)?;
        if deviation.abs() <= self.kappa * sigma || sigma.is_nan() || !around.are_calm(deviation) {
            return None;
        }
        let (kind, sign) = if deviation > 0.0 { (DefectKind::Hot, 1.0) } else { (DefectKind::Cold, -1.0) };
        let wings = AROUND.map(|(dx, dy)| {
            self.deviation(x + dx, y + dy)
                .map(|(value, sigma, _)| Wing { value: sign * value, sigma: MEDIAN_NOISE * sigma })
        });
        let guard = &self.guards[self.sensor.colour_at(x, y)];
        let defect = guard.excludes_star(sign * deviation, &wings);
        defect.then_some(Defect { x, y, kind, excess_sigma: sign * deviation / sigma })
    }
}

/// Clear the marks of pixels that cannot deviate by `thresholds` (even and odd columns of the window) from the median
/// of their neighbours, because most of these are near them.
fn mark_suspects(level: SimdLevel, pixels: Pixels<'_>, y: i64, thresholds: [f32; 2], suspects: &mut [bool]) {
    match level {
        SimdLevel::Portable => mark_body(pixels, y, thresholds, suspects),
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => {
            // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
            unsafe { mark_avx2(pixels, y, thresholds, suspects) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        SimdLevel::Avx2 => mark_body(pixels, y, thresholds, suspects),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mark_avx2(pixels: Pixels<'_>, y: i64, thresholds: [f32; 2], suspects: &mut [bool]) {
    mark_body(pixels, y, thresholds, suspects);
}

/// Pixels per step: even, so that the columns of all steps alternate alike.
const WIDE: usize = 16;

#[inline(always)]
fn mark_body(pixels: Pixels<'_>, y: i64, thresholds: [f32; 2], suspects: &mut [bool]) {
    let region = pixels.region;
    let width = region.width;
    if y - 2 < region.y0 || y + 2 >= region.y1() || width < WIDE + 4 {
        return;
    }
    let row = |dy: i64| {
        let start = (y + dy - region.y0) as usize * width;
        &pixels.raw[start..start + width]
    };
    let rows = [row(-2), row(0), row(2)];
    let limits: [f32; WIDE] = std::array::from_fn(|lane| thresholds[lane % 2]);
    // Columns 2 to width - 3 have all neighbours; steps start at even columns, the last overlaps the one before.
    let last = (width - 2 - WIDE) / 2 * 2;
    let mut start = 2;
    while start <= last {
        let mut own = [0.0_f32; WIDE];
        own.copy_from_slice(&rows[1][start..start + WIDE]);
        let (mut not_below, mut not_above) = ([0_u8; WIDE], [0_u8; WIDE]);
        for (dx, dy) in SAME {
            let from = (start as i64 + dx) as usize;
            let mut other = [0.0_f32; WIDE];
            other.copy_from_slice(&rows[(dy / 2 + 1) as usize][from..from + WIDE]);
            for lane in 0..WIDE {
                not_below[lane] += u8::from(other[lane] >= own[lane] - limits[lane]);
                not_above[lane] += u8::from(other[lane] <= own[lane] + limits[lane]);
            }
        }
        for (lane, suspect) in suspects[start..start + WIDE].iter_mut().enumerate() {
            *suspect = not_below[lane] < MAJORITY || not_above[lane] < MAJORITY;
        }
        start = if start < last { (start + WIDE).min(last) } else { last + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_changes_nothing() {
        let (width, height) = (61, 23);
        let mut raw: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 1013) as f32 * 0.02).collect();
        for i in (11..raw.len()).step_by(97) {
            raw[i] += 80.0;
        }
        for i in (5..raw.len()).step_by(53) {
            raw[i] = f32::NAN;
        }
        let region = Region { x0: 3, y0: 2, width, height };
        let noise = SensorNoise { level_adu: [10.0; 3], sigma_adu: [6.0, 5.0, 4.0], variance_per_adu: 0.1 };
        let pixels = Pixels { raw: &raw, region };
        for sensor in [Sensor::Mono, Sensor::Bayer(crate::CfaPattern::Grbg)] {
            let search = Search::new(pixels, sensor, &noise, &CfaDefectOptions::default());
            let all = (region.y0..region.y1()).flat_map(|y| (region.x0..region.x1()).map(move |x| (x, y)));
            let plain: Vec<Defect> = all.filter_map(|(x, y)| search.judge(x, y)).collect();
            assert!(plain.len() > 5);
            for level in SimdLevel::available() {
                assert_eq!(search.run(level, region), plain, "{level:?}");
            }
        }
    }
}
