//! Frames become groups that are coadded into one master tile each.
//!
//! A pure function of centres, sizes, orientations and times: neither the order of the frames nor the machine counts, and
//! every frame is in exactly one group. Steps (docs/methods/classic.md; ZeMosaic's rules after §2.1, §4.1, §4.3 and §4.4 of
//! its classic pipeline, without its faults: chaining is limited, small groups never join across the sky, memory decides
//! nothing):
//!
//! 1. connected components of "closer than the threshold" (and oriented alike), the threshold given, automatic, or such that
//!    a wanted number of groups comes out (`threshold`, `components`);
//! 2. components wider than some fields of view are split by k-means on the sphere (`split`);
//! 3. groups of too few frames join the nearest group that overlaps them (`join`);
//! 4. groups of too many frames are cut, on the sky where they are wide, else in time (`split`).

mod components;
mod join;
mod split;
mod threshold;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::WcsError;
use crate::footprint::Footprint;
use crate::vector::Vec3;
use crate::wcs::Wcs;

/// How frames are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterOptions {
    /// Frames whose centres are closer than this belong together, degrees; none: from the frames.
    pub threshold_deg: Option<f64>,
    /// The threshold is chosen such that about this many groups come out; wide groups are not split then.
    pub target_groups: Option<usize>,
    /// Frames whose +x axes differ by more than this, degrees, do not belong together; none: orientation does not count.
    pub orientation_split_deg: Option<f64>,
    /// Groups whose centres are spread wider than this many fields of view are split; 0: never.
    pub max_width_fields: f64,
    /// Most frames of a group; 0: any number.
    pub max_frames: usize,
    /// Groups of fewer frames join the nearest group that overlaps them, where there is one.
    pub min_group_size: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            threshold_deg: None,
            target_groups: None,
            orientation_split_deg: None,
            max_width_fields: 1.0,
            max_frames: 0,
            min_group_size: 3,
        }
    }
}

impl ClusterOptions {
    /// Whether the figures can be used.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn check(&self) -> Result<(), String> {
        let is_angle = |angle: Option<f64>| angle.is_none_or(|deg| deg > 0.0 && deg <= 180.0);
        if !is_angle(self.threshold_deg) || !is_angle(self.orientation_split_deg) {
            return Err("the angles of clustering are above 0 and at most 180 degrees".into());
        }
        if self.target_groups == Some(0) {
            return Err("at least one group".into());
        }
        if self.threshold_deg.is_some() && self.target_groups.is_some() {
            return Err("either a threshold or a number of groups".into());
        }
        if !(self.max_width_fields >= 0.0 && self.max_width_fields.is_finite()) {
            return Err("the width of a group is 0 or more fields of view".into());
        }
        Ok(())
    }
}

/// What grouping must know of a frame.
#[derive(Debug, Clone)]
pub struct ClusterFrame {
    footprint: Footprint,
    /// Side of the square of equal area, radians.
    field_rad: f64,
    /// Position angle of +x, degrees from 0 to 360.
    angle_deg: f64,
    time_mjd: Option<f64>,
}

impl ClusterFrame {
    /// A frame of `width` x `height` pixels, exposed at `time_mjd` (days, any zero).
    ///
    /// # Errors
    /// As [`Footprint::of`].
    pub fn of(wcs: &Wcs, width: usize, height: usize, time_mjd: Option<f64>) -> Result<Self, WcsError> {
        let along_x = wcs.position_angle_deg() + if wcs.parity() < 0.0 { -90.0 } else { 90.0 };
        Ok(Self {
            footprint: Footprint::of(wcs, width, height)?,
            field_rad: wcs.scale_deg().to_radians() * ((width * height) as f64).sqrt(),
            angle_deg: along_x.rem_euclid(360.0),
            time_mjd: time_mjd.filter(|time| time.is_finite()),
        })
    }
}

/// Frames in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// Indices of frames, ascending; groups by their first.
    pub groups: Vec<Vec<usize>>,
    /// The threshold that was used, degrees.
    pub threshold_deg: f64,
}

