//! The gauge: what each frame's values must be multiplied with and what must be added to them so that frames agree
//! where they overlap. Nothing is resampled: frames are compared by the means of blocks of sky that are fixed on the
//! output grid. `docs/methods/gauge.md` has the way of the data.
//!
//! Contents, in the order of the data:
//! - [`options`]: what is asked for
//! - [`blocks`]: blocks of the grid
//! - `block_runs`: which pixels of a frame's row fall into which block
//! - [`clip`]: level of a block from its pixels
//! - [`preview`]: the blocks of a frame
//! - `candidates`, `aperture`, `photometry`: its stars
//! - [`star_list`]: the stars of a frame
//! - [`mod@graph`]: which frames share sky, from their outlines
//! - [`pairs`]: which frames are compared
//! - `network`: the best pairs and what else connects, of either
//! - [`common_blocks`]: the blocks that two frames have in common
//! - [`location`]: by how much a pair differs
//! - `statistics`, `robust_weight`: medians and scatter; weights of residuals
//! - `normal`: the sparse systems of all pairs
//! - `log_ratio`, `deming`, [`gain`]: by how much it differs in strength; `colour`: in all channels
//! - [`mod@solve`]: offsets from differences
//! - [`matching`]: gains, offsets and surfaces of all frames; `channel`: of one channel; `channel_gains`: gains of all channels;
//!   [`report`]: what is told of them
//! - [`match_bytes`]: what that takes; [`observer`]: who is told how it goes on
//! - `relative`: gain and offset relative to one frame
//! - [`surface`]: low-order surfaces over the grid
//! - `shared_noise`: which noise pairs have in common
//! - `independent_shares`: how much one of several pairs at a place counts
//! - [`surfaces`]: offsets and surfaces from differences of blocks; `prior_width`: how large surfaces and colours are
//! - `reference_gauge`: the gauge with one frame as reference
//! - [`mod@gauge`]: the gauge of all frames; [`normalize`]: that relative to one frame
//! - [`compat`]: what ZeMosaic does, for comparison only
//! - [`certificate`]: the steps that remain in the mosaic; `block_sums`: its blocks; `rims`: where sources end; `rim_steps`: the steps
//!   there; `joins`: what ends on both sides; `abutting`: without common blocks; [`seam_pairs`]: steps and gradients of pairs;
//!   [`level_spread()`]: how far levels are spread

mod abutting;
mod aperture;
mod block_runs;
mod block_sums;
pub mod blocks;
mod candidates;
pub mod certificate;
mod channel;
mod channel_gains;
pub mod clip;
mod colour;
pub mod common_blocks;
pub mod compat;
mod deming;
pub mod gain;
pub mod gauge;
pub mod graph;
mod independent_shares;
mod joins;
pub mod level_spread;
pub mod location;
mod log_ratio;
pub mod match_bytes;
pub mod matching;
mod network;
mod normal;
pub mod observer;
pub mod options;
pub mod pairs;
mod photometry;
pub mod preview;
mod prior_width;
mod reference_gauge;
mod relative;
pub mod report;
mod rim_steps;
mod rims;
mod robust_weight;
pub mod seam_pairs;
mod shared_noise;
pub mod solve;
pub mod star_list;
mod statistics;
pub mod surface;
pub mod surfaces;

pub use blocks::BlockGrid;
pub use certificate::{
    CertificateJob, JoinElement, PixelNoise, SeamCertificate, SeamSummary, Side, Verdict, seam_certificate,
};
pub use common_blocks::{CommonBlock, common_area};
pub use gain::{GainOrigin, PairGain, pair_gains};
pub use gauge::{FrameError, FrameGauge, Gauge, GaugeError, LeftOutFrame, Note, Untold, normalize};
pub use graph::{GraphOptions, Overlap, OverlapGraph, overlap_graph};
pub use level_spread::{LevelSpread, level_spread};
pub use location::{Differences, block_differences};
pub use match_bytes::MatchBytes;
pub use matching::{ChannelsAtOnce, FEW_PAIRS, MatchJob, match_frames};
pub use observer::MatchObserver;
pub use options::{MatchMethod, MatchOptions, NormalizeMethod, NormalizeOptions, SurfaceOrder};
pub use pairs::{Pair, choose_pairs};
pub use preview::{Preview, PreviewJob, PreviewScratch, measure_preview};
pub use reference_gauge::refer_to;
pub use report::{ChannelReport, GainReport, PairReport, SolveHealth};
pub use seam_pairs::{ChannelSeam, PairSeam, Seam};
pub use solve::{OffsetSolution, solve_offsets};
pub use star_list::{GridStar, MOST_STARS};
pub use surface::Surface;
pub use surfaces::{BlockDifference, SurfacePair, SurfaceSolution, Undetermined, solve_surfaces};
