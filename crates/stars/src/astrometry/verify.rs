//! Is a WCS right? Whether the brightest reference stars it has in the frame are where stars were detected, against chance.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_sky::Wcs;

use super::field::{Placed, centre_px, corners_px, stars_in_frame};
use crate::detection::Detection;
use crate::quality::median;
use crate::reference::ReferenceStars;

/// Share of the tested stars that a right WCS shows.
const SHARE: f64 = 0.7;
/// Standard deviations of residuals on each axis, in shares of the radius, that a right WCS may have; equally likely.
const SIGMAS: [f64; 3] = [0.125, 0.25, 0.5];
/// Stars tested, at most; a share of the detections, because the faintest may be beyond the catalogue, or noise.
const MAX_TESTED: usize = 100;
const TESTED_PER_DETECTION: f64 = 0.5;
/// Confirmed from here on: likelihood ratio, found stars, share found in the outer half over that in the frame.
const CONFIRMED_LOG10: f64 = 9.0;
const CONFIRMED_STARS: usize = 6;
const CONFIRMED_OUTER: f64 = 0.5;
/// Contradicted: likelihood ratio of the whole frame or of its outer half, stars tested there, detections.
const CONTRADICTED_LOG10: f64 = -3.0;
const CONTRADICTED_TESTED: usize = 8;
const CONTRADICTED_DETECTIONS: usize = 15;
/// Found stars from which a trend across the frame is measured.
const TREND_STARS: usize = 4;

/// Options of the verification.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerifyOptions {
    /// A star is found within this distance, pixels.
    pub radius_px: f64,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { radius_px: 4.0 }
    }
}

/// What the stars say of a WCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Confirmed,
    /// There are too few stars, or they say both.
    Undecided,
    /// It is wrong.
    Contradicted,
}

/// The verdict and its figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// What they say.
    pub verdict: Verdict,
    /// Detections.
    pub detections: usize,
    /// Reference stars tested: the brightest in the frame.
    pub tested: usize,
    /// Those with a detection within the radius.
    pub found: usize,
    /// Tested stars in the outer half: those farther from the centre than the median one.
    pub outer_tested: usize,
    /// Those of them with a detection.
    pub outer_found: usize,
    /// Chance that a random place has a detection within the radius.
    pub chance: f64,
    /// Decimal logarithm of the probability of finding so many by chance.
    pub log10_chance: f64,
    /// Decimal logarithm of the likelihood of a right WCS over that of chance.
    pub log10_ratio: f64,
    /// The same for the outer half.
    pub log10_outer_ratio: f64,
    /// Root of the mean square of the distances of found stars, pixels; NaN of none.
    pub rms_px: f64,
    /// Median of detected less predicted position, pixels; NaN of none.
    pub offset_px: [f64; 2],
    /// Largest displacement of a corner by the shift, turn and scale that the found stars have; 0 of fewer than 4.
    pub corner_px: f64,
}

/// A tested star: distance from the centre, offset of the nearest detection.
struct Tested {
    at_px: [f64; 2],
    from_centre_px: f64,
    offset_px: [f64; 2],
    /// Is that within the radius?
    found: bool,
}

impl Tested {
    fn distance_px(&self) -> f64 {
        self.offset_px[0].hypot(self.offset_px[1])
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of the {} brightest catalogue stars of the field {} are seen, by chance {:.1} would be",
            self.tested,
            self.found,
            self.chance * self.tested as f64
        )
    }
}

