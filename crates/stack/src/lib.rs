//! Stacking: samples of many frames at one pixel become a value, a weight, a variance and counts.
//!
//! - [`StackBlock`], [`StackOutput`]: the job, frames x pixels, so that 16 neighbouring pixels share vectors
//! - [`stack`]: reject outliers, combine
//! - [`clip_by_noise`], [`NoiseBlock`], [`Clipped`]: before that, outliers among 2 to 5 samples by the noise of the frames
//! - [`RejectOptions`], [`RejectMethod`], [`LowDepth`], [`Combine`]: what to do; [`RejectError`]: what cannot be
//! - [`Accumulator`], [`streams`]: mean, sum, min and max without rejection in memory independent of the number
//!   of frames
//! - [`definition`]: the same as a plain scalar function in f64
//!
//! Conventions (docs/methods/stacking.md): NaN is no sample; sums run in frame order in f64; WHT = sum w,
//! VAR = sum w^2 v / (sum w)^2, for a median times pi/2 above two samples, for a sum sum v, NaN for min, max
//! and percentiles; depth counts valid samples before rejection.

mod accumulate;
mod block;
mod block_sort;
mod centred;
mod clip;
pub mod definition;
mod doubles;
mod esd;
mod kernel;
mod lanes;
mod linear_fit_clip;
mod mad_clip;
mod noise_clip;
mod options;
mod quantile_clip;
mod rank_clip;
mod reject;
mod sort;
mod spare;
mod sums;
mod terms;
mod winsor;
mod winsorized;

pub use accumulate::{Accumulator, FrameSamples, streams};
pub use block::{StackBlock, StackOutput};
pub use kernel::{StackScratch, stack};
pub use noise_clip::{Clipped, NoiseBlock, NoiseScratch, clip_by_noise};
pub use options::{Combine, LowDepth, RejectError, RejectMethod, RejectOptions};
