//! A profile through the raw pixels of a star: one centre, one elliptical shape, one brightness per colour; least squares by
//! Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431). On a CFA every pixel is used where it lies, so nothing is
//! interpolated and nothing is widened.

use crate::profile::{PIXEL_POINTS, Profile};

/// A pixel above the local sky.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub x: f64,
    pub y: f64,
    pub value: f64,
    pub colour: usize,
}

/// A fitted star: q = a dx^2 + 2 b dx dy + c dy^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    pub x: f64,
    pub y: f64,
    /// a, b, c.
    pub form: [f64; 3],
    /// Brightness in the middle per colour.
    pub amplitude: [f64; 3],
    /// Sum of squared residuals.
    pub rss: f64,
}

/// FWHM of both axes, and the direction of the major one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axes {
    pub major_px: f64,
    pub minor_px: f64,
    pub angle_rad: f64,
}

impl Fit {
    /// A start with these axes.
    pub fn start(x: f64, y: f64, axes: Axes, amplitude: f64, profile: Profile) -> Self {
        let scale = profile.fwhm_over_alpha();
        let of = |fwhm: f64| (scale / fwhm) * (scale / fwhm);
        let (along, across) = (of(axes.major_px), of(axes.minor_px));
        let (sin, cos) = axes.angle_rad.sin_cos();
        let form = [
            cos * cos * along + sin * sin * across,
            sin * cos * (along - across),
            sin * sin * along + cos * cos * across,
        ];
        Self { x, y, form, amplitude: [amplitude; 3], rss: f64::INFINITY }
    }

    /// Its axes.
    pub fn axes(&self, profile: Profile) -> Axes {
        let [a, b, c] = self.form;
        let (mean, half) = (0.5 * (a + c), (0.25 * (a - c) * (a - c) + b * b).sqrt());
        let scale = profile.fwhm_over_alpha();
        Axes {
            major_px: scale / (mean - half).sqrt(),
            minor_px: scale / (mean + half).sqrt(),
            angle_rad: 0.5 * (-2.0 * b).atan2(c - a),
        }
    }

    fn is_possible(&self) -> bool {
        let [a, b, c] = self.form;
        a > 0.0 && c > 0.0 && a * c > b * b && self.x.is_finite() && self.y.is_finite()
    }
}

/// Centre, form, amplitudes.
const SHARED: usize = 5;
const PARAMETERS: usize = SHARED + 3;
const MAX_ROUNDS: usize = 40;
/// The fit ends when a step changes the residuals by less than this share.
const CONVERGED: f64 = 1e-5;
const LARGEST_DAMPING: f64 = 1e8;

type Vector = [f64; PARAMETERS];
type Matrix = [Vector; PARAMETERS];

/// Normal equations about some parameters.
struct Normal {
    matrix: Matrix,
    right: Vector,
    rss: f64,
}

/// Fit `samples` of `colours` colours from `start`; `None` where it does not converge.
pub(crate) fn fit(samples: &[Sample], colours: usize, profile: Profile, start: Fit) -> Option<Fit> {
    let count = SHARED + colours;
    if samples.len() < 2 * count || !start.is_possible() {
        return None;
    }
    let mut best = start;
    let mut normal = normal_equations(samples, profile, &best);
    let mut damping = 1e-3;
    for _ in 0..MAX_ROUNDS {
        let Some(step) = solve(&normal, count, damping) else {
            damping *= 10.0;
            if damping > LARGEST_DAMPING {
                return None;
            }
            continue;
        };
        let tried = stepped(&best, &step);
        let next = tried.is_possible().then(|| normal_equations(samples, profile, &tried));
        if let Some(next) = next.filter(|next| next.rss <= normal.rss) {
            let gain = normal.rss - next.rss;
            let done = gain <= CONVERGED * normal.rss;
            (best, normal) = (tried, next);
            damping = (damping * 0.1).max(1e-9);
            if done {
                best.rss = normal.rss;
                return Some(best);
            }
        } else {
            damping *= 10.0;
            if damping > LARGEST_DAMPING {
                // No step is better: this is the place.
                best.rss = normal.rss;
                return Some(best);
            }
        }
    }
    None
}

fn stepped(fit: &Fit, step: &Vector) -> Fit {
    let mut next = *fit;
    next.x += step[0];
    next.y += step[1];
    for (value, step) in next.form.iter_mut().chain(&mut next.amplitude).zip(&step[2..]) {
        *value += step;
    }
    next
}

