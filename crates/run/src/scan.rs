//! Inputs become frames, each file with a verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use zemosaic_frames::{
    Frame, FramesError, IngestOptions, Ingested, InputFile, LeftOut, Reason, WcsNeed, discover,
    find_duplicates, ingest,
};

use crate::calibrate::{FoundCalibration, find_calibration};
use crate::error::RunError;
use crate::events::{Event, Reporter, Stage};
use crate::existing::tile_inputs;
use crate::options::{InputKind, MosaicRequest};

/// The verdict on all inputs of a run.
#[derive(Debug)]
pub struct Scan {
    /// Files looked at, without the maps of `frames`.
    pub files: usize,
    /// Usable frames, in frame order; for a mosaic all mono or all colour.
    pub frames: Vec<Frame>,
    /// The others.
    pub left_out: Vec<LeftOut>,
    /// Calibration files; none of them is a frame.
    pub calibration: FoundCalibration,
}

impl Scan {
    /// Output planes: 1 or 3.
    pub fn channels(&self) -> usize {
        self.frames.first().map_or(1, |frame| frame.kind.channels())
    }
}

/// Scan the inputs of a request.
///
/// # Errors
/// As [`scan_inputs`].
pub fn scan_request(request: &MosaicRequest, reporter: &Reporter) -> Result<Scan, RunError> {
    let excluded = request.all_excluded();
    match request.input_kind {
        InputKind::Frames => {
            let mut ingest = request.options.ingest.clone();
            if request.options.solve.acts() {
                ingest.wcs_need = WcsNeed::Optional;
            }
            scan_inputs(&request.inputs, &excluded, &ingest, reporter)
        }
        InputKind::MasterTiles => {
            let files = tile_inputs(&request.inputs, &excluded, &request.options.ingest, reporter)?;
            let scan = scan_files(&files, &request.options.ingest, reporter)?;
            refuse_mixed(&scan.frames)?;
            Ok(scan)
        }
    }
}

/// Scan `inputs` for one mosaic; folders in `excluded` are not entered.
///
/// # Errors
/// As [`scan_frames`], or mono and colour frames together.
pub fn scan_inputs(
    inputs: &[PathBuf],
    excluded: &[PathBuf],
    options: &IngestOptions,
    reporter: &Reporter,
) -> Result<Scan, RunError> {
    let scan = scan_frames(inputs, excluded, options, reporter)?;
    refuse_mixed(&scan.frames)?;
    Ok(scan)
}

/// Scan `inputs`, mono and colour; folders in `excluded` are not entered.
///
/// # Errors
/// Options that say nothing, no files, none usable.
pub fn scan_frames(
    inputs: &[PathBuf],
    excluded: &[PathBuf],
    options: &IngestOptions,
    reporter: &Reporter,
) -> Result<Scan, RunError> {
    options.maps.check().map_err(RunError::Usage)?;
    let (files, calibration) = find_calibration(discover(inputs, excluded)?, &options.calibration)?;
    if files.is_empty() {
        return Err(no_input(inputs));
    }
    Ok(Scan { calibration, ..scan_files(&files, options, reporter)? })
}

/// The error of inputs without any file.
pub(crate) fn no_input(inputs: &[PathBuf]) -> RunError {
    let inputs: Vec<String> = inputs.iter().map(|path| path.display().to_string()).collect();
    RunError::NoInput { inputs: inputs.join(", ") }
}

/// Scan `files`.
fn scan_files(files: &[InputFile], options: &IngestOptions, reporter: &Reporter) -> Result<Scan, RunError> {
    if let Some(path) = options.wcs.wcs_from.as_ref().filter(|path| !path.exists()) {
        return Err(FramesError::NoSuchInput { path: path.clone() }.into());
    }
    let total = files.len() as u64;
    let mut ingested = reporter.stage(Stage::Ingest, total, || {
        let progress = |done: usize| {
            reporter.send(Event::Progress { stage: Stage::Ingest, done: done as u64, total });
        };
        Ok::<Ingested, RunError>(ingest(files, options, &progress))
    })?;
    find_duplicates(&mut ingested);
    let maps = forget_maps(&mut ingested);
    for left_out in &ingested.left_out {
        tell_left_out(reporter, left_out);
    }
    let Ingested { frames, left_out } = ingested;
    if frames.is_empty() {
        return Err(no_usable(files.len(), &left_out));
    }
    Ok(Scan { files: files.len() - maps, frames, left_out, calibration: FoundCalibration::default() })
}

/// Take the maps of usable frames out of what is left out: they are used, and no frames that are missing. Returns how
/// many they are. Images of the frames' own files stay.
fn forget_maps(ingested: &mut Ingested) -> usize {
    let Ingested { frames, left_out } = ingested;
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let maps = frames.iter().flat_map(|frame| frame.maps.iter().filter(|map| map.path != frame.path));
    let mut maps: BTreeSet<PathBuf> = maps.map(|map| whole(&map.path)).collect();
    if maps.is_empty() {
        return 0;
    }
    for frame in &*frames {
        maps.remove(&whole(&frame.path));
    }
    let before = left_out.len();
    left_out
        .retain(|item| !(matches!(item.reason, Reason::Auxiliary(_)) && maps.contains(&whole(&item.path))));
    before - left_out.len()
}

/// Tell the reporter of a frame that is not used.
pub fn tell_left_out(reporter: &Reporter, left_out: &LeftOut) {
    reporter.send(Event::FrameLeftOut {
        frame: left_out.id.clone(),
        code: left_out.reason.code().into(),
        message: left_out.reason.message().into(),
    });
}

/// The error when no file is usable: counts by reason, with an example of each.
pub fn no_usable(total: usize, left_out: &[LeftOut]) -> RunError {
    let mut by_code: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    for item in left_out {
        by_code.entry(item.reason.code()).or_default().push(item);
    }
    let parts: Vec<String> = by_code
        .iter()
        .map(|(code, items)| {
            let example = items[0];
            let more =
                if items.len() > 1 { format!(" (+ {} similar)", items.len() - 1) } else { String::new() };
            format!("{code} {}: {}{more}", example.id, example.reason.message())
        })
        .collect();
    let unsolved = !left_out.is_empty()
        && left_out
            .iter()
            .all(|item| matches!(item.reason, Reason::NoWcs(_) | Reason::Unsolved(_) | Reason::BadWcs(..)));
    RunError::NoUsableInput { total, summary: parts.join("; "), unsolved }
}

fn refuse_mixed(frames: &[Frame]) -> Result<(), RunError> {
    let (mono, colour): (Vec<&Frame>, Vec<&Frame>) =
        frames.iter().partition(|frame| frame.kind.channels() == 1);
    match (mono.first(), colour.first()) {
        (Some(first_mono), Some(first_colour)) => Err(RunError::MixedColour {
            mono: mono.len(),
            colour: colour.len(),
            mono_example: first_mono.id.clone(),
            colour_example: first_colour.id.clone(),
        }),
        _ => Ok(()),
    }
}