/// A frame in the order that grouping works in, which is one of the sky and not of the input.
struct Member<'a> {
    index: usize,
    centre: Vec3,
    frame: &'a ClusterFrame,
}

/// Group `frames`; see the module's first lines.
pub fn cluster_frames(frames: &[ClusterFrame], options: &ClusterOptions) -> Clusters {
    let mut members: Vec<Member<'_>> = frames
        .iter()
        .enumerate()
        .map(|(index, frame)| Member { index, centre: frame.footprint.centre(), frame })
        .collect();
    members.sort_by(|a, b| {
        let key = |m: &Member<'_>| {
            let [x, y, z] = m.centre;
            [z, y, x, m.frame.angle_deg, m.frame.time_mjd.unwrap_or(f64::INFINITY), m.frame.field_rad]
        };
        let order = key(a).iter().zip(key(b)).map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne());
        order.unwrap_or(a.index.cmp(&b.index))
    });
    let (mut groups, threshold_deg) = threshold::components(&members, options);
    let max_width_fields = if options.target_groups.is_some() { 0.0 } else { options.max_width_fields };
    if max_width_fields > 0.0 {
        groups =
            groups.into_iter().flat_map(|group| split::wide(&members, group, max_width_fields)).collect();
    }
    groups = join::small(&members, groups, options, max_width_fields);
    if options.max_frames > 0 {
        groups =
            groups.into_iter().flat_map(|group| split::large(&members, group, options.max_frames)).collect();
    }
    let mut groups: Vec<Vec<usize>> = groups
        .into_iter()
        .map(|group| {
            let mut indices: Vec<usize> = group.into_iter().map(|at| members[at].index).collect();
            indices.sort_unstable();
            indices
        })
        .collect();
    groups.sort();
    Clusters { groups, threshold_deg }
}

/// Square of the chord between two directions: grows with their angle, and is the same either way round.
fn chord2(a: &Vec3, b: &Vec3) -> f64 {
    let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    x * x + y * y + z * z
}

/// The chord of an angle.
fn chord_of(angle_rad: f64) -> f64 {
    2.0 * (angle_rad.min(std::f64::consts::PI) / 2.0).sin()
}

/// The angle of a chord, from its square.
fn angle_of(chord2: f64) -> f64 {
    2.0 * (chord2.sqrt() / 2.0).min(1.0).asin()
}

/// The mean direction of `group`, which is not empty.
fn mean(members: &[Member<'_>], group: &[usize]) -> Vec3 {
    let mut sum = [0.0; 3];
    for &at in group {
        for (sum, part) in sum.iter_mut().zip(members[at].centre) {
            *sum += part;
        }
    }
    // Directions that cancel out have no mean; any of them will do.
    crate::vector::normalised(&sum).unwrap_or(members[group[0]].centre)
}

/// Largest angle between two centres of `group`, radians. Pairs are looked at from the outside in, until none can be
/// farther apart.
fn width_rad(members: &[Member<'_>], group: &[usize]) -> f64 {
    let centre = mean(members, group);
    let mut far: Vec<(f64, usize)> =
        group.iter().map(|&at| (angle_of(chord2(&centre, &members[at].centre)), at)).collect();
    far.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut widest, mut widest_rad) = (0.0, 0.0);
    for (first, &(out, at)) in far.iter().enumerate() {
        if 2.0 * out < widest_rad {
            break;
        }
        for &(other_out, other) in &far[first + 1..] {
            if out + other_out < widest_rad {
                break;
            }
            let square = chord2(&members[at].centre, &members[other].centre);
            if square > widest {
                widest = square;
                widest_rad = angle_of(square);
            }
        }
    }
    widest_rad
}

/// Median field of view of `group`, radians.
fn field_rad(members: &[Member<'_>], group: &[usize]) -> f64 {
    let mut fields: Vec<f64> = group.iter().map(|&at| members[at].frame.field_rad).collect();
    fields.sort_by(f64::total_cmp);
    fields[(fields.len() - 1) / 2]
}

/// Smallest difference of two angles, degrees.
fn turn_deg(a: f64, b: f64) -> f64 {
    let difference = (a - b).rem_euclid(360.0);
    difference.min(360.0 - difference)
}
