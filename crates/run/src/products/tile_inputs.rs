//! The frames of an existing master tile, from its INPUTS table and its header, so that a mosaic of tiles still names the
//! frames it is made of.

use std::path::PathBuf;

use zemosaic_fits::{Column, ColumnData, FitsError, read_table};
use zemosaic_frames::{Defects, FrameMeta, NoiseModel, WcsOrigin};
use zemosaic_gauge::Surface;
use zemosaic_gauge::surface::SURFACE_TERMS;

use crate::products::applied_gauge::AppliedGauge;
use crate::products::facts::UsedFrame;
use crate::products::inputs_table::SURFACE_VALUES;
use crate::products::tile_file::TileFile;

/// The frames of `file`, which is tile `number`; none where it has no such table.
///
/// # Errors
/// When the table cannot be read.
pub fn frames_of_tile(file: &TileFile, number: usize) -> Result<Vec<UsedFrame>, FitsError> {
    let Some(hdu) = file.inputs_hdu else { return Ok(Vec::new()) };
    let columns = Columns(read_table(&file.tile.path, hdu)?);
    let rows = columns.0.first().map_or(0, |column| column.data.rows());
    let text = |key: &str| file.header.get_str(key).map(|text| text.trim().to_owned());
    let meta = FrameMeta {
        object: text("OBJECT"),
        telescope: text("TELESCOP"),
        instrument: text("INSTRUME"),
        filter: text("FILTER"),
        creator: text("SRCCREA"),
        focal_length_mm: file.header.get_f64("FOCALLEN"),
        pixel_size_um: file.header.get_f64("XPIXSZ"),
        unit: text("BUNIT"),
        ..FrameMeta::default()
    };
    let identity = text("INPHASH").unwrap_or_default();
    let frame = |row: usize| {
        let footprint = columns.numbers("FOOTPRINT", row);
        let mut footprint_deg: Vec<(f64, f64)> = footprint.chunks_exact(2).map(|at| (at[0], at[1])).collect();
        footprint_deg.dedup();
        let id = columns.text("FRAME", row);
        UsedFrame {
            header_hash: *blake3::hash(format!("{identity} {id}").as_bytes()).as_bytes(),
            id,
            meta: FrameMeta {
                exposure_s: Some(columns.number("EXPTIME", row)).filter(|seconds| seconds.is_finite()),
                date_obs: Some(columns.text("DATE_OBS", row)).filter(|date| !date.is_empty()),
                ..meta.clone()
            },
            size: (columns.number("NAXIS1", row) as usize, columns.number("NAXIS2", row) as usize),
            kind: if file.channels == 3 { "colour".into() } else { "mono".into() },
            centre_deg: (columns.number("RA", row), columns.number("DEC", row)),
            scale_arcsec: columns.number("SCALE", row),
            rotation_deg: columns.number("ROTATION", row),
            astrometry: None,
            wcs_origin: match columns.text("WCS", row).as_str() {
                "given" => WcsOrigin::Given(PathBuf::new()),
                "head" => WcsOrigin::HeadSidecar(PathBuf::new()),
                "wcs" => WcsOrigin::WcsSidecar(PathBuf::new()),
                "solved" => WcsOrigin::Solved,
                "registered" => WcsOrigin::Registered,
                _ => WcsOrigin::Header,
            },
            sigma_adu: columns.numbers("SIGMA", row),
            level_adu: columns.numbers("LEVEL", row),
            flux_scale: columns.number("FLXSCALE", row),
            maps: Vec::new(),
            weight: columns.numbers("WEIGHT", row),
            gauge: AppliedGauge {
                gain: columns.numbers("GAIN", row),
                offset: columns.numbers("OFFSET", row),
                gain_error: columns.numbers("GAIN_ERR", row),
                offset_error: columns.numbers("OFFSET_ERR", row),
                surface_error: columns.numbers("SURFACE_ERR", row),
                surface: columns
                    .numbers("SURFACE", row)
                    .chunks_exact(SURFACE_VALUES)
                    .map(surface_of)
                    .collect(),
            },
            quality: None,
            calibration: Vec::new(),
            defects: Defects::Unknown,
            noise_model: NoiseModel::default(),
            footprint_deg,
            file_bytes: 0,
            tile: Some(number),
        }
    };
    Ok((0..rows).map(frame).collect())
}

/// A surface as INPUTS has it.
fn surface_of(values: &[f64]) -> Surface {
    let value = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    Surface {
        coefficients: std::array::from_fn(value),
        centre_px: std::array::from_fn(|axis| value(SURFACE_TERMS + axis)),
        half_size_px: std::array::from_fn(|axis| value(SURFACE_TERMS + 2 + axis)),
    }
}

struct Columns(Vec<Column>);

impl Columns {
    fn of(&self, name: &str) -> Option<&ColumnData> {
        self.0.iter().find(|column| column.name == name).map(|column| &column.data)
    }

    fn text(&self, name: &str, row: usize) -> String {
        match self.of(name) {
            Some(ColumnData::Text(texts)) => texts.get(row).cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn number(&self, name: &str, row: usize) -> f64 {
        self.numbers(name, row).first().copied().unwrap_or(f64::NAN)
    }

    fn numbers(&self, name: &str, row: usize) -> Vec<f64> {
        match self.of(name) {
            Some(ColumnData::F64(values)) => values.get(row).copied().into_iter().collect(),
            Some(ColumnData::I32(values)) => {
                values.get(row).map(|value| f64::from(*value)).into_iter().collect()
            }
            Some(ColumnData::F64Array { width, values }) => {
                values.get(row * width..(row + 1) * width).unwrap_or_default().to_vec()
            }
            _ => Vec::new(),
        }
    }
}
