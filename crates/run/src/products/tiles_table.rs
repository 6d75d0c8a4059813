//! The TILES table of a mosaic of master tiles that were matched to one another: what was done to the values of each.
//! INPUTS has the frames of the tiles, with what was done to them when the tiles were made.

use zemosaic_fits::{Column, ColumnData, TableSpec};
use zemosaic_gauge::Surface;
use zemosaic_gauge::surface::SURFACE_TERMS;

use crate::products::applied_gauge::AppliedGauge;
use crate::products::facts::{Facts, TileRecord};
use crate::products::inputs_table::{SURFACE_VALUES, ascii, surface_errors, surface_values};

/// The table, one row per tile, where tiles were matched. A tile that could not be compared has a gain of 1 without an error.
pub fn tiles_table(facts: &Facts) -> Option<TableSpec> {
    let (tiles, channels) = (&facts.tiles, facts.channels);
    if tiles.iter().all(|tile| tile.gauge.is_none()) {
        return None;
    }
    let column = |name: &str, unit: Option<&str>, data| Column {
        name: name.into(),
        unit: unit.map(str::to_owned),
        data,
    };
    let per_channel = |name: &str, unit: Option<&str>, unmatched: f64, of: fn(&AppliedGauge) -> &[f64]| {
        let own = |tile: &TileRecord| -> Vec<f64> {
            let value = |values: &[f64], channel: usize| values.get(channel).copied().unwrap_or(f64::NAN);
            match &tile.gauge {
                Some(gauge) => (0..channels).map(|channel| value(of(gauge), channel)).collect(),
                None => vec![unmatched; channels],
            }
        };
        let values = tiles.iter().flat_map(own).collect();
        column(name, unit, ColumnData::F64Array { width: channels, values })
    };
    let unit = facts.unit();
    let unit = unit.as_deref();
    let file = |tile: &TileRecord| ascii(tile.file.as_deref().unwrap_or_default());
    let mut columns = vec![
        column("TILE", None, ColumnData::I32(tiles.iter().map(|tile| tile.number as i32).collect())),
        column("FILE", None, ColumnData::Text(tiles.iter().map(file).collect())),
        per_channel("GAIN", None, 1.0, |gauge| &gauge.gain),
        per_channel("OFFSET", unit, 0.0, |gauge| &gauge.offset),
        per_channel("GAIN_ERR", None, f64::NAN, |gauge| &gauge.gain_error),
        per_channel("OFFSET_ERR", unit, f64::NAN, |gauge| &gauge.offset_error),
    ];
    let surfaces = |tile: &TileRecord| tile.gauge.as_ref().map_or(Vec::new(), |gauge| gauge.surface.clone());
    if tiles.iter().flat_map(surfaces).any(|surface: Surface| !surface.is_zero()) {
        let values = tiles.iter().flat_map(|tile| surface_values(&surfaces(tile), channels)).collect();
        columns.push(column(
            "SURFACE",
            None,
            ColumnData::F64Array { width: SURFACE_VALUES * channels, values },
        ));
        let width = SURFACE_TERMS * channels;
        let errors = |tile: &TileRecord| {
            let errors = tile.gauge.as_ref().map_or(&[][..], |gauge| &gauge.surface_error);
            surface_errors(errors, width)
        };
        let values = tiles.iter().flat_map(errors).collect();
        columns.push(column("SURFACE_ERR", unit, ColumnData::F64Array { width, values }));
    }
    Some(TableSpec { extname: "TILES".into(), columns })
}
