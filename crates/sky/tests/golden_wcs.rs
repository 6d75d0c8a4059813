//! Every header of `wcs_conformance/golden_wcs.json` (astropy 8.0.2 with wcslib) against [`Wcs`]: forward within 1e-9
//! deg, backward within 1e-6 px (or 10 times what wcslib itself misses). What we refuse is listed in
//! `goldens/wcs_scope.toml` with its code.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zemosaic_fits::Header;
use zemosaic_sky::Wcs;

const FORWARD_DEG: f64 = 1e-9;
/// wcslib evaluates CSC in single precision.
const FORWARD_CSC_DEG: f64 = 1e-5;
const BACKWARD_PX: f64 = 1e-6;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Folder of the real data; `None` (after a message) where it is absent and this is not CI.
fn data_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ZEMOSAIC_TEST_DATA")
        .map_or_else(|| workspace().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", folder.display());
    eprintln!("skipped: no real data");
    None
}

fn files_by_name(folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_by_name(&path, found);
        } else {
            found.entry(path.file_name().unwrap().to_string_lossy().into_owned()).or_insert(path);
        }
    }
}

/// "folder/name.fits\[1\]" to ("name.fits", 1).
fn split_key(key: &str) -> (String, usize) {
    let (path, hdu) = match key.strip_suffix(']').and_then(|k| k.rsplit_once('[')) {
        Some((path, n)) => (path, n.parse().unwrap()),
        None => (key, 0),
    };
    (path.rsplit('/').next().unwrap().to_string(), hdu)
}

fn read_header(path: &Path, hdu: usize, scratch: &Path) -> Result<Header, String> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let extension = path.extension().unwrap_or_default();
    if extension == "hdr" || extension == "keyrec" {
        let bytes = std::fs::read(path).unwrap();
        let text: String = bytes.iter().map(|&b| char::from(b)).collect();
        return Header::parse_text(&text).map_err(|e| e.to_string());
    }
    let fits = if extension == "gz" {
        let unpacked = scratch.join(name.trim_end_matches(".gz"));
        zemosaic_fits::unpack_packed(path, &unpacked).map_err(|e| e.to_string())?;
        unpacked
    } else {
        path.to_path_buf()
    };
    let file = zemosaic_fits::scan(&fits).map_err(|e| e.to_string())?;
    file.hdus.into_iter().nth(hdu).map(|h| h.header).ok_or_else(|| format!("no HDU {hdu}"))
}

fn refused_entries() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(workspace().join("goldens/wcs_scope.toml")).unwrap();
    let scope: toml::Table = text.parse().unwrap();
    let list = scope["refused"].as_array().unwrap();
    list.iter()
        .map(|e| (e["entry"].as_str().unwrap().to_string(), e["code"].as_str().unwrap().to_string()))
        .collect()
}

fn pairs(entry: &Value) -> Vec<([f64; 2], [Option<f64>; 2])> {
    let two = |v: &Value| [v[0].as_f64(), v[1].as_f64()];
    let (pix, world) = (entry["pix1"].as_array().unwrap(), entry["world"].as_array().unwrap());
    pix.iter().zip(world).map(|(p, w)| (two(p).map(Option::unwrap), two(w))).collect()
}

/// Worst forward error (deg on the sky) and backward error (px); a message for a point that is off the sky in one only.
fn compare(wcs: &Wcs, entry: &Value) -> Result<(f64, f64), String> {
    let (mut forward, mut backward) = (0.0_f64, 0.0_f64);
    for ([x1, y1], world) in pairs(entry) {
        let (x, y) = (x1 - 1.0, y1 - 1.0);
        let ours = wcs.pixel_to_sky(x, y);
        match (world, ours) {
            ([Some(lon), Some(lat)], Some((our_lon, our_lat))) => {
                let turn = (our_lon - lon + 180.0).rem_euclid(360.0) - 180.0;
                forward = forward.max((turn * lat.to_radians().cos()).abs()).max((our_lat - lat).abs());
                let (bx, by) = wcs.sky_to_pixel(lon, lat).ok_or(format!("no way back to ({x1}, {y1})"))?;
                backward = backward.max((bx - x).abs()).max((by - y).abs());
            }
            ([None, _] | [_, None], None) => {}
            (w, o) => return Err(format!("({x1}, {y1}): golden {w:?}, ours {o:?}")),
        }
    }
    Ok((forward, backward))
}

