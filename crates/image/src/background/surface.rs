//! The surface through the mesh: a natural bicubic spline, evaluated in f64 in one order, so that a pixel gets
//! the same bits in every window and on every instruction set.

use super::mesh::{Mesh, median};
use super::spline::{Piece, Place, second_derivatives};
use crate::region::Region;
use crate::simd::SimdLevel;

/// Value, second derivative along x, along y, and along both, at a cell's centre.
pub(super) type Node = [f64; 4];

/// The sky background of one colour of a frame.
#[derive(Debug, Clone)]
pub struct Background {
    mesh: Mesh,
    nodes: Vec<Node>,
    level: f64,
    sigma: f64,
    roughness: f64,
}

impl Background {
    pub(super) fn new(mesh: Mesh) -> Self {
        let (nodes, roughness) = (nodes(&mesh), roughness(&mesh));
        Self::with_nodes(mesh, nodes, roughness)
    }

    /// The surface of these nodes, one for each cell of `mesh`.
    pub(super) fn with_nodes(mesh: Mesh, nodes: Vec<Node>, roughness: f64) -> Self {
        let (level, sigma) = (median(&mut mesh.values.clone()), median(&mut mesh.sigmas.clone()));
        Self { mesh, nodes, level, sigma, roughness }
    }

    /// The mesh.
    pub(super) fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Columns and rows of the mesh.
    pub fn mesh_size(&self) -> [usize; 2] {
        self.mesh.size
    }

    /// Centres of the cells in pixels of the frame, along x and along y.
    pub fn mesh_centres_px(&self) -> [&[f64]; 2] {
        [&self.mesh.centres[0], &self.mesh.centres[1]]
    }

    /// The mesh after the filter, row-major, ADU.
    pub fn mesh_values(&self) -> &[f64] {
        &self.mesh.values
    }

    /// Noise of a pixel in each cell after the filter, row-major, ADU.
    pub fn mesh_sigmas(&self) -> &[f64] {
        &self.mesh.sigmas
    }

    /// Cells that had too little data and took the value of the nearest good ones.
    pub fn bad_cells(&self) -> usize {
        self.mesh.bad_cells
    }

    /// Median of the mesh, ADU.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Median of the mesh's sigmas, ADU.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// How much the mesh changes from cell to cell: root mean square difference of neighbours over the root of 2, ADU. Large
    /// where the mesh follows nebulae, whose shape it cannot: an estimate of its error. Of a low-order surface the root mean
    /// square of what it leaves of the cells, nebulae included.
    pub fn roughness(&self) -> f64 {
        self.roughness
    }

    /// Bytes held: 48 a cell and a little.
    pub fn bytes(&self) -> usize {
        let floats = self.mesh.values.len() + self.mesh.sigmas.len() + self.nodes.len() * 4;
        let centres = self.mesh.centres[0].len() + self.mesh.centres[1].len();
        size_of::<Self>() + (floats + centres) * size_of::<f64>() + self.mesh.good.len()
    }

    /// Background of the frame's pixel (`x`, `y`), ADU; in the frame or not. `subtract` takes away just this.
    pub fn value_at(&self, x: i64, y: i64) -> f64 {
        let row = SplineRow::new(self, y);
        row.piece(row.piece_of(x)).at(x as f64)
    }

    /// Subtract the background from `plane`, the row-major pixels of `region` of the frame. NaN stays NaN.
    ///
    /// # Panics
    /// When `plane` is shorter than its region.
    pub fn subtract(&self, region: Region, plane: &mut [f32]) {
        self.subtract_at(SimdLevel::detect(), region, plane);
    }

