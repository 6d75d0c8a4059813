//! What products say of the gauge: a section of `report.json`, a line of the header, the table GAUGE.

use serde::Serialize;
use zemosaic_fits::{Column, ColumnData, TableSpec};
use zemosaic_gauge::{ChannelReport, Gauge, PairReport};

/// Pairs that the report names.
const WORST_PAIRS: usize = 10;

/// How the used frames were brought to one level.
#[derive(Debug, Clone, Serialize)]
pub struct GaugeFacts {
    /// By this method.
    pub method: &'static str,
    /// Side of a block of sky, pixels of the grid.
    pub block_px: usize,
    /// The reference frame, of methods that have one.
    pub reference: Option<String>,
    /// Frames in each connected part of the network of overlaps, largest first (additive).
    pub components: Vec<usize>,
    /// Frames that share no block of sky with another.
    pub unlinked: Vec<String>,
    /// Frames whose gain nothing tells: it is 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_gain: Vec<String>,
    /// What should be known of some frames.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Frames that were left out.
    pub left_out: usize,
    /// Number of pairs.
    pub pairs: usize,
    /// The fit per channel (additive).
    pub channels: Vec<ChannelReport>,
    /// The pairs that fit worst, in their error.
    pub worst_pairs: Vec<WorstPair>,
    /// All pairs, by index of the used frames.
    #[serde(skip)]
    pub all_pairs: Vec<PairReport>,
}

/// A pair that fits badly.
#[derive(Debug, Clone, Serialize)]
pub struct WorstPair {
    /// One frame.
    pub a: String,
    /// The other.
    pub b: String,
    /// Channel, from 0.
    pub channel: usize,
    /// Common blocks.
    pub blocks: usize,
    /// Difference as measured.
    pub before: f64,
    /// What remains.
    pub after: f64,
    /// Its standard error.
    pub error: f64,
}

impl GaugeFacts {
    /// Of a gauge whose frames have these ids.
    pub fn new(gauge: &Gauge, method: &'static str, block_px: usize, ids: &[String]) -> Self {
        let name = |index: usize| ids.get(index).cloned().unwrap_or_default();
        let mut components = Vec::new();
        if !gauge.channels.is_empty() {
            let count = gauge.part.iter().max().map_or(0, |last| last + 1);
            components = vec![0; count];
            for part in &gauge.part {
                components[*part] += 1;
            }
            components.sort_unstable_by(|a, b| b.cmp(a));
        }
        Self {
            method,
            block_px,
            reference: gauge.reference.map(name),
            components,
            unlinked: gauge.unlinked.iter().map(|index| name(*index)).collect(),
            without_gain: gauge.without_gain.iter().map(|index| name(*index)).collect(),
            notes: gauge.notes.iter().map(|note| format!("{}: {}", name(note.frame), note.text)).collect(),
            left_out: gauge.left_out.len(),
            pairs: gauge.pairs.len(),
            channels: gauge.channels.clone(),
            worst_pairs: worst_pairs(&gauge.pairs, name),
            all_pairs: gauge.pairs.clone(),
        }
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

fn worst_pairs(pairs: &[PairReport], name: impl Fn(usize) -> String) -> Vec<WorstPair> {
    let sigmas = |pair: &PairReport, channel: usize| (pair.after[channel] / pair.error[channel]).abs();
    let mut all: Vec<(f64, usize, usize)> = pairs
        .iter()
        .enumerate()
        .flat_map(|(index, pair)| (0..pair.after.len()).map(move |c| (sigmas(pair, c), index, c)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let worst = |(_, index, channel): (f64, usize, usize)| {
        let pair = &pairs[index];
        WorstPair {
            a: name(pair.a),
            b: name(pair.b),
            channel,
            blocks: pair.blocks,
            before: pair.before[channel],
            after: pair.after[channel],
            error: pair.error[channel],
        }
    };
    all.into_iter().take(WORST_PAIRS).map(worst).collect()
}

/// The table GAUGE: one row per pair of rows of INPUTS, counted from 1.
pub fn gauge_table(gauge: &GaugeFacts, unit: Option<&str>) -> TableSpec {
    let pairs = &gauge.all_pairs;
    let width = pairs.first().map_or(1, |pair| pair.before.len().max(1));
    let unit = unit.map(str::to_owned);
    let row = |name: &str, of: &dyn Fn(&PairReport) -> usize| Column {
        name: name.into(),
        unit: None,
        data: ColumnData::I32(pairs.iter().map(|pair| of(pair) as i32).collect()),
    };
    let per_channel = |name: &str, unit: Option<String>, of: &dyn Fn(&PairReport) -> &[f64]| Column {
        name: name.into(),
        unit,
        data: ColumnData::F64Array {
            width,
            values: pairs.iter().flat_map(|pair| of(pair).to_vec()).collect(),
        },
    };
    TableSpec {
        extname: "GAUGE".into(),
        columns: vec![
            row("INPUT_A", &|pair| pair.a + 1),
            row("INPUT_B", &|pair| pair.b + 1),
            row("BLOCKS", &|pair| pair.blocks),
            per_channel("BEFORE", unit.clone(), &|pair| &pair.before),
            per_channel("AFTER", unit.clone(), &|pair| &pair.after),
            per_channel("ERROR", unit, &|pair| &pair.error),
            per_channel("WEIGHT", None, &|pair| &pair.weight),
        ],
    }
}
