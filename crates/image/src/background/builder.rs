//! From the rows of a frame to its background.

use super::cell::{CellScratch, CellStatistics, cell_statistics};
use super::mesh::Mesh;
use super::options::{BackgroundError, BackgroundOptions};
use super::surface::Background;
use crate::cfa::CfaPattern;
use crate::simd::SimdLevel;

/// Which pixels of the rows belong to which background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sites {
    /// All to one.
    All,
    /// The rows are raw: three backgrounds, red, green and blue, each from its own pixels.
    Cfa(CfaPattern),
}

impl Sites {
    /// Backgrounds made.
    pub fn colours(self) -> usize {
        match self {
            Self::All => 1,
            Self::Cfa(_) => 3,
        }
    }

    /// Pixels of `colour` among `width` columns and `height` rows that begin at (`x0`, `y0`).
    fn count(self, colour: usize, [x0, y0]: [usize; 2], [width, height]: [usize; 2]) -> usize {
        let Self::Cfa(pattern) = self else { return width * height };
        let mut count = 0;
        for dy in 0..height.min(2) {
            for dx in 0..width.min(2) {
                if pattern.colour_at((x0 + dx) as i64, (y0 + dy) as i64) == colour {
                    count += (width - dx).div_ceil(2) * (height - dy).div_ceil(2);
                }
            }
        }
        count
    }
}

/// Takes the rows of one plane of one frame in order and keeps a band of one row of cells.
///
/// Cell (i, j) holds columns `i mesh_px ..` and rows `j mesh_px ..`, `mesh_px` of each; there are
/// ceil(width / `mesh_px`) x ceil(height / `mesh_px`) cells and the last of a row or column may be smaller.
#[derive(Debug)]
pub struct MeshBuilder {
    width: usize,
    height: usize,
    options: BackgroundOptions,
    sites: Sites,
    level: SimdLevel,
    /// Rows taken.
    rows: usize,
    /// Good pixels of the band, per colour and cell.
    band: Vec<Vec<f32>>,
    /// Cells done, per colour; `None` is bad.
    cells: Vec<Vec<Option<CellStatistics>>>,
    scratch: CellScratch,
}

impl MeshBuilder {
    /// For a frame of `width` x `height` pixels.
    pub fn new(
        width: usize,
        height: usize,
        options: BackgroundOptions,
        sites: Sites,
    ) -> Result<Self, BackgroundError> {
        options.check()?;
        if width == 0 || height == 0 {
            return Err(BackgroundError::Empty { width, height });
        }
        let mesh = options.mesh_px;
        let columns = width.div_ceil(mesh);
        let cells = columns * height.div_ceil(mesh);
        let room = |index: usize| {
            let (colour, x0) = (index / columns, index % columns * mesh);
            // Where the mesh is odd, rows of cells begin on either row of the pattern.
            let counts =
                [0, mesh].map(|y0| sites.count(colour, [x0, y0], [mesh.min(width - x0), mesh.min(height)]));
            Vec::with_capacity(counts[0].max(counts[1]))
        };
        Ok(Self {
            width,
            height,
            options,
            sites,
            level: SimdLevel::detect(),
            rows: 0,
            band: (0..sites.colours() * columns).map(room).collect(),
            cells: vec![Vec::with_capacity(cells); sites.colours()],
            scratch: CellScratch::default(),
        })
    }

    /// The same on one instruction set; the result has equal bits.
    #[must_use]
    pub fn with_simd(mut self, level: SimdLevel) -> Self {
        self.level = level;
        self
    }

    /// Rows still to come.
    pub fn rows_left(&self) -> usize {
        self.height - self.rows
    }

    /// Bytes of pixels kept at most: one row of cells.
    pub fn bytes(&self) -> usize {
        self.width * self.options.mesh_px.min(self.height) * size_of::<f32>()
    }

    /// The next rows, any whole number of them. What is not finite is no data.
    ///
    /// # Panics
    /// When `rows` is no whole number of rows, or more than the frame still has.
    pub fn add_rows(&mut self, rows: &[f32]) {
        assert!(rows.len().is_multiple_of(self.width), "whole rows");
        assert!(rows.len() / self.width <= self.rows_left(), "rows of the frame");
        for row in rows.chunks_exact(self.width) {
            self.add_row(row);
            self.rows += 1;
            if self.rows.is_multiple_of(self.options.mesh_px) || self.rows == self.height {
                self.close_band();
            }
        }
    }

    fn add_row(&mut self, row: &[f32]) {
        let columns = self.band.len() / self.sites.colours();
        let y = self.rows as i64;
        for (column, segment) in row.chunks(self.options.mesh_px).enumerate() {
            // Most segments are whole: a look at all first, then plain copies.
            let whole = segment.iter().fold(true, |whole, value| whole & value.is_finite());
            match self.sites {
                Sites::All => add_all(&mut self.band[column], segment, whole),
                Sites::Cfa(pattern) => {
                    let x = (column * self.options.mesh_px) as i64;
                    for phase in 0..2 {
                        let colour = pattern.colour_at(x + phase, y);
                        let kept = &mut self.band[colour * columns + column];
                        add_every_second(kept, &segment[segment.len().min(phase as usize)..], whole);
                    }
                }
            }
        }
    }

    /// Statistics of the row of cells that is complete.
    fn close_band(&mut self) {
        let mesh = self.options.mesh_px;
        let y0 = (self.rows - 1) / mesh * mesh;
        let columns = self.band.len() / self.sites.colours();
        self.scratch.forget();
        for (index, kept) in self.band.iter_mut().enumerate() {
            let (colour, x0) = (index / columns, index % columns * mesh);
            let size = [mesh.min(self.width - x0), self.rows - y0];
            let is_good = 2 * kept.len() >= self.sites.count(colour, [x0, y0], size);
            let found = if is_good { cell_statistics(self.level, kept, &mut self.scratch) } else { None };
            self.cells[colour].push(found);
            kept.clear();
        }
    }

    /// The backgrounds: one, or red, green and blue.
    pub fn finish(self) -> Result<Vec<Background>, BackgroundError> {
        if self.rows_left() > 0 {
            return Err(BackgroundError::Rows { rows: self.rows, height: self.height });
        }
        let size = [self.width, self.height];
        let mesh_of = |(colour, cells): (usize, &Vec<_>)| {
            let mesh = Mesh::new(size, self.options, cells).ok_or(BackgroundError::NoData { colour })?;
            Ok(Background::new(mesh))
        };
        self.cells.iter().enumerate().map(mesh_of).collect()
    }
}

fn add_all(kept: &mut Vec<f32>, segment: &[f32], whole: bool) {
    if whole {
        kept.extend_from_slice(segment);
    } else {
        kept.extend(segment.iter().filter(|value| value.is_finite()));
    }
}

/// Pixels 0, 2, 4 ... of the segment.
fn add_every_second(kept: &mut Vec<f32>, segment: &[f32], whole: bool) {
    let pairs = segment.chunks_exact(2);
    let last = pairs.remainder();
    if whole {
        kept.extend(pairs.map(|pair| pair[0]));
    } else {
        kept.extend(pairs.map(|pair| pair[0]).filter(|value| value.is_finite()));
    }
    kept.extend(last.iter().filter(|value| value.is_finite()));
}
