//! Groups that are too wide or too large are cut: by k-means on the sphere, then in time.

use super::{Member, angle_of, chord2, field_rad, mean, width_rad};

/// Rounds of Lloyd's algorithm.
const ROUNDS: usize = 25;
/// Groups spread farther than this share of a field from their centre are first cut on the sky.
const SPREAD_FIELDS: f64 = 0.25;

/// Parts of `group` that are at most `max_fields` fields of view wide.
pub(super) fn wide(members: &[Member<'_>], group: Vec<usize>, max_fields: f64) -> Vec<Vec<usize>> {
    let mut done = Vec::new();
    let mut open = vec![group];
    while let Some(group) = open.pop() {
        let (width, limit) = (width_rad(members, &group), max_fields * field_rad(members, &group));
        // Not a number, or larger than any count of frames: the latter is what min makes of both.
        let count = (width / limit).ceil().min(group.len() as f64) as usize;
        if width <= limit || group.len() == 1 {
            done.push(group);
            continue;
        }
        let parts = k_means(members, &group, count.max(2));
        if parts.len() == 1 { done.push(group) } else { open.extend(parts) }
    }
    done
}

/// Parts of `group` of at most `max_frames` members.
pub(super) fn large(members: &[Member<'_>], group: Vec<usize>, max_frames: usize) -> Vec<Vec<usize>> {
    if group.len() <= max_frames {
        return vec![group];
    }
    let centre = mean(members, &group);
    let spread = group.iter().map(|&at| chord2(&centre, &members[at].centre)).fold(0.0, f64::max);
    let parts = if angle_of(spread) > SPREAD_FIELDS * field_rad(members, &group) {
        k_means(members, &group, group.len().div_ceil(max_frames))
    } else {
        vec![group]
    };
    parts.into_iter().flat_map(|part| in_time(members, part, max_frames)).collect()
}

/// Chunks of equal size (to one) in the order of time; members without a time come last.
fn in_time(members: &[Member<'_>], mut part: Vec<usize>, max_frames: usize) -> Vec<Vec<usize>> {
    let time = |at: &usize| members[*at].frame.time_mjd.unwrap_or(f64::INFINITY);
    part.sort_by(|a, b| time(a).total_cmp(&time(b)).then(a.cmp(b)));
    let count = part.len().div_ceil(max_frames);
    let (size, longer) = (part.len() / count, part.len() % count);
    let mut rest = part.as_slice();
    (0..count)
        .map(|chunk| {
            let (first, others) = rest.split_at(size + usize::from(chunk < longer));
            rest = others;
            let mut chunk = first.to_vec();
            chunk.sort_unstable();
            chunk
        })
        .collect()
}

/// `group` in at most `count` parts by Lloyd's algorithm with mean directions, from seeds that are each as far as possible
/// from those before; the first is the member farthest from the mean of all. Ties go to the first.
fn k_means(members: &[Member<'_>], group: &[usize], count: usize) -> Vec<Vec<usize>> {
    let mut centres = vec![mean(members, group)];
    let mut nearest: Vec<f64> = group.iter().map(|&at| chord2(&centres[0], &members[at].centre)).collect();
    centres.clear();
    while centres.len() < count.min(group.len()) {
        let (farthest, distance) = nearest
            .iter()
            .enumerate()
            .fold((0, 0.0), |best, (at, distance)| if *distance > best.1 { (at, *distance) } else { best });
        if distance == 0.0 && !centres.is_empty() {
            break;
        }
        let seed = members[group[farthest]].centre;
        let is_first = centres.is_empty();
        for (nearest, &at) in nearest.iter_mut().zip(group) {
            let distance = chord2(&seed, &members[at].centre);
            *nearest = if is_first { distance } else { nearest.min(distance) };
        }
        centres.push(seed);
    }
    let mut parts = Vec::new();
    for _ in 0..ROUNDS {
        let mut new = vec![Vec::new(); centres.len()];
        for &at in group {
            let distances = centres.iter().map(|centre| chord2(centre, &members[at].centre)).enumerate();
            let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            new[nearest.map_or(0, |(part, _)| part)].push(at);
        }
        // From here on nothing changes any more.
        if new == parts {
            break;
        }
        parts = new;
        for (centre, part) in centres.iter_mut().zip(&parts).filter(|(_, part)| !part.is_empty()) {
            *centre = mean(members, part);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}
