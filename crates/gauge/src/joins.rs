//! The joins of a mosaic, piece by piece: the sides between two blocks at which sources end, on the one or the other side or on
//! both. The step there is that of the one less that of the other. Adjacent pieces across the join add up: sources that are
//! dithered by less than a block end on either side of a side of blocks, and what one sees is the sum.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::abutting::{Abutting, step_across};
use crate::block_sums::has_weight;
use crate::certificate::{JoinElement, STEP_LIMIT, Side};
use crate::observer::MatchObserver;
use crate::rim_steps::{Lines, RimStep, StepScratch};
use crate::rims::{LineRims, Sources, View, depth};

/// Lines that one thread does at a time.
const LINES_AT_ONCE: i64 = 16;
/// Such tasks whose joins are held at a time.
const TASKS_AT_ONCE: usize = 256;
/// A step across sources that share no block counts where it is that many of its errors on one side of the limit.
const DECIDED: f64 = 3.0;

/// The two ways in which sources end across a line.
#[derive(Debug, Clone, Copy)]
enum Axis {
    /// To the right and to the left: lines are rows.
    X,
    /// Above and below: lines are columns.
    Y,
}

impl Axis {
    fn views(self) -> [View; 2] {
        match self {
            Self::X => [View(Side::Right), View(Side::Left)],
            Self::Y => [View(Side::Above), View(Side::Below)],
        }
    }
}

/// A piece before it is judged.
struct Edge {
    /// Place of the block before it, and of that after it.
    lower: i64,
    upper: i64,
    /// Level before it less level after it, per channel, before and after the gauge.
    step: [[f64; 2]; 3],
    variance: [f64; 3],
    noise: [f64; 3],
    sources: usize,
    /// The source that has most of the step, and the side on which it ends.
    leading: (usize, Side),
}

/// Calls with all pieces, rows first, in the order of their places; `observer` is told of every line.
pub(crate) fn for_joins(of: &Sources<'_>, observer: &dyn MatchObserver, mut call: impl FnMut(JoinElement)) {
    let region = of.sums.region;
    for (axis, range) in [(Axis::X, region.y0..region.y1()), (Axis::Y, region.x0..region.x1())] {
        let by_line = LineSources::new(of, axis, range.start, range.end);
        let tasks: Vec<i64> = (range.start..range.end).step_by(LINES_AT_ONCE as usize).collect();
        for some in tasks.chunks(TASKS_AT_ONCE) {
            let found: Vec<Vec<JoinElement>> = some
                .par_iter()
                .map(|first| {
                    let end = (first + LINES_AT_ONCE).min(range.end);
                    Task { of, axis, by_line: &by_line, observer }.joins(*first, end)
                })
                .collect();
            found.into_iter().flatten().for_each(&mut call);
        }
    }
}

/// The sources in each line, in their order.
struct LineSources {
    first: i64,
    starts: Vec<usize>,
    sources: Vec<u32>,
}

impl LineSources {
    fn new(of: &Sources<'_>, axis: Axis, first: i64, end: i64) -> Self {
        let lines_of = |source: usize| {
            let region = of.job.previews[source].region;
            let (from, to) = match axis {
                Axis::X => (region.y0, region.y1()),
                Axis::Y => (region.x0, region.x1()),
            };
            (from - first) as usize..(to - first) as usize
        };
        let is_there = |source: &usize| {
            has_weight(&of.job.noise[*source], of.sums.channels())
                && !of.job.previews[*source].region.is_empty()
        };
        let there: Vec<usize> = (0..of.job.previews.len()).filter(is_there).collect();
        let mut starts = vec![0; (end - first) as usize + 1];
        for line in there.iter().flat_map(|source| lines_of(*source)) {
            starts[line + 1] += 1;
        }
        for line in 1..starts.len() {
            starts[line] += starts[line - 1];
        }
        let mut next = starts.clone();
        let mut sources = vec![0; starts.last().copied().unwrap_or(0)];
        for source in there {
            for line in lines_of(source) {
                sources[next[line]] = source as u32;
                next[line] += 1;
            }
        }
        Self { first, starts, sources }
    }

