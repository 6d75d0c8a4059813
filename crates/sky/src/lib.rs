//! Sky geometry: FITS world coordinates, pixel-to-pixel maps of bounded error, footprints and the output grid.
//!
//! Pixel coordinates are 0-based (the centre of the first pixel is `(0.0, 0.0)`, the image covers `-0.5 .. N - 0.5`);
//! FITS headers are 1-based and converted on reading and writing. Unit vectors are ICRS `[f64; 3]`.
//!
//! | module | content |
//! |---|---|
//! | [`Wcs`] | one celestial coordinate system (all FITS projections and distortions) in both directions |
//! | [`SkyFrame`] | ICRS, FK5, FK4, Galactic, ecliptic, and the way between them |
//! | [`PixelMap`] | output grid pixel to source pixel, per fixed cell of 256 px |
//! | [`Footprint`], [`overlap_groups`] | which frames share sky |
//! | [`PlaceIndex`], [`FootprintHull`] | which frames may overlap, without all pairs |
//! | [`UnionFind`] | connected parts of a graph |
//! | [`cluster_frames`] | which frames are coadded into one master tile |
//! | [`Grid`], [`automatic_grid`], [`grid_bounds`], [`canvas_outliers`] | the output grid |

mod automatic_grid;
mod cluster;
mod error;
mod fk4;
mod footprint;
mod frame;
mod grid;
mod grid_bounds;
mod grid_projection;
mod groups;
mod map;
mod outliers;
mod overlap;
mod precession;
mod union_find;
mod vector;
mod wcs;

pub use automatic_grid::{FrameGeometry, GridOptions, Rotation, automatic_grid};
pub use cluster::{ClusterFrame, ClusterOptions, Clusters, cluster_frames};
pub use error::{GridError, WcsError};
pub use footprint::Footprint;
pub use frame::SkyFrame;
pub use grid::Grid;
pub use grid_bounds::grid_bounds;
pub use grid_projection::GridProjection;
pub use groups::overlap_groups;
pub use map::{CELL_PX, CellMap, MapKind, MapOptions, PixelMap};
pub use outliers::{OutlierReason, canvas_outliers};
pub use overlap::{Ball, FootprintHull, PlaceIndex, pair_hash};
pub use precession::mean_of_date_to_icrs;
pub use union_find::UnionFind;
pub use vector::{angle_rad, lonlat_deg, unit_vector};
pub use wcs::{SipCoefficients, Wcs};
