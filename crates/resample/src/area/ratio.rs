//! Area of output pixels.

use super::row::CornerRows;

/// Area of each output pixel in frame pixels, for maps of either parity; NaN where a corner is NaN. Surface
/// brightness times this is the flux in the output pixel.
pub fn area_ratio_row(corners: CornerRows<'_>, out: &mut [f32]) {
    for (i, ratio) in out.iter_mut().enumerate().take(corners.pixels()) {
        *ratio = signed_area(&corners.quad(i)).abs() as f32;
    }
}

/// Area of a quadrilateral, half the cross product of its diagonals: positive when counter-clockwise.
pub(super) fn signed_area(q: &[[f64; 2]; 4]) -> f64 {
    0.5 * ((q[2][0] - q[0][0]) * (q[3][1] - q[1][1]) - (q[3][0] - q[1][0]) * (q[2][1] - q[0][1]))
}
