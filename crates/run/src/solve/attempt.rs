//! Ways to find the WCS of one frame. Each ends in the same fit and the same judgement: a rough WCS from wherever counts only
//! when the frame's stars are those of the catalogue.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use zemosaic_sky::{Wcs, lonlat_deg};
use zemosaic_stars::astrometry::{Evidence, Verdict, fit_plate, verify};
use zemosaic_stars::catalogue::Catalogue;
use zemosaic_stars::solve::{
    BlindIndex, Hint, Limits, PoseHint, ScaleRange, SolveError, solve_blind, solve_by_pairs, solve_hinted,
};
use zemosaic_stars::{ReferenceStar, ReferenceStars};

use crate::solve::options::SolveOptions;
use crate::solve::subject::Subject;

/// What all frames share.
pub(crate) struct Sky<'a> {
    /// The stars.
    pub catalogue: &'a Catalogue,
    /// What is asked.
    pub options: &'a SolveOptions,
    /// Set when the user wants to stop.
    pub cancel: &'a AtomicBool,
}

/// How a WCS was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Near the place of a hint in the header, or given by the user.
    Hint,
    /// Near a frame that was solved before.
    Neighbour,
    /// Anywhere on the sky.
    Blind,
    /// By the stars of a neighbour, not of the catalogue.
    Registered,
    /// By another program.
    External(&'static str),
}

impl How {
    /// Name for tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Neighbour => "neighbour",
            Self::Blind => "blind",
            Self::Registered => "registered",
            Self::External(program) => program,
        }
    }
}

/// A WCS that fits the stars of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// It.
    pub wcs: Wcs,
    /// Stars of the frame and the reference stars they are.
    pub matches: Vec<(usize, ReferenceStar)>,
    /// Root mean square of their distances.
    pub rms_px: f64,
    /// Order of the distortion, 0 for none.
    pub sip_order: usize,
    /// How it was found.
    pub how: How,
}

/// Relative error of a scale from a header.
const SCALE_TOLERANCE: f64 = 0.1;
/// In the second try.
const WIDE_SCALE_TOLERANCE: f64 = 0.25;
/// Of the scale of another frame of the same camera.
const NEIGHBOUR_SCALE_TOLERANCE: f64 = 0.05;
/// Of frames of one camera in one night.
const SAME_CAMERA_TOLERANCE: f64 = 0.005;
/// How far the pointing error of a frame may be from that of another, in half diagonals of a frame.
const SAME_ERROR_FIELDS: f64 = 0.2;
/// Ends of the range of scales where nothing is known of it, arcsec per pixel; seiza's index has no patterns for more.
const ANY_SCALE: (f64, f64) = (0.3, 30.0);
/// With a hint of the place and none of the scale, scales are tried in steps of this factor.
const SCALE_STEP: f64 = 1.5;
/// A safety net: what is refused is refused long before.
const HINTED_LIMIT: Duration = Duration::from_mins(1);
/// The same of one step through scales of which nothing is known.
const SCALE_STEP_LIMIT: Duration = Duration::from_secs(10);
/// A search of the whole sky finds a frame in a tenth of a second or, to all experience, not at all; to be sure of that would take
/// half a minute for each frame.
const BLIND_LIMIT: Duration = Duration::from_millis(5500);

/// Why a frame is still without a WCS, for the user.
pub(crate) type Why = String;

/// What the catalogue says of a given WCS.
pub(crate) fn judge(sky: &Sky<'_>, subject: &Subject, wcs: &Wcs) -> Evidence {
    let reference = sky.catalogue.at(subject.year);
    verify(&subject.stars, subject.size_px, &reference, wcs, &sky.options.verify)
}

/// Fit and judge a rough WCS.
pub(crate) fn settle(
    sky: &Sky<'_>,
    subject: &Subject,
    reference: &dyn ReferenceStars,
    rough: &Wcs,
    how: How,
) -> Result<Placement, Why> {
    let fit = fit_plate(&subject.stars, subject.size_px, reference, rough, &sky.options.fit)
        .map_err(|error| error.to_string())?;
    let evidence = verify(&subject.stars, subject.size_px, reference, &fit.wcs, &sky.options.verify);
    if evidence.verdict != Verdict::Confirmed {
        return Err(format!("a solution was found that its stars do not confirm ({evidence})"));
    }
    let matches = fit.matches.iter().map(|own| (own.star, own.reference)).collect();
    // Order 1 is no distortion.
    let sip_order = if fit.sip_order > 1 { fit.sip_order } else { 0 };
    Ok(Placement { wcs: fit.wcs, matches, rms_px: fit.rms_px, sip_order, how })
}

fn limits<'a>(sky: &Sky<'a>, within: Duration) -> Limits<'a> {
    Limits { within, cancel: sky.cancel }
}

fn hinted(
    sky: &Sky<'_>,
    subject: &Subject,
    hint: &Hint,
    how: How,
    within: Duration,
) -> Result<Placement, Why> {
    let reference = sky.catalogue.at(subject.year);
    let rough = solve_hinted(&subject.stars, subject.size_px, &reference, hint, &limits(sky, within));
    let rough = rough.map_err(|error| error.to_string())?;
    settle(sky, subject, &reference, &rough.wcs, how)
}

