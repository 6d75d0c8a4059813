//! What products say of the gauge: a section of `report.json`, cards of the header.

use serde::Serialize;
use zemosaic_fits::Header;
use zemosaic_gauge::{
    ChannelReport, FrameError, FrameGauge, Gauge, MatchMethod, NormalizeMethod, PairReport, SeamCertificate,
    Untold,
};

use crate::products::applied_gauge::AppliedGauge;
use crate::products::facts::TileRecord;
use crate::products::worst::{WorstJoin, WorstPair, worst_joins, worst_pairs};

/// Frames that a message names.
const NAMED_FRAMES: usize = 5;

/// How the used frames, or the tiles, were brought to one level.
#[derive(Debug, Clone, Serialize)]
pub struct GaugeFacts {
    /// By this method, as the options name it.
    pub method: &'static str,
    /// Side of a block of sky, pixels of the grid.
    pub block_px: usize,
    /// The reference frame, of methods that have one.
    pub reference: Option<String>,
    /// Frames in each connected part of the network of overlaps, largest first, of a match.
    pub components: Vec<usize>,
    /// The same parts.
    #[serde(skip)]
    pub parts: Vec<PartFacts>,
    /// Frames that share no block of sky with another.
    pub unlinked: Vec<String>,
    /// What should be known of some frames.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Frames that were left out.
    pub left_out: usize,
    /// Number of pairs.
    pub pairs: usize,
    /// The fit per channel, of a match.
    pub channels: Vec<ChannelReport>,
    /// The pairs that fit worst, in their error.
    pub worst_pairs: Vec<WorstPair>,
    /// What a match says besides.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<MatchFacts>,
    /// All pairs, by index of the sources.
    #[serde(skip)]
    pub all_pairs: Vec<PairReport>,
}

/// A connected part of the network of overlaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Name of its first frame.
    pub first: String,
    /// How many frames it has.
    pub frames: usize,
    /// Whether the reference is one of them.
    pub has_reference: bool,
}

/// What was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The frames, which rows of INPUTS are.
    Frames,
    /// Master tiles.
    Tiles,
}

/// The sources of a match as products name them.
#[derive(Debug, Clone)]
pub struct MatchSources {
    /// What they are.
    pub subject: Subject,
    /// Name of each.
    pub ids: Vec<String>,
    /// Of frames the rows of INPUTS from 1, of tiles their numbers.
    pub numbers: Vec<usize>,
}

/// Facts of a match of all sources at once.
#[derive(Debug, Clone, Serialize)]
pub struct MatchFacts {
    /// What was matched.
    pub subject: Subject,
    /// Sources whose gain neither stars nor structure tell: it is 1.
    pub without_gain: Vec<String>,
    /// What the overlaps do not tell.
    pub undetermined: Vec<UntoldFacts>,
    /// The steps that remain.
    pub seams: Option<SeamCertificate>,
    /// The largest of them.
    pub worst_joins: Vec<WorstJoin>,
    /// Standard errors per source; empty where they are not known.
    #[serde(skip)]
    pub errors: Vec<FrameError>,
    /// Numbers of the sources in tables.
    #[serde(skip)]
    pub numbers: Vec<usize>,
}

/// Something that the overlaps do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UntoldFacts {
    /// What.
    pub what: String,
    /// All sources that it is about, the most affected first; none: it is about all.
    pub sources: Vec<String>,
}

impl GaugeFacts {
    /// Of a gauge by a form with a reference frame, whose frames have these ids.
    pub fn of_normalize(gauge: &Gauge, method: NormalizeMethod, block_px: usize, ids: &[String]) -> Self {
        Self::new(gauge, method.name(), block_px, ids)
    }

    fn new(gauge: &Gauge, method: &'static str, block_px: usize, ids: &[String]) -> Self {
        let name = |index: usize| ids.get(index).cloned().unwrap_or_default();
        let parts = if gauge.channels.is_empty() { Vec::new() } else { parts_of(gauge, name) };
        Self {
            method,
            block_px,
            reference: gauge.reference.map(name),
            components: parts.iter().map(|part| part.frames).collect(),
            parts,
            unlinked: gauge.unlinked.iter().map(|index| name(*index)).collect(),
            notes: gauge.notes.iter().map(|note| format!("{}: {}", name(note.frame), note.text)).collect(),
            left_out: gauge.left_out.len(),
            pairs: gauge.pairs.len(),
            channels: gauge.channels.clone(),
            worst_pairs: worst_pairs(&gauge.pairs, name),
            matched: None,
            all_pairs: gauge.pairs.clone(),
        }
    }

