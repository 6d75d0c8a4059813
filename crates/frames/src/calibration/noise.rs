//! What a flat does to noise.
//!
//! Where the flat is f (1 on average) a pixel gets f times the light, and is divided by f. Of a sky of level L ADU above
//! zero, gain g e-/ADU and read noise R electrons the variance of the corrected value is L / (g f) + R^2 / (g^2 f^2), which
//! over that of a pixel with f = 1 is
//!
//! r = p / f + (1 - p) / f^2, with the share of photons p = L g / (L g + R^2),
//!
//! and 1 / f where gain or read noise are not known (p = 1: photons of the sky dominate). The variance of a weight map wins:
//! it is not touched.

use std::sync::Arc;

use crate::frame::Frame;
use crate::measure::FrameNoise;

/// Notes the share of photons in the calibration of `frame` from its measured level; returns whether that changed
/// anything, so that its noise must be measured again.
pub fn settle_photon_share(frame: &mut Frame, noise: &FrameNoise) -> bool {
    let model = &frame.noise_model;
    let (Some(gain), Some(read_noise)) = (model.gain_e_per_adu, model.read_noise_e) else {
        return false;
    };
    if !frame.has_flat_variance() {
        return false;
    }
    let Some(calibration) = &mut frame.calibration else { return false };
    let pedestal = f64::from(calibration.pedestal_adu);
    let shares = std::array::from_fn(|channel| {
        let level = noise.level_adu.get(channel).map_or(f64::NAN, |level| (level - pedestal) * gain);
        let share = level.max(0.0) / (level.max(0.0) + read_noise * read_noise);
        if level.is_finite() && share.is_finite() { share as f32 } else { 1.0 }
    });
    let changed = shares != calibration.photon_share;
    if changed {
        Arc::make_mut(calibration).photon_share = shares;
    }
    changed
}