/// How far a search by the header's hints reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Where the header says.
    Narrow,
    /// Around it, with a scale that may be wrong.
    Wide,
}

/// By the hints of the header.
pub(crate) fn by_header(sky: &Sky<'_>, subject: &Subject, reach: Reach) -> Result<Placement, Why> {
    let (radius, scale_tolerance) = match reach {
        Reach::Narrow => (sky.options.radius_deg, SCALE_TOLERANCE),
        Reach::Wide => (sky.options.wide_radius_deg, WIDE_SCALE_TOLERANCE),
    };
    let mut why = "the header does not say where the frame points".to_owned();
    for pointing in &subject.hints.pointings {
        let hint = |scale_arcsec: f64| Hint {
            centre_deg: pointing.centre_deg,
            radius_deg: radius.max(pointing.slack_deg),
            scale_arcsec,
            scale_tolerance,
        };
        let found = match subject.hints.scale_arcsec {
            Some((scale, _)) => hinted(sky, subject, &hint(scale), How::Hint, HINTED_LIMIT),
            None => by_any_scale(sky, subject, &hint),
        };
        match found {
            Ok(placement) => return Ok(placement),
            Err(reason) => why = format!("near {} of the header: {reason}", pointing.source),
        }
    }
    Err(why)
}

/// With a hint of the place alone: all scales, step by step.
fn by_any_scale(sky: &Sky<'_>, subject: &Subject, hint: &dyn Fn(f64) -> Hint) -> Result<Placement, Why> {
    let mut why = String::new();
    let mut scale = ANY_SCALE.0;
    while scale < ANY_SCALE.1 * SCALE_STEP {
        let step = Hint { scale_tolerance: WIDE_SCALE_TOLERANCE, ..hint(scale) };
        // The mount may point at the middle of a camera of which this is a part.
        let radius_deg = step.radius_deg.max(4.0 * subject.half_diagonal_deg(scale)).min(5.0);
        match hinted(sky, subject, &Hint { radius_deg, ..step }, How::Hint, SCALE_STEP_LIMIT) {
            Ok(placement) => return Ok(placement),
            Err(reason) => why = reason,
        }
        scale *= SCALE_STEP;
    }
    Err(format!("no scale from {} to {} arcsec fits: {why}", ANY_SCALE.0, ANY_SCALE.1))
}

/// Near a place that is known well: of a neighbour, or of a WCS that turned out wrong.
pub(crate) fn near(
    sky: &Sky<'_>,
    subject: &Subject,
    place: &NearbyFrame<'_>,
    how: How,
) -> Result<Placement, Why> {
    let centre_deg = place.centre_deg().ok_or("the neighbour's centre is not on the sky")?;
    let (scale_arcsec, scale_tolerance) = place.scale_for(subject);
    let radius_deg = sky.options.radius_deg.max(3.0 * subject.half_diagonal_deg(scale_arcsec)).min(5.0);
    let hint = Hint { centre_deg, radius_deg, scale_arcsec, scale_tolerance };
    hinted(sky, subject, &hint, how, HINTED_LIMIT)
}

/// Where `place` and the header agree the frame to be, with the scale and parity of `place`: the header's pointing with the error
/// it has for that frame.
pub(crate) fn alike(sky: &Sky<'_>, subject: &Subject, place: &NearbyFrame<'_>) -> Result<Placement, Why> {
    let failed = || "no turn of a neighbour's WCS fits".to_owned();
    let (centre_deg, slack_deg) = place.predicts(subject).ok_or_else(failed)?;
    let hint = PoseHint {
        centre_deg,
        slack_deg,
        scale_arcsec: place.wcs.scale_deg() * 3600.0,
        scale_tolerance: SAME_CAMERA_TOLERANCE,
        parity: place.wcs.parity(),
    };
    let reference = sky.catalogue.at(subject.year);
    let rough = solve_by_pairs(&subject.stars, subject.size_px, &reference, &hint).ok_or_else(failed)?;
    settle(sky, subject, &reference, &rough, How::Neighbour)
}

/// A frame whose place is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NearbyFrame<'a> {
    /// It.
    pub subject: &'a Subject,
    /// Its WCS.
    pub wcs: &'a Wcs,
}