    fn at(&self, line: i64) -> &[u32] {
        let index = (line - self.first) as usize;
        &self.sources[self.starts[index]..self.starts[index + 1]]
    }

    fn end(&self) -> i64 {
        self.first + self.starts.len() as i64 - 1
    }
}

/// What finds the pieces of some lines.
struct Task<'a> {
    of: &'a Sources<'a>,
    axis: Axis,
    by_line: &'a LineSources,
    observer: &'a dyn MatchObserver,
}

impl Task<'_> {
    fn joins(&self, first: i64, end: i64) -> Vec<JoinElement> {
        let along = depth(self.of.job.blocks.block_px) as i64 / 2;
        let (from, to) = ((first - along).max(self.by_line.first), (end + along).min(self.by_line.end()));
        let sides = self.axis.views().map(|view| {
            let of_line = |line: i64| {
                let rims = LineRims::new(self.of, view, line, self.by_line.at(line));
                self.observer.piece_done();
                rims
            };
            Lines { view, first: from, rims: (from..to).map(of_line).collect() }
        });
        let mut scratch = StepScratch::default();
        let mut found = Vec::new();
        for line in first..end {
            let edges = self.edges(line, &sides, &mut scratch);
            found.extend((0..edges.len()).map(|index| self.judged(line, &edges, index)));
            self.observer.piece_done();
        }
        found
    }

    /// The pieces across a line, by place.
    fn edges(&self, line: i64, sides: &[Lines; 2], scratch: &mut StepScratch) -> Vec<Edge> {
        let rims = [0, 1].map(|side: usize| sides[side].at(line));
        let mut ends: BTreeMap<(i64, i64), [Option<usize>; 2]> = BTreeMap::new();
        for (side, rims) in rims.iter().enumerate() {
            for (index, place) in rims.iter().flat_map(|rims| rims.places.iter().enumerate()) {
                if let Some(beyond) = self.beyond(sides[side].view, line, *place) {
                    let key = if side == 0 { (*place, beyond) } else { (-beyond, -*place) };
                    ends.entry(key).or_default()[side] = Some(index);
                }
            }
        }
        let edge_of = |(places, ends): ((i64, i64), [Option<usize>; 2])| {
            let ending = |side: usize| match (ends[side], rims[side]) {
                (Some(index), Some(rims)) => rims.ending(index),
                _ => &[],
            };
            self.edge((line, places), sides, [ending(0), ending(1)], scratch)
        };
        ends.into_iter().filter_map(edge_of).collect()
    }

    /// The place after `place` that some source has: the next one, or that after a block that none has wholly.
    fn beyond(&self, view: View, line: i64, place: i64) -> Option<i64> {
        (place + 1..=place + 2).find(|place| self.of.sums.count_at(view.block(line, *place)) > 0)
    }

    /// A piece between two places; `None` where it is a gap.
    fn edge(
        &self,
        (line, (lower, upper)): (i64, (i64, i64)),
        sides: &[Lines; 2],
        ending: [&[u32]; 2],
        scratch: &mut StepScratch,
    ) -> Option<Edge> {
        let views = [sides[0].view, sides[1].view];
        let last = [lower, -upper];
        let mut step_of = |side: usize| {
            let some = ending[side];
            (!some.is_empty()).then(|| scratch.step(self.of, &sides[side], (line, last[side]), some))
        };
        let found = [step_of(0), step_of(1)];
        let mut edge = net(&found, sides)?;
        (edge.lower, edge.upper) = (lower, upper);
        let blocks = [0, 1].map(|side: usize| views[side].block(line, last[side]));
        let channels = self.of.sums.channels();
        for (channel, noise) in edge.noise.iter_mut().enumerate().take(channels) {
            *noise =
                blocks.iter().map(|(x, y)| self.of.sums.noise_at(channel, *x, *y)).fold(f64::NAN, f64::min);
        }
        if edge.step[0][0].is_nan() && ending.iter().all(|ending| !ending.is_empty()) {
            // A block that none has: only where both reach into it they may touch.
            let between = views[0].block(line, lower + 1);
            let reaches = |some: &[u32]| {
                let here = zemosaic_image::Region { x0: between.0, y0: between.1, width: 1, height: 1 };
                some.iter().any(|source| self.of.job.previews[*source as usize].region.contains(&here))
            };
            if upper - lower > 1 && !ending.iter().all(|ending| reaches(ending)) {
                return None;
            }
            let abutting =
                [0, 1].map(|side| Abutting { view: views[side], place: last[side], ending: ending[side] });
            self.across(line, abutting, &mut edge);
        }
        Some(edge)
    }

    /// The step between sources that share no block, where it is told on which side of the limit it is.
    fn across(&self, line: i64, sides: [Abutting<'_>; 2], edge: &mut Edge) {
        let (steps, variances) = step_across(self.of, line, sides);
        for channel in 0..self.of.sums.channels() {
            let limit = STEP_LIMIT * edge.noise[channel];
            let is_told = (steps[channel][1].abs() - limit).abs() > DECIDED * variances[channel].sqrt();
            if is_told {
                edge.step[channel] = steps[channel];
                edge.variance[channel] = variances[channel];
            }
        }
    }

    /// The piece with what is beside it: the largest of its own step and its sums with that before and that after it.
    fn judged(&self, line: i64, edges: &[Edge], index: usize) -> JoinElement {
        let own = &edges[index];
        let before = index.checked_sub(1).map(|index| &edges[index]).filter(|edge| edge.upper == own.lower);
        let after = edges.get(index + 1).filter(|edge| edge.lower == own.upper);
        let (source, side) = own.leading;
        let nothing = [f64::NAN; 3];
        let [lower, upper] = [own.lower, own.upper].map(|place| {
            let (x, y) = self.axis.views()[0].block(line, place);
            (self.of.job.blocks.centre_px(x), self.of.job.blocks.centre_px(y))
        });
        let mut element = JoinElement {
            source,
            sources: own.sources,
            x_px: 0.5 * (lower.0 + upper.0),
            y_px: 0.5 * (lower.1 + upper.1),
            side,
            step_before: nothing,
            step_after: nothing,
            error: nothing,
            noise: own.noise,
        };
        // As level of the source's side less that of the other.
        let sign = if matches!(side, Side::Right | Side::Above) { 1.0 } else { -1.0 };
        for channel in 0..self.of.sums.channels() {
            for when in 0..2 {
                let mut best = (own.step[channel][when], own.variance[channel]);
                for beside in [before, after].into_iter().flatten() {
                    let sum = own.step[channel][when] + beside.step[channel][when];
                    if sum.abs() > best.0.abs() {
                        best = (sum, own.variance[channel] + beside.variance[channel]);
                    }
                }
                if when == 0 {
                    element.step_before[channel] = sign * best.0;
                } else {
                    element.step_after[channel] = sign * best.0;
                    element.error[channel] = best.1.sqrt();
                }
            }
        }
        element
    }
}

/// What the ends on both sides make together.
fn net(found: &[Option<RimStep>; 2], sides: &[Lines; 2]) -> Option<Edge> {
    // A step that is not known is less than any.
    let size = |step: &RimStep| step.step.iter().map(|step| step[1].abs()).fold(-1.0, f64::max);
    let ends = || found.iter().zip(sides).filter_map(|(step, side)| Some((step.as_ref()?, side.view.0)));
    let mut leading: Option<(&RimStep, Side)> = None;
    for own in ends() {
        if leading.is_none_or(|best| size(own.0) > size(best.0)) {
            leading = Some(own);
        }
    }
    let (first, side) = leading?;
    let mut edge = Edge {
        lower: 0,
        upper: 0,
        step: [[0.0; 2]; 3],
        variance: [0.0; 3],
        noise: [f64::NAN; 3],
        sources: ends().map(|(step, _)| step.sources).sum(),
        leading: (first.leading, side),
    };
    for (own, sign) in found.iter().zip([1.0, -1.0]) {
        let Some(own) = own else { continue };
        for channel in 0..3 {
            for when in 0..2 {
                edge.step[channel][when] += sign * own.step[channel][when];
            }
            edge.variance[channel] += own.variance[channel];
        }
    }
    Some(edge)
}
