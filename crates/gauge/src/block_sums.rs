//! Sums per block of the mosaic over all sources that have it, of which the sums of some need only be taken away.

use zemosaic_image::Region;

use crate::blocks::slot_in;
use crate::certificate::{CertificateJob, PixelNoise};
use crate::gauge::FrameGauge;
use crate::observer::MatchObserver;
use crate::preview::Preview;
use crate::statistics::median;

/// Over sources at a block, of one channel.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Of the weights.
    pub(crate) weight: f64,
    /// Of weight times corrected level, before and after.
    levels: [f64; 2],
    /// Of weight^2 times variance of the level after.
    errors: f64,
    /// Of weight^2 times sigma^2 of a pixel.
    noise: f64,
}

impl Sums {
    pub(crate) fn add(&mut self, own: &Own) {
        self.weight += own.weight;
        for (sum, level) in self.levels.iter_mut().zip(own.levels) {
            *sum += own.weight * level;
        }
        self.errors += own.weight * own.weight * own.variance;
    }

    /// Take what some of the sources put in away.
    pub(crate) fn take(&mut self, some: &Self) {
        self.weight -= some.weight;
        for (sum, own) in self.levels.iter_mut().zip(some.levels) {
            *sum -= own;
        }
        self.errors -= some.errors;
    }

    /// Weighted means of the levels, before and after.
    pub(crate) fn means(&self) -> [f64; 2] {
        self.levels.map(|sum| sum / self.weight)
    }

    /// Variance of the mean after.
    pub(crate) fn variance(&self) -> f64 {
        // What rounding leaves of a difference may be below 0; what is not known stays so.
        let errors = if self.errors < 0.0 { 0.0 } else { self.errors };
        errors / (self.weight * self.weight)
    }
}

/// Sums per block of the mosaic.
pub(crate) struct BlockSums {
    /// All blocks of all sources.
    pub(crate) region: Region,
    /// Sources that have the block.
    count: Vec<u32>,
    channels: Vec<Vec<Sums>>,
}

/// A block of a source in one channel.
pub(crate) struct Own {
    pub(crate) weight: f64,
    /// Corrected, before and after.
    pub(crate) levels: [f64; 2],
    variance: f64,
}

impl BlockSums {
    /// Of all sources of `job`, in their order; `observer` is told of each.
    pub(crate) fn new(job: &CertificateJob<'_>, observer: &dyn MatchObserver) -> Self {
        let channels = job.previews.first().map_or(0, Preview::channels);
        let region = union_of(job.previews);
        let mut sums = Self {
            region,
            count: vec![0; region.area()],
            channels: vec![vec![Sums::default(); region.area()]; channels],
        };
        let sigma2 = known_sigmas(job.noise, channels);
        for (source, preview) in job.previews.iter().enumerate() {
            if !has_weight(&job.noise[source], channels) {
                continue;
            }
            for (slot, (x, y)) in places(preview.region).enumerate() {
                if !preview.level[0][slot].is_nan() {
                    sums.add(job, source, slot, (x, y), &sigma2[source]);
                }
            }
            observer.piece_done();
        }
        sums
    }

    fn add(
        &mut self,
        job: &CertificateJob<'_>,
        source: usize,
        slot: usize,
        (x, y): (i64, i64),
        sigma2: &[f64; 3],
    ) {
        let at = slot_in(&self.region, x, y);
        self.count[at] += 1;
        for (channel, sums) in self.channels.iter_mut().enumerate() {
            let own = own_of(job, source, channel, slot, (x, y));
            sums[at].add(&own);
            sums[at].noise += own.weight * own.weight * sigma2[channel];
        }
    }

    /// Channels that there are.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Noise of a pixel of the mosaic in a channel at a block.
    pub(crate) fn noise_at(&self, channel: usize, x: i64, y: i64) -> f64 {
        let sums = self.at(channel, (x, y));
        sums.noise.sqrt() / sums.weight
    }

    /// The sums at a block of the region.
    pub(crate) fn at(&self, channel: usize, (x, y): (i64, i64)) -> &Sums {
        &self.channels[channel][slot_in(&self.region, x, y)]
    }

    /// How many sources have the block.
    pub(crate) fn count_at(&self, (x, y): (i64, i64)) -> u32 {
        let here = Region { x0: x, y0: y, width: 1, height: 1 };
        if self.region.contains(&here) { self.count[slot_in(&self.region, x, y)] } else { 0 }
    }
}

/// Index of a block in a preview, where it has a level there.
pub(crate) fn slot_with_level(preview: &Preview, (x, y): (i64, i64)) -> Option<usize> {
    let here = Region { x0: x, y0: y, width: 1, height: 1 };
    if !preview.region.contains(&here) {
        return None;
    }
    let slot = slot_in(&preview.region, x, y);
    (!preview.level[0][slot].is_nan()).then_some(slot)
}

/// What a source puts into the mosaic at one of its blocks.
pub(crate) fn own_of(
    job: &CertificateJob<'_>,
    source: usize,
    channel: usize,
    slot: usize,
    (x, y): (i64, i64),
) -> Own {
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
pub(crate) fn has_weight(noise: &PixelNoise, channels: usize) -> bool {
    noise.weight[..channels].iter().all(|weight| weight.is_finite() && *weight > 0.0)
}

/// Squared sigma of a pixel per source and channel; of one that is not known the median of the others.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variance_that_is_not_known_is_not_0() {
        let own = |variance: f64| Own { weight: 0.5, levels: [1.0; 2], variance };
        let mut sums = Sums::default();
        sums.add(&own(4.0));
        sums.add(&own(2.0));
        assert_eq!(sums.variance(), 1.5);
        let mut some = Sums::default();
        some.add(&own(2.0));
        some.errors += 10.0;
        let mut rest = sums;
        rest.take(&some);
        assert_eq!(rest.variance(), 0.0, "rounding");
        sums.add(&own(f64::NAN));
        assert!(sums.variance().is_nan());
    }
}
