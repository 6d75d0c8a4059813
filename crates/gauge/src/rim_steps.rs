//! The step that the end of all sources that end at one place makes:
//!
//! ```text
//! sum of w_i (L_i - mean of the L that stay) / sum of all w
//! ```
//!
//! over the sources i that end there: the mosaic with them less that without them. The difference of the two means is the median over the
//! blocks within 64 pixels along the rim and inwards, as a step is one of the level and single blocks differ by their
//! stars; the share of the weights is that at the rim.

use crate::block_sums::{Sums, own_of};
use crate::rims::{LineRims, Sources, View, depth};
use crate::statistics::median;

/// The end of some sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RimStep {
    /// Level inside less level outside, per channel, before and after; NaN where none of the blocks has a source that stays.
    pub(crate) step: [[f64; 2]; 3],
    /// Variance of it after.
    pub(crate) variance: [f64; 3],
    /// The source that has most of it.
    pub(crate) leading: usize,
    /// How many end.
    pub(crate) sources: usize,
}

/// Lines next to each other, from `first` on.
pub(crate) struct Lines {
    pub(crate) view: View,
    pub(crate) first: i64,
    pub(crate) rims: Vec<LineRims>,
}

impl Lines {
    /// The ends in a line.
    pub(crate) fn at(&self, line: i64) -> Option<&LineRims> {
        usize::try_from(line - self.first).ok().and_then(|index| self.rims.get(index))
    }
}

/// Differences of the blocks beside a rim, per channel.
#[derive(Default)]
pub(crate) struct StepScratch {
    before: [Vec<f64>; 3],
    after: [Vec<f64>; 3],
    variance: [Vec<f64>; 3],
}

impl StepScratch {
    /// The step at the end of the `ending` sources whose last block is at `place` of `line`.
    pub(crate) fn step(
        &mut self,
        of: &Sources<'_>,
        lines: &Lines,
        (line, place): (i64, i64),
        ending: &[u32],
    ) -> RimStep {
        for values in self.before.iter_mut().chain(&mut self.after).chain(&mut self.variance) {
            values.clear();
        }
        let deep = depth(of.job.blocks.block_px) as i64;
        for beside in line - deep / 2..=line + deep / 2 {
            let Some(rims) = lines.at(beside) else { continue };
            for inwards in 0..deep {
                self.add(of, (lines.view, rims), (beside, place - inwards, place), ending);
            }
        }
        let mut found = RimStep {
            step: [[f64::NAN; 2]; 3],
            variance: [f64::NAN; 3],
            leading: ending.first().map_or(0, |source| *source as usize),
            sources: ending.len(),
        };
        let block = lines.view.block(line, place);
        let at_rim = sums_of(of, ending, block);
        for (channel, at_rim) in at_rim.iter().enumerate().take(of.sums.channels()) {
            let (before, after) = (median(&mut self.before[channel]), median(&mut self.after[channel]));
            let count = self.variance[channel].len() as f64;
            let (Some(before), Some(after), Some(variance)) =
                (before, after, median(&mut self.variance[channel]))
            else {
                continue;
            };
            let share = at_rim.weight / of.sums.at(channel, block).weight;
            let of_median = if count > 2.0 { std::f64::consts::FRAC_PI_2 } else { 1.0 };
            found.step[channel] = [share * before, share * after];
            found.variance[channel] = share * share * of_median * variance / count;
        }
        if let (true, Some(rims)) = (ending.len() > 1, lines.at(line)) {
            found.leading = leading(of, (lines.view, rims), (line, place), ending).unwrap_or(found.leading);
        }
        found
    }

    /// Add the difference at the block at `from` of `line` between the sources `ending` and those that go on beyond `last`.
    fn add(
        &mut self,
        of: &Sources<'_>,
        (view, rims): (View, &LineRims),
        (line, from, last): (i64, i64, i64),
        ending: &[u32],
    ) {
        let block = view.block(line, from);
        let (mut count, mut staying) = rims.staying(of, view, line, from, last);
        if count == 0 {
            return;
        }
        let (mut own_count, mut own) = (0, [Sums::default(); 3]);
        for &source in ending {
            let source = source as usize;
            let Some(slot) = of.slot(source, block) else { continue };
            own_count += 1;
            // Of a turned source the neighbouring line may go on: it is none of those that stay.
            let goes_on = of.goes_on(view, source, line, from, last);
            count -= u32::from(goes_on);
            for channel in 0..of.sums.channels() {
                let level = own_of(of.job, source, channel, slot, block);
                own[channel].add(&level);
                if goes_on {
                    let mut away = Sums::default();
                    away.add(&level);
                    staying[channel].take(&away);
                }
            }
        }
        if own_count == 0 || count == 0 {
            return;
        }
        for channel in 0..of.sums.channels() {
            let (inside, outside) = (own[channel].means(), staying[channel].means());
            self.before[channel].push(inside[0] - outside[0]);
            self.after[channel].push(inside[1] - outside[1]);
            self.variance[channel].push(own[channel].variance() + staying[channel].variance());
        }
    }
}

/// Sums over some sources at a block, per channel.
pub(crate) fn sums_of(of: &Sources<'_>, some: &[u32], block: (i64, i64)) -> [Sums; 3] {
    let mut sums = [Sums::default(); 3];
    for &source in some {
        let Some(slot) = of.slot(source as usize, block) else { continue };
        for (channel, sums) in sums.iter_mut().enumerate().take(of.sums.channels()) {
            sums.add(&own_of(of.job, source as usize, channel, slot, block));
        }
    }
    sums
}

/// Of several sources that end the one that differs most from those that stay, after, by its weight; of equals the first.
fn leading(
    of: &Sources<'_>,
    (view, rims): (View, &LineRims),
    (line, place): (i64, i64),
    ending: &[u32],
) -> Option<usize> {
    let block = view.block(line, place);
    let (count, staying) = rims.staying(of, view, line, place, place);
    if count == 0 {
        return None;
    }
    let part_of = |source: usize| {
        let slot = of.slot(source, block)?;
        let part = |channel: usize| {
            let own = own_of(of.job, source, channel, slot, block);
            let difference = own.levels[1] - staying[channel].means()[1];
            (own.weight * difference / of.sums.noise_at(channel, block.0, block.1)).abs()
        };
        Some((0..of.sums.channels()).map(part).fold(0.0, f64::max))
    };
    let mut best: Option<(f64, usize)> = None;
    for &source in ending {
        if let Some(part) = part_of(source as usize)
            && best.is_none_or(|(most, _)| part > most)
        {
            best = Some((part, source as usize));
        }
    }
    best.map(|(_, source)| source)
}
