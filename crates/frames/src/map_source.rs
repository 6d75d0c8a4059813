//! Where the weight map and the mask of a frame are, and which inputs are maps rather than frames.
//!
//! First found wins: what a list says, else the option. A suffix takes the place of the frame's FITS ending
//! (SWarp's WEIGHT_SUFFIX): with `.weight.fits` the map of `a.fits.fz` is `a.weight.fits` beside it, or that name
//! with another packing; where there is none of these, in capitals or small letters. A suffix in brackets is the
//! EXTNAME of the map in the frame's own file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::discover::{InputFile, MapSource, PACKED, SUFFIXES, has_fits_name};
use crate::frame::{FrameKind, FrameMap, FrameMaps, MapKind, Reason};
use crate::images::{ImagePart, Part, images_of};
use crate::list::{extension_name, is_empty_extension};
use crate::wcs_source::bare_name;

/// What the pixels of weight maps say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightType {
    /// 1 / variance; of an extension in brackets what its name says (ERR and RMS: standard deviation, VAR:
    /// variance).
    #[default]
    MapWeight,
    /// Standard deviation.
    MapRms,
    /// Variance.
    MapVariance,
}

/// Whether weight maps are brought to the noise that the frame itself shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightRescale {
    /// The map says how noise is spread over the frame, the frame how much there is.
    #[default]
    Auto,
    /// The map is the variance in units of the frame.
    Off,
}

/// Weight maps and masks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MapOptions {
    /// What follows the bare name of a frame in the name of its weight map, or `[EXTNAME]`.
    pub weight_suffix: Option<String>,
    /// What weight maps say.
    pub weight_type: WeightType,
    /// What follows the bare name of a frame in the name of its mask, or `[EXTNAME]`.
    pub mask_suffix: Option<String>,
    /// The level of weight maps.
    pub rescale: WeightRescale,
}

impl MapOptions {
    /// Whether the suffixes can be used.
    ///
    /// # Errors
    /// What is wrong with one, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for (name, suffix) in [("weight-suffix", &self.weight_suffix), ("mask-suffix", &self.mask_suffix)] {
            if suffix.as_deref().is_some_and(is_empty_extension) {
                return Err(format!("{name} [] names no extension; give its EXTNAME, as in [WHT]"));
            }
        }
        Ok(())
    }
}

/// File names of a folder, sorted, by their form in small letters.
type Names = HashMap<String, Vec<String>>;

/// Folders that maps were looked for in, each listed once.
#[derive(Default)]
pub(crate) struct Folders(Mutex<HashMap<PathBuf, Arc<Names>>>);

impl Folders {
    /// The file in `folder` that is named `bare`, then one of `endings` in capitals or small letters.
    fn find(&self, folder: &Path, bare: &str, endings: &[String], frame: &Path) -> Option<PathBuf> {
        let names = self.names_of(folder);
        let variants =
            endings.iter().filter_map(|ending| names.get(&format!("{bare}{ending}").to_ascii_lowercase()));
        let of_frame = variants.flatten().filter(|name| name.starts_with(bare));
        of_frame.map(|name| folder.join(name)).find(|path| path != frame && path.is_file())
    }

    fn names_of(&self, folder: &Path) -> Arc<Names> {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = || {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort();
            let mut by_lower = Names::new();
            for name in names {
                by_lower.entry(name.to_ascii_lowercase()).or_default().push(name);
            }
            Arc::new(by_lower)
        };
        Arc::clone(folders.entry(folder.to_path_buf()).or_insert_with(list))
    }
}

/// A kind of map, looked for.
enum Wanted {
    /// There is none.
    Nothing,
    /// An extension of the frame's file: its EXTNAME in capitals.
    Extension(String),
    /// The images of this file.
    File(PathBuf, Result<Vec<Part>, Reason>),
    /// It should be there and is not.
    Missing(String),
}

/// The maps of one input file; looked for once, however many frames the file holds.
pub(crate) struct FileMaps {
    path: PathBuf,
    weight: Wanted,
    weight_type: WeightType,
    mask: Wanted,
}

impl FileMaps {
    /// The maps of `file`.
    pub fn of(file: &InputFile, options: &MapOptions, folders: &Folders) -> Self {
        let wanted = |given: &Option<MapSource>, suffix: &Option<String>| {
            wanted(&file.path, given.as_ref(), suffix.as_deref(), folders)
        };
        Self {
            path: file.path.clone(),
            weight: wanted(&file.given.weight, &options.weight_suffix),
            weight_type: options.weight_type,
            mask: wanted(&file.given.mask, &options.mask_suffix),
        }
    }

    /// Whether an extension of this name is a map.
    pub fn has_extension(&self, name: &str) -> bool {
        [&self.weight, &self.mask].iter().any(|map| matches!(map, Wanted::Extension(own) if own == name))
    }

