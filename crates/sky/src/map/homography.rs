//! TAN to TAN without distortion: one 3x3 matrix, no trigonometry.
//!
//! Method: a pixel (x, y) looks along M_grid (x, y, 1); the source sees a direction n at M_source n divided by its third
//! component. The rotation between the native spheres (and so between the celestial frames) folds into the product.

use super::FAR_PX;
use crate::vector::{Mat3, mul};
use crate::wcs::Wcs;

/// A homography from grid pixels to source pixels, valid where the denominator is positive.
#[derive(Debug, Clone)]
pub(super) struct Homography {
    m: Mat3,
}

impl Homography {
    /// Both systems must be plain TAN; `rotation` goes from the native sphere of the grid to that of the source.
    pub(super) fn new(grid: &Wcs, source: &Wcs, rotation: &Mat3) -> Self {
        Self { m: mul(&mul(&source.tan_inverse_matrix(), rotation), &grid.tan_matrix()) }
    }

    /// Positions of the grid positions `(x0 + i, y)`, whole pixels or halves.
    pub(super) fn row_at(&self, y: f64, x0: f64, xs: &mut [f64], ys: &mut [f64]) {
        let m = &self.m;
        let (cx, cy, cw) = (m[0][1] * y + m[0][2], m[1][1] * y + m[1][2], m[2][1] * y + m[2][2]);
        for (i, (px, py)) in (0_i32..).zip(xs.iter_mut().zip(ys.iter_mut())) {
            // Sums of integers and halves are exact in f64, so the result does not depend on where the row starts.
            let x = x0 + f64::from(i);
            let w = m[2][0] * x + cw;
            let inverse = 1.0 / w;
            let sx = (m[0][0] * x + cx) * inverse;
            let sy = (m[1][0] * x + cy) * inverse;
            let seen = (w > 0.0) & (sx.abs() <= FAR_PX) & (sy.abs() <= FAR_PX);
            *px = if seen { sx } else { f64::NAN };
            *py = if seen { sy } else { f64::NAN };
        }
    }

    /// Box of the positions of the pixels from `first` to `last`, both included.
    ///
    /// Where the denominator is positive at all four corners the image of the rectangle is the convex quadrangle of the
    /// corners' images. Otherwise positions run to infinity and the box is everything.
    pub(super) fn bounds(&self, first: [usize; 2], last: [usize; 2]) -> Option<[f64; 4]> {
        let m = &self.m;
        let corners = [first[0], last[0]].map(|x| {
            [first[1], last[1]].map(|y| {
                let (x, y) = (x as f64, y as f64);
                m.map(|row| row[0] * x + row[1] * y + row[2])
            })
        });
        let corners = corners.as_flattened();
        let in_front = corners.iter().filter(|p| p[2] > 0.0).count();
        match in_front {
            0 => None,
            4 => Some(corners.iter().fold(
                [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
                |b, p| {
                    let (x, y) = (p[0] / p[2], p[1] / p[2]);
                    [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
                },
            )),
            _ => Some([-FAR_PX, -FAR_PX, FAR_PX, FAR_PX]),
        }
    }
}
