//! The truth beside a simulated set: `truth.json` (options and every frame) and `truth_stars.csv`.
//!
//! For a pixel of colour c: raw = `gain` x object + `background_adu[c]` x (1 + gradient, sky part only) + `offset_adu`,
//! where the object is stars plus nebula in ADU of gain 1.

use crate::error::TestkitError;
use crate::options::SimulateOptions;
use crate::pointing::SkyGradient;
use crate::sky_model::ModelStar;
use crate::tan::TanFrame;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// Name of the truth file in a simulated folder.
pub const TRUTH_JSON: &str = "truth.json";
/// Name of the star list in a simulated folder.
pub const TRUTH_STARS_CSV: &str = "truth_stars.csv";
const CSV_HEADER: &str = "ra_deg,dec_deg,mag_v,flux_r,flux_g,flux_b,isolated";
/// A star is isolated when others within this radius ...
const ISOLATION_RADIUS_PX: f64 = 12.0;
/// ... add no more than this share of its flux ...
const ISOLATION_SHARE: f64 = 0.005;
/// ... and none of a fifth of its brightness stands within twice the radius.
const NEIGHBOUR_SHARE: f64 = 0.2;

/// WCS of a frame in FITS terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WcsTruth {
    /// CRVAL1, CRVAL2, degrees, ICRS.
    pub crval_deg: [f64; 2],
    /// CRPIX1, CRPIX2: 1-based, as in FITS.
    pub crpix: [f64; 2],
    /// [[CD1_1, CD1_2], [CD2_1, CD2_2]].
    pub cd_deg: [[f64; 2]; 2],
}

/// Number of spoiled pixels of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefectCounts {
    /// Hot pixels.
    pub hot: usize,
    /// Pixels hit by cosmic rays.
    pub cosmic_ray: usize,
    /// Pixels under trails.
    pub trail: usize,
    /// Pixels with any defect.
    pub any: usize,
}

/// What is true of one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameTruth {
    /// Path of the frame below the folder of the set.
    pub file: String,
    /// Path of its defect mask below the folder of the set.
    pub mask: String,
    /// 0-based mosaic panel.
    pub panel: usize,
    /// Start of the exposure, UTC.
    pub date_obs: String,
    /// Width in pixels.
    pub width_px: usize,
    /// Height in pixels.
    pub height_px: usize,
    /// World coordinates.
    pub wcs: WcsTruth,
    /// Gain on the object's light.
    pub gain: f64,
    /// Offset of this frame on top of the background, ADU.
    pub offset_adu: f64,
    /// Pedestal plus mean sky in R, G, B, ADU.
    pub background_adu: [f64; 3],
    /// Sky gradient.
    pub gradient: SkyGradient,
    /// FWHM of stars, pixels.
    pub fwhm_px: f64,
    /// Spoiled pixels.
    pub defects: DefectCounts,
}

impl FrameTruth {
    /// The frame's projection.
    pub fn tan(&self) -> TanFrame {
        TanFrame {
            crval_deg: self.wcs.crval_deg,
            crpix_px: self.wcs.crpix.map(|p| p - 1.0),
            cd_deg: self.wcs.cd_deg,
            width_px: self.width_px,
            height_px: self.height_px,
        }
    }
}

/// One star of `truth_stars.csv`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruthStar {
    /// ICRS right ascension at the epoch of the set, degrees.
    pub ra_deg: f64,
    /// ICRS declination at the epoch of the set, degrees.
    pub dec_deg: f64,
    /// Magnitude V.
    pub mag_v: f64,
    /// Flux in R, G, B: ADU of gain 1, the sum over the star's image if every pixel had that colour.
    pub flux_adu: [f64; 3],
    /// No other star disturbs its photometry.
    pub isolated: bool,
}

/// The content of `truth.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruthFile {
    /// Options that made the set.
    pub options: SimulateOptions,
    /// Epoch of the star positions, Julian year.
    pub epoch_year: f64,
    /// Every frame in time order.
    pub frames: Vec<FrameTruth>,
}

/// Truth of a whole set.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Options and frames.
    pub file: TruthFile,
    /// Stars.
    pub stars: Vec<TruthStar>,
}

