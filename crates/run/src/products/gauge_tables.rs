//! Tables of the mosaic's file that say more of the gauge: GAUGE, the pairs, and SEAMS, the joins.

use std::collections::BTreeMap;

use zemosaic_fits::{Column, ColumnData, TableSpec};
use zemosaic_gauge::{ChannelSeam, GainOrigin, GainReport, JoinElement, PairReport, SeamCertificate};

use super::gauge::{GaugeFacts, Subject};

/// Columns of a table with `rows` rows and values per channel.
struct Columns {
    rows: usize,
    channels: usize,
    unit: Option<String>,
    done: Vec<Column>,
}

impl Columns {
    fn whole(&mut self, name: &str, of: impl Fn(usize) -> usize) {
        let data = ColumnData::I32((0..self.rows).map(|row| of(row) as i32).collect());
        self.done.push(Column { name: name.into(), unit: None, data });
    }

    fn per_channel(&mut self, name: &str, unit: Option<&str>, of: impl Fn(usize, usize) -> f64) {
        let channels = self.channels;
        let values = (0..self.rows).flat_map(|row| (0..channels).map(move |channel| (row, channel)));
        let values = values.map(|(row, channel)| of(row, channel)).collect();
        let data = ColumnData::F64Array { width: channels, values };
        self.done.push(Column { name: name.into(), unit: unit.map(str::to_owned), data });
    }

    /// In the unit of the mosaic.
    fn levels(&mut self, name: &str, of: impl Fn(usize, usize) -> f64) {
        let unit = self.unit.clone();
        self.per_channel(name, unit.as_deref(), of);
    }
}

/// The table GAUGE: one row per pair of rows of INPUTS, counted from 1, or of numbers of tiles.
pub fn gauge_table(gauge: &GaugeFacts, unit: Option<&str>) -> TableSpec {
    let pairs = &gauge.all_pairs;
    let seams = gauge.seams();
    let width = |pair: &PairReport| pair.before.len().max(pair.gain.len());
    let widths = pairs.iter().map(width).chain(seams.map(|seams| seams.channels.len()));
    let mut table = Columns {
        rows: pairs.len(),
        channels: widths.max().unwrap_or(1).max(1),
        unit: unit.map(str::to_owned),
        done: Vec::new(),
    };
    let (noun, number) = numbering(gauge);
    table.whole(&format!("{noun}_A"), |row| number(pairs[row].a));
    table.whole(&format!("{noun}_B"), |row| number(pairs[row].b));
    table.whole("BLOCKS", |row| pairs[row].blocks);
    table.whole("BLOCKS_USED", |row| pairs[row].blocks_used);
    let value = |values: &[f64], channel: usize| values.get(channel).copied().unwrap_or(f64::NAN);
    table.levels("BEFORE", |row, channel| value(&pairs[row].before, channel));
    table.levels("AFTER", |row, channel| value(&pairs[row].after, channel));
    table.levels("ERROR", |row, channel| value(&pairs[row].error, channel));
    table.per_channel("WEIGHT", None, |row, channel| value(&pairs[row].weight, channel));
    if pairs.iter().any(|pair| pair.gain.iter().any(Option::is_some)) {
        let gain = |of: fn(&GainReport) -> f64| {
            move |row: usize, channel: usize| {
                pairs[row].gain.get(channel).and_then(Option::as_ref).map_or(f64::NAN, of)
            }
        };
        table.per_channel("LOGGAIN", None, gain(|own| own.log_gain));
        table.per_channel("LOGGAIN_ERR", None, gain(|own| own.error));
        table.per_channel("LOGGAIN_LEFT", None, gain(|own| own.remaining));
        table.per_channel("LOGGAIN_N", None, gain(|own| own.samples as f64));
        table.per_channel("LOGGAIN_W", None, gain(|own| own.weight));
        let channels = table.channels;
        let of = (0..pairs.len()).map(|row| origins_of(&pairs[row].gain, channels)).collect();
        table.done.push(Column { name: "LOGGAIN_OF".into(), unit: None, data: ColumnData::Text(of) });
    }
    if let Some(seams) = seams {
        add_seams(&mut table, pairs, seams);
    }
    TableSpec { extname: "GAUGE".into(), columns: table.done }
}

