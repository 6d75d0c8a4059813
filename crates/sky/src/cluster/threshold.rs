//! The threshold below which frames belong together: given, automatic (ZeMosaic's rule from the spread of the centres,
//! relaxed where nearly every frame would be alone), or found for a wanted number of groups.

use super::components::connected;
use super::{ClusterOptions, Member, angle_of, chord2, width_rad};

/// Spread of all centres up to which a threshold holds, degrees; and that of wider fields.
const BY_SPREAD_DEG: [(f64, f64); 3] = [(0.12, 0.10), (0.30, 0.15), (0.60, 0.08)];
const WIDE_DEG: f64 = 0.20;
/// As many groups as this share of the frames (and at least so many) are too many.
const TOO_MANY: (f64, f64) = (0.9, 3.0);
/// The relaxed threshold over this percentile of the distances to the nearest frame.
const RELAX: f64 = 1.2;
const NEAREST_SHARE: f64 = 0.9;
const RELAXED_DEG: (f64, f64) = (0.01, 1.0);
/// Where the threshold for a number of groups is looked for, degrees, and how long.
const SEARCHED_DEG: (f64, f64) = (1e-6, 5.0);
const ROUNDS: usize = 14;

/// The connected components, and the threshold they were found with.
pub(super) fn components(members: &[Member<'_>], options: &ClusterOptions) -> (Vec<Vec<usize>>, f64) {
    let connect = |threshold_deg: f64| connected(members, threshold_deg, options.orientation_split_deg);
    if members.is_empty() {
        return (Vec::new(), options.threshold_deg.unwrap_or(WIDE_DEG));
    }
    if let Some(wanted) = options.target_groups {
        return for_target(wanted, connect);
    }
    if let Some(threshold_deg) = options.threshold_deg {
        return (connect(threshold_deg), threshold_deg);
    }
    let all: Vec<usize> = (0..members.len()).collect();
    let spread_deg = width_rad(members, &all).to_degrees();
    let by_spread = BY_SPREAD_DEG.iter().find(|(spread, _)| spread_deg <= *spread);
    let threshold_deg = by_spread.map_or(WIDE_DEG, |(_, threshold)| *threshold);
    let groups = connect(threshold_deg);
    if (groups.len() as f64) < (TOO_MANY.0 * members.len() as f64).max(TOO_MANY.1) {
        return (groups, threshold_deg);
    }
    let mut nearest = nearest_deg(members);
    nearest.sort_by(f64::total_cmp);
    let rank = (NEAREST_SHARE * nearest.len() as f64).ceil() as usize;
    let relaxed = threshold_deg.max(RELAX * nearest[rank.max(1) - 1]).clamp(RELAXED_DEG.0, RELAXED_DEG.1);
    (connect(relaxed), relaxed)
}

/// Bisection to the threshold whose number of groups is closest to `wanted`; of equals the first found.
fn for_target(wanted: usize, connect: impl Fn(f64) -> Vec<Vec<usize>>) -> (Vec<Vec<usize>>, f64) {
    let (mut low, mut high) = SEARCHED_DEG;
    let mut best = (connect(high), high);
    for _ in 0..ROUNDS {
        if best.0.len() == wanted {
            break;
        }
        let middle = f64::midpoint(low, high);
        let groups = connect(middle);
        if groups.len() > wanted {
            low = middle;
        } else {
            high = middle;
        }
        if groups.len().abs_diff(wanted) < best.0.len().abs_diff(wanted) {
            best = (groups, middle);
        }
    }
    best
}

/// Angle from each member to the nearest other one, degrees. Members are sorted by z, so that the search ends as soon as
/// z alone is farther than the nearest so far.
fn nearest_deg(members: &[Member<'_>]) -> Vec<f64> {
    let nearest = |at: usize| {
        let centre = &members[at].centre;
        let mut best = f64::INFINITY;
        let mut look = |other: &Member<'_>| {
            let rise = other.centre[2] - centre[2];
            let is_near = rise * rise < best;
            if is_near {
                best = best.min(chord2(centre, &other.centre));
            }
            is_near
        };
        members[at + 1..].iter().all(&mut look);
        members[..at].iter().rev().all(&mut look);
        angle_of(best).to_degrees()
    };
    (0..members.len()).map(nearest).collect()
}
