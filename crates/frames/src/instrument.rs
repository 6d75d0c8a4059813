//! Cameras whose noise is known without a word in the header.
//!
//! Seestar: photon transfer of raw frames of three nights, variance 14.1 ADU per ADU of signal, no variance at 433 ADU
//! (on-board dark subtraction leaves a pedestal that varies: frames below it tell nothing of it).

use crate::frame::{FrameKind, FrameMeta};

/// What is known of a camera at one setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstrumentProfile {
    /// Name, for reports.
    pub name: &'static str,
    /// A part of INSTRUME or of the capture program's name, in small letters.
    camera: &'static str,
    /// GAIN of the header, the camera's setting.
    gain_setting: f64,
    /// Electrons per unit of the frame.
    pub gain_e_per_adu: f64,
    /// Level at which the line of variance over level comes to 0.
    pub zero_variance_adu: f64,
    /// Level at and above which a pixel is saturated.
    pub saturation_adu: f64,
}

const PROFILES: [InstrumentProfile; 2] = [
    InstrumentProfile {
        name: "Seestar S50, gain 80",
        camera: "seestar s50",
        gain_setting: 80.0,
        gain_e_per_adu: 0.071,
        zero_variance_adu: 433.0,
        saturation_adu: 65535.0,
    },
    InstrumentProfile {
        name: "Seestar S30, gain 80",
        camera: "seestar s30",
        gain_setting: 80.0,
        gain_e_per_adu: 0.071,
        zero_variance_adu: 433.0,
        saturation_adu: 65535.0,
    },
];

/// The profile of a raw frame with this header; stacked frames of the same camera (RGB) have none.
pub fn profile_of(meta: &FrameMeta, kind: FrameKind) -> Option<&'static InstrumentProfile> {
    let FrameKind::Cfa(_) = kind else { return None };
    if meta.unit.as_deref().is_some_and(|unit| !unit.trim().eq_ignore_ascii_case("adu")) {
        return None;
    }
    let names = [&meta.instrument, &meta.creator];
    PROFILES.iter().find(|profile| {
        let is_named = names
            .iter()
            .any(|name| name.as_ref().is_some_and(|name| name.to_lowercase().contains(profile.camera)));
        is_named && meta.gain_setting == Some(profile.gain_setting)
    })
}
