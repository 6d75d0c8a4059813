//! What a run leaves behind: `mosaic.fits`, `mosaic_preview.png`, `report.json`, `frames.csv`, `run.toml`.

pub mod facts;
pub mod frames_csv;
pub mod gauge;
pub mod header;
pub mod inputs_table;
pub mod preview;
pub mod report;
pub mod run_toml;
pub mod staged;

/// Name of the main product where it is compressed.
pub const COMPRESSED_NAME: &str = "mosaic.fits.fz";

/// Names of the products in a run folder, the main one first. The log `events.jsonl` is none of them.
pub const PRODUCT_NAMES: [&str; 5] =
    ["mosaic.fits", "mosaic_preview.png", "frames.csv", "run.toml", "report.json"];
