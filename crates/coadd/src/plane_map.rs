//! Grid pixel to pixel of a frame's planes: the frame's map, where planes have coarser pixels than the frame stores.
//!
//! Pixel i of a plane binned by b covers the stored pixels b i to b i + b - 1; a stored position x is at
//! (x - (b - 1) / 2) / b in the plane. With b = 1 it is the frame's own map, to the bit.

use zemosaic_sky::{CellMap, PixelMap};

/// The map of a source.
pub struct PlaneMap {
    map: PixelMap,
    binning: usize,
}

/// A cell of it.
pub struct PlaneCell {
    cell: CellMap,
    binning: usize,
}

/// A stored position in the plane.
fn to_plane(stored: f64, binning: usize) -> f64 {
    let b = binning as f64;
    (stored - 0.5 * (b - 1.0)) / b
}

/// A position of the plane among the stored pixels.
pub(crate) fn to_stored(plane: f64, binning: usize) -> f64 {
    let b = binning as f64;
    plane * b + 0.5 * (b - 1.0)
}

impl PlaneMap {
    /// `map` leads to stored pixels, of which `binning` x `binning` make a pixel of the planes.
    pub fn new(map: PixelMap, binning: usize) -> Self {
        Self { map, binning }
    }

    /// From the grid to stored pixels.
    pub fn to_frame(&self) -> &PixelMap {
        &self.map
    }

    /// The exact position of grid position (`x`, `y`) in the planes.
    pub fn exact(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (u, v) = self.map.exact(x, y)?;
        Some((to_plane(u, self.binning), to_plane(v, self.binning)))
    }

    /// As [`PixelMap::cell`].
    pub fn cell(&self, cell_x: usize, cell_y: usize) -> PlaneCell {
        PlaneCell { cell: self.map.cell(cell_x, cell_y), binning: self.binning }
    }
}

impl PlaneCell {
    fn convert(&self, values: &mut [f64]) {
        if self.binning > 1 {
            for value in values {
                *value = to_plane(*value, self.binning);
            }
        }
    }

    /// As [`CellMap::row`].
    pub fn row(&self, y: usize, x0: usize, n: usize, xs: &mut [f64], ys: &mut [f64]) {
        self.cell.row(y, x0, n, xs, ys);
        self.convert(xs);
        self.convert(ys);
    }

    /// As [`CellMap::corner_row`].
    pub fn corner_row(&self, y: usize, x0: usize, n: usize, xs: &mut [f64], ys: &mut [f64]) {
        self.cell.corner_row(y, x0, n, xs, ys);
        self.convert(xs);
        self.convert(ys);
    }

    /// As [`CellMap::bounds`].
    pub fn bounds(&self, x0: usize, y0: usize, x1: usize, y1: usize) -> Option<(f64, f64, f64, f64)> {
        let (a, b, c, d) = self.cell.bounds(x0, y0, x1, y1)?;
        let own = |value| to_plane(value, self.binning);
        Some((own(a), own(b), own(c), own(d)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_stored_pixels_agree() {
        // Stored pixels 4 and 5 make pixel 2 of the plane; its middle is between them.
        assert_eq!(to_plane(4.5, 2), 2.0);
        assert_eq!((to_plane(3.5, 2), to_plane(5.5, 2)), (1.5, 2.5));
        for x in [-3.25, 0.0, 7.5] {
            assert_eq!(to_stored(to_plane(x, 2), 2), x);
            assert_eq!((to_plane(x, 1), to_stored(x, 1)), (x, x));
        }
    }
}
