//! Stacking: samples of many frames at one pixel become a value, a weight, a variance and counts.
//!
//! - [`StackBlock`], [`StackOutput`]: the job, frames x pixels, so that 16 neighbouring pixels share vectors
//! - [`stack`]: reject outliers, combine
//! - [`RejectOptions`], [`RejectMethod`], [`Combine`]: what to do
//! - [`MeanAccumulator`]: mean without rejection in memory independent of the number of frames
//! - [`definition`]: the same as a plain scalar function in f64
//!
//! Conventions (docs/methods/stacking.md): NaN is no sample; sums run in frame order in f64; WHT = sum w,
//! VAR = sum w^2 v / (sum w)^2, for a median times pi/2 above two samples; depth counts valid samples
//! before rejection.

mod accumulate;
mod block;
mod block_sort;
mod clip;
pub mod definition;
mod kernel;
mod lanes;
mod options;
mod sort;
mod sums;

pub use accumulate::MeanAccumulator;
pub use block::{StackBlock, StackOutput};
pub use kernel::{StackScratch, stack};
pub use options::{Combine, RejectMethod, RejectOptions};
