//! `auto`: what the noise of the frames explains is no outlier. The fast form of [`crate::definition::spare`], for the few
//! lanes that lost a sample.

use crate::block::StackBlock;
use crate::definition::{DEEPEST, interval};
use crate::lanes::{Counts, Lane, Range, median_of};
use crate::options::RejectOptions;

/// Give back the rejected samples of the pixels from `start` on that lie within kappa x the noise of their frames of the
/// survivors' median.
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
            let spread = mean_variance(block, start + lane, n).sqrt();
            let (least, most) = interval(median_of(sorted, low, high, lane), spread, reject);
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

/// Mean variance of the `depth` valid samples of a pixel, in frame order; NaN where one is unknown.
#[inline(never)]
fn mean_variance(block: &StackBlock<'_>, pixel: usize, depth: i32) -> f64 {
    let mut sum = 0.0;
    for (frame, noise_variance) in block.noise_variance.iter().enumerate() {
        let at = frame * block.stride + pixel;
        let is_weighted = block.relative_weight.is_none_or(|relative| relative[at] > 0.0);
        if !block.value[at].is_nan() && is_weighted {
            sum += noise_variance * f64::from(block.variance_factor[at]);
        }
    }
    sum / f64::from(depth)
}
