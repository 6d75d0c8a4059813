//! Where a frame's WCS comes from; first found wins: `--wcs-from`, side-car `.head`, side-car `.wcs`
//! (the file name without .fit/.fits/.fts/.fz/.gz/.bz2), the frame's own header.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zemosaic_fits::Header;
use zemosaic_sky::Wcs;

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

/// The file name without .gz/.bz2, .fz and .fit/.fits/.fts.
pub fn bare_name(path: &Path) -> String {
    let mut name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for suffixes in [&[".gz", ".bz2"][..], &[".fz"], &[".fits", ".fit", ".fts"][..]] {
        let lower = name.to_lowercase();
        if let Some(suffix) = suffixes.iter().find(|suffix| lower.ends_with(**suffix)) {
            name.truncate(name.len() - suffix.len());
        }
    }
    name
}

/// The WCS that counts for the frame at `path` with header `own`.
///
/// # Errors
/// The reason to leave the frame out: none found, or the first one found is not usable.
pub fn find_wcs(path: &Path, own: &Header, policy: &WcsPolicy) -> Result<(Wcs, WcsOrigin), Reason> {
    if policy.ignore_wcs {
        return Err(Reason::NoWcs(
            "every WCS is dropped by --ignore-wcs and plate solving is not part of `mosaic`".into(),
        ));
    }
    for (file, origin) in sidecars(path, policy) {
        if file.is_file() {
            let header = read_sidecar(&file, own)?;
            let wcs = Wcs::from_header(&header)
                .map_err(|error| Reason::BadWcs(error.code(), format!("{}: {error}", file.display())))?;
            return Ok((wcs, origin));
        }
    }
    match Wcs::from_header(own) {
        Ok(wcs) => Ok((wcs, WcsOrigin::Header)),
        Err(error) if error.code() == "E-WCS-NONE" => Err(Reason::NoWcs(
            "no WCS in the header and no .head or .wcs side-car; plate-solve the frame first".into(),
        )),
        Err(error) => Err(Reason::BadWcs(error.code(), error.to_string())),
    }
}

fn sidecars(path: &Path, policy: &WcsPolicy) -> Vec<(PathBuf, WcsOrigin)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let bare = bare_name(path);
    let mut files = Vec::new();
    if let Some(given) = &policy.wcs_from {
        if given.is_dir() {
            for suffix in ["head", "wcs"] {
                let file = given.join(format!("{bare}.{suffix}"));
                files.push((file.clone(), WcsOrigin::Given(file)));
            }
        } else {
            files.push((given.clone(), WcsOrigin::Given(given.clone())));
        }
    }
    let head = folder.join(format!("{bare}.head"));
    files.push((head.clone(), WcsOrigin::HeadSidecar(head)));
    let wcs = folder.join(format!("{bare}.wcs"));
    files.push((wcs.clone(), WcsOrigin::WcsSidecar(wcs)));
    files
}

/// A side-car's header; the image size comes from the frame, never from the side-car.
fn read_sidecar(file: &Path, own: &Header) -> Result<Header, Reason> {
    let bad = |error: String| Reason::BadWcs("E-WCS-SIDECAR", format!("{}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut header = if bytes.starts_with(b"SIMPLE  =") && bytes.len() % 2880 == 0 {
        Header::parse(&bytes).map_err(|error| bad(error.to_string()))?.0
    } else {
        Header::parse_text(&String::from_utf8_lossy(&bytes)).map_err(|error| bad(error.to_string()))?
    };
    for key in ["NAXIS1", "NAXIS2"] {
        if let Some(n) = own.get_i64(key) {
            header.set_i64(key, n, "");
        }
    }
    Ok(header)
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
            ("e.fts.bz2", "e"),
            ("d.txt", "d.txt"),
        ] {
            assert_eq!(bare_name(Path::new(name)), bare);
        }
    }
}
