//! Figures of master tiles that are there: their samples, the correlation of their noise.

use zemosaic_coadd::ProductPlane;
use zemosaic_fits::{FilePool, FitsError, ReadScratch, Window, read_window};
use zemosaic_image::Region;

use crate::products::tile_file::TileFile;

/// Rows of DEPTH are read in pieces of about this many pixels.
const PIECE_PX: usize = 1 << 20;

/// Samples of a tile whose header does not say it: the sum of its DEPTH, which where it is one for all channels counts for
/// each.
pub(crate) fn samples_of(file: &TileFile) -> Result<u64, FitsError> {
    let depth = file.tile.planes.iter().find(|own| own.plane == ProductPlane::Depth);
    let Some(depth) = depth.map(|own| &own.layout) else { return Ok(0) };
    let pool = FilePool::new(1);
    let (mut scratch, mut values, mut sum) = (ReadScratch::default(), Vec::new(), 0.0);
    let Region { width, height, .. } = file.tile.region;
    let rows = (PIECE_PX / width.max(1)).max(1);
    for plane in 0..depth.planes() {
        for y0 in (0..height).step_by(rows) {
            let window = Window { x0: 0, y0, width, height: rows.min(height - y0) };
            values.resize(width * window.height, 0.0);
            read_window(&pool, &file.tile.path, depth, plane, window, &mut scratch, &mut values)?;
            sum += values.iter().map(|depth| f64::from(depth.max(0.0))).sum::<f64>();
        }
    }
    let each = if depth.planes() == 1 { file.channels } else { 1 };
    Ok(sum as u64 * each as u64)
}

/// Noise correlation of the tiles: the mean, each by its frames.
pub(crate) fn noise_correlation(tiles: &[(String, TileFile)]) -> Vec<(usize, f64)> {
    let mean = |aperture_px: usize| {
        let key = format!("NCORR{aperture_px}");
        let (mut sum, mut count) = (0.0, 0.0);
        for (_, tile) in tiles {
            let frames = tile.header.get_f64("NCOMBINE").unwrap_or(1.0);
            sum += frames * tile.header.get_f64(&key)?;
            count += frames;
        }
        (count > 0.0).then_some((aperture_px, sum / count))
    };
    crate::products::facts::APERTURES_PX.into_iter().filter_map(mean).collect()
}
