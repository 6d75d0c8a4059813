//! The light of a star in an aperture: sums of (value - local sky) with the share of each pixel that the circle covers, and the
//! width of its image from adaptive moments (Bernstein & Jarvis 2002, AJ 123, 583).
//!
//! Of a Bayer frame a colour has a pixel in every second column and row (green in every second of them): each stands for
//! the area of 4 (2) pixels. The sum is unbiased over all places of a star within the pattern; what a single one scatters is part of
//! the systematic floor of a gain.

use crate::clip::clipped_mean;

/// Full width at half maximum of a Gaussian of sigma 1.
pub(crate) const SIGMA_TO_FWHM: f64 = 2.354_82;
/// Rounds of the moments.
const ROUNDS: usize = 16;
/// Change of place (pixels) and width (relative) at which they have settled: stars of frames without noise must be equal wherever
/// their moments began.
const SETTLED: f64 = 1e-5;
/// Pixels beyond this many sigma of the weight do not count.
const REACH_SIGMA: f64 = 4.0;
/// The same for the place alone.
const CENTRE_REACH_SIGMA: f64 = 3.0;
/// Rounds of the place.
const CENTRE_ROUNDS: usize = 8;
/// Farthest from the brightest pixel.
const FARTHEST_PX: f64 = 2.0;
/// Values that a local sky needs.
const LEAST_SKY: usize = 24;

/// A pixel of a window: place and value.
pub(crate) type Sample = (f32, f32, f32);

/// Radii in pixels of the frame: of the aperture, and of the ring of sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aperture {
    pub(crate) radius: f64,
    pub(crate) sky_from: f64,
    pub(crate) sky_to: f64,
}

/// The local sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LocalSky {
    pub(crate) level: f64,
    /// Variance of that level.
    pub(crate) variance: f64,
    /// Variance of a pixel.
    pub(crate) pixel_variance: f64,
}

/// Clipped mean of the ring; `None` with too few values.
pub(crate) fn local_sky(
    samples: &[Sample],
    (x, y): (f64, f64),
    aperture: Aperture,
    scratch: &mut [Vec<f32>; 2],
) -> Option<LocalSky> {
    let [values, sample] = scratch;
    values.clear();
    let (from, to) = (aperture.sky_from.powi(2), aperture.sky_to.powi(2));
    values.extend(samples.iter().filter_map(|(sx, sy, value)| {
        let distance = (f64::from(*sx) - x).powi(2) + (f64::from(*sy) - y).powi(2);
        (distance >= from && distance <= to && value.is_finite()).then_some(*value)
    }));
    if values.len() < LEAST_SKY {
        return None;
    }
    let found = clipped_mean(values, sample)?;
    Some(LocalSky {
        level: found.mean,
        variance: found.variance,
        pixel_variance: found.variance * found.kept as f64,
    })
}

/// Flux and its variance by the noise of the sky; each sample stands for `area` pixels. `None` where a pixel is missing.
pub(crate) fn flux(
    samples: &[Sample],
    (x, y): (f64, f64),
    aperture: Aperture,
    area: f64,
    sky: &LocalSky,
) -> Option<(f64, f64)> {
    let pitch = area.sqrt();
    let reach = (aperture.radius + 0.5 * pitch).powi(2);
    let (mut sum, mut weights, mut squares) = (0.0, 0.0, 0.0);
    for (sx, sy, value) in samples {
        let distance = (f64::from(*sx) - x).powi(2) + (f64::from(*sy) - y).powi(2);
        if distance >= reach {
            continue;
        }
        if value.is_nan() {
            return None;
        }
        let weight = border_share(distance, aperture.radius, pitch);
        sum += weight * (f64::from(*value) - sky.level);
        weights += weight;
        squares += weight * weight;
    }
    let variance = squares * sky.pixel_variance + weights * weights * sky.variance;
    (weights > 0.0).then_some((sum * area, variance * area * area))
}

/// Share of a pixel at `distance` (squared) that is in the aperture: its border is a straight line across the pixel.
fn border_share(distance: f64, radius: f64, pitch: f64) -> f64 {
    ((radius - distance.sqrt()) / pitch + 0.5).clamp(0.0, 1.0)
}

/// Image of a star of height 1: Moffat's (1969, A&A 3, 455) with beta = 3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moffat3 {
    alpha_squared: f64,
}