/// Turns model stars into truth rows, finding the isolated ones.
pub fn truth_stars(stars: &[ModelStar], scale_arcsec: f64) -> Vec<TruthStar> {
    let mut order: Vec<usize> = (0..stars.len()).collect();
    order.sort_by(|&a, &b| stars[a].dec_deg.total_cmp(&stars[b].dec_deg).then(a.cmp(&b)));
    let radius_deg = ISOLATION_RADIUS_PX * scale_arcsec / 3600.0;
    let mut isolated = vec![false; stars.len()];
    let mut low = 0;
    for &i in &order {
        let star = &stars[i];
        while stars[order[low]].dec_deg < star.dec_deg - 2.0 * radius_deg {
            low += 1;
        }
        let mut near_flux = 0.0;
        let mut bright_near = false;
        let others =
            order[low..].iter().take_while(|&&j| stars[j].dec_deg <= star.dec_deg + 2.0 * radius_deg);
        for other in others.filter(|&&j| j != i).map(|&j| &stars[j]) {
            let d = crate::tan::separation_deg((star.ra_deg, star.dec_deg), (other.ra_deg, other.dec_deg));
            if d <= radius_deg {
                near_flux += other.flux_adu[1];
            }
            bright_near |= d <= 2.0 * radius_deg && other.flux_adu[1] > NEIGHBOUR_SHARE * star.flux_adu[1];
        }
        isolated[i] = !bright_near && near_flux <= ISOLATION_SHARE * star.flux_adu[1];
    }
    let row = |(star, &isolated): (&ModelStar, &bool)| TruthStar {
        ra_deg: star.ra_deg,
        dec_deg: star.dec_deg,
        mag_v: star.mag,
        flux_adu: star.flux_adu,
        isolated,
    };
    stars.iter().zip(&isolated).map(row).collect()
}

/// Writes both truth files.
///
/// # Errors
/// [`TestkitError::Io`] when a file cannot be written.
pub fn write_truth(out_dir: &Path, truth: &Truth) -> Result<(), TestkitError> {
    let json_path = out_dir.join(TRUTH_JSON);
    let mut json = serde_json::to_string_pretty(&truth.file)
        .map_err(|e| TestkitError::truth(&json_path, e.to_string()))?;
    json.push('\n');
    std::fs::write(&json_path, json).map_err(|e| TestkitError::io(&json_path, e))?;
    let mut csv = String::from(CSV_HEADER);
    csv.push('\n');
    for s in &truth.stars {
        let [r, g, b] = s.flux_adu;
        let isolated = u8::from(s.isolated);
        // Writing to a String cannot fail.
        let _ = writeln!(
            csv,
            "{:.10},{:.10},{:.3},{r:.4},{g:.4},{b:.4},{isolated}",
            s.ra_deg, s.dec_deg, s.mag_v
        );
    }
    let csv_path = out_dir.join(TRUTH_STARS_CSV);
    std::fs::write(&csv_path, csv).map_err(|e| TestkitError::io(&csv_path, e))
}

/// Reads the truth of a simulated folder.
///
/// # Errors
/// [`TestkitError::Io`] when a file is missing, [`TestkitError::Truth`] when its content is not a truth.
pub fn load_truth(dir: &Path) -> Result<Truth, TestkitError> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| TestkitError::io(path, e));
    let json_path = dir.join(TRUTH_JSON);
    let file = serde_json::from_str(&read(&json_path)?)
        .map_err(|e| TestkitError::truth(&json_path, e.to_string()))?;
    let csv_path = dir.join(TRUTH_STARS_CSV);
    let csv = read(&csv_path)?;
    let mut lines = csv.lines();
    if lines.next() != Some(CSV_HEADER) {
        return Err(TestkitError::truth(&csv_path, format!("the first line is not {CSV_HEADER}")));
    }
    let stars = lines
        .enumerate()
        .map(|(i, line)| {
            parse_star(line)
                .ok_or_else(|| TestkitError::truth(&csv_path, format!("line {} cannot be read", i + 2)))
        })
        .collect::<Result<_, _>>()?;
    Ok(Truth { file, stars })
}

fn parse_star(line: &str) -> Option<TruthStar> {
    let v: Vec<f64> = line.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[ra_deg, dec_deg, mag_v, r, g, b, isolated] = v.as_slice() else { return None };
    Some(TruthStar { ra_deg, dec_deg, mag_v, flux_adu: [r, g, b], isolated: isolated > 0.5 })
}