    /// Of a match of all `sources` at once.
    pub fn of_match(gauge: &Gauge, method: MatchMethod, block_px: usize, sources: &MatchSources) -> Self {
        let matched = MatchFacts {
            subject: sources.subject,
            without_gain: gauge
                .without_gain
                .iter()
                .filter_map(|index| sources.ids.get(*index).cloned())
                .collect(),
            undetermined: gauge
                .undetermined
                .iter()
                .map(|untold| UntoldFacts::of(untold, &sources.ids))
                .collect(),
            worst_joins: gauge.certificate.as_ref().map_or(Vec::new(), |found| worst_joins(found, sources)),
            seams: gauge.certificate.clone(),
            errors: gauge.error.clone(),
            numbers: sources.numbers.clone(),
        };
        Self { matched: Some(matched), ..Self::new(gauge, method.name(), block_px, &sources.ids) }
    }

    /// Numbers of the sources in tables, where they are not those of their order.
    pub fn set_numbers(&mut self, numbers: Vec<usize>) {
        if let Some(matched) = &mut self.matched {
            matched.numbers = numbers;
        }
    }

    /// Other numbers for the sources in tables.
    pub fn renumber(&mut self, new: impl Fn(usize) -> usize) {
        for number in self.matched.iter_mut().flat_map(|matched| &mut matched.numbers) {
            *number = new(*number);
        }
    }

    /// The same with places of joins as a cut-out of the grid counts them, whose first pixel is (x0, y0) there.
    #[must_use]
    pub fn seen_from(&self, x0: f64, y0: f64) -> Self {
        let mut own = self.clone();
        if let Some(matched) = &mut own.matched {
            for join in matched.seams.iter_mut().flat_map(|seams| &mut seams.joins) {
                (join.x_px, join.y_px) = (join.x_px - x0, join.y_px - y0);
            }
            for join in &mut matched.worst_joins {
                (join.x_px, join.y_px) = (join.x_px - x0, join.y_px - y0);
            }
        }
        own
    }

    /// What was certified is not what becomes of the values.
    pub fn forget_seams(&mut self) {
        if let Some(matched) = &mut self.matched {
            matched.seams = None;
            matched.worst_joins.clear();
        }
    }

    /// Gains and offsets are not those that were solved for.
    pub fn forget_errors(&mut self) {
        if let Some(matched) = &mut self.matched {
            matched.errors.clear();
        }
    }

    /// The certificate, where seams were looked at.
    pub fn seams(&self) -> Option<&SeamCertificate> {
        self.matched.as_ref().and_then(|matched| matched.seams.as_ref())
    }

    /// Whether it is of master tiles that were matched.
    pub fn is_of_tiles(&self) -> bool {
        self.matched.as_ref().is_some_and(|matched| matched.subject == Subject::Tiles)
    }

    /// Standard errors of the frames, where frames were matched and they are known.
    pub fn frame_errors(&self) -> Option<&[FrameError]> {
        let matched = self.matched.as_ref().filter(|matched| matched.subject == Subject::Frames)?;
        (!matched.errors.is_empty()).then_some(&matched.errors)
    }

    /// Note in the records of tiles that were matched what was done to each; `applied` are numbers and gauges of tiles.
    pub fn note_tiles(&self, records: &mut [TileRecord], applied: &[(usize, FrameGauge)], channels: usize) {
        let Some(matched) = self.matched.as_ref().filter(|own| own.subject == Subject::Tiles) else { return };
        for (source, number) in matched.numbers.iter().enumerate() {
            let record = records.iter_mut().find(|record| record.number == *number);
            let gauge = applied.iter().find(|(own, _)| own == number);
            if let (Some(record), Some((_, gauge))) = (record, gauge) {
                record.gauge = Some(AppliedGauge::of(gauge, matched.errors.get(source), channels));
            }
        }
    }

