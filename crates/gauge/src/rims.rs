//! Where sources end, line by line of blocks, and what they take with them: sums over the sources that end at a place, for the
//! blocks before it, so that of those that go on is what all have less that.

use std::ops::Range;

use zemosaic_image::Region;

use crate::block_sums::{BlockSums, Sums, own_of, slot_with_level};
use crate::certificate::{CertificateJob, Side};

/// How far inwards a step is measured, and how far along the rim in all, pixels of the grid.
const BESIDE_PX: usize = 64;

/// Blocks that a step is measured on, counted inwards; half as many on either side along the rim.
pub(crate) fn depth(block_px: usize) -> usize {
    (BESIDE_PX / block_px.max(1)).max(1)
}

/// Blocks as one side sees them: lines across it, in which places grow outwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View(pub(crate) Side);

impl View {
    /// The block at a place of a line.
    pub(crate) fn block(self, line: i64, place: i64) -> (i64, i64) {
        match self.0 {
            Side::Right => (place, line),
            Side::Left => (-place, line),
            Side::Above => (line, place),
            Side::Below => (line, -place),
        }
    }

    /// Places of the blocks of `region` in a line.
    fn places(self, region: &Region) -> Range<i64> {
        match self.0 {
            Side::Right => region.x0..region.x1(),
            Side::Left => 1 - region.x1()..1 - region.x0,
            Side::Above => region.y0..region.y1(),
            Side::Below => 1 - region.y1()..1 - region.y0,
        }
    }

    /// The next place after `place` at which the source of this preview goes on; a block that no source has (a bright star) ends none.
    fn next(self, of: &Sources<'_>, source: usize, line: i64, place: i64) -> Option<i64> {
        of.step_on(self, source, line, place, 1)
    }
}

/// The sources, and what they are together.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) job: &'a CertificateJob<'a>,
    pub(crate) sums: &'a BlockSums,
}

impl Sources<'_> {
    /// Index of a block in the preview of a source, where it has a level there.
    pub(crate) fn slot(&self, source: usize, block: (i64, i64)) -> Option<usize> {
        slot_with_level(&self.job.previews[source], block)
    }

    fn step_on(&self, view: View, source: usize, line: i64, place: i64, by: i64) -> Option<i64> {
        let near = view.block(line, place + by);
        if self.slot(source, near).is_some() {
            return Some(place + by);
        }
        let far = place + 2 * by;
        (self.sums.count_at(near) == 0 && self.slot(source, view.block(line, far)).is_some()).then_some(far)
    }

    /// Whether a source that has the block at `from` goes on without end beyond `last`.
    pub(crate) fn goes_on(&self, view: View, source: usize, line: i64, from: i64, last: i64) -> bool {
        let mut place = from;
        while place <= last {
            let Some(next) = view.next(self, source, line, place) else { return false };
            place = next;
        }
        true
    }
}

/// The ends of sources in a line, and what all that end at one place have in the blocks before it.
#[derive(Default)]
pub(crate) struct LineRims {
    /// Places of last blocks, ascending.
    pub(crate) places: Vec<i64>,
    /// The sources by place, of one place in their order.
    ending: Vec<u32>,
    /// Where those of each place begin in `ending`, and the end.
    starts: Vec<usize>,
    /// Per place and block inwards the number of those sources that go from there to the place.
    count: Vec<u32>,
    /// Their sums, per place, block inwards and channel.
    sums: Vec<Sums>,
    deep: usize,
    channels: usize,
}

impl LineRims {
    /// Of the sources `some`, in ascending order, in a line.
    pub(crate) fn new(of: &Sources<'_>, view: View, line: i64, some: &[u32]) -> Self {
        let mut rims: Vec<(i64, u32)> = Vec::new();
        for &source in some {
            for place in view.places(&of.job.previews[source as usize].region) {
                let has = of.slot(source as usize, view.block(line, place)).is_some();
                if has && view.next(of, source as usize, line, place).is_none() {
                    rims.push((place, source));
                }
            }
        }
        // Stable: sources of one place stay in their order.
        rims.sort_by_key(|(place, _)| *place);
        let mut found =
            Self { deep: depth(of.job.blocks.block_px), channels: of.sums.channels(), ..Self::default() };
        for (place, source) in rims {
            if found.places.last() != Some(&place) {
                found.places.push(place);
                found.starts.push(found.ending.len());
                found.count.resize(found.places.len() * found.deep, 0);
                found.sums.resize(found.places.len() * found.deep * found.channels, Sums::default());
            }
            found.ending.push(source);
            found.add(of, view, line, source as usize);
        }
        found.starts.push(found.ending.len());
        found
    }

    /// Add the blocks of a source to those of the last place.
    fn add(&mut self, of: &Sources<'_>, view: View, line: i64, source: usize) {
        let Some(last) = self.places.len().checked_sub(1) else { return };
        let rim = self.places[last];
        let mut place = Some(rim);
        while let Some(at) = place.filter(|at| rim - at < self.deep as i64) {
            let row = last * self.deep + (rim - at) as usize;
            let block = view.block(line, at);
            if let Some(slot) = of.slot(source, block) {
                self.count[row] += 1;
                for (channel, sums) in
                    self.sums[row * self.channels..][..self.channels].iter_mut().enumerate()
                {
                    sums.add(&own_of(of.job, source, channel, slot, block));
                }
            }
            place = of.step_on(view, source, line, at, -1);
        }
    }

    /// The sources that end at a place, given by its index.
    pub(crate) fn ending(&self, index: usize) -> &[u32] {
        &self.ending[self.starts[index]..self.starts[index + 1]]
    }

    /// Of the sources at the block at `from` those that go on beyond `last`, at most [`depth`] - 1 away: their number, and
    /// their sums per channel.
    pub(crate) fn staying(
        &self,
        of: &Sources<'_>,
        view: View,
        line: i64,
        from: i64,
        last: i64,
    ) -> (u32, [Sums; 3]) {
        let block = view.block(line, from);
        let mut count = of.sums.count_at(block);
        let mut sums = [Sums::default(); 3];
        if count == 0 {
            return (count, sums);
        }
        for (channel, sums) in sums.iter_mut().enumerate().take(self.channels) {
            *sums = *of.sums.at(channel, block);
        }
        let first = self.places.partition_point(|place| *place < from);
        for (index, place) in self.places.iter().enumerate().skip(first) {
            if *place > last {
                break;
            }
            let row = index * self.deep + (place - from) as usize;
            count -= self.count[row];
            for (sums, gone) in sums.iter_mut().zip(&self.sums[row * self.channels..][..self.channels]) {
                sums.take(gone);
            }
        }
        (count, sums)
    }
}
