//! Min-max and percentile clipping of 16 sorted pixels: the fast forms of [`crate::definition::min_max`] and
//! [`crate::definition::percentile_survivors`].

use crate::definition;
use crate::lanes::{Counts, Lane, Range, median_of};
use crate::options::RejectOptions;

/// Survivors of dropping the least and greatest samples. Of equal samples the earliest frames go.
#[inline(always)]
pub fn min_max(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> Range {
    let mut range = Range::all(depth);
    for (lane, n) in depth.iter().map(|n| *n as usize).enumerate() {
        let (low, high) = definition::min_max(n, reject);
        if (low, high) == (0, n) {
            continue;
        }
        range.narrow_by_number(sorted, lane, n, (low, high));
    }
    range
}

/// Survivors of one comparison with shares of the median.
#[inline(always)]
pub fn percentile_clip(sorted: &[Lane], depth: &Counts, reject: &RejectOptions) -> Range {
    let mut range = Range::all(depth);
    for (lane, &n) in depth.iter().enumerate() {
        if n == 0 {
            continue;
        }
        let sample = |k: i32| f64::from(sorted[k as usize].0[lane]);
        let (least, most) = definition::percentile_limits(median_of(sorted, 0, n, lane), reject);
        let (mut low, mut high) = (0, n);
        while low < high && sample(low) < least {
            low += 1;
        }
        while high > low && sample(high - 1) > most {
            high -= 1;
        }
        if low == high {
            range.narrow_by_number(sorted, lane, n as usize, definition::middle(n as usize));
        } else if (low, high) != (0, n) {
            range.narrow(sorted, lane, low, high);
        }
    }
    range
}