    /// [`Background::subtract`] on one instruction set.
    ///
    /// # Panics
    /// As `subtract`.
    pub fn subtract_at(&self, level: SimdLevel, region: Region, plane: &mut [f32]) {
        if region.is_empty() {
            return;
        }
        assert!(plane.len() >= region.area(), "plane as large as its region");
        match level {
            SimdLevel::Portable => self.subtract_body(region, plane),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => {
                // SAFETY: `SimdLevel::Avx2` is only made by `detect` and `available` on processors that have it.
                unsafe { self.subtract_avx2(region, plane) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 => self.subtract_body(region, plane),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn subtract_avx2(&self, region: Region, plane: &mut [f32]) {
        self.subtract_body(region, plane);
    }

    #[inline(always)]
    fn subtract_body(&self, region: Region, plane: &mut [f32]) {
        for (y, pixels) in (region.y0..region.y1()).zip(plane.chunks_exact_mut(region.width)) {
            let row = SplineRow::new(self, y);
            let mut x = region.x0;
            let mut index = row.piece_of(x);
            while x < region.x1() {
                let end = row.end_of(index).min(region.x1());
                let span = (x - region.x0) as usize..(end - region.x0) as usize;
                subtract_piece(&row.piece(index), x, &mut pixels[span]);
                x = end;
                index += 1;
            }
        }
    }
}

/// Subtract one piece from the pixels that begin at `x0`.
#[inline(always)]
fn subtract_piece(piece: &Piece, x0: i64, pixels: &mut [f32]) {
    // A copy whose parts are plain numbers, so that the loop keeps them in registers.
    let Piece { base, terms } = *piece;
    let piece = Piece { base: base - x0 as f64, terms };
    for (index, pixel) in pixels.iter_mut().enumerate() {
        *pixel = (f64::from(*pixel) - piece.at(f64::from(index as i32))) as f32;
    }
}

/// The spline along x in one row of the frame. Piece 0 is before the first cell's centre, piece k between
/// centres k - 1 and k, the last beyond the last centre.
struct SplineRow<'a> {
    background: &'a Background,
    place: Option<Place>,
}

impl<'a> SplineRow<'a> {
    #[inline(always)]
    fn new(background: &'a Background, y: i64) -> Self {
        let knots = &background.mesh.centres[1];
        Self { background, place: (knots.len() > 1).then(|| Place::new(knots, y as f64)) }
    }

    /// Centre, value and second derivative along x of column `column` in this row.
    #[inline(always)]
    fn node(&self, column: usize) -> [f64; 3] {
        let [columns, _] = self.background.mesh.size;
        let (nodes, x) = (&self.background.nodes, self.background.mesh.centres[0][column]);
        let Some(Place { knot, factors: [left, right, bend_left, bend_right] }) = self.place else {
            return [x, nodes[column][0], nodes[column][1]];
        };
        let (near, far) = (nodes[knot * columns + column], nodes[(knot + 1) * columns + column]);
        let along_y = |at: usize| {
            left * near[at] + right * far[at] + bend_left * near[at + 2] + bend_right * far[at + 2]
        };
        [x, along_y(0), along_y(1)]
    }

    #[inline(always)]
    fn piece_of(&self, x: i64) -> usize {
        self.background.mesh.centres[0].partition_point(|centre| *centre <= x as f64)
    }

    /// One past the last pixel of a piece.
    #[inline(always)]
    fn end_of(&self, index: usize) -> i64 {
        self.background.mesh.centres[0].get(index).map_or(i64::MAX, |centre| centre.ceil() as i64)
    }

    #[inline(always)]
    fn piece(&self, index: usize) -> Piece {
        let [columns, _] = self.background.mesh.size;
        if columns == 1 {
            let [base, value, _] = self.node(0);
            return Piece { base, terms: [value, 0.0, 0.0, 0.0] };
        }
        match index {
            0 => Piece::before(self.node(0), self.node(1)),
            _ if index == columns => Piece::beyond(self.node(columns - 2), self.node(columns - 1)),
            _ => Piece::between(self.node(index - 1), self.node(index)),
        }
    }
}

/// Root mean square difference of neighbouring cells over the root of 2.
fn roughness(mesh: &Mesh) -> f64 {
    let [columns, rows] = mesh.size;
    let at = |x: usize, y: usize| mesh.values[y * columns + x];
    let along = (0..rows).flat_map(|y| (1..columns).map(move |x| (x, y, x - 1, y)));
    let across = (1..rows).flat_map(|y| (0..columns).map(move |x| (x, y, x, y - 1)));
    let (mut sum, mut count) = (0.0, 0);
    for (x, y, to_x, to_y) in along.chain(across) {
        sum += (at(x, y) - at(to_x, to_y)).powi(2);
        count += 1;
    }
    if count > 0 { (0.5 * sum / f64::from(count)).sqrt() } else { 0.0 }
}

/// Second derivatives of the whole mesh: along y of the values, along x of both.
fn nodes(mesh: &Mesh) -> Vec<Node> {
    let [columns, rows] = mesh.size;
    let [centres_x, centres_y] = &mesh.centres;
    let mut nodes: Vec<Node> = mesh.values.iter().map(|value| [*value, 0.0, 0.0, 0.0]).collect();
    for column in 0..columns {
        let along_y = second_derivatives(centres_y, &mesh.values[column..], columns);
        for (row, second) in along_y.into_iter().enumerate() {
            nodes[row * columns + column][2] = second;
        }
    }
    for row in nodes.chunks_exact_mut(columns).take(rows) {
        for [from, to] in [[0, 1], [2, 3]] {
            let values: Vec<f64> = row.iter().map(|node| node[from]).collect();
            for (node, second) in row.iter_mut().zip(second_derivatives(centres_x, &values, 1)) {
                node[to] = second;
            }
        }
    }
    nodes
}
