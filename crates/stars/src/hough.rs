//! Straight lines of lit blocks: every lit block votes for the lines through it (Hough 1962; Duda & Hart 1972, CACM 15, 11),
//! the lines with the most unlikely number of votes are walked along, and a stretch that is mostly lit is a segment.

use std::f64::consts::PI;

use crate::lines::{Lamp, Lamps};

/// A straight stretch of lit blocks; ends in blocks, (0, 0) the middle of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    pub from: [f64; 2],
    pub to: [f64; 2],
}

/// Lines tried per segment found or not found.
const TRIES: usize = 12;
/// Segments at most.
const MAX_SEGMENTS: usize = 8;
/// Share of lit steps at which a stretch neither gains nor loses.
const BREAK_EVEN: f64 = 0.5;
/// Share of a segment's steps that must be lit.
const LEAST_FILL: f64 = 0.65;
/// Length of a segment over the shorter side of the frame, and in blocks.
const LEAST_LENGTH: f64 = 0.3;
const LEAST_BLOCKS: f64 = 16.0;
/// A line needs so many votes to be tried.
const LEAST_VOTES: u32 = 12;

/// The segments of `lamps`; their blocks are dark afterwards.
pub(crate) fn segments(lamps: &mut Lamps) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut failures = 0;
    let mut votes = Votes::of(lamps);
    while found.len() < MAX_SEGMENTS && failures < TRIES {
        let Some((angle, distance)) = votes.best(lamps) else { break };
        let line = votes.line(angle, distance);
        if let Some(segment) = lamps.stretch(&line) {
            let refined = lamps.refined(&segment);
            let segment = refined.and_then(|line| lamps.stretch(&line)).unwrap_or(segment);
            lamps.darken(&segment);
            votes = Votes::of(lamps);
            found.push(segment);
        } else {
            votes.forget(angle, distance);
            failures += 1;
        }
    }
    found
}

/// A line: the points p with n p = distance.
#[derive(Debug, Clone, Copy)]
struct Line {
    normal: [f64; 2],
    distance: f64,
}

/// Votes by angle and distance from the middle.
struct Votes {
    angles: usize,
    distances: usize,
    centre: [f64; 2],
    counts: Vec<u32>,
    /// Share of blocks that are lit.
    share: f64,
}

impl Votes {
    fn of(lamps: &Lamps) -> Self {
        let diagonal = (lamps.width as f64).hypot(lamps.height as f64);
        // The ends of a line move by less than a block from one angle to the next.
        let angles = (PI * diagonal / 1.4).ceil() as usize;
        let distances = diagonal.ceil() as usize + 3;
        let centre = [(lamps.width as f64 - 1.0) / 2.0, (lamps.height as f64 - 1.0) / 2.0];
        let lit: Vec<[f64; 2]> =
            lamps.lit().map(|[x, y]| [x as f64 - centre[0], y as f64 - centre[1]]).collect();
        let share = lit.len() as f64 / lamps.states.len().max(1) as f64;
        let mut counts = vec![0_u32; angles * distances];
        let middle = 0.5 * distances as f64;
        for (angle, row) in counts.chunks_exact_mut(distances).enumerate() {
            let (sin, cos) = (PI * angle as f64 / angles as f64).sin_cos();
            for [x, y] in &lit {
                if let Some(count) = row.get_mut((x * cos + y * sin + middle) as usize) {
                    *count += 1;
                }
            }
        }
        Self { angles, distances, centre, counts, share }
    }

    fn line(&self, angle: usize, distance: usize) -> Line {
        let (sin, cos) = (PI * angle as f64 / self.angles as f64).sin_cos();
        let from_centre = distance as f64 + 0.5 - 0.5 * self.distances as f64;
        Line { normal: [cos, sin], distance: from_centre + self.centre[0] * cos + self.centre[1] * sin }
    }

