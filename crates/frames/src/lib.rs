//! A file becomes a [`Frame`]: discovery of inputs, keyword dialects, colour layout, the WCS that
//! counts, and the pixels of any window as float planes.
//!
//! Contents:
//! - [`mod@discover`]: which files an input means, in the one order that products depend on
//! - [`list`]: lists of inputs, text or CSV
//! - [`bad_pixels`]: hot and cold pixels, as a list or looked for in windows
//! - [`cfa`]: what becomes of the raw pixels behind a colour filter array
//! - [`dialect`]: what the header keywords of the usual capture programs say
//! - [`pointing`]: what the header says of pointing, scale and time, for a plate solver
//! - [`time`]: dates of headers and products
//! - [`wcs_source`]: where the WCS of a frame comes from
//! - [`mod@ingest`]: scan all inputs, keep the usable frames, name a reason for each other one
//! - [`map_source`]: where the weight map and the mask of a frame are
//! - [`noise_model`], [`instrument`]: gain, read noise and level without light, and where they come from
//! - [`mod@flux_scale`]: what a frame's pixels are multiplied with
//! - [`pixels`]: windows of a frame as float planes (mono, RGB, demosaiced CFA)
//! - `maps`: bad pixels and relative variance of a window, from the maps
//! - [`measure`]: noise and validity of a frame from its own pixels
//! - [`transfer`]: points of its photon transfer curve
//! - [`mod@background`]: its sky background
//! - [`calibration`]: bias, dark, flat, bad pixels, overscan

pub mod background;
pub mod bad_pixels;
pub mod calibration;
pub mod cfa;
pub mod dialect;
pub mod discover;
mod error;
pub mod flux_scale;
mod frame;
mod images;
pub mod ingest;
pub mod instrument;
pub mod list;
pub mod map_source;
mod maps;
pub mod measure;
pub mod noise_model;
pub mod pixels;
pub mod pointing;
pub mod time;
pub mod transfer;
pub mod wcs_source;

pub use background::measure_background;
pub use bad_pixels::{BadPixels, Defects, HotPixels};
pub use calibration::{CalibrationOptions, DarkScaling, FrameCalibration, OverscanMode};
pub use cfa::{CfaChoice, DemosaicMethod, gain_of};
pub use discover::{Given, InputFile, MapSource, discover};
pub use error::FramesError;
pub use frame::{
    Astrometry, Frame, FrameKind, FrameMap, FrameMaps, FrameMeta, LeftOut, MapKind, Packing, Reason,
    WcsOrigin,
};
pub use ingest::{IngestOptions, Ingested, find_duplicates, ingest};
pub use map_source::{MapOptions, WeightRescale, WeightType};
pub use measure::{FrameNoise, VarianceReference, measure_noise};
pub use noise_model::{NoiseModel, NoiseOptions, NoiseOrigin};
pub use pixels::{FramePixels, PixelScratch, RelativeVariance};
pub use pointing::{Pointing, SkyHints, sky_hints};
pub use wcs_source::{WcsNeed, WcsPolicy};
