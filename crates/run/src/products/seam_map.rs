//! The seam map: outlines of the sources and the joins of the mosaic, coloured by their step, as an SVG for a page.

use std::collections::BTreeMap;
use std::fmt::Write;

use zemosaic_gauge::{JoinElement, SeamCertificate, Side};

/// Longer side of a map, units of its own.
const SIZE: f64 = 560.0;
/// Pieces of joins that are drawn at most; of more, neighbours become one, with the largest step of theirs.
const MOST_PIECES: usize = 20_000;
/// Outlines that are drawn at most.
const MOST_OUTLINES: usize = 1000;
/// Steps over the noise at which the colour changes.
pub const STEPS: [f64; 4] = [0.1, 0.3, 1.0, 3.0];

/// Which steps a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the match.
    Before,
    /// After it.
    After,
}

/// What a map is drawn of.
#[derive(Debug, Clone, Copy)]
pub struct MapJob<'a> {
    /// Columns and rows of the grid.
    pub size_px: (usize, usize),
    /// Outlines of the sources, pixels of the grid from 0.
    pub outlines: &'a [Vec<(f64, f64)>],
    /// The joins, where they were looked at.
    pub seams: Option<&'a SeamCertificate>,
}

/// A piece to draw: middle, length and whether it stands, with the step over the noise before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    x_px: f64,
    y_px: f64,
    length_px: f64,
    direction: Direction,
    sigmas: [f64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Standing,
    Lying,
}

