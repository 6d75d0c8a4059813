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
        let found: Vec<Result<Placement, String>> = open.par_iter().map(one).collect();
        for (index, found) in open.into_iter().zip(found) {
            match found {
                Ok(placement) => states[index] = State::Placed(Box::new(placement)),
                Err(said) => {
                    if let State::Open(why) = &mut states[index] {
                        *why = if why.is_empty() { said } else { format!("{why}; {said}") };
                    }
                }
            }
        }
    }
}

fn one_frame(
    sky: &Sky<'_>,
    program: &ExternalProgram,
    frame: &Frame,
    subject: &Subject,
    means: &Means<'_>,
) -> Result<Placement, String> {
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