/// Tests `wcs`, of any projection and distortion, on the stars of a frame of `size_px` (columns, rows).
///
/// Tested are the brightest reference stars inside the frame, at most half as many as there are detections, none within two
/// radii of a brighter one. Under chance the nearest of the m detections is nearer than r with probability
/// 1 - exp(-m pi r^2 / A). Under a right WCS a share of 0.7 of the tested stars has a detection with Gaussian residuals of
/// 1/8, 1/4 or 1/2 radius (averaged), the others are as by chance (the odds of Lang et al. 2010, AJ 139, 1782).
///
/// - `Confirmed`: ratio of 10^9 and more, 6 stars found, in the outer half
///   at least half the share of the frame, no corner displaced by more than the
///   radius.
/// - `Contradicted`: 15 detections, 8 tested stars and a ratio below 10^-3, in the frame or in its outer half.
/// - `Undecided`: anything else.
pub fn verify(
    stars: &[Detection],
    size_px: [usize; 2],
    reference: &dyn ReferenceStars,
    wcs: &Wcs,
    options: &VerifyOptions,
) -> Evidence {
    let places: Vec<[f64; 2]> = stars
        .iter()
        .map(|star| [star.x_px, star.y_px])
        .filter(|at| at[0].is_finite() && at[1].is_finite())
        .collect();
    let radius_px = options.radius_px;
    let tested = tested(&places, size_px, reference, wcs, radius_px);
    let tested: Vec<&Tested> = tested.iter().collect();
    let density = places.len() as f64 / (size_px[0] as f64 * size_px[1] as f64);
    let found: Vec<&Tested> = tested.iter().copied().filter(|star| star.found).collect();
    let middle = median(tested.iter().map(|star| star.from_centre_px));
    let outer: Vec<&Tested> = tested.iter().copied().filter(|star| star.from_centre_px >= middle).collect();
    let chance = 1.0 - (-density * std::f64::consts::PI * radius_px * radius_px).exp();
    let square = found.iter().map(|star| star.distance_px().powi(2)).sum::<f64>() / found.len() as f64;
    let mut evidence = Evidence {
        verdict: Verdict::Undecided,
        detections: places.len(),
        tested: tested.len(),
        found: found.len(),
        outer_tested: outer.len(),
        outer_found: outer.iter().filter(|star| star.found).count(),
        chance,
        log10_chance: log10_at_least(tested.len(), found.len(), chance),
        log10_ratio: log10_ratio(&tested, density, radius_px),
        log10_outer_ratio: log10_ratio(&outer, density, radius_px),
        rms_px: square.sqrt(),
        offset_px: [0, 1].map(|axis| median(found.iter().map(|star| star.offset_px[axis]))),
        corner_px: corner_px(&found, size_px),
    };
    evidence.verdict = verdict(&evidence, radius_px);
    evidence
}

fn verdict(evidence: &Evidence, radius_px: f64) -> Verdict {
    let Evidence { tested, found, outer_tested, outer_found, .. } = *evidence;
    let confirmed = evidence.log10_ratio >= CONFIRMED_LOG10
        && found >= CONFIRMED_STARS
        // Of a WCS that is turned or stretched the middle alone is found.
        && (outer_found * tested) as f64 >= CONFIRMED_OUTER * (found * outer_tested) as f64
        && evidence.corner_px <= radius_px;
    let against = |ratio: f64, tested: usize| ratio <= CONTRADICTED_LOG10 && tested >= CONTRADICTED_TESTED;
    let contradicted = evidence.detections >= CONTRADICTED_DETECTIONS
        && (against(evidence.log10_ratio, tested) || against(evidence.log10_outer_ratio, outer_tested));
    match (confirmed, contradicted) {
        (true, _) => Verdict::Confirmed,
        (false, true) => Verdict::Contradicted,
        (false, false) => Verdict::Undecided,
    }
}

