//! What the frames of a run say of their cameras together, once they can be read and before they are placed: Bayer pattern, gain,
//! bad pixels.

use zemosaic_coadd::{Measured, MemoryBudget, PhotonNoise};
use zemosaic_fits::FilePool;
use zemosaic_frames::Frame;
use zemosaic_frames::bad_pixels::HotPixels;

use crate::cfa_check::check_patterns;
use crate::defects::find_defects;
use crate::events::Warning;
use crate::noise_model::find_gains;
use crate::options::MosaicOptions;

/// Look at the frames' pixels for what their headers do not say. Returns what the user should know.
pub fn know_cameras(
    frames: &mut [(Frame, Measured)],
    options: &MosaicOptions,
    pool: &FilePool,
    budget: MemoryBudget,
) -> Vec<Warning> {
    let warnings = check_patterns(frames, options.ingest.cfa, &options.coadd, pool);
    if options.coadd.photon_noise == PhotonNoise::Auto {
        find_gains(frames, pool);
    }
    if options.hot_pixels == HotPixels::Auto {
        find_defects(frames, pool, budget);
    }
    warnings
}
