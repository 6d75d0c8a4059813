//! What the user should know of a gauge, and the figures that ZeMosaic's users look for.

use zemosaic_gauge::{
    ChannelReport, GainOrigin, GainReport, Gauge, MatchMethod, Note, PairReport, SeamCertificate,
    SeamSummary, Verdict,
};

use crate::events::{Reporter, Warning};
use crate::products::gauge::{GaugeFacts, PartFacts, some_of};

/// Steps remain, or it is not known.
pub(super) const W_SEAMS: &str = "W-SEAMS";

/// Where a user finds the figures of a gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceOfFigures {
    /// In `report.html`.
    Page,
    /// In the tables of the file alone.
    Tables,
}

impl PlaceOfFigures {
    fn of_steps(self) -> &'static str {
        match self {
            Self::Page => "report.html",
            Self::Tables => "table SEAMS of the file",
        }
    }

    fn of_pairs(self) -> &'static str {
        match self {
            Self::Page => "report.html",
            Self::Tables => "table GAUGE of the file",
        }
    }
}

/// Warnings of a gauge whose figures are at `place`.
pub(super) fn warnings_of(facts: &GaugeFacts, place: PlaceOfFigures) -> Vec<Warning> {
    let noun = noun_of(facts);
    let mut messages = Vec::new();
    if !facts.unlinked.is_empty() {
        let zemosaic = facts.method == MatchMethod::Zemosaic.name();
        let then =
            if zemosaic { "ZeMosaic's match goes by their medians alone" } else { "are left as they are" };
        messages.push(format!(
            "{} {noun} share no block of sky with another that could be compared, and {then}: {}",
            facts.unlinked.len(),
            some_of(&facts.unlinked)
        ));
    }
    let parts: Vec<&PartFacts> = facts.parts.iter().filter(|part| part.frames > 1).collect();
    if parts.len() > 1 {
        let names: Vec<String> =
            parts.iter().map(|part| format!("{} {noun} from {} on", part.frames, part.first)).collect();
        messages.push(format!(
            "the {noun} form {} parts that share no block of sky; each keeps its own mean level, and a step may be seen \
             between them: {}",
            parts.len(),
            some_of(&names)
        ));
    }
    let without_gain = facts.matched.as_ref().map_or(&[][..], |matched| &matched.without_gain);
    if !without_gain.is_empty() {
        messages.push(format!(
            "{} {noun} have too few stars and no structure in common with others: their gain stays 1: {}",
            without_gain.len(),
            some_of(without_gain)
        ));
    }
    messages.extend(reference_alone(facts));
    messages.extend(not_solved(facts, place));
    messages.extend(facts.notes.iter().cloned());
    let mut warnings: Vec<Warning> =
        messages.into_iter().map(|message| Warning { code: "W-GAUGE", message }).collect();
    warnings.extend(steps_remain(facts, place));
    warnings
}

/// What is matched.
fn noun_of(facts: &GaugeFacts) -> &'static str {
    if facts.is_of_tiles() { "master tiles" } else { "frames" }
}

/// A reference of a match that others cannot be referred to.
fn reference_alone(facts: &GaugeFacts) -> Option<String> {
    let matched = facts.matched.as_ref()?;
    let reference = facts.reference.as_ref()?;
    let all: usize = facts.parts.iter().map(|part| part.frames).sum();
    let own = facts.parts.iter().find(|part| part.has_reference)?.frames;
    if own == 1 && all > 1 {
        return Some(format!(
            "the reference {reference} shares no block of sky with another frame that could be compared: no frame is \
             brought to its values; name another with --match-reference"
        ));
    }
    if own < all {
        return Some(format!(
            "the reference {reference} is connected with {} of {} other frames: the others are not brought to its values",
            own - 1,
            all - 1
        ));
    }
    matched.without_gain.contains(reference).then(|| {
        format!(
            "the gain of the reference {reference} is not known beside the others': offsets are brought to its values, gains \
             are not; name another with --match-reference"
        )
    })
}

/// Channels whose systems were not solved as they should be.
fn not_solved(facts: &GaugeFacts, place: PlaceOfFigures) -> Vec<String> {
    let count = facts.channels.len();
    let of_channel = |(channel, report): (usize, &ChannelReport)| {
        let health = report.health;
        if health.is_well() {
            return None;
        }
        let what = match (health.not_converged, health.lost_pivots) {
            (0, lost) => {
                format!("{lost} pivots of its equations were lost in rounding, errors are estimates")
            }
            (_, 0) => "the iterations ended before the solution was exact".to_owned(),
            (_, lost) => format!(
                "the iterations ended before the solution was exact, and {lost} pivots of its equations were lost in rounding"
            ),
        };
        Some(format!(
            "channel {}: {what}: some pairs say far more of their frames than others. Look at the pairs that \
             fit worst ({}), and leave out frames without noise or of another kind; --match offset asks for less",
            channel_letter(count, channel),
            place.of_pairs()
        ))
    };
    facts.channels.iter().enumerate().filter_map(of_channel).collect()
}

