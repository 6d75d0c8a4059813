//! Where sources end: sums per block over all sources, from which each source's rim needs only take its own part away.

use zemosaic_image::Region;

use crate::blocks::slot_in;
use crate::certificate::{CertificateJob, JoinElement, PixelNoise, Side};
use crate::gauge::FrameGauge;
use crate::preview::Preview;
use crate::statistics::median;

/// Length and depth of what a step is measured on, pixels of the grid.
const BESIDE_PX: usize = 64;

/// Over the sources that have a block, of one channel.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    /// Of weight times corrected level, before and after.
    levels: [f64; 2],
    /// Of weight^2 times variance of the level after.
    errors: f64,
    /// Of weight^2 times sigma^2 of a pixel.
    noise: f64,
}

/// Sums per block of the mosaic, and what a block of a source puts into them.
pub(crate) struct BlockSums {
    region: Region,
    /// Sources that have the block.
    count: Vec<u32>,
    channels: Vec<Vec<Sums>>,
    /// Squared sigma of a pixel per source and channel; of one that is not known the median of the others.
    sigma2: Vec<[f64; 3]>,
}

/// A block of a source in one channel, or the step that it makes.
struct Own {
    weight: f64,
    levels: [f64; 2],
    variance: f64,
}

impl BlockSums {
    /// Of all sources of `job`, in their order.
    pub(crate) fn new(job: &CertificateJob<'_>) -> Self {
        let channels = job.previews.first().map_or(0, Preview::channels);
        let region = union_of(job.previews);
        let mut sums = Self {
            region,
            count: vec![0; region.area()],
            channels: vec![vec![Sums::default(); region.area()]; channels],
            sigma2: known_sigmas(job.noise, channels),
        };
        for (source, preview) in job.previews.iter().enumerate() {
            if !has_weight(&job.noise[source], channels) {
                continue;
            }
            for (slot, (x, y)) in places(preview.region).enumerate() {
                if !preview.level[0][slot].is_nan() {
                    sums.add(job, source, slot, (x, y));
                }
            }
        }
        sums
    }

    fn add(&mut self, job: &CertificateJob<'_>, source: usize, slot: usize, (x, y): (i64, i64)) {
        let at = slot_in(&self.region, x, y);
        self.count[at] += 1;
        for (channel, sums) in self.channels.iter_mut().enumerate() {
            let own = own_of(job, source, channel, slot, (x, y));
            let sums = &mut sums[at];
            sums.weight += own.weight;
            sums.levels[0] += own.weight * own.levels[0];
            sums.levels[1] += own.weight * own.levels[1];
            sums.errors += own.weight * own.weight * own.variance;
            sums.noise += own.weight * own.weight * self.sigma2[source][channel];
        }
    }

    /// Noise of a pixel of the mosaic in a channel at a block.
    pub(crate) fn noise_at(&self, channel: usize, x: i64, y: i64) -> f64 {
        let sums = &self.channels[channel][slot_in(&self.region, x, y)];
        sums.noise.sqrt() / sums.weight
    }

    /// Whether any source has the block.
    fn is_covered(&self, x: i64, y: i64) -> bool {
        let here = Region { x0: x, y0: y, width: 1, height: 1 };
        self.region.contains(&here) && self.count[slot_in(&self.region, x, y)] > 0
    }
}

/// The joins that the end of a source makes: per side of blocks, line by line.
pub(crate) fn rims_of(job: &CertificateJob<'_>, sums: &BlockSums, source: usize) -> Vec<JoinElement> {
    let preview = &job.previews[source];
    let mut found = Vec::new();
    if !has_weight(&job.noise[source], sums.channels.len()) {
        return found;
    }
    let has = |x: i64, y: i64| {
        let here = Region { x0: x, y0: y, width: 1, height: 1 };
        preview.region.contains(&here) && !preview.level[0][slot_in(&preview.region, x, y)].is_nan()
    };
    for side in [Side::Left, Side::Right, Side::Below, Side::Above] {
        let (dx, dy) = match side {
            Side::Left => (-1, 0),
            Side::Right => (1, 0),
            Side::Below => (0, -1),
            Side::Above => (0, 1),
        };
        for (slot, (x, y)) in places(preview.region).enumerate() {
            let ends = !preview.level[0][slot].is_nan() && !has(x + dx, y + dy);
            if ends && sums.is_covered(x + dx, y + dy) {
                found.push(element_of(job, sums, source, (x, y), side));
            }
        }
    }
    found
}

fn element_of(
    job: &CertificateJob<'_>,
    sums: &BlockSums,
    source: usize,
    (x, y): (i64, i64),
    side: Side,
) -> JoinElement {
    let half = 0.5 * job.blocks.block_px as f64;
    let (x_px, y_px) = centre_px(job, x, y);
    let (dx, dy) = match side {
        Side::Left => (-half, 0.0),
        Side::Right => (half, 0.0),
        Side::Below => (0.0, -half),
        Side::Above => (0.0, half),
    };
    let nothing = [f64::NAN; 3];
    let mut element = JoinElement {
        source,
        x_px: x_px + dx,
        y_px: y_px + dy,
        side,
        step_before: nothing,
        step_after: nothing,
        error: nothing,
        noise: nothing,
    };
    let at = slot_in(&sums.region, x, y);
    let beside = blocks_beside(job, (source, x, y), side);
    let (mut before, mut after, mut variance) = (Vec::new(), Vec::new(), Vec::new());
    for channel in 0..sums.channels.len() {
        let all = &sums.channels[channel][at];
        element.noise[channel] = all.noise.sqrt() / all.weight;
        before.clear();
        after.clear();
        variance.clear();
        for &(slot, place) in &beside {
            if let Some(step) = step_at(job, sums, (source, slot), channel, place) {
                before.push(step.levels[0]);
                after.push(step.levels[1]);
                variance.push(step.variance);
            }
        }
        let count = variance.len() as f64;
        let (Some(before), Some(after), Some(variance)) =
            (median(&mut before), median(&mut after), median(&mut variance))
        else {
            continue;
        };
        let of_median = if count > 2.0 { std::f64::consts::FRAC_PI_2 } else { 1.0 };
        element.step_before[channel] = before;
        element.step_after[channel] = after;
        element.error[channel] = (of_median * variance / count).sqrt();
    }
    element
}

