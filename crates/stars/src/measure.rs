//! From candidates to stars: those that are bright get a shape.

use crate::candidate::Candidate;
use crate::fit::{Axes, Fit, Sample, fit};
use crate::options::StarOptions;
use crate::profile::Profile;
use crate::source::{FrameInfo, Pixels};
use crate::stamp::Stamp;
use crate::star::{Star, StarFlags, by_brightness};

/// FWHM of a Gaussian over its standard deviation.
const FWHM_OF_SIGMA: f64 = 2.354_820_045_030_949_3;
/// Stars that choose the profile of the frame.
const CHOOSERS: usize = 12;
/// With fewer the first profile is kept.
const LEAST_CHOOSERS: usize = 3;
/// Radius of the fit over the FWHM of the major axis, and its least.
const FIT_RADIUS: f64 = 1.75;
const LEAST_FIT_RADIUS_PX: f64 = 2.5;
/// Range of FWHM a star may have.
const FWHM_RANGE_PX: std::ops::Range<f64> = 0.8..40.0;
/// Root mean square residual over the height of the profile above which it is none.
const ODD_RESIDUAL: f64 = 0.12;
/// A neighbour of this share of the flux is in the way.
const NEIGHBOUR_SHARE: f64 = 0.05;
/// Half of the largest window around a star.
const MAX_STAMP_PX: usize = 60;

/// A candidate that is looked at closely.
struct Attempt {
    index: usize,
    stamp: Stamp,
    fit: Option<Fit>,
    profile: Profile,
}

/// Stars of `candidates` (brightest first), brightest first, and the profile of the frame.
pub(crate) fn measure_stars<P: Pixels>(
    source: &mut P,
    info: FrameInfo,
    options: &StarOptions,
    noise_adu: f64,
    candidates: &[Candidate],
) -> Result<(Vec<Star>, Profile), P::Error> {
    let mut stars: Vec<Star> = candidates.iter().map(bare_star).collect();
    let mut attempts = Vec::new();
    let unfit = StarFlags::EDGE.with(StarFlags::BLENDED).with(StarFlags::SATURATED);
    let chosen = candidates.iter().enumerate().filter(|(_, candidate)| !candidate.flags.has(unfit));
    for (index, candidate) in chosen.take(options.max_fitted) {
        let [major, _] = fwhm_guess(candidate);
        let inner = (3.0 * major).clamp(6.0, MAX_STAMP_PX as f64 - 8.0);
        let radius = ((1.5 * inner).ceil() as usize).clamp(10, MAX_STAMP_PX);
        let centre = [candidate.x_px, candidate.y_px];
        let Some(stamp) = Stamp::read(source, info, centre, radius, inner)? else { continue };
        if is_saturated(&stamp, info, noise_adu) {
            stars[index].flags = stars[index].flags.with(StarFlags::SATURATED);
            continue;
        }
        let fit = first_fit(&stamp, info, candidate);
        attempts.push(Attempt { index, stamp, fit, profile: Profile::FIRST });
    }
    let profile = choose_profile(&attempts, info);
    for attempt in &mut attempts {
        let candidate = &candidates[attempt.index];
        attempt.fit = attempt.fit.and_then(|first| refit(attempt, info, &first, profile));
        attempt.profile = profile;
        describe(attempt, candidate, noise_adu, &mut stars[attempt.index]);
        let reach = 3.0 * fwhm_guess(candidate)[0] + 2.0;
        let in_the_way = |other: &Candidate| {
            let distance = (other.x_px - candidate.x_px).hypot(other.y_px - candidate.y_px);
            distance > 0.0 && distance < reach && other.flux_adu > NEIGHBOUR_SHARE * candidate.flux_adu
        };
        if candidates.iter().any(in_the_way) {
            stars[attempt.index].flags = stars[attempt.index].flags.with(StarFlags::BLENDED);
        }
    }
    stars.sort_by(|a, b| by_brightness((a.flux_adu, a.x_px, a.y_px), (b.flux_adu, b.x_px, b.y_px)));
    Ok((stars, profile))
}

fn bare_star(candidate: &Candidate) -> Star {
    let [major, minor] = candidate.axes_px;
    Star {
        x_px: candidate.x_px,
        y_px: candidate.y_px,
        flux_adu: candidate.flux_adu,
        peak_adu: candidate.peak_adu,
        snr: candidate.snr,
        fwhm_px: f64::NAN,
        hfr_px: f64::NAN,
        ellipticity: if major > 0.0 { 1.0 - minor / major } else { 0.0 },
        angle_deg: direction_deg(candidate.angle_rad),
        flags: candidate.flags,
    }
}

/// FWHM of both axes from second moments.
fn fwhm_guess(candidate: &Candidate) -> [f64; 2] {
    candidate.axes_px.map(|axis| (FWHM_OF_SIGMA * axis).clamp(1.8, 30.0))
}

/// At or above saturation, or three pixels share the highest value of a bright star.
fn is_saturated(stamp: &Stamp, info: FrameInfo, noise_adu: f64) -> bool {
    let highest = f64::from(stamp.highest);
    info.saturation_adu.is_some_and(|level| highest >= level)
        || (stamp.at_highest > 2 && noise_adu > 0.0 && stamp.above_sky(highest) > 50.0 * noise_adu)
}

