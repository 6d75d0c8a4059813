//! The figures of a frame: sky, stars, trails.

use serde::Serialize;
use zemosaic_image::Background;

use crate::error::StarsError;
use crate::field::{Field, find_stars};
use crate::options::StarOptions;
use crate::source::{FrameInfo, Pixels};
use crate::star::{Star, StarFlags};
use crate::trail::Trail;

/// What a frame's pixels say of its quality. NaN: cannot be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameQuality {
    /// Level of the sky, ADU; of a CFA frame the mean of its pixels as they are (R + 2 G + B) / 4.
    pub background_adu: f64,
    /// Noise of a raw pixel, ADU.
    pub noise_adu: f64,
    /// Difference between the lowest and the highest corner of the plane through the sky, ADU.
    pub gradient_adu: f64,
    /// Stars found.
    pub stars: usize,
    /// Stars with a shape: of these are the following figures.
    pub shapes: usize,
    /// Median full width at half maximum, raw pixels.
    pub fwhm_px: f64,
    /// Median radius of half of the flux, raw pixels.
    pub hfr_px: f64,
    /// Median of 1 - minor / major axis: 0 for round stars.
    pub roundness: f64,
    /// Median signal to noise of the stars with a shape.
    pub snr: f64,
    /// Median flux of the stars with a shape, ADU.
    pub star_flux_adu: f64,
    /// Direction along which all stars are drawn out, degrees from +x towards +y, if they are: wind, bad tracking.
    pub drawn_out_deg: Option<f64>,
    /// Satellites and aircraft.
    pub trails: Vec<Trail>,
}

/// With fewer stars there is no shape of a frame (C-34).
const LEAST_SHAPES: usize = 3;
/// Shapes are looked at from this signal to noise on, and of so many of the brightest whatever theirs is.
const SHAPE_SNR: f64 = 30.0;
const BRIGHTEST: usize = 12;
/// Stars that a direction is believed from.
const LEAST_DIRECTIONS: usize = 5;
/// Median ellipticity and agreement of directions of a frame whose stars are drawn out.
const DRAWN_OUT: f64 = 0.3;
const AGREEMENT: f64 = 0.8;
/// Stars without a fitted shape still tell whether they are long from this signal to noise on.
const LONG_SNR: f64 = 20.0;

/// Measure a frame.
///
/// # Errors
/// [`StarsError`].
pub fn measure_quality<P: Pixels>(
    pixels: &mut P,
    info: &FrameInfo,
    options: &StarOptions,
) -> Result<FrameQuality, StarsError<P::Error>> {
    Ok(FrameQuality::of(&find_stars(pixels, info, options)?))
}

impl FrameQuality {
    /// The figures of a field.
    pub fn of(field: &Field) -> Self {
        let shaped = well_seen(&field.stars);
        let enough = shaped.len() >= LEAST_SHAPES;
        let of = |figure: fn(&Star) -> f64| {
            if enough { median(shaped.iter().map(|star| figure(star))) } else { f64::NAN }
        };
        let unsafe_shape = StarFlags::EDGE.with(StarFlags::SATURATED).with(StarFlags::BLENDED);
        let long: Vec<&Star> = if enough {
            shaped.clone()
        } else {
            let told = |star: &&Star| star.snr > LONG_SNR && !star.flags.has(unsafe_shape);
            field.stars.iter().filter(told).collect()
        };
        let lengths = median(long.iter().map(|star| star.ellipticity));
        Self {
            background_adu: field.background.level(),
            noise_adu: field.noise_adu,
            gradient_adu: gradient(&field.background, field.size_px),
            stars: field.stars.iter().filter(|star| !star.flags.has(StarFlags::ODD)).count(),
            shapes: shaped.len(),
            fwhm_px: of(|star| star.fwhm_px),
            hfr_px: of(|star| star.hfr_px),
            roundness: if long.len() >= LEAST_SHAPES { lengths } else { f64::NAN },
            snr: of(|star| star.snr),
            star_flux_adu: of(|star| star.flux_adu),
            drawn_out_deg: common_direction(&long).filter(|_| lengths > DRAWN_OUT),
            trails: field.trails.clone(),
        }
    }
}

/// Stars whose shapes are more than noise: those that are seen well, and in a frame of few the brightest anyway.
fn well_seen(stars: &[Star]) -> Vec<&Star> {
    let shaped = stars.iter().filter(|star| star.has_shape()).enumerate();
    shaped.filter(|(rank, star)| *rank < BRIGHTEST || star.snr >= SHAPE_SNR).map(|(_, star)| star).collect()
}

/// The direction most stars share: mean of their doubled angles, where that is long.
fn common_direction(stars: &[&Star]) -> Option<f64> {
    if stars.len() < LEAST_DIRECTIONS {
        return None;
    }
    let (mut sin, mut cos) = (0.0, 0.0);
    for star in stars {
        let (s, c) = (2.0 * star.angle_deg.to_radians()).sin_cos();
        (sin, cos) = (sin + s, cos + c);
    }
    let agreement = sin.hypot(cos) / stars.len() as f64;
    (agreement > AGREEMENT).then(|| (0.5 * sin.atan2(cos)).to_degrees().rem_euclid(180.0) % 180.0)
}

/// Median; of an even number the mean of the middle two; NaN of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

/// Plane of least squares through the mesh, from its lowest to its highest corner.
fn gradient(background: &Background, [width, height]: [usize; 2]) -> f64 {
    let [xs, ys] = background.mesh_centres_px();
    let values = background.mesh_values();
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    let (mean_x, mean_y) = (mean(xs), mean(ys));
    let spread = |list: &[f64], middle: f64| list.iter().map(|at| (at - middle).powi(2)).sum::<f64>();
    // The mesh is a grid, so both slopes are independent.
    let (mut along_x, mut along_y) = (0.0, 0.0);
    for (row, y) in values.chunks(xs.len()).zip(ys) {
        for (value, x) in row.iter().zip(xs) {
            along_x += (x - mean_x) * value;
            along_y += (y - mean_y) * value;
        }
    }
    let slope = |sum: f64, own: f64, others: usize| if own > 0.0 { sum / (own * others as f64) } else { 0.0 };
    let slope_x = slope(along_x, spread(xs, mean_x), ys.len());
    let slope_y = slope(along_y, spread(ys, mean_y), xs.len());
    // The mesh counts pixels of 2 x 2.
    0.5 * (slope_x.abs() * width as f64 + slope_y.abs() * height as f64)
}
