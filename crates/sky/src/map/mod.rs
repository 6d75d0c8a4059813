//! Output grid pixel to source pixel, with a stated error.
//!
//! Every decision belongs to a fixed cell of 256 x 256 grid pixels, at multiples of 256 of the absolute pixel index, so
//! a position depends on (source, cell, pixel) only and never on the patch that asks for it.

mod exact_bounds;
mod homography;
mod nodes;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::homography::Homography;
use self::nodes::Nodes;
use crate::error::WcsError;
use crate::grid::Grid;
use crate::wcs::{Link, Wcs};

/// Side of a cell in grid pixels.
pub const CELL_PX: usize = 256;
/// Positions and bounds are clamped to +- this, so that callers can go to integers.
const FAR_PX: f64 = 1e9;
/// Bounds of positions that are computed one by one are padded by this against rounding.
const ROUNDING_PX: f64 = 1e-6;

/// Options of [`PixelMap`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MapOptions {
    /// Largest error of an interpolated source position in source pixels; 0 computes every pixel exactly.
    pub max_error_px: f64,
}

impl Default for MapOptions {
    fn default() -> Self {
        Self { max_error_px: 1e-4 }
    }
}

/// How positions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// TAN to TAN: an exact 3x3 homography per pixel.
    Homography,
    /// Exact positions on nodes, cubic in between, error bounded.
    NodeGrid,
    /// Exact positions at every pixel.
    Exact,
}

#[derive(Debug)]
struct Core {
    grid: Wcs,
    source: Wcs,
    /// From the native sphere of the grid to that of the source.
    link: Link,
    /// Source size in pixels.
    size_px: [f64; 2],
    max_error_px: f64,
    homography: Option<Homography>,
}

impl Core {
    #[inline]
    fn exact(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let n = self.grid.pixel_to_native(x, y)?;
        let (sx, sy) = self.grid.carry(&self.link, &self.source, &n)?;
        (sx.abs() <= FAR_PX && sy.abs() <= FAR_PX).then_some((sx, sy))
    }
}

/// Map from grid pixels to the pixels of one source. Immutable; clones share their data.
#[derive(Debug, Clone)]
pub struct PixelMap {
    core: Arc<Core>,
}

impl PixelMap {
    /// The map from `grid` to a source of `source_width` x `source_height` pixels.
    ///
    /// # Errors
    /// [`WcsError::Frame`] when no rotation between the two reference frames is known; [`WcsError::Value`] for a
    /// negative or non-finite `max_error_px`.
    pub fn new(
        grid: &Grid,
        source: &Wcs,
        source_width: usize,
        source_height: usize,
        opts: MapOptions,
    ) -> Result<Self, WcsError> {
        if !(opts.max_error_px.is_finite() && opts.max_error_px >= 0.0) {
            return Err(WcsError::Value {
                keyword: "max-error-px".into(),
                value: format!("{}", opts.max_error_px),
            });
        }
        let link = grid.wcs.link_to(source)?;
        let homography = match &link {
            Link::Rotation(rotation) if grid.wcs.is_plain_tan() && source.is_plain_tan() => {
                Some(Homography::new(&grid.wcs, source, rotation))
            }
            _ => None,
        };
        Ok(Self {
            core: Arc::new(Core {
                grid: grid.wcs.clone(),
                source: source.clone(),
                link,
                size_px: [source_width as f64, source_height as f64],
                max_error_px: opts.max_error_px,
                homography,
            }),
        })
    }

    /// How positions are made.
    pub fn kind(&self) -> MapKind {
        if self.core.homography.is_some() {
            MapKind::Homography
        } else if self.core.max_error_px > 0.0 {
            MapKind::NodeGrid
        } else {
            MapKind::Exact
        }
    }

    /// The exact source position of a grid position (0-based pixels, any fraction); `None` where undefined.
    pub fn exact(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        self.core.exact(x, y)
    }

    /// The map of one cell: grid pixels `256 cell_x .. 256 (cell_x + 1)`, and the same in y. For node grids this is
    /// where the work is done (about 300 exact positions), so keep the cell for all rows.
    pub fn cell(&self, cell_x: usize, cell_y: usize) -> CellMap {
        let origin = [cell_x * CELL_PX, cell_y * CELL_PX];
        let nodes = match self.kind() {
            MapKind::Homography | MapKind::Exact => None,
            MapKind::NodeGrid => Nodes::build(&self.core, origin, self.core.max_error_px),
        };
        CellMap { core: Arc::clone(&self.core), origin, nodes }
    }
}

