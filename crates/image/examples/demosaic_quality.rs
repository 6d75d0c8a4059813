//! Tables of `docs/methods/demosaic.md`: PSNR and star flux of the four methods, and time per pixel.
//!
//! `cargo run --release -p zemosaic-image --example demosaic_quality`

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/sky.rs"]
mod sky;

use common::Random;
use sky::{Sky, Star, star_colour};
use std::time::Instant;
use zemosaic_image::simd::SimdLevel;
use zemosaic_image::{CfaPattern, CfaWindow, Demosaic, Region, demosaic};

const METHODS: [Demosaic; 4] = [Demosaic::Bilinear, Demosaic::Vng, Demosaic::Rcd, Demosaic::SuperPixel];
const PATTERN: CfaPattern = CfaPattern::Grbg;
const SIDE: usize = 512;
/// Sky in ADU: 40 e- in green at 14.1 ADU per electron.
const SKY: [f64; 3] = [411.0, 564.0, 361.0];
const PER_ADU: f64 = 14.1;
/// Not looked at along the edges.
const MARGIN: usize = 16;

struct Made {
    colours: [Vec<f32>; 3],
    side: usize,
    step: usize,
}

fn run(method: Demosaic, raw: &[f32]) -> Made {
    let (side, _) = method.output_size((SIDE, SIDE));
    let out = Region { x0: 0, y0: 0, width: side, height: side };
    let mut planes = [(); 3].map(|()| vec![0.0; side * side]);
    let [r, g, b] = &mut planes;
    let region = Region { x0: 0, y0: 0, width: SIDE, height: SIDE };
    let window = CfaWindow { raw, region, pattern: PATTERN };
    demosaic(method, SimdLevel::detect(), &window, (SIDE, SIDE), out, [r, g, b]);
    Made { colours: planes, side, step: method.step_px() }
}

/// Mean square errors by colour against the light, for super-pixel against its mean over the cell.
fn errors(made: &Made, truth: &Sky) -> [f64; 3] {
    let step = made.step;
    let margin = MARGIN / step;
    std::array::from_fn(|c| {
        let (mut sum, mut count) = (0.0, 0.0);
        for y in margin..made.side - margin {
            for x in margin..made.side - margin {
                let cells = (0..step * step).map(|k| (step * x + k % step, step * y + k / step));
                let light =
                    cells.map(|(x, y)| truth.planes[c][y * SIDE + x]).sum::<f64>() / (step * step) as f64;
                sum += (f64::from(made.colours[c][y * made.side + x]) - light).powi(2);
                count += 1.0;
            }
        }
        sum / count
    })
}

fn psnr_rows(name: &str, truth: &Sky, noise: bool, random: &mut Random) {
    let raw = if noise {
        truth.raw(Some(PATTERN), 20.0, PER_ADU, random)
    } else {
        truth.raw(Some(PATTERN), 0.0, 0.0, random)
    };
    let peak = truth.planes.iter().flatten().copied().fold(0.0, f64::max);
    let decibel = |square: f64| 10.0 * (peak * peak / square).log10();
    for method in METHODS {
        let [r, g, b] = errors(&run(method, &raw), truth);
        println!(
            "| {name}{} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            if noise { ", noise" } else { "" },
            label(method),
            decibel(r),
            decibel(g),
            decibel(b),
            decibel((r + g + b) / 3.0)
        );
    }
}

fn label(method: Demosaic) -> &'static str {
    match method {
        Demosaic::Bilinear => "bilinear",
        Demosaic::Vng => "VNG",
        Demosaic::Rcd => "RCD",
        Demosaic::SuperPixel => "super-pixel",
    }
}

/// 800 stars of all colours.
fn star_field(fwhm_px: f64, random: &mut Random) -> Sky {
    let mut sky = Sky::new(SIDE, SIDE, SKY);
    for _ in 0..800 {
        let kelvin = 2700.0 * (30000.0_f64 / 2700.0).powf(random.uniform());
        let flux = 1000.0 * 200.0_f64.powf(random.uniform());
        let (x, y) = (random.uniform() * SIDE as f64, random.uniform() * SIDE as f64);
        sky.add(&Star { x, y, fwhm_px, flux: star_colour(kelvin).map(|c| c * flux) });
    }
    sky
}

/// Smooth clouds of changing colour, with filaments.
fn nebula() -> Sky {
    let mut sky = Sky::new(SIDE, SIDE, SKY);
    for i in 0..SIDE * SIDE {
        let (x, y) = ((i % SIDE) as f64, (i / SIDE) as f64);
        let cloud = |scale: f64, phase: f64| {
            let waves = (x / scale + phase).sin() * (y / (1.3 * scale) - phase).cos();
            1.0 + 0.5 * (waves + (0.6 * (x + y) / scale).sin())
        };
        let filament =
            (-(((x - 0.6 * y + 30.0 * (y / 60.0).sin()).rem_euclid(90.0) - 45.0) / 2.0).powi(2)).exp();
        for (c, phase) in [0.0, 0.9, 2.0].into_iter().enumerate() {
            let strength = [1.0, 0.35, 0.25][c];
            sky.planes[c][i] += strength * (1500.0 * cloud(40.0, phase) + 2500.0 * filament);
        }
    }
    sky
}

