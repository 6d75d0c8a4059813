//! Scaling of tiles to one healthy tile, as the grid mode of ZeMosaic is meant to do it: per channel
//!
//! ```text
//! gain = median of the reference / median of the tile    offset = median of the reference - gain x median of the tile
//! ```
//!
//! over what both cover. The offset is 0 but for rounding: the sky's pedestal and the stars get one factor, so that tiles of
//! equal sky and different strength stay different, and tiles of different sky get wrong stars. For comparison only.
//!
//! Tiles are compared by the blocks of their previews. A tile that cannot be compared keeps its values (gain 1, offset 0)
//! and is told of; when none can, that is an error. No result is ever NaN.

use rayon::prelude::*;
use serde::Serialize;

use crate::common_blocks::for_common;
use crate::gauge::{FrameGauge, Gauge, GaugeError, Note};
use crate::preview::Preview;
use crate::statistics::median;

/// Least, middle and greatest level of the blocks of a tile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LevelRange {
    /// Least.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Greatest.
    pub max: f64,
}

/// What was found for a tile in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScalingRecord {
    /// Index of the tile.
    pub tile: usize,
    /// From 0.
    pub channel: usize,
    /// Blocks that the reference has too.
    pub mask_blocks: usize,
    /// Levels before; `None` for a tile without any.
    pub before: Option<LevelRange>,
    /// Levels after.
    pub after: Option<LevelRange>,
    /// Factor.
    pub gain: f64,
    /// Offset.
    pub offset: f64,
    /// Whether it keeps its values because it cannot be compared.
    pub fell_back: bool,
}

impl ScalingRecord {
    /// A line for the log; `block_px` is the side of a block.
    pub fn line(&self, block_px: usize) -> String {
        let range = |range: Option<LevelRange>| {
            range.map_or("none".to_owned(), |own| format!("{:.4}/{:.4}/{:.4}", own.min, own.median, own.max))
        };
        format!(
            "[GRIDPHO] tile={} channel={} mask_pixels={} gain={:.6} offset={:.6} min/median/max before={} after={}{}",
            self.tile,
            self.channel,
            self.mask_blocks * block_px * block_px,
            self.gain,
            self.offset,
            range(self.before),
            range(self.after),
            if self.fell_back { " no valid pixels, scaling disabled" } else { "" }
        )
    }
}

/// The scaling of all tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct TileScaling {
    /// Index of the reference.
    pub reference: usize,
    /// Gain and offset of each tile.
    pub frames: Vec<FrameGauge>,
    /// By tile, then channel.
    pub records: Vec<ScalingRecord>,
}

/// Why tiles are not scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileScalingError {
    /// The tile of this index cannot be a reference: it has no block with a level.
    Reference(usize),
    /// No tile but the reference, the tile of this index, could be compared in any channel.
    AllFellBack(usize),
}

/// Scale `previews` to the tile `reference`, or to the healthiest.
///
/// # Errors
/// [`TileScalingError`].
pub fn tile_scaling(previews: &[Preview], reference: Option<usize>) -> Result<TileScaling, TileScalingError> {
    let reference = reference.unwrap_or_else(|| healthiest(previews));
    let is_usable = previews.get(reference).is_some_and(|own| finite_blocks(own) > 0);
    if !is_usable && previews.len() > 1 {
        return Err(TileScalingError::Reference(reference));
    }
    let one = |tile: usize| -> Vec<ScalingRecord> {
        (0..previews[tile].channels()).map(|channel| record(previews, reference, tile, channel)).collect()
    };
    let found: Vec<Vec<ScalingRecord>> = (0..previews.len()).into_par_iter().map(one).collect();
    let compared = |own: &ScalingRecord| own.tile != reference && !own.fell_back;
    if previews.len() > 1 && !found.iter().flatten().any(compared) {
        return Err(TileScalingError::AllFellBack(reference));
    }
    let gauge = |records: &Vec<ScalingRecord>| {
        let mut frame = FrameGauge::default();
        for own in records {
            (frame.gain[own.channel], frame.offset[own.channel]) = (own.gain, own.offset);
        }
        frame
    };
    let frames = found.iter().map(gauge).collect();
    Ok(TileScaling { reference, frames, records: found.into_iter().flatten().collect() })
}

