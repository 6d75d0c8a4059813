//! The sky that all frames look at: Tycho-2 stars, random faint stars below them, and a nebula.
//!
//! Everything is tied to the sky, never to a frame. Colours: B-V is not in the compact catalogue, so it is drawn per star
//! and turned into R, G, B with linear colour terms.

use crate::Catalogue;
use crate::error::TestkitError;
use crate::faint_stars::visit_faint_stars;
use crate::options::{Sensor, SimulateOptions};
use crate::pointing::{FramePlan, UtcTime};
use crate::rng::{Rng, hash_keys};
use crate::tan::{separation_deg, unit_vector};

const KEY_CATALOGUE_COLOUR: u64 = 0x5701;
const KEY_NEBULA: u64 = 0x5703;
/// Colour of the mean star, for which the zero point holds.
const MEAN_B_V: f64 = 0.65;
/// Response of R and B to the mean star as a share of G: medians over Tycho-2 stars in real Seestar frames.
const STAR_RED: f64 = 0.82;
const STAR_BLUE: f64 = 0.55;
/// Stars this far outside a frame still light its pixels.
pub const MARGIN_PX: f64 = 64.0;
const NEBULA_OCTAVES: u32 = 4;
/// Light of the nebula in R, G, B (emission: red).
pub const NEBULA_COLOUR: [f64; 3] = [1.5, 0.7, 0.8];

/// One star of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelStar {
    /// ICRS right ascension at the epoch of the set, degrees.
    pub ra_deg: f64,
    /// ICRS declination at the epoch of the set, degrees.
    pub dec_deg: f64,
    /// Magnitude V.
    pub mag: f64,
    /// Flux in R, G, B in ADU of a frame of gain 1: the sum over the star's image if every pixel had that colour.
    pub flux_adu: [f64; 3],
}

/// Stars and nebula of a field.
#[derive(Debug)]
pub struct SkyModel {
    /// Every star that can light a pixel of any frame, in a fixed order.
    pub stars: Vec<ModelStar>,
    nebula_seed: u64,
    nebula_centre: [f64; 3],
    nebula_scale_rad: f64,
    nebula_radius_rad: f64,
}

impl SkyModel {
    /// Builds the sky seen by these frames.
    ///
    /// # Errors
    /// [`TestkitError::Option`] when the start time cannot be read.
    pub fn new(
        options: &SimulateOptions,
        catalogue: &Catalogue,
        plans: &[FramePlan],
    ) -> Result<Self, TestkitError> {
        let year = UtcTime::parse(&options.start_utc)?.julian_year();
        let centre = (options.ra_deg, options.dec_deg);
        let margin_deg = MARGIN_PX * options.scale_arcsec / 3600.0;
        let reach_deg = plans
            .iter()
            .flat_map(|plan| plan.tan.corners_deg())
            .map(|corner| separation_deg(centre, corner))
            .fold(0.0, f64::max)
            + 2.0 * margin_deg;
        let mut stars = Vec::new();
        catalogue.visit_cone(centre, reach_deg, |star| {
            let (ra_deg, dec_deg) = star.at_epoch(year);
            let mut rng = Rng::for_keys(options.seed, &[KEY_CATALOGUE_COLOUR, u64::from(star.index)]);
            let flux_adu = star_flux_adu(options, star.mag, draw_b_v(&mut rng));
            stars.push(ModelStar { ra_deg, dec_deg, mag: star.mag, flux_adu });
        });
        visit_faint_stars(options, catalogue, centre, reach_deg, |star, rng| {
            let flux_adu = star_flux_adu(options, star.mag, draw_b_v(rng));
            stars.push(ModelStar { ra_deg: star.ra_deg, dec_deg: star.dec_deg, mag: star.mag, flux_adu });
        });
        let seen = |star: &ModelStar| {
            plans.iter().any(|plan| {
                plan.tan
                    .sky_to_pixel(star.ra_deg, star.dec_deg)
                    .is_some_and(|pixel| plan.tan.holds(pixel, MARGIN_PX))
            })
        };
        stars.retain(seen);
        Ok(Self {
            stars,
            nebula_seed: hash_keys(options.seed, &[KEY_NEBULA]),
            nebula_centre: unit_vector(centre.0, centre.1),
            nebula_scale_rad: options.nebula_scale_deg.to_radians(),
            nebula_radius_rad: options.nebula_radius_deg.to_radians(),
        })
    }

    /// Relative brightness of the nebula (0 to about 1) at a sky position.
    pub fn nebula(&self, ra_deg: f64, dec_deg: f64) -> f64 {
        let v = unit_vector(ra_deg, dec_deg);
        let chord_sq: f64 = v.iter().zip(&self.nebula_centre).map(|(a, b)| (a - b) * (a - b)).sum();
        let envelope = (-0.5 * chord_sq / (self.nebula_radius_rad * self.nebula_radius_rad)).exp();
        if envelope < 1e-6 {
            return 0.0;
        }
        let mut sum = 0.0;
        let mut weight = 0.0;
        for octave in 0..NEBULA_OCTAVES {
            let amplitude = 0.5_f64.powi(octave as i32);
            let frequency = f64::from(1 << octave) / self.nebula_scale_rad;
            sum += amplitude * value_noise(v.map(|c| c * frequency), self.nebula_seed ^ u64::from(octave));
            weight += amplitude;
        }
        envelope * smooth_step((sum / weight - 0.3) / 0.4)
    }
}

fn draw_b_v(rng: &mut Rng) -> f64 {
    (MEAN_B_V + 0.4 * rng.normal()).clamp(-0.25, 1.8)
}

/// Flux in R, G, B: the zero point gives the mean of the Bayer colours (R + 2 G + B)/4 for a star of mean colour;
/// colour terms follow V-R = 0.57 (B-V) and the blue filter's 0.8 (B-V).
fn star_flux_adu(options: &SimulateOptions, mag: f64, b_v: f64) -> [f64; 3] {
    let mean = 10_f64.powf(0.4 * (options.zero_point_mag - mag)) * options.exposure_s;
    if options.sensor == Sensor::Mono {
        return [mean; 3];
    }
    let green = mean * 4.0 / (2.0 + STAR_RED + STAR_BLUE);
    let excess = b_v - MEAN_B_V;
    [
        green * STAR_RED * 10_f64.powf(0.4 * 0.57 * excess),
        green,
        green * STAR_BLUE * 10_f64.powf(-0.4 * 0.8 * excess),
    ]
}

fn smooth_step(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Value noise in 0..1: hashed lattice values, quintic interpolation (twice differentiable).
fn value_noise(p: [f64; 3], seed: u64) -> f64 {
    let cell = p.map(f64::floor);
    let t = [p[0] - cell[0], p[1] - cell[1], p[2] - cell[2]];
    let fade = t.map(|t| t * t * t * (t * (t * 6.0 - 15.0) + 10.0));
    let mut sum = 0.0;
    for corner in 0..8_u64 {
        let bit = [corner & 1, (corner >> 1) & 1, corner >> 2];
        let mut weight = 1.0;
        let mut keys = [0; 3];
        for axis in 0..3 {
            weight *= if bit[axis] == 1 { fade[axis] } else { 1.0 - fade[axis] };
            keys[axis] = (cell[axis] as i64 + bit[axis] as i64).cast_unsigned();
        }
        sum += weight * (hash_keys(seed, &keys) >> 11) as f64 / (1_u64 << 53) as f64;
    }
    sum
}