    /// The cards of the mosaic.
    pub fn write_cards(&self, header: &mut Header) {
        if self.matched.is_none() {
            self.write_norm(header);
            return;
        }
        header.set_str("ZMMATCH", self.method, "match of all sources at once");
        let Some(seams) = self.seams() else { return };
        header.set_str("ZMSEAM", seams.verdict().name(), "95 % of all joins below 0.3 sigma");
        header.set_f64(
            "ZMSEAMU",
            100.0 * seams.overall.unmeasured_share(),
            "[%] of the length of joins not measured",
        );
        if seams.overall.join_px == 0.0 {
            return;
        }
        header.set_f64(
            "ZMSEAMP",
            100.0 * seams.overall.share_below_after,
            "[%] of the measured length below 0.3 sigma",
        );
        header.set_f64("ZMSEAMX", seams.overall.largest_after, "largest step of a join, sigma of a pixel");
    }

    /// The card of a mosaic whose tiles were matched after their frames, which this is of.
    pub fn write_card_of_frames(&self, header: &mut Header) {
        if self.matched.is_none() {
            self.write_norm(header);
        } else {
            header.set_str("ZMMATCHF", self.method, "match of the frames, before that of their tiles");
        }
    }

    fn write_norm(&self, header: &mut Header) {
        header.set_str("ZMNORM", self.method, "normalisation: gain x value + offset per frame");
    }

    /// A line for the header.
    pub fn summary(&self) -> String {
        let blocks = format!("blocks of {} px", self.block_px);
        match &self.reference {
            None => format!("gauge: {}, {} pairs, {blocks}", self.method, self.pairs),
            Some(_) => format!("gauge: {}, {blocks}, against one frame", self.method),
        }
    }
}

/// The connected parts, largest first, of equals that of the earlier frame.
fn parts_of(gauge: &Gauge, name: impl Fn(usize) -> String) -> Vec<PartFacts> {
    let mut parts: Vec<PartFacts> = Vec::new();
    // Parts are numbered by their first frames.
    for (frame, part) in gauge.part.iter().enumerate() {
        if *part == parts.len() {
            parts.push(PartFacts { first: name(frame), frames: 0, has_reference: false });
        }
        parts[*part].frames += 1;
        parts[*part].has_reference |= gauge.reference == Some(frame);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.frames));
    parts
}

impl UntoldFacts {
    /// Of sources with these ids.
    pub fn of(untold: &Untold, ids: &[String]) -> Self {
        let sources = untold.frames.iter().filter_map(|frame| ids.get(*frame)).cloned().collect();
        Self { what: untold.what.clone(), sources }
    }

    /// In a line, with the first of the sources.
    pub fn in_words(&self) -> String {
        let Self { what, sources } = self;
        if sources.is_empty() { what.clone() } else { format!("{what}: {}", some_of(sources)) }
    }
}

/// The first of `names`, and how many more there are.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    let few: Vec<&str> = names.iter().take(NAMED_FRAMES).map(AsRef::as_ref).collect();
    let text = few.join(", ");
    if names.len() > few.len() { format!("{text} and {} more", names.len() - few.len()) } else { text }
}

#[cfg(test)]
pub(crate) mod tests {
    use zemosaic_gauge::{
        BlockGrid, CertificateJob, GainOrigin, GainReport, Pair, PixelNoise, Preview, seam_certificate,
    };
    use zemosaic_image::Region;

    use super::*;