/// The blocks of a source beside a piece of its rim: as far along it and inwards as [`BESIDE_PX`] goes. A step is a level; what
/// single blocks differ by is stars.
fn blocks_beside(
    job: &CertificateJob<'_>,
    (source, x, y): (usize, i64, i64),
    side: Side,
) -> Vec<(usize, (i64, i64))> {
    let preview = &job.previews[source];
    let deep = (BESIDE_PX / job.blocks.block_px.max(1)).max(1) as i64;
    let along = deep / 2;
    let mut blocks = Vec::new();
    for inwards in 0..deep {
        for beside in -along..=along {
            let (x, y) = match side {
                Side::Left => (x + inwards, y + beside),
                Side::Right => (x - inwards, y + beside),
                Side::Below => (x + beside, y + inwards),
                Side::Above => (x + beside, y - inwards),
            };
            let here = Region { x0: x, y0: y, width: 1, height: 1 };
            if preview.region.contains(&here) {
                let slot = slot_in(&preview.region, x, y);
                if !preview.level[0][slot].is_nan() {
                    blocks.push((slot, (x, y)));
                }
            }
        }
    }
    blocks
}

/// The step that the end of a source makes, or would make, at one of its blocks; `None` where it is alone.
fn step_at(
    job: &CertificateJob<'_>,
    sums: &BlockSums,
    (source, slot): (usize, usize),
    channel: usize,
    (x, y): (i64, i64),
) -> Option<Own> {
    let at = slot_in(&sums.region, x, y);
    if sums.count[at] < 2 {
        return None;
    }
    let all = &sums.channels[channel][at];
    let own = own_of(job, source, channel, slot, (x, y));
    let others = all.weight - own.weight;
    let share = own.weight / all.weight;
    let step = |which: usize| {
        let mean = (all.levels[which] - own.weight * own.levels[which]) / others;
        share * (own.levels[which] - mean)
    };
    let of_others = (all.errors - own.weight * own.weight * own.variance).max(0.0) / (others * others);
    Some(Own {
        weight: own.weight,
        levels: [step(0), step(1)],
        variance: share * share * (own.variance + of_others),
    })
}

fn own_of(job: &CertificateJob<'_>, source: usize, channel: usize, slot: usize, (x, y): (i64, i64)) -> Own {
    let preview = &job.previews[source];
    let at_px = centre_px(job, x, y);
    let level = f64::from(preview.level[channel][slot]);
    let corrected = |gauge: &FrameGauge| gauge.apply(channel, level, at_px);
    let gain = job.after[source].gain[channel];
    Own {
        weight: job.noise[source].weight[channel],
        levels: [corrected(&job.before[source]), corrected(&job.after[source])],
        variance: gain * gain * f64::from(preview.variance[channel][slot]),
    }
}

/// Middle of a block, pixels of the grid.
pub(crate) fn centre_px(job: &CertificateJob<'_>, x: i64, y: i64) -> (f64, f64) {
    (job.blocks.centre_px(x), job.blocks.centre_px(y))
}

/// A source without weight is not in the mosaic.
fn has_weight(noise: &PixelNoise, channels: usize) -> bool {
    noise.weight[..channels].iter().all(|weight| weight.is_finite() && *weight > 0.0)
}

fn known_sigmas(noise: &[PixelNoise], channels: usize) -> Vec<[f64; 3]> {
    let mut squared: Vec<[f64; 3]> = noise.iter().map(|own| own.sigma.map(|sigma| sigma * sigma)).collect();
    for channel in 0..channels {
        let is_known = |value: &f64| value.is_finite() && *value > 0.0;
        let mut known: Vec<f64> = squared.iter().map(|own| own[channel]).filter(is_known).collect();
        let typical = median(&mut known).unwrap_or(f64::NAN);
        for own in &mut squared {
            if !is_known(&own[channel]) {
                own[channel] = typical;
            }
        }
    }
    squared
}

/// The blocks of a region in the order of its planes.
fn places(region: Region) -> impl Iterator<Item = (i64, i64)> {
    (region.y0..region.y1()).flat_map(move |y| (region.x0..region.x1()).map(move |x| (x, y)))
}

/// The blocks that hold all previews.
fn union_of(previews: &[Preview]) -> Region {
    let mut regions = previews.iter().map(|preview| preview.region).filter(|region| !region.is_empty());
    let Some(first) = regions.next() else { return Region { x0: 0, y0: 0, width: 0, height: 0 } };
    let grow = |all: Region, one: Region| {
        let (x0, y0) = (all.x0.min(one.x0), all.y0.min(one.y0));
        let (x1, y1) = (all.x1().max(one.x1()), all.y1().max(one.y1()));
        Region { x0, y0, width: (x1 - x0) as usize, height: (y1 - y0) as usize }
    };
    regions.fold(first, grow)
}
