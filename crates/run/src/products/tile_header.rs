//! Headers of master tiles: those of a mosaic on a cut-out of its grid, and the keywords that users and tools of ZeMosaic
//! know (its classic pipeline, §5.1 n), under the same names. Names of more than 8 characters are HIERARCH cards, as
//! astropy writes them.

use serde::Serialize;
use zemosaic_coadd::ProductPlane;
use zemosaic_fits::Header;
use zemosaic_image::Region;
use zemosaic_sky::Grid;
use zemosaic_stack::{Combine, RejectMethod};

use crate::options::MosaicOptions;
use crate::products::facts::Facts;
use crate::products::header::plane_header;

/// What ZMT_TYPE says.
pub const TILE_TYPE: &str = "Master Tile";

/// What a tile's header says besides its facts.
#[derive(Debug, Clone)]
pub struct TileCards<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Frames of its group.
    pub frames: usize,
    /// Where it lies on the mosaic grid.
    pub region: Region,
    /// The mosaic grid.
    pub mosaic: &'a Grid,
    /// Identity of the run.
    pub run_id: &'a str,
}

/// The header of one plane of a tile; as [`plane_header`], it has the same cards before and after.
pub fn tile_header(
    plane: ProductPlane,
    index: usize,
    facts: &Facts,
    options: &MosaicOptions,
    cards: &TileCards<'_>,
) -> Header {
    let mut header = plane_header(plane, index, facts, options);
    header.set_str("RUNID", cards.run_id, "");
    if plane == ProductPlane::Sci {
        known_to_zemosaic(&mut header, facts, options, cards);
    }
    // From 0, as WCS programs of this house count; CRPIX counts from 1.
    header.set_i64("ZMT_X0", cards.region.x0, "first column in the mosaic grid, from 0");
    header.set_i64("ZMT_Y0", cards.region.y0, "first row in the mosaic grid, from 0");
    header.set_i64("ZMT_GW", cards.mosaic.width as i64, "columns of the mosaic grid");
    header.set_i64("ZMT_GH", cards.mosaic.height as i64, "rows of the mosaic grid");
    let [x, y] = cards.mosaic.wcs.crpix0_px();
    header.set_f64("ZMT_GX", x + 1.0, "CRPIX1 of the mosaic grid");
    header.set_f64("ZMT_GY", y + 1.0, "CRPIX2 of the mosaic grid");
    header
}

fn known_to_zemosaic(header: &mut Header, facts: &Facts, options: &MosaicOptions, cards: &TileCards<'_>) {
    let used = facts.used.len() as i64;
    let coadd = &options.coadd;
    let reject = &coadd.reject;
    header.set_str("ZMT_TYPE", TILE_TYPE, "kind of file");
    header.set_i64("ZMT_ID", cards.number as i64, "number of the tile");
    header.set_i64("ZMT_NRAW", cards.frames as i64, "frames of its group");
    header.set_i64("ZMT_NALGN", used, "frames used");
    header.set_i64("MT_NFRAMES", used, "frames used");
    let norm = facts.gauge.as_ref().map_or("none", |gauge| gauge.method);
    header.set_str("ZMT_NORM", norm, "how the frames were brought to one level");
    header.set_str("ZMT_WGHT", &name(coadd.weights), "weights of the frames");
    header.set_str("ZMT_REJ", &name(reject.method), "rejection");
    if reject.method != RejectMethod::None {
        header.set_f64("ZMT_KAPLO", reject.kappa_low, "rejection below, sigmas");
        header.set_f64("ZMT_KAPHI", reject.kappa_high, "rejection above, sigmas");
    }
    let combine = match coadd.combine {
        Combine::Percentile(percent) => format!("percentile:{percent}"),
        other => name(other),
    };
    header.set_str("ZMT_COMB", &combine, "how samples became a pixel");
    if let Some(total) = facts.time.total_exposure_s {
        header.set_f64("EXPTOTAL", total, "[s] total exposure of the used frames");
    }
    if let Some(method) = options.match_tiles {
        header.set_str("ZMMATCHT", method.name(), "how its run matched its tiles after this");
    }
    header.set_i64("NEXP_SUM", used, "exposures in the tile");
    header.set_i64("ZMT_NSMP", facts.summary.samples as i64, "valid samples, all channels");
}

/// The name of an option's value.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}
