//! What is asked of the background, and why there may be none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Smallest mesh: fewer pixels make a poor mode.
const MIN_MESH_PX: usize = 16;

/// Options of the sky background.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackgroundOptions {
    /// Side of a mesh cell, 16 px at least. Larger than the largest object that must survive, smaller than what
    /// the sky changes over.
    pub mesh_px: usize,
    /// Side of the median filter over the mesh, in cells, odd; 1 leaves the mesh as it is.
    pub filter_meshes: usize,
    /// A cell takes the median of its neighbourhood only if it is off by this much or more.
    pub filter_threshold_adu: f64,
}

impl Default for BackgroundOptions {
    fn default() -> Self {
        Self { mesh_px: 128, filter_meshes: 3, filter_threshold_adu: 0.0 }
    }
}

impl BackgroundOptions {
    /// Whether the figures can be used.
    pub fn check(&self) -> Result<(), BackgroundError> {
        if self.mesh_px < MIN_MESH_PX {
            return Err(BackgroundError::Mesh { mesh_px: self.mesh_px });
        }
        if self.filter_meshes.is_multiple_of(2) {
            return Err(BackgroundError::Filter { filter_meshes: self.filter_meshes });
        }
        if self.filter_threshold_adu.is_nan() || self.filter_threshold_adu < 0.0 {
            return Err(BackgroundError::Threshold { threshold_adu: self.filter_threshold_adu });
        }
        Ok(())
    }
}

/// Why there is no background.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum BackgroundError {
    /// The mesh is too fine.
    #[error("a background mesh of {mesh_px} px is too fine: {MIN_MESH_PX} px at least")]
    Mesh {
        /// What was asked for.
        mesh_px: usize,
    },
    /// The filter has no middle.
    #[error("a background filter of {filter_meshes} cells has no middle cell: give an odd number")]
    Filter {
        /// What was asked for.
        filter_meshes: usize,
    },
    /// The threshold is no threshold.
    #[error("a background filter threshold of {threshold_adu} ADU is not 0 or more")]
    Threshold {
        /// What was asked for.
        threshold_adu: f64,
    },
    /// The frame has no pixels.
    #[error("a frame of {width} x {height} px has no background")]
    Empty {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Rows are missing.
    #[error("{rows} of the frame's {height} rows were given for its background")]
    Rows {
        /// Rows given.
        rows: usize,
        /// Rows of the frame.
        height: usize,
    },
    /// Nothing to measure in one colour.
    #[error("no cell of the background mesh has data in half of its pixels (colour {colour} of the frame)")]
    NoData {
        /// 0 in a frame of one plane, else 0 red, 1 green, 2 blue.
        colour: usize,
    },
}