    /// The maps of the frame `part`; `own` are the images of its file.
    ///
    /// # Errors
    /// The reason to leave the frame out: a map that is wanted is missing or does not fit.
    pub fn for_frame(&self, part: &ImagePart, kind: FrameKind, own: &[Part]) -> Result<FrameMaps, Reason> {
        let find = |wanted: &Wanted, what: &str| {
            find_map(&self.path, wanted, part, kind, own).map_err(|why| Reason::Map(format!("{what}: {why}")))
        };
        let weight = find(&self.weight, "weight map")?.map(|(path, map)| {
            let kind = weight_kind(&self.weight, self.weight_type);
            frame_map(path, map, kind)
        });
        let mask = find(&self.mask, "mask")?.map(|(path, map)| frame_map(path, map, MapKind::Mask));
        Ok(FrameMaps { weight, mask })
    }
}

fn frame_map(path: PathBuf, map: ImagePart, kind: MapKind) -> FrameMap {
    FrameMap {
        pixels_path: path.clone(),
        path,
        packing: map.packing,
        hdu: map.hdu,
        layout: map.layout,
        kind,
        unpacked_bytes: map.unpacked_bytes,
    }
}

/// What a weight map says: the option, but of an extension its name, unless the option is not the default.
fn weight_kind(wanted: &Wanted, weight_type: WeightType) -> MapKind {
    match (weight_type, wanted) {
        (WeightType::MapWeight, Wanted::Extension(name)) => match name.as_str() {
            "ERR" | "ERROR" | "RMS" | "SIGMA" => MapKind::Rms,
            "VAR" | "VARIANCE" => MapKind::Variance,
            _ => MapKind::Weight,
        },
        (WeightType::MapWeight, _) => MapKind::Weight,
        (WeightType::MapRms, _) => MapKind::Rms,
        (WeightType::MapVariance, _) => MapKind::Variance,
    }
}

fn wanted(frame: &Path, given: Option<&MapSource>, suffix: Option<&str>, folders: &Folders) -> Wanted {
    let file = |path: PathBuf| {
        let images = images_of(&path);
        Wanted::File(path, images)
    };
    match (given, suffix) {
        (Some(MapSource::File(path)), _) => file(path.clone()),
        (Some(MapSource::Extension(name)), _) => Wanted::Extension(name.to_uppercase()),
        (None, Some(suffix)) => {
            if let Some(name) = extension_name(suffix) {
                return Wanted::Extension(name.to_uppercase());
            }
            let (bare, endings) = (bare_name(frame), map_endings(suffix));
            let folder = frame.parent().unwrap_or(Path::new(""));
            let mut paths = endings.iter().map(|ending| folder.join(format!("{bare}{ending}")));
            let found = paths
                .find(|path| path != frame && path.is_file())
                .or_else(|| folders.find(folder, &bare, &endings, frame));
            found.map_or_else(|| Wanted::Missing(missing(&bare, &endings, suffix)), file)
        }
        (Some(MapSource::None), _) | (None, None) => Wanted::Nothing,
    }
}

fn missing(bare: &str, endings: &[String], suffix: &str) -> String {
    match endings {
        [] => format!("the suffix {suffix:?} names the frame itself"),
        [first, ..] => format!("{bare}{first} is not beside the frame"),
    }
}

/// What may follow the bare name of a frame in the name of its map, in the order it is looked for; nothing for a suffix
/// that is only the ending of a FITS file.
fn map_endings(suffix: &str) -> Vec<String> {
    let mut endings = Vec::new();
    for plain in plain_suffixes(suffix) {
        if suffix.len() > plain.len() && suffix.starts_with(&plain) {
            endings.push(suffix.to_owned());
        }
        endings.push(plain.clone());
        endings.extend(PACKED.iter().map(|packed| format!("{plain}{packed}")));
    }
    endings
}

/// `name` without `ending`, in capitals or small letters.
fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (bare, own) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    own.eq_ignore_ascii_case(ending).then_some(bare)
}

/// `name` without the ending of a packer.
fn unpacked_name(name: &str) -> &str {
    PACKED.iter().find_map(|packed| strip_ending(name, packed)).unwrap_or(name)
}

/// The suffix without packing and with the ending of a FITS file.
fn plain_suffixes(suffix: &str) -> Vec<String> {
    let plain = unpacked_name(suffix);
    let lower = plain.to_lowercase();
    if lower.is_empty() || SUFFIXES.contains(&lower.as_str()) {
        return Vec::new();
    }
    if has_fits_name(plain) {
        return vec![plain.to_owned()];
    }
    [".fits", ".fit", ".fts"].iter().map(|ending| format!("{plain}{ending}")).collect()
}

fn find_map(
    frame_path: &Path,
    wanted: &Wanted,
    part: &ImagePart,
    kind: FrameKind,
    own: &[Part],
) -> Result<Option<(PathBuf, ImagePart)>, String> {
    let (path, map) = match wanted {
        Wanted::Nothing => return Ok(None),
        Wanted::Missing(why) => return Err(why.clone()),
        Wanted::Extension(name) => (frame_path, named_image(name, part, own)?),
        Wanted::File(path, images) => {
            let at = |why: String| format!("{}: {why}", path.display());
            let images = images.as_ref().map_err(|reason| match reason.message() {
                // Most errors of files name it themselves.
                message if message.contains(&*path.to_string_lossy()) => message.to_owned(),
                message => at(message.to_owned()),
            })?;
            let is_own = path.canonicalize().ok() == frame_path.canonicalize().ok();
            (path.as_path(), sized_image(part, images, is_own).map_err(at)?)
        }
    };
    let planes = map.layout.planes();
    if planes != 1 && !(planes == 3 && kind == FrameKind::Rgb) {
        return Err(format!("{} has {planes} planes in HDU {}; one is needed", path.display(), map.hdu));
    }
    Ok(Some((path.to_path_buf(), map.clone())))
}

