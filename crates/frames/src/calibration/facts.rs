//! What headers say that calibration asks for: kind of image, camera and its setting, steps that are already done.
//!
//! Sources: the documented keyword sets of N.I.N.A. (IMAGETYP LIGHT, BIAS, DARK, FLAT, DARKFLAT; GAIN, OFFSET, SET-TEMP,
//! CCD-TEMP), MaxIm DL ("Light Frame", "Bias Frame", "Dark Frame", "Flat Field", "Tricolor Image"; CALSTAT, PEDESTAL),
//! SharpCap (FRAMETYP, BLKLEVEL), ASIAIR ("Light", "Dark", "Flat", "Bias"), INDI (FRAME), Siril (STACKCNT), the
//! observatories' OBSTYPE (zero, dark, dome flat, object), Seestar headers.

use std::path::Path;

use zemosaic_fits::Header;
use zemosaic_image::CfaPattern;

/// What kind of image a header says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageType {
    /// The sky.
    Light,
    /// Shortest exposure without light.
    Bias,
    /// Exposure without light.
    Dark,
    /// The same, of the exposure of flats.
    DarkFlat,
    /// An evenly lit field.
    Flat,
}

impl ImageType {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Bias => "bias",
            Self::Dark => "dark",
            Self::DarkFlat => "dark flat",
            Self::Flat => "flat",
        }
    }

    /// The option that takes such files; `None` for a light frame.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::Light => None,
            Self::Bias => Some("--bias"),
            Self::Dark | Self::DarkFlat => Some("--dark"),
            Self::Flat => Some("--flat"),
        }
    }
}

/// Keywords with the kind of an image, the usual first.
const TYPE_KEYS: [&str; 5] = ["IMAGETYP", "IMAGETYPE", "FRAMETYP", "FRAME", "OBSTYPE"];

/// What a header says of the kind of its image, if it says anything that is known.
pub fn image_type(header: &Header) -> Option<ImageType> {
    TYPE_KEYS.iter().filter_map(|key| header.get_str(key)).find_map(|text| parse_type(&text))
}

fn parse_type(text: &str) -> Option<ImageType> {
    let text = text.to_uppercase();
    let has = |word: &str| text.contains(word);
    if ["LIGHT", "OBJECT", "SCIENCE", "TRICOLOR"].into_iter().any(has) {
        Some(ImageType::Light)
    } else if has("DARK") && has("FLAT") {
        Some(ImageType::DarkFlat)
    } else if has("BIAS") || has("ZERO") || has("OFFSET") {
        Some(ImageType::Bias)
    } else if has("DARK") {
        Some(ImageType::Dark)
    } else if has("FLAT") {
        Some(ImageType::Flat)
    } else {
        None
    }
}

/// Whether header or name say that the file is a combination of several frames.
pub fn is_master(header: &Header, path: &Path) -> bool {
    let counts = ["NCOMBINE", "STACKCNT", "NFRAMES", "NIMAGES", "SNAPSHOT"];
    let counted = counts.iter().any(|key| header.get_i64(key).is_some_and(|count| count > 1));
    let typed = TYPE_KEYS
        .iter()
        .filter_map(|key| header.get_str(key))
        .any(|text| text.to_uppercase().contains("MASTER"));
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    counted || typed || name.contains("master") || name.contains("stacked")
}

/// Camera and setting of a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraSetup {
    /// INSTRUME.
    pub camera: Option<String>,
    /// Binning along x and y.
    pub binning: Option<(i64, i64)>,
    /// The gain setting (GAIN), whatever its unit.
    pub gain: Option<f64>,
    /// The offset setting (OFFSET, BLKLEVEL).
    pub offset: Option<f64>,
    /// Temperature of the sensor, degrees Celsius (CCD-TEMP, else SET-TEMP).
    pub temperature_c: Option<f64>,
}

/// The setup that a header tells.
pub fn camera_setup(header: &Header) -> CameraSetup {
    let number = |keys: &[&str]| keys.iter().find_map(|key| header.get_f64(key));
    let whole = |keys: &[&str]| keys.iter().find_map(|key| header.get_i64(key)).filter(|bin| *bin > 0);
    let text =
        |key: &str| header.get_str(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let x = whole(&["XBINNING", "CCDXBIN"]);
    CameraSetup {
        camera: text("INSTRUME"),
        binning: x.map(|x| (x, whole(&["YBINNING", "CCDYBIN"]).unwrap_or(x))),
        gain: number(&["GAIN"]),
        offset: number(&["OFFSET", "BLKLEVEL"]),
        temperature_c: number(&["CCD-TEMP", "CCDTEMP", "SET-TEMP"]),
    }
}

/// Steps of the calibration that were done before, by the camera or another program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppliedSteps {
    /// The bias is subtracted.
    pub bias: bool,
    /// The dark is subtracted.
    pub dark: bool,
    /// Divided by the flat.
    pub flat: bool,
    /// The camera itself subtracted the dark; a pedestal may be left.
    pub on_board: bool,
}

