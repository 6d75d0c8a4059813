//! `zemosaic check`: is a product what it says it is? Checksums of every HDU, the WCS there and back,
//! planes that belong together, depth against the footprints in INPUTS.

use std::path::{Path, PathBuf};

use serde::Serialize;
use zemosaic_coadd::dq;
use zemosaic_fits::{
    CheckState, Column, ColumnData, FilePool, FitsError, HduKind, Header, ReadScratch, Window,
    read_compressed_window, read_table, read_window, scan, verify_checksums,
};
use zemosaic_sky::{Grid, unit_vector};

use crate::output::master_tiles_of;
use crate::products::{COMPRESSED_NAME, PRODUCT_NAMES};

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// Whether it holds.
    pub passed: bool,
    /// In figures.
    pub detail: String,
}

/// Largest round-trip error of the WCS, pixels.
const WCS_TOLERANCE_PX: f64 = 1e-6;
/// Pixels this close to a footprint's edge are not compared: the polygon is an approximation there.
const EDGE_PX: f64 = 2.0;
/// Depth is compared at about this many pixels per axis.
const SAMPLES_PER_AXIS: usize = 400;
/// Share of compared pixels whose depth may be below the footprints' count without a DQ bit that says why
/// (a frame that could not be read for a patch).
const MISSING_SHARE: f64 = 0.01;

/// The products that `input` means: itself; of a folder the mosaic in it, or where there is none the master tiles that lie
/// in it.
pub fn products_of(input: &Path) -> Vec<PathBuf> {
    if !input.is_dir() {
        return vec![input.to_path_buf()];
    }
    let [plain, compressed] = [PRODUCT_NAMES[0], COMPRESSED_NAME].map(|name| input.join(name));
    if plain.exists() {
        return vec![plain];
    }
    if compressed.exists() {
        return vec![compressed];
    }
    let tiles = master_tiles_of(input);
    if tiles.is_empty() { vec![plain] } else { tiles }
}

/// Verify the product at `path`.
///
/// # Errors
/// When it cannot be read at all.
pub fn check_product(path: &Path) -> Result<Vec<Finding>, FitsError> {
    let mut findings = Vec::new();
    for hdu in verify_checksums(path)? {
        let name = if hdu.extname.is_empty() { format!("HDU {}", hdu.index) } else { hdu.extname.clone() };
        findings.push(Finding {
            check: format!("checksums of {name}"),
            passed: hdu.datasum == CheckState::Good && hdu.checksum == CheckState::Good,
            detail: format!("DATASUM {:?}, CHECKSUM {:?}", hdu.datasum, hdu.checksum),
        });
    }
    let product = Product::open(path)?;
    findings.push(product.check_truncation());
    match Grid::from_header(&product.science_header()) {
        Ok(grid) => {
            findings.push(check_round_trip(&grid));
            findings.extend(product.check_planes(&grid)?);
            findings.extend(product.check_depth(&grid)?);
        }
        Err(error) => {
            findings.push(Finding { check: "WCS".into(), passed: false, detail: error.to_string() });
        }
    }
    Ok(findings)
}

struct Product<'a> {
    path: &'a Path,
    file: zemosaic_fits::FitsFile,
    pool: FilePool,
}

impl<'a> Product<'a> {
    fn open(path: &'a Path) -> Result<Self, FitsError> {
        Ok(Self { path, file: scan(path)?, pool: FilePool::new(1) })
    }

    fn check_truncation(&self) -> Finding {
        let detail = match &self.file.truncated {
            None => format!("{} bytes, {} HDUs", self.file.len, self.file.hdus.len()),
            Some(cut) => format!("HDU {} has {} of {} bytes", cut.hdu, cut.found, cut.expected),
        };
        Finding { check: "length of the file".into(), passed: self.file.truncated.is_none(), detail }
    }

    /// The header of SCI as it was before compression.
    fn science_header(&self) -> Header {
        let hdu = &self.file.hdus[self.hdu_named("SCI").unwrap_or(0)];
        hdu.restored_header().unwrap_or_else(|| hdu.header.clone())
    }

    /// Columns and rows of an image HDU, compressed or not.
    fn shape(&self, hdu: usize) -> Option<(usize, usize)> {
        let layout = match &self.file.hdus[hdu].kind {
            HduKind::Image(layout) => layout,
            HduKind::CompressedImage(compressed) => &compressed.image,
            _ => return None,
        };
        Some((layout.width(), layout.height()))
    }

