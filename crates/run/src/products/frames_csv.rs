//! `frames.csv`: every file that was offered, used or not, and why.

use std::fmt::Write;

use zemosaic_frames::Defects;

use crate::products::facts::{Facts, UsedFrame};

const HEAD: &str = "frame,status,code,reason,kind,width,height,date_obs,exptime_s,ra_deg,dec_deg,scale_arcsec,\
                    rotation_deg,wcs,flux_scale,maps,sigma_r,sigma_g,sigma_b,level_r,level_g,level_b,weight_r,weight_g,\
                    weight_b,noise_model,gain_e_per_adu,read_noise_e,zero_variance_adu,bad_pixels";

/// The table, sorted by frame; mono frames have their noise and weight in the first of three columns.
pub fn frames_csv(facts: &Facts) -> String {
    let mut rows: Vec<(String, String)> =
        facts.used.iter().map(|frame| (frame.id.clone(), used_row(frame))).collect();
    rows.extend(facts.left_out.iter().map(|item| {
        let row = format!(
            "{},left-out,{},{}{}",
            quote(&item.id),
            item.reason.code(),
            quote(item.reason.message()),
            ",".repeat(HEAD.split(',').count() - 4)
        );
        (item.id.clone(), row)
    }));
    rows.sort();
    let mut csv = format!("{HEAD}\n");
    for (_, row) in rows {
        csv.push_str(&row);
        csv.push('\n');
    }
    csv
}

fn used_row(frame: &UsedFrame) -> String {
    let maps: Vec<&str> = frame.maps.iter().map(|(name, _)| name.as_str()).collect();
    let mut row = format!(
        "{},used,,,{},{},{},{},{},{:.7},{:.7},{:.5},{:.4},{},{},{}",
        quote(&frame.id),
        frame.kind,
        frame.size.0,
        frame.size.1,
        quote(frame.meta.date_obs.as_deref().unwrap_or("")),
        frame.meta.exposure_s.map_or(String::new(), |seconds| seconds.to_string()),
        frame.centre_deg.0,
        frame.centre_deg.1,
        frame.scale_arcsec,
        frame.rotation_deg,
        frame.wcs_origin.label(),
        frame.flux_scale,
        quote(&maps.join(" ")),
    );
    for list in [&frame.sigma_adu, &frame.level_adu, &frame.weight] {
        for channel in 0..3 {
            row.push(',');
            if let Some(value) = list.get(channel) {
                // Writing to a String cannot fail.
                let _ = write!(row, "{value:.6e}");
            }
        }
    }
    let model = &frame.noise_model;
    // Writing to a String cannot fail.
    let _ = write!(row, ",{}", model.origin.label());
    for value in [model.gain_e_per_adu, model.read_noise_e, model.zero_variance_adu] {
        row.push(',');
        if let Some(value) = value {
            let _ = write!(row, "{value:.6e}");
        }
    }
    match &frame.defects {
        Defects::Unknown => row.push(','),
        Defects::InWindows(_) => row.push_str(",in-windows"),
        Defects::Listed(bad) => {
            let _ = write!(row, ",{}", bad.len());
        }
    }
    row
}

/// A field as RFC 4180 has it.
fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
