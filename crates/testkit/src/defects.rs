//! What spoils pixels: hot pixels fixed on the sensor, cosmic rays, satellite trails. Each marks its pixels in a mask.

use crate::options::SimulateOptions;
use crate::rng::Rng;

/// Mask bit: the pixel is hot in every frame.
pub const HOT: u8 = 1;
/// Mask bit: a cosmic ray hit the pixel.
pub const COSMIC_RAY: u8 = 2;
/// Mask bit: a satellite trail crosses the pixel.
pub const TRAIL: u8 = 4;

const KEY_HOT: u64 = 0xDE01;
const KEY_COSMIC: u64 = 0xDE02;
const KEY_TRAIL: u64 = 0xDE03;

/// A plane of expected electrons and its defect mask, both row-major.
pub struct DefectPlanes<'a> {
    /// Expected electrons.
    pub electrons: &'a mut [f32],
    /// Mask bits.
    pub mask: &'a mut [u8],
    /// Width in pixels.
    pub width_px: usize,
    /// Height in pixels.
    pub height_px: usize,
}

impl DefectPlanes<'_> {
    fn hit(&mut self, x: i64, y: i64, electrons: f64, bit: u8) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width_px && y < self.height_px {
            let i = y * self.width_px + x;
            self.electrons[i] += electrons as f32;
            self.mask[i] |= bit;
        }
    }
}

/// Hot pixels: the same places and strengths (10 to 500 times the sky noise) in every frame of a set.
pub fn add_hot_pixels(options: &SimulateOptions, planes: &mut DefectPlanes<'_>) {
    let mut rng = Rng::for_keys(options.seed, &[KEY_HOT]);
    let noise_e = sky_noise_e(options);
    for _ in 0..options.hot_pixels {
        let (x, y) = (rng.below(planes.width_px) as i64, rng.below(planes.height_px) as i64);
        let electrons = noise_e * 10.0 * 50_f64.powf(rng.uniform());
        planes.hit(x, y, electrons, HOT);
    }
}

/// Cosmic rays: short straight tracks of 1 to 8 pixels, 20 to 400 times the sky noise per pixel.
pub fn add_cosmic_rays(options: &SimulateOptions, frame: usize, planes: &mut DefectPlanes<'_>) {
    let mut rng = Rng::for_keys(options.seed, &[KEY_COSMIC, frame as u64]);
    let noise_e = sky_noise_e(options);
    let count = rng.poisson(options.cosmic_rays_per_frame) as usize;
    for _ in 0..count {
        let (mut x, mut y) =
            (rng.range(0.0, planes.width_px as f64), rng.range(0.0, planes.height_px as f64));
        let (dy, dx) = rng.range(0.0, std::f64::consts::TAU).sin_cos();
        let length = 1 + rng.below(8);
        let electrons = noise_e * 20.0 * 20_f64.powf(rng.uniform());
        for _ in 0..length {
            planes.hit(x.floor() as i64, y.floor() as i64, electrons * rng.range(0.5, 1.0), COSMIC_RAY);
            x += dx;
            y += dy;
        }
    }
}

/// Satellite trails: straight lines across the whole frame with a Gaussian cross-section. The mask covers the pixels
/// where the trail exceeds a fifth of the sky noise.
pub fn add_trails(options: &SimulateOptions, frame: usize, count: usize, planes: &mut DefectPlanes<'_>) {
    let mut rng = Rng::for_keys(options.seed, &[KEY_TRAIL, frame as u64]);
    let noise_e = sky_noise_e(options);
    let sigma = options.trail_sigma_px;
    for _ in 0..count {
        let x0 = rng.range(0.2, 0.8) * planes.width_px as f64;
        let y0 = rng.range(0.2, 0.8) * planes.height_px as f64;
        let (normal_y, normal_x) = rng.range(0.0, std::f64::consts::TAU).sin_cos();
        let peak_e = options.trail_snr * noise_e * rng.range(0.7, 1.3);
        for y in 0..planes.height_px {
            for x in 0..planes.width_px {
                let d = (x as f64 - x0) * normal_x + (y as f64 - y0) * normal_y;
                if d.abs() > 6.0 * sigma {
                    continue;
                }
                let electrons = peak_e * (-0.5 * d * d / (sigma * sigma)).exp();
                let i = y * planes.width_px + x;
                planes.electrons[i] += electrons as f32;
                if electrons > 0.2 * noise_e {
                    planes.mask[i] |= TRAIL;
                }
            }
        }
    }
}

/// Noise of an empty G (or mono) pixel, electrons.
pub fn sky_noise_e(options: &SimulateOptions) -> f64 {
    (options.sky_e()[1] + options.read_noise_e * options.read_noise_e).sqrt().max(1.0)
}