/// Value of the profile over the pixel of `sample`, amplitude 1, and its derivatives by centre and form.
fn model(sample: &Sample, profile: Profile, fit: &Fit) -> (f64, [f64; SHARED]) {
    let [a, b, c] = fit.form;
    let (mut sum, mut slopes) = (0.0, [0.0; SHARED]);
    for py in PIXEL_POINTS {
        for px in PIXEL_POINTS {
            let (dx, dy) = (sample.x + px - fit.x, sample.y + py - fit.y);
            let (along_x, along_y) = (a * dx + b * dy, b * dx + c * dy);
            let (value, slope) = profile.at(along_x * dx + along_y * dy);
            sum += value;
            slopes[0] -= 2.0 * slope * along_x;
            slopes[1] -= 2.0 * slope * along_y;
            slopes[2] += slope * dx * dx;
            slopes[3] += 2.0 * slope * dx * dy;
            slopes[4] += slope * dy * dy;
        }
    }
    (0.25 * sum, slopes.map(|slope| 0.25 * slope))
}

fn normal_equations(samples: &[Sample], profile: Profile, fit: &Fit) -> Normal {
    let mut normal = Normal { matrix: [[0.0; PARAMETERS]; PARAMETERS], right: [0.0; PARAMETERS], rss: 0.0 };
    for sample in samples {
        let (value, mut slopes) = model(sample, profile, fit);
        let amplitude = fit.amplitude[sample.colour];
        for slope in &mut slopes {
            *slope *= amplitude;
        }
        let residual = sample.value - amplitude * value;
        normal.rss += residual * residual;
        let own = SHARED + sample.colour;
        for i in 0..SHARED {
            for j in 0..=i {
                normal.matrix[i][j] += slopes[i] * slopes[j];
            }
            normal.matrix[own][i] += value * slopes[i];
            normal.right[i] += slopes[i] * residual;
        }
        normal.matrix[own][own] += value * value;
        normal.right[own] += value * residual;
    }
    normal
}

/// The damped step, by Cholesky's decomposition of the lower triangle; `None` where it is not positive.
fn solve(normal: &Normal, count: usize, damping: f64) -> Option<Vector> {
    let mut lower = normal.matrix;
    for i in 0..count {
        for j in 0..=i {
            let mut sum = normal.matrix[i][j];
            if i == j {
                sum *= 1.0 + damping;
            }
            for (a, b) in lower[i].iter().zip(&lower[j]).take(j) {
                sum -= a * b;
            }
            if i == j {
                if sum.is_nan() || sum <= 0.0 {
                    return None;
                }
                lower[i][i] = sum.sqrt();
            } else {
                lower[i][j] = sum / lower[j][j];
            }
        }
    }
    let mut step = normal.right;
    for i in 0..count {
        for k in 0..i {
            step[i] -= lower[i][k] * step[k];
        }
        step[i] /= lower[i][i];
    }
    for i in (0..count).rev() {
        for k in i + 1..count {
            step[i] -= lower[k][i] * step[k];
        }
        step[i] /= lower[i][i];
    }
    step[count..].fill(0.0);
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_again() {
        let profile = Profile::FIRST;
        let truth_axes = Axes { major_px: 3.4, minor_px: 2.4, angle_rad: 0.7 };
        let mut truth = Fit::start(0.31, -0.22, truth_axes, 900.0, profile);
        truth.amplitude = [900.0, 1500.0, 400.0];
        let mut samples = Vec::new();
        for y in -5..=5_i32 {
            for x in -5..=5_i32 {
                let colour = [[0, 1], [1, 2]][y.rem_euclid(2) as usize][x.rem_euclid(2) as usize];
                let mut sample = Sample { x: f64::from(x), y: f64::from(y), value: 0.0, colour };
                sample.value = truth.amplitude[colour] * model(&sample, profile, &truth).0;
                samples.push(sample);
            }
        }
        let start_axes = Axes { major_px: 2.0, minor_px: 2.0, angle_rad: 0.0 };
        let found = fit(&samples, 3, profile, Fit::start(0.0, 0.0, start_axes, 1000.0, profile)).unwrap();
        let axes = found.axes(profile);
        assert!((axes.major_px - 3.4).abs() < 1e-4 && (axes.minor_px - 2.4).abs() < 1e-4, "{axes:?}");
        assert!((axes.angle_rad - 0.7).abs() < 1e-4, "{axes:?}");
        assert!((found.x - 0.31).abs() < 1e-4 && (found.y + 0.22).abs() < 1e-4);
        assert!(found.amplitude.iter().zip(truth.amplitude).all(|(a, b)| (a / b - 1.0).abs() < 1e-4));
    }
}
