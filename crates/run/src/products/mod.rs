//! What a run leaves behind: `mosaic.fits`, `mosaic_preview.png`, `report.json`, `report.html`, `frames.csv`, `run.toml`,
//! and master tiles in `tiles/`.

pub mod applied_gauge;
pub mod facts;
pub mod frames_csv;
pub mod gauge;
pub mod gauge_tables;
pub mod header;
mod html;
pub mod inputs_table;
pub mod preview;
pub mod report;
pub mod report_html;
pub mod run_toml;
pub mod seam_map;
pub mod staged;
pub mod tile_file;
pub mod tile_header;
pub mod tile_inputs;
pub mod tiles_table;
pub mod worst;

/// Name of the main product where it is compressed.
pub const COMPRESSED_NAME: &str = "mosaic.fits.fz";

/// Names of the products in a run folder, the main one first. The log `events.jsonl` is none of them.
pub const PRODUCT_NAMES: [&str; 6] =
    ["mosaic.fits", "mosaic_preview.png", "frames.csv", "run.toml", "report.html", "report.json"];

/// Folder of master tiles in a run folder.
pub const TILES_FOLDER: &str = "tiles";

/// How names of master tiles begin.
pub const TILE_PREFIX: &str = "master_tile_";

/// Name of the master tile of this number.
pub fn tile_name(number: usize) -> String {
    format!("{TILE_PREFIX}{number:03}.fits")
}