/// The map as an `svg` element with the classes `out` (outlines), `sx` (not measured) and `s0` to `s4` (by [`STEPS`]).
pub fn seam_map(job: &MapJob<'_>, when: When) -> String {
    let (width, height) = (job.size_px.0.max(1) as f64, job.size_px.1.max(1) as f64);
    let scale = SIZE / width.max(height);
    // Rows count from the bottom.
    let place = |x: f64, y: f64| ((x + 0.5) * scale, (height - 0.5 - y) * scale);
    let mut svg = format!(
        "<svg viewBox=\"-4 -4 {:.1} {:.1}\" role=\"img\">\n<rect class=\"grid\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
        width * scale + 8.0,
        height * scale + 8.0,
        width * scale,
        height * scale
    );
    svg.push_str("<path class=\"out\" d=\"");
    let every = job.outlines.len().div_ceil(MOST_OUTLINES).max(1);
    for outline in job.outlines.iter().step_by(every).filter(|outline| outline.len() > 2) {
        for (index, (x, y)) in outline.iter().enumerate() {
            let (x, y) = place(*x, *y);
            let _ = write!(svg, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        svg.push('Z');
    }
    svg.push_str("\"/>\n");
    let pieces = job.seams.map_or(Vec::new(), |seams| pieces_of(&seams.joins, seams.block_px as f64));
    // Large steps last, so that they lie on top.
    let mut paths: [String; STEPS.len() + 2] = Default::default();
    for piece in &pieces {
        let (x, y) = place(piece.x_px, piece.y_px);
        let length = piece.length_px * scale;
        let path = &mut paths[class_of(piece.sigmas[usize::from(when == When::After)])];
        let _ = match piece.direction {
            Direction::Standing => write!(path, "M{x:.1} {:.1}v{length:.1}", y - 0.5 * length),
            Direction::Lying => write!(path, "M{:.1} {y:.1}h{length:.1}", x - 0.5 * length),
        };
    }
    for (index, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let class = if index == 0 { "sx".to_owned() } else { format!("s{}", index - 1) };
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    svg + "</svg>\n"
}

/// 0 for what was not measured, then by [`STEPS`].
fn class_of(sigmas: f64) -> usize {
    if sigmas.is_nan() { 0 } else { 1 + STEPS.iter().filter(|step| sigmas >= **step).count() }
}

/// The joins, of too many neighbours together.
fn pieces_of(joins: &[JoinElement], block_px: f64) -> Vec<Piece> {
    let mut cell_px = block_px;
    let mut pieces = merged(joins, block_px, cell_px);
    while pieces.len() > MOST_PIECES {
        cell_px *= 2.0;
        pieces = merged(joins, block_px, cell_px);
    }
    pieces
}

/// The joins in cells of a square grid, of each direction one piece with the largest steps; a cell of one block's size
/// holds one side.
fn merged(joins: &[JoinElement], block_px: f64, cell_px: f64) -> Vec<Piece> {
    let mut cells: BTreeMap<(i64, i64, Direction), Piece> = BTreeMap::new();
    for join in joins {
        let direction = match join.side {
            Side::Left | Side::Right => Direction::Standing,
            Side::Below | Side::Above => Direction::Lying,
        };
        let cell = |at: f64| ((at + 0.5 * block_px) / cell_px).floor() as i64;
        let sigmas = join.sigmas();
        let fresh =
            Piece { x_px: join.x_px, y_px: join.y_px, length_px: cell_px, direction, sigmas: [f64::NAN; 2] };
        let piece = cells.entry((cell(join.x_px), cell(join.y_px), direction)).or_insert(fresh);
        for (largest, own) in piece.sigmas.iter_mut().zip(sigmas) {
            *largest = largest.max(own);
        }
    }
    cells.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(x_px: f64, y_px: f64, side: Side, step: f64) -> JoinElement {
        let (before, after) = ([3.0 * step, f64::NAN, f64::NAN], [step, f64::NAN, f64::NAN]);
        JoinElement {
            source: 0,
            sources: 1,
            x_px,
            y_px,
            side,
            step_before: before,
            step_after: after,
            error: [0.1; 3],
            noise: [1.0; 3],
        }
    }

    fn certificate(joins: Vec<JoinElement>) -> SeamCertificate {
        let job = zemosaic_gauge::CertificateJob {
            previews: &[],
            blocks: zemosaic_gauge::BlockGrid { block_px: 16 },
            before: &[],
            after: &[],
            pairs: &[],
            noise: &[],
        };
        let nothing = zemosaic_gauge::seam_certificate(&job, &());
        SeamCertificate { joins, ..nothing }
    }

    #[test]
    fn joins_have_the_colour_of_their_step_and_their_place() {
        let joins = vec![
            join(15.5, 23.5, Side::Right, 0.2),
            join(23.5, 15.5, Side::Below, 5.0),
            join(39.5, 15.5, Side::Below, f64::NAN),
        ];
        let seams = certificate(joins);
        let outline = vec![vec![(-0.5, -0.5), (55.5, -0.5), (55.5, 27.5)]];
        let job = MapJob { size_px: (56, 28), outlines: &outline, seams: Some(&seams) };
        let after = seam_map(&job, When::After);
        // Ten units a pixel; the first row is below.
        assert!(after.contains("viewBox=\"-4 -4 568.0 288.0\""), "{after}");
        assert!(after.contains("class=\"out\" d=\"M0.0 280.0L560.0 280.0L560.0 0.0Z\""), "{after}");
        assert!(after.contains("class=\"s1\" d=\"M160.0 -40.0v160.0\""), "{after}");
        assert!(after.contains("class=\"s4\" d=\"M160.0 120.0h160.0\""), "{after}");
        assert!(after.contains("class=\"sx\" d=\"M320.0 120.0h160.0\""), "{after}");
        assert!(seam_map(&job, When::Before).contains("class=\"s2\" d=\"M160.0 -40.0v160.0\""));
    }

    #[test]
    fn of_very_many_joins_neighbours_are_drawn_as_one() {
        let at = |index: usize| (16.0 * (index % 300) as f64 - 0.5, 16.0 * (index / 300) as f64 + 7.5);
        let mut joins: Vec<JoinElement> =
            (0..60_000).map(|index| join(at(index).0, at(index).1, Side::Left, 0.01)).collect();
        joins[31_234] = join(at(31_234).0, at(31_234).1, Side::Left, 9.0);
        let pieces = pieces_of(&joins, 16.0);
        assert!((5000..=MOST_PIECES).contains(&pieces.len()), "{}", pieces.len());
        let large: Vec<&Piece> = pieces.iter().filter(|piece| piece.sigmas[1] > 1.0).collect();
        assert_eq!(large.len(), 1);
        assert_eq!(pieces_of(&joins[..100], 16.0).len(), 100);
    }
}
