//! `zemosaic solve`: where frames point, and whether their WCS is right.

use serde_json::json;
use zemosaic_run::options::Existing;
use zemosaic_run::solve::SolvedInputs;
use zemosaic_run::watchdog::{StallFiles, Watchdog};
use zemosaic_run::{ExitCode, RunError, SolveReport, solve_inputs};

use crate::commands::mosaic::stop_on_signal;
use crate::progress::Display;
use crate::say;
use crate::solve_args::SolveCommandArgs;

/// Run it.
pub fn run(args: &SolveCommandArgs, given: &[String]) -> u8 {
    match solved(args, given) {
        Ok(solved) => {
            say::left_out(&solved.left_out);
            say::warnings(&solved.report.warnings);
            if args.json {
                print_json(&solved.report);
            } else {
                print_table(&solved.report);
            }
            match sidecars(args, &solved) {
                Ok(()) => exit_code(&solved) as u8,
                Err((code, message)) => {
                    say::failure("E-SIDECAR", &message);
                    code as u8
                }
            }
        }
        Err(error) => {
            say::error(&error);
            error.exit_code() as u8
        }
    }
}

fn solved(args: &SolveCommandArgs, given: &[String]) -> Result<SolvedInputs, RunError> {
    let request = args.request(given).map_err(RunError::Usage)?;
    // Lines on stdout are frames here, not events; progress is on stderr.
    let reporter = Display::of(false, args.quiet).reporter();
    let cancel = stop_on_signal(&reporter);
    let stalls = StallFiles::of_command(None, args.tmp.as_deref());
    let _watchdog = Watchdog::start(args.watchdog.options(), &reporter, stalls);
    solve_inputs(&request, &reporter, &cancel)
}

/// All solved: 0; some: 9; none: 5.
fn exit_code(solved: &SolvedInputs) -> ExitCode {
    let unsolved = solved.unsolved();
    let failed = solved.left_out.iter().any(|item| item.reason.is_failure());
    if unsolved > 0 && unsolved == solved.report.frames.len() {
        ExitCode::Unsolved
    } else if unsolved > 0 || failed {
        ExitCode::Partial
    } else {
        ExitCode::Ok
    }
}

fn sidecars(args: &SolveCommandArgs, solved: &SolvedInputs) -> Result<(), (ExitCode, String)> {
    if !args.write_sidecar {
        return Ok(());
    }
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let written = solved
        .write_sidecars(args.sidecar_dir.as_deref(), existing)
        .map_err(|error| (ExitCode::InputOutput, format!("{error}; --sidecar-dir DIR writes elsewhere")))?;
    if !args.quiet {
        eprintln!("{} side-cars written", written.len());
    }
    Ok(())
}

fn print_json(report: &SolveReport) {
    for row in &report.frames {
        if let Ok(line) = serde_json::to_string(row) {
            outln!("{line}");
        }
    }
    outln!("{}", json!({ "summary": report }));
}

fn print_table(report: &SolveReport) {
    if report.frames.is_empty() {
        outln!("nothing to solve: every frame has a WCS, which --solve missing believes");
        return;
    }
    let figure =
        |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
    outln!(
        "{:<44} {:<10} {:<10} {:>10} {:>10} {:>8} {:>8} {:>5} {:>5} {:>6}",
        "frame",
        "outcome",
        "by",
        "ra",
        "dec",
        "scale",
        "rotation",
        "stars",
        "match",
        "rms"
    );
    for row in &report.frames {
        outln!(
            "{:<44} {:<10} {:<10} {:>10} {:>10} {:>8} {:>8} {:>5} {:>5} {:>6}",
            row.frame,
            row.outcome.label(),
            row.how,
            figure(row.centre_deg.map(|centre| centre.0), 5),
            figure(row.centre_deg.map(|centre| centre.1), 5),
            figure(row.scale_arcsec, 4),
            figure(row.rotation_deg, 2),
            row.stars,
            row.matches,
            figure(row.rms_px, 3)
        );
        if !row.note.is_empty() {
            outln!("    {}", row.note);
        }
    }
    for own in &report.instruments {
        outln!(
            "{}: {} frames, {:.4} arcsec/px, {}{}",
            own.name,
            own.frames,
            own.scale_arcsec,
            own.mount,
            match own.sip_order {
                0 => String::new(),
                order => format!(", distortion of order {order}, at most {:.2} px", own.distortion_max_px),
            }
        );
    }
    let outcomes: Vec<String> =
        report.outcomes.iter().map(|(name, count)| format!("{count} {name}")).collect();
    outln!("{} by {}", outcomes.join(", "), report.catalogue);
    if let Some(internal) = report.internal_rms_px {
        outln!(
            "adjusted together over {} stars: the same star scatters by {internal:.3} px ({} arcsec) on each axis, \
             catalogue places differ by {} arcsec",
            report.objects,
            figure(report.internal_rms_arcsec, 3),
            figure(report.external_rms_arcsec, 3)
        );
    }
}
