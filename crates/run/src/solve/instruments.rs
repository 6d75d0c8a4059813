//! Which frames share camera, telescope, filter and size, and what is said of them.

use zemosaic_frames::Frame;
use zemosaic_stars::adjust::{Adjusted, Mount, MountPose, mount_type};

use crate::solve::report::{SolvedFrame, SolvedInstrument};
use crate::solve::subject::Subject;

/// Name of a frame's instrument.
fn name_of(frame: &Frame) -> String {
    let meta = &frame.meta;
    let parts =
        [&meta.instrument, &meta.telescope, &meta.filter].map(|part| part.as_deref().unwrap_or("").trim());
    let mut words: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    words.dedup();
    let focal = meta.focal_length_mm.map_or(String::new(), |focal| format!(" {focal} mm"));
    format!("{}{focal} {}x{}", words.join(" "), frame.width, frame.height).trim().to_owned()
}

/// A number for each frame; frames of one instrument have the same one, counted by first appearance.
pub(crate) fn number_instruments(frames: &[Frame]) -> Vec<usize> {
    let mut names: Vec<String> = Vec::new();
    let number = |frame: &Frame| {
        let name = name_of(frame);
        names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        })
    };
    frames.iter().map(number).collect()
}

/// What is said of each instrument that frames were placed with.
pub(crate) fn describe_instruments(
    frames: &[Frame],
    subjects: &[Subject],
    rows: &[SolvedFrame],
    adjusted: Option<&Adjusted>,
) -> Vec<SolvedInstrument> {
    let count = subjects.iter().map(|subject| subject.instrument + 1).max().unwrap_or(0);
    let mut described = Vec::new();
    for instrument in 0..count {
        let own: Vec<usize> = (0..subjects.len())
            .filter(|&index| subjects[index].instrument == instrument && rows[index].wcs.is_some())
            .collect();
        let Some(&first) = own.first() else { continue };
        let mut scales: Vec<f64> = own.iter().filter_map(|&index| rows[index].scale_arcsec).collect();
        scales.sort_by(f64::total_cmp);
        let poses: Vec<MountPose> =
            own.iter().filter_map(|&index| pose(&subjects[index], &rows[index])).collect();
        let shared = adjusted.and_then(|all| all.instruments.get(instrument));
        described.push(SolvedInstrument {
            name: name_of(&frames[first]),
            frames: own.len(),
            scale_arcsec: scales.get(scales.len() / 2).copied().unwrap_or(f64::NAN),
            sip_order: shared.map_or(rows[first].sip_order, |shared| shared.sip_order),
            distortion_max_px: shared.map_or(0.0, |shared| shared.distortion_max_px),
            mount: match mount_type(&poses) {
                Mount::Equatorial => "equatorial",
                Mount::AltAz => "alt-azimuth",
                Mount::Unknown => "unknown",
            }
            .to_owned(),
        });
    }
    described
}

fn pose(subject: &Subject, row: &SolvedFrame) -> Option<MountPose> {
    let (ra_deg, dec_deg) = row.centre_deg?;
    Some(MountPose {
        time_s: subject.time_s,
        position_angle_deg: row.rotation_deg?,
        parity: if row.mirrored? { 1.0 } else { -1.0 },
        ra_deg,
        dec_deg,
    })
}
