//! `zemosaic plan`: what a mosaic would take; writes nothing.

use serde_json::json;
use zemosaic_run::plan::{Forecast, PlannedRun, plan_run};
use zemosaic_run::tiles::TilePlan;
use zemosaic_run::units::{show_seconds, show_size};
use zemosaic_run::{MosaicRequest, RunError, SolveMode};

use crate::commands::mosaic::stop_on_signal;
use crate::progress::Display;
use crate::run_args::RunArgs;
use crate::say;

/// Run it.
pub fn run(args: &RunArgs, given: &[String]) -> u8 {
    show(args.check(given).map(|()| args.request(given)), args.mosaic.json)
}

/// A plan reads pixels only of frames that have no place without: a WCS is verified by the run.
fn without_verification(mut request: MosaicRequest) -> MosaicRequest {
    let solve = &mut request.options.solve;
    if solve.mode == SolveMode::Auto && !request.given.iter().any(|name| name == "solve") {
        solve.mode = SolveMode::Missing;
    }
    request
}

/// Print the plan of a request.
pub fn show(request: Result<MosaicRequest, String>, json: bool) -> u8 {
    match request.map_err(RunError::Usage).and_then(|request| planned(&without_verification(request))) {
        Ok((plan, forecast)) => {
            if json {
                print_json(&plan, &forecast);
            } else {
                say::left_out(&plan.layout.left_out);
                say::warnings(&plan.warnings);
                print_text(&plan, &forecast);
            }
            0
        }
        Err(error) => {
            say::error(&error);
            error.exit_code() as u8
        }
    }
}

fn planned(request: &MosaicRequest) -> Result<(PlannedRun, Forecast), RunError> {
    let reporter = Display::Bars.reporter();
    let plan = plan_run(request, &reporter, &stop_on_signal(&reporter))?;
    let forecast = plan.forecast(&request.options)?;
    Ok((plan, forecast))
}

fn print_text(plan: &PlannedRun, forecast: &Forecast) {
    let layout = &plan.layout;
    let grid = &layout.grid;
    let (ra, dec) = grid.centre_deg().unwrap_or((f64::NAN, f64::NAN));
    outln!("frames   {} used, {} left out", layout.frames.len(), layout.left_out.len());
    if layout.group_sizes.len() > 1 {
        let sizes: Vec<String> = layout.group_sizes.iter().map(ToString::to_string).collect();
        outln!("groups   {} ({} frames); this is group {}", sizes.len(), sizes.join(", "), layout.group);
    }
    outln!(
        "grid     {} x {} px, {} plane(s), {:.4} arcsec/px, {} at RA {ra:.5} Dec {dec:+.5}, rotation {:.2} deg",
        grid.width,
        grid.height,
        layout.channels,
        grid.wcs.scale_deg() * 3600.0,
        grid.wcs.projection_name(),
        grid.wcs.position_angle_deg()
    );
    if !plan.tiles.tiles.is_empty() {
        print_tiles(plan);
    }
    outln!("tasks    {} patches on {} threads", forecast.patches, plan.budget.workers);
    outln!(
        "memory   {} expected of {}",
        show_size(forecast.memory_bytes),
        show_size(plan.budget.total_bytes)
    );
    outln!(
        "disk     {} mosaic, {} master tiles, {} unpacked copies",
        show_size(plan.mosaic_bytes),
        show_size(plan.tiles.bytes),
        show_size(plan.spill_bytes)
    );
    outln!("reading  {:.2} times the input", forecast.read_amplification);
    outln!("time     {} to {}", show_seconds(forecast.seconds / 2.0), show_seconds(forecast.seconds * 2.0));
}

/// Tiles listed one by one; of more only figures are printed (`--json` has them all).
const LISTED_TILES: usize = 20;

fn print_tiles(plan: &PlannedRun) {
    let tiles = &plan.tiles.tiles;
    let sizes = tiles.iter().map(TilePlan::frames);
    let (least, most) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
    let threshold = plan.tiles.threshold_deg.map_or(String::new(), |deg| format!(", threshold {deg:.4} deg"));
    outln!("tiles    {} of {least} to {most} frames{threshold}", tiles.len());
    for tile in tiles.iter().take(LISTED_TILES) {
        let region = tile.region;
        outln!(
            "         {:3}: {} frames, {} x {} px at {},{}",
            tile.number,
            tile.frames(),
            region.width,
            region.height,
            region.x0,
            region.y0
        );
    }
    if tiles.len() > LISTED_TILES {
        outln!("         ... and {} more", tiles.len() - LISTED_TILES);
    }
}

fn print_json(plan: &PlannedRun, forecast: &Forecast) {
    let layout = &plan.layout;
    let left_out: Vec<_> = layout
        .left_out
        .iter()
        .map(|item| json!({"frame": item.id, "code": item.reason.code(), "message": item.reason.message()}))
        .collect();
    let tile = |tile: &TilePlan| {
        let region = tile.region;
        json!({
            "number": tile.number,
            "frames": tile.frames(),
            "x0": region.x0,
            "y0": region.y0,
            "width_px": region.width,
            "height_px": region.height,
        })
    };
    let tiles: Vec<_> = plan.tiles.tiles.iter().map(tile).collect();
    let document = json!({
        "schema": 1,
        "frames": layout.frames.iter().map(|frame| &frame.id).collect::<Vec<_>>(),
        "left_out": left_out,
        "groups": layout.group_sizes,
        "group": layout.group,
        "grid": {
            "width_px": layout.grid.width,
            "height_px": layout.grid.height,
            "channels": layout.channels,
            "scale_arcsec": layout.grid.wcs.scale_deg() * 3600.0,
            "rotation_deg": layout.grid.wcs.position_angle_deg(),
        },
        "tiles": tiles,
        "cluster_threshold_deg": plan.tiles.threshold_deg,
        "tiles_bytes": plan.tiles.bytes,
        "patches": forecast.patches,
        "threads": plan.budget.workers,
        "memory_bytes": forecast.memory_bytes,
        "memory_budget_bytes": plan.budget.total_bytes,
        "mosaic_bytes": plan.mosaic_bytes,
        "spill_bytes": plan.spill_bytes,
        "read_amplification": forecast.read_amplification,
        "seconds": forecast.seconds,
    });
    outln!("{document:#}");
}
