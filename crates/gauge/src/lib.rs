//! The gauge: what each frame's values must be multiplied with and what must be added to them so that frames agree
//! where they overlap. Nothing is resampled: frames are compared by the means of blocks of sky that are fixed on the
//! output grid. `docs/methods/normalisation.md` has the formulas.
//!
//! Contents, in the order of the data:
//! - [`options`]: what is asked for
//! - [`blocks`]: blocks of the grid
//! - `runs`: which pixels of a frame's row fall into which block
//! - [`clip`]: level of a block from its pixels
//! - [`preview`]: the blocks of a frame
//! - [`star_list`]: the stars of a frame
//! - [`mod@graph`]: which frames share sky, from their outlines
//! - [`pairs`]: which frames are compared
//! - `network`: the best pairs and what else connects, of either
//! - [`location`]: by how much a pair differs
//! - `laplacian`, `conjugate`: the sparse system of all pairs
//! - [`mod@solve`]: offsets from differences
//! - `offsets`: offsets from previews, and their report
//! - `reference`: gain and offset relative to one frame
//! - [`surface`]: low-order surfaces over the grid
//! - [`mod@gauge`]: all of them by name

pub mod blocks;
pub mod clip;
mod conjugate;
pub mod gauge;
pub mod graph;
mod laplacian;
pub mod location;
mod network;
mod offsets;
pub mod options;
pub mod pairs;
pub mod preview;
mod reference;
mod runs;
pub mod solve;
pub mod star_list;
pub mod surface;

pub use blocks::BlockGrid;
pub use gauge::{FrameGauge, Gauge, GaugeError, LeftOutFrame, gauge};
pub use graph::{GraphOptions, Overlap, OverlapGraph, overlap_graph};
pub use offsets::{ChannelReport, PairReport};
pub use options::{MatchMethod, MatchOptions, NormalizeMethod, NormalizeOptions, SurfaceOrder};
pub use pairs::{Pair, choose_pairs};
pub use preview::{Preview, PreviewJob, PreviewScratch, measure_preview};
pub use solve::{OffsetSolution, solve_offsets};
pub use star_list::GridStar;
pub use surface::Surface;
