//! `auto`: what the noise of the frames and the sampling of stars explain is no outlier. The fast form of
//! [`crate::definition::spare`], for the few lanes that lost a sample.

use crate::block::StackBlock;
use crate::definition::{DEEPEST, Expected, spared};
use crate::lanes::{Counts, Lane, Range, median_of};
use crate::options::RejectOptions;

/// Give back rejected samples of the pixels from `start` on.
#[inline(always)]
pub fn spare(
    block: &StackBlock<'_>,
    start: usize,
    sorted: &[Lane],
    depth: &Counts,
    reject: &RejectOptions,
    range: &mut Range,
) {
    for (lane, &n) in depth.iter().enumerate() {
        let (mut low, mut high) = (range.low[lane], range.high[lane]);
        if n as usize > DEEPEST && high > low && high - low < n {
            let expected = expected(block, start + lane, n);
            let (least, most) = spared(median_of(sorted, low, high, lane), expected, reject);
            while low > 0 && f64::from(sorted[low as usize - 1].0[lane]) >= least {
                low -= 1;
            }
            while high < n && f64::from(sorted[high as usize].0[lane]) <= most {
                high += 1;
            }
            range.narrow(sorted, lane, low, high);
        }
    }
}

/// Of the `depth` valid samples of a pixel, in frame order; NaN where one is unknown.
#[inline(never)]
fn expected(block: &StackBlock<'_>, pixel: usize, depth: i32) -> Expected {
    let (mut variance, mut level) = (0.0, 0.0);
    for (frame, noise_variance) in block.noise_variance.iter().enumerate() {
        let at = frame * block.stride + pixel;
        let is_weighted = block.relative_weight.is_none_or(|relative| relative[at] > 0.0);
        if !block.value[at].is_nan() && is_weighted {
            variance += noise_variance * f64::from(block.variance_factor[at]);
            level += block.level[frame];
        }
    }
    let n = f64::from(depth);
    Expected { variance: variance / n, level: level / n }
}