impl NearbyFrame<'_> {
    fn centre_deg(&self) -> Option<(f64, f64)> {
        let [width, height] = self.subject.size_px.map(|side| 0.5 * (side as f64 - 1.0));
        self.wcs.pixel_to_icrs(width, height).map(|icrs| lonlat_deg(&icrs))
    }

    /// Where another frame's centre should be, degrees, and how far off that may be: as its header says, by as much off as
    /// this one's header is; without headers, near this one.
    fn predicts(&self, other: &Subject) -> Option<((f64, f64), f64)> {
        let centre = self.centre_deg()?;
        let half = other.half_diagonal_deg(self.wcs.scale_deg() * 3600.0);
        let of = |subject: &Subject| subject.hints.pointings.first().map(|own| (own.source, own.centre_deg));
        match (of(self.subject), of(other)) {
            (Some((source, own)), Some((same, said))) if source == same && source != "--solve-center" => {
                let cos = |dec_deg: f64| dec_deg.to_radians().cos().max(0.01);
                let east = (centre.0 - own.0 + 540.0).rem_euclid(360.0) - 180.0;
                let ra = said.0 + east * cos(own.1) / cos(said.1);
                let dec = (said.1 + centre.1 - own.1).clamp(-90.0, 90.0);
                Some(((ra.rem_euclid(360.0), dec), SAME_ERROR_FIELDS * half))
            }
            _ => Some((centre, half)),
        }
    }

    /// Scale of another frame, and how well it is known.
    fn scale_for(&self, subject: &Subject) -> (f64, f64) {
        let own = self.wcs.scale_deg() * 3600.0;
        match subject.hints.scale_arcsec {
            _ if self.subject.size_px == subject.size_px
                && self.subject.hints.scale_arcsec == subject.hints.scale_arcsec =>
            {
                (own, NEIGHBOUR_SCALE_TOLERANCE)
            }
            Some((scale, _)) => (scale, SCALE_TOLERANCE),
            None => (own, WIDE_SCALE_TOLERANCE),
        }
    }

    /// Its stars as places on the sky.
    fn reference_stars(&self) -> Vec<ReferenceStar> {
        let scale_arcsec = self.wcs.scale_deg() * 3600.0;
        let place = |(id, star): (usize, &zemosaic_stars::Detection)| {
            let (ra_deg, dec_deg) = lonlat_deg(&self.wcs.pixel_to_icrs(star.x_px, star.y_px)?);
            let mag = -2.5 * star.flux_adu.max(f64::MIN_POSITIVE).log10();
            let sigma_arcsec = star.sigma_px * scale_arcsec;
            Some(ReferenceStar { id: id as u32, ra_deg, dec_deg, mag, sigma_arcsec })
        };
        self.subject.stars.iter().enumerate().filter_map(place).collect()
    }
}

/// By the stars of a neighbour. The matches are those with the catalogue, which may be few or none.
pub(crate) fn register(
    sky: &Sky<'_>,
    subject: &Subject,
    neighbour: &NearbyFrame<'_>,
) -> Result<Placement, Why> {
    let centre_deg = neighbour.centre_deg().ok_or("the neighbour's centre is not on the sky")?;
    let (scale_arcsec, scale_tolerance) = neighbour.scale_for(subject);
    let reference = zemosaic_stars::ReferenceList::new(neighbour.reference_stars());
    let radius_deg = neighbour.subject.half_diagonal_deg(neighbour.wcs.scale_deg() * 3600.0)
        + subject.half_diagonal_deg(scale_arcsec);
    let hint = Hint { centre_deg, radius_deg: radius_deg.min(5.0), scale_arcsec, scale_tolerance };
    let rough = solve_hinted(&subject.stars, subject.size_px, &reference, &hint, &limits(sky, HINTED_LIMIT));
    let rough = rough.map_err(|error| error.to_string())?;
    let mut placed = settle(sky, subject, &reference, &rough.wcs, How::Registered)?;
    // Clouds leave the pattern of the sensor, which is the same in all frames.
    let evidence = judge(sky, subject, &placed.wcs);
    if evidence.verdict == Verdict::Contradicted {
        return Err(format!("by the stars of a neighbour, which are not those of the sky ({evidence})"));
    }
    placed.matches.clear();
    Ok(placed)
}

/// Anywhere on the sky.
pub(crate) fn blind(sky: &Sky<'_>, subject: &Subject, index: &BlindIndex) -> Result<Placement, Why> {
    let reference = sky.catalogue.at(subject.year);
    let mut ranges = vec![(ANY_SCALE.0, ANY_SCALE.1.min(20.0))];
    if let Some((scale, _)) = subject.hints.scale_arcsec {
        ranges.insert(0, (scale / 1.2, scale * 1.2));
    }
    let mut why = String::new();
    let share = BLIND_LIMIT / ranges.len() as u32;
    for (min_arcsec, max_arcsec) in ranges {
        let range = ScaleRange { min_arcsec, max_arcsec };
        match solve_blind(&subject.stars, subject.size_px, &reference, index, &range, &limits(sky, share)) {
            Ok(rough) => match settle(sky, subject, &reference, &rough.wcs, How::Blind) {
                Ok(placement) => return Ok(placement),
                Err(reason) => why = reason,
            },
            // Fewer stars than the search needs are few at any scale.
            Err(error @ (SolveError::TooFewStars { .. } | SolveError::Cancelled)) => {
                return Err(error.to_string());
            }
            Err(SolveError::TimedOut { .. } | SolveError::NoMatch(_)) => {
                "no place with these stars was found".clone_into(&mut why);
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(format!("anywhere on the sky: {why}"))
}
