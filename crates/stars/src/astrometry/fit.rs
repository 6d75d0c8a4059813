//! The plate fit: match, fit without outliers, match again, until the pairs stay the same.
//!
//! TAN with the tangent point at the centre of the frame and a full CD matrix; SIP where the stars support it. The match
//! starts near the centre, where a rough WCS without distortion is best, and grows to the corners.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zemosaic_sky::{SipCoefficients, SkyFrame, Wcs, WcsError, lonlat_deg, unit_vector};

use super::clip::{CLIP_SIGMA, Clipped, MAD_TO_SIGMA, fit_clipped};
use super::field::{Placed, centre_px, corners_px, place, stars_in_frame};
use super::matching::{Match, match_placed};
use super::order::best_order;
use super::polynomial::{Plate, Point, term_count};
use crate::detection::Detection;
use crate::quality::median;
use crate::reference::{ReferenceStar, ReferenceStars};

/// What no list of stars knows of its errors, standard deviation on each axis.
const FLOOR_PX: f64 = 0.05;
/// Distances from the centre, in half diagonals, up to which stars are matched, one after another.
const REACHES: [f64; 4] = [0.4, 0.6, 0.8, 1.0];
/// A reach below the whole frame is used with so many pairs.
const REACH_PAIRS: usize = 20;
/// Rounds of matching at a reach below the whole frame, and at most at the whole frame.
const INNER_ROUNDS: usize = 2;
const MAX_ROUNDS: usize = 12;
/// Least radius of a match.
const LEAST_RADIUS_PX: f64 = 0.5;
/// The tangent point is at the centre when it is within this, degrees (0.4 micro-arcsec).
const CENTRED_DEG: f64 = 1e-10;
const MAX_CENTRINGS: usize = 8;
/// The first radius is tried as given and, without success, so many times as large.
const SECOND_TRY: f64 = 2.0;
/// Orders of SIP that are chosen from, and that may be asked for.
const HIGHEST_AUTO: usize = 3;
const HIGHEST_FIXED: usize = 4;
/// Stars per coefficient and axis that any fit needs.
const STARS_PER_TERM: usize = 2;
/// Reference stars looked at for each detection, and at least.
const REFERENCE_PER_STAR: usize = 2;
const LEAST_REFERENCE: usize = 30;

/// Which distortion is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SipOrder {
    /// None, or order 2 or 3 where the stars clearly support it.
    Auto,
    /// This order, 1 (no distortion) to 4.
    Fixed(u8),
}

/// Options of the plate fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FitOptions {
    /// Radius of the first match, pixels.
    pub first_radius_px: f64,
    /// Distortion.
    pub order: SipOrder,
    /// A fit to fewer stars is refused.
    pub min_stars: usize,
    /// A fit with a larger rms (of the lengths of residuals) is refused, pixels.
    pub max_rms_px: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { first_radius_px: 6.0, order: SipOrder::Auto, min_stars: 8, max_rms_px: 0.5 }
    }
}

/// A fitted WCS.
#[derive(Debug, Clone)]
pub struct PlateFit {
    /// TAN or TAN-SIP, ICRS; reference pixel at the centre of the frame.
    pub wcs: Wcs,
    /// The pairs the fit is of, with their residuals under it.
    pub matches: Vec<Match>,
    /// Pairs within the first radius that it is not of.
    pub clipped: usize,
    /// Root of the mean square of the lengths of residuals (both axes together), pixels.
    pub rms_px: f64,
    /// The same on the sky at the centre.
    pub rms_arcsec: f64,
    /// Standard deviation on one axis from the median of absolute residuals, for the number of parameters.
    pub robust_sigma_px: f64,
    /// Order of SIP; 1 is none.
    pub sip_order: usize,
}

