//! The built-in plate solver: the crate `seiza`, from a list of stars to a rough WCS.
//!
//! Its fit has no rejection of outliers and its matches are not known outside: take the WCS as a start, match again and fit.
//! Hinted: triangles of the brightest stars vote for a transform near the hint. Blind: patterns of four locally brightest
//! stars in an index of the whole sky (as Lang et al. 2010, AJ 139, 1782, with other descriptors), each hypothesis verified.
//! Either accepts by the chance that a wrong field would match as well.

use super::blind_index::BlindIndex;
use super::error::SolveError;
use crate::catalogue::Dated;
use crate::detection::Detection;
use crate::reference::ReferenceStars;
use seiza::blind::{BlindParams, solve_blind_with_limits};
use seiza::catalog::{CatalogStar, StarCatalog};
use seiza::solve::{Solution, SolveHint, SolveLimits, solve_with_limits};
use seiza::{CancelSignal, DetectedStar};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use zemosaic_sky::{SkyFrame, Wcs};

/// A solution is accepted when the chance of a wrong field to match as well is at most this. True fields of real frames,
/// poor ones included, stand at 1e-20 and below.
pub const MAX_CHANCE: f64 = 1e-9;
/// Wider hints are cut to this: the solver looks at the 4000 brightest stars of the circle, too few for more.
pub const MAX_RADIUS_DEG: f64 = 5.0;
/// Fewest stars of which a transform can be told from chance.
const MIN_STARS: usize = 6;
const HINTED_STARS: usize = 100;
const BLIND_STARS: usize = 60;
/// Fewest matches of a blind solution: real frames near the galactic pole have 12.
const BLIND_MIN_MATCHES: usize = 10;
/// Hypotheses verified before a blind search gives up: more found nothing more on real frames and cost in proportion.
const BLIND_MAX_HYPOTHESES: usize = 20;
/// Hypotheses that are scored roughly before; this bounds the time of a frame that is not on the sky, as time limits would, but
/// alike on every machine.
const BLIND_MAX_COARSE: usize = 4_000;
/// Largest scale and tolerance that make sense: a pixel of a degree, and a factor of two.
const MAX_SCALE_ARCSEC: f64 = 3600.0;
const MAX_TOLERANCE: f64 = 1.0;
/// How often the caller's wish to stop is looked at.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// Where the frame should be and how large its pixels are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hint {
    /// ICRS right ascension and declination of the middle of the frame, degrees.
    pub centre_deg: (f64, f64),
    /// How wrong that may be, degrees; at most [`MAX_RADIUS_DEG`] is searched.
    pub radius_deg: f64,
    /// Arc seconds per pixel.
    pub scale_arcsec: f64,
    /// How wrong that may be, as a share of it.
    pub scale_tolerance: f64,
}

/// What the scale can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleRange {
    /// Fewest arc seconds per pixel.
    pub min_arcsec: f64,
    /// Most arc seconds per pixel.
    pub max_arcsec: f64,
}

/// When to stop without a solution.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// After this time.
    pub within: Duration,
    /// Soon after this is set.
    pub cancel: &'a AtomicBool,
}

/// A solution: good to a few pixels at the corners.
#[derive(Debug, Clone)]
pub struct RoughWcs {
    /// TAN, ICRS at the epoch of the reference stars.
    pub wcs: Wcs,
    /// Stars matched.
    pub matched: usize,
    /// Root mean square of their distances, arcsec.
    pub rms_arcsec: f64,
    /// Chance that a wrong field would match as well.
    pub chance: f64,
}

/// Solves a frame of `size_px` (width, height) near `hint`; `stars` in pixels of the frame. Either parity is found. The
/// result does not depend on the number of threads.
///
/// # Errors
/// [`SolveError::Hint`], [`SolveError::TooFewStars`], [`SolveError::NoMatch`], [`SolveError::TimedOut`],
/// [`SolveError::Cancelled`].
pub fn solve_hinted(
    stars: &[Detection],
    size_px: [usize; 2],
    reference: &dyn ReferenceStars,
    hint: &Hint,
    limits: &Limits<'_>,
) -> Result<RoughWcs, SolveError> {
    check_hint(hint)?;
    let dimensions = dimensions(size_px)?;
    let stars = brightest(stars, HINTED_STARS)?;
    let hint = SolveHint {
        center: (hint.centre_deg.0.rem_euclid(360.0), hint.centre_deg.1),
        radius_deg: hint.radius_deg.min(MAX_RADIUS_DEG),
        scale_arcsec_px: hint.scale_arcsec,
        scale_tolerance: hint.scale_tolerance,
        sip_order: 0,
    };
    let sky = Sky(reference);
    let solution = stoppable(limits, |limits| solve_with_limits(&stars, &sky, &hint, dimensions, limits))?;
    accept(&solution)
}

/// Solves a frame of `size_px` (width, height) anywhere on the sky; `stars` in pixels of the frame. Works on one thread,
/// because which of two valid solutions is taken would depend on their number.
///
/// # Errors
/// As [`solve_hinted`].
pub fn solve_blind(
    stars: &[Detection],
    size_px: [usize; 2],
    catalogue: &Dated<'_>,
    index: &BlindIndex,
    range: &ScaleRange,
    limits: &Limits<'_>,
) -> Result<RoughWcs, SolveError> {
    check_range(range)?;
    let dimensions = dimensions(size_px)?;
    let stars = brightest(stars, BLIND_STARS)?;
    let params = BlindParams {
        min_scale_arcsec_px: range.min_arcsec,
        max_scale_arcsec_px: range.max_arcsec,
        min_matches: BLIND_MIN_MATCHES,
        max_hypotheses: BLIND_MAX_HYPOTHESES,
        max_coarse_hypotheses: BLIND_MAX_COARSE,
        max_false_match_probability: MAX_CHANCE,
        ..BlindParams::default()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| SolveError::NoMatch(format!("no thread to search on: {e}")))?;
    let sky = Sky(catalogue);
    let solution = stoppable(limits, |limits| {
        pool.install(|| solve_blind_with_limits(&stars, &sky, &index.seiza, &params, dimensions, limits))
    })?;
    accept(&solution)
}