/// The map of one cell of 256 x 256 grid pixels.
#[derive(Debug, Clone)]
pub struct CellMap {
    core: Arc<Core>,
    origin: [usize; 2],
    nodes: Option<Nodes>,
}

impl CellMap {
    /// Source positions of the `n` grid pixels `(x0 .. x0 + n, y)`, absolute grid indices inside the cell, into the
    /// first `n` elements of `xs` and `ys`; NaN where undefined, and for node grids also where a node cell lies so far
    /// from the frame that no kernel could reach it.
    pub fn row(&self, y: usize, x0: usize, n: usize, xs: &mut [f64], ys: &mut [f64]) {
        let n = n.min(xs.len()).min(ys.len());
        let (xs, ys) = (&mut xs[..n], &mut ys[..n]);
        if let Some(homography) = &self.core.homography {
            homography.row_at(y as f64, x0 as f64, xs, ys);
        } else if let Some(nodes) = &self.nodes {
            nodes.row([x0, y], self.origin, xs, ys);
        } else {
            for (i, (px, py)) in xs.iter_mut().zip(ys.iter_mut()).enumerate() {
                (*px, *py) = self.core.exact((x0 + i) as f64, y as f64).unwrap_or((f64::NAN, f64::NAN));
            }
        }
    }

    /// Source positions of the lower left corners `(x0 + i - 0.5, y - 0.5)`, i in `0 ..= n`, of grid pixels (absolute grid
    /// indices) into the first `n + 1` elements of `xs` and `ys`; NaN as in [`CellMap::row`]. `x0 + n` and `y` may be one
    /// past the cell's last column and row, so that the corners of its last pixels exist. A corner on the border of two
    /// cells is made by each of them from its own nodes; the two agree within the stated errors.
    pub fn corner_row(&self, y: usize, x0: usize, n: usize, xs: &mut [f64], ys: &mut [f64]) {
        let count = (n + 1).min(xs.len()).min(ys.len());
        let (xs, ys) = (&mut xs[..count], &mut ys[..count]);
        if let Some(homography) = &self.core.homography {
            homography.row_at(y as f64 - 0.5, x0 as f64 - 0.5, xs, ys);
        } else if let Some(nodes) = &self.nodes {
            nodes.corner_row([x0, y], self.origin, xs, ys);
        } else {
            for (i, (px, py)) in xs.iter_mut().zip(ys.iter_mut()).enumerate() {
                let at = self.core.exact((x0 + i) as f64 - 0.5, y as f64 - 0.5);
                (*px, *py) = at.unwrap_or((f64::NAN, f64::NAN));
            }
        }
    }

    /// Conservative bounding box `(x min, y min, x max, y max)` of the source positions of the grid pixels
    /// `x0 .. x1`, `y0 .. y1` (absolute, half-open, inside the cell), clamped to +-1e9 px; `None` where no position is
    /// defined.
    pub fn bounds(&self, x0: usize, y0: usize, x1: usize, y1: usize) -> Option<(f64, f64, f64, f64)> {
        if x0 >= x1 || y0 >= y1 {
            return None;
        }
        let found = if let Some(homography) = &self.core.homography {
            homography.bounds([x0, y0], [x1 - 1, y1 - 1])
        } else if let Some(nodes) = &self.nodes {
            nodes.bounds([x0, y0], [x1 - 1, y1 - 1], self.origin)
        } else {
            exact_bounds::exact_bounds(&self.core, [x0, y0], [x1 - 1, y1 - 1])
        };
        found.map(|[xmin, ymin, xmax, ymax]| {
            let low = |v: f64| (v - ROUNDING_PX).clamp(-FAR_PX, FAR_PX);
            let high = |v: f64| (v + ROUNDING_PX).clamp(-FAR_PX, FAR_PX);
            (low(xmin), low(ymin), high(xmax), high(ymax))
        })
    }

    /// Bound on the error of the positions of this cell, in source pixels.
    pub fn stated_error_px(&self) -> f64 {
        match (&self.core.homography, &self.nodes) {
            (None, Some(nodes)) => nodes.error_px(),
            _ => 0.0,
        }
    }

    /// Distance of the nodes in grid pixels; 1 where every pixel is computed exactly.
    pub fn pitch_px(&self) -> usize {
        self.nodes.as_ref().map_or(1, Nodes::pitch_px)
    }
}