impl Moffat3 {
    /// With the full width at half maximum of a Gaussian of this sigma: (FWHM / 2 alpha)^2 = 2^(1 / beta) - 1.
    pub(crate) fn of_sigma(sigma_px: f64) -> Self {
        Self { alpha_squared: (0.5 * SIGMA_TO_FWHM * sigma_px).powi(2) / 0.259_921 }
    }

    /// Height at this squared distance.
    pub(crate) fn at(self, distance: f64) -> f64 {
        (1.0 + distance / self.alpha_squared).powi(-3)
    }
}

/// What the place of a star in the pattern of a CFA does to its sum by [`flux`]: that of an image of `sigma_px` over the pixels of the
/// colour, over its mean for all places.
pub(crate) fn place_share(
    samples: &[Sample],
    (x, y): (f64, f64),
    aperture: Aperture,
    area: f64,
    sigma_px: f64,
) -> f64 {
    let pitch = area.sqrt();
    let outer = aperture.radius + 0.5 * pitch;
    let image = Moffat3::of_sigma(sigma_px);
    let light = |dx: f64, dy: f64| {
        let distance = dx * dx + dy * dy;
        border_share(distance, aperture.radius, pitch) * image.at(distance)
    };
    let own: f64 = samples.iter().map(|(sx, sy, _)| light(f64::from(*sx) - x, f64::from(*sy) - y)).sum();
    let reach = |at: f64| ((at - outer).ceil() as i64)..=((at + outer).floor() as i64);
    let row = |j: i64| reach(x).map(|i| light(i as f64 - x, j as f64 - y)).sum::<f64>();
    area * own / reach(y).map(row).sum::<f64>()
}

/// Place and width of the image of a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Of the Gaussian that fits, pixels.
    pub(crate) sigma_px: f64,
}

/// Mean place, relative to (x, y), and sum of the variances along both axes of the light above `sky` under a Gaussian weight about (x, y),
/// as far as `reach` (squared); `None` without light.
fn weighted(
    samples: &[Sample],
    (x, y): (f64, f64),
    weight_variance: f64,
    reach: f64,
    sky: f64,
) -> Option<([f64; 2], f64)> {
    let (mut sum, mut sum_x, mut sum_y, mut sum_rr) = (0.0, 0.0, 0.0, 0.0);
    for (sx, sy, value) in samples {
        let (dx, dy) = (f64::from(*sx) - x, f64::from(*sy) - y);
        let distance = dx * dx + dy * dy;
        if distance < reach && value.is_finite() {
            let light = (-0.5 * distance / weight_variance).exp() * (f64::from(*value) - sky);
            sum += light;
            sum_x += light * dx;
            sum_y += light * dy;
            sum_rr += light * distance;
        }
    }
    if sum <= 0.0 {
        return None;
    }
    let (dx, dy) = (sum_x / sum, sum_y / sum);
    Some(([dx, dy], sum_rr / sum - dx * dx - dy * dy))
}

/// Adaptive moments of what is above `sky`, from `start`; the weight follows the width of the image. `None` where they do not settle on
/// a star within 2 pixels.
pub(crate) fn moments(samples: &[Sample], start: Moments, sky: f64) -> Option<Moments> {
    let mut now = start;
    for _ in 0..ROUNDS {
        let weight_variance = now.sigma_px * now.sigma_px;
        let reach = REACH_SIGMA * REACH_SIGMA * weight_variance;
        let ([dx, dy], spread) = weighted(samples, (now.x, now.y), weight_variance, reach, sky)?;
        // Of a Gaussian both the shift and the variance are seen through the weight, half of them at equal widths.
        let seen = 0.5 * spread;
        let inverse = 1.0 / seen - 1.0 / weight_variance;
        if !(seen > 0.0 && inverse > 0.0) {
            return None;
        }
        let sigma_px = (1.0 / inverse).sqrt().clamp(0.5 * now.sigma_px, 1.5 * now.sigma_px);
        let is_settled = dx.hypot(dy) < SETTLED && (sigma_px / now.sigma_px - 1.0).abs() < SETTLED;
        now = Moments { x: now.x + 2.0 * dx, y: now.y + 2.0 * dy, sigma_px };
        if (now.x - start.x).hypot(now.y - start.y) > FARTHEST_PX {
            return None;
        }
        if is_settled {
            break;
        }
    }
    Some(now)
}

