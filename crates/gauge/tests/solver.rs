//! Offsets against the definition: dense least squares in f64 on the same pairs.

mod common;

use common::{eliminated, measured};
use zemosaic_gauge::solve::{Difference, OffsetSolution, solve_offsets};
use zemosaic_testkit::rng::Rng;

/// Least squares with the weights the solution ended with, mean 0 per part.
fn dense(frames: usize, differences: &[Difference], solution: &OffsetSolution) -> Vec<f64> {
    // Last column: right-hand side. The mean of each part as an equation takes the freedom out and changes nothing else.
    let same = |a: usize, b: usize| f64::from(u8::from(solution.part[a] == solution.part[b]));
    let mut rows: Vec<Vec<f64>> =
        (0..frames).map(|a| (0..frames).map(|b| same(a, b)).chain([0.0]).collect()).collect();
    for (d, weight) in differences.iter().zip(&solution.weight) {
        let w = weight / (d.variance + solution.excess);
        rows[d.a][d.a] += w;
        rows[d.b][d.b] += w;
        rows[d.a][d.b] -= w;
        rows[d.b][d.a] -= w;
        rows[d.a][frames] -= w * d.value;
        rows[d.b][frames] += w * d.value;
    }
    eliminated(rows).into_iter().map(|row| row[0]).collect()
}

/// Frames in rows; neighbours within `reach` columns and a row.
fn strip(rows: usize, columns: usize, reach: usize, rng: &mut Rng) -> (Vec<f64>, Vec<Difference>) {
    let truth: Vec<f64> = (0..rows * columns).map(|_| 300.0 * rng.uniform() - 150.0).collect();
    let mut differences = Vec::new();
    for a in 0..rows * columns {
        for b in a + 1..rows * columns {
            let (dx, dy) = ((a % columns).abs_diff(b % columns), (a / columns).abs_diff(b / columns));
            if dx <= reach && dy <= 1 {
                differences.push(measured(&truth, (a, b), rng));
            }
        }
    }
    (truth, differences)
}

#[test]
fn equal_to_dense_least_squares() {
    let mut rng = Rng::for_keys(3, &[]);
    for (rows, columns, reach) in [(1, 80, 1), (3, 60, 2), (14, 14, 1), (1, 2, 1)] {
        let (truth, mut differences) = strip(rows, columns, reach, &mut rng);
        if rows == 3 {
            differences[17].value += 40.0;
            differences[99].value -= 300.0;
        }
        let frames = rows * columns;
        let solution = solve_offsets(frames, &differences);
        let expected = dense(frames, &differences, &solution);
        let mean = truth.iter().sum::<f64>() / frames as f64;
        for (index, (found, expected)) in solution.offsets.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-9, "{rows}x{columns} {index}: {found} {expected}");
            let limit = if rows == 1 { 5.0 } else { 1.0 };
            assert!((found - (truth[index] - mean)).abs() < limit, "{rows}x{columns} {index}");
        }
        assert!(solution.offsets.iter().sum::<f64>().abs() < 1e-9);
        if rows == 3 {
            assert!(solution.weight[17] < 0.01 && solution.weight[99] < 0.01);
        }
        let dof = solution.degrees_of_freedom as f64;
        assert!(rows == 3 || (solution.chi2 - dof).abs() < 5.0 * (2.0 * dof).sqrt() + 1e-9, "{solution:?}");
    }
}

#[test]
fn a_dense_random_network_takes_the_incomplete_factor() {
    let mut rng = Rng::for_keys(11, &[]);
    let frames = 900;
    let truth: Vec<f64> = (0..frames).map(|_| 300.0 * rng.uniform()).collect();
    let mut differences = Vec::new();
    for a in 0..frames {
        for _ in 0..8 {
            let b = rng.below(frames);
            if a != b && !differences.iter().any(|d: &Difference| (d.a, d.b) == (a.min(b), a.max(b))) {
                let (a, b) = (a.min(b), a.max(b));
                differences.push(Difference {
                    a,
                    b,
                    value: truth[b] - truth[a] + rng.normal(),
                    variance: 1.0,
                });
            }
        }
    }
    let solution = solve_offsets(frames, &differences);
    assert!(solution.iterations > 5, "{}", solution.iterations);
    let expected = dense(frames, &differences, &solution);
    let most = solution.offsets.iter().zip(&expected).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(most < 1e-9, "{most}");
}

