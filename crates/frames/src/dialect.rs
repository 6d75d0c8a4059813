//! Keyword dialects of the usual capture programs: what the header says of colour and exposure.
//!
//! Sources: the FITS standard 4.0; the documented keyword sets of N.I.N.A., Siril (ROWORDER), MaxIm DL (EGAIN)
//! and Seestar headers (XBAYROFF, YBAYROFF, BAYERPAT, COLORTYP).

use zemosaic_fits::{Header, ImageLayout};
use zemosaic_image::CfaPattern;

use crate::calibration::facts::{applied_steps, camera_setup, pedestal_adu};
use crate::frame::{FrameKind, FrameMeta};
use crate::pointing::sky_hints;

/// The colour layout an image has, or a sentence why it is not usable.
///
/// A two-dimensional image with a CFA keyword is CFA, otherwise mono. With NAXIS3 = 3 it is RGB, with
/// NAXIS3 = 1 it is treated as two-dimensional. `ROWORDER = 'BOTTOM-UP'` says that the pattern is that
/// of the image turned top row first, so it is turned back to the stored order.
///
/// # Errors
/// The sentence for the user.
pub fn frame_kind(header: &Header, layout: &ImageLayout) -> Result<FrameKind, String> {
    let extra: usize = layout.dims.iter().skip(3).product();
    let planes = layout.dims.get(2).copied().unwrap_or(1);
    if layout.dims.len() < 2 || layout.width() == 0 || layout.height() == 0 || extra != 1 {
        return Err(format!("image of shape {:?} is not a picture of the sky", layout.dims));
    }
    match planes {
        1 => match cfa_pattern(header, layout.height())? {
            Some(pattern) => Ok(FrameKind::Cfa(pattern)),
            None => Ok(FrameKind::Mono),
        },
        3 => Ok(FrameKind::Rgb),
        n => Err(format!("NAXIS3 = {n}: only 1 (mono) and 3 (RGB) planes are frames")),
    }
}

fn cfa_pattern(header: &Header, height: usize) -> Result<Option<CfaPattern>, String> {
    let named = ["BAYERPAT", "BAYRPAT", "COLORTYP", "CFAPAT", "CFATYPE"]
        .iter()
        .find_map(|key| header.get_str(key).map(|value| (*key, value.trim().to_uppercase())));
    let Some((key, value)) = named else { return Ok(panoptes_pattern(header)) };
    if value.is_empty() || ["NONE", "MONO", "MONOCHROME", "GRAY", "GREY"].contains(&value.as_str()) {
        return Ok(None);
    }
    let Some(pattern) = CfaPattern::parse(&value) else {
        return Err(format!("{key} = '{value}' is not a Bayer pattern (RGGB, BGGR, GRBG or GBRG)"));
    };
    let offset = |key: &str| header.get_i64(key).unwrap_or(0);
    let mut stored = pattern.shifted(offset("XBAYROFF"), offset("YBAYROFF"));
    if header.get_str("ROWORDER").is_some_and(|order| order.trim().eq_ignore_ascii_case("BOTTOM-UP")) {
        // Row y of the file is row height-1-y of the picture the pattern speaks of: rows swap when
        // the height is even and stay when it is odd.
        stored = stored.shifted(0, height as i64 - 1);
    }
    Ok(Some(stored))
}

/// The pattern of a raw PANOPTES frame, which is in FILTER and has no keyword of its own.
///
/// The project's description of its frames (`get_rgb_data` of panoptes-utils) says RGGB of the picture with the last
/// stored row on top; the sensor has an even count of rows, so that the stored order is one row off. In its cut-outs
/// too: their pixels of the equal greens and the levels of red and blue under the sky agree with G B / R G.
/// Other programs' FILTER is glass in front of a sensor and says nothing of it.
fn panoptes_pattern(header: &Header) -> Option<CfaPattern> {
    let says = |key: &str, word: &str| header.get_str(key).is_some_and(|text| text.contains(word));
    if !says("ORIGIN", "PANOPTES") && !says("CREATOR", "POCS") {
        return None;
    }
    let filter = header.get_str("FILTER")?;
    let pattern = CfaPattern::parse(&filter).filter(|pattern| pattern.name() == filter)?;
    Some(pattern.shifted(0, 1))
}

/// Header facts for products and reports.
pub fn frame_meta(header: &Header, layout: &ImageLayout) -> FrameMeta {
    let text = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| header.get_str(key))
            .map(|value| value.trim().to_owned())
            .filter(|v| !v.is_empty())
    };
    let number = |keys: &[&str]| keys.iter().find_map(|key| header.get_f64(key)).filter(|v| v.is_finite());
    let full_well = if layout.is_unsigned16() { Some(65535.0) } else { None };
    FrameMeta {
        exposure_s: number(&["EXPTIME", "EXPOSURE", "XPOSURE"]).filter(|t| *t >= 0.0),
        date_obs: text(&["DATE-BEG", "DATE-OBS"]).filter(|date| date.len() >= 10),
        object: text(&["OBJECT"]),
        telescope: text(&["TELESCOP"]),
        instrument: text(&["INSTRUME"]),
        filter: text(&["FILTER"]),
        creator: text(&["CREATOR", "SWCREATE", "PROGRAM"]),
        focal_length_mm: number(&["FOCALLEN"]),
        pixel_size_um: number(&["XPIXSZ"]),
        unit: text(&["BUNIT"]),
        saturation_adu: number(&["SATURATE", "SATLEVEL"]).or(full_well),
        gain_e_per_adu: gain_e_per_adu(header),
        read_noise_e: number(&["RDNOISE", "READNOIS", "RON"]).filter(|noise| *noise >= 0.0),
        setup: camera_setup(header),
        applied: applied_steps(header),
        pedestal_adu: pedestal_adu(header),
        gain_setting: number(&["GAIN"]),
        hints: sky_hints(header, layout),
    }
}

/// Whether a header is that of a mosaic of this program.
pub fn is_own_product(header: &Header) -> bool {
    header.get_str("SWCREATE").is_some_and(|name| name.starts_with("zemosaic")) && header.contains("RUNID")
}

/// Electrons of one unit of the frame, where the header says so beyond doubt.
///
/// - BUNIT in electrons: 1; in electrons per second: unknown.
/// - EGAIN, when it is above 0 and at most 100.
/// - GAIN only without EGAIN, as capture programs write the camera's gain setting there (80, 100, 252): when its
///   comment speaks of electrons, or when it is no integer; above 0 and at most 100.
pub fn gain_e_per_adu(header: &Header) -> Option<f64> {
    let unit = header.get_str("BUNIT").unwrap_or_default().trim().to_lowercase();
    if unit.starts_with("electron") || unit == "e" || unit == "e-" {
        return (!unit.contains('/') && !unit.contains("s-1")).then_some(1.0);
    }
    if unit.starts_with("e-/") || unit.starts_with("e/") {
        return None;
    }
    let plausible = |gain: &f64| *gain > 0.0 && *gain <= MAX_GAIN;
    if header.contains("EGAIN") {
        return header.get_f64("EGAIN").filter(plausible);
    }
    let comment = header.get_comment("GAIN").unwrap_or_default().to_lowercase();
    let of_electrons = ["electron", "e-/", "e/adu", "e/dn"].iter().any(|word| comment.contains(word));
    header.get_f64("GAIN").filter(|gain| plausible(gain) && (of_electrons || gain.fract() != 0.0))
}

/// Above this a gain is no number of electrons per unit, e-/ADU.
const MAX_GAIN: f64 = 100.0;
