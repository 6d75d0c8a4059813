//! `zemosaic overlaps`: which frames share sky.

use serde_json::json;
use zemosaic_frames::{IngestOptions, WcsPolicy};
use zemosaic_gauge::GraphOptions;
use zemosaic_run::overlaps::{OverlapsReport, OverlapsRequest, area_arcmin2, overlaps_of};
use zemosaic_run::{ExitCode, RunError};

use crate::command_args::OverlapsArgs;
use crate::progress::Display;
use crate::say;

/// Frames without overlap that are named; `--json` has them all.
const NAMED_ALONE: usize = 10;
/// Sizes of parts that are printed.
const LISTED_PARTS: usize = 20;
/// Pairs that are printed without `-o`, which has them all.
const LISTED_PAIRS: usize = 40;

/// Run it.
pub fn run(args: &OverlapsArgs) -> u8 {
    match found(args) {
        Ok(report) => {
            say::left_out(&report.left_out);
            if args.table.json {
                print_json(&report);
            } else {
                print_text(&report, args);
            }
            let failed = report.left_out.iter().any(|item| item.reason.is_failure());
            (if failed { ExitCode::Partial } else { ExitCode::Ok }) as u8
        }
        Err(error) => {
            say::error(&error);
            error.exit_code() as u8
        }
    }
}

fn found(args: &OverlapsArgs) -> Result<OverlapsReport, RunError> {
    let request = OverlapsRequest {
        inputs: args.table.input.clone(),
        ingest: IngestOptions {
            wcs: WcsPolicy { wcs_from: args.wcs_from.clone(), ..WcsPolicy::default() },
            ..IngestOptions::default()
        },
        options: GraphOptions { pairs_per_frame: args.pairs_per_frame, min_share: args.min_share },
        threads: args.table.threads.map(usize::from),
    };
    if let Some(path) = &args.table.output {
        request.refuse_output(path)?;
    }
    args.table.refuse_existing()?;
    let reporter = Display::of(false, args.table.quiet).reporter();
    let report = overlaps_of(&request, &reporter)?;
    drop(reporter);
    if let Some(path) = &args.table.output {
        report.write_csv(path)?;
    }
    Ok(report)
}

fn print_text(report: &OverlapsReport, args: &OverlapsArgs) {
    let graph = &report.graph;
    outln!("frames   {}", report.frames.len());
    outln!("pairs    {}, {} of them bridges", graph.edges.len(), graph.bridges);
    let sizes = graph.part_sizes();
    let listed: Vec<String> = sizes.iter().take(LISTED_PARTS).map(ToString::to_string).collect();
    outln!("parts    {} ({}{} frames)", graph.parts, listed.join(", "), more(sizes.len(), LISTED_PARTS));
    let alone = graph.alone();
    if !alone.is_empty() {
        let names: Vec<&str> =
            alone.iter().take(NAMED_ALONE).map(|&frame| report.frames[frame].as_str()).collect();
        outln!("alone    {}: {}{}", alone.len(), names.join(", "), more(alone.len(), NAMED_ALONE));
    }
    let limit = if args.table.output.is_some() { 0 } else { LISTED_PAIRS };
    let listed = &graph.edges[..limit.min(graph.edges.len())];
    if listed.is_empty() {
        return;
    }
    let width = |pick: fn(&zemosaic_gauge::Overlap) -> usize| {
        listed.iter().map(|edge| report.frames[pick(edge)].chars().count()).max().unwrap_or(0).max(5)
    };
    let (width_a, width_b) = (width(|edge| edge.a), width(|edge| edge.b));
    outln!("{:width_a$}  {:width_b$}   share  area [arcmin^2]", "a", "b");
    for edge in listed {
        outln!(
            "{:width_a$}  {:width_b$}  {:6.4}  {:15.3}{}",
            report.frames[edge.a],
            report.frames[edge.b],
            edge.share,
            area_arcmin2(edge),
            if edge.is_bridge { "  bridge" } else { "" }
        );
    }
    if graph.edges.len() > limit {
        outln!("... and {} more; -o FILE.csv has them all", graph.edges.len() - limit);
    }
}

fn more(count: usize, limit: usize) -> String {
    if count > limit { format!(", ... {} more", count - limit) } else { String::new() }
}

fn print_json(report: &OverlapsReport) {
    let graph = &report.graph;
    let name = |frame: usize| &report.frames[frame];
    let left_out: Vec<_> = report
        .left_out
        .iter()
        .map(|item| json!({"frame": item.id, "code": item.reason.code(), "message": item.reason.message()}))
        .collect();
    let pair = |edge: &zemosaic_gauge::Overlap| {
        json!({
            "a": name(edge.a),
            "b": name(edge.b),
            "share": edge.share,
            "area_arcmin2": area_arcmin2(edge),
            "bridge": edge.is_bridge,
        })
    };
    let document = json!({
        "schema": 1,
        "frames": report.frames,
        "left_out": left_out,
        "parts": graph.part_sizes(),
        "part": graph.part.iter().map(|part| part + 1).collect::<Vec<_>>(),
        "alone": graph.alone().into_iter().map(name).collect::<Vec<_>>(),
        "bridges": graph.bridges,
        "pairs": graph.edges.iter().map(pair).collect::<Vec<_>>(),
    });
    outln!("{document:#}");
}
