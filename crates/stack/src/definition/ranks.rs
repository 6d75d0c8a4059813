//! The plain definition of what rejects in one go: min-max and percentile clipping. Both leave the median.

use super::{TIE, median};
use crate::options::RejectOptions;

/// Survivors among `n` sorted samples, as `start .. end`, of dropping the least and the greatest ones. Where all would go
/// the median stays: the middle sample, of an even number the middle two.
pub fn min_max(n: usize, reject: &RejectOptions) -> (usize, usize) {
    let (low, high) = (reject.reject_lowest as usize, reject.reject_highest as usize);
    if low.saturating_add(high) < n { (low, n - high) } else { middle(n) }
}

/// Survivors of the sorted samples, as `start .. end`: those in [`percentile_limits`]. Where all would go (an even number
/// whose middle two lie too far apart) the middle two stay.
pub fn percentile_survivors(sorted: &[f64], reject: &RejectOptions) -> (usize, usize) {
    if sorted.is_empty() {
        return (0, 0);
    }
    let (low, high) = percentile_limits(median(sorted), reject);
    let start = sorted.partition_point(|value| *value < low);
    let end = sorted.partition_point(|value| *value <= high);
    if start < end { (start, end) } else { middle(sorted.len()) }
}

/// A sample is rejected when it lies below its `median` by more than a share of |median|, or above it by more than
/// another. The limits are widened by [`TIE`].
pub fn percentile_limits(median: f64, reject: &RejectOptions) -> (f64, f64) {
    let size = median.abs() * (1.0 + TIE);
    (median - reject.percentile_low * size, median + reject.percentile_high * size)
}

/// The middle sample, or the middle two.
pub(crate) fn middle(n: usize) -> (usize, usize) {
    let beside = n.saturating_sub(1) / 2;
    (beside, n - beside)
}