/// [`tile_scaling`] as a gauge, with its records, and a note for each tile and channel that keeps its values.
pub(crate) fn as_gauge(previews: &[Preview], reference: Option<usize>) -> Result<Gauge, GaugeError> {
    let found = tile_scaling(previews, reference).map_err(|error| match error {
        TileScalingError::Reference(index) => GaugeError::Reference(index),
        TileScalingError::AllFellBack(index) => GaugeError::NothingScaled(index),
    })?;
    let mut gauge = Gauge::identity(previews.len());
    let fell_back = found.records.iter().filter(|own| own.fell_back);
    gauge.notes = fell_back
        .map(|own| {
            let text =
                format!("channel {}: no valid pixels, scaling disabled (gain 1, offset 0)", own.channel);
            Note { frame: own.tile, text }
        })
        .collect();
    (gauge.frames, gauge.reference, gauge.scaling) = (found.frames, Some(found.reference), found.records);
    Ok(gauge)
}

/// Whether a block has a finite level in all channels.
fn is_finite(preview: &Preview, block: usize) -> bool {
    preview.level.iter().all(|level| level[block].is_finite())
}

fn finite_blocks(preview: &Preview) -> usize {
    let blocks = preview.level.first().map_or(0, Vec::len);
    (0..blocks).filter(|block| is_finite(preview, *block)).count()
}

/// The tile of most blocks whose levels are not all one; if there is none, of most blocks. Of equals the first.
fn healthiest(previews: &[Preview]) -> usize {
    let mut order: Vec<(usize, usize)> =
        previews.par_iter().map(finite_blocks).collect::<Vec<_>>().into_iter().enumerate().collect();
    order.sort_by_key(|(index, blocks)| (std::cmp::Reverse(*blocks), *index));
    let is_dynamic = |index: usize| {
        (0..previews[index].channels())
            .all(|channel| range(&previews[index], channel).is_some_and(|own| own.max > own.min))
    };
    let healthy = order.iter().find(|(index, blocks)| *blocks > 0 && is_dynamic(*index));
    healthy.or(order.first()).map_or(0, |(index, _)| *index)
}

fn range(preview: &Preview, channel: usize) -> Option<LevelRange> {
    let level = &preview.level[channel];
    let mut values: Vec<f64> = (0..level.len())
        .filter(|block| is_finite(preview, *block))
        .map(|block| f64::from(level[block]))
        .collect();
    let (min, max) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), own| (low.min(*own), high.max(*own)));
    Some(LevelRange { min, median: median(&mut values)?, max })
}

fn record(previews: &[Preview], reference: usize, tile: usize, channel: usize) -> ScalingRecord {
    let before = range(&previews[tile], channel);
    let mut found = ScalingRecord {
        tile,
        channel,
        mask_blocks: 0,
        before,
        after: before,
        gain: 1.0,
        offset: 0.0,
        fell_back: false,
    };
    if tile == reference {
        found.mask_blocks = finite_blocks(&previews[tile]);
        return found;
    }
    let (own, to) = (&previews[tile], &previews[reference]);
    let (mut target, mut wanted) = (Vec::new(), Vec::new());
    if to.channels() > channel {
        for_common(own, to, |i, j| {
            if is_finite(own, i) && is_finite(to, j) {
                target.push(f64::from(own.level[channel][i]));
                wanted.push(f64::from(to.level[channel][j]));
            }
        });
    }
    found.mask_blocks = target.len();
    let medians = median(&mut target).zip(median(&mut wanted));
    let scaled = medians.map(|(target, wanted)| (wanted / target, wanted - wanted / target * target));
    // A factor of 0 or less would turn the tile over.
    match scaled.filter(|(gain, offset)| gain.is_finite() && *gain > 0.0 && offset.is_finite()) {
        Some((gain, offset)) => {
            (found.gain, found.offset) = (gain, offset);
            let scale = |own: f64| gain * own + offset;
            found.after = before.map(|own| LevelRange {
                min: scale(own.min),
                median: scale(own.median),
                max: scale(own.max),
            });
        }
        None => found.fell_back = true,
    }
    found
}