/// What the gains of a pair are of, a letter per channel: stars (S), structure of blocks (B), the other channels (C), nothing (-).
fn origins_of(gain: &[Option<GainReport>], channels: usize) -> String {
    let letter = |channel: usize| match gain.get(channel).and_then(Option::as_ref).map(|own| own.origin) {
        Some(GainOrigin::Stars) => 'S',
        Some(GainOrigin::Structure) => 'B',
        Some(GainOrigin::Channels) => 'C',
        None => '-',
    };
    (0..channels).map(letter).collect()
}

/// Steps and gradients of the pairs.
fn add_seams(table: &mut Columns, pairs: &[PairReport], seams: &SeamCertificate) {
    let found: BTreeMap<(usize, usize), &[Option<ChannelSeam>]> =
        seams.pairs.iter().map(|pair| ((pair.a, pair.b), pair.channels.as_slice())).collect();
    let rows: Vec<Option<&[Option<ChannelSeam>]>> =
        pairs.iter().map(|pair| found.get(&(pair.a, pair.b)).copied()).collect();
    let figure = |of: fn(&ChannelSeam) -> f64| {
        let rows = &rows;
        move |row: usize, channel: usize| {
            let own = rows[row].and_then(|channels| channels.get(channel)).and_then(Option::as_ref);
            own.map_or(f64::NAN, of)
        }
    };
    let gradient = table.unit.as_ref().map(|unit| format!("{unit}/(100 pix)"));
    table.levels("STEP_BEFORE", figure(|own| own.before.step));
    table.levels("STEP_AFTER", figure(|own| own.after.step));
    table.levels("STEP_ERR", figure(|own| own.error.step));
    for (name, of) in [
        ("ALONG_BEFORE", (|own| own.before.along) as fn(&ChannelSeam) -> f64),
        ("ALONG_AFTER", |own| own.after.along),
        ("ALONG_ERR", |own| own.error.along),
        ("ACROSS_BEFORE", |own| own.before.across),
        ("ACROSS_AFTER", |own| own.after.across),
        ("ACROSS_ERR", |own| own.error.across),
    ] {
        table.per_channel(name, gradient.as_deref(), figure(of));
    }
    table.levels("NOISE", figure(|own| own.noise));
}

/// The table SEAMS: the pieces of joins, each with the source that ends there (a row of INPUTS from 1, or the number of a
/// tile), of several that which has most of the step, how many end there, and its place as FITS counts pixels.
pub fn seams_table(gauge: &GaugeFacts, unit: Option<&str>) -> Option<TableSpec> {
    let seams = gauge.seams().filter(|seams| !seams.joins.is_empty())?;
    let joins = &seams.joins;
    let mut table = Columns {
        rows: joins.len(),
        channels: seams.channels.len().max(1),
        unit: unit.map(str::to_owned),
        done: Vec::new(),
    };
    let (noun, number) = numbering(gauge);
    table.whole(noun, |row| number(joins[row].source));
    table.whole("SOURCES", |row| joins[row].sources);
    for (name, of) in [("X", (|join| join.x_px) as fn(&JoinElement) -> f64), ("Y", |join| join.y_px)] {
        let data = ColumnData::F64(joins.iter().map(|join| of(join) + 1.0).collect());
        table.done.push(Column { name: name.into(), unit: Some("pix".into()), data });
    }
    table.levels("STEP_BEFORE", |row, channel| joins[row].step_before[channel]);
    table.levels("STEP_AFTER", |row, channel| joins[row].step_after[channel]);
    table.levels("ERROR", |row, channel| joins[row].error[channel]);
    table.levels("NOISE", |row, channel| joins[row].noise[channel]);
    Some(TableSpec { extname: "SEAMS".into(), columns: table.done })
}

