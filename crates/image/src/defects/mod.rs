//! Hot and cold pixels of raw frames, found before anything is interpolated, without taking stars
//! (`docs/methods/defects.md`).
//!
//! - [`cfa_defects`], [`mono_defects`]: in one window of one frame
//! - [`SensorNoise`]: what it is judged by
//! - [`DefectCounter`]: pixels that are found in many frames
//! - [`ResidualMean`]: faint defects, from the mean of many frames
//! - [`CfaDefectOptions`], [`PersistenceOptions`]: thresholds

mod counter;
mod find;
mod guard;
mod neighbours;
mod noise;
mod options;
mod residual;

pub use counter::DefectCounter;
pub use find::{HALO_PX, cfa_defects, mono_defects};
pub use noise::SensorNoise;
pub use options::{CfaDefectOptions, PersistenceOptions};
pub use residual::ResidualMean;

use crate::cfa::CfaPattern;
use serde::{Deserialize, Serialize};

/// Colours of a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensor {
    /// One.
    Mono,
    /// A Bayer pattern.
    Bayer(CfaPattern),
}

impl Sensor {
    /// Colour of a pixel: 0 red, 1 green, 2 blue; 1 on a mono sensor.
    pub fn colour_at(self, x: i64, y: i64) -> usize {
        match self {
            Self::Mono => 1,
            Self::Bayer(pattern) => pattern.colour_at(x, y),
        }
    }
}

/// Which way a pixel is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefectKind {
    /// Brighter than its neighbours.
    Hot,
    /// Darker than its neighbours.
    Cold,
}

/// A bad pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defect {
    /// Column in the frame.
    pub x: i64,
    /// Row in the frame.
    pub y: i64,
    /// Which way it is off.
    pub kind: DefectKind,
    /// How far, in standard deviations of one frame's pixel; positive.
    pub excess_sigma: f32,
}
