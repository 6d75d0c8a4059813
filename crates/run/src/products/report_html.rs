//! `report.html`: the run as a page for people. It stands alone, and holds nothing but what the run's data and options
//! determine: no times of the machine.

use std::collections::BTreeMap;
use std::fmt::Write;

use zemosaic_frames::time;
use zemosaic_gauge::{SeamCertificate, Verdict};
use zemosaic_sky::unit_vector;

use crate::events::Warning;
use crate::products::facts::Facts;
use crate::products::gauge::{GaugeFacts, MatchFacts, Subject};
use crate::products::header::PROGRAM;
use crate::products::html::{STYLE, escape, figure, heading, pairs, table};
use crate::products::seam_map::{MapJob, When, seam_map};

/// Frames left out and warnings that are named.
const MOST_NAMED: usize = 200;
/// Names of channels.
const CHANNELS: [&str; 3] = ["R", "G", "B"];

/// The page.
pub fn report_html(facts: &Facts, warnings: &[Warning]) -> String {
    let object = facts.common(|meta| meta.object.clone());
    let title = object.map_or("Mosaic".to_owned(), |object| format!("Mosaic of {object}"));
    let title = escape(&title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n"
    );
    if let Some(seams) = facts.gauge.as_ref().and_then(GaugeFacts::seams) {
        page.push_str(&verdict_line(seams));
    }
    mosaic(&mut page, facts);
    inputs(&mut page, facts);
    if let Some(gauge) = &facts.gauge {
        levels(&mut page, facts, gauge);
        if let Some(matched) = &gauge.matched {
            seams(&mut page, facts, matched);
        }
    }
    told(&mut page, warnings);
    let _ = write!(
        page,
        "<p class=\"dim\">{} &middot; run {} &middot; options {} &middot; inputs {} &middot; {}</p>\n</body>\n</html>\n",
        escape(PROGRAM),
        escape(&facts.run_id()),
        escape(&facts.parameter_hash),
        escape(&facts.input_hash),
        escape(&time::iso(facts.date))
    );
    page
}

/// How a verdict looks.
fn class_of(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Pass { "good" } else { "bad" }
}

fn verdict_line(seams: &SeamCertificate) -> String {
    let (class, all) = (class_of(seams.verdict()), &seams.overall);
    if all.join_px == 0.0 {
        return format!("<p><span class=\"{class}\">Seams: {}</span>.</p>\n", all.verdict.name());
    }
    format!(
        "<p><span class=\"{class}\">Seams: {}</span>. {:.2} % of the length of all joins has a step below 0.3 sigma \
         (before: {:.2} %); the largest step is {} sigma (before: {}).</p>\n",
        seams.verdict().name(),
        100.0 * all.share_below_after,
        100.0 * all.share_below_before,
        figure(all.largest_after),
        figure(all.largest_before)
    )
}

fn mosaic(page: &mut String, facts: &Facts) {
    heading(page, "Mosaic");
    let grid = &facts.grid;
    let (median, most) = facts.depth_median_and_max();
    let pixels = grid.width as u64 * grid.height as u64;
    let empty = facts.summary.depth_histogram.get(&0).copied().unwrap_or(0);
    let centre = grid.centre_deg().map_or("&ndash;".to_owned(), |(ra, dec)| format!("{ra:.5}, {dec:+.5}"));
    let mut rows = vec![
        ("Size", format!("{} &times; {} px, {}", grid.width, grid.height, kind(facts.channels))),
        ("Scale", format!("{:.4} arcsec/px", grid.wcs.scale_deg() * 3600.0)),
        ("Centre (ICRS, deg)", centre),
        ("Covered", format!("{:.1} %", 100.0 * pixels.saturating_sub(empty) as f64 / pixels.max(1) as f64)),
        ("Depth", format!("median {median}, largest {most}")),
    ];
    if let Some(total) = facts.time.total_exposure_s {
        rows.push(("Exposure", format!("{total:.0} s in {} nights", facts.time.nights)));
    }
    if let (Some(begin), Some(end)) = (facts.time.begin, facts.time.end) {
        rows.push(("Taken (UTC)", format!("{} to {}", time::iso(begin), time::iso(end))));
    }
    if let Some(filter) = facts.common(|meta| meta.filter.clone()) {
        rows.push(("Filter", escape(&filter)));
    }
    if let Some(unit) = facts.unit() {
        rows.push(("Unit", escape(&unit)));
    }
    let made = facts.tiles.iter().filter(|tile| tile.missing.is_none()).count();
    if made > 0 {
        rows.push(("Master tiles", made.to_string()));
    }
    let summary = &facts.summary;
    let share = |count: u64| 100.0 * count as f64 / summary.samples.max(1) as f64;
    rows.push((
        "Rejected",
        format!("{:.3} % low, {:.3} % high", share(summary.rejected_low), share(summary.rejected_high)),
    ));
    pairs(page, rows);
}

