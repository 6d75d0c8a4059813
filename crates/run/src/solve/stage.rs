//! The stage of a run in which frames find their place: stars, rounds of attempts, other programs, the adjustment of all
//! frames together; then frames carry their new WCS, or are left out with the reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use zemosaic_coadd::{CoaddError, MemoryBudget};
use zemosaic_frames::{Astrometry, Frame, LeftOut, Reason, WcsOrigin};
use zemosaic_sky::Wcs;
use zemosaic_stars::astrometry::{Evidence, Verdict, WcsDifference};
use zemosaic_stars::catalogue::Catalogue;

use crate::error::RunError;
use crate::events::{Event, Reporter, Stage, Warning};
use crate::quality::threads_within;
use crate::scan::{Scan, tell_left_out};
use crate::solve::adjusting::{Outcome, adjust_together};
use crate::solve::attempt::{How, Sky};
use crate::solve::blind_search::LazyIndex;
use crate::solve::instruments::{describe_instruments, number_instruments, part_by_scale};
use crate::solve::options::{SolveMode, SolveOptions};
use crate::solve::others::by_other_programs;
use crate::solve::report::{SolveOutcome, SolveReport, SolvedFrame};
use crate::solve::rounds::{Rounds, State};
use crate::solve::subject::Subject;

/// What the stage works with.
pub(crate) struct Means<'a> {
    /// Memory and threads.
    pub budget: MemoryBudget,
    /// Folder for copies, which go when they are no longer needed.
    pub scratch: &'a Path,
    /// Told of progress.
    pub reporter: &'a Reporter,
    /// Set when the user wants to stop.
    pub cancel: &'a AtomicBool,
}

/// Solve the frames of `scan` as `options` say. Frames that stay without a WCS move to what is left out. `None` where nothing
/// was to be done.
///
/// # Errors
/// A catalogue that cannot be read, a blind index that the memory budget does not allow, or when cancelled.
pub(crate) fn solve_scan(
    scan: &mut Scan,
    options: &SolveOptions,
    means: &Means<'_>,
) -> Result<Option<SolveReport>, RunError> {
    options.check().map_err(RunError::Usage)?;
    let all_have_one = scan.frames.iter().all(|frame| frame.wcs_origin != WcsOrigin::Absent);
    if !options.acts() || (options.mode == SolveMode::Missing && all_have_one) {
        return Ok(None);
    }
    let (reporter, total) = (means.reporter, scan.frames.len() as u64);
    let (catalogue, found) = reporter.stage(Stage::Detect, total, || {
        let (catalogue, found) = rayon::join(
            || match &options.catalog {
                Some(path) => Catalogue::open(path),
                None => Catalogue::embedded(),
            },
            || find_all_stars(&scan.frames, options, means),
        );
        Ok::<_, RunError>((catalogue.map_err(|error| RunError::Catalogue(error.to_string()))?, found?))
    })?;
    let mut subjects = keep_readable(scan, found, reporter);
    let report =
        reporter.stage(Stage::Solve, total, || solve(scan, &mut subjects, &catalogue, options, means))?;
    for warning in &report.warnings {
        reporter.warn(warning);
    }
    Ok(Some(report))
}

/// Find the places of frames whose stars are known.
fn solve(
    scan: &mut Scan,
    subjects: &mut [Subject],
    catalogue: &Catalogue,
    options: &SolveOptions,
    means: &Means<'_>,
) -> Result<SolveReport, RunError> {
    let frames = std::mem::take(&mut scan.frames);
    let given: Vec<Option<&Wcs>> = frames
        .iter()
        .map(|frame| (frame.wcs_origin != WcsOrigin::Absent).then(|| frame.wcs.as_ref()))
        .collect();
    let sky = Sky { catalogue, options, cancel: means.cancel };
    let mut index = LazyIndex::new(catalogue, means.budget.total_bytes, means.reporter);
    let (mut states, contradicted) = Rounds::run(&sky, subjects, &given, &mut index, means.reporter)?;
    drop(index);
    by_other_programs(&sky, &frames, subjects, &mut states, means);
    if means.cancel.load(Ordering::Relaxed) {
        return Err(CoaddError::Cancelled.into());
    }
    // A WCS that the stars contradict is better than none, when none is found: the catalogue has not every kind of star.
    for (state, evidence) in states.iter_mut().zip(&contradicted) {
        if let (State::Open(_), Some(evidence)) = (&*state, evidence) {
            *state = State::Kept(Some(*evidence));
        }
    }
    let scale = |state: &State| match state {
        State::Placed(placement) => Some(placement.wcs.scale_deg()),
        State::Kept(_) | State::Open(_) => None,
    };
    part_by_scale(subjects, &states.iter().map(scale).collect::<Vec<_>>());
    let adjusted = adjust_together(subjects, &mut states, options);
    let mut report = describe(&frames, subjects, &states, &adjusted, catalogue);
    report.warnings.extend(adjusted.warnings);
    let rows = report.frames.clone();
    for ((frame, state), row) in frames.into_iter().zip(states).zip(&rows) {
        match place(frame, state, row) {
            Ok(frame) => scan.frames.push(frame),
            Err(left_out) => {
                tell_left_out(means.reporter, &left_out);
                scan.left_out.push(left_out);
            }
        }
    }
    Ok(report)
}

