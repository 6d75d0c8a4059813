//! Random stars that complete Tycho-2: the share it misses from V 11 on, and everything fainter.
//!
//! Expected counts start from the local Tycho-2 counts to V 11, where the catalogue is complete, and grow by the local
//! ratio of the counts to V 11 and V 10 (lowest near the galactic poles, highest in the plane), 5 % less with each magnitude,
//! as star counts do (or by a given slope). What Tycho-2 holds in each half magnitude is subtracted. Stars are drawn
//! per cell of a fixed lattice on the sky from a stream seeded by the cell, so every frame sees the same ones.

use crate::Catalogue;
use crate::options::SimulateOptions;
use crate::rng::Rng;
use crate::tan::separation_deg;
use std::collections::BTreeMap;

const KEY_CELL: u64 = 0x5702;
/// Tycho-2 is 99 % complete to here.
const COMPLETE_MAG: f64 = 11.0;
const BIN_MAG: f64 = 0.5;
/// Half magnitudes in which Tycho-2 has stars beyond its complete part.
const TYCHO_BINS: usize = 9;
const COUNT_RADIUS_DEG: f64 = 2.0;
const CELL_DEG: f64 = 0.25;
/// The ratio of counts to V 11 and V 10 needs many stars: it is taken over regions of this size.
const REGION_DEG: f64 = 5.0;
const GROWTH_LIMITS: (f64, f64) = (2.1, 2.7);
const GROWTH_FADING: f64 = 0.95;

/// A random star before it gets a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaintStar {
    /// ICRS right ascension, degrees.
    pub ra_deg: f64,
    /// ICRS declination, degrees.
    pub dec_deg: f64,
    /// Magnitude V.
    pub mag: f64,
}

/// Visits the random stars of every cell that touches a cone, in a fixed order, each with its cell's stream, from which
/// further properties of the star may be drawn.
pub fn visit_faint_stars(
    options: &SimulateOptions,
    catalogue: &Catalogue,
    centre: (f64, f64),
    reach_deg: f64,
    mut visit: impl FnMut(FaintStar, &mut Rng),
) {
    let mut growths = BTreeMap::new();
    let bands = (180.0 / CELL_DEG) as usize;
    let band_of = |dec: f64| (((dec + 90.0) / CELL_DEG).floor().max(0.0) as usize).min(bands - 1);
    for band in band_of(centre.1 - reach_deg)..=band_of(centre.1 + reach_deg) {
        let south_deg = -90.0 + band as f64 * CELL_DEG;
        let sines = (south_deg.to_radians().sin(), (south_deg + CELL_DEG).to_radians().sin());
        let middle_deg = south_deg + CELL_DEG / 2.0;
        let columns = (360.0 * middle_deg.to_radians().cos() / CELL_DEG).ceil().max(1.0) as usize;
        let width_deg = 360.0 / columns as f64;
        let area_sq_deg = width_deg * (sines.1 - sines.0).to_degrees();
        for column in 0..columns {
            let west_deg = column as f64 * width_deg;
            let middle = (west_deg + width_deg / 2.0, middle_deg);
            if separation_deg(centre, middle) > reach_deg + CELL_DEG {
                continue;
            }
            let mut rng = Rng::for_keys(options.seed, &[KEY_CELL, band as u64, column as u64]);
            let region = region_middle(middle);
            let key = (region.0.to_bits(), region.1.to_bits());
            let growth = *growths.entry(key).or_insert_with(|| growth_at_11(catalogue, region));
            for bin in missing_stars(options, catalogue, middle, growth) {
                let count = rng.poisson(bin.per_sq_deg * area_sq_deg) as usize;
                for _ in 0..count {
                    let ra_deg = west_deg + width_deg * rng.uniform();
                    let dec_deg = rng.range(sines.0, sines.1).asin().to_degrees();
                    let mag = bin.mag_at(rng.uniform());
                    visit(FaintStar { ra_deg, dec_deg, mag }, &mut rng);
                }
            }
        }
    }
}

/// Random stars to be drawn in a range of magnitudes.
#[derive(Debug, Clone, Copy)]
struct Bin {
    from_mag: f64,
    width_mag: f64,
    /// Growth of counts per magnitude.
    growth: f64,
    per_sq_deg: f64,
}

impl Bin {
    /// Magnitude at a share of the counts of this bin.
    fn mag_at(&self, share: f64) -> f64 {
        let span = self.growth.powf(self.width_mag) - 1.0;
        self.from_mag + (1.0 + share * span).ln() / self.growth.ln()
    }
}

/// Expected counts less those of Tycho-2, by half magnitudes from V 11 to the limit.
fn missing_stars(
    options: &SimulateOptions,
    catalogue: &Catalogue,
    middle: (f64, f64),
    growth_at_11: f64,
) -> Vec<Bin> {
    let mut to_11 = 0_u32;
    let mut tycho = [0_u32; TYCHO_BINS];
    catalogue.visit_cone(middle, COUNT_RADIUS_DEG, |star| {
        to_11 += u32::from(star.mag < COMPLETE_MAG);
        if star.mag >= COMPLETE_MAG {
            let bin = ((star.mag - COMPLETE_MAG) / BIN_MAG) as usize;
            tycho[bin.min(TYCHO_BINS - 1)] += 1;
        }
    });
    let cap_sq_deg =
        std::f64::consts::TAU * (1.0 - COUNT_RADIUS_DEG.to_radians().cos()) * 1_f64.to_degrees().powi(2);
    let mut growth = growth_at_11;
    let mut below = f64::from(to_11) / cap_sq_deg;
    let mut from_mag = COMPLETE_MAG;
    let mut bins = Vec::new();
    while from_mag < options.faint_limit_mag {
        let width_mag = BIN_MAG.min(options.faint_limit_mag - from_mag);
        growth = options.faint_slope.unwrap_or(growth * GROWTH_FADING.powf(BIN_MAG));
        let all = below * (growth.powf(width_mag) - 1.0);
        // Beyond the last bin Tycho-2 has no stars; a cut bin is compared with its share.
        let known = tycho.get(bins.len()).map_or(0.0, |&n| f64::from(n) / cap_sq_deg);
        let per_sq_deg = (all - known * width_mag / BIN_MAG).max(0.0);
        bins.push(Bin { from_mag, width_mag, growth, per_sq_deg });
        below += all;
        from_mag += width_mag;
    }
    bins
}

/// Middle of the fixed region that holds a position.
fn region_middle((ra_deg, dec_deg): (f64, f64)) -> (f64, f64) {
    let south = (dec_deg / REGION_DEG).floor() * REGION_DEG;
    let middle = south + REGION_DEG / 2.0;
    let columns = (360.0 * middle.to_radians().cos() / REGION_DEG).ceil().max(1.0);
    let width = 360.0 / columns;
    (((ra_deg / width).floor() + 0.5) * width, middle)
}

/// Growth of the counts per magnitude at V 11.
fn growth_at_11(catalogue: &Catalogue, middle: (f64, f64)) -> f64 {
    let (mut to_10, mut to_11) = (0_u32, 0_u32);
    catalogue.visit_cone(middle, REGION_DEG, |star| {
        to_10 += u32::from(star.mag < COMPLETE_MAG - 1.0);
        to_11 += u32::from(star.mag < COMPLETE_MAG);
    });
    (f64::from(to_11) / f64::from(to_10.max(1))).clamp(GROWTH_LIMITS.0, GROWTH_LIMITS.1)
}