/// What a header says of steps done: CALSTAT (letters B, D, F), and the Seestar cameras, which subtract a dark before they
/// write a frame (`CREATOR`, `INSTRUME` or `TELESCOP` name a Seestar).
pub fn applied_steps(header: &Header) -> AppliedSteps {
    let done = header.get_str("CALSTAT").unwrap_or_default().to_uppercase();
    let names = ["CREATOR", "INSTRUME", "TELESCOP"].into_iter().filter_map(|key| header.get_str(key));
    let on_board = names.into_iter().any(|name| name.to_lowercase().contains("seestar"));
    let dark = done.contains('D') || on_board;
    AppliedSteps { bias: dark || done.contains('B'), dark, flat: done.contains('F'), on_board }
}

/// Level of a pixel without light that was left in the frame, by PEDESTAL: MaxIm DL writes what is to be added (-100),
/// PixInsight what is to be subtracted (100).
pub fn pedestal_adu(header: &Header) -> Option<f64> {
    header.get_f64("PEDESTAL").map(f64::abs)
}

/// What masters and frames are matched by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFacts {
    /// Columns and rows as stored.
    pub stored_px: (usize, usize),
    /// First column and row of what is left when the overscan is trimmed, and its columns and rows.
    pub trimmed_px: ((usize, usize), (usize, usize)),
    /// Planes.
    pub planes: usize,
    /// Pattern of the stored pixels.
    pub pattern: Option<CfaPattern>,
    /// Camera and setting.
    pub setup: CameraSetup,
    /// Exposure, seconds.
    pub exposure_s: Option<f64>,
    /// Filter.
    pub filter: Option<String>,
    /// Steps that were done before.
    pub applied: AppliedSteps,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_of_the_image_type() {
        let cases = [
            ("IMAGETYP", "LIGHT", Some(ImageType::Light)),
            ("IMAGETYP", "Light Frame", Some(ImageType::Light)),
            ("IMAGETYP", "Tricolor Image", Some(ImageType::Light)),
            ("IMAGETYP", "Bias Frame", Some(ImageType::Bias)),
            ("IMAGETYP", "ZERO", Some(ImageType::Bias)),
            ("IMAGETYP", "Dark", Some(ImageType::Dark)),
            ("IMAGETYP", "DARKFLAT", Some(ImageType::DarkFlat)),
            ("IMAGETYP", "Flat Dark", Some(ImageType::DarkFlat)),
            ("IMAGETYP", "Flat Field", Some(ImageType::Flat)),
            ("FRAME", "Flat", Some(ImageType::Flat)),
            ("FRAMETYP", "Master Dark", Some(ImageType::Dark)),
            ("OBSTYPE", "dome flat", Some(ImageType::Flat)),
            ("OBSTYPE", "object", Some(ImageType::Light)),
            ("IMAGETYP", "focus", None),
        ];
        for (key, text, expected) in cases {
            let mut header = Header::new();
            header.set_str(key, text, "");
            assert_eq!(image_type(&header), expected, "{key} = {text}");
        }
        assert_eq!(image_type(&Header::new()), None);
    }

    #[test]
    fn masters_are_known_by_header_or_name() {
        let mut header = Header::new();
        assert!(!is_master(&header, Path::new("flats/flat_001.fit")));
        assert!(
            is_master(&header, Path::new("pp_flat_stacked.fit"))
                && is_master(&header, Path::new("MasterBias.fits"))
        );
        header.set_i64("STACKCNT", 1, "");
        assert!(!is_master(&header, Path::new("a.fit")));
        header.set_i64("NCOMBINE", 20, "");
        assert!(is_master(&header, Path::new("a.fit")));
    }

    #[test]
    fn steps_done_before() {
        let mut header = Header::new();
        assert_eq!(applied_steps(&header), AppliedSteps::default());
        header.set_str("CALSTAT", "BF", "");
        let steps = applied_steps(&header);
        assert!(steps.bias && !steps.dark && steps.flat && !steps.on_board);
        let mut seestar = Header::new();
        seestar.set_str("CREATOR", "ZWO Seestar S50", "");
        let steps = applied_steps(&seestar);
        assert!(steps.bias && steps.dark && !steps.flat && steps.on_board);
        seestar.set_f64("PEDESTAL", -100.0, "");
        assert_eq!(pedestal_adu(&seestar), Some(100.0));
    }
}
