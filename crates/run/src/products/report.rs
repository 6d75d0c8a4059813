//! `report.json`: the run in numbers, for scripts and for people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use zemosaic_frames::{Defects, time};

use crate::error::RunError;
use crate::events::Warning;
use crate::products::facts::Facts;
use crate::products::header::PROGRAM;

/// Costs that were planned and met.
#[derive(Debug, Clone, Serialize)]
pub struct Costs {
    /// Worker threads.
    pub threads: usize,
    /// The memory budget.
    pub memory_budget_bytes: u64,
    /// Highest resident memory of the process, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Patches.
    pub patches: usize,
    /// Bytes of `mosaic.fits`.
    pub mosaic_bytes: u64,
    /// Wall time per stage, seconds.
    pub stage_seconds: BTreeMap<String, f64>,
    /// Wall time of the run up to the report, seconds.
    pub seconds: f64,
}

/// The report's text.
///
/// # Errors
/// Figures that do not encode (a bug).
pub fn report_json(facts: &Facts, costs: &Costs, warnings: &[Warning]) -> Result<String, RunError> {
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &facts.left_out {
        *left_out.entry(item.reason.code()).or_default() += 1;
    }
    let mut calibrations: BTreeMap<String, usize> = BTreeMap::new();
    for frame in facts.used.iter().filter(|frame| !frame.calibration.is_empty()) {
        *calibrations.entry(frame.calibration.join(" ")).or_default() += 1;
    }
    let (median_depth, max_depth) = facts.depth_median_and_max();
    let pixels = facts.grid.width as u64 * facts.grid.height as u64;
    let covered = pixels - facts.summary.depth_histogram.get(&0).copied().unwrap_or(0);
    let (ra, dec) = facts.grid.centre_deg().unzip();
    let report = json!({
        "schema": 1,
        "program": PROGRAM,
        "run_id": facts.run_id(),
        "date": time::iso(facts.date),
        "inputs": {
            "offered": facts.offered,
            "used": facts.used.len(),
            "left_out": left_out,
        },
        "mosaic": {
            "width_px": facts.grid.width,
            "height_px": facts.grid.height,
            "channels": facts.channels,
            "scale_arcsec": facts.grid.wcs.scale_deg() * 3600.0,
            "centre_ra_deg": ra,
            "centre_dec_deg": dec,
            "covered_px": covered,
            "median_depth": median_depth,
            "max_depth": max_depth,
        },
        "calibration": calibrations,
        "exposure": {
            "total_s": facts.time.total_exposure_s,
            "frame_s": facts.time.frame_exposure_s,
            "nights": facts.time.nights,
        },
        "rejection": {
            "samples": facts.summary.samples,
            "rejected_low": facts.summary.rejected_low,
            "rejected_high": facts.summary.rejected_high,
        },
        "astrometry": facts.solve.as_deref(),
        "gauge": facts.gauge,
        "frame_gauge": facts.frame_gauge,
        "noise_models": noise_models(facts),
        "bad_pixels": bad_pixels(facts),
        "rgb_equalize": facts.rgb_equalize,
        "failures": {
            "reads": facts.summary.read_failures.len(),
            "patches": facts.summary.failed_patches,
        },
        "tiles": facts.tiles,
        "warnings": warnings.iter().map(|w| format!("{} {}", w.code, w.message)).collect::<Vec<_>>(),
        "costs": costs,
    });
    let text = serde_json::to_string_pretty::<Value>(&report)
        .map_err(|error| RunError::Encode { what: "report.json", message: error.to_string() })?;
    Ok(text + "\n")
}

/// Frames by the origin of their noise model, with the range of their gains.
fn noise_models(facts: &Facts) -> Value {
    let mut models: BTreeMap<&str, (usize, Vec<f64>)> = BTreeMap::new();
    for frame in &facts.used {
        let (frames, gains) = models.entry(frame.noise_model.origin.label()).or_default();
        *frames += 1;
        gains.extend(frame.noise_model.gain_e_per_adu);
    }
    let described = models.into_iter().map(|(origin, (frames, gains))| {
        let least = gains.iter().copied().reduce(f64::min);
        let largest = gains.iter().copied().reduce(f64::max);
        (origin.to_owned(), json!({"frames": frames, "gain_e_per_adu": [least, largest]}))
    });
    described.collect()
}

/// Frames whose bad pixels are known by persistence, and the most of one camera; frames in whose windows they were looked for.
fn bad_pixels(facts: &Facts) -> Value {
    let (mut listed, mut most, mut in_windows) = (0, 0, 0);
    for frame in &facts.used {
        match &frame.defects {
            Defects::Unknown => {}
            Defects::Listed(bad) => {
                listed += 1;
                most = most.max(bad.len());
            }
            Defects::InWindows(_) => in_windows += 1,
        }
    }
    json!({"frames_by_persistence": listed, "most_of_a_camera": most, "frames_by_window": in_windows})
}