fn forward_limit_deg(wcs: &Wcs) -> f64 {
    if wcs.projection_name() == "CSC" { FORWARD_CSC_DEG } else { FORWARD_DEG }
}

#[derive(Default)]
struct Tally {
    good: usize,
    refused_as_listed: usize,
    read_where_oracle_fails: usize,
    worst_forward_deg: f64,
    worst_backward_px: f64,
    problems: Vec<String>,
}

impl Tally {
    /// Written over its own header and read again, the system is the same.
    fn check_written(&mut self, key: &str, entry: &Value, wcs: &Wcs, header: &Header) {
        let mut header = header.clone();
        wcs.write_to(&mut header);
        match Wcs::from_header(&header).map_err(|e| e.to_string()).and_then(|again| compare(&again, entry)) {
            Ok((forward, _)) if forward <= forward_limit_deg(wcs) => {}
            other => self.problems.push(format!("{key}: written and read again: {other:?}")),
        }
    }

    fn judge(&mut self, key: &str, entry: &Value, listed: Option<&String>, header: &Header) {
        let wcs = Wcs::from_header(header);
        if let Some(code) = listed {
            match wcs {
                Err(e) if e.code() == code => self.refused_as_listed += 1,
                other => self.problems.push(format!("{key}: expected {code}, got {other:?}")),
            }
            return;
        }
        let failed = entry.get("error").is_some();
        match wcs {
            Ok(_) if failed => self.read_where_oracle_fails += 1,
            Ok(wcs) => match compare(&wcs, entry) {
                Ok((forward, backward)) => {
                    let allowed_px =
                        BACKWARD_PX.max(10.0 * entry["roundtrip_max_px"].as_f64().unwrap_or(0.0));
                    if forward <= forward_limit_deg(&wcs) && backward <= allowed_px {
                        self.good += 1;
                        self.check_written(key, entry, &wcs, header);
                        if wcs.projection_name() != "CSC" {
                            self.worst_forward_deg = self.worst_forward_deg.max(forward);
                        }
                        if wcs.projection_name() != "CSC" {
                            self.worst_backward_px = self.worst_backward_px.max(backward);
                        }
                    } else {
                        self.problems
                            .push(format!("{key}: forward {forward:.3e} deg, backward {backward:.3e} px"));
                    }
                }
                Err(e) => self.problems.push(format!("{key}: {e}")),
            },
            Err(e) => self.problems.push(format!("{key}: refused ({}): {e}", e.code())),
        }
    }
}

#[test]
fn headers_agree_with_wcslib() {
    let Some(data) = data_folder() else { return };
    let golden: Value =
        serde_json::from_slice(&std::fs::read(data.join("wcs_conformance/golden_wcs.json")).unwrap())
            .unwrap();
    let mut files = BTreeMap::new();
    files_by_name(&data, &mut files);
    let refused = refused_entries();
    let scratch = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    for (key, entry) in golden["files"].as_object().unwrap() {
        let (name, hdu) = split_key(key);
        let Some(path) = files.get(&name).or_else(|| files.get(&format!("{name}.gz"))) else {
            tally.problems.push(format!("{key}: no file {name}"));
            continue;
        };
        match read_header(path, hdu, scratch.path()) {
            Ok(header) => tally.judge(key, entry, refused.get(key), &header),
            Err(_) if entry.get("error").is_some() => {}
            Err(e) => tally.problems.push(format!("{key}: {e}")),
        }
    }
    for key in refused.keys() {
        assert!(
            golden["files"].get(key).is_some(),
            "goldens/wcs_scope.toml names {key}, which is not in the golden"
        );
    }
    eprintln!(
        "{} good (worst {:.2e} deg, {:.2e} px), {} refused as listed, {} read where the oracle fails",
        tally.good,
        tally.worst_forward_deg,
        tally.worst_backward_px,
        tally.refused_as_listed,
        tally.read_where_oracle_fails
    );
    assert!(tally.problems.is_empty(), "\n{}", tally.problems.join("\n"));
    assert!(tally.good > 40, "only {} headers compared", tally.good);
}