/// Place of a star whose width is known, from `start`, and its second moment over that of an image of this width; `None` where it runs
/// away or nothing is there.
pub(crate) fn centroid(samples: &[Sample], start: Moments, sky: f64) -> Option<(f64, f64, f64)> {
    let weight_variance = start.sigma_px * start.sigma_px;
    let reach = CENTRE_REACH_SIGMA * CENTRE_REACH_SIGMA * weight_variance;
    let (mut x, mut y) = (start.x, start.y);
    let mut width = f64::NAN;
    for _ in 0..CENTRE_ROUNDS {
        let ([dx, dy], spread) = weighted(samples, (x, y), weight_variance, reach, sky)?;
        width = spread / weight_variance;
        (x, y) = (x + 2.0 * dx, y + 2.0 * dy);
        if (x - start.x).hypot(y - start.y) > FARTHEST_PX {
            return None;
        }
        if dx.hypot(dy) < 1e-4 {
            break;
        }
    }
    Some((x, y, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn star(at: (f64, f64), fwhm: f64) -> Vec<Sample> {
        let image = zemosaic_testkit::star_image(41, 41, &[(at.0, at.1, 1e5)], fwhm);
        image.iter().enumerate().map(|(i, v)| ((i % 41) as f32, (i / 41) as f32, v + 30.0)).collect()
    }

    #[test]
    fn place_width_and_flux_are_found() {
        let (mut widths, mut fluxes) = (Vec::new(), Vec::new());
        for (at, fwhm) in [((20.2, 19.7), 2.6), ((19.9, 20.45), 2.6), ((20.0, 20.0), 2.6)] {
            let samples = star(at, fwhm);
            let start = Moments { x: 20.0, y: 20.0, sigma_px: 1.5 };
            let found = moments(&samples, start, 30.0).unwrap();
            assert!((found.x - at.0).hypot(found.y - at.1) < 0.02, "{found:?}");
            let aperture = Aperture { radius: 3.0 * fwhm, sky_from: 10.0, sky_to: 15.0 };
            let sky = local_sky(&samples, at, aperture, &mut Default::default()).unwrap();
            widths.push(found.sigma_px * SIGMA_TO_FWHM);
            fluxes.push(flux(&samples, at, aperture, 1.0, &sky).unwrap().0);
        }
        assert!(widths.iter().all(|width| (2.3..3.2).contains(width)), "{widths:?}");
        assert!(fluxes.iter().all(|flux| (flux / fluxes[0] - 1.0).abs() < 1e-3), "{fluxes:?}");
        assert!((0.96..1.0).contains(&(fluxes[0] / 1e5)), "{fluxes:?}");
    }

    #[test]
    fn the_place_in_the_pattern_is_allowed_for() {
        let aperture = Aperture { radius: 5.0, sky_from: 10.0, sky_to: 15.0 };
        let (mut raw, mut corrected) = (Vec::new(), Vec::new());
        for step in 0..36 {
            let at = (20.0 + f64::from(step % 6) / 3.0, 20.0 + f64::from(step / 6) / 3.0);
            let of_red = |sample: &Sample| sample.0 % 2.0 == 0.0 && sample.1 % 2.0 == 0.0;
            let samples: Vec<Sample> = star(at, 2.3).into_iter().filter(of_red).collect();
            let sky = local_sky(&samples, at, aperture, &mut Default::default()).unwrap();
            let light = flux(&samples, at, aperture, 4.0, &sky).unwrap().0;
            raw.push(light);
            // The width is not known better than to some per cent.
            corrected.push(light / place_share(&samples, at, aperture, 4.0, 1.07 * 2.3 / SIGMA_TO_FWHM));
        }
        let scatter = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|v| (v / mean - 1.0).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        assert!(
            scatter(&raw) > 0.015 && scatter(&corrected) < 0.005,
            "{} {}",
            scatter(&raw),
            scatter(&corrected)
        );
        // The mean over all places stays.
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&corrected) / mean(&raw) - 1.0).abs() < 2e-3);
    }

    #[test]
    fn no_star_no_moments() {
        let flat: Vec<Sample> = (0..400).map(|i| ((i % 20) as f32, (i / 20) as f32, 5.0)).collect();
        let start = Moments { x: 10.0, y: 10.0, sigma_px: 1.5 };
        assert_eq!(moments(&flat, start, 5.0), None);
        let aperture = Aperture { radius: 3.0, sky_from: 4.0, sky_to: 4.5 };
        assert_eq!(local_sky(&flat[..60], (10.0, 10.0), aperture, &mut Default::default()), None);
    }
}
