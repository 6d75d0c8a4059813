//! Stars on a raw frame: pixel-integrated profiles, colours, noise.

use super::Random;
use zemosaic_image::CfaPattern;

/// Abramowitz & Stegun 7.1.26, within 1.5e-7.
pub fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let value = 1.0 - poly * (-x * x).exp();
    if x < 0.0 { -value } else { value }
}

/// A star: where, how sharp, how many ADU in red, green and blue light.
#[derive(Debug, Clone, Copy)]
pub struct Star {
    pub x: f64,
    pub y: f64,
    pub fwhm_px: f64,
    pub flux: [f64; 3],
}

/// Share of the flux of a Gaussian star along one axis that falls on pixel `at`.
pub fn along(at: i64, centre: f64, fwhm_px: f64) -> f64 {
    let scale = fwhm_px / 2.354_820_045 * std::f64::consts::SQRT_2;
    let edge = |e: f64| erf((e - centre) / scale);
    0.5 * (edge(at as f64 + 0.5) - edge(at as f64 - 0.5))
}

impl Star {
    /// Visit the pixels that it lights: column, row, share of the flux.
    pub fn pixels(&self, mut visit: impl FnMut(i64, i64, f64)) {
        let reach = (2.5 * self.fwhm_px).ceil() as i64 + 1;
        let (cx, cy) = (self.x.round() as i64, self.y.round() as i64);
        for y in cy - reach..=cy + reach {
            for x in cx - reach..=cx + reach {
                visit(x, y, along(x, self.x, self.fwhm_px) * along(y, self.y, self.fwhm_px));
            }
        }
    }
}

/// A frame of three planes of light.
pub struct Sky {
    pub width: usize,
    pub height: usize,
    pub planes: [Vec<f64>; 3],
}

impl Sky {
    pub fn new(width: usize, height: usize, level: [f64; 3]) -> Self {
        Self { width, height, planes: level.map(|level| vec![level; width * height]) }
    }

    pub fn add(&mut self, star: &Star) {
        let (width, height) = (self.width as i64, self.height as i64);
        star.pixels(|x, y, share| {
            if x >= 0 && y >= 0 && x < width && y < height {
                for (plane, flux) in self.planes.iter_mut().zip(star.flux) {
                    plane[(y * width + x) as usize] += share * flux;
                }
            }
        });
    }

    /// What a Bayer sensor sees; without a pattern the green plane. Gaussian noise: `sigma` and `per_adu` times the
    /// light in variance.
    pub fn raw(
        &self,
        pattern: Option<CfaPattern>,
        sigma: f64,
        per_adu: f64,
        random: &mut Random,
    ) -> Vec<f32> {
        (0..self.width * self.height)
            .map(|i| {
                let (x, y) = ((i % self.width) as i64, (i / self.width) as i64);
                let light = self.planes[pattern.map_or(1, |pattern| pattern.colour_at(x, y))][i];
                let noise = (sigma * sigma + per_adu * light.max(0.0)).sqrt();
                (if noise > 0.0 { light + noise * random.normal() } else { light }) as f32
            })
            .collect()
    }
}

/// Counts in red, green and blue of a black body of temperature `kelvin` through Bayer filters (at 610, 535 and
/// 465 nm), green 1.
pub fn star_colour(kelvin: f64) -> [f64; 3] {
    let photons = |nm: f64| nm.powi(-4) / ((1.438_8e7 / (nm * kelvin)).exp() - 1.0);
    // White at 6500 K has the filters' response to it.
    let response = [0.75, 1.0, 0.70];
    let wavelengths = [610.0, 535.0, 465.0];
    std::array::from_fn(|c| {
        let of = |kelvin: f64, nm: f64| nm.powi(-4) / ((1.438_8e7 / (nm * kelvin)).exp() - 1.0);
        response[c] * (of(kelvin, wavelengths[c]) / of(6500.0, wavelengths[c]))
            / (photons(535.0) / of(6500.0, 535.0))
    })
}
