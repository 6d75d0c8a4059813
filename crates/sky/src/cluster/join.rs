//! Groups of too few frames join the nearest group that overlaps them; where there is none they stay alone.

use std::collections::{BTreeSet, HashMap};

use super::{ClusterOptions, Member, angle_of, chord_of, chord2, field_rad, turn_deg, width_rad};

/// `groups` with those below the least size joined to others, the smallest first. The result is not wider than
/// `max_fields` fields of view (0: any width), and orientations that are to be kept apart stay apart.
pub(super) fn small(
    members: &[Member<'_>],
    groups: Vec<Vec<usize>>,
    options: &ClusterOptions,
    max_fields: f64,
) -> Vec<Vec<usize>> {
    let least = options.min_group_size;
    if least < 2 || groups.len() < 2 {
        return groups;
    }
    let mut owner = vec![0; members.len()];
    for (number, group) in groups.iter().enumerate() {
        for &at in group {
            owner[at] = number;
        }
    }
    let farthest = members.iter().map(|member| member.frame.footprint.radius_rad()).fold(0.0, f64::max);
    let mut joiner = Joiner {
        members,
        width: groups.iter().map(|group| width_rad(members, group)).collect(),
        groups,
        owner,
        farthest,
        max_fields,
        orientation_deg: options.orientation_split_deg,
    };
    let key = |group: &[usize], number: usize| (group.len(), group[0], number);
    let too_small = joiner.groups.iter().enumerate().filter(|(_, group)| group.len() < least);
    let mut open: BTreeSet<(usize, usize, usize)> =
        too_small.map(|(number, group)| key(group, number)).collect();
    while let Some((_, _, number)) = open.pop_first() {
        let Some(target) = joiner.nearest(number) else { continue };
        open.remove(&key(&joiner.groups[target], target));
        joiner.join(number, target);
        if joiner.groups[target].len() < least {
            open.insert(key(&joiner.groups[target], target));
        }
    }
    joiner.groups.retain(|group| !group.is_empty());
    joiner.groups
}

struct Joiner<'a> {
    members: &'a [Member<'a>],
    groups: Vec<Vec<usize>>,
    /// Width of each group, radians.
    width: Vec<f64>,
    owner: Vec<usize>,
    /// The largest radius of a footprint.
    farthest: f64,
    max_fields: f64,
    orientation_deg: Option<f64>,
}

impl Joiner<'_> {
    /// The group with the frame whose centre is nearest to one of `number` and which overlaps it. Members are sorted by z:
    /// the search goes up and down from each frame until z alone is too far.
    fn nearest(&self, number: usize) -> Option<usize> {
        let mut fits: HashMap<usize, bool> = HashMap::new();
        let mut found = None;
        let mut best = f64::INFINITY;
        for &at in &self.groups[number] {
            let member = &self.members[at];
            let reach = chord_of(member.frame.footprint.radius_rad() + self.farthest);
            best = best.min(reach * reach);
            let mut look = |other: usize| {
                let candidate = &self.members[other];
                let rise = candidate.centre[2] - member.centre[2];
                if rise * rise >= best {
                    return false;
                }
                let distance = chord2(&member.centre, &candidate.centre);
                let group = self.owner[other];
                if group != number
                    && distance < best
                    && *fits.entry(group).or_insert_with(|| self.fits(number, group))
                    && member.frame.footprint.overlaps(&candidate.frame.footprint)
                {
                    best = distance;
                    found = Some(group);
                }
                true
            };
            (at + 1..self.members.len()).all(&mut look);
            (0..at).rev().all(&mut look);
        }
        found
    }

    /// Whether two groups may be one.
    fn fits(&self, number: usize, other: usize) -> bool {
        let (group, target) = (&self.groups[number], &self.groups[other]);
        let narrow = self.max_fields == 0.0 || {
            let limit = self.max_fields * field_rad(self.members, target);
            self.joint_width(number, other) <= limit
        };
        narrow
            && self
                .orientation_deg
                .is_none_or(|limit| turn_deg(self.orientation(group), self.orientation(target)) <= limit)
    }

    fn joint_width(&self, number: usize, other: usize) -> f64 {
        let across = self.groups[number].iter().flat_map(|&a| {
            let centre = self.members[a].centre;
            self.groups[other].iter().map(move |&b| chord2(&centre, &self.members[b].centre))
        });
        angle_of(across.fold(0.0, f64::max)).max(self.width[number]).max(self.width[other])
    }

    /// Mean orientation of a group; not a number where it has none.
    fn orientation(&self, group: &[usize]) -> f64 {
        let (mut east, mut north) = (0.0, 0.0);
        for &at in group {
            let (sin, cos) = self.members[at].frame.angle_deg.to_radians().sin_cos();
            east += sin;
            north += cos;
        }
        east.atan2(north).to_degrees()
    }

    fn join(&mut self, number: usize, target: usize) {
        self.width[target] = self.joint_width(number, target);
        let moved = std::mem::take(&mut self.groups[number]);
        for &at in &moved {
            self.owner[at] = target;
        }
        self.groups[target].extend(moved);
        self.groups[target].sort_unstable();
    }
}
