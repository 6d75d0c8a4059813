//! Where a frame's WCS comes from; first found wins: the file that a list names, `--wcs-from`, side-car `.head`,
//! side-car `.wcs` (the file name without .fit/.fits/.fts/.gz/.fz/.bz2), the frame's own header. A text side-car
//! with several headers, each ended by END, has one for each image of the file, as SCAMP writes it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_fits::Header;
use zemosaic_sky::Wcs;

use crate::discover::{PACKED, SUFFIXES};
use crate::frame::{Reason, WcsOrigin};

/// Which WCS sources are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WcsPolicy {
    /// A folder of side-cars, or one file for every frame; looked at before anything else.
    pub wcs_from: Option<PathBuf>,
    /// Drop every WCS there is; frames then need solving.
    pub ignore_wcs: bool,
}

/// Whether a frame without a WCS is a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WcsNeed {
    /// It is left out.
    #[default]
    Required,
    /// It is, with a placeholder for the WCS ([`WcsOrigin::Absent`]): its pixels are looked at, not its place.
    Optional,
}

/// What stands for the WCS of a frame of `width` x `height` pixels that has none: a plain one at the origin of ICRS,
/// 1 arcsec a pixel.
///
/// # Errors
/// The frame has no size.
pub fn placeholder_wcs(width: usize, height: usize) -> Result<Wcs, Reason> {
    let mut header = Header::new();
    for (axis, name, pixels) in [(1, "RA---TAN", width), (2, "DEC--TAN", height)] {
        header.set_str(&format!("CTYPE{axis}"), name, "");
        header.set_f64(&format!("CRVAL{axis}"), 0.0, "");
        header.set_f64(&format!("CRPIX{axis}"), 0.5 * (pixels + 1) as f64, "");
        header.set_f64(&format!("CDELT{axis}"), if axis == 1 { -1.0 } else { 1.0 } / 3600.0, "");
    }
    Wcs::from_header(&header).map_err(|error| Reason::BadWcs(error.code(), error.to_string()))
}

/// The file name without .gz/.fz/.bz2 and .fit/.fits/.fts.
pub fn bare_name(path: &Path) -> String {
    let mut name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for suffixes in [&PACKED[..], &PACKED[..], &SUFFIXES[..]] {
        let lower = name.to_lowercase();
        if let Some(suffix) = suffixes.iter().find(|suffix| lower.ends_with(**suffix)) {
            name.truncate(name.len() - suffix.len());
        }
    }
    name
}

/// The WCS that counts for a frame.
#[derive(Debug, Clone)]
pub struct FoundWcs {
    /// The WCS.
    pub wcs: Wcs,
    /// Where it came from.
    pub origin: WcsOrigin,
    /// The header it came from, when that is not the frame's own.
    pub sidecar: Option<Header>,
    /// Why the WCS that the frame came with cannot be used; `None` where it can, or where there was none.
    pub fault: Option<Reason>,
}

/// An image's place among others: its index, and how many there are.
pub type Place = (usize, usize);

/// The WCS that counts for the frame at `path` with header `own`; `listed` is the file that a list names for it.
/// `places` are the frame's among the frames and among all images of its file: a side-car of several headers is
/// read by the first of them with as many.
///
/// # Errors
/// The reason to leave the frame out: none found, or the first one found is not usable.
pub fn find_wcs(
    path: &Path,
    own: &Header,
    policy: &WcsPolicy,
    listed: Option<&Path>,
    places: &[Place],
) -> Result<FoundWcs, Reason> {
    if policy.ignore_wcs {
        return Err(Reason::NoWcs(
            "every WCS is dropped by --ignore-wcs, and frames are not solved here: `zemosaic run` solves them before \
             it makes the mosaic, `zemosaic solve --write-sidecar` writes side-cars"
                .into(),
        ));
    }
    for (file, origin) in sidecars(path, policy, listed) {
        if file.is_file() {
            let header = read_sidecar(&file, own, places)?;
            let wcs = Wcs::from_header(&header)
                .map_err(|error| Reason::BadWcs(error.code(), format!("{}: {error}", file.display())))?;
            return Ok(FoundWcs { wcs, origin, sidecar: Some(header), fault: None });
        }
    }
    match Wcs::from_header(own) {
        Ok(wcs) => Ok(FoundWcs { wcs, origin: WcsOrigin::Header, sidecar: None, fault: None }),
        Err(error) if error.code() == "E-WCS-NONE" => Err(Reason::NoWcs(
            "no WCS in the header and no .head or .wcs side-car; plate-solve the frame first: `zemosaic run` does it \
             unless --solve is off, `zemosaic solve --write-sidecar` writes side-cars"
                .into(),
        )),
        Err(error) => Err(Reason::BadWcs(error.code(), error.to_string())),
    }
}

fn sidecars(path: &Path, policy: &WcsPolicy, listed: Option<&Path>) -> Vec<(PathBuf, WcsOrigin)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let bare = bare_name(path);
    let given = |file: PathBuf| (file.clone(), WcsOrigin::Given(file));
    let mut files = Vec::new();
    files.extend(listed.map(|file| given(file.to_path_buf())));
    if let Some(from) = &policy.wcs_from {
        if from.is_dir() {
            files.extend(["head", "wcs"].map(|suffix| given(from.join(format!("{bare}.{suffix}")))));
        } else {
            files.push(given(from.clone()));
        }
    }
    let head = folder.join(format!("{bare}.head"));
    files.push((head.clone(), WcsOrigin::HeadSidecar(head)));
    let wcs = folder.join(format!("{bare}.wcs"));
    files.push((wcs.clone(), WcsOrigin::WcsSidecar(wcs)));
    files
}

/// A side-car's header; the image size comes from the frame, never from the side-car.
fn read_sidecar(file: &Path, own: &Header, places: &[Place]) -> Result<Header, Reason> {
    let bad = |error: String| Reason::BadWcs("E-WCS-SIDECAR", format!("{}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut header = if bytes.starts_with(b"SIMPLE  =") && bytes.len() % 2880 == 0 {
        Header::parse(&bytes).map_err(|error| bad(error.to_string()))?.0
    } else {
        let text = String::from_utf8_lossy(&bytes);
        let text = own_text(&text, places).map_err(bad)?;
        Header::parse_text(text).map_err(|error| bad(error.to_string()))?
    };
    for key in ["NAXIS1", "NAXIS2"] {
        if let Some(n) = own.get_i64(key) {
            header.set_i64(key, n, "");
        }
    }
    Ok(header)
}

/// The part of a text side-car that is for an image at these places: of several headers its own.
fn own_text<'a>(text: &'a str, places: &[Place]) -> Result<&'a str, String> {
    let mut headers = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "END" {
            headers.push(&text[start..at]);
            start = at;
        }
    }
    if !text[start..].trim().is_empty() {
        headers.push(&text[start..]);
    }
    if headers.len() < 2 {
        return Ok(text);
    }
    let place = places.iter().find(|(_, count)| *count == headers.len());
    place.and_then(|(index, _)| headers.get(*index)).copied().ok_or_else(|| {
        let images = places.last().map_or(1, |(_, count)| *count);
        format!("it has {} headers and the file {images} images; one for each image is needed", headers.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_lose_only_fits_suffixes() {
        for (name, bare) in [
            ("a.fit.gz", "a"),
            ("b.FITS", "b"),
            ("c.0s.fits.fz", "c.0s"),
            ("e.fts.BZ2", "e"),
            ("d.txt", "d.txt"),
        ] {
            assert_eq!(bare_name(Path::new(name)), bare);
        }
    }
}
