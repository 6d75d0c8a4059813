//! `frames.csv`: every file that was offered, used or not, and why.

use zemosaic_frames::Defects;
use zemosaic_stars::FrameQuality;

use crate::products::facts::{Facts, UsedFrame};

/// A column: its name, and what a used frame has in it.
type Column = (&'static str, fn(&UsedFrame) -> String);

/// What follows `frame,status,code,reason`; mono frames have their figures in the first of three columns.
const COLUMNS: &[Column] = &[
    ("kind", |frame| frame.kind.clone()),
    ("width", |frame| frame.size.0.to_string()),
    ("height", |frame| frame.size.1.to_string()),
    ("date_obs", |frame| quote(frame.meta.date_obs.as_deref().unwrap_or(""))),
    ("exptime_s", |frame| frame.meta.exposure_s.map_or(String::new(), |seconds| seconds.to_string())),
    ("ra_deg", |frame| format!("{:.7}", frame.centre_deg.0)),
    ("dec_deg", |frame| format!("{:.7}", frame.centre_deg.1)),
    ("scale_arcsec", |frame| format!("{:.5}", frame.scale_arcsec)),
    ("rotation_deg", |frame| format!("{:.4}", frame.rotation_deg)),
    ("wcs", |frame| frame.wcs_origin.label().to_owned()),
    ("wcs_found_by", |frame| frame.astrometry.as_ref().map_or(String::new(), |own| own.how.clone())),
    ("wcs_matches", |frame| frame.astrometry.as_ref().map_or(String::new(), |own| own.matches.to_string())),
    ("wcs_rms_px", |frame| {
        let rms = frame.astrometry.as_ref().map(|own| own.rms_px).filter(|rms| rms.is_finite());
        rms.map_or(String::new(), |rms| format!("{rms:.3}"))
    }),
    ("flux_scale", |frame| frame.flux_scale.to_string()),
    ("maps", |frame| {
        let maps: Vec<&str> = frame.maps.iter().map(|(name, _)| name.as_str()).collect();
        quote(&maps.join(" "))
    }),
    ("calibration", |frame| quote(&frame.calibration.join(" "))),
    ("sigma_r,sigma_g,sigma_b", |frame| by_channel(&frame.sigma_adu)),
    ("level_r,level_g,level_b", |frame| by_channel(&frame.level_adu)),
    ("noise_model", |frame| frame.noise_model.origin.label().to_owned()),
    ("gain_e_per_adu", |frame| optional(frame.noise_model.gain_e_per_adu)),
    ("read_noise_e", |frame| optional(frame.noise_model.read_noise_e)),
    ("zero_variance_adu", |frame| optional(frame.noise_model.zero_variance_adu)),
    ("bad_pixels", |frame| match &frame.defects {
        Defects::Unknown => String::new(),
        Defects::InWindows(_) => "in-windows".to_owned(),
        Defects::Listed(bad) => bad.len().to_string(),
    }),
    ("weight_r,weight_g,weight_b", |frame| by_channel(&frame.weight)),
    ("gain_r,gain_g,gain_b", |frame| by_channel(&frame.gauge.gain)),
    ("offset_r,offset_g,offset_b", |frame| by_channel(&frame.gauge.offset)),
    ("gain_error_r,gain_error_g,gain_error_b", |frame| by_channel(&frame.gauge.gain_error)),
    ("offset_error_r,offset_error_g,offset_error_b", |frame| by_channel(&frame.gauge.offset_error)),
    (QUALITY_COLUMNS, |frame| quality_fields(frame.quality.as_deref())),
    ("tile", |frame| frame.tile.map_or(String::new(), |number| number.to_string())),
];

/// The table, sorted by frame.
pub fn frames_csv(facts: &Facts) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let head = format!("frame,status,code,reason,{}", names.join(","));
    let empty = ",".repeat(head.split(',').count() - 4);
    let used = facts.used.iter().map(|frame| {
        let fields: Vec<String> = COLUMNS.iter().map(|(_, field)| field(frame)).collect();
        (&frame.id, format!("{},used,,,{}", quote(&frame.id), fields.join(",")))
    });
    let left_out = facts.left_out.iter().map(|item| {
        let (code, message) = (item.reason.code(), quote(item.reason.message()));
        (&item.id, format!("{},left-out,{code},{message}{empty}", quote(&item.id)))
    });
    let mut rows: Vec<(&String, String)> = used.chain(left_out).collect();
    rows.sort();
    let mut csv = format!("{head}\n");
    for (_, row) in rows {
        csv.push_str(&row);
        csv.push('\n');
    }
    csv
}

/// Three fields, of a mono frame two empty ones behind the first.
fn by_channel(values: &[f64]) -> String {
    let field = |channel: usize| values.get(channel).map_or(String::new(), |value| format!("{value:.10e}"));
    format!("{},{},{}", field(0), field(1), field(2))
}

fn optional(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.6e}"))
}

/// Columns of a frame's quality.
pub const QUALITY_COLUMNS: &str = "background,noise,stars,fwhm_px,hfr_px,roundness,trails";

/// The figures of a frame's stars in [`QUALITY_COLUMNS`]; empty where they were not measured.
pub fn quality_fields(quality: Option<&FrameQuality>) -> String {
    let Some(quality) = quality else { return ",".repeat(6) };
    let figure = |value: f64| if value.is_nan() { String::new() } else { format!("{value:.4}") };
    format!(
        "{},{},{},{},{},{},{}",
        figure(quality.background_adu),
        figure(quality.noise_adu),
        quality.stars,
        figure(quality.fwhm_px),
        figure(quality.hfr_px),
        figure(quality.roundness),
        quality.trails.len()
    )
}

/// A field as RFC 4180 has it.
pub fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
