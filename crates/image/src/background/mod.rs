//! The sky background of a frame: a mesh of clipped modes and the smooth surface through it (Bertin & Arnouts
//! 1996, A&AS 117, 393; the SExtractor and SWarp manuals).
//!
//! - [`BackgroundOptions`]: mesh, filter
//! - [`MeshBuilder`]: fed with the rows of a frame, gives a background per colour
//! - [`CellStatistics`]: what is kept of a cell
//! - [`Background`]: the surface, its level and noise; subtracted from any window
//! - [`low_order()`]: a polynomial instead of the mesh, objects masked
//!
//! [`crate::definition`] has the cell and the surface as plain functions.

mod builder;
mod cell;
mod low_order;
mod mesh;
mod options;
mod spline;
mod split;
mod sums;
mod surface;

/// What the definition shares with the fast code.
pub(crate) mod constants {
    pub(crate) use super::cell::{
        CLIP_SIGMA, CONVERGED, MAX_ROUNDS, PRE_CUT_SIGMA, RANGE_SIGMA, grouped_median,
    };
    pub(crate) use super::sums::Span;
}

pub use builder::{MeshBuilder, Sites};
pub use cell::CellStatistics;
pub use low_order::{LowOrder, LowOrderOptions, MOST_ORDER, low_order};
pub use options::{BackgroundError, BackgroundOptions};
pub use surface::Background;
