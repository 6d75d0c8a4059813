//! Which detections are one star: those with one catalogue star, and those within a tolerance of each other (the leader
//! clustering of cross-matching; Budavári and Lubow 2012, ApJ 761, 188, for what a tolerance means). Ambiguous ones are left out.

use std::collections::HashMap;

/// A star of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Offset from the centre of the frame, pixels.
    pub d: [f64; 2],
    pub sigma_px: f64,
    /// Index of its catalogue star in the table of all.
    pub catalogue: Option<u32>,
}

/// The stars of a frame where its present solution puts them.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub stars: &'a [Candidate],
    pub at: Vec<[f64; 3]>,
    pub scale_rad: f64,
}

/// A star of the sky and where it was seen (frame, index in its list), by frame.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub at: [f64; 3],
    pub catalogue: Option<u32>,
    pub seen: Vec<(u32, u32)>,
}

/// Groups of at least two detections, or of one with a catalogue star. `catalogue` holds the positions of the catalogue stars.
pub(super) fn cross_match(frames: &[Placed<'_>], catalogue: &[[f64; 3]], tolerance_px: f64) -> Vec<Group> {
    let widest = frames.iter().map(|f| f.scale_rad).fold(0.0, f64::max) * tolerance_px;
    let mut sky = Sky { groups: Vec::new(), cells: HashMap::new(), cell: 4.0 * widest };
    for (index, at) in catalogue.iter().enumerate() {
        sky.add(Group { at: *at, catalogue: Some(index as u32), seen: Vec::new() });
    }
    for (index, frame) in frames.iter().enumerate() {
        for (star, candidate) in frame.stars.iter().enumerate() {
            if let Some(slot) = candidate.catalogue {
                let group = &mut sky.groups[slot as usize];
                if group.seen.last().is_none_or(|last| last.0 != index as u32) {
                    group.seen.push((index as u32, star as u32));
                }
            }
        }
    }
    for (index, frame) in frames.iter().enumerate() {
        let alone = without_neighbours(frame, tolerance_px);
        for (star, (candidate, at)) in frame.stars.iter().zip(&frame.at).enumerate() {
            if candidate.catalogue.is_none() && alone[star] {
                sky.join((index as u32, star as u32), at, tolerance_px * frame.scale_rad);
            }
        }
    }
    let mut groups = sky.groups;
    groups.retain(|group| group.seen.len() > usize::from(group.catalogue.is_none()));
    for group in &mut groups {
        group.seen.sort_unstable();
    }
    groups
}

/// Stars without another of their own frame within twice the tolerance.
fn without_neighbours(frame: &Placed<'_>, tolerance_px: f64) -> Vec<bool> {
    let limit = 4.0 * tolerance_px * tolerance_px;
    let near = |a: &Candidate, b: &Candidate| {
        let (x, y) = (a.d[0] - b.d[0], a.d[1] - b.d[1]);
        x * x + y * y < limit
    };
    let stars = frame.stars;
    (0..stars.len()).map(|i| !(0..stars.len()).any(|j| i != j && near(&stars[i], &stars[j]))).collect()
}

struct Sky {
    groups: Vec<Group>,
    /// Groups by the cell of the place where they began.
    cells: HashMap<[i32; 3], Vec<u32>>,
    cell: f64,
}

impl Sky {
    fn key(&self, at: [f64; 3]) -> [i32; 3] {
        at.map(|k| (k / self.cell).floor() as i32)
    }

    fn add(&mut self, group: Group) {
        self.cells.entry(self.key(group.at)).or_default().push(self.groups.len() as u32);
        self.groups.push(group);
    }

    /// Puts a detection into the one group near it, or makes a new one.
    fn join(&mut self, sight: (u32, u32), at: &[f64; 3], tolerance_rad: f64) {
        let mut near = None;
        // A group is not further from where it began than the widest tolerance, a quarter of a cell.
        let reach = 0.5 * self.cell;
        let (low, high) = (self.key(at.map(|k| k - reach)), self.key(at.map(|k| k + reach)));
        for x in low[0]..=high[0] {
            for y in low[1]..=high[1] {
                for z in low[2]..=high[2] {
                    for &index in self.cells.get(&[x, y, z]).map_or(&[][..], Vec::as_slice) {
                        let group = &self.groups[index as usize];
                        let square: f64 = group.at.iter().zip(at).map(|(a, b)| (a - b) * (a - b)).sum();
                        if square < tolerance_rad * tolerance_rad {
                            if near.is_some() {
                                return;
                            }
                            near = Some(index);
                        }
                    }
                }
            }
        }
        let Some(index) = near else {
            self.add(Group { at: *at, catalogue: None, seen: vec![sight] });
            return;
        };
        let group = &mut self.groups[index as usize];
        if group.seen.iter().rev().any(|seen| seen.0 == sight.0) {
            return;
        }
        group.seen.push(sight);
        if group.catalogue.is_none() {
            // The mean of those so far: the first one may be at the edge of the errors.
            let share = 1.0 / group.seen.len() as f64;
            let mean = [0, 1, 2].map(|k| group.at[k] + share * (at[k] - group.at[k]));
            let length = super::pose::dot(&mean, &mean).sqrt();
            group.at = mean.map(|k| k / length);
        }
    }
}
