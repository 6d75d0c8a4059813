//! `zemosaic quality`: sky, stars and trails of frames, and which of them the gates would leave out.

use serde_json::json;
use zemosaic_frames::IngestOptions;
use zemosaic_run::watchdog::{StallFiles, Watchdog};
use zemosaic_run::{
    ExitCode, QualityOptions, QualityReport, QualityRequest, QualityRow, RunError, quality_of,
};
use zemosaic_stars::GateMode;

use crate::command_args::QualityArgs;
use crate::commands::mosaic::stop_on_signal;
use crate::progress::Display;
use crate::say;

/// Run it.
pub fn run(args: &QualityArgs, given: &[String]) -> u8 {
    match measured(args, given) {
        Ok(report) => {
            say::left_out(&report.left_out);
            if args.table.json {
                print_json(&report);
            } else {
                print_table(&report);
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

fn measured(args: &QualityArgs, given: &[String]) -> Result<QualityReport, RunError> {
    args.gate.check(GateMode::Auto, given).map_err(RunError::Usage)?;
    args.table.refuse_existing()?;
    let gates = args.gate.options(GateMode::Auto);
    let request = QualityRequest {
        inputs: args.table.input.clone(),
        ingest: IngestOptions::default(),
        options: QualityOptions { gates, ..QualityOptions::default() },
        threads: args.table.threads.map(usize::from),
        spill: args.tmp.clone(),
    };
    if let Some(path) = &args.table.output {
        request.refuse_output(path)?;
    }
    // Lines on stdout are frames here, not events; progress is on stderr.
    let reporter = Display::of(false, args.table.quiet).reporter();
    let cancel = stop_on_signal(&reporter);
    let stalls = StallFiles::of_command(args.table.output.as_deref(), args.tmp.as_deref());
    let watchdog = Watchdog::start(args.watchdog.options(), &reporter, stalls);
    let report = quality_of(&request, &reporter, &cancel)?;
    drop(watchdog);
    drop(reporter);
    if let Some(path) = &args.table.output {
        report.write_csv(path)?;
    }
    Ok(report)
}

fn print_json(report: &QualityReport) {
    for row in &report.rows {
        if let Ok(line) = serde_json::to_string(row) {
            outln!("{line}");
        }
    }
    for item in &report.left_out {
        let line = json!({"frame": item.id, "code": item.reason.code(), "message": item.reason.message()});
        outln!("{line}");
    }
}

fn print_table(report: &QualityReport) {
    let width = report.rows.iter().map(|row| row.frame.chars().count()).max().unwrap_or(0).max(5);
    outln!(
        "{:width$}  night       background    noise  stars   fwhm    hfr  round  trails  verdict",
        "frame"
    );
    for row in &report.rows {
        outln!("{:width$}  {:10}  {}", row.frame, row.night, figures(row));
    }
    let (all, dropped) = (report.rows.len(), report.dropped());
    outln!("{all} frames, {} good, {dropped} too bad", all - dropped);
}

fn figures(row: &QualityRow) -> String {
    let verdict = row.dropped.as_deref().unwrap_or("good");
    let Some(quality) = &row.quality else {
        return format!(
            "{:>10} {:>8} {:>6} {:>6} {:>6} {:>6} {:>7}  {verdict}",
            "-", "-", "-", "-", "-", "-", "-"
        );
    };
    let figure = |value: f64, decimals: usize| {
        if value.is_nan() { "-".to_owned() } else { format!("{value:.decimals$}") }
    };
    format!(
        "{:>10} {:>8} {:>6} {:>6} {:>6} {:>6} {:>7}  {verdict}",
        figure(quality.background_adu, 1),
        figure(quality.noise_adu, 2),
        quality.stars,
        figure(quality.fwhm_px, 2),
        figure(quality.hfr_px, 2),
        figure(quality.roundness, 2),
        quality.trails.len()
    )
}
