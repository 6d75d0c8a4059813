//! Rendered fields with truth.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use zemosaic_image::{CfaPattern, Sites};
use zemosaic_stars::{Field, FrameInfo, MemoryPixels, StarOptions, find_stars};
use zemosaic_testkit::noise_image;
use zemosaic_testkit::psf::Moffat;
use zemosaic_testkit::rng::Rng;

/// A picture in the making.
pub struct Picture {
    pub info: FrameInfo,
    pub pixels: Vec<f32>,
    pub sigma: f64,
}

/// Brightness of the sky and of stars per colour.
pub const COLOURS: [f64; 3] = [0.7, 1.0, 0.6];
pub const LEVEL: f64 = 1000.0;

impl Picture {
    /// Sky with noise.
    pub fn sky(width: usize, height: usize, sites: Sites, sigma: f64, seed: u64) -> Self {
        let mut pixels = noise_image(width, height, 0.0, sigma, seed);
        for (index, pixel) in pixels.iter_mut().enumerate() {
            *pixel += (LEVEL * share(sites, index % width, index / width)) as f32;
        }
        Self { info: FrameInfo { width, height, sites, saturation_adu: None }, pixels, sigma }
    }

    pub fn star(&mut self, psf: &Moffat, at: (f64, f64), flux: f64) {
        let (size, sites) = ((self.info.width, self.info.height), self.info.sites);
        let radius = psf.radius_px(flux, 0.02 * self.sigma.max(1e-3));
        psf.add_star(&mut self.pixels, size, at, radius, |x, y| flux * share(sites, x, y));
    }

    /// A round Gaussian.
    pub fn gaussian(&mut self, fwhm: f64, (cx, cy): (f64, f64), flux: f64) {
        let sigma = fwhm / 2.354_820_045;
        let reach = 6.0 * sigma + 2.0;
        let points = [-0.774_596_669_241_483, 0.0, 0.774_596_669_241_483].map(|p| 0.25 * p);
        let weights = [5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0];
        let part = |d: f64| {
            // Two halves of the pixel, three points each.
            let mut sum = 0.0;
            for middle in [-0.25, 0.25] {
                for (point, weight) in points.iter().zip(weights) {
                    let u = d + middle + point;
                    sum += 0.5 * weight * (-0.5 * u * u / (sigma * sigma)).exp();
                }
            }
            sum / (sigma * (2.0 * std::f64::consts::PI).sqrt())
        };
        for y in (cy - reach).max(0.0) as usize..((cy + reach) as usize).min(self.info.height) {
            for x in (cx - reach).max(0.0) as usize..((cx + reach) as usize).min(self.info.width) {
                let light = flux * part(x as f64 - cx) * part(y as f64 - cy);
                self.pixels[y * self.info.width + x] += (light * share(self.info.sites, x, y)) as f32;
            }
        }
    }

    /// A line of even brightness: `width` px wide, `height` ADU, across the frame through (`x`, `y`).
    pub fn line(&mut self, (cx, cy): (f64, f64), angle_deg: f64, width: f64, height: f64, length: f64) {
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        for y in 0..self.info.height {
            for x in 0..self.info.width {
                let (dx, dy) = (x as f64 - cx, y as f64 - cy);
                let (along, aside) = (dx * cos + dy * sin, (dy * cos - dx * sin).abs());
                if along.abs() > 0.5 * length {
                    continue;
                }
                // The share of a pixel that is covered, nearly.
                let covered = (0.5 * width + 0.5 - aside).clamp(0.0, 1.0f64.min(width));
                self.pixels[y * self.info.width + x] +=
                    (height * covered * share(self.info.sites, x, y)) as f32;
            }
        }
    }

    pub fn field(&self) -> Field {
        self.field_with(&StarOptions::default())
    }

    pub fn field_with(&self, options: &StarOptions) -> Field {
        let mut source = MemoryPixels { width: self.info.width, pixels: &self.pixels };
        find_stars(&mut source, &self.info, options).unwrap()
    }
}

pub fn share(sites: Sites, x: usize, y: usize) -> f64 {
    match sites {
        Sites::All => 1.0,
        Sites::Cfa(pattern) => COLOURS[pattern.colour_at(x as i64, y as i64)],
    }
}

pub const BOTH: [Sites; 2] = [Sites::All, Sites::Cfa(CfaPattern::Grbg)];

/// Places on a grid, each off by up to two pixels.
pub fn places(width: usize, height: usize, pitch: usize, seed: u64) -> Vec<(f64, f64)> {
    let mut rng = Rng::for_keys(seed, &[1]);
    let mut all = Vec::new();
    for y in (pitch..height - pitch / 2).step_by(pitch) {
        for x in (pitch..width - pitch / 2).step_by(pitch) {
            all.push((x as f64 + rng.range(-2.0, 2.0), y as f64 + rng.range(-2.0, 2.0)));
        }
    }
    all
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
