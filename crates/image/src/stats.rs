//! Robust statistics of samples. NaN is "no data" and is skipped everywhere.

/// 1 / Phi^-1(3/4): MAD to standard deviation of a normal distribution.
const MAD_TO_SIGMA: f32 = 1.4826;

/// Move the finite-or-infinite samples to the front; returns how many there are.
fn compact(values: &mut [f32]) -> usize {
    let mut kept = 0;
    for index in 0..values.len() {
        if !values[index].is_nan() {
            values[kept] = values[index];
            kept += 1;
        }
    }
    kept
}

/// Median; of an even number the mean of the middle two. Reorders `values`.
pub fn median(values: &mut [f32]) -> Option<f32> {
    let n = compact(values);
    let values = &mut values[..n];
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let upper = *middle;
    if n % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Some(0.5 * (lower + upper))
}

/// Standard deviation from the median absolute deviation about `median`; 0 without samples. Overwrites `values`.
pub fn mad_sigma(values: &mut [f32], centre: f32) -> f32 {
    for value in values.iter_mut() {
        *value = (*value - centre).abs();
    }
    median(values).map_or(0.0, |mad| MAD_TO_SIGMA * mad)
}

/// The first of the sorted `(value, weight)` with which half of the weight is reached. Sorts `values`.
pub fn weighted_median(values: &mut [(f64, f64)]) -> Option<f64> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let known = || values.iter().filter(|(value, _)| !value.is_nan());
    let half = known().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    known().find_map(|(value, weight)| {
        below += weight;
        (below >= half).then_some(*value)
    })
}

/// The sample at share `q` (0 to 1) of the sorted samples, no interpolation. Reorders `values`.
pub fn percentile(values: &mut [f32], q: f64) -> Option<f32> {
    let n = compact(values);
    if n == 0 {
        return None;
    }
    let index = ((n - 1) as f64 * q.clamp(0.0, 1.0)).round() as usize;
    Some(*values[..n].select_nth_unstable_by(index, f32::total_cmp).1)
}

/// Noise of one pixel: 1.4826 MAD of `I(x + step, y) - I(x, y)` over sqrt 2, about the differences' own
/// median, over all `rows`. `None` without a pair of samples.
pub fn difference_noise(rows: &[&[f32]], step: usize) -> Option<f32> {
    let mut differences: Vec<f32> = rows
        .iter()
        .flat_map(|row| row.iter().zip(row.iter().skip(step)).map(|(a, b)| b - a))
        .filter(|difference| !difference.is_nan())
        .collect();
    let centre = median(&mut differences)?;
    Some(mad_sigma(&mut differences, centre) / std::f32::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_skip_nan() {
        assert_eq!(median(&mut [3.0, f32::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut [f32::NAN]), None);
        assert_eq!(percentile(&mut [5.0, 1.0, f32::NAN, 3.0], 1.0), Some(5.0));
    }

    #[test]
    fn half_of_the_weight_counts() {
        assert_eq!(weighted_median(&mut [(3.0, 1.0), (f64::NAN, 9.0), (1.0, 1.0), (2.0, 3.0)]), Some(2.0));
        assert_eq!(weighted_median(&mut [(5.0, 1.0), (1.0, 1.0)]), Some(1.0));
        assert_eq!(weighted_median(&mut []), None);
    }

    #[test]
    fn difference_noise_ignores_a_slope_and_an_outlier() {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        // The sum of twelve uniform draws has standard deviation 1.
        let mut row: Vec<f32> =
            (0..20_000).map(|x| 3.0 * x as f32 + (0..12).map(|_| uniform()).sum::<f32>()).collect();
        row[700] = 1e9;
        let noise = difference_noise(&[&row], 1).unwrap();
        assert!((noise - 1.0).abs() < 0.03, "{noise}");
    }
}