fn kind(channels: usize) -> &'static str {
    if channels == 1 { "one channel" } else { "three channels" }
}

fn inputs(page: &mut String, facts: &Facts) {
    heading(page, "Inputs");
    let _ = writeln!(
        page,
        "<p>{} of {} files were used, {} were left out. All are in <code>frames.csv</code>.</p>",
        facts.used.len(),
        facts.offered,
        facts.left_out.len()
    );
    if facts.left_out.is_empty() {
        return;
    }
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &facts.left_out {
        *codes.entry(item.reason.code()).or_default() += 1;
    }
    let rows: Vec<Vec<String>> =
        codes.into_iter().map(|(code, count)| vec![escape(code), count.to_string()]).collect();
    table(page, &["Left out because", "files"], 1, &rows);
    let named = facts.left_out.iter().take(MOST_NAMED);
    let rows: Vec<Vec<String>> = named
        .map(|item| vec![escape(&item.id), escape(item.reason.code()), escape(item.reason.message())])
        .collect();
    page.push_str("<details><summary>Files left out</summary>\n");
    table(page, &["File", "code", "why"], 3, &rows);
    more(page, facts.left_out.len());
    page.push_str("</details>\n");
}

fn more(page: &mut String, count: usize) {
    if count > MOST_NAMED {
        let _ = writeln!(page, "<p class=\"dim\">and {} more</p>", count - MOST_NAMED);
    }
}

fn channel_name(channels: usize, channel: usize) -> &'static str {
    if channels == 1 { "all" } else { CHANNELS.get(channel).copied().unwrap_or("?") }
}

fn levels(page: &mut String, facts: &Facts, gauge: &GaugeFacts) {
    heading(page, "Levels");
    let matched = gauge.matched.as_ref();
    let noun = match matched.map(|matched| matched.subject) {
        Some(Subject::Tiles) => "master tiles",
        Some(Subject::Frames) | None => "frames",
    };
    let mut rows = vec![
        ("Method", format!("{} of {noun}", escape(gauge.method))),
        ("Blocks", format!("{} px", gauge.block_px)),
        ("Pairs compared", gauge.pairs.to_string()),
    ];
    if let Some(reference) = &gauge.reference {
        rows.push(("Reference", escape(reference)));
    }
    if !gauge.components.is_empty() {
        let parts: Vec<String> = gauge.components.iter().take(20).map(ToString::to_string).collect();
        let dots = if gauge.components.len() > 20 { ", ..." } else { "" };
        rows.push(("Connected parts", format!("{} ({}{dots})", gauge.components.len(), parts.join(", "))));
    }
    if !gauge.unlinked.is_empty() {
        rows.push(("Without overlap", named(&gauge.unlinked)));
    }
    pairs(page, rows);
    let undetermined = matched.map_or(&[][..], |matched| &matched.undetermined);
    if !undetermined.is_empty() {
        let _ = writeln!(page, "<p class=\"bad\">Not determined:</p>\n<ul>");
        for text in undetermined.iter().take(MOST_NAMED) {
            let _ = writeln!(page, "<li>{}</li>", escape(&text.in_words()));
        }
        page.push_str("</ul>\n");
        more(page, undetermined.len());
    }
    fit(page, facts, gauge);
}

fn named(names: &[String]) -> String {
    let some: Vec<String> = names.iter().take(20).map(|name| escape(name)).collect();
    let dots = if names.len() > 20 { ", ..." } else { "" };
    format!("{}: {}{dots}", names.len(), some.join(", "))
}

/// How well the pairs fit.
fn fit(page: &mut String, facts: &Facts, gauge: &GaugeFacts) {
    if !gauge.channels.is_empty() {
        let row = |(channel, fit): (usize, &zemosaic_gauge::ChannelReport)| {
            let per_degree = fit.chi2 / fit.degrees_of_freedom as f64;
            vec![
                channel_name(gauge.channels.len(), channel).to_owned(),
                figure(fit.chi2),
                fit.degrees_of_freedom.to_string(),
                figure(per_degree),
                figure(fit.rms_before),
                figure(fit.rms_after),
                figure(fit.systematic),
            ]
        };
        let rows: Vec<Vec<String>> = gauge.channels.iter().enumerate().map(row).collect();
        let head = ["Channel", "chi2", "degrees", "chi2/degree", "rms before", "rms after", "systematic"];
        table(page, &head, 1, &rows);
    }
    if gauge.worst_pairs.is_empty() {
        return;
    }
    page.push_str("<p>Pairs that fit worst:</p>\n");
    let row = |pair: &crate::products::worst::WorstPair| {
        vec![
            escape(&pair.a),
            escape(&pair.b),
            channel_name(facts.channels, pair.channel).to_owned(),
            format!("{} of {}", pair.blocks_used, pair.blocks),
            figure(pair.before),
            figure(pair.after),
            figure(pair.error),
        ]
    };
    let rows: Vec<Vec<String>> = gauge.worst_pairs.iter().map(row).collect();
    table(page, &["One", "other", "channel", "blocks used", "before", "after", "error"], 3, &rows);
}