/// Why there is no fit.
#[derive(Debug, Clone, Error, PartialEq)]
pub enum FitError {
    /// The centre of the frame is no place on the sky.
    #[error("the WCS to start from has no sky at the centre of the frame")]
    NoSky,
    /// Too few stars.
    #[error("{kept} of {detected} stars are stars of the catalogue, {needed} are needed")]
    TooFew {
        /// Detections.
        detected: usize,
        /// Pairs that agree.
        kept: usize,
        /// Pairs needed.
        needed: usize,
    },
    /// The pairs do not agree.
    #[error(
        "{kept} stars scatter by {rms_px:.2} px about their places in the catalogue, {limit_px} px is the limit"
    )]
    Scatter {
        /// Pairs.
        kept: usize,
        /// Root of the mean square of the lengths of residuals.
        rms_px: f64,
        /// What is allowed.
        limit_px: f64,
    },
    /// Stars on a line, or all in one place.
    #[error("the places of {kept} stars do not determine a WCS of order {order}")]
    Undetermined {
        /// Pairs.
        kept: usize,
        /// Order of the polynomials.
        order: usize,
    },
    /// The fitted numbers are no WCS.
    #[error("the fitted WCS is none: {0}")]
    Wcs(#[from] WcsError),
}

/// What is given.
struct Input<'a> {
    stars: &'a [Detection],
    size_px: [usize; 2],
    reference: Vec<ReferenceStar>,
    options: &'a FitOptions,
}

/// The state between rounds.
struct Round {
    wcs: Wcs,
    order: usize,
    matches: Vec<Match>,
    kept: Vec<Match>,
    next_radius_px: f64,
}

/// Fits a WCS to the stars of a frame of `size_px` (columns, rows), from a rough one.
///
/// Reference stars: those that `start` has in the frame, at most the brightest two per detection. Weights: inverse
/// variances of detection, reference star and 0.05 px, with what the scatter shows to be missing. A pair is out beyond the
/// larger of 3 standard deviations and 0.25 px. Robust fit as in `clip`, order of SIP as in `order`. Deterministic.
///
/// # Errors
/// [`FitError`] with the figures: too few pairs, too much scatter, a frame that `start` does not place on the sky.
pub fn fit_plate(
    stars: &[Detection],
    size_px: [usize; 2],
    reference: &dyn ReferenceStars,
    start: &Wcs,
    options: &FitOptions,
) -> Result<PlateFit, FitError> {
    let margin_px = 2.0 * SECOND_TRY * options.first_radius_px;
    let limit = (REFERENCE_PER_STAR * stars.len()).max(LEAST_REFERENCE);
    let placed = stars_in_frame(reference, start, size_px, margin_px, limit).ok_or(FitError::NoSky)?;
    let reference = placed.into_iter().map(|placed| placed.star).collect();
    let input = Input { stars, size_px, reference, options };
    input
        .attempt(start, options.first_radius_px)
        .or_else(|first| input.attempt(start, SECOND_TRY * options.first_radius_px).map_err(|_| first))
}