fn size_of(part: &ImagePart) -> (usize, usize) {
    (part.layout.width(), part.layout.height())
}

/// The extension of this name and of the frame's EXTVER.
fn named_image<'a>(name: &str, frame: &ImagePart, own: &'a [Part]) -> Result<&'a ImagePart, String> {
    let version = frame.header.get_i64("EXTVER").unwrap_or(1);
    let key = Some((name.to_owned(), version));
    let images = own.iter().filter_map(|(_, image)| image.as_ref().ok());
    let found = images.clone().find(|image| image.hdu != frame.hdu && image.name() == key);
    let (width, height) = size_of(frame);
    match found {
        Some(image) if size_of(image) == (width, height) => Ok(image),
        Some(image) => {
            let (w, h) = size_of(image);
            Err(format!("extension {name} has {w} x {h} pixels, the frame {width} x {height}"))
        }
        None => Err(format!("the file has no readable image extension {name} of EXTVER {version}")),
    }
}

/// The image of the frame's HDU when it has the frame's size, else the only one of that size.
fn sized_image<'a>(
    frame: &ImagePart,
    images: &'a [Part],
    is_own_file: bool,
) -> Result<&'a ImagePart, String> {
    let size = size_of(frame);
    let fits = |image: &&ImagePart| size_of(image) == size && !(is_own_file && image.hdu == frame.hdu);
    let readable = images.iter().filter_map(|(_, image)| image.as_ref().ok());
    let fitting: Vec<&ImagePart> = readable.clone().filter(fits).collect();
    if let Some(same) = fitting.iter().find(|image| image.hdu == frame.hdu) {
        return Ok(same);
    }
    match fitting[..] {
        [only] => Ok(only),
        [] => {
            let broken = images.iter().find_map(|(_, image)| image.as_ref().err());
            let others: Vec<String> =
                readable.map(size_of).map(|(width, height)| format!("{width} x {height}")).collect();
            let what = match (broken, others.join(", ")) {
                (Some(reason), _) => reason.message().to_owned(),
                (None, sizes) => format!("it has {sizes}"),
            };
            Err(format!("no image of the frame's {} x {} pixels ({what})", size.0, size.1))
        }
        _ => {
            let (count, (width, height)) = (fitting.len(), size);
            Err(format!("{count} images of {width} x {height} pixels, none in HDU {}", frame.hdu))
        }
    }
}

/// For each file why it is taken for a map, if it is: by the suffixes, or as what a list names while a folder was walked.
///
/// A suffix that begins with a letter or a digit may be the end of an ordinary name; it makes a map only beside
/// the frame.
pub(crate) fn why_maps(files: &[InputFile], options: &MapOptions) -> Vec<Option<String>> {
    let suffixes: Vec<(&str, String)> =
        [("weight map", &options.weight_suffix), ("mask", &options.mask_suffix)]
            .into_iter()
            .filter_map(|(what, suffix)| Some((what, suffix.as_deref()?)))
            .filter(|(_, suffix)| extension_name(suffix).is_none())
            .flat_map(|(what, suffix)| plain_suffixes(suffix).into_iter().map(move |plain| (what, plain)))
            .collect();
    let listed: HashSet<PathBuf> = files
        .iter()
        .flat_map(|file| [&file.given.weight, &file.given.mask])
        .filter_map(|map| match map {
            Some(MapSource::File(path)) => path.canonicalize().ok(),
            _ => None,
        })
        .collect();
    if suffixes.is_empty() && listed.is_empty() {
        return vec![None; files.len()];
    }
    let frames: HashSet<(Option<&Path>, String)> =
        files.iter().map(|file| (file.path.parent(), bare_name(&file.path))).collect();
    let by_suffix = |file: &InputFile| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let plain = unpacked_name(&name);
        suffixes.iter().find_map(|(what, suffix)| {
            let bare = strip_ending(plain, suffix).filter(|bare| !bare.is_empty())?;
            if frames.contains(&(file.path.parent(), bare.to_owned())) {
                return Some(format!("by its name the {what} of {bare}, no frame itself"));
            }
            (!suffix.starts_with(char::is_alphanumeric)).then(|| {
                format!("it ends like a {what}, but there is no frame {bare} among the inputs; if it is a frame, rename it")
            })
        })
    };
    let by_list = |file: &InputFile| {
        let is_listed = !file.named
            && !listed.is_empty()
            && file.path.canonicalize().is_ok_and(|canonical| listed.contains(&canonical));
        is_listed.then(|| "a list names it as the weight map or the mask of a frame".to_owned())
    };
    files.iter().map(|file| by_suffix(file).or_else(|| by_list(file))).collect()
}