    /// The line whose votes are the most above what chance gives it.
    fn best(&self, lamps: &Lamps) -> Option<(usize, usize)> {
        let mut best: Option<(f64, usize)> = None;
        for (index, votes) in self.counts.iter().enumerate() {
            if *votes < LEAST_VOTES {
                continue;
            }
            let line = self.line(index / self.distances, index % self.distances);
            let Some([from, to]) = lamps.ends(&line) else { continue };
            let by_chance = self.share * (to - from);
            let score = (f64::from(*votes) - by_chance) / (by_chance + 1.0).sqrt();
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, index));
            }
        }
        best.map(|(_, index)| (index / self.distances, index % self.distances))
    }

    /// A line that is none, and those beside it.
    fn forget(&mut self, angle: usize, distance: usize) {
        for near in angle.saturating_sub(2)..(angle + 3).min(self.angles) {
            for at in distance.saturating_sub(2)..(distance + 3).min(self.distances) {
                self.counts[near * self.distances + at] = 0;
            }
        }
    }
}

impl Line {
    fn through(segment: &Segment) -> Self {
        let [dx, dy] = [segment.to[0] - segment.from[0], segment.to[1] - segment.from[1]];
        let length = dx.hypot(dy).max(f64::MIN_POSITIVE);
        let normal = [-dy / length, dx / length];
        Self { normal, distance: normal[0] * segment.from[0] + normal[1] * segment.from[1] }
    }

    /// The point `along` the line, `aside` of it.
    fn at(&self, along: f64, aside: f64) -> [f64; 2] {
        let [nx, ny] = self.normal;
        let distance = self.distance + aside;
        [distance * nx - along * ny, distance * ny + along * nx]
    }
}

impl Lamps {
    fn lit(&self) -> impl Iterator<Item = [usize; 2]> {
        let lit = self.states.iter().enumerate().filter(|(_, lamp)| **lamp == Lamp::Lit);
        lit.map(|(index, _)| [index % self.width, index / self.width])
    }

    fn lamp(&self, [x, y]: [f64; 2]) -> Option<Lamp> {
        let (x, y) = (x.round(), y.round());
        let inside = x >= 0.0 && y >= 0.0 && x < self.width as f64 && y < self.height as f64;
        inside.then(|| self.states[y as usize * self.width + x as usize])
    }

    /// Where along it a line enters and leaves the frame.
    fn ends(&self, line: &Line) -> Option<[f64; 2]> {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let ([nx, ny], foot) = (line.normal, line.at(0.0, 0.0));
        for (start, slope, size) in [(foot[0], -ny, self.width), (foot[1], nx, self.height)] {
            let (first, last) = (-0.5, size as f64 - 0.5);
            if slope.abs() < 1e-12 {
                if start < first || start > last {
                    return None;
                }
                continue;
            }
            let (a, b) = ((first - start) / slope, (last - start) / slope);
            (low, high) = (low.max(a.min(b)), high.min(a.max(b)));
        }
        (high > low).then_some([low, high])
    }

    /// The stretch of a line that is mostly lit: the largest sum of lit less dark steps; `None` when it is too short.
    fn stretch(&self, line: &Line) -> Option<Segment> {
        let [low, high] = self.ends(line)?;
        let steps = (high - low).floor() as usize + 1;
        let (mut best, mut sum, mut start) = ((0.0, 0, 0), 0.0, 0);
        let states: Vec<Lamp> = (0..steps).map(|step| self.step(line, low + step as f64)).collect();
        for (step, state) in states.iter().enumerate() {
            sum += match state {
                Lamp::Lit => 1.0 - BREAK_EVEN,
                Lamp::Dark => -BREAK_EVEN,
                Lamp::Masked => 0.0,
            };
            if sum <= 0.0 {
                (sum, start) = (0.0, step + 1);
            } else if sum > best.0 {
                best = (sum, start, step);
            }
        }
        let (_, first, last) = best;
        let counted =
            |state: Lamp| states[first..=last.max(first)].iter().filter(|own| **own == state).count() as f64;
        let (lit, dark) = (counted(Lamp::Lit), counted(Lamp::Dark));
        let length = (last - first) as f64 + 1.0;
        let least = (LEAST_LENGTH * self.width.min(self.height) as f64).max(LEAST_BLOCKS);
        // Masked steps are no evidence: half of the length must be lit all the same.
        let is_line = length >= least && lit >= LEAST_FILL * (lit + dark) && lit >= 0.5 * length;
        is_line
            .then(|| Segment { from: line.at(low + first as f64, 0.0), to: line.at(low + last as f64, 0.0) })
    }

