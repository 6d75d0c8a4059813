//! The files of a run folder: what is in the way, what may be replaced, how the mosaic gets its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zemosaic_fits::{Overwrite, compress_product, scan};
use zemosaic_frames::dialect::is_own_product;
use zemosaic_frames::{Frame, LeftOut, Reason, discover};

use crate::error::RunError;
use crate::options::{Existing, InputKind, MosaicRequest, TileKeeping};
use crate::products::{COMPRESSED_NAME, PRODUCT_NAMES, TILE_PREFIX, TILES_FOLDER, tile_name};

/// Products of an earlier run are not replaced unless asked; tiles that are not ours never are.
///
/// # Errors
/// [`RunError::Exists`]; [`RunError::Output`] where a folder has the name of a file to be written, or a file that of the
/// folder of tiles.
pub(crate) fn refuse_existing(request: &MosaicRequest, folder: &Path) -> Result<(), RunError> {
    let names = PRODUCT_NAMES.iter().chain([&COMPRESSED_NAME]);
    let mut existing = names.map(|name| folder.join(name)).filter(|path| path.exists());
    if request.existing == Existing::Replace
        && let Some(path) = existing.clone().find(|path| path.is_dir())
    {
        let source = std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder");
        return Err(RunError::Output { path, source });
    }
    let mut in_the_way = existing.next();
    if keeps_tiles(request) {
        let tiles = folder.join(TILES_FOLDER);
        if tiles.symlink_metadata().is_ok() && !tiles.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is not a folder");
            return Err(RunError::Output { path: tiles, source });
        }
        // How many tiles there will be is not known yet, but there is a first one.
        let first = tiles.join(tile_name(1));
        if request.existing == Existing::Replace && first.exists() && !is_own(&first) {
            return Err(RunError::Exists { path: first });
        }
        in_the_way = in_the_way.or_else(|| tiles_in(folder).into_iter().next());
    }
    match in_the_way {
        Some(path) if request.existing == Existing::Refuse => Err(RunError::Exists { path }),
        _ => Ok(()),
    }
}

/// Whether a run leaves master tiles in its folder.
fn keeps_tiles(request: &MosaicRequest) -> bool {
    request.makes_tiles() && request.tile_keeping == TileKeeping::Keep
}

/// Whether master tiles of an earlier run go, if this one does not make them.
fn removes_tiles(request: &MosaicRequest) -> bool {
    request.existing == Existing::Replace && request.input_kind == InputKind::Frames
}

/// Master tiles in a run folder, by name.
pub(crate) fn tiles_in(folder: &Path) -> Vec<PathBuf> {
    master_tiles_of(&folder.join(TILES_FOLDER))
}

/// Files in `folder` that have the name of a master tile, by name.
pub(crate) fn master_tiles_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_tile = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(TILE_PREFIX) && path.extension().is_some_and(|ending| ending == "fits")
    };
    let mut tiles: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_tile).collect();
    tiles.sort();
    tiles
}

/// A product of a run folder must not take the place of a file that the run reads.
///
/// # Errors
/// As [`refuse_inputs`].
pub(crate) fn refuse_inputs_as_products(
    request: &MosaicRequest,
    frames: &[Frame],
    left_out: &[LeftOut],
) -> Result<(), RunError> {
    let names = PRODUCT_NAMES.iter().chain([&COMPRESSED_NAME]);
    let mut products: Vec<PathBuf> = names.map(|name| request.out.join(name)).collect();
    if request.makes_tiles() || removes_tiles(request) {
        products.extend(tiles_in(&request.out));
    }
    refuse_inputs(request, frames, left_out, &products)
}

/// None of `products` must take the place of a frame or a map, used or left out, of a calibration file, of a list, or of
/// the file with the WCS. Own products that are met in a folder are no inputs.
///
/// # Errors
/// [`RunError::Usage`]; or when a folder of calibration files cannot be listed.
pub(crate) fn refuse_inputs(
    request: &MosaicRequest,
    frames: &[Frame],
    left_out: &[LeftOut],
    products: &[PathBuf],
) -> Result<(), RunError> {
    let products: BTreeSet<PathBuf> = products.iter().filter_map(|path| path.canonicalize().ok()).collect();
    if products.is_empty() {
        return Ok(());
    }
    let is_replaced = |file: &Path| file.canonicalize().is_ok_and(|path| products.contains(&path));
    let ingest = &request.options.ingest;
    let own = &ingest.calibration;
    let calibration = [&own.bias, &own.dark, &own.flat, &own.bad_pixels].map(Vec::as_slice).concat();
    let mut named = named_files(&request.inputs);
    named.extend(named_files(&calibration));
    named.extend(ingest.wcs.wcs_from.iter().cloned());
    let left_out = left_out.iter().filter(|item| !matches!(item.reason, Reason::OwnProduct(_)));
    let frames = frames.iter().flat_map(Frame::files).chain(left_out.map(|item| item.path.as_path()));
    let mut files = frames.chain(named.iter().map(PathBuf::as_path));
    let mut replaced = files.find(|file| is_replaced(file)).map(Path::to_path_buf);
    if replaced.is_none() {
        let found = discover(&calibration, &[])?;
        let is_input = |path: &Path, named| is_replaced(path) && (named || !is_own(path));
        replaced = found.into_iter().find(|file| is_input(&file.path, file.named)).map(|file| file.path);
    }
    match replaced {
        None => Ok(()),
        Some(file) => Err(input_replaced(&file, &request.out)),
    }
}

