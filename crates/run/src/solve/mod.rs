//! Plate solving: frames get a WCS.
//!
//! - [`external`]: other programs solve a copy of the frame
//! - [`sidecar`]: a solution is written beside the frame

pub mod external;
pub mod sidecar;
