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

/// Steps in the sorted scales of the frames of one name that are larger than this are between two telescopes whose headers do
/// not tell them apart; focus changes the scale less within a run.
const SCALE_STEP: f64 = 7e-4;

/// Frames of one instrument by name, parted by the scales of the WCSs that were found (`None`: not yet placed).
pub(crate) fn part_by_scale(subjects: &mut [Subject], scales: &[Option<f64>]) {
    let count = subjects.iter().map(|subject| subject.instrument + 1).max().unwrap_or(0);
    let mut parts = count;
    for instrument in 0..count {
        let mut own: Vec<(f64, usize)> = (0..subjects.len())
            .filter(|&index| subjects[index].instrument == instrument)
            .filter_map(|index| scales[index].map(|scale| (scale, index)))
            .collect();
        own.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut number = instrument;
        for pair in own.windows(2) {
            if pair[1].0 - pair[0].0 > SCALE_STEP * pair[0].0 {
                number = parts;
                parts += 1;
            }
            subjects[pair[1].1].instrument = number;
        }
    }
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