fn steps_remain(facts: &GaugeFacts, place: PlaceOfFigures) -> Option<Warning> {
    let seams = facts.seams()?;
    let all = &seams.overall;
    let measured = if all.unmeasured_px > 0.0 { "measured " } else { "" };
    let message = match seams.verdict() {
        Verdict::Fail => format!(
            "steps remain: {:.1} % of the {measured}length of all joins is below 0.3 sigma (95 % wanted), the largest step is {:.1} \
             sigma{}; {} shows where. Where gradients differ between {} the method surface takes them away",
            100.0 * all.share_below_after,
            all.largest_after,
            not_measured(all),
            place.of_steps(),
            noun_of(facts)
        ),
        // Without any noise there is nothing that steps could be compared with.
        Verdict::Unknown if seams.joins.iter().any(|join| join.noise[0] > 0.0) => {
            let rest = if all.join_px > 0.0 {
                format!("; {:.1} % of the rest is below 0.3 sigma", 100.0 * all.share_below_after)
            } else {
                String::new()
            };
            format!(
                "whether steps remain is not known{}: frames overlap by less than a block of {} px there{rest}. {} shows where",
                not_measured(all),
                seams.block_px,
                place.of_steps()
            )
        }
        Verdict::Unknown | Verdict::Pass => return None,
    };
    Some(Warning { code: W_SEAMS, message })
}

/// How much of the joins could not be measured, after a comma; nothing where all was.
fn not_measured(all: &SeamSummary) -> String {
    if all.unmeasured_px == 0.0 {
        return String::new();
    }
    let share = 100.0 * all.unmeasured_share();
    format!(", {share:.1} % of the length of all joins ({:.0} px) could not be measured", all.unmeasured_px)
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

fn channel_letter(count: usize, channel: usize) -> &'static str {
    if count == 1 { "L" } else { CHANNELS.get(channel).copied().unwrap_or("?") }
}

/// Of what pairs say of each channel: how many there are, what their gains are of, common blocks and stars.
pub(super) fn log_samples(reporter: &Reporter, found: &Gauge) {
    let count = found.channels.len();
    for channel in 0..count {
        reporter.log(samples_line(channel_letter(count, channel), channel, &found.pairs));
    }
}

fn samples_line(name: &str, channel: usize, pairs: &[PairReport]) -> String {
    let gain_of = |pair: &PairReport| pair.gain.get(channel).copied().flatten();
    let gains: Vec<GainReport> = pairs.iter().filter_map(gain_of).collect();
    let of = |origin: GainOrigin| gains.iter().filter(move |gain| gain.origin == origin);
    let (stars, structure) = (of(GainOrigin::Stars).count(), of(GainOrigin::Structure).count());
    let (blocks, median_blocks) = total_and_median(pairs.iter().map(|pair| pair.blocks).collect());
    let (common, median_common) = total_and_median(of(GainOrigin::Stars).map(|gain| gain.samples).collect());
    format!(
        "gauge: channel {name}: {} pairs, gains of {stars} from stars, {structure} from structure, {} from other channels, \
         {} none; common blocks {blocks} (median {median_blocks}), common stars used {common} (median {median_common})",
        pairs.len(),
        of(GainOrigin::Channels).count(),
        pairs.len() - gains.len()
    )
}

/// Sum and (upper) median; 0 of nothing.
fn total_and_median(mut counts: Vec<usize>) -> (usize, usize) {
    counts.sort_unstable();
    (counts.iter().sum(), counts.get(counts.len() / 2).copied().unwrap_or(0))
}

/// How far levels are spread, and how the joins are.
pub(super) fn log_metrics(reporter: &Reporter, certificate: &SeamCertificate) {
    let count = certificate.inter_tile.len();
    for (channel, found) in certificate.inter_tile.iter().enumerate() {
        let name = channel_letter(count, channel);
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
        reporter.log(format!("seams: {}{}", all.verdict.name(), not_measured(all)));
        return;
    }
    reporter.log(format!(
        "seams: {:.1} % of {:.0} px of joins have a step below 0.3 sigma (before: {:.1} %), the largest is {:.2} sigma{}: {}",
        100.0 * all.share_below_after,
        all.join_px,
        100.0 * all.share_below_before,
        all.largest_after,
        not_measured(all),
        all.verdict.name()
    ));
}

#[cfg(test)]
mod tests {
    use zemosaic_gauge::SolveHealth;

    use super::*;
    use crate::products::gauge::Subject;
    use crate::products::gauge::tests::matched;

    fn told(facts: &GaugeFacts) -> Vec<String> {
        warnings_of(facts, PlaceOfFigures::Page)
            .into_iter()
            .map(|warning| format!("{}: {}", warning.code, warning.message))
            .collect()
    }

