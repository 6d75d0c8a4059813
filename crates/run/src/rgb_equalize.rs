//! RGB equalisation of written products: gains from the science plane, then SCI x g, VAR x g^2, WHT / g^2, row by row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_coadd::ProductPlane;
use zemosaic_fits::{FitsError, ProductWriter};
use zemosaic_image::rgb_equalize::{RgbDecision, RgbEqualize, RgbEqualizeOptions, RgbSamples};

/// What is equalised; nothing by default, because it changes the colours of the science plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RgbEqualizeChoice {
    /// Nothing.
    #[default]
    Off,
    /// Each master tile, before tiles are combined.
    Tile,
    /// The finished mosaic.
    Final,
    /// Tiles and the mosaic.
    Both,
}

impl RgbEqualizeChoice {
    /// Whether master tiles are.
    pub fn of_tiles(self) -> bool {
        matches!(self, Self::Tile | Self::Both)
    }

    /// Whether the mosaic is.
    pub fn of_mosaic(self) -> bool {
        matches!(self, Self::Final | Self::Both)
    }
}

/// What is known of a product before it is written: whether it is to be equalised.
pub fn asked(is_asked: bool) -> RgbEqualize {
    RgbEqualize::idle(if is_asked { RgbDecision::InvalidInput } else { RgbDecision::Disabled })
}

/// The line of the log for what was decided on `what`.
pub fn line_of(what: &str, found: &RgbEqualize) -> String {
    let [red, green, blue] = found.gains;
    let [median_red, median_green, median_blue] = found.medians;
    format!(
        "[RGB-EQ] {what}: decision={} gains=({red:.6},{green:.6},{blue:.6}) \
         medians=({median_red:.6},{median_green:.6},{median_blue:.6}) target={:.6} samples={}",
        found.decision.name(),
        found.target,
        found.samples
    )
}

/// Decide on a written product of `size` pixels and apply the gains to its `planes` (in HDU order). One channel is left alone.
///
/// # Errors
/// When rows cannot be read or written.
pub fn equalize_product(
    writer: &ProductWriter,
    planes: &[ProductPlane],
    size: (usize, usize),
    channels: usize,
) -> Result<RgbEqualize, FitsError> {
    let Some(science) = planes.iter().position(|plane| *plane == ProductPlane::Sci).filter(|_| channels == 3)
    else {
        return Ok(RgbEqualize::idle(RgbDecision::InvalidInput));
    };
    let (width, height) = size;
    let mut samples = RgbSamples::new(width * height);
    let mut rows = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
    for y in 0..height {
        for (channel, row) in rows.iter_mut().enumerate() {
            writer.read_row_f32(science, channel, y, row)?;
        }
        samples.add_row(rows.each_ref().map(Vec::as_slice));
    }
    let found = samples.decide(&RgbEqualizeOptions::default());
    if found.decision == RgbDecision::Applied {
        apply_gains(writer, planes, size, found.gains)?;
    }
    Ok(found)
}

/// Multiply the channels of a written product with `gains`: SCI x g, VAR x g^2, WHT / g^2.
///
/// # Errors
/// When rows cannot be read or written.
pub fn apply_gains(
    writer: &ProductWriter,
    planes: &[ProductPlane],
    (width, height): (usize, usize),
    gains: [f64; 3],
) -> Result<(), FitsError> {
    let mut row = vec![0.0_f32; width];
    for (hdu, plane) in planes.iter().enumerate() {
        for (channel, gain) in gains.into_iter().enumerate() {
            let factor = match plane {
                ProductPlane::Sci => gain,
                ProductPlane::Var => gain * gain,
                ProductPlane::Wht => 1.0 / (gain * gain),
                _ => continue,
            };
            if factor == 1.0 {
                continue;
            }
            for y in 0..height {
                writer.read_row_f32(hdu, channel, y, &mut row)?;
                for value in &mut row {
                    *value = (f64::from(*value) * factor) as f32;
                }
                writer.replace_row_f32(hdu, channel, y, &row)?;
            }
        }
    }
    Ok(())
}
