//! A mosaic of master tiles that are there already. Tiles of this program on one grid are added up as they are; any others
//! (another grid, or ZeMosaic's own with their ALPHA extension) go through the engine as frames with a weight map.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use zemosaic_coadd::sink::Rejecting;
use zemosaic_coadd::{CoaddSummary, ProductPlane, merged_depth};
use zemosaic_fits::{FilePool, Header, is_packed};
use zemosaic_frames::ingest::reason_of;
use zemosaic_frames::{IngestOptions, InputFile, LeftOut, MapSource, discover, time};
use zemosaic_gauge::FrameGauge;
use zemosaic_image::Region;
use zemosaic_stars::GateMode;

use crate::assemble::{Product, Work, merge_work};
use crate::calibrate::CalibrationPlan;
use crate::classic::MadeTiles;
use crate::error::RunError;
use crate::events::{Event, Reporter, Stage, Warning};
use crate::layout::Layout;
use crate::matching::match_tiles;
use crate::mosaic::{MAX_OPEN_FILES, RunOutcome, one_group_in};
use crate::options::MosaicRequest;
use crate::output::{refuse_existing, refuse_inputs_as_products};
use crate::plan::{Placed, PlannedRun, check_disk, memory_budget, product_bytes_of};
use crate::products::TILE_PREFIX;
use crate::products::facts::{Facts, TileRecord, input_hash, parameter_hash, time_facts};
use crate::products::tile_file::{Opened, TileFile, open_tile};
use crate::products::tile_inputs::frames_of_tile;
use crate::rgb_equalize::asked;
use crate::run_folder::RunFolder;
use crate::scan::{no_input, tell_left_out};
use crate::tile_figures::{noise_correlation, samples_of};
use crate::tile_weights::weights_of;
use crate::tiles::TilesPlan;

/// The tiles that `inputs` mean: of what is met in folders the files named as master tiles, or where there are none all.
/// Each has its weights as its weight map, unless a list or an option says something of weights. `reporter` hears of each.
///
/// # Errors
/// As [`discover`]; no files at all.
pub(crate) fn tile_inputs(
    inputs: &[PathBuf],
    excluded: &[PathBuf],
    options: &IngestOptions,
    reporter: &Reporter,
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
        reporter.beat();
    }
    Ok(files)
}

/// Options that ask for what a merge of tiles does not do: another grid, resampling, stacking, leaving out.
const ENGINE_OPTIONS: [&str; 40] = [
    "two-pass-coverage-renorm",
    "grid",
    "scale",
    "center",
    "size",
    "rotation",
    "projection",
    "kernel",
    "pixfrac",
    "antialias",
    "flux",
    "map-error",
    "reject",
    "kappa",
    "clip-rounds",
    "winsor",
    "min-max",
    "percentile",
    "esd-alpha",
    "esd-outliers",
    "low-depth",
    "noise-kappa",
    "noise-amplitude",
    "combine",
    "weights",
    "normalize",
    "normalize-reference",
    "taper",
    "radial-weight",
    "photon-noise",
    "background",
    "weight-suffix",
    "mask-suffix",
    "wcs-from",
    "gate-kappa",
    "keep-share",
    "max-fwhm",
    "max-roundness",
    "max-background",
    "min-stars",
];

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
    let folder = RunFolder::watched(request, reporter);
    let opening = reporter.working("ingest: headers and frames of the master tiles");
    let files = tile_inputs(&request.inputs, &request.all_excluded(), &request.options.ingest, reporter)?;
    let OpenedTiles { tiles, own, left_out, mut foreign, mut warnings } = open_tiles(files, reporter);
    warnings.extend(twice(&tiles, reporter));
    warnings.extend(no_longer_matched(request, &tiles));
    drop(opening);
    let unlike = tiles.iter().find_map(|(id, tile)| unlike_first(&tiles[0], id, tile));
    foreign.extend(unlike);
    foreign.extend(asked_for(request));
    if !foreign.is_empty() {
        warnings.push(to_engine(&foreign));
    }
    for warning in &warnings {
        reporter.warn(warning);
    }
    if !foreign.is_empty() || tiles.is_empty() {
        let (mut outcome, _) = one_group_in(folder, request, reporter, cancel)?;
        outcome.warnings.splice(0..0, warnings);
        return Ok(outcome);
    }
    for item in &left_out {
        tell_left_out(reporter, item);
    }
    merge_tiles((request, folder), (tiles, &own), left_out, warnings, reporter, cancel)
}

/// What the files given as master tiles are.
#[derive(Default)]
struct OpenedTiles {
    /// Those of this program, with their ids.
    tiles: Vec<(String, TileFile)>,
    /// Their files.
    own: Vec<InputFile>,
    /// What cannot be read.
    left_out: Vec<LeftOut>,
    /// Why others are no such tiles.
    foreign: Vec<String>,
    warnings: Vec<Warning>,
}

