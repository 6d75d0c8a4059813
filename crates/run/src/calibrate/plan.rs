//! Sets of calibration files that make one master, and the masters that each frame gets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zemosaic_fits::{ImageLayout, SampleType};
use zemosaic_frames::calibration::matching::{Candidate, Choice, Fit, Remark, ZeroLevel, choose};
use zemosaic_frames::calibration::{
    CalibrationFile, CalibrationKind, ImageFacts, Master, MasterUse, Subtracted,
};
use zemosaic_frames::{CalibrationOptions, Frame, FrameCalibration, Packing};

use crate::calibrate::find::FoundCalibration;
use crate::events::Warning;

/// A file of a set.
#[derive(Debug)]
pub struct SetFile {
    /// The file.
    pub file: CalibrationFile,
    /// What is subtracted from a raw flat.
    pub calibration: FrameCalibration,
    /// Level without light of a raw flat that nothing is subtracted from, ADU.
    pub zero_adu: f64,
}

/// Files that make one master.
#[derive(Debug)]
pub struct MasterSet {
    /// The master, without pixels until it is made.
    pub master: Arc<Master>,
    /// Its files: one that is used as it is, or raw frames.
    pub files: Vec<SetFile>,
    /// Whether raw frames are combined.
    pub is_made: bool,
    /// Whether a frame needs it, or the flat of one.
    pub is_used: bool,
}

/// The calibration of a run.
#[derive(Debug, Default)]
pub struct CalibrationPlan {
    /// Sets in the order they are made: a flat after what is subtracted from it.
    pub sets: Vec<MasterSet>,
}

impl CalibrationPlan {
    /// Masters that are made or read.
    pub fn used(&self) -> impl Iterator<Item = &MasterSet> {
        self.sets.iter().filter(|set| set.is_used)
    }

    /// Bytes of masters and unpacked files in the spill folder.
    pub fn spill_bytes(&self) -> u64 {
        self.used()
            .map(|set| {
                let packed = set.files.iter().filter(|own| own.file.packing != Packing::Plain);
                let unpacked: u64 = packed.map(|own| own.file.unpacked_bytes).sum();
                let made = if set.is_made { master_bytes(&set.master.layout) } else { 0 };
                unpacked + made
            })
            .sum()
    }
}

/// Bytes of a master with its header.
fn master_bytes(layout: &ImageLayout) -> u64 {
    layout.data_bytes() + 8640
}

/// Sorts `found` into sets and gives each of `frames` the masters that fit it. Also returns what the user should know.
pub fn plan_calibration(
    found: FoundCalibration,
    frames: &mut [Frame],
    options: &CalibrationOptions,
) -> (CalibrationPlan, Vec<Warning>) {
    let FoundCalibration { files, mut warnings } = found;
    if files.is_empty() && options.pedestal_adu.is_none() {
        return (CalibrationPlan::default(), warnings);
    }
    let mut sets = make_sets(files, options);
    let mut remarks = Remarks::default();
    calibrate_flats(&mut sets, options, &mut remarks);
    for frame in frames {
        let facts = frame.facts();
        let zero = if frame.overscan.is_some() { ZeroLevel::Overscan } else { ZeroLevel::Unknown };
        let choice = choose(&facts, &candidates(&sets), options, zero, frame.meta.pedestal_adu);
        for remark in &choice.remarks {
            remarks.note(of_frames(remark), &frame.id);
        }
        let calibration = calibration_of(&choice, &sets);
        if calibration.masters().next().is_some() {
            mark_used(&mut sets, &calibration);
            if !calibration.subtract.is_empty() || calibration.level.is_some() || frame.overscan.is_some() {
                // It was a level of the pixels as they were read.
                frame.noise_model.zero_variance_adu = None;
            }
            frame.calibration = Some(Arc::new(calibration));
        }
    }
    warnings.extend(remarks.warnings());
    (CalibrationPlan { sets }, warnings)
}

