//! Messages to people: code, what happened, what to do.

use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::io::Write;

use miette::{GraphicalReportHandler, GraphicalTheme, MietteDiagnostic, Severity};
use zemosaic_frames::LeftOut;
use zemosaic_run::{RunError, Warning};

/// A line of results on stdout, as `println!`.
macro_rules! outln {
    ($($part:tt)*) => { $crate::say::out(format_args!($($part)*)) };
}

/// A line of results on stdout. A reader that goes away (as with `| head`) is no error.
pub fn out(line: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Print an error on stderr.
pub fn error(error: &RunError) {
    show(error.code(), &error.to_string(), Severity::Error);
}

/// Print a warning on stderr.
pub fn warning(code: &str, message: &str) {
    show(code, message, Severity::Warning);
}

/// Print an error that has no run behind it.
pub fn failure(code: &str, message: &str) {
    show(code, message, Severity::Error);
}

fn show(code: &str, message: &str, severity: Severity) {
    let plain =
        std::env::var_os("NO_COLOR").is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
    let name = if severity == Severity::Error { "error" } else { "warning" };
    if plain {
        eprintln!("{name} {code}: {message}");
        return;
    }
    let diagnostic = MietteDiagnostic::new(message).with_code(code).with_severity(severity);
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode());
    if handler.render_report(&mut text, &diagnostic).is_ok() {
        eprint!("{text}");
    } else {
        eprintln!("{name} {code}: {message}");
    }
}

/// Print the files that are not used, grouped by reason: one line with an example each.
pub fn left_out(items: &[LeftOut]) {
    let mut groups: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    for item in items {
        groups.entry(item.reason.code()).or_default().push(item);
    }
    for (code, group) in groups {
        let first = group[0];
        let more = if group.len() > 1 {
            format!(" (+ {} similar, see frames.csv)", group.len() - 1)
        } else {
            String::new()
        };
        warning(code, &format!("{} left out: {}{more}", first.id, first.reason.message()));
    }
}

/// Print warnings of a run, grouped by code: one line with an example each.
pub fn warnings(items: &[Warning]) {
    let mut groups: BTreeMap<&str, Vec<&Warning>> = BTreeMap::new();
    for item in items {
        groups.entry(item.code).or_default().push(item);
    }
    for (code, group) in groups {
        let more = if group.len() > 1 {
            format!(" (+ {} similar, see report.json)", group.len() - 1)
        } else {
            String::new()
        };
        warning(code, &format!("{}{more}", group[0].message));
    }
}
