//! Medians, percentiles and scatter of lists of f64.

/// MAD to standard deviation, of normal values.
pub(crate) const MAD_TO_SIGMA: f64 = 1.4826;

/// Median, of an even number the mean of the middle two; reorders `values`.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *middle;
    if n % 2 == 1 {
        return Some(upper);
    }
    Some(0.5 * (below.iter().copied().fold(f64::NEG_INFINITY, f64::max) + upper))
}

/// Median of what is finite; NaN where nothing is.
pub(crate) fn finite_median(values: &[f64]) -> f64 {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    median(&mut finite).unwrap_or(f64::NAN)
}

/// The values at `shares` (0 to 1) of the sorted `values`, linear between the two nearest; NaN without any. Sorts `values`.
pub(crate) fn percentiles<const N: usize>(values: &mut [f64], shares: [f64; N]) -> [f64; N] {
    let Some(last) = values.len().checked_sub(1) else { return [f64::NAN; N] };
    values.sort_unstable_by(f64::total_cmp);
    shares.map(|share| {
        let at = share * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        values[low] + part * (values[(low + 1).min(last)] - values[low])
    })
}

/// Standard deviation of values about 0 from the median of their amounts; 0 without any.
pub(crate) fn scatter_of(amounts: &[f64]) -> f64 {
    MAD_TO_SIGMA * median(&mut amounts.to_vec()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_those_of_sorted_values() {
        let values = [4.0, -1.0, 9.0, 2.0, f64::NAN];
        assert_eq!(median(&mut values[..4].to_vec()), Some(3.0));
        assert_eq!(median(&mut values[..3].to_vec()), Some(4.0));
        assert_eq!(median(&mut []), None);
        assert_eq!(finite_median(&values), 3.0);
        assert!(finite_median(&[]).is_nan());
        assert_eq!(percentiles(&mut values[..4].to_vec(), [0.0, 0.5, 0.75, 1.0]), [-1.0, 3.0, 5.25, 9.0]);
        assert!(percentiles(&mut [], [0.5])[0].is_nan());
        assert_eq!((scatter_of(&values[..1]), scatter_of(&[])), (4.0 * MAD_TO_SIGMA, 0.0));
    }
}
