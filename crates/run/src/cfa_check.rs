//! Do the pixels of CFA frames agree with the Bayer pattern of their header? The sky of green pixels is the same on one diagonal
//! of every 2 x 2 cell; where it is the other diagonal the pattern is wrong, and colours would come out wrong with it.
//!
//! Up to eight frames of a camera are asked; more than half must say the same. `--cfa header` tells what was found and how to
//! mend it, `--cfa auto` mends it. Which of the two patterns of a diagonal it is red and blue must tell: the night sky is redder
//! than blue in nearly every camera, which is weak evidence and said so.

use std::collections::BTreeMap;

use zemosaic_coadd::{CoaddOptions, Measured};
use zemosaic_fits::FilePool;
use zemosaic_frames::pixels::sample_raw;
use zemosaic_frames::transfer::is_raw;
use zemosaic_frames::{CfaChoice, Frame, FrameKind};
use zemosaic_image::CfaPattern;
use zemosaic_image::phase::{CfaEvidence, CfaVerdict, Diagonal, infer_cfa_phase};

use crate::events::Warning;
use crate::prepare::remeasure;

/// Frames of a camera that are asked.
const MOST_FRAMES: usize = 8;
const PATTERNS: [CfaPattern; 4] = [CfaPattern::Rggb, CfaPattern::Bggr, CfaPattern::Grbg, CfaPattern::Gbrg];

/// What frames must share to share a verdict.
type Camera = (Option<String>, (usize, usize), String);

/// Compare patterns with pixels, and with [`CfaChoice::Auto`] take those of the pixels. Returns what the user should know.
pub fn check_patterns(
    frames: &mut [(Frame, Measured)],
    choice: CfaChoice,
    options: &CoaddOptions,
    pool: &FilePool,
) -> Vec<Warning> {
    let mut cameras: BTreeMap<Camera, Vec<usize>> = BTreeMap::new();
    for (index, (frame, _)) in frames.iter().enumerate().filter(|(_, (frame, _))| is_raw(frame)) {
        let camera = (frame.meta.instrument.clone(), (frame.width, frame.height), frame.kind.label());
        cameras.entry(camera).or_default().push(index);
    }
    let mut warnings = Vec::new();
    for members in cameras.values() {
        let sampled = members.iter().step_by(members.len().div_ceil(MOST_FRAMES));
        let evidence: Vec<(usize, CfaEvidence)> =
            sampled.filter_map(|&index| Some((index, evidence_of(&frames[index].0, pool)?))).collect();
        let Some(verdict) = judge(frames, &evidence) else { continue };
        let Verdict { example, pattern, why, count } = verdict;
        let asked = evidence.len();
        let who = format!("{} ({count} of {asked} frames of its kind that were asked)", frames[example].0.id);
        let message = match choice {
            // The number of channels of the run is settled: mono frames stay mono unless a pattern is given.
            CfaChoice::Auto if matches!(frames[example].0.kind, FrameKind::Cfa(_)) => {
                for &index in members {
                    let (frame, measured) = &mut frames[index];
                    let before = std::mem::replace(&mut frame.kind, FrameKind::Cfa(pattern));
                    match remeasure(frame, options, pool) {
                        Some(new) => *measured = new,
                        None => frame.kind = before,
                    }
                }
                format!(
                    "{who}: {why}; {} is used. If red and blue are exchanged, give --cfa {}",
                    pattern.name(),
                    exchanged(pattern).name().to_lowercase()
                )
            }
            _ => format!(
                "{who}: {why}; the mosaic will be wrong unless {}--cfa {} or --cfa {} is given",
                if matches!(frames[example].0.kind, FrameKind::Cfa(_)) { "--cfa auto, " } else { "" },
                pattern.name().to_lowercase(),
                exchanged(pattern).name().to_lowercase()
            ),
        };
        warnings.push(Warning { code: "W-CFA", message });
    }
    warnings
}

fn evidence_of(frame: &Frame, pool: &FilePool) -> Option<CfaEvidence> {
    let (raw, region) = sample_raw(pool, frame).ok()?;
    Some(infer_cfa_phase(&raw, region))
}

/// What most frames say against their pattern.
struct Verdict {
    /// A frame that says it.
    example: usize,
    /// What the pixels say instead.
    pattern: CfaPattern,
    why: String,
    /// Frames that say it.
    count: usize,
}

fn judge(frames: &[(Frame, Measured)], evidence: &[(usize, CfaEvidence)]) -> Option<Verdict> {
    let mut against = evidence.iter().filter_map(|(index, found)| {
        let CfaVerdict::Green(diagonal) = found.verdict else { return None };
        let why = match frames[*index].0.kind {
            FrameKind::Cfa(pattern) => found.contradicts(pattern)?,
            FrameKind::Mono => "no keyword says so, but its pixels are those of a Bayer sensor".to_owned(),
            FrameKind::Rgb => return None,
        };
        Some((*index, found, diagonal, why))
    });
    let (example, found, diagonal, why) = against.next()?;
    let count = 1 + against.filter(|(_, _, other, _)| *other == diagonal).count();
    let pattern = redder(found, diagonal)?;
    (2 * count > evidence.len()).then_some(Verdict { example, pattern, why, count })
}

/// The pattern with green on this diagonal under which the sky is redder than blue.
fn redder(found: &CfaEvidence, diagonal: Diagonal) -> Option<CfaPattern> {
    PATTERNS.into_iter().filter(|pattern| Diagonal::of(*pattern) == diagonal).max_by(|a, b| {
        let excess = |pattern: &CfaPattern| {
            let [red, blue] = found.red_and_blue(*pattern);
            red - blue
        };
        excess(a).total_cmp(&excess(b))
    })
}

/// The pattern with red and blue exchanged.
fn exchanged(pattern: CfaPattern) -> CfaPattern {
    pattern.shifted(1, 1)
}
