//! What the user should know of a gauge, and the figures that ZeMosaic's users look for.

use zemosaic_gauge::{Gauge, Note, SeamCertificate, Verdict};

use crate::events::{Reporter, Warning};
use crate::products::gauge::GaugeFacts;

/// Frames that a warning names.
const NAMED_FRAMES: usize = 10;

/// The first of `names`, and whether there are more.
fn some_of(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED_FRAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_FRAMES {
        text += ", ...";
    }
    text
}

/// Warnings of a gauge.
pub(super) fn warnings_of(facts: &GaugeFacts) -> Vec<Warning> {
    let mut messages = Vec::new();
    if !facts.unlinked.is_empty() {
        messages.push(format!(
            "{} frames share no block of sky with another that could be compared, and are left as they are: {}",
            facts.unlinked.len(),
            some_of(&facts.unlinked)
        ));
    }
    let parts = facts.components.iter().filter(|size| **size > 1).count();
    if parts > 1 {
        messages.push(format!(
            "the frames form {parts} parts that share no block of sky; each keeps its own mean level, and a step may be \
             seen between them"
        ));
    }
    let without_gain = facts.matched.as_ref().map_or(&[][..], |matched| &matched.without_gain);
    if !without_gain.is_empty() {
        messages.push(format!(
            "{} frames have too few stars and no structure in common with others: their gain stays 1: {}",
            without_gain.len(),
            some_of(without_gain)
        ));
    }
    messages.extend(facts.notes.iter().cloned());
    let mut warnings: Vec<Warning> =
        messages.into_iter().map(|message| Warning { code: "W-GAUGE", message }).collect();
    if let Some(seams) = facts.seams().filter(|seams| seams.verdict() == Verdict::Fail) {
        let all = &seams.overall;
        let message = format!(
            "steps remain: {:.1} % of the length of all joins is below 0.3 sigma (95 % wanted), the largest step is {:.1} \
             sigma; report.html shows where. Where gradients differ from frame to frame --match surface takes them away",
            100.0 * all.share_below_after,
            all.largest_after
        );
        warnings.push(Warning { code: "W-SEAMS", message });
    }
    warnings
}

/// A gain that differs from the median by more than this factor is worth a word.
const ODD_GAIN: f64 = 5.0;

/// Note frames whose gain is far from those of the others.
pub(super) fn note_odd_gains(found: &mut Gauge) {
    let mut all: Vec<f64> = found.frames.iter().map(|frame| frame.gain[0]).collect();
    all.sort_unstable_by(f64::total_cmp);
    let Some(middle) = all.get(all.len() / 2).copied() else { return };
    for (frame, own) in found.frames.iter().enumerate() {
        let ratio = own.gain[0] / middle;
        if !(1.0 / ODD_GAIN..=ODD_GAIN).contains(&ratio) {
            let text = format!(
                "its gain is {:.4}, {ratio:.4} of the others': is it in their unit? --match-reference says whose values stay",
                own.gain[0]
            );
            found.notes.push(Note { frame, text });
        }
    }
}

/// Letters of the channels in lines.
const CHANNELS: [&str; 3] = ["R", "G", "B"];

/// How far levels are spread, and how the joins are.
pub(super) fn log_metrics(reporter: &Reporter, certificate: &SeamCertificate) {
    let count = certificate.inter_tile.len();
    for (found, name) in certificate.inter_tile.iter().zip(CHANNELS) {
        let name = if count == 1 { "L" } else { name };
        for (value, when) in
            [(found.raw, "raw"), (found.after_gain, "after gain"), (found.after_offset, "after offset")]
        {
            reporter.log(format!(
                "[GRID][METRICS] Inter-tile median stddev (channel {name}): {value:.4} ADU ({when})"
            ));
        }
    }
    let all = &certificate.overall;
    if all.join_px == 0.0 {
        reporter.log(format!("seams: {}", all.verdict.name()));
        return;
    }
    reporter.log(format!(
        "seams: {:.1} % of {:.0} px of joins have a step below 0.3 sigma (before: {:.1} %), the largest is {:.2} sigma: {}",
        100.0 * all.share_below_after,
        all.join_px,
        100.0 * all.share_below_before,
        all.largest_after,
        all.verdict.name()
    ));
}
