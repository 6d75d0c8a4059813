//! What a gauge did to the values of a source, as products tell it.

use serde::Serialize;
use zemosaic_gauge::{FrameError, FrameGauge, Surface};

/// What was done to the values of a frame or master tile: gain x value + offset + surface, per channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AppliedGauge {
    /// What they were multiplied with.
    pub gain: Vec<f64>,
    /// What was added.
    pub offset: Vec<f64>,
    /// Standard errors of the gains; empty where they are not known.
    pub gain_error: Vec<f64>,
    /// Standard errors of the offsets; empty where they are not known.
    pub offset_error: Vec<f64>,
    /// Standard errors of the coefficients of the surfaces, channel after channel; empty where they are not known.
    pub surface_error: Vec<f64>,
    /// Surfaces that were added too.
    pub surface: Vec<Surface>,
}

impl AppliedGauge {
    /// Of a source of so many channels.
    pub fn of(gauge: &FrameGauge, error: Option<&FrameError>, channels: usize) -> Self {
        let mut own = Self {
            gain: gauge.gain[..channels].to_vec(),
            offset: gauge.offset[..channels].to_vec(),
            surface: gauge.surface[..channels].to_vec(),
            ..Self::default()
        };
        if let Some(error) = error {
            own.set_errors(error);
        }
        own
    }

    /// Note the standard errors, in as many channels as there are gains.
    pub fn set_errors(&mut self, error: &FrameError) {
        let channels = self.gain.len();
        self.gain_error = error.gain[..channels].to_vec();
        self.offset_error = error.offset[..channels].to_vec();
        self.surface_error = error.surface[..channels].concat();
    }
}