/// Reference stars as the solver wants them.
struct Sky<'a>(&'a dyn ReferenceStars);

impl StarCatalog for Sky<'_> {
    fn cone_search(&self, ra: f64, dec: f64, radius_deg: f64, limit: usize) -> Vec<CatalogStar> {
        let stars = self.0.cone((ra, dec), radius_deg, limit);
        let star = |s: crate::reference::ReferenceStar| CatalogStar {
            ra: s.ra_deg,
            dec: s.dec_deg,
            mag: s.mag as f32,
        };
        stars.into_iter().map(star).collect()
    }
}

fn check_hint(hint: &Hint) -> Result<(), SolveError> {
    let (ra, dec) = hint.centre_deg;
    let bad = |what: String| Err(SolveError::Hint(what));
    if !ra.is_finite() || !(-90.0..=90.0).contains(&dec) {
        return bad(format!("{ra}, {dec} is no position"));
    }
    if hint.radius_deg.is_nan() || hint.radius_deg < 0.0 {
        return bad(format!("{} is no radius", hint.radius_deg));
    }
    if !(hint.scale_arcsec > 0.0 && hint.scale_arcsec <= MAX_SCALE_ARCSEC) {
        return bad(format!("{} arcsec per pixel is no scale", hint.scale_arcsec));
    }
    if !(hint.scale_tolerance >= 0.0 && hint.scale_tolerance <= MAX_TOLERANCE) {
        return bad(format!("{} is no tolerance of a scale (0 to {MAX_TOLERANCE})", hint.scale_tolerance));
    }
    Ok(())
}

fn check_range(range: &ScaleRange) -> Result<(), SolveError> {
    let ScaleRange { min_arcsec, max_arcsec } = *range;
    if min_arcsec > 0.0 && min_arcsec <= max_arcsec && max_arcsec <= MAX_SCALE_ARCSEC {
        return Ok(());
    }
    Err(SolveError::Hint(format!("{min_arcsec} to {max_arcsec} arcsec per pixel is no range of scales")))
}

fn dimensions(size_px: [usize; 2]) -> Result<(u32, u32), SolveError> {
    let side = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0 && *n < 1 << 24);
    let [width, height] = size_px;
    side(width)
        .zip(side(height))
        .ok_or_else(|| SolveError::Hint(format!("{width} x {height} pixels is no size of a frame")))
}

/// The brightest with a position, brightest first, equal ones in the order given.
fn brightest(stars: &[Detection], limit: usize) -> Result<Vec<DetectedStar>, SolveError> {
    let placed = stars.iter().filter(|s| s.x_px.is_finite() && s.y_px.is_finite() && s.flux_adu.is_finite());
    let star = |s: &Detection| DetectedStar { x: s.x_px, y: s.y_px, flux: s.flux_adu, peak: 0.0, area: 0 };
    let mut stars: Vec<DetectedStar> = placed.map(star).collect();
    if stars.len() < MIN_STARS {
        return Err(SolveError::TooFewStars { found: stars.len(), needed: MIN_STARS });
    }
    stars.sort_by(|a, b| b.flux.total_cmp(&a.flux));
    stars.truncate(limit);
    Ok(stars)
}

/// Runs `solve` under `limits`. The solver's signal to stop must own what it looks at, so a thread carries the caller's over.
fn stoppable(
    limits: &Limits<'_>,
    solve: impl FnOnce(&SolveLimits) -> Result<Solution, seiza::Error>,
) -> Result<Solution, SolveError> {
    let stop = Arc::new(AtomicBool::new(limits.cancel.load(Ordering::Relaxed)));
    let within = SolveLimits::within(limits.within).with_cancel(CancelSignal::from(Arc::clone(&stop)));
    let result = std::thread::scope(|scope| {
        // Ends when the sender is dropped, also if the solver panics.
        let (alive, ended) = channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(CANCEL_POLL) == Err(RecvTimeoutError::Timeout) {
                stop.fetch_or(limits.cancel.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        });
        let result = solve(&within);
        drop(alive);
        result
    });
    result.map_err(|error| match error {
        seiza::Error::TimedOut => SolveError::TimedOut { within: limits.within },
        seiza::Error::Cancelled => SolveError::Cancelled,
        other => SolveError::NoMatch(other.to_string()),
    })
}

fn accept(solution: &Solution) -> Result<RoughWcs, SolveError> {
    let chance = solution.false_match_probability;
    if chance.is_nan() || chance > MAX_CHANCE {
        let text = format!("the best of {} matches could be chance ({chance:.0e})", solution.matched_stars);
        return Err(SolveError::NoMatch(text));
    }
    let from = &solution.wcs;
    let wcs = Wcs::tan([from.crval.0, from.crval.1], [from.crpix.0, from.crpix.1], from.cd, SkyFrame::Icrs)
        .map_err(|e| SolveError::NoMatch(e.to_string()))?;
    Ok(RoughWcs { wcs, matched: solution.matched_stars, rms_arcsec: solution.rms_arcsec, chance })
}
