//! Simulates a whole set and writes it: `frames/Light_*.fit`, `masks/*.fits`, `truth.json`, `truth_stars.csv`.

use crate::Catalogue;
use crate::defects::{COSMIC_RAY, HOT, TRAIL};
use crate::error::TestkitError;
use crate::frame_header::frame_header;
use crate::options::{SampleFormat, SimulateOptions};
use crate::pointing::{FramePlan, UtcTime, plan_frames};
use crate::render::{RenderedFrame, render_frame};
use crate::sky_model::SkyModel;
use crate::truth::{DefectCounts, FrameTruth, Truth, TruthFile, WcsTruth, truth_stars, write_truth};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use zemosaic_fits::{Header, ImageData, write_image};

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationSummary {
    /// The frames, in time order.
    pub frames: Vec<PathBuf>,
    /// Folder of the frames.
    pub frames_dir: PathBuf,
    /// Number of stars in the truth.
    pub stars: usize,
    /// Number of isolated stars in the truth.
    pub isolated_stars: usize,
    /// Pixels with a defect, all frames together.
    pub defect_pixels: usize,
}

/// Simulates a set into `out_dir` (made if need be), in parallel over frames on the current rayon pool.
/// `progress(done, total)` is called after each frame, from any thread. The files depend only on the options.
///
/// # Errors
/// Options that make no sense, a folder that holds other frames, and failing writes.
pub fn simulate(
    options: &SimulateOptions,
    out_dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<SimulationSummary, TestkitError> {
    let plans = plan_frames(options)?;
    let frames_dir = out_dir.join("frames");
    let masks_dir = out_dir.join("masks");
    for dir in [&frames_dir, &masks_dir] {
        std::fs::create_dir_all(dir).map_err(|e| TestkitError::io(dir, e))?;
    }
    refuse_other_frames(&frames_dir, &plans)?;
    let catalogue = Catalogue::load()?;
    let sky = SkyModel::new(options, &catalogue, &plans)?;
    drop(catalogue);
    let done = AtomicUsize::new(0);
    let frames = plans
        .par_iter()
        .map(|plan| {
            let rendered = render_frame(options, &sky, plan);
            write_frame(options, plan, &rendered, &frames_dir, &masks_dir)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, plans.len());
            Ok(frame_truth(options, plan, &rendered))
        })
        .collect::<Result<Vec<_>, TestkitError>>()?;
    let stars = truth_stars(&sky.stars, options.scale_arcsec);
    let summary = SimulationSummary {
        frames: plans.iter().map(|plan| frames_dir.join(&plan.file_name)).collect(),
        frames_dir,
        stars: stars.len(),
        isolated_stars: stars.iter().filter(|s| s.isolated).count(),
        defect_pixels: frames.iter().map(|f| f.defects.any).sum(),
    };
    let epoch_year = UtcTime::parse(&options.start_utc)?.julian_year();
    let truth = Truth { file: TruthFile { options: options.clone(), epoch_year, frames }, stars };
    write_truth(out_dir, &truth)?;
    Ok(summary)
}

/// Frames of an earlier set would silently mix with this one.
fn refuse_other_frames(frames_dir: &Path, plans: &[FramePlan]) -> Result<(), TestkitError> {
    let ours: BTreeSet<&str> = plans.iter().map(|plan| plan.file_name.as_str()).collect();
    let entries = std::fs::read_dir(frames_dir).map_err(|e| TestkitError::io(frames_dir, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| TestkitError::io(frames_dir, e))?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| ours.contains(name)) {
            return Err(TestkitError::Occupied { path: entry.path() });
        }
    }
    Ok(())
}

fn mask_name(plan: &FramePlan) -> String {
    format!("{}s", plan.file_name)
}

fn write_frame(
    options: &SimulateOptions,
    plan: &FramePlan,
    rendered: &RenderedFrame,
    frames_dir: &Path,
    masks_dir: &Path,
) -> Result<(), TestkitError> {
    let dims = [options.width_px, options.height_px];
    let header = frame_header(options, plan);
    let path = frames_dir.join(&plan.file_name);
    match options.sample {
        SampleFormat::U16 => {
            let raw: Vec<u16> = rendered.adu.iter().map(|&v| v as u16).collect();
            write_image(&path, &header, ImageData::U16(&raw), &dims)?;
        }
        SampleFormat::F32 => write_image(&path, &header, ImageData::F32(&rendered.adu), &dims)?,
    }
    let mut mask_header = Header::new();
    mask_header.set_str("OBJECT", &options.object, "");
    mask_header.push_comment("Defects of the frame of the same name: 1 hot, 2 cosmic ray, 4 trail.");
    write_image(&masks_dir.join(mask_name(plan)), &mask_header, ImageData::U8(&rendered.mask), &dims)?;
    Ok(())
}

fn frame_truth(options: &SimulateOptions, plan: &FramePlan, rendered: &RenderedFrame) -> FrameTruth {
    let count = |bits: u8| rendered.mask.iter().filter(|&&m| m & bits != 0).count();
    FrameTruth {
        file: format!("frames/{}", plan.file_name),
        mask: format!("masks/{}", mask_name(plan)),
        panel: plan.panel,
        date_obs: plan.start.iso(),
        width_px: options.width_px,
        height_px: options.height_px,
        wcs: WcsTruth {
            crval_deg: plan.tan.crval_deg,
            crpix: plan.tan.crpix_px.map(|p| p + 1.0),
            cd_deg: plan.tan.cd_deg,
        },
        gain: plan.gain,
        offset_adu: plan.offset_adu,
        background_adu: options.sky_e().map(|e| options.pedestal_adu + e / options.gain_e_per_adu),
        gradient: plan.gradient,
        fwhm_px: plan.fwhm_px,
        defects: DefectCounts {
            hot: count(HOT),
            cosmic_ray: count(COSMIC_RAY),
            trail: count(TRAIL),
            any: count(HOT | COSMIC_RAY | TRAIL),
        },
    }
}
