//! A master tile of this program as it lies on disk: what it is, where on its mosaic grid, and where its planes are.

use std::path::{Path, PathBuf};

use zemosaic_coadd::{DepthPlanes, MergeRule, ProductPlane, Tile, TilePlane};
use zemosaic_fits::{FitsError, FitsFile, Header, scan};
use zemosaic_frames::dialect::is_own_product;
use zemosaic_image::Region;
use zemosaic_sky::Grid;

use crate::products::tile_header::TILE_TYPE;

/// A master tile of this program.
#[derive(Debug)]
pub struct TileFile {
    /// For the merge.
    pub tile: Tile,
    /// The grid it is a cut-out of.
    pub grid: Grid,
    /// 1 or 3.
    pub channels: usize,
    /// How its values are merged with others.
    pub rule: MergeRule,
    /// Header of SCI.
    pub header: Header,
    /// HDU of its INPUTS table.
    pub inputs_hdu: Option<usize>,
}

/// Planes of a tile; the first five it must have.
const PLANES: [ProductPlane; 7] = [
    ProductPlane::Sci,
    ProductPlane::Wht,
    ProductPlane::Var,
    ProductPlane::Depth,
    ProductPlane::Dq,
    ProductPlane::RejLo,
    ProductPlane::RejHi,
];

/// The planes of the file at `path`, by extension name; without those that are no plain images.
///
/// # Errors
/// When it cannot be read or is cut.
pub fn tile_planes(path: &Path) -> Result<Vec<TilePlane>, FitsError> {
    let file = scan(path)?;
    file.require_complete()?;
    Ok(planes_of(&file))
}

fn planes_of(file: &FitsFile) -> Vec<TilePlane> {
    let named = file.hdus.iter().filter_map(|hdu| Some((hdu.header.get_str("EXTNAME")?, hdu.image()?)));
    let planes = named.filter_map(|(name, layout)| {
        let plane = PLANES.into_iter().find(|plane| plane.extname() == name.trim())?;
        Some(TilePlane { plane, layout: layout.clone() })
    });
    planes.collect()
}

/// The tile at `path`; `None` for any other file.
///
/// # Errors
/// When it cannot be read or is cut.
pub fn open_tile(path: &Path) -> Result<Option<TileFile>, FitsError> {
    let file = scan(path)?;
    let Some(primary) = file.hdus.first() else { return Ok(None) };
    let header = primary.header.clone();
    let is_tile = header.get_str("ZMT_TYPE").is_some_and(|kind| kind.trim() == TILE_TYPE);
    if !is_tile || !is_own_product(&header) {
        return Ok(None);
    }
    file.require_complete()?;
    let planes = planes_of(&file);
    let has_all = PLANES[..5].iter().all(|plane| planes.iter().any(|own| own.plane == *plane));
    let (Some((grid, region)), true) = (place(&header), has_all) else { return Ok(None) };
    let channels = planes[0].layout.planes();
    let is_sound = planes.iter().all(|own| {
        let images = own.layout.planes();
        let is_counted = images == own.plane.images(channels, DepthPlanes::Shared)
            || images == own.plane.images(channels, DepthPlanes::PerChannel);
        is_counted && (own.layout.width(), own.layout.height()) == (region.width, region.height)
    });
    if !is_sound {
        return Ok(None);
    }
    let rule = match header.get_str("ZMT_COMB").unwrap_or_default().trim() {
        "sum" => MergeRule::Sum,
        "min" => MergeRule::Min,
        "max" => MergeRule::Max,
        _ => MergeRule::Mean,
    };
    let is_inputs = |name: String| name.trim() == "INPUTS";
    let inputs_hdu = file.hdus.iter().position(|hdu| hdu.header.get_str("EXTNAME").is_some_and(is_inputs));
    let tile = Tile { path: PathBuf::from(path), region, planes };
    Ok(Some(TileFile { tile, grid, channels, rule, header, inputs_hdu }))
}

/// The mosaic grid of a tile, to the last digit, and its place there; `None` where its header does not say it.
fn place(header: &Header) -> Option<(Grid, Region)> {
    let number = |key: &str| header.get_i64(key);
    let region = Region {
        x0: number("ZMT_X0")?,
        y0: number("ZMT_Y0")?,
        width: usize::try_from(number("NAXIS1")?).ok()?,
        height: usize::try_from(number("NAXIS2")?).ok()?,
    };
    let mut mosaic = header.clone();
    for (key, from) in [("NAXIS1", "ZMT_GW"), ("NAXIS2", "ZMT_GH")] {
        mosaic.set_i64(key, number(from)?, "");
    }
    for (key, from) in [("CRPIX1", "ZMT_GX"), ("CRPIX2", "ZMT_GY")] {
        mosaic.set_f64(key, header.get_f64(from)?, "");
    }
    Some((Grid::from_header(&mosaic).ok()?, region))
}