    /// Two sources side by side, the first higher by 10, matched by offsets that leave 0.4.
    pub(crate) fn matched(subject: Subject) -> GaugeFacts {
        let preview = |x0: i64, level: f32| {
            let region = Region { x0, y0: 0, width: 10, height: 6 };
            Preview {
                region,
                level: vec![vec![level; 60]],
                variance: vec![vec![0.04; 60]],
                stars: Vec::new(),
            }
        };
        let offset = |offset: f64| FrameGauge { offset: [offset; 3], ..FrameGauge::default() };
        let frames = vec![offset(-4.8), offset(4.8)];
        let pair = Pair { a: 0, b: 1, blocks: 24 };
        let job = CertificateJob {
            previews: &[preview(0, 110.0), preview(6, 100.0)],
            blocks: BlockGrid { block_px: 16 },
            before: &[FrameGauge::default(); 2],
            after: &frames,
            pairs: &[pair],
            noise: &[PixelNoise { sigma: [5.0; 3], weight: [0.04; 3] }; 2],
        };
        let certificate = seam_certificate(&job, &());
        let pair = PairReport {
            a: 0,
            b: 1,
            blocks: 24,
            blocks_used: 8,
            before: vec![10.0],
            after: vec![0.4],
            error: vec![0.1],
            weight: vec![1.0],
            gain: vec![Some(GainReport {
                log_gain: 0.02,
                error: 0.01,
                origin: GainOrigin::Stars,
                samples: 31,
                remaining: 0.003,
                weight: 1.0,
            })],
        };
        let gauge = Gauge {
            frames,
            pairs: vec![pair],
            part: vec![0, 0],
            undetermined: vec![Untold { what: "the gain of <b>".into(), frames: vec![1] }],
            error: vec![FrameError { gain: [0.1; 3], offset: [0.2; 3], surface: [[0.3; 5]; 3] }; 2],
            certificate: Some(certificate),
            ..Gauge::identity(2)
        };
        let ids = vec!["a & b".to_owned(), "c".to_owned()];
        GaugeFacts::of_match(
            &gauge,
            MatchMethod::Full,
            16,
            &MatchSources { subject, ids, numbers: vec![3, 7] },
        )
    }

    #[test]
    fn what_is_not_told_names_the_frames() {
        let facts = matched(Subject::Frames);
        assert_eq!(facts.matched.unwrap().undetermined[0].in_words(), "the gain of <b>: c");
        let names: Vec<String> = (0..12).map(|number| format!("f{number}.fits")).collect();
        let untold = Untold { what: "terms of order 2".into(), frames: (2..12).collect() };
        let facts = UntoldFacts::of(&untold, &names);
        assert_eq!(
            facts.in_words(),
            "terms of order 2: f2.fits, f3.fits, f4.fits, f5.fits, f6.fits and 5 more"
        );
        let section = serde_json::to_value(&facts).unwrap();
        assert_eq!(section["what"], "terms of order 2");
        assert_eq!(section["sources"], serde_json::json!(names[2..]), "all of them");
        let of_all = UntoldFacts::of(&Untold { frames: Vec::new(), ..untold }, &names);
        assert_eq!(of_all.in_words(), "terms of order 2");
    }

    #[test]
    fn parts_have_their_first_frames_and_the_reference() {
        let gauge = Gauge {
            part: vec![0, 1, 1, 2, 1],
            reference: Some(4),
            channels: vec![ChannelReport::default()],
            ..Gauge::identity(5)
        };
        let names: Vec<String> = "abcde".chars().map(String::from).collect();
        let facts = GaugeFacts::new(&gauge, "full", 64, &names);
        let part = |first: &str, frames: usize, has_reference: bool| PartFacts {
            first: first.into(),
            frames,
            has_reference,
        };
        assert_eq!(facts.parts, [part("b", 3, true), part("a", 1, false), part("d", 1, false)]);
        assert_eq!(facts.components, [3, 1, 1]);
    }

    #[test]
    fn the_header_gives_the_verdict() {
        let mut header = Header::new();
        matched(Subject::Frames).write_cards(&mut header);
        assert_eq!(header.get_str("ZMMATCH").as_deref(), Some("full"));
        assert_eq!(header.get_str("ZMSEAM").as_deref(), Some("PASS"));
        assert_eq!((header.get_f64("ZMSEAMP"), header.get_f64("ZMSEAMU")), (Some(100.0), Some(0.0)));
        let largest = header.get_f64("ZMSEAMX").unwrap();
        assert!((largest - 0.2 * 2f64.sqrt() / 5.0).abs() < 1e-5, "{largest}");
        assert!(header.get_str("ZMNORM").is_none());
    }

    #[test]
    fn the_report_has_the_summary_but_no_lists() {
        let section = serde_json::to_value(matched(Subject::Frames)).unwrap();
        assert_eq!(section["match"]["subject"], "frames");
        assert_eq!(section["match"]["seams"]["overall"]["verdict"], "PASS");
        assert_eq!(section["match"]["seams"]["overall"]["join_px"], 192.0);
        assert!(section["match"]["seams"].get("joins").is_none() && section.get("all_pairs").is_none());
        let worst = &section["match"]["worst_joins"][0];
        assert!(worst["sources"] == 1 && (worst["source"] == "a & b" || worst["source"] == "c"));
    }
}
