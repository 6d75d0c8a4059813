//! Which detection is which reference star: pairs that are nearest to each other under a WCS.

use zemosaic_sky::Wcs;

use super::field::{Placed, inside, place};
use crate::detection::Detection;
use crate::reference::ReferenceStar;

/// A second candidate counts as nearly as near up to so many times the distance of the first ...
const RIVAL_RATIO: f64 = 1.5;
/// ... plus so many pixels.
const RIVAL_PX: f64 = 1.0;
/// It is of comparable brightness if it has at least this share of the first one's flux, or is at most one magnitude
/// fainter.
const RIVAL_FLUX: f64 = 0.4;
const RIVAL_MAG: f64 = 1.0;

/// A detection and the reference star it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the detection.
    pub star: usize,
    /// The reference star.
    pub reference: ReferenceStar,
    /// Detected less predicted position along x.
    pub dx_px: f64,
    /// Likewise along y.
    pub dy_px: f64,
}

/// A pair near enough to be looked at.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    reference: usize,
    star: usize,
    distance_px: f64,
}

/// Pairs of a detection and a reference star that are each other's nearest within `radius_px` under `wcs`, in the order of
/// `reference`; every star and every reference star at most once.
///
/// A pair is ambiguous and left out if its detection or its reference star has a second candidate of comparable
/// brightness (0.4 of the flux, or one magnitude fainter) within 1.5 times the distance plus 1 px. Of equally near ones
/// the first of the list counts. Reference stars up to `radius_px` outside of the frame of `size_px` (columns, rows) are
/// looked at.
pub fn match_stars(
    stars: &[Detection],
    size_px: [usize; 2],
    reference: &[ReferenceStar],
    wcs: &Wcs,
    radius_px: f64,
) -> Vec<Match> {
    let placed: Vec<Placed> = reference.iter().filter_map(|star| place(star, wcs)).collect();
    match_placed(stars, size_px, &placed, radius_px)
}

/// As [`match_stars`], of reference stars with places.
pub(super) fn match_placed(
    stars: &[Detection],
    size_px: [usize; 2],
    placed: &[Placed],
    radius_px: f64,
) -> Vec<Match> {
    if !(radius_px > 0.0 && radius_px.is_finite()) {
        return Vec::new();
    }
    let candidates = candidates(stars, size_px, placed, radius_px);
    let mut of_reference = vec![Vec::new(); placed.len()];
    let mut of_star = vec![Vec::new(); stars.len()];
    for candidate in candidates {
        of_reference[candidate.reference].push(candidate);
        of_star[candidate.star].push(candidate);
    }
    let key = |c: &Candidate| (c.distance_px, c.reference, c.star);
    let nearest = |list: &[Candidate]| {
        list.iter().copied().min_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal))
    };
    let mut matches = Vec::new();
    for own in &of_reference {
        let Some(best) = nearest(own) else { continue };
        let back = nearest(&of_star[best.star]);
        let mutual = back.is_some_and(|back| back.reference == best.reference);
        let reach = RIVAL_RATIO * best.distance_px + RIVAL_PX;
        let (star, target) = (&stars[best.star], &placed[best.reference]);
        let rival_star = own.iter().any(|c| {
            let faint = stars[c.star].flux_adu < RIVAL_FLUX * star.flux_adu;
            c.star != best.star && c.distance_px <= reach && !faint
        });
        let rival_reference = of_star[best.star].iter().any(|c| {
            let faint = placed[c.reference].star.mag > target.star.mag + RIVAL_MAG;
            c.reference != best.reference && c.distance_px <= reach && !faint
        });
        if mutual && best.distance_px <= radius_px && !rival_star && !rival_reference {
            let [x, y] = target.at_px;
            let (dx_px, dy_px) = (star.x_px - x, star.y_px - y);
            matches.push(Match { star: best.star, reference: target.star, dx_px, dy_px });
        }
    }
    matches
}

/// All pairs within the distance at which a rival of a pair within `radius_px` can be, by cells of that size.
fn candidates(stars: &[Detection], size_px: [usize; 2], placed: &[Placed], radius_px: f64) -> Vec<Candidate> {
    let reach = RIVAL_RATIO * radius_px + RIVAL_PX;
    let cell = |at: f64| (at / reach).floor() as i64;
    let usable = stars.iter().enumerate().filter(|(_, star)| star.x_px.is_finite() && star.y_px.is_finite());
    // Rows of cells one after another, so that three cells of a row are one range.
    let mut cells: Vec<((i64, i64), usize)> =
        usable.map(|(index, star)| ((cell(star.y_px), cell(star.x_px)), index)).collect();
    cells.sort_unstable();
    let mut found = Vec::new();
    for (reference, target) in placed.iter().enumerate() {
        if !inside(target.at_px, size_px, radius_px) {
            continue;
        }
        let [x, y] = target.at_px;
        let (column, row) = (cell(x), cell(y));
        for row in row - 1..=row + 1 {
            let first = cells.partition_point(|(at, _)| *at < (row, column - 1));
            let near = cells[first..].iter().take_while(|(at, _)| *at <= (row, column + 1));
            for &(_, star) in near {
                let distance_px = (stars[star].x_px - x).hypot(stars[star].y_px - y);
                if distance_px <= reach {
                    found.push(Candidate { reference, star, distance_px });
                }
            }
        }
    }
    found
}