/// The stars of all frames.
fn find_all_stars(
    frames: &[Frame],
    options: &SolveOptions,
    means: &Means<'_>,
) -> Result<Vec<Result<Subject, Reason>>, RunError> {
    let instruments = number_instruments(frames);
    let threads = threads_within(means.budget, frames.iter(), &options.stars());
    let measurers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| CoaddError::Threads(error.to_string()))?;
    let (done, total) = (AtomicU64::new(0), frames.len() as u64);
    let find = |(frame, instrument): (&Frame, &usize)| {
        if means.cancel.load(Ordering::Relaxed) {
            return Err(RunError::Coadd(CoaddError::Cancelled));
        }
        let working = means.reporter.working(format!("detect: {}", frame.id));
        let found = Subject::of(frame, *instrument, options, means.scratch);
        drop(working);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        means.reporter.send(Event::Progress { stage: Stage::Detect, done, total });
        Ok(found)
    };
    measurers.install(|| frames.par_iter().zip(&instruments).map(find).collect())
}

/// Leave out frames that cannot be read.
fn keep_readable(scan: &mut Scan, found: Vec<Result<Subject, Reason>>, reporter: &Reporter) -> Vec<Subject> {
    let mut subjects = Vec::with_capacity(found.len());
    let frames = std::mem::take(&mut scan.frames);
    for (frame, found) in frames.into_iter().zip(found) {
        match found {
            Ok(subject) => {
                subjects.push(subject);
                scan.frames.push(frame);
            }
            Err(reason) => {
                let left_out = LeftOut { id: frame.id, path: frame.path, reason };
                tell_left_out(reporter, &left_out);
                scan.left_out.push(left_out);
            }
        }
    }
    subjects
}

/// The frame with its WCS, or why it is left out.
fn place(mut frame: Frame, state: State, row: &SolvedFrame) -> Result<Frame, LeftOut> {
    let how = match state {
        State::Open(_) => {
            let reason = Reason::Unsolved(row.note.clone());
            return Err(LeftOut { id: frame.id, path: frame.path, reason });
        }
        State::Kept(None) => return Ok(frame),
        State::Kept(Some(_)) => row.how.clone(),
        State::Placed(placement) => {
            frame.wcs = Arc::new(placement.wcs);
            let is_registered = placement.how == How::Registered;
            frame.wcs_origin = if is_registered { WcsOrigin::Registered } else { WcsOrigin::Solved };
            placement.how.label().to_owned()
        }
    };
    frame.astrometry = Some(Astrometry {
        how,
        stars: row.stars,
        matches: row.matches,
        rms_px: row.rms_px.unwrap_or(f64::NAN),
    });
    Ok(frame)
}

/// The report.
fn describe(
    frames: &[Frame],
    subjects: &[Subject],
    states: &[State],
    adjusted: &Outcome,
    catalogue: &Catalogue,
) -> SolveReport {
    let mut report = SolveReport { catalogue: catalogue.name(), ..SolveReport::default() };
    if let Some(summary) = &adjusted.summary {
        let known = |value: f64| Some(value).filter(|value| value.is_finite());
        report.internal_rms_px = known(summary.internal_rms_px);
        report.internal_rms_arcsec = known(summary.internal_rms_arcsec);
        report.external_rms_arcsec = known(summary.external_rms_arcsec);
        report.objects = summary.objects;
    }
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for (index, (frame, subject)) in frames.iter().zip(subjects).enumerate() {
        let row = describe_frame(frame, subject, &states[index], adjusted.frames[index].as_ref());
        let code = match row.outcome {
            SolveOutcome::Replaced => Some("W-WCS-REPLACED"),
            SolveOutcome::Doubted => Some("W-WCS-DOUBT"),
            _ => None,
        };
        if let Some(code) = code {
            let message = format!("{}: {}", frame.id, row.note);
            report.warnings.push(Warning { code, message });
        }
        *outcomes.entry(row.outcome.label().to_owned()).or_default() += 1;
        if let Some(quality) = &subject.quality {
            report.qualities.insert(frame.id.clone(), (frame.kind, Arc::new(quality.clone())));
        }
        report.frames.push(row);
    }
    report.outcomes = outcomes;
    report.instruments = describe_instruments(frames, subjects, &report.frames, adjusted.summary.as_ref());
    report
}