/// Sets by kind and by what must agree; masters stand alone.
fn make_sets(files: Vec<(CalibrationKind, CalibrationFile)>, options: &CalibrationOptions) -> Vec<MasterSet> {
    let mut groups: BTreeMap<(CalibrationKind, String), Vec<CalibrationFile>> = BTreeMap::new();
    for (number, (kind, file)) in files.into_iter().enumerate() {
        let alone = kind == CalibrationKind::BadPixels || file.is_master || file.layout.sample.is_float();
        let key = if alone { format!("master {number:09}") } else { set_key(kind, &file.facts) };
        groups.entry((kind, key)).or_default().push(file);
    }
    let mut sets = Vec::new();
    for ((kind, key), files) in groups {
        let is_made = !key.starts_with("master ");
        let parts = match kind {
            CalibrationKind::Dark => by_temperature(files, options.temperature_tolerance_deg),
            CalibrationKind::Bias | CalibrationKind::Flat | CalibrationKind::BadPixels => vec![files],
        };
        for files in parts {
            sets.push(set_of(kind, sets.len(), files, is_made));
        }
    }
    sets
}

/// What raw frames of one master have in common.
fn set_key(kind: CalibrationKind, facts: &ImageFacts) -> String {
    let exposure = facts.exposure_s.filter(|_| kind == CalibrationKind::Dark);
    let filter = facts.filter.as_ref().filter(|_| kind == CalibrationKind::Flat);
    let setup = &facts.setup;
    let size = (facts.stored_px, facts.trimmed_px, facts.planes);
    format!(
        "raw {:?}",
        (size, facts.pattern, &setup.camera, setup.binning, setup.gain, setup.offset, exposure, filter)
    )
}

/// Parts whose temperatures differ by no more than `tolerance`; files that say none are one part.
fn by_temperature(files: Vec<CalibrationFile>, tolerance: f64) -> Vec<Vec<CalibrationFile>> {
    let temperature = |file: &CalibrationFile| file.facts.setup.temperature_c;
    let (mut known, unknown): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| temperature(file).is_some());
    let value = |file: &CalibrationFile| temperature(file).unwrap_or(0.0);
    known.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let mut parts: Vec<Vec<CalibrationFile>> = if unknown.is_empty() { Vec::new() } else { vec![unknown] };
    let mut lowest = f64::NEG_INFINITY;
    for file in known {
        if value(&file) - lowest > tolerance {
            lowest = value(&file);
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(file);
        }
    }
    parts
}

fn set_of(kind: CalibrationKind, index: usize, files: Vec<CalibrationFile>, is_made: bool) -> MasterSet {
    let first = &files[0];
    let file_name = first.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut facts = first.facts.clone();
    let mut layout = first.layout.clone();
    if is_made {
        let ((x0, y0), (width, height)) = facts.trimmed_px;
        facts.pattern = facts.pattern.map(|pattern| pattern.shifted(x0 as i64, y0 as i64));
        (facts.stored_px, facts.trimmed_px) = ((width, height), ((0, 0), (width, height)));
        let temperatures: Vec<f64> = files.iter().filter_map(|file| file.facts.setup.temperature_c).collect();
        facts.setup.temperature_c =
            (!temperatures.is_empty()).then(|| temperatures.iter().sum::<f64>() / temperatures.len() as f64);
        layout.sample = SampleType::F32;
        layout.dims = if facts.planes == 1 { vec![width, height] } else { vec![width, height, facts.planes] };
    }
    let name = if is_made { format!("{} x {file_name}", files.len()) } else { file_name };
    let path = first.path.clone();
    let master =
        Master { kind, index, name, pixels_path: path.clone(), path, layout, facts, statistics: None };
    let files = files
        .into_iter()
        .map(|file| SetFile { file, calibration: FrameCalibration::default(), zero_adu: 0.0 })
        .collect();
    MasterSet { master: Arc::new(master), files, is_made, is_used: false }
}

fn candidates(sets: &[MasterSet]) -> Vec<Candidate<'_>> {
    sets.iter().map(|set| Candidate { kind: set.master.kind, facts: &set.master.facts }).collect()
}

/// The chosen masters.
fn calibration_of(choice: &Choice, sets: &[MasterSet]) -> FrameCalibration {
    let used = |(index, offset_px): Fit| MasterUse { master: Arc::clone(&sets[index].master), offset_px };
    let subtract =
        choice.subtract.iter().map(|(fit, factor)| Subtracted { of: used(*fit), factor: *factor as f32 });
    FrameCalibration {
        subtract: subtract.collect(),
        level: choice.level.map(used),
        pedestal_adu: choice.pedestal_adu as f32,
        flat: choice.flat.map(used),
        bad_pixels: choice.bad_pixels.iter().map(|fit| used(*fit)).collect(),
        ..FrameCalibration::default()
    }
}

