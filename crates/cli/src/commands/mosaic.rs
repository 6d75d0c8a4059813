//! `zemosaic run`, `mosaic` and `stack`: one mosaic, or one master tile.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use zemosaic_run::units::show_seconds;
use zemosaic_run::{Event, ExitCode, MosaicRequest, Reporter, RunCommand, RunError, RunOutcome};

use crate::args::MosaicArgs;
use crate::progress::Display;
use crate::run_args::RunArgs;
use crate::say;

/// Run `mosaic`.
pub fn run(args: &MosaicArgs, given: &[String]) -> u8 {
    let request = args.check(given, RunCommand::Mosaic).map(|()| args.request(given, RunCommand::Mosaic));
    start(request, args)
}

/// Run `run`.
pub fn run_all(args: &RunArgs, given: &[String]) -> u8 {
    start(args.check(given).map(|()| args.request(given)), &args.mosaic)
}

/// Run `stack`.
pub fn run_stack(args: &MosaicArgs, given: &[String]) -> u8 {
    let request = args.check_stack(given).map(|()| args.request(given, RunCommand::Stack));
    start(request, args)
}

/// Do what is asked for, or only plan it.
fn start(request: Result<MosaicRequest, String>, args: &MosaicArgs) -> u8 {
    if args.dry_run {
        return super::plan::show(request, args.json);
    }
    let request = match request {
        Ok(request) => request,
        Err(message) => {
            let error = RunError::Usage(message);
            let reporter = Display::of(args.json, args.quiet).reporter();
            reporter.send(failed(&error));
            drop(reporter);
            say::error(&error);
            return error.exit_code() as u8;
        }
    };
    match execute(&request, Display::of(args.json, args.quiet)) {
        Ok(outcome) => {
            if !args.json {
                for path in &outcome.mosaics {
                    outln!("{}", path.display());
                }
            }
            outcome.exit_code as u8
        }
        Err(error) => error.exit_code() as u8,
    }
}

/// Make the mosaic and tell of it; the error, if any, is already told.
pub fn execute(request: &MosaicRequest, display: Display) -> Result<RunOutcome, RunError> {
    let reporter = display.reporter();
    let cancel = stop_on_signal(&reporter);
    reporter.send(Event::RunStarted {
        version: 1,
        command: request.command.clone(),
        threads: request.worker_threads(),
    });
    let work = || zemosaic_run::mosaic(request, &reporter, &cancel);
    let result = std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = "a bug: the message on stderr says where; please report it";
        reporter.last_words().failed(ExitCode::Internal as u8, "E-INTERNAL", message);
        std::panic::resume_unwind(panic)
    });
    let seconds = reporter.elapsed_s();
    match &result {
        Ok(outcome) => reporter.send(outcome.last_event(seconds)),
        Err(error) => reporter.send(failed(error)),
    }
    drop(reporter);
    match &result {
        Ok(outcome) => {
            say::left_out(&outcome.left_out);
            say::warnings(&outcome.warnings);
            if display == Display::Bars {
                eprintln!(
                    "{} of {} frames in {}{}",
                    outcome.used,
                    outcome.used + outcome.left_out.len(),
                    show_seconds(seconds),
                    if outcome.exit_code == ExitCode::Ok { "" } else { "; not everything could be read" }
                );
            }
        }
        Err(error) => say::error(error),
    }
    result
}

/// The last event of a run that ends with `error`.
fn failed(error: &RunError) -> Event {
    Event::Failed {
        exit_code: error.exit_code() as u8,
        code: error.code().into(),
        message: error.to_string(),
    }
}

/// The last event of a command line that is not understood, where it asks a run for events.
pub fn tell_not_understood(error: &clap::Error) {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let is_run = words.first().is_some_and(|word| ["run", "mosaic", "stack"].iter().any(|own| word == own));
    // What follows "--" are inputs.
    let asks = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    if error.use_stderr() && is_run && asks {
        // Usage and help are for people, on stderr.
        let text = error.to_string();
        let told = text.split("\n\nUsage:").next().unwrap_or_default().trim();
        let message = told.strip_prefix("error: ").unwrap_or(told).to_owned();
        Display::Json.reporter().send(failed(&RunError::Usage(message)));
    }
}

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second one ends the program at once.
pub fn stop_on_signal(reporter: &Reporter) -> Arc<AtomicBool> {
    let last_words = reporter.last_words();
    let cancel = Arc::new(AtomicBool::new(false));
    let count = AtomicU32::new(0);
    let flag = Arc::clone(&cancel);
    let installed = ctrlc::set_handler(move || {
        flag.store(true, Ordering::Relaxed);
        if count.fetch_add(1, Ordering::Relaxed) > 0 {
            let code = ExitCode::Interrupted as u8;
            last_words.failed(code, "E-INTERRUPTED", "interrupted twice: ended at once");
            std::process::exit(i32::from(code));
        }
        eprintln!("stopping; once more to stop at once");
    });
    if let Err(error) = installed {
        say::warning(
            "W-SIGNAL",
            &format!("Ctrl-C cannot be caught ({error}); a partial file may stay behind"),
        );
    }
    cancel
}
