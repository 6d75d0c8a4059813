//! Stars of a plane against the truth: aperture photometry and windowed centroids at predicted positions.
//!
//! Aperture: sum over pixels weighted by the share of each pixel inside the circle (8 x 8 sub-pixels at its edge), less
//! the median of an annulus. Centroid: iterated Gaussian window, the step doubled as in Bertin's XWIN_IMAGE (SExtractor
//! v2.13 manual §6.3), which makes it unbiased for symmetric images. Planes are row-major, the centre of the first
//! pixel is (0, 0), NaN is no data.

use crate::psf::{alpha_of_fwhm, enclosed_share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SUB_PIXELS: i32 = 8;
const MAX_CENTROID_STEPS: usize = 20;
const CENTROID_STOP_PX: f64 = 1e-4;

/// Which stars are compared, and how they are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CompareOptions {
    /// Radius of the aperture, pixels.
    pub aperture_radius_px: f64,
    /// Inner radius of the sky annulus, pixels.
    pub annulus_inner_px: f64,
    /// Outer radius of the sky annulus, pixels.
    pub annulus_outer_px: f64,
    /// FWHM of a Moffat profile (beta 3) whose light outside the aperture and in the annulus is corrected for; absent:
    /// no correction.
    pub psf_fwhm_px: Option<f64>,
    /// Standard deviation of the Gaussian window of the centroid, pixels.
    pub centroid_sigma_px: f64,
    /// Stars closer than this to an edge of the plane are left out, pixels.
    pub edge_margin_px: f64,
    /// Stars whose brightest pixel in the aperture exceeds this are left out, ADU.
    pub saturation_adu: f64,
    /// Stars of less true flux are left out.
    pub min_flux: f64,
    /// Stars of more true flux are left out.
    pub max_flux: f64,
    /// Stars of lower signal-to-noise ratio (true flux over the noise measured in the annulus) are left out.
    pub min_snr: f64,
    /// Other predicted stars within this radius, pixels ...
    pub isolation_radius_px: f64,
    /// ... may together have this share of the star's true flux.
    pub isolation_share: f64,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            aperture_radius_px: 8.0,
            annulus_inner_px: 12.0,
            annulus_outer_px: 18.0,
            psf_fwhm_px: None,
            centroid_sigma_px: 1.5,
            edge_margin_px: 24.0,
            saturation_adu: f64::INFINITY,
            min_flux: 0.0,
            max_flux: f64::INFINITY,
            min_snr: 100.0,
            isolation_radius_px: 12.0,
            isolation_share: 0.005,
        }
    }
}

/// One star that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeasuredStar {
    /// Index into the predicted positions.
    pub index: usize,
    /// Measured over true flux.
    pub flux_ratio: f64,
    /// Measured minus predicted x, pixels.
    pub dx_px: f64,
    /// Measured minus predicted y, pixels.
    pub dy_px: f64,
    /// Signal-to-noise ratio expected from the sky noise.
    pub snr: f64,
}

/// Result of a comparison. All figures are NaN when no star could be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StarComparison {
    /// Stars measured.
    pub n: usize,
    /// Median of measured/true flux - 1.
    pub flux_bias_median: f64,
    /// 1.4826 x median absolute deviation of measured/true flux.
    pub flux_scatter: f64,
    /// Root mean square of the distance between measured and predicted position, pixels.
    pub position_rms_px: f64,
    /// Mean of measured minus predicted x, pixels.
    pub mean_dx: f64,
    /// Mean of measured minus predicted y, pixels.
    pub mean_dy: f64,
    /// Each star.
    pub stars: Vec<MeasuredStar>,
}