/// What tables call a source, and its number there.
fn numbering(gauge: &GaugeFacts) -> (&'static str, impl Fn(usize) -> usize + '_) {
    let matched = gauge.matched.as_ref();
    let noun = match matched.map(|matched| matched.subject) {
        Some(Subject::Tiles) => "TILE",
        Some(Subject::Frames) | None => "INPUT",
    };
    let number = move |index: usize| {
        matched.and_then(|matched| matched.numbers.get(index)).copied().unwrap_or(index + 1)
    };
    (noun, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::gauge::tests::matched;

    fn figures(table: &TableSpec, name: &str) -> Vec<f64> {
        let column = table.columns.iter().find(|column| column.name == name).unwrap();
        match &column.data {
            ColumnData::I32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            ColumnData::F64(values) | ColumnData::F64Array { values, .. } => values.clone(),
            _ => Vec::new(),
        }
    }

    fn texts(table: &TableSpec, name: &str) -> Vec<String> {
        let column = table.columns.iter().find(|column| column.name == name).unwrap();
        match &column.data {
            ColumnData::Text(values) => values.clone(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn gains_tell_what_they_are_of() {
        let gain = |origin: GainOrigin| {
            Some(GainReport { log_gain: 0.1, error: 0.1, origin, samples: 9, remaining: 0.0, weight: 1.0 })
        };
        let of = [gain(GainOrigin::Structure), gain(GainOrigin::Stars), gain(GainOrigin::Channels)];
        assert_eq!(
            [origins_of(&of, 3), origins_of(&[None], 3), origins_of(&of[1..], 2)],
            ["BSC", "---", "SC"]
        );
    }

    #[test]
    fn tables_have_the_pairs_and_the_joins() {
        let facts = matched(Subject::Frames);
        let table = gauge_table(&facts, Some("adu"));
        assert_eq!((figures(&table, "INPUT_A"), figures(&table, "INPUT_B")), (vec![3.0], vec![7.0]));
        assert_eq!((figures(&table, "BLOCKS"), figures(&table, "BLOCKS_USED")), (vec![24.0], vec![8.0]));
        assert_eq!((figures(&table, "LOGGAIN"), figures(&table, "LOGGAIN_N")), (vec![0.02], vec![31.0]));
        assert_eq!(texts(&table, "LOGGAIN_OF"), ["S"]);
        let close = |found: &[f64], expected: f64| (found[0] - expected).abs() < 1e-5;
        assert!(close(&figures(&table, "STEP_BEFORE"), 10.0) && close(&figures(&table, "STEP_AFTER"), 0.4));
        assert!(close(&figures(&table, "NOISE"), 5.0 / 2f64.sqrt()));
        assert!(close(&figures(&table, "ALONG_AFTER"), 0.0));
        let seams = seams_table(&facts, None).unwrap();
        // Six rows, each with the left side of the second and the right side of the first.
        assert_eq!(figures(&seams, "INPUT"), [[7.0, 3.0]; 6].concat());
        assert_eq!(figures(&seams, "SOURCES"), [1.0; 12]);
        assert_eq!(figures(&seams, "X"), [[96.5, 160.5]; 6].concat());
        let steps = figures(&seams, "STEP_BEFORE").into_iter().zip(figures(&seams, "STEP_AFTER"));
        for (row, (before, after)) in steps.enumerate() {
            let sign = if row % 2 == 0 { -1.0 } else { 1.0 };
            assert!((before - 5.0 * sign).abs() < 1e-5 && (after - 0.2 * sign).abs() < 1e-5);
        }
        // A gauge that is no match has neither gains nor seams.
        let plain = GaugeFacts { matched: None, ..facts };
        assert!(seams_table(&plain, None).is_none());
        assert_eq!(figures(&gauge_table(&plain, None), "INPUT_A"), [1.0]);
    }

    #[test]
    fn of_tiles_tables_give_their_numbers() {
        let facts = matched(Subject::Tiles);
        assert_eq!(figures(&gauge_table(&facts, None), "TILE_B"), [7.0]);
        assert_eq!(figures(&seams_table(&facts, None).unwrap(), "TILE")[0], 7.0);
        assert!(facts.frame_errors().is_none() && matched(Subject::Frames).frame_errors().is_some());
    }
}
