//! A file becomes a [`Frame`]: discovery of inputs, keyword dialects, colour layout, the WCS that
//! counts, and the pixels of any window as float planes.
//!
//! Contents:
//! - [`mod@discover`]: which files an input means, in the one order that products depend on
//! - [`dialect`]: what the header keywords of the usual capture programs say
//! - [`wcs_source`]: where the WCS of a frame comes from
//! - [`mod@ingest`]: scan all inputs, keep the usable frames, name a reason for each other one
//! - [`pixels`]: windows of a frame as float planes (mono, RGB, demosaiced CFA)
//! - [`measure`]: noise and validity of a frame from its own pixels

pub mod dialect;
pub mod discover;
mod error;
mod frame;
pub mod ingest;
pub mod measure;
pub mod pixels;
pub mod wcs_source;

pub use discover::{InputFile, discover};
pub use error::FramesError;
pub use frame::{Frame, FrameKind, FrameMeta, LeftOut, Packing, Reason, WcsOrigin};
pub use ingest::{IngestOptions, Ingested, find_duplicates, ingest};
pub use measure::{FrameNoise, measure_noise};
pub use pixels::{FramePixels, PixelScratch};
pub use wcs_source::WcsPolicy;