/// Rings whose frequency grows from 0 to 0.35 cycles per pixel, grey with a tint.
fn zone_plate() -> Sky {
    let mut sky = Sky::new(SIDE, SIDE, [0.0; 3]);
    let half = SIDE as f64 / 2.0;
    for i in 0..SIDE * SIDE {
        let (x, y) = ((i % SIDE) as f64 - half, (i / SIDE) as f64 - half);
        let wave = 1.0 + (std::f64::consts::PI * 0.35 * (x * x + y * y) / half).cos();
        for c in 0..3 {
            sky.planes[c][i] = [1000.0, 1200.0, 800.0][c] * wave + 200.0;
        }
    }
    sky
}

/// Flux of stars of known flux in an aperture of three FWHM radius.
fn flux_rows(fwhm_px: f64, random: &mut Random) {
    const PITCH: usize = 36;
    let mut sky = Sky::new(SIDE, SIDE, SKY);
    let mut stars = Vec::new();
    for i in 0..(SIDE / PITCH).pow(2) {
        let (column, row) = (i % (SIDE / PITCH), i / (SIDE / PITCH));
        let at =
            |k: usize, random: &mut Random| (k * PITCH + PITCH / 2) as f64 + random.uniform() * 2.0 - 1.0;
        let kelvin = 2700.0 * (30000.0_f64 / 2700.0).powf(random.uniform());
        let (x, y) = (at(column, random), at(row, random));
        let star = Star { x, y, fwhm_px, flux: star_colour(kelvin).map(|c| c * 20_000.0) };
        sky.add(&star);
        stars.push(star);
    }
    let raw = sky.raw(Some(PATTERN), 0.0, 0.0, random);
    for method in METHODS {
        let made = run(method, &raw);
        let step = made.step as f64;
        let mut cells = Vec::new();
        for (c, sky) in SKY.into_iter().enumerate() {
            let (mut mean, mut square, mut worst) = (0.0, 0.0, 0.0_f64);
            for star in &stars {
                let mut sum = 0.0;
                for (i, value) in made.colours[c].iter().enumerate() {
                    let x = (i % made.side) as f64 * step + (step - 1.0) / 2.0;
                    let y = (i / made.side) as f64 * step + (step - 1.0) / 2.0;
                    if (x - star.x).abs() <= 3.0 * fwhm_px && (y - star.y).abs() <= 3.0 * fwhm_px {
                        sum += (f64::from(*value) - sky) * step * step;
                    }
                }
                let error = 100.0 * (sum / star.flux[c] - 1.0);
                mean += error / stars.len() as f64;
                square += error * error / stars.len() as f64;
                worst = worst.max(error.abs());
            }
            cells.push(format!("{mean:+.2} / {:.2} / {worst:.1}", f64::sqrt(square - mean * mean)));
        }
        println!("| {fwhm_px} | {} | {} |", label(method), cells.join(" | "));
    }
}

fn main() {
    let mut random = Random(1);
    println!("PSNR, dB\n\n| scene | method | R | G | B | all |\n|---|---|---|---|---|---|");
    for noise in [false, true] {
        for fwhm_px in [1.8, 2.6, 4.0] {
            let field = star_field(fwhm_px, &mut random);
            psnr_rows(&format!("stars, FWHM {fwhm_px} px"), &field, noise, &mut random);
        }
        psnr_rows("nebula", &nebula(), noise, &mut random);
    }
    psnr_rows("zone plate", &zone_plate(), false, &mut random);
    println!(
        "\nFlux error, %: mean / rms / worst\n\n| FWHM px | method | R | G | B |\n|---|---|---|---|---|"
    );
    for fwhm_px in [1.8, 2.6, 4.0] {
        flux_rows(fwhm_px, &mut random);
    }
    println!("\nns per raw pixel\n");
    let raw = star_field(2.6, &mut random).raw(Some(PATTERN), 20.0, PER_ADU, &mut random);
    for method in METHODS {
        let mut best = f64::INFINITY;
        for _ in 0..40 {
            let start = Instant::now();
            std::hint::black_box(run(method, std::hint::black_box(&raw)).colours[1][5]);
            best = best.min(start.elapsed().as_secs_f64() * 1e9 / (SIDE * SIDE) as f64);
        }
        println!("| {} | {best:.2} |", label(method));
    }
}
