//! Holes filled before the filter, so that a bad pixel does not spoil its whole row and column.
//!
//! A bad pixel (not finite) becomes the mean of the good pixels on the smallest square ring around it that has
//! any, up to a radius of [`FILL_RADIUS_PX`]; deeper inside a hole it becomes 0, which at the hole's border
//! counts for |z|^8 of the level, about 3e-5.

use crate::bspline::FILL_RADIUS_PX;
use crate::warp::SourceWindow;

/// More than the largest ring.
const FAR: u8 = FILL_RADIUS_PX as u8 + 1;

/// Whether a pixel can be used.
fn is_good(value: f32) -> bool {
    value.is_finite()
}

/// The good pixels of the ring at `distance` around a pixel, row by row.
pub(crate) fn ring(
    window: &SourceWindow<'_>,
    (column, row): (i64, i64),
    distance: i64,
) -> impl Iterator<Item = (i64, i64, f32)> {
    let region = window.region;
    let (x0, x1) = ((column - distance).max(region.x0), (column + distance).min(region.x1() - 1));
    let (y0, y1) = ((row - distance).max(region.y0), (row + distance).min(region.y1() - 1));
    (y0..=y1).flat_map(move |y| {
        let whole = (y - row).abs() == distance;
        // Of the rows between the first and the last only the two ends are on the ring.
        let step = if whole { 1 } else { 2 * distance as usize };
        let from = if whole || x0 == column - distance { x0 } else { column + distance };
        (from..=x1).step_by(step).map(move |x| (x, y, window.at(x, y))).filter(|(.., value)| is_good(*value))
    })
}

/// Fill the holes of `pixels`, a copy of the window's; `distances` is scratch.
pub(crate) fn fill_holes(window: &SourceWindow<'_>, distances: &mut Vec<u8>, pixels: &mut [f32]) {
    if pixels.iter().all(|value| is_good(*value)) {
        return;
    }
    let width = window.region.width;
    good_distances(pixels, width, distances);
    for (i, (pixel, distance)) in pixels.iter_mut().zip(distances.iter()).enumerate() {
        if *distance > 0 {
            let at = (window.region.x0 + (i % width) as i64, window.region.y0 + (i / width) as i64);
            *pixel = mean_of_ring(window, at, i64::from(*distance));
        }
    }
}

/// What fills a bad pixel whose nearest good one is at the chessboard distance `distance`.
fn mean_of_ring(window: &SourceWindow<'_>, at: (i64, i64), distance: i64) -> f32 {
    if distance > FILL_RADIUS_PX as i64 {
        return 0.0;
    }
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for (.., value) in ring(window, at, distance) {
        sum += f64::from(value);
        count += 1;
    }
    if count > 0 { (sum / f64::from(count)) as f32 } else { 0.0 }
}

/// Chessboard distance of every pixel to the nearest good one, at most [`FAR`]: Rosenfeld & Pfaltz 1968, Pattern
/// Recognition 1, 33; one pass from each corner.
fn good_distances(pixels: &[f32], width: usize, distances: &mut Vec<u8>) {
    distances.clear();
    distances.extend(pixels.iter().map(|value| if is_good(*value) { 0 } else { FAR }));
    let height = pixels.len() / width.max(1);
    for y in 0..height {
        for x in 0..width {
            let above = (y > 0).then(|| (y - 1) * width);
            let before = if x > 0 { distances[y * width + x - 1] } else { FAR };
            relax(distances, y * width + x, above, x, width, before);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let below = (y + 1 < height).then(|| (y + 1) * width);
            let after = if x + 1 < width { distances[y * width + x + 1] } else { FAR };
            relax(distances, y * width + x, below, x, width, after);
        }
    }
}

/// One more than the least of the neighbour in the row and the three in the row that begins at `other`.
fn relax(distances: &mut [u8], at: usize, other: Option<usize>, x: usize, width: usize, beside: u8) {
    if distances[at] == 0 {
        return;
    }
    let mut least = beside;
    if let Some(start) = other {
        for neighbour in &distances[start + x.saturating_sub(1)..start + (x + 2).min(width)] {
            least = least.min(*neighbour);
        }
    }
    distances[at] = distances[at].min(least.saturating_add(1)).min(FAR);
}

/// Where the value of a pixel comes from: itself, or the good pixels of the ring that fills it; `None` where a
/// filler of 0 stands. The plain form of [`fill_holes`].
pub(crate) fn sources(window: &SourceWindow<'_>, column: i64, row: i64, found: &mut Vec<(i64, i64, f32)>) {
    found.clear();
    for distance in 0..=FILL_RADIUS_PX as i64 {
        if distance == 0 {
            let value = window.at(column, row);
            found.extend(is_good(value).then_some((column, row, value)));
        } else {
            found.extend(ring(window, (column, row), distance));
        }
        if !found.is_empty() {
            return;
        }
    }
}
