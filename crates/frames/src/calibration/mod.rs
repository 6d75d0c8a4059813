//! Calibration: bias, dark, flat, bad pixels, overscan. What a frame needs, which master fits it, and how its pixels are
//! corrected (docs/methods/calibration.md). Masters are made in `zemosaic-run`, which may stack.
//!
//! Contents:
//! - [`options`]: what is asked for
//! - [`facts`]: what headers say: kind of image, camera, setting, steps already done
//! - [`files`]: a calibration file, from its header
//! - [`master`]: a master, and what is used of it for a frame
//! - [`matching`]: which master fits a frame
//! - [`overscan`]: declared overscan: trimmed, measured
//! - [`apply`]: the pixels of a window
//! - [`noise`]: what a flat does to noise

pub mod apply;
pub mod facts;
pub mod files;
pub mod master;
pub mod matching;
pub mod noise;
pub mod options;
pub mod overscan;

pub use facts::{AppliedSteps, CameraSetup, ImageFacts, ImageType, camera_setup, image_type};
pub use files::{CalibrationFile, CalibrationKind, read_calibration_file};
pub use master::{FrameCalibration, Master, MasterStatistics, MasterUse, Subtracted};
pub use noise::settle_photon_share;
pub use options::{CalibrationOptions, DarkScaling, OverscanMode};
pub use overscan::measure_overscan;