fn seams(page: &mut String, facts: &Facts, matched: &MatchFacts) {
    let outlines = outlines_of(facts, matched.subject);
    let size_px = (facts.grid.width, facts.grid.height);
    let job = MapJob { size_px, outlines: &outlines, seams: matched.seams.as_ref() };
    let Some(seams) = &matched.seams else {
        heading(page, "Map");
        let _ = writeln!(page, "<figure>{}</figure>", seam_map(&job, When::After));
        return;
    };
    heading(page, "Seams");
    let row = |(name, summary): (&str, &zemosaic_gauge::SeamSummary)| {
        let (class, text) = (class_of(summary.verdict), summary.verdict.name());
        vec![
            name.to_owned(),
            format!("<span class=\"{class}\">{text}</span>"),
            format!("{:.0}", summary.join_px),
            format!("{:.0}", summary.unmeasured_px),
            format!("{:.2} %", 100.0 * summary.share_below_before),
            format!("{:.2} %", 100.0 * summary.share_below_after),
            figure(summary.rms_before),
            figure(summary.rms_after),
            figure(summary.largest_before),
            figure(summary.largest_after),
        ]
    };
    let channels = seams.channels.iter().enumerate();
    let mut rows: Vec<Vec<String>> = channels
        .map(|(channel, summary)| row((channel_name(seams.channels.len(), channel), summary)))
        .collect();
    if seams.channels.len() > 1 {
        rows.push(row(("together", &seams.overall)));
    }
    let head = [
        "Channel",
        "verdict",
        "joins, px",
        "not measured, px",
        "< 0.3 sigma before",
        "after",
        "rms before",
        "after",
        "largest before",
        "after",
    ];
    table(page, &head, 2, &rows);
    page.push_str("<p class=\"dim\">Steps are in sigma of a pixel of the mosaic at their place.</p>\n");
    spread(page, facts, seams);
    maps(page, &job, seams);
    if !matched.worst_joins.is_empty() {
        page.push_str("<p>Largest steps:</p>\n");
        let row = |join: &crate::products::worst::WorstJoin| {
            let others = match join.sources {
                0 | 1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            vec![
                escape(&join.source) + &others,
                format!("{:.0}", join.x_px + 1.0),
                format!("{:.0}", join.y_px + 1.0),
                figure(join.sigmas_before),
                figure(join.sigmas_after),
            ]
        };
        let rows: Vec<Vec<String>> = matched.worst_joins.iter().map(row).collect();
        table(page, &["Where this one ends", "x", "y", "sigma before", "after"], 1, &rows);
    }
}

fn spread(page: &mut String, facts: &Facts, seams: &SeamCertificate) {
    let unit = facts.unit().unwrap_or_default();
    let row = |(channel, spread): (usize, &zemosaic_gauge::LevelSpread)| {
        let name = channel_name(seams.inter_tile.len(), channel).to_owned();
        vec![name, figure(spread.raw), figure(spread.after_gain), figure(spread.after_offset)]
    };
    let rows: Vec<Vec<String>> = seams.inter_tile.iter().enumerate().map(row).collect();
    let _ = writeln!(page, "<p>Spread of the levels ({}):</p>", escape(&unit));
    table(page, &["Channel", "raw", "after gain", "after gain, offset and surface"], 1, &rows);
}

fn maps(page: &mut String, job: &MapJob<'_>, seams: &SeamCertificate) {
    page.push_str("<div class=\"maps\">\n");
    for (when, name) in [(When::Before, "before"), (When::After, "after")] {
        let _ = write!(page, "<figure><figcaption>{name}</figcaption>\n{}</figure>\n", seam_map(job, when));
    }
    page.push_str("</div>\n<p class=\"key\">");
    let key = ["below 0.1", "0.1 to 0.3", "0.3 to 1", "1 to 3", "3 and more sigma"];
    for (index, text) in key.iter().enumerate() {
        let _ = write!(page, "<span><i style=\"background:var(--s{index})\"></i>{text}</span>");
    }
    page.push_str("<span class=\"dim\">dashed: not measured</span></p>\n");
    if seams.join_elements > seams.joins.len() {
        let _ = writeln!(
            page,
            "<p class=\"dim\">The {} largest steps of {} are shown.</p>",
            seams.joins.len(),
            seams.join_elements
        );
    }
}

/// Outlines of what was matched, pixels of the grid.
fn outlines_of(facts: &Facts, subject: Subject) -> Vec<Vec<(f64, f64)>> {
    match subject {
        Subject::Frames => {
            let to_grid = |(ra, dec): &(f64, f64)| facts.grid.wcs.icrs_to_pixel(&unit_vector(*ra, *dec));
            let outline = |vertices: &[(f64, f64)]| vertices.iter().map(to_grid).collect::<Option<Vec<_>>>();
            facts.used.iter().filter_map(|frame| outline(&frame.footprint_deg)).collect()
        }
        Subject::Tiles => {
            let outline = |tile: &crate::products::facts::TileRecord| {
                let (x0, y0) = (tile.x0 as f64 - 0.5, tile.y0 as f64 - 0.5);
                let (x1, y1) = (x0 + tile.width_px as f64, y0 + tile.height_px as f64);
                vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            };
            facts.tiles.iter().filter(|tile| tile.missing.is_none()).map(outline).collect()
        }
    }
}

fn told(page: &mut String, warnings: &[Warning]) {
    heading(page, "Warnings");
    if warnings.is_empty() {
        page.push_str("<p>None.</p>\n");
        return;
    }
    page.push_str("<ul>\n");
    for warning in warnings.iter().take(MOST_NAMED) {
        let _ = writeln!(page, "<li><code>{}</code> {}</li>", escape(warning.code), escape(&warning.message));
    }
    page.push_str("</ul>\n");
    more(page, warnings.len());
}

#[cfg(test)]
mod tests {
    use zemosaic_coadd::{CoaddSummary, DepthPlanes};
    use zemosaic_frames::{LeftOut, Reason};
    use zemosaic_image::rgb_equalize::RgbEqualize;
    use zemosaic_sky::{Grid, SkyFrame, Wcs};

    use super::*;
    use crate::products::facts::{TileRecord, TimeFacts};
    use crate::products::gauge::tests::matched;
    use crate::rgb_equalize::asked;

    fn facts(gauge: Option<GaugeFacts>) -> Facts {
        let equalize: RgbEqualize = asked(false);
        let wcs = Wcs::tan([150.0, 1.0], [127.5, 47.5], [[-1e-3, 0.0], [0.0, 1e-3]], SkyFrame::Icrs).unwrap();
        Facts {
            used: Vec::new(),
            left_out: vec![LeftOut {
                id: "<script>.fits".into(),
                path: "x".into(),
                reason: Reason::Normalize("nonfinite_fit", "\"odd\" & cut".into()),
            }],
            offered: 1,
            gauge,
            solve: None,
            grid: Grid { wcs, width: 256, height: 96 },
            channels: 1,
            depth: DepthPlanes::Shared,
            rgb_equalize: equalize,
            time: TimeFacts::default(),
            noise_correlation: Vec::new(),
            summary: CoaddSummary::default(),
            date: "2026-01-01T00:00:00Z".parse().unwrap(),
            parameter_hash: "p".into(),
            input_hash: "i".into(),
            tiles: vec![TileRecord { number: 3, width_px: 160, height_px: 96, ..TileRecord::default() }],
            from_existing_tiles: false,
            frame_gauge: None,
        }
    }

    #[test]
    fn a_page_says_what_is_known() {
        let warning = Warning { code: "W-X", message: "a < b".into() };
        let page = report_html(&facts(Some(matched(Subject::Tiles))), &[warning]);
        assert!(page.contains("Seams: PASS") && page.contains("full of master tiles"));
        assert_eq!(page.matches("<svg").count(), 2, "before and after");
        assert!(page.contains("class=\"out\" d=\"M0.0 210.0L350.0 210.0"), "the outline of the tile");
        // 5 over 3.54 before, 0.06 after.
        assert!(page.contains("class=\"s3\"") && page.contains("class=\"s0\""));
        assert!(page.contains("the gain of &lt;b&gt;") && page.contains("a &amp; b"));
        assert!(page.contains("&lt;script&gt;.fits") && page.contains("&quot;odd&quot; &amp; cut"));
        assert!(page.contains("a &lt; b") && !page.contains("<script") && !page.contains("http"));
        for tag in ["table", "svg", "div", "figure", "details", "ul", "p", "tr", "td", "th", "h2"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_page_without_a_gauge_has_no_seams() {
        let page = report_html(&facts(None), &[]);
        assert!(!page.contains("<svg") && !page.contains("Levels") && page.contains("<p>None.</p>"));
        assert_eq!(report_html(&facts(None), &[]), page);
    }
}