    fn parts(sizes: &[(usize, bool)]) -> Vec<PartFacts> {
        let part = |(index, (frames, has_reference)): (usize, &(usize, bool))| PartFacts {
            first: format!("f{index}.fits"),
            frames: *frames,
            has_reference: *has_reference,
        };
        sizes.iter().enumerate().map(part).collect()
    }

    #[test]
    fn a_system_that_is_not_solved_is_told_by_channel() {
        let well = ChannelReport::default();
        let bad = |not_converged: usize, lost_pivots: usize| ChannelReport {
            health: SolveHealth { not_converged, lost_pivots },
            ..ChannelReport::default()
        };
        let mut facts = matched(Subject::Frames);
        facts.channels = vec![well.clone(), bad(1, 0), bad(0, 3)];
        let found = told(&facts);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("W-GAUGE: channel G: the iterations ended before"), "{found:?}");
        assert!(found[1].starts_with("W-GAUGE: channel B: 3 pivots of its equations"), "{found:?}");
        facts.channels = vec![well];
        assert_eq!(told(&facts), [""; 0]);
    }

    #[test]
    fn samples_of_pairs_are_counted_by_channel() {
        let gain = |origin: GainOrigin, samples: usize| {
            Some(GainReport { log_gain: 0.0, error: 0.1, origin, samples, remaining: 0.0, weight: 1.0 })
        };
        let pair = |blocks: usize, gain: Vec<Option<GainReport>>| PairReport {
            blocks,
            gain,
            ..PairReport::default()
        };
        let stars = |samples: usize| gain(GainOrigin::Stars, samples);
        let pairs = [
            pair(10, vec![stars(30), gain(GainOrigin::Channels, 4)]),
            pair(40, vec![stars(7), None]),
            pair(20, vec![gain(GainOrigin::Structure, 99), None]),
            pair(5, vec![stars(50), None]),
        ];
        assert_eq!(
            samples_line("R", 0, &pairs),
            "gauge: channel R: 4 pairs, gains of 3 from stars, 1 from structure, 0 from other channels, 0 none; common \
             blocks 75 (median 20), common stars used 87 (median 30)"
        );
        let second = samples_line("G", 1, &pairs);
        assert!(second.contains("0 from stars, 0 from structure, 1 from other channels, 3 none"), "{second}");
        assert!(samples_line("L", 0, &[]).contains("0 pairs, gains of 0 from stars"));
    }

    #[test]
    fn a_reference_that_nothing_is_referred_to_is_told() {
        let mut facts = matched(Subject::Frames);
        facts.reference = Some("r.fits".into());
        facts.parts = parts(&[(7, false), (1, true)]);
        assert!(
            told(&facts)[0].contains("the reference r.fits shares no block of sky"),
            "{:?}",
            told(&facts)
        );
        facts.parts = parts(&[(5, false), (3, true)]);
        let found = told(&facts);
        assert!(found[0].contains("5 frames from f0.fits on, 3 frames from f1.fits on"), "{found:?}");
        assert!(found[1].contains("r.fits is connected with 2 of 7 other frames"), "{found:?}");
        facts.parts = parts(&[(8, true)]);
        assert_eq!(told(&facts), [""; 0]);
        if let Some(own) = &mut facts.matched {
            own.without_gain = vec!["r.fits".into()];
        }
        assert!(
            told(&facts)[1].contains("the gain of the reference r.fits is not known"),
            "{:?}",
            told(&facts)
        );
    }

    #[test]
    fn what_could_not_be_measured_is_told() {
        let mut facts = matched(Subject::Frames);
        let mut with = |verdict: Verdict, unmeasured_px: f64| {
            let seams = facts.matched.as_mut().and_then(|own| own.seams.as_mut()).unwrap();
            (seams.overall.verdict, seams.overall.unmeasured_px) = (verdict, unmeasured_px);
            told(&facts)
        };
        assert_eq!(with(Verdict::Pass, 8.0), [""; 0]);
        let found = with(Verdict::Unknown, 64.0);
        assert!(
            found[0].contains("is not known, 25.0 % of the length of all joins (64 px) could"),
            "{found:?}"
        );
        assert!(found[0].contains("a block of 16 px there; 100.0 % of the rest"), "{found:?}");
        let found = with(Verdict::Fail, 64.0);
        assert!(found[0].contains("% of the measured length of all joins is"), "{found:?}");
        assert!(found[0].contains("sigma, 25.0 % of the length of all joins (64 px) could not"), "{found:?}");
        let found = with(Verdict::Fail, 0.0);
        assert!(!found[0].contains("measured"), "{found:?}");
    }

    #[test]
    fn many_frames_are_named_by_the_first() {
        let mut facts = matched(Subject::Frames);
        facts.unlinked = (0..40).map(|number| format!("f{number}.fits")).collect();
        let found = told(&facts);
        assert!(found[0].starts_with("W-GAUGE: 40 frames share no block"), "{found:?}");
        assert!(found[0].ends_with("f0.fits, f1.fits, f2.fits, f3.fits, f4.fits and 35 more"), "{found:?}");
    }
}
