//! A mosaic of master tiles that are there already. Tiles of this program on one grid are added up as they are; any others
//! (another grid, or ZeMosaic's own with their ALPHA extension) go through the engine as frames with a weight map.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::{CoaddSummary, ProductPlane, merged_depth};
use zemosaic_fits::{FilePool, Header, is_packed, scan};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{IngestOptions, InputFile, LeftOut, MapSource, discover};
use zemosaic_image::Region;

use crate::assemble::{Product, Work, merge_work};
use crate::calibrate::CalibrationPlan;
use crate::classic::MadeTiles;
use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::layout::Layout;
use crate::mosaic::{MAX_OPEN_FILES, RunOutcome, one_group, open_run_folder};
use crate::options::MosaicRequest;
use crate::output::{refuse_existing, refuse_inputs_as_products};
use crate::plan::{Placed, PlannedRun, check_disk, memory_budget, product_bytes_of};
use crate::products::TILE_PREFIX;
use crate::products::facts::{Facts, TileRecord, input_hash, parameter_hash, time_facts};
use crate::products::tile_file::{TileFile, open_tile};
use crate::products::tile_inputs::frames_of_tile;
use crate::rgb_equalize::asked;
use crate::scan::{no_input, tell_left_out};
use crate::tiles::TilesPlan;
use crate::time;

/// Extensions that are the weights of a tile: ours, and ZeMosaic's.
const WEIGHTS: [&str; 2] = ["WHT", "ALPHA"];

/// The tiles that `inputs` mean: of what is met in folders the files named as master tiles, or where there are none all.
/// Each has its weights as its weight map, unless a list or an option says something of weights.
///
/// # Errors
/// As [`discover`]; no files at all.
pub(crate) fn tile_inputs(
    inputs: &[PathBuf],
    excluded: &[PathBuf],
    options: &IngestOptions,
) -> Result<Vec<InputFile>, RunError> {
    let mut files = discover(inputs, excluded)?;
    let is_tile = |file: &InputFile| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.starts_with(TILE_PREFIX)
    };
    if files.iter().any(|file| !file.named && is_tile(file)) {
        files.retain(|file| file.named || is_tile(file));
    }
    if files.is_empty() {
        return Err(no_input(inputs));
    }
    for file in &mut files {
        // They are meant, wherever they were met.
        file.named = true;
        if file.given.weight.is_none() && options.maps.weight_suffix.is_none() {
            file.given.weight = weights_of(&file.path).map(MapSource::Extension);
        }
    }
    Ok(files)
}

fn weights_of(path: &Path) -> Option<String> {
    let file = scan(path).ok()?;
    let names: Vec<String> = file.hdus.iter().filter_map(|hdu| hdu.header.get_str("EXTNAME")).collect();
    let known = WEIGHTS.iter().find(|known| names.iter().any(|name| name.trim() == **known));
    known.map(|name| (*name).to_owned())
}

/// The mosaic of the master tiles that `request` names.
///
/// # Errors
/// See [`RunError`].
pub(crate) fn from_tiles(
    request: &MosaicRequest,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    refuse_existing(request, &request.out)?;
    let files = tile_inputs(&request.inputs, &request.all_excluded(), &request.options.ingest)?;
    let (mut tiles, mut left_out, mut foreign) = (Vec::new(), Vec::new(), false);
    for file in files {
        if is_packed(&file.path).is_ok_and(|packed| packed) {
            foreign = true;
            continue;
        }
        match open_tile(&file.path) {
            Ok(Some(tile)) => tiles.push((file.id, tile)),
            Ok(None) => foreign = true,
            Err(error) => {
                left_out.push(LeftOut { id: file.id, path: file.path, reason: reason_of(&error) });
            }
        }
    }
    let is_like_first = |(_, tile): &(String, TileFile)| {
        let first = &tiles[0].1;
        (&tile.grid, tile.channels, tile.rule) == (&first.grid, first.channels, first.rule)
    };
    if foreign || tiles.is_empty() || !tiles.iter().all(is_like_first) {
        return one_group(request, reporter, cancel).map(|(outcome, _)| outcome);
    }
    for item in &left_out {
        tell_left_out(reporter, item);
    }
    merge_tiles(request, tiles, left_out, reporter, cancel)
}