impl Input<'_> {
    fn attempt(&self, start: &Wcs, first_radius_px: f64) -> Result<PlateFit, FitError> {
        let mut wcs = start.clone();
        for pair in REACHES.windows(2) {
            let mut radius_px = first_radius_px;
            for _ in 0..INNER_ROUNDS {
                let matches = self.matches(&wcs, radius_px, pair[0]);
                if matches.len() < REACH_PAIRS {
                    break;
                }
                let Ok(round) = self.round(&wcs, matches, pair[1]) else { break };
                radius_px = round.next_radius_px.min(first_radius_px);
                wcs = round.wcs;
            }
        }
        let mut radius_px = first_radius_px;
        let mut before: Vec<(usize, u32)> = Vec::new();
        let mut round = self.round(&wcs, self.matches(&wcs, radius_px, 1.0), 1.0)?;
        for _ in 0..MAX_ROUNDS {
            let pairs = round.kept.iter().map(|pair| (pair.star, pair.reference.id)).collect();
            if pairs == before {
                break;
            }
            before = pairs;
            radius_px = round.next_radius_px.min(first_radius_px);
            let matches = self.matches(&round.wcs, radius_px, 1.0);
            round = self.round(&round.wcs, matches, 1.0)?;
        }
        self.finish(round)
    }

    /// Pairs within `radius_px`, up to `reach` half diagonals from the centre.
    fn matches(&self, wcs: &Wcs, radius_px: f64, reach: f64) -> Vec<Match> {
        let placed: Vec<Placed> = self.reference.iter().filter_map(|star| place(star, wcs)).collect();
        let mut matches = match_placed(self.stars, self.size_px, &placed, radius_px);
        let limit_px = reach * self.half_diagonal_px();
        if reach < 1.0 {
            matches.retain(|pair| {
                let [x, y] = self.offset_px(pair.star);
                x.hypot(y) <= limit_px
            });
        }
        matches
    }

    fn half_diagonal_px(&self) -> f64 {
        0.5 * (self.size_px[0] as f64).hypot(self.size_px[1] as f64)
    }

    fn offset_px(&self, star: usize) -> [f64; 2] {
        let [x, y] = centre_px(self.size_px);
        [self.stars[star].x_px - x, self.stars[star].y_px - y]
    }

    /// One fit to given pairs, to be used up to `reach` half diagonals from the centre.
    fn round(&self, wcs: &Wcs, matches: Vec<Match>, reach: f64) -> Result<Round, FitError> {
        let options = self.options;
        let fixed = match options.order {
            SipOrder::Auto => None,
            SipOrder::Fixed(order) => Some(usize::from(order).clamp(1, HIGHEST_FIXED)),
        };
        let needed = options.min_stars.max(STARS_PER_TERM * term_count(fixed.unwrap_or(1)));
        let too_few = |kept| FitError::TooFew { detected: self.stars.len(), kept, needed };
        if matches.len() < needed {
            return Err(too_few(matches.len()));
        }
        let [x, y] = centre_px(self.size_px);
        let centre = lonlat_deg(&wcs.pixel_to_icrs(x, y).ok_or(FitError::NoSky)?);
        let scale_arcsec = local_scale_arcsec(wcs, [x, y]).ok_or(FitError::NoSky)?;
        let points = self.points(&matches, &tangent(centre)?, scale_arcsec)?;
        let unit_px = self.half_diagonal_px();
        let corners = corners_px(self.size_px).map(|[cx, cy]| [(cx - x) * reach, (cy - y) * reach]);
        let undetermined = |order| FitError::Undetermined { kept: matches.len(), order };
        let clipped = match fixed {
            None => best_order(&points, HIGHEST_AUTO, unit_px, &corners).ok_or_else(|| undetermined(1))?,
            Some(order) => fit_clipped(&points, order, unit_px).ok_or_else(|| undetermined(order))?,
        };
        if clipped.count() < needed {
            return Err(too_few(clipped.count()));
        }
        let wcs = self.centred(&matches, centre, scale_arcsec, &clipped)?;
        let kept =
            matches.iter().zip(&clipped.kept).filter(|(_, kept)| **kept).map(|(pair, _)| *pair).collect();
        let widest = points.iter().map(|point| clipped.sigma_px(point)).fold(0.0, f64::max);
        let next_radius_px = (CLIP_SIGMA * widest).max(LEAST_RADIUS_PX);
        Ok(Round { wcs, order: clipped.plate.order, matches, kept, next_radius_px })
    }

    fn points(&self, matches: &[Match], tangent: &Wcs, scale_arcsec: f64) -> Result<Vec<Point>, FitError> {
        let point = |pair: &Match| {
            let star = &pair.reference;
            let (x, y) =
                tangent.icrs_to_pixel(&unit_vector(star.ra_deg, star.dec_deg)).ok_or(FitError::NoSky)?;
            let variance_px2 = self.stars[pair.star].sigma_px.powi(2)
                + (star.sigma_arcsec / scale_arcsec).powi(2)
                + FLOOR_PX * FLOOR_PX;
            Ok(Point { at_px: self.offset_px(pair.star), plane_deg: [x, y], variance_px2 })
        };
        matches.iter().map(point).collect()
    }

    /// The WCS of a fit, with the tangent point moved to where the fit has the centre of the frame.
    fn centred(
        &self,
        matches: &[Match],
        mut centre: (f64, f64),
        scale_arcsec: f64,
        clipped: &Clipped,
    ) -> Result<Wcs, FitError> {
        let order = clipped.plate.order;
        let mut plate = clipped.plate.clone();
        for _ in 0..MAX_CENTRINGS {
            let [x, y] = plate.centre_deg();
            if x.hypot(y) <= CENTRED_DEG {
                break;
            }
            centre = tangent(centre)?.pixel_to_sky(x, y).ok_or(FitError::NoSky)?;
            let points = self.points(matches, &tangent(centre)?, scale_arcsec)?;
            plate = Plate::fit(&points, &clipped.weights(&points), order, self.half_diagonal_px())
                .ok_or(FitError::Undetermined { kept: clipped.count(), order })?;
        }
        let (crval, crpix, cd) = ([centre.0, centre.1], centre_px(self.size_px), plate.cd_deg());
        if order == 1 {
            return Ok(Wcs::tan(crval, crpix, cd, SkyFrame::Icrs)?);
        }
        let mut sip = SipCoefficients::zero(order);
        let terms = plate.sip().ok_or(FitError::Undetermined { kept: clipped.count(), order })?;
        for (p, q, [a, b]) in terms {
            sip.a[p * (order + 1) + q] = a;
            sip.b[p * (order + 1) + q] = b;
        }
        Ok(Wcs::tan_sip(crval, crpix, cd, SkyFrame::Icrs, &sip)?)
    }

    fn finish(&self, round: Round) -> Result<PlateFit, FitError> {
        let Round { wcs, order, matches, kept, .. } = round;
        let under = |pair: &Match| {
            let at = place(&pair.reference, &wcs)?.at_px;
            let star = &self.stars[pair.star];
            Some(Match { dx_px: star.x_px - at[0], dy_px: star.y_px - at[1], ..*pair })
        };
        let count = kept.len();
        let matches_kept: Vec<Match> = kept.iter().filter_map(under).collect();
        let sum: f64 = matches_kept.iter().map(|pair| pair.dx_px.powi(2) + pair.dy_px.powi(2)).sum();
        let rms_px = (sum / count as f64).sqrt();
        let limit_px = self.options.max_rms_px;
        if rms_px.is_nan() || rms_px > limit_px || matches_kept.len() < count {
            return Err(FitError::Scatter { kept: count, rms_px, limit_px });
        }
        let free = (count - term_count(order)).max(1) as f64 / count as f64;
        let lengths = matches_kept.iter().flat_map(|pair| [pair.dx_px.abs(), pair.dy_px.abs()]);
        let robust_sigma_px = MAD_TO_SIGMA * median(lengths) / free.sqrt();
        let within = self.matches(&wcs, self.options.first_radius_px, 1.0).len().max(matches.len());
        let scale_arcsec = local_scale_arcsec(&wcs, centre_px(self.size_px)).ok_or(FitError::NoSky)?;
        Ok(PlateFit {
            wcs,
            matches: matches_kept,
            clipped: within - count,
            rms_px,
            rms_arcsec: rms_px * scale_arcsec,
            robust_sigma_px,
            sip_order: order,
        })
    }
}

/// A system whose pixels are the degrees of the tangent plane at `centre`.
fn tangent(centre_deg: (f64, f64)) -> Result<Wcs, FitError> {
    let identity = [[1.0, 0.0], [0.0, 1.0]];
    Ok(Wcs::tan([centre_deg.0, centre_deg.1], [0.0, 0.0], identity, SkyFrame::Icrs)?)
}

/// Arcsec per pixel at a place: root of the solid angle of a pixel.
pub(super) fn local_scale_arcsec(wcs: &Wcs, [x, y]: [f64; 2]) -> Option<f64> {
    let at = |dx: f64, dy: f64| wcs.pixel_to_icrs(x + dx, y + dy);
    let (left, right, down, up) = (at(-0.5, 0.0)?, at(0.5, 0.0)?, at(0.0, -0.5)?, at(0.0, 0.5)?);
    let step = |a: &[f64; 3], b: &[f64; 3]| [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    let (u, v) = (step(&left, &right), step(&down, &up));
    let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    let area = cross.iter().map(|c| c * c).sum::<f64>().sqrt();
    (area > 0.0).then(|| area.sqrt().to_degrees() * 3600.0)
}
