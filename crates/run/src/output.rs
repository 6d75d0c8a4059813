//! The files of a run folder: what is in the way, what may be replaced, how the mosaic gets its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zemosaic_fits::{Overwrite, compress_product, scan};
use zemosaic_frames::dialect::is_own_product;
use zemosaic_frames::{Frame, Reason};

use crate::error::RunError;
use crate::layout::Layout;
use crate::options::{Existing, MosaicRequest, TileKeeping};
use crate::products::{COMPRESSED_NAME, PRODUCT_NAMES, TILE_PREFIX, TILES_FOLDER};

/// Products of an earlier run are not replaced unless asked.
///
/// # Errors
/// [`RunError::Exists`].
pub(crate) fn refuse_existing(request: &MosaicRequest, folder: &Path) -> Result<(), RunError> {
    let names = PRODUCT_NAMES.iter().chain([&COMPRESSED_NAME]);
    let mut in_the_way = names.map(|name| folder.join(name)).find(|path| path.exists());
    if request.makes_tiles() && request.tile_keeping == TileKeeping::Keep {
        in_the_way = in_the_way.or_else(|| tiles_in(folder).into_iter().next());
    }
    match in_the_way {
        Some(path) if request.existing == Existing::Refuse => Err(RunError::Exists { path }),
        _ => Ok(()),
    }
}

/// Master tiles in a run folder, by name.
pub(crate) fn tiles_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join(TILES_FOLDER)).into_iter().flatten().flatten();
    let is_tile = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(TILE_PREFIX) && path.extension().is_some_and(|ending| ending == "fits")
    };
    let mut tiles: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_tile).collect();
    tiles.sort();
    tiles
}

/// A product must not take the place of a file that it is made of.
///
/// # Errors
/// [`RunError::Usage`].
pub(crate) fn refuse_inputs_as_products(request: &MosaicRequest, layout: &Layout) -> Result<(), RunError> {
    let names = PRODUCT_NAMES.iter().chain([&COMPRESSED_NAME]);
    let mut products: BTreeSet<PathBuf> =
        names.filter_map(|name| request.out.join(name).canonicalize().ok()).collect();
    if request.makes_tiles() {
        products.extend(tiles_in(&request.out).iter().filter_map(|path| path.canonicalize().ok()));
    }
    let left_out = layout.left_out.iter().filter(|item| !matches!(item.reason, Reason::OwnProduct(_)));
    let files = layout.frames.iter().flat_map(Frame::files).chain(left_out.map(|item| item.path.as_path()));
    for file in files {
        if !products.is_empty() && file.canonicalize().is_ok_and(|path| products.contains(&path)) {
            return Err(RunError::Usage(format!(
                "{} is an input and has the name of a product in {}; give another output folder",
                file.display(),
                request.out.display()
            )));
        }
    }
    Ok(())
}

/// What the request says of products that exist, for the FITS writers.
pub(crate) fn overwrite(request: &MosaicRequest) -> Overwrite {
    match request.existing {
        Existing::Refuse => Overwrite::Refuse,
        Existing::Replace => Overwrite::Replace,
    }
}

/// The complete mosaic `written`, compressed where that is asked for, under its final name. The other form of an earlier
/// run must not be mistaken for it and is removed, if it is one of ours.
///
/// # Errors
/// When it cannot be compressed, or the other form not removed.
pub(crate) fn publish_mosaic(request: &MosaicRequest, written: PathBuf) -> Result<PathBuf, RunError> {
    let [plain, compressed] = [PRODUCT_NAMES[0], COMPRESSED_NAME].map(|name| request.out.join(name));
    let (mosaic, other) = match &request.compress {
        None => (written, compressed),
        Some(options) => {
            compress_product(&written, &compressed, options, overwrite(request))?;
            (compressed, plain)
        }
    };
    if request.existing == Existing::Replace && other.exists() && is_own(&other) {
        std::fs::remove_file(&other).map_err(RunError::output(other))?;
    }
    Ok(mosaic)
}

/// Whether a file is a mosaic of this program.
pub(crate) fn is_own(path: &Path) -> bool {
    scan(path).is_ok_and(|file| file.hdus.iter().any(|hdu| is_own_product(&hdu.header)))
}
