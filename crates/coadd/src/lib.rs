//! The engine: sources (anything with pixels, a WCS, a mask and a noise model) and patches of an output
//! grid go in; science, weight, variance, depth, rejection and quality planes come out.
//!
//! Contents, in the order of the data:
//! - [`options`]: what the engine is asked to do
//! - [`resampler`]: the kernel for a source
//! - [`source`]: a frame placed on the grid, with its noise and weights
//! - [`weights`]: how much each source counts
//! - [`plane_map`]: where grid pixels lie in the planes of a source
//! - [`spatial`]: weights by the place of a sample in its frame
//! - [`noise`]: what kernels and demosaicing do to noise
//! - [`budget`]: how much memory there is, and what a patch needs of it
//! - [`patch`]: the grid cut into patches that fit the budget, in a space-filling order
//! - [`worker`]: one patch: read, warp, stack
//! - [`PatchResult`]: its planes
//! - [`engine`]: all patches, on all threads, to a sink
//! - [`mod@merge`]: master tiles, cut-outs of one grid, added up
//! - [`sink`]: patches by position into the product file

pub mod budget;
pub mod engine;
mod error;
pub mod merge;
pub mod noise;
pub mod options;
pub mod patch;
pub mod plane_map;
pub mod resampler;
mod result;
mod samples;
mod saturation;
pub mod sink;
pub mod source;
pub mod spatial;
pub mod weights;
mod window;
pub mod worker;

pub use budget::{MemoryBudget, available_memory_bytes};
pub use engine::{CoaddJob, CoaddObserver, CoaddSummary, coadd};
pub use error::CoaddError;
pub use merge::{MergeJob, MergeRule, Tile, TilePlane, merge, merged_depth, plan_merge};
pub use options::{
    Antialias, BackgroundMethod, CoaddOptions, FluxConvention, KernelName, PhotonNoise, Weights,
};
pub use patch::{Patch, PatchPlan, plan_patches, plan_region};
pub use plane_map::PlaneMap;
pub use result::{DepthPlanes, PatchResult, dq};
pub use sink::{PatchSink, ProductPlane, ProductSink};
pub use source::{Measured, PlaceError, SharedGrid, Source};
pub use spatial::{RadialWeight, SpatialOptions};