    fn hdu_named(&self, name: &str) -> Option<usize> {
        self.file
            .hdus
            .iter()
            .position(|hdu| hdu.header.get_str("EXTNAME").is_some_and(|own| own.trim() == name))
    }

    /// Images of an HDU: one, or one per channel.
    fn images(&self, hdu: usize) -> usize {
        match &self.file.hdus[hdu].kind {
            HduKind::Image(layout) => layout.planes(),
            HduKind::CompressedImage(compressed) => compressed.image.planes(),
            _ => 0,
        }
    }

    /// A row of an image of an HDU.
    fn row(
        &self,
        (hdu, image): (usize, usize),
        y: usize,
        scratch: &mut ReadScratch,
        out: &mut [f32],
    ) -> Result<(), FitsError> {
        let window = Window { x0: 0, y0: y, width: out.len(), height: 1 };
        match &self.file.hdus[hdu].kind {
            HduKind::Image(layout) => read_window(&self.pool, self.path, layout, image, window, scratch, out),
            HduKind::CompressedImage(layout) => {
                read_compressed_window(&self.pool, self.path, layout, image, window, out)
            }
            _ => Ok(()),
        }
    }

    /// SCI, WHT and DEPTH agree on where there is data; shapes agree.
    fn check_planes(&self, grid: &Grid) -> Result<Vec<Finding>, FitsError> {
        let mut findings = Vec::new();
        for name in ["SCI", "WHT", "VAR", "DEPTH", "DQ"] {
            let shape = self.hdu_named(name).and_then(|index| self.shape(index));
            if shape != Some((grid.width, grid.height)) {
                let detail = format!("{shape:?} where {:?} is expected", (grid.width, grid.height));
                findings.push(Finding { check: format!("shape of {name}"), passed: false, detail });
            }
        }
        let (Some(sci), Some(wht), Some(depth)) =
            (self.hdu_named("SCI"), self.hdu_named("WHT"), self.hdu_named("DEPTH"))
        else {
            return Ok(findings);
        };
        if !findings.is_empty() {
            return Ok(findings);
        }
        let mut scratch = ReadScratch::default();
        let mut rows = [vec![0.0; grid.width], vec![0.0; grid.width], vec![0.0; grid.width]];
        let (mut wrong, mut infinite) = (0_u64, 0_u64);
        // A depth that all channels share is compared with the first, as the others may be masked.
        let channels = self.images(depth);
        for (channel, y) in (0..channels).flat_map(|channel| (0..grid.height).map(move |y| (channel, y))) {
            for (hdu, row) in [sci, wht, depth].into_iter().zip(&mut rows) {
                self.row((hdu, channel), y, &mut scratch, row)?;
            }
            let [values, weights, depths] = &rows;
            for ((value, weight), depth) in values.iter().zip(weights).zip(depths) {
                let has_data = value.is_finite();
                infinite += u64::from(value.is_infinite() || weight.is_infinite());
                wrong += u64::from(has_data != (*weight > 0.0) || (has_data && *depth < 1.0));
            }
        }
        findings.push(Finding {
            check: "SCI, WHT and DEPTH agree on where there is data".into(),
            passed: wrong == 0,
            detail: format!("{wrong} pixels disagree"),
        });
        findings.push(Finding {
            check: "SCI and WHT are within the range of 32-bit floats".into(),
            passed: infinite == 0,
            detail: format!("{infinite} pixels are infinite"),
        });
        Ok(findings)
    }

