//! A master tile of this program as it lies on disk: what it is, where on its mosaic grid, and where its planes are.

use std::path::{Path, PathBuf};

use zemosaic_coadd::{DepthPlanes, MergeRule, ProductPlane, Tile, TilePlane};
use zemosaic_fits::{FitsError, FitsFile, Header, scan};
use zemosaic_frames::dialect::is_own_product;
use zemosaic_gauge::FrameGauge;
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

/// What a file is to a merge of tiles.
#[derive(Debug)]
pub enum Opened {
    /// A tile of this program.
    Tile(Box<TileFile>),
    /// Any other file, and why it is none, to follow its name.
    Foreign(String),
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

/// The tile at `path`, or why it is none.
///
/// # Errors
/// When it cannot be read or is cut.
pub fn open_tile(path: &Path) -> Result<Opened, FitsError> {
    let file = scan(path)?;
    let foreign = |why: &str| Ok(Opened::Foreign(why.to_owned()));
    let Some(primary) = file.hdus.first() else { return foreign("has no HDU") };
    let header = primary.header.clone();
    let is_tile = header.get_str("ZMT_TYPE").is_some_and(|kind| kind.trim() == TILE_TYPE);
    if !is_tile || !is_own_product(&header) {
        return foreign("is no master tile of this program");
    }
    file.require_complete()?;
    let planes = planes_of(&file);
    let lacking = PLANES[..5].iter().find(|plane| !planes.iter().any(|own| own.plane == **plane));
    if let Some(plane) = lacking {
        return Ok(Opened::Foreign(format!("has no plane {}", plane.extname())));
    }
    let (grid, region) = match place(&header) {
        Ok(placed) => placed,
        Err(why) => return Ok(Opened::Foreign(why)),
    };
    let channels = planes[0].layout.planes();
    let odd = planes.iter().find(|own| {
        let images = own.layout.planes();
        let is_counted = images == own.plane.images(channels, DepthPlanes::Shared)
            || images == own.plane.images(channels, DepthPlanes::PerChannel);
        !is_counted || (own.layout.width(), own.layout.height()) != (region.width, region.height)
    });
    if let Some(own) = odd {
        return Ok(Opened::Foreign(format!("has a plane {} of another size", own.plane.extname())));
    }
    let rule = match header.get_str("ZMT_COMB").unwrap_or_default().trim() {
        "sum" => MergeRule::Sum,
        "min" => MergeRule::Min,
        "max" => MergeRule::Max,
        _ => MergeRule::Mean,
    };
    let is_inputs = |name: String| name.trim() == "INPUTS";
    let inputs_hdu = file.hdus.iter().position(|hdu| hdu.header.get_str("EXTNAME").is_some_and(is_inputs));
    let tile = Tile { path: PathBuf::from(path), region, planes, gauge: FrameGauge::default() };
    Ok(Opened::Tile(Box::new(TileFile { tile, grid, channels, rule, header, inputs_hdu })))
}

/// Most that a tile's CRPIX may differ from what its place says; programs that cut or bin images change it by half a pixel
/// and more.
const CRPIX_TOLERANCE_PX: f64 = 1e-6;

/// The mosaic grid of a tile, to the last digit, and its place there, or why there is none: its header does not say it, or
/// the WCS says something else, as after another program cut the tile.
fn place(header: &Header) -> Result<(Grid, Region), String> {
    let number = |key: &str| header.get_i64(key).ok_or_else(|| format!("does not say {key}"));
    let real = |key: &str| header.get_f64(key).ok_or_else(|| format!("does not say {key}"));
    let mut mosaic = header.clone();
    // Of each axis: first pixel, pixels.
    let mut sides = [(0, 0); 2];
    let axes = [
        ("NAXIS1", "CRPIX1", "ZMT_X0", "ZMT_GW", "ZMT_GX"),
        ("NAXIS2", "CRPIX2", "ZMT_Y0", "ZMT_GH", "ZMT_GY"),
    ];
    for (side, (naxis, crpix, first, grid_size, grid_crpix)) in sides.iter_mut().zip(axes) {
        let (origin, size, whole) = (number(first)?, number(naxis)?, number(grid_size)?);
        let is_inside = origin >= 0 && size > 0 && origin.checked_add(size).is_some_and(|end| end <= whole);
        if !is_inside {
            return Err(format!(
                "lies outside of its mosaic grid: {first} = {origin}, {naxis} = {size}, {grid_size} = {whole}"
            ));
        }
        let (own, of_grid) = (real(crpix)?, real(grid_crpix)?);
        let stated = of_grid - origin as f64;
        let is_there = (own - stated).abs() <= CRPIX_TOLERANCE_PX;
        if !is_there {
            return Err(format!(
                "was cut or moved: {crpix} is {own}, but by {grid_crpix} and {first} it was {stated}"
            ));
        }
        *side = (origin, usize::try_from(size).map_err(|error| error.to_string())?);
        mosaic.set_i64(naxis, whole, "");
        mosaic.set_f64(crpix, of_grid, "");
    }
    let [(x0, width), (y0, height)] = sides;
    let grid = Grid::from_header(&mosaic).map_err(|error| format!("has no usable grid: {error}"))?;
    Ok((grid, Region { x0, y0, width, height }))
}
