//! What the electrons of a frame say of its noise: gain, read noise, and the level without light.
//!
//! First found wins: what is given, the header, the profile of the camera; what none of them knows may be found by photon
//! transfer over the frames of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frame::{FrameKind, FrameMeta};
use crate::instrument::profile_of;

/// Figures of the camera that are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NoiseOptions {
    /// Electrons per unit of the frames.
    pub gain_e_per_adu: Option<f64>,
    /// Read noise of a raw pixel, electrons.
    pub read_noise_e: Option<f64>,
    /// Level at and above which a pixel is saturated, units of the frames.
    pub saturation_adu: Option<f64>,
}

impl NoiseOptions {
    /// Whether the figures can be used.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |value: &Option<f64>, is_good: fn(f64) -> bool| {
            value.is_some_and(|value| !(value.is_finite() && is_good(value)))
        };
        if wrong(&self.gain_e_per_adu, |gain| gain > 0.0) {
            return Err("gain is not a number of electrons per ADU above 0".into());
        }
        if wrong(&self.read_noise_e, |noise| noise >= 0.0) {
            return Err("read-noise is not a number of electrons of 0 or more".into());
        }
        if wrong(&self.saturation_adu, |_| true) {
            return Err("saturation is not a level in ADU".into());
        }
        Ok(())
    }
}

/// Where a noise model comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoiseOrigin {
    /// An option.
    Given,
    /// The frame's header.
    Header,
    /// The profile of the camera.
    Profile(&'static str),
    /// Variances and levels of the frames of the run.
    PhotonTransfer,
    /// Nothing is known but the noise that the pixels show.
    #[default]
    Unknown,
}

impl NoiseOrigin {
    /// Short name for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Header => "header",
            Self::Profile(_) => "profile",
            Self::PhotonTransfer => "photon-transfer",
            Self::Unknown => "unknown",
        }
    }
}

/// Noise of a raw pixel of level y: (y - zero) / gain, in squared units of the frame.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NoiseModel {
    /// Electrons per unit of the frame.
    pub gain_e_per_adu: Option<f64>,
    /// Read noise of a raw pixel, electrons.
    pub read_noise_e: Option<f64>,
    /// Level at which the line of variance over level comes to 0, units of the frame: the pedestal less what the read noise
    /// adds.
    pub zero_variance_adu: Option<f64>,
    /// Where the gain comes from.
    pub origin: NoiseOrigin,
}

impl NoiseModel {
    /// What is known of a frame before any pixel is read.
    pub fn of_header(meta: &FrameMeta, kind: FrameKind, options: &NoiseOptions) -> Self {
        let read_noise_e = options.read_noise_e.or(meta.read_noise_e);
        let known = |gain: f64, origin| Self {
            gain_e_per_adu: Some(gain),
            read_noise_e,
            zero_variance_adu: None,
            origin,
        };
        if let Some(gain) = options.gain_e_per_adu {
            return known(gain, NoiseOrigin::Given);
        }
        if let Some(gain) = meta.gain_e_per_adu {
            return known(gain, NoiseOrigin::Header);
        }
        match profile_of(meta, kind) {
            Some(profile) => Self {
                zero_variance_adu: Some(profile.zero_variance_adu),
                ..known(profile.gain_e_per_adu, NoiseOrigin::Profile(profile.name))
            },
            None => Self { read_noise_e, ..Self::default() },
        }
    }

    /// Least variance that a pixel without light can have, over `variance` at `level` (both of a raw pixel, in units of the
    /// frame): from the line down to its zero, or from the read noise; where neither is known [`LEAST_SHARE`], which is the
    /// least in any case. At most 1, and 1 where the gain is unknown. A level below the zero tells that the zero is another.
    pub fn least_share(&self, level: f64, variance: f64) -> f64 {
        let Some(gain) = self.gain_e_per_adu else { return 1.0 };
        let read = self.read_noise_e.map(|noise| (noise / gain).powi(2) / variance);
        let line = self
            .zero_variance_adu
            .filter(|zero| *zero < level)
            .map(|zero| 1.0 - (level - zero) / (gain * variance));
        let least = match (read, line) {
            (None, None) => 0.0,
            (Some(read), None) => read,
            (None, Some(line)) => line,
            (Some(read), Some(line)) => read.max(line),
        };
        if least.is_finite() { least.clamp(LEAST_SHARE, 1.0) } else { 1.0 }
    }
}

/// No pixel has less than this share of the variance of the sky: models are not that good.
pub const LEAST_SHARE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use zemosaic_image::CfaPattern;

    use super::*;

    #[test]
    fn what_is_given_wins_then_the_header_then_the_profile() {
        let cfa = FrameKind::Cfa(CfaPattern::Grbg);
        let seestar = FrameMeta {
            instrument: Some("Seestar S50".into()),
            gain_setting: Some(80.0),
            ..FrameMeta::default()
        };
        let none = NoiseOptions::default();
        let profile = NoiseModel::of_header(&seestar, cfa, &none);
        assert_eq!((profile.gain_e_per_adu, profile.zero_variance_adu), (Some(0.071), Some(433.0)));
        assert_eq!(profile.origin.label(), "profile");
        assert_eq!(NoiseModel::of_header(&seestar, FrameKind::Rgb, &none), NoiseModel::default());
        let other = FrameMeta { gain_setting: Some(120.0), ..seestar.clone() };
        assert_eq!(NoiseModel::of_header(&other, cfa, &none), NoiseModel::default());
        let header = FrameMeta { gain_e_per_adu: Some(0.5), read_noise_e: Some(3.0), ..seestar };
        let model = NoiseModel::of_header(&header, cfa, &none);
        assert_eq!((model.gain_e_per_adu, model.read_noise_e), (Some(0.5), Some(3.0)));
        let given =
            NoiseOptions { gain_e_per_adu: Some(0.25), read_noise_e: Some(1.0), saturation_adu: None };
        let model = NoiseModel::of_header(&header, cfa, &given);
        assert_eq!((model.gain_e_per_adu, model.read_noise_e), (Some(0.25), Some(1.0)));
        assert_eq!(model.origin, NoiseOrigin::Given);
    }

    #[test]
    fn a_pixel_without_light_has_the_read_noise() {
        // Sky of 567 ADU above the zero, 14.1 ADU per ADU: all of its variance is photons.
        let model = NoiseModel {
            gain_e_per_adu: Some(0.071),
            zero_variance_adu: Some(433.0),
            ..NoiseModel::default()
        };
        assert_eq!(model.least_share(1000.0, 567.0 / 0.071), LEAST_SHARE);
        // Half of it is read noise.
        assert!((model.least_share(1000.0, 2.0 * 567.0 / 0.071) - 0.5).abs() < 1e-12);
        // A level below the zero tells that the zero is another one here.
        assert_eq!(model.least_share(116.0, 4000.0), LEAST_SHARE);
        let read = NoiseModel { gain_e_per_adu: Some(2.0), read_noise_e: Some(6.0), ..NoiseModel::default() };
        assert!((read.least_share(1000.0, 18.0) - 0.5).abs() < 1e-12);
        assert_eq!(read.least_share(1000.0, f64::NAN), 1.0);
        assert_eq!(NoiseModel::default().least_share(1000.0, 18.0), 1.0);
    }
}
