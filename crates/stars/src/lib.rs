//! Stars and what they say of a frame: detection, shapes, trails, frame quality, gates.
//!
//! Contents, in the order of the data:
//! - [`source`]: where pixels come from, window by window
//! - [`options`]: what counts as a star
//! - `half`: the detection plane, 2 x 2 means of the raw pixels
//! - `components`: connected pixels above the threshold, row by row
//! - `candidate`: what a component is: a star, several, a hot pixel, a line
//! - [`field`]: background, noise, stars and trails of a frame
//! - [`profile`]: the Moffat profile, integrated over pixels
//! - `fit`: a profile with one shape and a brightness per colour through raw pixels
//! - `stamp`: the pixels around a star: local sky, growth curve
//! - [`star`]: the list of stars
//! - `lines`, [`trail`]: straight lines across the frame
//! - [`quality`]: the figures of a frame
//! - [`gates`]: which frames of a night are too bad
//! - [`detection`]: stars as positions with an uncertainty
//! - [`mod@reference`]: stars whose place on the sky is known
//! - [`astrometry`]: matches, plate fit, verification and comparison of WCSs
//! - [`catalogue`]: Tycho-2, extracts of Gaia, tile files
//! - [`solve`]: from stars and a catalogue to a rough WCS
//! - [`mod@adjust`]: all frames of a run adjusted at once
//!
//! `docs/methods/quality.md` and `adjustment.md` say it with formulas and figures.

pub mod adjust;
pub mod astrometry;
mod candidate;
pub mod catalogue;
mod components;
pub mod detection;
mod error;
pub mod field;
mod fit;
pub mod gates;
mod half;
mod hough;
mod lines;
mod measure;
pub mod options;
pub mod profile;
pub mod quality;
pub mod reference;
pub mod solve;
pub mod source;
mod stamp;
pub mod star;
pub mod trail;

pub use astrometry::{
    Evidence, FitError, FitOptions, Match, PlateFit, SipOrder, Verdict, VerifyOptions, WcsDifference,
    fit_plate, match_stars, verify,
};
pub use catalogue::{Catalogue, CatalogueError, Dated};
pub use detection::Detection;
pub use error::StarsError;
pub use field::{Field, find_stars};
pub use gates::{GateFrame, GateMode, GateOptions, gate};
pub use options::StarOptions;
pub use profile::Profile;
pub use quality::{FrameQuality, measure_quality};
pub use reference::{ReferenceList, ReferenceStar, ReferenceStars};
pub use solve::{BlindIndex, Hint, Limits, RoughWcs, ScaleRange, SolveError, solve_blind, solve_hinted};
pub use source::{FrameInfo, MemoryPixels, Pixels};
pub use star::{Star, StarFlags};
pub use trail::Trail;
