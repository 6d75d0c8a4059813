//! One simulated frame, from the sky to ADU.
//!
//! raw = pedestal + offset + (Poisson(v (gain (stars + nebula) + sky (1 + gradient)) + defects) + read noise) / (e-/ADU)
//! with v the vignetting; then the converter's step, clipping, and rounding for u16.

use crate::defects::{DefectPlanes, add_cosmic_rays, add_hot_pixels, add_trails};
use crate::options::{Noise, SampleFormat, SimulateOptions};
use crate::pointing::FramePlan;
use crate::psf::Moffat;
use crate::rng::Rng;
use crate::sky_model::{MARGIN_PX, NEBULA_COLOUR, SkyModel};

const KEY_NOISE: u64 = 0x2E01;
/// Nodes of the nebula; it is smooth over many times this distance.
const NEBULA_STEP_PX: usize = 8;
/// Wings of stars are followed down to this many electrons per pixel.
const STAR_FLOOR_E: f64 = 0.05;

/// A rendered frame: ADU and defect mask, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedFrame {
    /// Pixel values as they will be stored (whole numbers for u16).
    pub adu: Vec<f32>,
    /// Defect bits, see [`crate::defects`].
    pub mask: Vec<u8>,
}

/// Renders one frame. The result depends only on the arguments.
pub fn render_frame(options: &SimulateOptions, sky: &SkyModel, plan: &FramePlan) -> RenderedFrame {
    let pixels = options.width_px * options.height_px;
    let mut electrons = vec![0_f32; pixels];
    let mut mask = vec![0_u8; pixels];
    add_nebula(options, sky, plan, &mut electrons);
    add_stars(options, sky, plan, &mut electrons);
    add_sky_and_vignetting(options, plan, &mut electrons);
    let mut planes = DefectPlanes {
        electrons: &mut electrons,
        mask: &mut mask,
        width_px: options.width_px,
        height_px: options.height_px,
    };
    add_hot_pixels(options, &mut planes);
    add_cosmic_rays(options, plan.index, &mut planes);
    add_trails(options, plan.index, plan.trails, &mut planes);
    digitise(options, plan, &mut electrons);
    RenderedFrame { adu: electrons, mask }
}

/// Position across a frame in -1..1.
fn normalised(i: usize, n: usize) -> f64 {
    (2.0 * i as f64 + 1.0) / n as f64 - 1.0
}

fn add_stars(options: &SimulateOptions, sky: &SkyModel, plan: &FramePlan, electrons: &mut [f32]) {
    let psf = Moffat::new(plan.fwhm_px, options.ellipticity, options.ellipticity_angle_deg);
    let colours = options.sensor.colours();
    let scale = plan.gain * options.gain_e_per_adu;
    let half = (options.width_px as f64 / 2.0, options.height_px as f64 / 2.0);
    for star in &sky.stars {
        let Some((x, y)) = plan.tan.sky_to_pixel(star.ra_deg, star.dec_deg) else { continue };
        if !plan.tan.holds((x, y), MARGIN_PX) {
            continue;
        }
        let flux_e = star.flux_adu.map(|f| f * scale);
        let (u, v) = ((x - half.0) / half.0, (y - half.1) / half.1);
        let psf = psf.scaled(1.0 + options.fwhm_corner_growth * 0.5 * (u * u + v * v));
        let radius = psf.radius_px(flux_e[0].max(flux_e[1]), STAR_FLOOR_E);
        psf.add_star(electrons, (options.width_px, options.height_px), (x, y), radius, |x, y| {
            flux_e[colours[y & 1][x & 1]]
        });
    }
}

fn add_nebula(options: &SimulateOptions, sky: &SkyModel, plan: &FramePlan, electrons: &mut [f32]) {
    if options.nebula_brightness <= 0.0 {
        return;
    }
    let (width, height) = (options.width_px, options.height_px);
    let (nodes_x, nodes_y) = (width.div_ceil(NEBULA_STEP_PX) + 1, height.div_ceil(NEBULA_STEP_PX) + 1);
    let mut nodes = Vec::with_capacity(nodes_x * nodes_y);
    for j in 0..nodes_y {
        for i in 0..nodes_x {
            let (ra, dec) = plan.tan.pixel_to_sky((i * NEBULA_STEP_PX) as f64, (j * NEBULA_STEP_PX) as f64);
            nodes.push(sky.nebula(ra, dec));
        }
    }
    let peak = options.nebula_brightness * options.sky_e()[1] * plan.gain;
    let colours = options.sensor.colours();
    let mono = options.sensor.bayer_name().is_none();
    for (y, row) in electrons.chunks_exact_mut(width).enumerate() {
        let (j, ty) = (y / NEBULA_STEP_PX, (y % NEBULA_STEP_PX) as f64 / NEBULA_STEP_PX as f64);
        for (x, pixel) in row.iter_mut().enumerate() {
            let (i, tx) = (x / NEBULA_STEP_PX, (x % NEBULA_STEP_PX) as f64 / NEBULA_STEP_PX as f64);
            let at = |di: usize, dj: usize| nodes[(j + dj) * nodes_x + i + di];
            let low = at(0, 0) + tx * (at(1, 0) - at(0, 0));
            let high = at(0, 1) + tx * (at(1, 1) - at(0, 1));
            let tint = if mono { 1.0 } else { NEBULA_COLOUR[colours[y & 1][x & 1]] };
            *pixel += (peak * tint * (low + ty * (high - low))) as f32;
        }
    }
}

fn add_sky_and_vignetting(options: &SimulateOptions, plan: &FramePlan, electrons: &mut [f32]) {
    let sky_e = options.sky_e();
    let colours = options.sensor.colours();
    for (y, row) in electrons.chunks_exact_mut(options.width_px).enumerate() {
        let v = normalised(y, options.height_px);
        for (x, pixel) in row.iter_mut().enumerate() {
            let u = normalised(x, options.width_px);
            let light = f64::from(*pixel) + sky_e[colours[y & 1][x & 1]] * (1.0 + plan.gradient.at(u, v));
            *pixel = (light * (1.0 - options.vignetting * 0.5 * (u * u + v * v))) as f32;
        }
    }
}

fn digitise(options: &SimulateOptions, plan: &FramePlan, electrons: &mut [f32]) {
    let level = options.pedestal_adu + plan.offset_adu;
    let step = options.adc_step_adu;
    for (y, row) in electrons.chunks_exact_mut(options.width_px).enumerate() {
        let mut rng = Rng::for_keys(options.seed, &[KEY_NOISE, plan.index as u64, y as u64]);
        for pixel in row {
            let mut e = f64::from(*pixel);
            if options.noise == Noise::Full {
                e = rng.poisson(e) + options.read_noise_e * rng.normal();
            }
            let mut adu = level + e / options.gain_e_per_adu;
            if options.sample == SampleFormat::U16 {
                adu = ((adu / step).round() * step).round().clamp(0.0, options.saturation_adu.min(65535.0));
            }
            *pixel = adu.min(options.saturation_adu) as f32;
        }
    }
}