/// A file must not take the place of one that `inputs` name, or that is below one of them.
///
/// # Errors
/// [`RunError::Usage`]; or when the inputs cannot be listed.
pub(crate) fn refuse_input_files(inputs: &[PathBuf], product: &Path) -> Result<(), RunError> {
    let Ok(product) = product.canonicalize() else { return Ok(()) };
    let found = discover(inputs, &[])?.into_iter().map(|file| file.path);
    let mut files = named_files(inputs).into_iter().chain(found);
    match files.find(|file| file.canonicalize().is_ok_and(|path| path == product)) {
        None => Ok(()),
        Some(file) => Err(input_replaced(&file, &product)),
    }
}

/// Those of `paths` that may be files, lists among them.
fn named_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let list = |path: &PathBuf| path.to_str().and_then(|text| text.strip_prefix('@')).map(PathBuf::from);
    let lists = paths.iter().filter_map(list);
    paths.iter().cloned().chain(lists).collect()
}

fn input_replaced(file: &Path, out: &Path) -> RunError {
    RunError::Usage(format!(
        "{} is an input, and a product of {} would take its place; give another output",
        file.display(),
        out.display()
    ))
}

/// What the request says of products that exist, for the FITS writers.
pub(crate) fn overwrite(request: &MosaicRequest) -> Overwrite {
    match request.existing {
        Existing::Refuse => Overwrite::Refuse,
        Existing::Replace => Overwrite::Replace,
    }
}

/// The complete mosaic `written` in the folder `staging`, compressed where that is asked for, ready for
/// [`publish_mosaic`].
///
/// # Errors
/// When it cannot be compressed, or a file of its name has appeared that is not to be replaced.
pub(crate) fn stage_mosaic(
    request: &MosaicRequest,
    written: PathBuf,
    staging: &Path,
) -> Result<PathBuf, RunError> {
    let name = if request.compress.is_some() { COMPRESSED_NAME } else { PRODUCT_NAMES[0] };
    let path = request.out.join(name);
    if request.existing == Existing::Refuse && path.exists() {
        return Err(RunError::Exists { path });
    }
    let Some(options) = &request.compress else { return Ok(written) };
    let compressed = staging.join(name);
    compress_product(&written, &compressed, options, Overwrite::Replace)?;
    Ok(compressed)
}

/// Give the mosaic `staged` its name. The other form of an earlier run must not be mistaken for it and is removed, if it is
/// one of ours; so are master tiles of an earlier run that are not among `tiles`.
///
/// # Errors
/// When it cannot be renamed, or something not removed.
pub(crate) fn publish_mosaic(
    request: &MosaicRequest,
    staged: &Path,
    tiles: &[PathBuf],
) -> Result<PathBuf, RunError> {
    let [plain, compressed] = [PRODUCT_NAMES[0], COMPRESSED_NAME].map(|name| request.out.join(name));
    let (mosaic, other) = if request.compress.is_some() { (compressed, plain) } else { (plain, compressed) };
    std::fs::rename(staged, &mosaic).map_err(RunError::output(&mosaic))?;
    if request.existing == Existing::Replace && other.exists() && is_own(&other) {
        std::fs::remove_file(&other).map_err(RunError::output(other))?;
    }
    if removes_tiles(request) {
        let surplus = tiles_in(&request.out).into_iter().filter(|path| !tiles.contains(path) && is_own(path));
        for path in surplus {
            std::fs::remove_file(&path).map_err(RunError::output(&path))?;
        }
        if tiles.is_empty() {
            // A folder that holds something else stays.
            let _ = std::fs::remove_dir(request.out.join(TILES_FOLDER));
        }
    }
    Ok(mosaic)
}

/// Whether a file is a mosaic of this program.
pub(crate) fn is_own(path: &Path) -> bool {
    scan(path).is_ok_and(|file| file.hdus.iter().any(|hdu| is_own_product(&hdu.header)))
}
