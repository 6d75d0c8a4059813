//! `zemosaic-testkit`: a sky simulator with truth, and the comparisons that use it.
//!
//! Everything here is deliberately independent of the product's own sky, resampling and stacking code: the tangent
//! projection and the colour filter array are this crate's own, so that an error in the product cannot cancel against the
//! same error in its judge. Only the reader of the star catalogue is shared (`zemosaic_stars::catalogue`). How the simulator works: `docs/methods/simulator.md`.
//!
//! | module | content |
//! |---|---|
//! | [`tan`] | tangent projection, both ways |
//! | [`options`] | what to simulate: one struct, presets |
//! | [`sky_model`] | stars and nebula |
//! | [`faint_stars`] | random stars below the catalogue |
//! | [`pointing`] | panels, dithers, field rotation, seeing of each frame |
//! | [`psf`] | pixel-integrated Moffat stars |
//! | [`depth`] | depth against footprints |
//! | [`defects`] | hot pixels, cosmic rays, satellite trails |
//! | [`render`] | one frame, from sky to ADU |
//! | [`frame_header`] | FITS headers of simulated frames |
//! | [`truth`] | `truth.json`, `truth_stars.csv` |
//! | [`mod@simulate`] | the whole set, written to a folder |
//! | [`fit`] | what is left of values after a combination of others |
//! | [`compare`] | aperture photometry and centroids against the truth |
//! | [`test_frames`] | small frames for the tests of other crates |
//! | [`mod@real_data`] | where tests find real frames |
//! | [`rng`] | seeded random numbers |

pub mod compare;
pub mod defects;
pub mod depth;
pub mod error;
pub mod faint_stars;
pub mod fit;
pub mod frame_header;
pub mod options;
pub mod pointing;
pub mod psf;
pub mod real_data;
pub mod render;
pub mod rng;
pub mod simulate;
pub mod sky_model;
pub mod tan;
pub mod test_frames;
pub mod truth;

pub use compare::{CompareOptions, StarComparison, compare_stars};
pub use error::TestkitError;
pub use fit::fit_residual;
pub use options::{Preset, SimulateOptions};
pub use real_data::real_data;
pub use simulate::{SimulationSummary, simulate};
pub use tan::TanFrame;
pub use test_frames::{noise_image, star_image, tan_header, write_test_frame};
pub use truth::{FrameTruth, Truth, TruthStar, load_truth};
pub use zemosaic_stars::catalogue::Tycho2 as Catalogue;