/// Open all of `files`; `reporter` hears of each.
fn open_tiles(files: Vec<InputFile>, reporter: &Reporter) -> OpenedTiles {
    let mut all = OpenedTiles::default();
    for file in files {
        // Of thousands on a slow disk a watchdog must not think that they stand still.
        reporter.beat();
        if is_packed(&file.path).is_ok_and(|packed| packed) {
            all.warnings.extend(packed_weights(&file));
            all.foreign.push(format!("{} is packed", file.id));
            continue;
        }
        match open_tile(&file.path) {
            Ok(Opened::Tile(tile)) => {
                all.tiles.push((file.id.clone(), *tile));
                all.own.push(file);
            }
            Ok(Opened::Foreign(why)) => all.foreign.push(format!("{} {why}", file.id)),
            Err(error) => {
                all.left_out.push(LeftOut { id: file.id, path: file.path, reason: reason_of(&error) });
            }
        }
    }
    all
}

/// The first option that was given and a merge would not heed.
fn asked_for(request: &MosaicRequest) -> Option<String> {
    let is_given = |name: &str| request.given.iter().any(|own| own == name);
    let gates = request.options.quality.gates.mode != GateMode::Off && is_given("gate");
    let name = if gates { Some("gate") } else { ENGINE_OPTIONS.into_iter().find(|name| is_given(name)) };
    name.map(|name| format!("--{name} asks for it"))
}

/// That the weights of a packed tile cannot be read.
fn packed_weights(file: &InputFile) -> Option<Warning> {
    let Some(MapSource::Extension(name)) = &file.given.weight else { return None };
    let message = format!(
        "{}: the weights in its extension {name} cannot be read while the file is packed; unpack it first",
        file.id
    );
    Some(Warning { code: "W-TILE", message })
}

/// Why the tile does not lie on one mosaic with the first.
fn unlike_first((first_id, first): &(String, TileFile), id: &str, tile: &TileFile) -> Option<String> {
    let what = if tile.channels != first.channels {
        "number of channels"
    } else if tile.grid != first.grid {
        "grid"
    } else if tile.rule != first.rule {
        "combination"
    } else {
        return None;
    };
    Some(format!("{id} has another {what} than {first_id}"))
}

/// Reasons that are told in one message.
const TOLD: usize = 3;

/// That tiles are resampled, and why.
fn to_engine(reasons: &[String]) -> Warning {
    let mut told = reasons[..reasons.len().min(TOLD)].to_vec();
    if reasons.len() > TOLD {
        told.push(format!("and {} more", reasons.len() - TOLD));
    }
    let why = told.join("; ");
    let message = format!("the tiles are not merged as they are but resampled and stacked as frames: {why}");
    Warning { code: "W-TILE", message }
}

/// That frames are in two tiles: of the two tiles that share most, by name and time of the frames.
fn twice(tiles: &[(String, TileFile)], reporter: &Reporter) -> Option<Warning> {
    let mut holders: BTreeMap<(String, Option<String>), BTreeSet<usize>> = BTreeMap::new();
    for (index, (_, tile)) in tiles.iter().enumerate() {
        // A table that cannot be read is told where its frames are needed.
        for frame in frames_of_tile(tile, index + 1).unwrap_or_default() {
            holders.entry((frame.id, frame.meta.date_obs)).or_default().insert(index);
        }
        reporter.beat();
    }
    let mut common: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for tiles in holders.values() {
        let pairs =
            tiles.iter().flat_map(|first| tiles.range(first + 1..).map(move |second| (*first, *second)));
        pairs.for_each(|pair| *common.entry(pair).or_default() += 1);
    }
    let ((first, second), count) = common.iter().rev().max_by_key(|(_, count)| **count)?;
    let others = match common.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more pairs of tiles share frames)"),
    };
    let message = format!(
        "{} and {} have {count} frames in common, by name and time, which count twice{others}; leave one of them out",
        tiles[*first].0, tiles[*second].0
    );
    Some(Warning { code: "W-TILE-TWICE", message })
}

/// That tiles were matched when they were made and are not now.
fn no_longer_matched(request: &MosaicRequest, tiles: &[(String, TileFile)]) -> Option<Warning> {
    let is_given = request.given.iter().any(|name| name == "match");
    let method = tiles.iter().find_map(|(_, tile)| tile.header.get_str("ZMMATCHT")).filter(|_| !is_given)?;
    let message = format!(
        "the run that made the tiles matched them to one another (--match-tiles {method}), after they were written; give --match \
         {method} to have that again"
    );
    Some(Warning { code: "W-TILE", message })
}

