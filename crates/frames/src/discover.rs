//! Which files an input means. A folder is walked to the bottom; a file is itself; a list means the files it
//! names ([`crate::list`]). The order is the frame order of every product: path below its input root (NFC,
//! bytewise).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::FramesError;
use crate::list::{list_of, read_list, share_images};

/// Where a weight map or a mask is, as a list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapSource {
    /// There is none, whatever the options say.
    None,
    /// A file of its own.
    File(PathBuf),
    /// The extension of this name in the frame's own file.
    Extension(String),
}

/// What a list says of a file besides its path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Its weight map.
    pub weight: Option<MapSource>,
    /// Its mask.
    pub mask: Option<MapSource>,
    /// A file with its WCS.
    pub wcs: Option<PathBuf>,
    /// What its pixels are multiplied with.
    pub flux_scale: Option<f64>,
    /// The only HDU that is used, primary = 0.
    pub hdu: Option<usize>,
}

/// A candidate file.
#[derive(Debug, Clone, PartialEq)]
pub struct InputFile {
    /// Path below the input root, `/`-separated, NFC.
    pub id: String,
    /// The path to open.
    pub path: PathBuf,
    /// Named by the user (as opposed to met while walking a folder).
    pub named: bool,
    /// What a list says of it.
    pub given: Given,
}

/// Endings of FITS files.
pub(crate) const SUFFIXES: [&str; 3] = [".fit", ".fits", ".fts"];

/// What packers append; `.z` is listed so that such a file is refused by name rather than overlooked.
pub(crate) const PACKED: [&str; 4] = [".gz", ".bz2", ".fz", ".z"];

/// Whether a file name looks like a FITS image we read: `.fit`, `.fits`, `.fts`, each also with `.fz`, `.gz` or `.bz2`,
/// or `.fz` and one of the others.
pub fn has_fits_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let strip =
        |name: &str| PACKED.iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(name).to_owned();
    let plain = strip(&strip(&lower));
    SUFFIXES.iter().any(|suffix| plain.ends_with(suffix))
}

/// All candidate files of the inputs, in frame order, each once (each HDU once where lists name HDUs). Folders
/// below `excluded` and hidden entries are not entered.
///
/// # Errors
/// An input that does not exist, a folder that cannot be listed, a list with a mistake, lists that contradict each
/// other.
pub fn discover(inputs: &[PathBuf], excluded: &[PathBuf]) -> Result<Vec<InputFile>, FramesError> {
    let excluded: Vec<PathBuf> = excluded.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut files = Vec::new();
    for input in inputs {
        let mut found = Vec::new();
        let listed = list_of(input);
        let input = listed.as_ref().unwrap_or(input);
        let meta = match std::fs::metadata(input) {
            Ok(meta) => meta,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(FramesError::NoSuchInput { path: input.clone() });
            }
            Err(source) => return Err(FramesError::Unreadable { path: input.clone(), source }),
        };
        if meta.is_dir() {
            walk(input, input, &excluded, &mut found)?;
        } else if listed.is_some() {
            found = read_list(input)?;
        } else {
            let root = input.parent().unwrap_or(Path::new(""));
            let id = id_below(root, input);
            found.push(InputFile { id, path: input.clone(), named: true, given: Given::default() });
        }
        files.extend(found.into_iter().map(|file| (file, listed.clone())));
    }
    each_once(files)
}

/// A file, and the list that names it.
type Met = (InputFile, Option<PathBuf>);

/// Files in frame order. Of a file that is met several times the first in that order stays, with what any list
/// says of it.
fn each_once(files: Vec<Met>) -> Result<Vec<InputFile>, FramesError> {
    let mut by_file: BTreeMap<PathBuf, Vec<Met>> = BTreeMap::new();
    for met in files {
        by_file.entry(met.0.path.canonicalize().unwrap_or(met.0.path.clone())).or_default().push(met);
    }
    let mut kept = Vec::with_capacity(by_file.len());
    for (canonical, mut met) in by_file {
        met.sort_by(|a, b| (&a.0.id, a.0.given.hdu).cmp(&(&b.0.id, b.0.given.hdu)));
        kept.extend(one_file(met)?.into_iter().map(|file| (canonical.clone(), file)));
    }
    let hdu_of = |file: &InputFile| file.given.hdu;
    kept.sort_by(|a, b| (&a.1.id, &a.0, hdu_of(&a.1)).cmp(&(&b.1.id, &b.0, hdu_of(&b.1))));
    Ok(kept.into_iter().map(|(_, file)| file).collect())
}

/// What stays of one file that was met like this, in frame order: where a list says something of it that, for each
/// HDU it names.
fn one_file(met: Vec<Met>) -> Result<Vec<InputFile>, FramesError> {
    let named = met.iter().any(|(file, _)| file.named);
    let (plain, said): (Vec<Met>, Vec<Met>) =
        met.into_iter().partition(|(file, _)| file.given == Given::default());
    let plain = plain.into_iter().next().map(|(file, _)| InputFile { named, ..file });
    let mut kept: Vec<Met> = Vec::with_capacity(said.len());
    for (mut file, list) in said {
        match kept.iter().find(|(first, _)| share_images(&first.given, &file.given)) {
            Some((first, _)) if first.given == file.given => {}
            Some((_, first)) => {
                let (first, second) = (first.clone().unwrap_or_default(), list.unwrap_or_default());
                return Err(FramesError::Lists { first, second, path: file.path });
            }
            None => {
                if let Some(plain) = plain.as_ref().filter(|plain| plain.id < file.id) {
                    (file.id, file.path) = (plain.id.clone(), plain.path.clone());
                }
                kept.push((file, list));
            }
        }
    }
    if kept.is_empty() {
        return Ok(plain.into_iter().collect());
    }
    Ok(kept.into_iter().map(|(file, _)| file).collect())
}

fn walk(
    root: &Path,
    folder: &Path,
    excluded: &[PathBuf],
    files: &mut Vec<InputFile>,
) -> Result<(), FramesError> {
    let unreadable = |source| FramesError::Unreadable { path: folder.to_path_buf(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            let is_link = entry.file_type().map_err(unreadable)?.is_symlink();
            let out = path.canonicalize().is_ok_and(|canonical| excluded.contains(&canonical));
            if !is_link && !out {
                walk(root, &path, excluded, files)?;
            }
        } else if has_fits_name(&name) {
            let id = id_below(root, &path);
            files.push(InputFile { id, path, named: false, given: Given::default() });
        }
    }
    Ok(())
}

/// The path below its root, `/`-separated, NFC.
pub(crate) fn id_below(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<String> =
        below.components().map(|part| part.as_os_str().to_string_lossy().nfc().collect()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_path_below_the_root_and_each_file_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["b/2.fits", "a/9.fit", "a.fits.gz", ".hidden/x.fits", "notes.txt", "out/mosaic.fits"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), b"x").unwrap();
        }
        let inputs = vec![root.join("b/2.fits"), root.to_path_buf(), root.to_path_buf()];
        let found = discover(&inputs, &[root.join("out")]).unwrap();
        let ids: Vec<&str> = found.iter().map(|file| file.id.as_str()).collect();
        assert_eq!(ids, ["2.fits", "a.fits.gz", "a/9.fit"]);
        assert!(matches!(discover(&[root.join("none")], &[]), Err(FramesError::NoSuchInput { .. })));
    }

    #[test]
    fn composed_and_decomposed_names_are_one_id() {
        assert_eq!(id_below(Path::new("r"), Path::new("r/e\u{301}.fit")), "\u{e9}.fit");
    }
}
