//! Errors of offsets: against the dense pseudo-inverse, and against what offsets of noisy differences really miss.

mod common;

use common::{eliminated, measured};
use zemosaic_gauge::solve::{Difference, OffsetSolution, solve_offsets};
use zemosaic_testkit::rng::Rng;

/// The inverse of a matrix.
fn inverse(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = rows.len();
    for (index, row) in rows.iter_mut().enumerate() {
        row.extend((0..n).map(|other| f64::from(u8::from(other == index))));
    }
    eliminated(rows)
}

/// Standard errors from the pseudo-inverse: (A + sum of 11'/n)^-1 - sum of 11'/n, over parts.
fn dense_errors(frames: usize, differences: &[Difference], solution: &OffsetSolution) -> Vec<f64> {
    let size = |part: usize| solution.part.iter().filter(|other| **other == part).count() as f64;
    let shares: Vec<f64> = solution.part.iter().map(|part| 1.0 / size(*part)).collect();
    let same = |a: usize, b: usize| if solution.part[a] == solution.part[b] { shares[a] } else { 0.0 };
    let mut rows: Vec<Vec<f64>> = (0..frames).map(|a| (0..frames).map(|b| same(a, b)).collect()).collect();
    for (d, weight) in differences.iter().zip(&solution.weight) {
        let w = weight / (d.variance + solution.excess);
        rows[d.a][d.a] += w;
        rows[d.b][d.b] += w;
        rows[d.a][d.b] -= w;
        rows[d.b][d.a] -= w;
    }
    inverse(rows)
        .iter()
        .enumerate()
        .map(|(index, row)| (row[index] - shares[index]).max(0.0).sqrt())
        .collect()
}

/// Frames in rows, each linked with those up to two columns and one row away.
fn links(rows: usize, columns: usize) -> Vec<(usize, usize)> {
    let near = |a: usize, b: usize| {
        let (dx, dy) = ((a % columns).abs_diff(b % columns), (a / columns).abs_diff(b / columns));
        dy <= 1 && dx <= 2 - dy
    };
    let frames = rows * columns;
    let reach = columns + 2;
    (0..frames)
        .flat_map(|a| (a + 1..frames.min(a + reach + 1)).map(move |b| (a, b)))
        .filter(|(a, b)| near(*a, *b))
        .collect()
}

fn noisy(truth: &[f64], links: &[(usize, usize)], rng: &mut Rng) -> Vec<Difference> {
    links.iter().map(|link| measured(truth, *link, rng)).collect()
}

#[test]
fn errors_are_those_of_the_pseudo_inverse() {
    let mut rng = Rng::for_keys(5, &[]);
    for (rows, columns) in [(1, 2), (1, 30), (3, 20), (9, 9), (14, 14)] {
        let frames = rows * columns;
        let truth: Vec<f64> = (0..frames).map(|_| 100.0 * rng.uniform()).collect();
        let mut differences = noisy(&truth, &links(rows, columns), &mut rng);
        if rows == 9 {
            // Two parts, a frame alone, and outliers.
            differences.retain(|d| (d.a < 40) == (d.b < 40) && d.a != 17 && d.b != 17);
            differences[11].value += 30.0;
            differences[60].value -= 5.0;
        }
        let solution = solve_offsets(frames, &differences);
        let expected = dense_errors(frames, &differences, &solution);
        for (index, (found, expected)) in solution.error.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-9, "{rows}x{columns} {index}: {found} {expected}");
        }
        if rows == 9 {
            assert_eq!((solution.error[17], solution.part[80]), (0.0, 2));
        }
    }
}

#[test]
fn errors_of_a_dense_random_network_are_probed() {
    let mut rng = Rng::for_keys(8, &[]);
    let frames = 1500;
    let mut links: Vec<(usize, usize)> = Vec::new();
    for a in 0..frames {
        links.extend((0..8).map(|_| rng.below(frames)).map(|b| (a.min(b), a.max(b))));
    }
    links.retain(|(a, b)| a != b);
    links.sort_unstable();
    links.dedup();
    let truth: Vec<f64> = (0..frames).map(|_| 100.0 * rng.uniform()).collect();
    let solution = solve_offsets(frames, &noisy(&truth, &links, &mut rng));
    let mean = truth.iter().sum::<f64>() / frames as f64;
    let pulls = solution.offsets.iter().zip(&truth).zip(&solution.error);
    let squares =
        pulls.fold(0.0, |sum, ((found, truth), error)| sum + ((found - truth + mean) / error).powi(2));
    let square = squares / frames as f64;
    assert!((0.9..1.1).contains(&square), "{square}");
}

#[test]
fn errors_are_what_offsets_miss() {
    let mut rng = Rng::for_keys(21, &[]);
    for (rows, columns, runs) in
        [(1, 20, 6000), (1, 40, 3000), (1, 80, 1500), (1, 400, 600), (8, 8, 400), (16, 16, 100), (40, 40, 12)]
    {
        let frames = rows * columns;
        let links = links(rows, columns);
        let truth: Vec<f64> = (0..frames).map(|_| 300.0 * rng.uniform()).collect();
        let mean = truth.iter().sum::<f64>() / frames as f64;
        let (mut squares, mut chi2, mut dof) = (0.0, 0.0, 0);
        for _ in 0..runs {
            let solution = solve_offsets(frames, &noisy(&truth, &links, &mut rng));
            chi2 += solution.chi2;
            dof += solution.degrees_of_freedom;
            for ((found, truth), error) in solution.offsets.iter().zip(&truth).zip(&solution.error) {
                squares += ((found - (truth - mean)) / error).powi(2);
            }
        }
        let square = squares / (runs * frames) as f64;
        let reduced = chi2 / dof as f64;
        println!(
            "{rows} x {columns}: mean square of normalised errors {square:.3}, reduced chi2 {reduced:.3}"
        );
        // The excess is never below 0, so that in a small network errors come out some per cent too large.
        let least = if frames < 30 { 0.85 } else { 0.9 };
        assert!((least..1.1).contains(&square), "{rows} x {columns}: {square}");
        assert!((0.9..1.1).contains(&reduced), "{rows} x {columns}: {reduced}");
    }
}

#[test]
fn ramps_are_exact() {
    for (rows, columns) in [(1, 20), (1, 40), (1, 80), (1, 400), (8, 8), (16, 16), (40, 40)] {
        let truth = |index: usize| 7.5 * (index % columns) as f64 - 3.0 * (index / columns) as f64;
        let measure = |(a, b): (usize, usize)| Difference { a, b, value: truth(b) - truth(a), variance: 1.0 };
        let differences: Vec<Difference> = links(rows, columns).into_iter().map(measure).collect();
        let frames = rows * columns;
        let solution = solve_offsets(frames, &differences);
        let mean = (0..frames).map(truth).sum::<f64>() / frames as f64;
        let ramp = truth(columns - 1) - truth(columns * (rows - 1));
        let miss = |index: usize| (solution.offsets[index] - (truth(index) - mean)).abs();
        let most = (0..frames).map(miss).fold(0.0, f64::max);
        assert!(most < 1e-9 * ramp, "{rows} x {columns}: {most}");
    }
}
