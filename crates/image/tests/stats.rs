//! Robust statistics against definitions that sort.

mod common;

use common::Random;
use proptest::prelude::*;
use zemosaic_image::stats::{difference_noise, mad_sigma, median, percentile};

fn sorted(values: &[f32]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).map(f64::from).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn sorted_median(values: &[f64]) -> Option<f64> {
    let n = values.len();
    let sorted = {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some(f64::midpoint(sorted[n / 2 - 1], sorted[n / 2])),
    }
}

fn sorted_mad_sigma(values: &[f64], centre: f64) -> f64 {
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    1.4826 * sorted_median(&distances).unwrap_or(0.0)
}

fn sorted_difference_noise(rows: &[&[f32]], step: usize) -> Option<f64> {
    let mut differences = Vec::new();
    for row in rows {
        for x in 0..row.len().saturating_sub(step) {
            let difference = f64::from(row[x + step]) - f64::from(row[x]);
            if !difference.is_nan() {
                differences.push(difference);
            }
        }
    }
    let centre = sorted_median(&differences)?;
    Some(sorted_mad_sigma(&differences, centre) / 2.0_f64.sqrt())
}

/// Whole numbers with many ties, ordinary floats, and NaN.
fn samples(longest: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        3 => -1e6_f32..1e6,
        3 => (0_i16..20).prop_map(f32::from),
        1 => Just(f32::NAN),
        1 => Just(-0.0_f32),
    ];
    prop::collection::vec(value, 0..longest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn median_is_the_middle_of_the_sorted(values in samples(80)) {
        let expected = sorted_median(&sorted(&values));
        // Of an even number: one rounding of the sum, the half is exact; so the f64 mean rounds to it.
        prop_assert_eq!(median(&mut values.clone()), expected.map(|value| value as f32));
        let mut reversed: Vec<f32> = values.into_iter().rev().collect();
        prop_assert_eq!(median(&mut reversed), expected.map(|value| value as f32));
    }

    #[test]
    fn percentile_is_the_nearest_of_the_sorted(values in samples(80), q in -0.2_f64..1.2) {
        let sorted = sorted(&values);
        let at = |q: f64| sorted.get((q * (sorted.len().max(1) - 1) as f64 + 0.5).floor() as usize);
        let found = percentile(&mut values.clone(), q);
        prop_assert_eq!(found.map(f64::from), at(q.clamp(0.0, 1.0)).copied());
        prop_assert_eq!(percentile(&mut values.clone(), 0.0).map(f64::from), sorted.first().copied());
        prop_assert_eq!(percentile(&mut values.clone(), 1.0).map(f64::from), sorted.last().copied());
    }

    #[test]
    fn mad_sigma_is_the_median_distance(values in samples(80), centre in -1e3_f32..1e3) {
        let expected = sorted_mad_sigma(&sorted(&values), f64::from(centre));
        let found = f64::from(mad_sigma(&mut values.clone(), centre));
        prop_assert!((found - expected).abs() <= 4e-7 * expected, "{} is not {}", found, expected);
    }

    #[test]
    fn difference_noise_is_the_mad_of_all_differences(
        rows in prop::collection::vec(samples(40), 0..5),
        step in 1_usize..4,
    ) {
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let expected = sorted_difference_noise(&rows, step);
        let found = difference_noise(&rows, step).map(f64::from);
        prop_assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(expected)) = (found, expected) {
            // A difference and its distance from the median are rounded in units of the largest value.
            prop_assert!((found - expected).abs() < 1e-6 * expected + 0.4, "{} is not {}", found, expected);
        }
    }

    #[test]
    fn whole_numbers_have_the_exact_difference_noise(
        rows in prop::collection::vec(prop::collection::vec(0_u16..500, 0..60), 0..4),
        step in 1_usize..4,
    ) {
        let rows: Vec<Vec<f32>> = rows.into_iter().map(|row| row.into_iter().map(f32::from).collect()).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let expected = sorted_difference_noise(&rows, step);
        let found = difference_noise(&rows, step).map(f64::from);
        prop_assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(expected)) = (found, expected) {
            prop_assert!((found - expected).abs() <= 3e-7 * expected, "{} is not {}", found, expected);
        }
    }
}

#[test]
fn without_samples_there_is_no_answer() {
    for values in [vec![], vec![f32::NAN], vec![f32::NAN; 9]] {
        assert_eq!(median(&mut values.clone()), None);
        assert_eq!(percentile(&mut values.clone(), 0.5), None);
        assert_eq!(mad_sigma(&mut values.clone(), 3.0), 0.0);
        assert_eq!(difference_noise(&[&values], 1), None);
    }
    assert_eq!(difference_noise(&[], 1), None);
    assert_eq!(difference_noise(&[&[1.0, 2.0], &[3.0, 4.0]], 2), None);
    assert_eq!(difference_noise(&[&[1.0, f32::NAN, 3.0]], 1), None);
}

fn noise_row(n: usize, sigma: f64, random: &mut Random) -> Vec<f32> {
    (0..n).map(|_| (1000.0 + sigma * random.normal()) as f32).collect()
}

#[test]
fn difference_noise_is_sigma_for_normal_noise() {
    let mut random = Random(1);
    for sigma in [0.5, 12.0, 400.0] {
        let rows: Vec<Vec<f32>> = (0..64).map(|_| noise_row(1500, sigma, &mut random)).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for step in [1, 2] {
            let found = f64::from(difference_noise(&rows, step).unwrap());
            println!("sigma {sigma}, step {step}: {:.4} of it", found / sigma);
            assert!((found / sigma - 1.0).abs() < 0.015, "sigma {sigma}, step {step}: {found}");
        }
    }
}

#[test]
fn stars_slopes_and_holes_move_it_little() {
    let mut random = Random(2);
    let mut rows: Vec<Vec<f32>> = (0..64).map(|_| noise_row(1500, 10.0, &mut random)).collect();
    for (y, row) in rows.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value += 0.8 * x as f32 + 3.0 * y as f32;
        }
        // A star 9 pixels wide in each of 20 places of the row, and a NaN in each of 50.
        for _ in 0..20 {
            let centre = 10 + (random.bits() % 1480) as usize;
            for (i, value) in row[centre - 4..=centre + 4].iter_mut().enumerate() {
                *value += 5000.0 * (-0.3 * (i as f32 - 4.0).powi(2)).exp();
            }
        }
        for _ in 0..50 {
            row[(random.bits() % 1500) as usize] = f32::NAN;
        }
    }
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    for step in [1, 2] {
        let found = difference_noise(&rows, step).unwrap();
        println!("with stars, step {step}: {found:.3} for 10");
        assert!((9.9..11.8).contains(&found), "{found}");
    }
}
