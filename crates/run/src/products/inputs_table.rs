//! The INPUTS table of `mosaic.fits`: one row per used frame, with its footprint, so that the product
//! explains its own depth.

use zemosaic_fits::{Column, ColumnData, TableSpec};
use zemosaic_gauge::Surface;
use zemosaic_gauge::surface::SURFACE_TERMS;

use crate::products::facts::{Facts, UsedFrame};

/// Vertices kept per footprint; shorter ones repeat their last vertex.
pub const FOOTPRINT_VERTICES: usize = 32;

/// The table.
pub fn inputs_table(facts: &Facts) -> TableSpec {
    let used = &facts.used;
    let text = |name: &str, of: &dyn Fn(&UsedFrame) -> String| {
        column(name, None, ColumnData::Text(used.iter().map(of).collect()))
    };
    let number = |name: &str, unit: &str, of: &dyn Fn(&UsedFrame) -> f64| {
        column(name, Some(unit), ColumnData::F64(used.iter().map(of).collect()))
    };
    let per_channel = |name: &str, unit: Option<&str>, of: &dyn Fn(&UsedFrame) -> &[f64]| {
        let values = used
            .iter()
            .flat_map(|frame| (0..facts.channels).map(move |c| of(frame).get(c).copied().unwrap_or(f64::NAN)))
            .collect();
        column(name, unit, ColumnData::F64Array { width: facts.channels, values })
    };
    let mut table = TableSpec {
        extname: "INPUTS".into(),
        columns: vec![
            text("FRAME", &|frame| ascii(&frame.id)),
            text("DATE_OBS", &|frame| frame.meta.date_obs.clone().unwrap_or_default()),
            number("EXPTIME", "s", &|frame| frame.meta.exposure_s.unwrap_or(f64::NAN)),
            column(
                "NAXIS1",
                Some("pix"),
                ColumnData::I32(used.iter().map(|frame| frame.size.0 as i32).collect()),
            ),
            column(
                "NAXIS2",
                Some("pix"),
                ColumnData::I32(used.iter().map(|frame| frame.size.1 as i32).collect()),
            ),
            number("RA", "deg", &|frame| frame.centre_deg.0),
            number("DEC", "deg", &|frame| frame.centre_deg.1),
            number("SCALE", "arcsec", &|frame| frame.scale_arcsec),
            number("ROTATION", "deg", &|frame| frame.rotation_deg),
            text("WCS", &|frame| frame.wcs_origin.label().to_owned()),
            per_channel("SIGMA", facts.unit().as_deref(), &|frame| &frame.sigma_adu),
            per_channel("LEVEL", facts.unit().as_deref(), &|frame| &frame.level_adu),
            column("FLXSCALE", None, ColumnData::F64(used.iter().map(|frame| frame.flux_scale).collect())),
            per_channel("WEIGHT", None, &|frame| &frame.weight),
            column("FOOTPRINT", Some("deg"), footprints(used)),
        ],
    };
    if facts.gauge.is_some() {
        table.columns.push(per_channel("GAIN", None, &|frame| &frame.gauge.gain));
        table.columns.push(per_channel("OFFSET", facts.unit().as_deref(), &|frame| &frame.gauge.offset));
    }
    if facts.gauge_of_frames().is_some_and(|gauge| gauge.frame_errors().is_some()) {
        table.columns.push(per_channel("GAIN_ERR", None, &|frame| &frame.gauge.gain_error));
        table
            .columns
            .push(per_channel("OFFSET_ERR", facts.unit().as_deref(), &|frame| &frame.gauge.offset_error));
    }
    if used.iter().any(|frame| frame.gauge.surface.iter().any(|surface| !surface.is_zero())) {
        let of = |frame: &UsedFrame| surface_values(&frame.gauge.surface, facts.channels);
        let values = used.iter().flat_map(of).collect();
        let data = ColumnData::F64Array { width: SURFACE_VALUES * facts.channels, values };
        table.columns.push(column("SURFACE", None, data));
        let width = SURFACE_TERMS * facts.channels;
        if used.iter().any(|frame| !frame.gauge.surface_error.is_empty()) {
            let values =
                used.iter().flat_map(|frame| surface_errors(&frame.gauge.surface_error, width)).collect();
            let unit = facts.unit();
            table.columns.push(column(
                "SURFACE_ERR",
                unit.as_deref(),
                ColumnData::F64Array { width, values },
            ));
        }
    }
    table
}

/// Of a surface: coefficients of u, v, u^2 - 1/3, u v, v^2 - 1/3, its middle and half its size in x and y, pixels of the grid
/// from 0.
pub const SURFACE_VALUES: usize = SURFACE_TERMS + 4;

/// Surfaces of a frame or tile, channel after channel.
pub(super) fn surface_values(surfaces: &[Surface], channels: usize) -> Vec<f64> {
    let of_channel = |channel: usize| {
        let surface = surfaces.get(channel).copied().unwrap_or_default();
        [surface.coefficients.as_slice(), &surface.centre_px, &surface.half_size_px].concat()
    };
    (0..channels).flat_map(of_channel).collect()
}

/// `width` errors of coefficients of surfaces, NaN where there are none.
pub(super) fn surface_errors(errors: &[f64], width: usize) -> Vec<f64> {
    (0..width).map(|term| errors.get(term).copied().unwrap_or(f64::NAN)).collect()
}

/// A name in printable ASCII, which is all a FITS table holds: other bytes (of its UTF-8) and `%` as %XX.
pub(super) fn ascii(name: &str) -> String {
    let escape = |byte: u8| {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(escape).collect()
}

fn column(name: &str, unit: Option<&str>, data: ColumnData) -> Column {
    Column { name: name.into(), unit: unit.map(str::to_owned), data }
}

/// RA, Dec pairs, [`FOOTPRINT_VERTICES`] of them per row.
fn footprints(used: &[UsedFrame]) -> ColumnData {
    let mut values = Vec::with_capacity(used.len() * FOOTPRINT_VERTICES * 2);
    for frame in used {
        let last = frame.footprint_deg.last().copied().unwrap_or((f64::NAN, f64::NAN));
        for vertex in 0..FOOTPRINT_VERTICES {
            let (ra, dec) = frame.footprint_deg.get(vertex).copied().unwrap_or(last);
            values.extend([ra, dec]);
        }
    }
    ColumnData::F64Array { width: FOOTPRINT_VERTICES * 2, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_stay_different() {
        assert_eq!(ascii("a/b 1.fit"), "a/b 1.fit");
        assert_eq!(ascii("\u{e9}.fit"), "%C3%A9.fit");
        assert_ne!(ascii("%C3.fit"), ascii("\u{e9}.fit"));
    }
}