/// Measures isolated, unsaturated stars of good signal away from edges and gaps, and compares them with the truth.
///
/// `predicted` are 0-based pixel positions of **all** known stars (faint ones and ones outside the plane too: they decide
/// which stars are isolated), `truth_flux` their fluxes in the plane's units. Stars with a non-finite position or
/// flux are never measured.
pub fn compare_stars(
    plane: &[f32],
    width: usize,
    height: usize,
    predicted: &[(f64, f64)],
    truth_flux: &[f64],
    options: &CompareOptions,
) -> StarComparison {
    let image = Plane { data: plane, width, height };
    let order = sorted_by_x(predicted, truth_flux);
    let mut stars = Vec::new();
    for rank in 0..order.len() {
        let index = order[rank];
        let (at, flux) = (predicted[index], truth_flux[index]);
        let margin = options.edge_margin_px.max(options.annulus_outer_px + 1.0);
        let inside = at.0 >= margin
            && at.1 >= margin
            && at.0 <= width as f64 - 1.0 - margin
            && at.1 <= height as f64 - 1.0 - margin;
        if !inside || !(options.min_flux..=options.max_flux).contains(&flux) || flux <= 0.0 {
            continue;
        }
        let others = flux_near(&order, rank, predicted, truth_flux, options.isolation_radius_px);
        if others <= options.isolation_share * flux
            && let Some(star) = measure(&image, index, at, flux, options)
        {
            stars.push(star);
        }
    }
    stars.sort_by_key(|s| s.index);
    summarise(stars)
}

/// Indices of the usable stars by rising x, so that neighbours are near each other in the list.
fn sorted_by_x(predicted: &[(f64, f64)], truth_flux: &[f64]) -> Vec<usize> {
    let usable =
        |&i: &usize| predicted[i].0.is_finite() && predicted[i].1.is_finite() && truth_flux[i].is_finite();
    let mut order: Vec<usize> = (0..predicted.len().min(truth_flux.len())).filter(usable).collect();
    order.sort_by(|&a, &b| predicted[a].0.total_cmp(&predicted[b].0).then(a.cmp(&b)));
    order
}

fn flux_near(order: &[usize], rank: usize, predicted: &[(f64, f64)], flux: &[f64], radius_px: f64) -> f64 {
    let (x, y) = predicted[order[rank]];
    let close_x = |i: &&usize| (predicted[**i].0 - x).abs() <= radius_px;
    let before = order[..rank].iter().rev().take_while(close_x);
    let after = order[rank + 1..].iter().take_while(close_x);
    before
        .chain(after)
        .filter(|&&i| (predicted[i].0 - x).hypot(predicted[i].1 - y) <= radius_px)
        .map(|&i| flux[i])
        .sum()
}

struct Plane<'a> {
    data: &'a [f32],
    width: usize,
    height: usize,
}

impl Plane<'_> {
    /// Calls `visit(value, dx, dy)` for every pixel whose centre is within `radius` of a position.
    fn visit_disc(&self, (x, y): (f64, f64), radius: f64, mut visit: impl FnMut(f64, f64, f64)) {
        let first = |c: f64| (c - radius).ceil().max(0.0) as usize;
        let last = |c: f64, n: usize| ((c + radius).floor().max(-1.0) + 1.0).min(n as f64) as usize;
        for row in first(y)..last(y, self.height) {
            for column in first(x)..last(x, self.width) {
                let (dx, dy) = (column as f64 - x, row as f64 - y);
                if dx * dx + dy * dy <= radius * radius {
                    visit(f64::from(self.data[row * self.width + column]), dx, dy);
                }
            }
        }
    }
}

fn measure(
    image: &Plane<'_>,
    index: usize,
    at: (f64, f64),
    flux: f64,
    options: &CompareOptions,
) -> Option<MeasuredStar> {
    let (sky, noise) = annulus(image, at, options)?;
    let radius = options.aperture_radius_px;
    let (mut sum, mut area, mut peak) = (0.0, 0.0, f64::NEG_INFINITY);
    image.visit_disc(at, radius + 1.0, |value, dx, dy| {
        let share = inside_share(dx, dy, radius);
        if share > 0.0 {
            sum += share * (value - sky);
            area += share;
            peak = peak.max(value);
        }
    });
    let snr = flux / (noise * area.sqrt()).max(flux * 1e-9);
    // A NaN anywhere in the aperture makes the sum NaN.
    if !sum.is_finite() || peak > options.saturation_adu || snr < options.min_snr {
        return None;
    }
    let (dx_px, dy_px) = centroid(image, at, sky, options.centroid_sigma_px)?;
    let caught = options.psf_fwhm_px.map_or(1.0, |fwhm| aperture_share(fwhm, options));
    Some(MeasuredStar { index, flux_ratio: sum / caught / flux, dx_px, dy_px, snr })
}

