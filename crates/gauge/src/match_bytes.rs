//! What a match takes besides its previews, from the pairs that are chosen and before anything is measured: an upper bound, by
//! addition of the lists that are alive at the same time. With F frames, P pairs, B common blocks of all pairs, C channels,
//! and K unknowns of a frame (1; with surfaces 3 or 6 besides):
//!
//! - in any case: P (500 + 400 C), what is measured and told of pairs
//! - for each channel that is being solved, a network of K unknowns: F (32 K^2 + 96 K + 400), P (8 K^2 + 300), and for each
//!   entry of the factor 16 K^2 + 24. A factor that takes W products has sqrt(2 W F) entries at most (Cauchy-Schwarz over
//!   its columns); one without fill has P, and none has more than F (F - 1) / 2
//! - gains of three channels held together, while no channel is being solved: a network of 3 unknowns, 400 F and 250 P besides
//! - the sources of the noise that pairs share: 280 P (32 parts of 8 B, and where they start), and 1,200 F for the sums of 8 rows
//! - surfaces: P (24 K^2 + 16 K + 300) for the sums of pairs, and 128 B: of a block 64 for place, difference and variance in
//!   a list that grew by doubling, and 64 for weights and residuals, or shares and their keys, which come before
//! - as ZeMosaic does it: the dense triangle, 8 n (n + 2) with n = 2 F, and 8 for each block of each preview
//!
//! Buffers of a pair that a thread works on are not counted.

use crate::compat::intertile_options::IntertileSolver;
use crate::options::{MatchMethod, MatchOptions, SurfaceOrder};
use crate::pairs::Pair;
use crate::preview::Preview;
use crate::{channel_gains, solve, surfaces};

/// A block of a pair while surfaces are solved.
const BLOCK_BYTES: usize = 128;
/// Sources of noise, of a pair and of a frame.
const PAIR_SOURCE_BYTES: usize = 280;
const FRAME_SOURCE_BYTES: usize = 1200;

/// Bytes of a match at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchBytes {
    /// However many channels are solved at once.
    pub shared: u64,
    /// For each channel that is being solved.
    pub channel: u64,
}

impl MatchBytes {
    /// Of a match of `previews` over `pairs` ([`crate::choose_pairs`]).
    pub fn of(previews: &[Preview], pairs: &[Pair], options: &MatchOptions) -> Self {
        let (frames, links) = (previews.len(), pairs.len());
        let channels = previews.first().map_or(0, Preview::channels);
        let mut shared = links * (500 + 400 * channels);
        let mut channel = network(frames, links, 1, solve::EXACT_PRODUCTS)
            + links * PAIR_SOURCE_BYTES
            + frames * FRAME_SOURCE_BYTES;
        let together = if channels == 3 && options.method.has_gain() {
            network(frames, links, channels, channel_gains::EXACT_PRODUCTS) + frames * 400 + links * 250
        } else {
            0
        };
        match options.method {
            MatchMethod::None => (shared, channel) = (0, 0),
            MatchMethod::Offset | MatchMethod::Gain | MatchMethod::Full => {}
            MatchMethod::Surface => {
                let unknowns = match options.surface_order {
                    SurfaceOrder::Plane => 3,
                    SurfaceOrder::Quadratic => 6,
                };
                let blocks: usize = pairs.iter().map(|pair| pair.blocks).sum();
                channel += network(frames, links, unknowns, surfaces::EXACT_PRODUCTS)
                    + links * (24 * unknowns * unknowns + 16 * unknowns + 300)
                    + blocks * BLOCK_BYTES;
            }
            MatchMethod::Zemosaic => {
                let unknowns = match options.intertile.solver {
                    IntertileSolver::OffsetOnly => frames,
                    IntertileSolver::Legacy | IntertileSolver::Irls => 2 * frames,
                };
                let blocks: usize = previews.iter().map(|preview| preview.region.area()).sum();
                shared += (unknowns * (unknowns + 2) + blocks) * size_of::<f64>();
                channel = 0;
            }
        }
        // Before channels are solved: what it takes beyond one of them.
        shared += together.saturating_sub(channel);
        Self { shared: shared as u64, channel: channel as u64 }
    }

    /// With so many channels at once.
    pub fn at_once(self, channels: usize) -> u64 {
        self.shared + self.channel * channels as u64
    }
}

/// Pattern, matrix and factor of a network, and vectors of its unknowns.
fn network(frames: usize, links: usize, unknowns: usize, products: usize) -> usize {
    let filled = ((2.0 * products as f64 * frames as f64).sqrt() as usize).max(links);
    let entries = filled.min(frames * frames.saturating_sub(1) / 2);
    let square = unknowns * unknowns;
    entries * (16 * square + 24) + frames * (32 * square + 96 * unknowns + 400) + links * (8 * square + 300)
}
