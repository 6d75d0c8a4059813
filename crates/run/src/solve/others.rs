//! Frames that are still without a WCS, given to programs of others.

use std::time::Duration;

use rayon::prelude::*;
use zemosaic_fits::FilePool;
use zemosaic_frames::Frame;
use zemosaic_stars::astrometry::Verdict;

use crate::events::Warning;
use crate::solve::attempt::{How, Placement, Sky, judge, settle};
use crate::solve::external::{
    ExternalError, ExternalHint, ExternalProgram, ExternalSolver, find_program, solve_external,
};
use crate::solve::options::{BlindSearch, SolverChoice};
use crate::solve::rounds::State;
use crate::solve::stage::Means;
use crate::solve::subject::{Subject, unpacked};

/// Radius around a hint, and error of a scale: these programs are asked last, when hints are in doubt.
const RADIUS_DEG: f64 = 5.0;
const SCALE_TOLERANCE: f64 = 0.25;
/// With fewer no program finds a place.
const LEAST_STARS: usize = 6;
/// Frames that a program is tried on without any success before it is given up.
const FRUITLESS_FRAMES: usize = 24;

/// Try the programs that `sky.options` allow on open frames, one after the other.
pub(crate) fn by_other_programs(
    sky: &Sky<'_>,
    frames: &[Frame],
    subjects: &[Subject],
    states: &mut [State],
    means: &Means<'_>,
) {
    let solvers: &[ExternalSolver] = match sky.options.solver {
        SolverChoice::Embedded => &[],
        SolverChoice::Auto => &[ExternalSolver::Astap, ExternalSolver::SolveField],
        SolverChoice::Astap => &[ExternalSolver::Astap],
        SolverChoice::SolveField => &[ExternalSolver::SolveField],
    };
    for &solver in solvers {
        let open: Vec<usize> =
            (0..states.len()).filter(|&index| matches!(states[index], State::Open(_))).collect();
        if open.is_empty() {
            return;
        }
        let Some(program) = find_program(solver, None) else {
            // That a program is missing which was not asked for is no news.
            if sky.options.solver != SolverChoice::Auto {
                let why = ExternalError::missing(solver).to_string();
                means.reporter.warn(&Warning { code: "W-SOLVER-MISSING", message: why.clone() });
                for &index in &open {
                    states[index] = State::Open(why.clone());
                }
            }
            continue;
        };
        let program = ExternalProgram {
            solver,
            program,
            scratch: means.scratch.to_path_buf(),
            timeout: Duration::from_secs_f64(sky.options.external_timeout_s),
        };
        let one = |&index: &usize| one_frame(sky, &program, &frames[index], &subjects[index], means);
        for part in open.chunks(FRUITLESS_FRAMES) {
            let found: Vec<Result<Placement, String>> = part.par_iter().map(one).collect();
            let fruitless = found.iter().all(Result::is_err);
            for (&index, found) in part.iter().zip(found) {
                take(&mut states[index], found);
            }
            if fruitless {
                break;
            }
        }
    }
}

/// Keep what a program found, or add what it said.
fn take(state: &mut State, found: Result<Placement, String>) {
    match (state, found) {
        (state, Ok(placement)) => *state = State::Placed(Box::new(placement)),
        (State::Open(why), Err(said)) if why.is_empty() => *why = said,
        (State::Open(why), Err(said)) => *why = format!("{why}; {said}"),
        (State::Kept(_) | State::Placed(_), Err(_)) => {}
    }
}

fn one_frame(
    sky: &Sky<'_>,
    program: &ExternalProgram,
    frame: &Frame,
    subject: &Subject,
    means: &Means<'_>,
) -> Result<Placement, String> {
    let name = program.solver.name();
    if subject.stars.len() < LEAST_STARS {
        return Err(format!("too few stars for {name}"));
    }
    if sky.options.blind == BlindSearch::Off && subject.hints.pointings.is_empty() {
        return Err(format!("without a hint {name} would search the whole sky, which --blind off forbids"));
    }
    let hint = ExternalHint {
        centre_deg: match sky.options.blind {
            BlindSearch::Only => None,
            BlindSearch::Auto | BlindSearch::Off => subject.hints.pointings.first().map(|own| own.centre_deg),
        },
        radius_deg: RADIUS_DEG,
        scale_arcsec: subject.hints.scale_arcsec.map(|(scale, _)| scale),
        scale_tolerance: SCALE_TOLERANCE,
    };
    let copy = unpacked(frame, means.scratch).map_err(|reason| reason.message().to_owned())?;
    let wcs = solve_external(program, &copy.frame, &FilePool::new(2), &hint, means.cancel)
        .map_err(|error| error.to_string())?;
    let how = How::External(program.solver.name());
    let reference = sky.catalogue.at(subject.year);
    settle(sky, subject, &reference, &wcs, how)
        // Its catalogue may go deeper than ours: where our stars have no say its word counts.
        .or_else(|why| match judge(sky, subject, &wcs).verdict {
            Verdict::Contradicted => Err(format!("{}: {why}", program.solver.name())),
            Verdict::Confirmed | Verdict::Undecided => {
                Ok(Placement { wcs, matches: Vec::new(), rms_px: f64::NAN, sip_order: 0, how })
            }
        })
}