/// Whether the tiles are to be matched: where it was asked for, and by default where they come from several runs; tiles of one
/// run share its photometry.
fn wants_match(request: &MosaicRequest, tiles: &[(String, TileFile)]) -> bool {
    let runs: BTreeSet<Option<String>> = tiles.iter().map(|(_, tile)| tile.header.get_str("RUNID")).collect();
    request.given.iter().any(|name| name == "match") || runs.len() > 1
}

/// Add up tiles of one grid, which lie in `files`.
fn merge_tiles(
    (request, mut folder): (&MosaicRequest, RunFolder<'_>),
    (tiles, files): (Vec<(String, TileFile)>, &[InputFile]),
    left_out: Vec<LeftOut>,
    mut warnings: Vec<Warning>,
    reporter: &Reporter,
    cancel: &AtomicBool,
) -> Result<RunOutcome, RunError> {
    let mut facts = facts_of(request, &tiles, left_out.clone(), reporter)?;
    let wants_match = wants_match(request, &tiles);
    let has_rejected = tiles.iter().flat_map(|(_, tile)| &tile.tile.planes);
    let rejecting = if has_rejected.into_iter().any(|own| own.plane == ProductPlane::RejLo) {
        Rejecting::Yes
    } else {
        Rejecting::No
    };
    let budget = memory_budget(request, reporter, &mut warnings);
    let layout = Layout {
        frames: Vec::new(),
        left_out,
        grid: facts.grid.clone(),
        channels: facts.channels,
        group_sizes: vec![facts.used.len()],
        group: 1,
    };
    let mut planned = PlannedRun {
        mosaic_bytes: product_bytes_of(&layout, facts.used.len(), rejecting),
        layout,
        budget,
        spill_bytes: 0,
        tiles: TilesPlan::default(),
        calibration: CalibrationPlan::default(),
        solve: None,
        warnings,
    };
    check_disk(request, &planned)?;
    refuse_inputs_as_products(request, &[], &planned.layout.left_out)?;
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
    let mut work = reporter.stage(Stage::Plan, 1, || merge_work(made, &planned))?;
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
    let spill = folder.open()?;
    let pool = FilePool::new(MAX_OPEN_FILES);
    if let Work::Merge { tiles, .. } = &mut work
        && wants_match
    {
        let place = (spill.path(), &pool);
        facts.gauge = match_tiles(request, &mut planned, &mut tiles.tiles, files, place, reporter, cancel)?;
        if let Some(gauge) = &facts.gauge {
            let applied: Vec<(usize, FrameGauge)> =
                (1..).zip(tiles.tiles.iter().map(|tile| tile.gauge)).collect();
            gauge.note_tiles(&mut facts.tiles, &applied, facts.channels);
        }
    }
    let product = Product::begin(request, planned, Placed::default(), facts, work, spill.path())?;
    product.run(request, &pool, reporter, cancel)
}

/// What the products state: of the frames what their tiles say of them.
fn facts_of(
    request: &MosaicRequest,
    tiles: &[(String, TileFile)],
    left_out: Vec<LeftOut>,
    reporter: &Reporter,
) -> Result<Facts, RunError> {
    let first = &tiles[0].1;
    let mut used = Vec::new();
    let mut records = Vec::with_capacity(tiles.len());
    for (index, (id, file)) in tiles.iter().enumerate() {
        let number = index + 1;
        let frames = frames_of_tile(file, number)?;
        let Region { x0, y0, width, height } = file.tile.region;
        let stated = file.header.get_i64("ZMT_NSMP").and_then(|n| u64::try_from(n).ok());
        let samples = stated.map_or_else(|| samples_of(file), Ok)?;
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
            samples,
            ..TileRecord::default()
        });
        used.extend(frames);
        reporter.beat();
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
        frame_gauge: None,
        solve: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of one kind each, of every way through the loop but the tiles themselves.
    #[test]
    fn every_file_that_is_opened_is_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = {
            let mut header = Header::new();
            header.set_bool("SIMPLE", true, "");
            header.set_i64("BITPIX", 8, "");
            header.set_i64("NAXIS", 0, "");
            let mut bytes = header.to_bytes();
            bytes.resize(bytes.len().next_multiple_of(2880), b' ');
            bytes
        };
        let files: [(&str, &[u8]); 4] = [
            ("a.fits", b"no FITS file"),
            ("b.fits", &foreign),
            ("c.fits.gz", &[0x1f, 0x8b, 8, 0]),
            ("d.fits", b""),
        ];
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let reporter = Reporter::start(Box::new(|_| {}));
        let inputs = [folder.path().to_path_buf()];
        let found = tile_inputs(&inputs, &[], &IngestOptions::default(), &reporter).unwrap();
        assert_eq!((found.len(), reporter.finished()), (4, 4));
        let opened = open_tiles(found, &reporter);
        assert_eq!(reporter.finished(), 8);
        assert!(opened.tiles.is_empty() && opened.foreign.len() == 2, "{:?}", opened.foreign);
        assert_eq!(opened.left_out.len(), 2);
    }
}
