//! The mesh between the cells and the surface: bad cells filled, outliers filtered.

use super::cell::CellStatistics;
use super::options::BackgroundOptions;

/// A whole mesh of one colour, row-major.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    /// Columns and rows of cells.
    pub size: [usize; 2],
    /// Centres of the cells along x and y, in pixels.
    pub centres: [Vec<f64>; 2],
    /// Background, ADU.
    pub values: Vec<f64>,
    /// Noise of a pixel, ADU.
    pub sigmas: Vec<f64>,
    /// Cells without data of their own.
    pub bad_cells: usize,
    /// Which cells have data of their own.
    pub good: Vec<bool>,
}

impl Mesh {
    /// Of a frame of `frame` pixels; `None` when no cell is good.
    pub fn new(
        frame: [usize; 2],
        options: BackgroundOptions,
        cells: &[Option<CellStatistics>],
    ) -> Option<Self> {
        let size = frame.map(|pixels| pixels.div_ceil(options.mesh_px));
        let bad_cells = cells.iter().filter(|cell| cell.is_none()).count();
        if bad_cells == cells.len() {
            return None;
        }
        let good = cells.iter().map(Option::is_some).collect();
        let cells = filled(size, cells);
        let (values, sigmas) = filtered(size, options, &cells);
        let centres = frame.map(|pixels| centres(pixels, options.mesh_px));
        Some(Self { size, centres, values, sigmas, bad_cells, good })
    }
}

/// Centres of the cells along one axis; the last cell may be smaller.
fn centres(pixels: usize, mesh_px: usize) -> Vec<f64> {
    let centre = |start: usize| (2 * start + mesh_px.min(pixels - start) - 1) as f64 / 2.0;
    (0..pixels).step_by(mesh_px).map(centre).collect()
}

/// Value and sigma of every cell; a bad one takes the mean of the good ones nearest to it, counted in cells.
fn filled(size: [usize; 2], cells: &[Option<CellStatistics>]) -> Vec<[f64; 2]> {
    let good: Vec<Option<[f64; 2]>> =
        cells.iter().map(|cell| cell.map(|found| [found.mode(), found.sigma])).collect();
    let fill = |index: usize| good[index].unwrap_or_else(|| nearest(size, &good, index));
    (0..good.len()).map(fill).collect()
}

/// Mean over the good cells at the smallest distance, row by row; NaN when there are none.
fn nearest(size: [usize; 2], good: &[Option<[f64; 2]>], index: usize) -> [f64; 2] {
    let [columns, rows] = size;
    let (x, y) = (index % columns, index / columns);
    let (mut best, mut sum, mut count) = (usize::MAX, [0.0; 2], 0.0);
    let mut ring = 1;
    // Rings of cells outwards; one at ring r is at least r away.
    while ring < columns.max(rows) && ring * ring <= best {
        for j in y.saturating_sub(ring)..(y + ring + 1).min(rows) {
            let whole_row = j.abs_diff(y) == ring;
            for i in x.saturating_sub(ring)..(x + ring + 1).min(columns) {
                if !whole_row && i.abs_diff(x) != ring {
                    continue;
                }
                let Some(cell) = good[j * columns + i] else { continue };
                let distance = i.abs_diff(x).pow(2) + j.abs_diff(y).pow(2);
                if distance < best {
                    (best, sum, count) = (distance, [0.0; 2], 0.0);
                }
                if distance == best {
                    sum = [sum[0] + cell[0], sum[1] + cell[1]];
                    count += 1.0;
                }
            }
        }
        ring += 1;
    }
    sum.map(|sum| sum / count)
}

/// Median filter of values and sigmas. Towards the edge of the mesh the window shrinks and stays centred, so
/// that a slope is left as it is.
fn filtered(size: [usize; 2], options: BackgroundOptions, cells: &[[f64; 2]]) -> (Vec<f64>, Vec<f64>) {
    let [columns, rows] = size;
    let half = options.filter_meshes / 2;
    let (mut values, mut sigmas) = (Vec::with_capacity(cells.len()), Vec::with_capacity(cells.len()));
    let mut window: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for y in 0..rows {
        let high = half.min(y).min(rows - 1 - y);
        for x in 0..columns {
            let wide = half.min(x).min(columns - 1 - x);
            window.iter_mut().for_each(Vec::clear);
            for j in y - high..=y + high {
                for cell in &cells[j * columns + x - wide..=j * columns + x + wide] {
                    window[0].push(cell[0]);
                    window[1].push(cell[1]);
                }
            }
            let own = cells[y * columns + x];
            let [value, sigma] = window.each_mut().map(|window| median(window));
            let replace = (value - own[0]).abs() >= options.filter_threshold_adu;
            let [value, sigma] = if replace { [value, sigma] } else { own };
            values.push(value);
            sigmas.push(sigma);
        }
    }
    (values, sigmas)
}

/// Median; of an even number the mean of the middle two. Reorders; NaN without values.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = values.len() / 2;
    match values {
        [] => f64::NAN,
        _ if values.len().is_multiple_of(2) => 0.5 * (values[at - 1] + values[at]),
        _ => values[at],
    }
}