/// Median and robust standard deviation of the sky annulus; `None` when less than half of it has data.
fn annulus(image: &Plane<'_>, at: (f64, f64), options: &CompareOptions) -> Option<(f64, f64)> {
    let (inner, outer) = (options.annulus_inner_px, options.annulus_outer_px);
    let mut values = Vec::new();
    image.visit_disc(at, outer, |value, dx, dy| {
        if dx * dx + dy * dy >= inner * inner && value.is_finite() {
            values.push(value);
        }
    });
    if (values.len() as f64) < 0.5 * std::f64::consts::PI * (outer * outer - inner * inner) {
        return None;
    }
    let sky = median(&mut values)?;
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - sky).abs()).collect();
    Some((sky, 1.4826 * median(&mut deviations)?))
}

/// Share of the pixel at (`dx`, `dy`) from the centre that lies within the circle.
fn inside_share(dx: f64, dy: f64, radius: f64) -> f64 {
    let distance = dx.hypot(dy);
    if distance + 0.75 <= radius {
        return 1.0;
    }
    if distance - 0.75 >= radius {
        return 0.0;
    }
    let offset = |i: i32| (f64::from(i) + 0.5) / f64::from(SUB_PIXELS) - 0.5;
    let mut count = 0;
    for j in 0..SUB_PIXELS {
        for i in 0..SUB_PIXELS {
            let (x, y) = (dx + offset(i), dy + offset(j));
            count += i32::from(x * x + y * y <= radius * radius);
        }
    }
    f64::from(count) / f64::from(SUB_PIXELS * SUB_PIXELS)
}

/// Share of a Moffat star's flux that the aperture less the annulus sky measures.
fn aperture_share(fwhm_px: f64, options: &CompareOptions) -> f64 {
    let alpha = alpha_of_fwhm(fwhm_px);
    let middle = options.annulus_inner_px.midpoint(options.annulus_outer_px) / alpha;
    let sky = 2.0 / (std::f64::consts::PI * alpha * alpha) / (1.0 + middle * middle).powi(3);
    let area = std::f64::consts::PI * options.aperture_radius_px * options.aperture_radius_px;
    enclosed_share(fwhm_px, options.aperture_radius_px) - sky * area
}

/// Windowed centroid relative to `at`; `None` when it runs away, meets no data or does not settle.
fn centroid(image: &Plane<'_>, at: (f64, f64), sky: f64, sigma_px: f64) -> Option<(f64, f64)> {
    let (mut cx, mut cy) = at;
    for _ in 0..MAX_CENTROID_STEPS {
        let (mut sum, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
        image.visit_disc((cx, cy), 4.0 * sigma_px, |value, dx, dy| {
            let w = (-0.5 * (dx * dx + dy * dy) / (sigma_px * sigma_px)).exp() * (value - sky);
            sum += w;
            sum_x += w * dx;
            sum_y += w * dy;
        });
        let (step_x, step_y) = (2.0 * sum_x / sum, 2.0 * sum_y / sum);
        // NaN fails this test as well.
        if !(sum > 0.0 && step_x.hypot(step_y) < 4.0 * sigma_px) {
            return None;
        }
        cx += step_x;
        cy += step_y;
        if step_x.hypot(step_y) < CENTROID_STOP_PX {
            let (dx, dy) = (cx - at.0, cy - at.1);
            return (dx.hypot(dy) < 2.0 * sigma_px).then_some((dx, dy));
        }
    }
    None
}

fn summarise(stars: Vec<MeasuredStar>) -> StarComparison {
    let n = stars.len();
    let mut ratios: Vec<f64> = stars.iter().map(|s| s.flux_ratio).collect();
    let middle = median(&mut ratios).unwrap_or(f64::NAN);
    let mut deviations: Vec<f64> = ratios.iter().map(|r| (r - middle).abs()).collect();
    let mean = |value: fn(&MeasuredStar) -> f64| stars.iter().map(value).sum::<f64>() / n as f64;
    StarComparison {
        n,
        flux_bias_median: middle - 1.0,
        flux_scatter: 1.4826 * median(&mut deviations).unwrap_or(f64::NAN),
        position_rms_px: mean(|s| s.dx_px * s.dx_px + s.dy_px * s.dy_px).sqrt(),
        mean_dx: mean(|s| s.dx_px),
        mean_dy: mean(|s| s.dy_px),
        stars,
    }
}

/// Median (mean of the middle two for an even number); `None` for an empty list.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(values[n / 2]),
        _ => Some(values[n / 2 - 1].midpoint(values[n / 2])),
    }
}