#[test]
fn an_exact_ramp_in_long_strips() {
    // Where the peers' iterations stop short: reference/anchors-performance-science.md §2.3, §3.5.
    for (rows, columns) in [(1, 80), (1, 3000), (3, 1000), (16, 16)] {
        let frames = rows * columns;
        let truth = |index: usize| 7.5 * (index % columns) as f64 - 3.0 * (index / columns) as f64;
        let mut differences = Vec::new();
        for a in 0..frames {
            for b in [a + 1, a + columns] {
                if b < frames && (b != a + 1 || b % columns != 0) {
                    differences.push(Difference { a, b, value: truth(b) - truth(a), variance: 1.0 });
                }
            }
        }
        let solution = solve_offsets(frames, &differences);
        let mean = (0..frames).map(truth).sum::<f64>() / frames as f64;
        for (index, offset) in solution.offsets.iter().enumerate() {
            assert!((offset - (truth(index) - mean)).abs() < 1e-7, "{rows}x{columns} {index}: {offset}");
        }
    }
}

#[test]
fn parts_have_mean_zero_each() {
    let link = |a, b, value| Difference { a, b, value, variance: 1.0 };
    let differences = [link(0, 2, 10.0), link(2, 5, -4.0), link(1, 4, 6.0)];
    let solution = solve_offsets(6, &differences);
    assert_eq!(solution.part, [0, 1, 0, 2, 1, 0]);
    assert_eq!(solution.offsets[3], 0.0);
    assert!((solution.offsets[1] + 3.0).abs() < 1e-12 && (solution.offsets[4] - 3.0).abs() < 1e-12);
    let [a, b, c] = [0, 2, 5].map(|frame| solution.offsets[frame]);
    assert!((a + b + c).abs() < 1e-12 && (b - a - 10.0).abs() < 1e-12 && (c - b + 4.0).abs() < 1e-12);
    assert_eq!(solution.degrees_of_freedom, 0);
    assert_eq!(solve_offsets(2, &[]).offsets, [0.0, 0.0]);
}

#[test]
fn a_pivot_lost_in_rounding_is_told() {
    // Two frames that are as one, and hang on the others by a difference of almost no weight.
    let link = |a: usize, b: usize, value: f64, variance: f64| Difference { a, b, value, variance };
    let well = [link(0, 1, 3.0, 1.0), link(1, 2, 4.0, 1.0), link(2, 3, -2.0, 1.0), link(3, 4, 1.0, 1.0)];
    let solution = solve_offsets(5, &well);
    assert!(solution.health.is_well(), "{:?}", solution.health);
    let mut odd = well;
    odd[0].variance = 1e-9;
    odd[1].variance = 1e20;
    let solution = solve_offsets(5, &odd);
    assert_eq!((solution.health.lost_pivots, solution.health.not_converged), (1, 0), "{:?}", solution.health);
    assert!(solution.error.iter().all(|error| error.is_finite()), "{:?}", solution.error);
}

#[test]
fn a_solution_beyond_all_numbers_is_told() {
    let link = |a: usize, b: usize, value: f64| Difference { a, b, value, variance: 1.0 };
    for value in [f64::NAN, 1e200, f64::INFINITY] {
        let solution = solve_offsets(3, &[link(0, 1, value), link(1, 2, 1.0)]);
        assert_eq!(solution.health.not_converged, 1, "{value}: {solution:?}");
    }
}
