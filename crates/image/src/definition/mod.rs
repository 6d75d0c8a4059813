//! The plain definitions of the demosaic and of the background, in f64. The fast code is tested against them.

mod rcd;
mod vng;

pub use rcd::Rcd;
pub use vng::vng_pixel;

use crate::background::CellStatistics;
use crate::background::constants::{
    CLIP_SIGMA, CONVERGED, MAX_ROUNDS, PRE_CUT_SIGMA, RANGE_SIGMA, Span, grouped_median,
};
use crate::demosaic::CfaWindow;

/// Red, green and blue of the frame's pixel (`x`, `y`): its own value in its own colour, else the mean of the
/// valid neighbours of the colour in the 3 x 3 around it; NaN where there is none, or no own value. `window`
/// holds the neighbours that lie inside the frame.
pub fn demosaic_pixel(window: &CfaWindow<'_>, x: i64, y: i64) -> [f64; 3] {
    let value = |x: i64, y: i64| -> f64 {
        let (column, row) = (x - window.region.x0, y - window.region.y0);
        if column < 0 || row < 0 || column >= window.region.width as i64 || row >= window.region.height as i64
        {
            return f64::NAN;
        }
        f64::from(window.raw[row as usize * window.region.width + column as usize])
    };
    let own = window.pattern.colour_at(x, y);
    std::array::from_fn(|colour| {
        if value(x, y).is_nan() || colour == own {
            return value(x, y);
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
            if window.pattern.colour_at(x + dx, y + dy) == colour && !value(x + dx, y + dy).is_nan() {
                sum += value(x + dx, y + dy);
                count += 1.0;
            }
        }
        sum / count
    })
}

/// Pixel of a frame (`window` is the whole of it) mirrored about its edge pixels; a NaN one is the mean of the good
/// ones among the nearest four of its colour, else among the next four, else NaN.
fn filled_value(window: &CfaWindow<'_>, x: i64, y: i64) -> f64 {
    fn mirrored(at: i64, last: i64) -> i64 {
        if at < 0 {
            mirrored(-at, last)
        } else if at > last {
            mirrored(2 * last - at, last)
        } else {
            at
        }
    }
    let (width, height) = (window.region.width as i64, window.region.height as i64);
    let (x, y) = (mirrored(x, width - 1), mirrored(y, height - 1));
    let value = |x: i64, y: i64| -> f64 {
        let inside = x >= 0 && y >= 0 && x < width && y < height;
        if inside { f64::from(window.raw[(y * width + x) as usize]) } else { f64::NAN }
    };
    let own = value(x, y);
    if !own.is_nan() {
        return own;
    }
    let (axes, diagonals) = ([(0, -2), (-2, 0), (2, 0), (0, 2)], [(-1, -1), (1, -1), (-1, 1), (1, 1)]);
    let rings = if window.pattern.colour_at(x, y) == 1 {
        [diagonals, axes]
    } else {
        [axes, diagonals.map(|(dx, dy)| (2 * dx, 2 * dy))]
    };
    for ring in rings {
        let good = ring.map(|(dx, dy)| value(x + dx, y + dy)).into_iter().filter(|value| !value.is_nan());
        let (sum, count) = good.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        if count > 0.0 {
            return sum / count;
        }
    }
    f64::NAN
}

/// Clipped statistics of one mesh cell, every round from sorted survivors; values that are not finite do not
/// count. `None` without values. Sources and choices: `docs/methods/background.md`.
pub fn cell_statistics(values: &[f32]) -> Option<CellStatistics> {
    let mut all: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    all.sort_unstable_by(f32::total_cmp);
    let first = *all.first()?;
    let whole = statistics(&all);
    let near = statistics(&within(&all, whole.mean, PRE_CUT_SIGMA * whole.sigma));
    if all.iter().all(|value| *value == first) || near.sigma == 0.0 {
        return Some(CellStatistics { mean: near.mean, median: near.mean, sigma: 0.0 });
    }
    let range = within(&all, near.mean, RANGE_SIGMA * near.sigma);
    let mut found = statistics(&range);
    for _ in 1..MAX_ROUNDS {
        if found.sigma == 0.0 {
            break;
        }
        let before = found.sigma;
        found = statistics(&within(&range, found.median, CLIP_SIGMA * before));
        if (found.sigma / before - 1.0).abs() < CONVERGED {
            break;
        }
    }
    Some(found)
}

