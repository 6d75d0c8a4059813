//! Calibration files of a run, each with what it is used as.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;
use zemosaic_frames::calibration::{CalibrationFile, CalibrationKind, read_calibration_file};
use zemosaic_frames::{CalibrationOptions, InputFile, Reason, discover};

use crate::error::RunError;
use crate::events::Warning;

/// Calibration files, kind by kind, each in frame order.
#[derive(Debug, Default)]
pub struct FoundCalibration {
    /// The files.
    pub files: Vec<(CalibrationKind, CalibrationFile)>,
    /// Files that are not used.
    pub warnings: Vec<Warning>,
}

/// The paths of each kind and the option that gives them.
fn paths_of(options: &CalibrationOptions) -> [(CalibrationKind, &'static str, &[PathBuf]); 4] {
    [
        (CalibrationKind::Bias, "--bias", &options.bias),
        (CalibrationKind::Dark, "--dark", &options.dark),
        (CalibrationKind::Flat, "--flat", &options.flat),
        (CalibrationKind::BadPixels, "--bad-pixels", &options.bad_pixels),
    ]
}

/// How an input names a file: by itself, or how many folders below a folder.
fn nearness(file: &InputFile) -> (bool, i64) {
    (file.named, -(file.id.matches('/').count() as i64))
}

/// The calibration files that `options` give, and `inputs` without them.
///
/// A file that both bring in is what its header says; where that says nothing, what the option or input says that names
/// it more closely (the file itself before a folder, a near folder before a far one), in doubt a frame.
///
/// # Errors
/// Values that cannot be used, a path that does not exist, an option without a single file it can use.
pub fn find_calibration(
    inputs: Vec<InputFile>,
    options: &CalibrationOptions,
) -> Result<(Vec<InputFile>, FoundCalibration), RunError> {
    options.check().map_err(RunError::Usage)?;
    let mut found = FoundCalibration::default();
    if !options.has_files() {
        return Ok((inputs, found));
    }
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut frames: HashMap<PathBuf, &InputFile> = HashMap::new();
    for input in &inputs {
        frames.entry(whole(&input.path)).or_insert(input);
    }
    let mut taken: Vec<PathBuf> = Vec::new();
    for (kind, option, paths) in paths_of(options).into_iter().filter(|(_, _, paths)| !paths.is_empty()) {
        let candidates = discover(paths, &[])?;
        let read: Vec<(InputFile, Result<CalibrationFile, Reason>)> = candidates
            .into_par_iter()
            .map(|file| {
                let read = read_calibration_file(&file.path, options.overscan);
                (file, read)
            })
            .collect();
        let total = read.len();
        let before = found.files.len();
        let mut example = String::new();
        for (candidate, read) in read {
            let own = whole(&candidate.path);
            let as_frame = frames.get(&own).map(|frame| nearness(frame));
            let is_light = |file: &CalibrationFile| {
                file.said.is_none() && as_frame.is_some_and(|nearer| nearer >= nearness(&candidate))
            };
            let problem = match read {
                Ok(file) if kind.takes(file.said) && !is_light(&file) => {
                    taken.push(own);
                    found.files.push((kind, file));
                    continue;
                }
                Ok(file) => {
                    let name = file.said.map_or("light", |said| said.name());
                    example = format!("{} is a {name} frame", candidate.id);
                    // What is met in a folder and is something else is not missed.
                    candidate.named.then(|| format!("a {name} frame by its header, given with {option}"))
                }
                Err(reason) => Some(reason.message().to_owned()),
            };
            if let Some(problem) = problem {
                example = format!("{}: {problem}", candidate.id);
                let message = format!("{} is not used for calibration: {problem}", candidate.path.display());
                found.warnings.push(Warning { code: "W-CALIB-FILE", message });
            }
        }
        if found.files.len() == before {
            let what = if total == 0 {
                "there is no FITS file".to_owned()
            } else {
                format!("none of {total} files can be used ({example})")
            };
            return Err(RunError::Usage(format!(
                "{option}: {what}; name the files, or leave the option out"
            )));
        }
    }
    taken.sort();
    let frames =
        inputs.into_iter().filter(|input| taken.binary_search(&whole(&input.path)).is_err()).collect();
    Ok((frames, found))
}
