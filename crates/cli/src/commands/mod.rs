//! One command per file.

pub mod check;
pub mod completions;
pub mod demo;
pub mod header;
pub mod mosaic;
pub mod overlaps;
pub mod plan;
pub mod quality;
pub mod simulate;
pub mod solve;