/// Add up tiles of one grid.
fn merge_tiles(
    request: &MosaicRequest,
    tiles: Vec<(String, TileFile)>,
    left_out: Vec<LeftOut>,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    let facts = facts_of(request, &tiles, left_out.clone())?;
    let has_rejected = tiles.iter().flat_map(|(_, tile)| &tile.tile.planes);
    let rejecting = if has_rejected.into_iter().any(|own| own.plane == ProductPlane::RejLo) {
        Rejecting::Yes
    } else {
        Rejecting::No
    };
    let mut warnings = Vec::new();
    let budget = memory_budget(request, reporter, &mut warnings);
    let layout = Layout {
        frames: Vec::new(),
        left_out,
        grid: facts.grid.clone(),
        channels: facts.channels,
        group_sizes: vec![facts.used.len()],
        group: 1,
    };
    let planned = PlannedRun {
        mosaic_bytes: product_bytes_of(&layout, facts.used.len(), rejecting),
        layout,
        budget,
        spill_bytes: 0,
        tiles: TilesPlan::default(),
        calibration: CalibrationPlan::default(),
        warnings,
    };
    check_disk(request, &planned)?;
    refuse_inputs_as_products(request, &planned.layout)?;
    let rule = tiles[0].1.rule;
    let made = MadeTiles {
        tiles: tiles.into_iter().map(|(_, tile)| tile.tile).collect(),
        rule,
        rejecting,
        patches: 0,
        seconds: 0.0,
        warnings: Vec::new(),
        staging: None,
    };
    let work = reporter.stage(Stage::Plan, 1, || merge_work(made, &planned))?;
    if let Work::Merge { plan, .. } = &work {
        reporter.send(Event::Planned {
            frames: facts.used.len(),
            width: facts.grid.width,
            height: facts.grid.height,
            channels: facts.channels,
            patches: plan.patches.len(),
            memory_bytes: plan.peak_patch_bytes * planned.budget.workers as u64,
            disk_bytes: planned.mosaic_bytes,
            spill_bytes: 0,
        });
    }
    let spill = open_run_folder(request, reporter)?;
    let pool = FilePool::new(MAX_OPEN_FILES);
    let product = Product::begin(request, planned, Placed::default(), facts, work, spill.path())?;
    product.run(request, &pool, reporter, cancel)
}

/// What the products state: of the frames what their tiles say of them.
fn facts_of(
    request: &MosaicRequest,
    tiles: &[(String, TileFile)],
    left_out: Vec<LeftOut>,
) -> Result<Facts, RunError> {
    let first = &tiles[0].1;
    let mut used = Vec::new();
    let mut records = Vec::with_capacity(tiles.len());
    for (index, (id, file)) in tiles.iter().enumerate() {
        let number = index + 1;
        let frames = frames_of_tile(file, number)?;
        let Region { x0, y0, width, height } = file.tile.region;
        records.push(TileRecord {
            number,
            file: Some(id.clone()),
            frames: file
                .header
                .get_i64("ZMT_NRAW")
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(frames.len()),
            used: frames.len(),
            x0,
            y0,
            width_px: width,
            height_px: height,
            samples: file.header.get_i64("ZMT_NSMP").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            ..TileRecord::default()
        });
        used.extend(frames);
    }
    used.sort_by(|a, b| a.id.cmp(&b.id));
    let mut grid_header = Header::new();
    first.grid.wcs.write_to(&mut grid_header);
    let parameters: BTreeSet<String> =
        tiles.iter().filter_map(|(_, tile)| tile.header.get_str("PARHASH")).collect();
    let parameter_hash = match parameters.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => one.clone(),
        _ => parameter_hash(&request.options, &grid_header.to_bytes())
            .map_err(|error| RunError::Encode { what: "the parameter hash", message: error.to_string() })?,
    };
    let samples = records.iter().map(|record| record.samples).sum();
    Ok(Facts {
        time: time_facts(&used),
        input_hash: input_hash(&used),
        offered: used.len() + left_out.len(),
        left_out,
        grid: first.grid.clone(),
        gauge: None,
        depth: merged_depth(tiles.iter().map(|(_, file)| &file.tile)),
        rgb_equalize: asked(request.options.rgb_equalize.of_mosaic()),
        channels: first.channels,
        noise_correlation: noise_correlation(tiles),
        summary: CoaddSummary { samples, ..CoaddSummary::default() },
        date: time::now(),
        parameter_hash,
        tiles: records,
        from_existing_tiles: true,
        used,
    })
}

/// Noise correlation of the tiles: the mean, each by its frames.
fn noise_correlation(tiles: &[(String, TileFile)]) -> Vec<(usize, f64)> {
    let mean = |aperture_px: usize| {
        let key = format!("NCORR{aperture_px}");
        let (mut sum, mut count) = (0.0, 0.0);
        for (_, tile) in tiles {
            let frames = tile.header.get_f64("NCOMBINE").unwrap_or(1.0);
            sum += frames * tile.header.get_f64(&key)?;
            count += frames;
        }
        (count > 0.0).then_some((aperture_px, sum / count))
    };
    crate::products::facts::APERTURES_PX.into_iter().filter_map(mean).collect()
}