fn first_fit(stamp: &Stamp, info: FrameInfo, candidate: &Candidate) -> Option<Fit> {
    let [major_px, minor_px] = fwhm_guess(candidate);
    let axes = Axes { major_px, minor_px, angle_rad: candidate.angle_rad };
    let samples = stamp.samples((FIT_RADIUS * major_px).max(LEAST_FIT_RADIUS_PX));
    let height = samples.iter().fold(0.0_f64, |height, sample| height.max(sample.value));
    fit(&samples, info.colours(), Profile::FIRST, Fit::start(0.0, 0.0, axes, height, Profile::FIRST))
}

/// Again on the pixels that the first fit says are the core's.
fn refit(attempt: &Attempt, info: FrameInfo, first: &Fit, profile: Profile) -> Option<Fit> {
    let axes = first.axes(attempt.profile);
    if !FWHM_RANGE_PX.contains(&axes.major_px) {
        return None;
    }
    let samples = core(attempt, &axes);
    fit(&samples, info.colours(), profile, converted(first, &axes, profile))
}

fn core(attempt: &Attempt, axes: &Axes) -> Vec<Sample> {
    attempt.stamp.samples((FIT_RADIUS * axes.major_px).max(LEAST_FIT_RADIUS_PX))
}

/// A start for another profile.
fn converted(fit: &Fit, axes: &Axes, profile: Profile) -> Fit {
    Fit { amplitude: fit.amplitude, ..Fit::start(fit.x, fit.y, *axes, 0.0, profile) }
}

/// The profile that fits the brightest stars best: the smallest sum of the logarithms of their residuals, so that each
/// star has one voice.
fn choose_profile(attempts: &[Attempt], info: FrameInfo) -> Profile {
    let mut totals = [0.0; Profile::TRIED.len()];
    let mut voices = 0;
    for attempt in attempts {
        let Some(first) = attempt.fit else { continue };
        let axes = first.axes(attempt.profile);
        if !FWHM_RANGE_PX.contains(&axes.major_px) {
            continue;
        }
        let samples = core(attempt, &axes);
        let residuals: Option<Vec<f64>> = Profile::TRIED
            .iter()
            .map(|tried| {
                fit(&samples, info.colours(), *tried, converted(&first, &axes, *tried)).map(|fit| fit.rss)
            })
            .collect();
        let Some(residuals) = residuals else { continue };
        for (total, rss) in totals.iter_mut().zip(residuals) {
            *total += rss.max(f64::MIN_POSITIVE).ln();
        }
        voices += 1;
        if voices == CHOOSERS {
            break;
        }
    }
    if voices < LEAST_CHOOSERS {
        return Profile::FIRST;
    }
    let best = (0..totals.len()).min_by(|a, b| totals[*a].total_cmp(&totals[*b]));
    best.map_or(Profile::FIRST, |best| Profile::TRIED[best])
}

/// What the fit says goes into the star.
fn describe(attempt: &Attempt, candidate: &Candidate, noise_adu: f64, star: &mut Star) {
    let odd = star.flags.with(StarFlags::ODD);
    let Some(fit) = attempt.fit else {
        star.flags = odd;
        return;
    };
    let axes = attempt.fit_axes(&fit);
    let fwhm_px = (axes.major_px * axes.minor_px).sqrt();
    let samples = core(attempt, &axes);
    let height = fit.amplitude.iter().fold(0.0_f64, |height, amplitude| height.max(*amplitude));
    let residual = (fit.rss / samples.len().max(1) as f64).sqrt();
    let moved = fit.x.hypot(fit.y);
    let makes_sense = FWHM_RANGE_PX.contains(&axes.minor_px)
        && FWHM_RANGE_PX.contains(&axes.major_px)
        && height > 0.0
        && moved <= 0.5 * axes.major_px + 1.0
        && residual <= (ODD_RESIDUAL * height).max(2.0 * noise_adu);
    if !makes_sense {
        star.flags = odd;
        return;
    }
    let place = [candidate.x_px + fit.x, candidate.y_px + fit.y];
    let radius_px = (2.5 * axes.major_px + 1.0).min(MAX_STAMP_PX as f64);
    if !attempt.stamp.holds(radius_px) {
        star.flags = star.flags.with(StarFlags::EDGE);
    }
    let share = attempt.profile.enclosed_share(fwhm_px, radius_px);
    let Some(growth) = attempt.stamp.growth(place, radius_px, share) else {
        star.flags = odd;
        return;
    };
    [star.x_px, star.y_px] = place;
    star.flux_adu = growth.flux_adu;
    star.hfr_px = growth.hfr_px;
    star.fwhm_px = fwhm_px;
    star.ellipticity = 1.0 - axes.minor_px / axes.major_px;
    star.angle_deg = direction_deg(axes.angle_rad);
}

/// In [0, 180): rounding can make 180 of what is just below 0.
fn direction_deg(angle_rad: f64) -> f64 {
    angle_rad.to_degrees().rem_euclid(180.0) % 180.0
}

impl Attempt {
    fn fit_axes(&self, fit: &Fit) -> Axes {
        fit.axes(self.profile)
    }
}