fn describe_frame(
    frame: &Frame,
    subject: &Subject,
    state: &State,
    adjusted: Option<&zemosaic_stars::adjust::AdjustedFrame>,
) -> SolvedFrame {
    let mut row = SolvedFrame::new(frame, subject);
    match state {
        State::Kept(evidence) => {
            row.outcome = match evidence.as_ref().map(|evidence| evidence.verdict) {
                None => SolveOutcome::Believed,
                Some(Verdict::Confirmed) => SolveOutcome::Confirmed,
                Some(Verdict::Undecided) => SolveOutcome::Unverified,
                Some(Verdict::Contradicted) => SolveOutcome::Doubted,
            };
            if let (SolveOutcome::Doubted, Some(evidence)) = (row.outcome, evidence) {
                row.note = doubted(evidence);
            }
            frame.wcs_origin.label().clone_into(&mut row.how);
            if let Some(evidence) = evidence {
                row.matches = evidence.found;
                row.rms_px = Some(evidence.rms_px).filter(|rms| rms.is_finite());
            }
            row.set_wcs(Arc::clone(&frame.wcs));
        }
        State::Placed(placement) => {
            let had_wcs = subject.has_wcs || frame.wcs_fault.is_some();
            row.outcome = match (placement.how, had_wcs) {
                (_, true) => SolveOutcome::Replaced,
                (How::Registered, false) => SolveOutcome::Registered,
                (_, false) => SolveOutcome::Solved,
            };
            placement.how.label().clone_into(&mut row.how);
            row.matches = adjusted.map_or(placement.matches.len(), |own| own.catalogue_stars);
            row.rms_px = Some(placement.rms_px).filter(|rms| rms.is_finite());
            row.internal_rms_px = adjusted.map(|own| own.internal_rms_px).filter(|rms| rms.is_finite());
            row.sip_order = placement.sip_order;
            if had_wcs {
                row.note = replaced(frame, &placement.wcs);
            }
            row.set_wcs(Arc::new(placement.wcs.clone()));
        }
        State::Open(why) => {
            row.outcome = SolveOutcome::Unsolved;
            row.note = unsolved(frame, subject, why);
        }
    }
    row
}

/// What is said of a WCS that was replaced.
fn replaced(frame: &Frame, new: &Wcs) -> String {
    if let Some(fault) = &frame.wcs_fault {
        return format!("{}; replaced by one that its stars confirm", unusable(fault));
    }
    let by_how_much = match WcsDifference::between(&frame.wcs, new, [frame.width, frame.height]) {
        Some(difference) => difference.to_string(),
        None => "elsewhere on the sky".to_owned(),
    };
    format!(
        "its WCS ({}) was wrong, {by_how_much}; replaced by one that its stars confirm",
        frame.wcs_origin.label()
    )
}

/// What is said of a WCS that means nothing.
fn unusable(fault: &Reason) -> String {
    format!("its WCS cannot be used ({}: {})", fault.code(), fault.message())
}

/// What is said of a WCS that is kept although the stars contradict it.
fn doubted(evidence: &Evidence) -> String {
    format!(
        "its stars are not those of its WCS ({evidence}), and no other WCS was found; it is kept: leave the frame out if it is wrong, \
         or say --solve missing if the catalogue is not of this kind of sky"
    )
}

/// What is said of a frame without a WCS, with what the user can do.
fn unsolved(frame: &Frame, subject: &Subject, why: &str) -> String {
    let had = match &frame.wcs_fault {
        Some(fault) => format!("{}, and no other was found: ", unusable(fault)),
        None => String::new(),
    };
    let advice = if subject.hints.pointings.is_empty() || subject.hints.scale_arcsec.is_none() {
        "; say where it points with --solve-center RA,DEC and its scale with --solve-scale ARCSEC, or give a .wcs side-car"
    } else {
        "; look at the frame (clouds, focus, trails), give --solve-center and --solve-scale if its header is wrong, or a .wcs side-car"
    };
    format!("{had}{} stars found; {why}{advice}", subject.stars.len())
}
