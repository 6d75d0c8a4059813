//! A sample of the interpolating spline as what it is of the frame's pixels, in f64, term by term.

use crate::bspline::{cardinal_weights, clamp, fill, reflect};
use crate::warp::SourceWindow;

/// Value and sum of the squared weights of the frame's good pixels at a position inside the frame, from the
/// `reach` pixels on each side: reflections and filled holes are traced back to the pixels they come from.
/// The window must hold `reach` + [`FILL_RADIUS_PX`](crate::FILL_RADIUS_PX) pixels around.
pub(crate) fn effective_sum(window: &SourceWindow<'_>, x: f64, y: f64, reach: i64) -> (f64, f64) {
    let (x, y) = (clamp(x, window.frame_width), clamp(y, window.frame_height));
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    let column0 = cardinal_weights(x, reach, &mut columns);
    let row0 = cardinal_weights(y, reach, &mut rows);
    let columns = folded(column0, &columns, window.frame_width);
    let rows = folded(row0, &rows, window.frame_height);
    let mut weights = WeightBox::new(&columns, &rows);
    let mut found = Vec::new();
    let mut value = 0.0;
    for &(row, ky) in &rows {
        for &(column, kx) in &columns {
            fill::sources(window, column, row, &mut found);
            let share = kx * ky / found.len() as f64;
            for (source_column, source_row, pixel) in &found {
                value += share * f64::from(*pixel);
                weights.add(*source_column, *source_row, share);
            }
        }
    }
    (value, weights.sums.iter().map(|k| k * k).sum())
}

/// Weights along one axis, reflections added to the pixels that they repeat.
fn folded(first: i64, weights: &[f64], size: usize) -> Vec<(i64, f64)> {
    let mut folded: Vec<(i64, f64)> =
        (first..).zip(weights).map(|(i, weight)| (reflect(i, size), *weight)).collect();
    folded.sort_by_key(|(index, _)| *index);
    folded.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    folded
}

/// Weights of the pixels around a position.
struct WeightBox {
    x0: i64,
    y0: i64,
    width: usize,
    sums: Vec<f64>,
}

impl WeightBox {
    fn new(columns: &[(i64, f64)], rows: &[(i64, f64)]) -> Self {
        let reach = crate::bspline::FILL_RADIUS_PX as i64;
        let span = |axis: &[(i64, f64)]| {
            let (first, last) = (axis.first().map_or(0, |a| a.0), axis.last().map_or(0, |a| a.0));
            (first - reach, (last - first + 2 * reach + 1) as usize)
        };
        let ((x0, width), (y0, height)) = (span(columns), span(rows));
        Self { x0, y0, width, sums: vec![0.0; width * height] }
    }

    fn add(&mut self, column: i64, row: i64, weight: f64) {
        self.sums[(row - self.y0) as usize * self.width + (column - self.x0) as usize] += weight;
    }
}