    /// A step along a line: lit when the block there, or one beside it, is.
    fn step(&self, line: &Line, along: f64) -> Lamp {
        let beside = [0.0, -1.0, 1.0].map(|aside| self.lamp(line.at(along, aside)));
        if beside.contains(&Some(Lamp::Lit)) {
            return Lamp::Lit;
        }
        beside[0].unwrap_or(Lamp::Masked)
    }

    fn near(&self, segment: &Segment, reach: f64) -> Vec<[usize; 2]> {
        let line = Line::through(segment);
        let [dx, dy] = [segment.to[0] - segment.from[0], segment.to[1] - segment.from[1]];
        let length = dx.hypot(dy);
        self.lit()
            .filter(|[x, y]| {
                let (x, y) = (*x as f64, *y as f64);
                let aside = line.normal[0] * x + line.normal[1] * y - line.distance;
                let along = ((x - segment.from[0]) * dx + (y - segment.from[1]) * dy) / length;
                aside.abs() <= reach && along >= -reach && along <= length + reach
            })
            .collect()
    }

    /// The line through the lit blocks along a segment, by least squares of their distances.
    fn refined(&self, segment: &Segment) -> Option<Line> {
        let blocks = self.near(segment, 1.5);
        let count = blocks.len() as f64;
        if count < 3.0 {
            return None;
        }
        let mean = |axis: usize| blocks.iter().map(|block| block[axis] as f64).sum::<f64>() / count;
        let centre = [mean(0), mean(1)];
        let [mut xx, mut xy, mut yy] = [0.0; 3];
        for [x, y] in &blocks {
            let (dx, dy) = (*x as f64 - centre[0], *y as f64 - centre[1]);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
        let (sin, cos) = (0.5 * (2.0 * xy).atan2(xx - yy)).sin_cos();
        let normal = [-sin, cos];
        Some(Line { normal, distance: normal[0] * centre[0] + normal[1] * centre[1] })
    }

    fn darken(&mut self, segment: &Segment) {
        for [x, y] in self.near(segment, 2.5) {
            self.states[y * self.width + x] = Lamp::Dark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamps(width: usize, height: usize, lit: impl Fn(usize, usize) -> bool) -> Lamps {
        let lamp = |index: usize| if lit(index % width, index / width) { Lamp::Lit } else { Lamp::Dark };
        Lamps { block: 4, width, height, states: (0..width * height).map(lamp).collect() }
    }

    fn random(x: usize, y: usize) -> u64 {
        zemosaic_testkit::rng::hash_keys(3, &[x as u64, y as u64]) % 1000
    }

    #[test]
    fn a_line_among_noise_is_found_with_its_ends() {
        for (slope, start) in [(0.37, 20.0), (-1.7, 180.0), (0.0, 61.0)] {
            let on_line = |x: usize, y: usize| {
                let at = |x: f64| start + slope * x;
                let (a, b) = (at(x as f64 - 0.5), at(x as f64 + 0.5));
                (a.min(b).round()..=a.max(b).round()).contains(&(y as f64))
            };
            let mut picture =
                lamps(200, 120, |x, y| random(x, y) < 20 || (on_line(x, y) && random(y, x) < 850));
            let found = segments(&mut picture);
            assert_eq!(found.len(), 1, "{slope}: {found:?}");
            let Segment { from, to } = found[0];
            for [x, y] in [from, to] {
                assert!((y - start - slope * x).abs() < 1.5 * (1.0 + slope.abs()), "{slope}: {found:?}");
                let at_edge = x < 4.0 || y < 4.0 || x > 195.0 || y > 115.0;
                assert!(at_edge, "{slope}: {found:?}");
            }
        }
    }

    #[test]
    fn noise_and_blobs_are_no_lines() {
        let mut picture = lamps(240, 135, |x, y| {
            let blob = (x as f64 - 90.0).hypot(y as f64 - 70.0) < 9.0;
            random(x, y) < 60 || blob
        });
        assert_eq!(segments(&mut picture), []);
    }
}
