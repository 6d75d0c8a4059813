//! The plain definition of the generalised extreme Studentised deviate test (Rosner 1983, Technometrics 25, 165), in f64.
//!
//! Of n samples up to k = share x n may be outliers. Step i = 1 .. k: mean and sample standard deviation (n - 1) of what is
//! left, R_i = the greatest distance from the mean over that deviation, and the sample at that distance goes. The number of
//! outliers is the largest i with R_i > lambda_i, also where R_j of an earlier step was not: outliers hide each other.
//!
//! Made definite: of samples equally far from the mean (to [`TIE`]) the greater one goes; and an i that would take one of
//! two equal samples and leave the other does not count, so equal samples share their fate.

use super::TIE;

/// Largest share of the samples that may be taken for outliers: beyond a half nobody can say which are.
const LARGEST_SHARE: f64 = 0.5;

/// Samples of `n` that may be outliers. Three must be left for a test, so of fewer none is.
pub fn esd_most_outliers(n: usize, share: f64) -> usize {
    // A share of 0.1 of 30 samples is 3, however 0.1 was rounded.
    let most = share.clamp(0.0, LARGEST_SHARE) * n as f64 + 1e-9;
    (most as usize).min(n.saturating_sub(2))
}

/// The survivors of `sorted` as `start .. end`; `critical` from [`super::esd_critical_values`] up to their number.
pub fn esd(sorted: &[f64], critical: &[f64], share: f64) -> (usize, usize) {
    let (mut start, mut end) = (0, sorted.len());
    let mut survivors = (start, end);
    for _ in 0..esd_most_outliers(sorted.len(), share) {
        let left = &sorted[start..end];
        let m = left.len() as f64;
        // Differences from one of them, so that a large common value does not drown theirs.
        let d = |value: f64| value - left[left.len() / 2];
        let mean = left.iter().map(|value| d(*value)).sum::<f64>() / m;
        let deviation = (left.iter().map(|value| (d(*value) - mean).powi(2)).sum::<f64>() / (m - 1.0)).sqrt();
        let (below, above) = (mean - d(left[0]), d(left[left.len() - 1]) - mean);
        let is_low = below > above * (1.0 + TIE);
        let studentised = if is_low { below } else { above } / deviation;
        let (gone, next) =
            if is_low { (left[0], left[1]) } else { (left[left.len() - 1], left[left.len() - 2]) };
        if is_low {
            start += 1;
        } else {
            end -= 1;
        }
        if studentised > critical[left.len()] && gone != next {
            survivors = (start, end);
        }
    }
    survivors
}