/// The values at most `reach` from `centre`, the ends rounded to f32.
fn within(values: &[f32], centre: f64, reach: f64) -> Vec<f32> {
    let span = Span::about(centre, reach);
    values.iter().copied().filter(|value| span.holds(*value)).collect()
}

/// Mean, median and population standard deviation of sorted values.
fn statistics(sorted: &[f32]) -> CellStatistics {
    let count = sorted.len() as f64;
    let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let squares = sorted.iter().map(|value| (f64::from(*value) - mean).powi(2));
    CellStatistics { mean, median: grouped_median(sorted), sigma: (squares.sum::<f64>() / count).sqrt() }
}

/// Background at the pixel (`x`, `y`) from a mesh (row-major, cells' `centres_px` along x and along y): a
/// natural cubic spline along y through every column of cells, and one along x through what they give.
pub fn background_at(mesh: &[f64], centres_px: [&[f64]; 2], x: f64, y: f64) -> f64 {
    let [along_x, along_y] = centres_px;
    let column = |i: usize| -> Vec<f64> { mesh.iter().skip(i).step_by(along_x.len()).copied().collect() };
    let row: Vec<f64> = (0..along_x.len()).map(|i| natural_spline(along_y, &column(i), y)).collect();
    natural_spline(along_x, &row, x)
}

/// Natural cubic spline through (`knots`, `values`); straight beyond the outer knots.
fn natural_spline(knots: &[f64], values: &[f64], at: f64) -> f64 {
    let n = knots.len();
    if n == 1 {
        return values[0];
    }
    // The second derivatives solve a linear system, here by plain elimination on the whole matrix.
    let mut system = vec![vec![0.0; n + 1]; n];
    system[0][0] = 1.0;
    system[n - 1][n - 1] = 1.0;
    for k in 1..n - 1 {
        let (h0, h1) = (knots[k] - knots[k - 1], knots[k + 1] - knots[k]);
        system[k][k - 1] = h0 / 6.0;
        system[k][k] = (h0 + h1) / 3.0;
        system[k][k + 1] = h1 / 6.0;
        system[k][n] = (values[k + 1] - values[k]) / h1 - (values[k] - values[k - 1]) / h0;
    }
    for k in 0..n {
        let pivot = system[k].clone();
        for (_, row) in system.iter_mut().enumerate().filter(|(other, _)| *other != k) {
            let factor = row[k] / pivot[k];
            row.iter_mut().zip(&pivot).for_each(|(a, b)| *a -= factor * b);
        }
    }
    let second: Vec<f64> = (0..n).map(|k| system[k][n] / system[k][k]).collect();
    let k = (0..n - 1).rev().find(|k| knots[*k] <= at).unwrap_or(0);
    let h = knots[k + 1] - knots[k];
    let chord = (values[k + 1] - values[k]) / h;
    if at < knots[0] {
        return values[0] + (at - knots[0]) * (chord - h * (2.0 * second[0] + second[1]) / 6.0);
    }
    if at > knots[n - 1] {
        return values[n - 1] + (at - knots[n - 1]) * (chord + h * (second[k] + 2.0 * second[k + 1]) / 6.0);
    }
    let (a, b) = ((knots[k + 1] - at) / h, (at - knots[k]) / h);
    let bend = (a.powi(3) - a) * second[k] + (b.powi(3) - b) * second[k + 1];
    a * values[k] + b * values[k + 1] + h * h / 6.0 * bend
}
