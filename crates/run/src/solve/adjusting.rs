//! All frames that were solved, adjusted together.

use zemosaic_stars::ReferenceStar;
use zemosaic_stars::adjust::{AdjustFrame, Adjusted, AdjustedFrame, PlacedBy, adjust};

use crate::events::Warning;
use crate::solve::options::{AdjustChoice, SolveOptions};
use crate::solve::rounds::State;
use crate::solve::subject::Subject;

/// What the adjustment says of each frame that it had, and of all of them.
pub(crate) struct Outcome {
    /// In the order of the frames; `None` for those that had no part in it.
    pub frames: Vec<Option<AdjustedFrame>>,
    /// All together.
    pub summary: Option<Adjusted>,
    /// What went wrong.
    pub warnings: Vec<Warning>,
}

/// Adjust the frames that were placed; their WCSs become the adjusted ones. Frames that keep their own WCS have no part in it.
pub(crate) fn adjust_together(subjects: &[Subject], states: &mut [State], options: &SolveOptions) -> Outcome {
    let mut outcome = Outcome { frames: vec![None; subjects.len()], summary: None, warnings: Vec::new() };
    let placed: Vec<usize> =
        (0..states.len()).filter(|&index| matches!(states[index], State::Placed(_))).collect();
    if options.adjust == AdjustChoice::Off || placed.len() < 2 {
        return outcome;
    }
    let frames: Vec<AdjustFrame<'_>> = placed
        .iter()
        .filter_map(|&index| match &states[index] {
            State::Placed(own) => Some(adjust_frame(&subjects[index], &own.wcs, &own.matches)),
            State::Kept(_) | State::Open(_) => None,
        })
        .collect();
    let mut adjusted = match adjust(&frames, &options.adjustment) {
        Ok(adjusted) => adjusted,
        Err(error) => {
            let message =
                format!("frames keep the fits of their own, they cannot be adjusted together: {error}");
            outcome.warnings.push(Warning { code: "W-ADJUST", message });
            return outcome;
        }
    };
    for (index, frame) in placed.into_iter().zip(std::mem::take(&mut adjusted.frames)) {
        if let State::Placed(own) = &mut states[index]
            && frame.placed_by != PlacedBy::Start
        {
            own.wcs = frame.wcs.clone();
        }
        outcome.frames[index] = Some(frame);
    }
    outcome.summary = Some(adjusted);
    outcome
}

fn adjust_frame<'a>(
    subject: &'a Subject,
    wcs: &'a zemosaic_sky::Wcs,
    matches: &'a [(usize, ReferenceStar)],
) -> AdjustFrame<'a> {
    AdjustFrame {
        wcs,
        size_px: subject.size_px,
        stars: &subject.stars,
        matches,
        instrument: subject.instrument,
    }
}