/// What is subtracted from each raw flat: a dark of its exposure, else a bias.
fn calibrate_flats(sets: &mut [MasterSet], options: &CalibrationOptions, remarks: &mut Remarks) {
    // A bias or dark is never made of a flat: sets before the first flat do not change.
    let first = sets.iter().position(|set| set.master.kind == CalibrationKind::Flat).unwrap_or(sets.len());
    let (dark_sets, rest) = sets.split_at_mut(first);
    let candidates = candidates(dark_sets);
    for set in rest.iter_mut().filter(|set| set.master.kind == CalibrationKind::Flat && set.is_made) {
        for own in &mut set.files {
            let zero = if own.file.overscan.is_some() { ZeroLevel::Overscan } else { ZeroLevel::Unknown };
            let choice = choose(&own.file.facts, &candidates, options, zero, None);
            own.calibration = calibration_of(&choice, dark_sets);
            if own.calibration.masters().next().is_none() && zero == ZeroLevel::Unknown {
                own.zero_adu = options.pedestal_adu.unwrap_or(0.0);
                let done = own.file.facts.applied;
                if options.pedestal_adu.is_none() && (!done.bias || done.on_board) {
                    let what = "no bias and no dark of its exposure fits a flat, which is used with the level it has \
                                without light; give --bias, or darks of the flats with --dark";
                    remarks.note(("W-CALIB-ZERO", what.to_owned()), &own.file.path.display().to_string());
                }
            }
        }
    }
}

/// Marks the masters of a frame, and those of the flat among them.
fn mark_used(sets: &mut [MasterSet], calibration: &FrameCalibration) {
    for index in calibration.masters().map(|used| used.master.index) {
        if !sets[index].is_used {
            sets[index].is_used = true;
            let inner: BTreeSet<usize> = sets[index]
                .files
                .iter()
                .flat_map(|own| own.calibration.masters().map(|used| used.master.index))
                .collect();
            for index in inner {
                sets[index].is_used = true;
            }
        }
    }
}

/// Code and sentence of a remark on frames.
fn of_frames(remark: &Remark) -> (&'static str, String) {
    match remark {
        Remark::NoFit(kind, why) => {
            let code = match kind {
                CalibrationKind::Bias => "W-CALIB-BIAS",
                CalibrationKind::Dark => "W-CALIB-DARK",
                CalibrationKind::Flat => "W-CALIB-FLAT",
                CalibrationKind::BadPixels => "W-CALIB-BADPIXELS",
            };
            let name = kind.name();
            (code, format!("no {name} fits (there are {why}); used without a {name}"))
        }
        Remark::OnBoard => (
            "W-CALIB-ONBOARD",
            "the camera (Seestar) subtracts its own dark: darks are not applied, and of a bias only its mean level \
             is subtracted"
                .to_owned(),
        ),
        Remark::Done(kind) => {
            let name = kind.name();
            ("W-CALIB-DONE", format!("by CALSTAT the {name} was applied before: it is not applied again"))
        }
        Remark::NoZero => (
            "W-CALIB-ZERO",
            "the flat acts on the level that pixels have without light too, which is not known; give --bias, --dark or \
             --pedestal"
                .to_owned(),
        ),
    }
}

/// Remarks, equal ones together.
#[derive(Debug, Default)]
struct Remarks(BTreeMap<(&'static str, String), (usize, String)>);

impl Remarks {
    fn note(&mut self, remark: (&'static str, String), id: &str) {
        self.0.entry(remark).or_insert_with(|| (0, id.to_owned())).0 += 1;
    }

    fn warnings(self) -> Vec<Warning> {
        let tell = |((code, what), (count, first)): ((&'static str, String), (usize, String))| {
            let more = if count > 1 { format!(" (+ {} similar)", count - 1) } else { String::new() };
            Warning { code, message: format!("{first}{more}: {what}") }
        };
        self.0.into_iter().map(tell).collect()
    }
}