    /// Depth is never above, and rarely below, the count of footprints over a pixel; where it has an image per channel (CFA
    /// drizzle) it may be below anywhere, because a frame has gaps between the pixels of a colour.
    fn check_depth(&self, grid: &Grid) -> Result<Vec<Finding>, FitsError> {
        let check = "DEPTH against the footprints in INPUTS".to_owned();
        let (Some(depth), Some(table)) = (self.hdu_named("DEPTH"), self.hdu_named("INPUTS")) else {
            return Ok(vec![Finding { check, passed: false, detail: "no DEPTH or no INPUTS".into() }]);
        };
        let images = self.images(depth);
        let polygons = footprints_on_grid(&read_table(self.path, table)?, grid);
        let mut scratch = ReadScratch::default();
        let mut row = vec![0.0; grid.width];
        let mut quality = vec![0.0; grid.width];
        let (mut compared, mut above, mut below, mut masked) = (0_u64, 0_u64, 0_u64, 0_u64);
        for y in (0..grid.height).step_by(grid.height.div_ceil(SAMPLES_PER_AXIS)) {
            for image in 0..images {
                self.row((depth, image), y, &mut scratch, &mut row)?;
                if let Some(hdu) = self.hdu_named("DQ") {
                    self.row((hdu, 0), y, &mut scratch, &mut quality)?;
                }
                for x in (0..grid.width).step_by(grid.width.div_ceil(SAMPLES_PER_AXIS)) {
                    let Some(count) = count_over(&polygons, x as f64, y as f64) else { continue };
                    compared += 1;
                    let found = row[x] as i64;
                    above += u64::from(found > count);
                    let explained = images > 1 || quality[x] as i32 & (dq::MASKED | dq::FAILED) != 0;
                    below += u64::from(found < count && !explained);
                    masked += u64::from(found < count && explained);
                }
            }
        }
        let passed = above == 0 && below as f64 <= MISSING_SHARE * compared as f64;
        let detail = format!(
            "{compared} pixels compared: {above} above, {below} below, {masked} below where DQ says why"
        );
        Ok(vec![Finding { check, passed, detail }])
    }
}

fn check_round_trip(grid: &Grid) -> Finding {
    let mut worst: f64 = 0.0;
    for i in 0..=8 {
        for j in 0..=8 {
            let x = (grid.width - 1) as f64 * f64::from(i) / 8.0;
            let y = (grid.height - 1) as f64 * f64::from(j) / 8.0;
            // Corners of wide projections may be off the sky; what maps must map back.
            if let Some((lon, lat)) = grid.wcs.pixel_to_sky(x, y) {
                let error =
                    grid.wcs.sky_to_pixel(lon, lat).map_or(f64::INFINITY, |(u, v)| (u - x).hypot(v - y));
                worst = worst.max(error);
            }
        }
    }
    Finding {
        check: "WCS there and back".into(),
        passed: worst <= WCS_TOLERANCE_PX,
        detail: format!("largest error {worst:.1e} px"),
    }
}

/// Footprints (ICRS) as polygons in grid pixels; vertices that the grid cannot show are left out.
fn footprints_on_grid(columns: &[Column], grid: &Grid) -> Vec<Vec<(f64, f64)>> {
    let Some(ColumnData::F64Array { width, values }) =
        columns.iter().find(|column| column.name == "FOOTPRINT").map(|column| &column.data)
    else {
        return Vec::new();
    };
    values
        .chunks(*width)
        .map(|row| {
            let mut polygon: Vec<(f64, f64)> = row
                .chunks(2)
                .filter_map(|pair| grid.wcs.icrs_to_pixel(&unit_vector(pair[0], pair[1])))
                .collect();
            polygon.dedup();
            polygon
        })
        .collect()
}

/// How many polygons cover the point, or `None` if it is close to an edge of one.
fn count_over(polygons: &[Vec<(f64, f64)>], x: f64, y: f64) -> Option<i64> {
    let mut count = 0;
    for polygon in polygons {
        let mut inside = false;
        for (index, &(x0, y0)) in polygon.iter().enumerate() {
            let (x1, y1) = polygon[(index + 1) % polygon.len()];
            if distance_to_segment((x, y), (x0, y0), (x1, y1)) < EDGE_PX {
                return None;
            }
            if (y0 > y) != (y1 > y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0 {
                inside = !inside;
            }
        }
        count += i64::from(inside);
    }
    Some(count)
}

fn distance_to_segment(p: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length2 = dx * dx + dy * dy;
    let t =
        if length2 > 0.0 { (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_polygons_skips_their_edges() {
        let square = vec![(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
        let polygons = vec![square.clone(), square];
        assert_eq!(count_over(&polygons, 5.0, 5.0), Some(2));
        assert_eq!(count_over(&polygons, 20.0, 5.0), Some(0));
        assert_eq!(count_over(&polygons, 9.5, 5.0), None);
    }
}