fn tested(
    places: &[[f64; 2]],
    size_px: [usize; 2],
    reference: &dyn ReferenceStars,
    wcs: &Wcs,
    radius_px: f64,
) -> Vec<Tested> {
    let limit = ((TESTED_PER_DETECTION * places.len() as f64).ceil() as usize).min(MAX_TESTED);
    // Some more, because close ones are left out.
    let bright = stars_in_frame(reference, wcs, size_px, -radius_px, 2 * limit).unwrap_or_default();
    let mut apart: Vec<Placed> = Vec::new();
    for star in bright {
        let close = |other: &Placed| distance_px(other.at_px, star.at_px) <= 2.0 * radius_px;
        if apart.len() < limit && !apart.iter().any(close) {
            apart.push(star);
        }
    }
    let centre = centre_px(size_px);
    let test = |star: &Placed| {
        let nearest = places
            .iter()
            .copied()
            .min_by(|a, b| distance_px(*a, star.at_px).total_cmp(&distance_px(*b, star.at_px)))?;
        let offset_px = [nearest[0] - star.at_px[0], nearest[1] - star.at_px[1]];
        let found = offset_px[0].hypot(offset_px[1]) <= radius_px;
        let from_centre_px = distance_px(star.at_px, centre);
        Some(Tested { at_px: star.at_px, from_centre_px, offset_px, found })
    };
    apart.iter().filter_map(test).collect()
}

fn distance_px(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Likelihood of the offsets of nearest detections under a right WCS over that under chance.
fn log10_ratio(tested: &[&Tested], density: f64, radius_px: f64) -> f64 {
    let ln_of = |share: f64| {
        let variance = (share * radius_px).powi(2);
        let ln = |star: &&Tested| {
            let square = star.distance_px().powi(2);
            if !star.found {
                return (1.0 - SHARE).ln();
            }
            // Density of the true star over that of the nearest of random ones, per area.
            let own = (-0.5 * square / variance).exp() / (2.0 * std::f64::consts::PI * variance);
            let random = density * (-density * std::f64::consts::PI * square).exp();
            (1.0 - SHARE + SHARE * own / random).ln()
        };
        tested.iter().map(ln).sum::<f64>()
    };
    let each = SIGMAS.map(ln_of);
    let largest = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = each.iter().map(|ln| (ln - largest).exp()).sum::<f64>() / SIGMAS.len() as f64;
    (largest + mean.ln()) / std::f64::consts::LN_10
}

/// Decimal logarithm of the binomial probability of `found` or more of `tested`.
fn log10_at_least(tested: usize, found: usize, chance: f64) -> f64 {
    if found == 0 || chance >= 1.0 {
        return 0.0;
    }
    if chance <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let (n, odds) = (tested as f64, (chance / (1.0 - chance)).ln());
    let mut term = n * (1.0 - chance).ln();
    let mut terms = Vec::new();
    for k in 0..=tested {
        if k >= found {
            terms.push(term);
        }
        term += ((n - k as f64) / (k as f64 + 1.0)).ln() + odds;
    }
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
    ((largest + sum.ln()) / std::f64::consts::LN_10).min(0.0)
}

/// Largest displacement of a corner by the similarity (shift, turn, scale) of least squares through the offsets.
fn corner_px(found: &[&Tested], size_px: [usize; 2]) -> f64 {
    if found.len() < TREND_STARS {
        return 0.0;
    }
    let n = found.len() as f64;
    let mean = |of: &dyn Fn(&Tested) -> f64| found.iter().map(|star| of(star)).sum::<f64>() / n;
    let middle = [0, 1].map(|axis| mean(&|star: &Tested| star.at_px[axis]));
    let shift = [0, 1].map(|axis| mean(&|star: &Tested| star.offset_px[axis]));
    let (mut stretch, mut turn, mut spread) = (0.0, 0.0, 0.0);
    for star in found {
        let [x, y] = [star.at_px[0] - middle[0], star.at_px[1] - middle[1]];
        stretch += x * star.offset_px[0] + y * star.offset_px[1];
        turn += x * star.offset_px[1] - y * star.offset_px[0];
        spread += x * x + y * y;
    }
    if spread == 0.0 {
        return 0.0;
    }
    let (stretch, turn) = (stretch / spread, turn / spread);
    let displaced = |[x, y]: [f64; 2]| {
        let (x, y) = (x - middle[0], y - middle[1]);
        (shift[0] + stretch * x - turn * y).hypot(shift[1] + stretch * y + turn * x)
    };
    corners_px(size_px).map(displaced).into_iter().fold(0.0, f64::max)
}
